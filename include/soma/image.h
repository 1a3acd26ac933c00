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
/* Writes a PNG file, whole or not at all. SOMA_ERROR_IO, SOMA_ERROR_ARGUMENT, SOMA_ERROR_UNSUPPORTED. */
SOMA_API soma_status soma_image_write(soma_context *ctx, const char *path, const soma_image *image);

#endif
