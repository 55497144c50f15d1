// Group norm. Sums run over the pixels of one channel block, lane by lane: up to `CHUNK` vectors in float, then in double,
// about an origin near the mean, which keeps the squares from cancelling. Groups are put together from channels, so that
// they may cut across blocks. Work goes in spans: the fewest blocks that hold whole groups, which stay in the cache.
#define CHUNK 32

// Adds the lanes that belong to one channel.
INLINE void fold_lanes(d16 lanes, size_t block, double *channels) {
    for (size_t c = 0; c < block; ++c) channels[c] = 0;
    for (size_t i = 0; i < 16; ++i) channels[i % block] += lanes[i];
}

// For each channel of a block, from `count` = pixels * block floats: the sum of x - origin and of its square.
INLINE void block_sums(const float *x, size_t count, size_t block, f16 origin, double *sums, double *squares) {
    d16 sum = {0}, square = {0};
    size_t i = 0;
    while (i + 16 <= count) {
        f16 s0 = {0}, s1 = {0}, q0 = {0}, q1 = {0};
        const size_t end = i + 16 * CHUNK <= count ? i + 16 * CHUNK : count;
        for (; i + 32 <= end; i += 32) {
            const f16 a = load(x + i) - origin, b = load(x + i + 16) - origin;
            s0 += a;
            s1 += b;
            q0 += a * a;
            q1 += b * b;
        }
        if (i + 16 <= end) {
            const f16 a = load(x + i) - origin;
            s0 += a;
            q0 += a * a;
            i += 16;
        }
        sum += widen(s0) + widen(s1);
        square += widen(q0) + widen(q1);
    }
    if (i < count) {
        // Lanes beyond the end must not count: they hold the origin, whose difference is zero.
        f16 a = origin;
        memcpy(&a, x + i, (count - i) * sizeof(float));
        a -= origin;
        sum += widen(a);
        square += widen(a * a);
    }
    fold_lanes(sum, block, sums);
    fold_lanes(square, block, squares);
}

// For each channel of a block: the mean, and the sum of the squares of x - mean.
INLINE void block_moments(const float *x, size_t pixels, size_t block, double *means, double *squares) {
    f16 origin;
    for (size_t i = 0; i < 16; ++i) origin[i] = x[i % block];
    for (int attempt = 0; attempt < 2; ++attempt) {
        bool far = false;
        block_sums(x, pixels * block, block, origin, means, squares);
        for (size_t c = 0; c < block; ++c) {
            const double distance = means[c] / (double)pixels;
            squares[c] -= means[c] * distance;
            means[c] = origin[c] + distance;
            far |= distance * distance * (double)pixels > 16 * squares[c];
        }
        // The first pixel may lie many deviations off; then again about the mean.
        if (!far) return;
        for (size_t i = 0; i < 16; ++i) origin[i] = (float)means[i % block];
    }
}

INLINE void block_scale_shift(
    const float *x, float *out, size_t count, f16 factor, f16 shift, bool with_silu) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const f16 z = load(x + i) * factor + shift;
        store(out + i, with_silu ? silu(z) : z);
    }
    if (i < count) {
        const f16 z = load_part(x + i, count - i) * factor + shift;
        store_part(out + i, with_silu ? silu(z) : z, count - i);
    }
}

INLINE size_t span_channels(size_t channels, size_t block, size_t group) {
    size_t span = group;
    while (span % block) span += group;
    return span < channels ? span : channels;
}

static void group_norm_forward(
    const float *x, const float *gamma, const float *beta, float *out, float *mean, float *reciprocal_deviation,
    size_t images, size_t channels, size_t pixels, size_t block, size_t groups, float epsilon, bool with_silu) {
    const size_t group = channels / groups, blocks = block_count(channels, block), count = pixels * block;
    const size_t span = span_channels(channels, block, group), room = span + 16;
    double *means = malloc(room * (2 * sizeof(double) + 2 * sizeof(float)));
    double *squares = means + room;
    float *factors = (float *)(squares + room), *shifts = factors + room;
    for (size_t n = 0; n < images; ++n) {
        for (size_t first = 0; first < channels; first += span) {
            const size_t end = first + span < channels ? first + span : channels, here = end - first;
            const size_t offset = (n * blocks + first / block) * count;
            for (size_t c = 0; c < here; c += block) {
                FOR_BLOCK(block, block_moments(x + offset + c * pixels, pixels, B, means + c, squares + c))
            }
            for (size_t c = 0; c < here; c += group) {
                double total = 0, spread = 0;
                for (size_t k = c; k < c + group; ++k) total += means[k];
                const double centre = total / (double)group;
                for (size_t k = c; k < c + group; ++k) {
                    spread += squares[k] + (double)pixels * (means[k] - centre) * (means[k] - centre);
                }
                const double variance = spread / ((double)group * (double)pixels);
                const double reciprocal = 1 / __builtin_elementwise_sqrt(variance + (double)epsilon);
                const size_t index = n * groups + (first + c) / group;
                mean[index] = (float)centre;
                reciprocal_deviation[index] = (float)reciprocal;
                for (size_t k = c; k < c + group; ++k) {
                    factors[k] = (float)(gamma[first + k] * reciprocal);
                    shifts[k] = (float)(beta[first + k] - centre * gamma[first + k] * reciprocal);
                }
            }
            for (size_t c = 0; c < here; c += block) {
                const f16 factor = lanes_of(factors, c, here, block), shift = lanes_of(shifts, c, here, block);
                const float *from = x + offset + c * pixels;
                float *to = out + offset + c * pixels;
                if (with_silu) {
                    block_scale_shift(from, to, count, factor, shift, true);
                } else {
                    block_scale_shift(from, to, count, factor, shift, false);
                }
            }
        }
    }
    free(means);
}

