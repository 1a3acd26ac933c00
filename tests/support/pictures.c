#include "support/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void picture_draw(uint8_t *pixels, int height, int width, int channels, unsigned seed) {
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                *pixels++ = (uint8_t)((unsigned)(x * (7 + c) + y * (5 - c)) + seed * 37u + (x > width / 2 ? 90u : 0u) + (y > height / 3 ? 40u : 0u));
}

bool picture_save(picture_file f, const char *path) {
    FILE *out = fopen(path, "wb");
    bool fine = out && fwrite(f.data, 1, f.size, out) == f.size;
    return out && fclose(out) == 0 && fine;
}

#if SOMA_HAVE_IMAGES
#include <jpeglib.h>
#include <png.h>

/* A TIFF structure with one entry, the orientation. */
static void tiff(uint8_t out[26], int orientation, bool little) {
    static const uint8_t big[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1};
    static const uint8_t small[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1};
    memcpy(out, little ? small : big, 26);
    out[little ? 18 : 19] = (uint8_t)orientation;
}

static void put(png_structp png, png_bytep data, size_t n) {
    picture_file *f = png_get_io_ptr(png);
    f->data = realloc(f->data, f->size + n);
    memcpy(f->data + f->size, data, n);
    f->size += n;
}
static void flush(png_structp png) { (void)png; }

picture_file picture_png(const uint8_t *pixels, int height, int width, size_t row, int type, int depth, bool interlaced, const uint8_t *palette,
                         int exif) {
    picture_file f = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &f, put, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, type, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette) png_set_PLTE(png, info, (png_const_colorp)palette, 1 << depth);
    uint8_t directory[26];
    if (exif) tiff(directory, exif, true), png_set_eXIf_1(png, info, sizeof directory, directory);
    png_write_info(png, info);
    png_bytep *rows = malloc((size_t)height * sizeof *rows);
    for (int y = 0; y < height; y++) rows[y] = (png_bytep)(uintptr_t)(pixels + (size_t)y * row);
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(rows);
    return f;
}

picture_file picture_jpeg(const uint8_t *pixels, int height, int width, int channels, int quality, bool progressive, int exif) {
    picture_file f = {0};
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    unsigned long size = 0;
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &f.data, &size);
    j.image_width = (JDIMENSION)width, j.image_height = (JDIMENSION)height;
    j.input_components = channels;
    j.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&j);
    if (channels == 4) jpeg_set_colorspace(&j, JCS_YCCK);
    jpeg_set_quality(&j, quality, TRUE);
    if (progressive) jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    uint8_t segment[32] = "Exif\0";
    if (exif) tiff(segment + 6, exif, false), jpeg_write_marker(&j, JPEG_APP0 + 1, segment, sizeof segment);
    while (j.next_scanline < j.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)j.next_scanline * (size_t)(width * channels));
        jpeg_write_scanlines(&j, &row, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    f.size = size;
    return f;
}

uint8_t *picture_of_jpeg(picture_file f, int channels) {
    struct jpeg_decompress_struct j;
    struct jpeg_error_mgr errors;
    j.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&j);
    jpeg_mem_src(&j, f.data, (unsigned long)f.size);
    jpeg_read_header(&j, TRUE);
    j.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    j.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&j);
    size_t row = (size_t)j.output_width * (size_t)channels;
    uint8_t *out = malloc(row * j.output_height);
    while (j.output_scanline < j.output_height) {
        JSAMPROW to = out + row * j.output_scanline;
        jpeg_read_scanlines(&j, &to, 1);
    }
    jpeg_finish_decompress(&j);
    jpeg_destroy_decompress(&j);
    return out;
}
#endif
