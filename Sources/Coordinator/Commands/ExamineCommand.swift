import ArgumentParser
import Checkpoints
import Foundation
import Jobs

/// `diptych examine-checkpoint`: reads one checkpoint within limits; what ``Examination`` starts.
struct ExamineCommand: ParsableCommand {
    static let name = "examine-checkpoint"
    static let configuration = CommandConfiguration(
        commandName: name, abstract: "Reads one checkpoint within limits; `verify` and `sign` start it.",
        shouldDisplay: false)

    /// What it says, as one line of JSON.
    struct Verdict: Codable {
        /// What is wrong with the checkpoint; nil when nothing is.
        var fault: String?
    }

    @Argument(help: "The folder of all models.") var directory: String
    @Argument(help: "The model.") var model: String
    @Argument(help: "The step.") var step: Int
    @Option(help: "Bytes of address space beyond what the program has at its start.") var memory: Int
    @Option(help: "Seconds of processor time.") var seconds: Int

    func run() throws {
        try limit()
        let fault = CheckpointStore(directory: directory).fault(model: model, step: step)
        Console(json: true).report(["fault": fault.map { .string($0) } ?? .null])
    }

    /// Takes away what reading one file does not need, before a byte of it is read.
    private func limit() throws {
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
