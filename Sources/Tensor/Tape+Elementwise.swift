extension Tape {
    /// x / (1 + exp(-x)), value by value. Elfwing, Uchibe and Doya 2017; "swish".
    ///
    /// - Parameter x: Any shape.
    /// - Returns: The shape of `x`.
    public func silu(_ x: Tensor) -> Tensor {
        let y = Tensor(uninitialized: x.shape)
        Kernels.silu(x, into: y)
        return record(y, from: x) { gradient in
            let dx = gradient.reusableForResult()
            Kernels.siluBackward(x, gradient: gradient, into: dx)
            x.node?.receive(dx)
        }
    }

    /// max(x, 0), value by value. Nair and Hinton 2010.
    ///
    /// - Parameter x: Any shape.
    /// - Returns: The shape of `x`.
    public func relu(_ x: Tensor) -> Tensor {
        func compute(_ x: Tensor) -> Tensor {
            let y = Tensor(uninitialized: x.shape)
            Kernels.relu(x, into: y)
            return y
        }
        let saved = SavedTensor(x)
        let result = record(compute(x), from: x) { gradient in
            let dx = gradient.reusableForResult()
            Kernels.reluBackward(saved.tensor, gradient: gradient, into: dx)
            saved.node?.receive(dx)
        }
        return recomputable(result) { compute(saved.tensor) }
    }

    /// a + b, value by value.
    ///
    /// - Parameters:
    ///   - a: Any shape.
    ///   - b: The shape of `a`.
    /// - Returns: The shape of `a`.
    public func add(_ a: Tensor, _ b: Tensor) -> Tensor {
        precondition(a.shape == b.shape, "cannot add shapes \(a.shape) and \(b.shape)")
        let y = Tensor(uninitialized: a.shape)
        Kernels.add(a, b, into: y)
        let nodes = (a.node, b.node)
        return record(y, from: a, b) { gradient in
            nodes.0?.receive(gradient)
            nodes.1?.receive(gradient)
        }
    }

    /// x times a number.
    ///
    /// - Parameters:
    ///   - x: Any shape.
    ///   - factor: The number.
    /// - Returns: The shape of `x`.
    public func scale(_ x: Tensor, by factor: Float) -> Tensor {
        let y = Tensor(uninitialized: x.shape)
        Kernels.scale(x, by: factor, into: y)
        let node = x.node
        return record(y, from: x) { gradient in
            let dx = gradient.reusableForResult()
            Kernels.scale(gradient, by: factor, into: dx)
            node?.receive(dx)
        }
    }
}
