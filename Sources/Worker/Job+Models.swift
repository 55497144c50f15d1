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
        network(
            channels: catalogue.channels, height: catalogue.height, width: catalogue.width,
            classCount: catalogue.classCount)
    }
}
