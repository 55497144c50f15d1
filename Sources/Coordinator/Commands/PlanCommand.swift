import ArgumentParser
import Foundation
import Jobs

/// `diptych plan`: what a job would do, and what it takes.
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Shows what a job would do and what it takes; touches nothing.")

    @OptionGroup var options: JobOptions

    @Option(help: "Training images per second of one rank, for the estimate of time.")
    var imagesPerSecond: Double?

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func validate() throws {
        if let rate = imagesPerSecond, !(rate > 0 && rate.isFinite) {
            throw ValidationError("--images-per-second must be a positive number, found \(rate)")
        }
    }

    func run() throws {
        let (job, placement) = try options.resolve(.current())
        let plan = try Plan(job: job, placement: placement, run: options.run, rate: imagesPerSecond)
        let console = Console(json: json)
        console.report(plan.json)
        if !json { plan.lines.forEach(console.say) }
    }
}
