import Checkpoints
import Testing

/// Files made by Tests/Golden/hostile_hdf5.py, where `x` should be a float32 dataset of shape [8].
@Suite struct HostileHDF5Tests {
    struct Case: CustomTestStringConvertible {
        let file: String
        let code: HDF5Error.Code
        let says: String
        var shape = [8]
        var testDescription: String { file }
    }

    static let cases: [Case] = [
        Case(file: "soft-link", code: .refused, says: "not a hard link"),
        Case(file: "soft-link-loop", code: .refused, says: "not a hard link"),
        Case(file: "external-link", code: .refused, says: "not a hard link"),
        Case(file: "group-instead", code: .refused, says: "not a dataset"),
        Case(file: "named-type", code: .refused, says: "not a dataset"),
        Case(file: "missing", code: .library, says: "is missing"),
        Case(file: "double", code: .refused, says: "element type"),
        Case(file: "big-endian", code: .refused, says: "element type"),
        Case(file: "compound", code: .refused, says: "element type"),
        Case(file: "variable-length", code: .refused, says: "element type"),
        Case(file: "text", code: .refused, says: "element type"),
        Case(file: "no-space", code: .refused, says: "no usable shape"),
        Case(file: "other-shape", code: .mismatch, says: "found float32 of shape [2, 4]"),
        Case(file: "huge-contiguous", code: .mismatch, says: "expected float32 of shape [8]"),
        Case(file: "huge-chunked", code: .mismatch, says: "expected float32 of shape [8]"),
        Case(file: "beyond-integers", code: .mismatch, says: "expected float32 of shape [8]"),
        Case(file: "huge-chunk", code: .refused, says: "chunks of more than"),
        Case(file: "unallocated-contiguous", code: .refused, says: "holds 0 bytes instead of 32"),
        Case(file: "unallocated-chunks", code: .refused, says: "holds 0 chunks"),
        Case(file: "external-storage", code: .refused, says: "a header that cannot be followed"),
        Case(file: "virtual", code: .refused, says: "a header that cannot be followed"),
        Case(file: "gzip", code: .refused, says: "filters [1]"),
        Case(file: "unknown-filter", code: .refused, says: "filters [32026]"),
        Case(file: "bomb", code: .library, says: "does not hold the 32 bytes"),
        Case(file: "too-short", code: .library, says: "does not hold the 32 bytes"),
        Case(file: "size-lie", code: .library, says: "zstd"),
        Case(file: "no-size", code: .library, says: "does not hold the 32 bytes"),
        Case(file: "cut", code: .library, says: "cut short"),
        Case(file: "followed", code: .library, says: "followed by other bytes"),
        Case(file: "no-frame", code: .library, says: "does not hold the 32 bytes"),
        Case(file: "filter-skipped", code: .refused, says: "skipped the filters"),
        Case(file: "index-lies", code: .refused, says: "claims more bytes than one can have"),
        Case(file: "chunk-beyond-dataset", code: .refused, says: "has chunks of shape [16777216], larger than"),
        Case(file: "chunks-in-a-row", code: .mismatch, says: "found float32 of shape [1152921504606846976]"),
        Case(file: "beyond-file", code: .mismatch, says: "found float32 of shape [274877906944]"),
    ]

