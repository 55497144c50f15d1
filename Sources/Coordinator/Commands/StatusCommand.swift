import ArgumentParser
import Checkpoints
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
        var runs = try WatchedRuns(path)
        try runs.look()
        if json { return Console(json: true).report(runs.json) }
        guard watch else { return runs.lines.forEach(Console(json: false).say) }
        let page = Page()
        var away: Stopwatch?
        while true {
            page.show(runs.lines)
            guard runs.mayGoOn else { return }
            sleep(runs.pause)
            try runs.look()
            // A file server may be away for a moment.
            away = runs.awaited == nil ? nil : away ?? Stopwatch()
            if let away, away.seconds > Self.patience, let failure = runs.awaited { throw failure }
        }
    }

    /// Seconds in which a run that is watched may be unreadable.
    private static let patience = 60.0
}

/// Runs as they were last seen.
private struct WatchedRuns {
    private let machine: Machine
    private let directories: [RunDirectory]
    private let isSingle: Bool
    /// As they were when they could last be read.
    private var statuses: [RunStatus] = []
    /// Those that cannot be read now.
    private var unreadable: [(path: String, failure: DiptychFailure)] = []

    /// Finds the runs; nothing is known of them yet.
    init(_ path: String) throws {
        machine = try Machine.current()
        directories = try RunFolders.find(path)
        isSingle = directories.map(\.path) == [RunDirectory(path).path]
    }

    /// Looks at all of them.
    ///
    /// - Throws: `DiptychFailure` when there is one alone, and it cannot be read, unless it was before and may be again.
    mutating func look() throws {
        var seen: [RunStatus] = []
        unreadable = []
        for directory in directories {
            do {
                let now = Date().timeIntervalSince1970
                seen.append(
                    try RunStatus(directory: directory, job: directory.readJob(), machine: machine, now: now))
            } catch let failure as DiptychFailure {
                let last = statuses.first { $0.directory == directory }
                if isSingle, last == nil || failure.code != .inputOutput { throw failure }
                // One run that cannot be read does not hide the others.
                unreadable.append((directory.path, failure))
                if let last { seen.append(last) }
            }
        }
        statuses = seen
    }

    /// Whether there may be more to see later.
    var mayGoOn: Bool { statuses.contains(where: \.mayGoOn) }

    /// Why a run cannot be read now that was in work when it could.
    var awaited: DiptychFailure? {
        let live = Set(statuses.filter(\.mayGoOn).map(\.directory.path))
        return unreadable.first { live.contains($0.path) }?.failure
    }

    /// Seconds until the next look. SLURM is asked for each run of its own: at most once in two seconds.
    var pause: UInt32 { UInt32(2 * max(1, statuses.count { $0.slurm != nil && $0.mayGoOn })) }

    /// For people.
    var lines: [String] {
        if isSingle { return statuses[0].lines + unreadable.map { printable($0.failure.message) } }
        return statuses.map(\.summary) + unreadable.map { printable("\($0.path): \($0.failure.message)") }
    }

    /// For scripts.
    var json: JSONValue {
        guard !isSingle else { return statuses[0].json }
        return [
            "runs": .array(statuses.map(\.json)),
            "unreadable": .array(unreadable.map { .string("\($0.path): \($0.failure.message)") }),
        ]
    }
}

/// Runs below a folder.
enum RunFolders {
    /// The run itself, or every run at most three folders deep, in the order of their paths.
    ///
    /// - Throws: `DiptychFailure` with code 74 when there is none, or a folder cannot be listed now.
    static func find(_ path: String) throws -> [RunDirectory] {
        let top = RunDirectory(path)
        if isRun(top) { return [top] }
        var found: [RunDirectory] = []
        func search(_ folder: String, _ depth: Int) throws {
            for name in try names(in: folder) {
                let directory = RunDirectory("\(folder)/\(name)")
                if isRun(directory) {
                    found.append(directory)
                } else if depth > 1 {
                    try search(directory.path, depth - 1)
                }
            }
        }
        try search(top.path, 3)
        guard !found.isEmpty else {
            // A job file that is no run's, or that of a run edited by hand: whoever reads it says so.
            if try top.isPrepared { return [top] }
            throw DiptychFailure(
                .inputOutput, "\(printable(top.path)) is not a run, and there is none below it: no job.yaml")
        }
        return found
    }

    /// Whether a folder is a run, or may be one: of one that cannot be read now, whoever reads it says so.
    private static func isRun(_ directory: RunDirectory) -> Bool { (try? directory.isRun) ?? true }

    /// What is in a folder; nothing where it is none, or somebody else's.
    private static func names(in folder: String) throws -> [String] {
        do {
            return try Folder.names(folder, followsLink: true)
        } catch let error as FileError {
            guard SystemCallError(error).mayPass else { return [] }
            throw SystemCallError(error).failure
        }
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
