/* Variables: what nodes before and after an assign read, what an assign keeps alive, and gradients in the order that user code asks for them. */
#include "support/check.h"

#include <math.h>
#include <string.h>

static soma_tensor *variable(soma_context *ctx, double value, const char *name, bool grad) {
    soma_tensor *v = soma_variable(soma_full(ctx, value, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.name = name, .requires_grad = grad});
    soma_eval(ctx);
    return v;
}

/* The value of a tensor whose elements are all equal. */
static double value_of(soma_tensor *x) {
    float v[2];
    assert_non_null(x);
    check_fine(soma_tensor_context(x));
    assert_int_equal(soma_read(x, v, (size_t)soma_numel(x) * sizeof *v), SOMA_OK);
    if (soma_numel(x) == 2) assert_true(v[0] == v[1]);
    return (double)v[0];
}

static int64_t kernels(soma_context *ctx) {
    soma_stats s;
    soma_context_stats(ctx, &s);
    return s.kernels_run;
}

static void assigns_run_in_the_order_of_recording(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *v = variable(ctx, 1, "v", false), *read[4];
    for (int i = 0; i < 4; i++) {
        read[i] = soma_mul_scalar(v, 10);
        soma_assign(v, soma_add_scalar(soma_mul_scalar(v, 2), 1));
    }
    assert_true(value_of(v) == 31);
    for (int i = 0; i < 4; i++) assert_true(value_of(read[i]) == 10 * ((2 << i) - 1));
    const float five[2] = {5, 5};
    assert_int_equal(soma_assign_from(v, five, sizeof five), SOMA_OK);
    soma_assign(v, v);
    assert_true(value_of(v) == 5);
    soma_context_free(ctx);
}

static void two_variables_swap_through_temporaries(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *a = variable(ctx, 1, "a", false), *b = variable(ctx, 2, "b", false);
    for (int way = 0; way < 4; way++) { /* the temporary is a computed value, a view, or one of them read before */
        soma_interior_begin(ctx);
        soma_tensor *t = way % 2 ? soma_mul_scalar(a, 1) : soma_detach(a);
        soma_interior_end(ctx, way >= 2 ? t : NULL);
        if (way >= 2) assert_true(value_of(t) == (way % 2 ? 2 : 1));
        soma_assign(a, b);
        soma_assign(b, t);
        assert_true(value_of(a) == (way % 2 ? 1 : 2));
        assert_true(value_of(b) == (way % 2 ? 2 : 1));
    }
    soma_context_free(ctx);
}

/* An optimizer's update is an assign: what was recorded before it reads the old weight, what comes after the new one. */
static void an_update_comes_after_earlier_readers_and_before_later_ones(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 3, "w", true);
    soma_optim *o = soma_optim_sgd(ctx, &w, 1, 0.25, &(soma_sgd_opts){.momentum = 0.5});
    soma_tensor *before = soma_mul_scalar(w, 1), *view = soma_reshape(w, SOMA_SHAPE(2, 1));
    soma_backward(soma_sum(soma_mul_scalar(w, 4), NULL), NULL);
    soma_optim_step(o);
    soma_optim_zero_grad(o);
    soma_tensor *after = soma_mul_scalar(w, 1);
    soma_backward(soma_sum(soma_mul_scalar(w, 4), NULL), NULL); /* a second step in the same plan */
    soma_optim_step(o);
    soma_tensor *last = soma_mul_scalar(w, 1);
    assert_true(value_of(before) == 3 && value_of(after) == 2 && value_of(last) == 0.5);
    assert_true(value_of(view) == 3 && value_of(w) == 0.5);
    soma_context_free(ctx);
}

static void dead_nodes_are_not_run(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(4, 4));
    soma_eval(ctx);
    int64_t ran = kernels(ctx);
    soma_interior_begin(ctx);
    for (int i = 0; i < 5; i++) soma_matmul(x, x);
    soma_interior_end(ctx, NULL);
    soma_eval(ctx);
    assert_true(kernels(ctx) == ran);
    soma_scope *s = soma_scope_open(ctx); /* kept, but nobody can read it once the scope is closed */
    soma_matmul(x, x);
    soma_scope_close(s);
    assert_true(kernels(ctx) == ran);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void closing_a_scope_runs_pending_assigns_to_outer_variables_alone(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *outer = variable(ctx, 1, "outer", false);
    soma_scope *s = soma_scope_open(ctx), *inside = soma_scope_open(ctx);
    soma_tensor *inner = variable(ctx, 7, "inner", false);
    soma_assign(outer, soma_add(outer, inner));
    soma_scope *innermost = soma_scope_open(ctx);
    soma_assign(outer, soma_mul_scalar(outer, 10));
    int64_t ran = kernels(ctx);
    assert_non_null(innermost);
    assert_int_equal(soma_scope_close(s), SOMA_OK); /* closes the two inside it, too */
    assert_non_null(inside);
    assert_true(kernels(ctx) > ran);
    ran = kernels(ctx);
    assert_true(value_of(outer) == 80);
    assert_true(kernels(ctx) == ran);
    s = soma_scope_open(ctx);
    inner = variable(ctx, 1, "inner", false);
    ran = kernels(ctx);
    soma_assign(inner, soma_mul_scalar(inner, 2));
    soma_scope_close(s);
    assert_true(kernels(ctx) == ran);
    soma_context_free(ctx);
}

