// Started under mpirun by scripts/test-mpi. Without arguments it runs every conformance check on the MPI communicator,
// and the exit code is the verdict. `abort RANK CODE` lets one rank fail while the others wait for it.
// `bandwidth FLOATS [PIECE]` times the exchange of gradients and weights.
import Communication
import CommunicationConformance
import Foundation

func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
}

let world: MPICommunicator
do {
    world = try MPICommunicator.start()
} catch {
    complain("mpi-tests: \(error)")
    exit(70)
}

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    switch arguments.first {
    case nil: try runSuite(on: world)
    case "abort":
        try failAlone(on: world, rank: Int(arguments[1]) ?? 0, code: Int32(arguments[2]) ?? 1)
    case "bandwidth":
        let numbers = arguments.dropFirst().compactMap { Int($0) }
        try measureBandwidth(on: world, floats: numbers.first ?? 1 << 20, piece: numbers.dropFirst().first)
    case let other: throw SuiteFailure(description: "unknown mode \(other ?? "")")
    }
    try world.finalize()
} catch {
    try world.abort(code: 70, reason: "\(error)", report: complain)
}
