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
    /// Seconds that this rank's own part of a step takes, for each image, without waiting for others; nil where
    /// nothing is trained.
    public var secondsPerImage: Double?
    /// Whether the rank has done its part and waits for others.
    public var isWaiting: Bool?
    /// Unix time in seconds.
    public var time: Double
    /// The process.
    public var process: Int32
    /// The machine.
    public var host: String

    /// Makes a heartbeat of this process, now.
    public init(
        rank: Int, phase: Phase, model: String, step: Int, totalSteps: Int, loss: Double? = nil,
        imagesPerSecond: Double, secondsPerImage: Double? = nil, isWaiting: Bool = false
    ) {
        self.rank = rank
        self.phase = phase
        self.model = model
        self.step = step
        self.totalSteps = totalSteps
        self.loss = loss
        self.imagesPerSecond = imagesPerSecond
        self.secondsPerImage = secondsPerImage
        self.isWaiting = isWaiting
        time = Date().timeIntervalSince1970
        process = getpid()
        host = ProcessInfo.processInfo.hostName
    }

    private enum CodingKeys: String, CodingKey {
        case rank, phase, model, step, loss, time, process, host
        case totalSteps = "total_steps"
        case imagesPerSecond = "images_per_second"
        case secondsPerImage = "seconds_per_image"
        case isWaiting = "is_waiting"
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
        guard var bytes = encoded, bytes.count < Self.fileSize else { return false }
        bytes.append(contentsOf: [UInt8](repeating: UInt8(ascii: " "), count: Self.fileSize - 1 - bytes.count))
        bytes.append(UInt8(ascii: "\n"))
        guard let descriptor = try? FileBytes.open(directory.heartbeat(of: rank), flags: O_WRONLY | O_CREAT) else {
            return false
        }
        let isWritten = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } == bytes.count
        // A file server may say only now that it has no space.
        return close(descriptor) == 0 && isWritten
    }

    /// One line of JSON, without its end.
    var encoded: Data? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return try? encoder.encode(self)
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

    /// Removes all heartbeats; to be called before ranks start.
    public static func removeAll(in directory: RunDirectory) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.heartbeats)) ?? []
        for name in names where Int(name) != nil { unlink(directory.heartbeats + "/" + name) }
    }
}