static void a_kept_value_has_no_history_and_stays(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 3, "w", true), *k = soma_keep(soma_square(w)), *self = soma_keep(w);
    assert_false(soma_tensor_requires_grad(k));
    soma_assign(w, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2)));
    assert_true(value_of(w) == 0 && value_of(k) == 9 && value_of(self) == 3);
    soma_context_free(ctx);
}

/* Carried state, a running loss and three micro-batches a step: nothing is allocated any more after a few turns. */
static void a_long_loop_with_carried_state_does_not_grow(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    soma_tensor *w = variable(ctx, 1, "w", true), *h = variable(ctx, 0, "h", false),
                *running = soma_variable(soma_zeros(ctx, SOMA_F32, NULL, 0), NULL);
    soma_optim *o = soma_optim_sgd(ctx, &w, 1, 1e-4, NULL);
    soma_stats before, after;
    for (int i = 0; i < 10000; i++) {
        soma_scope *s = soma_scope_open(ctx);
        for (int micro = 0; micro < 3; micro++) {
            soma_tensor *next = soma_tanh(soma_add(soma_mul(w, h), soma_scalar(ctx, 0.1 * micro))), *loss = soma_sum(soma_square(next), NULL);
            soma_backward(loss, NULL);
            soma_assign(h, soma_detach(next));
            soma_assign(running, soma_add(soma_mul_scalar(running, 0.9), soma_detach(loss)));
        }
        soma_optim_step(o);
        soma_optim_zero_grad(o);
        soma_scope_close(s);
        if (i == 20) soma_context_stats(ctx, &before);
    }
    soma_context_stats(ctx, &after);
    check_fine(ctx);
    assert_true(after.allocations == before.allocations && after.plans_built == before.plans_built);
    assert_true(isfinite(value_of(running)));
    soma_context_free(ctx);
}

static void gradients_add_up_over_backward_calls_and_reads(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (int way = 0; way < 4; way++) { /* read the loss between, read the gradient between */
        soma_tensor *w = variable(ctx, 3, "w", true);
        for (int i = 0; i < 3; i++) {
            soma_tensor *loss = soma_sum(soma_mul_scalar(soma_square(w), i + 1), NULL);
            double v;
            if (way & 1) assert_int_equal(soma_item(loss, &v), SOMA_OK);
            soma_backward(loss, NULL);
            if (way & 2) assert_true(value_of(soma_tensor_grad(w)) == 6 * (i + 1) * (i + 2) / 2);
            soma_backward(loss, NULL);
            soma_backward(loss, NULL);
            soma_set_grad(w, soma_div_scalar(soma_sub_scalar(soma_tensor_grad(w), 6 * i * (i + 1) / 2), 3));
            soma_set_grad(w, soma_add_scalar(soma_tensor_grad(w), 6 * i * (i + 1) / 2)); /* one of the three */
        }
        assert_true(value_of(soma_tensor_grad(w)) == 36);
        soma_zero_grad(&w, 1);
        assert_null(soma_tensor_grad(w));
    }
    soma_context_free(ctx);
}

