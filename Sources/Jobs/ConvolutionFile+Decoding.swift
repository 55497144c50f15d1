import Foundation
import Tensor

extension ConvolutionFile {
    /// Reads a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - isCopy: Whether it is a run's copy, and not what a user has named.
    /// - Throws: `DiptychFailure`: 74 when it cannot be read, 64 when it is not a file of convolution algorithms, with
    ///   line, key, what is allowed and what was found.
    package static func load(path: String, isCopy: Bool = false) throws -> ConvolutionFile {
        let data: Data
        do throws(SystemCallError) {
            data =
                try isCopy
                ? FileBytes.read(path, limit: largestFile) : FileBytes.readNamed(path, limit: largestFile)
        } catch {
            throw DiptychFailure(
                .inputOutput, "cannot read the convolution algorithms \(printable(path)): \(error.reason)")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw DiptychFailure(.usage, "\(printable(path)): a file of convolution algorithms is UTF-8 text")
        }
        return try decode(text, file: path)
    }

    /// Reads a file's text.
    ///
    /// - Parameters:
    ///   - yaml: The text.
    ///   - file: What error messages call its source.
    /// - Throws: `DiptychFailure` with code 64.
    package static func decode(_ yaml: String, file: String) throws -> ConvolutionFile {
        do {
            return try read(yaml)
        } catch {
            throw DiptychFailure(
                .usage,
                error.line.map { "\(printable(file)):\($0): \(error.text)" } ?? "\(printable(file)): \(error.text)")
        }
    }

    private static func read(_ yaml: String) throws(JobSyntaxError) -> ConvolutionFile {
        guard let root = try JobNode.parse(yaml, limit: largestFile) else {
            throw JobSyntaxError(line: nil, text: "is empty; `diptych tune` makes a file of convolution algorithms")
        }
        let keys = try Keys(
            root, of: "a file of convolution algorithms",
            valid: ["format", "version", "machine", "passes", "convolutions"])
        let format = try keys.take("format", .word)
        guard format == Self.format else {
            throw JobSyntaxError(
                line: root.line, text: "`format` must be \(Self.format), found \(printable(format))")
        }
        let version = try keys.take("version", .integer(0...Int.max))
        guard version == Self.version else {
            throw JobSyntaxError(
                line: root.line,
                text:
                    "`version` is \(version); this Diptych reads version \(Self.version). Measure again with `diptych tune`"
            )
        }
        var machine: [Fact] = []
        if let node = keys.node("machine") {
            let facts = try Keys(node, of: "`machine`", valid: Self.facts)
            for name in Self.facts where facts.has(name) { machine.append(Fact(name, try facts.take(name, .word))) }
        }
        let passes = try keys.takeList("passes", isRequired: false, pass)
        let entries = try keys.takeList("convolutions", isRequired: true, entry)
        var lines: [DirectedConvolution: Int?] = [:]
        for (entry, line) in entries {
            if let first = lines.updateValue(line, forKey: entry.convolution) {
                throw JobSyntaxError(
                    line: line,
                    text: "the convolution {\(description(of: entry.convolution))} is there twice, first on line "
                        + "\(first.map(String.init) ?? "?")")
            }
        }
        return ConvolutionFile(machine: machine, passes: passes.map(\.value), entries: entries.map(\.value))
    }

    private static let milliseconds = JobForm<Double>.number(0...1e9)

    private static func pass(_ node: JobNode) throws(JobSyntaxError) -> Pass {
        let keys = try Keys(node, of: "a pass", valid: ["name", "images", "rule", "table"])
        return Pass(
            name: try keys.take("name", .word), images: try keys.take("images", .integer(1...65_536)),
            rule: try keys.take("rule", milliseconds), table: try keys.take("table", milliseconds))
    }

