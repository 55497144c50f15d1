import Datasets

extension DatasetError {
    /// The code with which a program ends because of it.
    public var exitCode: ExitCode {
        switch kind {
        case .missingFile, .unreadableFile, .unwritableFile: .inputOutput
        case .missingLabels, .notEnoughImages: .usage
        default: .badData
        }
    }
}
