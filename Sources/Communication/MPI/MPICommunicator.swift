import COpenMPI
import Foundation
import Glibc

/// Ranks that are processes started by `mpirun` or `srun`.
///
/// MPI is started at level FUNNELED: one thread calls it, the one that called `start`. Errors are returned, not fatal,
/// and thrown with MPI's own text.
public final class MPICommunicator: Communicator {
    /// The name in error messages.
    public let name: String
    /// The rank in this MPI communicator.
    public let rank: Int
    /// The number of processes in this MPI communicator.
    public let size: Int
    /// The name of the host as MPI has it.
    public let host: String

    /// The rank and the number of ranks of the whole job, for reports.
    private let world: (rank: Int, size: Int)
    /// What this was split from; nil for the communicator of all ranks.
    private let parent: MPICommunicator?
    private let owner: pthread_t
    private var log = CollectiveLog()
    private var exchanges = 0
    /// Memory of transfers that were given up while MPI may still use it.
    private var abandoned: [FloatTransfer] = []
    let handle: MPI_Comm
    /// Elements that go into one message: MPI counts in 32 bits, and some transports fail well before that.
    let largestCount: Int
    /// Whether ranks compare notes before every collective: a few microseconds instead of a hang.
    private let comparesCollectives: Bool

    /// Elements of one message unless a test asks for fewer.
    private static let usualLargestCount = 1 << 28

    /// Tags that the standard grants; exchanges far apart may share one.
    private static let tags = 32_767

    /// Starts MPI and returns the communicator of all ranks. Called once in a process, from the thread that will do all
    /// communication.
    ///
    /// - Parameter comparesCollectives: Whether ranks compare the names of collectives before each, so that a mistake
    ///   is an error and not a hang.
    /// - Throws: `CommunicationError` if MPI was started before or offers no thread support.
    public static func start(comparesCollectives: Bool = true) throws -> MPICommunicator {
        func failure(_ reason: String) -> CommunicationError {
            CommunicationError(
                .initialization, operation: "MPI_Init_thread", communicator: "world", rank: 0, size: 1, reason: reason)
        }
        guard !MPICalls.isInitialized() else { throw failure("MPI has been started already") }
        var provided: Int32 = 0
        let code = MPICalls.initialize(provided: &provided)
        guard code == MPI_SUCCESS else { throw failure(MPICalls.text(code)) }
        guard provided >= MPICalls.funneled else {
            throw failure("MPI offers thread level \(provided); FUNNELED (\(MPICalls.funneled)) is needed")
        }
        let world = try MPICommunicator(
            handle: diptych_mpi_comm_world(), name: "world", parent: nil, largestCount: usualLargestCount,
            comparesCollectives: comparesCollectives)
        if let reason = isolation(size: world.size, environment: ProcessInfo.processInfo.environment) {
            throw failure(reason)
        }
        return world
    }

    /// Why a process that MPI takes for the only one is not: a launcher started several that do not know each other.
    ///
    /// Each of them would do the whole job, and all would write into one run directory.
    package static func isolation(size: Int, environment: [String: String]) -> String? {
        guard size == 1, environment["OMPI_COMM_WORLD_SIZE"] == nil else { return nil }
        func count(_ variable: String) -> Int { environment[variable].flatMap { Int($0) } ?? 1 }
        if environment["SLURM_PROCID"] != nil, count("SLURM_STEP_NUM_TASKS") > 1 {
            return "srun started \(count("SLURM_STEP_NUM_TASKS")) processes, but MPI sees each of them alone; "
                + "start them with srun --mpi=pmix, or with mpirun"
        }
        if count("PMI_SIZE") > 1 {
            return "another MPI's launcher started \(count("PMI_SIZE")) processes, but Open MPI sees each of them "
                + "alone; start them with Open MPI's mpirun"
        }
        return nil
    }

    private init(
        handle: MPI_Comm, name: String, parent: MPICommunicator?, largestCount: Int, comparesCollectives: Bool
    ) throws {
        func check(_ operation: String, _ code: Int32) throws {
            guard code == MPI_SUCCESS else {
                throw CommunicationError(
                    .initialization, operation: operation, communicator: name, rank: parent?.rank ?? 0,
                    size: parent?.size ?? 1, reason: MPICalls.text(code))
            }
        }
        var rank: Int32 = 0
        var size: Int32 = 0
        try check("MPI_Comm_set_errhandler", MPICalls.returnErrors(handle))
        try check("MPI_Comm_rank", MPICalls.rank(handle, &rank))
        try check("MPI_Comm_size", MPICalls.size(handle, &size))
        self.handle = handle
        self.name = name
        self.rank = Int(rank)
        self.size = Int(size)
        self.parent = parent
        world = parent?.world ?? (Int(rank), Int(size))
        self.largestCount = largestCount
        self.comparesCollectives = comparesCollectives
        host = MPICalls.processorName() ?? hostName()
        owner = pthread_self()
    }

    /// Waits for the other processes.
    public func barrier() throws {
        try enter("barrier")
        try check("MPI_Barrier", MPICalls.barrier(handle))
    }

    /// Sends the root's bytes, their number first, in messages that MPI can count.
    public func broadcast(_ bytes: [UInt8], root: Int) throws -> [UInt8] {
        try enter("broadcast from \(root)")
        try requirePeer(root, "broadcast", bytes: bytes.count)
        var length = Communication.bytes(of: UInt64(bytes.count))
        try broadcast(&length, root: root)
        let count = Int(word(in: length[...], at: 0))
        var message = rank == root ? bytes : [UInt8](repeating: 0, count: count)
        try broadcast(&message, root: root)
        return message
    }

