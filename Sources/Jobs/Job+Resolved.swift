import Crypto

extension Job {
    /// The job as canonical YAML text: every key that plays a part, defaults filled in, in a fixed order.
    ///
    /// Reading it back gives an equal job, as far as its keys play a part.
    public var resolved: String {
        var text = ""
        var open: [Substring] = []
        for key in JobSchema.keys where key.isActive(self) {
            let sections = key.section.split(separator: ".")
            let shared = zip(open, sections).prefix { $0 == $1 }.count
            for depth in shared..<max(shared, sections.count) {
                text += String(repeating: "  ", count: depth) + "\(sections[depth]):\n"
            }
            open = sections
            text += String(repeating: "  ", count: sections.count) + "\(key.leaf): \(key.write(self))\n"
        }
        return text
    }

    /// SHA-256, in hexadecimal, over every value that changes bits and is not the default.
    ///
    /// Paths, ranks, retention and the name are not in it, nor are the numbers of steps, which may grow: a checkpoint
    /// stays valid when a run is extended. Nor are defaults: a run stays valid when a later version adds a key.
    public var hash: String {
        var text = "diptych job 2\n"
        for key in JobSchema.keys where key.isActive(self) && key.effect == .bits {
            let value = key.write(self)
            if value != key.write(Job.defaults) { text += "\(key.path): \(value)\n" }
        }
        return hexadecimalSHA256(text)
    }

    private static let defaults = Job()

    /// One value in which two jobs differ.
    public struct Difference: Hashable, Sendable, CustomStringConvertible {
        /// The key's path.
        public let key: String
        /// The value of the older job; nil when the key plays no part in it.
        public let old: String?
        /// The value of the newer job; nil when the key plays no part in it.
        public let new: String?
        /// What it means for a run that began with the older job.
        public let kind: JobSchema.Effect

        /// `key: old -> new`.
        public var description: String { "\(key): \(old ?? "(absent)") -> \(new ?? "(absent)")" }
    }

    /// The values in which this job differs from an older one, in the order of the resolved text.
    ///
    /// A larger number of steps is `extendable`; a smaller one counts as `bits`.
    ///
    /// - Parameter older: The job that the run began with.
    public func differences(from older: Job) -> [Difference] {
        JobSchema.keys.compactMap { key in
            let old = key.isActive(older) ? key.write(older) : nil
            let new = key.isActive(self) ? key.write(self) : nil
            guard old != new else { return nil }
            var kind = key.effect
            if kind == .extendable {
                let before = old.flatMap { Int($0) } ?? .max
                let after = new.flatMap { Int($0) } ?? 0
                kind = after > before ? .extendable : .bits
            }
            return Difference(key: key.path, old: old, new: new, kind: kind)
        }
    }
}

/// One of the models that a job trains.
public struct TrainedModel: Hashable, Sendable, CustomStringConvertible {
    /// File name of its checkpoints and logs: `baseline`, `teacher-0`, `student`.
    public let name: String
    /// Its place in the addresses of random numbers: teachers from 0, then the student; the baseline is 0.
    public let index: Int
    /// The phase that trains it.
    public let phase: Phase

    /// The name.
    public var description: String { name }
}

/// The phases of a run, in their order.
public enum Phase: String, Codable, CaseIterable, Sendable {
    /// Members are chosen and dealt into parts.
    case split
    /// The teachers, or the baseline, are trained.
    case teach
    /// The student is distilled.
    case distill
    /// The grid of images is made.
    case sample
}

extension Job {
    /// The models of the phase `teach`: the teachers, or the baseline alone.
    public var taughtModels: [TrainedModel] {
        if defence == .undefended { return [TrainedModel(name: "baseline", index: 0, phase: .teach)] }
        return (0..<data.split.parts).map { TrainedModel(name: "teacher-\($0)", index: $0, phase: .teach) }
    }

    /// The student, if the job distils one.
    public var student: TrainedModel? {
        defence == .distillMD ? TrainedModel(name: "student", index: data.split.parts, phase: .distill) : nil
    }

    /// Every model that the job trains, in order.
    public var models: [TrainedModel] { taughtModels + (student.map { [$0] } ?? []) }

    /// The options that train a model.
    public func options(of model: TrainedModel) -> TrainingOptions {
        model.phase == .distill ? distill : teach
    }
}

/// SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits.
package func hexadecimalSHA256(_ text: String) -> String { hexadecimalSHA256(Array(text.utf8)) }

/// SHA-256 of bytes, in hexadecimal.
package func hexadecimalSHA256(_ bytes: [UInt8]) -> String {
    SHA256.hash(data: bytes).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}
