/* What both of Winograd's kernels do: the transforms, on vectors of channels, and reading tiles from a picture whose channels lie side by side. */
#ifndef SOMA_BACKEND_CPU_KERNELS_CONV_WINOGRAD_H
#define SOMA_BACKEND_CPU_KERNELS_CONV_WINOGRAD_H

#include "backend/cpu/kernels/conv_tile.h"

SOMA__WINOGRAD(vf, SIMD_FN, vf_add, vf_sub, vf_mul, vf_fma, vf_set1)

#define PLACES SOMA__WINOGRAD_MOST

/* Pixels, and how far apart rows and columns are; beyond them there are zeros. `stage` has room for a tile. */
typedef struct picture {
    const float *at;
    int64_t rows, cols, row, col, channels;
    float *stage;
} picture;

/* The picture that a piece of work reads: of a sample in its place, or of a band in the room. *y and *x: the place of the band's first result. */
static inline picture picture_of(const soma__conv_way *w, const soma__conv_band *b, const float *x, int64_t *y, int64_t *at_x, float *stage) {
    *y = w->copies ? 0 : b->first[1], *at_x = w->copies ? 0 : b->first[2];
    return (picture){x, w->copies ? b->count[1] : w->from[1], w->copies ? b->count[2] : w->from[2], w->step[1], w->step[2], w->in, stage};
}

/* The size x size pixels at (y, x): where they are, or a copy with zeros around it; *row and *col as the picture's. */
static inline const float *tile_at(const picture *p, int64_t size, int64_t y, int64_t x, int64_t *row, int64_t *col) {
    *row = p->row, *col = p->col;
    if (y >= 0 && x >= 0 && y + size <= p->rows && x + size <= p->cols) return p->at + y * p->row + x * p->col;
    float *to = p->stage;
    for (int64_t a = y; a < y + size; a++)
        for (int64_t b = x; b < x + size; b++, to += p->channels) {
            bool there = a >= 0 && b >= 0 && a < p->rows && b < p->cols;
            const float *from = there ? p->at + a * p->row + b * p->col : p->at;
            for (int64_t c = 0;; c += VL) {
                if (c > p->channels - VL) c = p->channels - VL;
                vf_store(to + c, there ? vf_load(from + c) : vf_zero());
                if (c + VL >= p->channels) break;
            }
        }
    *row = size * p->channels, *col = p->channels;
    return p->stage;
}

/* A tile's transform at [place][channel]. m is a constant wherever this is inlined. Channels are VL or more; the last vector may lie over the one
 * before. */
SIMD_FN void read_tile(int m, const picture *p, int64_t y, int64_t x, float *to, int64_t apart) {
    const int t = m + 2;
    int64_t row, col;
    const float *tile = tile_at(p, t, y, x, &row, &col);
    for (int64_t c = 0;; c += VL) {
        if (c > p->channels - VL) c = p->channels - VL;
        vf d[PLACES], v[PLACES];
        for (int a = 0; a < t; a++)
            for (int b = 0; b < t; b++) d[a * t + b] = vf_load(tile + a * row + b * col + c);
        transform_source(m, d, v);
        float *q = to + c;
        for (int k = 0; k < t * t; k++, q += apart) vf_store(q, v[k]);
        if (c + VL >= p->channels) break;
    }
}

#endif
