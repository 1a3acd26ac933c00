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

/* Inside a module a view of a weight is read where it lies: turned filters are not those that are packed. */
static void views_of_filters_are_their_own(void **state) {
    (void)state;
    enum { N = 8 * 8 * 9, Y = 2 * 8 * 5 * 5 };
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_variable(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 8, 7, 7)), NULL);
    soma_tensor *w = soma_variable(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(8, 8, 3, 3)), NULL);
    static float got[Y], want[Y];
    for (int round = 0; round < 6; round++) {
        soma_scope *s = soma_scope_open(ctx);
        int64_t a = round % 3 == 1 ? 2 : 0, b = a + 1;
        soma_interior_begin(ctx);
        soma_tensor *y = soma_interior_end(ctx, soma_conv2d(x, round % 3 == 0 ? w : soma_transpose(w, a, b), NULL, NULL));
        assert_int_equal(soma_read(y, got, sizeof got), SOMA_OK);
        soma_tensor *copy = round % 3 == 0 ? w : soma_variable(soma_transpose(w, a, b), NULL);
        assert_int_equal(soma_read(soma_conv2d(x, copy, NULL, NULL), want, sizeof want), SOMA_OK);
        assert_memory_equal(got, want, sizeof got);
        assert_int_equal(soma_scope_close(s), SOMA_OK);
    }
    soma_context_free(ctx);
}

/* One context learns, another one, which shares the weights, answers. */
static void shared_weights_follow_the_original(void **state) {
    (void)state;
    soma_context *learns = check_context(NULL), *answers = check_context(NULL);
    soma_tensor *w = soma_variable(soma_ones(learns, SOMA_F32, SOMA_SHAPE(3, 2, 3, 3)), NULL);
    soma_tensor *shared = soma_variable(soma_zeros(answers, SOMA_F32, SOMA_SHAPE(3, 2, 3, 3)), NULL);
    soma_tensor *again = soma_variable(soma_zeros(answers, SOMA_F32, SOMA_SHAPE(3, 2, 3, 3)), NULL);
    soma_tensor *x = soma_variable(soma_ones(answers, SOMA_F32, SOMA_SHAPE(1, 2, 3, 3)), NULL);
    soma_tensor *row = soma_variable(soma_ones(answers, SOMA_F32, SOMA_SHAPE(1, 18)), NULL);
    assert_int_equal(soma_variable_share(shared, w), SOMA_OK);
    assert_int_equal(soma_variable_share(again, shared), SOMA_OK);
    for (int round = 1; round < 5; round++) {
        float got[3];
        soma_scope *s = soma_scope_open(answers);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(soma_read(soma_conv2d(x, k ? again : shared, NULL, NULL), got, sizeof got), SOMA_OK);
            assert_true(got[0] == 18.0f * (float)round && got[2] == got[0]);
            soma_tensor *flat = soma_transpose(soma_reshape(k ? again : shared, SOMA_SHAPE(3, 18)), 0, 1);
            assert_int_equal(soma_read(soma_matmul(row, flat), got, sizeof got), SOMA_OK);
            assert_true(got[0] == 18.0f * (float)round && got[2] == got[0]);
        }
        assert_int_equal(soma_scope_close(s), SOMA_OK);
        soma_assign(w, soma_add_scalar(w, 1));
        assert_int_equal(soma_eval(learns), SOMA_OK);
    }
    soma_context_free(answers);
    soma_context_free(learns);
}

/* Long columns of few outputs, which lie along the grain or across it, beside a product of the same weights that is packed anew. */
static void long_weights_of_few_outputs(void **state) {
    (void)state;
    enum { ROWS = 5, LONG = 2000 };
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    soma_tensor *x = soma_variable(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(ROWS, LONG)), NULL);
    for (int outputs = 1; outputs < 40; outputs += 1 + outputs / 2) {
        soma_scope *outer = soma_scope_open(ctx);
        soma_tensor *w = soma_variable(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(LONG, outputs)), NULL);
        soma_tensor *t = soma_variable(soma_transpose(w, 0, 1), NULL);
        for (int round = 0; round < 6; round++) {
            soma_scope *s = soma_scope_open(ctx);
            float got[ROWS * 40], want[ROWS * 40];
            size_t bytes = sizeof(float) * ROWS
            *(size_t)outputs;
            soma_tensor *fresh = soma_variable(soma_mul_scalar(w, 1), NULL);
            assert_int_equal(soma_read(soma_matmul(x, fresh), want, bytes), SOMA_OK);
            assert_int_equal(soma_read(soma_matmul(x, round % 2 ? soma_transpose(t, 0, 1) : w), got, bytes), SOMA_OK);
            assert_memory_equal(got, want, bytes);
            assert_int_equal(soma_read(soma_matmul(round % 2 ? t : soma_transpose(w, 0, 1), soma_transpose(x, 0, 1)), got, bytes), SOMA_OK);
            for (int r = 0; r < ROWS; r++)
                for (int o = 0; o < outputs; o++) assert_true(got[o * ROWS + r] == want[r * outputs + o]);
            soma_assign(w, soma_add_scalar(w, 0.25)), soma_assign(t, soma_add_scalar(t, 0.25));
            assert_int_equal(soma_scope_close(s), SOMA_OK);
        }
        assert_int_equal(soma_scope_close(outer), SOMA_OK);
    }
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(packed_weights_follow_the_variable), cmocka_unit_test(views_of_filters_are_their_own),
                                       cmocka_unit_test(shared_weights_follow_the_original), cmocka_unit_test(long_weights_of_few_outputs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
