// Group norm. Sums run over the pixels of one channel block, lane by lane: up to `CHUNK` vectors in float, then in
// double, about an origin near the mean, which keeps the squares from cancelling. Groups are put together from
// channels, so that they may cut across blocks. Work goes in spans: the fewest blocks that hold whole groups,
// which stay in the cache.
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

// What the kernels below are called with.
typedef struct {
    const float *gamma, *beta;
    size_t images, channels, pixels, block, groups;
    size_t group, span;    // channels of a group and of a span
    size_t blocks, count;  // blocks of an image, floats of a block
} norm_problem;

INLINE norm_problem norm_problem_of(
    const float *gamma, const float *beta, size_t images, size_t channels, size_t pixels, size_t block, size_t groups) {
    const size_t group = channels / groups;
    return (norm_problem){gamma, beta, images, channels, pixels, block, groups, group,
        span_channels(channels, block, group), block_count(channels, block), pixels * block};
}

INLINE size_t span_width(const norm_problem *p, size_t first) {
    return first + p->span < p->channels ? p->span : p->channels - first;
}

// One group, whose first channel is `c` of the span at `first`: from moments of channels, bias included, to
// out = x factor + shift. `bias` is null or the span's.
INLINE void group_statistics(
    const norm_problem *p, size_t first, size_t c, const double *means, const double *squares, const float *bias,
    double epsilon, float *mean, float *reciprocal_deviation, float *factors, float *shifts) {
    double total = 0, spread = 0;
    for (size_t k = c; k < c + p->group; ++k) total += means[k];
    const double centre = total / (double)p->group;
    for (size_t k = c; k < c + p->group; ++k) {
        spread += squares[k] + (double)p->pixels * (means[k] - centre) * (means[k] - centre);
    }
    const double variance = spread / ((double)p->group * (double)p->pixels);
    const double reciprocal = 1 / __builtin_elementwise_sqrt(variance + epsilon);
    *mean = (float)centre;
    *reciprocal_deviation = (float)reciprocal;
    for (size_t k = c; k < c + p->group; ++k) {
        const double factor = p->gamma[first + k] * reciprocal;
        factors[k] = (float)factor;
        shifts[k] = (float)(p->beta[first + k] + ((bias ? bias[k] : 0) - centre) * factor);
    }
}

// Some channels of one image: x factor + shift, then SiLU if asked for.
INLINE void span_scale_shift(
    const float *x, const float *factors, const float *shifts, float *out, size_t channels, size_t pixels,
    size_t block, bool with_silu) {
    for (size_t c = 0; c < channels; c += block) {
        const f16 factor = lanes_of(factors, c, channels, block), shift = lanes_of(shifts, c, channels, block);
        if (with_silu) {
            block_scale_shift(x + c * pixels, out + c * pixels, pixels * block, factor, shift, true);
        } else {
            block_scale_shift(x + c * pixels, out + c * pixels, pixels * block, factor, shift, false);
        }
    }
}

static void group_norm_apply(
    const float *x, const float *factors, const float *shifts, float *out, size_t images, size_t channels,
    size_t pixels, size_t block, bool with_silu) {
    const size_t size = block_count(channels, block) * pixels * block;
    for (size_t n = 0; n < images; ++n) {
        span_scale_shift(
            x + n * size, factors + n * channels, shifts + n * channels, out + n * size, channels, pixels, block,
            with_silu);
    }
}

static void group_norm_forward(
    const float *x, const float *channel_bias, const float *gamma, const float *beta, float *out, float *mean,
    float *reciprocal_deviation, float *factors, float *shifts, size_t images, size_t channels, size_t pixels,
    size_t block, size_t groups, float epsilon, bool with_silu) {
    const norm_problem p = norm_problem_of(gamma, beta, images, channels, pixels, block, groups);
    const size_t room = p.span + 16;
    double *means = malloc(room * 2 * sizeof(double));
    double *squares = means + room;
    for (size_t n = 0; n < images; ++n) {
        for (size_t first = 0; first < channels; first += p.span) {
            const size_t here = span_width(&p, first), offset = (n * p.blocks + first / block) * p.count;
            const size_t at = n * channels + first;
            const float *bias = channel_bias ? channel_bias + at : NULL;
            for (size_t c = 0; c < here; c += block) {
                const float *from = x + offset + c * pixels;
                FOR_BLOCK(block, block_moments(from, pixels, B, means + c, squares + c))
            }
            // A bias moves a channel's mean; the squares are about that mean.
            for (size_t c = 0; bias && c < here; ++c) means[c] += bias[c];
            for (size_t c = 0; c < here; c += p.group) {
                const size_t index = n * groups + (first + c) / p.group;
                group_statistics(&p, first, c, means, squares, bias, (double)epsilon, mean + index,
                    reciprocal_deviation + index, factors + at, shifts + at);
            }
            span_scale_shift(x + offset, factors + at, shifts + at, out + offset, here, pixels, block, with_silu);
        }
    }
    free(means);
}

