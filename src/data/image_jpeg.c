/* JPEG by libjpeg-turbo: the exact integer transform and smooth upsampling, whose pixels are the same on every machine. Its errors jump; all that
 * lasts across a jump is in a record. libjpeg takes its own memory from the C library. */
#include "data/image.h"

#if SOMA_HAVE_IMAGES
#include "base/alloc.h"

#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>

#define SCANS 100 /* a file of more costs more time than any picture is worth */

typedef struct reader {
    struct jpeg_decompress_struct j;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    soma__pixels *out;
    uint8_t *row; /* of CMYK */
    size_t row_size;
    int64_t most;
    soma_status status;
    char *why;
    size_t why_size;
} reader;

static void on_error(j_common_ptr j) {
    reader *r = j->client_data;
    char message[JMSG_LENGTH_MAX];
    if (r->status == SOMA_OK) {
        bool memory = j->err->msg_code == JERR_OUT_OF_MEMORY;
        j->err->format_message(j, message);
        r->status = memory ? SOMA_ERROR_MEMORY : SOMA_ERROR_FORMAT;
        if (memory) snprintf(r->why, r->why_size, "out of memory");
        else snprintf(r->why, r->why_size, "the JPEG file is damaged or cut (%.120s)", message);
    }
    longjmp(r->jump, 1);
}

/* libjpeg would go on with grey where data is missing or wrong: that is an error here. Oddities of headers are none. */
static void on_message(j_common_ptr j, int level) {
    int code = j->err->msg_code;
    if (level < 0 && (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_JPEG_EOF || code == JWRN_MUST_RESYNC ||
                      code == JWRN_NOT_SEQUENTIAL || code == JWRN_BOGUS_PROGRESSION))
        j->err->error_exit(j);
}
static void on_output(j_common_ptr j) { (void)j; }

static void on_progress(j_common_ptr j) {
    reader *r = j->client_data;
    if (r->j.input_scan_number <= SCANS) return;
    r->status = SOMA_ERROR_FORMAT;
    snprintf(r->why, r->why_size, "the JPEG file has more than %d scans", SCANS);
    longjmp(r->jump, 1);
}

static int scaled(int a, int b) { /* a b / 255, rounded */
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* A row of ink as a row of light; Adobe's files hold it inverted. */
static void from_ink(const reader *r, const uint8_t *ink, uint8_t *out) {
    for (int64_t x = 0; x < r->out->width; x++, ink += 4, out += 3) {
        int flip = r->j.saw_Adobe_marker ? 255 : 0, light = 255 - (ink[3] ^ flip);
        for (int c = 0; c < 3; c++) out[c] = (uint8_t)(light - scaled(ink[c] ^ flip, light));
    }
}

static void decode(reader *r, const uint8_t *data, size_t n) {
    struct jpeg_decompress_struct *j = &r->j;
    jpeg_create_decompress(j);
    j->progress = &r->progress;
    jpeg_mem_src(j, data, (unsigned long)n);
    jpeg_read_header(j, TRUE);
    bool ink = j->jpeg_color_space == JCS_CMYK || j->jpeg_color_space == JCS_YCCK, grey = j->jpeg_color_space == JCS_GRAYSCALE;
    j->out_color_space = ink ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
    j->dct_method = JDCT_ISLOW;
    j->do_fancy_upsampling = TRUE;
    r->status = soma__pixels_make(r->out, j->image_height, j->image_width, grey ? 1 : 3, r->most, r->why, r->why_size);
    if (r->status != SOMA_OK) return;
    jpeg_start_decompress(j);
    r->row_size = 4 * (size_t)j->output_width;
    if (ink && !(r->row = soma__alloc(&r->out->alloc, r->row_size))) ERREXIT1(j, JERR_OUT_OF_MEMORY, 0);
    while (j->output_scanline < j->output_height) {
        uint8_t *to = r->out->data + (int64_t)j->output_scanline * r->out->width * r->out->channels, *row = ink ? r->row : to;
        if (jpeg_read_scanlines(j, &row, 1) == 1 && ink) from_ink(r, row, to);
    }
    jpeg_finish_decompress(j);
}

soma_status soma__jpeg_decode(const uint8_t *data, size_t n, int64_t most, soma__pixels *out, char *why, size_t why_size) {
    reader r = {.out = out, .most = most, .why = why, .why_size = why_size};
    reader *kept = &r; /* so that no register holds what a jump would lose */
    r.j.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error, r.errors.emit_message = on_message, r.errors.output_message = on_output;
    r.progress.progress_monitor = on_progress;
    r.j.client_data = &r;
    if (setjmp(kept->jump) == 0) decode(kept, data, n);
    jpeg_destroy_decompress(&kept->j);
    if (kept->row) soma__free(&out->alloc, kept->row, kept->row_size);
    return kept->status;
}
#endif
