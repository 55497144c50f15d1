import Communication

/// A claim about communicators that holds for every implementation.
public struct ConformanceCheck: Sendable, CustomStringConvertible {
    /// The claim.
    public let name: String
    /// The smallest communicator on which it can be checked.
    public let minimumRanks: Int
    /// Checks it; a collective, called by every rank. Throws if the claim is false.
    public let run: @Sendable (any Communicator) throws -> Void

    init(_ name: String, minimumRanks: Int = 1, _ run: @escaping @Sendable (any Communicator) throws -> Void) {
        self.name = name
        self.minimumRanks = minimumRanks
        self.run = run
    }

    /// The claim.
    public var description: String { name }

    /// All checks, in the order in which they are run.
    public static let all = collectiveChecks + agreementChecks + exchangeChecks + errorChecks + reductionChecks
}

/// A claim that did not hold.
struct Violation: Error, CustomStringConvertible {
    let description: String
}

/// Throws unless the condition holds.
func expect(
    _ condition: Bool, _ message: @autoclosure () -> String, line: Int = #line, file: String = #fileID
) throws {
    guard condition else { throw Violation(description: "\(file):\(line): \(message())") }
}

/// Throws unless the values are equal.
func expectEqual<Value: Equatable>(
    _ found: Value, _ expected: Value, _ what: String, line: Int = #line, file: String = #fileID
) throws {
    try expect(found == expected, "\(what): expected \(expected), found \(found)", line: line, file: file)
}

/// Throws unless two vectors are equal bit for bit; names the first difference.
func expectSameBits(
    _ found: [Float], _ expected: [Float], _ what: String, line: Int = #line, file: String = #fileID
) throws {
    try expectEqual(found.count, expected.count, "\(what): length", line: line, file: file)
    if let index = found.indices.first(where: { found[$0].bitPattern != expected[$0].bitPattern }) {
        let message = "\(what): float \(index) is \(found[index]), expected \(expected[index])"
        throw Violation(description: "\(file):\(line): \(message)")
    }
}

/// Throws unless the body throws a `CommunicationError`, which is returned.
func expectCommunicationError(
    _ what: String, line: Int = #line, file: String = #fileID, _ body: () throws -> Void
) throws -> CommunicationError {
    do {
        try body()
    } catch let error as CommunicationError {
        return error
    }
    throw Violation(description: "\(file):\(line): \(what): no error was thrown")
}
