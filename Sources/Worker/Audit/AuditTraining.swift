import Checkpoints
import Communication
import Datasets
import Foundation
import Jobs
import Privacy

/// Which of the attacked members an attack is about; held-out images always are.
enum AuditedMembers: Hashable {
    case all
    /// Those of one part: those that a teacher was trained on.
    case part(Int)
    /// Those of the other parts.
    case otherParts(Int)

    /// Whether a part's members are meant.
    func contains(_ part: Int) -> Bool {
        switch self {
        case .all: true
        case .part(let own): part == own
        case .otherParts(let own): part != own
        }
    }
}

/// One network that an attack trains, and for which figures.
struct AuditTraining: Hashable {
    let view: Int
    let members: AuditedMembers
    /// The attack's name.
    let attack: String
    /// Number of the network within the attack.
    let network: Int
}

/// Trains the networks of attacks, each on one rank.
///
/// A network is trained on one thread, whoever has it, so answers do not depend on the number of ranks. They are kept beside
/// the measurements; what a killed audit was training is lost.
struct AuditTrainer {
    let session: Session
    let subjects: AuditSubjects
    /// Whether it is too late to begin anything; rank 0 is asked.
    let isOutOfTime: () -> Bool

    /// What a rank needs to train one network.
    private struct Work {
        let training: AuditTraining
        let attack: any TrainedAttack
        let table: MeasurementTable
        let population: Population
        let key: String
        var count: Int { table.count * attack.outputs }
        var cost: Double { attack.trainingCost * Double(population.calibration.count) }
    }

    /// Trains what has not been trained before. Collective.
    ///
    /// - Parameters:
    ///   - results: Has the tables on rank 0, and gets the answers there.
    ///   - say: Takes a line, on rank 0.
    func run(_ results: inout AuditResults, say: (String) -> Void) throws -> AuditMeasurements.End<Void> {
        let world = session.world
        let all = try works(results)
        var known: [Int: [Float]] = [:]
        let store = ScoreStore(session.directory)
        let missing = try world.onRoot { () -> [Int]? in
            for (index, work) in all.enumerated() {
                known[index] = store.read(work.key, chunk: 0, count: 4 * work.count).map(floats)
            }
            let missing = all.indices.filter { known[$0] == nil }
            if isOutOfTime(), !missing.isEmpty { return nil }
            if !missing.isEmpty { say("training \(missing.count) networks of attacks") }
            return missing
        }
        guard let missing else { return .outOfTime }
        let dealt = Self.deal(missing.map { ($0, all[$0].cost) }, among: world.size)
        let (trained, isStopping) = try world.together("training networks of attacks") {
            () -> ([[UInt8]], Bool) in
            var trained: [[UInt8]] = []
            for index in dealt[world.rank] {
                if session.isStopRequested() { return (trained, true) }
                let work = all[index]
                trained.append(bytes(of: work.attack.answers(of: work.training.network, work.table, work.population)))
            }
            return (trained, false)
        }
        let gathered = try world.allGather(trained.flatMap { $0 })
        try world.onRoot {
            for (indices, bytes) in zip(dealt, gathered) {
                var rest = bytes[...]
                for index in indices where !rest.isEmpty {
                    let answers = Array(rest.prefix(4 * all[index].count))
                    rest = rest.dropFirst(answers.count)
                    try store.write(answers, all[index].key, chunk: 0)
                    known[index] = floats(in: answers)
                }
            }
        }
        if try world.anyTrue(isStopping) { return .stopped }
        if world.rank == 0 { for (index, work) in all.enumerated() { results.add(known[index], of: work.training) } }
        return .whole(())
    }

    /// The costliest first, each to the rank that has least to do.
    private static func deal(_ works: [(index: Int, cost: Double)], among ranks: Int) -> [[Int]] {
        var dealt = Array(repeating: (cost: 0.0, indices: [Int]()), count: ranks)
        for work in works.sorted(by: { ($1.cost, $0.index) < ($0.cost, $1.index) }) {
            let rank = dealt.indices.min { (dealt[$0].cost, $0) < (dealt[$1].cost, $1) } ?? 0
            dealt[rank].cost += work.cost
            dealt[rank].indices.append(work.index)
        }
        return dealt.map(\.indices)
    }

    /// Everything that has to be trained, alike on every rank. Collective.
    private func works(_ results: AuditResults) throws -> [Work] {
        var works: [Work] = []
        var populations: [AuditedMembers: Population] = [:]
        for (view, attacks) in results.plan.attacks.enumerated() {
            for attack in attacks.compactMap({ $0 as? any TrainedAttack }) {
                guard let table = try shared(results.table(of: attack, view: view)) else { continue }
                for members in subjects.members(of: view) {
                    let population = populations[members] ?? subjects.population(members, session)
                    populations[members] = population
                    guard population.isLargeEnough else { continue }
                    works += (0..<attack.networks).map { network in
                        let training = AuditTraining(
                            view: view, members: members, attack: attack.name, network: network)
                        return Work(
                            training: training, attack: attack, table: table, population: population,
                            key: key(of: training, attack, population))
                    }
                }
            }
        }
        return works
    }

    /// A hash of everything that the answers depend on.
    private func key(of training: AuditTraining, _ attack: any TrainedAttack, _ population: Population) -> String {
        let learnt = population.calibration.map { "\($0)\(population.isMember[$0] ? "+" : "-")" }.joined()
        return hexadecimalSHA256(
            "network 1 | \(subjects.views[training.view].hash) | \(attack.title) \(attack.measurement.key) "
                + "| \(session.catalogue.hash) | \(session.job.seed) | \(subjects.choice.items) | \(learnt) | \(training.network)"
        )
    }

    /// Rank 0's table on every rank; nil if it has none. Collective.
    private func shared(_ table: MeasurementTable?) throws -> MeasurementTable? {
        let world = session.world
        let shape = try world.onRoot { table.map { [$0.count, $0.width] } ?? [] }
        guard let count = shape.first, let width = shape.last else { return nil }
        let values = try world.broadcast(table.map { bytes(of: $0.values) } ?? [], root: 0)
        return MeasurementTable(count: count, width: width, values: floats(in: values))
    }
}

extension AuditSubjects {
    /// What figures of a view are made for: all members, and for one of several teachers its own part and the others.
    func members(of view: Int) -> [AuditedMembers] {
        guard let part = views[view].part else { return [.all] }
        return [.all, .part(part), .otherParts(part)]
    }

    /// The attacked images, of which some members count.
    func population(_ members: AuditedMembers, _ session: Session, shadows: [ShadowModel] = []) -> Population {
        choice.population(
            of: session.catalogue, seed: session.job.seed, shadows: shadows, where: members.contains)
    }
}
