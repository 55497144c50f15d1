import Foundation

/// Features less their mean, over their deviation; a feature that is the same everywhere is left in its unit.
struct Standardization {
    private let means: [Double]
    private let deviations: [Double]

    /// Takes mean and deviation over some rows.
    init(_ features: [[Double]], rows: [Int]) {
        let count = Double(rows.count)
        let means = features[0].indices.map { column in rows.reduce(0) { $0 + features[$1][column] } / count }
        self.means = means
        deviations = means.indices.map { column in
            let square = rows.reduce(0) { sum, row in
                let difference = features[row][column] - means[column]
                return sum + difference * difference
            }
            return square > 0 ? (square / count).squareRoot() : 1
        }
    }

    /// The features of one row, standardised.
    func callAsFunction(_ features: [Double]) -> [Double] {
        features.indices.map { (features[$0] - means[$0]) / deviations[$0] }
    }

    /// The features of many rows, standardised.
    func callAsFunction(_ features: [[Double]]) -> [[Double]] { features.map { self($0) } }
}

/// A logistic regression with a ridge penalty on standardised features.
///
/// Minimises sum_i log(1 + exp(-y_i (w . x_i + b))) + ridge / 2 |w|^2, y_i in {-1, 1}, by Newton's method from zero; the
/// ridge is that of 1, 10, 100 or 1000 with the least loss in three-fold cross-validation within the rows.
package struct LogisticRegression {
    /// The penalty that was chosen.
    package let ridge: Double
    private let standard: Standardization
    /// Weights of the features, then the offset.
    private let weights: [Double]

    /// Fits to some rows.
    ///
    /// - Parameters:
    ///   - features: One list for each row.
    ///   - labels: Of each row.
    ///   - rows: The rows that may be used.
    package static func fit(_ features: [[Double]], labels: [Bool], rows: [Int]) -> LogisticRegression {
        let standard = Standardization(features, rows: rows)
        let inputs = rows.map { standard(features[$0]) + [1] }
        let targets = rows.map { labels[$0] }
        let folds = (0..<3).map { fold in inputs.indices.filter { $0 % 3 == fold } }
        let losses = [1.0, 10, 100, 1000].map { ridge in
            (
                ridge,
                folds.reduce(0.0) { sum, fold in
                    let held = Set(fold)
                    let train = inputs.indices.filter { !held.contains($0) }
                    let weights = newton(train.map { inputs[$0] }, train.map { targets[$0] }, ridge: ridge)
                    return sum + fold.reduce(0) { $0 + loss(weights, inputs[$1], targets[$1]) }
                }
            )
        }
        let ridge = losses.min { $0.1 < $1.1 }?.0 ?? 1
        return LogisticRegression(ridge: ridge, standard: standard, weights: newton(inputs, targets, ridge: ridge))
    }

    /// w . x + b: greater means member.
    package func score(_ features: [Double]) -> Double {
        zip(weights, standard(features)).reduce(weights[features.count]) { $0 + $1.0 * $1.1 }
    }

    private static func loss(_ weights: [Double], _ input: [Double], _ isPositive: Bool) -> Double {
        let margin = (isPositive ? 1 : -1) * zip(weights, input).reduce(0) { $0 + $1.0 * $1.1 }
        return margin > 0 ? log1p(exp(-margin)) : -margin + log1p(exp(margin))
    }

    private static func newton(_ inputs: [[Double]], _ targets: [Bool], ridge: Double) -> [Double] {
        let width = inputs[0].count
        var weights = [Double](repeating: 0, count: width)
        for _ in 0..<25 {
            var gradient = weights.map { ridge * $0 }
            gradient[width - 1] = 0
            var hessian = [Double](repeating: 0, count: width * width)
            for index in 0..<width { hessian[index * width + index] = index < width - 1 ? ridge : 1e-9 }
            for (input, isPositive) in zip(inputs, targets) {
                let probability = 1 / (1 + exp(-zip(weights, input).reduce(0) { $0 + $1.0 * $1.1 }))
                let slope = probability - (isPositive ? 1 : 0)
                let curvature = probability * (1 - probability)
                for i in 0..<width {
                    gradient[i] += slope * input[i]
                    let factor = curvature * input[i]
                    for j in 0...i { hessian[i * width + j] += factor * input[j] }
                }
            }
            let step = solvePositive(&hessian, gradient)
            for index in 0..<width { weights[index] -= step[index] }
            if step.reduce(0, { max($0, abs($1)) }) < 1e-9 { break }
        }
        return weights
    }

    /// Solves A x = b for a positive definite A of which the lower triangle is given, by Cholesky's decomposition.
    private static func solvePositive(_ a: inout [Double], _ b: [Double]) -> [Double] {
        let n = b.count
        for i in 0..<n {
            for j in 0...i {
                var sum = a[i * n + j]
                for k in 0..<j { sum -= a[i * n + k] * a[j * n + k] }
                a[i * n + j] = i == j ? max(sum, 1e-12).squareRoot() : sum / a[j * n + j]
            }
        }
        var x = b
        for i in 0..<n {
            for k in 0..<i { x[i] -= a[i * n + k] * x[k] }
            x[i] /= a[i * n + i]
        }
        for i in (0..<n).reversed() {
            for k in (i + 1)..<n { x[i] -= a[k * n + i] * x[k] }
            x[i] /= a[i * n + i]
        }
        return x
    }
}
