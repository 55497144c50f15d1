import Glibc

extension Twin {
    /// x / (1 + exp(-x)).
    static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    /// SiLU of every element.
    static func silu(_ x: [Double]) -> [Double] { x.map { silu($0) } }

    /// Group norm over (channels / groups, H, W) with the biased variance, then SiLU if asked for.
    static func groupNorm(
        _ x: Images, groups: Int, gamma: [Double], beta: [Double], epsilon: Double, silu withSiLU: Bool = false
    ) -> Images {
        precondition(x.channels % groups == 0, "\(groups) groups do not divide \(x.channels) channels")
        let size = x.channels / groups * x.pixels
        var out = x
        for n in 0..<x.images {
            for g in 0..<groups {
                let start = (n * groups + g) * size
                let (mean, deviation) = moments(x.values[start..<start + size], epsilon: epsilon)
                for index in start..<start + size {
                    let c = index / x.pixels % x.channels
                    let z = (x.values[index] - mean) / deviation * gamma[c] + beta[c]
                    out.values[index] = withSiLU ? silu(z) : z
                }
            }
        }
        return out
    }

    /// The values of every channel over images and pixels.
    static func channels(_ x: Images) -> [[Double]] {
        (0..<x.channels).map { c in
            (0..<x.images).flatMap { n -> ArraySlice<Double> in
                let start = (n * x.channels + c) * x.pixels
                return x.values[start..<start + x.pixels]
            }
        }
    }

    /// Batch norm with the biased variance of the batch, or with given moments.
    static func batchNorm(
        _ x: Images, gamma: [Double], beta: [Double], epsilon: Double,
        given: (means: [Double], variances: [Double])? = nil
    ) -> Images {
        let batch = channels(x).map { moments($0[...], epsilon: epsilon) }
        let means = given?.means ?? batch.map(\.mean)
        let deviations = given?.variances.map { ($0 + epsilon).squareRoot() } ?? batch.map(\.deviation)
        var out = x
        for index in x.values.indices {
            let c = index / x.pixels % x.channels
            out.values[index] = (x.values[index] - means[c]) / deviations[c] * gamma[c] + beta[c]
        }
        return out
    }

    /// The mean and the square root of variance + epsilon.
    static func moments(_ x: ArraySlice<Double>, epsilon: Double) -> (mean: Double, deviation: Double) {
        let mean = x.reduce(0, +) / Double(x.count)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        return (mean, (variance + epsilon).squareRoot())
    }
}
