/* Initial values: bounds, moments, orthogonality, zeros, and what LSUV promises. */
#include "support/check.h"

#include <math.h>
#include <string.h>

enum { ROWS = 120, COLUMNS = 80, N = ROWS * COLUMNS };
static float v[N];

static soma_tensor *variable(soma_context *ctx, soma_dtype dtype) {
    return soma_variable(soma_zeros(ctx, dtype, SOMA_SHAPE(ROWS, COLUMNS)), &(soma_variable_opts){.requires_grad = 1});
}

static void moments(soma_tensor *w, double *mean, double *deviation, double *most) {
    soma_read(soma_to(w, SOMA_F32), v, sizeof v);
    *mean = *deviation = *most = 0;
    for (int i = 0; i < N; i++) *mean += (double)v[i] / N, *most = fmax(*most, fabs((double)v[i]));
    for (int i = 0; i < N; i++) *deviation += ((double)v[i] - *mean) * ((double)v[i] - *mean) / N;
    *deviation = sqrt(*deviation);
}

/* Mean and deviation to 5 standard errors (of the deviation at most deviation / sqrt(2 N) for a normal one), and the bound. */
static void is(soma_tensor *w, double mean, double deviation, double bound) {
    double m, d, most;
    check_fine(soma_tensor_context(w));
    moments(w, &m, &d, &most);
    if (fabs(m - mean) > 5 * deviation / sqrt(N) || fabs(d - deviation) > 5 * deviation / sqrt(2.0 * N) || most > bound)
        fail_msg("mean %g, deviation %g, largest %g; %g, %g and %g are wanted", m, d, most, mean, deviation, bound);
}

static void distributions(void **state) {
    (void)state;
    for (int dtype = SOMA_F32; dtype <= SOMA_F64; dtype++) {
        soma_context *ctx = check_context(NULL);
        soma_tensor *w = variable(ctx, (soma_dtype)dtype);
        const double in = COLUMNS, out = ROWS
        , relu = sqrt(2.0), all = (double)INFINITY;
        soma_init_uniform(w, 1, 3);
        is(w, 2, 2 / sqrt(12.0), 3);
        soma_init_normal(w, -1, 0.5);
        is(w, -1, 0.5, all);
        soma_init_constant(w, 0.25);
        soma_read(soma_to(w, SOMA_F32), v, sizeof v);
        for (int i = 0; i < N; i++) assert_true(v[i] == 0.25F);
        soma_init_xavier_uniform(w, 2);
        is(w, 0, 2 * sqrt(2 / (in + out)), 2 * sqrt(6 / (in + out)) + 1e-6);
        soma_init_xavier_normal(w, 1);
        is(w, 0, sqrt(2 / (in + out)), all);
        soma_init_kaiming_uniform(w, relu, SOMA_FAN_IN);
        is(w, 0, relu / sqrt(in), relu * sqrt(3 / in) + 1e-6);
        soma_init_kaiming_normal(w, relu, SOMA_FAN_OUT);
        is(w, 0, relu / sqrt(out), all);
        /* the deviation of a standard normal within [-2, 2] is sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)) */
        soma_init_trunc_normal(w, 0, 1, -2, 2);
        is(w, 0, 0.87962566103423978, 2);
        soma_init_trunc_normal(w, 3, 2, -1, 7);
        is(w, 3, 2 * 0.87962566103423978, 7);
        soma_context_free(ctx);
    }
}

/* The distribution function at 9 places, to 5 standard errors of a share: what is cut off changes its shape. */
static void truncation_keeps_the_shape(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, SOMA_F32);
    const double low = -0.5, high = 2.5, whole = erf(high / sqrt(2)) - erf(low / sqrt(2));
    double m, d, most;
    soma_init_trunc_normal(w, 0, 1, low, high);
    moments(w, &m, &d, &most);
    for (double at = -0.3; at < 2.5; at += 0.3) {
        double share = (erf(at / sqrt(2)) - erf(low / sqrt(2))) / whole, have = 0;
        for (int i = 0; i < N; i++) have += (double)v[i] < at;
        if (fabs(have / N - share) > 5 * sqrt(share * (1 - share) / N)) fail_msg("below %g lies a share of %g, not %g", at, have / N, share);
    }
    for (int i = 0; i < N; i++) assert_true(v[i] >= -0.5F && v[i] <= 2.5F);
    soma_context_free(ctx);
}

