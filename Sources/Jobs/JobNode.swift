import Yams

/// A value of a job file with the place it came from, free of the YAML library's types and of its guesses at types.
struct JobNode {
    indirect enum Content {
        case scalar(String, quoted: Bool)
        case sequence([JobNode])
        case mapping([(key: JobNode, value: JobNode)])
    }

    let content: Content
    /// The line in the file, from 1; nil on the command line.
    let line: Int?

    /// What stands there, for error messages.
    var found: String {
        switch content {
        case .scalar("", false): "nothing"
        case .scalar(let text, let quoted):
            quoted
                ? "the text \(JSONValue.string(shortened(text)).text)" : "\(printable(shortened(text)))\(hint(text))"
        case .sequence(let nodes): "a list of \(nodes.count)"
        case .mapping: "a section"
        }
    }

    /// A word of help where a reader of YAML might have expected the value to pass.
    private func hint(_ text: String) -> String {
        switch text.lowercased() {
        case "yes", "no", "on", "off", "y", "n": " (which some readers of YAML take for a boolean)"
        case "null", "~": " (which is YAML for nothing)"
        default: ""
        }
    }

    private func shortened(_ text: String) -> String {
        text.count > 60 ? text.prefix(57) + "..." : text
    }
}

/// A YAML text that could not be taken as a tree of values.
struct JobSyntaxError: Error {
    let line: Int?
    let text: String
}

extension JobNode {
    /// Largest size of a job file, in bytes.
    static let largestFile = 65_536

    /// Parses YAML text strictly: no anchors, aliases or tags, no duplicate keys, one document.
    ///
    /// - Parameters:
    ///   - yaml: The text.
    ///   - hasLines: Whether line numbers of the text mean anything to the user.
    ///   - limit: Largest size of the text, in bytes.
    static func parse(
        _ yaml: String, hasLines: Bool = true, limit: Int = largestFile
    ) throws(JobSyntaxError) -> JobNode? {
        guard yaml.utf8.count <= limit else {
            throw JobSyntaxError(
                line: nil,
                text: "is larger than \(limit) bytes" + (limit == largestFile ? "; a job file is a page of text" : ""))
        }
        try refuseSharedNodes(yaml)
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml, .basic)
        } catch let error as YamlError {
            throw syntaxError(error)
        } catch {
            throw JobSyntaxError(line: nil, text: "is not YAML: \(error)")
        }
        return try root.map { node throws(JobSyntaxError) in try convert(node, hasLines: hasLines) }
    }

    private static func convert(_ node: Node, hasLines: Bool) throws(JobSyntaxError) -> JobNode {
        let line = hasLines ? node.mark?.line : nil
        func refuse(_ what: String) -> JobSyntaxError {
            JobSyntaxError(line: line, text: "\(what) has no place here")
        }
        guard node.anchor == nil else { throw refuse("an anchor (&name)") }
        switch node {
        case .scalar(let scalar):
            guard node.tag.description == "tag:yaml.org,2002:str" else {
                throw refuse("the tag \(printable(node.tag.description))")
            }
            return JobNode(content: .scalar(scalar.string, quoted: scalar.style != .plain), line: line)
        case .sequence(let sequence):
            guard node.tag.description == "tag:yaml.org,2002:seq" else {
                throw refuse("the tag \(printable(node.tag.description))")
            }
            var nodes: [JobNode] = []
            for element in sequence { nodes.append(try convert(element, hasLines: hasLines)) }
            return JobNode(content: .sequence(nodes), line: line)
        case .mapping(let mapping):
            guard node.tag.description == "tag:yaml.org,2002:map" else {
                throw refuse("the tag \(printable(node.tag.description))")
            }
            var pairs: [(key: JobNode, value: JobNode)] = []
            for (key, value) in mapping {
                pairs.append((try convert(key, hasLines: hasLines), try convert(value, hasLines: hasLines)))
            }
            return JobNode(content: .mapping(pairs), line: line)
        case .alias:
            throw refuse("an alias (*name)")
        }
    }

    private static func syntaxError(_ error: YamlError) -> JobSyntaxError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            JobSyntaxError(line: mark.line, text: "is not YAML: \(problem) (column \(mark.column))")
        case .duplicatedKeysInMapping(let duplicates, let context):
            JobSyntaxError(
                line: context.mark.line,
                text: "the key \(duplicates.map { "`\(printable($0))`" }.joined(separator: ", ")) is there twice")
        case .reader(let problem, _, _, _):
            JobSyntaxError(line: nil, text: "is not YAML: \(problem)")
        default:
            JobSyntaxError(line: nil, text: "is not YAML: \(error)")
        }
    }

    /// Refuses anchors, aliases and deep nesting before the YAML library expands them ("a billion laughs").
    private static func refuseSharedNodes(_ yaml: String) throws(JobSyntaxError) {
        var line = 1
        var depth = 0
        var quote: Character?
        var isComment = false
        var previous: Character = "\n"
        for character in yaml {
            defer { previous = character }
            if character.isNewline {
                line += 1
                isComment = false
                continue
            }
            if isComment { continue }
            if let open = quote {
                if character == open, open == "'" || previous != "\\" { quote = nil }
                continue
            }
            let startsToken = previous.isWhitespace || "[{,:?-".contains(previous)
            switch character {
            case "#" where previous.isWhitespace: isComment = true
            case "'", "\"":
                if startsToken { quote = character }
            case "&", "*":
                if startsToken {
                    throw JobSyntaxError(
                        line: line, text: "an anchor or alias (&name, *name) has no place here")
                }
            case "[", "{":
                depth += 1
                if depth > 16 { throw JobSyntaxError(line: line, text: "is nested more than 16 deep") }
            case "]", "}": depth -= 1
            default: break
            }
        }
    }
}