    private static func entry(_ node: JobNode) throws(JobSyntaxError) -> Entry {
        let keys = try Keys(
            node, of: "a convolution",
            valid: [
                "direction", "source", "weights", "stride", "padding", "bias", "algorithm", "rule", "milliseconds",
            ])
        let extents = JobForm<[Int]>.integers(1...1_048_576, count: 4...4)
        let direction = try keys.take("direction", JobForm<ConvolutionDirection>.choice())
        let source = try keys.take("source", extents)
        let weights = try keys.take("weights", extents)
        let stride = try keys.take("stride", .integer(1...1024))
        let sides = try keys.take("padding", .integers(0...1024, count: 4...4))
        let hasBias = try keys.take("bias", .boolean)
        let algorithm = try keys.take("algorithm", JobForm<ConvolutionAlgorithm>.choice())
        let rule = try keys.has("rule") ? keys.take("rule", JobForm<ConvolutionAlgorithm>.choice()) : nil
        var times: [ConvolutionAlgorithm: Double] = [:]
        if let node = keys.node("milliseconds") {
            let keys = try Keys(node, of: "`milliseconds`", valid: ConvolutionAlgorithm.allCases.map(\.rawValue))
            for algorithm in ConvolutionAlgorithm.allCases where keys.has(algorithm.rawValue) {
                times[algorithm] = try keys.take(algorithm.rawValue, milliseconds)
            }
        }
        let shape = ConvolutionShape(
            source: source, weights: weights, stride: stride,
            padding: Padding(top: sides[0], left: sides[1], bottom: sides[2], right: sides[3]), hasBias: hasBias)
        let kernelFits =
            source[2] + sides[0] + sides[2] >= weights[2] && source[3] + sides[1] + sides[3] >= weights[3]
        guard source[1] == weights[1], kernelFits else {
            throw JobSyntaxError(
                line: node.line,
                text: "there is no convolution of `weights` \(weights) with `source` \(source) and `padding` \(sides): "
                    + (kernelFits ? "their channels differ" : "the kernel is larger than the padded image"))
        }
        return Entry(DirectedConvolution(shape, direction), algorithm, rule: rule, milliseconds: times)
    }
}

/// The keys of one section, all of them known, taken one by one.
private struct Keys {
    private let what: String
    private let line: Int?
    private var nodes: [String: JobNode] = [:]

    init(_ node: JobNode, of what: String, valid: [String]) throws(JobSyntaxError) {
        guard case .mapping(let pairs) = node.content else {
            throw JobSyntaxError(line: node.line, text: "\(what) is a section of keys, found \(node.found)")
        }
        (self.what, line) = (what, node.line)
        for (key, value) in pairs {
            guard case .scalar(let name, _) = key.content else {
                throw JobSyntaxError(line: key.line, text: "a key must be a word, found \(key.found)")
            }
            guard valid.contains(name) else {
                let nearest = valid.min { JobSchema.editDistance($0, name) < JobSchema.editDistance($1, name) } ?? ""
                throw JobSyntaxError(
                    line: key.line,
                    text: "unknown key `\(printable(name))` of \(what); the nearest valid key is `\(nearest)`")
            }
            nodes[name] = value
        }
    }

    func has(_ name: String) -> Bool { nodes[name] != nil }

    func node(_ name: String) -> JobNode? { nodes[name] }

    func take<Value>(_ name: String, _ form: JobForm<Value>) throws(JobSyntaxError) -> Value {
        guard let node = nodes[name] else {
            throw JobSyntaxError(line: line, text: "`\(name)` of \(what) is missing: \(form.words)")
        }
        do throws(JobProblem) {
            return try form.read(node)
        } catch {
            throw JobSyntaxError(line: node.line, text: "`\(name)` \(error.text)")
        }
    }

    /// Values of a list, each with its line.
    func takeList<Value>(
        _ name: String, isRequired: Bool, _ read: (JobNode) throws(JobSyntaxError) -> Value
    ) throws(JobSyntaxError) -> [(value: Value, line: Int?)] {
        guard let node = nodes[name] else {
            if !isRequired { return [] }
            throw JobSyntaxError(line: line, text: "`\(name)` of \(what) is missing: a list")
        }
        guard case .sequence(let nodes) = node.content else {
            throw JobSyntaxError(line: node.line, text: "`\(name)` must be a list, found \(node.found)")
        }
        var values: [(Value, Int?)] = []
        for node in nodes { values.append((try read(node), node.line)) }
        return values
    }
}

extension JobForm where Value == String {
    /// A line of text.
    fileprivate static var word: JobForm {
        .scalar("text", allowsQuotes: true, write: { $0 }) { $0.isEmpty ? nil : $0 }
    }
}
