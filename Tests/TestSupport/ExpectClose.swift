import Testing

/// Expects two arrays to agree: the same count, all finite, and every element within
/// `absolute + relative * |expected|`. Reports the worst element, and the norms of both arrays.
///
/// - Parameters:
///   - actual: What the code under test computed.
///   - expected: What it should have.
///   - absolute: Tolerance that does not depend on the values.
///   - relative: Tolerance as a share of the expected value.
///   - label: What is compared, for the message.
///   - sourceLocation: Where to report a failure.
public func expectClose(
    _ actual: [Float], _ expected: [Double], absolute: Double = 1e-6, relative: Double = 1e-5, _ label: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let name = label.isEmpty ? "the array" : label
    guard actual.count == expected.count else {
        Issue.record(
            "\(name) has \(actual.count) elements, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    if let index = actual.firstIndex(where: { !$0.isFinite }) {
        Issue.record("\(name)[\(index)] is \(actual[index])", sourceLocation: sourceLocation)
        return
    }
    if let index = expected.firstIndex(where: { !$0.isFinite }) {
        Issue.record("the expectation for \(name)[\(index)] is \(expected[index])", sourceLocation: sourceLocation)
        return
    }
    func excess(_ index: Int) -> Double {
        abs(Double(actual[index]) - expected[index]) / (absolute + relative * abs(expected[index]))
    }
    guard let worst = actual.indices.max(by: { excess($0) < excess($1) }), excess(worst) > 1 else { return }
    let offenders = actual.indices.count { excess($0) > 1 }
    func norm(_ values: some Sequence<Double>) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    Issue.record(
        """
        \(name): \(offenders) of \(actual.count) elements differ, worst at \(worst): \(actual[worst]), expected \
        \(expected[worst]); norms \(norm(actual.lazy.map(Double.init))) and \(norm(expected))
        """, sourceLocation: sourceLocation)
}

/// Expects two arrays of floats to agree; see the comparison with doubles.
public func expectClose(
    _ actual: [Float], _ expected: [Float], absolute: Double = 1e-6, relative: Double = 1e-5, _ label: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    expectClose(
        actual, expected.map(Double.init), absolute: absolute, relative: relative, label, sourceLocation: sourceLocation
    )
}

/// Expects two shaped arrays to agree: the same shape first, then the elements.
public func expectClose(
    _ actual: [Float], shape: [Int], _ expected: [Double], shape expectedShape: [Int], absolute: Double = 1e-6,
    relative: Double = 1e-5, _ label: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    guard shape == expectedShape else {
        Issue.record(
            "\(label.isEmpty ? "the array" : label) has shape \(shape), expected \(expectedShape)",
            sourceLocation: sourceLocation)
        return
    }
    expectClose(
        actual, expected, absolute: absolute, relative: relative, label, sourceLocation: sourceLocation)
}
