import Communication
import Foundation
import Jobs
import Privacy
import Testing
import Worker

// What a report holds whatever is attacked, and what it says of what it does not hold.
extension AuditTests {
    /// Whatever is attacked, and whatever that may cost, quality stands beside it, or why it does not.
    @Test func qualityStandsBesideEveryAttack() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", job(workshop, .undefended))
        try train(directory)
        func audited(_ budget: AuditBudget, samples: Int, _ attacks: [String] = ["pia"]) throws -> AuditReport {
            let request = AuditRequest(attacks: attacks, imagesPerSide: 24, budget: budget, samples: samples)
            return try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 2, request))
        }
        for budget in [AuditBudget.unlimited, .evaluations(1), .minutes(0)] {
            // What was measured for one budget is none of the next one's.
            if budget != .unlimited { try forget(directory) }
            let report = try audited(budget, samples: 8)
            #expect(report.releases[0].quality?.samples == 8, "\(budget)")
            #expect(report.releases[0].attacks.map(\.name) == (budget == .unlimited ? ["pia"] : []), "\(budget)")
            #expect(report.protocolNotes.contains { $0.hasPrefix("Quality is measured in the features of ") })
        }
        let few = try audited(.unlimited, samples: 7)
        #expect(few.releases[0].quality == nil && few.releases[0].attacks.count == 1)
        #expect(
            few.protocolNotes.contains(
                "Quality was not measured: 7 samples are too few, it takes 8: give a larger --samples."))
        // Nor are samples an attack that nobody has asked for.
        let nearest = try audited(.evaluations(1), samples: 8, ["gan-leaks"])
        #expect(nearest.releases[0].attacks.map(\.name) == ["gan-leaks"] && nearest.releases[0].quality != nil)
    }

    @Test func tooFewHeldOutImagesForQualityAreNamed() throws {
        let workshop = try Workshop()
        var small = job(workshop, .undefended)
        small.data.heldOut = 15
        let directory = try workshop.run("run", small)
        try train(directory)
        let request = AuditRequest(attacks: ["pia"], samples: 8)
        let report = try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 1, request))
        #expect(report.releases[0].quality == nil)
        #expect(
            report.protocolNotes.contains {
                $0.hasPrefix(
                    "Quality was not measured: 15 held-out images are too few to compare samples with, it takes 16")
            }, "\(report.protocolNotes)")
    }

    /// What is asked for and cannot be made is an error where nothing is left, and a note where something is.
    @Test func whatCannotBeAttackedIsSaid() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", job(workshop, .undefended))
        try train(directory)
        for (attacks, complaint) in [([String](), "no attack is named"), (["set-level"], "name such an attack, too")] {
            let error = errorThrown {
                _ = try onRanks(1) { world in
                    try Session(world: world, directory: directory, purpose: .reading)
                        .audit(AuditRequest(attacks: attacks))
                }
            }
            let failure = try #require(error as? DiptychFailure)
            #expect(failure.code == .usage && "\(failure)".contains(complaint))
        }
        let request = AuditRequest(attacks: ["neighbours", "sima", "set-level"], imagesPerSide: 24, samples: 4)
        let report = try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 2, request))
        #expect(report.releases[0].attacks.map(\.name) == ["sima"])
        for note in [
            "neighbours was left out: it is an attack on DistillMD, which this run was not trained with.",
            "set-level was left out for workshop: 8 sets of 16 images need 128 members and as many held-out images in the test "
                + "half, which has 12 and 12.",
        ] {
            #expect(report.protocolNotes.contains(note), "\(report.protocolNotes)")
        }
    }

    /// Folders of shadow models hold their seeds, by the recipe of docs/audit.md; and seed and data reveal the split.
    @Test func whatIsPublicNamesNeitherSeedsNorFolders() throws {
        let workshop = try Workshop(images: 256)
        let directory = try workshop.run("run", job(workshop, .undefended, seed: 7_340_033))
        let shadows = try [8_650_753, 8_650_754].map {
            try workshop.run("shadow-\($0)", job(workshop, .undefended, seed: $0))
        }
        for run in [directory] + shadows { try train(run) }
        func audited(_ budget: AuditBudget) throws -> AuditReport {
            let request = AuditRequest(
                attacks: ["pia", "pia-lira"], imagesPerSide: 24, budget: budget, samples: 4,
                shadows: shadows.map(\.path))
            return try JSONDecoder().decode(AuditReport.self, from: audit(directory, ranks: 2, request))
        }
        // The budget reaches the release, and not the shadow models.
        let report = try audited(.evaluations(48 * 9))
        #expect(report.protocolNotes.contains { $0.contains("shadow 1, candidates images: pia, shadow 2, candidates") })
        let shown = try AuditReportWriter(report, audience: .anyone).files()
        for file in shown.filter({ !$0.name.hasSuffix(".png") }) {
            let text = String(decoding: file.bytes, as: UTF8.self)
            for secret in ["7340033", "8650753", "8650754", workshop.path] {
                #expect(!text.contains(secret), "\(file.name) tells \(secret)")
            }
        }
        let entries = Dictionary(uniqueKeysWithValues: report.provenance.map { ($0.name, $0) })
        #expect(entries["weights of shadow 2, SHA-256"]?.isPublic == true)
        #expect(entries["shadow 2"]?.value == "shadow-8650754" && entries["shadow 2"]?.isPublic == false)
        // The owner can prove the seed, and others cannot guess it without the salt.
        let (seed, salt) = (try #require(entries["seed"]), try #require(entries["salt of the seed's hash"]))
        #expect(seed.value == "7340033" && !seed.isPublic && !salt.isPublic)
        let hash = try #require(entries["seed, salted SHA-256"])
        #expect(hash.isPublic && hash.value == hexadecimalSHA256("\(salt.value) 7340033"))
        // Another run has another salt, even with the same seed.
        let other = try workshop.run("other", job(workshop, .distillMD, seed: 7_340_033))
        try train(other)
        let second = try JSONDecoder().decode(
            AuditReport.self,
            from: audit(other, ranks: 1, AuditRequest(attacks: ["pia"], imagesPerSide: 24, samples: 4)))
        #expect(second.provenance.first { $0.name == "salt of the seed's hash" }?.value != salt.value)
    }
}
