/* labels: threads
 * What a captured program refuses: modes that changed, slots that no tensor can have. What a plan shows. And that a context has one user at a time. */
#include "support/check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static soma_status forward(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    out[0] = soma_forward(user, in[0]);
    return soma_error_status(ctx);
}

static soma_program *capture(soma_context *ctx, soma_module *m, const soma_slot *slot) { return soma_capture(ctx, forward, m, slot, 1, 1, NULL); }

static void a_program_runs_in_the_mode_of_its_capture(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *dropout = soma_nn_dropout(ctx, 0.5), *m = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 3, 4, NULL), dropout));
    const soma_slot slot = {{2, 3}, 2, SOMA_F32};
    const float x[6] = {1, 2, 3, 4, 5, 6};
    soma_program *train = capture(ctx, m, &slot), *eval = capture(ctx, m, &slot);
    soma_program_bind(train, 0, x, NULL), soma_program_bind(eval, 0, x, NULL);
    assert_int_equal(soma_program_run(train), SOMA_OK);
    soma_module_train(m, false);
    soma_program_run(train);
    check_error(ctx, SOMA_ERROR_STATE, "sequential was in train mode when the program was captured and is in eval mode now");
    assert_int_equal(soma_program_run(eval), SOMA_OK);
    soma_module_train(dropout, true); /* one module alone */
    soma_program_run(eval);
    check_error(ctx, SOMA_ERROR_STATE, "dropout was in eval mode");
    soma_module_train(m, true);
    assert_int_equal(soma_program_run(train), SOMA_OK);
    soma_program_run(eval);
    check_error(ctx, SOMA_ERROR_STATE, "sequential was in eval mode");
    soma_context_free(ctx);
}

static void slots_are_checked(void **state) {
    (void)state;
    static const soma_slot bad[] = {{{1}, SOMA_MAX_DIMS + 1, SOMA_F32}, {{1}, -1, SOMA_F32}, {{-2, 3}, 2, SOMA_F32}, {{INT64_MAX, 2}, 2, SOMA_F32}};
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_relu(ctx);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(capture(ctx, m, &bad[i]));
        check_error(ctx, SOMA_ERROR_SHAPE, "capture: slot 0");
    }
    assert_null(capture(ctx, m, &(soma_slot){{1}, 1, 6}));
    check_error(ctx, SOMA_ERROR_DTYPE, "capture: slot 0 has the dtype 6");
    assert_null(capture(ctx, m, &(soma_slot){{1}, 1, -1}));
    check_error(ctx, SOMA_ERROR_DTYPE, "dtype -1");
    const float x[4] = {1, -2, 3, 4};
    soma_program *p = capture(ctx, m, &(soma_slot){{4}, 1, SOMA_F32});
    assert_int_equal(soma_program_bind(p, 0, x, NULL), SOMA_OK);
    assert_int_equal(soma_program_bind(p, 0, x, (const int64_t[]){-4}), SOMA_ERROR_SHAPE);
    check_error(ctx, SOMA_ERROR_SHAPE, "program_bind: slot 0");
    assert_int_equal(soma_program_run(p), SOMA_OK); /* as bound before */
    const void *y;
    int64_t n;
    assert_int_equal(soma_program_output(p, 0, &y, &n), SOMA_OK);
    assert_int_equal(n, 4);
    assert_true(((const float *)y)[1] == 0 && ((const float *)y)[2] == 3);
    soma_context_free(ctx);
}

