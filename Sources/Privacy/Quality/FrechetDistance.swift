/// The Fréchet distance between the normal distributions that fit two sets of features.
///
/// |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), Heusel et al. 2017 (arXiv 1706.08500), equation 6, with unbiased
/// covariances. The trace of the root is taken of S1^(1/2) S2 S1^(1/2), which has the eigenvalues of S1 S2 but is symmetric,
/// so that no imaginary part arises and singular covariances need no offset.
///
/// Only with Inception's features is it FID. It is biased upwards for few images: compare distances of equally many only.
package enum FrechetDistance {
    /// The distance; both sets hold at least two rows.
    package static func between(_ first: FeatureMatrix, _ second: FeatureMatrix) -> Double {
        precondition(first.count > 1 && second.count > 1, "a covariance needs two images at least")
        precondition(first.width == second.width, "features of \(first.width) and \(second.width) numbers")
        let (covariance, other) = (first.covariance, second.covariance)
        let roots = other.between(covariance.squareRoot).eigen(vectors: false).values
        let traceOfRoot = roots.reduce(0) { $0 + max($1, 0).squareRoot() }
        let means = zip(first.mean, second.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return max(means + covariance.trace + other.trace - 2 * traceOfRoot, 0)
    }
}
