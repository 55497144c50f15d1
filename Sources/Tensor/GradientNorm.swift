/// The L2 norm of a model's gradient, as a sum over blocks whose order does not depend on who computes them.
public enum GradientNorm {
    /// Squared norms of whole blocks of ``ParameterVector/blockSize`` gradients, in double precision.
    ///
    /// - Parameters:
    ///   - gradients: A flat vector, or a shard of whole blocks of it.
    ///   - blocks: Indices of blocks within `gradients`.
    /// - Returns: One number for each block, in order.
    /// - Precondition: `gradients` has the blocks.
    public static func blockSquaredNorms(_ gradients: FloatBuffer, blocks: Range<Int>) -> [Double] {
        blocks.map { block in
            let start = block * ParameterVector.blockSize
            return gradients.squaredNorm(of: start..<start + ParameterVector.blockSize)
        }
    }

    /// The same of a gradient in segments; one that crosses a border is copied, so that its numbers are added in the same
    /// order.
    public static func blockSquaredNorms(_ gradients: GradientVector, blocks: Range<Int>) -> [Double] {
        let size = ParameterVector.blockSize
        let scratch = FloatBuffer(uninitialized: size)
        return blocks.map { block in
            let range = block * size..<(block + 1) * size
            if gradients.parts(of: range).count == 1 {
                let (buffer, start) = gradients.buffer(holding: range)
                return buffer.squaredNorm(of: start..<start + size)
            }
            gradients.copy(range, to: scratch, at: 0)
            return scratch.squaredNorm(of: 0..<size)
        }
    }

    /// The norm from the squared norms of all blocks, added in the order of the blocks.
    public static func norm(ofBlockSquaredNorms squaredNorms: [Double]) -> Double {
        squaredNorms.reduce(0, +).squareRoot()
    }

    /// What gradients of a norm are multiplied by so that it is at most `maximum`: min(1, maximum / (norm + 1e-6)), as
    /// `torch.nn.utils.clip_grad_norm_`; 1 if there is no maximum.
    ///
    /// - Precondition: `maximum > 0`.
    public static func clipCoefficient(norm: Double, maximum: Double?) -> Float {
        guard let maximum else { return 1 }
        precondition(maximum > 0, "the largest gradient norm must be positive, not \(maximum)")
        return Float(min(1, maximum / (norm + 1e-6)))
    }
}
