import Foundation
import Glibc

/// Saves checkpoints on a thread of its own while training goes on. At most one save is in flight.
///
/// What it saves is a copy, which the caller takes out of the training state before it goes on: see ``StagedCheckpoint``.
public final class CheckpointWriter: @unchecked Sendable {
    // Safe because everything that changes is read and written with `condition` locked.
    private let condition = NSCondition()
    private var saving = false
    private var failure: (any Error)?
    private var saved: [Manifest] = []
    /// How many threads wait for the save under way.
    private var waiting = 0
    private var isMakingRoom = false
    private var isRoomWanted = false
    private var room: StagingFile?

    let store: CheckpointStore
    private let kept: Int

    /// A writer; no thread runs until something is saved.
    ///
    /// - Parameters:
    ///   - store: Where checkpoints go.
    ///   - kept: The number of checkpoints of each model that stay, 1 or more.
    public init(store: CheckpointStore, keeping kept: Int) {
        precondition(kept >= 1, "at least one checkpoint is always kept")
        self.store = store
        self.kept = kept
    }

    /// Begins to make room for the copies of a model, unless it is very large: short steps would otherwise wait for it at
    /// the first save. Returns at once. What fails is tried again by the save.
    ///
    /// - Parameters:
    ///   - model: The model's name.
    ///   - parameters: The number of its weights.
    public func makeRoom(model: String, parameters: Int) {
        let bytes = Checkpoint.Vector.allCases.count * parameters * MemoryLayout<Float>.stride
        guard bytes <= StagingFile.largestKept else { return }
        condition.withLock { (isMakingRoom, isRoomWanted) = (true, false) }
        let thread = Thread { [self] in
            yieldToTraining()
            let file = try? StagingFile(in: store, model: model, step: 0)
            let isFilled: Void? = try? file?.fill(bytes: bytes) { condition.withLock { !isRoomWanted } }
            condition.withLock {
                room = isFilled == nil ? nil : file
                isMakingRoom = false
                condition.broadcast()
            }
        }
        thread.name = "checkpoint"
        thread.start()
    }

    /// The room that there is for a copy, for the one who takes it. Room that is still being made is taken as it is.
    func takeRoom() -> StagingFile? {
        condition.lock()
        defer { condition.unlock() }
        isRoomWanted = true
        while isMakingRoom { condition.wait() }
        defer { room = nil }
        return room
    }

    /// Begins to save; returns at once unless the save before is still under way, which is waited for.
    ///
    /// - Throws: ``CheckpointError`` with code `notFinite` at once, for a state that must not be saved: that one is not
    ///   begun. Otherwise the error of the save before, ``FileError``, ``HDF5Error`` or ``CheckpointError``: this
    ///   checkpoint is begun all the same, and older ones are untouched.
    public func save(_ checkpoint: some CheckpointContents) throws {
        try checkpoint.requireFinite()
        condition.lock()
        defer { condition.unlock() }
        let before = Result { try waitForIdle() }
        begin(checkpoint)
        try before.get()
    }

    private func begin(_ checkpoint: some CheckpointContents) {
        saving = true
        let thread = Thread { [self] in
            yieldToTraining()
            letTrainingGoAhead()
            do {
                let manifest = try store.save(checkpoint)
                condition.withLock {
                    saved.append(manifest)
                    room = (checkpoint as? StagedCheckpoint)?.reusableFile
                }
                try store.retain(model: checkpoint.model, newest: kept)
            } catch {
                condition.withLock { failure = error }
            }
            HDF5Library.releaseMemory()
            condition.withLock {
                saving = false
                condition.broadcast()
            }
        }
        thread.name = "checkpoint"
        thread.start()
    }

    /// Waits for a moment, unless somebody waits for this save: the step that has waited for the copy shall not pay for
    /// this thread's first time slice as well.
    private func letTrainingGoAhead() {
        for _ in 0..<4 where condition.withLock({ waiting == 0 }) { usleep(5_000) }
    }

    /// Waits for the save that is under way.
    ///
    /// - Throws: Its error, or that of an earlier one not yet thrown.
    public func finish() throws {
        condition.lock()
        defer { condition.unlock() }
        try waitForIdle()
    }

    /// The manifests of checkpoints saved since the last call, oldest first. Does not wait.
    public func takeSaved() -> [Manifest] {
        condition.lock()
        defer { condition.unlock() }
        defer { saved = [] }
        return saved
    }

    /// Whether a save has failed whose error was not thrown yet. Does not wait.
    public var hasFailed: Bool {
        condition.withLock { failure != nil }
    }

    /// Whether a save is under way.
    public var isSaving: Bool {
        condition.withLock { saving }
    }

    private func waitForIdle() throws {
        waiting += 1
        isRoomWanted = true
        while saving { condition.wait() }
        waiting -= 1
        if let error = failure {
            failure = nil
            throw error
        }
    }
}

/// Lets the calling thread have a processor only where nobody else wants it much: a rank computes on every core.
private func yieldToTraining() {
    // On Linux 0 means the calling thread alone; where its priority cannot be lowered, nothing is lost.
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
}
