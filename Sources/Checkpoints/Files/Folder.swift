import Glibc

/// What the checkpoint store needs to know about folders.
enum Folder {
    /// The names in a folder, sorted; none when there is no such folder.
    static func names(_ path: String) throws -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return [] }
            throw FileError("list", path, number: errno)
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

    /// Whether a folder, not a link to one, has this name.
    static func exists(_ path: String) throws -> Bool {
        try mode(path).map { $0 & S_IFMT == S_IFDIR } ?? false
    }

    /// Whether anything has this name.
    static func contains(_ path: String) throws -> Bool { try mode(path) != nil }

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
            var status = stat()
            guard stat(path, &status) == 0 else { throw FileError("look at", path, number: errno) }
            guard status.st_mode & S_IFMT == S_IFDIR else { throw FileError("create folder", path, number: EEXIST) }
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
