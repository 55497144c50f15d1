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

    /// Measures the release's samples; nil where images are too few to compare.
    init?(samples: ImageSet, release: String, split: DisjointSplit, catalogue: Catalogue) {
        guard
            split.heldOut.count >= QualityMeasurement.minimumHeldOut, split.members.count > 1,
            samples.count >= QualityMeasurement.minimumHeldOut / 2
        else { return nil }
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
