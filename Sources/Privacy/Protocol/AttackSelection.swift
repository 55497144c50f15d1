import Diffusion

/// The attacks that an audit is asked for, by name.
public struct AttackSelection: Sendable {
    /// The test of sets, which joins what another attack says about single images and is none of its own.
    public static let sets = "set-level"

    /// The names, perhaps that of the test of sets among them.
    public let names: Set<String>
    /// Whether somebody has named them; else they are all there are.
    private let areNamed: Bool

    /// A selection with which nothing can be attacked.
    public struct Unusable: Error, CustomStringConvertible {
        /// What is wrong with it, and what to do.
        public let description: String
    }

    /// Selects attacks.
    ///
    /// - Parameters:
    ///   - named: Their names; nil for all there are.
    ///   - hasShadows: Whether the attacker has shadow models.
    /// - Throws: ``Unusable`` for no name, one that there is not, one that needs shadow models, or the test of sets alone.
    public init(_ named: [String]?, hasShadows: Bool) throws {
        let all = AttackCatalogue.all
        let known = all.map(\.name) + [Self.sets]
        names = Set(named ?? known)
        areNamed = named != nil
        guard let named else { return }
        if let unknown = names.subtracting(known).sorted().first {
            throw Unusable(description: "there is no attack \(unknown); there are \(known.joined(separator: ", "))")
        }
        if named.isEmpty {
            throw Unusable(description: "no attack is named; there are \(known.joined(separator: ", "))")
        }
        if names == [Self.sets] {
            throw Unusable(
                description: "\(Self.sets) joins what another attack says about single images: name such an attack, "
                    + "too, as in pia,\(Self.sets)")
        }
        guard !hasShadows, let needy = all.first(where: { $0.shadowImages != nil && names.contains($0.name) }) else {
            return
        }
        throw Unusable(
            description: "the attack \(needy.name) needs shadow models: train runs of the same job with other seeds, "
                + "and name each with --shadow RUN")
    }

    /// Whether an attack is selected that can be made on a release.
    ///
    /// - Parameter isDistilled: Whether the release is a student of DistillMD, the only one that `neighbours` is against.
    public func canAttack(isDistilled: Bool) -> Bool {
        !names.subtracting(isDistilled ? [Self.sets] : [Self.sets, NeighbourLean.name]).isEmpty
    }

    /// What was named and cannot be made on a release, as a sentence; nil if there is nothing.
    ///
    /// - Parameter isDistilled: As for ``canAttack(isDistilled:)``.
    public func exclusion(isDistilled: Bool) -> String? {
        guard areNamed, !isDistilled, names.contains(NeighbourLean.name) else { return nil }
        return "\(NeighbourLean.name) was left out: it is an attack on DistillMD, which this run was not trained with."
    }
}
