// Convolution with 3 x 3 kernels by Winograd's algorithm F(4 x 4, 3 x 3): a quarter of the multiplications.
//
// Tiles of 4 x 4 result pixels are taken in blocks whose transformed numbers stay in the caches. For each of the 36
// points a block is one matrix product: tiles by channels times channels by filters, or, for the gradient of the weights,
// channels by tiles times tiles by filters. Kernels are transformed from the parameter's own order, once for each call, and
// their gradients back into it. Filters are taken in groups of VECTORS vectors.
#include "winograd_transforms.h"

#include "winograd_products.h"

#define POINTS 36
#define BLOCK_TILES 64

typedef diptych_winograd_shape winograd_shape;

// How one call goes through its tiles, and where its scratch memory lies. One vector more than needed between points:
// with a power of two they would all fall into the same few lines of the caches.
typedef struct {
    size_t channels, filters;            // in full vectors
    size_t down, across, tiles;          // tiles of an image, of all
    size_t block, blocks;                // tiles of a block, blocks
    size_t groups;                       // of filters
    size_t v_step, m_step, u_step;       // from point to point
    size_t m_group, u_group;             // from group to group
    size_t v, m, u, sums;                // floats of each part
} winograd_plan;

INLINE size_t full_lanes(size_t n) { return (n + LANES - 1) / LANES * LANES; }

static winograd_plan plan_winograd(const winograd_shape *shape, bool of_weights) {
    winograd_plan p;
    p.channels = full_lanes(shape->channels);
    p.filters = full_lanes(shape->filters);
    p.down = (shape->result_height + 3) / 4;
    p.across = (shape->result_width + 3) / 4;
    p.tiles = shape->images * p.down * p.across;
    const size_t blocks = (p.tiles + BLOCK_TILES - 1) / BLOCK_TILES;
    p.block = (p.tiles + blocks - 1) / blocks;
    p.blocks = (p.tiles + p.block - 1) / p.block;
    p.groups = (p.filters + VECTORS * LANES - 1) / (VECTORS * LANES);
    const size_t width = p.groups > 1 ? VECTORS * LANES : p.filters;
    p.v_step = p.block * p.channels + LANES;
    p.m_step = p.block * width + LANES;
    p.u_step = p.channels * width + LANES;
    // With one block of tiles, a group's transformed kernels are done with when the next group comes.
    p.u_group = p.blocks > 1 ? POINTS * p.u_step : 0;
    p.m_group = of_weights ? POINTS * p.m_step : 0;
    p.v = POINTS * p.v_step;
    p.m = POINTS * p.m_step * (of_weights ? p.groups : 1);
    p.u = POINTS * p.u_step * (p.blocks > 1 ? p.groups : 1);
    p.sums = of_weights ? p.filters : 0;
    return p;
}

INLINE size_t group_vectors(const winograd_plan *p, size_t group) {
    const size_t left = p->filters / LANES - group * VECTORS;
    return left < VECTORS ? left : VECTORS;
}

// A tile: its image, its first result pixel, and how many of its 4 x 4 pixels there are.
typedef struct {
    size_t image, y, x, rows, columns;
} winograd_tile;

INLINE winograd_tile tile_at(const winograd_shape *shape, const winograd_plan *p, size_t index) {
    winograd_tile t = {.image = index / (p->down * p->across),
                       .y = 4 * (index / p->across % p->down),
                       .x = 4 * (index % p->across)};
    t.rows = shape->result_height - t.y < 4 ? shape->result_height - t.y : 4;
    t.columns = shape->result_width - t.x < 4 ? shape->result_width - t.x : 4;
    return t;
}

// The 6 x 6 source pixels of a tile that reaches over the image's edge, with zeros around the image.
static void fill_edge(
    const winograd_shape *shape, const float *image, ptrdiff_t top, ptrdiff_t left, lanes edge[6][6]) {
    for (ptrdiff_t i = 0; i < 6; ++i)
        for (ptrdiff_t j = 0; j < 6; ++j) {
            const ptrdiff_t y = top + i, x = left + j;
            const bool there = y >= 0 && y < (ptrdiff_t)shape->height && x >= 0 && x < (ptrdiff_t)shape->width;
            edge[i][j] = there ? load_lanes(image + (y * (ptrdiff_t)shape->width + x) * LANES) : (lanes){0};
        }
}

