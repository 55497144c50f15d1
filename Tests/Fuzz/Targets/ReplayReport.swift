/// What became of one case that was read in a process of its own; `fuzz-replay` writes it as a line of JSON.
public struct ReplayReport: Codable, Sendable {
    /// The case.
    public var name: String
    /// Whether the reader took it for what it should be; nil when the process ended before it could say so.
    public var isTaken: Bool?
    /// The most bytes of the heap that were held at once while it was read; what was asked for and refused counts.
    public var peak: Int
    /// The most that it may be.
    public var bound: Int
    /// What is wrong: it crashed, was not done in time, took too much, ended the process; nil when nothing is.
    public var fault: String?

    /// Makes a report.
    public init(name: String, isTaken: Bool?, peak: Int, bound: Int, fault: String?) {
        self.name = name
        self.isTaken = isTaken
        self.peak = peak
        self.bound = bound
        self.fault = fault
    }
}
