import Communication
import Foundation
import Jobs
import Tensor
import Testing
import Worker

@Suite struct FailureTests {
    private struct Trouble: Error, CustomStringConvertible {
        let rank: Int
        var description: String { "trouble on \(rank)" }
    }

    @Test func theFirstRankThatFailsReportsAndTheOthersEcho() throws {
        let errors = try onRanks(4) { world in
            let error = errorThrown {
                try world.together("looking") {
                    if world.rank == 1 || world.rank == 3 { throw Trouble(rank: world.rank) }
                }
            }
            // Nobody is left behind in a collective.
            try world.barrier()
            return error
        }
        #expect((errors[1] as? Trouble)?.rank == 1)
        for rank in [0, 2, 3] {
            let error = try #require(errors[rank] as? CommunicationError)
            #expect(error.isEcho)
            #expect(error.reason == "rank 1 failed: trouble on 1")
        }
        #expect(try onRanks(2) { world in try world.together("looking") { world.rank } } == [0, 1])
    }

    @Test func whatAllRanksFindIsReportedByTheFirst() throws {
        let errors = try onRanks(3) { $0.shared(Trouble(rank: 9), "looking") }
        #expect(errors.map { $0 is Trouble } == [true, false, false])
        #expect(errors.map { ($0 as? CommunicationError)?.isEcho } == [nil, true, true])
    }

    @Test func anErrorOnTheRootKeepsItsCodeThereAndIsAnEchoElsewhere() throws {
        let errors = try onRanks(2) { world in
            errorThrown { try world.onRoot { throw DiptychFailure(.inputOutput, "the disk is full") } }
        }
        #expect(errors.map { $0.map { DiptychFailure($0).code } } == [.inputOutput, .rankLost])
        #expect((errors[1] as? CommunicationError)?.isEcho == true)
    }

    @Test func aDisagreementIsReportedOnceAndIsNoLostRank() throws {
        let errors = try onRanks(2) { world in
            errorThrown { try world.requireAgreement(on: world.rank, named: "the number") } as? CommunicationError
        }
        #expect(errors.map { $0?.isEcho } == [false, true])
        #expect(errors.compactMap { $0 }.map { DiptychFailure($0).code } == [.badData, .badData])
    }

    /// A key that changes no result still decides when ranks meet. Fails when such a difference is found by hanging.
    @Test func ranksThatSeeAnotherJobDoNotBegin() throws {
        let workshop = try Workshop()
        let directories = try [
            workshop.run("new", workshop.job { $0.checkpoint.onFailure = .end }), workshop.run("old", workshop.job()),
        ]
        let errors = try onRanks(2) { world in
            errorThrown { _ = try Session(world: world, directory: directories[world.rank]) } as? CommunicationError
        }
        #expect(errors.compactMap { $0?.code } == [.disagreement, .disagreement])
        #expect(errors[1]?.reason.contains("a node may still see an older job.yaml") == true, "\(errors)")
    }

    /// Fails when a rank does not look again, whose node sees the files of a while ago.
    @Test func aRankThatSeesAnOlderJobLooksAgain() throws {
        let workshop = try Workshop()
        let new = try workshop.run("new", workshop.job { $0.checkpoint.onFailure = .end })
        let old = try workshop.run("old", workshop.job())
        let kinds = try onRanks(2) { world in
            if world.rank == 0 {
                Thread.detachNewThread {
                    usleep(500_000)
                    rename(new.path + "/copy.yaml", old.job)
                }
                try FileManager.default.copyItem(atPath: new.job, toPath: new.path + "/copy.yaml")
            }
            return try Session(world: world, directory: world.rank == 0 ? new : old).job.checkpoint.onFailure
        }
        #expect(kinds == [.end, .end])
    }

    @Test func failedSystemCallsEndWith74() {
        #expect(DiptychFailure(SystemCallError("/x", "open", number: 13)).code == .inputOutput)
    }

    @Test func missingImagesAreReportedByOneRank() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.data.images = workshop.path + "/nowhere" })
        let errors = try onRanks(3) { world in
            errorThrown { _ = try Session(world: world, directory: directory) }
        }
        #expect(errors.map { ($0 as? CommunicationError)?.isEcho } == [nil, true, true])
        #expect(errors[0].map { DiptychFailure($0).code } == .inputOutput)
    }
}

/// A run belongs to the kind of machine that it began on.
@Suite struct RunProfileTests {
    /// Broken by leaving the comparison out: nothing is thrown.
    @Test func aRankOnAnotherMachineIsNamedAndAllRanksStop() throws {
        let errors = try onRanks(3) { world in
            var profile = NumericsProfile.current()
            if world.rank == 1 { profile.level2Cache += 1 }
            return errorThrown { try RunProfile.compare(profile, on: world) }
        }
        let failure = try #require(errors[0] as? DiptychFailure)
        #expect(failure.code == .usage)
        #expect(failure.message.contains("rank 1 would not compute the same bits as rank 0: second-level cache"))
        #expect(errors[1...].allSatisfy { ($0 as? CommunicationError)?.isEcho == true })
    }

    /// Broken by leaving the comparison out: nothing is thrown.
    @Test func anotherMachineIsRefusedUntilTheRecordIsRemoved() throws {
        let workshop = try Workshop()
        let directory = RunDirectory(workshop.path)
        var profile = NumericsProfile.current()
        try RunProfile.check(profile, in: directory)
        try RunProfile.check(profile, in: directory)
        profile.cLibrary = "0.0"
        let failure = errorThrown { try RunProfile.check(profile, in: directory) } as? DiptychFailure
        #expect(failure?.code == .usage)
        #expect(failure?.message.contains("C library is 0.0 here") == true)
        profile = .current()
        profile.convolutions = "abc"
        let other = errorThrown { try RunProfile.check(profile, in: directory) } as? DiptychFailure
        #expect(
            other?.message.contains("table of convolution algorithms is SHA-256 abc here and none there") == true)
        try FileManager.default.removeItem(atPath: directory.path + "/profile.json")
        try RunProfile.check(profile, in: directory)
        try RunProfile.check(profile, in: directory)
    }
}
