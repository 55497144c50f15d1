/// What is wrong with one value of a job file.
struct JobProblem: Error, Hashable {
    /// What was expected and what was found.
    var text: String
}

/// The form of one value: how it is described, read strictly, and written canonically.
struct JobForm<Value: Sendable>: Sendable {
    /// The allowed values in words: `integer in 1...64`.
    let words: String
    let read: @Sendable (JobNode) throws(JobProblem) -> Value
    let write: @Sendable (Value) -> String

    /// Reads from a single plain or quoted word; `parse` gives nil for what is not of this form.
    static func scalar(
        _ words: String, allowsQuotes: Bool = false, write: @escaping @Sendable (Value) -> String,
        parse: @escaping @Sendable (String) -> Value?
    ) -> JobForm {
        JobForm(
            words: words,
            read: { node throws(JobProblem) in
                guard case .scalar(let text, let quoted) = node.content, allowsQuotes || !quoted,
                    let value = parse(text)
                else { throw JobProblem(text: "must be \(words), found \(node.found)") }
                return value
            }, write: write)
    }
}

extension JobForm where Value == Int {
    /// A whole number within a range, in plain decimal digits.
    static func integer(_ range: ClosedRange<Int>) -> JobForm {
        .scalar("integer in \(range.lowerBound)...\(range.upperBound)", write: { String($0) }) { text in
            decimalDigits(text).flatMap { Int($0) }.flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension JobForm where Value == UInt64 {
    /// Any whole number of 64 bits.
    static var unsigned: JobForm {
        .scalar("integer in 0...\(UInt64.max)", write: { String($0) }) { text in
            decimalDigits(text).flatMap { UInt64($0) }
        }
    }
}

extension JobForm where Value == Double {
    /// A finite number within a range.
    static func number(_ range: ClosedRange<Double>) -> JobForm {
        let words = "number in \(canonical(range.lowerBound))...\(canonical(range.upperBound))"
        return .scalar(words, write: { canonical($0) }) { text in
            guard text.allSatisfy({ $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }), let value = Double(text),
                value.isFinite, range.contains(value)
            else { return nil }
            return value == 0 ? 0 : value
        }
    }
}

extension JobForm where Value == Bool {
    /// `true` or `false`, and nothing else that some YAML readers take for one of them.
    static var boolean: JobForm {
        .scalar("true or false", write: { String($0) }) { text in
            switch text {
            case "true": true
            case "false": false
            default: nil
            }
        }
    }
}

extension JobForm where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of an enumeration's words.
    static func choice() -> JobForm {
        let valid = Value.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
        let words = Value.allCases.count == 1 ? valid : "one of \(valid)"
        return JobForm(
            words: words,
            read: { node throws(JobProblem) in
                guard case .scalar(let text, _) = node.content, let value = Value(rawValue: text) else {
                    throw JobProblem(text: "must be \(words), found \(node.found)")
                }
                return value
            }, write: { $0.rawValue })
    }
}

extension JobForm where Value == String {
    /// A name that is safe as a file name and on a command line.
    static var name: JobForm {
        let words = "name of 1...64 letters, digits, `.`, `_` and `-`, starting with a letter or digit"
        return .scalar(words, allowsQuotes: true, write: { $0 }) { text in
            guard let first = text.first, first.isASCII, first.isLetter || first.isNumber, text.utf8.count <= 64,
                text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }),
                !readsAsSomethingElse(text)
            else { return nil }
            return text
        }
    }

    /// A file name.
    static var path: JobForm {
        let words = "path of 1...4096 bytes without control characters"
        return JobForm(
            words: words,
            read: { node throws(JobProblem) in
                guard case .scalar(let text, let quoted) = node.content, quoted || !readsAsSomethingElse(text),
                    (1...4096).contains(text.utf8.count),
                    text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
                else { throw JobProblem(text: "must be a \(words), found \(node.found)") }
                return text
            }, write: { quotedIfNeeded($0) })
    }
}

extension JobForm where Value == [Int] {
    /// A list of whole numbers.
    static func integers(_ range: ClosedRange<Int>, count: ClosedRange<Int>) -> JobForm {
        .list(of: .integer(range), count: count)
    }
}

extension JobForm where Value == [Bool] {
    /// A list of booleans.
    static func booleans(count: ClosedRange<Int>) -> JobForm {
        .list(of: .boolean, count: count)
    }
}

extension JobForm {
    /// A list whose elements have one form.
    static func list<Element>(of element: JobForm<Element>, count: ClosedRange<Int>) -> JobForm
    where Value == [Element] {
        let number = count.count == 1 ? "\(count.lowerBound)" : "\(count.lowerBound)...\(count.upperBound)"
        let words = "list of \(number), each \(element.words)"
        return JobForm(
            words: words,
            read: { node throws(JobProblem) in
                guard case .sequence(let nodes) = node.content, count.contains(nodes.count) else {
                    throw JobProblem(text: "must be a \(words), found \(node.found)")
                }
                var values: [Element] = []
                for (index, node) in nodes.enumerated() {
                    do throws(JobProblem) {
                        values.append(try element.read(node))
                    } catch {
                        throw JobProblem(text: "element \(index + 1) \(error.text)")
                    }
                }
                return values
            }, write: { "[" + $0.map(element.write).joined(separator: ", ") + "]" })
    }

    /// A form whose value may be left out by writing `null`.
    static func optional<Wrapped>(_ wrapped: JobForm<Wrapped>) -> JobForm where Value == Wrapped? {
        let words = "\(wrapped.words), or null"
        return JobForm(
            words: words,
            read: { node throws(JobProblem) in
                if case .scalar("null", false) = node.content { return nil }
                do throws(JobProblem) {
                    return try wrapped.read(node)
                } catch {
                    throw JobProblem(
                        text: error.text.replacing(wrapped.words, with: words, maxReplacements: 1))
                }
            }, write: { $0.map(wrapped.write) ?? "null" })
    }
}

/// Plain decimal digits with an optional sign, without leading zeros (which some readers take for octal).
private func decimalDigits(_ text: String) -> String? {
    let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
    guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), digits == "0" || !digits.hasPrefix("0")
    else { return nil }
    return text.hasPrefix("+") ? String(digits) : text
}

/// Whether some reader of YAML takes the plain word for a boolean, a number or nothing ("the Norway problem").
func readsAsSomethingElse(_ text: String) -> Bool {
    let words = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"]
    return words.contains(text.lowercased()) || Double(text) != nil
}

/// A string as YAML reads it back: plain when that is safe, double-quoted otherwise.
func quotedIfNeeded(_ text: String) -> String {
    let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-".contains($0)) }
    if isPlain, let first = text.first, first == "/" || first.isLetter, !readsAsSomethingElse(text) { return text }
    return JSONValue.string(text).text
}

/// The shortest decimal text that reads back as the same number, with a point, which older readers of YAML ask for.
func canonical(_ value: Double) -> String {
    let text = "\(value)"
    guard let exponent = text.firstIndex(of: "e"), !text.contains(".") else { return text }
    return text[..<exponent] + ".0" + text[exponent...]
}
