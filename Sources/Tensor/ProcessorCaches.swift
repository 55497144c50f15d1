import Glibc

/// The sizes of the processor's caches, as the system gives them.
enum ProcessorCaches {
    /// The size in bytes of each data or unified cache of a level, 0 if unknown.
    static func size(level: Int) -> Int {
        for index in 0..<16 {
            let folder = "/sys/devices/system/cpu/cpu0/cache/index\(index)"
            guard let found = read("\(folder)/level") else { break }
            guard found == "\(level)", read("\(folder)/type") != "Instruction" else { continue }
            return read("\(folder)/size").flatMap(bytes(of:)) ?? 0
        }
        return 0
    }

    /// A size as the kernel writes it: "48K", "1024K", "32M".
    static func bytes(of text: String) -> Int? {
        switch text.last {
        case "K": Int(text.dropLast()).map { $0 << 10 }
        case "M": Int(text.dropLast()).map { $0 << 20 }
        default: Int(text)
        }
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var characters = [CChar](repeating: 0, count: 64)
        guard fgets(&characters, CInt(characters.count), file) != nil else { return nil }
        let bytes = characters.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: "\n")) }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
