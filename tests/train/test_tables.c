/* Recipes on tables and generated data: each loss learns what it is made for, and a model file alone answers for a file of rows. */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static soma_recipe *recipe(soma_context *ctx, const char *json) {
    soma_recipe *r = soma_recipe_read(ctx, json, strlen(json));
    soma_problem p;
    check_fine(ctx);
    if (soma_recipe_problem(r, 0, &p) == SOMA_OK) fail_msg("%s: %s", p.where, p.sentence);
    return r;
}

/* A table of two numbers and a word: class and value follow from them. */
static const char *table(void) {
    static char path[128];
    snprintf(path, sizeof path, "%s/table.csv", folder);
    FILE *f = fopen(path, "w");
    uint64_t draw = 3;
    static const char *const words[] = {"red", "green", "blue"};
    assert_non_null(f);
    fprintf(f, "a,b,colour,class,value,count\n");
    for (int i = 0; i < 300; i++) {
        double a = check_random(&draw) * 10, b = check_random(&draw) - 0.5;
        int w = (int)(check_random(&draw) * 3), class = a / 10 + b + (w == 1) > 0.7;
        fprintf(f, "%.4f,%.4f,%s,%s,%.4f,%d\n", a, b, words[w], class ? "yes" : "no", 100 + 3 * a + (w == 2 ? 20 : 0), (int)(a / 2) + w);
    }
    fclose(f);
    return path;
}

static soma_train_result train(soma_context *ctx, const char *json) {
    soma_train_result r;
    if (soma_train(recipe(ctx, json), &r, NULL) != SOMA_OK) fail_msg("%s: %s", json, soma_error_message(ctx));
    return r;
}

static void each_loss_learns(void **state) {
    (void)state;
    static const struct {
        const char *loss, *target, *last;
        int outputs;
    } losses[] = {
        {"cross_entropy", "class", "", 2},
        {"{\"cross_entropy\": {\"class_weights\": \"balanced\", \"label_smoothing\": 0.1}}", "class", "", 2},
        {"{\"nll_loss\": {\"class_weights\": \"balanced\"}}", "class", ", \"log_softmax\"", 2},
        {"multi_margin_loss", "class", "", 2},
        {"{\"multi_margin_loss\": {\"p\": 2, \"class_weights\": \"balanced\"}}", "class", "", 2},
        {"{\"bce_with_logits\": {\"class_weights\": \"balanced\"}}", "class", "", 1},
        {"binary_cross_entropy", "class", ", \"sigmoid\"", 1},
        {"hinge_loss", "class", "", 1},
        {"soft_margin_loss", "class", "", 1},
        {"mse_loss", "value", "", 1},
        {"l1_loss", "value", "", 1},
        {"smooth_l1_loss", "value", "", 1},
        {"{\"huber_loss\": 0.5}", "value", "", 1},
        {"gaussian_nll_loss", "value", "", 2},
        {"poisson_nll_loss", "count", "", 1},
    };
    const char *path = table();
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        soma_context *ctx = check_context(NULL);
        char json[1000];
        bool count = strcmp(losses[i].target, "count") == 0;
        snprintf(
            json, sizeof json,
            "{\"data\": {\"kind\": \"table\", \"path\": \"%s\", \"target\": \"%s\", \"ignore\": [%s]%s}, \"model\": [{\"linear\": 16}, \"tanh\", "
            "{\"linear\": %d}%s], \"loss\": %s%s%s, \"optimizer\": {\"adam\": {\"lr\": 0.01}}, \"train\": {\"epochs\": 40, \"batch\": 32}}",
            path, losses[i].target,
            strcmp(losses[i].target, "class") == 0   ? "\"value\", \"count\""
            : strcmp(losses[i].target, "value") == 0 ? "\"class\", \"count\""
                                                     : "\"class\", \"value\"",
            count ? ", \"task\": \"value\", \"scale_target\": false" : "", losses[i].outputs, losses[i].last, *losses[i].loss == '{' ? "" : "\"",
            losses[i].loss, *losses[i].loss == '{' ? "" : "\"");
        soma_train_result r = train(ctx, json);
        bool good = soma_model_is_valued(r.model) ? r.r2 > 0.85 && isnan(r.accuracy) : r.accuracy > 0.93 && isnan(r.r2);
        if (!good) fail_msg("%s: accuracy %g, R2 %g", losses[i].loss, r.accuracy, r.r2);
        char file[128];
        snprintf(file, sizeof file, "%s/model.safetensors", folder);
        assert_int_equal(soma_model_save(r.model, file), SOMA_OK);
        soma_model *m;
        soma_model_load(ctx, file, &m);
        check_fine(ctx);
        /* the file's rows by the model file alone, and the same as the data set says */
        static float x[300 * 8], y[600], z[600];
        soma_rows *rows = soma_rows_open(ctx, soma_model_columns(m), path);
        assert_int_equal(soma_rows_next(rows, x, 300), 300);
        assert_int_equal(soma_model_predict(m, x, 300, y), SOMA_OK);
        soma_table *t = soma_table_open(ctx, path, NULL);
        soma_dataset *d = soma_table_dataset(t, soma_model_columns(r.model), NULL, 0);
        assert_int_equal(soma_model_predict_dataset(r.model, d, z), SOMA_OK);
        assert_memory_equal(y, z, (size_t)(300 * soma_model_outputs(m)) * sizeof *y);
        soma_scores s;
        assert_int_equal(soma_model_score(m, d, &s), SOMA_OK);
        double right = 0, error = 0;
        for (int k = 0; k < 300; k++) {
            int64_t c;
            double want = soma_table_cell(t, k, soma_table_find(t, losses[i].target));
            soma_dataset_sample(d, k, NULL, &c);
            if (soma_model_outputs(m) == 2) {
                if (fabsf(y[2 * k] + y[2 * k + 1] - 1) > 1e-5f)
                    fail_msg("%s: probabilities %g and %g", losses[i].loss, (double)y[2 * k], (double)y[2 * k + 1]);
                right += (y[2 * k + 1] > y[2 * k]) == (c == 1);
            } else error += fabs((double)y[k] - want) / 300;
        }
        if (soma_model_is_valued(m)) assert_true(fabs(error - s.mae) < 1e-4);
        else assert_true(fabs(right / 300 - s.accuracy) < 1e-9 && strcmp(soma_model_class_name(m, 1), "yes") == 0);
        soma_context_free(ctx);
    }
}

