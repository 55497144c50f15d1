// All kernels and their dispatch table, for the instruction set that the including file has switched on.
// A product and a sum in one expression may be fused where the processor can; that is a property of the level.
#pragma STDC FP_CONTRACT ON
// Vectors are passed between inlined functions only, so that their calling convention does not matter.
#pragma clang diagnostic ignored "-Wpsabi"
#include "vector.h"

#include "elementwise.h"

#include "normalization.h"

#include "batch_normalization.h"

#include "channels.h"

#include "random.h"

#include "rows.h"

#include "winograd.h"

const diptych_kernels TABLE = {
    .level = LEVEL,
    .group_norm_forward = group_norm_forward,
    .group_norm_backward = group_norm_backward,
    .group_norm_apply = group_norm_apply,
    .channel_moments = channel_moments,
    .channel_scale_shift = channel_scale_shift,
    .channel_gradient_sums = channel_gradient_sums,
    .channel_blend = channel_blend,
    .silu_forward = silu_forward,
    .silu_backward = silu_backward,
    .relu_forward = relu_forward,
    .relu_backward = relu_backward,
    .add = add,
    .accumulate = accumulate,
    .scale = scale,
    .channel_sums = channel_sums,
    .concatenate_channels = concatenate_channels,
    .split_channels = split_channels,
    .upsample_nearest_forward = upsample_nearest_forward,
    .upsample_nearest_backward = upsample_nearest_backward,
    .block_channels = block_channels,
    .unblock_channels = unblock_channels,
    .images_to_tokens = images_to_tokens,
    .tokens_to_images = tokens_to_images,
    .dropout = dropout,
    .fill_uniform = fill_uniform,
    .fill_normal = fill_normal,
    .softmax_forward = softmax_forward,
    .softmax_backward = softmax_backward,
    .add_row_bias = add_row_bias,
    .accumulate_column_sums = accumulate_column_sums,
    .squared_difference = squared_difference,
    .scaled_difference = scaled_difference,
    .squared_norm = squared_norm,
    .adam = adam,
    .momentum_descent = momentum_descent,
    .winograd_scratch_floats = winograd_scratch_floats,
    .winograd_forward = winograd_forward,
    .winograd_source_gradient = winograd_source_gradient,
    .winograd_weights_gradient = winograd_weights_gradient,
};
