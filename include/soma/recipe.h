/* Recipes: what a run is made of (data, model, loss, optimizer, training), as a JSON-like tree. A recipe knows all its mistakes, where they are, and
 * its defaults. */
#ifndef SOMA_RECIPE_H
#define SOMA_RECIPE_H

#include "soma/data.h"
#include "soma/nn.h"
#include "soma/optim.h"

/* A recipe with its defaults filled in, and its problems. Belongs to the innermost scope. */
typedef struct soma_recipe soma_recipe;

/* A mistake. */
typedef struct soma_problem {
    const char *where;    /* "/model/1/linear": keys and list places from the root */
    const char *sentence; /* "unknown layer 'liner'; did you mean 'linear'?" */
} soma_problem;

/* Reads JSON, for example
 *   {"data": {"kind": "idx", "path": "mnist"}, "model": ["flatten", {"linear": 128}, "relu", {"linear": 10}],
 *    "loss": "cross_entropy", "optimizer": {"adam": {"lr": 0.001}}, "train": {"epochs": 10, "batch": 128}}
 * NULL with SOMA_ERROR_FORMAT when the text is no JSON. Else a recipe, though it may have problems. */
SOMA_API soma_recipe *soma_recipe_read(soma_context *ctx, const char *json, size_t bytes);
/* How many problems it has, and problem i (SOMA_ERROR_RANGE beyond the last). Strings are valid as long as the recipe. */
SOMA_API size_t soma_recipe_problem_count(const soma_recipe *r);
SOMA_API soma_status soma_recipe_problem(const soma_recipe *r, size_t i, soma_problem *out);
/* The recipe as JSON with all defaults filled in, keys in the order of the tables. Valid as long as the recipe; NULL when it has problems. */
SOMA_API const char *soma_recipe_text(soma_recipe *r);

/* A number, truth (0 or 1) or text of a section: soma_recipe_number(r, "train", "epochs", &v). SOMA_ERROR_ARGUMENT when the section has no such key.
 */
SOMA_API soma_status soma_recipe_number(const soma_recipe *r, const char *section, const char *key, double *out);
SOMA_API const char *soma_recipe_word(const soma_recipe *r, const char *section, const char *key);

/* The data sets of a recipe; relative paths start at `folder`. Either may be NULL. SOMA_ERROR_IO and SOMA_ERROR_FORMAT as soma_dataset_idx. */
SOMA_API soma_status soma_recipe_data(soma_recipe *r, const char *folder, soma_dataset **train, soma_dataset **test);
/* The model for samples of a shape: a soma_nn_sequential whose keys are the places in the list. NULL when layers do not fit: then the recipe has one
 * problem more, whose sentence is also the pending error (SOMA_ERROR_SHAPE). */
SOMA_API soma_module *soma_recipe_model(soma_recipe *r, const int64_t *shape, int64_t ndim);
/* The optimizer for a model's parameters. */
SOMA_API soma_optim *soma_recipe_optim(soma_recipe *r, soma_module *model);
/* The loss of outputs [N, C] and classes [N]. */
SOMA_API soma_tensor *soma_recipe_loss(soma_recipe *r, soma_tensor *output, soma_tensor *target);

/* A layer of a model for samples of a shape, as `soma summary` shows it. */
typedef struct soma_layer_info {
    const char *kind;
    int64_t shape[SOMA_MAX_DIMS], ndim; /* of its output, without the batch */
    int64_t parameters, multiply_adds;  /* of one sample */
} soma_layer_info;
/* Layers of the model. */
SOMA_API size_t soma_recipe_layer_count(const soma_recipe *r);
/* Fills out[0..count) for samples of a shape; SOMA_ERROR_SHAPE as soma_recipe_model. */
SOMA_API soma_status soma_recipe_layers(soma_recipe *r, const int64_t *shape, int64_t ndim, soma_layer_info *out);

#endif
