import COneDNN

/// A rank computes with one thread: more would change the order of sums, and ranks are how a machine's cores are used.
public enum Threads {
    /// Makes oneDNN compute with one thread. Call it first; setting OMP_NUM_THREADS inside the process comes too late.
    ///
    /// - Precondition: OpenMP obeys.
    public static func useOne() {
        omp_set_num_threads(1)
        let count = omp_get_max_threads()
        precondition(count == 1, "OpenMP keeps \(count) threads where one was asked for; unset OMP_NUM_THREADS")
    }
}
