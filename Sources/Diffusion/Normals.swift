import Glibc
import Tensor

extension RandomSource {
    func normals(_ count: Int, step: Int, item: Int) -> [Float] {
        var result: [Float] = []
        for block in 0..<(count + 3) / 4 {
            let w = words(step: step, item: item, block: block)
            for k in [0, 2] {
                let u1 = (Double(w[k]) + 1) * 0x1p-32
                let u2 = Double(w[k + 1]) * 0x1p-32
                let r = (-2 * log(u1)).squareRoot()
                result.append(Float(r * cos(2 * .pi * u2)))
                result.append(Float(r * sin(2 * .pi * u2)))
            }
        }
        return Array(result.prefix(count))
    }
}
