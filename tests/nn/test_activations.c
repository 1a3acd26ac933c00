/* Activation modules: each is its function; those that draw do so in train mode alone, with the distribution that they promise; settings are checked.
 */
#include "support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N 20000

static void same(soma_context *ctx, soma_module *m, soma_tensor *x, soma_tensor *want) {
    float a[64], b[64];
    size_t bytes = (size_t)soma_numel(want) * sizeof *a;
    assert_int_equal(soma_read(soma_forward(m, x), a, bytes), SOMA_OK);
    assert_int_equal(soma_read(want, b, bytes), SOMA_OK);
    assert_memory_equal(a, b, bytes);
    check_fine(ctx);
}

static void modules_are_their_functions(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_keep(soma_mul_scalar(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(8, 8)), 3));
#define MODULE0(name, doc) same(ctx, soma_nn_##name(ctx), x, soma_##name(x));
#define ACTIVATION0 MODULE0
#define ACTIVATION1(name, a, otherwise, doc) same(ctx, soma_nn_##name(ctx, 0.75), x, soma_##name(x, 0.75));
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) same(ctx, soma_nn_##name(ctx, 0.5, 1.25), x, soma_##name(x, 0.5, 1.25));
#include "soma/activations.def"
    same(ctx, soma_nn_softmin(ctx, 1), x, soma_softmin(x, 1));
    same(ctx, soma_nn_glu(ctx, 1), x, soma_glu(x, 1));
    same(ctx, soma_nn_prelu(ctx, 1, 0.25), x, soma_leaky_relu(x, 0.25));
    same(ctx, soma_nn_prelu(ctx, 8, 0.5), x, soma_leaky_relu(x, 0.5));
    soma_module *drawn[] = {soma_nn_rrelu(ctx, 0.25, 0.75), soma_nn_alpha_dropout(ctx, 0.5)};
    for (int i = 0; i < 2; i++) soma_module_train(drawn[i], false);
    same(ctx, drawn[0], x, soma_leaky_relu(x, 0.5));
    same(ctx, drawn[1], x, x);
    soma_context_free(ctx);
}

static void moments(const float *y, double *mean, double *variance) {
    *mean = *variance = 0;
    for (int i = 0; i < N; i++) *mean += (double)y[i] / N;
    for (int i = 0; i < N; i++) *variance += ((double)y[i] - *mean) * ((double)y[i] - *mean) / N;
}

static void what_is_drawn_is_distributed(void **state) {
    (void)state;
    static float y[N], x[N];
    double mean, variance;
    soma_context *ctx = check_context(NULL);
    /* slopes of -1: U(0.25, 0.75) has mean 1/2 and variance 1/48 (standard errors 0.001 and 0.0002) */
    soma_read(soma_forward(soma_nn_rrelu(ctx, 0.25, 0.75), soma_full(ctx, -1, SOMA_F32, SOMA_SHAPE(N))), y, sizeof y);
    moments(y, &mean, &variance);
    assert_true(fabs(mean + 0.5) < 0.005 && fabs(variance - 1.0 / 48) < 0.001);
    for (int i = 0; i < N; i++) assert_true(y[i] <= -0.25F && y[i] >= -0.75F);
    /* mean 0 and variance 1 stay, to 5 standard errors of about 0.007 and 0.01 */
    soma_tensor *z = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(N)));
    soma_read(soma_forward(soma_nn_alpha_dropout(ctx, 0.3), z), y, sizeof y);
    soma_read(z, x, sizeof x);
    moments(y, &mean, &variance);
    assert_true(fabs(mean) < 0.035 && fabs(variance - 1) < 0.05);
    int dropped = 0;
    double floor = -1.7580993408473766, a = 1 / sqrt(0.7 * (1 + 0.3 * floor * floor)), b = -a * 0.3 * floor;
    for (int i = 0; i < N; i++) {
        bool gone = fabs((double)y[i] - (a * floor + b)) < 1e-5;
        dropped += gone;
        if (!gone) assert_true(fabs((double)y[i] - (a * (double)x[i] + b)) < 1e-5);
    }
    assert_true(abs(dropped - 6000) < 325); /* 5 standard errors of a binomial */
    check_fine(ctx);
    soma_context_free(ctx);
}

static void settings_are_checked(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(4, 3))), *n = soma_keep(soma_full(ctx, 1, SOMA_I64, SOMA_SHAPE(3)));
    assert_null(soma_celu(x, 0));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "celu: alpha is 0; another number is wanted");
    assert_null(soma_softplus(x, 0, 20));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "softplus: beta is 0");
    assert_null(soma_softshrink(x, -1));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "softshrink: lambd is -1; 0 or more is wanted");
    assert_null(soma_hardtanh(x, 1, 1));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "hardtanh: min_val is 1; less than max_val is wanted");
    assert_null(soma_rrelu(x, 0.5, 0.25, true));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "rrelu: lower is 0.5");
    assert_null(soma_alpha_dropout(x, 1.5, true));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "alpha_dropout: p is 1.5; a probability in [0, 1] is wanted");
    assert_null(soma_nn_alpha_dropout(ctx, -1));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "alpha_dropout: p is -1");
    assert_null(soma_nn_prelu(ctx, 0, 1));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "prelu: 0 slopes");
    assert_null(soma_prelu(x, soma_full(ctx, 1, SOMA_F32, SOMA_SHAPE(2))));
    check_error(ctx, SOMA_ERROR_SHAPE, "prelu: weight float32 [2] with input float32 [4, 3]; the input's dtype, and 1 or 3 elements are wanted");
    assert_null(soma_glu(x, 1));
    check_error(ctx, SOMA_ERROR_SHAPE, "glu: dimension 1 of [4, 3]; one of even size is wanted");
    assert_null(soma_glu(x, 2));
    check_error(ctx, SOMA_ERROR_SHAPE, "glu: dimension 2 of [4, 3]");
    assert_null(soma_gelu(n));
    check_error(ctx, SOMA_ERROR_DTYPE, "gelu: the input is int64; a floating dtype is wanted");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(modules_are_their_functions), cmocka_unit_test(what_is_drawn_is_distributed),
                                       cmocka_unit_test(settings_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
