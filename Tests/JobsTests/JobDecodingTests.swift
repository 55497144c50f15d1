import Foundation
import Jobs
import Testing

@Suite struct JobDecodingTests {
    @Test func fillsInDefaults() throws {
        let job = try job()
        #expect(job.teach.learningRate == 2e-4)
        #expect(job.diffusion.timesteps == 1000)
        #expect(job.data.split.parts == 2)
        #expect(job.model.attentionHeadDimension == nil)
        #expect(job.teach.lanes == 6)
        #expect(job.distill.lanes == 4)
        #expect(job.defence == .distillMD)
    }

    struct Refused: CustomTestStringConvertible, Sendable {
        let what: String
        let line: String
        let needles: [String]
        var testDescription: String { what }
    }

    /// One bad line each, appended as line 7, with what its refusal must say.
    static let refused: [Refused] = [
        Refused(what: "unknown key", line: "sede: 3", needles: ["job.yaml:7", "`sede`", "`seed`"]),
        Refused(
            what: "unknown key in a section", line: "sample: {cuont: 3}", needles: ["job.yaml:7", "`sample.count`"]),
        Refused(what: "key of another section", line: "every_steps: 3", needles: ["`checkpoint.every_steps`"]),
        Refused(what: "misspelt section", line: "chekpoint: {keep: 3}", needles: ["`checkpoint`"]),
        Refused(what: "word for a number", line: "seed: many", needles: ["job.yaml:7", "`seed`", "integer", "many"]),
        Refused(
            what: "out of range", line: "sample: {count: 0}", needles: ["`sample.count`", "1...1000000", "found 0"]),
        Refused(what: "too large an integer", line: "seed: 18446744073709551616", needles: ["`seed`", "0...1844"]),
        Refused(what: "negative seed", line: "seed: -1", needles: ["`seed`", "found -1"]),
        Refused(what: "octal", line: "seed: 007", needles: ["`seed`", "007"]),
        Refused(what: "hexadecimal", line: "seed: 0x10", needles: ["0x10"]),
        Refused(what: "underscored", line: "seed: 1_000", needles: ["1_000"]),
        Refused(what: "fraction for an integer", line: "seed: 1.5", needles: ["integer", "1.5"]),
        Refused(what: "quoted number", line: "seed: \"3\"", needles: ["the text \"3\""]),
        Refused(what: "not a number", line: "sample: {eta: .nan}", needles: ["`sample.eta`", ".nan"]),
        Refused(what: "nan as Swift reads it", line: "sample: {eta: nan}", needles: ["found nan"]),
        Refused(what: "infinite", line: "sample: {eta: inf}", needles: ["found inf"]),
        Refused(what: "overflow", line: "sample: {eta: 1e309}", needles: ["number in 0.0...1.0", "1e309"]),
        Refused(what: "Norwegian boolean", line: "extra: 1\nteach2: 1", needles: ["`extra`", "`teach2`"]),
        Refused(
            what: "yes for true", line: "diffusion: {timesteps: yes}", needles: ["found yes", "boolean"]),
        Refused(what: "nothing", line: "seed:", needles: ["`seed`", "found nothing"]),
        Refused(what: "list for a value", line: "seed: [1, 2]", needles: ["found a list of 2"]),
        Refused(what: "section for a value", line: "seed: {a: 1}", needles: ["found a section"]),
        Refused(what: "value for a section", line: "sample: 3", needles: ["`sample` is a section", "found 3"]),
        Refused(
            what: "bad choice", line: "sample: {sampler: plms}", needles: ["one of `ddim`, `ddpm`", "found plms"]),
        Refused(what: "duplicate key", line: "name: other", needles: ["`name`", "twice"]),
        Refused(what: "anchor", line: "seed: &a 3", needles: ["job.yaml:7", "anchor"]),
        Refused(what: "alias", line: "seed: *a", needles: ["alias"]),
        Refused(what: "tag", line: "seed: !!python/object 3", needles: ["tag", "python"]),
        Refused(what: "tab and broken syntax", line: "sample: {count: 3", needles: ["not YAML"]),
        Refused(what: "second document", line: "---\nname: b", needles: ["not YAML"]),
        Refused(
            what: "escape sequences", line: "\"\\e[31mred\": 1", needles: ["\\u{1b}"]),
    ]

