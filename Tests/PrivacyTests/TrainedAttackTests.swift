import Diffusion
import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

/// What PyTorch finds in float64; Tests/Golden/networks.py.
private struct NetworksGolden: Decodable {
    struct Attack: Decodable {
        let settings: [String: String]
        let auc: Double
        let scores: [Double]
    }
    let secmi, quantile: Case

    static func load() throws -> NetworksGolden {
        try JSONDecoder().decode(
            NetworksGolden.self, from: Data(contentsOf: goldenFolder.appending(path: "networks.json")))
    }

    @Sendable static func randomness(seed: UInt64) -> TrainingRandomness {
        TrainingRandomness { name, shape, network in
            Formula.weight("\(network).\(name)", shape: shape)
        } order: { count, network, epoch in
            let keys = Formula.uniform("order \(network) \(epoch)", count)
            return (0..<count).sorted { (keys[$0], $0) < (keys[$1], $1) }
        } bootstrap: { count, network in
            Formula.integers("bootstrap \(network)", count, below: count)
        }
    }
}

/// Rows of formula numbers, every second of which is a member.
private struct Case: Decodable {
    let shape: [Int]
    let rows, calibration, epochs, batch: Int
    let attacks: [NetworksGolden.Attack]

    var size: Int { shape.reduce(1, *) }

    var population: Population {
        Population(
            isMember: (0..<rows).map { $0 % 2 == 0 }, calibration: Array(0..<calibration),
            test: Array(calibration..<rows), images: Formula.uniform("images", rows * size).map { Float($0) },
            shape: shape, seed: 1)
    }

    func table(of attack: some MembershipAttack) -> MeasurementTable {
        let width = attack.measurement.width(imageSize: size)
        return MeasurementTable(
            count: rows, width: width,
            values: Formula.uniform("answers", rows * width).enumerated().map { index, value in
                (Float(abs(value)) + 0.01) * (index / width % 2 == 0 ? 0.875 : 1)
            })
    }

    /// Every score within 1e-3 of the expected one, relative to the largest of the setting, and the AUC of the test half.
    func compare(_ attack: some MembershipAttack) throws {
        let found = attack.scores(table(of: attack), population)
        #expect(found.count == attacks.count)
        for (own, setting) in zip(found, attacks) {
            #expect(own.settings == setting.settings)
            let size = setting.scores.map(abs).max() ?? 0
            let worst = zip(own.scores, setting.scores).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst <= 1e-3 * size, "\(setting.settings): off by \(worst / size)")
            let (members, others) = population.divided(own.scores, rows: population.test)
            #expect(abs(ROCCurve(members: members, heldOut: others).area - setting.auc) <= 1e-3)
        }
    }
}

/// Attacks that train networks.
@Suite struct TrainedAttackTests {
    /// Two steps of SGD on 11 million parameters: fails when anything of network, loss, optimizer or scaling is another.
    @Test func theResNetLearnsWhatPyTorchsLearns() throws {
        Threads.useOne()
        let golden = try NetworksGolden.load().secmi
        try golden.compare(
            SecMINetworks(
                NoiseSchedule(.linear), epochs: golden.epochs, batch: golden.batch,
                randomness: NetworksGolden.randomness))
    }

    /// Fails when an attacker learns from other images than its bootstrap, or another than the median is believed.
    @Test func theVoteIsThatOfPyTorchsNetworks() throws {
        Threads.useOne()
        let golden = try NetworksGolden.load().quantile
        try golden.compare(QuantileRegression(NoiseSchedule(.linear), randomness: NetworksGolden.randomness))
    }

    /// Lowering all attackers' quantiles by c makes the majority say member exactly where the score exceeds c.
    @Test func theScoreIsWhereTheMajorityTurns() throws {
        let golden = try NetworksGolden.load().quantile
        let attack = QuantileRegression(NoiseSchedule(.linear))
        let table = golden.table(of: attack)
        let answers = (0..<attack.networks).map { network in
            Formula.uniform("vote \(network)", golden.rows * attack.outputs).map { Float($0) }
        }
        let errors = table.column(6 * 4).map { log($0) }
        let others = (0..<golden.calibration).filter { $0 % 2 == 1 }
        let mean = others.reduce(0) { $0 + errors[$1] } / Double(others.count)
        let settings = attack.scores(from: answers, table, golden.population)
        for (index, setting) in settings.enumerated() {
            for row in 0..<golden.rows {
                for threshold in stride(from: -2.0, through: 2, by: 0.5) {
                    let votes = answers.count {
                        errors[row] - mean < Double($0[row * attack.outputs + index]) - threshold
                    }
                    #expect((2 * votes > answers.count) == (setting.scores[row] > threshold))
                }
            }
        }
    }

    /// What an attack learns must not depend on images whose membership the attacker does not know.
    @Test func nothingIsLearntFromTheTestHalf() throws {
        Threads.useOne()
        let golden = try NetworksGolden.load().quantile
        let population = golden.population
        let turned = Population(
            isMember: population.isMember.indices.map { population.isMember[$0] != ($0 >= golden.calibration) },
            calibration: population.calibration, test: population.test, images: population.images,
            shape: population.shape, seed: population.seed)
        let attack = QuantileRegression(NoiseSchedule(.linear))
        let table = golden.table(of: attack)
        #expect(attack.answers(of: 3, table, population) == attack.answers(of: 3, table, turned))
        #expect(attack.answers(of: 3, table, population) != attack.answers(of: 4, table, population))
    }

    /// A chunk of scores may be a stranger's: fails when numbers that are none end the process, keep it busy for ever, or
    /// become figures.
    @Test(arguments: [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude])
    func measurementsThatAreNoNumbersAreTold(value: Float) throws {
        Threads.useOne()
        let golden = try NetworksGolden.load()
        func compare(_ attack: some TrainedAttack, _ example: Case) throws {
            let width = attack.measurement.width(imageSize: example.size)
            let values = [Float](repeating: value, count: example.rows * width)
            let table = MeasurementTable(count: example.rows, width: width, values: values)
            let answers = bounded { attack.answers(of: 0, table, example.population) }
            #expect(answers.count == example.rows * attack.outputs)
            let all = Array(repeating: answers, count: attack.networks)
            let scored = AttackEvaluation.Scored(
                name: attack.name, title: attack.title, access: attack.access,
                settings: attack.scores(from: all, table, example.population), isFitted: attack.isFitted)
            if value.isFinite {
                _ = try? AttackEvaluation.figures(scored, example.population)
            } else {
                #expect(throws: AttackEvaluation.NotFinite.self) {
                    try AttackEvaluation.figures(scored, example.population)
                }
            }
        }
        try compare(SecMINetworks(NoiseSchedule(.linear), epochs: 1, batch: golden.secmi.batch), golden.secmi)
        try compare(QuantileRegression(NoiseSchedule(.linear)), golden.quantile)
    }
}
