import Tensor

/// Which images a job trains on, and which it holds out for the audit.
///
/// Whole duplicate groups are drawn in a random order, so that an image's chance does not depend on how many
/// duplicates it has. A group that no longer fits waits for the other side, or stays unused, and the next one that
/// fits takes its place; so near duplicates never straddle members and held-out images, and both get their exact number.
package struct Selection {
    /// The chosen groups of training images.
    package let members: [[Int]]
    /// The images held out, ascending.
    package let heldOut: [Int]

    /// - Parameters:
    ///   - groups: All images in their duplicate groups, single ones included, in any order.
    ///   - name: What to call the set in errors.
    ///   - members: How many images to train on.
    ///   - heldOut: How many to hold out.
    ///   - seed: The job's seed.
    /// - Throws: `DatasetError` of kind `notEnoughImages`.
    package init(groups: [[Int]], name: String, members: Int, heldOut: Int, seed: UInt64) throws {
        let total = groups.reduce(0) { $0 + $1.count }
        guard members > 0, heldOut >= 0, members <= total, heldOut <= total - members else {
            throw DatasetError(
                .notEnoughImages, name, "cannot choose \(members) members and \(heldOut) held-out images",
                expected: "at least one member, and together at most \(total), the size of the set",
                found: members > 0 && heldOut >= 0 ? "\(members + heldOut)" : "a number out of range",
                advice: "Lower members or held_out in the job file")
        }
        let source = RandomSource(seed: seed, purpose: .selection)
        var waiting = shuffled(groups, source: source, step: 0)
        self.members = try Self.take(members, from: &waiting, name: name, what: "members")
        self.heldOut = try Self.take(heldOut, from: &waiting, name: name, what: "held_out").flatMap { $0 }.sorted()
    }

    private static func take(
        _ count: Int, from waiting: inout [[Int]], name: String, what: String
    ) throws -> [[Int]] {
        var taken: [[Int]] = []
        var left: [[Int]] = []
        var missing = count
        for group in waiting {
            if group.count <= missing {
                taken.append(group)
                missing -= group.count
            } else {
                left.append(group)
            }
        }
        guard missing == 0 else {
            throw DatasetError(
                .notEnoughImages, name, "duplicate groups, which stay whole, do not add up to \(what)",
                expected: "\(count) images", found: "\(count - missing) in whole groups",
                advice: "Set \(what) to \(count - missing) in the job file, or set near_duplicates: ignore")
        }
        waiting = left
        return taken
    }
}

/// Groups of images in a random order that depends on the seed and each group's smallest image, not on the order
/// in which the groups come.
func shuffled(_ groups: [[Int]], source: RandomSource, step: Int) -> [[Int]] {
    let keyed = groups.map { group in
        let image = group.min()!
        let words = source.words(step: step, item: image, block: 0)
        return (key: UInt64(words.y) << 32 | UInt64(words.x), image: image, group: group)
    }
    return keyed.sorted { ($0.key, $0.image) < ($1.key, $1.image) }.map(\.group)
}
