import Datasets
import Tensor
import Testing

@Suite struct DisjointSplitTests {
    private func split(
        _ catalogue: Catalogue, members: Int = 2_000, heldOut: Int = 2_000, parts: Int = 2, balance: Balance = .label,
        near: NearDuplicates = .together, seed: UInt64 = 7
    ) throws -> DisjointSplit {
        try DisjointSplit.make(
            catalogue: catalogue, members: members, heldOut: heldOut, parts: parts, balance: balance,
            nearDuplicates: near, seed: seed)
    }

    private func labelCounts(_ images: [Int], _ catalogue: Catalogue) throws -> [Int] {
        let labels = try #require(catalogue.labels)
        return images.reduce(into: Array(repeating: 0, count: 10)) { $0[labels[$1]] += 1 }
    }

    @Test(arguments: [(2_000, 2_000, 2), (10_000, 0, 2), (5_000, 5_000, 3), (9_999, 1, 7), (10, 10, 10), (333, 0, 1)])
    func partsAreDisjointCompleteAndBalanced(_ members: Int, _ heldOut: Int, _ parts: Int) throws {
        let catalogue = try Fashion.testCatalogue()
        let split = try split(catalogue, members: members, heldOut: heldOut, parts: parts)
        let all = split.parts.flatMap { $0 } + split.heldOut
        #expect(Set(all).count == all.count)
        #expect(all.allSatisfy { (0..<catalogue.count).contains($0) })
        #expect(split.members.count == members)
        #expect(split.heldOut.count == heldOut)
        #expect(split.parts.count == parts)
        let sizes = split.parts.map(\.count)
        #expect(sizes.max()! - sizes.min()! <= 1, "\(sizes)")
        let counts = try split.parts.map { try labelCounts($0, catalogue) }
        for label in 0..<10 {
            let ofLabel = counts.map { $0[label] }
            #expect(ofLabel.max()! - ofLabel.min()! <= 1, "label \(label): \(ofLabel)")
        }
        #expect(split.report.labelCounts == counts)
        #expect(split.report.sizes == sizes)
        for images in split.parts + [split.heldOut] { #expect(images == images.sorted()) }
    }

    @Test func duplicateGroupsNeverStraddle() throws {
        // Every image of a small set five times: equal, brighter, with one pixel changed.
        let images = try Fashion.testCatalogue().images.subset(Array(0..<400))
        var pixels: [UInt8] = []
        for copy in 0..<5 {
            for index in 0..<400 {
                var image = Array(images.pixels[images.range(of: index)])
                if copy == 3 { image = image.map { UInt8(min(Int($0) + 1, 255)) } }
                if copy == 4 { image[300] ^= 0x80 }
                pixels += image
            }
        }
        let catalogue = try Catalogue(
            name: "five", images: ImageSet(count: 2_000, channels: 1, height: 28, width: 28, pixels: pixels),
            labels: (0..<2_000).map { try Fashion.testCatalogue().labels![$0 % 400] }, classCount: 10)
        for seed in 0..<5 as Range<UInt64> {
            let split = try split(catalogue, members: 1_000, heldOut: 500, parts: 3, seed: seed)
            var side = Array(repeating: -1, count: 2_000)
            for (part, images) in split.parts.enumerated() { for image in images { side[image] = part } }
            for image in split.heldOut { side[image] = 99 }
            let straddling = (400..<2_000).filter { side[$0] != side[$0 % 400] }
            #expect(straddling.isEmpty, "seed \(seed)")
            #expect(split.members.count == 1_000)
            #expect(split.heldOut.count == 500)
            let sizes = split.parts.map(\.count)
            #expect(sizes.max()! - sizes.min()! <= 10, "\(sizes)")
        }
    }

    @Test func seedAloneDecides() throws {
        let catalogue = try Fashion.testCatalogue()
        let first = try split(catalogue, seed: 7)
        #expect(try split(catalogue, seed: 7) == first)
        let other = try split(catalogue, seed: 8)
        #expect(other.parts != first.parts)
        // Two random halves of 4,000 in 10,000 images share about 400 members.
        let shared = Set(first.members).intersection(other.members).count
        #expect((300..<500).contains(shared), "\(shared)")
    }

    @Test func orderOfGroupsDoesNotMatter() throws {
        var groups = (0..<300).map { [$0] }
        groups += (0..<50).map { [300 + 3 * $0, 301 + 3 * $0, 302 + 3 * $0] }
        let labels = (0..<450).map { $0 % 7 }
        let permuted = RandomSource(seed: 1, purpose: .testing).permutation(of: groups.count, step: 0)
            .map { Array(groups[$0].reversed()) }
        let first = try Selection(groups: groups, name: "set", members: 200, heldOut: 100, seed: 3)
        let second = try Selection(groups: permuted, name: "set", members: 200, heldOut: 100, seed: 3)
        #expect(first.heldOut == second.heldOut)
        #expect(Set(first.members.map { $0.sorted() }) == Set(second.members.map { $0.sorted() }))
        let one = PartAssignment(groups: groups, parts: 3, labels: labels, classCount: 7, seed: 3)
        let two = PartAssignment(groups: permuted, parts: 3, labels: labels, classCount: 7, seed: 3)
        #expect(one.parts == two.parts)
    }

    @Test func singleImagesMakeUpForUnevenGroups() {
        // One group of six of label 0, and single images enough to level it out.
        let groups = [[0, 1, 2, 3, 4, 5]] + (6..<30).map { [$0] }
        let labels = (0..<30).map { $0 < 14 ? 0 : 1 }
        let parts = PartAssignment(groups: groups, parts: 2, labels: labels, classCount: 2, seed: 5).parts
        #expect(parts.map(\.count) == [15, 15])
        #expect(parts.map { $0.count { labels[$0] == 0 } } == [7, 7])
        // Where one label cannot be levelled, the other makes up for the size.
        let uneven = PartAssignment(
            groups: [[0, 1, 2]] + (3..<12).map { [$0] }, parts: 2, labels: (0..<12).map { $0 < 3 ? 0 : 1 },
            classCount: 2, seed: 5
        ).parts
        #expect(uneven.map { $0.count { $0 >= 3 } }.sorted() == [4, 5])
        #expect(uneven.map(\.count).sorted() == [5, 7])
    }

    @Test func whichPartGetsMoreIsRandom() throws {
        let catalogue = try Fashion.testCatalogue()
        let larger = try (0..<20 as Range<UInt64>).map { seed in
            try split(catalogue, members: 101, heldOut: 0, near: .ignore, seed: seed).parts[0].count
        }
        #expect(Set(larger) == [50, 51])
    }

    @Test func withoutBalanceOnlySizesAreEven() throws {
        let catalogue = try Fashion.testCatalogue()
        let unlabelled = try Catalogue(name: "no labels", images: catalogue.images.subset(Array(0..<1_000)))
        let split = try split(unlabelled, members: 701, heldOut: 299, parts: 3, balance: .none)
        #expect(split.parts.map(\.count).sorted() == [233, 234, 234])
        expectError(.missingLabels, naming: ["no labels", "balance: none"]) {
            try self.split(unlabelled, members: 700, heldOut: 300)
        }
    }

    @Test func impossibleNumbersAreRefused() throws {
        let catalogue = try Fashion.testCatalogue()
        expectError(.notEnoughImages, naming: ["10000", "found 10001", "held_out"]) {
            try split(catalogue, members: 8_001, heldOut: 2_000)
        }
        expectError(.notEnoughImages, naming: ["cannot choose 0 members"]) { try split(catalogue, members: 0) }
        expectError(.notEnoughImages, naming: ["would be empty"]) { try split(catalogue, members: 2, parts: 3) }
        // Pairs only: an odd number cannot be had in whole groups.
        expectError(.notEnoughImages, naming: ["members", "expected 3", "found 2", "Set members to 2"]) {
            try Selection(groups: [[0, 1], [2, 3], [4, 5]], name: "pairs", members: 3, heldOut: 0, seed: 1)
        }
    }

    @Test func reportIsATable() throws {
        let report = try split(Fashion.testCatalogue()).report
        let lines = report.description.split(separator: "\n").map(String.init)
        #expect(lines[0] == "t10k-images-idx3-ubyte: 10000 images, 2000 members in 2 parts, 2000 held out")
        #expect(lines[1].contains("label 9"))
        #expect(lines[2].hasPrefix("part 0      1000 "))
        #expect(lines[4].hasPrefix("held out    2000 "))
        #expect(Set(lines[1...4].map(\.count)).count == 1)
        #expect(lines[5].contains("near groups"))
        #expect(report.largestLabelDifference <= 1)
    }
}
