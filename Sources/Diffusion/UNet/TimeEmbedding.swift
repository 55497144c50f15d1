import Tensor

/// Turns timesteps, and classes if the model has them, into the vector that every residual block is told.
///
/// Sinusoids (Vaswani et al. 2017, section 3.5, as diffusers' `get_timestep_embedding`), linear, SiLU, linear; a
/// class's row of a table is added.
struct TimeEmbedding: Module {
    private let first: LinearLayer
    private let second: LinearLayer
    private let classes: Parameter?
    private let configuration: UNetConfiguration

    init(_ configuration: UNetConfiguration) {
        let width = configuration.embeddingWidth
        first = LinearLayer("time_embedding.linear_1", from: configuration.channels[0], to: width)
        second = LinearLayer("time_embedding.linear_2", from: width, to: width)
        classes = configuration.classEmbeddingRows.map {
            Parameter(name: "class_embedding.weight", shape: [$0, width], initialization: .normal(deviation: 1))
        }
        self.configuration = configuration
    }

    var parameters: [Parameter] {
        first.parameters + second.parameters + (classes.map { [$0] } ?? [])
    }

    /// - Returns: SiLU of the embedding, shape (N, embeddingWidth): each residual block of diffusers applies SiLU to the
    ///   same embedding, so it is applied once here.
    func callAsFunction(timesteps: [Int], labels: [Int]?, on tape: Tape) -> Tensor {
        let sinusoids = Timesteps.sinusoidalEmbedding(
            timesteps, width: configuration.channels[0], flipSineToCosine: configuration.flipSineToCosine,
            frequencyShift: configuration.frequencyShift)
        var embedding = second(tape.silu(first(sinusoids, on: tape)), on: tape)
        switch (classes, labels) {
        case (let table?, let labels?):
            precondition(
                labels.count == timesteps.count && labels.allSatisfy { (0..<table.shape[0]).contains($0) },
                "labels \(labels) for \(timesteps.count) images must be in 0..<\(table.shape[0])")
            embedding = tape.add(embedding, tape.embedding(labels, table: table))
        case (nil, nil): break
        case (_?, nil): preconditionFailure("a class-conditional model needs labels")
        case (nil, _?): preconditionFailure("labels were given to a model without classes")
        }
        return tape.silu(embedding)
    }
}
