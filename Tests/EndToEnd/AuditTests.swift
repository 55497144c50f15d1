import Foundation
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
                    "audit", student, job.folder.file("dual-run"), "--attacks", "sima", "--images", "32", "--ranks",
                    "2",
                    "--out", "both", "--json",
                ], in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let releases = try #require(end.json["releases"] as? [[String: Any]])
            let names = releases.compactMap { $0["name"] as? String }
            #expect(names.count == 6 && names[0] == "student-run" && names[1] == "dual-run", "\(names)")
            #expect(names.dropFirst(2).allSatisfy { $0.hasPrefix("dual-run teacher-") }, "\(names)")
            #expect(releases.allSatisfy { ($0["attacks"] as? [Any])?.isEmpty == false })
            let page = try String(contentsOfFile: job.folder.file("both/report.html"), encoding: .utf8)
            #expect(names.allSatisfy { page.contains($0) })
            #expect(end.error.contains("auditing") && end.error.contains("%"), "progress: \(end.error)")
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
            #expect(job.run.bytes("audit/report.json") == expected)
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
            let missing = try run(.diptych, ["audit", job.folder.file("nothing")], in: job.folder)
            #expect(missing.code == Exit.inputOutput)
            let list = try run(.diptych, ["audit", "--list", "--json"], in: job.folder)
            #expect(list.code == Exit.done)
            let attacks = try #require(list.json["attacks"] as? [[String: Any]])
            #expect(attacks.contains { $0["name"] as? String == "dime" && $0["evaluations_per_image"] as? Int == 63 })
        }
    }
}
