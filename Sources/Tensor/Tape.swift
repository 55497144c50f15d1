/// Records operations and differentiates them in reverse.
///
/// Every operation is a method, one file per family (`Tape+Convolution.swift` and so on). A tape that does not record
/// computes the same values, to the same bits, and keeps nothing.
///
/// One tape serves one forward and one backward pass on one thread.
public final class Tape {
    /// Whether operations are kept for ``backward(from:gradient:)``.
    public let isRecording: Bool
    /// Whether the activations within blocks are computed again in the backward pass, instead of kept.
    public let recomputesBlocks: Bool
    /// Where the time goes, if anybody wants to know.
    package let times: StepTimes?
    private var entries: [Entry] = []
    private var memories: [ParameterMemory] = []

    /// One operation: where its result's gradient gathers, and what to do with it.
    private struct Entry {
        let result: GradientNode
        let part: StepTimes.Part
        /// Whose gradients it contributes to.
        let parameters: [Parameter]
        let backward: (inout Tensor) -> Void
    }

    /// Starts an empty tape.
    ///
    /// - Parameters:
    ///   - recording: Whether to keep what a backward pass needs; false for inference.
    ///   - recomputingBlocks: Whether ``block(_:parameters:_:)`` keeps its inputs only: less memory, a third more time,
    ///     the same bits.
    ///   - times: Adds up where the time of both passes goes; nil, the default, measures nothing.
    public init(recording: Bool, recomputingBlocks: Bool = false, times: StepTimes? = nil) {
        isRecording = recording
        recomputesBlocks = recording && recomputingBlocks
        self.times = times
    }

    /// Number of operations kept for the backward pass.
    public var entryCount: Int { entries.count }

    /// Makes a leaf of a tensor: its gradient can be asked for after the backward pass.
    ///
    /// - Returns: The tensor to compute with instead.
    public func watch(_ x: Tensor) -> Tensor {
        isRecording ? Tensor(x, node: GradientNode(times)) : x
    }

    /// The gradient of a watched tensor after the backward pass; nil when none has reached it.
    public func gradient(of x: Tensor) -> Tensor? {
        x.node?.gradient
    }

    /// Runs the tape backwards: adds into the gradient of every parameter and watched tensor, and frees each entry
    /// as soon as it has been used.
    ///
    /// - Parameters:
    ///   - loss: A scalar that this tape computed, shape [].
    ///   - gradient: The derivative of the quantity to differentiate with respect to `loss`.
    public func backward(from loss: Tensor, gradient: Float = 1) {
        backward(from: loss, gradient: gradient) { _ in }
    }

    /// As above, letting somebody else have a turn now and then.
    ///
    /// - Parameters:
    ///   - loss: A scalar that this tape computed, shape [].
    ///   - gradient: The derivative of the quantity to differentiate with respect to `loss`.
    ///   - betweenEntries: Called after each operation with the number of entries left, so that a trainer can let
    ///     communication progress. If it throws, the pass ends there and the gradients are good for nothing.
    public func backward(
        from loss: Tensor, gradient: Float = 1, betweenEntries: (_ entriesLeft: Int) throws -> Void
    ) rethrows {
        precondition(isRecording, "a tape made with recording: false has no backward pass")
        precondition(loss.count == 1, "a backward pass starts from one number, not from shape \(loss.shape)")
        guard let node = loss.node else {
            preconditionFailure("the loss does not depend on any parameter through this tape")
        }
        node.gradient = Tensor([gradient], shape: loss.shape)
        try unwind(betweenEntries)
        for memory in memories { memory.endPass() }
        memories.removeAll()
    }

    private func unwind(_ betweenEntries: (_ entriesLeft: Int) throws -> Void) rethrows {
        while let entry = entries.popLast() {
            guard var incoming = entry.result.gradient else { continue }
            entry.result.gradient = nil
            times.measure(entry.part) { entry.backward(&incoming) }
            try betweenEntries(entries.count)
        }
    }

