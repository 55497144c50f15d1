import COpenBLAS

/// A symmetric matrix of doubles, and what LAPACK makes of it.
///
/// This file is the one place of the module that calls OpenBLAS.
struct SymmetricMatrix: Hashable, Sendable {
    /// Number of rows and columns.
    let size: Int
    /// The entries, row after row.
    var values: [Double]

    /// A matrix of zeros.
    init(zerosOfSize size: Int) {
        self.size = size
        values = [Double](repeating: 0, count: size * size)
    }

    /// A matrix from its entries, row after row; only the lower triangle counts.
    init(_ values: [Double], size: Int) {
        precondition(values.count == size * size, "\(values.count) entries do not make a matrix of \(size) rows")
        self.size = size
        self.values = values
    }

    /// The sum of the diagonal.
    var trace: Double { (0..<size).reduce(0) { $0 + values[$1 * size + $1] } }

    /// The eigenvalues, ascending, and the eigenvectors, one after another (LAPACK's `dsyev`).
    ///
    /// - Parameter vectors: Whether eigenvectors are wanted; empty otherwise.
    /// - Precondition: All entries are finite.
    func eigen(vectors: Bool = true) -> (values: [Double], vectors: [Double]) {
        precondition(values.allSatisfy(\.isFinite), "a matrix with entries that are no numbers has no eigenvalues")
        guard size > 0 else { return ([], []) }
        // One thread, so that the order of sums does not depend on the machine.
        openblas_set_num_threads(1)
        var (matrix, eigenvalues) = (values, [Double](repeating: 0, count: size))
        var (order, workSize, status) = (CInt(size), CInt(-1), CInt(0))
        var (job, triangle) = (CChar(UInt8(ascii: vectors ? "V" : "N")), CChar(UInt8(ascii: "U")))
        var work = [Double](repeating: 0, count: 1)
        // The first call only asks how much work space the second one wants. Fortran counts by columns: its upper
        // triangle is our lower one, and its columns are the rows that we get.
        for _ in 0..<2 {
            dsyev_(&job, &triangle, &order, &matrix, &order, &eigenvalues, &work, &workSize, &status, 1, 1)
            precondition(status == 0, "LAPACK's dsyev failed with \(status) on a finite matrix of \(size) rows")
            if workSize < 0 {
                workSize = CInt(work[0])
                work = [Double](repeating: 0, count: Int(workSize))
            }
        }
        return (eigenvalues, vectors ? matrix : [])
    }

    /// The positive semidefinite square root: V sqrt(max(eigenvalues, 0)) V^T.
    var squareRoot: SymmetricMatrix {
        let (eigenvalues, vectors) = eigen()
        var result = SymmetricMatrix(zerosOfSize: size)
        for (index, eigenvalue) in eigenvalues.enumerated() where eigenvalue > 0 {
            let root = eigenvalue.squareRoot()
            for i in 0..<size {
                let factor = root * vectors[index * size + i]
                for j in 0..<size { result.values[i * size + j] += factor * vectors[index * size + j] }
            }
        }
        return result
    }

    /// outer * self * outer, symmetric again.
    func between(_ outer: SymmetricMatrix) -> SymmetricMatrix {
        let product = SymmetricMatrix.product(SymmetricMatrix.product(outer.values, values, size), outer.values, size)
        var result = SymmetricMatrix(product, size: size)
        for i in 0..<size {
            for j in 0..<i {
                let mean = (product[i * size + j] + product[j * size + i]) / 2
                result.values[i * size + j] = mean
                result.values[j * size + i] = mean
            }
        }
        return result
    }

    private static func product(_ a: [Double], _ b: [Double], _ size: Int) -> [Double] {
        var result = [Double](repeating: 0, count: size * size)
        for i in 0..<size {
            for k in 0..<size {
                let factor = a[i * size + k]
                for j in 0..<size { result[i * size + j] += factor * b[k * size + j] }
            }
        }
        return result
    }
}
