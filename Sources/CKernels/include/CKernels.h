// Hand-written kernels for what the libraries lack or do slowly.
//
// Glossary. N images of C channels and H x W = `pixels` pixels lie in memory as (N, ceil(C / b), pixels, b), where the
// block b is 1 (plain NCHW), 8 or 16. The channels that fill up the last block ("padding") hold zeros on entry, and
// every kernel leaves zeros there. "Plain" arrays, such as (N, C), have no padding. All arrays are float, in row-major
// order; memory aligned to 64 bytes is fastest, but any float alignment is correct. `out` may be one of the inputs
// where the comment says "in place"; otherwise arrays do not overlap. Kernels allocate nothing that outlives the call.
//
// Each kernel is compiled for three instruction sets. For a given one its result is a pure function of its arguments:
// every sum has a fixed order. Random numbers are the same bits for all three.
#pragma once
#include <gnu/libc-version.h>  // for the numerics profile; Swift's Glibc module leaves it out
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// The instruction sets that the kernels are compiled for, each containing the one before.
enum { diptych_level_baseline = 0, diptych_level_avx2 = 1, diptych_level_avx512 = 2 };

/// The best level of this processor.
int diptych_kernels_supported(void);

/// Makes the functions below use the best level that is at most `cap` and that the processor has, and returns it.
/// Before the first call they use the best one. Call it before computing; it is not synchronised.
int diptych_kernels_select(int cap);

/// The level that the functions below use.
int diptych_kernels_level(void);

// MARK: Normalisation

/// Group norm (Wu and He 2018, equation 1), optionally followed by SiLU: out = act((x + bias - mean) rdev gamma + beta).
///
/// `channel_bias` is plain (N, C), or null for none. Statistics are per (image, group) with the biased variance,
/// accumulated in double; `mean` and `reciprocal_deviation`, both (N, groups), are outputs that the backward pass needs;
/// so are `factors` and `shifts`, plain (N, C), by which `diptych_group_norm_apply` makes `out` again. `gamma` and
/// `beta` are plain (C). In place. C must be a multiple of `groups`.
void diptych_group_norm_forward(
    const float *x, const float *_Nullable channel_bias, const float *gamma, const float *beta, float *out,
    float *mean, float *reciprocal_deviation, float *factors, float *shifts, size_t images, size_t channels,
    size_t pixels, size_t block, size_t groups, float epsilon, bool silu);

/// The gradients of `diptych_group_norm_forward`. `dx` is overwritten and may be `dout`; its sums over pixels are the
/// gradient of `channel_bias`. `dgamma` and `dbeta`, plain (C), are added to. `x` and `channel_bias` are the forward
/// pass's; SiLU's derivative is computed from them again.
void diptych_group_norm_backward(
    const float *x, const float *_Nullable channel_bias, const float *gamma, const float *beta, const float *mean,
    const float *reciprocal_deviation, const float *dout, float *dx, float *dgamma, float *dbeta, size_t images,
    size_t channels, size_t pixels, size_t block, size_t groups, bool silu);

/// out = act(x factor + shift), with a factor and a shift for each channel of each image, plain (N, C). In place.
void diptych_group_norm_apply(
    const float *x, const float *factors, const float *shifts, float *out, size_t images, size_t channels,
    size_t pixels, size_t block, bool silu);

/// For each channel over all images and pixels: the mean, and the sum of (x - mean)^2. Both plain (C), overwritten, double.
void diptych_channel_moments(
    const float *x, double *means, double *squares, size_t images, size_t channels, size_t pixels, size_t block);

/// out[n, c, h, w] = x[n, c, h, w] factors[c] + shifts[c]; `factors` and `shifts` are plain (C). In place.
void diptych_channel_scale_shift(
    const float *x, const float *factors, const float *shifts, float *out, size_t images, size_t channels,
    size_t pixels, size_t block);

/// For each channel over all images and pixels: the sum of dout, and that of dout (x factors[c] + shifts[c]). Both plain
/// (C), overwritten, double.
void diptych_channel_gradient_sums(
    const float *x, const float *dout, const float *factors, const float *shifts, double *sums, double *products,
    size_t images, size_t channels, size_t pixels, size_t block);

