/* Normalisation modules: what they do to a batch, running statistics in both modes and in captured programs, and what does not fit. */
#include "support/check.h"

#include <math.h>
#include <string.h>

static void near(soma_tensor *x, const double *want, int n, double by) {
    float v[16];
    assert_int_equal(soma_read(x, v, (size_t)n * sizeof *v), SOMA_OK);
    for (int i = 0; i < n; i++)
        if (!(fabs((double)v[i] - want[i]) <= by)) fail_msg("element %d: %g, wanted %g", i, (double)v[i], want[i]);
}

static soma_tensor *state_of(soma_module *m, const char *name) {
    char key[64];
    soma_tensor *t;
    for (size_t i = 0; soma_module_state(m, i, key, sizeof key, &t) == SOMA_OK; i++)
        if (strcmp(key, name) == 0) return t;
    fail_msg("no state '%s'", name);
    return NULL;
}

static void running_statistics_move_in_training_alone(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_batch_norm_1d(ctx, 2, &(soma_batch_norm_opts){.momentum = SOMA_SET(0.25)});
    soma_tensor *x = soma_from(ctx, (float[]){1, 10, 3, 20, 5, 60}, SOMA_F32, SOMA_SHAPE(3, 2));
    /* means 3 and 30, unbiased variances 4 and 700 */
    soma_eval(ctx);
    soma_tensor *y = soma_forward(m, x);
    const double root = sqrt(8.0 / 3 + 1e-5);
    near(soma_select(y, 1, 0), (double[]){-2 / root, 0, 2 / root}, 3, 1e-6);
    near(state_of(m, "running_mean"), (double[]){0.75, 7.5}, 2, 1e-6);
    near(state_of(m, "running_var"), (double[]){0.75 + 1, 0.75 + 175}, 2, 1e-4);
    soma_module_train(m, false);
    y = soma_forward(m, x);
    near(soma_select(y, 1, 0), (double[]){0.25 / sqrt(1.75 + 1e-5), 2.25 / sqrt(1.75 + 1e-5), 4.25 / sqrt(1.75 + 1e-5)}, 3, 1e-5);
    near(state_of(m, "running_mean"), (double[]){0.75, 7.5}, 2, 1e-6);
    static const char *const keys[] = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
    int64_t batches;
    soma_read(state_of(m, "num_batches_tracked"), &batches, sizeof batches);
    assert_int_equal(batches, 1);
    for (size_t i = 0; i < 5; i++) {
        char key[64];
        soma_tensor *t;
        soma_module_state(m, i, key, sizeof key, &t);
        assert_string_equal(key, keys[i]);
        assert_true(soma_tensor_requires_grad(t) == (i < 2));
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

static void no_samples_leave_statistics_alone(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_batch_norm_2d(ctx, 2, NULL);
    soma_eval(ctx);
    soma_tensor *y = soma_forward(m, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(0, 2, 3, 3)));
    check_fine(ctx);
    assert_int_equal(soma_eval(ctx), SOMA_OK);
    assert_non_null(y);
    near(state_of(m, "running_mean"), (double[]){0, 0}, 2, 0);
    near(state_of(m, "running_var"), (double[]){1, 1}, 2, 0);
    soma_context_free(ctx);
}

typedef struct net {
    soma_module *m;
    soma_optim *o;
} net;
static soma_status step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    net *n = user;
    (void)ctx, (void)n_in, (void)n_out;
    out[0] = soma_mean(soma_square(soma_sub_scalar(soma_forward(n->m, in[0]), 1)), NULL);
    soma_backward(out[0], NULL);
    soma_optim_step(n->o);
    return soma_optim_zero_grad(n->o);
}

