import CHDF5
import Checkpoints
import Foundation
import Testing

/// A plug-in of libhdf5 that leaves a mark when it is loaded, in a folder that `HDF5_PLUGIN_PATH` names.
private struct Plugin {
    static let compiles = (try? run("cc", ["--version"]))?.code == 0

    private let mark: String

    /// Compiles it; to be called before libhdf5 is used in this process.
    init(in folder: String) throws {
        mark = folder + "/loaded"
        let code = """
            #include <stdio.h>
            __attribute__((constructor)) static void loaded(void) { fclose(fopen("\(mark)", "w")); }
            int H5PLget_plugin_type(void) { return 0; }
            const void *H5PLget_plugin_info(void) { return 0; }

            """
        try overwrite(folder + "/plugin.c", Array(code.utf8))
        let end = try CheckpointsTests.run(
            "cc", ["-shared", "-fPIC", "-o", folder + "/libplugin.so", folder + "/plugin.c"])
        try #require(end.code == 0, "\(end.output)")
        setenv("HDF5_PLUGIN_PATH", folder, 1)
        unsetenv("HDF5_PLUGIN_PRELOAD")
    }

    var wasLoaded: Bool { access(mark, F_OK) == 0 }

    /// Reads a dataset whose filter libhdf5 does not know, past all that this project's reader refuses.
    func readUnknownFilter() -> Bool {
        let file = H5Fopen("\(golden)/hostile/unknown-filter.h5", CHDF5_read_only(), CHDF5_default())
        let dataset = H5Dopen2(file, "x", CHDF5_default())
        var values = [Float](repeating: 0, count: 8)
        let result = H5Dread(
            dataset, CHDF5_type_float(), CHDF5_all(), CHDF5_all(), CHDF5_default(), &values)
        return dataset >= 0 && result >= 0
    }
}

/// Code that a stranger's file could bring with it, by an environment that names it.
@Suite(.enabled(if: Plugin.compiles, "needs a C compiler"))
struct PluginTests {
    /// Fails when loading is not forbidden before the first file is opened.
    @Test func plugInsAreNeverLoaded() async {
        // In a process of its own, which has not used libhdf5 before.
        await #expect(processExitsWith: .success) {
            try withFolder { folder in
                let plugin = try Plugin(in: folder)
                try HDF5File.createInMemory(label: "first").close()
                var state: UInt32 = 1
                try #require(H5PLget_loading_state(&state) >= 0 && state == 0)
                try #require(!plugin.readUnknownFilter() && !plugin.wasLoaded)
            }
        }
    }

    /// What the test above would miss if the plug-in were none.
    @Test func libHDF5ByItselfLoadsThem() async {
        await #expect(processExitsWith: .success) {
            try withFolder { folder in
                let plugin = try Plugin(in: folder)
                try #require(!plugin.wasLoaded && !plugin.readUnknownFilter() && plugin.wasLoaded)
            }
        }
    }
}
