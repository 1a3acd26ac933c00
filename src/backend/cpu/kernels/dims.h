/* The dimensions of a strided operand with those joined that one step walks, so that a kernel sees the few loops that are really there. */
#ifndef SOMA_BACKEND_CPU_KERNELS_DIMS_H
#define SOMA_BACKEND_CPU_KERNELS_DIMS_H

#include "ops/op.h"

typedef struct dims {
    int n;
    int64_t numel;
    int64_t size[SOMA_MAX_DIMS], stride[SOMA_MAX_DIMS];
} dims;

/* One more dimension, inside the others. */
static inline void dims_add(dims *d, int64_t size, int64_t stride) {
    d->numel *= size;
    if (size == 1) return;
    if (d->n && d->stride[d->n - 1] == size * stride) d->size[d->n - 1] *= size, d->stride[d->n - 1] = stride;
    else d->size[d->n] = size, d->stride[d->n++] = stride;
}

/* The offset of element `index` (C order) of the first n dimensions. */
static inline int64_t dims_at(const dims *d, int n, int64_t index) {
    int64_t at = 0;
    for (int i = n; i-- > 1;) {
        at += index % d->size[i] * d->stride[i];
        index /= d->size[i];
    }
    return n ? at + index * d->stride[0] : 0;
}

/* The dimensions that a reduction keeps and those it takes. */
static inline void dims_split(const soma__operand *x, int64_t mask, dims *stay, dims *go) {
    *stay = *go = (dims){.numel = 1};
    for (int i = 0; i < x->ndim; i++) dims_add(mask >> i & 1 ? go : stay, x->shape[i], x->strides[i]);
}

#endif