/* A gradient that nobody has cleared will be stored: the plan shows it, and looking at the plan changes nothing. */
static void explain_shows_gradients_to_be_stored(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(5, 3)), &(soma_variable_opts){.requires_grad = 1});
    soma_eval(ctx);
    soma_tensor *loss = soma_sum(soma_square(w), NULL);
    soma_backward(loss, NULL);
    char *before, *cleared;
    assert_int_equal(soma_explain(ctx, &before), SOMA_OK);
    soma_zero_grad(&w, 1);
    assert_int_equal(soma_explain(ctx, &cleared), SOMA_OK);
    int entries, steps[2], held[2];
    assert_int_equal(sscanf(before, "plan: %d entries, %d steps, %d held", &entries, &steps[0], &held[0]), 3);
    assert_int_equal(sscanf(cleared, "plan: %d entries, %d steps, %d held", &entries, &steps[1], &held[1]), 3);
    assert_int_equal(held[0], held[1] + 1);
    soma_text_free(ctx, before), soma_text_free(ctx, cleared);
    soma_stats s, t;
    soma_context_stats(ctx, &s);
    soma_eval(ctx);
    soma_context_stats(ctx, &t);
    assert_int_equal(t.kernels_run - s.kernels_run, steps[1]);
    check_fine(ctx);
    soma_context_free(ctx);
}

/* A value inside a module that is asked for by its gradient after its variable changed. */
static void an_old_value_is_missed_by_name(void **state) {
    (void)state;
    for (int named = 0; named < 2; named++) {
        soma_context *ctx = check_context(NULL);
        soma_tensor *w = soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.name = named ? "w" : NULL, .requires_grad = 1});
        soma_interior_begin(ctx);
        soma_tensor *inside = soma_exp(w);
        soma_tensor *loss = soma_interior_end(ctx, soma_sum(soma_square(inside), NULL));
        soma_eval(ctx);
        soma_assign(w, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2)));
        soma_backward(loss, NULL);
        check_error(ctx, SOMA_ERROR_STATE, named ? "'w' [2] was assigned" : "'a variable without a name' [2] was assigned");
        soma_context_free(ctx);
    }
}

#ifdef SOMA_DEBUG
typedef struct meeting {
    soma_context *ctx;
    soma_tensor *made;
} meeting;

static void *intrude(void *arg) {
    meeting *m = arg;
    m->made = soma_zeros(m->ctx, SOMA_F32, SOMA_SHAPE(2));
    return NULL;
}

static soma_status same_shape(void *user, soma_tensor *const *in, size_t n, int64_t *shape, int64_t *ndim, soma_dtype *dtype) {
    (void)user, (void)in, (void)n;
    *ndim = 1, shape[0] = 2, *dtype = SOMA_F32;
    return SOMA_OK;
}

/* While this op is computed another thread uses the context. */
static soma_status meet(void *user, const soma_custom_operand *in, size_t n, soma_custom_operand *out) {
    (void)in, (void)n;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, intrude, user), 0);
    pthread_join(thread, NULL);
    memset(out->data, 0, 2 * sizeof(float));
    return SOMA_OK;
}
#endif

static void one_thread_at_a_time(void **state) {
    (void)state;
#ifdef SOMA_DEBUG
    meeting m = {check_context(NULL), NULL};
    int64_t op = soma_custom_register(m.ctx, &(soma_custom_def){.name = "meet", .shape = same_shape, .forward = meet, .user = &m});
    soma_tensor *x = soma_zeros(m.ctx, SOMA_F32, SOMA_SHAPE(2)), *y = soma_custom(m.ctx, op, &x, 1);
    assert_non_null(y);
    assert_int_equal(soma_eval(m.ctx), SOMA_ERROR_STATE);
    assert_null(m.made);
    check_error(m.ctx, SOMA_ERROR_STATE, "another thread is inside a call");
    /* one after the other is allowed */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, intrude, &m), 0);
    pthread_join(thread, NULL);
    assert_non_null(m.made);
    check_fine(m.ctx);
    soma_context_free(m.ctx);
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_program_runs_in_the_mode_of_its_capture), cmocka_unit_test(slots_are_checked),
                                       cmocka_unit_test(explain_shows_gradients_to_be_stored), cmocka_unit_test(an_old_value_is_missed_by_name),
                                       cmocka_unit_test(one_thread_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
