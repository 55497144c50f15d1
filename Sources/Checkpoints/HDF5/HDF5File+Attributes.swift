import CHDF5

extension HDF5File {
    /// The longest text that is read from an attribute, in bytes.
    static let longestText = 16 << 20

    /// Writes a text attribute, in UTF-8, of a fixed length and ended by a zero byte.
    ///
    /// - Parameters:
    ///   - name: The attribute's name; new.
    ///   - value: The text; without zero bytes.
    ///   - object: A group or dataset; empty for the root.
    /// - Throws: ``HDF5Error``.
    public func setAttribute(_ name: String, to value: String, on object: String = "") throws {
        let bytes = Array(value.utf8) + [0]
        precondition(!bytes.dropLast().contains(0), "the text of attribute \(name) has a zero byte")
        try HDF5Library.locked {
            let type = try check(HDF5Calls.textType(size: bytes.count), "no text type", object: object)
            defer { H5Tclose(type) }
            try setAttribute(name, bytes, type: type, on: object)
        }
    }

    /// Writes an integer attribute.
    public func setAttribute(_ name: String, to value: Int64, on object: String = "") throws {
        let bytes = withUnsafeBytes(of: value.littleEndian, Array.init)
        try HDF5Library.locked { try setAttribute(name, bytes, type: CHDF5_type_int64(), on: object) }
    }

    /// Writes a floating-point attribute.
    public func setAttribute(_ name: String, to value: Double, on object: String = "") throws {
        let bytes = withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
        try HDF5Library.locked { try setAttribute(name, bytes, type: CHDF5_type_double(), on: object) }
    }

    /// Reads a text attribute of fixed length.
    ///
    /// - Throws: ``HDF5Error`` when it is missing, of another type, or no UTF-8.
    public func text(_ name: String, on object: String = "") throws -> String {
        try withAttribute(name, on: object) { attribute, type, path in
            guard H5Tget_class(type) == H5T_STRING, H5Tis_variable_str(type) == 0 else {
                throw refusal(path, "is not a text of fixed length")
            }
            let size = H5Tget_size(type)
            guard (1...Self.longestText).contains(size) else { throw refusal(path, "is a text of \(size) bytes") }
            let (result, bytes) = HDF5Calls.read(attribute, type: type, size: size)
            try check(result, "cannot be read", object: path)
            guard let text = String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) else {
                throw refusal(path, "is not UTF-8")
            }
            return text
        }
    }

    /// Reads an integer attribute.
    ///
    /// - Throws: ``HDF5Error`` when it is missing or not a single int64.
    public func integer(_ name: String, on object: String = "") throws -> Int64 {
        Int64(bitPattern: try number(name, on: object, type: CHDF5_type_int64, called: "int64"))
    }

    /// Reads a floating-point attribute.
    ///
    /// - Throws: ``HDF5Error`` when it is missing or not a single float64.
    public func double(_ name: String, on object: String = "") throws -> Double {
        Double(bitPattern: try number(name, on: object, type: CHDF5_type_double, called: "float64"))
    }

    /// The eight bytes of a number of the type that `type` gives.
    private func number(_ name: String, on object: String, type: () -> hid_t, called: String) throws -> UInt64 {
        try withAttribute(name, on: object) { attribute, found, path in
            guard H5Tequal(found, type()) > 0 else { throw refusal(path, "is not a \(called)") }
            let (result, bytes) = HDF5Calls.read(attribute, type: type(), size: 8)
            try check(result, "cannot be read", object: path)
            return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// Opens an attribute with a single value, and its type.
    private func withAttribute<Result>(
        _ name: String, on object: String, _ body: (hid_t, hid_t, String) throws -> Result
    ) throws -> Result {
        let path = "\(object)@\(name)"
        return try HDF5Library.locked {
            let owner = try openOwner(object)
            defer { H5Oclose(owner) }
            let attribute = try check(H5Aopen(owner, name, CHDF5_default()), "is missing", object: path)
            defer { H5Aclose(attribute) }
            let space = try check(H5Aget_space(attribute), "has no data space", object: path)
            defer { H5Sclose(space) }
            guard HDF5Calls.shape(space) == [] else { throw refusal(path, "is not a single value") }
            let type = try check(H5Aget_type(attribute), "has no type", object: path)
            defer { H5Tclose(type) }
            return try body(attribute, type, path)
        }
    }

    private func setAttribute(_ name: String, _ bytes: [UInt8], type: hid_t, on object: String) throws {
        let path = "\(object)@\(name)"
        let owner = try openOwner(object)
        defer { H5Oclose(owner) }
        let space = try check(HDF5Calls.space([]), "no data space", object: path)
        defer { H5Sclose(space) }
        let attribute = try check(
            H5Acreate2(owner, name, type, space, CHDF5_default(), CHDF5_default()), "cannot be created", object: path)
        defer { H5Aclose(attribute) }
        try check(HDF5Calls.write(bytes, to: attribute, type: type), "cannot be written", object: path)
    }

    private func openOwner(_ object: String) throws -> hid_t {
        do {
            return try openObject(object, as: H5I_GROUP)
        } catch let error as HDF5Error where error.code == .refused {
            return try openObject(object, as: H5I_DATASET)
        }
    }
}
