import Foundation
import Testing

extension EndToEnd {
    /// Data that is not what it must be, met by a run that has something to lose.
    ///
    /// With two ranks, because then both meet the fault, and the code must still be the data's and not that of a lost
    /// rank.
    @Suite(.serialized)
    struct BadDataTests {
        /// A way in which data can be wrong.
        enum Fault: String, CaseIterable {
            case missing
            case truncated
            case wrongMagic
            case otherLabels
            case notGzip

            /// Makes the data, and says what the run is told and what the message must name.
            func make(in folder: TemporaryFolder) throws -> (set: String, code: Int32, naming: [String]) {
                let bytes = try #require(FileManager.default.contents(atPath: TinyJob.images))
                switch self {
                case .missing:
                    let path = folder.file("absent.gz")
                    return ("data.images=\(path)", Exit.inputOutput, [path])
                case .truncated:
                    let path = try folder.write(bytes.prefix(bytes.count / 2), to: "half.gz")
                    return ("data.images=\(path)", Exit.badData, [path])
                case .wrongMagic:
                    // Labels where images should be: their magic number says so.
                    return ("data.images=\(TinyJob.labels)", Exit.badData, [TinyJob.labels, "magic"])
                case .otherLabels:
                    let path = TinyJob.labels.replacingOccurrences(of: "t10k", with: "train")
                    return ("data.labels=\(path)", Exit.badData, [path, "60000", "10000"])
                case .notGzip:
                    let path = try folder.write("<html>404 Not Found</html>", to: "page.gz")
                    return ("data.images=\(path)", Exit.badData, [path])
                }
            }
        }

        @Test(arguments: Fault.allCases)
        func `Bad data ends a run with one message and costs nothing`(fault: Fault) throws {
            let job = try Runs.stopped()
            let (set, code, words) = try fault.make(in: job.folder)
            let before = job.run.treasures.filter { $0.key != "job.yaml" }
            try expectRefusal(job.finish(ranks: 2, set: [set]), code: code, naming: words)
            #expect(job.run.treasures.filter { $0.key != "job.yaml" } == before)
        }

        @Test func `A run that began without its data goes on when the data is there`() throws {
            let job = try TinyJob(replacing: TinyJob.images, with: "images.gz")
            try expectRefusal(
                job.finish(ranks: 2), code: Exit.inputOutput, naming: [job.folder.file("images.gz")])
            try FileManager.default.copyItem(atPath: TinyJob.images, toPath: job.folder.file("images.gz"))
            try expectSame(RunResult(job.finish(ranks: 2), job.run), Runs.finished().result, "with the data")
        }

        /// One pixel of one image is enough.
        @Test func `Changed data is refused on resume, and the same data in another file is not`() throws {
            let job = try Runs.stopped()
            let plain = try plainImages(in: job.folder)
            var changed = try #require(FileManager.default.contents(atPath: plain))
            changed[16 + 784 * 5000 + 400] ^= 1
            let path = try job.folder.write(changed, to: "changed")
            let before = job.run.treasures.filter { $0.key != "job.yaml" }
            try expectRefusal(
                job.finish(ranks: 2, set: ["data.images=\(path)"]), code: Exit.badData, naming: ["image"])
            #expect(job.run.treasures.filter { $0.key != "job.yaml" } == before)
            let end = try job.finish(ranks: 2, set: ["data.images=\(plain)"])
            try expectSame(RunResult(end, job.run), Runs.finished().result, "from a plain file")
        }

        /// The test images without gzip.
        private func plainImages(in folder: TemporaryFolder) throws -> String {
            let end = try run(.gzip, ["-dc", TinyJob.images], in: folder)
            #expect(end.code == 0)
            return end.outputFile
        }
    }
}
