/// How much an audit may cost.
public enum AuditBudget: Hashable, Sendable, CustomStringConvertible {
    /// Everything is attacked.
    case unlimited
    /// Network evaluations of the run's audit in all: the same attacks whatever the machine.
    case evaluations(Int)
    /// Minutes: what is not done by then is left out.
    case minutes(Double)

    /// Reads `200000`, `2e5` or `10m`.
    ///
    /// - Returns: nil if the text is neither, not positive, or not a whole number of evaluations.
    public init?(_ text: String) {
        if text == "unlimited" {
            self = .unlimited
        } else if text.hasSuffix("m"), let minutes = Double(text.dropLast()), minutes > 0, minutes.isFinite {
            self = .minutes(minutes)
        } else if let count = Double(text), count >= 1, count < 1e15, count == count.rounded() {
            self = .evaluations(Int(count))
        } else {
            return nil
        }
    }

    /// The text that reads back.
    public var description: String {
        switch self {
        case .unlimited: "unlimited"
        case .evaluations(let count): "\(count)"
        case .minutes(let minutes): "\(minutes)m"
        }
    }
}
