import Tensor

/// The usual objective: predict what was mixed into the image.
public enum NoisePrediction {
    /// Mean over images, channels and pixels of (network(x_t, t) - target)^2, where the target is the noise, the image
    /// or the velocity; Ho et al. 2020, equation 14.
    ///
    /// - Parameters:
    ///   - network: The network that is trained; runs with dropout.
    ///   - batch: One lane's images.
    ///   - diffusion: The forward process, and what the network predicts.
    ///   - address: Where timesteps, noise and dropout come from.
    ///   - tape: Records the pass.
    /// - Returns: The loss, shape [].
    public static func loss(
        of network: UNet2D, on batch: TrainingBatch, diffusion: GaussianDiffusion, address: TrainingAddress,
        tape: Tape
    ) -> Tensor {
        let noised = tape.times.measure(.data) { diffusion.noised(batch, at: address) }
        let output = network(
            noised.images, timesteps: noised.timesteps, labels: batch.labels, on: tape,
            dropout: address.dropout(items: batch.items))
        let target = diffusion.prediction.target(
            images: batch.images, noise: noised.noise, timesteps: noised.timesteps, schedule: diffusion.schedule)
        return tape.meanSquaredError(output, target)
    }
}
