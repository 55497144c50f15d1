// Kernels on flat arrays.

// Applies `expression`, in terms of the vectors loaded by `loads(LOAD)`, to whole vectors and to the rest.
#define ELEMENTWISE(out, count, expression)                       \
    size_t i = 0;                                                 \
    for (; i + 16 <= (count); i += 16) {                          \
        store((out) + i, (expression(load)));                     \
    }                                                             \
    if (i < (count)) {                                            \
        const size_t rest = (count) - i;                          \
        store_part((out) + i, (expression(LOAD_REST)), rest);     \
    }
#define LOAD_REST(p) load_part(p, rest)

static void silu_forward(const float *x, float *out, size_t count) {
#define EXPRESSION(LOAD) silu(LOAD(x + i))
    ELEMENTWISE(out, count, EXPRESSION)
#undef EXPRESSION
}

static void silu_backward(const float *x, const float *dout, float *dx, size_t count) {
#define EXPRESSION(LOAD) LOAD(dout + i) * silu_slope(LOAD(x + i))
    ELEMENTWISE(dx, count, EXPRESSION)
#undef EXPRESSION
}

// Not a number stays what it is.
static void relu_forward(const float *x, float *out, size_t count) {
#define EXPRESSION(LOAD) at_least(LOAD(x + i), splat(0))
    ELEMENTWISE(out, count, EXPRESSION)
#undef EXPRESSION
}

static void relu_backward(const float *x, const float *dout, float *dx, size_t count) {
#define EXPRESSION(LOAD) choose(LOAD(x + i) > splat(0), LOAD(dout + i), splat(0))
    ELEMENTWISE(dx, count, EXPRESSION)
#undef EXPRESSION
}

static void add(const float *a, const float *b, float *out, size_t count) {
#define EXPRESSION(LOAD) LOAD(a + i) + LOAD(b + i)
    ELEMENTWISE(out, count, EXPRESSION)
#undef EXPRESSION
}

static void accumulate(float *a, const float *b, size_t count) { add(a, b, a, count); }

static void scale(const float *x, float factor, float *out, size_t count) {
#define EXPRESSION(LOAD) factor * LOAD(x + i)
    ELEMENTWISE(out, count, EXPRESSION)
#undef EXPRESSION
}

static void scaled_difference(const float *a, const float *b, float factor, float *out, size_t count) {
#define EXPRESSION(LOAD) factor * (LOAD(a + i) - LOAD(b + i))
    ELEMENTWISE(out, count, EXPRESSION)
#undef EXPRESSION
}

static double squared_norm(const float *x, size_t count) {
    d16 first = {0}, second = {0};
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        const d16 a = widen(load(x + i)), b = widen(load(x + i + 16));
        first += a * a;
        second += b * b;
    }
    for (; i < count; i += 16) {
        const d16 a = widen(i + 16 <= count ? load(x + i) : load_part(x + i, count - i));
        first += a * a;
    }
    return sum_lanes(first + second);
}

static double squared_difference(const float *a, const float *b, size_t count) {
    d16 sum = {0};
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const d16 d = widen(load(a + i)) - widen(load(b + i));
        sum += d * d;
    }
    if (i < count) {
        const d16 d = widen(load_part(a + i, count - i)) - widen(load_part(b + i, count - i));
        sum += d * d;
    }
    return sum_lanes(sum);
}

static void adam(
    float *values, const float *gradients, float *first_moment, float *second_moment, float *ema, size_t count,
    const diptych_adam_step *step) {
    const diptych_adam_step s = *step;
    for (size_t i = 0; i < count; i += 16) {
        const bool whole = i + 16 <= count;
        const size_t rest = count - i;
#define LOAD(p) (whole ? load((p) + i) : load_part((p) + i, rest))
#define STORE(p, v) do { if (whole) store((p) + i, v); else store_part((p) + i, v, rest); } while (0)
        f16 value = LOAD(values), m = LOAD(first_moment), v = LOAD(second_moment);
        const f16 g = s.gradient_scale * LOAD(gradients) + s.coupled_decay * value;
        value *= s.decoupled_factor;
        m += s.beta1_complement * (g - m);
        v = s.beta2 * v + s.beta2_complement * (g * g);
        value -= s.step_size * m / (__builtin_elementwise_sqrt(v) * s.deviation_correction + s.epsilon);
        STORE(first_moment, m);
        STORE(second_moment, v);
        STORE(values, value);
        if (ema) {
            const f16 mean = LOAD(ema);
            STORE(ema, mean + s.ema_complement * (value - mean));
        }
#undef LOAD
#undef STORE
    }
}

static void momentum_descent(
    float *values, const float *gradients, float *velocities, size_t count, float step_size, float momentum, float decay) {
    for (size_t i = 0; i < count; i += 16) {
        const bool whole = i + 16 <= count;
        const size_t rest = count - i;
#define LOAD(p) (whole ? load((p) + i) : load_part((p) + i, rest))
#define STORE(p, v) do { if (whole) store((p) + i, v); else store_part((p) + i, v, rest); } while (0)
        const f16 value = LOAD(values);
        const f16 velocity = momentum * LOAD(velocities) + (LOAD(gradients) + decay * value);
        STORE(velocities, velocity);
        STORE(values, value - step_size * velocity);
#undef LOAD
#undef STORE
    }
}
