import Datasets
import Diffusion

/// All attacks, in the order in which an audit makes and lists them.
///
/// First DIME, the strongest that was published for predictions, and all that SecMI's measurement serves; then the others that
/// ask for predictions or variations, those of one measurement or paper together, the plain losses last; then those that need
/// gradients, shadow models or the split; last the nearest sample, which asks the network nothing. That is no strict order of
/// strength: published figures are of differing models, data and access.
public enum AttackCatalogue {
    /// The attacks on a release.
    ///
    /// - Parameters:
    ///   - schedule: The release's forward process: timesteps follow its noise levels.
    ///   - samples: Images that the release has made; without them there is no `gan-leaks`.
    ///   - tensors: Number of parameter tensors of the network, if its weights are known; else there is no `gsa`.
    ///   - neighbours: The attack that knows the split, where there is one.
    ///   - hasShadows: Whether the attacker has shadow models; without them there is no `lira`, and no
    ///     `gsa` but the calibrated ones.
    package static func attacks(
        schedule: NoiseSchedule, samples: ImageSet?, tensors: Int?, neighbours: NeighbourLean? = nil,
        hasShadows: Bool = false
    ) -> [any MembershipAttack] {
        let secmi = SecMI(schedule)
        let pia = PIA(schedule)
        let pian = PIAN(schedule)
        let loss = LossThreshold(schedule)
        var attacks: [any MembershipAttack] = [
            DIME(schedule), SecMINetworks(schedule), secmi, LowPass(secmi), QuantileRegression(schedule),
            NoiseAggregation(schedule), SimAMonteCarlo(schedule),
            ReDiffuse(schedule), SimA(schedule), pia, LowPass(pia), pian, LowPass(pian), loss, LowPass(loss),
            AverageLoss(schedule), LikelihoodBound(schedule),
        ]
        if let tensors {
            for reference in hasShadows ? GradientNorms.Reference.allCases : [.calibration] {
                attacks += [.loss, .gradients].map { GradientNorms($0, from: reference, schedule, tensors: tensors) }
            }
        }
        if hasShadows {
            attacks += [
                LiRA("lira", of: [loss, AverageLoss(schedule)]), LiRA("secmi-lira", of: [secmi, LowPass(secmi)]),
                LiRA("pia-lira", of: [pia, LowPass(pia)]),
            ]
        }
        if let neighbours { attacks.append(neighbours) }
        if let samples { attacks.append(GANLeaks(samples: samples)) }
        return attacks
    }

    /// Every attack, for lists: as on the linear schedule of 1,000 timesteps.
    public static var all: [any MembershipAttack] {
        attacks(
            schedule: NoiseSchedule(.linear),
            samples: ImageSet(count: 0, channels: 1, height: 1, width: 1, pixels: []), tensors: 1,
            neighbours: NeighbourLean(NoiseSchedule(.linear)), hasShadows: true)
    }
}
