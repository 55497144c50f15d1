/// What is wrong with a data set, a file of it, or a split asked of it.
///
/// The message says where, what, what was expected, what was found, and what to do.
public struct DatasetError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of fault; callers choose exit codes by it and tests assert it.
    public enum Kind: String, Sendable, CaseIterable {
        /// No file at the path.
        case missingFile
        /// The file is there but cannot be opened or read, or is no regular file.
        case unreadableFile
        /// A file cannot be written.
        case unwritableFile
        /// The first four bytes are not those of the expected format.
        case wrongMagic
        /// A dimension is zero, overflows, or cannot fit the file's size.
        case badDimensions
        /// The file ends before what its header promises.
        case truncated
        /// The compressed data is damaged or its checksum does not match.
        case damaged
        /// Bytes follow what the header promises.
        case trailingData
        /// Images and labels differ in number.
        case labelCountMismatch
        /// A label lies outside the classes.
        case labelOutOfRange
        /// A balance by label is asked of a set without labels.
        case missingLabels
        /// The split asks for more images or parts than there are.
        case notEnoughImages
        /// Near duplicates chain into a component that is too large to be one thing.
        case chainedDuplicates
        /// The data is not the data that a record was made from.
        case changedData
        /// A record of a split contradicts itself.
        case inconsistentSplit
        /// A pixel value is not a finite number.
        case notFinite
        /// The images have a shape or number that the output format cannot hold.
        case unsupportedShape
    }

    /// The kind of fault.
    public let kind: Kind
    /// The file, or the part of the data set, that is at fault.
    public let subject: String
    /// What is wrong.
    public let problem: String
    /// What was expected, if that can be said.
    public let expected: String?
    /// What was found instead.
    public let found: String?
    /// What to do about it.
    public let advice: String
    /// Catalogue indices of the images concerned, in the order in which to show them; for a chain, its links.
    public let images: [Int]

    /// Makes an error.
    ///
    /// - Parameters:
    ///   - kind: The kind of fault.
    ///   - subject: The file, or the part of the data set, that is at fault.
    ///   - problem: What is wrong.
    ///   - expected: What was expected.
    ///   - found: What was found instead.
    ///   - advice: What to do about it, as a sentence without its full stop.
    ///   - images: Catalogue indices of the images concerned.
    public init(
        _ kind: Kind, _ subject: String, _ problem: String, expected: String? = nil, found: String? = nil,
        advice: String, images: [Int] = []
    ) {
        self.kind = kind
        self.subject = subject
        self.problem = problem
        self.expected = expected
        self.found = found
        self.advice = advice
        self.images = images
    }

    /// The message, in one line.
    public var description: String {
        var text = "\(subject): \(problem)"
        if let expected { text += ": expected \(expected)" }
        if let found { text += expected == nil ? ": found \(found)" : ", found \(found)" }
        return text + ". " + advice + "."
    }
}
