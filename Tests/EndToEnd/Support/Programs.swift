import Foundation
import Testing

/// All suites of this target run inside this one, so that no two of them compete for the cores.
@Suite(.serialized)
enum EndToEnd {}

/// The programs under test.
enum Program: String {
    case diptych
    case worker = "diptych-worker"
    case mpirun
    case h5dump
    case gzip
    case bash
    case strace

    /// The program's file: Diptych's own come from the folder that `DIPTYCH_PROGRAMS` names, the others from the path.
    var path: String {
        get throws {
            let environment = ProcessInfo.processInfo.environment
            let folders: [Substring]
            switch self {
            case .diptych, .worker:
                guard let folder = environment["DIPTYCH_PROGRAMS"], !folder.isEmpty else {
                    throw TestFailure("DIPTYCH_PROGRAMS must name the folder of diptych and diptych-worker")
                }
                folders = [folder[...]]
            case .mpirun, .h5dump, .gzip, .bash, .strace:
                folders = (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
            }
            for folder in folders where access("\(folder)/\(rawValue)", X_OK) == 0 { return "\(folder)/\(rawValue)" }
            throw TestFailure("there is no program \(rawValue) in \(folders.joined(separator: ", "))")
        }
    }
}

/// The exit codes as documented; kept apart from the program's own list, so that a change there is noticed here.
enum Exit {
    static let done: Int32 = 0
    static let usage: Int32 = 64
    static let badData: Int32 = 65
    static let rankLost: Int32 = 71
    static let inputOutput: Int32 = 74
    static let stopped: Int32 = 75
    static let interrupted: Int32 = 130
}

/// Why a test cannot go on.
struct TestFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
