/* labels: threads
 * A convolutional net by a recipe learns, is the same bytes with any number of threads, instruction set and stop in between, and its model file gives
 * the same answers elsewhere. */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static const char json[] =
    "{\"data\": {\"kind\": \"glyphs\", \"train\": 320, \"test\": 80}, \"model\": [{\"conv\": {\"channels\": 6, \"kernel\": 5, \"stride\": 2, "
    "\"padding\": "
    "2}}, \"batch_norm\", \"relu\", {\"dropout2d\": 0.05}, {\"max_pool\": 2}, {\"residual\": {\"layers\": [{\"conv\": {\"channels\": 8, \"padding\": "
    "\"same\", \"bias\": false}}, \"batch_norm\"], \"shortcut\": [{\"conv\": {\"channels\": 8, \"kernel\": 1}}]}}, \"relu\", {\"avg_pool\": 2}, "
    "\"flatten\", {\"linear\": 10}], \"optimizer\": {\"adam\": 0.01}, \"train\": {\"epochs\": 5, \"batch\": 32}}";
enum { TEST = 80, PIXELS = 784 };

static soma_recipe *recipe(soma_context *ctx) { return soma_recipe_read(ctx, json, sizeof json - 1); }

static volatile int stop;
static int64_t left;
static void watch(void *user, const soma_progress *p) {
    (void)user;
    if (!p->epoch_ends) stop = --left == 0;
}

static double run(const char *out, int64_t stop_at, int64_t threads, const char *isa, bool resume) {
    soma_context *ctx = check_context(&(soma_context_opts){.threads = threads, .isa = isa});
    soma_train_result r;
    left = stop_at, stop = 0;
    if (soma_train(recipe(ctx), &r, &(soma_train_opts){.out = out, .resume = resume, .progress = watch, .stop = &stop}) != SOMA_OK)
        fail_msg("%s", soma_error_message(ctx));
    soma_context_free(ctx);
    return r.accuracy;
}

static char *model_file(soma_context *ctx, const char *out, size_t *n) {
    char path[160], *bytes = NULL;
    snprintf(path, sizeof path, "%s/model.safetensors", out);
    soma_file_read(ctx, path, 1 << 24, &bytes, n);
    check_fine(ctx);
    return bytes;
}

static void learns_alike_everywhere(void **state) {
    (void)state;
    char out[3][128];
    for (int i = 0; i < 3; i++) snprintf(out[i], sizeof out[i], "%s/%d", folder, i);
    double accuracy = run(out[0], 0, 1, NULL, false);
    print_message("accuracy %.3f\n", accuracy);
    assert_true(accuracy > 0.8);
    run(out[1], 0, 2, "portable", false);
    run(out[2], 23, 2, NULL, false), run(out[2], 0, 1, NULL, true);
    soma_context *ctx = check_context(NULL);
    size_t n[3];
    char *bytes[3];
    for (int i = 0; i < 3; i++) bytes[i] = model_file(ctx, out[i], &n[i]);
    for (int i = 1; i < 3; i++) assert_true(n[i] == n[0] && memcmp(bytes[i], bytes[0], n[0]) == 0);
    soma_context_free(ctx);
}

