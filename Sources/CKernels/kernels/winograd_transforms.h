// The transforms of Winograd's convolution F(4 x 4, 3 x 3), one vector of channels at a time; see winograd.h.
//
// A^T [(G g G^T) * (B^T d B)] A for tiles d of 6 x 6 source pixels and 3 x 3 kernels g (Lavin and Gray 2016, arXiv
// 1509.09308, section 4), with the points 0, 5/8, -5/8, 3/2, -3/2 and infinity, which are kinder to floats than the
// usual 0, 1, -1, 2, -2: B^T has the coefficients of the products of (x - p) over all other points p, A^T the powers of
// the points, G the same divided by N(p), the product of p's distances from the other points.

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef float lanes_unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE lanes load_lanes(const float *p) { return *(const lanes_unaligned *)p; }
INLINE void store_lanes(float *p, lanes v) { *(lanes_unaligned *)p = v; }

#define EACH(i, n) _Pragma("unroll") for (int i = 0; i < n; ++i)

// v = B^T d
INLINE void transform_source_line(const lanes d[6], lanes v[6]) {
    const lanes p = d[4] - 2.25f * d[2], q = d[3] - 2.25f * d[1];
    const lanes r = d[4] - 0.390625f * d[2], s = d[3] - 0.390625f * d[1];
    v[0] = 0.87890625f * d[0] + (d[4] - 2.640625f * d[2]);
    v[1] = p + 0.625f * q;
    v[2] = p - 0.625f * q;
    v[3] = r + 1.5f * s;
    v[4] = r - 1.5f * s;
    v[5] = 0.87890625f * d[1] + (d[5] - 2.640625f * d[3]);
}

// y = A^T m
INLINE void transform_result_line(const lanes m[6], lanes y[4]) {
    const lanes p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    y[0] = m[0] + p + r;
    y[1] = 0.625f * q + 1.5f * s;
    y[2] = 0.390625f * p + 2.25f * r;
    y[3] = 0.244140625f * q + (3.375f * s + m[5]);
}

// m = A y
INLINE void transform_gradient_line(const lanes y[4], lanes m[6]) {
    const lanes p = y[0] + 0.390625f * y[2], q = 0.625f * y[1] + 0.244140625f * y[3];
    const lanes r = y[0] + 2.25f * y[2], s = 1.5f * y[1] + 3.375f * y[3];
    m[0] = y[0];
    m[1] = p + q;
    m[2] = p - q;
    m[3] = r + s;
    m[4] = r - s;
    m[5] = y[3];
}

// 1 / N of the points 0, 5/8 and -5/8, and 3/2 and -3/2.
#define ZERO (256.0f / 225)
#define SMALL (-2048.0f / 2975)
#define LARGE (128.0f / 1071)

// u = G g
INLINE void transform_kernel_line(const lanes g[3], lanes u[6]) {
    const lanes p = SMALL * g[0] + (SMALL * 0.390625f) * g[2], q = (SMALL * 0.625f) * g[1];
    const lanes r = LARGE * g[0] + (LARGE * 2.25f) * g[2], s = (LARGE * 1.5f) * g[1];
    u[0] = ZERO * g[0];
    u[1] = p + q;
    u[2] = p - q;
    u[3] = r + s;
    u[4] = r - s;
    u[5] = g[2];
}

// g = G^T u
INLINE void transform_kernel_gradient_line(const lanes u[6], lanes g[3]) {
    const lanes p = u[1] + u[2], q = u[1] - u[2], r = u[3] + u[4], s = u[3] - u[4];
    g[0] = ZERO * u[0] + (SMALL * p + LARGE * r);
    g[1] = (SMALL * 0.625f) * q + (LARGE * 1.5f) * s;
    g[2] = (SMALL * 0.390625f) * p + ((LARGE * 2.25f) * r + u[5]);
}

#undef ZERO
#undef SMALL
#undef LARGE

// Both dimensions of a tile: columns, then rows. `get` reads element (i, j), `put` takes the result's.
#define TRANSFORM_TILE(line, from, to, get, put)         \
    {                                                    \
        lanes half[to][from];                            \
        EACH(j, from) {                                  \
            lanes column[from], changed[to];             \
            EACH(i, from) column[i] = get;               \
            line(column, changed);                       \
            EACH(i, to) half[i][j] = changed[i];         \
        }                                                \
        EACH(i, to) {                                    \
            lanes row[to];                               \
            line(half[i], row);                          \
            EACH(j, to) put;                             \
        }                                                \
    }

// A kernel's taps to its points, `step` floats apart.
INLINE void transform_kernel(const lanes g[9], float *u, size_t step) {
    TRANSFORM_TILE(transform_kernel_line, 3, 6, g[3 * i + j], store_lanes(u + (6 * i + j) * step, row[j]))
}

// The adjoint of the above.
INLINE void transform_kernel_gradient(const float *u, size_t step, lanes g[9]) {
    TRANSFORM_TILE(transform_kernel_gradient_line, 6, 3, load_lanes(u + (6 * i + j) * step), g[3 * i + j] = row[j])
}

// Exchanges rows and columns by halves: of rows `d` apart, the lanes in which the other is at home change places.
#define EXCHANGE(d)                                                  \
    EACH(i, LANES)                                                   \
    if (!(i & d)) {                                                  \
        const lanes a = rows[i], b = rows[i + d];                    \
        rows[i] = __builtin_shufflevector(a, b, FIRST_HALVES_##d);   \
        rows[i + d] = __builtin_shufflevector(a, b, LAST_HALVES_##d); \
    }

#if LANES == 16
#define FIRST_HALVES_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define LAST_HALVES_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define FIRST_HALVES_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define LAST_HALVES_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define FIRST_HALVES_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define LAST_HALVES_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define FIRST_HALVES_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define LAST_HALVES_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#else
#define FIRST_HALVES_1 0, 8, 2, 10, 4, 12, 6, 14
#define LAST_HALVES_1 1, 9, 3, 11, 5, 13, 7, 15
#define FIRST_HALVES_2 0, 1, 8, 9, 4, 5, 12, 13
#define LAST_HALVES_2 2, 3, 10, 11, 6, 7, 14, 15
#define FIRST_HALVES_4 0, 1, 2, 3, 8, 9, 10, 11
#define LAST_HALVES_4 4, 5, 6, 7, 12, 13, 14, 15
#endif

// Makes columns of LANES rows and the reverse.
INLINE void transpose_lanes(lanes rows[LANES]) {
    EXCHANGE(1)
    EXCHANGE(2)
    EXCHANGE(4)
#if LANES == 16
    EXCHANGE(8)
#endif
}
