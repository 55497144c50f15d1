#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The Inception score with another classifier: exp(mean over x of KL(p(y|x) || p(y))), Salimans et al. 2016
/// (arXiv 1606.03498), section 4, over all images at once.
///
/// 1 if all images look alike to the classifier, the number of classes if each clearly shows one and all occur equally.
package enum InceptionStyleScore {
    /// The score of class probabilities, one row an image.
    package static func of(_ probabilities: FeatureMatrix) -> Double {
        precondition(probabilities.count > 0, "a score needs an image")
        let marginal = probabilities.mean
        var sum = 0.0
        for row in 0..<probabilities.count {
            // p log p is 0 for p = 0.
            for (p, q) in zip(probabilities[row], marginal) where p > 0 { sum += p * log(p / q) }
        }
        return exp(sum / Double(probabilities.count))
    }
}
