import Communication
import Testing

/// What can be said of the MPI communicator without a launcher; scripts/test-mpi says the rest.
@Suite struct MPICommunicatorTests {
    @Test func processesThatDoNotKnowEachOtherAreAnError() throws {
        let slurm = ["SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"]
        let reason = try #require(MPICommunicator.isolation(size: 1, environment: slurm))
        #expect(reason.contains("srun started 8 processes") && reason.contains("--mpi=pmix"))
        #expect(MPICommunicator.isolation(size: 1, environment: ["PMI_SIZE": "4", "PMI_RANK": "0"]) != nil)
    }

    @Test func oneProcessAndProperlyLaunchedOnesAreNot() {
        #expect(MPICommunicator.isolation(size: 1, environment: [:]) == nil)
        #expect(
            MPICommunicator.isolation(size: 8, environment: ["SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"]) == nil)
        #expect(
            MPICommunicator.isolation(size: 1, environment: ["SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"]) == nil)
        let underBatch = ["OMPI_COMM_WORLD_SIZE": "1", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"]
        #expect(MPICommunicator.isolation(size: 1, environment: underBatch) == nil)
    }
}
