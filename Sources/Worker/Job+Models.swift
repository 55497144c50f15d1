import Datasets
import Diffusion
import Jobs

extension Job {
    /// The images that the job names.
    var source: DataSource { DataSource(reader: data.reader, images: data.images, labels: data.labels) }

    /// The forward process.
    var gaussianDiffusion: GaussianDiffusion {
        GaussianDiffusion(
            schedule: NoiseSchedule(
                diffusion.betaSchedule, timesteps: diffusion.timesteps, betaStart: diffusion.betaStart,
                betaEnd: diffusion.betaEnd),
            prediction: diffusion.prediction)
    }

    /// The network for the catalogue's images.
    func network(of catalogue: Catalogue) -> UNetConfiguration {
        UNetConfiguration(
            height: catalogue.height, width: catalogue.width, inChannels: catalogue.channels,
            outChannels: catalogue.channels, channels: model.channels, layersPerBlock: model.layersPerBlock,
            attention: model.attention, normGroups: model.normGroups, normEpsilon: model.normEpsilon,
            attentionHeadDimension: model.attentionHeadDimension, dropout: model.dropout,
            flipSineToCosine: model.flipSineToCosine, frequencyShift: model.frequencyShift,
            downsamplePadding: model.downsamplePadding, classCount: model.classConditional ? catalogue.classCount : nil)
    }
}
