/// What can be wrong with what a user asks of this module.
public enum DiffusionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An option of a network is out of range; the text names it, its value, and what it may be.
    case invalidConfiguration(String)

    /// The message.
    public var description: String {
        switch self {
        case .invalidConfiguration(let problem): "the model cannot be built: \(problem)"
        }
    }
}
