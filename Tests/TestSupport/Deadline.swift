import Foundation
import Synchronization
import Testing

/// Does something when what is waited for has not ended in time, on a thread of its own: whoever waits may be stuck.
public final class Deadline: Sendable {
    private let end = DispatchSemaphore(value: 0)
    private let passed = Atomic<Bool>(false)

    /// Whether it has passed.
    public var hasPassed: Bool { passed.load(ordering: .acquiring) }

    /// Begins to count.
    ///
    /// - Parameters:
    ///   - seconds: The time to `cancel()`.
    ///   - act: What is done if that does not come.
    public init(seconds: Int, act: @escaping @Sendable () -> Void) {
        Thread.detachNewThread { [self] in
            guard end.wait(timeout: .now() + .seconds(seconds)) == .timedOut else { return }
            passed.store(true, ordering: .releasing)
            act()
        }
    }

    /// What is waited for has ended.
    public func cancel() { end.signal() }
}

/// Runs what may hang where it should fail, such as ranks that wait for each other; then the process ends, and names the
/// test.
///
/// Nothing can end a thread that hangs, and a time limit of Swift Testing waits for it after it has noted an issue.
///
/// - Parameter seconds: Far more than it takes, also on a busy machine.
public func bounded<Value>(seconds: Int = 900, _ body: () throws -> Value) rethrows -> Value {
    let name = Test.current?.name ?? "a test"
    let deadline = Deadline(seconds: seconds) { fatalError("\(name) hangs: not ended within \(seconds) s") }
    defer { deadline.cancel() }
    return try body()
}
