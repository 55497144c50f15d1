/// The features of some images: one row of doubles for each image.
public struct FeatureMatrix: Hashable, Sendable {
    /// Number of rows, N.
    public let count: Int
    /// Number of features of an image, D.
    public let width: Int
    /// N * D numbers, row after row.
    public let values: [Double]

    /// Makes a matrix from its rows.
    ///
    /// - Precondition: `values.count` is a whole number of rows of `width`.
    public init(_ values: [Double], width: Int) {
        precondition(width > 0 && values.count % width == 0, "\(values.count) values do not make rows of \(width)")
        self.values = values
        self.width = width
        count = values.count / width
    }

    /// One row.
    subscript(row: Int) -> ArraySlice<Double> { values[row * width..<(row + 1) * width] }

    /// The rows at these positions, in this order.
    public func subset(_ rows: some Sequence<Int>) -> FeatureMatrix {
        FeatureMatrix(rows.flatMap { self[$0] }, width: width)
    }

    /// The mean of the rows, D numbers.
    var mean: [Double] {
        var sums = [Double](repeating: 0, count: width)
        for row in 0..<count {
            for column in 0..<width { sums[column] += values[row * width + column] }
        }
        return sums.map { $0 / Double(count) }
    }

    /// The unbiased covariance of the features, D x D numbers, divided by N - 1.
    var covariance: SymmetricMatrix {
        let mean = mean
        var sums = SymmetricMatrix(zerosOfSize: width)
        var centred = mean
        for row in 0..<count {
            for column in 0..<width { centred[column] = values[row * width + column] - mean[column] }
            for i in 0..<width {
                let factor = centred[i]
                for j in 0..<width { sums.values[i * width + j] += factor * centred[j] }
            }
        }
        let divisor = Double(max(count - 1, 1))
        for index in sums.values.indices { sums.values[index] /= divisor }
        return sums
    }

    /// The squared Euclidean distances between the rows of two matrices.
    ///
    /// - Returns: For each row of this matrix, those to all rows of the other.
    func squaredDistances(to other: FeatureMatrix) -> [[Double]] {
        precondition(width == other.width, "features of \(width) and \(other.width) numbers cannot be compared")
        let (left, right) = (values.span, other.values.span)
        return (0..<count).map { row in
            (0..<other.count).map { candidate in
                var sum = SIMD8<Double>()
                var index = 0
                while index + 8 <= width {
                    var difference = SIMD8<Double>()
                    for lane in 0..<8 {
                        difference[lane] = left[row * width + index + lane] - right[candidate * width + index + lane]
                    }
                    sum += difference * difference
                    index += 8
                }
                var total = sum.sum()
                while index < width {
                    let difference = left[row * width + index] - right[candidate * width + index]
                    total += difference * difference
                    index += 1
                }
                return total
            }
        }
    }
}
