import Foundation
import Jobs
import Testing

@Suite struct RunDirectoryTests {
    @Test func newRunIsPrivate() throws {
        try withTemporaryDirectory { directory in
            let run = directory + "/runs/a"
            let preparation = try RunPreparation.open(job: job(), run: run, extend: false)
            #expect(!preparation.isResumed)
            #expect(preparation.resumeSteps.isEmpty)
            for path in [run, run + "/checkpoints", run + "/logs", run + "/logs/heartbeats", run + "/samples"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                #expect(attributes[.posixPermissions] as? Int == 0o700)
            }
            let attributes = try FileManager.default.attributesOfItem(atPath: run + "/job.yaml")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try RunDirectory(run).readJob() == job())
        }
    }

    @Test func sameJobResumes() throws {
        try withTemporaryDirectory { run in
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            let steps = run + "/checkpoints/teacher-1"
            try FileManager.default.createDirectory(atPath: steps, withIntermediateDirectories: true)
            for name in ["step-00000005.json", "step-00000010.json", "step-00000010.h5", "step-00000015.h5", "x"] {
                #expect(FileManager.default.createFile(atPath: "\(steps)/\(name)", contents: nil))
            }
            let again = try RunPreparation.open(job: job("cluster.ranks=2", "name=b"), run: run, extend: false)
            #expect(again.isResumed)
            #expect(again.resumeSteps == ["teacher-1": 10])
            #expect(again.differences.map(\.key) == ["name", "cluster.ranks"])
            #expect(try again.directory.checkpointSteps(of: "teacher-1") == [5, 10])
        }
    }

    @Test func otherJobIsRefusedWithTheDifferenceAndAReadyOption() throws {
        try withTemporaryDirectory { directory in
            let run = directory + "/r"
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            let before = try String(contentsOfFile: run + "/job.yaml", encoding: .utf8)
            try FileManager.default.createDirectory(atPath: run + "-2", withIntermediateDirectories: true)
            let failure = failure { _ = try RunPreparation.open(job: job("teach.batch=24"), run: run, extend: true) }
            #expect(failure.code == .usage)
            #expect(failure.message.contains("teach.batch: 12 -> 24"))
            #expect(failure.message.contains("--run \(run)-3"))
            #expect(try String(contentsOfFile: run + "/job.yaml", encoding: .utf8) == before)
        }
    }

    @Test func moreStepsNeedExtend() throws {
        try withTemporaryDirectory { run in
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            let failure = failure {
                _ = try RunPreparation.open(job: job("teach.steps=20"), run: run, extend: false)
            }
            #expect(failure.code == .usage)
            #expect(failure.message.contains("--extend"))
            let longer = try RunPreparation.open(job: job("teach.steps=20"), run: run, extend: true)
            #expect(longer.differences.map(\.kind) == [.extendable])
            #expect(try RunDirectory(run).readJob().teach.steps == 20)
        }
    }

    @Test func teachersCannotGrowOnceTheStudentLearnsFromThem() throws {
        try withTemporaryDirectory { run in
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            let steps = run + "/checkpoints/student"
            try FileManager.default.createDirectory(atPath: steps, withIntermediateDirectories: true)
            #expect(FileManager.default.createFile(atPath: steps + "/step-00000005.json", contents: nil))
            let failure = failure { _ = try RunPreparation.open(job: job("teach.steps=20"), run: run, extend: true) }
            #expect(failure.message.contains("student"))
            _ = try RunPreparation.open(job: job("distill.steps=20"), run: run, extend: true)
        }
    }

    @Test(arguments: [("teach", "teacher-1"), ("distill", "student")])
    func stepsCannotGrowOnceTheRateDecays(phase: String, model: String) throws {
        let settings = ["\(phase).steps=10", "\(phase).decay_steps=4"]
        for (newest, isAllowed) in [(6, true), (7, false)] {
            try withTemporaryDirectory { run in
                _ = try RunPreparation.open(job: job(settings), run: run, extend: false)
                let steps = run + "/checkpoints/\(model)"
                try FileManager.default.createDirectory(atPath: steps, withIntermediateDirectories: true)
                #expect(FileManager.default.createFile(atPath: steps + "/step-0000000\(newest).json", contents: nil))
                let longer = try job(settings + ["\(phase).steps=20"])
                if isAllowed {
                    _ = try RunPreparation.open(job: longer, run: run, extend: true)
                } else {
                    let failure = failure { _ = try RunPreparation.open(job: longer, run: run, extend: true) }
                    #expect(failure.code == .usage)
                    #expect(failure.message.contains("\(model) has decayed since step 6"), "\(failure.message)")
                }
            }
        }
    }

    @Test func aPathWithoutDataIsNotRecorded() throws {
        try withTemporaryDirectory { run in
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            let before = try String(contentsOfFile: run + "/job.yaml", encoding: .utf8)
            let failure = failure {
                _ = try RunPreparation.open(job: job("data.images=\(run)/absent"), run: run, extend: false)
            }
            #expect(failure.code == .inputOutput)
            #expect(failure.message.contains("`data.images`: cannot read \(run)/absent"), "\(failure.message)")
            #expect(try String(contentsOfFile: run + "/job.yaml", encoding: .utf8) == before)
            let present = try RunPreparation.open(job: job("data.images=\(run)/job.yaml"), run: run, extend: false)
            #expect(try present.directory.readJob().data.images == run + "/job.yaml")
        }
    }

    @Test func editedJobIsRefused() throws {
        try withTemporaryDirectory { run in
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            let path = run + "/job.yaml"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try text.replacing("seed: 0", with: "seed: 1").write(toFile: path, atomically: true, encoding: .utf8)
            let edited = failure { _ = try RunDirectory(run).readJob() }
            #expect(edited.message.contains("changed by hand"))
            let missing = failure { _ = try RunDirectory(run + "/none").readJob() }
            #expect(missing.code == .inputOutput, "\(missing.message)")
        }
    }

    @Test func unusableDirectoriesAreNamed() throws {
        try withTemporaryDirectory { directory in
            #expect(FileManager.default.createFile(atPath: directory + "/file", contents: nil))
            for run in ["/file", "/file/below"] {
                let failure = failure { _ = try RunPreparation.open(job: job(), run: directory + run, extend: false) }
                #expect(failure.code == .inputOutput)
                #expect(failure.message.contains(directory + run))
                #expect(failure.message.contains("--run"))
            }
        }
    }

    @Test func twoRunsCannotShareADirectory() throws {
        try withTemporaryDirectory { run in
            #expect(try !RunLock.isHeld(RunDirectory(run)))
            let first = try RunPreparation.open(job: job(), run: run, extend: false)
            #expect(try RunLock.isHeld(first.directory))
            // Its holder is alive, so waiting would be in vain.
            var waits = 0
            let failure = failure {
                _ = try RunPreparation.open(job: job(), run: run, extend: false, patience: 60) { _ in waits += 1 }
            }
            #expect(failure.code == .inputOutput)
            #expect(failure.message.contains("process \(getpid())"))
            #expect(waits == 0)
            withExtendedLifetime(first) {}
        }
        try withTemporaryDirectory { run in
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            #expect(try !RunLock.isHeld(RunDirectory(run)))
        }
    }

    @Test func heartbeatsAreOverwrittenInPlace() throws {
        try withTemporaryDirectory { path in
            let directory = RunDirectory(path)
            try directory.create()
            var beat = Heartbeat(
                rank: 1, phase: .teach, model: "teacher-1", step: 5, totalSteps: 9, loss: 0.5, imagesPerSecond: 3)
            #expect(beat.write(to: directory))
            beat.step = 6
            beat.loss = nil
            #expect(beat.write(to: directory))
            try Data("{\"rank\": 2".utf8).write(to: URL(filePath: directory.heartbeat(of: 2)))
            let read = Heartbeat.readAll(in: directory)
            #expect(read == [beat])
            #expect(read[0].process == getpid())
            Heartbeat.removeAll(in: directory)
            #expect(Heartbeat.readAll(in: directory).isEmpty)
        }
    }

    @Test func outcomeReadsBack() throws {
        try withTemporaryDirectory { path in
            let directory = RunDirectory(path)
            #expect(try Outcome.read(from: directory) == nil)
            let outcome = Outcome(
                exit: .stopped, message: "stopped",
                phases: [
                    .init(name: .teach, steps: 5, seconds: 1.5, imagesPerSecond: 2, finalLoss: ["teacher-0": 0.25])
                ], weightsSHA256: ["teacher-0": "ab"], emaSHA256: ["teacher-0": "cd"], grid: "/g.png")
            try outcome.write(to: directory)
            #expect(try Outcome.read(from: directory) == outcome)
            let text = try String(contentsOfFile: directory.outcome, encoding: .utf8)
            for needle in ["\"exit\" : 75", "images_per_second", "final_loss", "weights_sha256", "ema_sha256"] {
                #expect(text.contains(needle))
            }
            try Outcome.remove(from: directory)
            #expect(try Outcome.read(from: directory) == nil)
        }
    }
}
