import Tensor

/// Where the networks that attacks train get what is random: the same on every rank and in every run.
package struct TrainingRandomness: Sendable {
    /// Sets the first weights of one of an attack's networks.
    let initialize: @Sendable (_ parameters: ParameterVector, _ named: [Parameter], _ network: Int) -> Void
    /// An order of `count` rows for one epoch.
    let order: @Sendable (_ count: Int, _ network: Int, _ epoch: Int) -> [Int]
    /// `count` places in `0..<count`, drawn with replacement.
    let bootstrap: @Sendable (_ count: Int, _ network: Int) -> [Int]

    /// Draws by given rules; for comparisons with other programs.
    package init(
        weights: @escaping @Sendable (_ name: String, _ shape: [Int], _ network: Int) -> [Float],
        order: @escaping @Sendable (_ count: Int, _ network: Int, _ epoch: Int) -> [Int],
        bootstrap: @escaping @Sendable (_ count: Int, _ network: Int) -> [Int]
    ) {
        initialize = { _, parameters, network in
            for parameter in parameters { parameter.values = weights(parameter.name, parameter.shape, network) }
        }
        self.order = order
        self.bootstrap = bootstrap
    }

    /// Draws from ``RandomSource`` with purpose `audit`, network n of the attack as model `first` + n: weights by a seed of
    /// its own, orders as steps from 1 on, bootstraps as step 0.
    ///
    /// - Parameters:
    ///   - seed: The job's seed.
    ///   - first: The attack's first model; model 0 chooses the attacked images.
    init(seed: UInt64, first: Int) {
        let source = { @Sendable (network: Int) in RandomSource(seed: seed, purpose: .audit, model: first + network) }
        initialize = { parameters, _, network in
            parameters.initialize(seed: UInt64(source(network).word(step: 0, item: 0)), model: 0)
        }
        order = { count, network, epoch in source(network).permutation(of: count, step: 1 + epoch) }
        bootstrap = { count, network in
            (0..<count).map { source(network).integer(below: count, step: 0, item: 1, element: $0) }
        }
    }
}
