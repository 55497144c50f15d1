import Datasets
import Privacy
import Tensor
import Testing

@Suite struct AuditProtocolTests {
    /// 80 random images of 9 x 9, but for image 70, which is image 3 again, and 71, which is image 5 a little brighter.
    private func catalogue() throws -> Catalogue {
        let source = RandomSource(seed: 21, purpose: .testing)
        var images = (0..<80).map { item in
            source.uniform(count: 81, step: 0, item: item).map { UInt8(20 + 200 * $0) }
        }
        images[70] = images[3]
        images[71] = images[5].map { $0 + 2 }
        return try Catalogue(
            name: "test", images: ImageSet(count: 80, channels: 1, height: 9, width: 9, pixels: images.flatMap { $0 }))
    }

    private func choose(_ imagesPerSide: Int?, seed: UInt64 = 7) throws -> AuditProtocol {
        try AuditProtocol(
            catalogue: catalogue(), parts: [Array(0..<20), Array(20..<40)], heldOut: Array(50..<80),
            imagesPerSide: imagesPerSide, seed: seed)
    }

    @Test func duplicatesAcrossTheSidesAreCountedAndLeftOut() throws {
        let choice = try choose(nil)
        #expect(choice.duplicates.exactPairs == 1)
        #expect(choice.duplicates.nearPairs == 1)
        #expect(choice.duplicates.images == [3, 5, 70, 71])
        #expect(choice.imagesPerSide == 28)
        #expect(Set(choice.items).isDisjoint(with: [3, 5, 70, 71]))
    }

    @Test func sidesAndHalvesAreEqualAndAddressed() throws {
        let choice = try choose(10)
        #expect(choice.items.count == 20 && Set(choice.items).count == 20)
        for (row, item) in choice.items.enumerated() {
            #expect(choice.isMember[row] == (item < 40))
            #expect(choice.parts[row] == (item < 20 ? 0 : item < 40 ? 1 : nil))
        }
        let population = try choice.population(of: catalogue(), seed: 7)
        for rows in [population.calibration, population.test] {
            #expect(rows.count == 10 && rows.count { population.isMember[$0] } == 5)
        }
        let again = try choose(10)
        #expect(choice.items == again.items)
        let other = try choose(10, seed: 8)
        #expect(choice.items != other.items)
    }

    @Test func onePartsMembersStandAgainstAllHeldOutImages() throws {
        let choice = try choose(20)
        let own = try choice.population(of: catalogue(), seed: 7) { $0 == 1 }
        let rows = own.calibration + own.test
        #expect(rows.count { !own.isMember[$0] } == 20)
        #expect(rows.allSatisfy { choice.parts[$0] != 0 })
        #expect(rows.contains { choice.parts[$0] == 1 })
    }

    @Test func tooFewImagesAreAnError() throws {
        #expect(throws: AuditProtocol.TooFewImages.self) { try choose(3) }
    }

    /// Images of both sides in turn, of which the first half calibrates.
    private func population(_ count: Int) -> Population {
        Population(
            isMember: (0..<count).map { $0 % 2 == 0 }, calibration: Array(0..<count / 2),
            test: Array(count / 2..<count), images: [], shape: [1, 1, 1], seed: 1)
    }

    /// Fails when a setting is chosen on the images that it is reported for, or the optimistic figure is not the best there.
    @Test func settingsAreChosenOnOneHalfAndReportedOnTheOther() throws {
        let count = 400
        let population = population(count)
        let noise = RandomSource(seed: 22, purpose: .testing).normal(count: count, step: 0, item: 0)
        // Each tells members from others in one half only.
        func setting(_ name: String, _ rows: Range<Int>, evaluations: Double) -> ScoredSetting {
            ScoredSetting(
                settings: ["knows": name], evaluations: evaluations,
                scores: (0..<count).map {
                    Double(noise[$0]) + (population.isMember[$0] && rows.contains($0) ? 5 - evaluations * 1.5 : 0)
                })
        }
        let settings = [
            setting("test", count / 2..<count, evaluations: 1), setting("calibration", 0..<count / 2, evaluations: 2),
        ]
        let figures = try AttackEvaluation.figures(
            .init(name: "half", title: "", access: .predictions, settings: settings), population)
        #expect(figures.settings == ["knows": "calibration"] && figures.evaluationsPerImage == 2)
        #expect(abs(figures.auc - 0.5) < 0.1 && figures.members == 100 && figures.heldOut == 100)
        #expect(try #require(figures.optimisticAUC) > 0.99)
        let alone = try AttackEvaluation.figures(
            .init(name: "half", title: "", access: .predictions, settings: [settings[1]]), population)
        #expect(alone.auc == figures.auc && alone.optimisticAUC == nil, "nothing was chosen")
    }

