/// An operand that a backward pass will read: kept, or computed again where that is cheaper than the memory.
///
/// Between the forward and the backward pass a network's activations are most of its memory. Results that cost one pass
/// over memory (group norm, dropout, up-sampling, concatenation) say how to make them again, to the same bits, from what
/// is kept anyway; so the input of a convolution lives only while the convolution runs.
struct SavedTensor {
    let shape: [Int]
    let node: GradientNode?
    private let source: Source

    private enum Source {
        case kept(Tensor)
        case recomputed(Recomputation)
    }

    /// Keeps a tensor, or how to make it.
    init(_ x: Tensor) {
        shape = x.shape
        node = x.node
        source = x.recomputation.map(Source.recomputed) ?? .kept(x)
        x.recomputation?.readers += 1
    }

    /// The values.
    var tensor: Tensor {
        switch source {
        case .kept(let tensor): tensor
        case .recomputed(let recomputation): recomputation.tensor
        }
    }

    /// Declares that this operation will not read the values again, so that they can go before it ends.
    func finishReading() {
        if case .recomputed(let recomputation) = source { recomputation.finishReading() }
    }
}

/// Makes a tensor again when the first of its readers asks, and holds it until the last has gone or needs it no more:
/// several operations may read one operand, and their backward passes lie near each other.
final class Recomputation {
    /// Operations that will read the tensor, or may.
    var readers = 0
    private let compute: () -> Tensor
    private var made: Tensor?

    init(_ compute: @escaping () -> Tensor) {
        self.compute = compute
    }

    var tensor: Tensor {
        if let made { return made }
        let tensor = compute()
        made = tensor
        return tensor
    }

    func finishReading() {
        readers -= 1
        if readers == 0 { made = nil }
    }
}

extension Tape {
    /// Says how the result of a cheap operation can be made again, unless there will be no backward pass.
    ///
    /// - Parameter compute: Makes the same values from parameters and saved tensors.
    func recomputable(_ result: Tensor, part: StepTimes.Part = .other, _ compute: @escaping () -> Tensor) -> Tensor {
        guard isRecording else { return result }
        var result = result
        result.recomputation = Recomputation { [times] in times.measure(part, compute) }
        return result
    }
}
