#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Diffusion timesteps as network inputs.
public enum Timesteps {
    /// Sinusoidal position embedding, as diffusers' `get_timestep_embedding`.
    ///
    /// With half = width / 2 (rounded down) and f(k) = exp(-ln(maximumPeriod) k / (half - frequencyShift)):
    /// [sin(scale t f(0)), ..., sin(scale t f(half - 1)), cos(scale t f(0)), ...], or cosines first. Computed in double
    /// precision, then rounded. An odd width ends in a zero. Vaswani et al. 2017, section 3.5.
    ///
    /// - Parameters:
    ///   - timesteps: One timestep per image.
    ///   - width: Numbers per timestep, at least 2.
    ///   - flipSineToCosine: Whether the cosines come first.
    ///   - frequencyShift: Difference between half the width and the divisor of the exponent; below half the width.
    ///   - scale: Multiplies the angle.
    ///   - maximumPeriod: Controls the lowest frequency.
    /// - Returns: Shape (timesteps.count, width).
    public static func sinusoidalEmbedding(
        _ timesteps: [Int], width: Int, flipSineToCosine: Bool, frequencyShift: Double, scale: Double = 1,
        maximumPeriod: Double = 10_000
    ) -> Tensor {
        precondition(width >= 2 && !timesteps.isEmpty, "no embedding of \(timesteps.count) timesteps in width \(width)")
        let half = width / 2
        precondition(
            frequencyShift < Double(half),
            "a frequency shift of \(frequencyShift) leaves nothing of half the width \(half)")
        let frequencies = (0..<half).map { exp(-log(maximumPeriod) * Double($0) / (Double(half) - frequencyShift)) }
        var scalars: [Float] = []
        scalars.reserveCapacity(timesteps.count * width)
        for timestep in timesteps {
            let angles = frequencies.map { scale * Double(timestep) * $0 }
            let sines = angles.map { Float(sin($0)) }
            let cosines = angles.map { Float(cos($0)) }
            scalars += flipSineToCosine ? cosines + sines : sines + cosines
            if width % 2 == 1 { scalars.append(0) }
        }
        return Tensor(scalars, shape: [timesteps.count, width])
    }
}
