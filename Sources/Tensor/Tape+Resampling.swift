extension Tape {
    /// Images as tokens: pixel by pixel in row-major order, channels innermost.
    ///
    /// - Parameter x: Images, shape (N, C, H, W).
    /// - Returns: Shape (N, H W, C).
    public func tokens(_ x: Tensor) -> Tensor {
        precondition(x.shape.count == 4, "tokens are made of images (N, C, H, W), not \(x.shape)")
        func compute(_ x: Tensor) -> Tensor {
            let y = Tensor(uninitialized: [x.shape[0], x.shape[2] * x.shape[3], x.shape[1]])
            Kernels.tokens(x, into: y)
            return y
        }
        let saved = SavedTensor(x)
        let result = record(times.measure(.attention) { compute(x) }, from: x, part: .attention) { gradient in
            let dx = Tensor(uninitialized: saved.shape)
            Kernels.images(gradient, into: dx)
            saved.node?.receive(dx)
        }
        return recomputable(result, part: .attention) { compute(saved.tensor) }
    }

    /// Tokens as images: the reverse of ``tokens(_:)``.
    ///
    /// - Parameters:
    ///   - x: Tokens, shape (N, H W, C).
    ///   - height: H.
    ///   - width: W.
    /// - Returns: Shape (N, C, H, W).
    public func images(_ x: Tensor, height: Int, width: Int) -> Tensor {
        precondition(
            x.shape.count == 3 && x.shape[1] == height * width,
            "tokens of shape \(x.shape) do not make images of \(height) x \(width)")
        let y = Tensor(uninitialized: [x.shape[0], x.shape[2], height, width])
        times.measure(.attention) { Kernels.images(x, into: y) }
        let (node, shape) = (x.node, x.shape)
        return record(y, from: x, part: .attention) { gradient in
            let dx = Tensor(uninitialized: shape)
            Kernels.tokens(gradient, into: dx)
            node?.receive(dx)
        }
    }

    /// Enlarges images by copying the nearest pixel, as PyTorch's `interpolate(mode: "nearest")`.
    ///
    /// y[n, c, i, j] = x[n, c, floor(i H / height), floor(j W / width)], the quotient rounded as PyTorch does, in Float.
    ///
    /// - Parameters:
    ///   - x: Images, shape (N, C, H, W).
    ///   - height: Height of the result, in pixels.
    ///   - width: Width of the result, in pixels.
    /// - Returns: Shape (N, C, height, width).
    public func upsampleNearest(_ x: Tensor, height: Int, width: Int) -> Tensor {
        precondition(
            x.shape.count == 4 && height > 0 && width > 0, "cannot resize \(x.shape) to \(height) x \(width)")
        func compute(_ x: Tensor) -> Tensor {
            let y = Tensor(uninitialized: [x.shape[0], x.shape[1], height, width])
            Kernels.upsampleNearest(x, into: y)
            return y
        }
        let saved = SavedTensor(x)
        let result = record(compute(x), from: x) { gradient in
            let dx = Tensor(uninitialized: saved.shape)
            Kernels.upsampleNearestBackward(gradient: gradient, into: dx)
            saved.node?.receive(dx)
        }
        return recomputable(result) { compute(saved.tensor) }
    }

    /// Joins two images channel-wise: the channels of `a`, then those of `b`.
    ///
    /// - Parameters:
    ///   - a: Shape (N, A, H, W).
    ///   - b: Shape (N, B, H, W).
    /// - Returns: Shape (N, A + B, H, W).
    public func concatenateChannels(_ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(
            a.shape.count == 4 && b.shape.count == 4 && a.shape[0] == b.shape[0] && a.shape[2...] == b.shape[2...],
            "cannot join the channels of \(a.shape) and \(b.shape)")
        func compute(_ a: Tensor, _ b: Tensor) -> Tensor {
            let y = Tensor(uninitialized: [a.shape[0], a.shape[1] + b.shape[1], a.shape[2], a.shape[3]])
            Kernels.concatenateChannels(a, b, into: y)
            return y
        }
        let (left, right) = (SavedTensor(a), SavedTensor(b))
        let result = record(compute(a, b), from: a, b) { gradient in
            let (da, db) = (Tensor(uninitialized: left.shape), Tensor(uninitialized: right.shape))
            Kernels.splitChannels(gradient, into: da, db)
            left.node?.receive(da)
            right.node?.receive(db)
        }
        return recomputable(result) { compute(left.tensor, right.tensor) }
    }
}
