// Kernels on matrices of rows.

static void softmax_forward(const float *x, float *out, size_t rows, size_t columns, float scale) {
    for (size_t r = 0; r < rows; ++r, x += columns, out += columns) {
        // The largest of scale x, so that a negative scale works too.
        f16 largest = splat(scale * x[0]);
        size_t i = 0;
        for (; i + 16 <= columns; i += 16) largest = at_least(scale * load(x + i), largest);
        float top = largest[0];
        for (int lane = 1; lane < 16; ++lane) top = largest[lane] > top ? largest[lane] : top;
        for (; i < columns; ++i) top = scale * x[i] > top ? scale * x[i] : top;
        f16 sum = {0};
        for (i = 0; i + 16 <= columns; i += 16) {
            const f16 e = exponential(scale * load(x + i) - top);
            sum += e;
            store(out + i, e);
        }
        double total = 0;
        if (i < columns) {
            const size_t rest = columns - i;
            const f16 e = exponential(scale * load_part(x + i, rest) - top);
            store_part(out + i, e, rest);
            for (size_t lane = 0; lane < rest; ++lane) total += e[lane];
        }
        total += sum_lanes(widen(sum));
        const float reciprocal = (float)(1 / total);
#define EXPRESSION(LOAD) reciprocal * LOAD(out + i)
        {
            ELEMENTWISE(out, columns, EXPRESSION)
        }
#undef EXPRESSION
    }
}

static void softmax_backward(
    const float *p, const float *dp, float *dx, size_t rows, size_t columns, float scale) {
    for (size_t r = 0; r < rows; ++r, p += columns, dp += columns, dx += columns) {
        f16 products = {0};
        size_t k = 0;
        for (; k + 16 <= columns; k += 16) products += load(p + k) * load(dp + k);
        if (k < columns) products += load_part(p + k, columns - k) * load_part(dp + k, columns - k);
        const float mean = (float)sum_lanes(widen(products));
#define EXPRESSION(LOAD) scale * LOAD(p + i) * (LOAD(dp + i) - mean)
        ELEMENTWISE(dx, columns, EXPRESSION)
#undef EXPRESSION
    }
}

static void add_row_bias(const float *x, const float *bias, float *out, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; ++r) add(x + r * columns, bias, out + r * columns, columns);
}

static void accumulate_column_sums(const float *x, float *sums, size_t rows, size_t columns) {
    for (size_t c = 0; c < columns; c += 16) {
        const bool whole = c + 16 <= columns;
        const size_t rest = columns - c;
        d16 total = {0};
        for (size_t r = 0; r < rows;) {
            f16 sum = {0};
            const size_t end = r + CHUNK < rows ? r + CHUNK : rows;
            for (; r < end; ++r) {
                sum += whole ? load(x + r * columns + c) : load_part(x + r * columns + c, rest);
            }
            total += widen(sum);
        }
        const f16 sum = __builtin_convertvector(total, f16);
        if (whole) {
            store(sums + c, load(sums + c) + sum);
        } else {
            store_part(sums + c, load_part(sums + c, rest) + sum, rest);
        }
    }
}
