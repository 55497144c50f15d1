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

    @Option(help: "Gigabits per second between hosts, for the estimate of communication.")
    var networkGigabits = ScalingModel.usualGigabits

    @Option(help: "Ranks on each host; by default as many as this machine has cores.")
    var ranksPerHost: Int?

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func validate() throws {
        if let rate = imagesPerSecond, !(rate > 0 && rate.isFinite) {
            throw ValidationError("--images-per-second must be a positive number, found \(rate)")
        }
        guard networkGigabits > 0, networkGigabits.isFinite else {
            throw ValidationError("--network-gigabits must be a positive number, found \(networkGigabits)")
        }
        if let ranksPerHost, ranksPerHost < 1 {
            throw ValidationError("--ranks-per-host must be at least 1, found \(ranksPerHost)")
        }
    }

    func run() throws {
        let machine = try Machine.current()
        let (job, placement) = try options.resolve(machine)
        let cluster = ScalingModel.Cluster(
            network: .network(gigabits: networkGigabits), ranksPerHost: ranksPerHost ?? max(1, machine.cores))
        let plan = try Plan(
            job: job, placement: placement, run: options.run, rate: imagesPerSecond, cluster: cluster)
        let console = Console(json: json)
        console.report(plan.json)
        if !json { plan.lines.forEach(console.say) }
    }
}
