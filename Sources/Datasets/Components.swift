/// A forest of disjoint sets that remembers the edges which joined them.
struct Components {
    /// The edges that joined two sets: a spanning tree of every component.
    private(set) var tree: [(first: Int, second: Int, squaredDistance: Int)] = []
    private var parents: [Int]
    private var sizes: [Int]

    init(count: Int) {
        parents = Array(0..<count)
        sizes = Array(repeating: 1, count: count)
    }

    /// Joins the components of two elements; an edge between elements already joined changes nothing.
    mutating func join(_ first: Int, _ second: Int, squaredDistance: Int) {
        var (root, other) = (find(first), find(second))
        guard root != other else { return }
        if sizes[root] < sizes[other] { swap(&root, &other) }
        parents[other] = root
        sizes[root] += sizes[other]
        tree.append((first, second, squaredDistance))
    }

    /// The elements of each component, ascending, components by their smallest element.
    mutating func members() -> [[Int]] {
        var positions: [Int: Int] = [:]
        var components: [[Int]] = []
        for element in parents.indices {
            let root = find(element)
            if let position = positions[root] {
                components[position].append(element)
            } else {
                positions[root] = components.count
                components.append([element])
            }
        }
        return components
    }

    /// The longest path through the spanning tree of the component that holds an element, with the edges' distances.
    func longestChain(from element: Int) -> [(element: Int, squaredDistance: Int)] {
        var neighbours: [Int: [(element: Int, squaredDistance: Int)]] = [:]
        for edge in tree {
            neighbours[edge.first, default: []].append((edge.second, edge.squaredDistance))
            neighbours[edge.second, default: []].append((edge.first, edge.squaredDistance))
        }
        let end = Self.walk(from: element, neighbours).last!.element
        let visits = Self.walk(from: end, neighbours)
        var chain: [(element: Int, squaredDistance: Int)] = []
        var position: Int? = visits.count - 1
        while let current = position {
            chain.append((visits[current].element, visits[current].squaredDistance))
            position = visits[current].from
        }
        return chain
    }

    /// Breadth first: the last one visited is a farthest one.
    private static func walk(
        from start: Int, _ neighbours: [Int: [(element: Int, squaredDistance: Int)]]
    ) -> [(element: Int, from: Int?, squaredDistance: Int)] {
        var visits: [(element: Int, from: Int?, squaredDistance: Int)] = [(start, nil, 0)]
        var seen: Set<Int> = [start]
        var next = 0
        while next < visits.count {
            for (element, distance) in neighbours[visits[next].element] ?? [] where seen.insert(element).inserted {
                visits.append((element, next, distance))
            }
            next += 1
        }
        return visits
    }

    private mutating func find(_ element: Int) -> Int {
        var current = element
        while parents[current] != current {
            parents[current] = parents[parents[current]]
            current = parents[current]
        }
        return current
    }
}
