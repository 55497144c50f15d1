import Foundation

extension Twin {
    /// Nearest neighbour to a size; the source of index i is PyTorch's min(floor(i * (in / out)), in - 1), in float, or
    /// i / 2 for twice the size.
    static func upsampleNearest(_ x: Images, height: Int, width: Int) -> Images {
        func source(_ index: Int, _ size: Int, _ outSize: Int) -> Int {
            if outSize == 2 * size { return index / 2 }
            return min(Int(Float(index) * (Float(size) / Float(outSize))), size - 1)
        }
        var out = Images(images: x.images, channels: x.channels, height: height, width: width)
        for n in 0..<x.images {
            for c in 0..<x.channels {
                for i in 0..<height {
                    for j in 0..<width {
                        out[n, c, i, j] = x[n, c, source(i, x.height, height), source(j, x.width, width)]
                    }
                }
            }
        }
        return out
    }

    /// a's channels, then b's.
    static func concatenateChannels(_ a: Images, _ b: Images) -> Images {
        precondition(a.images == b.images && a.height == b.height && a.width == b.width, "shapes do not match")
        var out = Images(images: a.images, channels: a.channels + b.channels, height: a.height, width: a.width)
        out.values = []
        for n in 0..<a.images {
            let aSize = a.channels * a.pixels
            let bSize = b.channels * b.pixels
            out.values += a.values[n * aSize..<(n + 1) * aSize]
            out.values += b.values[n * bSize..<(n + 1) * bSize]
        }
        return out
    }

    /// x[n, c, i, j] + bias[n, c]; bias is (N, C).
    static func addChannelBias(_ x: Images, _ bias: [Double]) -> Images {
        precondition(bias.count == x.images * x.channels, "a bias for each image and channel")
        return x.with(x.values.indices.map { x.values[$0] + bias[$0 / x.pixels] })
    }

    /// Kept values over 1 - rate, zero elsewhere.
    static func dropout(_ x: [Double], mask: [Bool], rate: Double) -> [Double] {
        zip(x, mask).map { $1 ? $0 / (1 - rate) : 0 }
    }

    /// The rows of a (classes, width) table.
    static func embedding(_ indices: [Int], table: [Double], width: Int) -> [Double] {
        indices.flatMap { table[$0 * width..<($0 + 1) * width] }
    }

    /// The mean of (p - t)^2 over all elements.
    static func meanSquaredError(_ prediction: [Double], _ target: [Double]) -> Double {
        zip(prediction, target).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(prediction.count)
    }

    /// The mean over rows of log(sum exp(row)) - row[label].
    static func crossEntropy(_ scores: [Double], labels: [Int]) -> Double {
        let classes = scores.count / labels.count
        let losses = labels.enumerated().map { row, label in
            log(scores[row * classes..<(row + 1) * classes].reduce(0) { $0 + exp($1) }) - scores[row * classes + label]
        }
        return losses.reduce(0, +) / Double(labels.count)
    }
}
