import Foundation
import Jobs

/// Several runs of one job that differ in values of some keys: every combination, in the order of the options, the last
/// one fastest.
package struct Sweep: Hashable {
    /// One of the runs.
    package struct Member: Hashable {
        /// Its overrides, as `--set` takes them.
        package var overrides: [String]
        /// The name of its directory within the sweep's.
        package var name: String
    }

    /// The runs.
    package var members: [Member]

    /// Reads options `key=value,value,...`; commas within brackets belong to a value.
    ///
    /// - Throws: `DiptychFailure` with code 64.
    package init(_ options: [String]) throws {
        var combinations: [[(key: String, value: String)]] = [[]]
        for option in options {
            guard let equals = option.firstIndex(of: "="), equals != option.startIndex else {
                throw DiptychFailure(
                    .usage, "--sweep \(printable(option)): a sweep is written section.key=value,value,...")
            }
            let key = String(option[..<equals])
            guard !key.hasPrefix("cluster.") else {
                throw DiptychFailure(
                    .usage, "--sweep \(printable(option)): the runs of a sweep are one job array, with one `cluster`")
            }
            let values = Self.values(option[option.index(after: equals)...])
            guard values.allSatisfy({ !$0.isEmpty }), Set(values).count == values.count else {
                throw DiptychFailure(.usage, "--sweep \(printable(option)): a value is empty, or there twice")
            }
            combinations = combinations.flatMap { combination in values.map { combination + [(key, $0)] } }
            guard combinations.count <= 1000 else {
                throw DiptychFailure(.usage, "the sweep has more than 1000 runs")
            }
        }
        members = combinations.enumerated().map { index, combination in
            let words = combination.map { key, value in
                let leaf = key.split(separator: ".").last.map(String.init) ?? key
                return Self.safe("\(leaf)-\(value)")
            }
            return Member(
                overrides: combination.map { "\($0.key)=\($0.value)" },
                name: "\(index)" + words.map { "-" + $0 }.joined())
        }
    }

    private static func values(_ text: Substring) -> [String] {
        var values = [""]
        var depth = 0
        for character in text {
            if character == "[" { depth += 1 }
            if character == "]" { depth -= 1 }
            if character == ",", depth == 0 {
                values.append("")
            } else {
                values[values.count - 1].append(character)
            }
        }
        return values.map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// The text with everything but letters, digits and dots made one dash, at most 40 characters.
    private static func safe(_ text: String) -> String {
        let kept = text.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "_") ? $0 : "-" }
        return String(String(kept).split(separator: "-").joined(separator: "-").prefix(40))
    }
}
