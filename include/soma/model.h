/* Trained models: a file is enough to run one. */
#ifndef SOMA_MODEL_H
#define SOMA_MODEL_H

#include "soma/recipe.h"
#include "soma/image.h"
#include "soma/table.h"

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

/* Folds its batch norms into the layers before them, as soma_nn_fold_batch_norm. The model then gives results that are rounded differently, as does
 * what shares it from then on; features of a layer that took a norm over are those behind the norm. SOMA_ERROR_STATE for a model in train mode, in a
 * scope inside the model's, and when a folded model is saved. */
SOMA_API soma_status soma_model_fold_batch_norm(soma_model *m, int64_t *folded);

/* The shape of one sample, valid as long as the model. */
SOMA_API soma_status soma_model_input(const soma_model *m, const int64_t **shape, int64_t *ndim);
/* Numbers that it gives for a sample: one for each class, or the one that is predicted. 0 for NULL. */
SOMA_API int64_t soma_model_outputs(const soma_model *m);
/* Does it predict a number, no class? */
SOMA_API bool soma_model_is_valued(const soma_model *m);
/* How rows of a table become its inputs (soma_rows_open reads them from a file), and the names of its classes; NULL for other data. */
SOMA_API soma_columns *soma_model_columns(const soma_model *m);
/* How pictures become its inputs, and the names of its classes; NULL for other data. Valid as long as the model. */
SOMA_API const soma_picture_info *soma_model_pictures(const soma_model *m);
/* Makes a picture its inputs, as those of the test part were made: channels, size, transforms; room for all of a sample. Numbers are bytes, as
 * soma_model_predict takes them. SOMA_ERROR_ARGUMENT for a model of other data. */
SOMA_API soma_status soma_model_picture(soma_model *m, const soma_image *image, float *inputs);
/* Pictures in class folders, or an archive of them, as soma_dataset_images reads them, made samples of this model as those of the test part were:
 * size, channels and transforms are the model's, its classes are matched by their names (of a model of other pictures their numbers: "0", "1", ...).
 * Of options part, skip_broken and most_pixels count. SOMA_ERROR_ARGUMENT for a class that the model does not know, and for a model of no pictures or
 * no classes; else the errors of soma_dataset_images. */
SOMA_WITH_OPTS(soma_dataset *, soma_model_images, (soma_model * m, const char *path), (m, path), soma_images_opts)
/* The name of a class in the table or among folders, else its number as text; "" beyond the last. Valid as long as the model. */
SOMA_API const char *soma_model_class_name(soma_model *m, int64_t i);
/* Its layers. */
SOMA_API soma_module *soma_model_module(soma_model *m);
/* Its recipe: model and loss; NULL for NULL. */
SOMA_API soma_recipe *soma_model_recipe(soma_model *m);

/* inputs: count samples in the data's own units (of pictures: bytes 0 to 255; of tables: what soma_rows_next gives), C order. outputs: count x
 * soma_model_outputs(m) numbers: probabilities, which sum to 1 (behind hinge losses: what a sigmoid or softmax makes of the scores), or values in the
 * target's units. The result of a sample is the same bits alone and in any batch. */
SOMA_API soma_status soma_model_predict(soma_model *m, const float *inputs, int64_t count, float *outputs);
/* The same from bytes. */
SOMA_API soma_status soma_model_predict_bytes(soma_model *m, const uint8_t *inputs, int64_t count, float *outputs);
/* The same for all samples of a data set, in their order. SOMA_ERROR_SHAPE for other samples than the model's. */
SOMA_API soma_status soma_model_predict_dataset(soma_model *m, soma_dataset *data, float *outputs);

/* What layer `layer` (its place in the recipe) gives for count samples, as features for another program: count x soma_model_feature_count numbers.
 * Inputs as soma_model_predict's. SOMA_ERROR_RANGE for another layer. */
SOMA_API int64_t soma_model_feature_count(soma_model *m, size_t layer);
SOMA_API soma_status soma_model_features(soma_model *m, size_t layer, const float *inputs, int64_t count, float *outputs);

/* How good a model is on a data set. Of classes: accuracy; of values: the others, in the target's own units; what does not apply is NaN. */
typedef struct soma_scores {
    int64_t samples;
    double loss;          /* the mean, as it is trained */
    double accuracy;      /* share of right answers */
    double mae, rmse, r2; /* mean absolute error, root of the mean squared error, 1 - squared errors / squared distances to the mean */
} soma_scores;
SOMA_API soma_status soma_model_score(soma_model *m, soma_dataset *data, soma_scores *out);
/* Its loss and accuracy (of values: r2) alone; either may be NULL. */
SOMA_API soma_status soma_model_evaluate(soma_model *m, soma_dataset *data, double *loss, double *accuracy);

#endif
