/* Convolutions against PyTorch: shapes, values, gradients and gradients of gradients as weighted sums (element i counts i % 7 + 1 times), for odd
 * sizes, groups, dilation, every kind of padding; wrong arguments; and a sample alone gives the bits that it has in a batch. Inputs are multiples of
 * 1/8, by the formula in fill. */
#include "support/check.h"

#include <math.h>
#include <string.h>

typedef struct row {
    const char *name;
    int64_t dims, x[5], w[5];
    soma_conv_opts o;
    bool bias;
    int64_t y[5];
    double sums[6]; /* y, gradients of sum(y * y * s) by x, w, bias; gradients of their sums of squares by x, w */
} row;
static const row rows[] = {
    {"conv1d",
     1,
     {2, 4, 9},
     {6, 2, 3},
     {.stride = {2, 0, 0}, .padding = {1, 0, 0}, .dilation = {0, 0, 0}, .groups = 2, .same = 0, .output_padding = {0, 0, 0}},
     true,
     {2, 6, 5},
     {-24.359375, 76.52392578125, -23.3076171875, -9.25390625, -996.33258819580078, 15.368839263916016}},
    {"conv1d",
     1,
     {1, 3, 8},
     {2, 3, 4},
     {.stride = {0, 0, 0}, .padding = {0, 0, 0}, .dilation = {0, 0, 0}, .groups = 0, .same = 1, .output_padding = {0, 0, 0}},
     true,
     {1, 2, 8},
     {-22.296875, -14.1181640625, -8.02490234375, 3.74609375, 554.28458404541016, -381.83605575561523}},
    {"conv1d",
     1,
     {2, 3, 11},
     {3, 1, 3},
     {.stride = {0, 0, 0}, .padding = {0, 0, 0}, .dilation = {2, 0, 0}, .groups = 3, .same = 1, .output_padding = {0, 0, 0}},
     false,
     {2, 3, 11},
     {19.359375, 46.28955078125, -70.27099609375, 0, 1703.0313339233398, -364.60775375366211}},
    {"conv2d",
     2,
     {2, 3, 7, 5},
     {4, 3, 3, 3},
     {.stride = {0, 0, 0}, .padding = {1, 1, 0}, .dilation = {0, 0, 0}, .groups = 0, .same = 0, .output_padding = {0, 0, 0}},
     true,
     {2, 4, 7, 5},
     {-152.671875, 132.4248046875, 266.9853515625, 190.42578125, 22664.684574127197, -290.45052337646484}},
    {"conv2d",
     2,
     {2, 4, 7, 6},
     {4, 2, 3, 2},
     {.stride = {2, 1, 0}, .padding = {0, 1, 0}, .dilation = {1, 2, 0}, .groups = 2, .same = 0, .output_padding = {0, 0, 0}},
     true,
     {2, 4, 3, 6},
     {-78.40625, 367.48291015625, -201.7421875, -74.546875, -7147.5223274230957, 117.23293304443359}},
    {"conv2d",
     2,
     {1, 2, 6, 6},
     {3, 2, 4, 5},
     {.stride = {0, 0, 0}, .padding = {0, 0, 0}, .dilation = {0, 0, 0}, .groups = 0, .same = 1, .output_padding = {0, 0, 0}},
     false,
     {1, 3, 6, 6},
     {-15.46875, -249.76708984375, 273.86376953125, 0, -5234.4957313537598, 2621.6392669677734}},
    {"conv2d",
     2,
     {2, 5, 4, 4},
     {7, 5, 1, 1},
     {.stride = {2, 2, 0}, .padding = {0, 0, 0}, .dilation = {0, 0, 0}, .groups = 0, .same = 0, .output_padding = {0, 0, 0}},
     true,
     {2, 7, 2, 2},
     {-39.375, -11.04931640625, -42.42919921875, 8.07421875, -212.74844360351562, -286.0353889465332}},
    {"conv3d",
     3,
     {1, 2, 4, 5, 3},
     {3, 2, 2, 3, 2},
     {.stride = {1, 2, 1}, .padding = {1, 0, 1}, .dilation = {0, 0, 0}, .groups = 0, .same = 0, .output_padding = {0, 0, 0}},
     true,
     {1, 3, 5, 2, 4},
     {-216.640625, 200.9404296875, -351.474609375, -19.0625, 29586.853591918945, -31523.645900726318}},
    {"conv_transpose1d",
     1,
     {2, 4, 5},
     {4, 3, 3},
     {.stride = {2, 0, 0}, .padding = {1, 0, 0}, .dilation = {0, 0, 0}, .groups = 0, .same = 0, .output_padding = {1, 0, 0}},
     true,
     {2, 3, 10},
     {-85.78125, 46.482421875, 1.93505859375, 7.296875, 1028.7862815856934, 557.0675048828125}},
    {"conv_transpose2d",
     2,
     {2, 4, 4, 3},
     {4, 2, 3, 3},
     {.stride = {2, 3, 0}, .padding = {1, 0, 0}, .dilation = {1, 2, 0}, .groups = 2, .same = 0, .output_padding = {1, 2, 0}},
     true,
     {2, 4, 8, 13},
     {-616.921875, 67.033203125, -196.80126953125, -20.32421875, 103.89058303833008, 453.60902786254883}},
    {"conv_transpose3d",
     3,
     {1, 2, 2, 3, 2},
     {2, 2, 2, 2, 3},
     {.stride = {2, 2, 2}, .padding = {0, 0, 0}, .dilation = {0, 0, 0}, .groups = 0, .same = 0, .output_padding = {0, 0, 0}},
     false,
     {1, 2, 4, 6, 5},
     {-14.0625, -32.94140625, -16.1240234375, 0, 2099.9459762573242, -392.23970794677734}},
};

