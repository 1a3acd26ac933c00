/* PNG and JPEG: every kind of pixels becomes the bytes that the header promises, and what is broken gets a sentence. */
#include "support/check.h"
#include "support/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if SOMA_HAVE_IMAGES
#include <png.h>

#define H 11
#define W 13

static soma_image *decoded(soma_context *ctx, picture_file f, int64_t channels) {
    soma_image *i = soma_image_decode(ctx, f.data, f.size, &(soma_image_opts){.channels = channels});
    check_fine(ctx);
    assert_non_null(i);
    return i;
}

static int bit_of(const uint8_t *row, int x, int depth) { return row[x * depth / 8] >> (8 - depth - x * depth % 8) & ((1 << depth) - 1); }

static void grey_of_every_depth(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    uint8_t pixels[H * W * 2];
    picture_draw(pixels, H, W, 2, 1);
    for (int interlaced = 0; interlaced < 2; interlaced++)
        for (int depth = 1; depth <= 16; depth *= 2) {
            size_t row = ((size_t)W * (size_t)depth + 7) / 8;
            picture_file f = picture_png(pixels, H, W, row, PNG_COLOR_TYPE_GRAY, depth, interlaced, NULL, 0);
            soma_image *i = decoded(ctx, f, 0);
            assert_true(i->height == H && i->width == W && i->channels == 1);
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++) {
                    const uint8_t *r = pixels + (size_t)y * row;
                    int want = depth == 16 ? r[2 * x] : depth == 8 ? r[x] : bit_of(r, x, depth) * 255 / ((1 << depth) - 1);
                    assert_int_equal(i->pixels[y * W + x], want);
                }
            soma_image *rgb = decoded(ctx, f, 3);
            for (int k = 0; k < 3 * H * W; k++) assert_int_equal(rgb->pixels[k], i->pixels[k / 3]);
            free(f.data);
        }
    soma_context_free(ctx);
}

static void colour_alpha_and_palettes(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    static const struct { int type, samples; } kinds[] = {{PNG_COLOR_TYPE_RGB, 3}, {PNG_COLOR_TYPE_RGB_ALPHA, 4}, {PNG_COLOR_TYPE_GRAY_ALPHA, 2}};
    uint8_t pixels[H * W * 8], palette[768];
    picture_draw(pixels, H, W, 8, 2);
    for (int k = 0; k < 768; k++) palette[k] = (uint8_t)(k * 7);
    for (size_t k = 0; k < 3; k++)
        for (int bytes = 1; bytes <= 2; bytes++) {
            size_t pixel = (size_t)(kinds[k].samples * bytes);
            picture_file f = picture_png(pixels, H, W, W * pixel, kinds[k].type, 8 * bytes, bytes == 2, NULL, 0);
            soma_image *i = decoded(ctx, f, 3);
            for (int p = 0; p < H * W; p++)
                for (int c = 0; c < 3; c++)
                    assert_int_equal(i->pixels[3 * p + c], pixels[(size_t)p * pixel + (size_t)(kinds[k].samples > 2 ? c * bytes : 0)]);
            free(f.data);
        }
    for (int depth = 1; depth <= 8; depth *= 2) {
        size_t row = ((size_t)W * (size_t)depth + 7) / 8;
        picture_file f = picture_png(pixels, H, W, row, PNG_COLOR_TYPE_PALETTE, depth, depth == 8, palette, 0);
        soma_image *i = decoded(ctx, f, 0);
        assert_int_equal(i->channels, 3);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) assert_memory_equal(i->pixels + 3 * (y * W + x), palette + 3 * bit_of(pixels + (size_t)y * row, x, depth), 3);
        soma_image *grey = decoded(ctx, f, 1);
        for (int p = 0; p < H * W; p++) {
            const uint8_t *c = i->pixels + 3 * p;
            assert_int_equal(grey->pixels[p], (19595 * c[0] + 38470 * c[1] + 7471 * c[2] + 32768) / 65536);
        }
        free(f.data);
    }
    soma_context_free(ctx);
}