/* 5 steps recorded and captured: the same bits in weights and running statistics. */
static void captured_as_recorded(void **state) {
    (void)state;
    float end[2][200];
    for (int captured = 0; captured < 2; captured++) {
        soma_context *ctx = check_context(NULL);
        soma_module *layers[] = {soma_nn_linear(ctx, 3, 6, NULL), soma_nn_batch_norm_1d(ctx, 6, NULL), soma_nn_gelu(ctx),
                                 soma_nn_layer_norm(ctx, SOMA_SHAPE(6), NULL), soma_nn_linear(ctx, 6, 1, NULL)};
        net n = {soma_nn_sequential(ctx, layers, 5), NULL};
        soma_tensor *const *params;
        size_t count;
        soma_module_parameters(n.m, &params, &count);
        n.o = soma_optim_adam(ctx, params, count, 0.05, NULL);
        float x[8 * 3];
        soma_read(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(8, 3)), x, sizeof x);
        soma_slot slot = {{8, 3}, 2, SOMA_F32};
        soma_program *p = captured ? soma_capture(ctx, step, &n, &slot, 1, 1, NULL) : NULL;
        for (int i = 0; i < 5; i++) {
            soma_tensor *out;
            if (p) soma_program_bind(p, 0, x, NULL), soma_program_run(p);
            else {
                soma_scope *s = soma_scope_open(ctx);
                soma_tensor *in = soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(8, 3));
                step(ctx, &n, &in, 1, &out, 1);
                soma_scope_close(s);
            }
        }
        check_fine(ctx);
        memset(end[captured], 0, sizeof end[captured]);
        size_t at = 0;
        for (size_t i = 0; i < soma_module_state_count(n.m); i++) {
            char key[64];
            soma_tensor *t;
            soma_module_state(n.m, i, key, sizeof key, &t);
            size_t k = (size_t)soma_numel(t);
            soma_read(soma_to(t, SOMA_F32), end[captured] + at, k * sizeof(float));
            at += k;
        }
        assert_true(at < 200);
        check_fine(ctx);
        soma_context_free(ctx);
    }
    assert_memory_equal(end[0], end[1], sizeof end[0]);
}

static void what_does_not_fit(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(4, 3))), *w = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(4));
    assert_null(soma_layer_norm(x, 3, NULL, NULL, 0));
    check_error(ctx, SOMA_ERROR_SHAPE, "layer_norm: the last 3 of 2 dimensions");
    assert_null(soma_layer_norm(x, 1, w, NULL, 0));
    check_error(ctx, SOMA_ERROR_SHAPE, "layer_norm: the weight is float32 [4], the input float32 [4, 3]");
    assert_null(soma_batch_norm(x, NULL, NULL, w, NULL, true, 0.1, 0));
    check_error(ctx, SOMA_ERROR_SHAPE, "batch_norm: the weight is float32 [4]");
    assert_null(soma_batch_norm(x, w, NULL, NULL, NULL, true, 0.1, 0));
    check_error(ctx, SOMA_ERROR_SHAPE, "both running statistics, or none");
    assert_null(soma_batch_norm(soma_slice(x, 0, 0, 1, 1), NULL, NULL, NULL, NULL, true, 0.1, 0));
    check_error(ctx, SOMA_ERROR_SHAPE, "batch_norm: one value for each channel has no variance; training wants more (input [1, 3])");
    assert_null(soma_batch_norm(soma_ones(ctx, SOMA_I64, SOMA_SHAPE(2, 2)), NULL, NULL, NULL, NULL, true, 0.1, 0));
    check_error(ctx, SOMA_ERROR_DTYPE, "batch_norm: the input is int64");
    assert_null(soma_nn_batch_norm_1d(ctx, 0, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "batch_norm_1d: 0 features");
    assert_null(soma_nn_layer_norm(ctx, NULL, 0, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "layer_norm: a shape of 1 or more dimensions");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(running_statistics_move_in_training_alone),
                                       cmocka_unit_test(no_samples_leave_statistics_alone), cmocka_unit_test(captured_as_recorded),
                                       cmocka_unit_test(what_does_not_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
