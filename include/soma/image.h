/* Pictures: PNG and JPEG files as bytes. And data sets of them. */
#ifndef SOMA_IMAGE_H
#define SOMA_IMAGE_H

#include "soma/data.h"

/* A picture of bytes. Belongs to the innermost scope. */
typedef struct soma_image {
    uint8_t *pixels;                 /* [height, width, channels], rows from the top */
    int64_t height, width, channels; /* 1: grey; 3: red, green, blue */
} soma_image;

typedef struct soma_image_opts {
    int64_t channels;    /* 1 or 3: colour becomes grey by (19595 R + 38470 G + 7471 B + 32768) / 65536, as Pillow's L; default: what the file has */
    int64_t most_pixels; /* of width x height; default 2^26. A picture takes up to about 10 bytes a pixel while it is decoded */
    int64_t as_stored;   /* nonzero: the EXIF orientation is not applied */
    uint64_t reserved[4];
} soma_image_opts;

/* Was the library built with libpng and libjpeg? */
SOMA_API bool soma_reads_images(void);
/* Decodes a PNG or JPEG file in memory; its content says which. Grey, colour, palettes, 1 to 16 bits (of 16 the upper byte counts, as in Pillow),
 * interlaced, progressive, CMYK. Transparency is dropped: the colours beneath count, as Pillow's convert('RGB') does. EXIF's orientation is applied.
 * JPEG is decoded by the exact integer transform with smooth upsampling, so pixels are the same on every machine. SOMA_ERROR_FORMAT: no such
 * file, one that is cut or damaged, or has more than most_pixels; SOMA_ERROR_UNSUPPORTED: the library was built without. NULL on failure. */
SOMA_WITH_OPTS(soma_image *, soma_image_decode, (soma_context * ctx, const void *data, size_t bytes), (ctx, data, bytes), soma_image_opts)
/* The same from a file, which errors name. SOMA_ERROR_IO. */
SOMA_WITH_OPTS(soma_image *, soma_image_read, (soma_context * ctx, const char *path), (ctx, path), soma_image_opts)
/* The picture brought to another size by a triangle that is as wide as what becomes one pixel (antialiased; Pillow's BILINEAR, and torchvision's
 * with antialias=True), in fixed point: the same bytes everywhere. crop: what is left over at two sides is cut off, else the picture is stretched.
 * SOMA_ERROR_ARGUMENT for a size below 1 or above 16384. */
SOMA_API soma_image *soma_image_resize(soma_context *ctx, const soma_image *image, int64_t height, int64_t width, bool crop);
/* The picture with 1 or 3 channels, by the formula of soma_image_opts; itself when it has them. SOMA_ERROR_ARGUMENT for another number. */
SOMA_API const soma_image *soma_image_channels(soma_context *ctx, const soma_image *image, int64_t channels);
/* Writes a PNG file, whole or not at all. SOMA_ERROR_IO, SOMA_ERROR_ARGUMENT, SOMA_ERROR_UNSUPPORTED. */
SOMA_API soma_status soma_image_write(soma_context *ctx, const char *path, const soma_image *image);

typedef struct soma_images_opts {
    int64_t size[2];            /* height and width that all are brought to; default: none, and all must have the first one's */
    int64_t channels;           /* 1 or 3; default 3 */
    int64_t crop;               /* nonzero: what is left over at two sides is cut off; default: pictures are stretched */
    const char *part;           /* a folder in the folder or archive, as "train"; default: all of it */
    const char *const *classes; /* names that classes must have, in the order of their numbers, as of the training part; default: the folders' */
    int64_t n_classes;
    int64_t skip_broken; /* nonzero: a picture that cannot be read is left out, with a note and a line to the context's log; default: an error */
    int64_t most_pixels; /* as in soma_image_opts */
    uint64_t reserved[4];
} soma_images_opts;
/* Pictures in class folders, as torchvision.datasets.ImageFolder: path/cat/1.png, path/dog/old/2.jpg. path is a folder, or a .tar or .tar.gz archive,
 * which is read without unpacking it. Files are those that end in .png, .jpg, .jpeg, .jpe or .jfif; hidden ones are left out. Classes are numbered in
 * the order of their names' bytes, samples lie in the order of class and path: a folder and an archive of it give the same data,
 * be it an archive of what is in the folder, or of the folder: one in which all else lies is no class. All are decoded now,
 * by as many threads as the context has, into memory, or beyond 256 MiB a temporary file without a name (in TMPDIR, or /var/tmp). Samples are bytes
 * [channels, height, width]; inputs are bytes / 255. SOMA_ERROR_IO, SOMA_ERROR_FORMAT with the file's name: a broken picture or archive, no pictures,
 * pictures of different sizes; SOMA_ERROR_ARGUMENT: sizes, a class that is none of `classes`; SOMA_ERROR_UNSUPPORTED. */