static void jpegs_are_what_libjpeg_says(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    uint8_t pixels[H * W * 4];
    picture_draw(pixels, H, W, 4, 3);
    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1)
        for (int progressive = 0; progressive < 2; progressive++) {
            picture_file f = picture_jpeg(pixels, H, W, channels, 90, progressive, 0);
            uint8_t *want = picture_of_jpeg(f, channels);
            soma_image *i = decoded(ctx, f, 0);
            assert_true(i->height == H && i->width == W && i->channels == (channels == 1 ? 1 : 3));
            if (channels < 4) assert_memory_equal(i->pixels, want, (size_t)(H * W * channels));
            for (int p = 0; channels == 4 && p < 3 * H * W; p++) { /* stored inverted: 255 is no ink */
                double light = want[p / 3 * 4 + p % 3] * (double)want[p / 3 * 4 + 3] / 255;
                assert_true(i->pixels[p] > light - 1.01 && i->pixels[p] < light + 1.01);
            }
            free(want), free(f.data);
        }
    soma_context_free(ctx);
}

/* Where the upright pixel (y, x) of orientation o is stored (EXIF 2.3: which side of the scene row 0 and column 0 are). */
static void stored_at(int o, int y, int x, int height, int width, int *v, int *u) {
    static const struct {
        bool swapped, down, across;
    } ways[9] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 1}, {0, 1, 1}, {0, 1, 0}, {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};
    int a = ways[o].down ? height - 1 - y : y, b = ways[o].across ? width - 1 - x : x;
    *v = ways[o].swapped ? b : a, *u = ways[o].swapped ? a : b;
}

static void exif_turns_pictures_upright(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    uint8_t pixels[H * W * 3];
    picture_draw(pixels, H, W, 3, 4);
    for (int o = 1; o <= 8; o++)
        for (int kind = 0; kind < 2; kind++) {
            picture_file f =
                kind ? picture_jpeg(pixels, H, W, 3, 95, false, o) : picture_png(pixels, H, W, (size_t)W * 3, PNG_COLOR_TYPE_RGB, 8, false, NULL, o);
            soma_image *as = soma_image_decode(ctx, f.data, f.size, &(soma_image_opts){.as_stored = 1}), *up = decoded(ctx, f, 0);
            assert_true(as->height == H && as->width == W && up->height == (o < 5 ? H : W) && up->width == (o < 5 ? W : H));
            for (int y = 0; y < up->height; y++)
                for (int x = 0; x < up->width; x++) {
                    int v, u;
                    stored_at(o, y, x, (int)up->height, (int)up->width, &v, &u);
                    assert_memory_equal(up->pixels + (y * up->width + x) * 3, as->pixels + (v * W + u) * 3, 3);
                }
            free(f.data);
        }
    soma_context_free(ctx);
}

static void cut_at_every_length_it_is_an_error(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    uint8_t pixels[H * W * 3];
    picture_draw(pixels, H, W, 3, 5);
    picture_file files[] = {picture_png(pixels, H, W, (size_t)W * 3, PNG_COLOR_TYPE_RGB, 8, true, NULL, 6),
                            picture_jpeg(pixels, H, W, 3, 90, false, 6), picture_jpeg(pixels, H, W, 3, 90, true, 0)};
    for (size_t k = 0; k < 3; k++) {
        for (size_t n = 0; n < files[k].size; n++) {
            uint8_t *cut = malloc(n + 1); /* so that a sanitizer sees a byte too far */
            memcpy(cut, files[k].data, n);
            if (soma_image_decode(ctx, cut, n, NULL)) fail_msg("file %zu, cut after %zu of %zu", k, n, files[k].size);
            assert_int_equal(soma_error_take(ctx), SOMA_ERROR_FORMAT);
            assert_true(strlen(soma_error_message(ctx)) > 20);
            free(cut);
        }
        for (size_t n = 0; n < files[k].size; n++) /* altered: an error or a picture, no more */
            for (int bit = 0; bit < 8; bit += 3) {
                files[k].data[n] ^= (uint8_t)(1 << bit);
                soma_scope *scope = soma_scope_open(ctx);
                soma_image_decode(ctx, files[k].data, files[k].size, &(soma_image_opts){.most_pixels = 1 << 16});
                soma_error_take(ctx);
                soma_scope_close(scope);
                files[k].data[n] ^= (uint8_t)(1 << bit);
            }
        decoded(ctx, files[k], 0);
        free(files[k].data);
    }
    soma_context_free(ctx);
}

