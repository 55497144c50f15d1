extension Job {
    /// The format of an image file.
    public enum Reader: String, Codable, CaseIterable, Sendable {
        /// The format of MNIST, gzip-compressed or plain.
        case idx
    }

    /// What the parts of a split have equal shares of.
    public enum Balance: String, Codable, CaseIterable, Sendable {
        /// Of nothing: the members are dealt at random.
        case none
        /// Of every label.
        case label
    }

    /// What a split does with near duplicates.
    public enum NearDuplicates: String, Codable, CaseIterable, Sendable {
        /// They go to the same part.
        case together
        /// They are not looked for.
        case ignore
    }

    /// How the noise grows from timestep to timestep.
    public enum BetaSchedule: String, Codable, CaseIterable, Sendable {
        /// Linear in beta.
        case linear
        /// Linear in the root of beta.
        case scaledLinear = "scaled_linear"
        /// Squared cosine of the cumulative product.
        case cosine
    }

    /// What the network predicts.
    public enum Prediction: String, Codable, CaseIterable, Sendable {
        /// The noise.
        case epsilon
        /// The clean image.
        case sample = "x0"
        /// The velocity.
        case velocity = "v"
    }
}
