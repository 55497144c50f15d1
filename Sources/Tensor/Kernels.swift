import CKernels

/// The C kernels, seen from tensors. Unsafe pointers of tensors and parameters stay within this module: in the files of the
/// kernels, in OneDNN's, in the two ways to compute a convolution, and in what owns the memory.
///
/// Every function writes its result into tensors that the caller made; shapes have been checked by the tape.
enum Kernels {
    /// Whether the kernels run with AVX-512, whose registers hold 16 floats.
    static var usesAVX512: Bool { InstructionSet.ofKernels == .avx512 }

    // MARK: Scalars in and out

    /// Copies logical scalars into a tensor, in whatever layout it has.
    static func load(_ scalars: UnsafeBufferPointer<Float>, into x: Tensor) {
        guard let source = scalars.baseAddress else { return }
        switch x.layout {
        case .plain:
            x.elements.update(from: source, count: x.count)
        case .blocked(let block):
            diptych_block_channels(source, x.elements, x.images, x.channels, x.pixels, block)
        }
    }

    /// Copies a tensor out in logical order.
    static func store(_ x: Tensor, into scalars: UnsafeMutableBufferPointer<Float>) {
        guard let target = scalars.baseAddress else { return }
        switch x.layout {
        case .plain:
            target.update(from: x.elements, count: x.count)
        case .blocked(let block):
            diptych_unblock_channels(x.elements, target, x.images, x.channels, x.pixels, block)
        }
    }

    // MARK: Elementwise

    static func add(_ a: Tensor, _ b: Tensor, into sum: Tensor) {
        diptych_add(a.elements, b.elements, sum.elements, sum.storage.count)
    }

    static func accumulate(_ addend: Storage, into sum: UnsafeMutablePointer<Float>) {
        diptych_accumulate(sum, addend.unsafeElements, addend.count)
    }

    static func scale(_ x: Tensor, by factor: Float, into y: Tensor) {
        diptych_scale(x.elements, factor, y.elements, y.storage.count)
    }

    static func silu(_ x: Tensor, into y: Tensor) {
        diptych_silu_forward(x.elements, y.elements, y.storage.count)
    }

    static func siluBackward(_ x: Tensor, gradient: Tensor, into dx: Tensor) {
        diptych_silu_backward(x.elements, gradient.elements, dx.elements, dx.storage.count)
    }

    static func relu(_ x: Tensor, into y: Tensor) {
        diptych_relu_forward(x.elements, y.elements, y.storage.count)
    }

    static func reluBackward(_ x: Tensor, gradient: Tensor, into dx: Tensor) {
        diptych_relu_backward(x.elements, gradient.elements, dx.elements, dx.storage.count)
    }

    static func dropout(_ x: Tensor, rate: Float, mask: DropoutMask, into y: Tensor) {
        diptych_dropout(
            x.elements, y.elements, x.images, x.channels, x.pixels, x.layout.block, rate,
            mask.source.address(step: mask.step), mask.items)
    }

    // MARK: Normalisation

    static func groupNorm(
        _ x: Tensor, adding channelBias: Tensor?, weight: Parameter, bias: Parameter, statistics: GroupStatistics,
        groups: Int, epsilon: Float, activation: Activation, into y: Tensor
    ) {
        diptych_group_norm_forward(
            x.elements, channelBias?.elements, weight.unsafeValues, bias.unsafeValues, y.elements,
            statistics.mean.elements, statistics.reciprocalDeviation.elements, statistics.factors.elements,
            statistics.shifts.elements, x.images, x.channels, x.pixels, x.layout.block, groups, epsilon,
            activation == .silu)
    }

    /// The result of ``groupNorm(_:adding:weight:bias:statistics:groups:epsilon:activation:into:)`` again.
    static func normalize(_ x: Tensor, by statistics: GroupStatistics, activation: Activation, into y: Tensor) {
        diptych_group_norm_apply(
            x.elements, statistics.factors.elements, statistics.shifts.elements, y.elements, x.images, x.channels,
            x.pixels, x.layout.block, activation == .silu)
    }

