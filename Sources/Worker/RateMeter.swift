import Jobs

/// Images per second: over all since it was made, and over the newest steps.
struct RateMeter {
    private static let window = 20
    private let whole = Stopwatch()
    private var images = 0
    private var newest: [(seconds: Double, images: Int)] = []

    mutating func count(images count: Int) {
        images += count
        newest.append((whole.seconds, images))
        if newest.count > RateMeter.window { newest.removeFirst() }
    }

    var overall: Double { images == 0 ? 0 : Double(images) / whole.seconds }

    var recent: Double {
        guard let first = newest.first, let last = newest.last, last.seconds > first.seconds else { return overall }
        return Double(last.images - first.images) / (last.seconds - first.seconds)
    }
}

/// The time that a rank's own lanes take, without waiting for others: a moving average over about twenty steps.
struct Pace {
    private var average: Double?

    mutating func add(seconds: Double, images: Int) {
        let newest = seconds / Double(max(images, 1))
        average = average.map { 0.95 * $0 + 0.05 * newest } ?? newest
    }

    var secondsPerImage: Double? { average }
}
