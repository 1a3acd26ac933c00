/* labels: threads
 * Transforms: each does what its row says, by numbers that can be counted; random ones are a function of seed, epoch, sample and place alone. */
#include "support/check.h"
#include "support/pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define H 9
#define W 12

static uint8_t drawn[H * W * 3];

static soma_image *through(soma_context *ctx, const soma_transform *list, size_t n, uint64_t seed, int64_t epoch, int64_t sample, int channels) {
    soma_image *i = soma_image_transform(ctx, &(soma_image){drawn, H, W, channels}, list, n, seed, epoch, sample);
    check_fine(ctx);
    assert_non_null(i);
    return i;
}
static soma_image *by(soma_context *ctx, soma_transform t) { return through(ctx, &t, 1, 1, 0, 0, 3); }
static const uint8_t *at(const soma_image *i, int64_t y, int64_t x) { return i->pixels + (y * i->width + x) * i->channels; }

static void flips_are_their_own_inverse(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (int k = 0; k < 2; k++) {
        const soma_transform t = {.kind = k ? SOMA_TRANSFORM_vertical_flip : SOMA_TRANSFORM_horizontal_flip, .p = SOMA_SET(1)}, two[] = {t, t};
        soma_image *once = by(ctx, t), *twice = through(ctx, two, 2, 1, 0, 0, 3);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) assert_memory_equal(at(once, y, x), drawn + ((k ? H - 1 - y : y) * W + (k ? x : W - 1 - x)) * 3, 3);
        assert_memory_equal(twice->pixels, drawn, sizeof drawn);
    }
    int flipped = 0;
    const soma_transform half = {.kind = SOMA_TRANSFORM_horizontal_flip}, never = {.kind = SOMA_TRANSFORM_horizontal_flip, .p = SOMA_SET(0)};
    for (int i = 0; i < 1000; i++) flipped += memcmp(through(ctx, &half, 1, 7, i % 3, i, 3)->pixels, drawn, sizeof drawn) != 0;
    assert_true(flipped > 440 && flipped < 560);
    assert_memory_equal(by(ctx, never)->pixels, drawn, sizeof drawn);
    soma_context_free(ctx);
}

static void crops_are_parts(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_image *c = by(ctx, (soma_transform){.kind = SOMA_TRANSFORM_centre_crop, .size = {4, 9}});
    for (int y = 0; y < 4; y++) assert_memory_equal(at(c, y, 0), drawn + ((y + 2) * W + 2) * 3, 27); /* 2.5 and 1.5 become 2 */
    char seen[H + 5 - 6][W + 5 - 7] = {0};
    const soma_transform t = {.kind = SOMA_TRANSFORM_random_crop, .size = {6, 7}, .padding = 2, .fill = 77};
    for (int sample = 0; sample < 1500; sample++) {
        soma_scope *scope = soma_scope_open(ctx);
        soma_image *i = through(ctx, &t, 1, 3, 0, sample, 3);
        int found = 0;
        for (int top = -2; top <= H + 2 - 6 && !found; top++)
            for (int left = -2; left <= W + 2 - 7 && !found; left++) {
                bool same = true;
                for (int y = 0; same && y < 6; y++)
                    for (int x = 0; same && x < 7; x++) {
                        bool inside = top + y >= 0 && top + y < H && left + x >= 0 && left + x < W;
                        for (int k = 0; k < 3; k++) same = same && at(i, y, x)[k] == (inside ? drawn[((top + y) * W + left + x) * 3 + k] : 77);
                    }
                if (same) found = 1, seen[top + 2][left + 2] = 1;
            }
        assert_true(found);
        soma_scope_close(scope);
    }
    for (size_t k = 0; k < sizeof seen; k++) assert_true(((char *)seen)[k]); /* every place occurs */
    assert_null(soma_image_transform(ctx, &(soma_image){drawn, H, W, 3},
                                     &(soma_transform){.kind = SOMA_TRANSFORM_random_crop, .size = {H + 5, W}, .padding = 2}, 1, 0, 0, 0));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "transform 0 (random_crop) wants a size that is no larger than the picture");
    soma_image *r = by(ctx, (soma_transform){.kind = SOMA_TRANSFORM_random_resized_crop, .size = {5, 5}, .scale = {1, 1}, .ratio = {1.33, 1.34}});
    soma_image *whole = by(ctx, (soma_transform){.kind = SOMA_TRANSFORM_resize, .size = {5, 5}});
    assert_memory_equal(r->pixels, whole->pixels, 75); /* of all the area, in the picture's ratio */
    soma_context_free(ctx);
}

