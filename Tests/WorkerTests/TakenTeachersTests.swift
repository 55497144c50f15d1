import Checkpoints
import Communication
import Datasets
import Foundation
import Jobs
import Testing
import Worker

@Suite struct TakenTeachersTests {
    private static let models = ["teacher-0", "teacher-1", "student"]

    /// Prepares a run and walks it to its end.
    private func finish(_ workshop: Workshop, _ name: String, ranks: Int, _ job: Job) throws -> RunDirectory {
        let directory = try workshop.run(name, job)
        let exits = try onRanks(ranks) { world in
            try TrainingRun(session: Session(world: world, directory: directory)).walk().exit
        }
        #expect(exits == Array(repeating: .done, count: ranks))
        return directory
    }

    /// What must be equal whoever trained the teachers: checkpoints, logs of steps, images.
    private func result(_ directory: RunDirectory) -> [Data?] {
        Self.models.map { directory.checkpoint($0, step: 6) }
            + Self.models.map { Data(directory.logText($0).utf8) }
            + [FileManager.default.contents(atPath: directory.samples + "/student.npz")]
    }

    private func taking(from source: RunDirectory, _ workshop: Workshop, _ change: (inout Job) -> Void = { _ in })
        -> Job
    {
        workshop.job {
            $0.teachersFrom = source.path
            change(&$0)
        }
    }

    /// Fails when anything of a teacher's state is lost or mixed up on its way, on one or several ranks, or when a run that
    /// took its teachers cannot hand them on.
    @Test func takenTeachersComeToTheSameResult() throws {
        let workshop = try Workshop()
        let whole = try finish(workshop, "whole", ranks: 2, workshop.job())
        let expected = result(whole)
        #expect(Set(expected).count == 7 && !expected.contains(nil))
        let dual = try finish(workshop, "dual", ranks: 1, taking(from: whole, workshop) { $0.defence = .dualMD })
        for (ranks, source) in [(1, whole), (3, dual)] {
            let run = try finish(workshop, "on-\(ranks)", ranks: ranks, taking(from: source, workshop))
            #expect(result(run) == expected, "\(ranks) ranks")
            #expect(try run.checkpointSteps(of: "teacher-1") == [6])
            let taken = try run.events(.taken).sorted { "\($0["model"] ?? "")" < "\($1["model"] ?? "")" }
            #expect(taken.map { $0["model"] as? String } == ["teacher-0", "teacher-1"])
            #expect(taken.allSatisfy { $0["from"] as? String == source.path && $0["step"] as? Int == 6 })
            let manifest = try Data(
                contentsOf: URL(fileURLWithPath: source.checkpoints(of: "teacher-1") + "/step-00000006.json"))
            #expect(taken[1]["origin_manifest_sha256"] as? String == sha256Hex(Array(manifest)))
            let store = CheckpointStore(directory: run.checkpoints)
            #expect(try store.verify().allSatisfy(\.valid) && store.chains().allSatisfy { $0.firstBreak == nil })
            let trained = try run.events(.rate).filter { $0["steps"] as? Int != 0 }
            #expect(Set(trained.map { $0["model"] as? String }) == ["student"])
        }
    }

    /// What a kill can leave of a teacher that is being taken: the log, and the checkpoint's file without its manifest.
    @Test(arguments: [["h5", "json"], ["json"]]) func aKillWhileATeacherIsTakenIsMended(missing: [String]) throws {
        let workshop = try Workshop()
        let whole = try finish(workshop, "whole", ranks: 1, workshop.job())
        let job = taking(from: whole, workshop)
        let run = try workshop.run("run", job)
        _ = try onRanks(2) { world in
            let session = try Session(world: world, directory: run)
            return try session.teach(session.split())
        }
        for suffix in missing {
            try FileManager.default.removeItem(atPath: run.checkpoints(of: "teacher-1") + "/step-00000006.\(suffix)")
        }
        #expect(try result(finish(workshop, "run", ranks: 1, job)) == result(whole))
        let taken = try run.events(.taken).map { $0["model"] as? String }
        #expect(taken.count == 3 && taken.last == "teacher-1")
    }

