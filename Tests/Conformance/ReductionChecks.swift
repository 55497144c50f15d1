import Communication

let reductionChecks: [ConformanceCheck] = [
    ConformanceCheck("a reduce-scatter has the bits of a serial evaluation of the tree") { communicator in
        for lanes in Array(1...13) + [24] where lanes >= communicator.size {
            for length in [1, 40_000, 5 * Shards.blockSize + 123] {
                let limits = ReductionPlan.Limits(pieceFloats: 5000, piecesInFlight: lanes % 3 + 1)
                let problem = Problem(lanes: lanes, length: length, ranks: communicator.size, limits: limits)
                let sums = problem.sums(of: communicator.rank)
                let shard = problem.plan.shards[communicator.rank]
                let destination = FloatRegion(zeros: shard.count)
                try communicator.reduceScatter(problem.plan, sums: sums, into: destination)
                let expected = problem.serialTotal()
                try expectSameBits(destination.scalars, Array(expected[shard]), "\(lanes) lanes, \(length) floats")

                let vector = FloatRegion(zeros: problem.plan.shards.count)
                vector[shard].copy(from: destination)
                try communicator.allGather(problem.plan.shards, in: vector)
                try expectSameBits(vector.scalars, expected, "gathered, \(lanes) lanes, \(length) floats")
            }
        }
    },
    ConformanceCheck("a reduce-scatter may end in the vector that it started from") { communicator in
        let problem = Problem(lanes: 2 * communicator.size + 1, length: 70_000, ranks: communicator.size)
        let sums = problem.sums(of: communicator.rank)
        let shard = problem.plan.shards[communicator.rank]
        for index in sums.indices {
            let sums = problem.sums(of: communicator.rank)
            try communicator.reduceScatter(problem.plan, sums: sums, into: sums[index][shard])
            try expectSameBits(sums[index][shard].scalars, Array(problem.serialTotal()[shard]), "into sum \(index)")
        }
    },
    ConformanceCheck("one reduction object serves step after step, polled between computations") { communicator in
        let limits = ReductionPlan.Limits(pieceFloats: 3000, piecesInFlight: 2)
        let problems = (0..<3).map {
            Problem(lanes: communicator.size + 3, length: 50_000, ranks: communicator.size, limits: limits, seed: $0)
        }
        let reduction = OrderedReduceScatter(communicator: communicator, plan: problems[0].plan)
        let shard = reduction.plan.shards[communicator.rank]
        for problem in problems {
            let destination = FloatRegion(zeros: shard.count)
            try reduction.begin(sums: problem.sums(of: communicator.rank), into: destination)
            try reduction.release([0..<problem.plan.shards.count])
            try expect(reduction.isUnderWay, "not under way after begin")
            if problem == problems[1] {
                while try !reduction.progress() {}
            } else {
                try reduction.progress()
            }
            try reduction.finish()
            try expect(!reduction.isUnderWay, "under way after finish")
            try expectSameBits(destination.scalars, Array(problem.serialTotal()[shard]), "step \(problem.seed)")
        }
    },
    ConformanceCheck("a vector may be released part by part, while the rest of it is still being written") {
        communicator in
        for lanes in [communicator.size, communicator.size + 2, 13] where lanes >= communicator.size {
            let limits = ReductionPlan.Limits(pieceFloats: 4000, piecesInFlight: lanes % 3 + 1)
            let problem = Problem(lanes: lanes, length: 90_000, ranks: communicator.size, limits: limits)
            let shard = problem.plan.shards[communicator.rank]
            let count = problem.plan.shards.count
            let finished = problem.sums(of: communicator.rank)
            let sums = finished.map { FloatRegion([Float](repeating: .nan, count: $0.count)) }
            let reduction = OrderedReduceScatter(communicator: communicator, plan: problem.plan)
            let destination = sums[sums.count - 1][shard]
            try reduction.begin(sums: sums, into: destination)
            try expect(try reduction.progress(), "nothing was released, and yet something is to be waited for")
            // The later layers' gradients come first in a backward pass; some parts lie far from each other.
            let parts = [[60_000..<80_000], [], [0..<7, 80_000..<count], [1000..<60_000], [7..<1000]]
            for (number, ranges) in parts.enumerated() {
                for range in ranges {
                    for (sum, whole) in zip(sums, finished) { sum[range].copy(from: whole[range]) }
                }
                try reduction.release(ranges)
                // Ranks are never at the same place.
                for _ in 0..<(communicator.rank + number) % 3 { try reduction.progress() }
            }
            try reduction.finish()
            try expectSameBits(destination.scalars, Array(problem.serialTotal()[shard]), "total of \(lanes) lanes")
        }
    },
    ConformanceCheck("vectors may lie in several places, which come to exist when they are released") { communicator in
        for lanes in [communicator.size, communicator.size + 3] {
            let problem = Problem(
                lanes: lanes, length: 90_000, ranks: communicator.size,
                limits: ReductionPlan.Limits(pieceFloats: 4000, piecesInFlight: 2), cuts: [1, 30_000, 30_001, 70_000])
            let shard = problem.plan.shards[communicator.rank]
            let finished = problem.sums(of: communicator.rank)
            let sums = finished.map { _ in ScatteredVector(count: problem.plan.shards.count, cuts: problem.plan.cuts) }
            let reduction = OrderedReduceScatter(communicator: communicator, plan: problem.plan)
            try reduction.begin(sums: sums, into: ScatteredVector.Part(whole: sums[0], range: shard))
            try expect(sums.allSatisfy { $0.places.isEmpty }, "memory was asked for before it was there")
            for range in [70_000..<problem.plan.shards.count, 0..<30_001, 30_001..<70_000] {
                for (sum, whole) in zip(sums, finished) { sum.load(whole, range) }
                try reduction.release([range])
                for _ in 0..<communicator.rank % 3 { try reduction.progress() }
            }
            try reduction.finish()
            try expectSameBits(sums[0].scalars(shard), Array(problem.serialTotal()[shard]), "\(lanes) lanes")
        }
    },
    ConformanceCheck("what is not released stays as it is") { communicator in
        let problem = Problem(lanes: communicator.size + 1, length: 50_000, ranks: communicator.size)
        let shard = problem.plan.shards[communicator.rank]
        let destination = FloatRegion([Float](repeating: 7, count: shard.count))
        let reduction = OrderedReduceScatter(communicator: communicator, plan: problem.plan)
        try reduction.begin(sums: problem.sums(of: communicator.rank), into: destination)
        let released = 10_000..<40_000
        try reduction.release([released])
        try reduction.finish()
        let total = problem.serialTotal()
        let expected = shard.map { released.contains($0) ? total[$0] : 7 }
        try expectSameBits(destination.scalars, expected, "released and not")
    },
    ConformanceCheck("groups reduce apart from each other, with as many lanes as each has") { communicator in
        let groups = contiguousRanges(count: communicator.size, among: min(2, communicator.size))
        let group = groups.firstIndex { $0.contains(communicator.rank) } ?? 0
        let part = try communicator.split(color: group, key: communicator.rank, name: "teacher \(group)")
        let problem = Problem(lanes: 8 + group, length: 33_000 * (group + 1), ranks: part.size, seed: group)
        let shard = problem.plan.shards[part.rank]
        let destination = FloatRegion(zeros: shard.count)
        try part.reduceScatter(problem.plan, sums: problem.sums(of: part.rank), into: destination)
        try expectSameBits(destination.scalars, Array(problem.serialTotal()[shard]), "group \(group)")
        try communicator.barrier()
    },
    ConformanceCheck("as many bytes travel as the plan says") { communicator in
        for lanes in [1, 2, 4, 7, 8] where lanes >= communicator.size {
            let counting = CountingCommunicator(communicator)
            let problem = Problem(lanes: lanes, length: 60_000, ranks: communicator.size)
            let shard = problem.plan.shards[communicator.rank]
            let vector = FloatRegion(zeros: problem.plan.shards.count)
            try counting.reduceScatter(
                problem.plan, sums: problem.sums(of: communicator.rank), into: vector[shard])
            try expectEqual(
                counting.bytesSent, problem.plan.bytesSent(by: communicator.rank), "reduce-scatter, \(lanes) lanes")
            counting.bytesSent = 0
            try counting.allGather(problem.plan.shards, in: vector)
            try expectEqual(
                counting.bytesSent, problem.plan.shards.bytesSentGathering(by: communicator.rank), "all-gather")
        }
    },
]

