/* Winograd's way: the shapes that it is the rule for, its error beside that of a chain of multiply-adds, and the bits of a sample alone. */
#include "support/check.h"

#include <math.h>
#include <string.h>

enum { N = 3, C = 33, O = 40, H = 15, W = 14, WAYS = 3 };
static const char *const ways[WAYS] = {"forward", "by the input", "by the weight"};

/* y = conv(x, w), or a gradient of sum(y * g), padding 1. */
static void compute(soma_tensor *x, soma_tensor *w, soma_tensor *g, bool fast, soma_tensor *out[WAYS]) {
    soma_tensor *in[2] = {x = soma_variable(x, NULL), w = soma_variable(w, NULL)}, *grads[2] = {NULL, NULL};
    soma_requires_grad(x, true), soma_requires_grad(w, true);
    out[0] = soma_conv2d(x, w, NULL, &(soma_conv_opts){.padding = {1, 1}, .fast_math = fast});
    soma_tensor *sum = soma_sum(soma_mul(out[0], g), NULL);
    soma_grad(&sum, 1, in, 2, grads, NULL);
    out[1] = grads[0], out[2] = grads[1];
}

static float x[N][C][H][W], w[O][C][3][3], g[N][O][H][W];

/* The same by one chain of multiply-adds an element, in the order of the direct way; way: 0 to 2. */
static float direct(int way, int64_t at) {
    float sum = 0;
    int n = (int)(at / (way ? C : O) / H / W), c = (int)(at / H / W % (way ? C : O)), a = (int)(at / W % H), b = (int)(at % W);
    if (way < 2) {
        for (int k = 0; k < 9; k++) {
            int y = way ? a + 1 - k / 3 : a - 1 + k / 3, z = way ? b + 1 - k % 3 : b - 1 + k % 3;
            if (y < 0 || y >= H || z < 0 || z >= W) continue;
            for (int i = 0; i < (way ? O : C); i++)
                sum = way ? fmaf(g[n][i][y][z], w[i][c][k / 3][k % 3], sum) : fmaf(x[n][i][y][z], w[c][i][k / 3][k % 3], sum);
        }
        return sum;
    }
    int o = (int)(at / 9 / C), i = (int)(at / 9 % C), k = (int)(at % 9);
    for (n = 0; n < N; n++)
        for (a = 0; a < H; a++)
            for (b = 0; b < W; b++) {
                int y = a - 1 + k / 3, z = b - 1 + k % 3;
                if (y >= 0 && y < H && z >= 0 && z < W) sum = fmaf(x[n][i][y][z], g[n][o][a][b], sum);
            }
    return sum;
}

static double root_mean_square(const float *a, const double *exact, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((double)a[i] - exact[i]) * ((double)a[i] - exact[i]);
    return sqrt(sum / (double)n);
}

/* Smaller tiles, the rule: at most 4 times the error of the direct way. Larger ones, by name: Lavin and Gray measured about 10 times as much. */
static void errors_are_bounded(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *xs = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(N, C, H, W)), *ws = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(O, C, 3, 3));
    soma_tensor *gs = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(N, O, H, W)), *exact[WAYS], *small[WAYS], *large[WAYS];
    soma_read(xs, x, sizeof x), soma_read(ws, w, sizeof w), soma_read(gs, g, sizeof g);
    compute(soma_to(xs, SOMA_F64), soma_to(ws, SOMA_F64), soma_to(gs, SOMA_F64), false, exact);
    compute(xs, ws, gs, false, small);
    compute(xs, ws, gs, true, large);
    check_fine(ctx);
    static double truth[N * O * H * W];
    static float got[N * O * H * W], chain[N * O * H * W];
    for (int k = 0; k < WAYS; k++) {
        int64_t n = k == 0 ? N * O * H * W : k == 1 ? N * C * H * W : O * C * 9;
        for (int64_t i = 0; i < n; i++) chain[i] = direct(k, i);
        soma_read(exact[k], truth, (size_t)n * sizeof *truth);
        double by_chain = root_mean_square(chain, truth, n);
        soma_read(small[k], got, (size_t)n * sizeof *got);
        double by_small = root_mean_square(got, truth, n);
        assert_memory_not_equal(got, chain, (size_t)n * sizeof *got); /* it is another way */
        soma_read(large[k], got, (size_t)n * sizeof *got);
        double by_large = root_mean_square(got, truth, n);
        print_message("%s: error %.2g, tiles of 2x2 %.1f times as much, of 4x4 %.1f\n", ways[k], by_chain, by_small / by_chain, by_large / by_chain);
        assert_true(by_small <= 4 * by_chain);
        assert_true(by_large <= 20 * by_chain && by_large > by_small);
    }
    soma_context_free(ctx);
}

/* Stride, dilation, groups, channels, another kernel, few pixels: those have the direct way's bits, which fast_math leaves alone. */
static void the_shape_decides(void **state) {
    (void)state;
    static const struct {
        int64_t c, o, size, kernel;
        soma_conv_opts opts;
        bool tiles;
    } rows[] = {
        {16, 16, 6, 3, {.padding = {0}}, true},  {15, 16, 6, 3, {.padding = {0}}, false}, {16, 15, 6, 3, {.padding = {0}}, false},
        {16, 16, 5, 3, {.padding = {0}}, false}, {16, 16, 9, 3, {.stride = {2}}, false},  {16, 16, 9, 3, {.dilation = {2}}, false},
        {32, 32, 9, 3, {.groups = 2}, false},    {16, 16, 9, 5, {.padding = {0}}, false}, {16, 16, 6, 3, {.padding = {3, 3}}, false},
        {16, 16, 4, 3, {.same = 1}, true},
    };
    soma_context *ctx = check_context(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t groups = rows[i].opts.groups ? rows[i].opts.groups : 1, k = rows[i].kernel, s = rows[i].size;
        soma_tensor *a = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, rows[i].c, s, s));
        soma_tensor *b = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(rows[i].o, rows[i].c / groups, k, k));
        soma_conv_opts fast = rows[i].opts;
        fast.fast_math = 1;
        soma_tensor *one = soma_conv2d(a, b, NULL, &rows[i].opts), *two = soma_conv2d(a, b, NULL, &fast);
        int64_t differ;
        soma_read(soma_sum(soma_to(soma_ne(one, two), SOMA_I64), NULL), &differ, sizeof differ);
        check_fine(ctx);
        assert_int_equal(differ > 0, rows[i].tiles);
    }
    soma_context_free(ctx);
}

static void a_sample_alone_has_the_bits_of_a_batch(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *xs = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(N, C, H, W)), *ws = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(O, C, 3, 3));
    static float all[N][O][H][W], one[O][H][W];
    soma_read(soma_conv2d(xs, ws, NULL, &(soma_conv_opts){.same = 1}), all, sizeof all);
    for (int n = 0; n < N; n++) {
        soma_read(soma_conv2d(soma_slice(xs, 0, n, n + 1, 1), ws, NULL, &(soma_conv_opts){.same = 1}), one, sizeof one);
        assert_memory_equal(one, all[n], sizeof one);
    }
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(errors_are_bounded), cmocka_unit_test(the_shape_decides),
                                       cmocka_unit_test(a_sample_alone_has_the_bits_of_a_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
