import Glibc
import Testing
import Worker

/// How a rank hears that it shall stop.
struct StopSignalTests {
    /// Fails when a handler runs on the stack of the thread that computes: within a matrix product of oneDNN it destroys
    /// the heap.
    @Test(arguments: [SIGUSR1, SIGTERM])
    func nothingInterruptsTheThreadThatComputes(signal: Int32) async {
        await #expect(processExitsWith: .success) { [signal = signal as Int32] in
            unblockEverything()
            StopSignal.install()
            precondition(!StopSignal.isRequested, "nobody has asked yet")
            pthread_kill(pthread_self(), signal)
            var pending = sigset_t()
            sigpending(&pending)
            precondition(sigismember(&pending, signal) == 1, "the signal was delivered to this thread")
            precondition(StopSignal.isRequested, "the wish to stop was not heard")
            precondition(StopSignal.isRequested, "the wish to stop was forgotten")
        }
    }

    /// Fails when a rank that waits for its end outlives SIGTERM, or dies of one that only asked it to save.
    @Test func afterwardsTerminationEndsTheProcess() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            StopSignal.install()
            pthread_kill(pthread_self(), SIGTERM)
            StopSignal.letTerminationEnd()
            precondition(!StopSignal.isRequested, "the wish that came before still counts")
            pthread_kill(pthread_self(), SIGTERM)
        }
    }
}

/// Makes this thread what a program's first thread is; those of Swift's concurrency block most signals.
private func unblockEverything() {
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
}