// v[point][tile][channel] = B^T d B.
static void transform_source(
    const winograd_shape *shape, const winograd_plan *p, const float *x, size_t first, size_t tiles, float *v) {
    const ptrdiff_t height = (ptrdiff_t)shape->height, width = (ptrdiff_t)shape->width;
    for (size_t t = 0; t < tiles; ++t) {
        const winograd_tile tile = tile_at(shape, p, first + t);
        const ptrdiff_t top = (ptrdiff_t)tile.y - (ptrdiff_t)shape->top, left = (ptrdiff_t)tile.x - (ptrdiff_t)shape->left;
        const bool is_inside = top >= 0 && left >= 0 && top + 6 <= height && left + 6 <= width;
        for (size_t c = 0; c < p->channels; c += LANES) {
            const float *image = x + (tile.image * p->channels + c) * shape->height * shape->width;
            lanes edge[6][6];
            if (!is_inside) fill_edge(shape, image, top, left, edge);
            const float *source = is_inside ? image + (top * width + left) * LANES : (const float *)edge;
            const size_t row_step = is_inside ? shape->width * LANES : 6 * LANES;
            float *target = v + t * p->channels + c;
            TRANSFORM_TILE(
                transform_source_line, 6, 6, load_lanes(source + i * row_step + j * LANES),
                store_lanes(target + (6 * i + j) * p->v_step, row[j]))
        }
    }
}

// out = A^T m A + bias, for one group of filters; m[point][tile][filter].
static void transform_result(
    const winograd_shape *shape, const winograd_plan *p, const float *m, const float *bias, size_t first, size_t tiles,
    size_t group, float *out) {
    const size_t vectors = group_vectors(p, group);
    for (size_t t = 0; t < tiles; ++t) {
        const winograd_tile tile = tile_at(shape, p, first + t);
        for (size_t k = 0; k < vectors; ++k) {
            const size_t filter = (group * VECTORS + k) * LANES;
            const float *source = m + (t * vectors + k) * LANES;
            float *target = out
                + ((tile.image * p->filters + filter) * shape->result_height + tile.y * LANES) * shape->result_width
                + tile.x * LANES;
            lanes shift = {0};
            if (bias) {
                const size_t real = shape->filters - filter < LANES ? shape->filters - filter : LANES;
                memcpy(&shift, bias + filter, real * sizeof(float));
            }
            const size_t rows = tile.rows, columns = tile.columns, row_step = shape->result_width * LANES;
            if (rows == 4 && columns == 4) {
                TRANSFORM_TILE(
                    transform_result_line, 6, 4, load_lanes(source + (6 * i + j) * p->m_step),
                    store_lanes(target + i * row_step + j * LANES, row[j] + shift))
            } else {
                TRANSFORM_TILE(
                    transform_result_line, 6, 4, load_lanes(source + (6 * i + j) * p->m_step),
                    if ((size_t)i < rows && (size_t)j < columns)
                        store_lanes(target + i * row_step + j * LANES, row[j] + shift))
            }
        }
    }
}

// m[group][point][tile][filter] = A dout A^T; sums[filter] += dout.
static void transform_gradient(
    const winograd_shape *shape, const winograd_plan *p, const float *dout, size_t first, size_t tiles, float *m,
    float *sums) {
    for (size_t t = 0; t < tiles; ++t) {
        const winograd_tile tile = tile_at(shape, p, first + t);
        for (size_t filter = 0; filter < p->filters; filter += LANES) {
            const size_t group = filter / (VECTORS * LANES), k = filter / LANES % VECTORS;
            const float *source = dout
                + ((tile.image * p->filters + filter) * shape->result_height + tile.y * LANES) * shape->result_width
                + tile.x * LANES;
            float *target = m + group * p->m_group + (t * group_vectors(p, group) + k) * LANES;
            lanes pixels[4][4], sum = {0};
            EACH(i, 4)
            EACH(j, 4) {
                const bool there = (size_t)i < tile.rows && (size_t)j < tile.columns;
                pixels[i][j] = there ? load_lanes(source + (i * shape->result_width + j) * LANES) : (lanes){0};
                sum += pixels[i][j];
            }
            TRANSFORM_TILE(
                transform_gradient_line, 4, 6, pixels[i][j], store_lanes(target + (6 * i + j) * p->m_step, row[j]))
            store_lanes(sums + filter, load_lanes(sums + filter) + sum);
        }
    }
}

// A square of weights, LANES filters by LANES channels of nine taps, and how much of it there is.
typedef struct {
    size_t offset, filters, channels;
    bool is_whole;
} weight_square;

