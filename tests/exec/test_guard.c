/* A step that a guard (or a failing kernel) stops leaves everything as before it: variables, step counts, random numbers, gradients. Training goes on
 * with the bits of a run that never had the bad batch, recorded and captured. */
#include "support/check.h"

#include <math.h>
#include <string.h>

#define N 24
#define PARAMS (6 * 5 + 5 + 5 * 3 + 3)

typedef struct model {
    soma_module *net;
    soma_optim *sgd, *adam;
    soma_tensor *const *params;
    size_t count;
    int hooks;
    bool guarded;
} model;

static soma_status hook(void *user) { return ++((model *)user)->hooks, SOMA_OK; }
static void unhook(void *user) { --((model *)user)->hooks; }

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    model *m = user;
    (void)n_in, (void)n_out;
    out[0] = soma_cross_entropy(soma_forward(m->net, in[0]), in[1], NULL);
    if (m->guarded) soma_guard_finite(out[0]);
    soma_on_run(ctx, hook, unhook, m);
    soma_backward(out[0], NULL);
    soma_optim_step(m->sgd);
    soma_optim_step(m->adam);
    soma_zero_grad(m->params, m->count);
    return soma_error_status(ctx);
}

static void build(soma_context *ctx, model *m) {
    m->net = soma_nn_sequential(
        ctx, SOMA_MODULES(soma_nn_linear(ctx, 6, 5, NULL), soma_nn_tanh(ctx), soma_nn_dropout(ctx, 0.3), soma_nn_linear(ctx, 5, 3, NULL)));
    soma_module_parameters(m->net, &m->params, &m->count);
    m->sgd = soma_optim_sgd(ctx, m->params, 2, 0.1, &(soma_sgd_opts){.momentum = 0.9, .dampening = 0.2}); /* the first step differs from the others */
    m->adam = soma_optim_adam(ctx, m->params + 2, 2, 0.01, NULL);
    m->hooks = 0;
    m->guarded = true;
    check_fine(ctx);
}

enum { GOOD, NAN_INPUT, BAD_CLASS };

/* Trains for 12 steps; before those in `bad` a batch comes that cannot be. */
static void train(bool captured, int bad, float *out) {
    static float x[N * 6], poisoned[N * 6];
    static int64_t t[N], wrong[N];
    uint64_t seed = 11;
    for (int i = 0; i < N * 6; i++) x[i] = poisoned[i] = (float)check_random(&seed) - 0.5f;
    for (int i = 0; i < N; i++) t[i] = wrong[i] = (int64_t)(check_random(&seed) * 3);
    poisoned[N * 3] = (float)NAN;
    wrong[N - 1] = 3;
    soma_context *ctx = check_context(&(soma_context_opts){.seed = 2});
    model m;
    build(ctx, &m);
    soma_slot slots[2] = {{{N, 6}, 2, SOMA_F32}, {{N}, 1, SOMA_I64}};
    soma_program *p = captured ? soma_capture(ctx, body, &m, slots, 2, 1, NULL) : NULL;
    for (int step = 0, turn = 0; step < 12; turn++) {
        bool now = bad != GOOD && (turn == 0 || turn == 4 || turn == 5); /* the first of all, too, and two in a row */
        const float *xs = now && bad == NAN_INPUT ? poisoned : x;
        const int64_t *ts = now && bad == BAD_CLASS ? wrong : t;
        soma_status s;
        double loss;
        if (captured) {
            soma_program_bind(p, 0, xs, NULL);
            soma_program_bind(p, 1, ts, NULL);
            s = soma_program_run(p);
        } else {
            soma_scope *scope = soma_scope_open(ctx);
            soma_tensor *in[2] = {soma_borrow(ctx, xs, SOMA_F32, SOMA_SHAPE(N, 6)), soma_borrow(ctx, ts, SOMA_I64, SOMA_SHAPE(N))}, *y;
            body(ctx, &m, in, 2, &y, 1);
            if (turn % 2) soma_item(y, &loss); /* a read evaluates, or the scope's end */
            s = soma_scope_close(scope);
        }
        assert_int_equal(s, !now ? SOMA_OK : bad == NAN_INPUT ? SOMA_ERROR_NONFINITE : SOMA_ERROR_RANGE);
        assert_int_equal(soma_error_take(ctx), s);
        step += !now;
        assert_int_equal(m.hooks, step);
        for (size_t i = 0; i < 2; i++) {
            assert_true(soma_optim_steps(m.sgd, i) == step);
            assert_true(soma_optim_steps(m.adam, i) == step);
            assert_null(soma_tensor_grad(m.params[i]));
        }
    }
    for (size_t i = 0; i < m.count; i++) {
        soma_read(m.params[i], out, (size_t)soma_numel(m.params[i]) * sizeof *out);
        out += soma_numel(m.params[i]);
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

static void a_stopped_step_leaves_everything_as_before(void **state) {
    (void)state;
    float want[PARAMS], got[PARAMS];
    train(false, GOOD, want);
    for (int captured = 0; captured < 2; captured++)
        for (int bad = GOOD; bad <= BAD_CLASS; bad++) {
            train(captured, bad, got);
            for (int i = 0; i < PARAMS; i++) assert_true(isfinite(got[i]));
            if (memcmp(want, got, sizeof want) != 0) fail_msg("%s, bad batches of kind %d: other bits", captured ? "captured" : "recorded", bad);
        }
}

static void a_guard_stops_assigns_recorded_before_it(void **state) {
    (void)state;
    for (int fusion = 0; fusion < 2; fusion++) {
        soma_context *ctx = check_context(&(soma_context_opts){.no_fusion = fusion});
        soma_tensor *w = soma_variable(soma_full(ctx, 2, SOMA_F32, SOMA_SHAPE(3)), NULL), *other = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3));
        double v;
        soma_eval(ctx);
        soma_tensor *bad = soma_sum(soma_log(soma_sub(w, w)), NULL);
        soma_assign(w, soma_mul_scalar(w, 5));
        soma_assign(w, soma_add(w, other));
        soma_guard_finite(bad);
        assert_int_equal(soma_eval(ctx), SOMA_ERROR_NONFINITE);
        soma_error_take(ctx);
        assert_true(soma_item(soma_select(w, 0, 0), &v) == SOMA_OK && v == 2);
        soma_assign(w, soma_mul_scalar(w, 5)); /* one that depends on the assign has to come after it */
        soma_guard_finite(soma_sum(w, NULL));
        assert_true(soma_item(soma_select(w, 0, 0), &v) == SOMA_OK && v == 10);
        check_fine(ctx);
        soma_context_free(ctx);
    }
}