static void a_square_is_cut_out(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (int sample = 0; sample < 200; sample++) {
        soma_scope *scope = soma_scope_open(ctx);
        const soma_transform t = {.kind = SOMA_TRANSFORM_cutout, .size = {4}, .fill = 13};
        soma_image *i = through(ctx, &t, 1, 3, 0, sample, 3);
        int top = H, left = W, bottom = -1, right = -1, changed = 0;
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                if (memcmp(at(i, y, x), drawn + (y * W + x) * 3, 3) != 0) {
                    assert_true(at(i, y, x)[0] == 13 && at(i, y, x)[2] == 13);
                    changed++;
                    top = y < top ? y : top, left = x < left ? x : left, bottom = y > bottom ? y : bottom, right = x > right ? x : right;
                }
        assert_int_equal(changed, (bottom - top + 1) * (right - left + 1));
        assert_true(bottom - top < 4 && right - left < 4 && (bottom - top == 3 || top == 0 || bottom == H - 1) &&
                    (right - left == 3 || left == 0 || right == W - 1));
        soma_scope_close(scope);
    }
    soma_context_free(ctx);
}

static void bent_by_nothing_it_stays(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const soma_transform still[] = {{.kind = SOMA_TRANSFORM_rotation},
                                    {.kind = SOMA_TRANSFORM_affine},
                                    {.kind = SOMA_TRANSFORM_elastic, .alpha = SOMA_SET(0)},
                                    {.kind = SOMA_TRANSFORM_colour_jitter},
                                    {.kind = SOMA_TRANSFORM_resize, .size = {H, W}},
                                    {.kind = SOMA_TRANSFORM_centre_crop, .size = {H, W}}};
    for (size_t k = 0; k < sizeof still / sizeof *still; k++)
        if (memcmp(by(ctx, still[k])->pixels, drawn, sizeof drawn) != 0) fail_msg("%s", soma_transform_name(still[k].kind));
    soma_context_free(ctx);
}

/* A point goes where it should: the brightest place of the bent picture of a dot. */
static void dot_after(soma_context *ctx, soma_transform t, int64_t sample, double *y, double *x) {
    uint8_t dot[33 * 33] = {0};
    for (int v = 7; v <= 9; v++)
        for (int u = 15; u <= 17; u++) dot[v * 33 + u] = 200; /* 8 above the middle (16, 16) */
    soma_image *i = soma_image_transform(ctx, &(soma_image){dot, 33, 33, 1}, &t, 1, 5, 0, sample);
    check_fine(ctx);
    double sum = 0;
    *y = *x = 0;
    for (int k = 0; k < 33 * 33; k++) sum += i->pixels[k], *y += (double)i->pixels[k] * (k / 33 - 16), *x += (double)i->pixels[k] * (k % 33 - 16);
    *y /= sum, *x /= sum;
}

static void turned_and_moved_as_far_as_said(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    double y, x, most = 0, farthest = 0, largest = 0, smallest = 99;
    for (int sample = 0; sample < 300; sample++) {
        soma_scope *scope = soma_scope_open(ctx);
        dot_after(ctx, (soma_transform){.kind = SOMA_TRANSFORM_rotation, .degrees = 30}, sample, &y, &x);
        assert_true(fabs(sqrt(y * y + x * x) - 8) < 0.1);
        most = fmax(most, fabs(atan2(x, -y)) * 57.29577951308232);
        dot_after(ctx, (soma_transform){.kind = SOMA_TRANSFORM_affine, .translate = {0.2, 0.1}}, sample, &y, &x);
        assert_true(fabs(x) < 6.7 && fabs(y + 8) < 3.4);
        farthest = fmax(farthest, fabs(x));
        dot_after(ctx, (soma_transform){.kind = SOMA_TRANSFORM_affine, .scale = {0.5, 1.5}}, sample, &y, &x);
        largest = fmax(largest, -y), smallest = fmin(smallest, -y);
        assert_true(fabs(x) < 0.1);
        dot_after(ctx, (soma_transform){.kind = SOMA_TRANSFORM_affine, .shear = 45}, sample, &y, &x);
        assert_true(fabs(y + 8) < 0.1 && fabs(x) < 8.1);
        soma_scope_close(scope);
    }
    assert_true(most > 28 && most < 30.5 && farthest > 6 && largest > 11.5 && largest < 12.1 && smallest > 3.9 && smallest < 4.5);
    soma_context_free(ctx);
}

