/* Pictures while they are decoded: nothing here knows a context, so that threads can share the work. */
#ifndef SOMA_SRC_DATA_IMAGE_H
#define SOMA_SRC_DATA_IMAGE_H

#include "soma/base.h"

/* A picture, [height, width, channels]. */
typedef struct soma__pixels {
    soma_allocator alloc;
    uint8_t *data; /* of the allocator: `room` bytes */
    size_t room;
    int64_t height, width, channels;
} soma__pixels;

/* What is asked of a decoder. */
typedef struct soma__decoding {
    int64_t channels, most_pixels; /* 0: as the file has them; the default */
    bool as_stored;
} soma__decoding;
#define SOMA__MOST_PIXELS ((int64_t)1 << 26)
#define SOMA__MOST_SIDE 16384 /* of what a picture is resized to */

/* Decodes; out->alloc is set, and its memory, if it has some, used again. On failure a sentence without the path goes to why. */
soma_status soma__image_decode(const soma__decoding *how, const uint8_t *data, size_t n, soma__pixels *out, char *why, size_t why_size);
/* Room for a picture of these sizes; false when out of memory, or with a sentence when there are too many pixels. */
soma_status soma__pixels_make(soma__pixels *p, int64_t height, int64_t width, int64_t channels, int64_t most, char *why, size_t why_size);
void soma__pixels_free(soma__pixels *p);

/* The decoders: a picture as it is stored, of 1 or 3 channels. */
soma_status soma__png_decode(const uint8_t *data, size_t n, int64_t most, soma__pixels *out, char *why, size_t why_size);
soma_status soma__jpeg_decode(const uint8_t *data, size_t n, int64_t most, soma__pixels *out, char *why, size_t why_size);
/* A picture by the beginning of its file: its size as it is when upright. */
typedef struct soma__head {
    int64_t height, width;
    bool grey, png;
} soma__head;
/* False for what is no PNG or JPEG file, or is cut before it says so. */
bool soma__image_head(const uint8_t *data, size_t n, soma__head *out);
/* EXIF's orientation, 1 to 8, of a JPEG or PNG file; 1 where there is none. */
int soma__exif_orientation(const uint8_t *data, size_t n);

/* A part of a picture in pixels, with fractions. */
typedef struct soma__box {
    double top, left, height, width;
} soma__box;
/* Bytes of scratch memory that soma__resize wants for any box of a picture. */
size_t soma__resize_room(int64_t height, int64_t width, int64_t channels, int64_t to_height, int64_t to_width);
/* Brings a box of a picture to another size. */
void soma__resize(const uint8_t *in, int64_t height, int64_t width, int64_t channels, soma__box box, uint8_t *out, int64_t to_height,
                  int64_t to_width, void *room);
/* The part of a picture that a size is made from. */
soma__box soma__fit(int64_t height, int64_t width, int64_t to_height, int64_t to_width, bool crop);

#endif