static void accumulated_gradients_are_as_before(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float one = 1, nan = (float)NAN;
    soma_tensor *w = soma_variable(soma_from(ctx, &one, SOMA_F32, NULL, 0), &(soma_variable_opts){.requires_grad = 1});
    double v;
    for (int i = 0; i < 2; i++) { /* with no gradient before, and with one */
        soma_tensor *bad = soma_mul(w, soma_from(ctx, &nan, SOMA_F32, NULL, 0));
        soma_guard_finite(bad);
        soma_backward(bad, NULL);
        assert_int_equal(soma_eval(ctx), SOMA_ERROR_NONFINITE);
        soma_error_take(ctx);
        if (i) assert_true(soma_item(soma_tensor_grad(w), &v) == SOMA_OK && v == 3);
        else assert_null(soma_tensor_grad(w));
        soma_backward(soma_mul_scalar(w, 3), NULL);
        soma_eval(ctx);
    }
    soma_item(soma_tensor_grad(w), &v);
    assert_true(v == 6);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void of_two_steps_in_one_plan_the_second_alone_is_undone(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float one = 1, nan = (float)NAN;
    float drawn[3][4];
    soma_tensor *w = soma_variable(soma_from(ctx, &one, SOMA_F32, NULL, 0), &(soma_variable_opts){.requires_grad = 1});
    soma_tensor *r = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(4)), NULL);
    soma_optim *o = soma_optim_sgd(ctx, &w, 1, 0.5, NULL);
    for (int step = 0; step < 2; step++) {
        soma_tensor *loss = soma_mul(w, soma_from(ctx, step ? &nan : &one, SOMA_F32, NULL, 0));
        soma_tensor *noise = soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4));
        soma_guard_finite(loss);
        soma_assign(r, noise);
        soma_backward(loss, NULL);
        soma_optim_step(o);
        soma_optim_zero_grad(o);
    }
    double v;
    assert_int_equal(soma_eval(ctx), SOMA_ERROR_NONFINITE);
    soma_error_take(ctx);
    assert_true(soma_item(w, &v) == SOMA_OK && v == 0.5);
    assert_true(soma_optim_steps(o, 0) == 1);
    soma_read(r, drawn[0], sizeof drawn[0]);
    soma_read(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4)), drawn[1], sizeof drawn[1]); /* the second draw, which was given back */
    soma_manual_seed(ctx, 0);
    for (int i = 0; i < 2; i++) {
        soma_read(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4)), drawn[2], sizeof drawn[2]);
        assert_memory_equal(drawn[2], drawn[i], sizeof drawn[2]);
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

static soma_status failing_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    out[0] = soma_add(in[0], soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4)));
    return *(bool *)user ? soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "no") : SOMA_OK;
}

static void a_failed_capture_draws_no_numbers_and_a_new_seed_restarts_programs(void **state) {
    (void)state;
    float zero[4] = {0}, got[4][4];
    const void *at;
    bool fails = true;
    soma_context *ctx = check_context(&(soma_context_opts){.seed = 9});
    soma_slot slot = {{4}, 1, SOMA_F32};
    soma_program *p = soma_capture(ctx, failing_body, &fails, &slot, 1, 1, NULL);
    soma_program_bind(p, 0, zero, NULL);
    assert_int_equal(soma_program_run(p), SOMA_ERROR_ARGUMENT);
    soma_error_take(ctx);
    fails = false;
    for (int i = 0; i < 4; i++) {
        if (i == 2) soma_manual_seed(ctx, 9);
        if (i == 3) soma_read(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4)), got[i], sizeof got[i]);
        else {
            assert_int_equal(soma_program_run(p), SOMA_OK);
            soma_program_output(p, 0, &at, NULL);
            memcpy(got[i], at, sizeof got[i]);
        }
    }
    assert_memory_equal(got[2], got[0], sizeof got[0]);
    assert_memory_equal(got[3], got[1], sizeof got[1]);
    assert_memory_not_equal(got[0], got[1], sizeof got[0]);
    soma_context_free(ctx);
    ctx = check_context(&(soma_context_opts){.seed = 9});
    soma_read(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4)), got[1], sizeof got[1]);
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_step_leaves_everything_as_before), cmocka_unit_test(accumulated_gradients_are_as_before),
        cmocka_unit_test(a_guard_stops_assigns_recorded_before_it), cmocka_unit_test(of_two_steps_in_one_plan_the_second_alone_is_undone),
        cmocka_unit_test(a_failed_capture_draws_no_numbers_and_a_new_seed_restarts_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
