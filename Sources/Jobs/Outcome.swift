import Foundation

/// How a run ended, written to `outcome.json` by rank 0 as the last thing it does.
public struct Outcome: Codable, Hashable, Sendable {
    /// What one phase came to.
    public struct PhaseReport: Codable, Hashable, Sendable {
        /// The phase.
        public var name: Phase
        /// Steps done of each model, the least of them; 0 for phases without steps.
        public var steps: Int
        /// Seconds this execution spent in it.
        public var seconds: Double
        /// Images per second of this execution, over all groups.
        public var imagesPerSecond: Double
        /// Loss of each model's last step.
        public var finalLoss: [String: Double]

        /// Makes a report.
        public init(name: Phase, steps: Int, seconds: Double, imagesPerSecond: Double, finalLoss: [String: Double]) {
            self.name = name
            self.steps = steps
            self.seconds = seconds
            self.imagesPerSecond = imagesPerSecond
            self.finalLoss = finalLoss
        }

        private enum CodingKeys: String, CodingKey {
            case name, steps, seconds
            case imagesPerSecond = "images_per_second"
            case finalLoss = "final_loss"
        }
    }

    /// The code the run ends with.
    public var exit: ExitCode
    /// What happened, for the user; empty when all is done.
    public var message: String
    /// The phases that were entered, in order.
    public var phases: [PhaseReport]
    /// Hash of each model's newest weights.
    public var weightsSHA256: [String: String]
    /// Hash of each model's newest moving averages.
    public var emaSHA256: [String: String]
    /// The grid of images, if it was made.
    public var grid: String?

    /// Makes an outcome.
    public init(
        exit: ExitCode, message: String = "", phases: [PhaseReport] = [], weightsSHA256: [String: String] = [:],
        emaSHA256: [String: String] = [:], grid: String? = nil
    ) {
        self.exit = exit
        self.message = message
        self.phases = phases
        self.weightsSHA256 = weightsSHA256
        self.emaSHA256 = emaSHA256
        self.grid = grid
    }

    private enum CodingKeys: String, CodingKey {
        case exit, message, phases, grid
        case weightsSHA256 = "weights_sha256"
        case emaSHA256 = "ema_sha256"
    }

    /// Writes `outcome.json`, whole or not at all.
    ///
    /// - Throws: `SystemCallError` when the file cannot be written.
    public func write(to directory: RunDirectory) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try FileBytes.replace(directory.outcome, with: encoder.encode(self))
    }

    /// Reads `outcome.json`.
    ///
    /// - Returns: The outcome, or nil when there is none, or something else in its place.
    /// - Throws: `SystemCallError` when the file cannot be read now.
    public static func read(from directory: RunDirectory) throws(SystemCallError) -> Outcome? {
        let bytes = try FileBytes.readIfThere(directory.outcome, limit: RunDirectory.largestNote)
        guard let bytes else { return nil }
        return try? JSONDecoder().decode(Outcome.self, from: bytes)
    }

    /// Removes `outcome.json`; to be called before ranks start.
    ///
    /// - Throws: `SystemCallError` when it stays: it would be taken for the outcome of those ranks.
    public static func remove(from directory: RunDirectory) throws(SystemCallError) {
        guard unlink(directory.outcome) != 0 else { return }
        let error = SystemCallError(directory.outcome, "remove")
        if !error.isMissing { throw error }
    }
}
