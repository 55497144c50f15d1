import Glibc

/// What the checkpoint store needs to know about folders.
///
/// Within a run no folder is a link: a stranger's would lead anywhere, and what is examined would not be what is read.
package enum Folder {
    /// The names in a folder, sorted; none when there is no such folder.
    ///
    /// - Parameter followsLink: Whether the folder itself may be a link, as when a user has named it.
    package static func names(_ path: String, followsLink: Bool = false) throws -> [String] {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (followsLink ? 0 : O_NOFOLLOW))
        guard descriptor >= 0 else {
            let number = errno
            if number == ENOENT { return [] }
            throw fault(of: path).map { FileError("list", path, reason: $0) } ?? FileError("list", path, number: number)
        }
        guard let folder = fdopendir(descriptor) else {
            let number = errno
            close(descriptor)
            throw FileError("list", path, number: number)
        }
        defer { closedir(folder) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
            errno = 0
        }
        if errno != 0 { throw FileError("list", path, number: errno) }
        return names.sorted()
    }

    /// Whether a folder has this name.
    ///
    /// - Throws: ``FileError`` when a link has it: whoever passed over that would call good what others read through it.
    static func exists(_ path: String) throws -> Bool {
        let kind = try mode(path).map { $0 & S_IFMT }
        if kind == S_IFLNK, let fault = fault(of: path) { throw FileError("list", path, reason: fault) }
        return kind == S_IFDIR
    }

    /// What is wrong with a folder of a run, judged by its name alone; nil when nothing is, or nothing has the name.
    package static func fault(of path: String) -> String? {
        guard let mode = try? mode(path), mode & S_IFMT != S_IFDIR else { return nil }
        return "it is \(RegularFile.kind(of: mode)), and a folder is expected"
    }

    /// Whether anything has this name.
    package static func contains(_ path: String) throws -> Bool { try mode(path) != nil }

    /// What has this name, as `st_mode`; nil when nothing has. What cannot be told is an error: it may be a checkpoint.
    static func mode(_ path: String) throws -> mode_t? {
        var status = stat()
        if lstat(path, &status) == 0 { return status.st_mode }
        if errno == ENOENT || errno == ENOTDIR { return nil }
        throw FileError("look at", path, number: errno)
    }

    /// Creates a folder and those above it, accessible to their owner only.
    static func create(_ path: String) throws {
        if mkdir(path, 0o700) == 0 { return }
        switch errno {
        case EEXIST:
            if let fault = fault(of: path) { throw FileError("create folder", path, reason: fault) }
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { fallthrough }
            try create(String(path[..<slash]))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw FileError("create folder", path, number: errno)
            }
        default:
            throw FileError("create folder", path, number: errno)
        }
    }
}
