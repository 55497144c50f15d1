import Glibc

/// All state of one model that training needs to go on bit for bit.
///
/// The four vectors hold the parameters one after the other, each in row-major order, in the order of `entries`.
public struct Checkpoint: CheckpointContents {
    /// A parameter's place in the flat vectors.
    public struct Entry: Hashable, Codable, Sendable {
        /// The parameter's name, as `down_blocks.0.resnets.1.conv1.weight`.
        public let name: String
        /// Its logical dimensions; none for a scalar.
        public let shape: [Int]
        /// The position of its first element.
        public let offset: Int
        /// The number of its elements: the product of `shape`.
        public let count: Int

        /// An entry.
        ///
        /// - Parameters:
        ///   - name: Not empty, not `.`, without `/` and zero bytes.
        ///   - shape: Dimensions of 1 or more, whose product is `count`.
        ///   - offset: Where it begins.
        ///   - count: How many elements it has.
        public init(name: String, shape: [Int], offset: Int, count: Int) {
            precondition(
                !name.isEmpty && name != "." && !name.utf8.contains(UInt8(ascii: "/")) && !name.utf8.contains(0),
                "\"\(name)\" cannot name a parameter in a checkpoint")
            precondition(
                shape.allSatisfy { $0 > 0 } && shape.reduce(1, *) == count && offset >= 0,
                "\(name): \(count) elements at \(offset) do not fit shape \(shape)")
            self.name = name
            self.shape = shape
            self.offset = offset
            self.count = count
        }
    }

    /// The flat vectors, with their groups in the file.
    public enum Vector: String, CaseIterable, Sendable {
        /// The weights.
        case weights
        /// Their moving average.
        case ema
        /// Adam's first moment.
        case firstMoment = "optimizer/first_moment"
        /// Adam's second moment.
        case secondMoment = "optimizer/second_moment"
    }

    /// The model: `teacher-0`, `student`.
    public let model: String
    /// The phase that trains it: `teach`, `distill`.
    public let phase: String
    /// The number of updates that made this state.
    public let step: Int
    /// The job's hash.
    public let jobHash: String
    /// The privacy ledger, JSON; kept as it is.
    public let ledger: String
    /// The parameters, in bytewise order of their names, without gaps from 0 on.
    public let entries: [Entry]
    /// SHA-256 of the manifest that the state had in another run, if it was taken from there; only its own manifest keeps it.
    public let originManifestHash: String?
    /// The weights.
    public let weights: [Float]
    /// Their exponential moving average.
    public let ema: [Float]
    /// Adam's first moment.
    public let firstMoment: [Float]
    /// Adam's second moment.
    public let secondMoment: [Float]

    /// A state to be saved.
    ///
    /// - Parameters:
    ///   - model: The model's name: lower-case letters, digits, `-`, `_` and `.`.
    ///   - phase: The phase.
    ///   - step: The number of updates, 0 or more.
    ///   - jobHash: The job's hash.
    ///   - ledger: JSON text; without zero bytes.
    ///   - originManifestHash: SHA-256 of the manifest that the state had in another run.
    ///   - entries: Ascending in bytewise order of names, without gaps from 0 on.
    ///   - weights: At least as many elements as the entries cover, here and below; what follows is padding and dropped.
    ///   - ema: As the weights.
    ///   - firstMoment: As the weights.
    ///   - secondMoment: As the weights.
    public init(
        model: String, phase: String, step: Int, jobHash: String, ledger: String = "{}",
        originManifestHash: String? = nil, entries: [Entry],
        weights: [Float], ema: [Float], firstMoment: [Float], secondMoment: [Float]
    ) {
        precondition(step >= 0, "a checkpoint's step is 0 or more, not \(step)")
        let end = Self.requireOrder(of: entries)
        func trimmed(_ vector: [Float], _ name: String) -> [Float] {
            precondition(vector.count >= end, "\(name) has \(vector.count) elements, the parameters \(end)")
            return vector.count == end ? vector : Array(vector[..<end])
        }
        self.model = model
        self.phase = phase
        self.step = step
        self.jobHash = jobHash
        self.ledger = ledger
        self.originManifestHash = originManifestHash
        self.entries = entries
        self.weights = trimmed(weights, "weights")
        self.ema = trimmed(ema, "ema")
        self.firstMoment = trimmed(firstMoment, "first moment")
        self.secondMoment = trimmed(secondMoment, "second moment")
    }

    /// SHA-256 over the float32 little-endian bytes of all weights, row-major, names sorted bytewise.
    public var weightsHash: String { sha256Hex(weights) }
    /// SHA-256 over the moving average, as ``weightsHash``.
    public var emaHash: String { sha256Hex(ema) }

    subscript(vector: Vector) -> [Float] {
        switch vector {
        case .weights: weights
        case .ema: ema
        case .firstMoment: firstMoment
        case .secondMoment: secondMoment
        }
    }

    /// Some elements of one of the flat vectors.
    public func floats(of vector: Vector, in range: Range<Int>) -> ArraySlice<Float> { self[vector][range] }

    /// Checks that parameters lie one after the other from 0 on, ascending in bytewise order of their names.
    ///
    /// - Returns: The number of elements that they cover.
    @discardableResult
    static func requireOrder(of entries: [Entry]) -> Int {
        var end = 0
        for entry in entries {
            precondition(entry.offset == end, "\(entry.name) begins at \(entry.offset) instead of \(end)")
            end += entry.count
        }
        for (entry, next) in zip(entries, entries.dropFirst()) {
            precondition(bytewise(entry.name, next.name), "\(entry.name) and \(next.name) are not in bytewise order")
        }
        return end
    }

    /// Throws unless the parameters are those of a model, with a list of all that differ.
    ///
    /// - Parameters:
    ///   - expected: The model's parameters.
    ///   - found: The checkpoint's.
    ///   - path: The file.
    static func require(_ expected: [Entry], found: [Entry], path: String) throws {
        guard found != expected else { return }
        let byName = Dictionary(found.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let known = Set(expected.map(\.name))
        var problems = expected.compactMap { entry -> String? in
            guard let other = byName[entry.name] else { return "\(entry.name) is missing" }
            return other.shape == entry.shape ? nil : "\(entry.name) has shape \(other.shape) instead of \(entry.shape)"
        }
        problems += found.filter { !known.contains($0.name) }.map { "\($0.name) is not the model's" }
        throw CheckpointError(
            code: .otherParameters, path: path,
            message: "the parameters are not the model's: " + problems.joined(separator: "; "))
    }
}

/// The order of names everywhere in checkpoints: by their UTF-8 bytes. Swift's own order knows about Unicode.
func bytewise(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
}

/// Whether two vectors are equal bit for bit: 0 and -0 differ.
func bitsAreEqual(_ left: ArraySlice<Float>, _ right: ArraySlice<Float>) -> Bool {
    left.withUnsafeBytes { left in
        right.withUnsafeBytes { right in
            guard left.count == right.count, let first = left.baseAddress, let second = right.baseAddress else {
                return left.count == right.count
            }
            return memcmp(first, second, left.count) == 0
        }
    }
}
