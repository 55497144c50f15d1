import CHDF5

/// An HDF5 file, in memory or on disk, written or strictly read.
///
/// Equal contents make equal bytes: object times are off and the format's version is fixed. Reading trusts nothing: only
/// hard links are followed, only the types of ``HDF5Type`` and the layouts and filters written here are accepted, and
/// shapes are compared with what the caller expects before memory is allocated. Objects are named by paths from the
/// root, `weights/conv_in.bias`.
///
/// Not `Sendable`: one owner at a time. Calls into libhdf5 are serialised over the whole process.
public final class HDF5File {
    /// Bytes that a chunk of a compressed dataset holds at most.
    public static let chunkBytes = 1 << 20
    /// Smaller datasets are stored contiguously even when compression is asked for.
    public static let smallestCompressedBytes = 1024

    /// The path on disk, or the label of a file in memory: what errors call it.
    public let name: String
    private var identifier: hid_t?

    /// The open file's identifier.
    var id: hid_t {
        guard let identifier else { preconditionFailure("HDF5 file \(name) is used after it was closed") }
        return identifier
    }

    /// What is being read; nil for a file that is being written.
    enum Source {
        case image(bytes: Int)
        case disk
    }

    /// Where the bytes are that are not to be trusted; nil for a file that is being written.
    let source: Source?

    init(name: String, source: Source? = nil, opening open: () throws -> hid_t) throws {
        self.name = name
        self.source = source
        identifier = try HDF5Library.locked(open)
        guard source != nil else { return }
        // What finds objects without libhdf5 counts on it.
        guard HDF5Library.locked({ CHDF5_has_plain_addresses(id) != 0 }) else {
            throw refusal("", "has a user block, or addresses of other than 8 bytes")
        }
    }

    deinit {
        // Close errors matter to writers, and those call `close()` or `image()` themselves.
        if let identifier { HDF5Library.locked { _ = H5Fclose(identifier) } }
    }

    /// Creates an empty file in memory; ``image()`` gives its bytes.
    ///
    /// - Parameter label: What errors call the file.
    /// - Throws: ``HDF5Error``.
    public static func createInMemory(label: String) throws -> HDF5File {
        try HDF5File(name: label) {
            let access = try HDF5Calls.accessList(file: label, inMemory: true, reading: false)
            defer { H5Pclose(access) }
            return try HDF5Calls.createFile(
                HDF5Calls.uniqueName(), flags: CHDF5_exclusive(), access: access, file: label)
        }
    }

    /// Creates an empty file on disk.
    ///
    /// - Parameters:
    ///   - path: Where.
    ///   - replacing: Empties a file that is already there; without it, such a file is an error.
    /// - Throws: ``HDF5Error``.
    public static func create(at path: String, replacing: Bool = false) throws -> HDF5File {
        try HDF5File(name: path) {
            let access = try HDF5Calls.accessList(file: path, inMemory: false, reading: false)
            defer { H5Pclose(access) }
            let flags = replacing ? CHDF5_truncate() : CHDF5_exclusive()
            return try HDF5Calls.createFile(path, flags: flags, access: access, file: path)
        }
    }

    /// Opens the bytes of a file for reading.
    ///
    /// - Parameters:
    ///   - image: The whole file.
    ///   - label: What errors call the file.
    /// - Throws: ``HDF5Error`` when the bytes are not an HDF5 file.
    public static func open(image: [UInt8], label: String) throws -> HDF5File {
        try HDF5File(name: label, source: .image(bytes: image.count)) {
            let access = try HDF5Calls.accessList(file: label, inMemory: true, reading: true)
            defer { H5Pclose(access) }
            try HDF5Calls.setImage(image, access: access, file: label)
            return try check(
                H5Fopen(HDF5Calls.uniqueName(), CHDF5_read_only(), access), "cannot be opened", file: label)
        }
    }

    /// Opens a file on disk for reading.
    ///
    /// - Throws: ``HDF5Error`` when it is missing or not an HDF5 file.
    public static func open(path: String) throws -> HDF5File {
        try open(path, label: path)
    }

    /// Opens for reading a file that is open already: libhdf5 sees the very file that was examined, whatever has its name
    /// by now. The `InputFile` must live until this returns.
    ///
    /// - Throws: ``HDF5Error`` when it is not an HDF5 file, or was removed meanwhile.
    static func open(_ file: borrowing InputFile) throws -> HDF5File {
        try open(file.openName, label: file.path)
    }

    private static func open(_ path: String, label: String) throws -> HDF5File {
        try HDF5File(name: label, source: .disk) {
            let access = try HDF5Calls.accessList(file: label, inMemory: false, reading: true)
            defer { H5Pclose(access) }
            return try check(H5Fopen(path, CHDF5_read_only(), access), "cannot be opened", file: label)
        }
    }

    /// Opens a file on disk for reading, after its bytes were found to be what they should be: libhdf5 is not made for
    /// files that are damaged.
    ///
    /// - Parameters:
    ///   - path: The file, all of which is read into memory.
    ///   - sha256: The SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    ///   - limit: The most bytes that it may have.
    /// - Throws: ``CheckpointError`` with code `damaged`, ``FileError``, ``HDF5Error``.
    public static func open(path: String, sha256: String, limit: Int) throws -> HDF5File {
        let image = try InputFile(path).bytes(limit: limit)
        let found = sha256Hex(image)
        guard found == sha256 else {
            throw CheckpointError(
                code: .damaged, path: path, message: "its SHA-256 is \(found) instead of \(sha256)")
        }
        return try open(image: image, label: path)
    }

    /// The bytes of the file as it would lie on disk.
    ///
    /// - Throws: ``HDF5Error``.
    public func image() throws -> [UInt8] {
        try HDF5Library.locked {
            try check(H5Fflush(id, H5F_SCOPE_LOCAL), "cannot be flushed")
            let size = try check(HDF5Calls.imageSize(id), "has no image")
            var image = try HDF5Calls.image(id, size: size, file: name)
            Superblock.correctChecksum(&image)
            return image
        }
    }

    /// Writes what is still buffered and closes the file; it cannot be used afterwards.
    ///
    /// Durability is the caller's: HDF5 never asks the system to write to the medium.
    ///
    /// - Throws: ``HDF5Error`` when something could not be written.
    public func close() throws {
        let open = id
        identifier = nil
        try HDF5Library.locked { _ = try check(H5Fclose(open), "cannot be closed") }
    }

    /// Passes HDF5's result on, or throws what HDF5 says about its failure. Call at once: HDF5's next call forgets.
    @discardableResult
    func check<Result: SignedInteger>(_ result: Result, _ operation: String, object: String = "") throws -> Result {
        try Self.check(result, operation, file: name, object: object)
    }

    /// As the method of the same name, before there is a file.
    @discardableResult
    static func check<Result: SignedInteger>(
        _ result: Result, _ operation: String, file: String, object: String = ""
    ) throws -> Result {
        guard result < 0 else { return result }
        let messages = HDF5Library.takeMessages()
        let detail = messages.isEmpty ? "no reason given" : messages.joined(separator: " < ")
        throw HDF5Error(code: .library, file: file, object: object, reason: "\(operation): \(detail)")
    }

    func refusal(_ object: String, _ reason: String) -> HDF5Error {
        HDF5Error(code: .refused, file: name, object: object, reason: reason)
    }

    func mismatch(_ object: String, _ reason: String) -> HDF5Error {
        HDF5Error(code: .mismatch, file: name, object: object, reason: reason)
    }
}
