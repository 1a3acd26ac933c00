/* Schedules against PyTorch's rates of 100 steps, on optimizers and groups, and what does not fit. */
#include "support/check.h"

#include "golden/schedules.h"

#include <math.h>
#include <string.h>

static soma_schedule *make(soma_context *ctx, const char *name) {
#define IS(x) (strcmp(name, x) == 0)
    static const int64_t milestones[4] = {5, 30, 31, 77}, parts[2] = {10, 60};
    if (IS("step")) return soma_schedule_step(ctx, 7, 0.5);
    if (IS("multistep")) return soma_schedule_multistep(ctx, milestones, 4, 0.3);
    if (IS("constant")) return soma_schedule_constant(ctx, 0.25, 9);
    if (IS("linear")) return soma_schedule_linear(ctx, 0.125, 0.75, 40);
    if (IS("exponential")) return soma_schedule_exponential(ctx, 0.93);
    if (IS("polynomial")) return soma_schedule_polynomial(ctx, 60, 2.5);
    if (IS("cosine")) return soma_schedule_cosine(ctx, 40, 0.01);
    if (IS("restarts")) return soma_schedule_cosine_warm_restarts(ctx, 7, 2, 0.005);
    if (IS("restarts_same")) return soma_schedule_cosine_warm_restarts(ctx, 9, 1, 0);
    if (IS("one_cycle")) return soma_schedule_one_cycle(ctx, 0.5, 101, NULL);
    if (IS("one_cycle_linear"))
        return soma_schedule_one_cycle(
            ctx, 0.5, 101,
            &(soma_one_cycle_opts){.pct_start = SOMA_SET(0.2), .linear = 1, .div_factor = SOMA_SET(10), .final_div_factor = SOMA_SET(50)});
    if (IS("one_cycle_three")) return soma_schedule_one_cycle(ctx, 0.5, 101, &(soma_one_cycle_opts){.three_phase = 1});
    if (IS("cyclic")) return soma_schedule_cyclic(ctx, 0.01, 0.2, 8, 5, SOMA_TRIANGULAR, 1);
    if (IS("cyclic_2")) return soma_schedule_cyclic(ctx, 0.01, 0.2, 8, 8, SOMA_TRIANGULAR2, 1);
    if (IS("cyclic_exp")) return soma_schedule_cyclic(ctx, 0.01, 0.2, 10, 20, SOMA_EXP_RANGE, 0.97);
    if (IS("sequential")) {
        soma_schedule *s[3] = {soma_schedule_linear(ctx, 0.1, 1, 10), soma_schedule_cosine(ctx, 50, 0), soma_schedule_constant(ctx, 0.5, 1000)};
        return soma_schedule_sequential(ctx, s, 3, parts);
    }
    if (IS("chained")) {
        soma_schedule *s[2] = {soma_schedule_linear(ctx, 0.5, 1, 20), soma_schedule_exponential(ctx, 0.97)};
        return soma_schedule_chained(ctx, s, 2);
    }
    return NULL;
}

/* PyTorch's recurrences round at each step: 100 roundings of numbers that may be 10 times larger than their differences. */
static bool near(double a, double b) { return fabs(a - b) <= 1e-12 + 1e-11 * fabs(b); }

