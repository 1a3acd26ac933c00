/* Trained models: a file is enough to run one. */
#ifndef SOMA_MODEL_H
#define SOMA_MODEL_H

#include "soma/recipe.h"

/* A model with its preprocessing. Belongs to the innermost scope. */
typedef struct soma_model soma_model;

/* Loads what soma_train or soma_model_save wrote. *out is NULL on failure: SOMA_ERROR_IO, SOMA_ERROR_FORMAT (no model file of soma, cut, or weights
 * that do not fit its layers). */
SOMA_API soma_status soma_model_load(soma_context *ctx, const char *path, soma_model **out);
/* The same from memory, as linked into a program; the bytes are copied. */
SOMA_API soma_status soma_model_from_memory(soma_context *ctx, const void *data, size_t bytes, soma_model **out);
/* A new model by a recipe, for samples as the data set has them. */
SOMA_API soma_status soma_model_new(soma_recipe *r, const soma_dataset *data, soma_model **out);
/* Read-only use of m's weights in another context, for another thread: nothing is copied. m and its context must live as long, and not train
 * meanwhile. */
SOMA_API soma_status soma_model_share(soma_context *ctx, soma_model *m, soma_model **out);
/* Writes the model, whole or not at all. The same weights and recipe give the same bytes. */
SOMA_API soma_status soma_model_save(soma_model *m, const char *path);

/* The shape of one sample, valid as long as the model. */
SOMA_API soma_status soma_model_input(const soma_model *m, const int64_t **shape, int64_t *ndim);
/* Numbers that it gives for a sample: classes. 0 for NULL. */
SOMA_API int64_t soma_model_outputs(const soma_model *m);
/* Its layers. */
SOMA_API soma_module *soma_model_module(soma_model *m);
/* Its recipe: model and loss; NULL for NULL. */
SOMA_API soma_recipe *soma_model_recipe(soma_model *m);

/* inputs: count samples in the data's own units (of pictures: bytes 0 to 255), C order. outputs: count x soma_model_outputs(m) probabilities, each
 * row sums to 1. The result of a sample is the same bits alone and in any batch. */
SOMA_API soma_status soma_model_predict(soma_model *m, const float *inputs, int64_t count, float *outputs);
/* The same from bytes. */
SOMA_API soma_status soma_model_predict_bytes(soma_model *m, const uint8_t *inputs, int64_t count, float *outputs);
/* Mean loss and share of right answers over a data set. */
SOMA_API soma_status soma_model_evaluate(soma_model *m, soma_dataset *data, double *loss, double *accuracy);

#endif
