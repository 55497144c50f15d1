import Glibc

/// The name of this host, as the system has it; no look-up.
func hostName() -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name in
        guard let start = name.baseAddress, gethostname(start, name.count - 1) == 0 else { return "unknown host" }
        name[name.count - 1] = 0
        return String(cString: start)
    }
}
