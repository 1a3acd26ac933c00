/* What a caller may get wrong: scopes closed twice, parts that die before their whole, sizes that no machine has, the context used by what it calls.
 * Each is an error with a sentence, and the context works on. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

static void a_scope_closes_once(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_scope *a = soma_scope_open(ctx), *b = soma_scope_open(ctx), *c = soma_scope_open(ctx);
    assert_true(soma_scope_encloses(a, c) && soma_scope_encloses(c, c) && !soma_scope_encloses(c, a) && !soma_scope_encloses(NULL, a));
    assert_true(soma_scope_innermost(ctx) == c);
    assert_int_equal(soma_scope_close(a), SOMA_OK); /* and those inside it */
    assert_int_equal(soma_scope_close(b), SOMA_ERROR_STATE);
    check_error(ctx, SOMA_ERROR_STATE, "closed already");
    assert_int_equal(soma_scope_close(c), SOMA_ERROR_STATE);
    check_error(ctx, SOMA_ERROR_STATE, "closed already");
    assert_non_null(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1)));
    soma_context_free(ctx);
}

static soma_tensor *variable(soma_context *ctx, double value) {
    return soma_variable(soma_full(ctx, value, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1, .name = "v"});
}

/* Groups and parts that are added in an inner scope belong to the whole's. */
static void parts_live_with_the_whole(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 1), *late = variable(ctx, 2);
    soma_optim *o = soma_optim_sgd(ctx, &w, 1, 0.1, NULL);
    soma_module *m = soma_nn_module(ctx, NULL, (soma_forward_fn)NULL, NULL);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "forward");
    m = soma_nn_sequential(ctx, NULL, 0);
    soma_scope *s = soma_scope_open(ctx);
    soma_tensor *inner = variable(ctx, 3);
    assert_int_equal(soma_optim_sgd_group(o, &late, 1, 0.5, NULL), SOMA_OK);
    assert_int_equal(soma_module_add_parameter(m, "late", late), SOMA_OK);
    soma_optim_sgd_group(o, &inner, 1, 0.5, NULL);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "sgd: parameter 0 lives in an inner scope");
    soma_module_add_parameter(m, "inner", inner);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "'inner' lives in an inner scope");
    soma_module_add_child(m, "child", soma_nn_relu(ctx));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "'child' lives in an inner scope");
    soma_scope_close(s);
    s = soma_scope_open(ctx); /* the memory is used again */
    for (int i = 0; i < 50; i++) soma_full(ctx, i, SOMA_F32, SOMA_SHAPE(100));
    soma_backward(soma_sum(soma_add(w, late), NULL), NULL);
    assert_int_equal(soma_optim_step(o), SOMA_OK);
    float got[2];
    soma_read(late, got, sizeof got);
    assert_true(got[0] == 1.5f);
    char key[16];
    soma_tensor *t;
    assert_int_equal(soma_module_state(m, 0, key, sizeof key, &t), SOMA_OK);
    assert_true(t == late && strcmp(key, "late") == 0);
    soma_context_free(ctx);
}

static void groups_are_added_whole_or_not_at_all(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w[3] = {variable(ctx, 1), variable(ctx, 2), NULL};
    soma_optim *o = soma_optim_adam(ctx, w, 1, 0.1, NULL);
    soma_optim_adam_group(o, w + 1, 2, 0.5, NULL);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "adam: parameter 1 is NULL");
    assert_int_equal(soma_optim_state_count(o), 2);
    assert_true(soma_optim_get_lr(o, 1) == 0);
    w[2] = w[1];
    soma_optim_adam_group(o, w + 1, 2, 0.5, NULL);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "adam: parameter 1 is there already");
    assert_int_equal(soma_optim_adam_group(o, w + 1, 1, 0.5, NULL), SOMA_OK);
    assert_true(soma_optim_get_lr(o, 1) == 0.5);
    assert_int_equal(soma_optim_steps(o, 1), 0);
    assert_int_equal(soma_optim_set_steps(o, 1, 7), SOMA_OK);
    assert_int_equal(soma_optim_steps(o, 1), 7);
    assert_int_equal(soma_optim_steps(o, 2), -1);
    soma_optim_set_steps(o, 2, 1);
    check_error(ctx, SOMA_ERROR_RANGE, "parameter 2 of 2");
    soma_module *m = soma_nn_sequential(ctx, NULL, 0);
    soma_module_add_parameter(m, "w", soma_variable(soma_zeros(ctx, SOMA_I64, SOMA_SHAPE(1)), NULL));
    check_error(ctx, SOMA_ERROR_DTYPE, "requires_grad");
    assert_int_equal(soma_module_state_count(m), 0);
    soma_module_add_child(m, "self", m);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "'self' contains");
    soma_context_free(ctx);
}

