import Communication
import CommunicationConformance

/// A verdict of no.
struct SuiteFailure: Error, CustomStringConvertible {
    let description: String
}

/// Runs all checks on all ranks, once as they are and once with messages cut after 1,000 elements.
func runSuite(on world: MPICommunicator) throws {
    let verdicts = try world.duplicate(name: "verdicts")
    let cutting = try world.duplicate(name: "cut", largestCount: 1000)
    for communicator in [world, cutting] {
        for check in ConformanceCheck.all where check.minimumRanks <= world.size {
            try agree(on: check, communicator, verdicts: verdicts)
        }
    }
    try cutting.finalize()
    try verdicts.finalize()
    if world.rank == 0 {
        let count = ConformanceCheck.all.count { $0.minimumRanks <= world.size }
        print("\(count) checks hold on \(world.size) ranks, with messages whole and cut")
    }
}

/// Runs one check, and fails on every rank if it fails on any.
private func agree(on check: ConformanceCheck, _ communicator: MPICommunicator, verdicts: any Communicator) throws {
    var failure = ""
    do {
        try check.run(communicator)
    } catch {
        failure = "rank \(communicator.rank)/\(communicator.size) of \(communicator.name): \(check.name): \(error)"
        // Said at once: the other ranks may be waiting for this one until the time limit.
        complain(failure)
    }
    let bad = try verdicts.allGather(Array(failure.utf8)).indices(where: { !$0.isEmpty })
    if !bad.isEmpty {
        throw SuiteFailure(
            description: "\(check.name): failed on \(bad.ranges.map { "\($0)" }.joined(separator: ", "))")
    }
}

/// One rank fails while the others wait for it: the whole job must end at once.
func failAlone(on world: MPICommunicator, rank: Int, code: Int32) throws {
    if world.rank == rank {
        try world.abort(code: code, reason: "loss of teacher-0 is nan at step 12", report: complain)
    }
    while true { try world.barrier() }
}
