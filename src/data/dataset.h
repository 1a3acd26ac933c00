#ifndef SOMA_SRC_DATA_DATASET_H
#define SOMA_SRC_DATA_DATASET_H

#include "soma/data.h"

/* Samples as bytes to scale, or as floats. */
struct soma_dataset {
    soma_context *ctx;
    const uint8_t *bytes;
    const float *floats;
    const uint8_t *labels;
    const int64_t *targets;
    float scale;
    int64_t count, features, ndim, shape[SOMA_MAX_DIMS];
};

/* Copies sample i. */
void soma__dataset_sample(const soma_dataset *d, int64_t i, float *inputs, int64_t *target);

#endif
