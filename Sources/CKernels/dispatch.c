// Chooses the implementation; the functions below go through the chosen table.
#include "kernels/tables.h"

static const diptych_kernels *chosen = &diptych_kernels_baseline;

int diptych_kernels_supported(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return avx512 ? diptych_level_avx512 : avx2 ? diptych_level_avx2 : diptych_level_baseline;
#else
    return diptych_level_baseline;
#endif
}

const diptych_kernels *diptych_kernels_at(int level) {
#if defined(__x86_64__)
    if (level >= diptych_level_avx512) return &diptych_kernels_avx512;
    if (level == diptych_level_avx2) return &diptych_kernels_avx2;
#else
    (void)level;
#endif
    return &diptych_kernels_baseline;
}

int diptych_kernels_select(int cap) {
    const int supported = diptych_kernels_supported();
    chosen = diptych_kernels_at(cap < supported ? cap : supported);
    return chosen->level;
}

int diptych_kernels_level(void) {
    return chosen->level;
}

// Before main, so that no caller has to.
__attribute__((constructor)) static void select_best(void) {
    diptych_kernels_select(diptych_level_avx512);
}

void diptych_group_norm_forward(
    const float *x, const float *channel_bias, const float *gamma, const float *beta, float *out, float *mean,
    float *reciprocal_deviation, float *factors, float *shifts, size_t images, size_t channels, size_t pixels,
    size_t block, size_t groups, float epsilon, bool silu) {
    chosen->group_norm_forward(
        x, channel_bias, gamma, beta, out, mean, reciprocal_deviation, factors, shifts, images, channels, pixels,
        block, groups, epsilon, silu);
}

void diptych_group_norm_backward(
    const float *x, const float *channel_bias, const float *gamma, const float *beta, const float *mean,
    const float *reciprocal_deviation, const float *dout, float *dx, float *dgamma, float *dbeta, size_t images,
    size_t channels, size_t pixels, size_t block, size_t groups, bool silu) {
    chosen->group_norm_backward(
        x, channel_bias, gamma, beta, mean, reciprocal_deviation, dout, dx, dgamma, dbeta, images, channels, pixels,
        block, groups, silu);
}

void diptych_group_norm_apply(
    const float *x, const float *factors, const float *shifts, float *out, size_t images, size_t channels,
    size_t pixels, size_t block, bool silu) {
    chosen->group_norm_apply(x, factors, shifts, out, images, channels, pixels, block, silu);
}

void diptych_channel_moments(
    const float *x, double *means, double *squares, size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->channel_moments(x, means, squares, images, channels, pixels, block);
}

void diptych_channel_scale_shift(
    const float *x, const float *factors, const float *shifts, float *out, size_t images, size_t channels,
    size_t pixels, size_t block) {
    chosen->channel_scale_shift(x, factors, shifts, out, images, channels, pixels, block);
}

void diptych_channel_gradient_sums(
    const float *x, const float *dout, const float *factors, const float *shifts, double *sums, double *products,
    size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->channel_gradient_sums(x, dout, factors, shifts, sums, products, images, channels, pixels, block);
}

void diptych_channel_blend(
    const float *x, const float *dout, const float *from_dout, const float *from_x, const float *constants, float *dx,
    size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->channel_blend(x, dout, from_dout, from_x, constants, dx, images, channels, pixels, block);
}

void diptych_silu_forward(const float *x, float *out, size_t count) {
    chosen->silu_forward(x, out, count);
}

void diptych_silu_backward(const float *x, const float *dout, float *dx, size_t count) {
    chosen->silu_backward(x, dout, dx, count);
}

void diptych_relu_forward(const float *x, float *out, size_t count) {
    chosen->relu_forward(x, out, count);
}

void diptych_relu_backward(const float *x, const float *dout, float *dx, size_t count) {
    chosen->relu_backward(x, dout, dx, count);
}

void diptych_add(const float *a, const float *b, float *out, size_t count) {
    chosen->add(a, b, out, count);
}

void diptych_accumulate(float *a, const float *b, size_t count) {
    chosen->accumulate(a, b, count);
}

void diptych_scale(const float *x, float factor, float *out, size_t count) {
    chosen->scale(x, factor, out, count);
}

void diptych_channel_sums(const float *x, float *sums, size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->channel_sums(x, sums, images, channels, pixels, block);
}

