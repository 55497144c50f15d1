import Checkpoints
import Communication
import Datasets
import Diffusion
import Jobs

extension DiptychFailure {
    /// The failure that ends the program because of an error of any module.
    init(_ error: any Error) {
        switch error {
        case let failure as DiptychFailure: self = failure
        case let error as DatasetError: self.init(error.exitCode, "\(error)")
        case let error as CheckpointError: self.init(.badData, "\(error)")
        case let error as HDF5Error: self.init(.badData, "\(error)")
        case let error as FileError: self.init(.inputOutput, "\(error)")
        case let error as DiffusionError: self.init(.usage, "\(error)")
        case let error as CommunicationError: self.init(.rankLost, "\(error)")
        default: self.init(.internalError, "\(error)")
        }
    }
}

extension DatasetError {
    fileprivate var exitCode: ExitCode {
        switch kind {
        case .missingFile, .unreadableFile, .unwritableFile: .inputOutput
        case .missingLabels, .notEnoughImages: .usage
        default: .badData
        }
    }
}