static void limits_and_wrong_files_get_sentences(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    uint8_t pixels[H * W * 3];
    picture_draw(pixels, H, W, 3, 6);
    picture_file png = picture_png(pixels, H, W, (size_t)W * 3, PNG_COLOR_TYPE_RGB, 8, false, NULL, 0),
                 jpeg = picture_jpeg(pixels, H, W, 1, 90, false, 0);
    assert_null(soma_image_decode(ctx, png.data, png.size, &(soma_image_opts){.most_pixels = H * W - 1}));
    check_error(ctx, SOMA_ERROR_FORMAT, "13 x 11 pixels; more than 142 are not read");
    assert_null(soma_image_decode(ctx, jpeg.data, jpeg.size, &(soma_image_opts){.most_pixels = H * W - 1}));
    check_error(ctx, SOMA_ERROR_FORMAT, "13 x 11 pixels");
    assert_null(soma_image_decode(ctx, "GIF89a", 6, NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "no PNG or JPEG file by its content");
    assert_null(soma_image_decode(ctx, NULL, 0, NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "empty");
    assert_null(soma_image_decode(ctx, png.data, png.size, &(soma_image_opts){.channels = 2}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "1 or 3 channels");
    assert_null(soma_image_read(ctx, "/nowhere/photo.jpg", NULL));
    check_error(ctx, SOMA_ERROR_IO, "/nowhere/photo.jpg: cannot open");
    assert_null(soma_image_read(ctx, "/tmp", NULL));
    check_error(ctx, SOMA_ERROR_IO, "no regular file");
    free(png.data), free(jpeg.data);
    soma_context_free(ctx);
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    char path[64] = "/tmp/soma-image-XXXXXX";
    close(mkstemp(path));
    for (int channels = 1; channels <= 3; channels += 2) {
        uint8_t pixels[H * W * 3];
        picture_draw(pixels, H, W, channels, 7);
        soma_image_write(ctx, path, &(soma_image){pixels, H, W, channels});
        soma_image *i = soma_image_read(ctx, path, NULL);
        check_fine(ctx);
        assert_true(i->height == H && i->width == W && i->channels == channels);
        assert_memory_equal(i->pixels, pixels, (size_t)(H * W * channels));
    }
    unlink(path);
    soma_image_write(ctx, "/nowhere/x.png", &(soma_image){(uint8_t *)path, 1, 1, 1});
    check_error(ctx, SOMA_ERROR_IO, "/nowhere/x.png");
    soma_context_free(ctx);
}

/* tools/picture_golden.py, by Pillow: resize(..., BILINEAR), rows before columns, of picture_draw's 11 x 13 pixels. */
static void resized_as_pillow(void **state) {
    (void)state;
    static const struct {
        int64_t h, w;
        unsigned digest; /* sum of bytes times their places, modulo 2^32 */
    } golden[] = {
#include "golden/resize.h"
    };
    soma_context *ctx = check_context(NULL);
    uint8_t pixels[H * W * 3];
    picture_draw(pixels, H, W, 3, 8);
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        soma_image *i = soma_image_resize(ctx, &(soma_image){pixels, H, W, 3}, golden[k].h, golden[k].w, false);
        check_fine(ctx);
        unsigned sum = 0;
        for (int64_t p = 0; p < golden[k].h * golden[k].w * 3; p++) sum += i->pixels[p] * (unsigned)(p + 1);
        if (sum != golden[k].digest) fail_msg("%d x %d: %u, Pillow has %u", (int)golden[k].h, (int)golden[k].w, sum, golden[k].digest);
    }
    soma_image *crop = soma_image_resize(ctx, &(soma_image){pixels, H, W, 3}, H, H, true);
    for (int y = 0; y < H; y++) assert_memory_equal(crop->pixels + y * H * 3, pixels + (y * W + 1) * 3, H * 3); /* a pixel is cut at each side */
    assert_null(soma_image_resize(ctx, crop, 0, 4, false));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "image_resize: 0 x 4");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(grey_of_every_depth),
                                       cmocka_unit_test(colour_alpha_and_palettes),
                                       cmocka_unit_test(jpegs_are_what_libjpeg_says),
                                       cmocka_unit_test(exif_turns_pictures_upright),
                                       cmocka_unit_test(cut_at_every_length_it_is_an_error),
                                       cmocka_unit_test(limits_and_wrong_files_get_sentences),
                                       cmocka_unit_test(what_is_written_is_read_again),
                                       cmocka_unit_test(resized_as_pillow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) {
    printf("skipped: the library was built without libpng and libjpeg\n");
    return 77;
}
#endif