    /// Computes a part of a network. If the tape recomputes blocks, only the inputs are kept, and the backward pass computes
    /// the part again before it differentiates it: one operation of this tape, and the same bits.
    ///
    /// Chen et al. 2016, arXiv 1604.06174, section 4.
    ///
    /// - Parameters:
    ///   - inputs: What the part computes from, beside its parameters.
    ///   - parameters: The part's parameters; of these its result depends on one at least.
    ///   - body: The part: a function of its inputs and of the parameters alone.
    /// - Returns: What `body` returns.
    public func block(
        _ inputs: [Tensor], parameters: @autoclosure () -> [Parameter],
        _ body: @escaping (_ inputs: [Tensor], _ tape: Tape) -> Tensor
    ) -> Tensor {
        guard recomputesBlocks else { return body(inputs, self) }
        let result = body(inputs, Tape(recording: false, times: times))
        let saved = inputs.map(SavedTensor.init)
        return record(result, parameters: parameters()) { [times] gradient in
            let inner = Tape(recording: true, times: times)
            // The inputs keep their nodes, so that gradients are added up in the order in which they would be otherwise.
            let again = body(saved.map { Tensor($0.tensor, node: $0.node) }, inner)
            guard let node = again.node else { preconditionFailure("a block that depends on no parameter") }
            node.gradient = gradient
            gradient = Tensor([0], shape: [])  // leaves the node its only owner
            inner.unwind { _ in }
        }
    }

    /// For each parameter of a memory the number of entries that are left when its gradient has had its last
    /// contribution: all of them for a parameter that the tape does not use.
    func entriesLeftWhenFinal(in memory: ParameterMemory) -> [Int] {
        var left = [Int](repeating: entries.count, count: memory.ranges.count)
        for (index, entry) in entries.enumerated().reversed() {
            for parameter in entry.parameters where parameter.memory === memory { left[parameter.entry] = index }
        }
        return left
    }

    /// Ends an operation that depends on tensors alone: recorded if the gradient of any input is wanted.
    func record(
        _ result: Tensor, from inputs: Tensor..., part: StepTimes.Part = .other,
        backward: @escaping (inout Tensor) -> Void
    ) -> Tensor {
        isRecording && inputs.contains { $0.node != nil } ? append(result, part, [], backward) : result
    }

    /// Ends an operation that also depends on parameters, whose gradients are always wanted.
    func record(
        _ result: Tensor, parameters: [Parameter], part: StepTimes.Part = .other,
        backward: @escaping (inout Tensor) -> Void
    ) -> Tensor {
        guard isRecording else { return result }
        for parameter in parameters where !memories.contains(where: { $0 === parameter.memory }) {
            memories.append(parameter.memory)
        }
        return append(result, part, parameters, backward)
    }

    private func append(
        _ result: Tensor, _ part: StepTimes.Part, _ parameters: [Parameter],
        _ backward: @escaping (inout Tensor) -> Void
    ) -> Tensor {
        let node = GradientNode(times)
        entries.append(Entry(result: node, part: part, parameters: parameters, backward: backward))
        return Tensor(result, node: node)
    }
}

/// Gathers the gradient of one tensor during the backward pass.
final class GradientNode {
    var gradient: Tensor?
    private let times: StepTimes?

    init(_ times: StepTimes?) {
        self.times = times
    }

    /// Lets a kernel that can add to what is there contribute without a pass over memory of its own. It adds whoever else
    /// has that memory, to a copy if need be, for it rounds otherwise than a sum made afterwards.
    ///
    /// - Parameters:
    ///   - shape: The gradient's shape.
    ///   - compute: Writes the contribution into a tensor, or adds it to what that holds.
    func receive(shape: [Int], _ compute: (_ target: Tensor, _ adds: Bool) -> Void) {
        guard var sum = gradient.take() else {
            let contribution = Tensor(uninitialized: shape)
            compute(contribution, false)
            gradient = contribution
            return
        }
        let target = sum.isSoleOwner() ? sum : sum.copied()
        compute(target, true)
        gradient = target
    }

    /// Adds a contribution. The first is kept as it is, without a copy.
    func receive(_ contribution: Tensor) {
        guard var sum = gradient.take() else {
            gradient = contribution
            return
        }
        // Two nodes may have been given one storage; only a sole owner may add in place.
        let target = sum.isSoleOwner() ? sum : Tensor(uninitialized: sum.shape)
        times.measure(.other) { Kernels.add(sum, contribution, into: target) }
        gradient = target
    }
}
