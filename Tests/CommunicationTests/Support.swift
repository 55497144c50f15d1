import Communication
import TestSupport

/// Runs `body` on so many threads as ranks; if they hang, the process ends.
func onRanks<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (InProcessCommunicator) throws -> Value
) throws -> [Value] {
    try bounded { try InProcessCommunicator.run(ranks: count, body) }
}
