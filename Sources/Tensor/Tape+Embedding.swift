extension Tape {
    /// Looks up rows of a table.
    ///
    /// - Parameters:
    ///   - indices: One row number per result row, each in 0..<rows.
    ///   - table: Shape (rows, width).
    /// - Returns: Shape (indices.count, width).
    public func embedding(_ indices: [Int], table: Parameter) -> Tensor {
        precondition(
            table.shape.count == 2, "\(table.name): an embedding table has rows and a width, not \(table.shape)")
        precondition(!indices.isEmpty, "\(table.name): no rows to look up")
        for index in indices {
            precondition(
                (0..<table.shape[0]).contains(index), "\(table.name) has \(table.shape[0]) rows, no row \(index)")
        }
        let y = Tensor(uninitialized: [indices.count, table.shape[1]])
        Kernels.gather(indices, from: table, into: y)
        return record(y, parameters: [table]) { gradient in
            Kernels.scatterAdd(gradient, at: indices, into: table)
        }
    }
}
