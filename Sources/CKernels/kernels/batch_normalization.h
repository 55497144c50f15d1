// What batch norm is made of: moments and sums of every channel over all images, and maps channel by channel. Images are
// put together in their order, in double.

// The blocks of a tensor whose first channel is c, image by image.
#define FOR_IMAGES(n, at) for (size_t n = 0, at = c / block * count; n < images; ++n, at += blocks * count)

static void channel_moments(
    const float *x, double *means, double *squares, size_t images, size_t channels, size_t pixels, size_t block) {
    const size_t count = pixels * block, blocks = block_count(channels, block);
    for (size_t c = 0; c < channels; c += block) {
        double mean[16] = {0}, square[16] = {0}, one_mean[16], one_square[16];
        FOR_IMAGES(n, at) {
            FOR_BLOCK(block, block_moments(x + at, pixels, B, one_mean, one_square))
            // Chan, Golub and LeVeque 1983: n images so far and one more.
            for (size_t k = 0; k < block; ++k) {
                const double distance = one_mean[k] - mean[k], share = 1 / (double)(n + 1);
                mean[k] += distance * share;
                square[k] += one_square[k] + distance * distance * (double)pixels * (double)n * share;
            }
        }
        for (size_t k = 0; k < block && c + k < channels; ++k) {
            means[c + k] = mean[k];
            squares[c + k] = square[k];
        }
    }
}

static void channel_scale_shift(
    const float *x, const float *factors, const float *shifts, float *out, size_t images, size_t channels,
    size_t pixels, size_t block) {
    const size_t count = pixels * block, blocks = block_count(channels, block);
    for (size_t c = 0; c < channels; c += block) {
        const f16 factor = lanes_of(factors, c, channels, block), shift = lanes_of(shifts, c, channels, block);
        FOR_IMAGES(n, at) block_scale_shift(x + at, out + at, count, factor, shift, false);
    }
}

static void channel_gradient_sums(
    const float *x, const float *dout, const float *factors, const float *shifts, double *sums, double *products,
    size_t images, size_t channels, size_t pixels, size_t block) {
    const size_t count = pixels * block, blocks = block_count(channels, block);
    const f16 none = {0};
    for (size_t c = 0; c < channels; c += block) {
        const f16 factor = lanes_of(factors, c, channels, block), shift = lanes_of(shifts, c, channels, block);
        double sum[16] = {0}, product[16] = {0}, one_sum[16], one_product[16];
        FOR_IMAGES(n, at) {
            FOR_BLOCK(block, block_gradient_sums(
                x + at, dout + at, NULL, count, B, factor, shift, none, none, false, one_sum, one_product))
            for (size_t k = 0; k < block; ++k) {
                sum[k] += one_sum[k];
                product[k] += one_product[k];
            }
        }
        for (size_t k = 0; k < block && c + k < channels; ++k) {
            sums[c + k] = sum[k];
            products[c + k] = product[k];
        }
    }
}

static void channel_blend(
    const float *x, const float *dout, const float *from_dout, const float *from_x, const float *constants, float *dx,
    size_t images, size_t channels, size_t pixels, size_t block) {
    const size_t count = pixels * block, blocks = block_count(channels, block);
    for (size_t c = 0; c < channels; c += block) {
        const f16 a = lanes_of(from_dout, c, channels, block), b = lanes_of(from_x, c, channels, block);
        const f16 constant = lanes_of(constants, c, channels, block);
        FOR_IMAGES(n, at) {
            const float *from = x + at, *incoming = dout + at;
            float *to = dx + at;
#define EXPRESSION(LOAD) a * LOAD(incoming + i) + (b * LOAD(from + i) + constant)
            ELEMENTWISE(to, count, EXPRESSION)
#undef EXPRESSION
        }
    }
}
#undef FOR_IMAGES
