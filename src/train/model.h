/* What a model is. */
#ifndef SOMA_SRC_TRAIN_MODEL_H
#define SOMA_SRC_TRAIN_MODEL_H

#include "soma/capture.h"
#include "soma/model.h"
#include "train/recipe.h"

struct soma_model {
    soma_context *ctx;
    soma_scope *scope;
    soma_recipe *recipe; /* its data section may be missing */
    soma_module *module;
    int64_t shape[SOMA_MAX_DIMS], ndim, features, outputs;
    double scale; /* inputs are multiplied by it */
    soma_program *predict, *evaluate;
};

#endif