    /// Gathers every rank's bytes; beyond what one message holds, rank by rank.
    public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try enter("allGather")
        let lengths = try allGatherRecord(Communication.bytes(of: UInt64(bytes.count)))
        let counts = (0..<size).map { Int(word(in: lengths[...], at: $0)) }
        let total = counts.reduce(0, +)
        guard total <= min(largestCount, Int(Int32.max)) else {
            return try counts.enumerated().map { peer, count in
                var message = peer == rank ? bytes : [UInt8](repeating: 0, count: count)
                try broadcast(&message, root: peer)
                return message
            }
        }
        let offsets = counts.indices.map { counts[..<$0].reduce(0, +) }
        var all = [UInt8](repeating: 0, count: total)
        let code = MPICalls.allGather(
            bytes, into: &all, counts: counts.map(Int32.init), offsets: offsets.map(Int32.init), handle)
        try check("MPI_Allgatherv", bytes: bytes.count, code)
        return zip(offsets, counts).map { Array(all[$0..<$0 + $1]) }
    }

    /// MPI requests with a tag of their own.
    public func makeExchange(for purpose: String) throws -> any FloatExchange {
        requireOwner()
        log.note("exchange for \(purpose)")
        defer { exchanges += 1 }
        return MPIExchange(communicator: self, tag: Int32(exchanges % Self.tags))
    }

    /// Divides the processes by `MPI_Comm_split`.
    public func split(color: Int, key: Int, name: String) throws -> any Communicator {
        requireColor(color)
        try enter("split")
        var part: MPI_Comm?
        try check("MPI_Comm_split", MPICalls.split(handle, color: Int32(color), key: Int32(key), &part))
        return try derived(part, name: name, largestCount: largestCount)
    }

    /// The same processes, apart from this communicator.
    public func duplicate(name: String) throws -> any Communicator {
        try duplicate(name: name, largestCount: largestCount)
    }

    /// A duplicate that cuts messages after `largestCount` elements, so that tests reach the cutting. Collective.
    package func duplicate(name: String, largestCount: Int) throws -> MPICommunicator {
        try enter("duplicate")
        var copy: MPI_Comm?
        try check("MPI_Comm_dup", MPICalls.duplicate(handle, &copy))
        return try derived(copy, name: name, largestCount: largestCount)
    }

    /// Reports the rank in the whole job and the reason, then ends all processes of the job by `MPI_Abort`.
    public func abort(code: Int32, reason: String, report: (String) -> Void) throws -> Never {
        report("rank \(world.rank)/\(world.size) on \(host): \(reason)")
        MPICalls.abort(code: code)
    }

    /// Frees this communicator, or ends MPI if it is that of all ranks.
    public func finalize() throws {
        try enter("finalize")
        if parent == nil {
            try check("MPI_Finalize", MPICalls.finalize())
        } else {
            try check("MPI_Comm_free", MPICalls.free(handle))
        }
    }

    /// Throws if a call returned an error.
    func check(_ operation: String, peer: Int? = nil, bytes: Int? = nil, _ code: Int32) throws {
        guard code != MPI_SUCCESS else { return }
        let kind: CommunicationError.Code
        switch MPICalls.errorClass(code) {
        case MPI_ERR_RANK, MPI_ERR_ROOT: kind = .invalidPeer
        case MPI_ERR_TRUNCATE: kind = .unexpectedLength
        case let other: kind = .call(errorClass: Int(other))
        }
        throw failure(kind, operation, peer: peer, bytes: bytes, reason: MPICalls.text(code))
    }

    /// Keeps the memory of transfers that nobody will wait for.
    func keepAlive(_ transfers: [FloatTransfer]) {
        if let parent { parent.keepAlive(transfers) } else { abandoned.append(contentsOf: transfers) }
    }

    func requireOwner() {
        precondition(
            pthread_equal(owner, pthread_self()) != 0, "MPI is called on the thread that started it, and on no other")
    }
}

extension MPICommunicator {
    /// What every collective does first.
    private func enter(_ operation: String) throws {
        requireOwner()
        log.note(operation)
        guard comparesCollectives, size > 1 else { return }
        let all = try allGatherRecord(log.current.encoded)
        let records = (0..<size).map {
            CollectiveLog.Record(
                encoded: all[$0 * CollectiveLog.recordBytes..<($0 + 1) * CollectiveLog.recordBytes])
        }
        if let disagreement = CollectiveLog.disagreement(among: records) {
            throw failure(.mismatchedCollective, operation, reason: disagreement)
        }
    }

    /// Gathers a few bytes of one length from every rank.
    private func allGatherRecord(_ record: [UInt8]) throws -> [UInt8] {
        var all = [UInt8](repeating: 0, count: record.count * size)
        try check("MPI_Allgather", bytes: record.count, MPICalls.allGather(record, into: &all, handle))
        return all
    }

    /// Broadcasts bytes whose number every rank knows.
    private func broadcast(_ bytes: inout [UInt8], root: Int) throws {
        for start in stride(from: 0, to: bytes.count, by: largestCount) {
            let range = start..<min(start + largestCount, bytes.count)
            let code = MPICalls.broadcast(&bytes, range, root: Int32(root), handle)
            try check("MPI_Bcast", peer: root, bytes: range.count, code)
        }
    }

    private func derived(_ handle: MPI_Comm?, name: String, largestCount: Int) throws -> MPICommunicator {
        guard let handle else {
            preconditionFailure("MPI made no communicator for \(name) and reported no error")
        }
        return try MPICommunicator(
            handle: handle, name: name, parent: self, largestCount: largestCount,
            comparesCollectives: comparesCollectives)
    }
}
