import Checkpoints
import Foundation
import Testing

extension EndToEnd {
    /// What scripts rely on.
    @Suite(.serialized)
    struct CommandTests {
        private func isHash(_ text: String) -> Bool { text.wholeMatch(of: /[0-9a-f]{64}/) != nil }

        @Test func `run prints one line of JSON with the promised keys`() throws {
            let made = try Runs.finished()
            let job = try TinyJob(copying: made.job)
            let end = try job.finish(ranks: 2)
            #expect(end.output.split(separator: "\n").count == 1)
            let json = try end.json
            #expect(
                Set(json.keys) == [
                    "run", "exit", "message", "phases", "weights_sha256", "ema_sha256", "grid", "requeued",
                ])
            #expect(json["run"] as? String == job.run.path)
            #expect(json["exit"] as? Int == 0)
            let phases = try #require(json["phases"] as? [[String: Any]])
            #expect(phases.compactMap { $0["name"] as? String } == ["split", "teach", "distill", "sample"])
            for phase in phases {
                #expect(Set(phase.keys) == ["name", "steps", "seconds", "images_per_second", "final_loss"])
                let losses = try #require(phase["final_loss"] as? [String: Double])
                switch phase["name"] as? String {
                case "teach":
                    #expect(losses.keys.sorted() == ["teacher-0", "teacher-1"])
                    #expect(phase["steps"] as? Int == TinyJob.steps)
                case "distill":
                    #expect(losses.keys.sorted() == ["student"])
                    #expect(phase["steps"] as? Int == TinyJob.steps)
                default: #expect(losses.isEmpty)
                }
            }
            #expect(made.result.weights.values.allSatisfy(isHash))
            #expect(made.result.averages.values.allSatisfy(isHash))
        }

