import COpenMPI

/// The calls into MPI: the one file of this module with MPI's unsafe pointers. Each call returns MPI's error code.
enum MPICalls {
    /// Starts MPI; `provided` is the thread level it offers.
    static func initialize(provided: inout Int32) -> Int32 {
        MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided)
    }

    static let funneled = Int32(MPI_THREAD_FUNNELED)

    static func isInitialized() -> Bool {
        var flag: Int32 = 0
        return MPI_Initialized(&flag) == MPI_SUCCESS && flag != 0
    }

    static func finalize() -> Int32 { MPI_Finalize() }

    /// Makes errors come back as codes; without it MPI ends the job with words of its own.
    static func returnErrors(_ communicator: MPI_Comm) -> Int32 {
        MPI_Comm_set_errhandler(communicator, diptych_mpi_errors_return())
    }

    static func rank(_ communicator: MPI_Comm, _ rank: inout Int32) -> Int32 { MPI_Comm_rank(communicator, &rank) }

    static func size(_ communicator: MPI_Comm, _ size: inout Int32) -> Int32 { MPI_Comm_size(communicator, &size) }

    static func barrier(_ communicator: MPI_Comm) -> Int32 { MPI_Barrier(communicator) }

    /// Broadcasts the bytes in `range`.
    static func broadcast(
        _ bytes: inout [UInt8], _ range: Range<Int>, root: Int32, _ communicator: MPI_Comm
    ) -> Int32 {
        bytes.withUnsafeMutableBytes {
            MPI_Bcast(
                $0.baseAddress.map { $0 + range.lowerBound }, Int32(range.count), diptych_mpi_byte(), root, communicator
            )
        }
    }

    /// Gathers as many bytes from every rank as this one passes.
    static func allGather(_ bytes: [UInt8], into all: inout [UInt8], _ communicator: MPI_Comm) -> Int32 {
        MPI_Allgather(
            bytes, Int32(bytes.count), diptych_mpi_byte(), &all, Int32(bytes.count), diptych_mpi_byte(), communicator)
    }

    /// Gathers `counts[rank]` bytes from every rank.
    static func allGather(
        _ bytes: [UInt8], into all: inout [UInt8], counts: [Int32], offsets: [Int32], _ communicator: MPI_Comm
    ) -> Int32 {
        MPI_Allgatherv(
            bytes, Int32(bytes.count), diptych_mpi_byte(), &all, counts, offsets, diptych_mpi_byte(), communicator)
    }

    static func split(
        _ communicator: MPI_Comm, color: Int32, key: Int32, _ part: inout MPI_Comm?
    ) -> Int32 {
        MPI_Comm_split(communicator, color, key, &part)
    }

    static func duplicate(_ communicator: MPI_Comm, _ copy: inout MPI_Comm?) -> Int32 {
        MPI_Comm_dup(communicator, &copy)
    }

    static func free(_ communicator: MPI_Comm) -> Int32 {
        var freed: MPI_Comm? = communicator
        return MPI_Comm_free(&freed)
    }

    /// Ends every process of the job, whatever communicator failed.
    static func abort(code: Int32) -> Never {
        MPI_Abort(diptych_mpi_comm_world(), code)
        preconditionFailure("MPI_Abort returned")
    }

    static func send(
        _ region: FloatRegion, to peer: Int32, tag: Int32, _ communicator: MPI_Comm, _ request: inout MPI_Request?
    ) -> Int32 {
        region.withUnsafeElements {
            MPI_Isend($0.baseAddress, Int32($0.count), diptych_mpi_float(), peer, tag, communicator, &request)
        }
    }

    static func receive(
        into region: FloatRegion, from peer: Int32, tag: Int32, _ communicator: MPI_Comm, _ request: inout MPI_Request?
    ) -> Int32 {
        region.withUnsafeElements {
            MPI_Irecv($0.baseAddress, Int32($0.count), diptych_mpi_float(), peer, tag, communicator, &request)
        }
    }

    /// The class of an error code, one of the standard's.
    static func errorClass(_ code: Int32) -> Int32 {
        var errorClass: Int32 = code
        return MPI_Error_class(code, &errorClass) == MPI_SUCCESS ? errorClass : code
    }

    /// MPI's text for an error code.
    static func text(_ code: Int32) -> String {
        text(capacity: Int(MPI_MAX_ERROR_STRING)) { MPI_Error_string(code, $0, $1) } ?? "MPI error \(code)"
    }

    static func processorName() -> String? {
        text(capacity: Int(MPI_MAX_PROCESSOR_NAME)) { MPI_Get_processor_name($0, $1) }
    }

    private static func text(
        capacity: Int, _ call: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int32>) -> Int32
    ) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity + 1) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            var length: Int32 = 0
            guard call(start, &length) == MPI_SUCCESS else { return nil }
            start[Int(length)] = 0
            return String(cString: start)
        }
    }
}

/// Requests under way; MPI tests them all in one call.
struct MPIRequests {
    /// A request that has ended.
    struct Ended {
        /// Its position before the call.
        let index: Int
        /// MPI's code for this request alone.
        let code: Int32
        /// Floats that came, for a receive.
        let floats: Int
    }

    private var requests: [MPI_Request?] = []
    private var indices: [Int32] = []
    private var statuses: [MPI_Status] = []

    var count: Int { requests.count }

    mutating func append(_ request: MPI_Request?) { requests.append(request) }

    /// Calls `MPI_Testsome`, or `MPI_Waitsome` if it shall wait, and removes the requests that have ended.
    mutating func advance(waiting: Bool, ended: inout [Ended]) -> Int32 {
        ended.removeAll(keepingCapacity: true)
        guard !requests.isEmpty else { return MPI_SUCCESS }
        if indices.count < requests.count {
            indices = Array(repeating: 0, count: requests.count)
            statuses = Array(repeating: MPI_Status(), count: requests.count)
        }
        var count: Int32 = 0
        let code =
            waiting
            ? MPI_Waitsome(Int32(requests.count), &requests, &count, &indices, &statuses)
            : MPI_Testsome(Int32(requests.count), &requests, &count, &indices, &statuses)
        guard code == MPI_SUCCESS || code == MPI_ERR_IN_STATUS, count > 0 else { return code }
        for position in 0..<Int(count) {
            var floats: Int32 = 0
            MPI_Get_count(&statuses[position], diptych_mpi_float(), &floats)
            // MPI sets a status's error only when it returns MPI_ERR_IN_STATUS.
            let own = code == MPI_SUCCESS ? MPI_SUCCESS : statuses[position].MPI_ERROR
            ended.append(Ended(index: Int(indices[position]), code: own, floats: Int(floats)))
        }
        ended.sort { $0.index > $1.index }
        for request in ended { requests.remove(at: request.index) }
        return MPI_SUCCESS
    }
}
