import Datasets
import Foundation
import Jobs
import Privacy

/// How good and how original a release's samples are, on rank 0.
struct AuditQuality {
    /// The figures for the report.
    let figures: QualityFigures
    /// Samples beside the members that they come nearest to; private.
    let pairs: NearestPairs
    /// What the features are, for the reader.
    let note: String

    /// Why quality cannot be measured, as half a sentence; nil if it can.
    ///
    /// - Parameters:
    ///   - samples: How many images the release is to make.
    ///   - split: Which images it was trained on, and which are held out.
    static func obstacle(samples: Int, split: DisjointSplit) -> String? {
        let fewest = QualityMeasurement.minimumHeldOut
        if samples < fewest / 2 {
            return "\(samples) samples are too few, it takes \(fewest / 2): give a larger --samples"
        }
        if split.heldOut.count < fewest {
            return "\(split.heldOut.count) held-out images are too few to compare samples with, it takes \(fewest): "
                + "begin a run with a larger data.held_out"
        }
        return split.members.count > 1 ? nil : "the run has been trained on one image alone"
    }

    /// Measures the release's samples.
    ///
    /// - Precondition: There is no ``obstacle(samples:split:)``.
    init(samples: ImageSet, release: String, split: DisjointSplit, catalogue: Catalogue) {
        let used = Set(split.members + split.heldOut)
        let extractor = FeatureExtractor(
            catalogue, unused: (0..<catalogue.count).filter { !used.contains($0) }, heldOut: split.heldOut)
        let members = catalogue.images.subset(split.members)
        let measurement = QualityMeasurement(
            samples: samples, members: members, heldOut: catalogue.images.subset(split.heldOut), extractor: extractor)
        figures = measurement.figures
        pairs = NearestPairs(measurement, release: release, samples: samples, members: members)
        note = "Quality is measured in the features of \(extractor.name): \(extractor.origin)."
    }
}