void diptych_concatenate_channels(
    const float *a, const float *b, float *out, size_t images, size_t a_channels, size_t b_channels, size_t pixels,
    size_t block) {
    chosen->concatenate_channels(a, b, out, images, a_channels, b_channels, pixels, block);
}

void diptych_split_channels(
    const float *x, float *a, float *b, size_t images, size_t a_channels, size_t b_channels, size_t pixels,
    size_t block) {
    chosen->split_channels(x, a, b, images, a_channels, b_channels, pixels, block);
}

void diptych_upsample_nearest_forward(
    const float *x, float *out, size_t images, size_t channels, size_t height, size_t width, size_t out_height,
    size_t out_width, size_t block) {
    chosen->upsample_nearest_forward(x, out, images, channels, height, width, out_height, out_width, block);
}

void diptych_upsample_nearest_backward(
    const float *dout, float *dx, size_t images, size_t channels, size_t height, size_t width, size_t out_height,
    size_t out_width, size_t block) {
    chosen->upsample_nearest_backward(dout, dx, images, channels, height, width, out_height, out_width, block);
}

void diptych_block_channels(const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->block_channels(x, out, images, channels, pixels, block);
}

void diptych_unblock_channels(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->unblock_channels(x, out, images, channels, pixels, block);
}

void diptych_images_to_tokens(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->images_to_tokens(x, out, images, channels, pixels, block);
}

void diptych_tokens_to_images(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    chosen->tokens_to_images(x, out, images, channels, pixels, block);
}

void diptych_dropout(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block, float rate,
    diptych_address address, const uint32_t *items) {
    chosen->dropout(x, out, images, channels, pixels, block, rate, address, items);
}

void diptych_fill_uniform(float *out, size_t count, diptych_address address, uint32_t item) {
    chosen->fill_uniform(out, count, address, item);
}

void diptych_fill_normal(float *out, size_t count, diptych_address address, uint32_t item) {
    chosen->fill_normal(out, count, address, item);
}

void diptych_softmax_forward(const float *x, float *out, size_t rows, size_t columns, float scale) {
    chosen->softmax_forward(x, out, rows, columns, scale);
}

void diptych_softmax_backward(const float *p, const float *dp, float *dx, size_t rows, size_t columns, float scale) {
    chosen->softmax_backward(p, dp, dx, rows, columns, scale);
}

void diptych_add_row_bias(const float *x, const float *bias, float *out, size_t rows, size_t columns) {
    chosen->add_row_bias(x, bias, out, rows, columns);
}

void diptych_accumulate_column_sums(const float *x, float *sums, size_t rows, size_t columns) {
    chosen->accumulate_column_sums(x, sums, rows, columns);
}

double diptych_squared_difference(const float *a, const float *b, size_t count) {
    return chosen->squared_difference(a, b, count);
}

void diptych_scaled_difference(const float *a, const float *b, float factor, float *out, size_t count) {
    chosen->scaled_difference(a, b, factor, out, count);
}

double diptych_squared_norm(const float *x, size_t count) {
    return chosen->squared_norm(x, count);
}

void diptych_adam(
    float *values, const float *gradients, float *first_moment, float *second_moment, float *_Nullable ema,
    size_t count, const diptych_adam_step *step) {
    chosen->adam(values, gradients, first_moment, second_moment, ema, count, step);
}

void diptych_momentum_descent(
    float *values, const float *gradients, float *velocities, size_t count, float step_size, float momentum, float decay) {
    chosen->momentum_descent(values, gradients, velocities, count, step_size, momentum, decay);
}

size_t diptych_winograd_scratch_floats(const diptych_winograd_shape *shape, diptych_winograd_direction direction) {
    return chosen->winograd_scratch_floats(shape, direction);
}

void diptych_winograd_forward(
    const diptych_winograd_shape *shape, const float *x, const float *weights, const float *bias, float *out,
    float *scratch) {
    chosen->winograd_forward(shape, x, weights, bias, out, scratch);
}

void diptych_winograd_source_gradient(
    const diptych_winograd_shape *shape, const float *dout, const float *weights, float *dx, float *scratch) {
    chosen->winograd_source_gradient(shape, dout, weights, dx, scratch);
}

void diptych_winograd_weights_gradient(
    const diptych_winograd_shape *shape, const float *x, const float *dout, float *dweights, bool adds, float *dbias,
    bool bias_adds, float *scratch) {
    chosen->winograd_weights_gradient(shape, x, dout, dweights, adds, dbias, bias_adds, scratch);
}
