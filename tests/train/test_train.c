/* labels: threads
 * Training by a recipe: stopped at any step and resumed it is the uninterrupted run, byte for byte; the models it leaves run elsewhere; what it
 * cannot do is said and nothing is lost. */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

#define RECIPE \
    "{\"data\": {\"kind\": \"glyphs\", \"train\": 130, \"test\": 40}, \"model\": [\"flatten\", {\"linear\": 12}, \"batch_norm\", \"relu\", " \
    "{\"dropout\": 0.2}, " \
    "{\"linear\": 10}], " \
    "\"optimizer\": %s, \"train\": {\"epochs\": 3, \"batch\": 32, \"clip_norm\": 1}}"
#define STEPS (3 * 5)

static soma_recipe *recipe(soma_context *ctx, const char *optimizer) {
    char json[600];
    snprintf(json, sizeof json, RECIPE, optimizer);
    soma_recipe *r = soma_recipe_read(ctx, json, strlen(json));
    check_fine(ctx);
    return r;
}

static const char *path_of(const char *name) {
    static char path[8][160];
    static int n;
    n = (n + 1) % 8;
    snprintf(path[n], sizeof path[n], "%s/%s", folder, name);
    return path[n];
}

static void same_files(const char *a, const char *b) {
    static const char *const names[] = {"model.safetensors", "checkpoint.safetensors", "metrics.jsonl"};
    soma_context *ctx = check_context(NULL);
    for (size_t i = 0; i < 3; i++) {
        char x[200], y[200], *p = NULL, *q = NULL;
        size_t n = 0, m = 0;
        snprintf(x, sizeof x, "%s/%s", a, names[i]);
        snprintf(y, sizeof y, "%s/%s", b, names[i]);
        soma_file_read(ctx, x, 1 << 24, &p, &n);
        soma_file_read(ctx, y, 1 << 24, &q, &m);
        check_fine(ctx);
        if (n != m || memcmp(p, q, n) != 0) fail_msg("%s and %s differ", x, y);
    }
    soma_context_free(ctx);
}

typedef struct watcher {
    volatile int stop;
    int64_t steps, at, epochs;
} watcher;
static void watch(void *user, const soma_progress *p) {
    watcher *w = user;
    if (p->epoch_ends) {
        w->epochs++;
        return;
    }
    w->stop = ++w->steps == w->at;
}

static void run(const char *optimizer, const char *out, int64_t stop_at, int64_t threads, const char *isa, bool resume) {
    soma_context *ctx = check_context(&(soma_context_opts){.threads = threads, .isa = isa});
    watcher w = {.at = stop_at};
    soma_train_result r;
    soma_status s =
        soma_train(recipe(ctx, optimizer), &r, &(soma_train_opts){.out = out, .resume = resume, .progress = watch, .user = &w, .stop = &w.stop});
    if (s != SOMA_OK) fail_msg("%s: %s", out, soma_error_message(ctx));
    assert_int_equal(r.stopped, stop_at > 0);
    if (!stop_at) assert_true(r.epochs == 3 && r.accuracy >= 0 && isfinite(r.loss));
    soma_context_free(ctx);
}

static void stopped_anywhere_and_resumed_is_the_same(void **state) {
    (void)state;
    static const char *const optimizers[] = {"\"adam\"",
#define OPTIMIZER(name, rate, settings, doc) "\"" #name "\"",
#include "soma/optimizers.def"
#undef OPTIMIZER
                                             "{\"adamw\": {\"amsgrad\": true}}",
                                             "{\"sgd\": {\"momentum\": 0.9}}",
                                             "{\"rmsprop\": {\"centered\": true, \"momentum\": 0.5}}",
                                             "\"sgd\", \"schedule\": {\"cosine\": {\"by_step\": true}}",
                                             "\"sgd\", \"schedule\": {\"one_cycle\": 0.1}",
                                             "\"sgd\", \"schedule\": {\"cyclic\": {\"base_lr\": 0.01, \"max_lr\": 0.1, \"up\": 4}}",
                                             "{\"sgd\": 0.5}, \"schedule\": {\"reduce_on_plateau\": {\"patience\": 0, \"threshold\": 0.5}}"};
    for (int o = 0; o < (int)(sizeof optimizers / sizeof *optimizers); o++) {
        char whole[160];
        snprintf(whole, sizeof whole, "%s/whole-%d", folder, o);
        run(optimizers[o], whole, 0, 2, NULL, false);
        for (int64_t at = 1; at <= STEPS; at += o ? 7 : 1) {
            char part[160];
            snprintf(part, sizeof part, "%s/part-%d-%d", folder, o, (int)at);
            run(optimizers[o], part, at, 1 + at % 3, NULL, false);
            run(optimizers[o], part, 0, 1 + (at + 1) % 3, at % 2 ? "portable" : NULL, true);
            same_files(whole, part);
        }
    }
    /* a finished run is resumed to nothing */
    run("\"adam\"", path_of("whole-0"), 0, 1, NULL, true);
}

