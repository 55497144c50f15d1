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

    /// The mean and the square root of variance + epsilon.
    static func moments(_ x: ArraySlice<Double>, epsilon: Double) -> (mean: Double, deviation: Double) {
        let mean = x.reduce(0, +) / Double(x.count)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        return (mean, (variance + epsilon).squareRoot())
    }
}
