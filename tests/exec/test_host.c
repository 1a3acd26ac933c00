/* labels: threads
 * The host around the library: its environment, its floating-point mode, its threads, its cancel flag. */
#if defined(__linux__)
#define _GNU_SOURCE /* feenableexcept */
#endif
#include "support/check.h"

#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void the_environment_is_checked(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
        soma_status status;
    } rows[] = {{"SOMA_THREADS", "lots", SOMA_ERROR_ARGUMENT},
                {"SOMA_THREADS", "3x", SOMA_ERROR_ARGUMENT},
                {"SOMA_THREADS", "0", SOMA_ERROR_ARGUMENT},
                {"SOMA_THREADS", "-1", SOMA_ERROR_ARGUMENT},
                {"SOMA_THREADS", "1025", SOMA_ERROR_ARGUMENT},
                {"SOMA_THREADS", "99999999999999999999", SOMA_ERROR_ARGUMENT},
                {"SOMA_THREADS", "3", SOMA_OK},
                {"SOMA_THREADS", "", SOMA_OK},
                {"SOMA_ISA", "avx9", SOMA_ERROR_ARGUMENT},
                {"SOMA_ISA", "portable", SOMA_OK},
                {"SOMA_ISA", "", SOMA_OK}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *before = getenv(rows[i].name);
        char *kept = before ? strdup(before) : NULL;
        setenv(rows[i].name, rows[i].value, 1);
        soma_context *ctx = NULL;
        soma_status s = soma_context_create(&ctx, NULL);
        if (s != rows[i].status || (s == SOMA_OK) != (ctx != NULL)) fail_msg("%s=%s: %s", rows[i].name, rows[i].value, soma_status_name(s));
        if (ctx && strcmp(rows[i].value, "3") == 0) assert_int_equal(soma_context_threads(ctx), 3);
        if (ctx && strcmp(rows[i].value, "portable") == 0) assert_string_equal(soma_context_isa(ctx), "portable");
        soma_context_free(ctx);
        if (kept) setenv(rows[i].name, kept, 1);
        else unsetenv(rows[i].name);
        free(kept);
    }
}

enum { INPUTS = 6, CLASSES = 3, N = 20 };

static float x[N * INPUTS];
static int64_t t[N];

/* A short training, by the loader; its parameters. */
static void train(soma_context *ctx, float *out, size_t bytes) {
    soma_module *m = soma_nn_sequential(
        ctx, SOMA_MODULES(soma_nn_linear(ctx, INPUTS, 9, NULL), soma_nn_tanh(ctx), soma_nn_dropout(ctx, 0.3), soma_nn_linear(ctx, 9, CLASSES, NULL)));
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(m, &params, &n);
    soma_optim *o = soma_optim_adam(ctx, params, n, 0.03, NULL);
    soma_loader *l = soma_loader_new(ctx, soma_dataset_arrays(ctx, x, t, N, SOMA_SHAPE(INPUTS)), 7, &(soma_loader_opts){.shuffle = 1});
    for (int epoch = 0; epoch < 3; epoch++) {
        soma_batch b;
        for (soma_loader_start(l, epoch); soma_loader_next(l, &b);) {
            soma_scope *s = soma_scope_open(ctx);
            soma_tensor *y = soma_forward(m, soma_borrow(ctx, b.inputs, SOMA_F32, SOMA_SHAPE(b.count, INPUTS)));
            soma_backward(soma_cross_entropy(y, soma_borrow(ctx, b.targets, SOMA_I64, SOMA_SHAPE(b.count)), NULL), NULL);
            soma_clip_grad_norm(params, n, 0.3, NULL);
            soma_optim_step(o);
            soma_optim_zero_grad(o);
            soma_scope_close(s);
        }
    }
    soma_read(params[0], out, bytes);
}

/* Results of calls that compute numbers while they record. */
static size_t host_numbers(soma_context *ctx, double *out) {
    size_t at = 0;
    soma_tensor *logits = soma_arange(ctx, 0, 1, 0.1, SOMA_F64), *soft = soma_full(ctx, 0.1, SOMA_F64, SOMA_SHAPE(10));
    out[at++] = (double)soma_numel(logits);
    logits = soma_slice(logits, 0, 0, 10, 1);
    soma_item(soma_uniform(ctx, 0.1, 0.7, SOMA_F64, NULL, 0), &out[at++]);
    soma_item(soma_var(logits, &(soma_reduce_opts){.correction = SOMA_SET(0.1)}), &out[at++]);
    for (int i = 1; i < 8; i++) {
        soma_item(soma_cross_entropy(logits, soft, &(soma_cross_entropy_opts){.label_smoothing = SOMA_SET(i / 8.0)}), &out[at++]);
        soma_tensor *const *params;
        size_t n;
        soma_module_parameters(soma_nn_linear(ctx, 4 + 7 * i, 1, &(soma_linear_opts){.dtype = SOMA_F64}), &params, &n);
        soma_item(params[1], &out[at++]);
    }
    return at;
}

