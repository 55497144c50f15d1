import Foundation
import Jobs
import Tensor
import Testing

/// The file of `diptych tune`.
@Suite struct ConvolutionFileTests {
    static let first = DirectedConvolution(
        ConvolutionShape(
            source: [2, 16, 8, 8], weights: [32, 16, 3, 3], stride: 1, padding: Padding(1), hasBias: true),
        .forward)
    static let second = DirectedConvolution(
        ConvolutionShape(
            source: [2, 32, 8, 9], weights: [32, 32, 3, 3], stride: 2,
            padding: Padding(top: 0, left: 0, bottom: 1, right: 1), hasBias: false), .weightsGradient)

    static let file = ConvolutionFile(
        machine: [.init("processor", "A \"fast\" one: 3 GHz"), .init("level_2_cache", "1048576")],
        passes: [.init(name: "teach", images: 2, rule: 12.5, table: 10)],
        entries: [
            .init(second, .direct, rule: .winograd, milliseconds: [.direct: 0.25, .winograd: 1e-4]),
            .init(first, .winograd),
        ])

    @Test func readsBackAsItself() throws {
        let text = Self.file.text
        let again = try ConvolutionFile.decode(text, file: "f.yaml")
        #expect(again == Self.file)
        #expect(again.text == text)
        #expect(again.entries.map(\.convolution) == [Self.first, Self.second], "in order, however they were given")
        #expect(again.table.algorithms == [Self.first: .winograd, Self.second: .direct])
        #expect(again.changes.map(\.convolution) == [Self.second])
        let empty = ConvolutionFile(entries: [])
        #expect(
            try ConvolutionFile.decode(empty.text.replacing("convolutions:\n", with: "convolutions: []\n"), file: "")
                == empty)
    }

    /// Fails when times have a part in it, or a choice has none.
    @Test func theHashIsOfTheChoicesAlone() throws {
        let bare = ConvolutionFile(entries: [.init(Self.first, .winograd), .init(Self.second, .direct)])
        #expect(bare.sha256 == Self.file.sha256 && bare.table.sha256 == bare.sha256)
        let other = ConvolutionFile(entries: [.init(Self.first, .winograd), .init(Self.second, .winograd)])
        #expect(other.sha256 != bare.sha256)
        #expect(ConvolutionFile(entries: [.init(Self.first, .winograd)]).sha256 != bare.sha256)
    }

    struct Refused: CustomTestStringConvertible, Sendable {
        let what: String
        let old: String
        let new: String
        let needles: [String]
        var testDescription: String { what }
    }

    /// One change each to the file above, with what its refusal must say.
    static let refused: [Refused] = [
        Refused(
            what: "unknown key", old: "stride: 1", new: "stirde: 1",
            needles: ["f.yaml:11", "unknown key `stirde` of a convolution", "`stride`"]),
        Refused(what: "unknown key of the file", old: "version: 1", new: "version: 1\nnote: x", needles: ["`note`"]),
        Refused(what: "unknown fact", old: "processor", new: "processors", needles: ["`processors`", "`processor`"]),
        Refused(
            what: "unknown algorithm", old: "algorithm: winograd", new: "algorithm: fft",
            needles: ["f.yaml:11", "`algorithm` must be one of `direct`, `winograd`, found fft"]),
        Refused(
            what: "unknown algorithm of a time", old: "direct: 0.25", new: "gemm: 0.25",
            needles: ["f.yaml:12", "unknown key `gemm` of `milliseconds`"]),
        Refused(
            what: "unknown direction", old: "direction: forward", new: "direction: backward",
            needles: ["one of `forward`, `source_gradient`, `weights_gradient`, found backward"]),
        Refused(
            what: "other version", old: "version: 1", new: "version: 2",
            needles: ["`version` is 2", "reads version 1", "diptych tune"]),
        Refused(
            what: "other format", old: "diptych convolutions", new: "diptych job",
            needles: ["`format` must be diptych convolutions, found diptych job"]),
        Refused(what: "no version", old: "version: 1\n", new: "", needles: ["`version`", "is missing"]),
        Refused(what: "missing key", old: ", bias: true", new: "", needles: ["`bias` of a convolution is missing"]),
        Refused(
            what: "three extents", old: "source: [2, 16, 8, 8]", new: "source: [16, 8, 8]",
            needles: ["`source`", "list of 4"]),
        Refused(what: "negative", old: "[0, 0, 1, 1]", new: "[0, 0, -1, 1]", needles: ["`padding`", "found -1"]),
        Refused(
            what: "channels that differ", old: "weights: [32, 16, 3, 3]", new: "weights: [32, 8, 3, 3]",
            needles: ["f.yaml:11", "channels differ"]),
        Refused(
            what: "too large a kernel", old: "weights: [32, 16, 3, 3]", new: "weights: [32, 16, 11, 3]",
            needles: ["kernel is larger"]),
        Refused(what: "no list", old: "convolutions:\n", new: "convolutions: 3\nx:\n", needles: ["unknown key `x`"]),
        Refused(what: "anchor", old: "format:", new: "format: &a", needles: ["anchor"]),
    ]

    @Test(arguments: refused) func refuses(_ refused: Refused) {
        #expect(Self.file.text.contains(refused.old))
        let message = Self.refusal(Self.file.text.replacing(refused.old, with: refused.new))
        for needle in refused.needles { #expect(message.contains(needle), "\(needle) in: \(message)") }
    }

    @Test func refusesAConvolutionThatIsThereTwice() {
        let line = Self.file.text.split(separator: "\n").first { $0.contains("forward") } ?? ""
        let message = Self.refusal(
            Self.file.text + line.replacing("algorithm: winograd", with: "algorithm: direct") + "\n")
        #expect(message.contains("f.yaml:13: the convolution {direction: forward, source: [2, 16, 8, 8]"), "\(message)")
        #expect(message.contains("is there twice, first on line 11"), "\(message)")
    }

    @Test func refusesWhatIsNoFile() {
        #expect(Self.refusal("").contains("empty"))
        #expect(Self.refusal("[1, 2]").contains("is a section of keys, found a list of 2"))
        do {
            _ = try ConvolutionFile.load(path: "/nonexistent/table.yaml")
            Issue.record("was read")
        } catch {
            #expect((error as? DiptychFailure)?.code == .inputOutput)
            #expect("\(error)".contains("/nonexistent/table.yaml"))
        }
    }

    private static func refusal(_ text: String) -> String {
        do {
            _ = try ConvolutionFile.decode(text, file: "f.yaml")
            return "was accepted"
        } catch {
            #expect((error as? DiptychFailure)?.code == .usage)
            return "\(error)"
        }
    }
}

