import Checkpoints
import Foundation
import Jobs

/// Reads checkpoints and splits in processes of their own, one for each.
///
/// libhdf5 has faults that a file can be made to hit, and whoever made the file may have made its hash, too. So a crash, an
/// endless loop or a hunger for memory in libhdf5 ends a child, and is one more thing that is wrong with that file. The
/// child is this program with ``ExamineCommand`` or ``ExamineSplitCommand``.
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

        /// What an honest split may take: its bytes and libhdf5's copy of them, its vectors, and the same again.
        ///
        /// - Parameter splitBytes: Size of the file.
        init(splitBytes: Int) {
            let need = 8 * min(max(splitBytes, 0), 1 << 40) + Self.slack
            memory = min(need, Machine.availableMemory() ?? need)
            seconds = 10 + min(max(splitBytes, 0) / Self.bytesPerSecond, 1 << 20)
        }

        /// Chunks on their way, the library's caches, the heap's reserves.
        private static let slack = 256 << 20
        /// Slower than any machine hashes and unpacks.
        private static let bytesPerSecond = 10 << 20
    }

    private let program: String
    private let limits: (Manifest) -> Limits
    private let whileWaiting: () throws -> Void

    /// Examines with this program, or another build of it.
    ///
    /// - Parameters:
    ///   - program: The file of `diptych`.
    ///   - limits: What the child for a checkpoint may take.
    ///   - whileWaiting: Called often while a child reads, whom an error of its ends.
    package init(
        program: String = Machine.program,
        limits: @escaping (Manifest) -> Limits = { Limits(fileBytes: $0.size, parameters: $0.parameters) },
        whileWaiting: @escaping () throws -> Void = {}
    ) {
        self.whileWaiting = whileWaiting
        self.program = program
        self.limits = limits
    }

    /// Examines every checkpoint of a store, to the last number.
    ///
    /// - Throws: `FileError` when folders cannot be listed, or a manifest cannot be read now; `DiptychFailure` with code 74
    ///   when a checkpoint cannot, or no process can be started.
    package func reports(of store: CheckpointStore) throws -> [CheckpointReport] {
        try store.verify { try fault(of: $0, in: store) }
    }

    // MARK: Before ranks read

    /// Throws where ranks are about to have libhdf5 read a checkpoint that is not good: it might end them.
    ///
    /// As many are examined as the ranks look at, from the newest of each model to the first good one. Where the hash or
    /// the place in the chain is wrong, ranks come no further than that: they pass over the file, or say what is wrong.
    ///
    /// - Parameters:
    ///   - models: The models.
    ///   - directory: The run.
    ///   - passingOver: Whether the ranks take an older checkpoint in the place of a damaged one.
    /// - Throws: `DiptychFailure` with code 65 that names the file, 74 when it cannot be read now, or no process can be
    ///   started.
    package func requireReadable(
        _ models: [TrainedModel], of directory: RunDirectory, passingOver: Bool = true
    ) throws {
        let store = CheckpointStore(directory: directory.checkpoints)
        do {
            for model in models {
                try store.search(model: model.name) { manifest in
                    guard let fault = try fault(of: manifest, in: store) else { return true }
                    // Damage does not leave the hash right. Neither memory nor time have limits in a rank.
                    if try store.isParsed(manifest) { throw DiptychFailure(.badData, printable(fault)) }
                    return !passingOver
                }
            }
        } catch let error as Checkpoints.FileError {
            throw DiptychFailure(.inputOutput, printable("\(error)"))
        }
    }

    /// Throws where ranks are about to have libhdf5 read a split that is not good; another hash than the recorded one is
    /// left for them to tell.
    ///
    /// - Throws: `DiptychFailure` with code 65 that names the file, 74 when it cannot be read now, or no process can be
    ///   started.
    package func requireReadableSplit(of directory: RunDirectory) throws {
        var status = stat()
        guard try FileBytes.exists(directory.split), lstat(directory.split, &status) == 0 else { return }
        let limits = Limits(splitBytes: Int(status.st_size))
        let found = try fault(of: directory.split, by: ExamineSplitCommand.name, [directory.path], within: limits)
        guard let found else { return }
        do {
            guard try sha256Hex(ofFile: directory.split) == directory.recordedSplitHash() else { return }
        } catch let failure as DiptychFailure where failure.code == .badData {
            return  // no hash is recorded
        } catch let error as Checkpoints.FileError {
            throw DiptychFailure(.inputOutput, printable("\(error)"))
        }
        throw DiptychFailure(.badData, printable(found))
    }

    /// Throws where what a job's ranks are about to take from another run, by `teachers.from`, is not good.
    ///
    /// - Parameters:
    ///   - job: The job.
    ///   - directory: Its own run, which may have its teachers already.
    /// - Throws: `DiptychFailure`, as ``requireReadable(_:of:passingOver:)``.
    package func requireReadableTeachers(of job: Job, in directory: RunDirectory) throws {
        guard let (source, teachers) = try TeacherSource.pending(job, in: directory) else { return }
        do {
            try requireReadableSplit(of: source.directory)
            try requireReadable(teachers, of: source.directory, passingOver: false)
        } catch let failure as DiptychFailure where failure.code == .badData {
            throw TeacherSource.refusal(.badData, "\(failure.message).")
        }
    }

    // MARK: The child

    private func fault(of manifest: Manifest, in store: CheckpointStore) throws -> String? {
        try fault(
            of: store.path(model: manifest.model, step: manifest.step), by: ExamineCommand.name,
            [store.directory, manifest.model, "\(manifest.step)"], within: limits(manifest))
    }

    /// What a child that reads a file finds wrong with it, or what becomes of the child; nil when all is well.
    ///
    /// - Parameters:
    ///   - path: The file, for messages.
    ///   - command: The child's command.
    ///   - names: What the command is given.
    ///   - limits: What the child may take.
    /// - Throws: `DiptychFailure` with code 74 when the child could not read the file, or not be started.
    private func fault(
        of path: String, by command: String, _ names: [String], within limits: Limits
    ) throws -> String? {
        var machine = try Machine.current()
        // A crash needs no picture of the stack: it is the file's doing.
        machine.environment["SWIFT_BACKTRACE"] = "enable=no"
        // OpenBLAS's threads ask for memory at the start, and when it is refused, again for ever.
        machine.environment["OPENBLAS_NUM_THREADS"] = "1"
        let arguments =
            [command, "--memory", "\(limits.memory)", "--seconds", "\(limits.seconds)", "--"] + names
        // A disk may be slow; time of the processor is what a file can steal.
        let answer = try ShortCommand.run(
            program, arguments, machine, seconds: Double(60 + 20 * limits.seconds), whileWaiting: whileWaiting)
        guard let end = answer.end else {
            throw DiptychFailure(.inputOutput, "\(program) cannot be started to read \(path): \(answer.complaint)")
        }
        if end == .exited(0), let report = ExamineReport(in: answer.output) {
            guard !report.isUnreadable else {
                throw DiptychFailure(.inputOutput, printable(report.fault ?? "\(path) cannot be read now"))
            }
            return report.fault
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
