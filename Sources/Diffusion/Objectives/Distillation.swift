import Tensor

/// DistillMD's objective: imitate teachers that have never seen the image.
public enum Distillation {
    /// Mean over images, channels and pixels of (student(x_t, t) - teacher(x_t, t))^2; arXiv 2410.16657, equation 7,
    /// without any term for the true noise.
    ///
    /// - Parameters:
    ///   - student: The network that is trained; runs with dropout.
    ///   - teachers: Networks that were not trained on these images; they run in evaluation mode, without gradients.
    ///     The target is the mean of their predictions.
    ///   - batch: One lane's images, all of one part.
    ///   - diffusion: The forward process.
    ///   - address: Where timesteps, noise and the student's dropout come from.
    ///   - tape: Records the student's pass.
    /// - Returns: The loss, shape [].
    public static func loss(
        of student: UNet2D, taughtBy teachers: [UNet2D], on batch: TrainingBatch, diffusion: GaussianDiffusion,
        address: TrainingAddress, tape: Tape
    ) -> Tensor {
        let noised = tape.times.measure(.data) { diffusion.noised(batch, at: address) }
        let target = meanPrediction(of: teachers, on: noised, labels: batch.labels)
        let output = student(
            noised.images, timesteps: noised.timesteps, labels: batch.labels, on: tape,
            dropout: address.dropout(items: batch.items))
        return tape.meanSquaredError(output, target)
    }

    /// The mean of the teachers' predictions, added in the order given.
    private static func meanPrediction(of teachers: [UNet2D], on noised: NoisedBatch, labels: [Int]?) -> Tensor {
        let tape = Tape(recording: false)
        let predictions = teachers.map {
            $0(noised.images, timesteps: noised.timesteps, labels: labels, on: tape)
        }
        guard let first = predictions.first else {
            preconditionFailure("distillation needs at least one teacher that has not seen the images")
        }
        guard predictions.count > 1 else { return first }
        let sum = predictions.dropFirst().reduce(first) { tape.add($0, $1) }
        return tape.scale(sum, by: 1 / Float(predictions.count))
    }
}