// With z = gamma h + beta, h = x factor + shift the normalised input (the channel's bias is in the shift), and dz = dout act'(z): stores dz if the
// activation is SiLU, and sums dz and dz h for each channel of the block.
INLINE void block_gradient_sums(
    const float *x, const float *dout, float *dz, size_t count, size_t block, f16 factor, f16 shift, f16 gamma,
    f16 beta, bool with_silu, double *dz_sums, double *dzh_sums) {
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

// The coefficients of one channel's backward pass: dx = from_dz dz + from_x x + constant, h = x factor + shift.
typedef struct {
    double *dz_sums, *dzh_sums;
    float *factors, *shifts, *from_dz, *from_x, *constant;
} norm_scratch;

// dx = r (gamma dz - mean(gamma dz) - h mean(gamma dz h)), the means over the group; r the reciprocal deviation.
INLINE void group_gradient(
    const norm_problem *p, size_t first, size_t c, const float *bias, double mean, double r, const norm_scratch *s,
    float *dgamma, float *dbeta) {
    double plain = 0, weighted = 0;
    for (size_t k = c; k < c + p->group; ++k) {
        plain += p->gamma[first + k] * s->dz_sums[k];
        weighted += p->gamma[first + k] * s->dzh_sums[k];
        dbeta[first + k] += (float)s->dz_sums[k];
        dgamma[first + k] += (float)s->dzh_sums[k];
    }
    plain /= (double)p->group * (double)p->pixels;
    weighted /= (double)p->group * (double)p->pixels;
    for (size_t k = c; k < c + p->group; ++k) {
        s->from_dz[k] = (float)(r * p->gamma[first + k]);
        s->from_x[k] = (float)(-r * r * weighted);
        s->constant[k] = (float)(r * (r * (mean - (bias ? bias[k] : 0)) * weighted - plain));
    }
}

// One span of one image, at `x`, `bias`, `dout` and `dx`; `mean` and `reciprocal_deviation` are the image's.
INLINE void span_backward(
    const norm_problem *p, size_t first, const float *x, const float *bias, const float *mean,
    const float *reciprocal_deviation, const float *dout, float *dx, const norm_scratch *s, float *dgamma,
    float *dbeta, bool with_silu) {
    const size_t here = span_width(p, first), block = p->block, pixels = p->pixels, count = p->count;
    for (size_t c = 0; c < here; ++c) {
        const size_t g = (first + c) / p->group;
        s->factors[c] = reciprocal_deviation[g];
        s->shifts[c] = (float)(((bias ? bias[c] : 0) - (double)mean[g]) * reciprocal_deviation[g]);
    }
    for (size_t c = 0; c < here; c += block) {
        const f16 factor = lanes_of(s->factors, c, here, block), shift = lanes_of(s->shifts, c, here, block);
        const f16 slope = lanes_of(p->gamma + first, c, here, block), bias = lanes_of(p->beta + first, c, here, block);
        const float *from = x + c * pixels, *incoming = dout + c * pixels;
        float *dz = dx + c * pixels;
        double *dz_sums = s->dz_sums + c, *dzh_sums = s->dzh_sums + c;
        FOR_BLOCK(block, block_gradient_sums(
            from, incoming, dz, count, B, factor, shift, slope, bias, with_silu, dz_sums, dzh_sums))
    }
    for (size_t c = 0; c < here; c += p->group) {
        const size_t g = (first + c) / p->group;
        group_gradient(p, first, c, bias, mean[g], reciprocal_deviation[g], s, dgamma, dbeta);
    }
    for (size_t c = 0; c < here; c += block) {
        const f16 from_dz = lanes_of(s->from_dz, c, here, block), from_x = lanes_of(s->from_x, c, here, block);
        const f16 constant = lanes_of(s->constant, c, here, block);
        const float *from = x + c * pixels, *dz = (with_silu ? dx : dout) + c * pixels;
        float *to = dx + c * pixels;
#define EXPRESSION(LOAD) from_dz * LOAD(dz + i) + (from_x * LOAD(from + i) + constant)
        ELEMENTWISE(to, count, EXPRESSION)
#undef EXPRESSION
    }
}

static void group_norm_backward(
    const float *x, const float *channel_bias, const float *gamma, const float *beta, const float *mean,
    const float *reciprocal_deviation, const float *dout, float *dx, float *dgamma, float *dbeta, size_t images,
    size_t channels, size_t pixels, size_t block, size_t groups, bool with_silu) {
    const norm_problem p = norm_problem_of(gamma, beta, images, channels, pixels, block, groups);
    const size_t room = p.span + 16;
    norm_scratch s;
    s.dz_sums = malloc(room * (2 * sizeof(double) + 5 * sizeof(float)));
    s.dzh_sums = s.dz_sums + room;
    s.factors = (float *)(s.dzh_sums + room);
    s.shifts = s.factors + room;
    s.from_dz = s.shifts + room;
    s.from_x = s.from_dz + room;
    s.constant = s.from_x + room;
    for (size_t first = 0; first < channels; first += p.span) {
        for (size_t n = 0; n < images; ++n) {
            const size_t at = (n * p.blocks + first / block) * p.count;
            const float *m = mean + n * groups, *r = reciprocal_deviation + n * groups;
            const float *bias = channel_bias ? channel_bias + n * channels + first : NULL;
            if (with_silu) {
                span_backward(&p, first, x + at, bias, m, r, dout + at, dx + at, &s, dgamma, dbeta, true);
            } else {
                span_backward(&p, first, x + at, bias, m, r, dout + at, dx + at, &s, dgamma, dbeta, false);
            }
        }
    }
    free(s.dz_sums);
}
