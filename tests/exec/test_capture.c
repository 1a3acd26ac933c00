/* labels: threads
 * What a captured program refuses: modes that changed, slots that no tensor can have. What a plan shows. And that a context has one user at a time.
 */
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
    check_error(ctx, SOMA_ERROR_DTYPE, "capture: slot 0: 6 is no dtype");
    assert_null(capture(ctx, m, &(soma_slot){{1}, 1, -1}));
    check_error(ctx, SOMA_ERROR_DTYPE, "capture: slot 0: -1 is no dtype");
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
        soma_tensor *w =
            soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.name = named ? "w" : NULL, .requires_grad = 1});
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

typedef struct training {
    soma_tensor *w, *table;
    soma_optim *o;
    bool reads, zeroes, looks_up;
} training;

/* Backward through 3 w . x, an optional step, an optional look-up that may fail, an optional zero_grad. */
static soma_status train(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    training *t = user;
    float x[2];
    (void)n_in;
    if (t->reads) return soma_read(in[0], x, sizeof x);
    out[0] = soma_sum(soma_mul(soma_mul_scalar(t->w, 3), in[0]), NULL);
    soma_backward(out[0], NULL);
    if (t->o) soma_optim_step(t->o);
    if (n_out > 1) out[1] = t->looks_up ? soma_index_select(t->w, 0, in[1]) : soma_index_select(t->table, 0, in[1]);
    if (t->zeroes) soma_zero_grad(&t->w, 1);
    return soma_error_status(ctx);
}

static void weight(soma_context *ctx, training *t) {
    const float w[2] = {2, 3}, table[2] = {5, 6};
    t->w = soma_variable(soma_from(ctx, w, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.name = "w", .requires_grad = 1});
    t->table = soma_variable(soma_from(ctx, table, SOMA_F32, SOMA_SHAPE(2)), NULL);
}

static void first_of(soma_tensor *x, float want) {
    float got[2];
    assert_int_equal(soma_read(x, got, sizeof got), SOMA_OK);
    if (got[0] != want) fail_msg("%g, not %g", (double)got[0], (double)want);
}

static void inputs_are_not_read_in_the_body(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    training t = {.reads = true};
    soma_program *p = soma_capture(ctx, train, &t, &(soma_slot){{2}, 1, SOMA_F32}, 1, 1, NULL);
    soma_program_bind(p, 0, (const float[]){1, 2}, NULL);
    assert_int_equal(soma_program_run(p), SOMA_ERROR_STATE);
    check_error(ctx, SOMA_ERROR_STATE, "while a program is captured");
    soma_context_free(ctx);
}

/* As recorded: each run's gradient is added to what is there; zero_grad between runs, or inside, takes it away. */
static void gradients_accumulate_over_runs(void **state) {
    (void)state;
    const float x[3] = {1, 10, 100};
    soma_context *ctx = check_context(NULL);
    training t = {0};
    weight(ctx, &t);
    soma_program *p = soma_capture(ctx, train, &t, &(soma_slot){{2}, 1, SOMA_F32}, 1, 1, &(soma_capture_opts){.max_shapes = 2});
    soma_program_bind(p, 0, x, NULL);
    for (int run = 1; run <= 3; run++) {
        assert_int_equal(soma_program_run(p), SOMA_OK);
        first_of(soma_tensor_grad(t.w), 3 * (float)run);
    }
    soma_zero_grad(&t.w, 1);
    soma_program_run(p);
    first_of(soma_tensor_grad(t.w), 3);
    /* another shape adds to the same; recorded work, too */
    soma_program_bind(p, 0, x + 1, (const int64_t[]){1});
    soma_program_run(p);
    first_of(soma_tensor_grad(t.w), 3 + 30);
    soma_backward(soma_sum(t.w, NULL), NULL);
    first_of(soma_tensor_grad(t.w), 3 + 30 + 1);
    soma_backward(soma_sum(t.w, NULL), NULL); /* not evaluated before the run */
    soma_program_run(p);
    first_of(soma_tensor_grad(t.w), 3 + 30 + 1 + 1 + 30);
    /* a body that clears leaves none */
    t.zeroes = true;
    soma_program *q = soma_capture(ctx, train, &t, &(soma_slot){{2}, 1, SOMA_F32}, 1, 1, NULL);
    soma_program_bind(q, 0, x, NULL);
    soma_program_run(q);
    assert_null(soma_tensor_grad(t.w));
    soma_program_run(q);
    check_fine(ctx);
    soma_context_free(ctx);
}

