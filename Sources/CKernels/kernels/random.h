// Addressed random numbers: Philox4x32-10 (Salmon et al. 2011) on 16 counters at a time, the words of Philox.swift.

INLINE void multiply(u16 a, uint32_t by, u16 *high, u16 *low) {
    const u8x64 lower_half = (u8x64){0} + 0xFFFFFFFFu;
    const u8x64 even = ((u8x64)a & lower_half) * (uint64_t)by, odd = ((u8x64)a >> 32) * (uint64_t)by;
    *low = (u16)((even & lower_half) | (odd << 32));
    *high = (u16)((even >> 32) | (odd & ~lower_half));
}

// Word k of the 16 blocks `block` of (step, item) goes to words[k].
INLINE void philox(u16 block, uint32_t item, diptych_address address, u16 words[4]) {
    const u16 zero = {0};
    u16 x = block, y = zero + item, z = zero + (uint32_t)address.step, w = zero + (uint32_t)(address.step >> 32);
    uint32_t key0 = address.key0, key1 = address.key1;
    for (int round = 0; round < 10; ++round) {
        u16 high0, low0, high1, low1;
        multiply(x, 0xD2511F53u, &high0, &low0);
        multiply(z, 0xCD9E8D57u, &high1, &low1);
        x = high1 ^ y ^ key0;
        y = low1;
        z = high0 ^ w ^ key1;
        w = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    words[0] = x;
    words[1] = y;
    words[2] = z;
    words[3] = w;
}

#define LANE_INDICES ((u16){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})

// From word k of blocks 0 ..< 16 in v[k] to 64 words in the order of their elements.
INLINE void interleave(const u16 v[4], u16 out[4]) {
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    const u16 even_low = ZIP_LOW(v[0], v[2]), even_high = ZIP_HIGH(v[0], v[2]);
    const u16 odd_low = ZIP_LOW(v[1], v[3]), odd_high = ZIP_HIGH(v[1], v[3]);
    out[0] = ZIP_LOW(even_low, odd_low);
    out[1] = ZIP_HIGH(even_low, odd_low);
    out[2] = ZIP_LOW(even_high, odd_high);
    out[3] = ZIP_HIGH(even_high, odd_high);
#undef ZIP_LOW
#undef ZIP_HIGH
}

INLINE f16 keep(f16 x, u16 word, int32_t threshold, float factor) {
    const i16 mask = (i16)(word >> 8) >= threshold;
    return (f16)(mask & (i16)(x * factor));
}

// One image, plain: elements lie in the order of their addresses.
INLINE void dropout_plain(
    const float *x, float *out, size_t count, uint32_t item, diptych_address address, int32_t threshold,
    float factor) {
    for (size_t i = 0; i < count; i += 64) {
        u16 words[4], ordered[4];
        philox(LANE_INDICES + (uint32_t)(i / 4), item, address, words);
        interleave(words, ordered);
        for (size_t k = 0; k < 4 && i + 16 * k < count; ++k) {
            const size_t at = i + 16 * k, rest = count - at;
            if (rest >= 16) {
                store(out + at, keep(load(x + at), ordered[k], threshold, factor));
            } else {
                store_part(out + at, keep(load_part(x + at, rest), ordered[k], threshold, factor), rest);
            }
        }
    }
}

#define UPPER_HALF(v) __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)

// One channel block; lane i is channel first + i % block and pixel i / block of the vector's pixels.
INLINE void dropout_block(
    const float *x, float *out, size_t first, size_t pixels, size_t block, uint32_t item, diptych_address address,
    int32_t threshold, float factor) {
    const u16 channel = LANE_INDICES % (uint32_t)block + (uint32_t)first, pixel = LANE_INDICES / (uint32_t)block;
    if (pixels % 4 == 0) {
        // A Philox block is four neighbouring pixels of one channel: word k serves pixel k.
        const size_t quads = pixels / 4, at_once = 16 / block;
        const u16 start = channel * (uint32_t)quads + pixel;
        for (size_t q = 0; q < quads; q += at_once) {
            u16 words[4];
            philox(start + (uint32_t)q, item, address, words);
            for (size_t k = 0; k < 4; ++k) {
                for (size_t j = 0; j < at_once && q + j < quads; ++j) {
                    const size_t at = (4 * (q + j) + k) * block;
                    const u16 word = j == 0 ? words[k] : UPPER_HALF(words[k]);
                    store_part(out + at, keep(load_part(x + at, block), word, threshold, factor), block);
                }
            }
        }
        return;
    }
    const u16 start = channel * (uint32_t)pixels + pixel;
    const size_t count = pixels * block;
    for (size_t i = 0; i < count; i += 16) {
        const u16 element = start + (uint32_t)(i / block), index = element & 3;
        u16 words[4], word = {0};
        philox(element >> 2, item, address, words);
        for (uint32_t k = 0; k < 4; ++k) word |= words[k] & (u16)(index == k);
        if (i + 16 <= count) {
            store(out + i, keep(load(x + i), word, threshold, factor));
        } else {
            store_part(out + i, keep(load_part(x + i, count - i), word, threshold, factor), count - i);
        }
    }
}

static void dropout(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block, float rate,
    diptych_address address, const uint32_t *items) {
    // word >> 8 is an integer, so (word >> 8) 2^-24 >= rate is a comparison with the next integer up.
    const double bound = (double)rate * 0x1p24;
    int32_t threshold = (int32_t)bound;
    if (threshold < bound) ++threshold;
    const float factor = (float)(1 / (1 - (double)rate));
    for (size_t n = 0; n < images; ++n) {
        if (block == 1) {
            dropout_plain(x, out, channels * pixels, items[n], address, threshold, factor);
            x += channels * pixels;
            out += channels * pixels;
            continue;
        }
        for (size_t c = 0; c < channels; c += block, x += block * pixels, out += block * pixels) {
            if (block == 16) {
                dropout_block(x, out, c, pixels, 16, items[n], address, threshold, factor);
            } else {
                dropout_block(x, out, c, pixels, 8, items[n], address, threshold, factor);
            }
        }
    }
}

static void fill_uniform(float *out, size_t count, diptych_address address, uint32_t item) {
    for (size_t i = 0; i < count; i += 64) {
        u16 words[4], ordered[4];
        philox(LANE_INDICES + (uint32_t)(i / 4), item, address, words);
        interleave(words, ordered);
        for (size_t k = 0; k < 4 && i + 16 * k < count; ++k) {
            const f16 v = __builtin_convertvector((i16)(ordered[k] >> 8), f16) * 0x1p-24f;
            const size_t at = i + 16 * k;
            store_part(out + at, v, count - at < 16 ? count - at : 16);
        }
    }
}

// ln(k 2^-32) for k = word + 1 in 1 ... 2^32, relative error below 1e-11: k = 2^e m with m in [sqrt(1/2), sqrt(2)), and
// ln m = 2 artanh((m - 1) / (m + 1)). No fused operations, here and below: the same bits on every processor.
INLINE d16 logarithm(u16 word) {
#pragma clang fp contract(off)
    const d16 k = __builtin_convertvector(word, d16) + 1.0;
    const l16 bits = (l16)k;
    const int64_t root = 0x3FE6A09E667F3BCD;  // sqrt(1/2)
    const l16 exponent = (bits - root) >> 52;
    const d16 m = (d16)(bits - (exponent << 52));
    const d16 f = m - 1.0, s = f / (f + 2.0), t = s * s;
    d16 sum = t * (1.0 / 15) + 1.0 / 13;
    sum = sum * t + 1.0 / 11;
    sum = sum * t + 1.0 / 9;
    sum = sum * t + 1.0 / 7;
    sum = sum * t + 1.0 / 5;
    sum = sum * t + 1.0 / 3;
    sum = sum * t + 1.0;
    return __builtin_convertvector(exponent - 32, d16) * 0.693147180559945309417 + 2.0 * s * sum;
}

// cos and sin of 2 pi word 2^-32: the nearest multiple of a quarter turn comes off exactly, Taylor's series does the
// rest.
INLINE void circle(u16 word, d16 *cosine, d16 *sine) {
#pragma clang fp contract(off)
    const u16 quarter = (word + 0x20000000u) >> 30;
    const d16 angle = __builtin_convertvector((i16)(word - (quarter << 30)), d16) * 0x1.921fb54442d18p-30;
    const d16 t = angle * angle;
    d16 s = t * (1.0 / 6227020800) - 1.0 / 39916800;
    s = s * t + 1.0 / 362880;
    s = s * t - 1.0 / 5040;
    s = s * t + 1.0 / 120;
    s = s * t - 1.0 / 6;
    s = s * t * angle + angle;
    d16 c = t * (-1.0 / 87178291200) + 1.0 / 479001600;
    c = c * t - 1.0 / 3628800;
    c = c * t + 1.0 / 40320;
    c = c * t - 1.0 / 720;
    c = c * t + 1.0 / 24;
    c = c * t - 0.5;
    c = c * t + 1.0;
    const l16 turn = __builtin_convertvector(quarter, l16);
    const l16 swap = -(turn & 1), sine_sign = (turn & 2) << 62, cosine_sign = ((turn + 1) & 2) << 62;
    *cosine = (d16)(((swap & (l16)s) | (~swap & (l16)c)) ^ cosine_sign);
    *sine = (d16)(((swap & (l16)c) | (~swap & (l16)s)) ^ sine_sign);
}

INLINE void box_muller(u16 first, u16 second, u16 *z0, u16 *z1) {
#pragma clang fp contract(off)
    const d16 radius = __builtin_elementwise_sqrt(-2.0 * logarithm(first));
    d16 cosine, sine;
    circle(second, &cosine, &sine);
    *z0 = (u16)__builtin_convertvector(radius * cosine, f16);
    *z1 = (u16)__builtin_convertvector(radius * sine, f16);
}

static void fill_normal(float *out, size_t count, diptych_address address, uint32_t item) {
    for (size_t i = 0; i < count; i += 64) {
        u16 words[4], normals[4], ordered[4];
        philox(LANE_INDICES + (uint32_t)(i / 4), item, address, words);
        box_muller(words[0], words[1], &normals[0], &normals[1]);
        box_muller(words[2], words[3], &normals[2], &normals[3]);
        interleave(normals, ordered);
        for (size_t k = 0; k < 4 && i + 16 * k < count; ++k) {
            const size_t at = i + 16 * k;
            store_part(out + at, (f16)ordered[k], count - at < 16 ? count - at : 16);
        }
    }
}
