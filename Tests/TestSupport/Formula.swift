import Foundation
import Tensor

/// The folder of golden files and the scripts that write them.
public let goldenFolder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Golden")

/// The numbers that Tests/Golden/formula.py computes too: integer hashes of (name, index).
public enum Formula {
    /// FNV-1a, 64 bits, of the UTF-8 bytes of a name.
    public static func hash(_ name: String) -> UInt64 {
        name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// Word `index` of a name: splitmix64's output function.
    public static func word(_ hash: UInt64, _ index: Int) -> UInt64 {
        var z = hash &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Values in [-1, 1), multiples of 2^-23.
    public static func uniform(_ name: String, _ count: Int) -> [Double] {
        let hash = hash(name)
        return (0..<count).map { Double(word(hash, $0) >> 40) * 0x1p-23 - 1 }
    }

    /// Integers in 0..<bound.
    public static func integers(_ name: String, _ count: Int, below bound: Int) -> [Int] {
        let hash = hash(name)
        return (0..<count).map { Int(((word(hash, $0) >> 40) * UInt64(bound)) >> 24) }
    }

    /// Images with an RMS of 1.
    public static func images(_ name: String, shape: [Int]) -> Tensor {
        let scale = 3.0.squareRoot()
        return Tensor(uniform(name, shape.reduce(1, *)).map { Float(scale * $0) }, shape: shape)
    }

    /// The weights of a parameter, scaled by its kind and fan-in so that every block's output has an RMS of 0.5 to 2.
    public static func weight(_ name: String, shape: [Int]) -> [Float] {
        let (offset, scale) = offsetAndScale(name, shape: shape)
        let (floatOffset, floatScale) = (Float(offset), Float(scale))
        let hash = hash(name)
        return (0..<shape.reduce(1, *)).map {
            floatOffset + floatScale * (Float(word(hash, $0) >> 40) * 0x1p-23 - 1)
        }
    }

    private static let gains: [(end: String, gain: Double)] = [
        ("linear_1", 1.4), ("linear_2", 1.7), ("time_emb_proj", 1.0), ("conv1", 1.4), ("conv2", 1.0),
        ("conv_shortcut", 0.8), ("to_q", 1.2), ("to_k", 1.2), ("downsamplers.0.conv", 0.8),
        ("upsamplers.0.conv", 0.9), ("conv_out", 1.7),
    ]

    private static func offsetAndScale(_ name: String, shape: [Int]) -> (Double, Double) {
        if name.hasSuffix(".bias") { return (0, 0.2) }
        if shape.count == 1 { return (1, 0.25) }
        if name == "class_embedding.weight" { return (0, 3.0.squareRoot()) }
        let layer = name.dropLast(".weight".count)
        let gain = gains.first { layer.hasSuffix($0.end) }?.gain ?? 1
        return (0, gain * (3 / Double(shape.dropFirst().reduce(1, *))).squareRoot())
    }

    /// Buckets of a sketch.
    public static let buckets = 256

    /// The count sketch of a tensor, or the tensor itself if it has no more elements than buckets.
    public static func sketch(_ name: String, _ values: [Float]) -> [Double] {
        if values.count <= buckets { return values.map(Double.init) }
        let hash = hash("sketch " + name)
        var sums = [Double](repeating: 0, count: buckets)
        for (index, value) in values.enumerated() {
            let word = word(hash, index)
            sums[Int(word & UInt64(buckets - 1))] += word >> 63 == 0 ? Double(value) : -Double(value)
        }
        return sums
    }
}
