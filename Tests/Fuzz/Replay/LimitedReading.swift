import CAllocationMeter
import Foundation
import FuzzTargets

/// Reads a case in a child process that may take no more than the case justifies.
///
/// The heap is counted, so that a library that asks for too much is found out even where it puts up with a refusal; the
/// limit of the address space ends those that do not ask the heap.
struct LimitedReading {
    /// Seconds of processor time that the child may take.
    let seconds: Int

    /// Address space beyond the bound: the heap's reserves, and what it returns to the system only later.
    private static let slack = 16 << 20
    /// Seconds that may pass, however busy the machine, for each of processor time.
    private static let patience = 30
    /// What the child leaves behind when the reader has come back.
    private static let (refused, taken): (Int64, Int64) = (1, 2)

    /// Reads a case.
    ///
    /// - Parameters:
    ///   - name: The case.
    ///   - bytes: What is read.
    ///   - bound: The most bytes of the heap that may be held at once.
    ///   - read: The reader; says whether it took the bytes.
    func report(name: String, of bytes: [UInt8], bound: Int, by read: ([UInt8]) -> Bool) -> ReplayReport {
        fflush(nil)
        diptych_meter_start()
        let child = diptych_meter_fork()
        precondition(child >= 0, "no process can be started: \(String(cString: strerror(errno)))")
        if child == 0 { readInChild(bytes, bound: bound, read) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 { precondition(errno == EINTR, "a child is gone") }
        let (peak, left) = (Int(diptych_meter_peak()), diptych_meter_left())
        var fault = left == 0 ? Self.words(status, seconds: seconds) : nil
        if peak > bound {
            fault =
                (fault.map { $0 + "; " } ?? "")
                + "took \(peak) bytes at once, more than the \(bound) that \(bytes.count) bytes justify"
        }
        return ReplayReport(
            name: name, isTaken: left == 0 ? nil : left == Self.taken, peak: peak, bound: bound, fault: fault)
    }

    private func readInChild(_ bytes: [UInt8], bound: Int, _ read: ([UInt8]) -> Bool) -> Never {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").first
        let present = (pages.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
        guard diptych_meter_limit(Int64(present + bound + Self.slack), Int64(seconds), 1 << 20) == 0 else { _exit(99) }
        // Sleep takes no processor time.
        alarm(UInt32(Self.patience * seconds))
        diptych_meter_start()
        let isTaken = read(bytes)
        diptych_meter_leave(isTaken ? Self.taken : Self.refused)
        _exit(0)
    }

    /// What became of a child that left nothing behind.
    private static func words(_ status: Int32, seconds: Int) -> String {
        switch status & 0x7F {
        case 0: "the reader ended the process, with code \(status >> 8 & 0xFF)"
        case SIGXCPU: "was not done after \(seconds) s of processor time"
        case SIGALRM: "was not done after \(patience * seconds) s"
        case let signal: "died of signal \(signal) (\(String(cString: strsignal(signal))))"
        }
    }
}
