/* The pieces of rows that sums over channels are taken in. */
#ifndef SOMA_SRC_OPS_BATCH_NORM_H
#define SOMA_SRC_OPS_BATCH_NORM_H

#include "ops/op.h"

#define SOMA__ROWS 336
static inline int64_t soma__channel_pieces(const soma__operand *x) {
    int64_t channels = x->shape[1], rows = channels ? x->numel / channels : 0;
    return (rows + SOMA__ROWS - 1) / SOMA__ROWS;
}
/* Can the fast kernel sum it? Channels lie side by side. */
static inline bool soma__channels_sum(const soma__operand *x) { return x->numel && (x->shape[1] == 1 || x->strides[1] == 1); }

#endif