#define WEIGHTS (9 * INPUTS)

static void the_callers_rounding_does_not_matter(void **state) {
    (void)state;
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    float want[WEIGHTS], got[WEIGHTS];
    double wanted[20], had[20];
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        soma_context *ctx = check_context(&(soma_context_opts){.threads = 3});
        assert_int_equal(fesetround(modes[i]), 0);
        train(ctx, i ? got : want, sizeof want);
        size_t n = host_numbers(ctx, i ? had : wanted);
        assert_int_equal(fegetround(), modes[i]);
        fesetround(FE_TONEAREST);
        check_fine(ctx);
        if (i) assert_memory_equal(got, want, sizeof want);
        if (i) assert_memory_equal(had, wanted, n * sizeof *had);
        soma_context_free(ctx);
    }
}

static void the_callers_traps_do_not_fire(void **state) {
    (void)state;
#if defined(__GLIBC__) && defined(__x86_64__)
    soma_context *ctx = check_context(NULL);
    feclearexcept(FE_ALL_EXCEPT);
    assert_true(feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW) != -1);
    soma_tensor *one = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(40)), *zero = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(40));
    double v;
    soma_status s = soma_item(soma_sum(soma_add(soma_div(one, zero), soma_log(soma_neg(one))), NULL), &v);
    assert_int_equal(fegetexcept(), FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
    fedisableexcept(FE_ALL_EXCEPT);
    assert_int_equal(s, SOMA_OK);
    assert_true(v != v);
    soma_context_free(ctx);
#else
    skip();
#endif
}

static void *train_alone(void *out) {
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 2});
    train(ctx, out, WEIGHTS * sizeof(float));
    soma_context_free(ctx);
    return NULL;
}

static void contexts_work_side_by_side(void **state) {
    (void)state;
    float want[WEIGHTS], got[4][WEIGHTS];
    pthread_t threads[4];
    train_alone(want);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, train_alone, got[i]), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) assert_memory_equal(got[i], want, sizeof want);
}

/* An op that sets the flag when it is computed. */
static soma_status flag_shape(void *user, soma_tensor *const *in, size_t n, int64_t *shape, int64_t *ndim, soma_dtype *dtype) {
    (void)user, (void)n, (void)shape;
    *ndim = soma_ndim(in[0]);
    *dtype = SOMA_F32;
    return SOMA_OK;
}
static soma_status flag_forward(void *user, const soma_custom_operand *in, size_t n, soma_custom_operand *out) {
    (void)n;
    *(volatile int *)user = 1;
    *(float *)out->data = *(const float *)in[0].data;
    return SOMA_OK;
}

static void a_cancelled_evaluation_changes_nothing(void **state) {
    (void)state;
    volatile int cancel = 0;
    soma_context *ctx = check_context(&(soma_context_opts){.cancel = &cancel});
    int64_t op = soma_custom_register(ctx, &(soma_custom_def){.name = "flag", .shape = flag_shape, .forward = flag_forward, .user = (void *)&cancel});
    soma_tensor *a = soma_variable(soma_scalar(ctx, 1), NULL), *b = soma_variable(soma_scalar(ctx, 2), NULL);
    soma_eval(ctx);
    double v;
    soma_tensor *one = soma_exp(soma_scalar(ctx, 0)), *y = soma_custom(ctx, op, &one, 1);
    soma_assign(a, soma_add(a, y));
    soma_assign(b, soma_add(b, y));
    assert_int_equal(soma_eval(ctx), SOMA_ERROR_CANCELLED);
    check_error(ctx, SOMA_ERROR_CANCELLED, "cancelled");
    assert_int_equal(soma_item(soma_add_scalar(one, 0), &v), SOMA_ERROR_CANCELLED); /* the flag is the host's to clear */
    soma_error_take(ctx);
    cancel = 0;
    soma_item(a, &v);
    assert_true(v == 1);
    soma_item(b, &v);
    assert_true(v == 2);
    /* set by what runs after the first change: the rest of the step is done, too */
    soma_assign(a, soma_scalar(ctx, 5));
    soma_tensor *after = soma_custom(ctx, op, (soma_tensor *[]){a}, 1);
    soma_assign(b, after);
    assert_int_equal(soma_eval(ctx), SOMA_OK);
    cancel = 0;
    soma_item(b, &v);
    assert_true(v == 5);
    check_fine(ctx);
    soma_context_free(ctx);
}

int main(void) {
    uint64_t seed = 5;
    for (int i = 0; i < N * INPUTS; i++) x[i] = (float)check_random(&seed);
    for (int i = 0; i < N; i++) t[i] = (int64_t)(check_random(&seed) * CLASSES);
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_environment_is_checked), cmocka_unit_test(the_callers_rounding_does_not_matter),
                                       cmocka_unit_test(the_callers_traps_do_not_fire), cmocka_unit_test(contexts_work_side_by_side),
                                       cmocka_unit_test(a_cancelled_evaluation_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
