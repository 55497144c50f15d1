/// A question that is asked only now and then; in between the last answer holds. SLURM's controller serves everybody.
struct Throttle<Answer> {
    private let clock = ContinuousClock()
    private let interval: Duration
    private var answer: Answer
    private var next: ContinuousClock.Instant?

    /// Waits some seconds from one answer to the next question.
    ///
    /// - Parameter answer: What holds before the first.
    init(seconds: Double, answer: Answer) {
        interval = .seconds(seconds)
        self.answer = answer
    }

    /// The last answer, or a new one.
    mutating func ask(_ question: () -> Answer) -> Answer {
        if next.map({ clock.now >= $0 }) ?? true {
            answer = question()
            next = clock.now + interval
        }
        return answer
    }
}