/// dx = from_dout[c] dout + from_x[c] x + constants[c], all three plain (C). `dx` may be `dout` or `x`.
void diptych_channel_blend(
    const float *x, const float *dout, const float *from_dout, const float *from_x, const float *constants, float *dx,
    size_t images, size_t channels, size_t pixels, size_t block);

// MARK: Elementwise (any layout, `count` floats including padding)

/// out = x / (1 + exp(-x)). In place.
void diptych_silu_forward(const float *x, float *out, size_t count);

/// dx = dout s (1 + x (1 - s)), s = 1 / (1 + exp(-x)). `dx` may be `dout` or `x`.
void diptych_silu_backward(const float *x, const float *dout, float *dx, size_t count);

/// out = max(x, 0). In place.
void diptych_relu_forward(const float *x, float *out, size_t count);

/// dx = x > 0 ? dout : 0. `dx` may be `dout` or `x`.
void diptych_relu_backward(const float *x, const float *dout, float *dx, size_t count);

/// out = a + b. In place.
void diptych_add(const float *a, const float *b, float *out, size_t count);

/// a += b.
void diptych_accumulate(float *a, const float *b, size_t count);

/// out = factor x. In place.
void diptych_scale(const float *x, float factor, float *out, size_t count);

// MARK: Channels

/// sums[n, c] = the sum of x[n, c, h, w] over h and w (overwrites; plain (N, C)).
void diptych_channel_sums(
    const float *x, float *sums, size_t images, size_t channels, size_t pixels, size_t block);

/// out = a's channels, then b's. Neither count needs to be a multiple of the block.
void diptych_concatenate_channels(
    const float *a, const float *b, float *out, size_t images, size_t a_channels, size_t b_channels, size_t pixels,
    size_t block);

/// The reverse of `diptych_concatenate_channels`; overwrites `a` and `b`, padding included.
void diptych_split_channels(
    const float *x, float *a, float *b, size_t images, size_t a_channels, size_t b_channels, size_t pixels,
    size_t block);

// MARK: Resampling

/// Nearest neighbour: out[.., i, j] = x[.., s(i), s(j)], where s(i) = 2i for twice the size halved, and otherwise
/// PyTorch's min(floor(i * (in / out)), in - 1) in float arithmetic, the mode "nearest" of
/// `torch.nn.functional.interpolate`.
void diptych_upsample_nearest_forward(
    const float *x, float *out, size_t images, size_t channels, size_t height, size_t width, size_t out_height,
    size_t out_width, size_t block);

/// Its gradient: dx (of `height` x `width`, overwritten) sums what of `dout` was copied from each pixel.
void diptych_upsample_nearest_backward(
    const float *dout, float *dx, size_t images, size_t channels, size_t height, size_t width, size_t out_height,
    size_t out_width, size_t block);

// MARK: Layouts

/// Plain NCHW to blocks of `block`; padding is written with zeros.
void diptych_block_channels(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block);

/// Blocks of `block` to plain NCHW.
void diptych_unblock_channels(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block);

/// Images to tokens: (N, C, pixels) in blocks to plain (N, pixels, C).
void diptych_images_to_tokens(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block);

/// Tokens to images: plain (N, pixels, C) to (N, C, pixels) in blocks; padding is written with zeros.
void diptych_tokens_to_images(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block);

// MARK: Addressed randomness (Philox4x32-10, see RandomSource)

/// The part of an address that all elements share: the source's key and the step.
typedef struct {
    uint32_t key0;
    uint32_t key1;
    uint64_t step;
} diptych_address;

/// out = keep ? x / (1 - rate) : 0, where element e of image n, e being its logical index in (C, H, W), is kept if and
/// only if (word >> 8) 2^-24 >= rate for its word at (step, items[n], e). `rate` in [0, 1). In place. The gradient is
/// the same function of the gradient: dx = dropout(dout).
void diptych_dropout(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block, float rate,
    diptych_address address, const uint32_t *items);

/// Elements 0 ..< count of (step, item), uniform in [0, 1): (word >> 8) 2^-24.
void diptych_fill_uniform(float *out, size_t count, diptych_address address, uint32_t item);

