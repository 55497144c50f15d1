import ArgumentParser
import Foundation
import Jobs

/// `diptych status`: where a run is, or every run of a folder.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows how far a run is, or all runs below a folder; asks SLURM, too.")

    @Argument(
        help: ArgumentHelp("The run's directory, or a folder of runs.", valueName: "run"), completion: .directory)
    var path = "runs"

    @Flag(help: "Shows it again and again, until every run has ended or Ctrl-C.")
    var watch = false

    @Flag(help: "Prints one line of JSON; for a folder with the key runs.")
    var json = false

    func validate() throws {
        if watch, json { throw ValidationError("--watch is for people, --json for scripts") }
    }

    func run() throws {
        let machine = try Machine.current()
        let directories = try RunFolders.find(path)
        let isSingle = directories.map(\.path) == [RunDirectory(path).path]
        var unreadable: [String: String] = [:]
        func look() throws -> [RunStatus] {
            unreadable = [:]
            return try directories.compactMap { directory in
                do {
                    return try RunStatus(
                        directory: directory, job: try directory.readJob(), machine: machine,
                        now: Date().timeIntervalSince1970)
                } catch let failure as DiptychFailure where !isSingle {
                    // One run that cannot be read does not hide the others.
                    unreadable[directory.path] = failure.message
                    return nil
                }
            }
        }
        var statuses = try look()
        if json {
            let value: JSONValue =
                isSingle
                ? statuses[0].json
                : [
                    "runs": .array(statuses.map(\.json)),
                    "unreadable": .array(
                        unreadable.sorted { $0.key < $1.key }.map { .string("\($0.key): \($0.value)") }),
                ]
            return Console(json: true).report(value)
        }
        func text() -> [String] {
            if isSingle { return statuses[0].lines }
            return statuses.map(\.summary)
                + unreadable.sorted { $0.key < $1.key }.map { "\(printable($0.key)): \($0.value)" }
        }
        guard watch else { return text().forEach(Console(json: false).say) }
        let page = Page()
        while true {
            page.show(text())
            guard statuses.contains(where: \.mayGoOn) else { return }
            // SLURM is asked for each run of its own: at most once in two seconds.
            sleep(UInt32(2 * max(1, statuses.count { $0.slurm != nil && $0.mayGoOn })))
            statuses = try look()
        }
    }
}

/// Runs below a folder.
enum RunFolders {
    /// The run itself, or every run at most three folders deep, in the order of their paths.
    ///
    /// - Throws: `DiptychFailure` with code 74 when there is none.
    static func find(_ path: String) throws -> [RunDirectory] {
        let top = RunDirectory(path)
        if top.isRun { return [top] }
        var found: [RunDirectory] = []
        func search(_ folder: String, _ depth: Int) {
            for name in ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted() {
                let directory = RunDirectory("\(folder)/\(name)")
                if directory.isRun {
                    found.append(directory)
                } else if depth > 1 {
                    search(directory.path, depth - 1)
                }
            }
        }
        search(top.path, 3)
        guard !found.isEmpty else {
            // A job file that is no run's, or that of a run edited by hand: whoever reads it says so.
            if try top.isPrepared { return [top] }
            throw DiptychFailure(
                .inputOutput, "\(printable(top.path)) is not a run, and there is none below it: no job.yaml")
        }
        return found
    }
}

/// Lines that are drawn over themselves on a terminal, and simply follow each other elsewhere.
private final class Page {
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private var drawn = 0

    func show(_ lines: [String]) {
        let width = Terminal.width(of: STDOUT_FILENO)
        let cut = isTerminal ? lines.map { String($0.prefix(width - 1)) } : lines
        let erasing = isTerminal && drawn > 0 ? "\u{1B}[\(drawn)A\r\u{1B}[J" : ""
        Console.write(erasing + cut.map { $0 + "\n" }.joined(), to: STDOUT_FILENO)
        drawn = cut.count
    }
}