static soma_tensor *call(const char *name, soma_tensor *x, soma_tensor *w, soma_tensor *b, const soma_conv_opts *o) {
    return strcmp(name, "conv1d") == 0             ? soma_conv1d(x, w, b, o)
           : strcmp(name, "conv2d") == 0           ? soma_conv2d(x, w, b, o)
           : strcmp(name, "conv3d") == 0           ? soma_conv3d(x, w, b, o)
           : strcmp(name, "conv_transpose1d") == 0 ? soma_conv_transpose1d(x, w, b, o)
           : strcmp(name, "conv_transpose2d") == 0 ? soma_conv_transpose2d(x, w, b, o)
                                                   : soma_conv_transpose3d(x, w, b, o);
}

static int64_t volume(const int64_t *shape, int64_t ndim) {
    int64_t n = 1;
    for (int64_t d = 0; d < ndim; d++) n *= shape[d];
    return n;
}

static soma_tensor *fill(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim, int a, int b, bool learns) {
    static double v[4096];
    int64_t n = volume(shape, ndim);
    for (int64_t i = 0; i < n; i++) v[i] = (double)((i * a + b) % 17 - 8) / 8;
    soma_tensor *t = soma_to(soma_from(ctx, v, SOMA_F64, shape, ndim), dtype);
    return learns ? soma_variable(t, &(soma_variable_opts){.requires_grad = 1}) : t;
}

static double sum_of(soma_tensor *t) {
    static double v[8192];
    double sum = 0;
    soma_tensor *wide = soma_to(t, SOMA_F64);
    assert_int_equal(soma_read(wide, v, (size_t)soma_numel(t) * sizeof *v), SOMA_OK);
    for (int64_t i = 0; i < soma_numel(t); i++) sum += v[i] * (double)(i % 7 + 1);
    return sum;
}

static void convolutions_are_pytorchs(void **state) {
    (void)state;
    for (size_t r = 0; r < 2 * sizeof rows / sizeof *rows; r++) {
        const row *c = &rows[r / 2];
        soma_dtype dtype = r % 2 ? SOMA_F32 : SOMA_F64;
        soma_context *ctx = check_context(NULL);
        int64_t nd = c->dims + 2, outputs = strstr(c->name, "transpose") ? c->w[1] * (c->o.groups ? c->o.groups : 1) : c->w[0];
        soma_tensor *in[3] = {fill(ctx, dtype, c->x, nd, 5, 1, true), fill(ctx, dtype, c->w, nd, 7, 3, true),
                              c->bias ? fill(ctx, dtype, &outputs, 1, 3, 2, true) : NULL};
        soma_tensor *y = call(c->name, in[0], in[1], in[2], &c->o), *g[3], *gg[2];
        check_fine(ctx);
        assert_int_equal(soma_ndim(y), nd);
        assert_memory_equal(soma_shape(y), c->y, (size_t)nd * sizeof(int64_t));
        soma_tensor *s = fill(ctx, dtype, c->y, nd, 11, 5, false), *loss = soma_sum(soma_mul(soma_square(y), s), NULL);
        assert_int_equal(soma_grad(&loss, 1, in, c->bias ? 3 : 2, g, NULL), SOMA_OK);
        soma_tensor *all = soma_add(soma_sum(soma_square(g[0]), NULL), soma_sum(soma_square(g[1]), NULL));
        if (c->bias) all = soma_add(all, soma_sum(soma_square(g[2]), NULL));
        assert_int_equal(soma_grad(&all, 1, in, 2, gg, NULL), SOMA_OK);
        double got[6] = {sum_of(y), sum_of(g[0]), sum_of(g[1]), c->bias ? sum_of(g[2]) : 0, sum_of(gg[0]), sum_of(gg[1])};
        for (int i = 0; i < 6;
             i++) /* chains of up to some hundred roundings, then sums of up to a thousand: 2e-4 is some 10 times what float32 showed */
            if (fabs(got[i] - c->sums[i]) > (dtype == SOMA_F64 ? 1e-9 : 2e-4) * (1 + fabs(c->sums[i])))
                fail_msg("row %zu, %s, sum %d: %.10g, PyTorch %.10g", r / 2, c->name, i, got[i], c->sums[i]);
        soma_context_free(ctx);
    }
}