/// Elements 0 ..< count of (step, item), standard normal by Box and Muller: elements 2k and 2k + 1 are r cos(2 pi u2)
/// and r sin(2 pi u2), r = sqrt(-2 ln u1), u1 = (word[2k] + 1) 2^-32 in (0, 1], u2 = word[2k + 1] 2^-32; own
/// double-precision polynomials, rounded once to float.
void diptych_fill_normal(float *out, size_t count, diptych_address address, uint32_t item);

// MARK: Rows: (rows, columns), row-major, no padding

/// out[r, :] = softmax(scale x[r, :]). In place.
void diptych_softmax_forward(const float *x, float *out, size_t rows, size_t columns, float scale);

/// dx = scale p (dp - sum(p dp)) for each row; `p` is the forward pass's output. `dx` may be `dp`.
void diptych_softmax_backward(
    const float *p, const float *dp, float *dx, size_t rows, size_t columns, float scale);

/// out[r, c] = x[r, c] + bias[c]. In place.
void diptych_add_row_bias(const float *x, const float *bias, float *out, size_t rows, size_t columns);

/// sums[c] += the sum of x[r, c] over r.
void diptych_accumulate_column_sums(const float *x, float *sums, size_t rows, size_t columns);

// MARK: Sums in double

/// The sum of (a - b)^2, in double. The mean squared error is this over the logical number of elements.
double diptych_squared_difference(const float *a, const float *b, size_t count);

/// out = factor (a - b): the gradient of the mean squared error for factor = 2 gradient / elements. In place.
void diptych_scaled_difference(const float *a, const float *b, float factor, float *out, size_t count);

/// The sum of x^2, in double.
double diptych_squared_norm(const float *x, size_t count);

// MARK: Optimizer

/// One step of Adam or AdamW; all corrections are computed by the caller in double and rounded once.
typedef struct {
    float gradient_scale;        ///< multiplies the gradient first: the clip coefficient
    float beta1_complement;      ///< 1 - beta1
    float beta2;
    float beta2_complement;      ///< 1 - beta2
    float epsilon;
    float step_size;             ///< learning rate / (1 - beta1^t)
    float deviation_correction;  ///< 1 / sqrt(1 - beta2^t)
    float coupled_decay;         ///< added to the gradient, times the value: Adam's weight decay
    float decoupled_factor;      ///< multiplies the value: 1 - learning rate * weight decay for AdamW, else 1
    float ema_complement;        ///< 1 - EMA decay
} diptych_adam_step;

/// Updates `count` values, both moments and, if not null, the moving average, in one pass over memory:
/// value *= decoupled; g = scale gradient + coupled value; m += (1 - beta1)(g - m); v = beta2 v + (1 - beta2) g^2;
/// value -= step_size m / (sqrt(v) correction + epsilon); ema += (1 - decay)(value - ema).
void diptych_adam(
    float *values, const float *gradients, float *first_moment, float *second_moment, float *_Nullable ema,
    size_t count, const diptych_adam_step *step);

/// Updates `count` values and their velocities in one pass over memory: g = gradient + decay value;
/// velocity = momentum velocity + g; value -= step_size velocity.
void diptych_momentum_descent(
    float *values, const float *gradients, float *velocities, size_t count, float step_size, float momentum, float decay);

// MARK: Convolution by Winograd's algorithm

/// A convolution with 3 x 3 kernels and steps of one pixel: (N, C, height, width) to (N, O, result height, result width)
/// with `top` and `left` rows and columns of zeros before the image, 0 to 2, and what zeros are needed behind it.
typedef struct {
    size_t images, channels, filters, height, width, top, left, result_height, result_width;
} diptych_winograd_shape;

/// What of a convolution is computed.
typedef enum {
    diptych_winograd_result = 0,
    diptych_winograd_of_source = 1,
    diptych_winograd_of_weights = 2,
} diptych_winograd_direction;

