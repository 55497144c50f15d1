import Foundation
import Jobs
import Tensor
import Testing

@Suite struct ResolvedJobTests {
    @Test func readsBackAsItself() throws {
        for name in ["tiny", "fashion-mnist", "cifar10-paper", "study-fashion-mnist/distillmd-3"] {
            let job = try Job.load(path: "\(repository)jobs/\(name).yaml")
            let again = try Job.decode(job.resolved, file: "resolved")
            #expect(again == job)
            #expect(again.resolved == job.resolved)
            #expect(again.hash == job.hash)
        }
        let odd = try job("data.images=\"/a b/ümläut: #1.idx\"", "seed=18446744073709551615", "teach.ema_decay=0")
        #expect(try Job.decode(odd.resolved, file: "resolved") == odd)
    }

    @Test func holdsEveryKeyThatPlaysAPart() throws {
        let text = try job().resolved
        for key in JobSchema.keys {
            let leaf = try #require(key.path.split(separator: ".").last)
            #expect(text.contains("\(leaf): "), "\(key.path)")
        }
        #expect(try !job("defence=dualmd").resolved.contains("distill"))
    }

    @Test func doesNotDependOnTheOrderOrFormOfTheFile() throws {
        let lines = smallJob.split(separator: "\n").reversed().joined(separator: "\n")
        #expect(try Job.decode(lines, file: "job.yaml").resolved == job().resolved)
        #expect(try job("teach.learning_rate=2e-4").hash == job("teach.learning_rate=0.00020").hash)
    }

    @Test func writesNumbersThatOlderReadersOfYAMLTakeForNumbers() throws {
        #expect(try job("model.norm_epsilon=1e-6").resolved.contains("norm_epsilon: 1.0e-06\n"))
    }

    /// Another valid value for each key.
    static let changes: [String: String] = [
        "name": "other", "seed": "9", "defence": "dualmd", "data.images": "/other", "data.labels": "/labels",
        "data.shape": "[1, 28, 28]", "data.members": "120", "data.held_out": "7", "data.split.parts": "3",
        "data.split.near_duplicates": "ignore", "model.channels": "[16, 16]",
        "model.layers_per_block": "1", "model.attention": "[true, true]", "model.norm_groups": "4",
        "model.norm_epsilon": "1e-6", "model.attention_head_dimension": "8", "model.dropout": "0.1",
        "model.flip_sine_to_cosine": "false", "model.frequency_shift": "1", "model.downsample_padding": "0",
        "diffusion.timesteps": "500", "diffusion.beta_schedule": "cosine", "diffusion.beta_start": "0.001",
        "diffusion.beta_end": "0.03", "diffusion.prediction": "v", "steps": "11", "batch": "24",
        "images_per_lane": "1", "learning_rate": "1e-3", "warmup_steps": "1", "decay_steps": "3", "max_grad_norm": "2",
        "ema_decay": "0.5",
        "ema_warmup": "false", "optimizer": "adamw", "weight_decay": "0.1", "horizontal_flip": "true",
        "distill.teacher_weights": "ema", "checkpoint.every_steps": "3", "checkpoint.every_minutes": "1",
        "checkpoint.keep": "9", "checkpoint.compression_level": "1", "checkpoint.on_failure": "end",
        "sample.count": "5", "sample.sampler": "ddpm",
        "sample.steps": "7", "sample.eta": "0.5", "sample.batch": "2", "cluster.ranks": "2",
        "cluster.launcher": "srun", "cluster.partition": "long", "cluster.account": "a", "cluster.qos": "q",
        "cluster.nodes": "3", "cluster.ranks_per_node": "2", "cluster.memory_gigabytes_per_node": "16",
        "cluster.time_minutes": "60", "cluster.constraint": "a&b", "cluster.modules": "[gcc/13]",
        "cluster.prologue": "[\"ulimit -c 0\"]", "cluster.directives": "[--exclusive]", "cluster.warning_seconds": "90",
        "cluster.requeue_limit": "3",
        "numerics.convolutions": "/table.yaml", "numerics.instructions": "avx2", "numerics.recompute_blocks": "true",
        "cluster.silence_minutes": "5", "teachers.from": "/run",
    ]
    /// Keys with a single value, or that need another key; they cannot be changed alone.
    static let fixed: Set<String> = [
        "data.reader", "model.kind", "data.split.balance", "model.class_conditional", "model.class_dropout",
        "sample.guidance_scale", "cluster.minimum_nodes",
    ]