static void elastic_noise_is_as_strong_as_said(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    /* a ramp: a pixel's level tells where it came from */
    enum { SIDE = 64 };
    static uint8_t ramp[SIDE * SIDE];
    for (int k = 0; k < SIDE * SIDE; k++) ramp[k] = (uint8_t)(3 * (k % SIDE));
    double squares = 0, n = 0;
    for (int sample = 0; sample < 40; sample++) {
        soma_scope *scope = soma_scope_open(ctx);
        const soma_transform t = {.kind = SOMA_TRANSFORM_elastic, .alpha = SOMA_SET(20), .sigma = 2};
        soma_image *i = soma_image_transform(ctx, &(soma_image){ramp, SIDE, SIDE, 1}, &t, 1, 5, 1, sample);
        check_fine(ctx);
        for (int y = 16; y < SIDE - 16; y++)
            for (int x = 16; x < SIDE - 16; x++) {
                double moved = i->pixels[y * SIDE + x] / 3.0 - x;
                squares += moved * moved, n++;
            }
        soma_scope_close(scope);
    }
    /* uniform noise has variance 1/3; the filter leaves 1 / (4 pi sigma^2) of it */
    double deviation = sqrt(squares / n), wanted = 20 * sqrt(1.0 / 3 / (4 * 3.14159265358979 * 4));
    if (fabs(deviation / wanted - 1) > 0.05) fail_msg("displacements deviate by %.3f, %.3f is wanted", deviation, wanted);
    soma_context_free(ctx);
}

static void colours_change_as_said(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    double brightest = 0, darkest = 9;
    for (int sample = 0; sample < 200; sample++) {
        soma_scope *scope = soma_scope_open(ctx);
        const soma_transform t = {.kind = SOMA_TRANSFORM_colour_jitter, .brightness = 0.25}, h = {.kind = SOMA_TRANSFORM_colour_jitter, .hue = 0.5};
        soma_image *i = through(ctx, &t, 1, 3, 0, sample, 3), *j = through(ctx, &h, 1, 3, 0, sample, 3);
        double factor = (double)i->pixels[30] / drawn[30];
        brightest = fmax(brightest, factor), darkest = fmin(darkest, factor);
        for (int k = 0; k < H * W * 3; k += 3) { /* hue keeps the least and the most of the three */
            int a[2] = {255, 0}, b[2] = {255, 0};
            for (int c = 0; c < 3; c++) {
                a[0] = drawn[k + c] < a[0] ? drawn[k + c] : a[0], a[1] = drawn[k + c] > a[1] ? drawn[k + c] : a[1];
                b[0] = j->pixels[k + c] < b[0] ? j->pixels[k + c] : b[0], b[1] = j->pixels[k + c] > b[1] ? j->pixels[k + c] : b[1];
            }
            assert_true(a[0] == b[0] && a[1] == b[1]);
        }
        soma_scope_close(scope);
    }
    assert_true(brightest > 1.2 && brightest < 1.27 && darkest > 0.73 && darkest < 0.8);
    soma_image *grey = by(ctx, (soma_transform){.kind = SOMA_TRANSFORM_grayscale});
    for (int k = 0; k < H * W; k++) {
        const uint8_t *p = drawn + 3 * k, *q = grey->pixels + 3 * k;
        assert_true(q[0] == (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) / 65536 && q[1] == q[0] && q[2] == q[0]);
    }
    soma_context_free(ctx);
}

