import ArgumentParser
import Checkpoints
import Foundation
import Jobs

/// `diptych examine-checkpoint`: reads one checkpoint within limits; what ``Examination`` starts.
struct ExamineCommand: ParsableCommand {
    static let name = "examine-checkpoint"
    static let configuration = CommandConfiguration(
        commandName: name, abstract: "Reads one checkpoint within limits; other commands start it.",
        shouldDisplay: false)

    @Argument(help: "The folder of all models.") var directory: String
    @Argument(help: "The model.") var model: String
    @Argument(help: "The step.") var step: Int
    @OptionGroup var limits: ExamineLimits

    func run() throws {
        try limits.apply()
        do {
            ExamineReport(fault: try CheckpointStore(directory: directory).fault(model: model, step: step)).write()
        } catch {
            ExamineReport(fault: "\(error)", isUnreadable: true).write()
        }
    }
}

/// `diptych examine-split`: reads the split of a run within limits; what ``Examination`` starts.
struct ExamineSplitCommand: ParsableCommand {
    static let name = "examine-split"
    static let configuration = CommandConfiguration(
        commandName: name, abstract: "Reads the split of a run within limits; other commands start it.",
        shouldDisplay: false)

    @Argument(help: "The run's directory.") var directory: String
    @OptionGroup var limits: ExamineLimits

    func run() throws {
        try limits.apply()
        do {
            _ = try SplitFile.read(RunDirectory(directory))
            ExamineReport().write()
        } catch {
            ExamineReport(fault: "\(error)", isUnreadable: Self.isUnreadable(error)).write()
        }
    }

    /// Whether an error says nothing about the split: it could not be read now.
    private static func isUnreadable(_ error: any Error) -> Bool {
        switch error {
        case let error as Checkpoints.FileError: ![0, ENOENT, ELOOP].contains(error.number)
        case let failure as DiptychFailure: failure.code == .inputOutput
        default: false
        }
    }
}

/// What the child of an ``Examination`` says, as one line of JSON.
package struct ExamineReport: Decodable {
    /// What is wrong with the file; nil when nothing is.
    package let fault: String?
    /// Whether the file could not be read now: then the fault says nothing about it.
    let isUnreadable: Bool
    private static let longestFault = 4096

    /// A verdict; only the beginning of one that a hostile file has made endless.
    init(fault: String? = nil, isUnreadable: Bool = false) {
        self.fault = fault.map { String($0.prefix(Self.longestFault)) }
        self.isUnreadable = isUnreadable
    }

    /// The verdict in what a child has said, its last line.
    ///
    /// - Returns: nil if that is none: a child that says nothing about the file has not found it good.
    package init?(in output: [String]) {
        guard let line = output.last, let report = try? JSONDecoder().decode(Self.self, from: Data(line.utf8)) else {
            return nil
        }
        self = report
    }

    private enum CodingKeys: String, CodingKey {
        case fault
        case isUnreadable = "unreadable"
    }

    /// Reads a verdict.
    ///
    /// - Throws: `DecodingError`, also when there is no `fault`, not even `null`.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let isGood = try values.decodeNil(forKey: .fault)
        self.init(
            fault: isGood ? nil : try values.decode(String.self, forKey: .fault),
            isUnreadable: try values.decodeIfPresent(Bool.self, forKey: .isUnreadable) ?? false)
    }

    /// Writes the line.
    func write() {
        Console(json: true).report([
            "fault": fault.map { .string($0) } ?? .null, "unreadable": .boolean(isUnreadable),
        ])
    }
}

/// What the child of an ``Examination`` may take.
struct ExamineLimits: ParsableArguments {
    @Option(help: "Bytes of address space beyond what the program has at its start.") var memory: Int
    @Option(help: "Seconds of processor time.") var seconds: Int

    /// Takes away what reading one file does not need; to be called before a byte of it is read.
    func apply() throws {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").first
        let present = (pages.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
        try set(RLIMIT_AS, present + memory, "memory")
        // The soft limit ends the process by SIGXCPU, which tells it from others.
        try set(RLIMIT_CPU, seconds, hard: seconds + 1, "processor time")
        try set(RLIMIT_CORE, 0, "core dumps")
        try set(RLIMIT_FSIZE, 0, "files")
    }

    private func set(_ resource: __rlimit_resource, _ soft: Int, hard: Int? = nil, _ name: String) throws {
        let kind = __rlimit_resource_t(resource.rawValue)
        var limit = rlimit()
        getrlimit(kind, &limit)
        // A lower limit of the user's own stays.
        limit.rlim_max = min(limit.rlim_max, rlim_t(hard ?? soft))
        limit.rlim_cur = min(limit.rlim_cur, rlim_t(soft), limit.rlim_max)
        guard setrlimit(kind, &limit) == 0 else { throw SystemCallError(name, "limit") }
    }
}
