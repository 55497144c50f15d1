import Checkpoints
import Foundation
import Testing

extension Reliability {
    /// A checkpoint that libhdf5 reads from the disk is exchanged after its bytes were examined.
    @Suite(.enabled(if: Strace.works, "strace must be installed, and tracing allowed"))
    struct SwapTests {
        private static let steps = 3

        /// A finished training whose newest checkpoint is about to be parsed.
        private struct Scene {
            let folder: TemporaryFolder
            let run: String
            let newest: String
            let arguments: [String]
            let files: [String: Data]
            let weights: String
            /// The last look at the newest checkpoint before libhdf5 opens it.
            let point: Strace.Point
        }

        private func scene() throws -> Scene {
            let harness = Harness(isInMemory: false)
            let folder = try TemporaryFolder()
            let run = folder.path + "/run"
            let whole = try harness.train(run, steps: Self.steps)
            #expect(whole.code == 0, "\(whole.error)")
            let newest = "\(run)/\(Harness.model)/step-0000000\(Self.steps).h5"
            let arguments = harness.arguments(run, steps: Self.steps)
            let points = try Strace.points(
                in: newest, of: Harness.program(), arguments, calls: ["openat", "pread64"])
            let looks = points.indices.filter { points[$0].text.contains(newest) }
            // The first to open it is who examines it, the second is libhdf5.
            let opened = looks.filter { points[$0].call == "openat" }
            try #require(opened.count >= 2, "\(points.map(\.text))")
            let last = try #require(looks.last { $0 < opened[1] && points[$0].call == "pread64" })
            return Scene(
                folder: folder, run: run, newest: newest, arguments: arguments, files: try Harness.files(run),
                weights: try whole.report.weights, point: points[last])
        }

        private func load(_ scene: Scene, _ exchange: () throws -> Void) throws -> HarnessReport {
            let end = try Strace.run(
                Harness.program(), scene.arguments, haltedAfter: scene.point, in: scene.run, exchange)
            #expect([0, 65].contains(end.code), "\(end)")
            return try end.report
        }

        /// Fails when libhdf5 opens the checkpoint by its name: it would see bytes that nobody has examined.
        @Test func anotherFileUnderTheNameIsNotRead() throws {
            let scene = try scene()
            let report = try load(scene) {
                #expect(rename(scene.newest, scene.newest + ".moved") == 0)
                try Data("not examined".utf8).write(to: URL(filePath: scene.newest))
            }
            #expect(report.resumed == Self.steps && report.skipped.isEmpty, "\(report)")
            #expect(report.weights == scene.weights)
        }

        /// Fails when what was written into the file meanwhile is believed: weights and averages have hashes of their own in
        /// the manifest, the optimizer's moments have not.
        @Test func otherContentsOfTheFileAreNotBelieved() throws {
            let scene = try scene()
            let elsewhere = scene.folder.path + "/elsewhere"
            let found = try CheckpointStore(directory: scene.run).newest(model: Harness.model).checkpoint
            let state = try #require(found)
            func vector(_ vector: Checkpoint.Vector) throws -> [Float] {
                try Array(state.floats(of: vector, in: 0..<state.count))
            }
            let store = CheckpointStore(directory: elsewhere, imageLimit: 0, calls: .real)
            try store.save(
                Checkpoint(
                    model: state.model, phase: state.phase, step: state.step, jobHash: state.jobHash,
                    entries: state.entries, weights: vector(.weights), ema: vector(.ema),
                    firstMoment: vector(.firstMoment).map { -$0 }, secondMoment: vector(.secondMoment)))
            let other = try Data(contentsOf: URL(filePath: store.path(model: state.model, step: state.step)))
            let report = try load(scene) {
                let handle = try #require(FileHandle(forWritingAtPath: scene.newest))
                try handle.truncate(atOffset: 0)
                try handle.write(contentsOf: other)
                try handle.close()
            }
            // It was passed over, and its step done again, to the same bits.
            #expect(report.resumed == Self.steps - 1, "\(report)")
            #expect(report.skipped.count == 1 && report.skipped[0].contains("its SHA-256 is "), "\(report)")
            #expect(report.weights == scene.weights && report.faults == [])
            #expect(try Harness.files(scene.run) == scene.files)
        }
    }
}
