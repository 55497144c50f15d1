extension SamplingConfiguration {
    /// Ancestral sampling: the mean of q(x_next | x_t, x_0) at the predicted image, plus noise.
    ///
    /// Ho et al. 2020, equation 7, with alpha and beta of the whole step, so that it also serves when timesteps are
    /// skipped. The last step adds no noise.
    func ancestralStep(
        at level: NoiseLevels, image: LinearInSampleAndOutput, variance: AncestralVariance
    ) -> SamplerStep {
        let remaining = 1 - level.cumulativeAlpha
        let addedVariance =
            switch variance {
            case .fixedLarge: level.beta
            case .fixedSmall: level.posteriorVariance
            }
        return SamplerStep(
            timestep: level.timestep,
            imageFromSample: image.sample,
            imageFromOutput: image.output,
            fromImage: level.nextCumulativeAlpha.squareRoot() * level.beta / remaining,
            fromSample: (1 - level.beta).squareRoot() * (1 - level.nextCumulativeAlpha) / remaining,
            fromOutput: 0,
            noise: level.isLast ? 0 : addedVariance.squareRoot(),
            clipsPredictedImage: clipsPredictedImage)
    }
}
