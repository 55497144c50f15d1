import Datasets
import Diffusion

extension Job {
    /// What single values cannot show: keys that contradict each other, each with the key to blame.
    func contradictions() -> [(key: String, text: String)] {
        dataContradictions() + modelContradictions() + trainingContradictions() + samplingContradictions()
            + clusterContradictions()
    }

    private func dataContradictions() -> [(key: String, text: String)] {
        var faults: [(String, String)] = []
        if data.split.balance == .label, data.labels == nil {
            faults.append(("data.split.balance", "is label, so `data.labels` must name a file of labels"))
        }
        if model.classConditional, data.labels == nil {
            faults.append(("model.class_conditional", "is true, so `data.labels` must name a file of labels"))
        }
        if model.classDropout > 0, !model.classConditional {
            faults.append(("model.class_dropout", "is for a network with `model.class_conditional: true`"))
        }
        return faults
    }

    private func modelContradictions() -> [(key: String, text: String)] {
        var faults: [(String, String)] = []
        if model.attention.count != model.channels.count {
            faults.append(
                (
                    "model.attention",
                    "must have one value for each of the \(model.channels.count) levels of `model.channels`, "
                        + "found \(model.attention.count)"
                ))
        }
        for channels in model.channels where channels % model.normGroups != 0 {
            faults.append(
                (
                    "model.channels",
                    "must be multiples of `model.norm_groups` = \(model.normGroups), found \(channels)"
                ))
        }
        // The middle block has attention on the coarsest level whatever `attention` says.
        let attended = zip(model.channels, model.attention).filter(\.1).map(\.0) + model.channels.suffix(1)
        if let width = model.attentionHeadDimension, let channels = attended.first(where: { $0 % width != 0 }) {
            faults.append(
                (
                    "model.attention_head_dimension",
                    "must divide the channels of every level with attention, found \(width) for \(channels) channels"
                ))
        }
        guard faults.isEmpty else { return faults }
        // What else a network asks for; images whose size is not known yet count as large.
        let shape = data.shape ?? [1, 4096, 4096]
        do {
            try network(channels: shape[0], height: shape[1], width: shape[2], classCount: 1).validate()
        } catch {
            faults.append(("model.channels", "make no network: \(error)"))
        }
        return faults
    }

    private func trainingContradictions() -> [(key: String, text: String)] {
        var faults: [(String, String)] = []
        if teachersFrom != nil, defence == .undefended {
            faults.append(("teachers.from", "is for a defence with teachers, `dualmd` or `distillmd`, found none"))
        }
        let phases = defence == .distillMD ? [("teach", teach), ("distill", distill)] : [("teach", teach)]
        for (section, options) in phases where options.batch % options.imagesPerLane != 0 {
            faults.append(
                (
                    "\(section).images_per_lane",
                    "must divide `\(section).batch` = \(options.batch), found \(options.imagesPerLane)"
                ))
        }
        for (section, options) in phases where options.decaySteps > options.steps {
            faults.append(
                (
                    "\(section).decay_steps",
                    "must not exceed `\(section).steps` = \(options.steps), found \(options.decaySteps)"
                ))
        }
        let share = defence == .undefended ? data.members : data.members / data.split.parts
        for (section, options) in phases where options.batch > share {
            faults.append(
                ("\(section).batch", "must not exceed the \(share) images of a part, found \(options.batch)"))
        }
        if diffusion.betaStart > diffusion.betaEnd {
            faults.append(
                (
                    "diffusion.beta_end",
                    "must not be below `diffusion.beta_start` = \(canonical(diffusion.betaStart)), "
                        + "found \(canonical(diffusion.betaEnd))"
                ))
        }
        return faults
    }

    private func samplingContradictions() -> [(key: String, text: String)] {
        var faults: [(String, String)] = []
        if sample.steps > diffusion.timesteps {
            faults.append(
                (
                    "sample.steps",
                    "must not exceed `diffusion.timesteps` = \(diffusion.timesteps), found \(sample.steps)"
                ))
        }
        if sample.sampler == .ddpm, sample.eta != 0 {
            faults.append(("sample.eta", "belongs to the sampler ddim, found \(canonical(sample.eta)) with ddpm"))
        }
        if sample.guidanceScale != 1, model.classDropout == 0 {
            faults.append(
                (
                    "sample.guidance_scale",
                    "needs a network that also learns without labels, `model.class_dropout` above 0; found "
                        + "\(canonical(sample.guidanceScale))"
                ))
        }
        return faults
    }
}
