import CKernels
import COneDNN
import Glibc
import Synchronization

/// A set of processor instructions that code is compiled for, each containing the one before.
public enum InstructionSet: String, Codable, CaseIterable, Sendable, Comparable {
    case baseline, avx2, avx512

    /// Keeps oneDNN and our kernels to this set, where the processor has more.
    ///
    /// - Returns: Whether it holds: oneDNN obeys only before its first use in the process, and only once.
    @discardableResult
    public func limit() -> Bool {
        Self.cap.withLock { cap in
            if let cap { return cap == self }
            guard dnnl_set_max_cpu_isa(oneDNNName) == dnnl_success else { return false }
            cap = self
            return diptych_kernels_select(CInt(level)) <= CInt(level)
        }
    }

    private static let cap = Mutex<InstructionSet?>(nil)

    /// Less is contained in more.
    public static func < (a: InstructionSet, b: InstructionSet) -> Bool { a.level < b.level }

    /// The set that our kernels use now.
    package static var ofKernels: InstructionSet {
        allCases.first { $0.level == Int(diptych_kernels_level()) } ?? .baseline
    }

    private var level: Int {
        switch self {
        case .baseline: Int(diptych_level_baseline)
        case .avx2: Int(diptych_level_avx2)
        case .avx512: Int(diptych_level_avx512)
        }
    }

    private var oneDNNName: dnnl_cpu_isa_t {
        switch self {
        case .baseline: dnnl_cpu_isa_sse41
        case .avx2: dnnl_cpu_isa_avx2
        case .avx512: dnnl_cpu_isa_avx512_core
        }
    }
}

/// Everything about the machine and the libraries that floating-point results may depend on.
///
/// Two processes with equal profiles and builds compute the same bits. It is recorded with a run and compared among
/// ranks; see docs/architecture.md.
public struct NumericsProfile: Codable, Hashable, Sendable {
    /// Version of the rules by which this module chooses algorithms and orders sums; raise it when they change.
    public static let currentRules = 3

    /// The rules' version.
    public var rules: Int
    /// What our kernels use.
    public var kernels: InstructionSet
    /// What oneDNN may use: the processor's set under the cap, by oneDNN's name.
    public var oneDNNInstructions: String
    /// oneDNN's version and the hash of its sources.
    public var oneDNN: String
    /// Size of each first-level data cache in bytes; 0 if the system does not say. oneDNN's blocking depends on caches.
    public var level1DataCache: Int
    /// Size of each second-level cache in bytes.
    public var level2Cache: Int
    /// Size of each third-level cache in bytes.
    public var level3Cache: Int
    /// Version of the C library, whose cosines and exponentials stand in the noise schedules and time embeddings.
    public var cLibrary: String
    /// SHA-256 of the table that chooses the algorithms of convolutions; nil for the rule alone.
    public var convolutions: String?

    /// The profile of this process.
    public static func current() -> NumericsProfile {
        NumericsProfile(
            rules: currentRules, kernels: .ofKernels, oneDNNInstructions: oneDNNInstructionSet(),
            oneDNN: oneDNNVersion(), level1DataCache: ProcessorCaches.size(level: 1),
            level2Cache: ProcessorCaches.size(level: 2), level3Cache: ProcessorCaches.size(level: 3),
            cLibrary: String(cString: gnu_get_libc_version()), convolutions: ConvolutionTable.installed?.sha256)
    }

    /// What differs from another profile, one phrase for each difference, empty if nothing does.
    public func differences(from other: NumericsProfile) -> [String] {
        zip(lines, other.lines).compactMap { mine, theirs in
            mine.value == theirs.value ? nil : "\(mine.name) is \(mine.value) here and \(theirs.value) there"
        }
    }

    private var lines: [(name: String, value: String)] {
        [
            ("numerics rules version", "\(rules)"),
            ("instruction set of the kernels", kernels.rawValue),
            ("instruction set of oneDNN", oneDNNInstructions),
            ("oneDNN", oneDNN),
            ("first-level data cache in bytes", "\(level1DataCache)"),
            ("second-level cache in bytes", "\(level2Cache)"),
            ("third-level cache in bytes", "\(level3Cache)"),
            ("C library", cLibrary),
            ("table of convolution algorithms", convolutions.map { "SHA-256 \($0)" } ?? "none"),
        ]
    }
}

private func oneDNNVersion() -> String {
    guard let version = dnnl_version()?.pointee else { return "unknown" }
    let number = "\(version.major).\(version.minor).\(version.patch)"
    guard let hash = version.hash else { return number }
    return "\(number) \(String(cString: hash))"
}

private func oneDNNInstructionSet() -> String {
    let names: [(dnnl_cpu_isa_t, String)] = [
        (dnnl_cpu_isa_sse41, "sse41"), (dnnl_cpu_isa_avx, "avx"), (dnnl_cpu_isa_avx2, "avx2"),
        (dnnl_cpu_isa_avx2_vnni, "avx2_vnni"), (dnnl_cpu_isa_avx512_mic, "avx512_mic"),
        (dnnl_cpu_isa_avx512_mic_4ops, "avx512_mic_4ops"), (dnnl_cpu_isa_avx512_core, "avx512_core"),
        (dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"), (dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"),
        (dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"),
    ]
    let effective = dnnl_get_effective_cpu_isa()
    return names.first { $0.0 == effective }?.1 ?? "code \(effective.rawValue)"
}