/* Backward over a variable that a program changed is refused; one that was only captured is not changed. */
static void backward_sees_what_programs_change(void **state) {
    (void)state;
    const float x[2] = {1, 1};
    soma_context *ctx = check_context(NULL);
    training t = {.zeroes = true};
    weight(ctx, &t);
    t.o = soma_optim_sgd(ctx, &t.w, 1, 0.5, NULL);
    soma_program *p = soma_capture(ctx, train, &t, &(soma_slot){{2}, 1, SOMA_F32}, 1, 1, NULL);
    soma_tensor *before = soma_sum(soma_square(t.w), NULL);
    char *text;
    soma_program_bind(p, 0, x, NULL);
    assert_int_equal(soma_program_explain(p, &text), SOMA_OK); /* captures */
    soma_text_free(ctx, text);
    assert_int_equal(soma_backward(before, NULL), SOMA_OK);
    first_of(soma_tensor_grad(t.w), 4);
    soma_zero_grad(&t.w, 1);
    assert_int_equal(soma_program_run(p), SOMA_OK);
    first_of(t.w, 2 - 1.5f);
    soma_backward(before, NULL);
    check_error(ctx, SOMA_ERROR_STATE, "'w' [2] was assigned");
    soma_backward(soma_sum(soma_square(t.w), NULL), NULL);
    first_of(soma_tensor_grad(t.w), 1);
    soma_context_free(ctx);
}

/* A look-up that fails stops the step before anything changes, wherever it stands in the body; one that waits for the step leaves the whole step
 * done. */
static void a_failed_run_is_no_step_or_a_whole_one(void **state) {
    (void)state;
    const float x[2] = {1, 1};
    const int64_t bad = 7, good = 1;
    const soma_slot slots[2] = {{{2}, 1, SOMA_F32}, {{1}, 1, SOMA_I64}};
    for (int waits = 0; waits < 2; waits++) {
        soma_context *ctx = check_context(NULL);
        training t = {.zeroes = true, .looks_up = waits};
        weight(ctx, &t);
        t.o = soma_optim_adam(ctx, &t.w, 1, 0.5, NULL);
        soma_program *p = soma_capture(ctx, train, &t, slots, 2, 2, NULL);
        soma_program_bind(p, 0, x, NULL), soma_program_bind(p, 1, &bad, NULL);
        assert_int_equal(soma_program_run(p), SOMA_ERROR_RANGE);
        check_error(ctx, SOMA_ERROR_RANGE, "index 7");
        const void *y;
        assert_int_equal(soma_program_output(p, 0, &y, NULL), SOMA_ERROR_STATE);
        check_error(ctx, SOMA_ERROR_STATE, "must have run");
        float w[2];
        soma_read(t.w, w, sizeof w);
        assert_true(waits ? w[0] < 2 : w[0] == 2);
        assert_int_equal(soma_optim_steps(t.o, 0), waits);
        soma_program_bind(p, 1, &good, NULL);
        assert_int_equal(soma_program_run(p), SOMA_OK);
        assert_int_equal(soma_optim_steps(t.o, 0), waits + 1);
        soma_context_free(ctx);
    }
}

static void any_number_of_shapes_may_be_kept(void **state) {
    (void)state;
    float x[40] = {0};
    soma_context *ctx = check_context(NULL);
    soma_program *p =
        soma_capture(ctx, forward, soma_nn_relu(ctx), &(soma_slot){{1}, 1, SOMA_F32}, 1, 1, &(soma_capture_opts){.max_shapes = INT64_MAX});
    for (int64_t n = 1; n <= 40; n++) {
        soma_program_bind(p, 0, x, &n);
        assert_int_equal(soma_program_run(p), SOMA_OK);
    }
    soma_context_free(ctx);
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

static soma_status seven(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)ctx, (void)user, (void)in, (void)n_in, (void)out, (void)n_out;
    return (soma_status)7;
}

static void statuses_that_are_none_are_errors(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    assert_null(soma_capture(ctx, seven, NULL, NULL, 0, 1, &(soma_capture_opts){.max_shapes = -1}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "capture: 1 outputs, max_shapes -1");
    assert_null(soma_capture(ctx, seven, NULL, NULL, 0, (size_t)1 << 60, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "capture: 1152921504606846976 outputs");
    assert_int_equal(soma_program_run(soma_capture(ctx, seven, NULL, NULL, 0, 1, NULL)), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "capture: the body failed with status 7");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(statuses_that_are_none_are_errors),
                                       cmocka_unit_test(a_program_runs_in_the_mode_of_its_capture),
                                       cmocka_unit_test(slots_are_checked),
                                       cmocka_unit_test(explain_shows_gradients_to_be_stored),
                                       cmocka_unit_test(an_old_value_is_missed_by_name),
                                       cmocka_unit_test(inputs_are_not_read_in_the_body),
                                       cmocka_unit_test(gradients_accumulate_over_runs),
                                       cmocka_unit_test(backward_sees_what_programs_change),
                                       cmocka_unit_test(a_failed_run_is_no_step_or_a_whole_one),
                                       cmocka_unit_test(any_number_of_shapes_may_be_kept),
                                       cmocka_unit_test(one_thread_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