INLINE weight_square square_at(const winograd_shape *shape, size_t filter, size_t channel) {
    weight_square s = {.offset = (filter * shape->channels + channel) * 9};
    s.filters = filter >= shape->filters ? 0 : shape->filters - filter;
    s.channels = channel >= shape->channels ? 0 : shape->channels - channel;
    if (s.filters > LANES) s.filters = LANES;
    if (s.channels > LANES) s.channels = LANES;
    s.is_whole = s.filters == LANES && s.channels == LANES;
    return s;
}

// u[point][channel][filter] = G g G^T for one group of filters; weights (O, C, 3, 3).
static void transform_kernels(
    const winograd_shape *shape, const winograd_plan *p, const float *weights, size_t group, float *u) {
    const size_t vectors = group_vectors(p, group), width = vectors * LANES;
    for (size_t k = 0; k < vectors; ++k)
        for (size_t c = 0; c < p->channels; c += LANES) {
            const weight_square square = square_at(shape, (group * VECTORS + k) * LANES, c);
            const float *source = weights + square.offset;
            size_t row = shape->channels * 9;
            float filled[LANES][9 * LANES];
            if (!square.is_whole) {
                memset(filled, 0, sizeof filled);
                for (size_t i = 0; i < square.filters; ++i)
                    memcpy(filled[i], source + i * row, square.channels * 9 * sizeof(float));
                source = filled[0];
                row = 9 * LANES;
            }
            lanes taps[9 * LANES];
            for (size_t j = 0; j < 9; ++j) {
                EACH(i, LANES) taps[j * LANES + i] = load_lanes(source + i * row + j * LANES);
                transpose_lanes(taps + j * LANES);
            }
            for (size_t i = 0; i < LANES; ++i)
                transform_kernel(taps + 9 * i, u + (c + i) * width + k * LANES, p->u_step);
        }
}

// The same of kernels turned by 180 degrees, filters and channels having changed places: weights (C, O, 3, 3).
static void transform_turned_kernels(
    const winograd_shape *shape, const winograd_plan *p, const float *weights, size_t group, float *u) {
    const size_t vectors = group_vectors(p, group), width = vectors * LANES;
    for (size_t c = 0; c < p->channels; ++c)
        for (size_t k = 0; k < vectors; ++k) {
            const size_t filter = (group * VECTORS + k) * LANES, left = shape->filters - filter;
            const float *source = weights + (c * shape->filters + filter) * 9;
            float filled[9 * LANES];
            if (c >= shape->channels || left < LANES) {
                memset(filled, 0, sizeof filled);
                if (c < shape->channels) memcpy(filled, source, left * 9 * sizeof(float));
                source = filled;
            }
            // A filter's nine taps lie together; of those that a vector holds, the rest belongs to the next filter.
            lanes rows[LANES], taps[9];
            EACH(i, LANES - 1) rows[i] = load_lanes(source + 9 * i);
            memcpy(&rows[LANES - 1], source + 9 * (LANES - 1), (LANES < 9 ? LANES : 9) * sizeof(float));
            transpose_lanes(rows);
            EACH(i, (LANES < 9 ? LANES : 9)) taps[8 - i] = rows[i];
            if (LANES < 9) EACH(i, LANES) taps[0][i] = source[9 * i + 8];
            transform_kernel(taps, u + c * width + k * LANES, p->u_step);
        }
}

// dweights = G^T u G, or += it, for one group of filters.
static void transform_kernel_gradients(
    const winograd_shape *shape, const winograd_plan *p, const float *u, size_t group, float *dweights, bool adds) {
    const size_t vectors = group_vectors(p, group), width = vectors * LANES;
    for (size_t k = 0; k < vectors; ++k)
        for (size_t c = 0; c < shape->channels; c += LANES) {
            lanes taps[9 * LANES];
            for (size_t i = 0; i < LANES; ++i)
                transform_kernel_gradient(u + (c + i) * width + k * LANES, p->u_step, taps + 9 * i);
            const weight_square square = square_at(shape, (group * VECTORS + k) * LANES, c);
            float *target = dweights + square.offset;
            const size_t row = shape->channels * 9;
            for (size_t j = 0; j < 9; ++j) transpose_lanes(taps + j * LANES);
            if (square.is_whole) {
                for (size_t j = 0; j < 9; ++j)
                    EACH(i, LANES) {
                        float *place = target + i * row + j * LANES;
                        const lanes sum = taps[j * LANES + i];
                        store_lanes(place, adds ? load_lanes(place) + sum : sum);
                    }
            } else {
                for (size_t i = 0; i < square.filters; ++i)
                    for (size_t l = 0; l < square.channels * 9; ++l) {
                        const float sum = taps[l / LANES * LANES + i][l % LANES];
                        target[i * row + l] = adds ? target[i * row + l] + sum : sum;
                    }
            }
        }
}

