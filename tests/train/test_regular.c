/* labels: threads
 * What regularises a run: each setting does what it says, and stopped anywhere and resumed it is the same run, byte for byte. */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

#define RECIPE \
    "{\"data\": {\"kind\": \"moons\", \"train\": 90, \"test\": 60, \"noise\": 0.3}, \"model\": [{\"linear\": 16}, \"batch_norm\", \"tanh\", " \
    "{\"linear\": 2}], " \
    "\"optimizer\": %s, \"train\": {\"epochs\": %d, \"batch\": 20%s}}"

typedef struct watcher {
    volatile int stop;
    int64_t steps, at;
    double losses[64];
} watcher;
static void watch(void *user, const soma_progress *p) {
    watcher *w = user;
    if (p->epoch_ends && p->epoch <= 64) w->losses[p->epoch - 1] = p->test_loss;
    if (!p->epoch_ends) w->stop = ++w->steps == w->at;
}

static soma_train_result run(soma_context *ctx, const char *settings, int epochs, const char *out, bool resume, watcher *w) {
    char json[900];
    const char *optimizer = strchr(settings, '|'); /* behind the settings */
    snprintf(json, sizeof json, RECIPE, optimizer ? optimizer + 1 : "{\"adam\": {\"lr\": 0.02}}", epochs, optimizer ? "" : settings);
    soma_recipe *r = soma_recipe_read(ctx, json, strlen(json));
    soma_problem p;
    if (soma_recipe_problem(r, 0, &p) == SOMA_OK) fail_msg("%s: %s", p.where, p.sentence);
    soma_train_result result;
    if (soma_train(r, &result, &(soma_train_opts){.out = out, .resume = resume, .progress = watch, .user = w, .stop = &w->stop}) != SOMA_OK)
        fail_msg("%s: %s", settings, soma_error_message(ctx));
    return result;
}

static const char *path(const char *name) {
    static char room[4][160];
    static int n;
    n = (n + 1) % 4;
    snprintf(room[n], sizeof room[n], "%s/%s", folder, name);
    return room[n];
}

static void stopped_and_resumed_is_the_same(void **state) {
    (void)state;
    static const char *const settings[] = {
        ", \"l1\": 0.001",
        "|{\"lbfgs\": {\"lr\": 0.5, \"max_iter\": 4, \"history_size\": 5, \"strong_wolfe\": true}}",
        ", \"max_norm\": 1",
        ", \"gradient_noise\": 0.01",
        ", \"input_noise\": 0.1, \"mixup\": 0.4",
        ", \"average\": \"ema\", \"average_decay\": 0.9",
        ", \"average\": \"swa\", \"average_from\": 1",
        ", \"patience\": 2, \"average\": \"ema\", \"clip_norm\": 1, \"max_norm\": 2, \"l1\": 0.0001, \"mixup\": 1, \"gradient_noise\": 0.1, "
        "\"input_noise\": 0.05",
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char names[2][40], *files[2];
        size_t bytes[2];
        watcher w = {.at = 0};
        snprintf(names[0], sizeof names[0], "whole%zu", i), snprintf(names[1], sizeof names[1], "parts%zu", i);
        soma_context *ctx = check_context(&(soma_context_opts){.threads = 2});
        run(ctx, settings[i], 4, path(names[0]), false, &w);
        soma_context_free(ctx);
        for (int at = 3, part = 0; part < 3; part++, at += 3) { /* within epochs, and at their ends */
            watcher stops = {.at = part < 2 ? at : 0};
            ctx = check_context(&(soma_context_opts){.threads = 1 + part, .isa = part ? "portable" : NULL});
            run(ctx, settings[i], 4, path(names[1]), part > 0, &stops);
            soma_context_free(ctx);
        }
        ctx = check_context(NULL);
        for (int k = 0; k < 2; k++)
            for (int f = 0; f < 2; f++) {
                char file[200];
                snprintf(file, sizeof file, "%s/%s", path(names[f]), k ? "model.safetensors" : "checkpoint.safetensors");
                soma_file_read(ctx, file, 1 << 24, &files[f], &bytes[f]);
                check_fine(ctx);
                if (f && (bytes[0] != bytes[1] || memcmp(files[0], files[1], bytes[0]) != 0)) fail_msg("%s: %s differs", settings[i], file);
            }
        soma_context_free(ctx);
    }
}

