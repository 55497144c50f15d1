import Coordinator
import Datasets
import Foundation
import Jobs

/// Where files lie that are read by their path, a run in memory; and what is honest in it.
enum FuzzFiles {
    /// The run.
    static let directory: RunDirectory = {
        let path = "/dev/shm/diptych-fuzz-\(getpid())"
        for folder in ["/logs/heartbeats", "/audit/scores"] {
            try? FileManager.default.createDirectory(atPath: path + folder, withIntermediateDirectories: true)
        }
        atexit { try? FileManager.default.removeItem(atPath: "/dev/shm/diptych-fuzz-\(getpid())") }
        return RunDirectory(path)
    }()

    /// Puts bytes into a file of the run.
    ///
    /// - Returns: Its path.
    static func write(_ bytes: [UInt8], _ name: String) -> String {
        let path = "\(directory.path)/\(name)"
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        return path
    }

    /// Held as by who runs the run, so that it counts as running.
    static let lock = try? RunLock(directory, job: "fuzz")

    /// A machine without SLURM, or anything else to be asked.
    static var machine: Machine {
        Machine(cores: 2, isSingleNode: true, isRoot: false, environment: ["PATH": "/nonexistent", "LANG": "C"])
    }

    static let smallJob = """
        name: small
        data: {images: /data/images.idx, members: 100}
        model: {channels: [8, 16], attention: [false, true], norm_groups: 8}
        defence: distillmd
        teach: {steps: 10, batch: 12, images_per_lane: 2}
        distill: {steps: 10, batch: 12, images_per_lane: 3}

        """

    static let job: Job = {
        do {
            return try Job.decode(smallJob, file: "fuzz")
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    /// The data that splits are of; Tests/Golden/fuzz_hdf5.py has the same.
    static let catalogue: Catalogue = {
        let images = ImageSet(count: 6, channels: 1, height: 2, width: 2, pixels: Array(0..<24))
        do {
            return try Catalogue(name: "fuzz", images: images, labels: [0, 1, 0, 1, 0, 1])
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    static let heartbeat = Array(
        """
        {"rank":1,"phase":"teach","model":"teacher-0","step":1,"total_steps":2,"images_per_second":3,\
        "seconds_per_image":1e-300,"time":1.7e9,"process":77,"host":"node"}
        """.utf8)

    static let launched = Array(#"{"kind":"launched","ranks":2}"#.utf8) + [UInt8(ascii: "\n")]

    static let outcome = Array(
        """
        {"exit":75,"message":"","phases":[{"name":"teach","steps":10,"seconds":3,"images_per_second":4,\
        "final_loss":{}}],"weights_sha256":{},"ema_sha256":{}}
        """.utf8)
}