/* What is recorded for long without an evaluation is planned in a time that grows with its number, not with its square: 30000 writes take a part of a
 * second. */
static void many_writes_are_planned(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = soma_variable(soma_full(ctx, 0, SOMA_F32, SOMA_SHAPE(2)), NULL);
    float v[2];
    for (int i = 0; i < 15000; i++) {
        soma_variable(soma_full(ctx, i, SOMA_F32, NULL, 0), NULL);
        soma_assign(w, soma_add_scalar(w, 1));
    }
    soma_read(w, v, sizeof v);
    check_fine(ctx);
    assert_true(v[0] == 15000 && v[1] == 15000);
    soma_context_free(ctx);
}

static void groups_are_of_the_optimizers_kind(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w[3] = {variable(ctx, 1), variable(ctx, 2), variable(ctx, 3)};
    soma_optim *sgd = soma_optim_sgd(ctx, w, 1, 0.1, NULL), *adamw = soma_optim_adamw(ctx, w + 1, 1, 0.1, NULL);
    assert_int_equal(soma_optim_adam_group(sgd, w + 2, 1, 0.1, NULL), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "sgd: a group of adam's settings");
    assert_int_equal(soma_optim_sgd_group(adamw, w + 2, 1, 0.1, NULL), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "adamw: a group of sgd's settings");
    assert_int_equal(soma_optim_adamw_group(adamw, w + 2, 1, 0.1, NULL), SOMA_OK);
    assert_int_equal(soma_optim_set_lr(sgd, -7, 0.5), SOMA_ERROR_RANGE);
    check_error(ctx, SOMA_ERROR_RANGE, "sgd: group -7 of 1");
    assert_true(soma_optim_get_lr(sgd, -1) == 0.1 && soma_optim_get_lr(sgd, -7) == 0);
    assert_int_equal(soma_optim_set_lr(sgd, -1, 0.5), SOMA_OK);
    assert_true(soma_optim_get_lr(sgd, 0) == 0.5);
    soma_context_free(ctx);
}

static void nothing_is_read_without_elements(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL), *none;
    soma_tensor *e = soma_borrow(ctx, NULL, SOMA_F32, SOMA_SHAPE(0)), *two[2] = {e, e};
    assert_int_equal(soma_read(e, NULL, 0), SOMA_OK);
    assert_int_equal(soma_read(soma_cat(two, 2, 0), NULL, 0), SOMA_OK);
    assert_null(soma_shape_text(e, NULL, 3));
    char *text = NULL; /* of an empty plan */
    assert_int_equal(soma_eval(ctx), SOMA_OK);
    assert_int_equal(soma_explain(ctx, &text), SOMA_OK);
    soma_text_free(ctx, text);
    check_fine(ctx);
    soma_context_free(ctx);
    const soma_allocator empty = {0};
    assert_int_equal(soma_context_create(&none, &(soma_context_opts){.allocator = &empty}), SOMA_ERROR_ARGUMENT);
    assert_null(none);
}

static void a_layer_in_two_places_is_one_parameter(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *l = soma_nn_linear(ctx, 3, 3, NULL), *m = soma_nn_sequential(ctx, SOMA_MODULES(l, soma_nn_tanh(ctx), l));
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(m, &params, &n);
    assert_int_equal(n, 2);
    assert_int_equal(soma_module_state_count(m), 4); /* as state_dict */
    assert_non_null(soma_optim_adam(ctx, params, n, 0.1, NULL));
    check_fine(ctx);
    soma_context_free(ctx);
}

static void sizes_that_no_machine_has(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const int64_t most = INT64_MAX / 20;
    soma_tensor *one = soma_ones(ctx, SOMA_F64, SOMA_SHAPE(1));
    soma_interior_begin(ctx);
    soma_tensor *x[4], *sum = NULL;
    for (int i = 0; i < 4; i++) {
        x[i] = soma_softmax(soma_expand(soma_add_scalar(one, i), &most, 1), 0);
        sum = sum ? soma_add(soma_softmax(x[i], 0), sum) : x[i];
    }
    for (int i = 0; i < 4; i++) sum = soma_add(sum, soma_softmax(x[i], 0));
    soma_tensor *y = soma_interior_end(ctx, soma_sum(sum, NULL));
    check_fine(ctx);
    double v;
    assert_int_equal(soma_item(y, &v), SOMA_ERROR_MEMORY);
    check_error(ctx, SOMA_ERROR_MEMORY, "out of memory");
    const int64_t tall[2] = {(int64_t)1 << 29, 1}, wide[2] = {1, (int64_t)1 << 29};
    soma_tensor *a = soma_expand(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 1)), tall, 2),
                *b = soma_expand(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 1)), wide, 2);
    soma_interior_begin(ctx);
    y = soma_interior_end(ctx, soma_sum(soma_matmul(a, b), NULL));
    assert_int_equal(soma_item(y, &v), SOMA_ERROR_MEMORY);
    check_error(ctx, SOMA_ERROR_MEMORY, "out of memory");
    assert_null(soma_arange(ctx, 0, 10, 1, (soma_dtype)99));
    check_error(ctx, SOMA_ERROR_DTYPE, "99 is no dtype");
    assert_null(soma_to(one, (soma_dtype)-1));
    check_error(ctx, SOMA_ERROR_DTYPE, "");
    assert_int_equal(soma_item(soma_sum(one, NULL), &v), SOMA_OK);
    soma_context_free(ctx);
}

