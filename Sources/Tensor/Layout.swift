/// How the scalars of a tensor lie in memory; a function of its shape alone, so that two tensors of one shape always
/// agree.
///
/// Images with enough channels, shape (N, C, H, W), are blocked as oneDNN's convolutions want them: (N, C/b, H, W, b)
/// with the channels padded with zeros to a multiple of b. Everything else is plain: logical row-major order.
enum Layout: Hashable {
    case plain
    case blocked(Int)

    /// The layout of every tensor of this shape.
    init(shape: [Int]) {
        let block = Layout.blockSize
        self = shape.count == 4 && shape[1] >= block ? .blocked(block) : .plain
    }

    /// Channels side by side in a blocked layout: one vector register of floats.
    static let blockSize = Kernels.usesAVX512 ? 16 : 8

    /// Channels side by side: 1 in the plain layout.
    var block: Int {
        switch self {
        case .plain: 1
        case .blocked(let size): size
        }
    }

    /// Floats in memory for a tensor of this shape, padding included.
    func physicalCount(of shape: [Int]) -> Int {
        switch self {
        case .plain: shape.reduce(1, *)
        case .blocked(let size): shape[0] * ((shape[1] + size - 1) / size * size) * shape[2] * shape[3]
        }
    }
}
