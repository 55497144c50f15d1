import Synchronization

/// How one direction of a convolution can be computed.
package enum ConvolutionAlgorithm: String, CaseIterable, Sendable {
    /// The sum as it is written.
    case direct
    /// Winograd F(4x4, 3x3) (Lavin and Gray 2016, arXiv 1509.09308): fewer multiplications, other roundings.
    case winograd
}

/// One direction of one convolution: what an algorithm is chosen for.
package struct DirectedConvolution: Hashable, Sendable {
    /// The convolution.
    package let shape: ConvolutionShape
    /// What of it is computed.
    package let direction: ConvolutionDirection

    /// Names one direction of a convolution.
    package init(_ shape: ConvolutionShape, _ direction: ConvolutionDirection) {
        (self.shape, self.direction) = (shape, direction)
    }

    /// What the rule in the source chooses on this processor; see ``ConvolutionShape/prefersWinograd``.
    package var rule: ConvolutionAlgorithm {
        shape.prefersWinograd ? .winograd : .direct
    }
}

/// Algorithms chosen by measurement, which stand in for the rule where they have an entry.
///
/// Results depend on the algorithm, so a process has one table, or none, from its first convolution to its end; the
/// numerics profile records which.
package struct ConvolutionTable: Hashable, Sendable {
    /// The choices.
    package let algorithms: [DirectedConvolution: ConvolutionAlgorithm]
    /// SHA-256 over the choices, in hexadecimal.
    package let sha256: String

    /// Gathers a table.
    package init(algorithms: [DirectedConvolution: ConvolutionAlgorithm], sha256: String) {
        (self.algorithms, self.sha256) = (algorithms, sha256)
    }

    private enum Choice {
        case open
        case made(ConvolutionTable?)
    }

    private static let choice = Mutex(Choice.open)

    /// Has this process compute its convolutions as a table says, or, without one, by the rule alone.
    ///
    /// - Precondition: The process has compiled no convolution yet, or the table is the one that it compiled it by.
    package static func install(_ table: ConvolutionTable?) {
        let isHeeded = choice.withLock { choice in
            if case .made(let earlier) = choice { return earlier == table }
            choice = .made(table)
            return true
        }
        precondition(isHeeded, "a table of convolutions is installed before the first convolution, and only once")
    }

    /// The table in force; nil for the rule alone.
    package static var installed: ConvolutionTable? {
        choice.withLock { choice in
            guard case .made(let table) = choice else { return nil }
            return table
        }
    }

    /// What computes a convolution in this process. From the first call on, no table can be installed.
    static func algorithm(for convolution: DirectedConvolution) -> ConvolutionAlgorithm {
        let table = choice.withLock { choice in
            guard case .made(let table) = choice else {
                choice = .made(nil)
                return nil as ConvolutionTable?
            }
            return table
        }
        return table?.algorithms[convolution] ?? convolution.rule
    }

    /// The choices of Winograd that cannot be followed: by the convolution's kind, or on this processor.
    package var unavailable: [DirectedConvolution] {
        algorithms.filter { convolution, algorithm in algorithm == .winograd && !convolution.shape.allowsWinograd }
            .map(\.key)
    }
}
