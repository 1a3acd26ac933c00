#ifndef SOMA_SRC_DATA_DATASET_H
#define SOMA_SRC_DATA_DATASET_H

#include "soma/table.h"

/* What a sample is to be answered with. */
typedef struct soma__target {
    int64_t class;
    float value;
} soma__target;

/* Samples as bytes to scale, as floats, or by a function. inputs may be NULL. */
struct soma_dataset {
    soma_context *ctx;
    const uint8_t *bytes;
    const float *floats;
    const uint8_t *labels;
    const int64_t *targets;
    const float *values; /* targets that are numbers */
    void (*sample)(const soma_dataset *d, int64_t i, float *inputs, soma__target *target);
    const void *source; /* of `sample` */
    soma_columns *columns;
    const soma_table *table;
    bool valued; /* targets are numbers, no classes */
    float scale;
    int64_t count, features, ndim, shape[SOMA_MAX_DIMS];
};

/* Copies sample i. */
void soma__dataset_sample(const soma_dataset *d, int64_t i, float *inputs, soma__target *target);

#endif
