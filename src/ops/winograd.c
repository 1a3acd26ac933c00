/* Convolutions of 3x3, stride 1, by Winograd's way, as the reference computes them. The results of a sample are cut into tiles of m by m. An element
 * of a transformed tile is one chain of fused multiply-adds from +0 over the channels that are read; in the gradient by the weight over tiles
 * (sample, row, column), in pieces that the pairwise tree adds. What lies beyond the source, or beyond the results, is 0. */
#include "ops/winograd.h"
#include "base/math.h"
#include "ops/conv.h"

#define INLINE static inline
static inline float add(float a, float b) { return a + b; }
static inline float sub(float a, float b) { return a - b; }
static inline float mul(float a, float b) { return a * b; }
static inline float of(float a) { return a; }
/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): lines that are read were written by the loop before */
SOMA__WINOGRAD(float, INLINE, add, sub, mul, soma__fmaf, of)

/* A picture's channel, and what of it there is. */
typedef struct plane {
    const float *data;
    int64_t size[2], strides[2];
} plane;

static plane plane_of(const soma__operand *x, int64_t n, int64_t c) {
    return (plane){(const float *)x->data + n * x->strides[0] + c * x->strides[1], {x->shape[2], x->shape[3]}, {x->strides[2], x->strides[3]}};
}

static void read_tile(const plane *p, int64_t y, int64_t x, int64_t rows, int64_t cols, float *to) {
    for (int64_t a = y; a < y + rows; a++)
        for (int64_t b = x; b < x + cols; b++)
            *to++ = a < 0 || b < 0 || a >= p->size[0] || b >= p->size[1] ? 0 : p->data[a * p->strides[0] + b * p->strides[1]];
}

static void read_filter(const soma__operand *w, int64_t o, int64_t c, bool turned, float *to) {
    plane p = plane_of(w, o, c);
    for (int64_t i = 0; i < 9; i++) {
        int64_t at = turned ? 8 - i : i;
        to[i] = p.data[at / 3 * p.strides[0] + at % 3 * p.strides[1]];
    }
}

/* One tile of one channel of the result; y and x: its first result. */
static void results_tile(const soma__call *c, int64_t n, int64_t q, int64_t y, int64_t x, float *results) {
    const soma__operand *from = &c->in[0], *w = &c->in[1];
    bool backwards = c->op == SOMA_OP_conv_data;
    const int m = c->attr[SOMA__CONV_TILE] == 4 ? 4 : 2, t = m + 2;
    const int64_t *pad = c->attr + SOMA__CONV_NUMBERS + 2;
    int64_t origin[2] = {y + (backwards ? pad[0] - 2 : -pad[0]), x + (backwards ? pad[1] - 2 : -pad[1])};
    float sums[SOMA__WINOGRAD_MOST] = {0}, tile[SOMA__WINOGRAD_MOST] = {0}, source[SOMA__WINOGRAD_MOST] = {0}, taps[9];
    float filter[SOMA__WINOGRAD_MOST] = {0};
    for (int64_t i = 0; i < from->shape[1]; i++) {
        plane p = plane_of(from, n, i);
        read_tile(&p, origin[0], origin[1], t, t, tile);
        read_filter(w, backwards ? i : q, backwards ? q : i, backwards, taps);
        transform_source(m, tile, source);
        transform_filter(m, taps, filter);
        for (int k = 0; k < t * t; k++) sums[k] = soma__fmaf(source[k], filter[k], sums[k]);
    }
    transform_results(m, sums, results);
}

int soma__winograd_pixels(const soma__call *c) {
    const soma__operand *to = &c->out;
    const int m = c->attr[SOMA__CONV_TILE] == 4 ? 4 : 2;
    for (int64_t n = 0; n < to->shape[0]; n++)
        for (int64_t q = 0; q < to->shape[1]; q++)
            for (int64_t y = 0; y < to->shape[2]; y += m)
                for (int64_t x = 0; x < to->shape[3]; x += m) {
                    float results[SOMA__WINOGRAD_MOST], *out = (float *)to->data + n * to->strides[0] + q * to->strides[1];
                    results_tile(c, n, q, y, x, results);
                    for (int64_t a = 0; a < m && y + a < to->shape[2]; a++)
                        for (int64_t b = 0; b < m && x + b < to->shape[3]; b++)
                            out[(y + a) * to->strides[2] + (x + b) * to->strides[3]] = results[a * m + b];
                }
    return SOMA_OK;
}

/* Chains that are done: neighbours of the same height are added. */
typedef struct tree {
    float part[64][SOMA__WINOGRAD_MOST];
    int level[64], top;
} tree;

static void fold(tree *s, int count) {
    s->top--;
    for (int k = 0; k < count; k++) s->part[s->top - 1][k] += s->part[s->top][k];
    s->level[s->top - 1]++;
}

static void weight_of(const soma__call *c, int64_t o, int64_t i, tree *s, float *filter) {
    const soma__operand *from = &c->in[0], *g = &c->in[1];
    const int m = c->attr[SOMA__CONV_TILE] == 4 ? 4 : 2, t = m + 2;
    const int64_t *pad = c->attr + SOMA__CONV_NUMBERS + 2;
    int64_t done = 0;
    s->top = 1, s->level[0] = 0;
    for (int k = 0; k < t * t; k++) s->part[0][k] = 0;
    for (int64_t n = 0; n < g->shape[0]; n++)
        for (int64_t y = 0; y < g->shape[2]; y += m)
            for (int64_t x = 0; x < g->shape[3]; x += m, done++) {
                float tile[SOMA__WINOGRAD_MOST] = {0}, source[SOMA__WINOGRAD_MOST] = {0}, spread[SOMA__WINOGRAD_MOST] = {0};
                if (done && done % SOMA__WINOGRAD_CHAIN == 0) {
                    while (s->top > 1 && s->level[s->top - 1] == s->level[s->top - 2]) fold(s, t * t);
                    for (int k = 0; k < t * t; k++) s->part[s->top][k] = 0;
                    s->level[s->top++] = 0;
                }
                plane p = plane_of(from, n, i), r = plane_of(g, n, o);
                read_tile(&p, y - pad[0], x - pad[1], t, t, tile);
                transform_source(m, tile, source);
                read_tile(&r, y, x, m, m, tile);
                spread_results(m, tile, spread);
                for (int k = 0; k < t * t; k++) s->part[s->top - 1][k] = soma__fmaf(source[k], spread[k], s->part[s->top - 1][k]);
            }
    while (s->top > 1) fold(s, t * t);
    gather_filter(m, s->part[0], filter);
}

int soma__winograd_weight(const soma__call *c) {
    const soma__operand *to = &c->out;
    tree s;
    for (int64_t o = 0; o < to->shape[0]; o++)
        for (int64_t i = 0; i < to->shape[1]; i++) {
            float filter[SOMA__WINOGRAD_MOST], *out = (float *)to->data + o * to->strides[0] + i * to->strides[1];
            weight_of(c, o, i, &s, filter);
            for (int k = 0; k < 9; k++) out[k / 3 * to->strides[2] + k % 3 * to->strides[3]] = filter[k];
        }
    return SOMA_OK;
}
