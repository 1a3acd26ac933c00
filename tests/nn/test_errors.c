/* What bad input gets: a status and a sentence; and that errors stay until taken. Modules' names and modes. */
#include "support/check.h"

#include <math.h>
#include <string.h>

static void wrong_use_gets_a_sentence(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL), *other = check_context(NULL);
    soma_tensor *x = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(128, 783));
    soma_module *m = soma_nn_linear(ctx, 784, 10, NULL);
    assert_null(soma_forward(m, x));
    check_error(ctx, SOMA_ERROR_SHAPE, "linear: input has 783 features, the layer wants 784 (input shape [128, 783])");
    assert_null(soma_add(x, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(128, 2))));
    check_error(ctx, SOMA_ERROR_SHAPE, "add: shapes [128, 783] and [128, 2] do not broadcast");
    assert_null(soma_matmul(x, soma_zeros(ctx, SOMA_F64, SOMA_SHAPE(783, 2))));
    check_error(ctx, SOMA_ERROR_DTYPE, "float32 by float64");
    assert_null(soma_add(x, soma_scalar(other, 1)));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "another context");
    const int64_t classes[2] = {1, 12};
    soma_tensor *loss = soma_cross_entropy(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, 10)), soma_from(ctx, classes, SOMA_I64, SOMA_SHAPE(2)), NULL);
    double v;
    assert_int_equal(soma_item(loss, &v), SOMA_ERROR_RANGE);
    assert_null(soma_relu(x)); /* the error stays */
    check_error(ctx, SOMA_ERROR_RANGE, "cross_entropy: target 12 of row 1 is outside [0, 10)");
    assert_non_null(soma_relu(x));
    assert_null(soma_reshape(x, SOMA_SHAPE(5, -1)));
    check_error(ctx, SOMA_ERROR_SHAPE, "reshape");
    const int64_t nine = 9;
    soma_item(soma_sum(soma_index_select(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3)), 0, soma_from(ctx, &nine, SOMA_I64, SOMA_SHAPE(1))), NULL), &v);
    check_error(ctx, SOMA_ERROR_RANGE, "index 9 is outside [0, 3)");
    soma_tensor *zero = soma_zeros(ctx, SOMA_I64, SOMA_SHAPE(1));
    soma_item(soma_remainder(zero, zero), &v);
    check_error(ctx, SOMA_ERROR_RANGE, "divided by zero");
    assert_null(soma_nn_dropout(ctx, 1.5));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "p is 1.5");
    const float numbers[10] = {0};
    soma_tensor *h = soma_from(ctx, numbers, SOMA_F32, SOMA_SHAPE(10)), *w = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3)), NULL);
    soma_sgd_update(w, NULL, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3)), h, 8);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "sgd_update: flags 8");
    assert_null(soma_relu(NULL));
    assert_int_equal(soma_error_status(ctx), SOMA_OK);
    soma_context_free(other);
    soma_context_free(ctx);
}

static void names_and_modes_are_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.seed = 4});
    soma_module *net =
        soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 50, 40, NULL), soma_nn_dropout(ctx, 0.5),
                                             soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 40, 2, &(soma_linear_opts){.no_bias = 1})))));
    static const char *const keys[] = {"0.weight", "0.bias", "2.0.weight"};
    assert_int_equal(soma_module_state_count(net), 3);
    for (size_t i = 0; i < 3; i++) {
        char key[64];
        soma_tensor *t;
        assert_int_equal(soma_module_state(net, i, key, sizeof key, &t), SOMA_OK);
        assert_string_equal(key, keys[i]);
    }
    float w[40 * 50];
    soma_tensor *t;
    char key[64];
    soma_module_state(net, 0, key, sizeof key, &t);
    soma_read(t, w, sizeof w);
    double bound = 1 / sqrt(50), sum = 0;
    for (int i = 0; i < 2000; i++) {
        assert_true(fabs((double)w[i]) <= bound);
        sum += (double)w[i] * (double)w[i];
    }
    assert_true(fabs(sum / 2000 - bound * bound / 3) < 0.1 * bound * bound); /* a uniform's variance */
    soma_tensor *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 50));
    float a[2], b[2];
    soma_module_train(net, false);
    soma_read(soma_forward(net, x), a, sizeof a);
    soma_read(soma_forward(net, x), b, sizeof b);
    assert_memory_equal(a, b, sizeof a);
    soma_module_train(net, true);
    soma_read(soma_forward(net, x), b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    check_fine(ctx);
    soma_context_free(ctx);
}