/* Tensors that grow a little each turn do not leave the memory of all turns behind. */
typedef struct meter {
    size_t now, most;
} meter;
static void *meter_alloc(void *user, size_t size, size_t align) {
    meter *m = user;
    m->now += size;
    if (m->now > m->most) m->most = m->now;
    return aligned_alloc(align, (size + align - 1) / align * align);
}
static void meter_free(void *user, void *memory, size_t size) {
    ((meter *)user)->now -= size;
    free(memory);
}

static void memory_is_bounded_and_sizes_are_given_back(void **state) {
    (void)state;
    meter m = {0, 0};
    soma_allocator a = {meter_alloc, meter_free, &m};
    soma_context *ctx = check_context(&(soma_context_opts){.allocator = &a, .threads = 1});
    char *text;
    soma_tensor *w = variable(ctx, 1), *y = soma_square(w);
    soma_backward(soma_sum(y, NULL), NULL);
    assert_int_equal(soma_explain(ctx, &text), SOMA_OK);
    soma_text_free(ctx, text);
    for (int64_t n = 16; n <= 40000; n += 16) {
        soma_scope *s = soma_scope_open(ctx);
        double v;
        soma_item(soma_sum(soma_square(soma_ones(ctx, SOMA_F32, &n, 1)), NULL), &v);
        assert_true(v == (double)n);
        assert_int_equal(soma_scope_close(s), SOMA_OK);
    }
    assert_true(m.most < 8u << 20); /* two tensors of at most 160 kB, and the plans */
    soma_context_free(ctx);
    assert_int_equal(m.now, 0); /* each block with its own size */
}

/* Custom ops that use the context while it computes; and one whose gradient takes a gradient. */
typedef struct rude {
    soma_context *ctx;
    soma_tensor *other;
    int how;
} rude;
static soma_status rude_shape(void *user, soma_tensor *const *in, size_t n, int64_t *shape, int64_t *ndim, soma_dtype *dtype) {
    (void)user, (void)n;
    *ndim = soma_ndim(in[0]);
    memcpy(shape, soma_shape(in[0]), (size_t)*ndim * sizeof *shape);
    *dtype = soma_tensor_dtype(in[0]);
    return SOMA_OK;
}
static soma_status rude_forward(void *user, const soma_custom_operand *in, size_t n, soma_custom_operand *out) {
    rude *r = user;
    (void)n;
    double v;
    if (r->how == 0) soma_item(r->other, &v);
    if (r->how == 1) soma_add_scalar(r->other, 1);
    if (r->how == 2) soma_eval(r->ctx);
    memcpy(out->data, in[0].data, (size_t)out->numel * sizeof(float));
    return SOMA_OK;
}

static void what_is_computed_does_not_compute(void **state) {
    (void)state;
    for (int how = 0; how < 3; how++) {
        rude r = {.ctx = check_context(NULL), .how = how};
        int64_t op = soma_custom_register(r.ctx, &(soma_custom_def){.name = "rude", .shape = rude_shape, .forward = rude_forward, .user = &r});
        soma_tensor *x = soma_ones(r.ctx, SOMA_F32, SOMA_SHAPE(1)), *y = soma_custom(r.ctx, op, &x, 1);
        r.other = soma_exp(y);
        assert_int_equal(soma_eval(r.ctx), SOMA_ERROR_STATE);
        check_error(r.ctx, SOMA_ERROR_STATE, "is computing");
        r.how = 3;
        double v;
        assert_int_equal(soma_item(r.other, &v), SOMA_OK); /* once more */
        assert_true(v > 2.718 && v < 2.719);
        assert_int_equal(soma_item(soma_exp(y), &v), SOMA_OK);
        assert_true(v > 2.718 && v < 2.719);
        soma_context_free(r.ctx);
    }
}

