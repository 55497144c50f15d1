// Kernels that know where channels lie: sums, concatenation, resampling, layouts.

static void channel_sums(
    const float *x, float *sums, size_t images, size_t channels, size_t pixels, size_t block) {
    const size_t count = pixels * block;
    for (size_t n = 0; n < images; ++n) {
        for (size_t c = 0; c < channels; c += block) {
            d16 sum = {0};
            for (size_t i = 0; i < count;) {
                f16 s = {0};
                const size_t end = i + 16 * CHUNK <= count ? i + 16 * CHUNK : count;
                for (; i + 16 <= end; i += 16) s += load(x + i);
                if (i < end) {
                    s += load_part(x + i, end - i);
                    i = end;
                }
                sum += widen(s);
            }
            double totals[16];
            fold_lanes(sum, block, totals);
            for (size_t k = 0; k < block && c + k < channels; ++k) sums[n * channels + c + k] = (float)totals[k];
            x += count;
        }
    }
}

// out[p, l] = from[l][p] with all strides equal to the block; a null lane is written with zeros.
INLINE void gather_lanes(float *out, const float *const *from, size_t pixels, size_t block) {
    for (size_t p = 0; p < pixels; ++p) {
        for (size_t l = 0; l < block; ++l) out[p * block + l] = from[l] ? from[l][p * block] : 0;
    }
}

INLINE const float *channel_start(const float *x, size_t channel, size_t pixels, size_t block) {
    return x + channel / block * block * pixels + channel % block;
}

static void concatenate_channels(
    const float *a, const float *b, float *out, size_t images, size_t a_channels, size_t b_channels, size_t pixels,
    size_t block) {
    const size_t a_size = block_count(a_channels, block) * block * pixels;
    const size_t b_size = block_count(b_channels, block) * block * pixels;
    const size_t channels = a_channels + b_channels;
    for (size_t n = 0; n < images; ++n, a += a_size, b += b_size) {
        if (a_channels % block == 0) {
            memcpy(out, a, a_size * sizeof(float));
            memcpy(out + a_size, b, b_size * sizeof(float));
            out += a_size + b_size;
            continue;
        }
        for (size_t c = 0; c < channels; c += block, out += block * pixels) {
            const float *from[16] = {0};
            for (size_t l = 0; l < block && c + l < channels; ++l) {
                const size_t k = c + l;
                from[l] = k < a_channels ? channel_start(a, k, pixels, block)
                                         : channel_start(b, k - a_channels, pixels, block);
            }
            FOR_BLOCK(block, gather_lanes(out, from, pixels, B))
        }
    }
}

// The channels first ..< first + channels of one image.
INLINE void extract_channels(
    const float *x, float *out, size_t first, size_t channels, size_t pixels, size_t block) {
    if (first % block == 0 && channels % block == 0) {
        memcpy(out, x + first * pixels, channels * pixels * sizeof(float));
        return;
    }
    for (size_t c = 0; c < channels; c += block, out += block * pixels) {
        const float *from[16] = {0};
        for (size_t l = 0; l < block && c + l < channels; ++l) {
            from[l] = channel_start(x, first + c + l, pixels, block);
        }
        FOR_BLOCK(block, gather_lanes(out, from, pixels, B))
    }
}

static void split_channels(
    const float *x, float *a, float *b, size_t images, size_t a_channels, size_t b_channels, size_t pixels,
    size_t block) {
    const size_t size = block_count(a_channels + b_channels, block) * block * pixels;
    for (size_t n = 0; n < images; ++n, x += size) {
        extract_channels(x, a, 0, a_channels, pixels, block);
        extract_channels(x, b, a_channels, b_channels, pixels, block);
        a += block_count(a_channels, block) * block * pixels;
        b += block_count(b_channels, block) * block * pixels;
    }
}

// PyTorch's rule (aten/src/ATen/native/UpSample.h), which computes in float.
INLINE size_t nearest_source(size_t index, size_t size, size_t out_size) {
    if (out_size == size) return index;
    if (out_size == 2 * size) return index / 2;
    const float ratio = (float)size / (float)out_size;
    const size_t source = (size_t)((float)index * ratio);
    return source < size ? source : size - 1;
}

INLINE void copy_pixel(float *to, const float *from, size_t block) { memcpy(to, from, block * sizeof(float)); }

INLINE void upsample_plane(
    const float *x, float *out, size_t height, size_t width, size_t out_height, size_t out_width, size_t block) {
    for (size_t i = 0; i < out_height; ++i, out += out_width * block) {
        const size_t row = nearest_source(i, height, out_height);
        if (i > 0 && row == nearest_source(i - 1, height, out_height)) {
            memcpy(out, out - out_width * block, out_width * block * sizeof(float));
            continue;
        }
        const float *from = x + row * width * block;
        if (out_width == 2 * width) {
            for (size_t j = 0; j < width; ++j) {
                copy_pixel(out + 2 * j * block, from + j * block, block);
                copy_pixel(out + (2 * j + 1) * block, from + j * block, block);
            }
        } else {
            for (size_t j = 0; j < out_width; ++j) {
                copy_pixel(out + j * block, from + nearest_source(j, width, out_width) * block, block);
            }
        }
    }
}

