/* Embeddings, blocks of modules, unflatten: values, gradients, state keys, and what does not fit. */
#include "support/check.h"

#include <string.h>

static void padding_has_no_gradient(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_embedding(ctx, 4, 2, &(soma_embedding_opts){.padding_idx = SOMA_SET(1)});
    soma_tensor *const *params, *i = soma_from(ctx, (int64_t[]){3, 1, 3, 0}, SOMA_I64, SOMA_SHAPE(2, 2)), *y = soma_forward(m, i);
    size_t n;
    float w[8], v[8], g[8];
    soma_module_parameters(m, &params, &n);
    soma_backward(soma_sum(y, NULL), NULL);
    soma_read(y, v, sizeof v);
    soma_read(params[0], w, sizeof w);
    soma_read(soma_tensor_grad(params[0]), g, sizeof g);
    check_fine(ctx);
    assert_true(w[2] == 0 && w[3] == 0 && w[0] != 0 && w[7] != 0);
    assert_true(v[0] == w[6] && v[1] == w[7] && v[2] == 0 && v[3] == 0 && v[4] == w[6] && v[6] == w[0]);
    static const float want[8] = {1, 1, 0, 0, 0, 0, 2, 2};
    assert_memory_equal(g, want, sizeof g);
    assert_int_equal(soma_read(soma_forward(m, soma_from(ctx, (int64_t[]){4}, SOMA_I64, SOMA_SHAPE(1))), v, 2 * sizeof *v), SOMA_ERROR_RANGE);
    check_error(ctx, SOMA_ERROR_RANGE, "4 is outside [0, 4)");
    assert_null(soma_nn_embedding(ctx, 4, 2, &(soma_embedding_opts){.padding_idx = SOMA_SET(4)}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "a padding_idx among the classes");
    assert_null(soma_embedding(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2)), params[0]));
    check_error(ctx, SOMA_ERROR_SHAPE, "embedding: numbers float32 [2] of weight [4, 2]");
    soma_context_free(ctx);
}

static void blocks_are_what_they_are_made_of(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *inner = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 6, 6, NULL), soma_nn_tanh(ctx)));
    soma_module *branches[2] = {soma_nn_linear(ctx, 6, 4, NULL), soma_nn_relu(ctx)};
    soma_module *layers[] = {soma_nn_residual(ctx, inner), soma_nn_parallel(ctx, branches, 2, 1), soma_nn_unflatten(ctx, 1, SOMA_SHAPE(5, -1))};
    soma_module *m = soma_nn_sequential(ctx, layers, 3);
    soma_tensor *x = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(3, 6))), *y = soma_forward(m, x);
    assert_true(soma_size(y, 0) == 3 && soma_size(y, 1) == 5 && soma_size(y, 2) == 2);
    soma_tensor *z = soma_add(x, soma_forward(inner, x)), *both[2] = {soma_forward(branches[0], z), soma_relu(z)};
    float a[30], b[30];
    soma_read(y, a, sizeof a);
    soma_read(soma_cat(both, 2, 1), b, sizeof b);
    check_fine(ctx);
    assert_memory_equal(a, b, sizeof a);
    static const char *const keys[] = {"0.0.0.weight", "0.0.0.bias", "1.0.weight", "1.0.bias"};
    assert_int_equal(soma_module_state_count(m), 4);
    for (size_t i = 0; i < 4; i++) {
        char key[64];
        soma_tensor *t;
        soma_module_state(m, i, key, sizeof key, &t);
        assert_string_equal(key, keys[i]);
    }
    soma_unflatten(x, 1, SOMA_SHAPE(4, 2));
    check_error(ctx, SOMA_ERROR_SHAPE, "unflatten: dimension 1 of [3, 6] does not divide into these 2 sizes");
    soma_unflatten(x, 1, SOMA_SHAPE(-1, -1));
    check_error(ctx, SOMA_ERROR_SHAPE, "does not divide");
    assert_null(soma_nn_unflatten(ctx, 1, NULL, 2));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "unflatten: 2 sizes");
    assert_null(soma_nn_parallel(ctx, NULL, 2, 1));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "parallel: 2 modules");
    assert_null(soma_nn_residual(ctx, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "residual");
    assert_null(soma_bilinear(x, x, x, NULL));
    check_error(ctx, SOMA_ERROR_SHAPE, "bilinear: inputs [3, 6] and [3, 6] with weight [3, 6]");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(padding_has_no_gradient), cmocka_unit_test(blocks_are_what_they_are_made_of)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
