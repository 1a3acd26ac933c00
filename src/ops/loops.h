/* Loops over operands with any strides, for reference kernels. */
#ifndef SOMA_SRC_OPS_LOOPS_H
#define SOMA_SRC_OPS_LOOPS_H

#include "ops/op.h"

#include <string.h>

/* The element offset of position `index` (C order) in an operand. */
static inline int64_t soma__offset(const soma__operand *o, int64_t index) {
    int64_t at = 0;
    for (int d = o->ndim; d-- > 0;) {
        at += index % o->shape[d] * o->strides[d];
        index /= o->shape[d];
    }
    return at;
}

/* A walk over all rows (runs of the last dimension) of operands of one shape. */
typedef struct soma__walk {
    int64_t index[SOMA_MAX_DIMS];
    int64_t at[4]; /* element offsets of the row's first element */
    int64_t rows, row, length;
} soma__walk;

static inline void soma__walk_start(soma__walk *w, const soma__operand *o) {
    *w = (soma__walk){0};
    w->length = o->ndim ? o->shape[o->ndim - 1] : 1;
    w->rows = w->length ? o->numel / w->length : 0;
}

/* Moves on to the next row; the operands share the first one's shape. */
static inline void soma__walk_next(soma__walk *w, const soma__operand *const *ops, int n) {
    w->row++;
    for (int d = ops[0]->ndim - 2; d >= 0; d--) {
        w->index[d]++;
        for (int k = 0; k < n; k++) w->at[k] += ops[k]->strides[d];
        if (w->index[d] < ops[0]->shape[d]) return;
        for (int k = 0; k < n; k++) w->at[k] -= ops[k]->strides[d] * ops[0]->shape[d];
        w->index[d] = 0;
    }
}

/* Goes to a row, from the first. */
static inline void soma__walk_to(soma__walk *w, const soma__operand *const *ops, int n, int64_t row) {
    w->row = row;
    for (int d = ops[0]->ndim - 2; d >= 0; d--) {
        w->index[d] = row % ops[0]->shape[d];
        row /= ops[0]->shape[d];
        for (int k = 0; k < n; k++) w->at[k] += w->index[d] * ops[k]->strides[d];
    }
}

/* Are the elements side by side in C order? */
static inline bool soma__dense(const soma__operand *o) { return soma__is_dense(o->shape, o->ndim, o->strides, o->numel); }

static inline int64_t soma__last_stride(const soma__operand *o) { return o->ndim ? o->strides[o->ndim - 1] : 0; }

/* Zeros in all elements. */
static inline void soma__clear(const soma__operand *o) {
    const soma__operand *ops[1] = {o};
    int64_t size = (int64_t)soma_dtype_size((soma_dtype)o->dtype);
    soma__walk w;
    for (soma__walk_start(&w, o); w.row < w.rows; soma__walk_next(&w, ops, 1))
        for (int64_t i = 0; i < w.length; i++) memset((char *)o->data + (w.at[0] + i * soma__last_stride(o)) * size, 0, (size_t)size);
}

#endif