/* Activations that are interior to modules are not held; backward computes them again, random ones with the same numbers. */
static void backward_after_a_read_has_the_same_bits(void **state) {
    (void)state;
    float grads[2][64 * 8];
    for (int way = 0; way < 2; way++) {
        soma_context *ctx = check_context(&(soma_context_opts){.seed = 5});
        soma_module *net = soma_nn_sequential(
            ctx, SOMA_MODULES(soma_nn_linear(ctx, 8, 64, NULL), soma_nn_tanh(ctx), soma_nn_dropout(ctx, 0.5), soma_nn_linear(ctx, 64, 1, NULL)));
        soma_tensor *const *params;
        size_t n;
        soma_module_parameters(net, &params, &n);
        soma_tensor *loss = soma_sum(soma_square(soma_forward(net, soma_randn(ctx, SOMA_F32, SOMA_SHAPE(16, 8)))), NULL);
        double v;
        if (way) soma_item(loss, &v), soma_item(soma_sum(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(9)), NULL), &v);
        soma_backward(loss, NULL);
        assert_int_equal(soma_read(soma_tensor_grad(params[0]), grads[way], sizeof grads[way]), SOMA_OK);
        soma_context_free(ctx);
    }
    assert_memory_equal(grads[0], grads[1], sizeof grads[0]);
}

static void backward_names_a_parameter_that_was_assigned_in_between(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 3, "body.weight", true), *b = variable(ctx, 1, "body.bias", true);
    soma_optim *o = soma_optim_sgd(ctx, (soma_tensor *[]){w, b}, 2, 0.1, NULL);
    for (int way = 0; way < 3; way++) { /* an assign, an optimizer's step, a step that has run already */
        soma_tensor *y = soma_sum(soma_add(soma_square(w), b), NULL);
        double v;
        if (way == 2) soma_item(y, &v);
        if (way) soma_backward(y, NULL), soma_optim_step(o), soma_optim_zero_grad(o);
        else soma_assign(w, soma_add_scalar(w, 1));
        if (way == 2) soma_eval(ctx);
        assert_true(soma_backward(y, NULL) < 0);
        check_error(ctx, SOMA_ERROR_STATE, "'body.weight' [");
        soma_zero_grad((soma_tensor *[]){w, b}, 2);
    }
    soma_tensor *sum = soma_sum(soma_add(w, b), NULL); /* needs no old value */
    soma_assign(w, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2)));
    assert_int_equal(soma_backward(sum, NULL), SOMA_OK);
    assert_true(value_of(soma_tensor_grad(w)) == 1);
    soma_context_free(ctx);
}

static void grad_takes_seeds_and_leaves_accumulated_gradients_alone(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 3, "w", true), *u = variable(ctx, 2, "u", true), *unused = variable(ctx, 1, "unused", true);
    soma_tensor *outs[2] = {soma_square(w), soma_mul(w, u)},
                *seeds[2] = {soma_full(ctx, 10, SOMA_F32, SOMA_SHAPE(2)), soma_full(ctx, 100, SOMA_F32, SOMA_SHAPE(2))};
    soma_tensor *in[3] = {w, u, unused}, *g[3];
    assert_int_equal(soma_grad(outs, 2, in, 2, g, &(soma_grad_opts){.seeds = seeds}), SOMA_OK);
    assert_true(value_of(g[0]) == 10 * 6 + 100 * 2 && value_of(g[1]) == 300);
    assert_null(soma_tensor_grad(w));
    assert_true(soma_grad(outs, 2, in, 3, g, &(soma_grad_opts){.seeds = seeds}) < 0);
    check_error(ctx, SOMA_ERROR_STATE, "input 2");
    assert_int_equal(soma_grad(outs, 2, in, 3, g, &(soma_grad_opts){.seeds = seeds, .allow_unused = 1}), SOMA_OK);
    assert_null(g[2]);
    assert_true(soma_grad(outs, 2, in, 1, g, NULL) < 0);
    check_error(ctx, SOMA_ERROR_SHAPE, "needs a seed");
    seeds[1] = soma_full(ctx, 1, SOMA_F32, SOMA_SHAPE(3));
    assert_true(soma_grad(outs, 2, in, 1, g, &(soma_grad_opts){.seeds = seeds}) < 0);
    check_error(ctx, SOMA_ERROR_SHAPE, "the seed is");
    soma_tensor *mid = soma_mul_scalar(w, 2), *y = soma_sum(soma_square(mid), NULL); /* by a result, not a leaf */
    assert_int_equal(soma_grad(&y, 1, &mid, 1, g, NULL), SOMA_OK);
    assert_true(value_of(g[0]) == 12);
    soma_backward(soma_square(u), soma_full(ctx, 0.5, SOMA_F32, SOMA_SHAPE(2)));
    assert_true(value_of(soma_tensor_grad(u)) == 2);
    soma_context_free(ctx);
}

