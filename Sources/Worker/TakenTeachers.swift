import Checkpoints
import Datasets
import Jobs
import Tensor

extension Session {
    /// Makes a finished teacher of the run that `teachers.from` names a checkpoint of this run, as if it had been trained
    /// here; from then on this run does not need the other. Called on the first rank of the model's group.
    ///
    /// The log of its steps comes first: a log without a checkpoint is begun anew, by whatever training follows.
    ///
    /// - Parameter entries: The parameters that it must have.
    /// - Returns: The other run's checkpoint; nil when the job names no run, or the model is no teacher.
    /// - Throws: `DiptychFailure` that says what makes the other run's teacher another, or unusable.
    func takeTeacher(_ model: TrainedModel, entries: [Checkpoint.Entry]) throws -> SavedCheckpoint? {
        guard model.phase == .teach, let source = try TeacherSource(of: job) else { return nil }
        try source.requireFinished(model)
        try requireSameProfile(as: source)
        try requireSameSplit(as: source)
        let taken = try reading(model, of: source) {
            try CheckpointStore(directory: source.directory.checkpoints).taken(
                model: model.name, step: job.teach.steps, jobHash: source.job.hash, for: job.hash, in: store,
                entries: entries)
        }
        try requireCurrentExecution()
        tolerate("log of \(model)") {
            let log = try FileBytes.read(source.directory.log(of: model.name))
            try FileBytes.replace(directory.log(of: model.name), with: log)
        }
        let manifest = try store.save(taken)
        note(
            .taken,
            [
                "model": .string(model.name), "step": .integer(manifest.step), "from": .string(source.directory.path),
                "origin_manifest_sha256": .string(manifest.originManifestHash ?? ""),
                "sha256": .string(manifest.sha256),
            ])
        return taken.source
    }

    /// Throws unless the other run has computed as this one does.
    private func requireSameProfile(as source: TeacherSource) throws {
        let differences = try reading("the record of its machine", of: source) {
            try RunProfile.differences(of: .current(), from: source.directory)
        }
        guard !differences.isEmpty else { return }
        throw TeacherSource.refusal(
            .usage,
            "the run in \(printable(source.directory.path)) has computed other bits than this one would: "
                + "\(differences.joined(separator: "; ")) (here: this run, there: that one).")
    }

    /// Throws unless the other run has dealt the same images into the same parts.
    private func requireSameSplit(as source: TeacherSource) throws {
        let mine = try SplitFile.read(directory)
        let theirs = try reading("the split", of: source) { try SplitFile.read(source.directory) }
        let isSameData = theirs.catalogueHash == mine.catalogueHash
        guard !isSameData || theirs.partOfImage != mine.partOfImage else { return }
        throw TeacherSource.refusal(
            .badData,
            "the run in \(printable(source.directory.path)) was taught "
                + (isSameData
                    ? "on other parts of the same images; compare \(source.directory.split) with \(directory.split)."
                    : "with other images or labels: their SHA-256 is \(theirs.catalogueHash) there and "
                        + "\(mine.catalogueHash) here."))
    }

    /// Runs something that reads the other run's files, and says of a failure what it was about.
    private func reading<Value>(
        _ what: some CustomStringConvertible, of source: TeacherSource, _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch {
            let failure = DiptychFailure(error)
            throw TeacherSource.refusal(
                failure.code,
                "\(what) cannot be taken from \(printable(source.directory.path)): \(failure.message). That run's own "
                    + "command mends what can be mended.")
        }
    }
}
