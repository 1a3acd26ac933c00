/* Layers of recipes that hold layers, and those with weights of their own shape. Their rows are in layers.c. */
#ifndef SOMA_SRC_TRAIN_BLOCKS_H
#define SOMA_SRC_TRAIN_BLOCKS_H

#include "train/words.h"

#define SOMA__BLOCK(name, n) \
    extern const soma__field soma__##name##_fields[n]; \
    bool soma__##name##_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size); \
    soma_module *soma__##name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim); \
    void soma__##name##_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds);
SOMA__BLOCK(residual, 2)
SOMA__BLOCK(parallel, 2)
SOMA__BLOCK(repeat, 2)
SOMA__BLOCK(block, 2)
SOMA__BLOCK(embedding, 2)
SOMA__BLOCK(unflatten, 1)
SOMA__BLOCK(bilinear, 1)
#undef SOMA__BLOCK

#endif
