/// What went wrong with an HDF5 file: the file, the object in it, what was attempted and HDF5's own words.
public struct HDF5Error: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public enum Code: Hashable, Sendable {
        /// libhdf5 reported a failure: a damaged file, a full disk, a missing object.
        case library
        /// The file holds something that a strict reader refuses: a soft link, an unknown filter, a foreign type.
        case refused
        /// An object is not of the type or shape that was expected.
        case mismatch
    }

    /// The kind of failure.
    public let code: Code
    /// The file's path, or the label of a file in memory.
    public let file: String
    /// The path of the object inside the file; empty when the failure concerns the whole file.
    public let object: String
    /// What went wrong: the operation with HDF5's message, or what was expected and what was found.
    public let reason: String

    /// One line with everything.
    public var description: String {
        object.isEmpty ? "HDF5 file \(file): \(reason)" : "HDF5 file \(file), object \(object): \(reason)"
    }
}
