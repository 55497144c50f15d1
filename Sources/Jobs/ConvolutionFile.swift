import Foundation
import Tensor

/// A file of convolution algorithms: what `diptych tune` writes, and a job names as `numerics.convolutions`.
///
/// YAML, one convolution a line, in a fixed order. Only the choices matter to a run; machine and times are for people.
package struct ConvolutionFile: Hashable, Sendable {
    /// What the file says of itself in its first keys.
    static let format = "diptych convolutions"
    /// The version of the format.
    static let version = 1
    /// Largest size of a file, in bytes: some 10,000 convolutions.
    static let largestFile = 4 << 20

    /// One convolution's choice, and why.
    package struct Entry: Hashable, Sendable {
        /// What is computed.
        package var convolution: DirectedConvolution
        /// How.
        package var algorithm: ConvolutionAlgorithm
        /// What the rule in the source chose on the machine that was measured.
        package var rule: ConvolutionAlgorithm?
        /// Median milliseconds of each algorithm that served it there.
        package var milliseconds: [ConvolutionAlgorithm: Double]

        /// Makes an entry.
        package init(
            _ convolution: DirectedConvolution, _ algorithm: ConvolutionAlgorithm, rule: ConvolutionAlgorithm? = nil,
            milliseconds: [ConvolutionAlgorithm: Double] = [:]
        ) {
            (self.convolution, self.algorithm, self.rule) = (convolution, algorithm, rule)
            self.milliseconds = milliseconds
        }
    }

    /// What the convolutions of one pass through the network take, added up from the times of single ones.
    package struct Pass: Hashable, Sendable {
        /// What the pass is part of: `teach`, `distill`, `sample`.
        package var name: String
        /// Images computed together.
        package var images: Int
        /// Milliseconds by the rule.
        package var rule: Double
        /// Milliseconds by this file.
        package var table: Double

        /// Makes a pass.
        package init(name: String, images: Int, rule: Double, table: Double) {
            (self.name, self.images, self.rule, self.table) = (name, images, rule, table)
        }
    }

    /// One fact about the machine that was measured.
    package struct Fact: Hashable, Sendable {
        /// One of ``ConvolutionFile/facts``.
        package var name: String
        /// In words.
        package var value: String

        /// Makes a fact.
        package init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    /// What may be told of a machine.
    static let facts = [
        "program", "processor", "kernels", "onednn", "onednn_instructions", "level_1_data_cache", "level_2_cache",
        "level_3_cache", "c_library",
    ]

    /// The machine and the libraries that were measured.
    package var machine: [Fact]
    /// What the choices are worth there.
    package var passes: [Pass]
    /// The choices, in order, each convolution once.
    package let entries: [Entry]

    /// Gathers a file; entries are put in order.
    ///
    /// - Precondition: No convolution is there twice.
    package init(machine: [Fact] = [], passes: [Pass] = [], entries: [Entry]) {
        precondition(Set(entries.map(\.convolution)).count == entries.count, "a convolution is there twice")
        self.machine = machine
        self.passes = passes
        self.entries = entries.sorted {
            Self.order($0.convolution).lexicographicallyPrecedes(Self.order($1.convolution))
        }
    }

    private static func order(_ convolution: DirectedConvolution) -> [Int] {
        let shape = convolution.shape
        return shape.source + shape.weights + [shape.stride] + sides(shape.padding) + [shape.hasBias ? 1 : 0]
            + [ConvolutionDirection.allCases.firstIndex(of: convolution.direction) ?? 0]
    }

    static func sides(_ padding: Padding) -> [Int] { [padding.top, padding.left, padding.bottom, padding.right] }

    /// The choices, for ``ConvolutionTable/install(_:)``.
    package var table: ConvolutionTable {
        ConvolutionTable(
            algorithms: Dictionary(uniqueKeysWithValues: entries.map { ($0.convolution, $0.algorithm) }), sha256: sha256
        )
    }

    /// SHA-256 over the choices alone: measuring again with the same outcome leaves it as it is.
    package var sha256: String {
        let lines = entries.map { "\(Self.description(of: $0.convolution)), algorithm: \($0.algorithm.rawValue)\n" }
        return hexadecimalSHA256("\(Self.format) \(Self.version)\n" + lines.joined())
    }

    /// The convolutions whose choice differs from the rule's on the machine that was measured.
    package var changes: [Entry] { entries.filter { $0.rule != nil && $0.rule != $0.algorithm } }
}

// MARK: Writing

extension ConvolutionFile {
    /// The keys that say which convolution is meant, as they stand in the file.
    package static func description(of convolution: DirectedConvolution) -> String {
        let shape = convolution.shape
        return "direction: \(convolution.direction.rawValue), source: \(shape.source), weights: \(shape.weights), "
            + "stride: \(shape.stride), padding: \(sides(shape.padding)), bias: \(shape.hasBias)"
    }

    /// The file's text; reading it back gives an equal file.
    package var text: String {
        var text = """
            # Which algorithm computes each convolution, measured by `diptych tune`; times are in milliseconds.
            # A job names this file as `numerics: {convolutions: FILE}`. Convolutions that are not here follow the rule.
            format: \(Self.format)
            version: \(Self.version)

            """
        if !machine.isEmpty {
            text += "machine:\n"
            for fact in machine { text += "  \(fact.name): \(JSONValue.string(fact.value).text)\n" }
        }
        if !passes.isEmpty {
            text += "passes:\n"
            for pass in passes {
                text +=
                    "  - {name: \(pass.name), images: \(pass.images), rule: \(canonical(pass.rule)), "
                    + "table: \(canonical(pass.table))}\n"
            }
        }
        text += "convolutions:\n"
        for entry in entries {
            text += "  - {\(Self.description(of: entry.convolution)), algorithm: \(entry.algorithm.rawValue)"
            if let rule = entry.rule { text += ", rule: \(rule.rawValue)" }
            if !entry.milliseconds.isEmpty {
                let times = ConvolutionAlgorithm.allCases.compactMap { algorithm in
                    entry.milliseconds[algorithm].map { "\(algorithm.rawValue): \(canonical($0))" }
                }
                text += ", milliseconds: {\(times.joined(separator: ", "))}"
            }
            text += "}\n"
        }
        return text
    }
}
