import Jobs

/// Says how far an audit is, a line now and then. Used on one rank.
final class AuditProgress {
    private let say: (String) -> Void
    private let total: Int
    private var done = 0
    private var computed = 0
    private let clock = Stopwatch()
    private var lastSaid = -Double.infinity

    /// - Parameters:
    ///   - total: Network evaluations of everything that is planned.
    ///   - say: Takes a line.
    init(total: Int, say: @escaping (String) -> Void) {
        self.total = total
        self.say = say
    }

    /// Notes a chunk, and says so if the last line is some seconds old, or a measurement is done.
    ///
    /// - Parameters:
    ///   - evaluations: What the chunk took.
    ///   - label: What was measured.
    ///   - batch: Number of batches done.
    ///   - batches: Number of batches in all.
    ///   - isNew: Whether it was computed now, not kept from an earlier audit.
    func add(_ evaluations: Int, of label: String, done batch: Int, of batches: Int, isNew: Bool = false) {
        done += evaluations
        if isNew { computed += evaluations }
        let now = clock.seconds
        guard now - lastSaid >= 5 || (batch == batches && isNew) else { return }
        lastSaid = now
        let rate = Double(computed) / max(now, 0.001)
        var text = "\(label) \(100 * batch / max(batches, 1)) %; in all \(100 * done / max(total, 1)) %"
        if computed > 0 {
            let seconds = Int(Double(max(0, total - done)) / rate)
            text += ", \(Int(rate)) evaluations/s, \(seconds / 60) min \(seconds % 60) s left"
        }
        say(text)
    }
}
