import Datasets
import Tensor

/// Which images an audit attacks, and which of them calibrate the attacks: a pure function of split, size and seed.
///
/// Members are images that the run trained on, held-out images come from the same source and nothing has seen them.
/// Images with an exact or near duplicate in the other set are left out: the truth about them is not one thing. Equal
/// numbers of both are drawn at random (``RandomSource`` with purpose `audit`), half of each for calibration.
public struct AuditProtocol: Sendable {
    /// The chosen images, catalogue indices, members and held-out images mixed.
    public let items: [Int]
    /// Whether each was trained on.
    public let isMember: [Bool]
    /// The part of each member; nil for held-out images.
    public let parts: [Int?]
    /// Whether each calibrates.
    public let isCalibration: [Bool]
    /// Duplicates between members and held-out images, all of which were left out of the choice.
    public let duplicates: CrossDuplicates
    /// Members, and as many held-out images, that were chosen.
    public let imagesPerSide: Int

    /// What makes an audit impossible.
    public struct TooFewImages: Error, CustomStringConvertible {
        /// What was found, and what is needed.
        public let description: String
    }

    /// Fewest images of each side.
    public static let fewestImages = 8

    /// Chooses images.
    ///
    /// - Parameters:
    ///   - catalogue: The data set.
    ///   - partImages: The images trained on, catalogue indices, by part.
    ///   - heldOutImages: The images held out.
    ///   - imagesPerSide: The most members, and held-out images, to choose; nil for as many as there are.
    ///   - seed: The job's seed.
    /// - Throws: ``TooFewImages``.
    public init(
        catalogue: Catalogue, parts partImages: [[Int]], heldOut heldOutImages: [Int], imagesPerSide: Int?, seed: UInt64
    ) throws {
        let trainedOn = partImages.joined().sorted()
        duplicates = CrossDuplicates.find(between: trainedOn, and: heldOutImages, in: catalogue)
        let excluded = Set(duplicates.images)
        let members = trainedOn.filter { !excluded.contains($0) }
        let heldOut = heldOutImages.filter { !excluded.contains($0) }
        let most = min(members.count, heldOut.count)
        let count = min(most, imagesPerSide ?? most)
        guard count >= Self.fewestImages else {
            throw TooFewImages(
                description: "an audit needs at least \(Self.fewestImages) members and \(Self.fewestImages) held-out "
                    + "images; \(imagesPerSide.map { "\($0) were asked for, and " } ?? "")the run has \(members.count) and "
                    + "\(heldOut.count) without duplicates in the other set: begin a run with a larger data.held_out")
        }
        self.imagesPerSide = count
        let source = RandomSource(seed: seed, purpose: .audit)
        func draw(_ images: [Int], step: Int) -> ArraySlice<Int> {
            source.permutation(of: images.count, step: step).map { images[$0] }.prefix(count)
        }
        var partOfMember: [Int: Int] = [:]
        for (part, images) in partImages.enumerated() { for image in images { partOfMember[image] = part } }
        let sides = [draw(members, step: 0), draw(heldOut, step: 1)]
        let chosen = sides.enumerated().flatMap { side, images in
            images.enumerated().map { (item: $1, isMember: side == 0, isCalibration: $0 < count / 2) }
        }
        let order = source.permutation(of: chosen.count, step: 2)
        items = order.map { chosen[$0].item }
        isMember = order.map { chosen[$0].isMember }
        isCalibration = order.map { chosen[$0].isCalibration }
        parts = items.map { partOfMember[$0] }
    }

    /// The images as attacks see them.
    ///
    /// - Parameters:
    ///   - catalogue: The data set.
    ///   - part: Which members count: those of the parts for which this holds; all by default.
    ///   - seed: The job's seed.
    ///   - shadows: Models of the attacker's own.
    public func population(
        of catalogue: Catalogue, seed: UInt64, shadows: [ShadowModel] = [], where part: (Int) -> Bool = { _ in true }
    ) -> Population {
        let rows = items.indices.filter { row in parts[row].map(part) ?? true }
        return Population(
            isMember: isMember, calibration: rows.filter { isCalibration[$0] },
            test: rows.filter { !isCalibration[$0] },
            images: imageBatch(catalogue, indices: items).scalars,
            shape: [catalogue.channels, catalogue.height, catalogue.width], seed: seed, shadows: shadows)
    }
}
