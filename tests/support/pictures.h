/* Picture files, made by libpng and libjpeg in memory. */
#ifndef SOMA_TESTS_SUPPORT_PICTURES_H
#define SOMA_TESTS_SUPPORT_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct picture_file {
    uint8_t *data;
    size_t size;
} picture_file;

/* A PNG file of rows of `row` bytes each; type and depth are libpng's; palette: 256 colours, or NULL; exif: an orientation, or 0. */
picture_file picture_png(const uint8_t *pixels, int height, int width, size_t row, int type, int depth, bool interlaced, const uint8_t *palette,
                         int exif);
/* A JPEG file of channels 1 (grey), 3 (colour) or 4 (ink, as Adobe stores it: inverted). */
picture_file picture_jpeg(const uint8_t *pixels, int height, int width, int channels, int quality, bool progressive, int exif);
/* The pixels of a JPEG file as libjpeg gives them, rows of `channels` bytes; malloc's. */
uint8_t *picture_of_jpeg(picture_file f, int channels);
/* Smooth colours with an edge, a function of the seed. */
void picture_draw(uint8_t *pixels, int height, int width, int channels, unsigned seed);
/* Writes a file; false when it cannot. */
bool picture_save(picture_file f, const char *path);

#endif
