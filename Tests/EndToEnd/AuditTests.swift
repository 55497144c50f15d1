import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// `diptych audit` on a finished run.
    @Suite(.serialized)
    struct AuditTests {
        private func arguments(_ job: TinyJob, ranks: Int, _ attacks: String = "dime,secmi,sima-mc,likelihood")
            -> [String]
        {
            [
                "audit", job.run.path, "--attacks", attacks, "--images", "32", "--samples", "8", "--ranks", "\(ranks)",
                "--json",
            ]
        }

        private func kept(_ job: TinyJob) -> [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: "\(job.run.path)/audit/scores")) ?? []
        }

        @Test func `audit prints one line of JSON with every attack`() throws {
            let job = try TinyJob(copying: Runs.finished().job)
            let before = job.run.treasures
            let end = try run(.diptych, arguments(job, ranks: 2, "sima,gan-leaks"), in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            #expect(end.output.split(separator: "\n").count == 1)
            let releases = try #require(end.json["releases"] as? [[String: Any]])
            #expect(releases.count == 1)
            #expect(releases[0]["name"] as? String == "tiny")
            let quality = try #require(releases[0]["quality"] as? [String: Any])
            #expect((quality["extractor"] as? String)?.hasPrefix("classifier-28x28x1:") == true)
            #expect(quality["samples"] as? Int == 8)
            #expect(try #require(quality["frechet_distance"] as? Double) > 0)
            let attacks = try #require(releases[0]["attacks"] as? [[String: Any]])
            #expect(attacks.compactMap { $0["name"] as? String } == ["sima", "gan-leaks"])
            for attack in attacks {
                let promised: Set = [
                    "name", "access", "evaluations_per_image", "auc", "auc_interval", "asr", "tpr_at_1_fpr",
                    "tpr_at_0_1_fpr", "members", "held_out",
                ]
                #expect(promised.isSubset(of: attack.keys))
                #expect(attack["members"] as? Int == 16)
                #expect((0...1).contains(try #require(attack["auc"] as? Double)))
            }
            for file in ["report.json", "report.html", "attacks.csv", "roc.csv", "roc.png", "scores.png"] {
                #expect(job.run.bytes("audit/\(file)") != nil, "\(file)")
            }
            #expect(job.run.treasures == before, "the run itself is untouched")

            // The same measurements, without what is private.
            let page = try #require(job.run.bytes("audit/report.html"))
            let open = try run(.diptych, arguments(job, ranks: 1, "sima,gan-leaks") + ["--public"], in: job.folder)
            #expect(open.code == Exit.done, "\(open.error)")
            #expect(job.run.bytes("audit/report.html") == page, "the run's own report stays")
            let shown = String(decoding: try #require(job.run.bytes("audit/public/report.html")), as: UTF8.self)
            #expect(String(decoding: page, as: UTF8.self).contains("data:image/png"))
            #expect(!shown.contains("data:image/png") && !shown.contains(job.run.path))
            let beside = arguments(job, ranks: 1, "sima,gan-leaks") + ["--public", "--out", job.run.path + "/audit"]
            #expect(try run(.diptych, beside, in: job.folder).code == Exit.usage, "beside what is private")
            #expect(job.run.bytes("audit/report.html") == page)
        }

        /// DistillMD and DualMD with the same teachers; their jobs have one name, so the folders tell them apart.
        @Test func `several runs stand in one report`() throws {
            let job = try TinyJob(copying: Runs.finished().job)
            let student = job.folder.file("student-run")
            try FileManager.default.moveItem(atPath: job.run.path, toPath: student)
            let dual =
                ["run", job.file, "--run", job.folder.file("dual-run"), "--ranks", "2"]
                + ["--set", "defence=dualmd", "--set", "teachers.from=\(student)"]
            let made = try run(.diptych, dual, in: job.folder)
            #expect(made.code == Exit.done, "\(made.error)")
            let end = try run(
                .diptych,
                [
                    "audit", student, job.folder.file("dual-run"), "--attacks", "sima", "--images", "32", "--samples",
                    "8", "--ranks",
                    "2",
                    "--out", "both", "--json",
                ], in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let releases = try #require(end.json["releases"] as? [[String: Any]])
            let names = releases.compactMap { $0["name"] as? String }
            #expect(names.count >= 6 && names[0] == "student-run" && names[1] == "dual-run", "\(names)")
            #expect(names.dropFirst(2).allSatisfy { $0.hasPrefix("dual-run") }, "\(names)")
            #expect(names.count { $0.hasPrefix("dual-run teacher-") } >= 4, "\(names)")
            #expect(releases.prefix(2).allSatisfy { $0["part_of"] is NSNull })
            #expect(releases.dropFirst(2).allSatisfy { $0["part_of"] as? String == "dual-run" })
            #expect(releases.allSatisfy { ($0["attacks"] as? [Any])?.isEmpty == false })
            let page = try String(contentsOfFile: job.folder.file("both/report.html"), encoding: .utf8)
            #expect(names.allSatisfy { page.contains($0) })
            let heading = try #require(page.range(of: "<h2>How to read"))
            #expect(page[..<heading.lowerBound].contains("dual-run"))
            #expect(!page[..<heading.lowerBound].contains("teacher-0"), "parts are no releases")
            #expect(end.error.contains("auditing") && end.error.contains("%"), "progress: \(end.error)")

            // The same for anyone: what may be told of each run is told, and nothing else.
            let open = try run(
                .diptych,
                [
                    "audit", student, job.folder.file("dual-run"), "--attacks", "sima", "--images", "32", "--samples",
                    "8", "--out", "open",
                ]
                    + ["--public"], in: job.folder)
            #expect(open.code == Exit.done, "\(open.error)")
            let entries = try provenance(job.folder.file("open/report.json"))
            for name in ["student-run: diptych", "dual-run: diptych", "dual-run: weights of teacher-1, SHA-256"] {
                #expect(entries[name]?.isEmpty == false, "\(entries.keys.sorted())")
            }
            #expect(entries.keys.allSatisfy { !$0.contains("hash") && !$0.contains("data") && $0 != "started in" })
            let command = try #require(entries["command"])
            #expect(command.hasPrefix("diptych audit RUN-1 RUN-2 ") && command.hasSuffix(" --out FOLDER --public"))
            let shown = try String(contentsOfFile: job.folder.file("open/report.html"), encoding: .utf8)
            #expect(!shown.contains(job.folder.path) && shown.contains(command))
            #expect(!shown.contains("nothing that may be told"))
        }

        /// The provenance of a report, by name.
        private func provenance(_ path: String) throws -> [String: String] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            let report = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
            let entries = try #require(report["provenance"] as? [[String: Any]])
            return Dictionary(
                uniqueKeysWithValues: try entries.map {
                    (try #require($0["name"] as? String), try #require($0["value"] as? String))
                })
        }

        /// With a shadow model, and with paths that a shell would change.
        @Test func `the command in the report repeats it where it was started`() throws {
            let job = try TinyJob(copying: Runs.finished().job)
            try FileManager.default.moveItem(atPath: job.run.path, toPath: job.folder.file("it's a run"))
            let made = try run(
                .diptych,
                ["run", job.file, "--run", job.folder.file("$shadow"), "--ranks", "2", "--set", "seed=8"]
                    + ["--set", "defence=none"], in: job.folder)
            #expect(made.code == Exit.done, "\(made.error)")
            let neither = try run(.diptych, ["audit", "./$shadow", "--attacks", "neighbours"], in: job.folder)
            #expect(
                neither.code == Exit.usage && neither.error.contains("is an attack on DistillMD"), "\(neither.error)")
            let audited = try run(
                .diptych,
                [
                    "audit", "it's a run", "--attacks", "pia,pia-lira", "--images", "32", "--samples", "8", "--ranks",
                    "2",
                ]
                    + [
                        "--budget", "5000", "--weights", "raw", "--shadow", "./$shadow", "--out", "the report",
                        "--json",
                    ],
                in: job.folder)
            #expect(audited.code == Exit.done, "\(audited.error)")
            let releases = try #require(audited.json["releases"] as? [[String: Any]])
            let attacks = try #require(releases.first?["attacks"] as? [[String: Any]])
            #expect(attacks.map { $0["name"] as? String } == ["pia", "pia-lira"])
            #expect(attacks.last?["access"] as? String == "training")
            let settings = try #require(attacks.last?["settings"] as? [String: String])
            #expect(settings["deviation"] == "common", "of one shadow: \(settings)")
            let file = job.folder.file("the report/report.json")
            let entries = try provenance(file)
            #expect(entries["started in"] == job.folder.path)
            #expect(entries["shadow 1"] == "$shadow" && entries["weights of shadow 1, SHA-256"] != nil)

            let page = try String(contentsOfFile: job.folder.file("the report/report.html"), encoding: .utf8)
            #expect(page.contains("Shadow models, trained by the attacker on other images of the same source: 1, "))
            let start = try #require(page.range(of: "<pre><code>")).upperBound
            let end = try #require(page.range(of: "</code></pre>")).lowerBound
            let command = page[start..<end].replacing("&#39;", with: "'")
            let report = try Data(contentsOf: URL(fileURLWithPath: file))
            try FileManager.default.removeItem(atPath: job.folder.file("the report"))
            let programs = (try Program.diptych.path as NSString).deletingLastPathComponent
            let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
            let again = try run(
                .bash, ["-c", String(command)], in: job.folder, environment: ["PATH": "\(programs):\(path)"])
            #expect(again.code == Exit.done, "\(command): \(again.error)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == report)
        }

        @Test func `only the owner's report reads the images that ranks leave for the page`() throws {
            let job = try TinyJob(copying: Runs.finished().job)
            let file = job.run.path + "/audit/nearest.json"
            let spoiled = try AlteredPrograms(
                rank: "\"$worker\" \"$@\"; code=$?; if [ $rank = 0 ]; then echo nothing >'\(file)'; fi; exit $code")
            func audit(_ options: [String]) throws -> ProgramRun.End {
                try ProgramRun(
                    .diptych, arguments(job, ranks: 2, "sima,gan-leaks") + options, in: job.folder,
                    programs: spoiled.path
                ).end()
            }
            let open = try audit(["--public"])
            #expect(open.code == Exit.done, "\(open.error)")
            let own = try audit([])
            #expect(own.code == Exit.inputOutput && own.error.contains("the ranks left for the page"), "\(own.error)")
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "nothing\n")
        }

        @Test func `the table for people has what the budget reaches, and raw weights are others`() throws {
            let job = try TinyJob(copying: Runs.finished().job)
            // 12 evaluations of 64 images for sima, 9 for pia.
            let options = [
                "audit", job.run.path, "--attacks", "pia,sima", "--images", "32", "--samples", "8", "--ranks", "2",
            ]
            let end = try run(.diptych, options + ["--budget", "800"], in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let lines = end.output.split(separator: "\n")
            #expect(lines.contains { $0.contains("left out, because the budget does not reach: student: pia") })
            let row = try #require(lines.first { $0.hasPrefix("sima ") }, "\(end.output)")
            let words = row.split(separator: " ")
            #expect(words.count == 8 && words[1] == "predicts")
            let table = try #require(lines.firstIndex { $0.hasPrefix("tiny (distillmd, 2 parts)") })
            let rows = lines[table...].filter { !$0.hasPrefix("report: ") && !$0.hasPrefix("note: ") }
            #expect(rows.allSatisfy { $0.count <= 80 }, "\(end.output)")
            #expect(!lines[table...].contains { $0.hasPrefix("pia") })
            #expect(lines.contains("test half: 16 members, 16 held-out images"))

            let raw = try run(.diptych, options + ["--weights", "raw", "--json"], in: job.folder)
            #expect(raw.code == Exit.done, "\(raw.error)")
            let entries = try provenance(job.run.path + "/audit/report.json")
            let average = try run(.diptych, options + ["--json"], in: job.folder)
            #expect(average.code == Exit.done, "\(average.error)")
            let others = try provenance(job.run.path + "/audit/report.json")
            let name = "weights of student, SHA-256"
            #expect(entries[name] != nil && others[name] != nil && entries[name] != others[name])
            #expect(raw.output != average.output, "figures of other weights")
            // The same measurement as in the table.
            let releases = try #require(average.json["releases"] as? [[String: Any]])
            let attacks = try #require(releases.first?["attacks"] as? [[String: Any]])
            #expect(attacks.map { $0["name"] as? String } == ["sima", "pia"])
            let auc = try #require(attacks.first?["auc"] as? Double)
            #expect(words[3] == String(format: "%.3f", auc))
        }

        @Test func `a public report and samples are signed and verified as they are`() throws {
            let job = try TinyJob(copying: Runs.finished().job)
            let audited = try run(.diptych, arguments(job, ranks: 2, "sima") + ["--public"], in: job.folder)
            #expect(audited.code == Exit.done, "\(audited.error)")
            let key = "MC4CAQAwBQYDK2VwBCIEIFdfeVkBXXRnHmMEjTSZKW3Bp/RrQDk1pMmQ4dzSLv0m"
            let secret = try job.folder.write(
                "-----BEGIN PRIVATE KEY-----\n\(key)\n-----END PRIVATE KEY-----\n", to: "secret.pem")
            let publicKey = "MCowBQYDK2VwAyEAUtol/28F0LvnP/M9bBygCHlt0Q19FOx6rniJdVA/rGI="
            let openPath = try job.folder.write(
                "-----BEGIN PUBLIC KEY-----\n\(publicKey)\n-----END PUBLIC KEY-----\n", to: "public.pem")
            for export in ["audit/public", "samples"] {
                let path = "\(job.run.path)/\(export)"
                let signed = try run(.diptych, ["sign", path, "--key", secret], in: job.folder)
                #expect(signed.code == Exit.done, "\(signed.error)")
                let verified = try run(.diptych, ["verify", path, "--key", openPath, "--json"], in: job.folder)
                #expect(verified.code == Exit.done, "\(verified.error)")
                #expect(try verified.json["kind"] as? String == "export")
                #expect(try #require(verified.json["files"] as? Int) >= 2)
            }
            try RunFolder.damage("\(job.run.path)/audit/public/report.html")
            let damaged = try run(
                .diptych, ["verify", "\(job.run.path)/audit/public", "--key", openPath], in: job.folder)
            #expect(damaged.code == Exit.badData && damaged.error.contains("report.html"), "\(damaged.error)")
        }

        @Test func `an audit that was killed or stopped goes on to the same report`() throws {
            let whole = try TinyJob(copying: Runs.finished().job)
            let end = try run(.diptych, arguments(whole, ranks: 1), in: whole.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let expected = try #require(whole.run.bytes("audit/report.json"))

            let job = try TinyJob(copying: Runs.finished().job)
            let killed = try ProgramRun(.diptych, arguments(job, ranks: 2), in: job.folder)
            try killed.wait(until: "something is measured") { !kept(job).isEmpty }
            killed.killEverything()
            #expect(job.run.bytes("audit/report.json") == nil)

            let stopped = try ProgramRun(.diptych, arguments(job, ranks: 2), in: job.folder)
            let count = kept(job).count
            try stopped.wait(until: "the ranks are there") { stopped.ranks.count == 2 }
            try stopped.wait(until: "more is measured") { kept(job).count > count || !stopped.isRunning }
            // Most of the work is still to come.
            stopped.send(SIGINT)
            #expect(try stopped.end().code == Exit.stopped)
            #expect(job.run.bytes("audit/report.json") == nil)

            let resumed = try run(.diptych, arguments(job, ranks: 2), in: job.folder)
            #expect(resumed.code == Exit.done, "\(resumed.error)")
            // It names the folder where it was started.
            let report = String(decoding: try #require(job.run.bytes("audit/report.json")), as: UTF8.self)
            #expect(Data(report.replacing(job.folder.path, with: whole.folder.path).utf8) == expected)
        }

        @Test func `audit says what it cannot do`() throws {
            let job = try Runs.finished().job
            // Several times, with ranks that only echo the first one's error: none of them may take the word.
            for _ in 0..<5 {
                let unknown = try run(
                    .diptych, ["audit", job.run.path, "--attacks", "pja", "--ranks", "3"], in: job.folder)
                #expect(unknown.code == Exit.usage)
                #expect(unknown.error.contains("there is no attack pja") && unknown.error.contains("pia"))
                #expect(!unknown.error.contains("rank 0 failed"), "\(unknown.error)")
            }
            for (count, message) in [
                ("0", "--images must be in 1...1000000, found 0"), ("many", "--images"),
                ("7", "7 were asked for"),
            ] {
                let wrong = try run(
                    .diptych, ["audit", job.run.path, "--images", count, "--ranks", "2"], in: job.folder)
                #expect(wrong.code == Exit.usage && wrong.error.contains(message), "\(wrong.error)")
            }
            for (attacks, complaint) in [("", "no attack is named"), ("set-level", "name such an attack, too")] {
                let empty = try run(.diptych, ["audit", job.run.path, "--attacks", attacks], in: job.folder)
                #expect(empty.code == Exit.usage && empty.error.contains(complaint), "\(empty.error)")
            }
            let missing = try run(.diptych, ["audit", job.folder.file("nothing")], in: job.folder)
            #expect(missing.code == Exit.inputOutput)
            let list = try run(.diptych, ["audit", "--list", "--json"], in: job.folder)
            #expect(list.code == Exit.done)
            let attacks = try #require(list.json["attacks"] as? [[String: Any]])
            #expect(attacks.contains { $0["name"] as? String == "dime" && $0["evaluations_per_image"] as? Int == 63 })
            let text = try run(.diptych, ["audit", "--list"], in: job.folder)
            #expect(text.code == Exit.done && text.error.isEmpty)
            let rows = text.output.split(separator: "\n").map { $0.split(separator: " ") }
            #expect(rows.first?.first == "attack")
            for attack in attacks {
                let name = try #require(attack["name"] as? String)
                let row = try #require(rows.first { $0.first.map(String.init) == name }, "\(name)")
                #expect(row.contains { Int($0) == attack["evaluations_per_image"] as? Int }, "\(row)")
            }
        }
    }
}
