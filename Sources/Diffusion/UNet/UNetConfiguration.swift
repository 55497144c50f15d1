/// The options of a U-Net, as those of diffusers' `UNet2DModel`.
public struct UNetConfiguration: Codable, Hashable, Sendable {
    /// Height of the images, in pixels.
    public var height: Int
    /// Width of the images, in pixels.
    public var width: Int
    /// Channels of the input images.
    public var inChannels: Int
    /// Channels of the prediction.
    public var outChannels: Int
    /// Channels of each level, from full resolution down; each further level halves the image.
    public var channels: [Int]
    /// Residual blocks of each level on the way down; one more on the way up.
    public var layersPerBlock: Int
    /// Which levels have attention after each residual block. The bottom always has.
    public var attention: [Bool]
    /// Groups of each group norm.
    public var normGroups: Int
    /// Added to each group norm's variance.
    public var normEpsilon: Double
    /// Channels of an attention head; nil for one head.
    public var attentionHeadDimension: Int?
    /// Probability with which residual blocks drop an element, in [0, 1).
    public var dropout: Double
    /// Whether the time embedding's cosines stand before its sines.
    public var flipSineToCosine: Bool
    /// Subtracted from the number of frequencies in the time embedding's exponents.
    public var frequencyShift: Double
    /// Padding of the convolutions that halve the image: 1 on every side, or 0 for one row below and one column to the
    /// right.
    public var downsamplePadding: Int
    /// Number of classes of a class-conditional model; nil for none.
    public var classCount: Int?
    /// Whether the network also knows a class that stands for none, `classCount`, as classifier-free guidance needs it.
    public var hasNullClass: Bool

    /// Gathers the options; those with a default have diffusers' default.
    public init(
        height: Int, width: Int, inChannels: Int, outChannels: Int, channels: [Int], layersPerBlock: Int = 2,
        attention: [Bool], normGroups: Int = 32, normEpsilon: Double = 1e-5, attentionHeadDimension: Int? = 8,
        dropout: Double = 0, flipSineToCosine: Bool = true, frequencyShift: Double = 0, downsamplePadding: Int = 1,
        classCount: Int? = nil, hasNullClass: Bool = false
    ) {
        self.height = height
        self.width = width
        self.inChannels = inChannels
        self.outChannels = outChannels
        self.channels = channels
        self.layersPerBlock = layersPerBlock
        self.attention = attention
        self.normGroups = normGroups
        self.normEpsilon = normEpsilon
        self.attentionHeadDimension = attentionHeadDimension
        self.dropout = dropout
        self.flipSineToCosine = flipSineToCosine
        self.frequencyShift = frequencyShift
        self.downsamplePadding = downsamplePadding
        self.classCount = classCount
        self.hasNullClass = hasNullClass
    }

    /// The network of `google/ddpm-cifar10-32`: 35.7 million parameters, one attention head, no dropout.
    public static let ddpmCIFAR10 = UNetConfiguration(
        height: 32, width: 32, inChannels: 3, outChannels: 3, channels: [128, 256, 256, 256],
        attention: [false, true, false, false], normEpsilon: 1e-6, attentionHeadDimension: nil,
        flipSineToCosine: false, frequencyShift: 1, downsamplePadding: 0)

    /// A small network for 28x28 grey images: 1.6 million parameters, one attention head, no dropout.
    public static let fashionMNIST = UNetConfiguration(
        height: 28, width: 28, inChannels: 1, outChannels: 1, channels: [32, 64, 64],
        attention: [false, true, false], normGroups: 8, attentionHeadDimension: nil)

    /// Width of the time embedding.
    public var embeddingWidth: Int { 4 * channels[0] }

    /// The class that stands for none; nil if the network has no such class.
    public var nullClass: Int? { hasNullClass ? classCount : nil }

    /// Rows of the class embedding; nil for none.
    var classEmbeddingRows: Int? { classCount.map { hasNullClass ? $0 + 1 : $0 } }

    /// Checks that a network can be built.
    ///
    /// - Throws: ``DiffusionError`` that names the first option out of range.
    public func validate() throws {
        if let problem { throw DiffusionError.invalidConfiguration(problem) }
    }

    /// The first option out of range, in words; nil if there is none.
    var problem: String? {
        let positive = [
            ("height", height), ("width", width), ("inChannels", inChannels), ("outChannels", outChannels),
            ("layersPerBlock", layersPerBlock), ("normGroups", normGroups),
            ("attentionHeadDimension", attentionHeadDimension ?? 1), ("classCount", classCount ?? 1),
        ]
        if let (name, value) = positive.first(where: { $0.1 < 1 }) { return "\(name) must be at least 1, not \(value)" }
        if hasNullClass, classCount == nil { return "hasNullClass needs a classCount" }
        if channels.isEmpty { return "channels must name at least one level" }
        if attention.count != channels.count {
            return "attention has \(attention.count) levels, channels \(channels.count): give one value per level"
        }
        if channels[0] < 4 {
            return "the first level needs at least 4 channels for the time embedding, not \(channels[0])"
        }
        if let odd = channels.first(where: { $0 < 1 || $0 % normGroups != 0 }) {
            return "channels must be positive multiples of normGroups (\(normGroups)), not \(odd)"
        }
        if let problem = attentionProblem ?? upInputProblem { return problem }
        if !(0..<1).contains(dropout) { return "dropout must be in [0, 1), not \(dropout)" }
        if !(normEpsilon > 0 && normEpsilon < 1) { return "normEpsilon must be in (0, 1), not \(normEpsilon)" }
        if !(0...1).contains(frequencyShift) { return "frequencyShift must be in [0, 1], not \(frequencyShift)" }
        if !(0...1).contains(downsamplePadding) { return "downsamplePadding must be 0 or 1, not \(downsamplePadding)" }
        if levelSizes.contains(where: { $0.height < 1 || $0.width < 1 }) {
            return "\(height)x\(width) images are too small for \(channels.count) levels; take fewer"
        }
        return nil
    }

    private var attentionProblem: String? {
        guard let head = attentionHeadDimension else { return nil }
        let attending = channels.indices.filter { attention[$0] || $0 == channels.count - 1 }.map { channels[$0] }
        return attending.first { $0 % head != 0 }.map {
            "levels with attention, and the last, need multiples of attentionHeadDimension (\(head)) channels, not \($0)"
        }
    }

    private var upInputProblem: String? {
        channels.indices.flatMap(upInputs).map { $0.below + $0.skip }.first { $0 % normGroups != 0 }.map {
            "\($0) concatenated channels are not a multiple of normGroups (\(normGroups))"
        }
    }
}