    @Test func hashChangesWithBitsAndOnlyWithBits() throws {
        let original = try job()
        for key in JobSchema.keys where !Self.fixed.contains(key.path) {
            let leaf = try #require(key.path.split(separator: ".").last)
            let value = try #require(Self.changes[key.path] ?? Self.changes[String(leaf)], "\(key.path)")
            let changed = try job("\(key.path)=\(value)")
            #expect((changed.hash != original.hash) == (key.effect == .bits), "\(key.path)")
            let differences = changed.differences(from: original)
            #expect(differences.contains { $0.key == key.path && $0.new != $0.old }, "\(key.path)")
            #expect(differences.contains { $0.kind == .bits } == (key.effect == .bits), "\(key.path)")
        }
        let labelled = try job("data.labels=/l")
        #expect(try job("data.labels=/l", "data.split.balance=label").hash != labelled.hash)
        let conditional = try job("data.labels=/l", "model.class_conditional=true")
        #expect(conditional.hash != labelled.hash)
        let settings = ["data.labels=/l", "model.class_conditional=true", "model.class_dropout=0.1"]
        #expect(try job(settings).hash != conditional.hash)
        #expect(try job(settings + ["sample.guidance_scale=2"]).hash != job(settings).hash)
    }

    @Test func ranksPathsAndRetentionAreFree() throws {
        let free: Set<String> = [
            "name", "data.images", "data.labels", "data.shape", "checkpoint.every_steps", "checkpoint.every_minutes",
            "checkpoint.keep", "checkpoint.compression_level", "checkpoint.on_failure", "numerics.recompute_blocks",
            "teachers.from",
        ]
        let found = JobSchema.keys.filter { $0.effect == .free }.map(\.path)
        #expect(Set(found.filter { !$0.hasPrefix("cluster.") }) == free)
        #expect(JobSchema.keys.filter { $0.path.hasPrefix("cluster.") }.allSatisfy { $0.effect == .free })
    }

    @Test func whatTheNumericsProfileComparesIsNoPartOfTheHash() throws {
        let compared = JobSchema.keys.filter { $0.effect == .profile }
        #expect(compared.map(\.path) == ["numerics.convolutions", "numerics.instructions"])
        #expect(try job("numerics.instructions=avx2").numerics.instructions == .avx2)
        #expect(refusal(smallJob, overrides: ["numerics.instructions=sse"]).contains("`avx2`, `avx512`, or null"))
    }

    @Test func moreStepsExtendAndFewerDoNot() throws {
        let original = try job()
        #expect(try job("teach.steps=11").differences(from: original).map(\.kind) == [.extendable])
        #expect(try job("teach.steps=9").differences(from: original).map(\.kind) == [.bits])
        #expect(try job().differences(from: original).isEmpty)
        let difference = try #require(try job("seed=5").differences(from: original).first)
        #expect(difference.description == "seed: 0 -> 5")
    }

    @Test func aPhaseThatDisappearsIsADifference() throws {
        let differences = try job("defence=dualmd").differences(from: job())
        #expect(differences.contains { $0.key == "distill.batch" && $0.new == nil && $0.kind == .bits })
    }

    /// The hash leaves out defaults. So if the default of a key that changes bits changes, the number in the first line
    /// that is hashed must change, too; otherwise two versions give one hash to different jobs.
    @Test func defaultsAreThoseOfVersion2() {
        let rows = JobSchema.documentationRows.filter { $0.row.hasSuffix("| another job |") }
        // Key, values and default; what it means may be said in better words.
        let text = rows.map { "\($0.section) \($0.row.split(separator: "|").prefix(3).joined(separator: "|"))\n" }
            .joined()
        let pinned = "1c813482a6409b3dbd6221c56b8565fbb1e6fee57f791c4ca822f4894c5068b6"
        #expect(hexadecimalSHA256(text) == pinned, "\(text)")
    }

    @Test func hashIsStable() throws {
        // Over the values that differ from the defaults: a new key leaves it as it is.
        let hash = try job().hash
        #expect(hash == "7160b336881335480248f1e7e7709baadd8858860d0fa2d0d6f82c385b4300ff")
    }
}
