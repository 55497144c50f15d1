/// The facts about the network's structure that building it and reckoning its cost share.
extension UNetConfiguration {
    /// Heads of an attention block.
    func heads(channels: Int) -> Int {
        attentionHeadDimension.map { channels / $0 } ?? 1
    }

    /// Height and width of each level's images, in pixels.
    var levelSizes: [(height: Int, width: Int)] {
        // A 3x3 convolution with stride 2: padding 1 on both sides rounds up, one row or column at the end rounds down.
        let halved = { (extent: Int) in (extent + downsamplePadding) / 2 }
        return channels.indices.dropFirst().reduce(into: [(height, width)]) { sizes, _ in
            let last = sizes[sizes.count - 1]
            sizes.append((halved(last.height), halved(last.width)))
        }
    }

    /// Input channels of each residual block of a level on the way down.
    func downInputs(level: Int) -> [Int] {
        let first = level == 0 ? channels[0] : channels[level - 1]
        return [first] + [Int](repeating: channels[level], count: layersPerBlock - 1)
    }

    /// Input channels of each residual block of a level on the way up: from below (or the block before), and from the
    /// skip connection.
    func upInputs(level: Int) -> [(below: Int, skip: Int)] {
        let below = level == channels.count - 1 ? channels[level] : channels[level + 1]
        let lastSkip = level == 0 ? channels[0] : channels[level - 1]
        return (0...layersPerBlock).map { position in
            (position == 0 ? below : channels[level], position == layersPerBlock ? lastSkip : channels[level])
        }
    }
}
