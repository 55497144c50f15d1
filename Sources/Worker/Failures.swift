import Checkpoints
import Communication
import Datasets
import Diffusion
import Jobs

extension DiptychFailure {
    /// The failure that ends the program because of an error of any module.
    package init(_ error: any Error) {
        switch error {
        case let failure as DiptychFailure: self = failure
        case let error as DatasetError: self.init(error.exitCode, "\(error)")
        case let error as CheckpointError: self.init(.badData, "\(error)")
        case let error as HDF5Error: self.init(.badData, "\(error)")
        case let error as FileError: self.init(.inputOutput, "\(error)")
        case let error as SystemCallError: self = error.failure
        case let error as DiffusionError: self.init(.usage, "\(error)")
        case let error as CommunicationError: self.init(error.exitCode, "\(error)")
        default: self.init(.internalError, "\(error)")
        }
    }
}

extension CommunicationError {
    fileprivate var exitCode: ExitCode {
        switch code {
        case .call, .peerFailed: .rankLost
        case .disagreement: .badData
        case .aborted(let code): ExitCode(rawValue: code) ?? .internalError
        case .initialization, .invalidPeer, .unexpectedLength, .mismatchedCollective, .undecodable: .internalError
        }
    }
}