    @Test(arguments: refused) func refuses(_ refused: Refused) {
        let message = refusal(smallJob + refused.line + "\n")
        for needle in refused.needles { #expect(message.contains(needle), "\(needle) in: \(message)") }
        #expect(!message.contains("\u{1B}"))
    }

    @Test func refusesBooleansThatAreNotTrueOrFalse() {
        for word in ["yes", "no", "on", "off", "True", "1", "y", "'true'"] {
            let message = refusal(smallJob, overrides: ["teach.horizontal_flip=\(word)"])
            #expect(message.contains("true or false"), "\(word): \(message)")
        }
    }

    @Test func refusesNamesThatYAMLReadsAsSomethingElse() throws {
        for word in ["no", "null", "true", "1.5", "~", "\"\"", "../up", "a b", "-x", "x/y", ".hidden"] {
            let message = refusal(smallJob, overrides: ["name=\(word)"])
            #expect(message.contains("`name`"), "\(word): \(message)")
        }
        #expect(try job("name=run-2.b").name == "run-2.b")
        #expect(refusal(smallJob, overrides: ["data.images=no"]).contains("`data.images`"))
    }

    @Test func listsAllFaultsTogether() {
        let message = refusal(smallJob + "sede: 3\nsample: {count: 0, stops: 3}\n")
        #expect(message.split(separator: "\n").count == 3)
    }

    @Test func namesMissingKeys() {
        #expect(refusal("name: a\n").contains("`data.images` is missing"))
        let undistilled = smallJob.replacing("distill: {steps: 10, batch: 12, images_per_lane: 3}\n", with: "")
        #expect(refusal(undistilled).contains("`distill.steps` is missing"))
        #expect(throws: Never.self) {
            try Job.decode(undistilled, file: "job.yaml", overrides: ["defence=dualmd"])
        }
    }

    @Test func refusesEmptyOversizedAndDeepFiles() {
        #expect(refusal("").contains("empty"))
        #expect(refusal("- a\n- b\n").contains("list of 2"))
        #expect(refusal(String(repeating: "# comment\n", count: 10_000)).contains("larger than"))
        #expect(refusal("a: " + String(repeating: "[", count: 5000)).contains("nested"))
    }

