/// The gradient of a scalar function by central differences: (f(x + h e_i) - f(x - h e_i)) / 2h.
///
/// - Parameters:
///   - function: A smooth function, in double precision.
///   - point: Where.
///   - indices: Which components; nil for all. The others are left zero.
///   - step: h, relative to max(1, |x_i|). With 1e-5 the error is about 1e-10 of the function's scale.
func finiteDifferenceGradient(
    of function: ([Double]) -> Double, at point: [Double], indices: [Int]? = nil, step: Double = 1e-5
) -> [Double] {
    var gradient = [Double](repeating: 0, count: point.count)
    var x = point
    for index in indices ?? Array(point.indices) {
        let h = step * max(1, abs(point[index]))
        x[index] = point[index] + h
        let above = function(x)
        x[index] = point[index] - h
        let below = function(x)
        x[index] = point[index]
        gradient[index] = (above - below) / (2 * h)
    }
    return gradient
}

/// The sum of a_i b_i: turns an output into a scalar whose gradient with respect to the output is `b`.
func dot(_ a: [Double], _ b: [Double]) -> Double {
    precondition(a.count == b.count, "vectors of \(a.count) and \(b.count)")
    return zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
}
