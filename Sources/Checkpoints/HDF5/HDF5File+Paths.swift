import CHDF5

extension HDF5File {
    /// Links that a group may have before listing it is refused.
    static let linkLimit = 65_536

    /// The names in a group, in bytewise order.
    ///
    /// - Parameter path: The group's path; empty for the root.
    /// - Throws: ``HDF5Error`` when it is missing, no group, or reached through anything but hard links.
    public func names(in path: String) throws -> [String] {
        try HDF5Library.locked {
            let group = try openObject(path, as: H5I_GROUP)
            defer { H5Oclose(group) }
            let (result, names) = HDF5Calls.names(group, limit: Self.linkLimit)
            try check(result, "cannot be listed", object: path)
            guard let names else { throw refusal(path, "has more than \(Self.linkLimit) members") }
            return names
        }
    }

    /// Whether something is named by `path`, whatever it is.
    public func contains(_ path: String) throws -> Bool {
        try HDF5Library.locked {
            var parent = ""
            for component in try components(path) {
                guard
                    try check(H5Lexists(id, parent + component, CHDF5_default()), "cannot be searched", object: path)
                        > 0
                else { return false }
                parent += component + "/"
            }
            return true
        }
    }

    /// Creates a group, with the groups above it, where they are missing.
    ///
    /// - Throws: ``HDF5Error``.
    public func createGroup(_ path: String) throws {
        try HDF5Library.locked {
            let creation = try check(H5Pcreate(CHDF5_class_group_creation()), "no properties", object: path)
            defer { H5Pclose(creation) }
            try check(H5Pset_obj_track_times(creation, false), "object times cannot be turned off", object: path)
            var prefix = ""
            for component in try components(path) {
                prefix += prefix.isEmpty ? component : "/" + component
                if try contains(prefix) { continue }
                let group = H5Gcreate2(id, prefix, CHDF5_default(), creation, CHDF5_default())
                H5Gclose(try check(group, "cannot be created", object: prefix))
            }
        }
    }

    /// Opens a group or dataset, following nothing but hard links. Call under the library's lock; close with `H5Oclose`.
    func openObject(_ path: String, as kind: H5I_type_t) throws -> hid_t {
        var prefix = ""
        for component in try components(path) {
            prefix += prefix.isEmpty ? component : "/" + component
            let link = try check(CHDF5_link_type(id, prefix), "is missing", object: path)
            guard link == H5L_TYPE_HARD.rawValue else {
                throw refusal(path, "\(prefix) is not a hard link (link type \(link))")
            }
        }
        try requirePlainHeader(prefix.isEmpty ? "/" : prefix, path: path)
        let object = try check(
            H5Oopen(id, prefix.isEmpty ? "/" : prefix, CHDF5_default()), "cannot be opened", object: path)
        guard H5Iget_type(object) == kind else {
            H5Oclose(object)
            throw refusal(path, kind == H5I_GROUP ? "is not a group" : "is not a dataset")
        }
        return object
    }

    /// Makes sure that an object can be opened: libhdf5 does not survive every list of external files.
    private func requirePlainHeader(_ object: String, path: String) throws {
        guard let source else { return }
        let address = try check(CHDF5_header_address(id, object), "cannot be opened", object: path)
        let imageSize: Int? = if case .image(let bytes) = source { bytes } else { nil }
        let header = ObjectHeader { [id] in HDF5Calls.bytes(id, imageSize: imageSize, at: $0, count: $1) }
        guard header.isPlain(at: Int(address)) else {
            throw refusal(
                path,
                "keeps its elements in another file, has a virtual or unknown layout, or a header that cannot be "
                    + "followed")
        }
    }

    /// The names along a path. HDF5 gives `.` and `/` a meaning of their own, and ends names at a zero byte.
    func components(_ path: String) throws -> [String] {
        if path.isEmpty { return [] }
        let names = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard names.allSatisfy({ !$0.isEmpty && $0 != "." && !$0.utf8.contains(0) }) else {
            throw refusal(path, "is no path: write names with a single / between them")
        }
        return names
    }
}
