import Foundation

/// The energy of a residual after a low-pass filter; FreMIA (arXiv 2505.20955), section 4.
///
/// F(r) = IFFT(b FFT(r)) with b = 1 where the radius in the centred spectrum is at most `radius`, and `attenuation`
/// elsewhere. By Parseval's theorem |F(r)|^2 = s^2 |r|^2 + (1 - s^2) sum_low |FFT(r)|^2 / (H W), so that only the few
/// low frequencies need computing.
struct LowPassFilter {
    /// Published: 5.
    static let radii = [3, 5, 8]
    /// s; published: 0.2.
    static let attenuation = 0.2

    private let height: Int
    private let width: Int
    /// Signed vertical and horizontal frequencies, none beyond the largest radius.
    private let rows: [Int]
    private let columns: [Int]
    private let rowWaves: [[(cos: Float, sin: Float)]]
    private let columnWaves: [[(cos: Float, sin: Float)]]

    init(height: Int, width: Int) {
        self.height = height
        self.width = width
        let largest = Self.radii.max() ?? 0
        func signed(_ extent: Int) -> [Int] {
            (-(extent / 2)..<(extent + 1) / 2).filter { abs($0) <= largest }
        }
        func waves(_ frequencies: [Int], _ extent: Int) -> [[(cos: Float, sin: Float)]] {
            frequencies.map { frequency in
                (0..<extent).map { position in
                    let angle = 2 * Double.pi * Double(frequency * position % extent) / Double(extent)
                    return (Float(cos(angle)), Float(sin(angle)))
                }
            }
        }
        rows = signed(height)
        columns = signed(width)
        rowWaves = waves(rows, height)
        columnWaves = waves(columns, width)
    }

    /// |F(r)|^2 of one image for each of ``radii``, summed over channels.
    ///
    /// - Parameter residual: Values of (C, H, W) in row-major order.
    func energies(_ residual: ArraySlice<Float>) -> [Double] {
        let plane = height * width
        var whole = 0.0
        var low = [Double](repeating: 0, count: Self.radii.count)
        for start in stride(from: residual.startIndex, to: residual.endIndex, by: plane) {
            let channel = Array(residual[start..<start + plane])
            for value in channel { whole += Double(value) * Double(value) }
            addLow(channel, into: &low)
        }
        let square = Self.attenuation * Self.attenuation
        return low.map { square * whole + (1 - square) * $0 / Double(plane) }
    }

    private func addLow(_ channel: [Float], into low: inout [Double]) {
        for (column, waves) in zip(columns, columnWaves) {
            var real = [Float](repeating: 0, count: height)
            var imaginary = real
            for y in 0..<height {
                var (a, b) = (0 as Float, 0 as Float)
                for x in 0..<width {
                    a += channel[y * width + x] * waves[x].cos
                    b -= channel[y * width + x] * waves[x].sin
                }
                real[y] = a
                imaginary[y] = b
            }
            for (row, waves) in zip(rows, rowWaves) {
                let radius = (Double(row * row + column * column)).squareRoot()
                guard radius <= Double(Self.radii.last ?? 0) else { continue }
                var (a, b) = (0.0, 0.0)
                for y in 0..<height {
                    a += Double(real[y] * waves[y].cos + imaginary[y] * waves[y].sin)
                    b += Double(imaginary[y] * waves[y].cos - real[y] * waves[y].sin)
                }
                for (index, limit) in Self.radii.enumerated() where radius <= Double(limit) {
                    low[index] += a * a + b * b
                }
            }
        }
    }
}

/// The numbers that are kept of a residual: sum |r|^p, and the filtered energies.
struct ResidualNorms {
    /// Numbers of one residual.
    static let width = 1 + LowPassFilter.radii.count
    private let power: Int
    private let filter: LowPassFilter

    /// - Parameters:
    ///   - power: p of the plain norm.
    ///   - shape: (C, H, W).
    init(power: Int, shape: [Int]) {
        self.power = power
        filter = LowPassFilter(height: shape[1], width: shape[2])
    }

    /// The numbers of a batch's residuals, scaled, for each image.
    func callAsFunction(_ residual: [Float], count: Int) -> [[Float]] {
        let size = residual.count / count
        let sums = powerSums(residual, count: count, power: power)
        return (0..<count).map { image in
            [Float(sums[image])] + filter.energies(residual[image * size..<(image + 1) * size]).map { Float($0) }
        }
    }
}

/// Gathers the numbers of each image as they come.
struct RowBuilder {
    private(set) var rows: [[Float]]

    init(count: Int) { rows = Array(repeating: [], count: count) }

    /// Adds some numbers to each image.
    mutating func append(_ values: [[Float]]) {
        for index in rows.indices { rows[index] += values[index] }
    }

    /// Adds one number to each image.
    mutating func append(_ values: [Double]) {
        for index in rows.indices { rows[index].append(Float(values[index])) }
    }

    /// All numbers, row-major.
    var values: [Float] { rows.flatMap { $0 } }
}
