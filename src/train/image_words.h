/* What the layers of images share: samples with and without channels, fields of one number or of several. */
#ifndef SOMA_SRC_TRAIN_IMAGE_WORDS_H
#define SOMA_SRC_TRAIN_IMAGE_WORDS_H

#include "train/words.h"

#define SOMA__LARGEST (1 << 20)

/* Gives a sample of `dims` dimensions a channel; false with a sentence where it is no such image. */
bool soma__image(int dims, int64_t *shape, int64_t *ndim, char *why, size_t size);
/* A field of one number for all dimensions, or of one for each. */
bool soma__sizes(const json_t *f, const char *key, int dims, int64_t *out, char *why, size_t size);
/* The module for samples without channels (of `dims` dimensions); m has no state. */
soma_module *soma__with_channel(soma__builder *b, soma_module *m, int dims, int64_t ndim);

#define SOMA__REST 0, 0, false, false
#define SOMA__SIZES_OF(key, otherwise, least, doc) \
    { key, SOMA__SIZES, otherwise, least, SOMA__LARGEST, false, false, doc }
#define SOMA__WHOLE(key, otherwise, least, doc) \
    { key, SOMA__INTEGER, otherwise, least, SOMA__LARGEST, false, false, doc }
#define SOMA__TRUTH_OF(key, otherwise, doc) \
    { key, SOMA__TRUTH, otherwise, SOMA__REST, doc }
#define SOMA__NO_COUNT(name) \
    void soma__##name##_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) { \
        (void)f, (void)in, (void)ndim, (void)parameters, (void)multiply_adds; \
    }

#endif