    static func groupNormBackward(
        _ x: Tensor, adding channelBias: Tensor?, weight: Parameter, bias: Parameter, statistics: GroupStatistics,
        groups: Int, activation: Activation, gradient: Tensor, into dx: Tensor
    ) {
        diptych_group_norm_backward(
            x.elements, channelBias?.elements, weight.unsafeValues, bias.unsafeValues, statistics.mean.elements,
            statistics.reciprocalDeviation.elements, gradient.elements, dx.elements, weight.addableGradient(),
            bias.addableGradient(), x.images, x.channels, x.pixels, x.layout.block, groups, activation == .silu)
    }

    /// For each channel over all images and pixels: the mean, and the mean of (x - mean)^2.
    static func channelMoments(_ x: Tensor) -> (means: [Double], variances: [Double]) {
        var means = [Double](repeating: 0, count: x.channels)
        var squares = means
        diptych_channel_moments(x.elements, &means, &squares, x.images, x.channels, x.pixels, x.layout.block)
        return (means, squares.map { $0 / Double(x.images * x.pixels) })
    }

    /// y = x factor + shift, channel by channel.
    static func scaleAndShiftChannels(_ x: Tensor, by factors: [Float], _ shifts: [Float], into y: Tensor) {
        diptych_channel_scale_shift(
            x.elements, factors, shifts, y.elements, x.images, x.channels, x.pixels, x.layout.block)
    }

    /// For each channel the sum of the gradient, and that of its product with x factor + shift.
    static func channelGradientSums(
        _ x: Tensor, gradient: Tensor, factors: [Float], shifts: [Float]
    ) -> (sums: [Double], products: [Double]) {
        var sums = [Double](repeating: 0, count: x.channels)
        var products = sums
        diptych_channel_gradient_sums(
            x.elements, gradient.elements, factors, shifts, &sums, &products, x.images, x.channels, x.pixels,
            x.layout.block)
        return (sums, products)
    }

    /// dx = a gradient + b x + c, channel by channel.
    static func blendChannels(
        _ x: Tensor, gradient: Tensor, by a: [Float], _ b: [Float], _ c: [Float], into dx: Tensor
    ) {
        diptych_channel_blend(
            x.elements, gradient.elements, a, b, c, dx.elements, x.images, x.channels, x.pixels, x.layout.block)
    }

    /// Adds to the gradient of a parameter.
    static func accumulate(_ addend: [Double], intoGradientOf parameter: Parameter) {
        let target = parameter.addableGradient()
        for (index, value) in addend.enumerated() { target[index] += Float(value) }
    }

    // MARK: Channels

    /// Adds a number, shape (N, C), to each channel of each image.
    static func addToChannels(_ numbers: Tensor, in x: Tensor) {
        let ones = Tensor([Float](repeating: 1, count: numbers.count), shape: numbers.shape)
        withExtendedLifetime(ones) {
            diptych_group_norm_apply(
                x.elements, ones.elements, numbers.elements, x.elements, x.images, x.channels, x.pixels,
                x.layout.block, false)
        }
    }

    static func channelSums(_ x: Tensor, into sums: Tensor) {
        diptych_channel_sums(x.elements, sums.elements, x.images, x.channels, x.pixels, x.layout.block)
    }

    static func concatenateChannels(_ a: Tensor, _ b: Tensor, into y: Tensor) {
        let block = y.layout.block
        let (left, right) = (a.converted(toBlock: block), b.converted(toBlock: block))
        withExtendedLifetime((left, right)) {
            diptych_concatenate_channels(
                left.unsafeElements, right.unsafeElements, y.elements, y.images, a.channels, b.channels, y.pixels,
                block)
        }
    }

    /// Takes the channels of `x` apart again. The parts' layouts may differ from that of `x`.
    static func splitChannels(_ x: Tensor, into a: Tensor, _ b: Tensor) {
        let block = x.layout.block
        let (left, right) = (a.scratch(forBlock: block), b.scratch(forBlock: block))
        diptych_split_channels(
            x.elements, left.unsafeElements, right.unsafeElements, x.images, a.channels, b.channels, x.pixels, block)
        a.restore(from: left, block: block)
        b.restore(from: right, block: block)
    }

    // MARK: Resampling and transposition

    static func upsampleNearest(_ x: Tensor, into y: Tensor) {
        diptych_upsample_nearest_forward(
            x.elements, y.elements, x.images, x.channels, x.shape[2], x.shape[3], y.shape[2], y.shape[3],
            x.layout.block)
    }

    static func upsampleNearestBackward(gradient: Tensor, into dx: Tensor) {
        diptych_upsample_nearest_backward(
            gradient.elements, dx.elements, dx.images, dx.channels, dx.shape[2], dx.shape[3], gradient.shape[2],
            gradient.shape[3], dx.layout.block)
    }

