/* What a model is. */
#ifndef SOMA_SRC_TRAIN_MODEL_H
#define SOMA_SRC_TRAIN_MODEL_H

#include "soma/capture.h"
#include "soma/model.h"
#include "soma/table.h"
#include "train/pictures.h"

struct soma_model {
    soma_context *ctx;
    soma_scope *scope;
    soma_recipe *recipe; /* its data section may be missing */
    soma_module *module;
    int64_t shape[SOMA_MAX_DIMS], ndim, features, outputs;
    double scale;             /* inputs are multiplied by it */
    soma_columns *columns;    /* of tables */
    soma__pictures *pictures; /* of pictures */
    double *class_weights;    /* one for each class, or NULL; */
    soma_tensor *weight;      /* the same for the loss */
    int64_t n_class_weights;
    soma_program *predict, *evaluate;
    bool folded; /* its batch norms are part of other layers, so its weights are not those of its description */
};

/* Does the model's loss answer with a number? */
static inline bool soma__model_is_valued(const soma_model *m) { return m->recipe->loss.kind->answer == SOMA__VALUES; }

/* Inputs in the data's own units as the first layer takes them. */
static inline soma_tensor *soma__model_scaled(const soma_model *m, soma_tensor *x) {
    soma_tensor *scaled = soma_mul_scalar(x, m->scale);
    return m->pictures && m->pictures->mean ? soma_div(soma_sub(scaled, m->pictures->mean), m->pictures->std) : scaled;
}

/* What the recipe's first layer takes, of raw inputs; and what layer i makes of x. */
soma_tensor *soma__model_first(const soma_model *m, soma_tensor *raw);
soma_tensor *soma__model_layer(const soma_model *m, size_t i, soma_tensor *x);
/* The recipe's layers for the model's samples; of the innermost scope. NULL with the error pending. */
soma_layer_info *soma__model_layers(const soma_model *m);
/* Are the data's samples and targets of the model's kind? False with the error pending, whose sentence begins with `call`. */
bool soma__model_takes(const soma_model *m, const soma_dataset *data, const char *call);

#endif
