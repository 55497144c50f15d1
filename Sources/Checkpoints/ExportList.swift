import Glibc

/// The list of an export's files, `export.sha256`: what a signature covers of a folder that is handed on, such as samples or
/// a public report.
///
/// An export is a folder of regular files and of folders of these. The list names every file in it but itself and its
/// signature, with its size and its SHA-256; `sha256sum --check --strict` reads it, too. It comes in one form only, so equal
/// exports have equal lists. Folders without files are not in it.
public struct ExportList: Sendable {
    /// A file of an export.
    public struct File: Sendable {
        /// Its path from the export's folder on.
        public let name: String
        /// The number of its bytes.
        public let size: Int
        /// SHA-256 of its bytes.
        public let sha256: String
    }

    /// The list's own name, in the export's folder.
    public static let name = "export.sha256"
    /// The largest list that is read, in bytes: of about 150,000 files.
    static let largest = 16 << 20
    private static let header = "# Diptych export 1: size, SHA-256 and name of every file"

    /// The files, sorted bytewise by name.
    public let files: [File]

    /// The path of an export's list.
    public static func path(in folder: String) -> String { "\(folder)/\(name)" }

    /// Whether a folder holds a list, or the signature of one.
    public static func isThere(in folder: String) -> Bool {
        [path(in: folder), Signature.path(of: path(in: folder))].contains { (try? Folder.contains($0)) ?? true }
    }

    // MARK: Writing

    /// Lists what a folder holds now.
    ///
    /// - Throws: ``CheckpointError`` with code `invalidExport` that names what cannot be listed: a symbolic link, something
    ///   that is no file, a name with a control character or a backslash; also when there is no file at all. ``FileError``.
    public init(of folder: String) throws {
        guard access(folder, F_OK) == 0 else { throw FileError("list", folder, number: errno) }
        let contents = try Self.contents(of: folder)
        if let fault = contents.faults.first {
            throw CheckpointError(code: .invalidExport, path: "", message: "\(fault); take it away before signing")
        }
        guard !contents.names.isEmpty else {
            throw CheckpointError(code: .invalidExport, path: folder, message: "holds no file that could be signed")
        }
        files = try contents.names.map { name in
            let file = try InputFile("\(folder)/\(name)")
            return File(name: name, size: file.size, sha256: try file.sha256Hex())
        }
    }

    /// Writes the list into its folder and its signature beside it; what stood there before is replaced.
    ///
    /// - Throws: ``CheckpointError`` with code `invalidExport` when there are more files than a list may have; ``FileError``.
    public func write(to folder: String, signedWith key: SigningKey) throws {
        let bytes = encoded()
        guard bytes.count <= Self.largest else {
            throw CheckpointError(
                code: .invalidExport, path: folder,
                message: "has too many files for one signature: a list of \(bytes.count) bytes, of \(Self.largest)")
        }
        let path = Self.path(in: folder)
        try AtomicFile.write(bytes, to: path)
        try key.sign(path, holding: bytes)
    }

    /// Lists a folder and signs the list.
    ///
    /// - Returns: The list.
    /// - Throws: As ``init(of:)`` and ``write(to:signedWith:)``.
    @discardableResult
    public static func sign(_ folder: String, with key: SigningKey) throws -> ExportList {
        // What a killed signing has left is nobody's file.
        for name in try Folder.names(folder, followsLink: true) where isOwnLeftover(name) {
            unlink("\(folder)/\(name)")
        }
        let list = try ExportList(of: folder)
        try list.write(to: folder, signedWith: key)
        return list
    }

    private static func isOwnLeftover(_ file: String) -> Bool {
        [name, Signature.path(of: name)].contains(AtomicFile.finalName(ofLeftover: file))
    }

