/// The copies of the weights that the ranks of a group hold, which must be equal bit for bit.
enum Replicas {
    /// Steps from one comparison to the next. A comparison is one pass over the weights, under 1 % of a step of the
    /// reference networks, so every sixteenth step makes it unmeasurable; steps whose state is saved are compared too.
    static let comparisonInterval = 16

    /// The ranks whose weights are not those of the majority.
    ///
    /// - Parameter fingerprints: Of each rank's weights, in rank order.
    /// - Returns: None when all are equal; all ranks when no value belongs to more than half of them.
    static func odd(_ fingerprints: [UInt64]) -> [Int] {
        guard let first = fingerprints.first, fingerprints.contains(where: { $0 != first }) else { return [] }
        let counts = Dictionary(fingerprints.map { ($0, 1) }, uniquingKeysWith: +)
        let majority = counts.first { 2 * $0.value > fingerprints.count }?.key
        return fingerprints.indices.filter { fingerprints[$0] != majority }
    }
}
