import Jobs

/// The newest sign of life of each rank: from its file, or from what it said where its file could not be written.
package struct SignsOfLife {
    private var written: [Int: Heartbeat] = [:]
    private var newest: [Int: Heartbeat] = [:]
    private var heard: [Heartbeat] = []

    package init() {}

    /// The newest of each rank, by rank, as of the last look.
    package var beats: [Heartbeat] { newest.values.sorted { $0.rank < $1.rank } }

    /// Takes note of what a rank has said; counts from the next look on.
    package mutating func hear(_ beat: Heartbeat) { heard.append(beat) }

    /// Looks at the ranks' files.
    package mutating func look(in directory: RunDirectory) { look(Heartbeat.readAll(in: directory)) }

    /// Takes note of what the files hold. A file that has not changed says nothing new, and a rank speaks only after it
    /// could not write, so that what was heard is newer.
    package mutating func look(_ files: [Heartbeat]) {
        for beat in files where written[beat.rank] != beat {
            written[beat.rank] = beat
            newest[beat.rank] = beat
        }
        for beat in heard { newest[beat.rank] = beat }
        heard = []
    }
}
