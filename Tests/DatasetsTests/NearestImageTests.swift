import Datasets
import Testing

@Suite struct NearestImageTests {
    @Test func distancesAreThoseOfThePlainSum() {
        // Beyond 16,384 values the kernel works in runs.
        for (channels, height, width) in [(1, 1, 1), (3, 5, 7), (1, 130, 130)] {
            let size = channels * height * width
            let images = ImageSet(
                count: 5, channels: channels, height: height, width: width, pixels: randomBytes(5 * size, stream: 1))
            let set = ImageSet(
                count: 9, channels: channels, height: height, width: width, pixels: randomBytes(9 * size, stream: 2))
            let found = NearestImage.find(for: images, in: set)
            for image in 0..<5 {
                let distances = (0..<9).map { candidate in
                    (0..<size).reduce(0) { sum, position in
                        let difference =
                            Int(images.pixels[image * size + position]) - Int(set.pixels[candidate * size + position])
                        return sum + difference * difference
                    }
                }
                #expect(found[image].squaredDistance == distances.min())
                #expect(found[image].index == distances.firstIndex(of: distances.min()!))
                #expect(found[image].distance == Double(distances.min()!).squareRoot())
            }
        }
    }

    @Test func neighboursComeNearestFirstAndEqualOnesInTheOrderOfTheSet() {
        let set = ImageSet(count: 6, channels: 1, height: 1, width: 1, pixels: [9, 4, 6, 5, 4, 200])
        let found = NearestImage.find(
            for: ImageSet(count: 2, channels: 1, height: 1, width: 1, pixels: [5, 255]), in: set, count: 4)
        #expect(found[0].map(\.index) == [3, 1, 2, 4])
        #expect(found[0].map(\.squaredDistance) == [0, 1, 1, 1])
        #expect(found[1].map(\.index) == [5, 0, 2, 3])
    }

    @Test func extremesDoNotOverflow() {
        let size = 200 * 200
        let black = ImageSet(
            count: 1, channels: 1, height: 200, width: 200, pixels: Array(repeating: 0, count: size))
        let white = ImageSet(
            count: 1, channels: 1, height: 200, width: 200, pixels: Array(repeating: 255, count: size))
        #expect(NearestImage.find(for: black, in: white)[0].squaredDistance == size * 65_025)
    }

    @Test func membersFindThemselves() throws {
        let images = try Fashion.testCatalogue().images.subset(Array(0..<300))
        let found = NearestImage.find(for: images.subset([5, 250]), in: images)
        #expect(found.map(\.index) == [5, 250])
        #expect(found.map(\.squaredDistance) == [0, 0])
    }
}
