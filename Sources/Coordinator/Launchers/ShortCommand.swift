import Foundation
import Jobs

/// A program that answers within seconds, such as `squeue`.
package enum ShortCommand {
    /// What a program said.
    package struct Answer {
        /// Its exit code; nil when it could not be started, was killed, or took too long.
        package var code: Int32?
        /// How it ended; nil when it could not be started. What took too long, or said too much, was ended by
        /// SIGKILL.
        package var end: ChildProcess.End?
        /// Lines of standard output.
        package var output: [String]
        /// Lines of standard error.
        package var error: [String]

        /// Whether it ended with 0.
        var isGood: Bool { code == 0 }
        /// What it complains of, in one line.
        var complaint: String {
            var lines = error.filter { !$0.trimmingCharacters(in: .whitespaces).isEmpty }
            // SLURM tells the whole way to what it could not do; the last line says what that was.
            if let fatal = lines.last(where: { $0.contains(": fatal: ") }) { lines = [fatal] }
            return lines.isEmpty
                ? (code.map { "it ended with \($0)" } ?? "it gave no answer") : printable(lines.joined(separator: "; "))
        }
    }

    /// Bytes that a program may say, far more than any answer that is used.
    private static let largestAnswer = 16 << 20

    /// Runs a program to its end, or until it has said too much: then it is killed.
    ///
    /// - Parameters:
    ///   - program: A path, or a name that is looked for on the search path.
    ///   - arguments: Its arguments.
    ///   - machine: Gives the environment.
    ///   - seconds: The longest wait; then the program is killed.
    static func run(
        _ program: String, _ arguments: [String], _ machine: Machine, seconds: Double = 20
    ) -> Answer {
        run(program, arguments, machine, seconds: seconds, whileWaiting: {})
    }

    /// The same, with something that is called often while the program runs, which an error of its ends.
    static func run(
        _ program: String, _ arguments: [String], _ machine: Machine, seconds: Double, whileWaiting: () throws -> Void
    ) rethrows -> Answer {
        var answer = Answer(code: nil, output: [], error: [])
        guard let executable = program.hasPrefix("/") ? program : machine.find(program) else {
            answer.error = ["\(program) is not on the search path"]
            return answer
        }
        let invocation = Invocation(
            executable: executable, arguments: arguments, environment: machine.environment)
        guard let child = try? ChildProcess(invocation) else { return answer }
        let clock = Stopwatch()
        func end() {
            child.send(SIGKILL)
            while !child.hasEnded() { usleep(1000) }
        }
        while !(child.output.isAtEnd && child.error.isAtEnd), clock.seconds < seconds,
            child.output.count + child.error.count < largestAnswer
        {
            child.wait(milliseconds: 100)
            do {
                try whileWaiting()
            } catch {
                end()
                throw error
            }
            answer.output += child.output.lines()
            answer.error += child.error.lines()
        }
        while child.output.isAtEnd, child.error.isAtEnd, !child.hasEnded(), clock.seconds < seconds { usleep(1000) }
        end()
        answer.end = child.end
        if case .exited(let code) = child.end { answer.code = code }
        return answer
    }
}
