import Foundation
import Jobs
import Testing

/// The smallest job there is; tests change single lines of it.
let smallJob = """
    name: small
    data: {images: /data/images.idx, members: 100}
    model: {channels: [8, 16], attention: [false, true], norm_groups: 8}
    defence: distillmd
    teach: {steps: 10, batch: 12, images_per_lane: 2}
    distill: {steps: 10, batch: 12, images_per_lane: 3}

    """

/// The small job with overrides.
func job(_ overrides: String...) throws -> Job { try job(overrides) }

/// The same, with a list of overrides.
func job(_ overrides: [String]) throws -> Job {
    try Job.decode(smallJob, file: "small.yaml", overrides: overrides)
}

/// The message with which decoding fails; its exit code must be 64.
func refusal(
    _ yaml: String, overrides: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
) -> String {
    do {
        _ = try Job.decode(yaml, file: "job.yaml", overrides: overrides)
        Issue.record("was accepted", sourceLocation: sourceLocation)
        return ""
    } catch let failure as DiptychFailure {
        #expect(failure.code == .usage, sourceLocation: sourceLocation)
        return failure.message
    } catch {
        Issue.record("threw \(error)", sourceLocation: sourceLocation)
        return ""
    }
}

/// The folder of this repository.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path(percentEncoded: false)

/// Runs a body with a directory of its own that is removed afterwards.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
    let path = absolutePath(NSTemporaryDirectory()) + "/diptych-jobs-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
}

/// The failure that a body throws.
func failure(
    _ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
) -> DiptychFailure {
    do {
        try body()
    } catch let failure as DiptychFailure {
        return failure
    } catch {
        Issue.record("threw \(error)", sourceLocation: sourceLocation)
    }
    Issue.record("did not fail", sourceLocation: sourceLocation)
    return DiptychFailure(.done, "")
}