/* y = x^3, whose gradient is written as a gradient: d/dx of x^4 / 4, times the seed, plus 2 x^2 for the rest. */
static soma_status cube_forward(void *user, const soma_custom_operand *in, size_t n, soma_custom_operand *out) {
    (void)user, (void)n;
    for (int64_t i = 0; i < out->numel; i++) {
        float v = ((const float *)in[0].data)[i];
        ((float *)out->data)[i] = v * v * v;
    }
    return SOMA_OK;
}
static soma_status cube_gradient(void *user, soma_tensor *const *in, size_t n, soma_tensor *y, soma_tensor *gy, soma_tensor **g) {
    (void)user, (void)n, (void)y;
    soma_tensor *z = soma_mul(in[0], soma_square(in[0])), *ones = soma_ones(soma_tensor_context(z), SOMA_F32, soma_shape(z), soma_ndim(z)), *slope;
    soma_status s = soma_grad(&z, 1, in, 1, &slope, &(soma_grad_opts){.seeds = &ones});
    g[0] = soma_mul(gy, slope);
    return s;
}

static void a_gradient_inside_a_gradient_rule(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    int64_t op =
        soma_custom_register(ctx, &(soma_custom_def){.name = "cube", .shape = rude_shape, .forward = cube_forward, .gradient = cube_gradient});
    const float v[2] = {2, -3};
    soma_tensor *w = soma_variable(soma_from(ctx, v, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1});
    /* x is a result: its own adjoint is in the making when the rule runs */
    soma_tensor *x = soma_mul_scalar(w, 2), *y = soma_custom(ctx, op, &x, 1);
    soma_tensor *loss = soma_sum(soma_add(y, soma_square(x)), NULL), *g;
    assert_int_equal(soma_grad(&loss, 1, &w, 1, &g, NULL), SOMA_OK);
    float got[2];
    soma_read(g, got, sizeof got);
    for (int i = 0; i < 2; i++) assert_true(got[i] == 2 * (3 * 4 * v[i] * v[i] + 2 * 2 * v[i]));
    check_fine(ctx);
    soma_context_free(ctx);
}

static void null_is_said(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = variable(ctx, 1), *loss = soma_sum(w, NULL), *none = NULL, *g;
    assert_int_equal(soma_grad(&loss, 1, &none, 1, &g, NULL), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "grad: input 0 is NULL");
    g = w;
    assert_int_equal(soma_grad(&none, 1, &w, 1, &g, NULL), SOMA_ERROR_ARGUMENT); /* also what a failed call left */
    check_error(ctx, SOMA_ERROR_ARGUMENT, "grad: output 0 is NULL");
    assert_null(g);
    assert_int_equal(soma_grad(&loss, 0, &w, 1, &g, NULL), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "grad: outputs, inputs, and room");
    soma_tensor *const *params = &w;
    size_t count = 1;
    assert_int_equal(soma_module_parameters(NULL, &params, &count), SOMA_ERROR_ARGUMENT);
    assert_true(!params && !count);
    assert_int_equal(soma_clip_grad_norm_by(&w, 1, NULL, NULL), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "limit is NULL");
    assert_int_equal(soma_zero_grad(NULL, 2), SOMA_ERROR_ARGUMENT);
    assert_int_equal(soma_clip_grad_value(NULL, 2, 1), SOMA_ERROR_ARGUMENT);
    assert_int_equal(soma_clip_grad_norm(NULL, 2, 1, NULL), SOMA_ERROR_ARGUMENT);
    assert_int_equal(soma_clip_grad_norm(NULL, 0, 1, NULL), SOMA_OK);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void note_line(void *user, const char *line) {
    char *all = user;
    strncat(all, line, 2000 - strlen(all));
}

static void the_log_gets_lines(void **state) {
    (void)state;
    char lines[2001] = "";
    soma_context *ctx = check_context(&(soma_context_opts){.log = note_line, .log_user = lines, .threads = 1});
    assert_non_null(strstr(lines, "1 threads"));
    double v;
    soma_item(soma_exp(soma_scalar(ctx, 1)), &v);
    assert_non_null(strstr(lines, "plan 1: "));
    soma_stats all, half;
    soma_context_stats(ctx, &all);
    memset(&half, 0xff, sizeof half);
    soma_context_stats_sized(ctx, &half, 2 * sizeof(int64_t));
    assert_true(half.plans_built == all.plans_built && half.plans_run == all.plans_run && half.allocations == -1);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_scope_closes_once),
                                       cmocka_unit_test(parts_live_with_the_whole),
                                       cmocka_unit_test(groups_are_added_whole_or_not_at_all),
                                       cmocka_unit_test(many_writes_are_planned),
                                       cmocka_unit_test(groups_are_of_the_optimizers_kind),
                                       cmocka_unit_test(nothing_is_read_without_elements),
                                       cmocka_unit_test(a_layer_in_two_places_is_one_parameter),
                                       cmocka_unit_test(sizes_that_no_machine_has),
                                       cmocka_unit_test(memory_is_bounded_and_sizes_are_given_back),
                                       cmocka_unit_test(what_is_computed_does_not_compute),
                                       cmocka_unit_test(a_gradient_inside_a_gradient_rule),
                                       cmocka_unit_test(null_is_said),
                                       cmocka_unit_test(the_log_gets_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