    /// The file's bytes.
    public func encoded() -> [UInt8] {
        let lines = [Self.header] + files.flatMap { ["# \($0.size)", "\($0.sha256)  \($0.name)"] }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    // MARK: Reading

    /// Reads a list.
    ///
    /// - Parameters:
    ///   - bytes: The file.
    ///   - path: Its name, for errors.
    /// - Throws: ``CheckpointError`` with code `damaged` when it is not exactly as such a list is written.
    public init(_ bytes: [UInt8], path: String) throws {
        let damaged = CheckpointError(code: .damaged, path: path, message: "is not the list of an export's files")
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        guard lines.count > 1, !lines.count.isMultiple(of: 2) else { throw damaged }
        files = try stride(from: 1, to: lines.count, by: 2).map { line in
            // "# 12", and 64 digits, two spaces, a name.
            let digits = String(decoding: lines[line].dropFirst(2), as: UTF8.self)
            let hash = String(decoding: lines[line + 1].prefix(64), as: UTF8.self)
            let name = String(decoding: lines[line + 1].dropFirst(66), as: UTF8.self)
            guard let size = Int(digits), size >= 0, hash.wholeMatch(of: /[0-9a-f]{64}/) != nil, Self.isName(name)
            else { throw damaged }
            return File(name: name, size: size, sha256: hash)
        }
        // What was passed over shows here: there is one form only.
        guard encoded() == bytes, zip(files, files.dropFirst()).allSatisfy({ Self.precedes($0.name, $1.name) }) else {
            throw damaged
        }
    }

    /// Names are compared by their bytes: to `==`, an accented letter is the same in its two spellings.
    private static func precedes(_ one: String, _ other: String) -> Bool {
        one.utf8.lexicographicallyPrecedes(other.utf8)
    }

    /// Whether a path stays in its folder, and in its line.
    private static func isName(_ path: String) -> Bool {
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isInside = parts.allSatisfy { !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8) }
        // U+FFFD stands for what is no UTF-8, so several files could have that name.
        let banned = "\u{7F}\\\u{FFFD}".unicodeScalars
        return isInside && path.unicodeScalars.allSatisfy { $0.value >= 0x20 && !banned.contains($0) }
    }

    // MARK: Checking

    /// What an export was found to be.
    public struct Report: Hashable, Sendable {
        /// The number of files that are listed; 0 when the list cannot be believed.
        public internal(set) var files = 0
        /// What is wrong with the list or its signature.
        public internal(set) var signatureFaults: [String] = []
        /// What is wrong with the files: changed, added, missing, or no files.
        public internal(set) var fileFaults: [String] = []

        /// Everything that is wrong.
        public var faults: [String] { signatureFaults + fileFaults }
    }

    /// Compares an export with its list, and the list with its signature. Nothing in the files is interpreted.
    ///
    /// - Parameters:
    ///   - folder: The export.
    ///   - key: The key that must have signed it; nil compares with the list alone, which anyone can write.
    public static func verify(_ folder: String, key: VerifyingKey?) -> Report {
        var report = Report()
        let path = path(in: folder)
        do {
            let bytes = try InputFile(path).bytes(limit: largest)
            // Nothing is read out of a list that nobody vouches for.
            if let fault = try key?.fault(of: path, holding: bytes) {
                report.signatureFaults = [fault]
                return report
            }
            let list = try ExportList(bytes, path: path)
            report.files = list.files.count
            report.fileFaults = list.faults(in: folder)
        } catch let error as FileError where error.number == ENOENT {
            report.signatureFaults = ["\(error.path): is missing: nobody has signed this folder"]
        } catch {
            report.signatureFaults = ["\(error)"]
        }
        return report
    }

    private func faults(in folder: String) -> [String] {
        do {
            let found = try Self.contents(of: folder)
            var added = Dictionary(uniqueKeysWithValues: found.names.map { (Array($0.utf8), $0) })
            let wrong = files.compactMap { file in
                let isThere = added.removeValue(forKey: Array(file.name.utf8)) != nil
                return isThere ? Self.fault(of: file, in: folder) : "\(folder)/\(file.name): is missing"
            }
            let unknown = added.values.sorted(by: Self.precedes)
            return found.faults + wrong + unknown.map { "\(folder)/\($0): is not in the list; it was added" }
        } catch {
            return ["\(error)"]
        }
    }

    private static func fault(of file: File, in folder: String) -> String? {
        let path = "\(folder)/\(file.name)"
        do {
            let input = try InputFile(path)
            // Before it is read: a file of holes may be larger than anyone can read.
            guard input.size == file.size else { return "\(path): has \(input.size) bytes instead of \(file.size)" }
            let hash = try input.sha256Hex()
            return hash == file.sha256 ? nil : "\(path): its SHA-256 is \(hash) instead of \(file.sha256)"
        } catch {
            return "\(error)"
        }
    }

    /// The regular files in a folder and in those below it, sorted bytewise, and what else is there.
    private static func contents(of folder: String) throws -> (names: [String], faults: [String]) {
        var (names, faults, folders) = ([String](), [String](), [""])
        while let prefix = folders.popLast() {
            for entry in try Folder.names("\(folder)/\(prefix)", followsLink: prefix.isEmpty) {
                let name = prefix + entry
                if [Self.name, Signature.path(of: Self.name)].contains(name) { continue }
                let path = "\(folder)/\(name)"
                guard isName(name) else {
                    faults.append("\(path): has a control character, a backslash, or what is no UTF-8, in its name")
                    continue
                }
                switch try Folder.mode(path).map({ $0 & S_IFMT }) {
                case S_IFREG: names.append(name)
                case S_IFDIR: folders.append(name + "/")
                case S_IFLNK: faults.append("\(path): is a symbolic link")
                default: faults.append("\(path): is neither a file nor a folder")
                }
            }
        }
        return (names.sorted(by: precedes), faults)
    }
}
