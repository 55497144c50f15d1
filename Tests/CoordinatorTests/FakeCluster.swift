import Foundation
import Jobs
import TestSupport
import Testing

/// A folder with the real `diptych`, a stand-in for `diptych-worker`, and an `mpirun` that plays a part.
///
/// The coordinator finds the worker beside itself and mpirun on the search path, so neither knows the difference.
final class FakeCluster {
    /// What the fake mpirun does.
    enum Part: String {
        /// Ends well, with an outcome.
        case success
        /// Writes an outcome with code 65.
        case badData
        /// Ends with mpirun's words for a killed rank, without an outcome.
        case killedRank
        /// Ends with 0 and says nothing.
        case silentEnd
        /// A rank aborts with its reason.
        case abort
        /// Waits for SIGUSR1, then ends as stopped.
        case waits
        /// Waits and takes no notice of SIGUSR1 or SIGTERM.
        case stubborn
        /// As `waits`, but for its first moments a SIGUSR1 would end it, as it would end mpirun.
        case startsSlowly
        /// Is killed while a rank of it lives on.
        case orphans
        /// Rank 1 hangs, and rank 0 waits for it.
        case hangs
        /// The ranks work, but say that it is the year 2001.
        case wrongClock
        /// No rank ever gives a sign of life.
        case neverStarts
        /// The disk is full for a while.
        case failsToWrite
        /// Prints one line of JSON, as sampling and benchmarks do.
        case errand
        /// Crashes the first time before any rank has come up; then as `success`.
        case crashesAtStart
        /// Crashes every time before any rank has come up.
        case alwaysCrashes
        /// Prints what `diptych-worker probe` found out, from the file `probe` in the folder.
        case probe
        /// Is another MPI's launcher.
        case foreign
    }

    let folder: String
    private let program: String

