/* Layers of recipes that work on images. Their rows are in layers.c. */
#ifndef SOMA_SRC_TRAIN_IMAGE_LAYERS_H
#define SOMA_SRC_TRAIN_IMAGE_LAYERS_H

#include "train/words.h"

#define SOMA__LAYER(name) \
    bool soma__##name##_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size); \
    soma_module *soma__##name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim); \
    void soma__##name##_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds);
SOMA__LAYER(conv)
SOMA__LAYER(conv1d)
SOMA__LAYER(conv3d)
SOMA__LAYER(conv_transpose)
SOMA__LAYER(conv_transpose1d)
SOMA__LAYER(max_pool)
SOMA__LAYER(max_pool1d)
SOMA__LAYER(max_pool3d)
SOMA__LAYER(avg_pool)
SOMA__LAYER(avg_pool1d)
SOMA__LAYER(avg_pool3d)
SOMA__LAYER(adaptive_max_pool)
SOMA__LAYER(adaptive_avg_pool)
SOMA__LAYER(global_max_pool)
SOMA__LAYER(global_avg_pool)
SOMA__LAYER(group_norm)
SOMA__LAYER(instance_norm)
SOMA__LAYER(local_response_norm)
SOMA__LAYER(dropout1d)
SOMA__LAYER(dropout2d)
SOMA__LAYER(upsample)
SOMA__LAYER(pixel_shuffle)
SOMA__LAYER(pixel_unshuffle)
SOMA__LAYER(channel_shuffle)
SOMA__LAYER(pad)
SOMA__LAYER(unfold)
#undef SOMA__LAYER
#define SOMA__CONV_FIELDS 10
#define SOMA__CONV_TRANSPOSE_FIELDS 10
#define SOMA__POOL_FIELDS 5
extern const soma__field soma__conv_fields[SOMA__CONV_FIELDS], soma__conv_transpose_fields[SOMA__CONV_TRANSPOSE_FIELDS],
    soma__max_pool_fields[SOMA__POOL_FIELDS], soma__avg_pool_fields[SOMA__POOL_FIELDS], soma__adaptive_pool_fields[1], soma__group_norm_fields[3],
    soma__instance_norm_fields[4], soma__local_response_norm_fields[4], soma__channel_dropout_fields[1], soma__upsample_fields[4],
    soma__shuffle_fields[1], soma__channel_shuffle_fields[1], soma__pad_fields[3], soma__unfold_fields[4];

#endif
