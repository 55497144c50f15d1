import Foundation

/// Readers that misbehave, each in its own way, and one that does not.
enum PlantedReader: String, CaseIterable {
    /// Takes little and gives it back.
    case modest
    /// Takes too much and gives it back.
    case greedy
    /// Asks for more than there is, and puts up with the refusal.
    case refused
    /// Asks Swift for more than there is.
    case array
    /// Reads for ever.
    case endless
    /// Reads beyond the end.
    case trap
    /// Ends the process without a word.
    case leaving

    func read(_ bytes: [UInt8]) -> Bool {
        switch self {
        case .modest: return Self.hold(64 << 10)
        case .greedy: return Self.hold(2 << 20)
        case .refused: return Self.hold(1 << 45)
        case .array: return [UInt8](repeating: bytes[0], count: 1 << 32).last == bytes[1]
        case .endless:
            while getpid() > 0 {}
            return true
        case .trap: return bytes[bytes.count] == 0
        case .leaving: _exit(0)
        }
    }

    /// Fills some memory by way of the system, whom no compiler outwits, and gives it back.
    private static func hold(_ count: Int) -> Bool {
        let memory = malloc(count)
        let file = open("/dev/zero", O_RDONLY)
        defer {
            close(file)
            free(memory)
        }
        return memory != nil && Foundation.read(file, memory, count) == count
    }
}
