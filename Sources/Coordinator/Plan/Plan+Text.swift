import Diffusion
import Foundation
import Jobs
import Tensor

extension Plan {
    /// Whether the run's directory holds a run, or something that may be one.
    private var isThere: Bool { (try? directory.isPrepared) ?? true }

    /// For people.
    var lines: [String] {
        var lines = ["job \(job.name): \(job.defence.rawValue), run directory \(printable(directory.path))"]
        if isThere {
            lines.append("the run directory is there already; `diptych run` goes on with it if it holds the same job")
        }
        if let dataNote { lines.append(dataNote) }
        lines.append(
            "network: \(PlanText.count(cost.parameters)) weights for images of \(configuration.inChannels) x "
                + "\(configuration.height) x \(configuration.width), "
                + "\(ProgressRenderer.digits(Double(cost.multiplyAddsPerImage) / 1e9)) G multiply-adds for one forward pass"
        )
        if let path = job.numerics.convolutions, let convolutions {
            lines.append("convolutions: \(convolutions.entries.count) algorithms as \(printable(path)) says")
        }
        if let instructions = job.numerics.instructions {
            lines.append("instructions: at most \(instructions.rawValue)")
        }
        lines.append("ranks: \(placement.ranks), at most \(job.rankLimit)")
        let models = job.taughtModels
        if let source = job.teachersFrom, !taken.isEmpty {
            lines.append(
                "teachers: \(taken.map(\.name).joined(separator: ", ")) from the run in \(printable(source)), not trained here"
            )
        }
        for (index, group) in placement.groups.enumerated() where taken != models {
            let names = models[group.models].map(\.name).joined(separator: ", then ")
            lines.append(
                "teach, group \(index): ranks \(PlanText.range(group.ranks)) train \(names), \(job.teach.lanes) lanes of "
                    + "\(job.teach.imagesPerLane) images, \(Self.shares(group.lanes, job.teach))")
        }
        if job.student != nil {
            lines.append(
                "distill: ranks \(PlanText.range(0..<placement.ranks)) train student, \(job.distill.lanes) lanes of "
                    + "\(job.distill.imagesPerLane) images, \(Self.shares(placement.distillLanes, job.distill))")
        }
        for phase in memory.phases {
            let rank = phase.rank
            var parts = [
                "weights \(PlanText.bytes(rank.weights))", "sums of lanes \(PlanText.bytes(rank.gradients))",
                "optimizer and EMA \(PlanText.bytes(rank.optimizer))",
                "activations \(PlanText.bytes(rank.activations))", "working memory \(PlanText.bytes(rank.working))",
                "sums received \(PlanText.bytes(rank.receiving))",
                "program \(PlanText.bytes(rank.process))",
                "saving \(PlanText.bytes(rank.saving))",
            ]
            if rank.teachers > 0 { parts.insert("teachers \(PlanText.bytes(rank.teachers))", at: 1) }
            lines.append(
                "memory of a rank, \(phase.phase.rawValue): about \(PlanText.bytes(rank.total)) and the data ("
                    + parts.joined(separator: ", ") + ")")
            lines.append(
                "exchanged in a step, \(phase.phase.rawValue): \(PlanText.bytes(phase.exchanged)) within a group, of which "
                    + "\(PlanText.bytes(phase.exchangedExtra)) for the fixed order of additions")
        }
        lines.append(
            "checkpoints: \(PlanText.bytes(memory.checkpointBytes)) each before compression, at most "
                + "\(PlanText.bytes(memory.diskBytes)) on disk")
        for time in times {
            lines.append(
                "time, \(time.phase.rawValue): about \(ProgressRenderer.duration(time.seconds)) for \(time.steps) steps, "
                    + "\(ProgressRenderer.digits(time.imagesPerSecond)) images/s, the computing alone, \(time.source.words)"
            )
            lines.append(
                "one step, \(time.phase.rawValue): about \(ProgressRenderer.digits(time.step.total)) s, of which "
                    + "\(ProgressRenderer.digits(time.step.exposed)) s wait for communication; efficiency "
                    + "\(Int((100 * time.efficiency).rounded())) % (\(networkWords))")
        }
        return lines
    }

    /// What the communication was reckoned with.
    private var networkWords: String {
        placement.ranks <= cluster.ranksPerHost
            ? "all ranks on one host"
            : "\(cluster.ranksPerHost) rank\(cluster.ranksPerHost == 1 ? "" : "s") a host, "
                + "\(ProgressRenderer.digits(cluster.network.bandwidth / 1e9)) GB/s between hosts"
    }

    /// Lanes and images of a rank in words.
    private static func shares(_ lanes: [Range<Int>], _ options: Job.TrainingOptions) -> String {
        let most = lanes.map(\.count).max() ?? 0
        let least = lanes.map(\.count).min() ?? 0
        let images = { $0 * options.imagesPerLane }
        return most == least
            ? "\(most) lane\(most == 1 ? "" : "s") and \(images(most)) images per rank and step"
            : "\(least) to \(most) lanes and \(images(least)) to \(images(most)) images per rank and step"
    }

    /// For scripts.
    var json: JSONValue {
        func lanes(_ ranges: [Range<Int>]) -> JSONValue { .array(ranges.map { .integer($0.count) }) }
        let models = job.taughtModels
        return [
            "job": .string(job.name), "hash": .string(job.hash), "run": .string(directory.path),
            "exists": .boolean(isThere), "defence": .string(job.defence.rawValue),
            "taken_teachers": .array(taken.map { .string($0.name) }),
            "numerics": [
                "convolutions_sha256": convolutions.map { .string($0.sha256) } ?? .null,
                "instructions": job.numerics.instructions.map { .string($0.rawValue) } ?? .null,
            ],
            "ranks": .integer(placement.ranks), "rank_limit": .integer(job.rankLimit),
            "parameters": .integer(cost.parameters), "multiply_adds_per_image": .integer(cost.multiplyAddsPerImage),
            "groups": .array(
                placement.groups.map { group in
                    [
                        "ranks": .array(group.ranks.map { .integer($0) }),
                        "models": .array(models[group.models].map { .string($0.name) }),
                        "lanes_per_rank": lanes(group.lanes),
                        "images_per_rank": .array(group.lanes.map { .integer($0.count * job.teach.imagesPerLane) }),
                    ]
                }),
            "distill": job.student == nil
                ? .null
                : [
                    "lanes_per_rank": lanes(placement.distillLanes),
                    "images_per_rank": .array(
                        placement.distillLanes.map { .integer($0.count * job.distill.imagesPerLane) }),
                ],
            "phases": .array(
                zip(memory.phases, times).map { phase, time in
                    [
                        "name": .string(phase.phase.rawValue), "steps": .integer(time.steps),
                        "bytes_per_rank": .integer(phase.rank.total),
                        "bytes_exchanged_per_step": .integer(phase.exchanged),
                        "bytes_exchanged_extra": .integer(phase.exchangedExtra),
                        "seconds": .number(time.seconds), "images_per_second": .number(time.imagesPerSecond),
                        "rate": .string("\(time.source)"), "step_seconds": .number(time.step.total),
                        "exposed_communication_seconds": .number(time.step.exposed),
                        "efficiency": .number(time.efficiency),
                    ]
                }),
            "checkpoint_bytes": .integer(memory.checkpointBytes), "disk_bytes": .integer(memory.diskBytes),
        ]
    }
}
