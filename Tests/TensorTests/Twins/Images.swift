/// Images in double precision, plain (N, C, H, W): what the twins compute with.
struct Images: Equatable {
    let images: Int
    let channels: Int
    let height: Int
    let width: Int
    var values: [Double]

    init(images: Int, channels: Int, height: Int, width: Int, values: [Double]? = nil) {
        self.images = images
        self.channels = channels
        self.height = height
        self.width = width
        let count = images * channels * height * width
        self.values = values ?? [Double](repeating: 0, count: count)
        precondition(self.values.count == count, "\(self.values.count) values for \(count) places")
    }

    var pixels: Int { height * width }
    var shape: [Int] { [images, channels, height, width] }

    /// The same shape with other values.
    func with(_ values: [Double]) -> Images {
        Images(images: images, channels: channels, height: height, width: width, values: values)
    }

    subscript(n: Int, c: Int, i: Int, j: Int) -> Double {
        get { values[((n * channels + c) * height + i) * width + j] }
        set { values[((n * channels + c) * height + i) * width + j] = newValue }
    }
}

/// Plain twins of the operations, in double precision: loops as in the textbook, against which the fast ones are tested
/// and whose finite differences check gradients.
enum Twin {}
