import Communication
import Diffusion
import Foundation
import Jobs
import Privacy
import Synchronization
import Testing
import Worker

/// Audits of small runs on threads.
@Suite struct AuditTests {
    private static let request = AuditRequest(
        attacks: ["aggregation", "secmi", "sima", "pia", "gan-leaks"], imagesPerSide: 24, samples: 4)

    func job(_ workshop: Workshop, _ defence: Defence, seed: UInt64 = 7) -> Job {
        workshop.job {
            $0.seed = seed
            $0.defence = defence
            $0.data.members = 36
            $0.data.heldOut = 28
            $0.model.dropout = 0
            $0.model.attention = [false, false]
            $0.model.channels = [16, 16]
            $0.diffusion.timesteps = 40
            for options in [\Job.teach, \Job.distill] {
                $0[keyPath: options].steps = 2
                $0[keyPath: options].decaySteps = 1
            }
        }
    }

    func train(_ directory: RunDirectory) throws {
        _ = try onRanks(2) { world in
            try TrainingRun(session: Session(world: world, directory: directory)).walk().exit
        }
    }

    func audit(_ directory: RunDirectory, ranks: Int, _ request: AuditRequest = request) throws -> Data {
        let ends = try onRanks(ranks) { world in
            try Session(world: world, directory: directory, purpose: .reading).audit(request)
        }
        #expect(ends == Array(repeating: .reported, count: ranks))
        return try Data(contentsOf: URL(fileURLWithPath: directory.auditReport))
    }

    func forget(_ directory: RunDirectory) throws {
        try FileManager.default.removeItem(atPath: directory.audit)
    }

    /// Every attack, on one and on three ranks, which share out two batches.
    @Test(arguments: [Defence.undefended, .distillMD])
    func theReportIsTheSameOnEveryNumberOfRanks(defence: Defence) throws {
        let workshop = try Workshop(images: 256)
        let directory = try workshop.run("run", job(workshop, defence))
        let shadows = try [8, 9, 10].map { try workshop.run("shadow-\($0)", job(workshop, .undefended, seed: $0)) }
        for run in [directory] + shadows { try train(run) }
        let everything = AuditRequest(imagesPerSide: 12, samples: 4, shadows: shadows.map(\.path))
        let first = try audit(directory, ranks: 1, everything)
        for run in [directory] + shadows { try forget(run) }
        #expect(try audit(directory, ranks: 3, everything) == first)
        try forget(directory)
        #expect(try audit(directory, ranks: 1, everything) == first, "what shadows answered is used again")
        let report = try JSONDecoder().decode(AuditReport.self, from: first)
        #expect(report.releases.map(\.name) == ["workshop"])
        let names = Set(report.releases[0].attacks.map(\.name))
        let expected = Set(AttackCatalogue.all.map(\.name)).subtracting(defence == .distillMD ? [] : ["neighbours"])
        #expect(names == expected)
        #expect(report.releases[0].attacks.allSatisfy { $0.members == 6 && $0.heldOut == 6 })
    }