    init(_ part: Part) throws {
        folder = absolutePath(NSTemporaryDirectory()) + "/diptych-fake-\(UUID().uuidString)"
        program = folder + "/bin/diptych"
        let manager = FileManager.default
        try manager.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
        try manager.copyItem(atPath: Self.builtProgram(), toPath: program)
        try Self.script(folder + "/bin/diptych-worker", "exit 1")
        try Self.script(folder + "/bin/mpirun", Self.body(part))
        try Self.job.write(toFile: folder + "/job.yaml", atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Adds a program that comes first on the search path.
    func add(_ name: String, _ body: String) throws { try Self.script(folder + "/bin/" + name, body) }

    /// Takes everything off the search path but the programs of this folder and some of the machine's.
    func keepOnlyOwnPrograms(and names: [String]) throws {
        for name in names {
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/bin/" + name, withDestinationPath: "/usr/bin/" + name)
        }
        searchPath = folder + "/bin"
    }

    private var searchPath: String?

    static let job = """
        name: fake
        data: {images: /nonexistent/images.idx, members: 100}
        model: {channels: [8, 16], attention: [false, true], norm_groups: 8}
        defence: dualmd
        teach: {steps: 10, batch: 8, images_per_lane: 4}

        """

    /// `diptych` as built, in the folder of this test's own program.
    static func builtProgram() throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folders = [own, CommandLine.arguments[0]].map { ($0 as NSString).deletingLastPathComponent }
        let found = folders.map { $0 + "/diptych" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return try #require(found, "diptych is not built beside the tests in \(folders)")
    }

    private static func script(_ path: String, _ body: String) throws {
        try ("#!/bin/bash\n" + body + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    private static func body(_ part: Part) -> String {
        let common = """
            printf '%s\\n' "$@" > "$(dirname "$0")/../arguments"
            env > "$(dirname "$0")/../environment"
            echo $$ > "$(dirname "$0")/../launcher"
            while [ $# -gt 0 ]; do
              case "$1" in --run) run="$2";; -n) ranks="$2";; esac
              shift
            done
            beat() {
              for ((rank = 0; rank < ranks; rank++)); do
                echo "{\\"rank\\":$rank,\\"phase\\":\\"teach\\",\\"model\\":\\"teacher-$rank\\",\\"step\\":${step:-4},\\"total_steps\\":10,\
            \\"loss\\":0.5,\\"images_per_second\\":8,\\"time\\":${time:-$(date +%s)},\\"process\\":1,\\"host\\":\\"h\\",\
            \\"is_waiting\\":$([ "$waiting" = "$rank" ] && echo true || echo false)}" \
                  > "$run/logs/heartbeats/$rank"
              done
            }
            outcome() {
              echo "{\\"exit\\":$1,\\"message\\":\\"$2\\",\\"grid\\":\\"/grid.png\\",\\"phases\\":[{\\"name\\":\\"teach\\",\\"steps\\":10,\
            \\"seconds\\":1.5,\\"images_per_second\\":53.5,\\"final_loss\\":{\\"teacher-1\\":0.25,\\"teacher-0\\":0.5}}],\
            \\"weights_sha256\\":{\\"teacher-0\\":\\"aa\\",\\"teacher-1\\":\\"bb\\"},\\"ema_sha256\\":{\\"teacher-0\\":\\"cc\\"}}" \
                > "$run/outcome.json"
            }

            """
        switch part {
        case .probe:
            return """
                [ "$1" = --version ] && { echo 'mpirun (Open MPI) 4.1.4'; exit; }
                cat "$(dirname "$0")/../probe"
                """
        case .crashesAtStart:
            return common
                + """
                if [ ! -e "$run/crashed" ]; then touch "$run/crashed"; exit 139; fi
                beat; outcome 0 ''
                """
        case .alwaysCrashes: return common + "echo again >> \"$run/crashed\"; exit 139"
        case .foreign: return "echo 'HYDRA build details:'"
        case .success: return common + "beat; sleep 0.7; echo a worker speaks; outcome 0 ''"
        case .badData: return common + "beat; outcome 65 'train.idx: the magic number is wrong'; exit 65"
        case .killedRank:
            return common
                + """
                beat
                cat >&2 <<'END'
                --------------------------------------------------------------------------
                Primary job  terminated normally, but 1 process returned
                a non-zero exit code. Per user-direction, the job has been aborted.
                --------------------------------------------------------------------------
                mpirun noticed that process rank 1 with PID 4711 on node n2 exited on signal 9 (Killed).
                END
                exit 137
                """
        case .silentEnd: return common + "exit 0"
        case .abort:
            return common
                + """
                echo 'diptych-worker: rank 1 of 2 on n2: loss is NaN at step 7 of teacher-1' >&2
                echo 'MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD' >&2
                echo 'with errorcode 70.' >&2
                exit 70
                """
        case .waits:
            return common
                + """
                trap 'sleep 1; outcome 75 "saved at step 5"; exit 75' USR1
                trap 'echo TERM >> "$run/term"' TERM INT
                beat
                for ((i = 0; i < 300; i++)); do sleep 0.1; done
                exit 3
                """
        case .startsSlowly:
            return common.replacing("beat() {", with: "sleep 2\nbeat() {")
                + String(body(.waits).dropFirst(common.count))
        case .stubborn:
            return common + "trap '' USR1 TERM INT; beat; for ((i = 0; i < 300; i++)); do sleep 0.1; done; exit 3"
        case .orphans:
            return common
                + """
                beat
                # As a rank does, the orphan holds only its standard files.
                for file in /proc/$$/fd/*; do
                  [ "${file##*/}" -gt 2 ] && [ "${file##*/}" != 255 ] && eval "exec ${file##*/}>&-"
                done
                sleep 300 &
                echo $! > "$(dirname "$0")/../rank"
                kill -9 $$
                """
        case .hangs: return common + "waiting=0; beat; for ((i = 0; i < 300; i++)); do sleep 0.1; done; exit 3"
        case .neverStarts: return common + "for ((i = 0; i < 300; i++)); do sleep 0.1; done; exit 3"
        case .wrongClock:
            return common
                + "time=1000000000; for ((step = 1; step < 9; step++)); do beat; sleep 0.7; done; outcome 0 ''"
        case .failsToWrite:
            return common
                + """
                beat
                for ((i = 0; i < 3; i++)); do
                  echo '{"time":1,"host":"h","rank":0,"kind":"write_failed","what":"checkpoint of teacher-0","reason":\
                "cannot write x: No space left on device"}' >> "$run/logs/events.jsonl"
                  sleep 0.7
                done
                for ((i = 8; i < 10; i++)); do
                  echo '{"time":2,"host":"h","rank":0,"kind":"checkpoint","model":"teacher-'$((9 - i))'","step":'$i'}' \
                    >> "$run/logs/events.jsonl"
                done
                outcome 0 ''
                """
        case .errand:
            return common
                + """
                echo a line for people
                while IFS= read -r word; do
                  if [ "$last" = --out ]; then mkdir -p "$word"; touch "$word/dual.png" "$word/dual.npz" "$word/x"; fi
                  last="$word"
                done < "$(dirname "$0")/../arguments"
                echo '{"peer":"diptych","what":"train","model":"ddpm-cifar10","ranks":2,"batch_per_rank":16,"instructions":"avx2",\
                "median_step_seconds":1.5,"slowest_step_seconds":1.6,"images_per_second":21.3,"start_rss_gb_per_rank":0.1,\
                "peak_rss_gb_per_rank":0.9}'
                """
        }
    }

    /// A command that runs.
    final class Running {
        let process: Process
        private let output = Pipe()
        private let error = Pipe()
        private var heard = Data()
        private let deadline: Deadline
        private let seconds: Int

        /// Starts it.
        ///
        /// - Parameter seconds: Far more than it takes. Then it is killed with all that it has started, whose pipes are its
        ///   own, so that whoever reads them gets to their end.
        init(
            _ program: String, _ arguments: [String], folder: String, environment: [String: String], seconds: Int
        ) throws {
            let (name, mark) = ("FAKE_CLUSTER", UUID().uuidString)
            self.seconds = seconds
            process = Process()
            process.executableURL = URL(filePath: program)
            process.arguments = arguments
            process.currentDirectoryURL = URL(filePath: folder)
            process.environment = environment.merging([name: mark]) { $1 }
            process.standardOutput = output
            process.standardError = error
            try process.run()
            deadline = Deadline(seconds: seconds) {
                for process in LiveProcess.all(having: "\(name)=\(mark)") { process.send(SIGKILL) }
            }
        }

        deinit { deadline.cancel() }

        /// Sends it a signal.
        func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

        /// Waits until standard error holds some words, or is at its end.
        func waitForError(_ words: String) {
            while heard.firstRange(of: Data(words.utf8)) == nil {
                let more = error.fileHandleForReading.availableData
                if more.isEmpty { return }
                heard += more
            }
        }

        /// Waits for its end.
        ///
        /// - Throws: `NotEnded` when it had to be killed.
        func result() throws -> (code: Int32, output: String, error: String) {
            let output = try self.output.fileHandleForReading.readToEnd() ?? Data()
            let error = try heard + (self.error.fileHandleForReading.readToEnd() ?? Data())
            process.waitUntilExit()
            deadline.cancel()
            let texts = (String(decoding: output, as: UTF8.self), String(decoding: error, as: UTF8.self))
            if deadline.hasPassed { throw NotEnded(seconds: seconds, output: texts.0, error: texts.1) }
            let code = process.terminationReason == .exit ? process.terminationStatus : 1000 + process.terminationStatus
            return (code, texts.0, texts.1)
        }
    }

    /// A command that hung.
    struct NotEnded: Error, CustomStringConvertible {
        let seconds: Int
        let output, error: String
        var description: String { "diptych did not end within \(seconds) s:\n\(output)\n\(error)" }
    }

    /// Starts `diptych` in the folder, with the fake mpirun first on the search path.
    func start(_ arguments: String...) throws -> Running { try start(arguments) }

    /// Whether this process may mount what it likes where nobody else sees it.
    static let canMount: Bool = {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/unshare")
        process.arguments = ["--mount", "mount", "-t", "tmpfs", "none", "/dev/shm"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    /// Starts `diptych` with a list of arguments.
    ///
    /// - Parameters:
    ///   - arguments: The arguments.
    ///   - more: Variables added to the environment.
    ///   - mounts: Commands of the shell that come first, in a name space of mounts of their own.
    ///   - seconds: When it is killed, because it must have ended.
    func start(
        _ arguments: [String], environment more: [String: String] = [:], mounts: String? = nil, seconds: Int = 300
    ) throws -> Running {
        var environment = ProcessInfo.processInfo.environment.merging(more) { $1 }
        environment["PATH"] = searchPath ?? folder + "/bin:" + (environment["PATH"] ?? "/usr/bin:/bin")
        let words = mounts.map { ["/usr/bin/unshare", "--mount", "sh", "-c", $0 + " && exec \"$@\"", "sh"] } ?? []
        let command = words + [program] + arguments
        return try Running(
            command[0], Array(command.dropFirst()), folder: folder, environment: environment, seconds: seconds)
    }

    /// Waits until a file is there.
    func wait(for file: String, seconds: Double = 20) throws {
        let deadline = Date().addingTimeInterval(seconds)
        while !FileManager.default.fileExists(atPath: folder + "/" + file) {
            try #require(Date() < deadline, "\(file) did not appear")
            usleep(20_000)
        }
    }

    /// The text of a file in the folder.
    func text(_ file: String) throws -> String { try String(contentsOfFile: folder + "/" + file, encoding: .utf8) }
}
