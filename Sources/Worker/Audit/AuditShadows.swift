import Communication
import Datasets
import Diffusion
import Jobs
import Privacy

/// A run of the attacker's own as an audit uses it: its release answers as a shadow model.
struct AuditShadow {
    /// `shadow 1`, `shadow 2`: the folder's name may hold the seed, and reports say this one to anybody.
    let name: String
    let session: Session
    let view: AuditedView
    /// Images that the run was trained on, and that it held out.
    let choice: AuditProtocol
    /// Whether it was trained on each attacked image.
    let hasSeen: [Bool]
}

extension Session {
    /// Opens the shadow runs of an audit. Collective.
    ///
    /// - Parameters:
    ///   - request: Which runs they are, and how many of their own images are asked about.
    ///   - choice: The attacked images.
    /// - Throws: `DiptychFailure` with code 64 for a run that is no shadow of this one, and what opening a run throws.
    func auditShadows(_ request: AuditRequest, of choice: AuditProtocol) throws -> [AuditShadow] {
        let shadows = try request.shadows.enumerated().map { index, path in
            let session = try Session(
                world: world, directory: RunDirectory(path), purpose: .reading, sharingImagesOf: self,
                isStopRequested: isStopRequested)
            try world.together("looking at a shadow run") { try requireLikeness(of: session) }
            let (own, split) = try session.chooseImages(request)
            let members = Set(split.members)
            let hasSeen = choice.items.map(members.contains)
            try world.together("looking at a shadow run") {
                try requireOthers(session, seen: zip(hasSeen, choice.isMember).count { $0 && $1 }, choice)
            }
            return AuditShadow(
                name: "shadow \(index + 1)", session: session,
                view: try session.auditedViews(weights: request.weights)[0], choice: own, hasSeen: hasSeen)
        }
        // Each of them had this process compute as its own job says.
        if !shadows.isEmpty {
            try world.together("preparing the numerics") { try job.adoptNumerics(in: directory) }
        }
        return shadows
    }

    /// Throws unless another run's release answers the same questions as this one's.
    private func requireLikeness(of shadow: Session) throws {
        let differences = [
            (shadow.catalogue.hash != catalogue.hash, "other data"), (shadow.network != network, "another network"),
            (shadow.job.diffusion != job.diffusion, "another forward process"),
            (shadow.job.defence == .dualMD, "several models as its release"),
        ].filter(\.0).map(\.1)
        guard !differences.isEmpty else { return }
        throw DiptychFailure(
            .usage,
            "\(shadow.directory.path) cannot be a shadow of \(directory.path): it has "
                + differences.joined(separator: " and ")
                + ". Train shadows with the job of the audited run, defence none or distillmd, and other seeds")
    }

    /// Throws if a shadow was trained on most of the attacked members.
    private func requireOthers(_ shadow: Session, seen: Int, _ choice: AuditProtocol) throws {
        guard 2 * seen > choice.imagesPerSide else { return }
        throw DiptychFailure(
            .usage,
            "\(shadow.directory.path) cannot be a shadow of \(directory.path): it was trained on \(seen) of the "
                + "\(choice.imagesPerSide) attacked members. Give shadows other seeds, and the data more images than members"
        )
    }
}
