import Foundation
import Jobs

/// What can be learned from the text of the launcher and of ranks when a job died without writing its outcome.
package enum MPIRunReport {
    /// The failure that the text tells of.
    ///
    /// - Parameters:
    ///   - lines: The last lines of standard error and output, oldest first.
    ///   - end: How the launcher ended.
    ///   - launcher: Which one it was.
    ///   - lastSeen: Where in the run a rank was last seen, in words.
    ///   - process: The number of a rank's process, as the rank has told it.
    /// - Returns: The exit code and one paragraph that names the rank where the text does.
    package static func failure(
        lines: [String], end: ChildProcess.End, launcher: LauncherKind = .mpirun,
        lastSeen: (Int) -> String? = { _ in nil }, process: (Int) -> Int32? = { _ in nil }
    ) -> DiptychFailure {
        if let own = lines.last(where: { $0.hasPrefix(ownPrefix) }) {
            let text = printable(String(own.dropFirst(ownPrefix.count)))
            let code = abortCode(lines) ?? exitCode(end) ?? .rankLost
            return DiptychFailure(code, text)
        }
        let text = lines.joined(separator: " ").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if let match = text.firstMatch(
            of: /process rank (\d+) with PID (\d+) on node (\S+) exited on signal (\d+)(?: \(([^)]*)\))?/)
        {
            let name = match.5.map { " (\(printable(String($0))))" } ?? ""
            let place = Int(match.1).flatMap(lastSeen).map { " " + $0 } ?? ""
            // Open MPI 4.1 says 0 for every rank of its own host.
            let told = match.2 == "0" ? Int(match.1).flatMap(process) : Int32(match.2)
            let number = told.map { "process \($0) " } ?? ""
            return DiptychFailure(
                .rankLost,
                "rank \(match.1) (\(number)on \(printable(String(match.3)))) was ended by signal \(match.4)\(name)"
                    + "\(place); "
                    + (match.4 == "9"
                        ? "if nobody killed it, the machine may have run out of memory (see `diptych plan`); " : "")
                    + again)
        }
        if text.contains("not enough slots") {
            return DiptychFailure(
                .usage, "mpirun has fewer slots than ranks were asked for; use fewer --ranks or a larger allocation")
        }
        if text.contains("unable to find the specified executable") || text.contains("could not access or execute") {
            return DiptychFailure(.inputOutput, "mpirun could not start diptych-worker on every node: " + tail(lines))
        }
        let ended = text.firstMatch(of: /Process name: \[\[\d+,\d+\],(\d+)\] Exit code: (\d+)/)
        if let missing = lines.last(where: { $0.contains("error while loading shared libraries: ") }) {
            return DiptychFailure(
                .inputOutput,
                "\(ended.map { "rank \($0.1)" } ?? "a rank") cannot start: \(printable(missing)). Install that library where the "
                    + "rank is to run, or load its module; `diptych doctor` looks for it")
        }
        if let match = ended {
            let code = Int32(match.2).flatMap(ExitCode.init(rawValue:)) ?? .rankLost
            return DiptychFailure(code, "rank \(match.1) ended with code \(match.2): \(tail(lines))")
        }
        if let failure = slurmFailure(text) { return failure }
        switch end {
        case .exited(0):
            return DiptychFailure(
                .internalError, "the ranks ended without saying how the run went; please report this: " + tail(lines))
        case .exited(let code):
            return DiptychFailure(
                .rankLost,
                "\(launcher.rawValue) ended with code \(code) and the ranks left no outcome; \(again) \(tail(lines))")
        case .signaled(let signal):
            return DiptychFailure(
                .rankLost,
                "\(launcher.rawValue) was ended by signal \(signal) (\(String(cString: strsignal(signal)))); \(again)")
        }
    }

    /// What srun and slurmd say.
    private static func slurmFailure(_ text: String) -> DiptychFailure? {
        if let match = text.firstMatch(of: /CANCELLED AT \S+ DUE TO ([A-Z ]+[A-Z])/) {
            return DiptychFailure(.rankLost, "SLURM ended the ranks: \(match.1.lowercased()); \(again)")
        }
        if let match = text.firstMatch(of: /srun: error: Node failure on ([A-Za-z0-9_.,\[\]-]+)/) {
            return DiptychFailure(.rankLost, "the node \(match.1) was lost; \(again)")
        }
        if let match = text.firstMatch(
            of: /srun: error: (\S+): tasks? ([\d,-]+): (Killed|Terminated|[A-Z][a-z]+ fault|Aborted|Out Of Memory)/)
        {
            return DiptychFailure(
                .rankLost, "rank \(match.2) on \(match.1) was ended: \(match.3.lowercased()); \(again)")
        }
        if text.contains("Invalid MPI type") || text.contains("cannot find mpi plugin") {
            return DiptychFailure(.inputOutput, "this srun does not speak PMIx; use --launcher mpirun")
        }
        if text.contains("More processors requested than permitted") || text.contains("Unable to create step") {
            return DiptychFailure(
                .usage, "srun has fewer tasks than ranks were asked for; use fewer --ranks or a larger allocation")
        }
        return nil
    }

    /// What begins the one line of standard error in which a rank says why it failed.
    static let ownPrefix = "diptych-worker: "
    private static let again = "the same command goes on from the last checkpoint."

    /// The code given to MPI_Abort.
    private static func abortCode(_ lines: [String]) -> ExitCode? {
        for line in lines.reversed() {
            if let match = line.firstMatch(of: /errorcode (\d+)/) {
                return Int32(match.1).flatMap(ExitCode.init(rawValue:))
            }
        }
        return nil
    }

    private static func exitCode(_ end: ChildProcess.End) -> ExitCode? {
        guard case .exited(let code) = end, code != 0 else { return nil }
        return ExitCode(rawValue: code)
    }

    private static func tail(_ lines: [String]) -> String {
        let told = lines.filter { line in line.contains { $0.isLetter } }.suffix(6)
        return told.isEmpty
            ? "it said nothing" : "its last words: " + told.map { printable($0) }.joined(separator: " / ")
    }
}
