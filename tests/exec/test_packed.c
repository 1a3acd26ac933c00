/* Weights that stay packed from one inference to the next follow every change of the variable, in captured and in recorded runs. */
#include "support/check.h"

#include <string.h>

#define IN 70
#define OUT 45

static soma_status product(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    out[0] = soma_matmul(in[0], soma_transpose(user, 0, 1));
    return soma_error_status(ctx);
}

static void reference(const float *x, const float *w, int64_t rows, float *y) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o = 0; o < OUT; o++) {
            float sum = 0;
            for (int64_t i = 0; i < IN; i++) sum = __builtin_fmaf(x[r * IN + i], w[o * IN + i], sum);
            y[r * OUT + o] = sum;
        }
}

/* Small batches, where the weight is the packed operand; the same weight in both directions; an assign, an update by an optimizer, a step in between.
 */
static void packed_weights_follow_the_variable(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    static float x[8 * IN], w[OUT * IN], want[8 * OUT], got[8 * OUT], back[8 * IN];
    uint64_t seed = 3;
    for (int i = 0; i < 8 * IN; i++) x[i] = (float)check_random(&seed) - 0.5f;
    for (int i = 0; i < OUT * IN; i++) w[i] = (float)check_random(&seed) - 0.5f;
    soma_tensor *v = soma_variable(soma_from(ctx, w, SOMA_F32, SOMA_SHAPE(OUT, IN)), &(soma_variable_opts){.name = "w", .requires_grad = 1});
    soma_optim *optim = soma_optim_sgd(ctx, &v, 1, 0.5, NULL);
    soma_slot slot = {{1, IN}, 2, SOMA_F32};
    soma_program *p = soma_capture(ctx, product, v, &slot, 1, 1, NULL);
    for (int round = 0; round < 24; round++) {
        int64_t rows = 1 + round % 4, shape[2] = {rows, IN};
        const void *data;
        soma_program_bind(p, 0, x, shape);
        assert_int_equal(soma_program_run(p), SOMA_OK);
        assert_int_equal(soma_program_output(p, 0, &data, NULL), SOMA_OK);
        assert_int_equal(soma_read(v, w, sizeof w), SOMA_OK);
        reference(x, w, rows, want);
        assert_memory_equal(data, want, (size_t)(rows * OUT) * sizeof(float));
        soma_scope *s = soma_scope_open(ctx);
        soma_tensor *y = soma_matmul(soma_borrow(ctx, x, SOMA_F32, shape, 2), soma_transpose(v, 0, 1));
        assert_int_equal(soma_read(y, got, (size_t)(rows * OUT) * sizeof(float)), SOMA_OK);
        assert_memory_equal(got, want, (size_t)(rows * OUT) * sizeof(float));
        if (round % 5 == 4) /* the same weight packed the other way */
            assert_int_equal(soma_read(soma_matmul(y, v), back, (size_t)(rows * IN) * sizeof(float)), SOMA_OK);
        if (round % 3 == 1) soma_assign(v, soma_mul_scalar(v, -1.25));
        if (round % 3 == 2) {
            soma_backward(soma_mean(soma_square(soma_matmul(soma_borrow(ctx, x, SOMA_F32, shape, 2), soma_transpose(v, 0, 1))), NULL), NULL);
            soma_optim_step(optim);
            soma_optim_zero_grad(optim);
        }
        assert_int_equal(soma_scope_close(s), SOMA_OK);
    }
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(packed_weights_follow_the_variable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