/* p of 0.3 leaves seven pictures of ten as they are, p of 0 all of them. */
static void changed_as_often_as_said(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const soma_transform often[] = {{.kind = SOMA_TRANSFORM_rotation, .degrees = 40},
                                    {.kind = SOMA_TRANSFORM_affine, .translate = {0.5, 0.5}},
                                    {.kind = SOMA_TRANSFORM_elastic, .sigma = 2},
                                    {.kind = SOMA_TRANSFORM_colour_jitter, .brightness = 0.9},
                                    {.kind = SOMA_TRANSFORM_cutout, .size = {4}, .fill = 1},
                                    {.kind = SOMA_TRANSFORM_horizontal_flip},
                                    {.kind = SOMA_TRANSFORM_grayscale}};
    for (size_t k = 0; k < sizeof often / sizeof *often; k++) {
        int changed[3] = {0};
        for (int sample = 0; sample < 1000; sample++) {
            soma_scope *scope = soma_scope_open(ctx);
            for (int j = 0; j < 3; j++) {
                soma_transform t = often[k];
                t.p = SOMA_SET(j == 0 ? 0 : j == 1 ? 0.3 : 1);
                changed[j] += memcmp(through(ctx, &t, 1, 11, 0, sample, 3)->pixels, drawn, sizeof drawn) != 0;
            }
            soma_scope_close(scope);
        }
        /* five standard deviations of 1000 draws are 72; some moves are too small to be seen */
        if (changed[0] || changed[1] < 215 || changed[1] > 372 || changed[2] < 960)
            fail_msg("%s: %d, %d, %d", soma_transform_name(often[k].kind), changed[0], changed[1], changed[2]);
    }
    soma_context_free(ctx);
}

static const soma_transform all[] = {{.kind = SOMA_TRANSFORM_random_crop, .size = {28, 28}, .padding = 3},
                                     {.kind = SOMA_TRANSFORM_horizontal_flip},
                                     {.kind = SOMA_TRANSFORM_affine, .degrees = 10, .scale = {0.9, 1.1}, .shear = 5, .translate = {0.1, 0.1}},
                                     {.kind = SOMA_TRANSFORM_elastic},
                                     {.kind = SOMA_TRANSFORM_colour_jitter, .brightness = 0.3, .contrast = 0.3, .saturation = 0.3, .hue = 0.1},
                                     {.kind = SOMA_TRANSFORM_cutout, .size = {6}},
                                     {.kind = SOMA_TRANSFORM_random_resized_crop, .size = {20, 22}},
                                     {.kind = SOMA_TRANSFORM_rotation, .degrees = 15},
                                     {.kind = SOMA_TRANSFORM_vertical_flip},
                                     {.kind = SOMA_TRANSFORM_grayscale, .p = SOMA_SET(0.2)},
                                     {.kind = SOMA_TRANSFORM_resize, .size = {16, 16}},
                                     {.kind = SOMA_TRANSFORM_centre_crop, .size = {14, 15}}};
enum { KINDS = sizeof all / sizeof *all };

static void an_epoch_is_a_function_of_seed_and_numbers(void **state) {
    (void)state;
    static float want[3][60][14 * 15];
    assert_int_equal(KINDS, SOMA_TRANSFORM_KINDS);
    for (int way = 0; way < 5; way++) {
        soma_context *ctx = check_context(&(soma_context_opts){.threads = 1 + way % 3});
        soma_dataset *d = soma_dataset_transformed(ctx, soma_dataset_glyphs(ctx, 60, NULL), all, KINDS, 9);
        check_fine(ctx);
        soma_loader *l = soma_loader_new(ctx, d, way ? 7 + way : 60, &(soma_loader_opts){.shuffle = way > 0, .seed = 3, .no_prefetch = way % 2});
        for (int epoch = 0; epoch < 3; epoch++) {
            soma_batch b;
            soma_loader_start(l, epoch);
            if (way == 4) soma_loader_next(l, &b), soma_loader_next(l, &b), soma_loader_seek(l, epoch, 0); /* left, and taken up again */
            int64_t n = 0, hits = 0;
            while (soma_loader_next(l, &b))
                for (int64_t k = 0; k < b.count; k++, n++) {
                    if (!way) memcpy(want[epoch][n], b.inputs + k * 14 * 15, sizeof want[0][0]);
                    for (int64_t i = 0; way && i < 60; i++) hits += memcmp(want[epoch][i], b.inputs + k * 14 * 15, sizeof want[0][0]) == 0;
                }
            assert_int_equal(n, 60);
            assert_true(!way || hits >= 60);
        }
        for (int i = 0; i < 60; i++) {
            float x[14 * 15];
            soma_dataset_augmented(d, 2, i, x, NULL);
            assert_memory_equal(x, want[2][i], sizeof x);
        }
        soma_context_free(ctx);
    }
    assert_memory_not_equal(want[0], want[1], sizeof want[0]);
}

