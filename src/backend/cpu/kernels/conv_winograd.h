/* What both of Winograd's kernels do: the transforms, on vectors of channels, and reading tiles from a picture whose channels lie side by side. */
#ifndef SOMA_BACKEND_CPU_KERNELS_CONV_WINOGRAD_H
#define SOMA_BACKEND_CPU_KERNELS_CONV_WINOGRAD_H

#include "backend/cpu/kernels/conv_tile.h"

SOMA__WINOGRAD(vf, SIMD_FN, vf_add, vf_sub, vf_mul, vf_fma, vf_set1)

#define PLACES SOMA__WINOGRAD_MOST

/* Pixels, and how far apart rows and columns are; beyond them there are zeros. */
typedef struct picture {
    const float *at;
    int64_t rows, cols, row, col, channels;
    const float *zeros; /* as many as there are channels */
} picture;

/* The picture that a piece of work reads: of a sample in its place, or of a band in the room. *y and *x: the place of the band's first result. */
static inline picture picture_of(const soma__conv_way *w, const soma__conv_band *b, const float *x, int64_t *y, int64_t *at_x, const float *zeros) {
    *y = w->copies ? 0 : b->first[1], *at_x = w->copies ? 0 : b->first[2];
    return (picture){x, w->copies ? b->count[1] : w->from[1], w->copies ? b->count[2] : w->from[2], w->step[1], w->step[2], w->in, zeros};
}

/* The `size` rows of pixels from (y, x) on; what is not there is a pixel of zeros that is as wide as all. */
typedef struct lines {
    const float *at[PLACES];
    int64_t col[PLACES];
} lines;
static inline void find_lines(const picture *p, int size, int64_t y, int64_t x, lines *l) {
    for (int a = 0; a < size; a++) {
        bool there = y + a >= 0 && y + a < p->rows;
        l->at[a] = there ? p->at + (y + a) * p->row + (x < 0 ? 0 : x) * p->col : p->zeros, l->col[a] = there ? p->col : 0;
    }
}

/* The next pointer of some that are equally far apart: counted on, since a register for each is more than there are. */
static inline void step(float **p, int64_t by) {
    *p += by;
    __asm__("" : "+r"(*p));
}

/* The transforms of n tiles of tile x tile results that lie side by side, the first one at (y, x): [place][tile][channel]. Channels are VL or more.
 */
void SOMA_KERNEL(conv_winograd_read)(int tile, const picture *p, int64_t y, int64_t x, int64_t n, float *to, int64_t apart);

#endif