static void rows_are_orthogonal(void **state) {
    (void)state;
    static const int64_t shapes[3][3] = {{40, 90, 1}, {90, 40, 1}, {30, 5, 7}};
    for (int k = 0; k < 3; k++) {
        soma_context *ctx = check_context(NULL);
        soma_tensor *w = soma_variable(soma_zeros(ctx, SOMA_F32, shapes[k], 3), NULL);
        assert_int_equal(soma_init_orthogonal(w, 1.5), SOMA_OK);
        int64_t rows = shapes[k][0], columns = shapes[k][1] * shapes[k][2];
        soma_tensor *x = soma_to(soma_reshape(w, SOMA_SHAPE(rows, columns)), SOMA_F64);
        if (rows > columns) x = soma_transpose(x, 0, 1);
        int64_t n = soma_size(x, 0);
        static double g[90 * 90];
        soma_read(soma_matmul(x, soma_transpose(x, 0, 1)), g, (size_t)(n * n) * sizeof *g);
        check_fine(ctx);
        /* weights are rounded to float32: each product of up to 90 of them is off by at most 90 * 2^-24 * 2.25 */
        for (int64_t i = 0; i < n * n; i++) assert_true(fabs(g[i] - (i / n == i % n ? 2.25 : 0)) < 1.3e-5);
        soma_context_free(ctx);
    }
}

static void columns_are_sparse(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, SOMA_F32);
    assert_int_equal(soma_init_sparse(w, 0.33, 0.01), SOMA_OK);
    soma_read(w, v, sizeof v);
    int first[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        int zeros = 0;
        first[c] = -1;
        for (int r = 0; r < ROWS; r++) {
            zeros += v[r * COLUMNS + c] == 0;
            if (v[r * COLUMNS + c] == 0 && first[c] < 0) first[c] = r;
        }
        assert_int_equal(zeros, 40); /* 39.6 rounded up */
    }
    bool differ = false;
    for (int c = 1; c < COLUMNS; c++) differ |= first[c] != first[0];
    assert_true(differ);
    soma_context_free(ctx);
}

static void layers_get_unit_variance(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *inner = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 40, 60, NULL), soma_nn_relu(ctx), soma_nn_dropout(ctx, 0.5)));
    soma_module *layers[] = {soma_nn_linear(ctx, 20, 40, NULL), soma_nn_tanh(ctx), inner, soma_nn_linear(ctx, 60, 5, NULL)};
    soma_module *m = soma_nn_sequential(ctx, layers, 4);
    soma_tensor *x = soma_keep(soma_mul_scalar(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(500, 20)), 7));
    assert_int_equal(soma_init_lsuv(m, x, 0.01, 10), SOMA_OK);
    assert_true(soma_module_is_training(m) && soma_module_is_training(inner));
    soma_module_train(m, false);
    for (int i = 0; i < 4; i++) {
        double variance;
        x = soma_forward(layers[i], x);
        if (i != 0 && i != 3) continue;
        soma_item(soma_var(soma_keep(x), &(soma_reduce_opts){.correction = SOMA_SET(0)}), &variance);
        if (!(fabs(variance - 1) < 0.01)) fail_msg("layer %d has a variance of %g", i, variance);
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

static void gains_and_mistakes(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    assert_true(soma_init_gain("tanh", 0) == 5.0 / 3 && fabs(soma_init_gain("relu", 0) - sqrt(2)) < 1e-15 && soma_init_gain("leaky_relu", 1) == 1);
    assert_true(soma_init_gain("other", 0) == -1 && soma_init_gain(NULL, 0) == -1);
    soma_tensor *w = variable(ctx, SOMA_F32), *row = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3)), NULL);
    assert_int_equal(soma_init_uniform(NULL, 0, 1), SOMA_ERROR_ARGUMENT);
    assert_int_equal(soma_init_orthogonal(NULL, 1), SOMA_ERROR_ARGUMENT);
    soma_init_uniform(w, 1, 0);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "init_uniform: low must not be above high");
    soma_init_normal(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2)), 0, 1);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "init_normal: a floating variable is wanted");
    soma_init_normal(w, 0, -1);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "init_normal: the standard deviation must be 0 or more");
    soma_init_trunc_normal(w, 0, 1, 100, 101);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "bounds that leave something");
    soma_init_kaiming_normal(row, 1, SOMA_FAN_IN);
    check_error(ctx, SOMA_ERROR_SHAPE, "init_kaiming_normal: the variable is [3]; two dimensions or more are wanted");
    soma_init_sparse(w, 2, 1);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "init_sparse");
    soma_init_by_name(w, "xavier");
    check_error(ctx, SOMA_ERROR_ARGUMENT, "'xavier' is none of uniform");
    static const char *const names[] = {"uniform",        "normal",        "trunc_normal",    "zeros",          "ones",
                                        "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_int_equal(soma_init_by_name(w, names[i]), SOMA_OK);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions),      cmocka_unit_test(truncation_keeps_the_shape), cmocka_unit_test(rows_are_orthogonal),
        cmocka_unit_test(columns_are_sparse), cmocka_unit_test(layers_get_unit_variance),   cmocka_unit_test(gains_and_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
