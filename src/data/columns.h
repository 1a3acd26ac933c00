#ifndef SOMA_SRC_DATA_COLUMNS_H
#define SOMA_SRC_DATA_COLUMNS_H

#include "soma/table.h"

struct soma_columns {
    soma_context *ctx;
    soma_scope *scope;
    soma_columns_info info;
    int64_t inputs;
};

/* Writes a feature's inputs for a cell (NaN: missing; of categories: the place in the feature's list, or -1 for another word); returns how many. */
int64_t soma__feature_inputs(const soma_feature *f, double cell, float *out);
int64_t soma__feature_width(const soma_feature *f);
/* The target as it is learned. */
float soma__target_value(const soma_feature *target, double cell);

#endif
