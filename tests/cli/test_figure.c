/* Figures as pages: where pictures and words are, with which pixels; and the pieces that they are made of. */
#include "support/check.h"

#include "figure.h"

#include <string.h>

static void pixels_become_squares(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const uint8_t planes[] = {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26};
    const soma_image *i = cli_image_of_bytes(ctx, planes, 3, 2, 3), *large = cli_image_enlarged(ctx, i, 4);
    assert_int_equal(large->height, 8);
    assert_int_equal(large->width, 12);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 12; x++)
            for (int c = 0; c < 3; c++) assert_int_equal(large->pixels[(y * 12 + x) * 3 + c], 10 * c + y / 4 * 3 + x / 4 + 1);
    assert_ptr_equal(cli_image_enlarged(ctx, i, 1), i);
    soma_context_free(ctx);
}

/* Tiles of 3 x 3 pixels brought to 60, in rows of four: 8 between them, 16 around, 26 for the title. */
static void tiles_lie_in_a_grid(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    cli_figure f = {.ctx = ctx};
    cli_page page;
    cli_block *b = cli_figure_add(&f, 62, 10, "%s", "title");
    b->columns = 4;
    for (int k = 0; k < 6; k++) {
        soma_image *i = cli_image(ctx, 3, 3, 3);
        memset(i->pixels, 10 * k, 27);
        assert_true(cli_block_put(&f, b, i, NULL, NULL));
    }
    assert_true(cli_page_of(&f, &page));
    assert_int_equal(page.width, 16 + 4 * 60 + 3 * 8 + 16);
    assert_int_equal(page.height, 16 + 26 + 2 * 60 + 8 + 16);
    int seen = 0;
    for (int i = 0; i < page.n; i++) {
        const cli_mark *m = &page.marks[i];
        if (m->kind != CLI_PICTURE) continue;
        assert_int_equal(m->x, 16 + seen % 4 * 68);
        assert_int_equal(m->y, 42 + seen / 4 * 68);
        assert_int_equal(m->width, 60);
        assert_int_equal(m->height, 60);
        for (int k = 0; k < 60 * 60 * 3; k++) assert_int_equal(m->picture->pixels[k], 10 * seen);
        seen++;
    }
    assert_int_equal(seen, 6);
    soma_context_free(ctx);
}

static void a_matrix_is_shaded_by_rows(void **state) {
    (void)state;
    static const int64_t counts[] = {90, 10, 0, 5};
    static const char *const names[] = {"a", "b"};
    const cli_matrix m = {2, counts, names};
    soma_context *ctx = check_context(NULL);
    cli_figure f = {.ctx = ctx};
    cli_page page;
    cli_figure_add(&f, 0, 0, "%s", "")->matrix = &m;
    assert_true(cli_page_of(&f, &page));
    int boxes = 0, words = 0;
    for (int i = 0; i < page.n; i++) {
        const cli_mark *k = &page.marks[i];
        uint8_t wanted[3];
        words += k->kind == CLI_WORDS_AT;
        if (k->kind != CLI_BOX) continue;
        cli_share((const double[]){0.9, 0.1, 0, 1}[boxes++], wanted);
        assert_memory_equal(k->ink, wanted, 3);
    }
    assert_int_equal(boxes, 4);
    assert_int_equal(words, 1 + 4 + 3); /* title, names at both sides, counts above 0 */
    soma_context_free(ctx);
}

static void large_pages_are_an_error(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    cli_figure f = {.ctx = ctx};
    cli_page page;
    cli_block *b = cli_figure_add(&f, 100, 10, "%s", "");
    const soma_image *i = cli_image(ctx, 10, 10, 1);
    for (int k = 0; k < 2000; k++) cli_block_put(&f, b, i, NULL, NULL);
    assert_false(cli_page_of(&f, &page));
    check_error(ctx, SOMA_ERROR_RANGE, "--most and --layer make it smaller");
    soma_context_free(ctx);
}

static void words_are_cut_by_characters(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const char *korean = "\xea\xb3\xa0\xec\x96\x91\xec\x9d\xb4"; /* three characters */
    assert_int_equal(cli_length(korean), 3);
    assert_ptr_equal(cli_cut(ctx, korean, 3), korean);
    assert_string_equal(cli_cut(ctx, korean, 2), "\xea\xb3\xa0\xe2\x80\xa6");
    assert_string_equal(cli_cut(ctx, "automobile", 6), "autom\xe2\x80\xa6");
    assert_string_equal(cli_cut(ctx, "automobile", 1), "\xe2\x80\xa6");
    char text[] = "a\033[31mb\n";
    assert_string_equal(cli_plain(text), "a?[31mb?");
    soma_context_free(ctx);
}

/* Ends and middles; what is outside, or no number, stays in the table. Lightness of heat rises, so that it can be read in grey. */
static void colours_are_in_order(void **state) {
    (void)state;
    uint8_t a[3], b[3];
    cli_two_sided(0, a);
    for (int c = 0; c < 3; c++) assert_true(a[c] >= 246);
    cli_two_sided(-1, a), cli_two_sided(-3, b);
    assert_memory_equal(a, b, 3);
    assert_true(a[2] > a[0]);
    cli_two_sided(1, a);
    assert_true(a[0] > a[2]);
    double before = -1;
    for (int i = 0; i <= 100; i++) {
        cli_heat(i / 100.0, a);
        double light = 0.299 * a[0] + 0.587 * a[1] + 0.114 * a[2];
        assert_true(light > before);
        before = light;
    }
    cli_heat((double)__builtin_nanf(""), a), cli_heat(0, b);
    assert_memory_equal(a, b, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pixels_become_squares),       cmocka_unit_test(tiles_lie_in_a_grid),
                                       cmocka_unit_test(a_matrix_is_shaded_by_rows),  cmocka_unit_test(large_pages_are_an_error),
                                       cmocka_unit_test(words_are_cut_by_characters), cmocka_unit_test(colours_are_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
