import Checkpoints
import Foundation
import Jobs

/// Reads checkpoints in processes of their own, one for each.
///
/// libhdf5 has faults that a file can be made to hit, and whoever made the file may have made the manifest with its hash,
/// too. So a crash, an endless loop or a hunger for memory in libhdf5 ends a child, and is one more thing that is wrong
/// with that file. The child is this program with ``ExamineCommand``.
package struct Examination {
    /// What a child may take.
    package struct Limits: Hashable {
        /// Bytes of address space beyond what the program itself has.
        package var memory: Int
        /// Seconds of processor time.
        package var seconds: Int

        /// Names the limits.
        package init(memory: Int, seconds: Int) {
            self.memory = memory
            self.seconds = seconds
        }

        /// What an honest checkpoint of a manifest's size may take, many times over in time; no more memory than there is.
        ///
        /// - Parameters:
        ///   - fileBytes: Size of the file. A small one lies in memory whole, in our hands and in libhdf5's.
        ///   - parameters: Number of the model's parameters, of which there are four vectors.
        package init(fileBytes: Int, parameters: Int) {
            let file = min(max(fileBytes, 0), CheckpointEstimate.largestImage)
            let vectors = 16 * min(max(parameters, 0), 1 << 40)
            let need = 4 * file + vectors + Self.slack
            memory = min(need, Machine.availableMemory() ?? need)
            seconds = 10 + min(max(fileBytes, 0) / Self.bytesPerSecond + vectors / Self.bytesPerSecond, 1 << 20)
        }

        /// Chunks on their way, the library's caches, the heap's reserves.
        private static let slack = 256 << 20
        /// Slower than any machine hashes and unpacks.
        private static let bytesPerSecond = 10 << 20
    }

    private let program: String
    private let limits: (Manifest) -> Limits

    /// Examines with this program, or another build of it.
    ///
    /// - Parameters:
    ///   - program: The file of `diptych`.
    ///   - limits: What the child for a checkpoint may take.
    package init(
        program: String = Machine.program,
        limits: @escaping (Manifest) -> Limits = { Limits(fileBytes: $0.size, parameters: $0.parameters) }
    ) {
        self.program = program
        self.limits = limits
    }

    /// Examines every checkpoint of a store, to the last number.
    ///
    /// - Throws: `FileError` when folders cannot be listed, `DiptychFailure` with code 74 when no process can be started.
    package func reports(of store: CheckpointStore) throws -> [CheckpointReport] {
        try store.verify { try fault(of: $0, in: store) }
    }

    private func fault(of manifest: Manifest, in store: CheckpointStore) throws -> String? {
        let limits = limits(manifest)
        let path = store.path(model: manifest.model, step: manifest.step)
        var machine = Machine.current()
        // A crash needs no picture of the stack: it is the file's doing.
        machine.environment["SWIFT_BACKTRACE"] = "enable=no"
        // OpenBLAS's threads ask for memory at the start, and when it is refused, again for ever.
        machine.environment["OPENBLAS_NUM_THREADS"] = "1"
        let arguments = [
            ExamineCommand.name, "--memory", "\(limits.memory)", "--seconds", "\(limits.seconds)", "--",
            store.directory, manifest.model, "\(manifest.step)",
        ]
        // A disk may be slow; time of the processor is what a file can steal.
        let answer = ShortCommand.run(program, arguments, machine, seconds: Double(60 + 20 * limits.seconds))
        guard let end = answer.end else {
            throw DiptychFailure(.inputOutput, "\(program) cannot be started to read \(path): \(answer.complaint)")
        }
        if end == .exited(0), let line = answer.output.last,
            let verdict = try? JSONDecoder().decode(ExamineCommand.Verdict.self, from: Data(line.utf8))
        {
            return verdict.fault
        }
        return "\(path): \(Self.words(end, limits)); the file is damaged, or made to do harm: do not use it"
    }

    /// What became of a child that gave no verdict.
    private static func words(_ end: ChildProcess.End, _ limits: Limits) -> String {
        let what = "the process that read it"
        let room = "\(limits.memory >> 20) MB of memory and \(limits.seconds) s of processor time"
        switch end {
        case .signaled(SIGXCPU): return "\(what) was not done after \(limits.seconds) s of processor time"
        case .signaled(let signal):
            return "\(what) died of signal \(signal) (\(String(cString: strsignal(signal)))), within \(room)"
        case .exited(let code): return "\(what) ended with code \(code) and no verdict, within \(room)"
        }
    }
}