    /// Fails when a rate that rests on hardly an image stands there like any other.
    @Test(arguments: [(40, 3), (400, 2), (4_000, 1), (40_000, 0)]) func tooFewImagesForAFigureAreToldWithIt(
        count: Int, warnings: Int
    ) throws {
        let scores = RandomSource(seed: 23, purpose: .testing).normal(count: count, step: 0, item: 0)
        let figures = try AttackEvaluation.figures(
            .init(
                name: "any", title: "", access: .predictions,
                settings: [ScoredSetting(settings: [:], evaluations: 1, scores: scores.map { Double($0) })]),
            population(count))
        #expect(figures.warnings.count == warnings, "\(figures.warnings)")
        if warnings == 2 {
            #expect(
                figures.warnings == [
                    "the TPR at 1 % FPR rests on 1 of 100 held-out images: see its interval",
                    "the TPR at 0.1 % FPR rests on 0 of 100 held-out images: see its interval",
                ])
        }
    }

    /// Fails when a half that is too small for sets is not told from one that is large enough, or the reason is not said.
    @Test func theTestOfSetsSaysWhatItLacks() throws {
        func attack(_ count: Int) -> AttackEvaluation.Scored {
            .init(
                name: "any", title: "", access: .predictions,
                settings: [.init(settings: [:], evaluations: 1, scores: (0..<count).map { Double($0 % 7) })])
        }
        // Halves of 127 and 128 members.
        let reason = try #require(SetLevelTest.obstacle([attack(508)], population(508)))
        #expect(
            reason
                == "8 sets of 16 images need 128 members and as many held-out images in the test half, which has 127 and 127"
        )
        #expect(try SetLevelTest.figures([attack(508)], population(508)) == nil)
        #expect(SetLevelTest.obstacle([attack(512)], population(512)) == nil)
        #expect(try SetLevelTest.figures([attack(512)], population(512))?.members == 8)
    }
}

@Suite struct AttackSelectionTests {
    @Test(arguments: [
        (["pja", "pia"], false, "there is no attack pja; there are dime, "),
        ([String](), false, "no attack is named; there are dime, "),
        (["set-level"], true, "name such an attack, too, as in pia,set-level"),
        (["pia", "gsa2"], false, "the attack gsa2 needs shadow models"),
    ])
    func whatCannotAttackIsRefused(names: [String], hasShadows: Bool, complaint: String) throws {
        do {
            _ = try AttackSelection(names, hasShadows: hasShadows)
            Issue.record("\(names) were taken")
        } catch let error as AttackSelection.Unusable {
            #expect("\(error)".contains(complaint), "\(error)")
        }
    }

    @Test func onlyStudentsHaveNeighbours() throws {
        for (names, isPossible, isExcluded) in [
            (["neighbours"], false, true), (["neighbours", "set-level"], false, true),
            (["neighbours", "pia"], true, true),
            (["pia", "set-level"], true, false),
        ] {
            let selection = try AttackSelection(names, hasShadows: false)
            #expect(selection.canAttack(isDistilled: true) && selection.exclusion(isDistilled: true) == nil)
            #expect(selection.canAttack(isDistilled: false) == isPossible, "\(names)")
            #expect((selection.exclusion(isDistilled: false) != nil) == isExcluded, "\(names)")
        }
        let all = try AttackSelection(nil, hasShadows: false)
        #expect(all.canAttack(isDistilled: false) && all.exclusion(isDistilled: false) == nil, "nobody has named it")
        #expect(all.names.contains("gsa1") && all.names.contains(AttackSelection.sets))
        #expect(try AttackSelection(["lira"], hasShadows: true).names == ["lira"])
    }
}
