/* What the attributes of pools, of unfold and of fold say, as three dimensions. attr: dimensions, whether windows are adaptive, what sums are divided
 * by, and for regular windows the lists of kernel, stride, padding before, and dilation. The output's size is its tensor's. The window of output o
 * along a dimension is the input's positions among
 *
 *   regular    o * stride - padding + k * dilation, 0 <= k < kernel (what lies in the border is left out)
 *   adaptive   floor(o * in / out) up to, without, ceil((o + 1) * in / out)
 *
 * max_pool: the winner of a window is the first element, in (d, h, w) order, that is greater than all before it, or the first NaN; a window all in
 * the border gives -inf and has none. avg_pool: a chain of additions from +0 in that order, divided once. What goes back is added in ascending order
 * of outputs, from +0. Kernels take any strides of inputs and outputs. */
#ifndef SOMA_SRC_OPS_POOL_H
#define SOMA_SRC_OPS_POOL_H

#include "ops/op.h"

enum { SOMA__POOL_DIMS, SOMA__POOL_ADAPTIVE, SOMA__POOL_DIVISOR, SOMA__POOL_NUMBERS };
/* attr[SOMA__POOL_DIVISOR]: a number above 0, or by what elements are counted. */
enum { SOMA__POOL_REAL = 0, SOMA__POOL_PADDED = -1 }; /* in the input; in the input with its padding */

/* Dimensions that are not there have size 1. */
typedef struct soma__window {
    bool adaptive;
    int64_t dims, divisor;
    int64_t in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
} soma__window;

/* A window along one dimension: n positions from the first one on, and how many there are when padding counts. */
typedef struct soma__span {
    int64_t from, step, n, padded;
} soma__span;

/* x and y: shapes [N, C, dims...] of the larger and the pooled side. */
static inline soma__window soma__window_of(const int64_t *attr, const int64_t *x, const int64_t *y) {
    int64_t nd = attr[SOMA__POOL_DIMS];
    soma__window w = {.adaptive = attr[SOMA__POOL_ADAPTIVE] != 0, .dims = nd, .divisor = attr[SOMA__POOL_DIVISOR]};
    for (int d = 0; d < 3; d++) {
        int64_t from = d - (3 - nd); /* of the dimensions that are there */
        bool there = from >= 0, listed = there && !w.adaptive;
        const int64_t *list = attr + SOMA__POOL_NUMBERS + from;
        w.in[d] = there ? x[2 + from] : 1, w.out[d] = there ? y[2 + from] : 1;
        w.kernel[d] = listed ? list[0] : 1, w.stride[d] = listed ? list[nd] : 1;
        w.pad[d] = listed ? list[2 * nd] : 0, w.dilation[d] = listed ? list[3 * nd] : 1;
    }
    return w;
}

static inline soma__span soma__window_span(const soma__window *w, int d, int64_t o) {
    if (w->adaptive) {
        int64_t from = o * w->in[d] / w->out[d], to = ((o + 1) * w->in[d] + w->out[d] - 1) / w->out[d];
        return (soma__span){from, 1, to - from, to - from};
    }
    int64_t start = o * w->stride[d] - w->pad[d], step = w->dilation[d], end = start + w->kernel[d], most = w->in[d] + w->pad[d];
    int64_t first = start < 0 ? (step - 1 - start) / step : 0, last = start < w->in[d] ? (w->in[d] - start + step - 1) / step : 0;
    if (last > w->kernel[d]) last = w->kernel[d];
    return (soma__span){start + first * step, step, last > first ? last - first : 0, (end < most ? end : most) - start};
}

/* Strides of an operand [N, C, dims...], as three dimensions; in elements. */
typedef struct soma__places {
    int64_t n, c, at[3];
} soma__places;
static inline soma__places soma__places_of(const soma__operand *o, int64_t dims) {
    soma__places p = {.n = o->strides[0], .c = o->strides[1]};
    for (int64_t d = 0; d < dims; d++) p.at[3 - dims + d] = o->strides[2 + d];
    return p;
}
static inline int64_t soma__place_of(const soma__places *p, const int64_t at[3]) { return at[0] * p->at[0] + at[1] * p->at[1] + at[2] * p->at[2]; }

/* What the public calls share (ops/pool.c): checks, and the attributes of a regular window, of the options or their defaults. */
#define SOMA__POOL_ATTR (SOMA__POOL_NUMBERS + 4 * 3)
typedef struct soma__pooling {
    const char *call;
    int64_t dims;
    soma_tensor *x;
    soma_pool_opts o;
    int64_t attr[SOMA__POOL_ATTR], shape[5];
    int n_attr;
} soma__pooling;
bool soma__pool_input(soma__pooling *p);
/* Fills attr and the result's shape; `stride` is the default, 0: the kernel. */
bool soma__pool_regular(soma__pooling *p, int64_t kernel, int64_t stride, const void *options, size_t size);
soma_tensor *soma__pool_record(int op, soma_tensor *const *in, int n_in, const int64_t *shape, int64_t ndim, const int64_t *attr, int n_attr);

#endif
