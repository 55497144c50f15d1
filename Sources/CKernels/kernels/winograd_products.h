// The matrix products of Winograd's convolution: small enough for registers and the first cache, by the callers' choice.

// Vectors of filters that are computed together, and how many rows beside them the registers hold.
#if LANES == 16
#define VECTORS 4
#define ROWS_BESIDE(vectors) ((vectors) == 4 ? 6 : (vectors) == 3 ? 8 : 12)
#else
#define VECTORS 2
#define ROWS_BESIDE(vectors) ((vectors) == 2 ? 6 : 8)
#endif
// Rows of b that are read again and again while they lie in the first cache.
#define DEPTH 128

// Where the element of row r at depth k lies: a[r * row + k * depth].
typedef struct {
    size_t row, depth;
} product_steps;

// m[r][lane] = sum over k of a(r, k) b[k][lane], or += it; rows of b and m are `vectors` vectors.
INLINE void product_in_registers(
    int rows, int vectors, const float *a, product_steps steps, const float *b, size_t depth, float *m, bool adds) {
    lanes sums[12][VECTORS];
    EACH(r, rows)
    EACH(j, vectors) sums[r][j] = adds ? load_lanes(m + (r * vectors + j) * LANES) : (lanes){0};
    for (size_t k = 0; k < depth; ++k) {
        lanes right[VECTORS];
        EACH(j, vectors) right[j] = load_lanes(b + (k * vectors + j) * LANES);
        EACH(r, rows) {
            const float left = a[r * steps.row + k * steps.depth];
            EACH(j, vectors) sums[r][j] += left * right[j];
        }
    }
    EACH(r, rows)
    EACH(j, vectors) store_lanes(m + (r * vectors + j) * LANES, sums[r][j]);
}

#define ROWS(vectors, rows)                                                    \
    case rows:                                                                 \
        product_in_registers(rows, vectors, a, steps, b, depth, m, adds);      \
        break;
#define PRODUCT(vectors, cases)                                                                                 \
    static void product_of_##vectors(                                                                           \
        size_t rows, const float *a, product_steps steps, const float *b, size_t depth, float *m, bool adds) {  \
        switch (rows) { cases }                                                                                 \
    }
#define UP_TO_6(v) ROWS(v, 1) ROWS(v, 2) ROWS(v, 3) ROWS(v, 4) ROWS(v, 5) ROWS(v, 6)
#define UP_TO_8(v) UP_TO_6(v) ROWS(v, 7) ROWS(v, 8)
#define UP_TO_12(v) UP_TO_8(v) ROWS(v, 9) ROWS(v, 10) ROWS(v, 11) ROWS(v, 12)

#if LANES == 16
PRODUCT(4, UP_TO_6(4))
PRODUCT(3, UP_TO_8(3))
PRODUCT(2, UP_TO_12(2))
PRODUCT(1, UP_TO_12(1))
#else
PRODUCT(2, UP_TO_6(2))
PRODUCT(1, UP_TO_8(1))
#endif

// As above, of any number of rows and any depth. The order of every sum is that of k, whatever the number of rows.
static void product(
    size_t vectors, size_t rows, const float *a, product_steps steps, const float *b, size_t depth, float *m,
    bool adds) {
    const size_t most = ROWS_BESIDE(vectors), width = vectors * LANES;
    for (size_t k = 0; k < depth; k += DEPTH) {
        const size_t n = depth - k < DEPTH ? depth - k : DEPTH;
        for (size_t r = 0; r < rows; r += most) {
            const size_t some = rows - r < most ? rows - r : most;
            const float *left = a + r * steps.row + k * steps.depth, *right = b + k * width;
            float *target = m + r * width;
            switch (vectors) {
#if LANES == 16
            case 4: product_of_4(some, left, steps, right, n, target, adds || k > 0); break;
            case 3: product_of_3(some, left, steps, right, n, target, adds || k > 0); break;
#endif
            case 2: product_of_2(some, left, steps, right, n, target, adds || k > 0); break;
            default: product_of_1(some, left, steps, right, n, target, adds || k > 0);
            }
        }
    }
}
