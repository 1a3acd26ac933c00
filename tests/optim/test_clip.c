/* Clipping keeps the precision of its gradients. */
#include "support/check.h"

#include "soma/optim.h"

static void float64_gradients_get_a_float64_limit(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const double slope[2] = {3, 4};
    soma_tensor *w = soma_variable(soma_zeros(ctx, SOMA_F64, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1}), *norm;
    soma_backward(soma_sum(soma_mul(w, soma_from(ctx, slope, SOMA_F64, SOMA_SHAPE(2))), NULL), NULL);
    assert_int_equal(soma_clip_grad_norm(&w, 1, 0.1, &norm), SOMA_OK);
    double got[2], length;
    soma_item(norm, &length);
    assert_int_equal(soma_read(soma_tensor_grad(w), got, sizeof got), SOMA_OK);
    assert_true(length == 5);
    for (int i = 0; i < 2; i++) {
        double off = got[i] - slope[i] * (0.1 / (5 + 1e-6));
        assert_true(off < 1e-16 && off > -1e-16); /* some ulp of 0.08; a float32 limit is 1e-9 off */
    }
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(float64_gradients_get_a_float64_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
