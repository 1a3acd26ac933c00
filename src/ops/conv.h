/* What a convolution's attributes say, as three dimensions. */
#ifndef SOMA_SRC_OPS_CONV_H
#define SOMA_SRC_OPS_CONV_H

#include "ops/op.h"

/* Of attr, before the lists of stride, padding before, and dilation. TILE: Winograd's way, and results of a tile along each dimension; 0: none. */
enum { SOMA__CONV_DIMS, SOMA__CONV_GROUPS, SOMA__CONV_TILE, SOMA__CONV_NUMBERS };

/* Dimensions that are not there have size 1. */
typedef struct soma__conv {
    int64_t n, groups, c, o; /* channels of a group */
    int64_t in[3], out[3], k[3], stride[3], pad[3], dilation[3];
} soma__conv;

static inline soma__conv soma__conv_of(const int64_t *attr, const int64_t *x, const int64_t *w, const int64_t *y) {
    soma__conv g = {.n = x[0], .groups = attr[SOMA__CONV_GROUPS], .c = w[1], .o = w[0] / attr[SOMA__CONV_GROUPS]};
    int64_t nd = attr[SOMA__CONV_DIMS];
    for (int d = 0; d < 3; d++) {
        int64_t from = d - (3 - nd); /* of the dimensions that are there */
        bool there = from >= 0;
        g.in[d] = there ? x[2 + from] : 1, g.out[d] = there ? y[2 + from] : 1, g.k[d] = there ? w[2 + from] : 1;
        g.stride[d] = there ? attr[SOMA__CONV_NUMBERS + from] : 1;
        g.pad[d] = there ? attr[SOMA__CONV_NUMBERS + nd + from] : 0;
        g.dilation[d] = there ? attr[SOMA__CONV_NUMBERS + 2 * nd + from] : 1;
    }
    return g;
}

/* A place in three dimensions, counted through in C order. */
static inline bool soma__conv_advance(int64_t at[3], const int64_t size[3]) {
    for (int d = 2; d >= 0; d--) {
        if (++at[d] < size[d]) return true;
        at[d] = 0;
    }
    return false;
}
static inline int64_t soma__conv_place(const int64_t at[3], const int64_t size[3]) { return (at[0] * size[1] + at[1]) * size[2] + at[2]; }
static inline int64_t soma__conv_volume(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

/* The reference of Winograd's way: a conv_forward or a conv_data, and a conv_weight. */
int soma__winograd_pixels(const soma__call *c);
int soma__winograd_weight(const soma__call *c);

#endif
