import Foundation
import Jobs
import Testing

@Suite struct TeacherSourceTests {
    /// Fails when a new key that changes the teachers' bits is not compared, or one that does not is.
    @Test func teachersDifferByWhatChangesTheirBits() throws {
        let original = try job()
        for key in JobSchema.keys where !ResolvedJobTests.fixed.contains(key.path) {
            let leaf = try #require(key.path.split(separator: ".").last)
            let value = try #require(
                ResolvedJobTests.changes[key.path] ?? ResolvedJobTests.changes[String(leaf)], "\(key.path)")
            let changed = try job("\(key.path)=\(value)")
            let comesLater = ["distill", "sample"].contains(key.path.split(separator: ".")[0])
            let decides =
                !comesLater && key.path != "defence" && (key.effect == .bits || key.effect == .extendable)
            let found = changed.teacherDifferences(from: original).map(\.key)
            #expect(found == (decides ? [key.path] : []), "\(key.path)")
        }
        let baseline = try job("defence=none")
        #expect(try job().teacherDifferences(from: baseline).map(\.description) == ["defence: none -> distillmd"])
    }

    @Test func aBaselineTakesNoTeachers() {
        let message = refusal(smallJob, overrides: ["defence=none", "teachers.from=/run"])
        #expect(message.contains("`teachers.from` is for a defence with teachers, `dualmd` or `distillmd`, found none"))
    }

    /// A run with files that bear the names of checkpoints.
    private func make(_ run: String, _ job: Job, steps: [String: [Int]]) throws {
        let directory = try RunPreparation.open(job: job, run: run, extend: true).directory
        for (model, steps) in steps {
            let folder = directory.checkpoints(of: model)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for step in steps {
                let name = "\(folder)/step-000000\(step < 10 ? "0" : "")\(step).json"
                #expect(FileManager.default.createFile(atPath: name, contents: nil))
            }
        }
    }

    @Test func onlyARunThatHasFinishedTheSameTeachersIsTaken() throws {
        try withTemporaryDirectory { folder in
            let finished = ["teacher-0": [5, 10], "teacher-1": [10]]
            try make("\(folder)/finished", job(), steps: finished)
            try make("\(folder)/unfinished", job(), steps: ["teacher-0": [10], "teacher-1": [5]])
            try make("\(folder)/baseline", job("defence=none"), steps: ["baseline": [10]])
            let refusals: [(source: String, overrides: [String], code: ExitCode, words: String)] = [
                ("finished", ["seed=1"], .usage, "(there -> here):\n  seed: 0 -> 1\nName a run"),
                ("finished", ["teach.steps=20"], .usage, "  teach.steps: 10 -> 20\n"),
                (
                    "finished", ["model.dropout=0.1", "data.members=99"], .usage,
                    "data.members: 100 -> 99\n  model.drop"
                ),
                ("baseline", [], .usage, "  defence: none -> distillmd\n"),
                (
                    "unfinished", [], .badData,
                    "teacher-1 of the run in \(folder)/unfinished has come to step 5, not to its last, 10"
                ),
                ("absent", [], .inputOutput, "\(folder)/absent is not a run: it has no job.yaml. Name a run"),
            ]
            for (source, overrides, code, words) in refusals {
                let failure = failure {
                    _ = try RunPreparation.open(
                        job: job(overrides + ["teachers.from=\(folder)/\(source)"]), run: "\(folder)/new", extend: false
                    )
                }
                #expect(failure.code == code)
                #expect(failure.message.contains("`teachers.from`: ") && failure.message.contains(words), "\(failure)")
                #expect(try !RunDirectory("\(folder)/new").isPrepared)
            }
            let dual = try job("defence=dualmd", "teachers.from=\(folder)/finished", "sample.count=3")
            #expect(try RunPreparation.open(job: dual, run: "\(folder)/new", extend: false).job == dual)
        }
    }

    /// A run that has its teachers asks nothing of the other, and one whose teacher has begun to train goes on training it.
    @Test func onlyTeachersThatWereNeverSavedAreTaken() throws {
        try withTemporaryDirectory { folder in
            let job = try job("teachers.from=\(folder)/gone")
            try make("\(folder)/run", self.job(), steps: ["teacher-0": [10], "teacher-1": [5]])
            let resumed = try RunPreparation.open(job: job, run: "\(folder)/run", extend: false)
            #expect(resumed.differences.map(\.description) == ["teachers.from: null -> \(folder)/gone"])
            #expect(try job.takenTeachers(in: resumed.directory).map(\.name) == ["teacher-0"])
            try FileManager.default.removeItem(atPath: resumed.directory.checkpoints(of: "teacher-0"))
            let failure = failure {
                try TeacherSource.check(job, in: resumed.directory)
            }
            #expect(failure.code == .inputOutput && failure.message.contains("\(folder)/gone is not a run"))
            #expect(try self.job().takenTeachers(in: resumed.directory).isEmpty)
        }
    }

    @Test func relativePathsStartAtTheCurrentDirectory() throws {
        try withTemporaryDirectory { folder in
            try make("\(folder)/source", job(), steps: ["teacher-0": [10], "teacher-1": [10]])
            let up = String(repeating: "../", count: 20)
            let prepared = try RunPreparation.open(
                job: job("teachers.from=\(up)\(folder)/source"), run: "\(folder)/run", extend: false)
            #expect(prepared.job.teachersFrom == "\(folder)/source")
            #expect(try prepared.directory.readJob().teachersFrom == "\(folder)/source")
        }
    }

    private func job(_ overrides: String...) throws -> Job { try JobsTests.job(overrides) }
    private func job(_ overrides: [String]) throws -> Job { try JobsTests.job(overrides) }
}
