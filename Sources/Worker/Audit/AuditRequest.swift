import Jobs

/// What to audit, and how far.
package struct AuditRequest: Sendable {
    /// The attacks' names; nil for all.
    package var attacks: [String]?
    /// The most members, and held-out images, to attack; nil for as many as there are.
    package var imagesPerSide: Int?
    /// Where to stop.
    package var budget: AuditBudget
    /// Which of the models' weights.
    package var weights: WeightKind
    /// Images that the release makes, for its quality and the nearest-image attack.
    package var samples: Int
    /// Directories of runs that serve as shadow models.
    package var shadows: [String]

    /// Gathers the request.
    package init(
        attacks: [String]? = nil, imagesPerSide: Int? = nil, budget: AuditBudget = .unlimited,
        weights: WeightKind = .ema, samples: Int = 1024, shadows: [String] = []
    ) {
        precondition(samples > 0, "\(samples) images cannot be sampled")
        self.attacks = attacks
        self.imagesPerSide = imagesPerSide
        self.budget = budget
        self.weights = weights
        self.samples = samples
        self.shadows = shadows
    }
}
