import Checkpoints
import Testing

@Suite struct HDF5FileTests {
    private func fill(_ file: HDF5File) throws {
        try file.write([1, 2, 255] as [UInt8], to: "images/hashes", shape: [3])
        try file.write([-1, .min, .max, 0] as [Int32], to: "part", shape: [2, 2], storage: .contiguous)
        try file.write((0..<5000).map { Int64($0) &* 1_000_000_007 }, to: "images/order", shape: [5, 1000])
        try file.write([-0.0, .greatestFiniteMagnitude] as [Float], to: "values", shape: [2, 1, 1])
        try file.write([7] as [Int64], to: "scalar", shape: [])
        try file.write([Float](), to: "empty", shape: [0, 2])
        try file.write(
            (0..<700_000).map { Float($0 % 977) }, to: "large", shape: [7, 100_000], storage: .compressed(level: 3))
        try file.setAttribute("text", to: "größer: ∞")
        try file.setAttribute("none", to: "")
        try file.setAttribute("number", to: Int64.min, on: "images")
        try file.setAttribute("rate", to: -0.1, on: "images/order")
    }

    private func expectContents(_ file: HDF5File) throws {
        #expect(try file.names(in: "") == ["empty", "images", "large", "part", "scalar", "values"])
        #expect(try file.names(in: "images") == ["hashes", "order"])
        #expect(try file.read(UInt8.self, from: "images/hashes", shape: [3]) == [1, 2, 255])
        #expect(try file.read(Int32.self, from: "part", shape: [2, 2]) == [-1, .min, .max, 0])
        let order = try file.read(Int64.self, from: "images/order", maximumCount: 5000)
        #expect(order.shape == [5, 1000])
        #expect(order.scalars == (0..<5000).map { Int64($0) &* 1_000_000_007 })
        let values = try file.read(Float.self, from: "values", shape: [2, 1, 1])
        #expect(values.map(\.bitPattern) == [Float(-0.0), .greatestFiniteMagnitude].map(\.bitPattern))
        #expect(try file.read(Int64.self, from: "scalar", shape: []) == [7])
        #expect(try file.read(Float.self, from: "empty", shape: [0, 2]).isEmpty)
        var large = [Float](repeating: -1, count: 700_002)
        try file.read(from: "large", shape: [7, 100_000], into: &large, at: 1)
        #expect(large == [-1] + (0..<700_000).map { Float($0 % 977) } + [-1])
        #expect(try file.text("text") == "größer: ∞")
        #expect(try file.text("none") == "")
        #expect(try file.integer("number", on: "images") == .min)
        #expect(try file.double("rate", on: "images/order") == -0.1)
        #expect(try file.contains("images/order"))
        #expect(try !file.contains("images/disorder") && !file.contains("nothing/there"))
    }

    @Test func memoryImageKeepsEverything() throws {
        let file = try HDF5File.createInMemory(label: "memory")
        try fill(file)
        try expectContents(try HDF5File.open(image: file.image(), label: "image"))
    }

    @Test func fileOnDiskKeepsEverything() throws {
        try withFolder { folder in
            let file = try HDF5File.create(at: "\(folder)/a.h5")
            try fill(file)
            try file.close()
            try expectContents(try HDF5File.open(path: "\(folder)/a.h5"))
            #expect(throws: HDF5Error.self) { try HDF5File.create(at: "\(folder)/a.h5") }
        }
    }

    @Test func equalContentsMakeEqualBytes() throws {
        func image() throws -> [UInt8] {
            let file = try HDF5File.createInMemory(label: "memory")
            try fill(file)
            return try file.image()
        }
        let first = try image()
        // Object times would change with the second.
        var now = ContinuousClock.now
        let later = now + .milliseconds(1100)
        while now < later { now = ContinuousClock.now }
        #expect(try image() == first)
    }

    @Test func filesInMemoryAreSeparate() throws {
        let one = try HDF5File.createInMemory(label: "same")
        let two = try HDF5File.createInMemory(label: "same")
        try one.write([1] as [Int32], to: "x", shape: [1])
        try two.write([2] as [Int32], to: "x", shape: [1])
        let (first, second) = (
            try HDF5File.open(image: one.image(), label: "same"), try HDF5File.open(image: two.image(), label: "same")
        )
        #expect(try first.read(Int32.self, from: "x", shape: [1]) == [1])
        #expect(try second.read(Int32.self, from: "x", shape: [1]) == [2])
    }

    @Test func longTextsFit() throws {
        let text = String(repeating: "0123456789", count: 30_000)
        let file = try HDF5File.createInMemory(label: "memory")
        try file.setAttribute("ledger", to: text)
        #expect(try HDF5File.open(image: file.image(), label: "image").text("ledger") == text)
    }

    @Test func otherTypeAndShapeAreErrors() throws {
        let file = try HDF5File.createInMemory(label: "made here")
        try file.write([1, 2, 3, 4] as [Float], to: "group/x", shape: [4])
        try file.setAttribute("step", to: 3 as Int64)
        let type = try #require(throws: HDF5Error.self) { try file.read(Int32.self, from: "group/x", shape: [4]) }
        #expect(type.code == .mismatch)
        #expect(
            type.description
                == "HDF5 file made here, object group/x: expected int32 of shape [4], found float32 of shape [4]")
        let shape = try #require(throws: HDF5Error.self) { try file.read(Float.self, from: "group/x", shape: [2, 2]) }
        #expect(shape.code == .mismatch)
        #expect(throws: HDF5Error.self) { try file.read(Float.self, from: "group/x", maximumCount: 3) }
        #expect(throws: HDF5Error.self) { try file.read(Float.self, from: "group", shape: [4]) }
        #expect(throws: HDF5Error.self) { try file.names(in: "group/x") }
        #expect(throws: HDF5Error.self) { try file.text("step") }
        #expect(throws: HDF5Error.self) { try file.double("step") }
        #expect(throws: HDF5Error.self) { try file.write([1] as [Float], to: "group/x", shape: [1]) }
        for path in ["/x", "group//x", "group/./x", "x/", "a\u{0}b"] {
            #expect(throws: HDF5Error.self, "\(path)") { try file.read(Float.self, from: path, shape: [4]) }
        }
    }

    @Test func errorsCarryWhatHDF5Says() throws {
        let noise = try #require(throws: HDF5Error.self) {
            try HDF5File.open(image: [UInt8](repeating: 7, count: 5000), label: "noise")
        }
        #expect(noise.description.contains("file signature not found"))
        let missing = try #require(throws: HDF5Error.self) { try HDF5File.open(path: "/nowhere/a.h5") }
        #expect(missing.description.contains("No such file or directory"))
    }

    @Test func damagedChunkIsAnError() throws {
        let file = try HDF5File.createInMemory(label: "memory")
        let values = (0..<4096).map { Float($0 &* 2_654_435_761 % 1000) }
        try file.write(values, to: "x", shape: [4096])
        let image = try file.image()
        let frame = try #require(image.firstRange(of: [0x28, 0xb5, 0x2f, 0xfd]))
        var found = 0
        for offset in stride(from: 0, to: 400, by: 7) {
            var copy = image
            copy[frame.lowerBound + offset] ^= 0x10
            let damaged = try HDF5File.open(image: copy, label: "damaged")
            do {
                // One bit of a frame's header is unused: such a change must not matter.
                #expect(try damaged.read(Float.self, from: "x", shape: [4096]) == values)
            } catch let error as HDF5Error {
                found += 1
                #expect(error.reason.contains("zstd"))
            }
        }
        #expect(found >= 55)
    }
}
