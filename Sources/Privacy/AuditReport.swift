/// What an audit found about releases: the content of `report.json`, from which the page, the tables and the figures
/// are drawn. It names no image.
public struct AuditReport: Codable, Hashable, Sendable {
    /// How images were chosen, hyper-parameters calibrated and figures computed, in sentences for the reader.
    public var protocolNotes: [String]
    /// What made the report: versions, hashes of weights, data and numerics, the command to repeat it; in order.
    public var provenance: [Entry]
    /// The audited releases, in the order in which they were named, each before the parts of its audit.
    public var releases: [ReleaseAudit]

    /// A named value.
    public struct Entry: Codable, Hashable, Sendable {
        /// What it is.
        public var name: String
        /// Its value.
        public var value: String
        /// Whether it may stand in a public report: true of nothing that holds a path, the seed or an image's name.
        public var isPublic: Bool

        /// Makes an entry.
        public init(name: String, value: String, isPublic: Bool = false) {
            self.name = name
            self.value = value
            self.isPublic = isPublic
        }

        private enum CodingKeys: String, CodingKey {
            case name, value
            case isPublic = "public"
        }
    }

    /// Gathers a report.
    public init(protocolNotes: [String], provenance: [Entry], releases: [ReleaseAudit]) {
        self.protocolNotes = protocolNotes
        self.provenance = provenance
        self.releases = releases
    }

    private enum CodingKeys: String, CodingKey {
        case releases, provenance
        case protocolNotes = "protocol"
    }
}

/// What an audit found about one release, or about a part of it.
public struct ReleaseAudit: Codable, Hashable, Sendable {
    /// The run's name, followed by the model where a run has several releases.
    public var name: String
    /// The defence it was trained with, as the job says: none, dualmd or distillmd.
    public var defence: String
    /// Number of parts of the disjoint split.
    public var parts: Int
    /// Samples beside held-out and training images; nil if quality was not measured.
    public var quality: QualityFigures?
    /// What each attack came to, in the order in which they ran.
    public var attacks: [AttackFigures]
    /// The name of the release whose audit this is a part of, where some of the members alone are attacked with one of its
    /// models, or with all in turn; nil for what is released.
    public var partOf: String?

    /// Gathers what was found.
    public init(
        name: String, defence: String, parts: Int, quality: QualityFigures?, attacks: [AttackFigures],
        partOf: String? = nil
    ) {
        self.name = name
        self.defence = defence
        self.parts = parts
        self.quality = quality
        self.attacks = attacks
        self.partOf = partOf
    }

    private enum CodingKeys: String, CodingKey {
        case name, defence, parts, quality, attacks
        case partOf = "part_of"
    }
}

/// What an attacker can reach.
public enum AttackAccess: String, Codable, Hashable, Sendable, CaseIterable {
    /// Only images that the release makes, or variations that it makes of an image.
    case sampling
    /// Predictions of the network for chosen inputs and timesteps.
    case predictions
    /// The weights, and so gradients.
    case weights
    /// The weights and the training images but for the membership of the attacked ones: shadow models, the split.
    case training
}

/// What one attack came to on one release. Member is the positive class throughout.
public struct AttackFigures: Codable, Hashable, Sendable {
    /// A stable name, such as `pia`.
    public var name: String
    /// The name in words with its paper, such as "PIA (arXiv 2305.18355)".
    public var title: String
    /// What the attacker can reach.
    public var access: AttackAccess
    /// Evaluations of the network for one image.
    public var evaluationsPerImage: Double
    /// The hyper-parameters that the calibration half chose, such as `timestep` 200.
    public var settings: [String: String]
    /// Area under the ROC curve on the test half.
    public var auc: Double
    /// Its 95 % confidence interval, low and high.
    public var aucInterval: [Double]
    /// Attack success rate, max over thresholds of (TPR + 1 - FPR) / 2.
    public var asr: Double
    /// Its 95 % confidence interval, low and high.
    public var asrInterval: [Double]
    /// True-positive rate at a false-positive rate of at most 1 %.
    public var tprAt1FPR: Double
    /// Its 95 % confidence interval, low and high.
    public var tprAt1FPRInterval: [Double]
    /// True-positive rate at a false-positive rate of at most 0.1 %.
    public var tprAt01FPR: Double
    /// Its 95 % confidence interval, low and high.
    public var tprAt01FPRInterval: [Double]
    /// The greatest AUC over all settings, chosen on the very images it is reported for: optimistic, for comparison with
    /// papers that report it. Nil for attacks with one setting.
    public var optimisticAUC: Double?
    /// Number of members in the test half.
    public var members: Int
    /// Number of held-out images in the test half.
    public var heldOut: Int
    /// The scores of the test half's members, ascending; greater means member.
    public var memberScores: [Float]
    /// The scores of the test half's held-out images, ascending.
    public var heldOutScores: [Float]
    /// What limits the figures, such as too few held-out images for the rate at 0.1 %.
    public var warnings: [String]