    @Test func theOtherRunIsNotNeededAfterwards() throws {
        let workshop = try Workshop()
        let whole = try finish(workshop, "whole", ranks: 1, workshop.job())
        let expected = result(whole)
        let job = taking(from: whole, workshop)
        let run = try workshop.run("run", job)
        _ = try onRanks(1) { world in
            let session = try Session(world: world, directory: run)
            return try session.teach(session.split())
        }
        try FileManager.default.removeItem(atPath: whole.path)
        #expect(try result(finish(workshop, "run", ranks: 2, job)) == expected)
    }

    /// A teacher that has begun to train goes on, to the same bits.
    @Test func aTeacherThatHasBegunIsNotTaken() throws {
        let workshop = try Workshop()
        let whole = try finish(workshop, "whole", ranks: 1, workshop.job())
        let job = taking(from: whole, workshop)
        let run = try workshop.run("run", workshop.job())
        _ = try onRanks(1) { world in
            var questions = 0
            let session = try Session(world: world, directory: run) {
                questions += 1
                return questions > 2
            }
            return try session.teach(session.split())
        }
        #expect(try run.checkpointSteps(of: "teacher-0") == [3] && run.checkpointSteps(of: "teacher-1").isEmpty)
        #expect(try result(finish(workshop, "run", ranks: 2, job)) == result(whole))
        #expect(try run.events(.taken).map { $0["model"] as? String } == ["teacher-1"])
    }

    /// What only the ranks can see.
    enum Fault: CaseIterable {
        case damaged
        case otherImages
        case otherParts
        case otherMachine

        func strike(_ source: RunDirectory, _ workshop: Workshop) throws -> (code: Jobs.ExitCode, words: [String]) {
            switch self {
            case .damaged:
                let path = source.checkpoints(of: "teacher-1") + "/step-00000006.h5"
                var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
                bytes[bytes.count / 2] ^= 1
                try bytes.write(to: URL(fileURLWithPath: path))
                return (.badData, ["teacher-1 cannot be taken from \(source.path)", path, "its SHA-256 is"])
            case .otherImages:
                try workshop.writeImages(count: 64, stream: 1)
                return (.badData, [source.path, "with other images or labels"])
            case .otherParts:
                let old = try SplitFile.read(source)
                let swapped = SplitRecord(
                    partOfImage: old.partOfImage.map { $0 < 0 ? $0 : 1 - $0 }, groupOfImage: old.groupOfImage,
                    imageHashes: old.imageHashes, catalogueHash: old.catalogueHash, report: old.report)
                try SplitFile.write(swapped, to: source)
                return (.badData, ["on other parts of the same images", source.split])
            case .otherMachine:
                let path = source.path + "/profile.json"
                let text = try String(contentsOfFile: path, encoding: .utf8)
                try text.replacing(/"rules" : \d+/, with: "\"rules\" : 99").write(
                    toFile: path, atomically: true, encoding: .utf8)
                return (.usage, ["has computed other bits", "99 there"])
            }
        }
    }

    /// Fails when one of the comparisons is left out: then the run trains on what is not its own teacher.
    @Test(arguments: Fault.allCases) func whatIsNotThisRunsTeacherIsRefused(fault: Fault) throws {
        let workshop = try Workshop()
        let source = try finish(workshop, "source", ranks: 1, workshop.job { $0.defence = .dualMD })
        let (code, words) = try fault.strike(source, workshop)
        let run = try workshop.run("run", taking(from: source, workshop))
        let failures = try onRanks(1) { world in
            let session = try Session(world: world, directory: run)
            return errorThrown { _ = try TrainingRun(session: session).walk() }.map { DiptychFailure($0) }
        }
        let failure = try #require(failures[0])
        #expect(failure.code == code, "\(failure)")
        for word in ["`teachers.from`: ", "leave the key out"] + words {
            #expect(failure.message.contains(word), "\(word): \(failure)")
        }
        #expect(try run.checkpointSteps(of: "teacher-1").isEmpty)
        if fault == .otherImages { return }
        // Without the key, the run trains what it lacks by itself.
        #expect(try result(finish(workshop, "run", ranks: 1, workshop.job())).contains(nil) == false)
    }
}
