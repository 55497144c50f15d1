/// Improved precision and recall, Kynkäänniemi et al. 2019 (arXiv 1904.06991), equations 1 and 2.
///
/// A set's manifold is the union of balls around its features, each as large as the distance to the k-th nearest other
/// feature of the set. Precision is the share of generated images in the manifold of the real ones; recall the share of real
/// images in the manifold of the generated ones.
package struct PrecisionRecall: Hashable, Sendable {
    /// k, as in the paper.
    package static let neighbours = 3

    /// Share of generated images that look real.
    package let precision: Double
    /// Share of real images that the generator could have made.
    package let recall: Double

    /// Computes both; each set holds more than k images.
    package init(real: FeatureMatrix, generated: FeatureMatrix, neighbours: Int = neighbours) {
        let distances = generated.squaredDistances(to: real)
        let realRadii = Self.squaredRadii(real, neighbours)
        let generatedRadii = Self.squaredRadii(generated, neighbours)
        let precise = distances.count { row in zip(row, realRadii).contains { $0 <= $1 } }
        let recalled = (0..<real.count).count { column in
            zip(distances, generatedRadii).contains { row, radius in row[column] <= radius }
        }
        precision = Double(precise) / Double(generated.count)
        recall = Double(recalled) / Double(real.count)
    }

    /// Each row's squared distance to the k-th nearest other row.
    private static func squaredRadii(_ features: FeatureMatrix, _ neighbours: Int) -> [Double] {
        precondition(features.count > neighbours, "\(features.count) images have no \(neighbours) neighbours each")
        // The nearest of all is the row itself, at distance zero.
        return features.squaredDistances(to: features).map { $0.sorted()[neighbours] }
    }
}
