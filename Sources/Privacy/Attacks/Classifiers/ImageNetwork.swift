import Tensor

/// A network over images that an attack trains.
protocol ImageNetwork: Module {
    /// Numbers for each image.
    var outputs: Int { get }

    /// The outputs of a batch, (N, outputs) in row-major order whatever the shape.
    ///
    /// - Parameters:
    ///   - x: Images, shape (N, C, H, W).
    ///   - mode: Whether statistics are those of the batch.
    ///   - tape: Records.
    func callAsFunction(_ x: Tensor, _ mode: BatchNormMode, on tape: Tape) -> Tensor
}

/// Images of one shape, row by row.
struct ImageRows {
    let count: Int
    /// (C, H, W).
    let shape: [Int]
    /// Values of one row, (C, H, W) in row-major order.
    let row: (Int) -> ArraySlice<Float>

    /// A batch of some rows.
    func batch(_ rows: [Int]) -> Tensor {
        Tensor(rows.flatMap { Array(row($0)) }, shape: [rows.count] + shape)
    }
}

/// Trains a network of an attacker, and asks it. On one thread; the same bits wherever it runs.
struct NetworkTraining {
    /// Passes over the rows.
    let epochs: Int
    /// The most images of a batch.
    let batch: Int
    /// Changes the values after a backward pass, given the number of the step and of all steps.
    let update: (_ parameters: ParameterVector, _ step: Int, _ steps: Int) -> Void

    /// Trains.
    ///
    /// The rows of an epoch are cut into the fewest batches of at most ``batch``, as equal in size as can be, so that none is
    /// too small for its statistics.
    ///
    /// - Parameters:
    ///   - network: Has its first weights.
    ///   - images: The rows.
    ///   - rows: Those to learn from, as often as they are named.
    ///   - order: The order of so many rows in an epoch.
    ///   - gradient: d loss / d output of one row, given the row and its outputs; the loss is the mean over a batch.
    func train<Network: ImageNetwork>(
        _ network: Network, of parameters: ParameterVector, on images: ImageRows, rows: [Int],
        order: (_ epoch: Int) -> [Int], gradient: (_ row: Int, _ outputs: ArraySlice<Float>) -> [Float]
    ) {
        let batches = (rows.count + batch - 1) / batch
        for epoch in 0..<epochs {
            let order = order(epoch)
            for index in 0..<batches {
                let places = rows.count * index / batches..<rows.count * (index + 1) / batches
                let chosen = places.map { rows[order[$0]] }
                let tape = Tape(recording: true)
                let output = network(images.batch(chosen), .training, on: tape)
                let values = output.scalars
                // The squared error to (output - gradient count / 2) has the wanted gradient, divided by the batch.
                let factor = Float(network.outputs) / 2
                var targets = values
                for (index, row) in chosen.enumerated() {
                    let range = index * network.outputs..<(index + 1) * network.outputs
                    for (position, slope) in zip(range, gradient(row, values[range])) {
                        targets[position] -= slope * factor
                    }
                }
                parameters.clearGradients()
                tape.backward(from: tape.meanSquaredError(output, Tensor(targets, shape: output.shape)))
                update(parameters, epoch * batches + index, epochs * batches)
                parameters.valuesChanged()
            }
        }
    }
}

extension ImageNetwork {
    /// The outputs of every row, row-major, (count, outputs).
    func answers(to images: ImageRows) -> [Float] {
        let batch = 64
        return stride(from: 0, to: images.count, by: batch).flatMap { start in
            let rows = (start..<start + batch).map { min($0, images.count - 1) }
            let values = self(images.batch(rows), .prediction, on: Tape(recording: false)).scalars
            return values.prefix(min(batch, images.count - start) * outputs)
        }
    }
}