/// A run and the file of convolution algorithms that its job names.
@Suite struct RunConvolutionsTests {
    private static func changed(_ file: ConvolutionFile) -> String {
        file.text.replacing("algorithm: winograd", with: "algorithm: direct")
    }

    private func open(_ run: String, _ table: String?) throws -> RunPreparation {
        try RunPreparation.open(
            job: job(table.map { ["numerics.convolutions=\($0)"] } ?? []), run: run, extend: false)
    }

    private func refusal(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "was accepted"
        } catch {
            #expect((error as? DiptychFailure)?.code == .usage, "\(error)")
            return "\(error)"
        }
    }

    @Test func aRunKeepsACopyAndGoesOnWithIt() throws {
        try withTemporaryDirectory { directory in
            let (path, run) = (directory + "/table.yaml", directory + "/run")
            let file = ConvolutionFileTests.file
            try file.text.write(toFile: path, atomically: true, encoding: .utf8)
            let made = try open(run, path)
            #expect(try String(contentsOfFile: made.directory.convolutions, encoding: .utf8) == file.text)
            #expect(try made.directory.convolutionTable(of: made.job) == file.table)
            withExtendedLifetime(made) {}
        }
        try withTemporaryDirectory { directory in
            let (path, run) = (directory + "/table.yaml", directory + "/run")
            let file = ConvolutionFileTests.file
            try file.text.write(toFile: path, atomically: true, encoding: .utf8)
            let copy = try open(run, path).directory.convolutions
            // Measured again, elsewhere, to the same choices.
            let again = ConvolutionFile(entries: file.entries.map { .init($0.convolution, $0.algorithm) })
            try again.text.write(toFile: directory + "/again.yaml", atomically: true, encoding: .utf8)
            let resumed = try open(run, directory + "/again.yaml")
            #expect(resumed.differences.map(\.key) == ["numerics.convolutions"])
            #expect(try resumed.directory.convolutionTable(of: resumed.job) == file.table)
            #expect(try String(contentsOfFile: copy, encoding: .utf8) == file.text)
        }
        try withTemporaryDirectory { directory in
            let (path, run) = (directory + "/table.yaml", directory + "/run")
            try ConvolutionFileTests.file.text.write(toFile: path, atomically: true, encoding: .utf8)
            _ = try open(run, path)
            try FileManager.default.removeItem(atPath: path)
            let resumed = try open(run, path)
            #expect(try resumed.directory.convolutionTable(of: resumed.job) == ConvolutionFileTests.file.table)
        }
    }

    /// Fails when the check is left out: then the run goes on by its copy although the job says otherwise.
    @Test func otherChoicesAreRefusedByName() throws {
        try withTemporaryDirectory { directory in
            let (path, run) = (directory + "/table.yaml", directory + "/run")
            try ConvolutionFileTests.file.text.write(toFile: path, atomically: true, encoding: .utf8)
            _ = try open(run, path)
            try Self.changed(ConvolutionFileTests.file).write(toFile: path, atomically: true, encoding: .utf8)
            let message = refusal { _ = try open(run, path) }
            #expect(message.contains("`numerics.convolutions`: \(path) makes other choices"), "\(message)")
            #expect(message.contains("\(run)/convolutions.yaml"), "\(message)")
            #expect(message.contains("1 differs, the first: {direction: forward, source: [2, 16, 8, 8]"), "\(message)")
            #expect(message.contains("winograd -> direct") && message.contains("--run \(run)-2"), "\(message)")
            #expect(refusal { _ = try open(run, nil) }.contains("the job now names none"))
        }
        try withTemporaryDirectory { directory in
            let (path, run) = (directory + "/table.yaml", directory + "/run")
            try ConvolutionFileTests.file.text.write(toFile: path, atomically: true, encoding: .utf8)
            _ = try open(run, nil)
            #expect(refusal { _ = try open(run, path) }.contains("began without"))
        }
    }

    @Test func aBadFileStartsNoRun() throws {
        try withTemporaryDirectory { directory in
            let (path, run) = (directory + "/table.yaml", directory + "/run")
            try "version: 1\n".write(toFile: path, atomically: true, encoding: .utf8)
            #expect(
                refusal { _ = try open(run, path) }.contains("`format` of a file of convolution algorithms is missing"))
            #expect(try !RunDirectory(run).isPrepared)
        }
    }
}