SOMA_WITH_OPTS(soma_dataset *, soma_dataset_images, (soma_context * ctx, const char *path), (ctx, path), soma_images_opts)
/* The names of the classes that soma_dataset_images would find with these options, sorted, for as long as the innermost scope: nothing is decoded.
 * Errors as there. */
SOMA_WITH_OPTS(soma_status, soma_images_classes, (soma_context * ctx, const char *path, const char *const **names, int64_t *n), (ctx, path, names, n),
               soma_images_opts)
/* The picture files that soma_dataset_images would read, by the beginnings of the files: nothing is decoded, and what is damaged further on is not
 * seen. */
typedef struct soma_images_found {
    int64_t pictures;          /* files in class folders that are called pictures; of them */
    int64_t png, jpeg, broken; /* PNG and JPEG by their content, and neither */
    int64_t grey;              /* without colour */
    int64_t least[2], most[2]; /* the least height and width, the greatest, of upright pictures; 0: there are none */
    const char *const *classes;
    const int64_t *counts; /* of each class */
    int64_t n_classes;
} soma_images_found;
/* Fills *found, for as long as the innermost scope. Of options `part` counts. Errors as soma_images_classes: broken pictures and none at all are no
 * errors here. */
SOMA_WITH_OPTS(soma_status, soma_images_find, (soma_context * ctx, const char *path, soma_images_found *found), (ctx, path, found), soma_images_opts)
/* CIFAR-10's binary batches (Krizhevsky 2009): n files, plain or .gz, of records of a class and 3 x 32 x 32 bytes. SOMA_ERROR_FORMAT for other sizes
 * and classes. */
SOMA_API soma_dataset *soma_dataset_cifar10(soma_context *ctx, const char *const *paths, int64_t n);

/* How a data set's samples come from pictures: enough to prepare any further one alike. */
typedef struct soma_picture_info {
    int64_t height, width, channels; /* that pictures are brought to, */
    int64_t crop;                    /* how, */
    const double *mean, *std;        /* then (byte / 255 - mean) / std for each channel; NULL: byte / 255 */
    const char *const *classes;      /* names; NULL: none */
    int64_t n_classes;
} soma_picture_info;
/* NULL for data that is no bytes of pictures ([height, width], or [channels, height, width] with 1 or 3 channels). Valid as long as the data set. */
SOMA_API const soma_picture_info *soma_dataset_pictures(const soma_dataset *d);
/* The file of sample i; NULL for data that lies in no file of its own. */
SOMA_API const char *soma_dataset_file(const soma_dataset *d, int64_t i);
/* What was left out while reading, a sentence each; NULL beyond the last. */
SOMA_API const char *soma_dataset_note(const soma_dataset *d, int64_t i);
/* A checksum of all samples as they are held (of pictures: decoded bytes) and of their targets; of a table 0. */
SOMA_API uint64_t soma_dataset_digest(const soma_dataset *d);
/* Sample i, as an epoch has it, in the data's own units, as soma_model_predict takes it: of pictures bytes, before scale and mean. SOMA_ERROR_RANGE.
 */
SOMA_API soma_status soma_dataset_raw(const soma_dataset *d, int64_t epoch, int64_t i, float *inputs, int64_t *target);
/* Cuts pictures in two: of each class the share (rounded, at least one picture, but never the last) is drawn by the seed and held out, *rest is what
 * is left; both in the order that they had. SOMA_ERROR_ARGUMENT for other data, for pictures behind transforms, a share that is not between 0 and 1,
 * and where each class has one picture alone. */
SOMA_API soma_status soma_dataset_hold_out(soma_context *ctx, const soma_dataset *d, double share, uint64_t seed, soma_dataset **rest,
                                           soma_dataset **held);
/* Mean and deviation of each channel, of bytes / 255, over all samples: from sums of integers, so exact up to the last rounding. Room for 3 each. A
 * deviation of 0 becomes 1. SOMA_ERROR_ARGUMENT for data that is no bytes of pictures. */
SOMA_API soma_status soma_dataset_statistics(const soma_dataset *d, double *mean, double *std);
/* The same samples with (byte / 255 - mean) / std for inputs, each step rounded to float32, as torchvision's Normalize. channels is 1 or 3, as the
 * data has. SOMA_ERROR_ARGUMENT for other data, other counts, a std of 0 or below, numbers that are not finite. */
SOMA_API soma_dataset *soma_dataset_normalised(soma_context *ctx, const soma_dataset *d, const double *mean, const double *std, int64_t channels);

#endif
