#ifndef SOMA_SRC_TRAIN_PICTURES_H
#define SOMA_SRC_TRAIN_PICTURES_H

#include "soma/transforms.h"

#include "train/recipe.h"

/* A list of transforms that is written out, for as long as the scope; *n of them. NULL with the error pending. */
soma_transform *soma__transforms_of(soma_context *ctx, const json_t *list, size_t *n);
/* What the recipe says of pictures is done to the parts: transforms, normalisation. train is the training part, from which statistics come; test may
 * be NULL. False with the error pending. */
bool soma__prepare_pictures(soma_context *ctx, const json_t *fields, soma_dataset **train, soma_dataset **test);
/* Does preparing the test part want the training part? */
bool soma__wants_train(const json_t *fields);

/* How a model makes inputs of pictures. */
typedef struct soma__pictures {
    soma_picture_info info;
    soma_transform *transforms;
    size_t n_transforms;
    json_t *list;            /* the same, written out */
    soma_tensor *mean, *std; /* NULL: none */
} soma__pictures;
/* Of the training part and its recipe; NULL with the error pending. */
soma__pictures *soma__pictures_new(soma_context *ctx, const soma_dataset *d, const json_t *fields);
/* As JSON, and back; NULL with the error pending, or out of memory. */
json_t *soma__pictures_json(const soma__pictures *p);
soma__pictures *soma__pictures_read(soma_context *ctx, const json_t *v);
/* Mean and std as tensors; false with the error pending. */
bool soma__pictures_build(soma_context *ctx, soma__pictures *p);

/* Fields of data kinds with pictures: how samples are prepared. */
#define SOMA__PREPARED \
    {"normalise", SOMA__CHOICE, "\"none\"", 0, \
     0,           false,        false,      "none|train|given: each channel less a mean, by a deviation: of the training part, or as given"}, \
        {"mean", SOMA__NUMBERS, "[]", -1e6, 1e6, false, false, "of each channel, of bytes / 255"}, \
        {"std", SOMA__NUMBERS, "[]", 1e-6, 1e6, false, false, "of each channel"}, \
        {"transforms", SOMA__TRANSFORMS, "[]", 0, 0, false, false, "changes to samples to learn from, other ones each epoch"}, { \
        "test_transforms", SOMA__TRANSFORMS, "[]", 0, 0, false, false, "changes to samples to measure and to predict" \
    }
#define SOMA__IMAGE_FIELDS 15
#define SOMA__CIFAR_FIELDS 9
extern const soma__field soma__image_fields[SOMA__IMAGE_FIELDS], soma__cifar_fields[SOMA__CIFAR_FIELDS];
bool soma__image_data(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test);
bool soma__cifar_data(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test);

#endif