// With z = gamma h + beta, h = x factor + shift the normalised input, and dz = dout act'(z): stores dz if the activation
// is SiLU, and sums dz and dz h for each channel of the block.
INLINE void block_gradient_sums(
    const float *x, const float *dout, float *dz, size_t count, size_t block, f16 factor, f16 shift, f16 gamma, f16 beta,
    bool with_silu, double *dz_sums, double *dzh_sums) {
    d16 dz_sum = {0}, dzh_sum = {0};
    size_t i = 0;
    while (i < count) {
        f16 s = {0}, t = {0};
        const size_t end = i + 16 * CHUNK <= count ? i + 16 * CHUNK : count;
        for (; i + 16 <= end; i += 16) {
            const f16 h = load(x + i) * factor + shift;
            f16 d = load(dout + i);
            if (with_silu) {
                d *= silu_slope(gamma * h + beta);
                store(dz + i, d);
            }
            s += d;
            t += d * h;
        }
        if (i < end) {
            const f16 h = load_part(x + i, end - i) * factor + shift;
            f16 d = load_part(dout + i, end - i);
            if (with_silu) {
                d *= silu_slope(gamma * h + beta);
                store_part(dz + i, d, end - i);
            }
            s += d;
            t += d * h;
            i = end;
        }
        dz_sum += widen(s);
        dzh_sum += widen(t);
    }
    fold_lanes(dz_sum, block, dz_sums);
    fold_lanes(dzh_sum, block, dzh_sums);
}

static void group_norm_backward(
    const float *x, const float *gamma, const float *beta, const float *mean, const float *reciprocal_deviation,
    const float *dout, float *dx, float *dgamma, float *dbeta, size_t images, size_t channels, size_t pixels,
    size_t block, size_t groups, bool with_silu) {
    const size_t group = channels / groups, blocks = block_count(channels, block), count = pixels * block;
    const size_t span = span_channels(channels, block, group), room = span + 16;
    double *dz_sums = malloc(room * (2 * sizeof(double) + 5 * sizeof(float)));
    double *dzh_sums = dz_sums + room;
    float *factors = (float *)(dzh_sums + room), *shifts = factors + room;
    float *from_dz = shifts + room, *from_x = from_dz + room, *constant = from_x + room;
    for (size_t first = 0; first < channels; first += span) {
        const size_t end = first + span < channels ? first + span : channels, here = end - first;
        for (size_t n = 0; n < images; ++n) {
            const size_t offset = (n * blocks + first / block) * count;
            for (size_t c = 0; c < here; ++c) {
                const size_t index = n * groups + (first + c) / group;
                factors[c] = reciprocal_deviation[index];
                shifts[c] = (float)(-(double)mean[index] * reciprocal_deviation[index]);
            }
            for (size_t c = 0; c < here; c += block) {
                const f16 factor = lanes_of(factors, c, here, block), shift = lanes_of(shifts, c, here, block);
                const f16 slope = lanes_of(gamma + first, c, here, block);
                const f16 bias = lanes_of(beta + first, c, here, block);
                const size_t at = offset + c * pixels;
                if (with_silu) {
                    FOR_BLOCK(block, block_gradient_sums(x + at, dout + at, dx + at, count, B, factor, shift, slope,
                                         bias, true, dz_sums + c, dzh_sums + c))
                } else {
                    FOR_BLOCK(block, block_gradient_sums(x + at, dout + at, dx + at, count, B, factor, shift, slope,
                                         bias, false, dz_sums + c, dzh_sums + c))
                }
            }
            // dx = r (gamma dz - mean(gamma dz) - h mean(gamma dz h)), the means over the group.
            for (size_t c = 0; c < here; c += group) {
                const size_t index = n * groups + (first + c) / group;
                const double r = reciprocal_deviation[index], elements = (double)group * (double)pixels;
                double plain = 0, weighted = 0;
                for (size_t k = c; k < c + group; ++k) {
                    plain += gamma[first + k] * dz_sums[k];
                    weighted += gamma[first + k] * dzh_sums[k];
                    dbeta[first + k] += (float)dz_sums[k];
                    dgamma[first + k] += (float)dzh_sums[k];
                }
                plain /= elements;
                weighted /= elements;
                for (size_t k = c; k < c + group; ++k) {
                    from_dz[k] = (float)(r * gamma[first + k]);
                    from_x[k] = (float)(-r * r * weighted);
                    constant[k] = (float)(r * (r * mean[index] * weighted - plain));
                }
            }
            for (size_t c = 0; c < here; c += block) {
                const f16 a = lanes_of(from_dz, c, here, block), b = lanes_of(from_x, c, here, block);
                const f16 d = lanes_of(constant, c, here, block);
                const size_t at = offset + c * pixels;
                const float *dz = with_silu ? dx + at : dout + at;
#define EXPRESSION(LOAD) a * LOAD(dz + i) + (b * LOAD(x + at + i) + d)
                ELEMENTWISE(dx + at, count, EXPRESSION)
#undef EXPRESSION
            }
        }
    }
    free(dz_sums);
}
