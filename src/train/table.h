#ifndef SOMA_SRC_TRAIN_TABLE_H
#define SOMA_SRC_TRAIN_TABLE_H

#include "soma/nn.h"
#include "soma/table.h"

#include <jansson.h>

/* Columns as JSON, and back; NULL with the error pending, or when out of memory. */
json_t *soma__columns_json(const soma_columns *c);
soma_columns *soma__columns_read(soma_context *ctx, const json_t *v);
/* Layers behind embeddings of categories: the parts are "columns" and "layers". */
soma_module *soma__columns_module(soma_context *ctx, const soma_columns *c, soma_module *layers);

#endif