// Images are in blocks of 16 channels at the AVX-512 level, of 8 below; weights are plain (O, C, 3, 3), biases plain (O).
// `scratch` holds the floats that `diptych_winograd_scratch_floats` says, contents arbitrary, aligned to 64 bytes.
// What is computed of one image does not depend on the others, but for the gradients of weights and biases.

/// Floats of scratch memory that one direction needs.
size_t diptych_winograd_scratch_floats(const diptych_winograd_shape *shape, diptych_winograd_direction direction);

/// out[n, o, i, j] = bias[o] + sum over c, k, l of weights[o, c, k, l] x[n, c, i + k - top, j + l - left].
void diptych_winograd_forward(
    const diptych_winograd_shape *shape, const float *x, const float *weights, const float *_Nullable bias, float *out,
    float *scratch);

/// The gradient of x.
void diptych_winograd_source_gradient(
    const diptych_winograd_shape *shape, const float *dout, const float *weights, float *dx, float *scratch);

/// Writes the gradients of weights and bias, or adds them where `adds` and `bias_adds` say so.
void diptych_winograd_weights_gradient(
    const diptych_winograd_shape *shape, const float *x, const float *dout, float *dweights, bool adds,
    float *_Nullable dbias, bool bias_adds, float *scratch);

// MARK: The dispatch table

/// One implementation of every kernel; `diptych_kernels_at` gives that of one level, which tests compare.
typedef struct {
    int level;
    __typeof__(diptych_group_norm_forward) *group_norm_forward;
    __typeof__(diptych_group_norm_backward) *group_norm_backward;
    __typeof__(diptych_group_norm_apply) *group_norm_apply;
    __typeof__(diptych_channel_moments) *channel_moments;
    __typeof__(diptych_channel_scale_shift) *channel_scale_shift;
    __typeof__(diptych_channel_gradient_sums) *channel_gradient_sums;
    __typeof__(diptych_channel_blend) *channel_blend;
    __typeof__(diptych_silu_forward) *silu_forward;
    __typeof__(diptych_silu_backward) *silu_backward;
    __typeof__(diptych_relu_forward) *relu_forward;
    __typeof__(diptych_relu_backward) *relu_backward;
    __typeof__(diptych_add) *add;
    __typeof__(diptych_accumulate) *accumulate;
    __typeof__(diptych_scale) *scale;
    __typeof__(diptych_channel_sums) *channel_sums;
    __typeof__(diptych_concatenate_channels) *concatenate_channels;
    __typeof__(diptych_split_channels) *split_channels;
    __typeof__(diptych_upsample_nearest_forward) *upsample_nearest_forward;
    __typeof__(diptych_upsample_nearest_backward) *upsample_nearest_backward;
    __typeof__(diptych_block_channels) *block_channels;
    __typeof__(diptych_unblock_channels) *unblock_channels;
    __typeof__(diptych_images_to_tokens) *images_to_tokens;
    __typeof__(diptych_tokens_to_images) *tokens_to_images;
    __typeof__(diptych_dropout) *dropout;
    __typeof__(diptych_fill_uniform) *fill_uniform;
    __typeof__(diptych_fill_normal) *fill_normal;
    __typeof__(diptych_softmax_forward) *softmax_forward;
    __typeof__(diptych_softmax_backward) *softmax_backward;
    __typeof__(diptych_add_row_bias) *add_row_bias;
    __typeof__(diptych_accumulate_column_sums) *accumulate_column_sums;
    __typeof__(diptych_squared_difference) *squared_difference;
    __typeof__(diptych_scaled_difference) *scaled_difference;
    __typeof__(diptych_squared_norm) *squared_norm;
    __typeof__(diptych_adam) *adam;
    __typeof__(diptych_momentum_descent) *momentum_descent;
    __typeof__(diptych_winograd_scratch_floats) *winograd_scratch_floats;
    __typeof__(diptych_winograd_forward) *winograd_forward;
    __typeof__(diptych_winograd_source_gradient) *winograd_source_gradient;
    __typeof__(diptych_winograd_weights_gradient) *winograd_weights_gradient;
} diptych_kernels;

/// The kernels of one level. The processor must have it.
const diptych_kernels *diptych_kernels_at(int level);

#pragma clang assume_nonnull end
