/* PNG by libpng. Its errors jump; all that lasts across a jump is in a record, and nothing of ours stands between. */
#include "data/image.h"

#if SOMA_HAVE_IMAGES
#include "base/alloc.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct reader {
    jmp_buf jump;
    const uint8_t *at, *end;
    png_structp png;
    png_infop info;
    png_bytep *rows;
    size_t rows_size;
    soma__pixels *out;
    int64_t most;
    soma_status status;
    char *why;
    size_t why_size;
} reader;

/* libpng's free is told no size: it stands before the block. */
static void *take(png_structp png, png_alloc_size_t size) {
    const reader *r = png_get_mem_ptr(png);
    size_t whole = size + 64;
    char *m = whole > size ? soma__alloc(&r->out->alloc, whole) : NULL;
    if (m) memcpy(m, &whole, sizeof whole);
    return m ? m + 64 : NULL;
}
static void give(png_structp png, void *memory) {
    const reader *r = png_get_mem_ptr(png);
    size_t whole;
    if (!memory) return;
    memcpy(&whole, (char *)memory - 64, sizeof whole);
    soma__free(&r->out->alloc, (char *)memory - 64, whole);
}

static void on_error(png_structp png, const char *message) {
    reader *r = png_get_error_ptr(png);
    if (r->status == SOMA_OK) {
        bool memory = strstr(message, "ut of memory") || strstr(message, "nsufficient memory");
        r->status = memory ? SOMA_ERROR_MEMORY : SOMA_ERROR_FORMAT;
        if (memory) snprintf(r->why, r->why_size, "out of memory");
        else snprintf(r->why, r->why_size, "the PNG file is damaged or cut (%s)", message);
    }
    longjmp(r->jump, 1);
}
static void on_warning(png_structp png, const char *message) { (void)png, (void)message; }

static void read_bytes(png_structp png, png_bytep out, size_t n) {
    reader *r = png_get_io_ptr(png);
    if (n > (size_t)(r->end - r->at)) png_error(png, "it ends in the middle");
    memcpy(out, r->at, n);
    r->at += n;
}

/* Bytes of grey or of red, green and blue, whatever the file has. */
static void ask_for_bytes(reader *r) {
    int depth = png_get_bit_depth(r->png, r->info), type = png_get_color_type(r->png, r->info);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(r->png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(r->png);
    if (depth == 16) png_set_strip_16(r->png);
    if (type & PNG_COLOR_MASK_ALPHA || type == PNG_COLOR_TYPE_PALETTE) png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

static void decode(reader *r) {
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, take, give);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info) {
        if (r->status == SOMA_OK) r->status = SOMA_ERROR_MEMORY, snprintf(r->why, r->why_size, "out of memory");
        return;
    }
    png_set_read_fn(r->png, r, read_bytes);
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* nothing but pixels and palette counts */
    png_read_info(r->png, r->info);
    int64_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
    int type = png_get_color_type(r->png, r->info), channels = type & PNG_COLOR_MASK_COLOR ? 3 : 1;
    r->status = soma__pixels_make(r->out, height, width, channels, r->most, r->why, r->why_size);
    if (r->status != SOMA_OK) return;
    ask_for_bytes(r);
    if (png_get_rowbytes(r->png, r->info) != (size_t)(width * channels)) png_error(r->png, "its rows have another size than they should");
    r->rows_size = (size_t)height * sizeof *r->rows;
    if (!(r->rows = soma__alloc(&r->out->alloc, r->rows_size))) png_error(r->png, "out of memory");
    for (int64_t y = 0; y < height; y++) r->rows[y] = r->out->data + y * width * channels;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
}

soma_status soma__png_decode(const uint8_t *data, size_t n, int64_t most, soma__pixels *out, char *why, size_t why_size) {
    reader r = {.at = data, .end = data + n, .out = out, .most = most, .why = why, .why_size = why_size};
    reader *kept = &r; /* so that no register holds what a jump would lose */
    if (setjmp(kept->jump) == 0) decode(kept);
    png_destroy_read_struct(&kept->png, &kept->info, NULL);
    if (kept->rows) soma__free(&out->alloc, kept->rows, kept->rows_size);
    return kept->status;
}
#endif
