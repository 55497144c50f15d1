/// What went wrong with checkpoints, apart from the system's failures (``FileError``) and HDF5's (``HDF5Error``).
public struct CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public enum Code: Hashable, Sendable {
        /// A checkpoint or manifest is not what was written, or only half there.
        case damaged
        /// A state that must not be saved: a value is NaN or infinite.
        case notFinite
        /// The checkpoint belongs to another job.
        case otherJob
        /// A later version of the program wrote it, in a format that this one does not know.
        case newerFormat
        /// The parameters in the checkpoint are not those of the model.
        case otherParameters
        /// A different, valid checkpoint already stands in the place.
        case occupied
        /// The name cannot be a model's.
        case invalidName
        /// The file holds no key of the kind that is needed.
        case invalidKey
        /// A folder holds what no signed export can.
        case invalidExport
    }

    /// The kind of failure.
    public let code: Code
    /// The file or folder that it concerns; empty when it concerns none.
    public let path: String
    /// What was expected, what was found, what to do.
    public let message: String

    /// One line with everything.
    public var description: String {
        path.isEmpty ? message : "\(path): \(message)"
    }
}