/// Lanes with gradients made up from their numbers, and the sum that a single rank would find.
struct Problem: Equatable {
    let plan: ReductionPlan
    let length: Int
    let seed: Int

    init(
        lanes: Int, length: Int, ranks: Int, limits: ReductionPlan.Limits = ReductionPlan.Limits(),
        cuts: [Int] = [], seed: Int = 0
    ) {
        let blocks = (length + Shards.blockSize - 1) / Shards.blockSize
        let shards = Shards(paddedCount: blocks * Shards.blockSize, ranks: ranks)
        plan = ReductionPlan(lanes: lanes, shards: shards, limits: limits, cuts: cuts)
        self.length = length
        self.seed = seed
    }

    /// A lane's gradient: random, of magnitudes so different that every order of additions gives other bits.
    func gradient(of lane: Int) -> [Float] {
        var state = UInt64(seed * 1000 + lane + 1) &* 0x9e37_79b9_7f4a_7c15
        return (0..<plan.shards.count).map { index in
            guard index < length else { return 0 }
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let mantissa = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
            return mantissa * [1, 0.01, 100, 3][Int(state >> 30 & 3)]
        }
    }

    /// The sums over the complete subtrees of a rank, found as a rank finds them: lane after lane.
    func sums(of rank: Int) -> [FloatRegion] {
        var accumulator = LaneAccumulator<FloatRegion>(
            tree: plan.tree, lanes: plan.lanes[rank], add: { $0.add($1) })
        for lane in plan.lanes[rank] { accumulator.append(FloatRegion(gradient(of: lane))) }
        return accumulator.finish().map(\.buffer)
    }