static void a_run_is_not_written_over(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_train_result r;
    assert_int_equal(soma_train(recipe(ctx, "\"adam\""), &r, &(soma_train_opts){.out = path_of("whole-0")}), SOMA_ERROR_STATE);
    check_error(ctx, SOMA_ERROR_STATE, "has a run already");
    assert_int_equal(soma_train(recipe(ctx, "\"sgd\""), &r, &(soma_train_opts){.out = path_of("whole-0"), .resume = 1}), SOMA_ERROR_STATE);
    check_error(ctx, SOMA_ERROR_STATE, "another recipe");
    soma_context_free(ctx);
}

static void the_model_runs_elsewhere(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL), *other = check_context(&(soma_context_opts){.threads = 1});
    soma_model *m, *shared, *bytes;
    char path[200], *data;
    size_t n;
    snprintf(path, sizeof path, "%s/model.safetensors", path_of("whole-0"));
    assert_int_equal(soma_model_load(ctx, path, &m), SOMA_OK);
    soma_file_read(ctx, path, 1 << 24, &data, &n);
    assert_int_equal(soma_model_from_memory(ctx, data, n, &bytes), SOMA_OK);
    assert_int_equal(soma_model_share(other, m, &shared), SOMA_OK);
    assert_int_equal(soma_model_outputs(m), 10);
    soma_dataset *test = soma_dataset_glyphs(ctx, 300, &(soma_glyph_opts){.seed = 1, .first = 130});
    static float x[300 * 784], y[3][300 * 10], one[10];
    static uint8_t pixels[300 * 784];
    for (int64_t i = 0; i < 300; i++) soma_dataset_sample(test, i, x + i * 784, NULL);
    for (int i = 0; i < 300 * 784; i++) pixels[i] = (uint8_t)(x[i] * 255 + 0.5f), x[i] = pixels[i];
    assert_int_equal(soma_model_predict(m, x, 300, y[0]), SOMA_OK);
    assert_int_equal(soma_model_predict_bytes(bytes, pixels, 300, y[1]), SOMA_OK);
    assert_int_equal(soma_model_predict(shared, x, 300, y[2]), SOMA_OK);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    assert_memory_equal(y[0], y[2], sizeof y[0]);
    for (int i = 0; i < 300; i += 37) { /* alone as in a batch */
        assert_int_equal(soma_model_predict(m, x + i * 784, 1, one), SOMA_OK);
        assert_memory_equal(one, y[0] + i * 10, sizeof one);
        double sum = 0;
        for (int k = 0; k < 10; k++) sum += (double)one[k];
        assert_true(fabs(sum - 1) < 1e-5);
    }
    double loss, accuracy;
    assert_int_equal(soma_model_evaluate(m, test, &loss, &accuracy), SOMA_OK);
    int right = 0;
    for (int64_t i = 0; i < 300; i++) {
        int64_t t;
        int best = 0;
        soma_dataset_sample(test, i, NULL, &t);
        for (int k = 1; k < 10; k++)
            if (y[0][i * 10 + k] > y[0][i * 10 + best]) best = k;
        right += best == t;
    }
    assert_true(fabs(accuracy - right / 300.0) < 1e-12 && accuracy > 0.2);
    /* shared weights are read only */
    char key[32];
    soma_tensor *w;
    soma_module_state(soma_model_module(shared), 0, key, sizeof key, &w);
    soma_assign(w, soma_mul_scalar(w, 2));
    check_error(other, SOMA_ERROR_STATE, "read only");
    assert_int_equal(soma_model_predict(m, NULL, 1, one), SOMA_ERROR_ARGUMENT);
    soma_error_take(ctx);
    /* saved again it is the same file */
    soma_model_save(m, path_of("again"));
    char *again;
    size_t k;
    soma_file_read(ctx, path_of("again"), 1 << 24, &again, &k);
    check_fine(ctx);
    assert_true(k == n && memcmp(again, data, n) == 0);
    soma_context_free(other), soma_context_free(ctx);
}