static void upsample_nearest_forward(
    const float *x, float *out, size_t images, size_t channels, size_t height, size_t width, size_t out_height,
    size_t out_width, size_t block) {
    for (size_t plane = 0; plane < images * block_count(channels, block); ++plane) {
        FOR_BLOCK(block, upsample_plane(x, out, height, width, out_height, out_width, B))
        x += height * width * block;
        out += out_height * out_width * block;
    }
}

INLINE void upsample_gradient_plane(
    const float *dout, float *dx, size_t height, size_t width, size_t out_height, size_t out_width, size_t block) {
    if (out_height == 2 * height && out_width == 2 * width) {
        for (size_t i = 0; i < height; ++i) {
            const float *upper = dout + 2 * i * out_width * block, *lower = upper + out_width * block;
            for (size_t j = 0; j < width; ++j, dx += block, upper += 2 * block, lower += 2 * block) {
                const f16 a = load_part(upper, block) + load_part(upper + block, block);
                const f16 b = load_part(lower, block) + load_part(lower + block, block);
                store_part(dx, a + b, block);
            }
        }
        return;
    }
    memset(dx, 0, height * width * block * sizeof(float));
    for (size_t i = 0; i < out_height; ++i) {
        float *to = dx + nearest_source(i, height, out_height) * width * block;
        for (size_t j = 0; j < out_width; ++j, dout += block) {
            float *pixel = to + nearest_source(j, width, out_width) * block;
            store_part(pixel, load_part(pixel, block) + load_part(dout, block), block);
        }
    }
}

static void upsample_nearest_backward(
    const float *dout, float *dx, size_t images, size_t channels, size_t height, size_t width, size_t out_height,
    size_t out_width, size_t block) {
    for (size_t plane = 0; plane < images * block_count(channels, block); ++plane) {
        FOR_BLOCK(block, upsample_gradient_plane(dout, dx, height, width, out_height, out_width, B))
        dx += height * width * block;
        dout += out_height * out_width * block;
    }
}

// out[c, r] = x[r, c] for r < rows and c < columns, in tiles that fit the first cache.
INLINE void transpose(
    const float *x, size_t x_stride, float *out, size_t out_stride, size_t rows, size_t columns) {
    for (size_t c = 0; c < columns; c += 16) {
        const size_t column_end = c + 16 < columns ? c + 16 : columns;
        for (size_t r = 0; r < rows; r += 16) {
            if (r + 16 <= rows && c + 16 <= columns) {
                float tile[16][16];
                for (size_t i = 0; i < 16; ++i) {
                    for (size_t j = 0; j < 16; ++j) tile[j][i] = x[(r + i) * x_stride + c + j];
                }
                for (size_t j = 0; j < 16; ++j) store(out + (c + j) * out_stride + r, load(tile[j]));
                continue;
            }
            const size_t row_end = r + 16 < rows ? r + 16 : rows;
            for (size_t j = c; j < column_end; ++j) {
                for (size_t i = r; i < row_end; ++i) out[j * out_stride + i] = x[i * x_stride + j];
            }
        }
    }
}

static void block_channels(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    for (size_t n = 0; n < images; ++n) {
        for (size_t c = 0; c < channels; c += block, out += block * pixels) {
            const size_t here = c + block < channels ? block : channels - c;
            if (here < block) memset(out, 0, block * pixels * sizeof(float));
            transpose(x + (n * channels + c) * pixels, pixels, out, block, here, pixels);
        }
    }
}

static void unblock_channels(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    for (size_t n = 0; n < images; ++n) {
        for (size_t c = 0; c < channels; c += block, x += block * pixels) {
            const size_t here = c + block < channels ? block : channels - c;
            transpose(x, block, out + (n * channels + c) * pixels, pixels, pixels, here);
        }
    }
}

static void images_to_tokens(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    for (size_t n = 0; n < images; ++n, out += channels * pixels) {
        if (block == 1) {
            transpose(x, pixels, out, channels, channels, pixels);
            x += channels * pixels;
            continue;
        }
        for (size_t c = 0; c < channels; c += block, x += block * pixels) {
            if (c + block <= channels) {
                FOR_BLOCK(block,
                    for (size_t p = 0; p < pixels; ++p) memcpy(out + p * channels + c, x + p * B, B * sizeof(float)))
            } else {
                for (size_t p = 0; p < pixels; ++p) {
                    for (size_t l = 0; c + l < channels; ++l) out[p * channels + c + l] = x[p * block + l];
                }
            }
        }
    }
}

static void tokens_to_images(
    const float *x, float *out, size_t images, size_t channels, size_t pixels, size_t block) {
    for (size_t n = 0; n < images; ++n, x += channels * pixels) {
        if (block == 1) {
            transpose(x, channels, out, pixels, pixels, channels);
            out += channels * pixels;
            continue;
        }
        for (size_t c = 0; c < channels; c += block, out += block * pixels) {
            if (c + block <= channels) {
                FOR_BLOCK(block,
                    for (size_t p = 0; p < pixels; ++p) memcpy(out + p * B, x + p * channels + c, B * sizeof(float)))
            } else {
                memset(out, 0, block * pixels * sizeof(float));
                for (size_t p = 0; p < pixels; ++p) {
                    for (size_t l = 0; c + l < channels; ++l) out[p * block + l] = x[p * channels + c + l];
                }
            }
        }
    }
}
