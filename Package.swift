// swift-tools-version: 6.2
// Diptych. The order of the targets is the order of the floors: each may import only what stands above it in this
// file, and `scripts/check-imports` holds the sources to it. docs/architecture.md has the picture.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
]

func product(_ name: String, _ package: String) -> Target.Dependency {
    .product(name: name, package: package)
}

// libFuzzer comes with the compiler's instrumentation only, so the fuzzer is left out of ordinary builds: scripts/fuzz.
let fuzzing: [Target] =
    Context.environment["DIPTYCH_FUZZ"] == nil
    ? []
    : [
        .executableTarget(
            name: "fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Driver", swiftSettings: strict)
    ]

// What `make sanitize` builds: the modules that call C of ours or of others, and their tests. The rest would take long.
let sanitized: Set<String>? =
    Context.environment["DIPTYCH_SANITIZE"] == nil
    ? nil
    : [
        "CKernels", "COneDNN", "COpenBLAS", "CHDF5", "CZstd", "CZlib", "CPNG", "COpenMPI", "Tensor", "Communication",
        "Checkpoints", "Diffusion", "Datasets", "Privacy", "TestSupport", "TensorTests", "CheckpointsTests",
        "DatasetsTests", "PrivacyTests", "CommunicationConformance", "CommunicationTests", "mpi-tests",
    ]

let package = Package(
    name: "diptych",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: ([
        // C libraries: a module map and a shim.h each.
        .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-Wall", "-Werror"])]),

        // Ground floor.
        .target(name: "Tensor", dependencies: ["CKernels", "COneDNN"], swiftSettings: strict),
        .target(name: "Communication", dependencies: ["COpenMPI"], swiftSettings: strict),
        .target(
            name: "Checkpoints",
            dependencies: ["CHDF5", "CZstd", product("Crypto", "swift-crypto")],
            swiftSettings: strict),

        // First floor.
        .target(name: "Diffusion", dependencies: ["Tensor"], swiftSettings: strict),
        .target(
            name: "Datasets",
            dependencies: ["Tensor", "CZlib", "CPNG", product("Crypto", "swift-crypto")],
            swiftSettings: strict),

        // Second floor.
        .target(
            name: "Privacy",
            dependencies: ["Tensor", "Diffusion", "Datasets", "COpenBLAS", product("Crypto", "swift-crypto")],
            swiftSettings: strict),
        .target(
            name: "Jobs",
            dependencies: [
                "Tensor", "Diffusion", "Datasets", "Checkpoints", "Privacy", product("Crypto", "swift-crypto"),
                product("Yams", "Yams"),
            ],
            swiftSettings: strict),

        // The two programs. Their logic lives in libraries, so that tests reach it.
        .target(
            name: "Worker",
            dependencies: [
                "Tensor", "Communication", "Checkpoints", "Diffusion", "Datasets", "Privacy", "Jobs",
                product("ArgumentParser", "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .target(
            name: "Coordinator",
            dependencies: [
                "Tensor", "Checkpoints", "Diffusion", "Datasets", "Privacy", "Jobs",
                product("ArgumentParser", "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "diptych-worker", dependencies: ["Worker"], path: "Sources/Programs/diptych-worker",
            swiftSettings: strict),
        .executableTarget(
            name: "diptych", dependencies: ["Coordinator"], path: "Sources/Programs/diptych",
            swiftSettings: strict),

        // Tests.
        .target(name: "TestSupport", dependencies: ["Tensor"], path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "TensorTests", dependencies: ["Tensor", "COpenBLAS", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "DiffusionTests", dependencies: ["Diffusion", "Tensor", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "DatasetsTests", dependencies: ["Datasets", "Tensor", "TestSupport"],
            swiftSettings: strict),
        // The checks that every Communicator passes: run by CommunicationTests on threads, by mpi-tests on processes.
        .target(
            name: "CommunicationConformance", dependencies: ["Communication"], path: "Tests/Conformance",
            swiftSettings: strict),
        .testTarget(
            name: "CommunicationTests", dependencies: ["Communication", "CommunicationConformance", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "CheckpointsTests", dependencies: ["Checkpoints", "CHDF5", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "PrivacyTests", dependencies: ["Privacy", "Diffusion", "Datasets", "Tensor", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "JobsTests", dependencies: ["Jobs", "Checkpoints", "Tensor", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "CoordinatorTests", dependencies: ["Coordinator", "Checkpoints", "Jobs", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "WorkerTests",
            dependencies: [
                "Worker", "Jobs", "Communication", "Checkpoints", "Tensor", "Diffusion", "Datasets", "Privacy",
                "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests", dependencies: ["Jobs", "Checkpoints", "TestSupport"],
            path: "Tests/EndToEnd", swiftSettings: strict),
        // Run by scripts/test-cluster on the SLURM cluster of cluster/local; elsewhere skipped.
        .testTarget(name: "ClusterTests", dependencies: ["TestSupport"], path: "Tests/Cluster", swiftSettings: strict),
        // Kills, errors and power cuts at every point of a save, and the readers' fuzzing.
        .executableTarget(
            name: "save-harness",
            dependencies: ["Worker", "Jobs", "Checkpoints", "Communication", "Diffusion", "Tensor"],
            path: "Tests/SaveHarness",
            swiftSettings: strict),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "Tensor", "Communication", "Checkpoints", "Diffusion", "Datasets", "Privacy", "Jobs", "Worker",
                "Coordinator",
                product("ArgumentParser", "swift-argument-parser"),
            ], path: "Tests/Fuzz/Targets", swiftSettings: strict),
        // Replaces malloc in the program that links it, to count what readers take.
        .target(
            name: "CAllocationMeter", path: "Tests/Fuzz/Meter",
            cSettings: [.unsafeFlags(["-O2", "-fno-builtin", "-Wall", "-Werror"])]),
        .executableTarget(
            name: "fuzz-replay", dependencies: ["FuzzTargets", "CAllocationMeter"], path: "Tests/Fuzz/Replay",
            swiftSettings: strict),
        .testTarget(
            name: "ReliabilityTests", dependencies: ["Checkpoints", "FuzzTargets", "TestSupport"],
            path: "Tests/Reliability",
            swiftSettings: strict),
        // Started by scripts/test-mpi under mpirun with 1, 2, 3, 4 and 8 ranks.
        .executableTarget(
            name: "mpi-tests", dependencies: ["Communication", "CommunicationConformance"], path: "Tests/MPI",
            swiftSettings: strict),
    ] + fuzzing).filter { sanitized?.contains($0.name) != false }
)