/* f = sum of x^2 y: H (v, w) = (2 y v + 2 x w, 2 x v), by the gradient of the gradient's product with a vector. */
static void a_hessian_vector_product_is_a_gradient_of_a_gradient(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *p[2] = {variable(ctx, 3, "x", true), variable(ctx, 5, "y", true)}, *g[2], *h[2];
    soma_tensor *f = soma_sum(soma_mul(soma_square(p[0]), p[1]), NULL);
    assert_int_equal(soma_grad(&f, 1, p, 2, g, NULL), SOMA_OK);
    soma_tensor *seeds[2] = {soma_full(ctx, 7, SOMA_F32, SOMA_SHAPE(2)), soma_full(ctx, 11, SOMA_F32, SOMA_SHAPE(2))};
    assert_int_equal(soma_grad(g, 2, p, 2, h, &(soma_grad_opts){.seeds = seeds}), SOMA_OK);
    assert_true(value_of(h[0]) == 2 * 5 * 7 + 2 * 3 * 11 && value_of(h[1]) == 2 * 3 * 7);
    soma_tensor *third, *hx = soma_sum(h[0], NULL);
    assert_int_equal(soma_grad(&hx, 1, p, 1, &third, NULL), SOMA_OK);
    assert_true(value_of(third) == 22);
    soma_context_free(ctx);
}

static void no_grad_and_detach_stop_gradients(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 3, "w", true);
    soma_no_grad_begin(ctx);
    soma_no_grad_begin(ctx);
    soma_no_grad_end(ctx);
    assert_false(soma_grad_enabled(ctx));
    soma_tensor *free_of = soma_square(w);
    soma_no_grad_end(ctx);
    assert_true(soma_grad_enabled(ctx));
    assert_false(soma_tensor_requires_grad(free_of));
    assert_false(soma_tensor_requires_grad(soma_detach(w)));
    assert_true(soma_backward(soma_sum(free_of, NULL), NULL) < 0);
    check_error(ctx, SOMA_ERROR_STATE, "requires a gradient");
    soma_backward(soma_sum(soma_mul(w, soma_detach(soma_square(w))), NULL), NULL);
    assert_true(value_of(soma_tensor_grad(w)) == 9);
    soma_zero_grad(&w, 1);
    soma_backward(soma_sum(soma_mul(w, free_of), NULL), NULL);
    assert_true(value_of(soma_tensor_grad(w)) == 9);
    soma_context_free(ctx);
}

/* Kernels of a step of three layers whose first `frozen` ones are frozen. */
static int64_t step_kernels(int frozen) {
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    soma_module *layers[3];
    for (int i = 0; i < 3; i++) layers[i] = soma_nn_linear(ctx, 4, 4, NULL);
    soma_module *net = soma_nn_sequential(ctx, layers, 3);
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(net, &params, &n);
    for (int i = 0; i < 2 * frozen; i++) soma_requires_grad(params[i], false);
    soma_eval(ctx);
    int64_t ran = kernels(ctx);
    soma_tensor *y = soma_forward(net, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 4)));
    if (frozen < 3) soma_backward(soma_sum(soma_square(y), NULL), NULL);
    else soma_sum(soma_square(y), NULL);
    soma_eval(ctx);
    for (int i = 0; i < 6; i++) assert_true((soma_tensor_grad(params[i]) != NULL) == (i >= 2 * frozen));
    check_fine(ctx);
    ran = kernels(ctx) - ran;
    soma_context_free(ctx);
    return ran;
}

static void frozen_layers_get_no_gradient_work(void **state) {
    (void)state;
    int64_t ran[4];
    for (int frozen = 0; frozen < 4; frozen++) ran[frozen] = step_kernels(frozen);
    print_message("kernels of a step with 0, 1, 2, 3 of 3 layers frozen: %d, %d, %d, %d\n", (int)ran[0], (int)ran[1], (int)ran[2], (int)ran[3]);
    /* a frozen layer saves at least its weight's and its bias's gradient */
    for (int i = 0; i < 3; i++) assert_true(ran[i + 1] <= ran[i] - 2);
}

static void a_failed_pass_leaves_no_gradient_of_a_closed_scope(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 3, "w", true);
    soma_scope *s = soma_scope_open(ctx);
    soma_backward(soma_sum(soma_square(w), NULL), NULL);
    assert_non_null(soma_tensor_grad(w));
    soma_add(w, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3)));
    assert_true(soma_scope_close(s) < 0);
    assert_int_equal(soma_error_take(ctx), SOMA_ERROR_SHAPE);
    assert_null(soma_tensor_grad(w)); /* it was recorded in the scope and never computed */
    soma_backward(soma_sum(soma_square(w), NULL), NULL);
    assert_true(value_of(soma_tensor_grad(w)) == 6);
    soma_context_free(ctx);
}