// The forward pass; for the gradient of the source with its own shape and turned kernels.
static void winograd_convolve(
    const winograd_shape *shape, const float *x, const float *weights, bool are_turned, const float *bias, float *out,
    float *scratch) {
    const winograd_plan p = plan_winograd(shape, false);
    float *v = scratch, *m = v + p.v, *u = m + p.m;
    const product_steps steps = {.row = p.channels, .depth = 1};
    for (size_t first = 0; first < p.tiles; first += p.block) {
        const size_t tiles = p.tiles - first < p.block ? p.tiles - first : p.block;
        transform_source(shape, &p, x, first, tiles, v);
        for (size_t group = 0; group < p.groups; ++group) {
            float *kernels = u + group * p.u_group;
            if (first == 0) {
                if (are_turned) transform_turned_kernels(shape, &p, weights, group, kernels);
                else transform_kernels(shape, &p, weights, group, kernels);
            }
            for (size_t point = 0; point < POINTS; ++point)
                product(
                    group_vectors(&p, group), tiles, v + point * p.v_step, steps, kernels + point * p.u_step,
                    p.channels, m + point * p.m_step, false);
            transform_result(shape, &p, m, bias, first, tiles, group, out);
        }
    }
}

static void winograd_forward(
    const winograd_shape *shape, const float *x, const float *weights, const float *bias, float *out, float *scratch) {
    winograd_convolve(shape, x, weights, false, bias, out, scratch);
}

// The convolution whose result is the gradient of the source.
static winograd_shape reverse_shape(const winograd_shape *shape) {
    return (winograd_shape){.images = shape->images,
                            .channels = shape->filters,
                            .filters = shape->channels,
                            .height = shape->result_height,
                            .width = shape->result_width,
                            .top = 2 - shape->top,
                            .left = 2 - shape->left,
                            .result_height = shape->height,
                            .result_width = shape->width};
}

static void winograd_source_gradient(
    const winograd_shape *shape, const float *dout, const float *weights, float *dx, float *scratch) {
    const winograd_shape reverse = reverse_shape(shape);
    winograd_convolve(&reverse, dout, weights, true, NULL, dx, scratch);
}

static void winograd_weights_gradient(
    const winograd_shape *shape, const float *x, const float *dout, float *dweights, bool adds, float *dbias,
    bool bias_adds, float *scratch) {
    const winograd_plan p = plan_winograd(shape, true);
    float *v = scratch, *m = v + p.v, *u = m + p.m, *sums = u + p.u;
    const product_steps steps = {.row = 1, .depth = p.channels};
    memset(sums, 0, p.sums * sizeof(float));
    for (size_t first = 0; first < p.tiles; first += p.block) {
        const size_t tiles = p.tiles - first < p.block ? p.tiles - first : p.block;
        transform_source(shape, &p, x, first, tiles, v);
        transform_gradient(shape, &p, dout, first, tiles, m, sums);
        for (size_t group = 0; group < p.groups; ++group) {
            float *kernels = u + group * p.u_group;
            for (size_t point = 0; point < POINTS; ++point)
                product(
                    group_vectors(&p, group), p.channels, v + point * p.v_step, steps,
                    m + group * p.m_group + point * p.m_step, tiles, kernels + point * p.u_step, first > 0);
            if (first + tiles == p.tiles)
                transform_kernel_gradients(shape, &p, kernels, group, dweights, adds);
        }
    }
    if (!dbias) return;
    for (size_t i = 0; i < shape->filters; ++i) dbias[i] = bias_adds ? dbias[i] + sums[i] : sums[i];
}

static size_t winograd_scratch_floats(const winograd_shape *shape, diptych_winograd_direction direction) {
    const winograd_shape reverse = reverse_shape(shape);
    const winograd_plan p = direction == diptych_winograd_of_source
        ? plan_winograd(&reverse, false)
        : plan_winograd(shape, direction == diptych_winograd_of_weights);
    return p.v + p.m + p.u + p.sums;
}