static void embeddings_stand_before_the_layers(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    char json[600], key[100], file[128];
    snprintf(json, sizeof json,
             "{\"data\": {\"kind\": \"table\", \"path\": \"%s\", \"target\": \"value\", \"embedding\": 3}, \"model\": [{\"linear\": 16}, \"relu\", "
             "{\"linear\": 1}], "
             "\"optimizer\": {\"adam\": {\"lr\": 0.02}}, \"train\": {\"epochs\": 60, \"batch\": 32}}",
             table());
    soma_train_result r = train(ctx, json);
    assert_true(r.r2 > 0.95);
    soma_tensor *t;
    soma_module_state(soma_model_module(r.model), 0, key, sizeof key, &t);
    assert_string_equal(key, "columns.0.weight");
    assert_int_equal(soma_size(t, 0), 4); /* three colours, and another word */
    snprintf(file, sizeof file, "%s/embedded.safetensors", folder);
    assert_int_equal(soma_model_save(r.model, file), SOMA_OK);
    soma_model *m;
    assert_int_equal(soma_model_load(ctx, file, &m), SOMA_OK);
    float x[8], a, b;
    soma_rows *rows = soma_rows_open(ctx, soma_model_columns(m), table());
    assert_int_equal(soma_rows_next(rows, x, 1), 1);
    assert_true(soma_model_predict(m, x, 1, &a) == SOMA_OK && soma_model_predict(r.model, x, 1, &b) == SOMA_OK && a == b);
    float features[1];
    assert_int_equal(soma_model_feature_count(m, 2), 1);
    assert_int_equal(soma_model_features(m, 2, x, 1, features), SOMA_OK); /* the last layer's: the scaled value */
    assert_true(fabs(soma_columns_value(soma_model_columns(m), (double)features[0]) - (double)a) < 1e-4);
    soma_context_free(ctx);
}

/* batch: all is gradient descent, 1 stochastic descent. */
static void batches_of_all_and_of_one(void **state) {
    (void)state;
    static const char *const batches[] = {"\"all\"", "1", "7"};
    static const int64_t steps[] = {1, 20, 3};
    for (int i = 0; i < 3; i++) {
        soma_context *ctx = check_context(NULL);
        char json[300];
        snprintf(
            json, sizeof json,
            "{\"data\": {\"kind\": \"moons\", \"train\": 20, \"test\": 5}, \"model\": [{\"linear\": 2}], \"train\": {\"epochs\": 2, \"batch\": %s}}",
            batches[i]);
        soma_recipe *r = recipe(ctx, json);
        assert_non_null(strstr(soma_recipe_text(r), batches[i]));
        soma_dataset *d;
        assert_int_equal(soma_recipe_data(r, NULL, &d, NULL), SOMA_OK);
        soma_model *m;
        soma_model_new(r, d, &m);
        soma_train_result done;
        assert_int_equal(soma_train(r, &done, NULL), SOMA_OK);
        soma_loader *l = soma_loader_new(ctx, d, i == 0 ? 20 : i == 1 ? 1 : 7, NULL);
        assert_int_equal(soma_loader_count(l), steps[i]);
        soma_context_free(ctx);
    }
}