    /// libhdf5 looks for the beginning of a file at 0, 512, 1024 and so on. Fails when its addresses are taken for ours.
    @Test func aUserBlockIsRefused() throws {
        let whole = try HDF5File.createInMemory(label: "whole")
        try whole.write([Float](repeating: 1, count: 8), to: "x", shape: [8])
        let image = try whole.image()
        #expect(try HDF5File.open(image: image, label: "whole").read(Float.self, from: "x", shape: [8]).count == 8)
        let error = try #require(throws: HDF5Error.self) {
            try HDF5File.open(image: [UInt8](repeating: 0, count: 512) + image, label: "shifted")
        }
        #expect(error.code == .refused && error.reason.contains("has a user block"), "\(error)")
    }

    @Test(arguments: cases) func strictReaderRefuses(_ hostile: Case) throws {
        let path = "\(golden)/hostile/\(hostile.file).h5"
        let image = try bytes(of: path)
        for onDisk in [false, true] {
            let file = try onDisk ? HDF5File.open(path: path) : HDF5File.open(image: image, label: path)
            let error = try #require(throws: HDF5Error.self) {
                try file.read(Float.self, from: "x", shape: hostile.shape)
            }
            #expect(error.code == hostile.code)
            #expect(error.description.contains(hostile.says), "\(error)")
        }
    }

    @Test func everyFileHasACase() throws {
        let files = try names(in: "\(golden)/hostile").map { $0.replacing(".h5", with: "") }
        #expect(Set(files) == Set(Self.cases.map(\.file) + ["plain", "compressed", "by-hand"]))
    }

    @Test(arguments: ["plain", "compressed", "by-hand"]) func honestFilesOfOthersAreRead(_ name: String) throws {
        let file = try HDF5File.open(path: "\(golden)/hostile/\(name).h5")
        #expect(try file.read(Float.self, from: "x", shape: [8]) == (0..<8).map { Float($0) })
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            ("huge-contiguous", "holds 0 bytes"), ("huge-chunked", "holds 0 chunks"),
            ("chunks-in-a-row", "index of chunks other than"), ("beyond-file", "more than a file of"),
        ])
    func hugeClaimsAllocateNothing(name: String, says: String) throws {
        // Up to 2^60 elements: an attempt to allocate them, or to count their chunks, would not come back.
        let file = try HDF5File.open(path: "\(golden)/hostile/\(name).h5")
        for attempt in [
            { _ = try file.read(Float.self, from: "x", maximumCount: .max) },
            { _ = try file.read(Float.self, from: "x", shape: [name == "beyond-file" ? 1 << 38 : 1 << 60]) },
            { _ = try file.description(of: "x") },
        ] {
            let error = try #require(throws: HDF5Error.self) { try attempt() }
            #expect(error.code == .refused && error.description.contains(says), "\(error)")
        }
    }

    @Test func sizesBeyondIntegersAreRefused() throws {
        let file = try HDF5File.open(path: "\(golden)/hostile/beyond-integers.h5")
        let error = try #require(throws: HDF5Error.self) { try file.description(of: "x") }
        #expect(error.code == .refused && error.description.contains("beyond this machine"))
    }

    /// Fails when memory is taken for parameters that the manifest does not know of.
    @Test func moreParametersThanTheManifestNamesAreRefused() throws {
        let file = try HDF5File.createInMemory(label: "memory")
        try sample(step: 3).write(to: file)
        let image = try file.image()
        #expect(try Checkpoint(from: HDF5File.open(image: image, label: "image"), count: 9).count == 9)
        let error = try #require(throws: HDF5Error.self) {
            try Checkpoint(from: HDF5File.open(image: image, label: "image"), count: 8)
        }
        #expect(error.description.contains("has 9 parameters, and 8 by its manifest"), "\(error)")
    }

    @Test func foreignObjectsInACheckpointAreErrors() throws {
        func reading(_ change: (HDF5File) throws -> Void) throws {
            let file = try HDF5File.createInMemory(label: "memory")
            try sample(step: 3).write(to: file)
            try change(file)
            _ = try Checkpoint(from: HDF5File.open(image: file.image(), label: "image"))
        }
        try reading { _ in }
        let extra: [Float] = [1, 2]
        #expect(throws: HDF5Error.self) { try reading { try $0.createGroup("more") } }
        #expect(throws: HDF5Error.self) { try reading { try $0.createGroup("optimizer/more") } }
        #expect(throws: HDF5Error.self) { try reading { try $0.write(extra, to: "ema/more", shape: [2]) } }
        #expect(throws: HDF5Error.self) { try reading { try $0.write(extra, to: "weights/more", shape: [2]) } }
        #expect(throws: HDF5Error.self) { try reading { try $0.createGroup("weights/more") } }
    }
}
