import Foundation
import Jobs
import Privacy

/// What the ranks of an audit leave in the run's directory for the program that started them.
package enum AuditFiles {
    /// The report.
    ///
    /// - Throws: `DiptychFailure` with code 74 for what is no report.
    package static func report(_ directory: RunDirectory) throws -> AuditReport {
        do {
            return try AuditReport(reading: FileBytes.read(directory.auditReport))
        } catch {
            throw DiptychFailure(.inputOutput, "the report of the ranks cannot be read: \(printable("\(error)"))")
        }
    }

    /// The images for the page, under the name that the release has there.
    ///
    /// - Throws: `DiptychFailure` with code 74 for what are none.
    package static func pairs(_ directory: RunDirectory, of report: AuditReport) throws -> [NearestPairs] {
        do {
            return try NearestPairs.read(FileBytes.read(directory.auditPairs)).map { pair in
                var pair = pair
                pair.release = report.releases[0].name
                return pair
            }
        } catch {
            throw DiptychFailure(
                .inputOutput,
                "the samples that the ranks left for the page cannot be read: \(printable("\(error)")); "
                    + "give the same command again")
        }
    }
}
