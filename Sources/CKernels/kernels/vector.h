// The vectors that all kernels are written with: 16 floats, whatever the instruction set; the compiler splits them into
// the registers there are. Included once per instruction set, under that set's target attribute.

typedef float f16 __attribute__((vector_size(64)));
typedef float f16_unaligned __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef uint32_t u16 __attribute__((vector_size(64)));
typedef uint64_t u8x64 __attribute__((vector_size(64)));
typedef double d16 __attribute__((vector_size(128)));
typedef int64_t l16 __attribute__((vector_size(128)));

#define INLINE static inline __attribute__((always_inline))

INLINE f16 load(const float *p) { return *(const f16_unaligned *)p; }
INLINE void store(float *p, f16 v) { *(f16_unaligned *)p = v; }

// The last, incomplete vector of an array: n < 16 floats, the other lanes zero.
INLINE f16 load_part(const float *p, size_t n) {
    f16 v = {0};
    memcpy(&v, p, n * sizeof(float));
    return v;
}
INLINE void store_part(float *p, f16 v, size_t n) { memcpy(p, &v, n * sizeof(float)); }

INLINE f16 splat(float x) { return (f16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }
INLINE d16 widen(f16 v) { return __builtin_convertvector(v, d16); }

// Lanes of a where the mask's lane is all ones, else of b.
INLINE f16 choose(i16 mask, f16 a, f16 b) { return (f16)((mask & (i16)a) | (~mask & (i16)b)); }

// Not a number stays what it is.
INLINE f16 at_most(f16 v, f16 bound) { return choose(v > bound, bound, v); }
INLINE f16 at_least(f16 v, f16 bound) { return choose(v < bound, bound, v); }

// Adds lanes in order of their index.
INLINE double sum_lanes(d16 v) {
    double sum = 0;
    for (int i = 0; i < 16; ++i) sum += v[i];
    return sum;
}

// exp(x) for x in [-87.3, 87], held to that range outside of it; at most 2 units in the last place off. Within it
// neither the result nor its reciprocal is subnormal, which would be slow.
// Reduction to |r| <= ln(2) / 2 in two parts (Cody and Waite), then the polynomial of Moshier's Cephes expf.
INLINE f16 exponential(f16 x) {
    x = at_least(at_most(x, splat(87.0f)), splat(-87.3f));
    const f16 magic = splat(0x1.8p23f);
    const f16 shifted = x * 1.44269504088896341f + magic;
    const f16 n = shifted - magic;
    const f16 r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    f16 y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * (r * r) + r + 1.0f;
    const i16 exponent = (i16)shifted - (i16)magic;
    return (f16)((i16)y + (exponent << 23));
}

INLINE f16 logistic(f16 x) { return 1.0f / (1.0f + exponential(-x)); }
INLINE f16 silu(f16 x) { return x / (1.0f + exponential(-x)); }
INLINE f16 silu_slope(f16 x) {
    const f16 s = logistic(x);
    return s + s * x * (1.0f - s);
}

// Per-lane parameters of one channel block: lane i belongs to channel first + i % block; padding gets zero.
INLINE f16 lanes_of(const float *values, size_t first, size_t channels, size_t block) {
    f16 v = {0};
    for (size_t i = 0; i < 16; ++i) {
        const size_t channel = first + i % block;
        v[i] = channel < channels ? values[channel] : 0;
    }
    return v;
}

INLINE size_t block_count(size_t channels, size_t block) { return (channels + block - 1) / block; }

// Lets the compiler know the block: it is one of three constants inside the call.
#define FOR_BLOCK(block, call_with)                 \
    switch (block) {                                \
    case 16: { enum { B = 16 }; call_with; break; } \
    case 8: { enum { B = 8 }; call_with; break; }   \
    default: { enum { B = 1 }; call_with; break; }  \
    }