    @Test func aDualRunIsAttackedThroughItsSamplerAndByWhoHoldsItsModels() throws {
        let workshop = try Workshop(images: 256)
        let directory = try workshop.run("run", job(workshop, .dualMD))
        let shadow = try workshop.run("shadow", job(workshop, .undefended, seed: 8))
        for run in [directory, shadow] { try train(run) }
        let request = AuditRequest(
            attacks: ["pia", "rediffuse", "gsa1-calibrated", "gsa1", "lira", "gan-leaks", "quantile"],
            imagesPerSide: 24,
            samples: 4, shadows: [shadow.path])
        let report = try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 2, request))
        #expect(
            report.releases.map(\.name) == [
                "workshop", "workshop, members of part 0", "workshop, members of part 1",
                "workshop teacher-0, own part", "workshop teacher-0, other parts",
                "workshop teacher-1, own part", "workshop teacher-1, other parts",
            ])
        let attacks = report.releases[0].attacks
        #expect(
            attacks.map(\.name) == [
                "quantile-mix", "rediffuse", "pia-mix", "lira-mix", "gan-leaks", "quantile-joined", "rediffuse-joined",
                "pia-joined", "gsa1-joined", "gsa1-calibrated-joined", "lira-joined",
            ])
        for (name, access) in [
            ("rediffuse", AttackAccess.sampling), ("gan-leaks", .sampling), ("pia-mix", .predictions),
            ("lira-mix", .training), ("rediffuse-joined", .predictions), ("pia-joined", .predictions),
            ("gsa1-joined", .training), ("gsa1-calibrated-joined", .weights), ("lira-joined", .training),
        ] {
            #expect(attacks.first { $0.name == name }?.access == access, "\(name)")
        }
        #expect(attacks.first { $0.name == "pia-joined" }?.evaluationsPerImage == 4)
        // The release against the members of each part alone: the test half's members are dealt out, and all attacks are there.
        let parts = report.releases[1...2]
        #expect(parts.allSatisfy { $0.attacks.map(\.name) == attacks.map(\.name) && $0.partOf == "workshop" })
        #expect(parts.reduce(0) { $0 + $1.attacks[0].members } == attacks[0].members)
        let mixed = try (parts + report.releases.prefix(1)).map { release in
            try #require(release.attacks.first { $0.name == "pia-mix" })
        }
        #expect(mixed.allSatisfy { $0.heldOut == 12 } && mixed[2].members == 12)
        if mixed[0].settings == mixed[2].settings && mixed[1].settings == mixed[2].settings {
            #expect((mixed[0].memberScores + mixed[1].memberScores).sorted() == mixed[2].memberScores)
        }
    }

    @Test func anAuditThatWasStoppedOrDamagedGoesOnToTheSameReport() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", job(workshop, .undefended))
        try train(directory)
        let whole = try audit(directory, ranks: 1)
        try forget(directory)
        let asked = Counter()
        let ends = try onRanks(2) { world in
            try Session(
                world: world, directory: directory, purpose: .reading,
                isStopRequested: { asked.next() > 4 }
            ).audit(AuditTests.request)
        }
        #expect(ends == [.stopped, .stopped])
        #expect(!FileManager.default.fileExists(atPath: directory.auditReport))
        let scores = directory.audit + "/scores"
        let kept = try FileManager.default.contentsOfDirectory(atPath: scores).sorted()
        #expect(!kept.isEmpty)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(scores)/\(kept[0])"))
        bytes[bytes.count / 3] ^= 4
        try bytes.write(to: URL(fileURLWithPath: "\(scores)/\(kept[0])"))
        #expect(try audit(directory, ranks: 2) == whole)
    }

    /// Fails when what was trained is lost, or given to another network.
    @Test func anAuditThatWasStoppedInTrainingGoesOnToTheSameReport() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", job(workshop, .undefended))
        try train(directory)
        let request = AuditRequest(attacks: ["secmi-nns", "quantile"], imagesPerSide: 24, samples: 4)
        let whole = try audit(directory, ranks: 1, request)
        let scores = directory.audit + "/scores"
        let files = { try FileManager.default.contentsOfDirectory(atPath: scores).count }
        let all = try files()
        try forget(directory)
        let asked = Counter()
        let ends = try onRanks(2) { world in
            try Session(
                world: world, directory: directory, purpose: .reading, isStopRequested: { asked.next() > 7 }
            ).audit(request)
        }
        #expect(ends == [.stopped, .stopped])
        // One file of measurements, and the networks that were trained before.
        #expect(try files() > 1 && files() < all)
        #expect(try audit(directory, ranks: 2, request) == whole)
        #expect(try files() == all && all == 9)
        let report = try JSONDecoder().decode(AuditReport.self, from: whole)
        #expect(report.releases[0].attacks.map(\.name) == ["secmi-nns", "quantile"])
    }

    @Test func aBudgetOfEvaluationsLeavesOutWhatItDoesNotReach() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", job(workshop, .undefended))
        try train(directory)
        let request = AuditRequest(
            attacks: ["dime", "pia", "sima"], imagesPerSide: 24, budget: .evaluations(48 * 20), samples: 8)
        let report = try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 1, request))
        #expect(!report.releases[0].attacks.contains { $0.name == "dime" })
        #expect(report.releases[0].attacks.contains { $0.name == "pia" })
        #expect(report.protocolNotes.contains { $0.contains("dime") })
    }

    /// Fails when the minutes are not heeded, or what they leave out is not named or not made up for by the next audit.
    @Test func aBudgetOfMinutesNamesWhatItLeavesOut() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", job(workshop, .undefended))
        try train(directory)
        let request = AuditRequest(attacks: ["pia", "secmi-nns"], imagesPerSide: 24, budget: .minutes(0), samples: 4)
        let report = try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 2, request))
        #expect(report.releases[0].attacks.isEmpty)
        let notes = report.protocolNotes.filter { $0.hasPrefix("Left out, because the time was over") }
        #expect(
            notes.count == 1 && notes[0].contains("baseline: secmi") && notes[0].contains("baseline: pia"), "\(notes)")
        let whole = AuditRequest(attacks: ["pia"], imagesPerSide: 24, budget: .minutes(60), samples: 4)
        let next = try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 2, whole))
        #expect(next.releases[0].attacks.map(\.name) == ["pia"])
        #expect(!next.protocolNotes.contains { $0.contains("the time was over") })
    }

    /// The whole way from training to report: a network that was shown few images many hundred times betrays them, and the
    /// same one that has hardly begun does not.
    @Test func aRunThatHasMemorisedItsImagesIsFoundAndAnUntrainedOneIsNot() throws {
        let workshop = try Workshop(images: 256)
        func run(_ name: String, steps: Int, learningRate: Double, seed: UInt64 = 7) throws -> RunDirectory {
            var planted = job(workshop, .undefended, seed: seed)
            planted.data.members = 24
            planted.teach.steps = steps
            planted.teach.imagesPerLane = 4
            planted.teach.learningRate = learningRate
            planted.teach.warmupSteps = 1
            planted.teach.emaDecay = 0.99
            planted.teach.horizontalFlip = false
            planted.checkpoint.everySteps = steps
            let directory = try workshop.run(name, planted)
            try train(directory)
            return directory
        }
        func attacks(_ directory: RunDirectory, shadows: [RunDirectory] = []) throws -> [AttackFigures] {
            let names =
                ["dime", "pia", "loss", "secmi", "sima", "gsa1-calibrated", "gsa2-calibrated"]
                + (shadows.isEmpty ? [] : ["gsa1", "gsa2", "lira", "secmi-lira", "pia-lira"])
            let request = AuditRequest(attacks: names, samples: 4, shadows: shadows.map(\.path))
            let report = try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 2, request))
            #expect(Set(report.releases[0].attacks.map(\.name)) == Set(names))
            return report.releases[0].attacks
        }
        for attack in try attacks(run("memorised", steps: 2000, learningRate: 2e-3)) {
            #expect(attack.auc >= 0.95 && attack.aucInterval[0] > 0.5, "\(attack.name): \(attack.auc)")
        }
        let untrained = try [7, 8, 9].map { try run("untrained-\($0)", steps: 1, learningRate: 1e-9, seed: $0) }
        let all = try attacks(untrained[0], shadows: Array(untrained.dropFirst()))
        // The intervals of all attacks together hold 0.5 in 95 % of cases (Bonferroni).
        let factor = Verdict.widening(of: all.count)
        let beside = all.filter { attack in
            attack.auc - factor * (attack.auc - attack.aucInterval[0]) > 0.5
                || attack.auc + factor * (attack.aucInterval[1] - attack.auc) < 0.5
        }
        #expect(beside.isEmpty, "\(beside.map { "\($0.name) \($0.aucInterval)" })")
    }

    /// Fails when a run that tells nothing about the audited one, or was trained on its images, is taken for a shadow.
    @Test func whatIsNoShadowIsRefused() throws {
        let workshop = try Workshop(images: 256)
        let directory = try workshop.run("run", job(workshop, .undefended))
        let same = try workshop.run("same", job(workshop, .undefended))
        let dual = try workshop.run("dual", job(workshop, .dualMD, seed: 8))
        var other = job(workshop, .undefended, seed: 9)
        other.model.channels = [16, 32]
        other.diffusion.betaSchedule = .cosine
        let unlike = try workshop.run("unlike", other)
        let untrained = try workshop.run("untrained", job(workshop, .undefended, seed: 10))
        for run in [directory, same, dual, unlike] { try train(run) }
        func message(_ shadow: RunDirectory?, _ attacks: [String] = ["gsa1"]) throws -> String {
            let error = errorThrown {
                _ = try onRanks(2) { world in
                    try Session(world: world, directory: directory, purpose: .reading)
                        .audit(AuditRequest(attacks: attacks, shadows: shadow.map { [$0.path] } ?? []))
                }
            }
            return "\(try #require(error))"
        }
        #expect(try message(same).contains("it was trained on 28 of the 28 attacked members. Give shadows other seeds"))
        #expect(try message(dual).contains("it has several models as its release. Train shadows"))
        #expect(try message(unlike).contains("it has another network and another forward process."))
        #expect(try message(untrained).contains("no split.h5 yet"))
        #expect(try message(nil).contains("the attack gsa1 needs shadow models"))
        #expect(try message(nil, ["pia", "pia-lira"]).contains("the attack pia-lira needs shadow models"))
    }

    /// Fails when a shadow reads again what the audited run has read, or takes its images for those of another file.
    @Test func theDataSetIsReadOnceForTheRunAndItsShadows() throws {
        let workshop = try Workshop(images: 256)
        let elsewhere = try Workshop(images: 256)
        let directory = try workshop.run("run", job(workshop, .undefended))
        let shadows = try [8, 9].map { try workshop.run("shadow-\($0)", job(workshop, .undefended, seed: $0)) }
        let copied = try elsewhere.run("copied", job(elsewhere, .undefended, seed: 10))
        for run in [directory, copied] + shadows { try train(run) }
        try elsewhere.writeImages(count: 256, stream: 1)
        let other = try elsewhere.run("other", job(elsewhere, .undefended, seed: 11))
        try train(other)
        func audit(_ shadows: [RunDirectory]) throws -> [AuditEnd] {
            let request = AuditRequest(
                attacks: ["pia-lira"], imagesPerSide: 12, samples: 4, shadows: shadows.map(\.path))
            return try onRanks(2) { world in
                // Every rank has read the images when this returns.
                let session = try Session(world: world, directory: directory, purpose: .reading)
                try world.onRoot { try workshop.hideImages() }
                return try session.audit(request)
            }
        }
        #expect(try audit(shadows) == [.reported, .reported])
        try workshop.writeImages(count: 256)
        let foreign = try #require(errorThrown { _ = try audit([other]) })
        #expect("\(foreign)".contains("it has other data."), "\(foreign)")
        // The same images in another file, which is read.
        try workshop.writeImages(count: 256)
        try elsewhere.writeImages(count: 256)
        #expect(try audit(shadows + [copied]) == [.reported, .reported])
    }

    @Test func whatThereIsNotIsAnError() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", job(workshop, .undefended))
        #expect(throws: DiptychFailure.self) {
            _ = try onRanks(1) { world in
                try Session(world: world, directory: directory, purpose: .reading).audit(AuditTests.request)
            }
        }
        try train(directory)
        let error = errorThrown {
            _ = try onRanks(1) { world in
                try Session(world: world, directory: directory, purpose: .reading)
                    .audit(AuditRequest(attacks: ["pja"]))
            }
        }
        #expect((error as? DiptychFailure)?.code == .usage)
        #expect("\(try #require(error))".contains("pja"))
    }
}

/// Counts over all threads.
private final class Counter: Sendable {
    private let count = Atomic(0)
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
