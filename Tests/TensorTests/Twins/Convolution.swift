extension Twin {
    /// out[n, o, i, j] = bias[o] + sum over c, k, l of x[n, c, i stride + k - top, j stride + l - left] w[o, c, k, l].
    ///
    /// `weight` is (outputs, x.channels, kernelHeight, kernelWidth); padding may differ on all four sides.
    static func convolution(
        _ x: Images, weight: [Double], outputs: Int, kernelHeight: Int, kernelWidth: Int, bias: [Double]? = nil,
        stride: Int = 1, padding: (top: Int, left: Int, bottom: Int, right: Int) = (0, 0, 0, 0)
    ) -> Images {
        precondition(weight.count == outputs * x.channels * kernelHeight * kernelWidth, "weight of a wrong size")
        var out = Images(
            images: x.images, channels: outputs,
            height: (x.height + padding.top + padding.bottom - kernelHeight) / stride + 1,
            width: (x.width + padding.left + padding.right - kernelWidth) / stride + 1)
        for n in 0..<x.images {
            for o in 0..<outputs {
                for i in 0..<out.height {
                    for j in 0..<out.width {
                        var sum = bias?[o] ?? 0
                        for c in 0..<x.channels {
                            for k in 0..<kernelHeight {
                                let row = i * stride + k - padding.top
                                guard (0..<x.height).contains(row) else { continue }
                                for l in 0..<kernelWidth {
                                    let column = j * stride + l - padding.left
                                    guard (0..<x.width).contains(column) else { continue }
                                    let index = ((o * x.channels + c) * kernelHeight + k) * kernelWidth + l
                                    sum += x[n, c, row, column] * weight[index]
                                }
                            }
                        }
                        out[n, o, i, j] = sum
                    }
                }
            }
        }
        return out
    }
}