static void files_that_are_no_models(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_model *m = (soma_model *)&m;
    assert_int_equal(soma_model_load(ctx, path_of("nothing"), &m), SOMA_ERROR_IO);
    assert_null(m);
    check_error(ctx, SOMA_ERROR_IO, "No such file");
    assert_int_equal(soma_model_load(ctx, SOMA_TESTS_DIR "/io/python.safetensors", &m), SOMA_ERROR_FORMAT);
    check_error(ctx, SOMA_ERROR_FORMAT, "no description of layers");
    static const struct {
        const char *text, *words;
    } rows[] = {{"{", "lacks a shape"},
                {"{\"input\":[4],\"scale\":1}", "model is missing"},
                {"{\"input\":[-4],\"scale\":1,\"model\":[{\"linear\":2}]}", "lacks a shape"},
                {"{\"input\":[4],\"scale\":1,\"model\":[{\"linaer\":2}]}", "did you mean 'linear'"},
                {"{\"input\":[4],\"scale\":1,\"model\":[{\"linear\":2}],\"loss\":\"cross_entropy\"}", "'0.weight' is missing"},
                {"{\"input\":[4],\"scale\":1,\"model\":[\"relu\"]}", "'f', which has no place"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        soma_archive *a = soma_archive_new(ctx);
        soma_archive_put(a, "f", soma_scalar(ctx, 1));
        soma_archive_put_text(a, "soma", rows[i].text);
        soma_archive_write(a, path_of("odd"));
        assert_int_equal(soma_model_load(ctx, path_of("odd"), &m), SOMA_ERROR_FORMAT);
        check_error(ctx, SOMA_ERROR_FORMAT, rows[i].words);
    }
    soma_context_free(ctx);
}

/* The rate of each epoch's last step, as metrics.jsonl has it. */
static void the_schedule_sets_the_rate(void **state) {
    (void)state;
    static const struct {
        const char *schedule;
        double rates[3];
    } rows[] = {{"\"none\"", {0.5, 0.5, 0.5}},
                {"{\"step\": {\"step_size\": 1, \"gamma\": 0.5}}", {0.5, 0.25, 0.125}},
                {"{\"multistep\": [2]}", {0.5, 0.5, 0.05}},
                {"{\"exponential\": 0.5}", {0.5, 0.25, 0.125}},
                {"{\"constant\": {\"factor\": 0.5, \"total\": 2}}", {0.25, 0.25, 0.5}},
                {"{\"linear\": {\"start\": 0.5, \"total\": 2}}", {0.25, 0.375, 0.5}},
                {"{\"polynomial\": 1}", {0.5, 1.0 / 3, 0.5 / 3}},
                {"\"cosine\"", {0.5, 0.375, 0.125}},
                {"{\"cosine\": {\"by_step\": true, \"t_max\": 28}}", {0, 0, 0}},
                {"{\"cosine_warm_restarts\": 2}", {0.5, 0.25, 0.5}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char optimizer[200], out[160], path[200], *text;
        snprintf(optimizer, sizeof optimizer, "{\"sgd\": 0.5}, \"schedule\": %s", rows[i].schedule);
        snprintf(out, sizeof out, "%s/schedule-%d", folder, (int)i);
        snprintf(path, sizeof path, "%s/metrics.jsonl", out);
        run(optimizer, out, 0, 1, NULL, false);
        soma_context *ctx = check_context(NULL);
        assert_int_equal(soma_file_read(ctx, path, 1 << 16, &text, NULL), SOMA_OK);
        for (int e = 0; e < 3; e++) {
            text = strstr(text, "\"lr\": ") + 6;
            double lr = strtod(text, NULL), want = rows[i].rates[e];
            if (i == 8) { /* steps 4, 9 and 14 of 28: half a cosine */
                const double pi = 3.14159265358979323846;
                want = 0.25 * (1 + cos(pi * (double)(5 * e + 4) / 28));
            }
            if (fabs(lr - want) > 1e-8) fail_msg("%s, epoch %d: a rate of %.9g, wanted %.9g", rows[i].schedule, e + 1, lr, want);
        }
        soma_context_free(ctx);
    }
}

static void a_loss_that_is_no_number_stops_the_run(void **state) {
    (void)state;
    static const char json[] = "{\"data\": {\"kind\": \"glyphs\", \"train\": 64, \"test\": 10}, \"model\": [\"flatten\", {\"linear\": 30}, "
                               "{\"linear\": 30}, {\"linear\": 10}], "
                               "\"optimizer\": {\"sgd\": 1e30}, \"train\": {\"batch\": 16}}";
    soma_context *ctx = check_context(NULL);
    soma_train_result r;
    soma_status s = soma_train(soma_recipe_read(ctx, json, sizeof json - 1), &r, &(soma_train_opts){.out = path_of("wild")});
    assert_int_equal(s, SOMA_ERROR_NONFINITE);
    check_error(ctx, SOMA_ERROR_NONFINITE, "of epoch 1; try a smaller learning rate than 1e+30");
    soma_context_free(ctx);
}

/* Every piece of state is in the tree: each is changed, saved, changed back by loading. */
static void the_tree_has_every_piece(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.seed = 5});
    soma_module *m =
        soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 3, 4, NULL), soma_nn_dropout(ctx, 0.5), soma_nn_linear(ctx, 4, 2, NULL)));
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(m, &params, &n);
    soma_optim *o = soma_optim_adam(ctx, params, 2, 0.1, NULL), *p = soma_optim_sgd(ctx, params + 2, 2, 0.1, &(soma_sgd_opts){.momentum = 0.9});
    static const float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const int64_t t[3] = {0, 1, 0};
    soma_loader *l = soma_loader_new(ctx, soma_dataset_arrays(ctx, x, t, 3, SOMA_SHAPE(3)), 1, &(soma_loader_opts){.shuffle = 1});
    int64_t integers[2] = {7, 8};
    double numbers[1] = {0.5};
    soma_state *s = soma_state_new(ctx);
    soma_state_add_module(s, "model", m);
    soma_state_add_optim(s, "a", o);
    soma_state_add_optim(s, "b", p);
    soma_state_add_loader(s, "loader", l);
    soma_state_add_random(s, "random");
    soma_state_add_integers(s, "integers", integers, 2);
    soma_state_add_numbers(s, "numbers", numbers, 1);
    check_fine(ctx);
    assert_int_equal(soma_state_count(s), 4 + (4 + 1) + (2 + 1) + 1 + 1 + 1 + 1);
    soma_batch b;
    float first[2][16];
    int64_t target[2];
    for (int turn = 0; turn < 2; turn++) {
        if (turn) { /* back to where the checkpoint was taken */
            soma_archive *a = soma_archive_open(ctx, path_of("tree"));
            assert_int_equal(soma_state_take(s, a, false), SOMA_OK);
            assert_true(integers[1] == 8 && numbers[0] == 0.5);
        } else {
            soma_loader_start(l, 3), soma_loader_next(l, &b);
            soma_backward(soma_sum(soma_square(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 3)))), NULL), NULL);
            soma_optim_step(o), soma_optim_step(p), soma_optim_zero_grad(o), soma_optim_zero_grad(p);
            soma_archive *a = soma_archive_new(ctx);
            assert_int_equal(soma_state_put(s, a), SOMA_OK);
            assert_int_equal(soma_archive_write(a, path_of("tree")), SOMA_OK);
        }
        /* everything moves on from there: weights, moments, step counts, masks, the loader */
        soma_backward(soma_sum(soma_square(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 3)))), NULL), NULL);
        soma_optim_step(o), soma_optim_step(p), soma_optim_zero_grad(o), soma_optim_zero_grad(p);
        soma_read(params[0], first[turn], 12 * sizeof(float));
        soma_read(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4)), first[turn] + 12, 4 * sizeof(float));
        assert_true(soma_loader_next(l, &b));
        target[turn] = (int64_t)b.inputs[0];
        assert_true(soma_optim_steps(o, 0) == 2 && soma_optim_steps(p, 1) == 2);
        integers[1] = 0, numbers[0] = 0;
        check_fine(ctx);
    }
    assert_memory_equal(first[0], first[1], sizeof first[0]);
    assert_true(target[0] == target[1]);
    /* each piece counts: a file without it is refused, by name, and nothing changes */
    soma_archive *whole = soma_archive_open(ctx, path_of("tree"));
    for (size_t i = 0; i < soma_state_count(s); i++) {
        soma_archive *lacks = soma_archive_new(ctx);
        for (size_t k = 0; k < soma_archive_count(whole); k++) {
            soma_archive_entry e;
            soma_archive_get(whole, k, &e);
            if (strcmp(e.name, soma_state_name(s, i)) != 0) soma_archive_put(lacks, e.name, soma_archive_tensor(whole, k));
        }
        assert_int_equal(soma_state_take(s, lacks, false), SOMA_ERROR_FORMAT);
        check_error(ctx, SOMA_ERROR_FORMAT, soma_state_name(s, i));
        assert_true(integers[1] == 0);
    }
    soma_state_add_integers(s, "integers", integers, 2);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "'integers' is taken");
    soma_context_free(ctx);
}

int main(void) {
    strcpy(folder, "/tmp/soma-train-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(stopped_anywhere_and_resumed_is_the_same),
                                       cmocka_unit_test(a_run_is_not_written_over),
                                       cmocka_unit_test(the_model_runs_elsewhere),
                                       cmocka_unit_test(files_that_are_no_models),
                                       cmocka_unit_test(a_loss_that_is_no_number_stops_the_run),
                                       cmocka_unit_test(the_schedule_sets_the_rate),
                                       cmocka_unit_test(the_tree_has_every_piece)};
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? bad : 1;
}
