/* What a model is. */
#ifndef SOMA_SRC_TRAIN_MODEL_H
#define SOMA_SRC_TRAIN_MODEL_H

#include "soma/capture.h"
#include "soma/model.h"
#include "soma/table.h"
#include "train/recipe.h"

struct soma_model {
    soma_context *ctx;
    soma_scope *scope;
    soma_recipe *recipe; /* its data section may be missing */
    soma_module *module;
    int64_t shape[SOMA_MAX_DIMS], ndim, features, outputs;
    double scale;          /* inputs are multiplied by it */
    soma_columns *columns; /* of tables */
    double *class_weights; /* one for each class, or NULL; */
    soma_tensor *weight;   /* the same for the loss */
    int64_t n_class_weights;
    soma_program *predict, *evaluate;
};

/* Does the model's loss answer with a number? */
static inline bool soma__model_is_valued(const soma_model *m) { return m->recipe->loss.kind->answer == SOMA__VALUES; }

#endif
