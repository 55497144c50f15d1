import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// A rank in a control group whose memory runs out.
    @Suite(.serialized, .enabled(if: MemoryGroup.works, "needs root and the memory controller of cgroup v1 or v2"))
    struct MemoryGroupTests {
        /// Fails when the rank is not named, something of a save is lost, or the same command does not go on.
        @Test func `A rank that the kernel ends for lack of memory is named, and the same command goes on`() throws {
            let expected = try Runs.finished().result
            let job = try Runs.stopped()
            let done = job.run.steps(of: "student")
            let group = try MemoryGroup(megabytes: 256)
            let programs = try AlteredPrograms(rank: group.takesRankOne)
            let run = try job.start(ranks: 2, programs: programs)
            try run.wait(until: "the student goes on") { job.run.steps(of: "student") > done + 1 }
            let ranks = run.ranks
            for rank in ranks { rank.send(SIGSTOP) }
            let others = try group.fill()
            for rank in ranks { rank.send(SIGCONT) }
            let end = try run.end()
            #expect(end.code == Exit.rankLost, "\(end.error)")
            let kills = try group.kills()
            #expect(kills - others == 1, "the kernel ended \(kills) processes, \(others) of them none of ours")
            let message = try #require(end.json["message"] as? String)
            #expect(
                message.contains(
                    /rank 1 \(process \d+ on \S+\) was ended by signal 9 \(Killed\) in distill at step \d+ of student/),
                "\(message)")
            #expect(message.contains("may have run out of memory (see `diptych plan`)"), "\(message)")
            let verdict = try EndToEndTests.run(.diptych, ["verify", job.run.path], in: job.folder)
            #expect(verdict.code == Exit.done, "\(verdict.error)")
            try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "after a lack of memory")
        }

        /// Fails when the limit of the group is not seen: the kernel would end the rank in its first step.
        @Test func `A group without room for a step is seen before anything is trained`() throws {
            let job = try TinyJob(replacing: "channels: [16, 32]", with: "channels: [256, 512]")
            let group = try MemoryGroup(megabytes: 320)
            let programs = try AlteredPrograms(rank: group.takesRankOne)
            try expectRefusal(
                job.start(ranks: 2, programs: programs).end(), code: Exit.inputOutput,
                naming: ["need more than", "in phase", "and can have", "images_per_lane"])
            #expect(job.run.bytes("split.h5") == nil)
            #expect(try group.kills() == 0)
        }
    }
}

/// A control group of the test's own, below that of this process, with a limit of memory; removed with this object.
final class MemoryGroup {
    /// Its folder.
    let path: String
    private let isUnified: Bool
    private let filler: String
    private let megabytes: Int

    /// Whether groups can be made here.
    static let works: Bool = geteuid() == 0 && (try? MemoryGroup(megabytes: 16)) != nil

    init(megabytes: Int) throws {
        self.megabytes = megabytes
        let own = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
        let lines = own.split(separator: "\n").map {
            $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        }
        let old = lines.first { $0.count == 3 && $0[1].split(separator: ",").contains("memory") }
        let unified = lines.first { $0.count == 3 && $0[1].isEmpty }
        isUnified = old == nil
        guard let line = old ?? unified else { throw TestFailure("this process is in no control group of memory") }
        let mount = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
        let name = "diptych-\(UUID().uuidString)"
        path = "\(mount)\(line[2] == "/" ? "" : line[2])/\(name)"
        filler = "/dev/shm/\(name)"
        guard mkdir(path, 0o755) == 0 else { throw TestFailure("\(path) cannot be made") }
        let file = isUnified ? "memory.max" : "memory.limit_in_bytes"
        do {
            // Written in place: these files are the kernel's.
            try Self.write("\(megabytes << 20)", to: "\(path)/\(file)")
        } catch {
            rmdir(path)
            throw error
        }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: filler)
        // A process that has just been killed may not have left yet.
        for _ in 0..<200 where rmdir(path) != 0 { usleep(10_000) }
    }

    private static func write(_ text: String, to path: String) throws {
        guard let handle = FileHandle(forWritingAtPath: path) else { throw TestFailure("\(path) cannot be written") }
        try handle.write(contentsOf: Data(text.utf8))
    }

    /// In bash: lets rank 1 live in the group, as the process that the kernel ends first.
    var takesRankOne: String {
        "[ $rank = 1 ] && echo $$ > '\(path)/cgroup.procs' && echo 1000 > /proc/self/oom_score_adj"
    }

    /// Takes the memory of the group, by a file in memory, until the kernel has ended a process in it.
    ///
    /// Each megabyte is written by a process of its own. The kernel, which takes a rank first, may end the last of them, too,
    /// before the rank's memory has come back; exempting them takes a capability that containers lack.
    ///
    /// - Returns: How many of the writing processes were ended.
    func fill() throws -> Int {
        let script = """
            megabyte=0; ended=0
            while grep -q '^oom_kill 0$' '\(events)' && [ $megabyte -lt \(megabytes) ]; do
                sh -c 'echo $$ > "$0/cgroup.procs" && exec dd if=/dev/zero "$@" bs=1M count=1 conv=notrunc' \
            '\(path)' of='\(filler)' seek=$megabyte
                [ $? = 137 ] && ended=$((ended + 1))
                megabyte=$((megabyte + 1))
            done
            echo $ended
            """
        let output = try command("sh", "-c", script).output
        try FileManager.default.removeItem(atPath: filler)
        guard let ended = Int(output.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw TestFailure("the group cannot be filled: \(output)")
        }
        return ended
    }

    /// Where the kernel counts.
    private var events: String { "\(path)/\(isUnified ? "memory.events" : "memory.oom_control")" }

    /// The processes of the group that the kernel has ended.
    func kills() throws -> Int {
        let text = try String(contentsOfFile: events, encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
        return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) } ?? -1
    }
}
