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
}