/* Each digit alone, all at once, and by a second context that shares the weights. */
static void models_answer_alike(void **state) {
    (void)state;
    static float x[TEST * PIXELS], all[TEST * 10], alone[10], features[TEST * 6 * 14 * 14];
    char path[128];
    soma_context *ctx = check_context(NULL), *other = check_context(&(soma_context_opts){.threads = 1});
    snprintf(path, sizeof path, "%s/0/model.safetensors", folder);
    soma_model *m = NULL, *shared = NULL;
    if (soma_model_load(ctx, path, &m) != SOMA_OK) fail_msg("%s", soma_error_message(ctx));
    assert_int_equal(soma_model_share(other, m, &shared), SOMA_OK);
    soma_dataset *d = soma_dataset_glyphs(ctx, TEST, &(soma_glyph_opts){.seed = 1, .first = 320});
    int right = 0;
    for (int i = 0; i < TEST; i++) soma_dataset_sample(d, i, x + i * PIXELS, NULL);
    for (int i = 0; i < TEST * PIXELS; i++) x[i] *= 255; /* bytes again: the model has their scale */
    assert_int_equal(soma_model_predict(m, x, TEST, all), SOMA_OK);
    for (int i = 0; i < TEST; i++) {
        int64_t class;
        int best = 0;
        assert_int_equal(soma_model_predict(i % 2 ? m : shared, x + i * PIXELS, 1, alone), SOMA_OK);
        assert_memory_equal(alone, all + i * 10, sizeof alone);
        soma_dataset_sample(d, i, NULL, &class);
        for (int k = 1; k < 10; k++) best = alone[k] > alone[best] ? k : best;
        right += best == class;
    }
    assert_true(right > 0.8 * TEST);
    assert_int_equal(soma_model_feature_count(m, 0), 6 * 14 * 14);
    assert_int_equal(soma_model_features(m, 0, x, TEST, features), SOMA_OK);
    soma_context_free(other);
    soma_context_free(ctx);
}

/* Two norms are right behind convolutions. A folded model is close to what it was, shared with the same bits, and saved by nobody. */
static void a_folded_model_answers_nearly_alike(void **state) {
    (void)state;
    static float x[8 * PIXELS], y[3][8 * 10];
    char path[128];
    soma_context *ctx = check_context(NULL), *other = check_context(NULL);
    snprintf(path, sizeof path, "%s/0/model.safetensors", folder);
    soma_model *m = NULL, *shared = NULL;
    int64_t n = 0;
    soma_scores before, after;
    assert_int_equal(soma_model_load(ctx, path, &m), SOMA_OK);
    soma_dataset *d = soma_dataset_glyphs(ctx, TEST, &(soma_glyph_opts){.seed = 1, .first = 320});
    for (int i = 0; i < 8; i++) soma_dataset_sample(d, i, x + i * PIXELS, NULL);
    for (int i = 0; i < 8 * PIXELS; i++) x[i] *= 255;
    soma_model_predict(m, x, 8, y[0]), soma_model_score(m, d, &before);
    soma_scope *inner = soma_scope_open(ctx);
    soma_model_fold_batch_norm(m, &n);
    check_error(ctx, SOMA_ERROR_STATE, "model_fold_batch_norm: a scope is open inside the model's");
    soma_scope_close(inner);
    soma_model_predict(m, x, 8, y[1]);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    assert_int_equal(soma_model_fold_batch_norm(m, &n), SOMA_OK);
    assert_int_equal(n, 2);
    soma_model_predict(m, x, 8, y[1]), soma_model_score(m, d, &after);
    assert_true(memcmp(y[0], y[1], sizeof y[0]) != 0);
    for (int i = 0; i < 8 * 10; i++) assert_true(fabsf(y[0][i] - y[1][i]) < 1e-5f);
    assert_true(fabs(before.loss - after.loss) < 1e-5 && before.accuracy == after.accuracy);
    assert_int_equal(soma_model_share(other, m, &shared), SOMA_OK);
    for (int i = 0; i < 8; i++) soma_model_predict(shared, x + i * PIXELS, 1, y[2] + i * 10);
    assert_memory_equal(y[1], y[2], sizeof y[1]);
    assert_int_equal(soma_model_fold_batch_norm(m, &n), SOMA_OK); /* nothing is left to be folded */
    assert_int_equal(n, 0);
    snprintf(path, sizeof path, "%s/folded", folder);
    soma_model_save(m, path);
    check_error(ctx, SOMA_ERROR_STATE, "batch norms are folded into other layers");
    soma_context_free(other), soma_context_free(ctx);
}

int main(void) {
    strcpy(folder, "/tmp/soma-images-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns_alike_everywhere), cmocka_unit_test(models_answer_alike),
                                       cmocka_unit_test(a_folded_model_answers_nearly_alike)};
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || bad;
}
