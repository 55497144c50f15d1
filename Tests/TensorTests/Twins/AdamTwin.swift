import Glibc

extension Twin {
    /// Adam and AdamW as their papers write them, with the moving average of the values.
    struct Adam {
        var values: [Double]
        var firstMoment: [Double]
        var secondMoment: [Double]
        var ema: [Double]
        var beta1 = 0.9
        var beta2 = 0.999
        var epsilon = 1e-8
        var weightDecay = 0.0
        var decoupled = false

        init(values: [Double]) {
            self.values = values
            firstMoment = values.map { _ in 0 }
            secondMoment = values.map { _ in 0 }
            ema = values
        }

        /// The update of step 0, 1, ...
        mutating func update(gradients: [Double], step: Int, learningRate: Double, emaDecay: Double = 0) {
            let t = Double(step + 1)
            for i in values.indices {
                var g = gradients[i]
                if decoupled {
                    values[i] -= learningRate * weightDecay * values[i]
                } else {
                    g += weightDecay * values[i]
                }
                firstMoment[i] = beta1 * firstMoment[i] + (1 - beta1) * g
                secondMoment[i] = beta2 * secondMoment[i] + (1 - beta2) * g * g
                let mean = firstMoment[i] / (1 - pow(beta1, t))
                let square = secondMoment[i] / (1 - pow(beta2, t))
                values[i] -= learningRate * mean / (square.squareRoot() + epsilon)
                ema[i] = emaDecay * ema[i] + (1 - emaDecay) * values[i]
            }
        }
    }
}