/* What an error kept from being assigned was not assigned: values of before can be computed again. */
static void an_assign_that_did_not_happen_leaves_no_trace(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const int64_t seven = 7;
    const float ones[2] = {1, 1};
    soma_tensor *w = soma_variable(soma_from(ctx, ones, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1});
    soma_eval(ctx);
    soma_tensor *bad = soma_gather(w, 0, soma_from(ctx, &seven, SOMA_I64, SOMA_SHAPE(1))), *z = soma_mul_scalar(w, 3);
    soma_assign(w, soma_mul_scalar(w, 2));
    double v;
    float got[2];
    soma_item(bad, &v);
    check_error(ctx, SOMA_ERROR_RANGE, "index 7 is outside");
    assert_int_equal(soma_read(z, got, sizeof got), SOMA_OK); /* it was lost with the evaluation */
    assert_true(got[0] == 3 && got[1] == 3);
    soma_item(bad, &v);
    check_error(ctx, SOMA_ERROR_RANGE, "gather: index 7 is outside");
    assert_int_equal(soma_read(soma_add_scalar(z, 1), got, sizeof got), SOMA_OK);
    assert_true(got[0] == 4 && got[1] == 4);
    assert_int_equal(soma_backward(soma_sum(z, NULL), NULL), SOMA_OK);
    soma_read(soma_tensor_grad(w), got, sizeof got);
    assert_true(got[0] == 3);
    check_fine(ctx);
    soma_context_free(ctx);
}

/* The trick of a forward derivative from two backward passes: the seed is a variable that was made, and changed, after the pass. */
static void a_seed_may_be_newer_than_the_pass(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    float threes[3] = {3, 3, 3}, got[3];
    soma_tensor *x = soma_variable(soma_from(ctx, threes, SOMA_F32, SOMA_SHAPE(3)), &(soma_variable_opts){.requires_grad = 1});
    soma_eval(ctx);
    soma_tensor *y = soma_mul(x, x), *gx, *gv;
    soma_tensor *v = soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(3)), &(soma_variable_opts){.requires_grad = 1});
    soma_assign(v, soma_mul_scalar(v, 2));
    assert_int_equal(soma_grad(&y, 1, &x, 1, &gx, &(soma_grad_opts){.seeds = &v}), SOMA_OK);
    soma_tensor *sum = soma_sum(gx, NULL);
    assert_int_equal(soma_read(gx, got, sizeof got), SOMA_OK);
    assert_true(got[0] == 12 && got[2] == 12);
    assert_int_equal(soma_grad(&sum, 1, &v, 1, &gv, NULL), SOMA_OK);
    assert_int_equal(soma_read(gv, got, sizeof got), SOMA_OK);
    assert_true(got[0] == 6 && got[2] == 6);
    assert_int_equal(soma_backward(soma_mul(x, x), v), SOMA_OK);
    assert_int_equal(soma_read(soma_tensor_grad(x), got, sizeof got), SOMA_OK);
    assert_true(got[0] == 12 && got[2] == 12);
    check_fine(ctx);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_assign_that_did_not_happen_leaves_no_trace),
                                       cmocka_unit_test(assigns_run_in_the_order_of_recording),
                                       cmocka_unit_test(two_variables_swap_through_temporaries),
                                       cmocka_unit_test(an_update_comes_after_earlier_readers_and_before_later_ones),
                                       cmocka_unit_test(dead_nodes_are_not_run),
                                       cmocka_unit_test(closing_a_scope_runs_pending_assigns_to_outer_variables_alone),
                                       cmocka_unit_test(a_kept_value_has_no_history_and_stays),
                                       cmocka_unit_test(a_long_loop_with_carried_state_does_not_grow),
                                       cmocka_unit_test(gradients_add_up_over_backward_calls_and_reads),
                                       cmocka_unit_test(backward_after_a_read_has_the_same_bits),
                                       cmocka_unit_test(backward_names_a_parameter_that_was_assigned_in_between),
                                       cmocka_unit_test(grad_takes_seeds_and_leaves_accumulated_gradients_alone),
                                       cmocka_unit_test(a_hessian_vector_product_is_a_gradient_of_a_gradient),
                                       cmocka_unit_test(no_grad_and_detach_stop_gradients),
                                       cmocka_unit_test(frozen_layers_get_no_gradient_work),
                                       cmocka_unit_test(a_seed_may_be_newer_than_the_pass),
                                       cmocka_unit_test(a_failed_pass_leaves_no_gradient_of_a_closed_scope)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