    /// The tree evaluated by its definition.
    func serialTotal() -> [Float] {
        func sum(_ lanes: Range<Int>) -> [Float] {
            guard lanes.count > 1 else { return gradient(of: lanes.lowerBound) }
            var width = 1
            while 2 * width < lanes.count { width *= 2 }
            let middle = lanes.lowerBound + width
            return zip(sum(lanes.lowerBound..<middle), sum(middle..<lanes.upperBound)).map(+)
        }
        return sum(0..<plan.tree.lanes)
    }
}

/// A vector whose places, from cut to cut, are made when they are first asked for.
private final class ScatteredVector: FloatVector {
    let count: Int
    let bounds: [Range<Int>]
    private(set) var places: [Int: FloatRegion] = [:]

    init(count: Int, cuts: [Int]) {
        self.count = count
        bounds = zip([0] + cuts, cuts + [count]).map { $0..<$1 }
    }

    func region(_ range: Range<Int>) -> FloatRegion {
        guard let place = bounds.first(where: { $0.contains(range.lowerBound) }), range.upperBound <= place.upperBound
        else { preconditionFailure("\(range) reaches over a cut") }
        let region = places[place.lowerBound] ?? FloatRegion([Float](repeating: .nan, count: place.count))
        places[place.lowerBound] = region
        return region[range.lowerBound - place.lowerBound..<range.upperBound - place.lowerBound]
    }

    func load(_ whole: FloatRegion, _ range: Range<Int>) {
        for part in parts(range) { region(part).copy(from: whole[part]) }
    }

    func scalars(_ range: Range<Int>) -> [Float] { parts(range).flatMap { region($0).scalars } }

    private func parts(_ range: Range<Int>) -> [Range<Int>] {
        bounds.map { $0.clamped(to: range) }.filter { !$0.isEmpty }
    }

    /// A range of it, counted from that range's first float.
    struct Part: FloatVector {
        let whole: ScatteredVector
        let range: Range<Int>
        var count: Int { range.count }

        func region(_ part: Range<Int>) -> FloatRegion {
            whole.region(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
        }
    }
}