/* Rates of the epochs of a chain of schedules: those of PyTorch's SequentialLR (docs/from-pytorch.md has its program). */
static void schedules_follow_each_other(void **state) {
    (void)state;
    static const double rates[8] = {0.01, 0.04, 0.07, 0.1, 0.0904508497, 0.0654508497, 0.0345491503, 0.00954915028};
    soma_context *ctx = check_context(NULL);
    char *text, out[128], path[160];
    size_t bytes;
    soma_train_result r;
    snprintf(out, sizeof out, "%s/chain", folder), snprintf(path, sizeof path, "%s/metrics.jsonl", out);
    soma_recipe *chain = recipe(
        ctx,
        "{\"data\": {\"kind\": \"moons\", \"train\": 64}, \"model\": [{\"linear\": 2}], \"optimizer\": {\"sgd\": 0.1}, \"train\": {\"epochs\": 8}, "
        "\"schedule\": {\"sequence\": {\"schedules\": [{\"linear\": {\"start\": 0.1, \"total\": 3}}, {\"cosine\": 5}], \"milestones\": [3]}}}");
    assert_int_equal(soma_train(chain, &r, &(soma_train_opts){.out = out}), SOMA_OK);
    assert_int_equal(soma_file_read(ctx, path, 1 << 16, &text, &bytes), SOMA_OK);
    const char *at = text;
    for (int i = 0; i < 8; i++) {
        at = strstr(at, "\"lr\": ");
        assert_non_null(at);
        assert_true(fabs(strtod(at += 6, NULL) - rates[i]) < 1e-9);
    }
    soma_context_free(ctx);
}

static void mistakes_get_sentences(void **state) {
    (void)state;
    static const struct {
        const char *json, *words;
    } mistakes[] = {
        {"{\"data\": {\"kind\": \"moons\"}, \"model\": [{\"linear\": 2}], \"schedule\": {\"chained\": [\"reduce_on_plateau\"]}}",
         "watches the test loss"},
        {"{\"data\": {\"kind\": \"sine\"}, \"model\": [{\"linear\": 1}], \"loss\": \"cross_entropy\"}",
         "cross_entropy is for classes, the data's targets are numbers"},
        {"{\"data\": {\"kind\": \"moons\"}, \"model\": [{\"linear\": 1}], \"loss\": \"mse_loss\"}",
         "mse_loss is for numbers, the data's targets are classes"},
        {"{\"data\": {\"kind\": \"sine\"}, \"model\": [{\"linear\": 2}]}", "the last layer gives 2 outputs, mse_loss wants 1"},
        {"{\"data\": {\"kind\": \"blobs\"}, \"model\": [{\"linear\": 1}], \"loss\": \"bce_with_logits\"}",
         "bce_with_logits is for two classes, the data has 3"},
        {"{\"data\": {\"kind\": \"blobs\"}, \"model\": [{\"linear\": 2}]}", "the data has classes 0 to 2; 3 outputs are wanted"},
        {"{\"data\": {\"kind\": \"table\", \"path\": \"/nowhere\"}, \"model\": [{\"linear\": 2}]}", "/nowhere: cannot open"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        soma_context *ctx = check_context(NULL);
        soma_train_result r;
        assert_true(soma_train(recipe(ctx, mistakes[i].json), &r, NULL) < 0);
        if (!strstr(soma_error_message(ctx), mistakes[i].words)) fail_msg("%s: %s", mistakes[i].words, soma_error_message(ctx));
        soma_context_free(ctx);
    }
}

int main(void) {
    snprintf(folder, sizeof folder, "/tmp/soma-tables-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_loss_learns), cmocka_unit_test(embeddings_stand_before_the_layers),
                                       cmocka_unit_test(batches_of_all_and_of_one), cmocka_unit_test(mistakes_get_sentences),
                                       cmocka_unit_test(schedules_follow_each_other)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) ? 1 : failed;
}