static void rates_are_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    int plateaus = 0;
    for (size_t k = 0; k < sizeof golden_schedules / sizeof *golden_schedules; k++) {
        const char *name = golden_schedules[k].name;
        soma_schedule *s = make(ctx, name);
        soma_plateau p = {.opts.patience = SOMA_SET(2)};
        if (IS("plateau_abs"))
            p.opts = (soma_plateau_opts){
                .larger = 1, .factor = SOMA_SET(0.5), .patience = SOMA_SET(1), .threshold = SOMA_SET(0.2), .absolute = 1, .cooldown = 3};
        if (!s) plateaus++;
        for (int t = 0; t < 100; t++) {
            double lr = s ? soma_schedule_at(s, 0.1, t) : 0.1 * soma_plateau_factor(&p);
            if (!near(lr, golden_schedules[k].lr[t])) fail_msg("%s, step %d: %.17g, PyTorch %.17g", name, t, lr, golden_schedules[k].lr[t]);
            if (!s) soma_plateau_step(&p, golden_metrics[t]);
        }
    }
    assert_int_equal(plateaus, 2);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void groups_have_their_own_rates(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w[2];
    for (int i = 0; i < 2; i++) w[i] = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1)), NULL);
    soma_optim *o = soma_optim_sgd(ctx, w, 1, 1, NULL);
    soma_optim_sgd_group(o, w + 1, 1, 0.5, NULL);
    soma_schedule *s = soma_schedule_step(ctx, 1, 0.5);
    soma_schedule_apply(s, o, 2, 1);
    assert_true(soma_optim_get_lr(o, 0) == 0.25 && soma_optim_get_lr(o, 1) == 0.125);
    soma_schedule_apply(s, o, 0, 0.5); /* from the rates that they began with, not from the last ones */
    assert_true(soma_optim_get_lr(o, 0) == 0.5 && soma_optim_get_lr(o, 1) == 0.25);
    soma_schedule_apply(NULL, o, 7, 1);
    assert_true(soma_optim_get_lr(o, 0) == 1 && soma_optim_get_lr(o, 1) == 0.5);
    /* far away, where lengths no longer fit */
    assert_true(isfinite(soma_schedule_at(soma_schedule_cosine_warm_restarts(ctx, 1, 3, 0), 1, INT64_MAX)));
    assert_true(soma_schedule_at(soma_schedule_one_cycle(ctx, 1, 1, NULL), 1, 5) >= 0);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void settings_are_checked(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_schedule *none[2] = {NULL, NULL}, *two[2] = {soma_schedule_exponential(ctx, 1), soma_schedule_exponential(ctx, 1)};
#define WRONG(call, words) \
    do { \
        assert_null(call); \
        check_error(ctx, SOMA_ERROR_ARGUMENT, words); \
    } while (0)
    WRONG(soma_schedule_step(ctx, 0, 0.1), "schedule_step: a step_size of 1 or more");
    WRONG(soma_schedule_multistep(ctx, NULL, 1, 0.1), "schedule_multistep: milestones");
    WRONG(soma_schedule_constant(ctx, -1, 1), "schedule_constant");
    WRONG(soma_schedule_linear(ctx, 0, 1, 0), "schedule_linear");
    WRONG(soma_schedule_exponential(ctx, (double)NAN), "schedule_exponential: a gamma of 0 or more");
    WRONG(soma_schedule_polynomial(ctx, 0, 1), "schedule_polynomial");
    WRONG(soma_schedule_cosine(ctx, 0, 0), "schedule_cosine");
    WRONG(soma_schedule_cosine_warm_restarts(ctx, 1, 0, 0), "schedule_cosine_warm_restarts");
    WRONG(soma_schedule_one_cycle(ctx, 1, 0, NULL), "schedule_one_cycle");
    WRONG(soma_schedule_one_cycle(ctx, 1, 5, &(soma_one_cycle_opts){.pct_start = SOMA_SET(2)}), "a pct_start in [0, 1]");
    WRONG(soma_schedule_cyclic(ctx, 1, 0.5, 1, 1, SOMA_TRIANGULAR, 1), "schedule_cyclic: 0 <= base_lr <= max_lr");
    WRONG(soma_schedule_sequential(ctx, none, 2, (int64_t[]){1}), "schedule_sequential");
    WRONG(soma_schedule_sequential(ctx, two, 2, (int64_t[]){-1}), "ascending milestones");
    WRONG(soma_schedule_chained(ctx, NULL, 2), "schedule_chained");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rates_are_pytorchs), cmocka_unit_test(groups_have_their_own_rates),
                                       cmocka_unit_test(settings_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