static void sizes_of_weights(soma_model *m, double *absolute, double *row) {
    soma_tensor *const *params;
    size_t n;
    *absolute = *row = 0;
    soma_module_parameters(soma_model_module(m), &params, &n);
    for (size_t i = 0; i < n; i++) {
        if (soma_ndim(params[i]) != 2) continue;
        const void *data;
        assert_int_equal(soma_data(params[i], &data), SOMA_OK);
        for (int64_t r = 0; r < soma_size(params[i], 0); r++) {
            double sum = 0;
            for (int64_t c = 0; c < soma_size(params[i], 1); c++) {
                double v = (double)((const float *)data)[r * soma_size(params[i], 1) + c];
                sum += v * v, *absolute += fabs(v);
            }
            *row = fmax(*row, sqrt(sum));
        }
    }
}

static void weights_are_held_small(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    watcher w = {.at = 0};
    double plain, l1, row, limited, other;
    sizes_of_weights(run(ctx, "", 20, NULL, false, &w).model, &plain, &row);
    sizes_of_weights(run(ctx, ", \"l1\": 0.02", 20, NULL, false, &w).model, &l1, &other);
    assert_true(l1 < 0.6 * plain);
    assert_true(row > 0.8);
    sizes_of_weights(run(ctx, ", \"max_norm\": 0.5", 20, NULL, false, &w).model, &other, &limited);
    assert_true(limited <= 0.5 + 1e-6 && limited > 0.49);
    soma_context_free(ctx);
}

/* torch.renorm(w, 2, 0, 1.5) */
static void max_norm_is_torch_renorm(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float w[2][3] = {{1, 2, -2}, {0.5f, 0.1f, 0}}, want[2][3] = {{0.5f, 1, -1}, {0.5f, 0.1f, 0}};
    float got[2][3];
    soma_tensor *p = soma_variable(soma_from(ctx, w, SOMA_F32, SOMA_SHAPE(2, 3)), NULL);
    assert_int_equal(soma_max_norm(&p, 1, 1.5), SOMA_OK);
    soma_read(p, got, sizeof got);
    for (int i = 0; i < 6; i++) assert_true(fabsf(got[i / 3][i % 3] - want[i / 3][i % 3]) < 2e-7f);
    assert_int_equal(soma_max_norm(&p, 1, 0), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "above 0 is wanted");
    soma_context_free(ctx);
}

static void patience_gives_the_best_weights_back(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    watcher w = {.at = 0};
    soma_train_result r = run(ctx, ", \"patience\": 3", 60, path("patient"), false, &w);
    assert_true(r.epochs < 60 && r.best_epoch == r.epochs - 3);
    for (int64_t e = 0; e < r.epochs; e++) assert_true(w.losses[e] >= w.losses[r.best_epoch - 1]);
    assert_true(r.test_loss == w.losses[r.best_epoch - 1]);
    soma_model *m;
    soma_dataset *test = soma_dataset_generate(ctx, "moons", 60, &(soma_generate_opts){.seed = 1, .first = 90, .noise = SOMA_SET(0.3)});
    assert_int_equal(soma_model_load(ctx, path("patient/model.safetensors"), &m), SOMA_OK);
    double loss, same;
    assert_int_equal(soma_model_evaluate(m, test, &loss, NULL), SOMA_OK);
    assert_int_equal(soma_model_evaluate(r.model, test, &same, NULL), SOMA_OK);
    assert_true(loss == r.test_loss && same == loss);
    soma_context_free(ctx);
}

