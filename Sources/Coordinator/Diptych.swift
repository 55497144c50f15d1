import ArgumentParser
import Foundation
import Jobs

/// The command `diptych`.
public struct Diptych: ParsableCommand {
    /// Name, help and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "diptych",
        abstract: "Trains diffusion models over MPI so that they do not give away who was in the training set.",
        discussion: """
            A job is a YAML file; `plan` shows what it would do, `run` does it, and the same `run` resumes it.
            Exit codes: 0 done, 64 usage or job file, 65 bad data, 70 a mistake of this program, 71 a rank or node was \
            lost (run again), 74 input or output, 75 stopped with a checkpoint (run again), 130 interrupted twice.
            """,
        version: programVersion,
        subcommands: [
            PlanCommand.self, RunCommand.self, SubmitCommand.self, StatusCommand.self, LogsCommand.self,
            CancelCommand.self, DrillCommand.self, SampleCommand.self, AuditCommand.self, VerifyCommand.self,
            SignCommand.self,
            BenchCommand.self, TuneCommand.self, DoctorCommand.self, ExamineCommand.self,
            ExamineSplitCommand.self,
        ])

    /// Makes the command; the parser fills it in.
    public init() {}

    /// Parses the command line, runs the command and ends the process with the documented exit code.
    public static func start() -> Never {
        signal(SIGPIPE, SIG_IGN)
        // Where whoever started this program ignores it, nobody could be told how a child has ended.
        signal(SIGCHLD, SIG_DFL)
        var command: any ParsableCommand
        do {
            command = try parseAsRoot(programArguments())
        } catch let failure as DiptychFailure {
            Console.error("diptych: \(failure.message)")
            Foundation.exit(failure.code.rawValue)
        } catch {
            end(withParserError: error)
        }
        do {
            try command.run()
            Foundation.exit(ExitCode.done.rawValue)
        } catch let failure as DiptychFailure {
            if !failure.message.isEmpty { Console.error("diptych: \(failure.message)") }
            Foundation.exit(failure.code.rawValue)
        } catch let error as SystemCallError {
            Console.error("diptych: \(error.failure.message)")
            Foundation.exit(ExitCode.inputOutput.rawValue)
        } catch  where exitCode(for: error) != .failure {
            end(withParserError: error)  // help, version, a value out of range
        } catch {
            Console.error("diptych: \(error)")
            Foundation.exit(ExitCode.internalError.rawValue)
        }
    }

    /// Ends the process as the parser would, but for what the command line's words would do to a terminal.
    private static func end(withParserError error: any Error) -> Never {
        guard exitCode(for: error) != .success else { exit(withError: error) }
        Console.error(fullMessage(for: error))
        Foundation.exit(exitCode(for: error).rawValue)
    }

    /// The exit codes, which the parser's own type of that name would hide.
    typealias ExitCode = Jobs.ExitCode
}

/// Where text for people goes: standard output, or standard error when standard output is kept for one line of JSON.
struct Console {
    /// Whether standard output belongs to the JSON line.
    let json: Bool
    /// Whether text for people is left out.
    var quiet = false

    /// Writes a line for people. What a terminal would obey in it is shown, whoever has put it there.
    func say(_ line: String) {
        if !quiet { Self.write(printableLines(line) + "\n", to: json ? STDERR_FILENO : STDOUT_FILENO) }
    }

    /// Writes the line for scripts, if scripts were promised one.
    func report(_ value: JSONValue) {
        if json { Self.write(value.text + "\n", to: STDOUT_FILENO) }
    }

    /// The date and time of day, for logs that several executions write to.
    static func timestamp() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 32)
        strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Writes a line for people to standard error.
    static func error(_ line: String) {
        write(printableLines(line) + "\n", to: STDERR_FILENO)
    }

    /// Writes text; a closed terminal or pipe is no reason to end a run, so failures are passed over.
    static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