/* A module's parameters, its buffers, then its children's: of running (a buffer), a child, a shared layer and scale, added in this order. */
static void state_is_in_pytorchs_order(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *l = soma_nn_linear(ctx, 3, 3, NULL), *m = soma_nn_sequential(ctx, NULL, 0), *outer = soma_nn_sequential(ctx, NULL, 0);
    soma_tensor *running = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3)), NULL),
                *scale = soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(3)), &(soma_variable_opts){.name = "mine"});
    soma_module_add_buffer(m, "running", running);
    soma_module_add_child(m, "fc", l);
    soma_module_add_child(m, "again", l);
    soma_module_add_parameter(m, "scale", scale);
    static const char *const keys[] = {"scale", "running", "fc.weight", "fc.bias", "again.weight", "again.bias"};
    assert_int_equal(soma_module_state_count(m), 6);
    for (size_t i = 0; i < 6; i++) {
        char key[64];
        soma_tensor *t;
        assert_int_equal(soma_module_state(m, i, key, sizeof key, &t), SOMA_OK);
        assert_string_equal(key, keys[i]);
    }
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(m, &params, &n);
    assert_int_equal(n, 3);
    assert_true(params[0] == scale);
    assert_string_equal(soma_tensor_name(scale), "scale");
    soma_module_add_child(outer, "body", m); /* variables are called by their state keys */
    assert_string_equal(soma_tensor_name(scale), "body.scale");
    assert_string_equal(soma_tensor_name(running), "body.running");
    assert_string_equal(soma_tensor_name(params[1]), "body.again.weight");
    soma_tensor *b = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1)), NULL);
    soma_module_add_buffer(m, "late", b);
    assert_string_equal(soma_tensor_name(b), "body.late");
    soma_variable_rename(soma_relu(b), "x");
    check_error(ctx, SOMA_ERROR_ARGUMENT, "variable_rename: the tensor is no variable");
    soma_context_free(ctx);
}

static void a_part_that_does_not_fit_changes_nothing(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_sequential(ctx, NULL, 0);
    soma_tensor *a = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1)), NULL), *b = soma_variable(a, NULL);
    static const char *const wrong[] = {"", "a.b", "a"};
    assert_int_equal(soma_module_add_buffer(m, "a", a), SOMA_OK);
    for (int i = 0; i < 3; i++) {
        soma_module_add_parameter(m, wrong[i], b);
        check_error(ctx, SOMA_ERROR_ARGUMENT, i < 2 ? "is no name" : "is a name that is taken");
        assert_false(soma_tensor_requires_grad(b));
        assert_string_equal(soma_tensor_name(b), "");
    }
    assert_int_equal(soma_module_state_count(m), 1);
    soma_context_free(ctx);
}

static soma_tensor *no_result(void *user, soma_module *m, soma_tensor *x) { return (void)user, (void)m, (void)x, NULL; }

static void null_is_never_silent(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_module(ctx, "mine", no_result, NULL);
    assert_null(soma_forward(m, soma_scalar(ctx, 1)));
    check_error(ctx, SOMA_ERROR_STATE, "mine: its forward function returned NULL without an error");
    assert_null(soma_forward(m, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "mine: the input is NULL");
    soma_context_free(ctx);
}

static void interior_values_are_not_read_later(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2));
    soma_interior_begin(ctx);
    soma_tensor *inner = soma_add_scalar(x, 1);
    soma_tensor *y = soma_interior_end(ctx, soma_square(inner));
    double v;
    soma_item(soma_sum(y, NULL), &v);
    assert_true(v == 8);
    float out[2];
    assert_int_equal(soma_read(inner, out, sizeof out), SOMA_ERROR_STATE);
    check_error(ctx, SOMA_ERROR_STATE, "soma_keep");
    soma_read(soma_keep(inner), out, sizeof out); /* computed again */
    assert_true(out[0] == 2);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_use_gets_a_sentence),  cmocka_unit_test(names_and_modes_are_pytorchs),
                                       cmocka_unit_test(state_is_in_pytorchs_order), cmocka_unit_test(a_part_that_does_not_fit_changes_nothing),
                                       cmocka_unit_test(null_is_never_silent),       cmocka_unit_test(interior_values_are_not_read_later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
