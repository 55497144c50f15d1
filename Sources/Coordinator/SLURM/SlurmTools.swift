import Foundation
import Jobs

/// SLURM's own commands, as far as they are needed.
package struct SlurmTools {
    /// Where a job stands.
    package struct JobState: Hashable {
        /// SLURM's word: `PENDING`, `RUNNING`, `COMPLETED`, ...
        package var state: String
        /// Why it waits, or how it ended; empty when there is nothing to say.
        package var reason: String
        /// Its nodes, in SLURM's notation.
        package var nodes: String
        /// How often it was put back into the queue; nil when that is not known.
        package var restarts: Int?
        /// The code its script ended with, once it has.
        package var exitCode: Int32?
        /// Seconds until its time limit; nil when there is none, or it does not run.
        package var secondsLeft: Double?
        /// Whether SLURM puts it back into the queue when asked; nil when that is not known.
        package var mayBeQueuedAgain: Bool?
        /// The script's file; nil when that is not known.
        package var script: String?

        /// Gathers what is known.
        package init(
            state: String, reason: String, nodes: String, restarts: Int? = nil, exitCode: Int32? = nil,
            secondsLeft: Double? = nil, mayBeQueuedAgain: Bool? = nil, script: String? = nil
        ) {
            self.state = state
            self.reason = reason
            self.nodes = nodes
            self.restarts = restarts
            self.exitCode = exitCode
            self.secondsLeft = secondsLeft
            self.mayBeQueuedAgain = mayBeQueuedAgain
            self.script = script
        }

        /// Whether it may still do something.
        package var isLive: Bool {
            let words = [
                "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD",
                "REQUEUE_FED", "SPECIAL_EXIT", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT",
            ]
            return words.contains(state)
        }
    }

    /// The answer to the question where a job stands.
    enum Lookup {
        /// SLURM knows it.
        case known(JobState)
        /// SLURM has forgotten it.
        case forgotten
        /// SLURM cannot be asked, and why.
        case unavailable(String)
    }

    let machine: Machine

    /// Where what was submitted stands; a job of the same number that is not of its script is another one.
    func state(of submission: Submission) -> Lookup {
        let answer = state(of: submission.job)
        if case .known(let state) = answer, let script = state.script, script != submission.script { return .forgotten }
        return answer
    }

    /// Where a job stands: by scontrol, which also knows jobs that have just ended; by squeue, where scontrol does not
    /// answer; then by sacct.
    func state(of job: String) -> Lookup {
        let answer = ShortCommand.run("scontrol", ["show", "job", "--oneliner", job], machine)
        if answer.isGood, let line = answer.output.first(where: { $0.contains("JobState=") }) {
            return .known(Self.parse(scontrol: line))
        }
        var isForgotten = answer.complaint.contains("Invalid job id")
        // Both ask slurmctld: what it has told one need not be asked for again.
        if !isForgotten {
            let queue = ShortCommand.run("squeue", ["--noheader", "--jobs=\(job)", "--format=%T|%r|%N|%L|%o"], machine)
            if queue.isGood, let line = queue.output.last(where: { $0.contains("|") }) {
                return .known(Self.parse(squeue: line))
            }
            isForgotten = queue.complaint.contains("Invalid job id")
        }
        let accounting = ShortCommand.run(
            "sacct",
            ["--noheader", "--allocations", "--parsable2", "--jobs=\(job)", "--format=State,ExitCode,NodeList"],
            machine)
        if accounting.isGood, let line = accounting.output.last(where: { $0.contains("|") }) {
            return .known(Self.parse(sacct: line))
        }
        return isForgotten ? .forgotten : .unavailable(answer.complaint)
    }

    /// The bytes on a node that a partition gives to a job that does not ask for memory; nil for no limit, or no answer.
    ///
    /// - Parameters:
    ///   - partition: Its name.
    ///   - cores: Cores of the node that the job has.
    func defaultMemory(of partition: String, cores: Int) -> Double? {
        let answer = ShortCommand.run("scontrol", ["show", "partition", "--oneliner", partition], machine)
        let fields = answer.isGood ? answer.output.flatMap { $0.split(separator: " ") } : []
        for (name, count) in [("DefMemPerCPU", cores), ("DefMemPerNode", 1)] {
            // In units of 2^20 bytes; 0 and UNLIMITED set no limit.
            guard let field = fields.first(where: { $0.hasPrefix(name + "=") }),
                let megabytes = Int(field.dropFirst(name.count + 1)), megabytes > 0
            else { continue }
            return Double(megabytes * count) * 1_048_576
        }
        return nil
    }

    /// Reads one line of `scontrol show job --oneliner`.
    package static func parse(scontrol line: String) -> JobState {
        func field(_ name: String) -> String? {
            line.split(separator: " ").first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
        }
        var state = JobState(state: field("JobState") ?? "UNKNOWN", reason: "", nodes: "")
        if let reason = field("Reason"), reason != "None" { state.reason = reason }
        if let nodes = field("NodeList"), nodes != "(null)" { state.nodes = nodes }
        state.restarts = field("Restarts").flatMap { Int($0) }
        state.mayBeQueuedAgain = field("Requeue").map { $0 != "0" }
        // The only field whose value may hold blanks and that matters here.
        state.script = line.firstMatch(of: /\ Command=(.*?)(?:\ WorkDir=|$)/).map { String($0.1) }
        // The script's own code; after the colon stands the signal that ended it.
        if !state.isLive { state.exitCode = exitCode(field("ExitCode")) }
        if let limit = seconds(field("TimeLimit")), let run = seconds(field("RunTime")), state.state == "RUNNING" {
            state.secondsLeft = max(0, limit - run)
        }
        return state
    }

    /// Reads one line of squeue: state, reason, nodes, time left, script.
    package static func parse(squeue line: String) -> JobState {
        let fields = line.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
        func field(_ index: Int) -> String? {
            fields.indices.contains(index) && !fields[index].isEmpty ? fields[index] : nil
        }
        var state = JobState(
            state: field(0) ?? "UNKNOWN", reason: field(1).flatMap { $0 == "None" ? nil : $0 } ?? "",
            nodes: field(2) ?? "", script: field(4))
        if state.state == "RUNNING" { state.secondsLeft = seconds(field(3)) }
        return state
    }

    /// Reads one line `State|ExitCode|NodeList` of sacct.
    package static func parse(sacct line: String) -> JobState {
        let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        let words = (fields.first ?? "").split(separator: " ", maxSplits: 1).map(String.init)
        var state = JobState(
            state: words.first ?? "UNKNOWN", reason: words.count > 1 ? words[1] : "",
            nodes: fields.count > 2 ? fields[2] : "")
        if !state.isLive { state.exitCode = exitCode(fields.count > 1 ? fields[1] : nil) }
        return state
    }

    private static func exitCode(_ text: String?) -> Int32? {
        guard let parts = text?.split(separator: ":").compactMap({ Int32($0) }), parts.count == 2 else { return nil }
        return parts[1] != 0 ? 128 + parts[1] : parts[0]
    }

    /// The seconds of SLURM's notation `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`,
    /// `days-hours:minutes` or `days-hours:minutes:seconds`; nil for none and for anything else.
    package static func seconds(_ text: String?) -> Double? {
        guard let text, !text.isEmpty else { return nil }
        let halves = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard halves.count <= 2 else { return nil }
        let parts = (halves.last ?? "").split(separator: ":", omittingEmptySubsequences: false).map { Double($0) }
        let numbers = parts.compactMap(\.self)
        guard numbers.count == parts.count, (1...3).contains(numbers.count), numbers.allSatisfy({ $0 >= 0 }) else {
            return nil
        }
        if halves.count == 2 {
            guard let days = Double(halves[0]), days >= 0 else { return nil }
            return days * 86_400 + zip(numbers, [3600.0, 60, 1]).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let units: [Double] = numbers.count == 3 ? [3600, 60, 1] : [60, 1]
        return zip(numbers, units).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// Queues a running job again.
    ///
    /// - Returns: Nil when SLURM agreed, else what it says, and whether that is its last word.
    func requeue(_ job: String) -> (complaint: String, isFinal: Bool)? {
        let answer = ShortCommand.run("scontrol", ["requeue", job], machine, seconds: 60)
        guard !answer.isGood else { return nil }
        let refusals = ["Invalid job id", "denied", "disabled", "not on the search path", "Requested operation"]
        return (answer.complaint, answer.code != nil && refusals.contains { answer.complaint.contains($0) })
    }

    /// Sends the script of a job a signal.
    ///
    /// - Returns: Nil when SLURM agreed, else what it says.
    func signal(_ job: String, _ signal: String) -> String? {
        let answer = ShortCommand.run("scancel", ["--batch", "--signal=\(signal)", job], machine)
        return answer.isGood ? nil : answer.complaint
    }
}
