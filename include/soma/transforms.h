/* Changes to pictures, for augmentation and preparation: torchvision.transforms on bytes. */
#ifndef SOMA_TRANSFORMS_H
#define SOMA_TRANSFORMS_H

#include "soma/image.h"

/* The rows of transforms.def. */
typedef enum soma_transform_kind {
#define TRANSFORM(id, main, fields, doc) SOMA_TRANSFORM_##id,
#include "soma/transforms.def"
#undef TRANSFORM
    SOMA_TRANSFORM_KINDS
} soma_transform_kind;

/* A transform with its settings. Which a kind has, what they mean, their defaults and ranges are in transforms.def; a field that is zero (or not set)
 * has its default, others must be zero. */
typedef struct soma_transform {
    soma_transform_kind kind;
    int32_t reserved32;
    int64_t size[2]; /* height and width in pixels; cutout has one side: size[0] */
    int64_t padding, fill;
    soma_optional p, alpha;
    double degrees, translate[2], scale[2], ratio[2], shear;
    double sigma;
    double brightness, contrast, saturation, hue;
    uint64_t reserved[4];
} soma_transform;

/* "resize", ... and what it does; NULL for another number. */
SOMA_API const char *soma_transform_name(soma_transform_kind kind);
SOMA_API const char *soma_transform_doc(soma_transform_kind kind);

/* The pictures of a data set through n transforms, in their order, whenever a sample is asked for. Random ones are a function of seed, epoch, the
 * sample's number and the transform's place in the list: neither threads nor batches nor a resumed run change them. They work on bytes [channels,
 * height, width] in fixed point or float32 functions of our own, so their bytes are the same on every machine; scale and normalisation follow. The
 * samples' shape may be another. The loader takes its epoch's; soma_dataset_sample and soma_dataset_raw that of epoch 0. SOMA_ERROR_ARGUMENT: data
 * that is no bytes of pictures or has transforms already, settings outside their range, a crop larger than the picture. */
SOMA_API soma_dataset *soma_dataset_transformed(soma_context *ctx, const soma_dataset *d, const soma_transform *list, size_t n, uint64_t seed);
/* Sample i as an epoch has it; else soma_dataset_sample. */
SOMA_API soma_status soma_dataset_augmented(const soma_dataset *d, int64_t epoch, int64_t i, float *inputs, int64_t *target);
/* A picture through n transforms, random ones as of sample i in an epoch. NULL with the error pending. */
SOMA_API soma_image *soma_image_transform(soma_context *ctx, const soma_image *image, const soma_transform *list, size_t n, uint64_t seed,
                                          int64_t epoch, int64_t i);

#endif