static void a_sample_alone_has_the_bits_of_a_batch(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(5, 3, 9, 8)), *w = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(4, 3, 3, 3));
    float all[5 * 4 * 9 * 8], one[4 * 9 * 8];
    const soma_conv_opts same = {.same = 1};
    soma_read(soma_conv2d(x, w, NULL, &same), all, sizeof all);
    for (int i = 0; i < 5; i++) {
        soma_read(soma_conv2d(soma_slice(x, 0, i, i + 1, 1), w, NULL, &same), one, sizeof one);
        assert_memory_equal(one, all + i * 4 * 9 * 8, sizeof one);
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

/* A kernel that spans more than 4096 products is cut there: by hand. */
static void long_chains_are_cut(void **state) {
    (void)state;
    enum { C = 1000 };
    soma_context *ctx = check_context(NULL);
    static float x[C * 9], w[C * 9];
    soma_tensor *xs = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(1, C, 3, 3)), *ws = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(1, C, 3, 3));
    soma_read(xs, x, sizeof x), soma_read(ws, w, sizeof w);
    float part[3] = {0}, got;
    for (int k = 0; k < 9 * C; k++)
        part[k / 4096] = fmaf(x[k % C * 9 + k / C], w[k % C * 9 + k / C], part[k / 4096]); /* kernel position, then channel */
    soma_read(soma_conv2d(xs, ws, NULL, NULL), &got, sizeof got);
    assert_true(got == (part[0] + part[1]) + part[2]);
    soma_context_free(ctx);
}

static void wrong_arguments_get_sentences(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1, 4, 5, 5)), *w = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(6, 4, 3, 3));
    assert_null(soma_conv1d(x, w, NULL, NULL));
    check_error(ctx, SOMA_ERROR_SHAPE, "conv1d: the input has shape [1, 4, 5, 5]");
    assert_null(soma_conv2d(x, w, NULL, &(soma_conv_opts){.groups = 2}));
    check_error(ctx, SOMA_ERROR_SHAPE, "conv2d: the input has 4 channels, the weight of shape [6, 4, 3, 3] with 2 groups wants 8");
    assert_null(soma_conv2d(x, w, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(4)), NULL));
    check_error(ctx, SOMA_ERROR_SHAPE, "[6] is wanted");
    assert_null(soma_conv2d(x, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(6, 4, 7, 3)), NULL, NULL));
    check_error(ctx, SOMA_ERROR_SHAPE, "dimension 2 has 5 elements with its padding, the kernel spans 7");
    assert_null(soma_conv2d(x, w, NULL, &(soma_conv_opts){.same = 1, .stride = {2}}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "'same' goes with stride 1");
    assert_null(soma_conv2d(x, w, NULL, &(soma_conv_opts){.padding = {-1}}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "paddings 0 or more");
    assert_null(soma_conv2d(x, soma_zeros(ctx, SOMA_F64, SOMA_SHAPE(6, 4, 3, 3)), NULL, NULL));
    check_error(ctx, SOMA_ERROR_DTYPE, "all be float32");
    assert_null(soma_conv_transpose2d(x, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(4, 2, 3, 3)), NULL, &(soma_conv_opts){.output_padding = {1, 0}}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "below stride or dilation");
    assert_null(soma_conv2d(NULL, w, NULL, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "conv2d");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolutions_are_pytorchs), cmocka_unit_test(a_sample_alone_has_the_bits_of_a_batch),
                                       cmocka_unit_test(long_chains_are_cut), cmocka_unit_test(wrong_arguments_get_sentences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
