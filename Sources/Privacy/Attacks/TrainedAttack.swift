/// An attack that trains networks of its own, which is the costly part of its scores; ranks may share it.
public protocol TrainedAttack: MembershipAttack {
    /// Number of networks, each of which can be trained without the others.
    var networks: Int { get }
    /// Numbers that a network gives for each image.
    var outputs: Int { get }
    /// What training takes for one calibration image beside other attacks: billions of multiplications at 32 x 32 pixels.
    var trainingCost: Double { get }

    /// Trains one network on the calibration half, and asks it about all images. On one thread; a pure function.
    ///
    /// - Parameters:
    ///   - network: Its number, in 0..<``networks``.
    ///   - table: What was measured.
    ///   - population: Which images are members, and which of them calibrate.
    /// - Returns: ``outputs`` numbers for each image, row-major.
    func answers(of network: Int, _ table: MeasurementTable, _ population: Population) -> [Float]

    /// The scores of every setting, from the answers of all networks in order.
    func scores(from answers: [[Float]], _ table: MeasurementTable, _ population: Population) -> [ScoredSetting]
}

extension TrainedAttack {
    /// Something is fitted to the calibration half.
    public var isFitted: Bool { true }

    /// Trains all networks one after the other.
    public func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        scores(from: (0..<networks).map { answers(of: $0, table, population) }, table, population)
    }
}
