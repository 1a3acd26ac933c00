#ifndef SOMA_SRC_DATA_DATASET_H
#define SOMA_SRC_DATA_DATASET_H

#include "soma/image.h"
#include "soma/table.h"

#include "data/transform.h"

/* What a sample is to be answered with. */
typedef struct soma__target {
    int64_t class;
    float value;
} soma__target;

/* Samples as bytes to scale, as floats, or by a function. inputs may be NULL. */
struct soma_dataset {
    soma_context *ctx;
    const uint8_t *bytes;
    int64_t stride;                     /* bytes of a sample as it is held, and */
    const int64_t *rows;                /* where sample i lies; NULL: as i */
    const float *levels;                /* of normalised pictures: what each of the 256 bytes becomes in each channel */
    const soma__transforms *transforms; /* NULL: none */
    void *scratch;                      /* of them, for the thread that uses the context */
    soma_picture_info pictures;         /* height 0: none */
    const char *const *files, *const *notes;
    int64_t n_notes;
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

/* A data set of bytes, whose samples have this shape, in the innermost scope; NULL with the error pending. */
soma_dataset *soma__dataset_bytes(soma_context *ctx, const uint8_t *bytes, int64_t count, const int64_t *shape, int64_t ndim);
/* Copies sample i as an epoch has it; scratch is soma__dataset_scratch bytes of the caller. */
void soma__dataset_sample(const soma_dataset *d, int64_t epoch, int64_t i, float *inputs, soma__target *target, void *scratch);
static inline size_t soma__dataset_scratch(const soma_dataset *d) { return d->transforms ? d->transforms->room : 0; }

#endif