/* FNV-1a over what all transforms make of a few pictures: the same on every machine. */
static void the_same_bytes_on_every_machine(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    uint64_t h = 0xcbf29ce484222325u;
    uint8_t pixels[32 * 32 * 3];
    for (int sample = 0; sample < 20; sample++) {
        picture_draw(pixels, 32, 32, 3, (unsigned)sample);
        soma_image *i = soma_image_transform(ctx, &(soma_image){pixels, 32, 32, 3}, all, KINDS, 4, 1, sample);
        check_fine(ctx);
        for (int k = 0; k < 14 * 15 * 3; k++) h = (h ^ i->pixels[k]) * 0x100000001b3u;
    }
    if (h != 0x65505dbd8c9679e5u) fail_msg("the digest is 0x%llxu", (unsigned long long)h);
    soma_context_free(ctx);
}

static void wrong_settings_get_sentences(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_dataset *d = soma_dataset_glyphs(ctx, 3, NULL), *moons = soma_dataset_generate(ctx, "moons", 3, NULL);
    static const struct {
        soma_transform t;
        const char *words;
    } cases[] = {{{.kind = SOMA_TRANSFORM_resize}, "transform 0 (resize): its size is missing"},
                 {{.kind = SOMA_TRANSFORM_rotation, .degrees = 181}, "its degrees is missing, or outside"},
                 {{.kind = SOMA_TRANSFORM_horizontal_flip, .p = {1.5, 1}}, "its p"},
                 {{.kind = SOMA_TRANSFORM_horizontal_flip, .degrees = 1}, "its setting of another kind"},
                 {{.kind = SOMA_TRANSFORM_affine, .scale = {2, 1}}, "its scale"},
                 {{.kind = SOMA_TRANSFORM_affine, .degrees = (double)NAN}, "its degrees"},
                 {{.kind = SOMA_TRANSFORM_KINDS}, "(unknown): its kind"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_null(soma_dataset_transformed(ctx, d, &cases[k].t, 1, 0));
        check_error(ctx, SOMA_ERROR_ARGUMENT, cases[k].words);
    }
    assert_null(soma_dataset_transformed(ctx, moons, all, 1, 0));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "pictures of this context");
    assert_null(soma_dataset_transformed(ctx, soma_dataset_transformed(ctx, d, all, 1, 0), all, 1, 0));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "without transforms");
    soma_context_free(ctx);
}

int main(void) {
    picture_draw(drawn, H, W, 3, 1);
    for (int k = 0; k < H * W * 3; k++) drawn[k] = (uint8_t)(drawn[k] / 2 + 40); /* so that brighter is not clipped */
    const struct CMUnitTest tests[] = {cmocka_unit_test(flips_are_their_own_inverse),
                                       cmocka_unit_test(crops_are_parts),
                                       cmocka_unit_test(a_square_is_cut_out),
                                       cmocka_unit_test(bent_by_nothing_it_stays),
                                       cmocka_unit_test(turned_and_moved_as_far_as_said),
                                       cmocka_unit_test(elastic_noise_is_as_strong_as_said),
                                       cmocka_unit_test(colours_change_as_said),
                                       cmocka_unit_test(changed_as_often_as_said),
                                       cmocka_unit_test(an_epoch_is_a_function_of_seed_and_numbers),
                                       cmocka_unit_test(the_same_bytes_on_every_machine),
                                       cmocka_unit_test(wrong_settings_get_sentences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
