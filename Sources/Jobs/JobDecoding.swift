import Foundation

extension Job {
    /// Reads a job file and applies overrides.
    ///
    /// - Parameters:
    ///   - path: The YAML file.
    ///   - overrides: Texts `section.key=value`, as `--set` takes them; later ones win.
    /// - Throws: `DiptychFailure` with code 64 that names file, line, key, allowed values and what was found, for every
    ///   fault of the file; with code 74 when it cannot be read.
    public static func load(path: String, overrides: [String] = []) throws -> Job {
        let text = try Self.text(path: path, FileBytes.readNamed(_:limit:))
        return try decode(text, file: path, overrides: overrides)
    }

    /// The text of a job file.
    ///
    /// - Parameter read: `FileBytes.readNamed` for a file that the user has named, `FileBytes.read` for that of a run.
    static func text(
        path: String, _ read: (_ path: String, _ limit: Int) throws(SystemCallError) -> Data
    ) throws -> String {
        let data: Data
        do {
            data = try read(path, JobNode.largestFile)
        } catch {
            let code: ExitCode = error.isMissing ? .usage : .inputOutput
            throw DiptychFailure(code, "cannot read the job file \(printable(path)): \(error.reason)\(error.advice)")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw DiptychFailure(.usage, "\(printable(path)): the job file is not UTF-8 text")
        }
        return text
    }

    /// Reads a job from YAML text and applies overrides.
    ///
    /// - Parameters:
    ///   - yaml: The text.
    ///   - file: What error messages call its source.
    ///   - overrides: Texts `section.key=value`; later ones win.
    /// - Throws: `DiptychFailure` with code 64 that lists every fault.
    public static func decode(_ yaml: String, file: String, overrides: [String] = []) throws -> Job {
        var decoder = JobDecoder(file: printable(file))
        decoder.take(yaml)
        for override in overrides { decoder.take(override: override) }
        return try decoder.finish()
    }
}

/// Gathers the values of a job by key, and every fault met on the way.
private struct JobDecoder {
    let file: String
    private var values: [String: (node: JobNode, source: String)] = [:]
    private var faults: [String] = []
    private var unlisted = 0
    /// Faults that are listed; more are counted. The search for the nearest key takes time, and a hostile file could be
    /// made of nothing but unknown keys.
    private static let listedFaults = 20

    init(file: String) { self.file = file }

    private func place(_ line: Int?) -> String { line.map { "\(file):\($0)" } ?? file }

    mutating func take(_ yaml: String) {
        do {
            guard let root = try JobNode.parse(yaml) else {
                faults.append("\(file): the job file is empty")
                return
            }
            guard case .mapping = root.content else {
                faults.append("\(place(root.line)): a job file is a list of `key: value` lines, found \(root.found)")
                return
            }
            flatten(root, section: "")
        } catch {
            faults.append("\(place(error.line)): \(error.text)")
        }
    }

    private mutating func flatten(_ node: JobNode, section: String) {
        guard case .mapping(let pairs) = node.content else { return }
        for (key, value) in pairs {
            guard case .scalar(let name, _) = key.content else {
                faults.append("\(place(key.line)): a key must be a word, found \(key.found)")
                continue
            }
            let path = section.isEmpty ? name : "\(section).\(name)"
            if JobSchema.sections.contains(path) {
                guard case .mapping = value.content else {
                    faults.append("\(place(value.line)): `\(path)` is a section of keys, found \(value.found)")
                    continue
                }
                flatten(value, section: path)
            } else if JobSchema.keys.contains(where: { $0.path == path }) {
                values[path] = (value, place(key.line))
            } else {
                guard faults.count < Self.listedFaults else {
                    unlisted += 1
                    continue
                }
                faults.append("\(place(key.line)): \(JobSchema.unknown(path))")
            }
        }
    }

    mutating func take(override: String) {
        let source = "--set \(printable(override))"
        guard let equals = override.firstIndex(of: "="), equals != override.startIndex else {
            faults.append("\(source): an override is written section.key=value, for example teach.steps=500")
            return
        }
        let path = String(override[..<equals]).trimmingCharacters(in: .whitespaces)
        guard JobSchema.keys.contains(where: { $0.path == path }) else {
            let isSection = JobSchema.sections.contains(path)
            faults.append(
                "\(source): "
                    + (isSection ? "`\(path)` is a section; set one of its keys" : JobSchema.unknown(path)))
            return
        }
        do {
            let text = String(override[override.index(after: equals)...])
            let node = try JobNode.parse(text, hasLines: false)
            values[path] = (node ?? JobNode(content: .scalar("", quoted: false), line: nil), source)
        } catch {
            faults.append("\(source): \(error.text)")
        }
    }

    func finish() throws -> Job {
        var job = Job()
        var faults = faults
        for key in JobSchema.keys {
            guard let (node, source) = values[key.path] else { continue }
            do {
                try key.read(node, &job)
            } catch {
                faults.append("\(source): `\(key.path)` \(error.text)")
            }
        }
        if faults.isEmpty {
            for key in JobSchema.keys where values[key.path] == nil && key.isRequired(job) {
                faults.append("\(file): `\(key.path)` is missing: \(key.form)")
            }
        }
        if faults.isEmpty {
            faults = job.contradictions().map { key, text in "\(values[key]?.source ?? file): `\(key)` \(text)" }
        }
        if unlisted > 0 { faults.append("\(file): and \(unlisted) more unknown keys") }
        guard faults.isEmpty else {
            throw DiptychFailure(.usage, faults.joined(separator: "\n"))
        }
        return job
    }
}

extension JobSchema {
    /// Says that a key is unknown, and which valid one is nearest.
    static func unknown(_ path: String) -> String {
        let parts = path.split(separator: ".", omittingEmptySubsequences: false)
        let section = parts.dropLast().joined(separator: ".")
        let leaf = String(parts.last ?? "")
        let candidates = keys.map(\.path) + sections
        let scored = candidates.map { (key: $0, score: score($0, section: section, leaf: leaf)) }
        let nearest = scored.min { $0.score < $1.score }?.key
        return "unknown key `\(printable(path))`; the nearest valid key is `\(nearest ?? "")`"
    }

    /// Edit distance of the last components; another section counts as two further edits.
    private static func score(_ path: String, section: String, leaf: String) -> Int {
        let parts = path.split(separator: ".")
        let other = parts.dropLast().joined(separator: ".")
        return editDistance(String(parts.last ?? ""), leaf) + (other == section ? 0 : 2)
    }

    /// Number of insertions, deletions and replacements that turn one word into the other (Levenshtein).
    static func editDistance(_ first: String, _ second: String) -> Int {
        let second = Array(second.unicodeScalars.prefix(100))
        var row = Array(0...second.count)
        for (i, a) in first.unicodeScalars.prefix(100).enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in second.enumerated() {
                let replaced = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
            }
        }
        return row[second.count]
    }
}
