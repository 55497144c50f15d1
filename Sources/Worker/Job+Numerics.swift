import Foundation
import Jobs
import Tensor

extension Job {
    /// Has this process compute as a run's job says; called before it computes anything.
    ///
    /// - Parameter directory: The run, which holds the copy of the table of convolution algorithms.
    /// - Throws: `DiptychFailure` with code 64 when this machine cannot compute so.
    func adoptNumerics(in directory: RunDirectory) throws {
        try adoptInstructions()
        try Self.adopt(directory.convolutionTable(of: self))
    }

    /// Keeps this process to the job's instructions.
    func adoptInstructions() throws { try Self.adopt(instructions: numerics.instructions) }

    /// Keeps this process to some instructions; nil for all that there are.
    static func adopt(instructions: InstructionSet?) throws {
        guard let instructions, !instructions.limit() else { return }
        throw DiptychFailure(
            .usage,
            "`numerics.instructions`: this oneDNN cannot be kept to \(instructions.rawValue); use one that was built with "
                + "ONEDNN_ENABLE_MAX_CPU_ISA, as distributions build it, or leave the key out")
    }

    /// Has this process compute its convolutions by a table, or without one by the rule.
    ///
    /// - Throws: `DiptychFailure` with code 64 when there is not here what the table asks for.
    static func adopt(_ table: ConvolutionTable?) throws {
        ConvolutionTable.install(table)
        guard let table, let first = table.unavailable.first else { return }
        throw DiptychFailure(
            .usage,
            "`numerics.convolutions`: there is no \(table.algorithms[first]?.rawValue ?? "") on this processor for "
                + "{\(ConvolutionFile.description(of: first))}\(table.unavailable.count > 1 ? " and others" : ""). Measure "
                + "with `diptych tune` on a machine like this one")
    }
}
