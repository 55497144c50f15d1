import Diffusion

/// A published way to tell members of a training set from others.
public protocol MembershipAttack: Sendable {
    /// A stable name, such as `pia`.
    var name: String { get }
    /// The name in words with its paper.
    var title: String { get }
    /// What the attacker must reach.
    var access: AttackAccess { get }
    /// What is asked of the model; attacks may share it.
    var measurement: any AttackMeasurement { get }
    /// Which images shadow models must have been asked about, by the same measurement; nil for an attack that needs none.
    var shadowImages: ShadowModel.Images? { get }
    /// Whether something is fitted to the calibration half, so that figures of that half flatter the attack.
    var isFitted: Bool { get }

    /// The scores of every setting of the attack's grid.
    ///
    /// - Parameters:
    ///   - table: What was measured.
    ///   - population: Which images are members, and which of them calibrate: only those may be learnt from.
    /// - Returns: One list of scores for each setting; greater means member.
    func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting]
}

extension MembershipAttack {
    /// None.
    public var shadowImages: ShadowModel.Images? { nil }
    /// Nothing is.
    public var isFitted: Bool { false }
}

/// The scores of one setting of an attack.
public struct ScoredSetting: Sendable {
    /// Values of the hyper-parameters by name.
    public var settings: [String: String]
    /// Evaluations of a network that this setting alone takes for one image.
    public var evaluations: Double
    /// One score per image; greater means member.
    public var scores: [Double]

    /// Gathers a setting.
    public init(settings: [String: String], evaluations: Double, scores: [Double]) {
        self.settings = settings
        self.evaluations = evaluations
        self.scores = scores
    }
}

/// The images of a protocol as an attack sees them, in the order of the measurements' rows.
public struct Population: Sendable {
    /// Whether each image was trained on.
    public let isMember: [Bool]
    /// Rows whose membership is known to the attacker, members and held-out images in equal shares.
    public let calibration: [Int]
    /// Rows on which figures are computed.
    public let test: [Int]
    /// x_0 of every image in [-1, 1], row-major (count, C, H, W).
    public let images: [Float]
    /// (C, H, W).
    public let shape: [Int]
    /// The job's seed.
    public let seed: UInt64
    /// Models of the attacker's own.
    public let shadows: [ShadowModel]

    /// Gathers a population.
    public init(
        isMember: [Bool], calibration: [Int], test: [Int], images: [Float], shape: [Int], seed: UInt64,
        shadows: [ShadowModel] = []
    ) {
        precondition(Set(calibration).isDisjoint(with: test), "an image calibrates and tests at once")
        self.isMember = isMember
        self.calibration = calibration
        self.test = test
        self.images = images
        self.shape = shape
        self.seed = seed
        self.shadows = shadows
    }

    /// Whether both halves have members and others enough for a curve with an interval.
    public var isLargeEnough: Bool {
        [calibration, test].allSatisfy { rows in
            let members = rows.count { isMember[$0] }
            return members > 1 && rows.count - members > 1
        }
    }

    /// The scores of some rows, members and others apart.
    public func divided(_ scores: [Double], rows: [Int]) -> (members: [Double], others: [Double]) {
        (rows.filter { isMember[$0] }.map { scores[$0] }, rows.filter { !isMember[$0] }.map { scores[$0] })
    }
}

/// An attack whose score is a number of its measurement with the sign turned: small means member.
protocol ThresholdAttack: MembershipAttack {
    /// The numbers that serve, one for each setting.
    var thresholds: [ThresholdSetting] { get }
}

/// A number of a measurement that serves as a score.
struct ThresholdSetting {
    let column: Int
    let settings: [String: String]
    let evaluations: Int
}

extension ThresholdAttack {
    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        thresholds.map { setting in
            ScoredSetting(
                settings: setting.settings, evaluations: Double(setting.evaluations),
                scores: table.column(setting.column).map { -$0 })
        }
    }
}

/// A measurement of residuals, each kept as ``ResidualNorms``.
protocol ResidualMeasurement: AttackMeasurement {
    /// The residuals in order: where each was taken, and the evaluations that it alone needs.
    var residuals: [Residual] { get }
}

/// Where a residual was taken.
struct Residual {
    let settings: [String: String]
    let evaluations: Int
}

extension ResidualMeasurement {
    package func width(imageSize: Int) -> Int { residuals.count * ResidualNorms.width }
}

/// The plain norm of a measurement's residuals.
protocol ResidualAttack: ThresholdAttack {
    associatedtype Residuals: ResidualMeasurement
    var residuals: Residuals { get }
}

extension ResidualAttack {
    package var measurement: any AttackMeasurement { residuals }

    var thresholds: [ThresholdSetting] {
        residuals.residuals.enumerated().map { index, residual in
            ThresholdSetting(
                column: index * ResidualNorms.width, settings: residual.settings, evaluations: residual.evaluations)
        }
    }
}

/// The low-pass variant of a residual attack: FreMIA (Lian et al., arXiv 2505.20955), section 4:
///
///     score = - |F(r)|_2^2,  F(r) = IFFT(b FFT(r))
///
/// with the filter b of ``LowPassFilter``. As many evaluations as the attack itself, and they are the same ones.
package struct LowPass: ThresholdAttack {
    package let name: String
    package let title: String
    package let access: AttackAccess
    package let measurement: any AttackMeasurement
    let thresholds: [ThresholdSetting]

    init(_ attack: some ResidualAttack) {
        name = attack.name + "-f"
        title = attack.title.replacing(" (", with: " low-pass (").replacing(")", with: " + arXiv 2505.20955)")
        access = attack.access
        measurement = attack.measurement
        thresholds = attack.thresholds.flatMap { plain in
            LowPassFilter.radii.enumerated().map { index, radius in
                ThresholdSetting(
                    column: plain.column + 1 + index,
                    settings: plain.settings.merging(["radius": "\(radius)"]) { $1 }, evaluations: plain.evaluations)
            }
        }
    }
}