    static func tokens(_ images: Tensor, into tokens: Tensor) {
        diptych_images_to_tokens(
            images.elements, tokens.elements, images.images, images.channels, images.pixels, images.layout.block)
    }

    static func images(_ tokens: Tensor, into images: Tensor) {
        diptych_tokens_to_images(
            tokens.elements, images.elements, images.images, images.channels, images.pixels, images.layout.block)
    }

    // MARK: Rows

    static func softmaxRows(_ x: Tensor, scale: Float) {
        let columns = x.shape[x.shape.count - 1]
        diptych_softmax_forward(x.elements, x.elements, x.count / columns, columns, scale)
    }

    static func softmaxRowsBackward(probabilities: Tensor, gradient: Tensor, scale: Float) {
        let columns = gradient.shape[gradient.shape.count - 1]
        diptych_softmax_backward(
            probabilities.elements, gradient.elements, gradient.elements, gradient.count / columns, columns, scale)
    }

    static func addRowBias(_ bias: Parameter, to x: Tensor) {
        diptych_add_row_bias(x.elements, bias.unsafeValues, x.elements, x.count / bias.count, bias.count)
    }

    /// Adds the sums of the columns into the gradient of a row bias.
    static func accumulateColumnSums(_ gradient: Tensor, into bias: Parameter) {
        diptych_accumulate_column_sums(
            gradient.elements, bias.addableGradient(), gradient.count / bias.count, bias.count)
    }

    /// Copies rows of a table, shape (rows, width).
    static func gather(_ indices: [Int], from table: Parameter, into rows: Tensor) {
        let width = table.shape[1]
        for (row, index) in indices.enumerated() {
            (rows.elements + row * width).update(from: table.unsafeValues + index * width, count: width)
        }
    }

    /// Adds rows to the gradient of a table, in the order of `indices`.
    static func scatterAdd(_ gradient: Tensor, at indices: [Int], into table: Parameter) {
        let width = table.shape[1]
        let target = table.addableGradient()
        for (row, index) in indices.enumerated() {
            diptych_accumulate(target + index * width, gradient.elements + row * width, width)
        }
    }

    // MARK: Losses

    static func squaredDifference(_ a: Tensor, _ b: Tensor) -> Double {
        diptych_squared_difference(a.elements, b.elements, a.storage.count)
    }

    static func scaledDifference(_ a: Tensor, _ b: Tensor, factor: Float, into result: Tensor) {
        diptych_scaled_difference(a.elements, b.elements, factor, result.elements, result.storage.count)
    }
}

extension Tensor {
    /// The memory, for kernels.
    var elements: UnsafeMutablePointer<Float> { storage.unsafeElements }

    /// N.
    fileprivate var images: Int { shape.first ?? 1 }
    /// C of an image; anything else counts as one channel.
    fileprivate var channels: Int { shape.count == 4 ? shape[1] : 1 }
    /// H x W of an image, or all of an item that is none.
    fileprivate var pixels: Int { count / (images * channels) }

    /// The values in blocks of `block` channels: this storage, or a copy when the layout is another.
    func converted(toBlock block: Int) -> Storage {
        let result = scratch(forBlock: block)
        if result !== storage {
            diptych_block_channels(elements, result.unsafeElements, images, channels, pixels, block)
        }
        return result
    }

    /// Memory for the values in blocks of `block` channels: this storage if that is the layout already.
    func scratch(forBlock block: Int) -> Storage {
        if layout.block == block { return storage }
        precondition(layout == .plain, "blocks of \(layout.block) channels cannot become blocks of \(block)")
        return Storage(count: Layout.blocked(block).physicalCount(of: shape))
    }

    /// Brings back what a kernel left in ``scratch(forBlock:)``.
    func restore(from scratch: Storage, block: Int) {
        guard scratch !== storage else { return }
        diptych_unblock_channels(scratch.unsafeElements, elements, images, channels, pixels, block)
    }
}

extension Parameter {
    /// The gradient's memory for a kernel that can only add.
    fileprivate func addableGradient() -> UnsafeMutablePointer<Float> {
        let place = takeUnsafeGradient()
        if !place.adds { place.elements.update(repeating: 0, count: count) }
        return place.elements
    }
}
