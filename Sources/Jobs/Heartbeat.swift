import Foundation

/// A rank's sign of life: what it is doing, and when it last said so.
public struct Heartbeat: Codable, Hashable, Sendable {
    /// The rank in the world.
    public var rank: Int
    /// The phase it is in.
    public var phase: Phase
    /// The model it is training or sampling from; empty when it waits or deals with none.
    public var model: String
    /// Steps done.
    public var step: Int
    /// Steps of the phase in all.
    public var totalSteps: Int
    /// Loss of the newest step, if there is one.
    public var loss: Double?
    /// Images per second of the whole group, over the newest steps.
    public var imagesPerSecond: Double
    /// Seconds that this rank computes for one lane, over the newest steps; nil before the first.
    public var laneSeconds: Double?
    /// Unix time in seconds; set by `write`.
    public var time: Double
    /// The process.
    public var process: Int32
    /// The machine.
    public var host: String

    /// Makes a heartbeat of this process, now.
    public init(
        rank: Int, phase: Phase, model: String, step: Int, totalSteps: Int, loss: Double? = nil,
        imagesPerSecond: Double, laneSeconds: Double? = nil
    ) {
        self.rank = rank
        self.phase = phase
        self.model = model
        self.step = step
        self.totalSteps = totalSteps
        self.loss = loss
        self.imagesPerSecond = imagesPerSecond
        self.laneSeconds = laneSeconds
        time = Date().timeIntervalSince1970
        process = getpid()
        host = ProcessInfo.processInfo.hostName
    }

    private enum CodingKeys: String, CodingKey {
        case rank, phase, model, step, loss, time, process, host
        case totalSteps = "total_steps"
        case imagesPerSecond = "images_per_second"
        case laneSeconds = "lane_seconds"
    }

    /// Size of a heartbeat file, in bytes; one write fills it.
    static let fileSize = 1024

    /// Overwrites the rank's file in place, in one write.
    ///
    /// A heartbeat that cannot be written does not stop a run, so this does not throw.
    ///
    /// - Returns: Whether it was written.
    @discardableResult
    public func write(to directory: RunDirectory) -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard var bytes = try? encoder.encode(self), bytes.count < Self.fileSize else { return false }
        bytes.append(contentsOf: [UInt8](repeating: UInt8(ascii: " "), count: Self.fileSize - 1 - bytes.count))
        bytes.append(UInt8(ascii: "\n"))
        let descriptor = open(directory.heartbeat(of: rank), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } == bytes.count
    }

    /// The heartbeats of all ranks, by rank; a file caught half written is left out.
    public static func readAll(in directory: RunDirectory) -> [Heartbeat] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.heartbeats)) ?? []
        return names.compactMap { name in
            guard Int(name) != nil, let bytes = try? FileBytes.read(directory.heartbeats + "/" + name, limit: 4096)
            else { return nil }
            return try? JSONDecoder().decode(Heartbeat.self, from: bytes)
        }.sorted { $0.rank < $1.rank }
    }

    /// The ranks that hold up their group: their lanes take half as long again as the group's median.
    public static func stragglers(among beats: [Heartbeat]) -> [Heartbeat] {
        beats.filter { beat in
            let peers = beats.filter { $0.phase == beat.phase && $0.model == beat.model }.compactMap(\.laneSeconds)
                .sorted()
            guard let own = beat.laneSeconds, peers.count > 1 else { return false }
            return own > 1.5 * peers[(peers.count - 1) / 2]
        }
    }

    /// Removes all heartbeats; to be called before ranks start.
    public static func removeAll(in directory: RunDirectory) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.heartbeats)) ?? []
        for name in names where Int(name) != nil { unlink(directory.heartbeats + "/" + name) }
    }
}