    @Test func refusesABillionLaughsAtOnce() {
        var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            let earlier = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            yaml += "a\(level): &a\(level) [\(earlier)]\n? [*a\(level)]\n: 1\n"
        }
        #expect(refusal(yaml).contains("anchor or alias"))
    }

    @Test func acceptsAmpersandsAndStarsThatAreNotReferences() throws {
        let yaml = smallJob.replacing("/data/images.idx", with: "\"/data/a & *b.idx\"") + "# 2 * 3 & 4 don't\n"
        #expect(try Job.decode(yaml, file: "job.yaml").data.images == "/data/a & *b.idx")
    }

    @Test func overridesTakeTheSameWay() throws {
        #expect(try job("teach.steps=500", "teach.steps=600").teach.steps == 600)
        #expect(try job("model.attention=[true, true]").model.attention == [true, true])
        #expect(try job("data.labels=/l", "data.split.balance=label").resolved.contains("balance: label"))
        #expect(refusal(smallJob, overrides: ["teach.stesp=5"]).contains("--set teach.stesp=5: unknown key"))
        #expect(refusal(smallJob, overrides: ["teach.stesp=5"]).contains("`teach.steps`"))
        #expect(refusal(smallJob, overrides: ["teach.steps=0"]).contains("--set teach.steps=0: `teach.steps` must be"))
        #expect(refusal(smallJob, overrides: ["teach={steps: 5}"]).contains("section"))
        #expect(refusal(smallJob, overrides: ["teach.steps"]).contains("section.key=value"))
        #expect(refusal(smallJob, overrides: ["seed=&a 3"]).contains("anchor"))
    }

    @Test func refusesContradictions() {
        func message(_ overrides: String...) -> String { refusal(smallJob, overrides: overrides) }
        #expect(message("teach.images_per_lane=5").contains("must divide `teach.batch` = 12, found 5"))
        #expect(message("distill.images_per_lane=5").contains("must divide `distill.batch`"))
        #expect(message("teach.batch=64").contains("50 images of a part"))
        #expect(message("model.attention=[true]").contains("2 levels"))
        #expect(message("model.channels=[8, 12]").contains("multiples of `model.norm_groups` = 8, found 12"))
        #expect(message("model.attention_head_dimension=5").contains("must divide the channels"))
        #expect(message("data.split.balance=label").contains("`data.labels`"))
        #expect(message("model.class_conditional=true").contains("`data.labels`"))
        #expect(message("diffusion.beta_start=0.3").contains("must not be below"))
        #expect(message("diffusion.timesteps=10").contains("must not exceed `diffusion.timesteps` = 10, found 50"))
        #expect(message("sample.sampler=ddpm", "sample.eta=0.5").contains("belongs to the sampler ddim"))
        #expect(message("sample.guidance_scale=2").contains("needs a network that also learns without labels"))
        #expect(message("model.class_dropout=0.1").contains("`model.class_conditional: true`"))
        #expect(message("teach.decay_steps=11").contains("must not exceed `teach.steps` = 10, found 11"))
        #expect(message("cluster.ranks=5").contains("must be 1...4, found 5"))
    }

    @Test func ignoresContradictionsOfAPhaseThatIsNotThere() throws {
        #expect(try job("defence=dualmd", "distill.images_per_lane=5").distill.imagesPerLane == 5)
    }

    @Test func missingFileIsAUsageError() {
        do {
            _ = try Job.load(path: "/nonexistent/job.yaml")
            Issue.record("was read")
        } catch {
            #expect((error as? DiptychFailure)?.code == .usage)
            #expect("\(error)".contains("/nonexistent/job.yaml"))
        }
    }

    @Test func everyShippedJobIsValid() throws {
        for name in ["tiny", "fashion-mnist", "cifar10-paper"] {
            let job = try Job.load(path: "\(repository)jobs/\(name).yaml")
            #expect(job.name == name)
            #expect(job.defence == .distillMD)
        }
    }

    @Test func theStudysJobsDifferInTheDefenceAlone() throws {
        for (name, defence, parts) in [
            ("none", Defence.undefended, 2), ("dualmd", .dualMD, 2), ("distillmd", .distillMD, 2),
            ("distillmd-3", .distillMD, 3),
            ("distillmd-4", .distillMD, 4),
        ] {
            let job = try Job.load(path: "\(repository)jobs/study-fashion-mnist/\(name).yaml")
            #expect(job.name == "study-\(name)" && job.defence == defence && job.data.split.parts == parts)
            // Every image is seen equally often by the model that trains on it.
            let trainers = defence == .undefended ? 1 : parts
            #expect(job.teach.steps * job.teach.batch * trainers == 400 * job.data.members)
            #expect(job.data.members == 336 && job.data.heldOut == 2_000 && job.seed == 11)
        }
    }

    /// They are sections to be appended to a job.
    @Test(arguments: ["site-modules", "site-two-partitions"]) func theSitesExamplesAreValid(name: String) throws {
        let job = try String(contentsOfFile: "\(repository)jobs/cifar10-paper.yaml", encoding: .utf8)
        let lines = job.split(separator: "\n", omittingEmptySubsequences: false)
        // A job has one section `cluster`; the paper's, if any, gives way.
        let others = lines.filter { !$0.hasPrefix("cluster:") }.joined(separator: "\n")
        let site = try String(contentsOfFile: "\(repository)cluster/\(name).yaml", encoding: .utf8)
        let decoded = try Job.decode(others + "\n" + site, file: name)
        #expect(decoded.cluster.nodes ?? 0 > 1 && decoded.cluster.ranksPerNode ?? 0 > 1)
    }

    @Test func theTinyJobServesOneToFourRanks() throws {
        let job = try Job.load(path: "\(repository)jobs/tiny.yaml")
        #expect(job.rankLimit == 4)
        #expect(try Job.load(path: "\(repository)jobs/cifar10-paper.yaml").rankLimit == 64)
    }
}
