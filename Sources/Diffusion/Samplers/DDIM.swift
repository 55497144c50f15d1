extension SamplingConfiguration {
    /// The implicit step: the predicted image, the direction that points to x_t, and noise scaled by eta.
    ///
    /// Song et al. 2021, equation 12, with sigma from equation 16.
    func implicitStep(
        at level: NoiseLevels, image: LinearInSampleAndOutput, noise: LinearInSampleAndOutput, eta: Double
    ) -> SamplerStep {
        let variance = eta * eta * level.posteriorVariance
        let direction = max(0, 1 - level.nextCumulativeAlpha - variance).squareRoot()
        return SamplerStep(
            timestep: level.timestep,
            imageFromSample: image.sample,
            imageFromOutput: image.output,
            fromImage: level.nextCumulativeAlpha.squareRoot(),
            fromSample: direction * noise.sample,
            fromOutput: direction * noise.output,
            noise: level.isLast ? 0 : variance.squareRoot(),
            clipsPredictedImage: clipsPredictedImage)
    }
}
