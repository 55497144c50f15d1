import Checkpoints
import Foundation
import Testing

/// Checkpoints in the hands of the tools that users have.
@Suite struct PythonTests {
    private let shapes: [(String, [Int])] = [
        ("block.0.bias", [520]), ("block.0.weight", [520, 515, 3]), ("block.10.weight", [7, 5, 3, 3]),
        ("block.2.weight", [1025]), ("scale", []),
    ]

    @Test(arguments: [256 << 20, 0]) func h5pyReadsEveryNumber(imageLimit: Int) throws {
        guard let python = ProcessInfo.processInfo.environment["DIPTYCH_PYTHON"] else {
            Issue.record(
                "set DIPTYCH_PYTHON to a Python with numpy, h5py and hdf5plugin; `make test` makes one and sets it")
            return
        }
        try withFolder { folder in
            let store = CheckpointStore(directory: folder, imageLimit: imageLimit, calls: .real)
            try store.save(sample(step: 7, ledger: #"{"noise": "äöü"}"#, entries: entries(shapes)))
            let path = store.path(model: "teacher-0", step: 7)
            let (code, output) = try run(python, ["\(golden)/read_checkpoint.py", path])
            #expect(code == 0, "\(output)")
        }
    }

    @Test func h5dumpListsTheFile() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 7, entries: entries(shapes)))
            let (code, output) = try run("h5dump", ["-H", "-p", store.path(model: "teacher-0", step: 7)])
            #expect(code == 0, "h5dump is in Debian's package hdf5-tools: \(output)")
            for part in [
                #"GROUP "first_moment""#, #"DATASET "block.10.weight""#, "H5T_IEEE_F32LE",
                "SIMPLE { ( 520, 515, 3 ) / ( 520, 515, 3 ) }", "FILTER_ID 32015", #"ATTRIBUTE "ledger""#,
            ] {
                #expect(output.contains(part), "\(part) in \(output)")
            }
        }
    }
}