/* Averages by hand, from the weights of runs of 0 to 4 steps. */
static void averages_are_what_they_say(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    char key[64];
    double mean = 0, ema = 0;
    for (int steps = 0; steps <= 4; steps++) { /* an epoch is one step: the weights after each */
        char json[400], settings[80] = "";
        if (steps) snprintf(settings, sizeof settings, ", \"epochs\": %d", steps);
        float w[16 * 2];
        soma_tensor *t;
        if (!steps) {
            soma_manual_seed(ctx, 1);
            snprintf(json, sizeof json, "{\"data\": {\"kind\": \"moons\", \"train\": 16}, \"model\": [{\"linear\": 2}]}");
            soma_recipe *r = soma_recipe_read(ctx, json, strlen(json));
            int64_t two = 2;
            soma_module_state(soma_recipe_model(r, &two, 1), 0, key, sizeof key, &t);
        } else {
            snprintf(json, sizeof json,
                     "{\"data\": {\"kind\": \"moons\", \"train\": 16}, \"model\": [{\"linear\": 2}], \"optimizer\": {\"sgd\": 1}, \"train\": "
                     "{\"batch\": \"all\"%s}}",
                     settings);
            soma_train_result r;
            assert_int_equal(soma_train(soma_recipe_read(ctx, json, strlen(json)), &r, NULL), SOMA_OK);
            soma_module_state(soma_model_module(r.model), 0, key, sizeof key, &t);
        }
        check_fine(ctx);
        soma_read(t, w, 4 * sizeof *w);
        ema = steps ? ema + (1 - 0.7) * ((double)w[0] - ema) : (double)w[0];
        if (steps >= 2) mean += (double)w[0] / 3; /* swa from epoch 1 on: after steps 2, 3 and 4 */
    }
    static const char *const kinds[] = {"\"ema\", \"average_decay\": 0.7", "\"swa\", \"average_from\": 1"};
    for (int i = 0; i < 2; i++) {
        char json[400];
        float w[4];
        soma_tensor *t;
        soma_train_result r;
        snprintf(json, sizeof json,
                 "{\"data\": {\"kind\": \"moons\", \"train\": 16}, \"model\": [{\"linear\": 2}], \"optimizer\": {\"sgd\": 1}, \"train\": "
                 "{\"epochs\": 4, \"batch\": \"all\", \"average\": %s}}",
                 kinds[i]);
        assert_int_equal(soma_train(soma_recipe_read(ctx, json, strlen(json)), &r, NULL), SOMA_OK);
        soma_module_state(soma_model_module(r.model), 0, key, sizeof key, &t);
        soma_read(t, w, sizeof w);
        if (fabs((double)w[0] - (i ? mean : ema)) > 1e-6) fail_msg("%s: %g, and %g was wanted", kinds[i], (double)w[0], i ? mean : ema);
    }
    soma_context_free(ctx);
}

static void beta_draws_have_their_moments(void **state) {
    (void)state;
    static const double alphas[] = {0.2, 1, 3};
    for (int a = 0; a < 3; a++) {
        double sum = 0, squares = 0, n = 20000, alpha = alphas[a];
        for (int i = 0; i < 20000; i++) {
            double v = soma_draw_beta(4, (uint64_t)i, alpha);
            assert_true(v >= 0 && v <= 1 && v == soma_draw_beta(4, (uint64_t)i, alpha));
            sum += v, squares += (v - 0.5) * (v - 0.5);
        }
        double variance = 1 / (4 * (2 * alpha + 1)); /* five standard errors of each */
        assert_true(fabs(sum / n - 0.5) < 5 * sqrt(variance / n));
        assert_true(fabs(squares / n - variance) < 5 * variance * sqrt(2 / n));
    }
}

int main(void) {
    snprintf(folder, sizeof folder, "/tmp/soma-regular-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(stopped_and_resumed_is_the_same), cmocka_unit_test(weights_are_held_small),
                                       cmocka_unit_test(max_norm_is_torch_renorm),        cmocka_unit_test(patience_gives_the_best_weights_back),
                                       cmocka_unit_test(averages_are_what_they_say),      cmocka_unit_test(beta_draws_have_their_moments)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) ? 1 : failed;
}