    private enum CodingKeys: String, CodingKey {
        case name, title, access, settings, auc, asr, members, warnings
        case evaluationsPerImage = "evaluations_per_image"
        case aucInterval = "auc_interval"
        case asrInterval = "asr_interval"
        case tprAt1FPR = "tpr_at_1_fpr"
        case tprAt1FPRInterval = "tpr_at_1_fpr_interval"
        case tprAt01FPR = "tpr_at_0_1_fpr"
        case tprAt01FPRInterval = "tpr_at_0_1_fpr_interval"
        case optimisticAUC = "optimistic_auc"
        case heldOut = "held_out"
        case memberScores = "member_scores"
        case heldOutScores = "held_out_scores"
    }
}

/// How good and how original a release's samples are, in the features of a named extractor.
public struct QualityFigures: Codable, Hashable, Sendable {
    /// The extractor whose features were used, with its hash.
    public var extractor: String
    /// Number of samples.
    public var samples: Int
    /// Number of samples, and of held-out images, that enter the Fréchet distance, its floor, precision and recall.
    public var comparedImages: Int
    /// Fréchet distance of the samples' features to those of held-out images. Only called FID if the extractor is Inception.
    public var frechetDistance: Double
    /// Fréchet distance between two disjoint halves of held-out images of the same size: what no model can beat.
    public var frechetDistanceFloor: Double
    /// Inception-style score with the extractor's classes; nil if it knows none.
    public var inceptionScore: Double?
    /// Improved precision (arXiv 1904.06991).
    public var precision: Double
    /// Improved recall (arXiv 1904.06991).
    public var recall: Double
    /// Median distance of a sample to its nearest member, per pixel value in 0...255 root mean square.
    public var medianDistanceToMembers: Double
    /// The same to the nearest of as many held-out images.
    public var medianDistanceToHeldOut: Double
    /// Share of samples that lie nearer to a member than 99 % of held-out images do, relative to the distance to their 50
    /// nearest members: extracted images. Without memory it is 1 %.
    public var extractedFraction: Double

    /// Gathers figures.
    public init(
        extractor: String, samples: Int, comparedImages: Int, frechetDistance: Double, frechetDistanceFloor: Double,
        inceptionScore: Double?, precision: Double, recall: Double, medianDistanceToMembers: Double,
        medianDistanceToHeldOut: Double, extractedFraction: Double
    ) {
        self.extractor = extractor
        self.samples = samples
        self.comparedImages = comparedImages
        self.frechetDistance = frechetDistance
        self.frechetDistanceFloor = frechetDistanceFloor
        self.inceptionScore = inceptionScore
        self.precision = precision
        self.recall = recall
        self.medianDistanceToMembers = medianDistanceToMembers
        self.medianDistanceToHeldOut = medianDistanceToHeldOut
        self.extractedFraction = extractedFraction
    }

    private enum CodingKeys: String, CodingKey {
        case extractor, samples, precision, recall
        case comparedImages = "compared_images"
        case frechetDistance = "frechet_distance"
        case frechetDistanceFloor = "frechet_distance_floor"
        case inceptionScore = "inception_score"
        case medianDistanceToMembers = "median_distance_to_members"
        case medianDistanceToHeldOut = "median_distance_to_held_out"
        case extractedFraction = "extracted_fraction"
    }
}
