/* Pictures as PNG files. */
#include "soma/image.h"

#include "base/file.h"
#include "base/folder.h"

#if SOMA_HAVE_IMAGES
#include <png.h>
#include <setjmp.h>
#include <stdio.h>

typedef struct writer {
    jmp_buf jump;
    png_structp png;
    png_infop info;
    soma__bytes out;
    bool failed;
} writer;

static void on_error(png_structp png, const char *message) {
    writer *w = png_get_error_ptr(png);
    (void)message;
    w->failed = true;
    longjmp(w->jump, 1);
}
static void on_warning(png_structp png, const char *message) { (void)png, (void)message; }
static void put(png_structp png, png_bytep data, size_t n) {
    writer *w = png_get_io_ptr(png);
    if (!soma__bytes_put(&w->out, data, n)) png_error(png, "out of memory");
}
static void flush(png_structp png) { (void)png; }

static void encode(writer *w, const soma_image *image) {
    w->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, w, on_error, on_warning);
    w->info = w->png ? png_create_info_struct(w->png) : NULL;
    if (!w->info) {
        w->failed = true;
        return;
    }
    png_set_write_fn(w->png, w, put, flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (int64_t y = 0; y < image->height; y++) png_write_row(w->png, image->pixels + y * image->width * image->channels);
    png_write_end(w->png, NULL);
}
#endif

soma_status soma_image_write(soma_context *ctx, const char *path, const soma_image *image) {
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(ctx) != SOMA_OK) return soma_error_status(ctx);
    bool fits = path && image && image->pixels && image->height > 0 && image->width > 0 && image->height < 1 << 20 && image->width < 1 << 20;
    if (!fits || (image->channels != 1 && image->channels != 3))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "image_write: a path and a picture of 1 or 3 channels are wanted");
#if SOMA_HAVE_IMAGES
    char why[256];
    writer w = {.out.alloc = *soma_context_allocator(ctx)};
    writer *kept = &w; /* so that no register holds what a jump would lose */
    if (setjmp(kept->jump) == 0) encode(kept, image);
    png_destroy_write_struct(&kept->png, &kept->info);
    if (kept->failed) soma_error_raise(ctx, SOMA_ERROR_MEMORY, "%s: out of memory", path);
    else {
        soma__file_part part = {kept->out.data, kept->out.size};
        soma_status s = soma__file_replace(path, &part, 1, why, sizeof why);
        if (s != SOMA_OK) soma_error_raise(ctx, s, "%s: %s", path, why);
    }
    soma__bytes_free(&kept->out);
    return soma_error_status(ctx);
#else
    return soma_error_raise(ctx, SOMA_ERROR_UNSUPPORTED, "%s: PNG and JPEG are left out of this build (libpng, libjpeg)", path);
#endif
}
