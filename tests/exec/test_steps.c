/* labels: threads
 * 100 steps with dropout, clipping, a changing learning rate and a short last batch: the same bits recorded, captured, unfused, and with any number
 * of threads. */
#include "support/check.h"

#include <string.h>

#define FEATURES 33
#define PARAMS (FEATURES * 40 + 40 + 40 * 10 + 10)

typedef struct model {
    soma_module *net;
    soma_optim *optim;
    soma_tensor *const *params;
    size_t count;
    double limit;
} model;

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    model *m = user;
    (void)n_in, (void)n_out;
    out[0] = soma_cross_entropy(soma_forward(m->net, in[0]), in[1], NULL);
    soma_guard_finite(out[0]);
    soma_backward(out[0], NULL);
    soma_clip_grad_norm_by(m->params, m->count, soma_host_scalar(ctx, &m->limit), NULL);
    soma_optim_step(m->optim);
    soma_optim_zero_grad(m->optim);
    return soma_error_status(ctx);
}

static void build(soma_context *ctx, model *m) {
    m->net = soma_nn_sequential(
        ctx, SOMA_MODULES(soma_nn_linear(ctx, FEATURES, 40, NULL), soma_nn_tanh(ctx), soma_nn_dropout(ctx, 0.25), soma_nn_linear(ctx, 40, 10, NULL)));
    soma_module_parameters(m->net, &m->params, &m->count);
    m->optim = soma_optim_sgd(ctx, m->params, m->count, 0.1, &(soma_sgd_opts){.momentum = 0.9, .weight_decay = 1e-4, .nesterov = 1});
    check_fine(ctx);
}

/* Trains and gives the parameters. */
static void train(const soma_context_opts *o, bool captured, bool read_often, float *out) {
    static float x[100 * FEATURES];
    static int64_t t[100];
    uint64_t seed = 7;
    for (int i = 0; i < 100 * FEATURES; i++) x[i] = (float)check_random(&seed) - 0.5f;
    for (int i = 0; i < 100; i++) t[i] = (int64_t)(check_random(&seed) * 10);
    soma_context *ctx = check_context(o);
    model m;
    build(ctx, &m);
    soma_slot slots[2] = {{{32, FEATURES}, 2, SOMA_F32}, {{32}, 1, SOMA_I64}};
    soma_program *p = captured ? soma_capture(ctx, body, &m, slots, 2, 1, NULL) : NULL;
    for (int step = 0; step < 100; step++) {
        int64_t from = step % 4 * 32, n = from == 96 ? 4 : 32, shape[2] = {n, FEATURES};
        soma_optim_set_lr(m.optim, -1, 0.1 / (1 + step / 10));
        m.limit = step % 3 ? 0.5 : 2;
        if (captured) {
            soma_program_bind(p, 0, x + from * FEATURES, shape);
            soma_program_bind(p, 1, t + from, &n);
            assert_int_equal(soma_program_run(p), SOMA_OK);
        } else {
            soma_scope *s = soma_scope_open(ctx);
            soma_tensor *in[2] = {soma_borrow(ctx, x + from * FEATURES, SOMA_F32, shape, 2), soma_borrow(ctx, t + from, SOMA_I64, &n, 1)}, *loss;
            body(ctx, &m, in, 2, &loss, 1);
            double v;
            if (read_often) assert_int_equal(soma_item(loss, &v), SOMA_OK);
            soma_scope_close(s);
        }
        check_fine(ctx);
    }
    for (size_t i = 0; i < m.count; i++) {
        assert_int_equal(soma_read(m.params[i], out, (size_t)soma_numel(m.params[i]) * sizeof *out), SOMA_OK);
        out += soma_numel(m.params[i]);
    }
    soma_context_free(ctx);
}

static void steps_have_the_same_bits_in_every_way(void **state) {
    (void)state;
    static float first[PARAMS], other[PARAMS];
    train(&(soma_context_opts){.seed = 3, .threads = 1}, false, true, first);
    static const char *const isas[] = {NULL, "portable", "avx2", "avx512", "neon"};
    const int threads[] = {1, 2, 3, 5, 8};
    for (int i = 0; i < 5; i++)
        for (int way = 0; way < 4; way++) {
            soma_context_opts o = {.seed = 3, .threads = threads[i], .isa = isas[(i + way) % 5], .no_fusion = way == 3};
            train(&o, way == 1, way == 2, other);
            if (memcmp(first, other, sizeof first) != 0) fail_msg("%d threads, way %d: other bits", threads[i], way);
        }
}

static void a_steady_captured_run_allocates_nothing(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    model m;
    build(ctx, &m);
    m.limit = 1;
    static float x[32 * FEATURES];
    static int64_t t[32];
    soma_slot slots[2] = {{{32, FEATURES}, 2, SOMA_F32}, {{32}, 1, SOMA_I64}};
    soma_program *p = soma_capture(ctx, body, &m, slots, 2, 1, NULL);
    soma_program_bind(p, 0, x, NULL);
    soma_program_bind(p, 1, t, NULL);
    soma_program_run(p);
    soma_stats before, after;
    soma_context_stats(ctx, &before);
    for (int i = 0; i < 50; i++) assert_int_equal(soma_program_run(p), SOMA_OK);
    soma_context_stats(ctx, &after);
    assert_true(after.allocations == before.allocations);
    assert_true(after.plans_built == before.plans_built && after.nodes_recorded == before.nodes_recorded);
    soma_context_free(ctx);
}

static void a_loop_with_scopes_does_not_grow(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    soma_tensor *h = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(8)), NULL), *sum = soma_variable(soma_zeros(ctx, SOMA_F32, NULL, 0), NULL);
    soma_stats before = {0}, after;
    for (int i = 0; i < 10000; i++) {
        if (i == 100) soma_context_stats(ctx, &before);
        soma_scope *s = soma_scope_open(ctx);
        soma_assign(h, soma_tanh(soma_add_scalar(soma_mul_scalar(h, 0.9), 0.1)));
        soma_assign(sum, soma_add(sum, soma_mean(h, NULL)));
        soma_scope_close(s);
    }
    soma_context_stats(ctx, &after);
    check_fine(ctx);
    assert_true(after.plans_built == before.plans_built);
    assert_true(after.allocations == before.allocations);
    soma_context_free(ctx);
}

static void a_guard_stops_before_anything_changes(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = soma_variable(soma_full(ctx, 2, SOMA_F32, SOMA_SHAPE(1)), &(soma_variable_opts){.requires_grad = 1});
    soma_eval(ctx);
    soma_tensor *loss = soma_sum(soma_log(soma_sub(w, w)), NULL);
    soma_guard_finite(loss);
    soma_assign(w, soma_mul_scalar(w, 5));
    assert_int_equal(soma_eval(ctx), SOMA_ERROR_NONFINITE);
    double v;
    check_error(ctx, SOMA_ERROR_NONFINITE, "infinite");
    assert_int_equal(soma_item(w, &v), SOMA_OK);
    assert_true(v == 2);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_have_the_same_bits_in_every_way),
                                       cmocka_unit_test(a_steady_captured_run_allocates_nothing), cmocka_unit_test(a_loop_with_scopes_does_not_grow),
                                       cmocka_unit_test(a_guard_stops_before_anything_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