        @Test func `verify prints one line of JSON with every checkpoint`() throws {
            let made = try Runs.finished()
            let end = try run(.diptych, ["verify", made.job.run.path, "--json"], in: made.job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            #expect(end.output.split(separator: "\n").count == 1)
            let checkpoints = try #require(end.json["checkpoints"] as? [[String: Any]])
            #expect(checkpoints.count == 9, "three of each of three models")
            for checkpoint in checkpoints {
                let promised = Set(["path", "model", "step", "valid", "weights_sha256", "ema_sha256"])
                #expect(promised.isSubset(of: checkpoint.keys))
                #expect(checkpoint["valid"] as? Bool == true)
                guard checkpoint["step"] as? Int == TinyJob.steps else { continue }
                let model = try #require(checkpoint["model"] as? String)
                #expect(checkpoint["weights_sha256"] as? String == made.result.weights[model])
                #expect(checkpoint["ema_sha256"] as? String == made.result.averages[model])
                #expect(checkpoint["path"] as? String == made.job.run.checkpoint(of: model, step: TinyJob.steps))
            }
        }

        @Test(arguments: [false, true])
        func `bench prints one line of JSON with the keys of the PyTorch benchmark`(isForward: Bool) throws {
            let folder = try TemporaryFolder()
            let end = try run(
                .diptych,
                ["bench", "--model", "fashion-mnist", "--batch", "2", "--ranks", "2", "--steps", "2", "--warmup", "1"]
                    + (isForward ? ["--forward", "--instructions", "baseline"] : []) + ["--json"], in: folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let json = try end.json
            #expect(
                Set(json.keys) == [
                    "peer", "what", "model", "ranks", "batch_per_rank", "bf16", "channels_last", "compile",
                    "median_step_seconds", "slowest_step_seconds", "images_per_second", "peak_rss_gb_per_rank",
                    "start_rss_gb_per_rank", "instructions",
                ])
            let widest = try Runs.finished().job.run.profile()["kernels"] as? String
            #expect(json["instructions"] as? String == (isForward ? "baseline" : widest))
            let memory = try #require(json["peak_rss_gb_per_rank"] as? Double)
            let start = try #require(json["start_rss_gb_per_rank"] as? Double)
            #expect(start > 0.01 && start < memory)
            #expect(json["what"] as? String == (isForward ? "forward" : "train"))
            #expect(json["ranks"] as? Int == 2)
            #expect(json["batch_per_rank"] as? Int == 2)
            let seconds = try #require(json["median_step_seconds"] as? Double)
            let rate = try #require(json["images_per_second"] as? Double)
            #expect(abs(rate * seconds - 4) < 0.01, "images of all ranks per second")
        }

        /// Fails when the seconds are not of one step, or the rank's lines do not reach the user. Whether each part is
        /// measured is for `TrainerTests` and `StepTimesTests`.
        @Test(arguments: [[], ["--overlap"]])
        func `bench tells where the time of a step goes`(overlap: [String]) throws {
            let folder = try TemporaryFolder()
            let end = try run(
                .diptych,
                ["bench", "--model", "fashion-mnist", "--batch", "2", "--ranks", "2", "--steps", "1", "--breakdown"]
                    + ["--json"] + overlap, in: folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let parts = try #require(end.json["breakdown_seconds"] as? [String: Double])
            #expect(
                Set(parts.keys) == [
                    "data", "convolution", "normalization", "attention", "other", "optimizer", "communication",
                    "waiting",
                ])
            #expect(parts.values.allSatisfy { $0 >= 0 })
            let step = try #require(end.json["median_step_seconds"] as? Double)
            // The parts are the mean of two ranks, the step that of the first.
            #expect(abs(parts.values.reduce(0, +) - step) < 0.25 * step, "\(parts) of \(step) s")
        }

        @Test func `bench saves a checkpoint meanwhile`() throws {
            let folder = try TemporaryFolder()
            let arguments =
                ["bench", "--model", "fashion-mnist", "--batch", "2", "--ranks", "2", "--steps", "2", "--warmup", "1"]
                + ["--checkpoint", "saved", "--json"]
            let end = try run(.diptych, arguments, in: folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let slowest = try #require(end.json["slowest_step_seconds"] as? Double)
            #expect(try slowest >= #require(end.json["median_step_seconds"] as? Double))
            let reports = try CheckpointStore(directory: "\(folder.path)/saved").verify()
            #expect(reports.map(\.valid) == [true])
            let again = try run(.diptych, arguments, in: folder)
            #expect(again.code == Exit.usage && again.error.contains("saved"), "\(again.error)")
        }

        @Test func `status tells where a run is`() throws {
            let job = try Runs.stopped()
            let student = try #require(job.run.checkpoints(of: "student").last)
            let end = try run(.diptych, ["status", job.run.path, "--json"], in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let json = try end.json
            #expect(json["state"] as? String == "ended")
            #expect(json["exit"] as? Int == Int(Exit.stopped))
            let models = try #require(json["models"] as? [[String: Any]])
            #expect(models.compactMap { $0["name"] as? String } == ["teacher-0", "teacher-1", "student"])
            #expect(models.last?["step"] as? Int == student)
            #expect(models.last?["total_steps"] as? Int == TinyJob.steps)
            let text = try run(.diptych, ["status", job.run.path], in: job.folder)
            #expect(text.output.contains("student"))
            #expect(text.output.contains("step \(student)/\(TinyJob.steps)"))
            // A job file beside its runs does not make their folder a run, whatever it is called.
            _ = try job.folder.write(String(contentsOfFile: job.file, encoding: .utf8), to: "job.yaml")
            let all = try run(.diptych, ["status", job.folder.path, "--json"], in: job.folder)
            #expect((try all.json["runs"] as? [[String: Any]])?.count == 1)
            let other = try run(.diptych, ["status", job.run.path + "/logs"], in: job.folder)
            #expect(other.code == Exit.inputOutput)
        }

        @Test func `plan lays out a job and touches nothing`() throws {
            let job = try TinyJob()
            let before = try FileManager.default.subpathsOfDirectory(atPath: job.folder.path)
            let end = try run(.diptych, ["plan", job.file, "--run", job.run.path, "--ranks", "3"], in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            for word in ["teacher-0", "teacher-1", "student", "lanes", "weights", "memory", "checkpoints", "time"] {
                #expect(end.output.contains(word), "\(word)")
            }
            let machine = try run(.diptych, ["plan", job.file, "--ranks", "3", "--json"], in: job.folder)
            #expect(machine.code == Exit.done)
            /// The first phase's, with slow links between hosts of one rank, or with all ranks on one host.
            func efficiency(_ options: String...) throws -> Double {
                let end = try run(.diptych, ["plan", job.file, "--ranks", "3", "--json"] + options, in: job.folder)
                let phases = try #require(end.json["phases"] as? [[String: Any]])
                return try #require(phases[0]["efficiency"] as? Double)
            }
            let slow = try efficiency("--ranks-per-host", "1", "--network-gigabits", "0.001")
            let close = try efficiency("--ranks-per-host", "3")
            #expect(0 < slow && slow < close && close <= 1, "\(slow), \(close)")
            let refused = try run(.diptych, ["plan", job.file, "--ranks", "5"], in: job.folder)
            #expect(refused.code == Exit.usage)
            let after = try FileManager.default.subpathsOfDirectory(atPath: job.folder.path)
            #expect(after.filter { !$0.hasPrefix("output-") }.sorted() == before.sorted())
        }

        @Test func `Every committed job can be planned`() throws {
            let jobs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../jobs")
                .path
            let names = try FileManager.default.contentsOfDirectory(atPath: jobs).filter { $0.hasSuffix(".yaml") }
            #expect(Set(["fashion-mnist.yaml", "tiny.yaml", "cifar10-paper.yaml"]).isSubset(of: names))
            let folder = try TemporaryFolder()
            for name in names {
                let ranks = name == "cifar10-paper.yaml" ? ["--ranks", "64"] : []
                let end = try run(.diptych, ["plan", "\(jobs)/\(name)"] + ranks, in: folder)
                #expect(end.code == Exit.done, "\(name): \(end.error)")
            }
        }

        @Test(arguments: [
            "", "plan", "run", "submit", "status", "logs", "cancel", "drill", "sample", "verify", "sign", "bench",
            "tune", "audit",
            "doctor",
        ])
        func `Every command has help`(command: String) throws {
            let folder = try TemporaryFolder()
            let end = try run(.diptych, [command, "--help"].filter { !$0.isEmpty }, in: folder)
            #expect(end.code == Exit.done)
            #expect(end.output.contains("USAGE: diptych \(command.isEmpty ? "<subcommand>" : command)"))
            #expect(end.error.isEmpty)
        }

        @Test func `doctor says whether a run would work`() throws {
            let folder = try TemporaryFolder()
            let end = try run(.diptych, ["doctor", "--json"], in: folder)
            let isHealthy = try #require(end.json["healthy"] as? Bool)
            #expect(end.code == (isHealthy ? Exit.done : Exit.inputOutput), "\(end.error)")
            #expect(end.output.contains("Open MPI"))
            #expect(!FileManager.default.fileExists(atPath: folder.file("runs")))
        }

        @Test func `A misspelt option ends with 64`() throws {
            let folder = try TemporaryFolder()
            let end = try run(.diptych, ["run", "job.yaml", "--rnaks", "2"], in: folder)
            #expect(end.code == Exit.usage)
            #expect(end.error.contains("--rnaks"))
        }

        @Test func `h5dump reads every file of a run`() throws {
            let job = try Runs.finished().job
            for model in ["teacher-0", "student"] {
                let end = try run(.h5dump, ["-H", job.run.checkpoint(of: model, step: TinyJob.steps)], in: job.folder)
                #expect(end.code == 0, "\(end.error)")
                for word in ["weights", "ema", "first_moment", "second_moment", "down_blocks.0.resnets.0.conv1.weight"]
                {
                    #expect(end.output.contains("\"\(word)\""), "\(word)")
                }
            }
            let split = try run(.h5dump, ["-H", "\(job.run.path)/split.h5"], in: job.folder)
            #expect(split.code == 0, "\(split.error)")
            #expect(split.output.contains("part_of_image"))
        }

        @Test func `A run's directory is closed to others`() throws {
            let run = try Runs.finished().job.run
            let names = FileManager.default.enumerator(atPath: run.path)?.compactMap { $0 as? String } ?? []
            #expect(Set(run.treasures.keys).isSubset(of: names))
            for name in [""] + names {
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(run.path)/\(name)")
                let mode = try #require(attributes[.posixPermissions] as? Int)
                #expect(mode & 0o077 == 0, "\(name) has mode \(String(mode, radix: 8))")
            }
        }
    }
}
