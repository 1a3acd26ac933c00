/* The training loop: one captured step, run for each batch; tests and files after each epoch; checkpoints of the state tree. */
#include "soma/archive.h"
#include "soma/files.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef soma__trainer trainer;

double soma__train_setting(const trainer *t, const char *key) {
    double v = 0;
    soma_recipe_number(t->recipe, "train", key, &v);
    return v;
}

/* "out/name"; NULL with the error pending. */
static char *path_of(const trainer *t, const char *name) {
    size_t n = strlen(t->o.out) + strlen(name) + 2;
    char *path = soma_scope_memory(t->ctx, n);
    if (path) snprintf(path, n, "%s/%s", t->o.out, name);
    return path;
}

static double of_schedule(const trainer *t, const char *key) {
    double v = 0;
    soma_recipe_number(t->recipe, "schedule", key, &v);
    return v;
}

/* The schedule of the recipe: a function of epochs or steps, or one that watches the test loss. */
static soma_status make_schedule(trainer *t) {
    const soma__item *item = &t->recipe->schedule;
    const soma__length run = {t->epochs, t->epochs * soma_loader_count(t->loader)};
    t->by_step = item->kind->by_step || of_schedule(t, "by_step") != 0;
    t->watches = strcmp(item->kind->name, "reduce_on_plateau") == 0;
    if (t->watches)
        t->plateau.opts = (soma_plateau_opts){.factor = SOMA_SET(of_schedule(t, "factor")),
                                              .patience = SOMA_SET(of_schedule(t, "patience")),
                                              .threshold = SOMA_SET(of_schedule(t, "threshold")),
                                              .cooldown = (int64_t)of_schedule(t, "cooldown")};
    if (item->kind->schedule) t->schedule = item->kind->schedule(t->ctx, item->fields, &run);
    return soma__problem_here(t->recipe, "/schedule");
}

/* The rate of the step to come. A warm-up grows it from the first step on. */
static soma_status set_rate(trainer *t) {
    int64_t step = t->integers[EPOCH] * soma_loader_count(t->loader) + t->integers[STEP];
    double warm = soma__train_setting(t, "warmup_steps"), factor = (double)step + 1 < warm ? ((double)step + 1) / warm : 1;
    if (t->watches) factor *= soma_plateau_factor(&t->plateau);
    soma_status s = soma_schedule_apply(t->schedule, t->optim, t->by_step ? step : t->integers[EPOCH], factor);
    t->numbers[RATE] = soma_optim_get_lr(t->optim, -1);
    return s;
}

/* Has the last layer an output for each class? */
static soma_status enough_outputs(trainer *t) {
    int64_t classes = soma_dataset_classes(t->train), tested = soma_dataset_classes(t->test);
    if (tested > classes) classes = tested;
    if (classes <= t->model->outputs || soma__model_is_valued(t->model)) return SOMA_OK;
    char where[64];
    snprintf(where, sizeof where, "/model/%zu", t->recipe->n_layers - 1);
    soma__problem(t->recipe, where, "the last layer gives %lld outputs, the data has classes 0 to %lld; %lld outputs are wanted",
                  (long long)t->model->outputs, (long long)classes - 1, (long long)classes);
    return soma__problem_raise(t->recipe, t->recipe->problems.count - 1, SOMA_ERROR_SHAPE);
}

static int64_t live(soma_context *ctx) {
    soma_stats s;
    soma_context_stats(ctx, &s);
    return s.live_bytes;
}

static soma_status make(trainer *t) {
    soma_context *ctx = t->ctx;
    int64_t before = live(ctx);
    if (soma_recipe_data(t->recipe, t->o.data, &t->train, &t->test) != SOMA_OK) return soma_error_status(ctx);
    t->bytes_data = live(ctx) - before;
    if (soma_manual_seed(ctx, (uint64_t)soma__train_setting(t, "seed")) != SOMA_OK || soma_model_new(t->recipe, t->train, &t->model) != SOMA_OK)
        return soma_error_status(ctx);
    if (enough_outputs(t) != SOMA_OK) return soma_error_status(ctx);
    int64_t batch = (int64_t)soma__train_setting(t, "batch"), count = soma_dataset_count(t->train);
    if (!batch || batch > count) batch = count; /* all */
    t->epochs = (int64_t)soma__train_setting(t, "epochs");
    t->optim = soma_recipe_optim(t->recipe, t->model->module);
    before = live(ctx);
    t->loader = soma_loader_new(ctx, t->train, batch,
                                &(soma_loader_opts){.shuffle = soma__train_setting(t, "shuffle") != 0,
                                                    .drop_last = soma__train_setting(t, "drop_last") != 0,
                                                    .seed = (uint64_t)soma__train_setting(t, "seed"),
                                                    .no_prefetch = t->o.no_prefetch});
    t->bytes_loader = live(ctx) - before;
    if (!t->optim || !t->loader || soma_module_parameters(t->model->module, &t->params, &t->n_params) != SOMA_OK) return soma_error_status(ctx);
    if (!soma_loader_count(t->loader))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "recipe: a batch of %lld with drop_last leaves no step of %lld samples", (long long)batch,
                                (long long)soma_dataset_count(t->train));
    if (make_schedule(t) != SOMA_OK) return soma_error_status(ctx);
    t->epoch_samples = soma__train_setting(t, "drop_last") != 0 ? soma_loader_count(t->loader) * batch : soma_dataset_count(t->train);
    t->state = soma_state_new(ctx);
    if (!t->state || soma__make_step(t, batch) != SOMA_OK) return soma_error_status(ctx);
    for (int i = 0; i < NUMBERS; i++) t->numbers[i] = i == LOSS_SUM ? 0 : (double)NAN;
    soma_state_add_module(t->state, "model", t->model->module);
    soma_state_add_optim(t->state, "optimizer", t->optim);
    soma_state_add_loader(t->state, "loader", t->loader);
    soma_state_add_random(t->state, "random");
    if (t->watches) soma_state_add_numbers(t->state, "schedule.plateau", &t->plateau.seen, 5);
    if (soma__make_copies(t) != SOMA_OK) return soma_error_status(ctx);
    soma_state_add_integers(t->state, "run.integers", t->integers, INTEGERS);
    return soma_state_add_numbers(t->state, "run.numbers", t->numbers, NUMBERS);
}

static soma_status save_checkpoint(trainer *t) {
    soma_scope *scope = soma_scope_open(t->ctx);
    soma_archive *a = soma_archive_new(t->ctx);
    char *path = a ? path_of(t, "checkpoint.safetensors") : NULL;
    if (path && soma_archive_put_text(a, "recipe", soma_recipe_text(t->recipe)) == SOMA_OK &&
        soma_archive_put_text(a, "metrics", t->metrics ? t->metrics : "") == SOMA_OK && soma_state_put(t->state, a) == SOMA_OK)
        soma_archive_write(a, path);
    soma_scope_close(scope);
    t->saved = soma_seconds();
    return soma_error_status(t->ctx);
}

static bool keep_metrics(trainer *t, const char *text, size_t n) {
    if (t->metrics_bytes + n + 1 > t->metrics_room) {
        size_t room = 2 * (t->metrics_bytes + n + 1);
        char *bigger = soma_scope_memory_in(t->model->scope, room);
        if (!bigger) return false;
        if (t->metrics_bytes) memcpy(bigger, t->metrics, t->metrics_bytes);
        t->metrics = bigger, t->metrics_room = room;
    }
    memcpy(t->metrics + t->metrics_bytes, text, n);
    t->metrics_bytes += n;
    t->metrics[t->metrics_bytes] = 0;
    return true;
}

static soma_status resume(trainer *t) {
    char *path = path_of(t, "checkpoint.safetensors");
    if (!path || !soma_file_exists(path)) return soma_error_status(t->ctx);
    if (!t->o.resume) return soma_error_raise(t->ctx, SOMA_ERROR_STATE, "%s has a run already; resume it, or take another folder", t->o.out);
    soma_scope *scope = soma_scope_open(t->ctx);
    soma_archive *a = soma_archive_open(t->ctx, path);
    const char *recipe = soma_archive_text(a, "recipe"), *metrics = soma_archive_text(a, "metrics");
    if (a && (!recipe || !metrics)) soma_error_raise(t->ctx, SOMA_ERROR_FORMAT, "%s: no checkpoint of soma: its recipe or metrics are missing", path);
    else if (a && strcmp(recipe, soma_recipe_text(t->recipe)) != 0)
        soma_error_raise(t->ctx, SOMA_ERROR_STATE, "%s is of a run with another recipe; give that recipe, or another folder", path);
    else if (a && soma_state_take(t->state, a, false) == SOMA_OK) keep_metrics(t, metrics, strlen(metrics));
    soma_scope_close(scope);
    if (soma_error_status(t->ctx) == SOMA_OK && (t->integers[EPOCH] < 0 || t->integers[EPOCH] > t->epochs))
        soma_error_raise(t->ctx, SOMA_ERROR_FORMAT, "%s: no checkpoint of this recipe: epoch %lld of %lld", path, (long long)t->integers[EPOCH],
                         (long long)t->epochs);
    return soma_error_status(t->ctx);
}

static void tell(const trainer *t, bool epoch_ends) {
    if (!t->o.progress) return;
    int64_t steps = soma_loader_count(t->loader);
    soma_progress p = {.epoch = t->integers[EPOCH] + (epoch_ends ? 0 : 1),
                       .epochs = t->epochs,
                       .step = epoch_ends ? steps : t->integers[STEP],
                       .steps = steps,
                       .samples = t->integers[SEEN],
                       .epoch_samples = t->epoch_samples,
                       .epoch_ends = epoch_ends,
                       .test_loss = t->numbers[TEST_LOSS],
                       .accuracy = t->numbers[ACCURACY],
                       .mae = t->numbers[MAE],
                       .rmse = t->numbers[RMSE],
                       .r2 = t->numbers[R2],
                       .loss = epoch_ends ? t->numbers[LOSS] : t->numbers[LOSS_SUM] / (double)t->integers[SEEN],
                       .seconds = soma_seconds() - t->started};
    t->o.progress(t->o.user, &p);
}

static soma_status not_finite(trainer *t) {
    soma_error_take(t->ctx);
    double lr = 0;
    soma_recipe_number(t->recipe, "optimizer", "lr", &lr);
    return soma_error_raise(t->ctx, SOMA_ERROR_NONFINITE,
                            "the loss or the gradient is no finite number at step %lld of epoch %lld; try a smaller learning rate than %g, "
                            "clip_norm: 1 under train, or look for "
                            "broken values in the data; %s",
                            (long long)t->integers[STEP] + 1, (long long)t->integers[EPOCH] + 1, lr,
                            t->integers[EPOCH] ? "the model of the last whole epoch is kept" : "no epoch was whole, so there is no model");
}

static soma_status step(trainer *t, const soma_batch *b) {
    double loss;
    if (set_rate(t) != SOMA_OK) return soma_error_status(t->ctx);
    soma_status s = soma__run_step(t, b, &loss);
    if (s == SOMA_ERROR_NONFINITE) return not_finite(t);
    if (s != SOMA_OK) return s;
    t->integers[STEP]++;
    t->integers[SEEN] += b->count;
    t->numbers[LOSS_SUM] += loss * (double)b->count;
    return SOMA_OK;
}

/* A number as JSON has it: none that is not finite. */
typedef struct number_text {
    char text[32];
} number_text;
static number_text json_number(double v) {
    number_text n;
    if (isfinite(v)) snprintf(n.text, sizeof n.text, "%.9g", v);
    else snprintf(n.text, sizeof n.text, "null");
    return n;
}

static bool write_model(trainer *t) {
    soma_scope *scope = soma_scope_open(t->ctx);
    char *model = path_of(t, "model.safetensors");
    if (model) soma_model_save(t->model, model);
    soma_scope_close(scope);
    return soma_error_status(t->ctx) == SOMA_OK;
}

static bool add_line(trainer *t) {
    const double *v = t->numbers;
    char line[512], score[200];
    if (soma__model_is_valued(t->model))
        snprintf(score, sizeof score, "\"r2\": %s, \"mae\": %.9g, \"rmse\": %.9g", json_number(v[R2]).text, v[MAE], v[RMSE]);
    else snprintf(score, sizeof score, "\"accuracy\": %.9g", v[ACCURACY]);
    int n = snprintf(line, sizeof line, "{\"epoch\": %lld, \"loss\": %.9g, \"test_loss\": %s, %s, \"lr\": %.9g}\n", (long long)t->integers[EPOCH],
                     v[LOSS], json_number(v[TEST_LOSS]).text, score, v[RATE]);
    return n > 0 && keep_metrics(t, line, (size_t)n);
}

/* The lines, the checkpoint; the last one last, so that a kill before it repeats the epoch's end. */
static soma_status save_epoch(trainer *t) {
    soma_scope *scope = soma_scope_open(t->ctx);
    char *metrics = path_of(t, "metrics.jsonl");
    if (metrics) soma_file_write(t->ctx, metrics, t->metrics, t->metrics_bytes);
    soma_scope_close(scope);
    return soma_error_status(t->ctx) == SOMA_OK ? save_checkpoint(t) : soma_error_status(t->ctx);
}

/* The test, by the averaged weights where there are some; these, or the best, are what is saved as the model. */
static soma_status test_epoch(trainer *t) {
    soma_scores s;
    bool better;
    if (soma__move_average(t) != SOMA_OK || soma__swap_averages(t) != SOMA_OK || soma_model_score(t->model, t->test, &s) != SOMA_OK)
        return soma_error_status(t->ctx);
    t->numbers[TEST_LOSS] = s.loss, t->numbers[ACCURACY] = s.accuracy;
    t->numbers[MAE] = s.mae, t->numbers[RMSE] = s.rmse, t->numbers[R2] = s.r2;
    t->numbers[LOSS] = t->numbers[LOSS_SUM] / (double)t->integers[SEEN];
    t->numbers[LOSS_SUM] = 0;
    t->integers[EPOCH]++;
    if (soma__keep_best(t, &better) != SOMA_OK || (better && t->o.out && !write_model(t))) return soma_error_status(t->ctx);
    return soma__swap_averages(t);
}

static soma_status end_epoch(trainer *t) {
    if (test_epoch(t) != SOMA_OK) return soma_error_status(t->ctx);
    if (t->watches) soma_plateau_step(&t->plateau, t->numbers[TEST_LOSS]);
    t->integers[STEP] = t->integers[SEEN] = 0;
    if (soma_loader_start(t->loader, t->integers[EPOCH]) != SOMA_OK || !add_line(t)) return soma_error_status(t->ctx);
    if (t->o.out && save_epoch(t) != SOMA_OK) return soma_error_status(t->ctx);
    tell(t, true);
    return SOMA_OK;
}

static soma_status run(trainer *t) {
    double every = t->o.checkpoint_seconds.set ? t->o.checkpoint_seconds.value : 10;
    soma_batch b;
    t->started = t->saved = soma_seconds();
    while (t->integers[EPOCH] < t->epochs && !t->integers[EARLY] && !t->stopped) {
        while (!t->stopped && soma_loader_next(t->loader, &b)) {
            if (step(t, &b) != SOMA_OK) return soma_error_status(t->ctx);
            tell(t, false);
            t->stopped = t->o.stop && *t->o.stop;
            if (t->o.out && !t->stopped && soma_seconds() - t->saved >= every && save_checkpoint(t) != SOMA_OK) return soma_error_status(t->ctx);
        }
        if (soma_error_status(t->ctx) != SOMA_OK) return soma_error_status(t->ctx);
        if (!t->stopped && end_epoch(t) != SOMA_OK) return soma_error_status(t->ctx);
    }
    if (t->stopped) return t->o.out ? save_checkpoint(t) : SOMA_OK;
    return t->patience ? soma__restore_best(t) : soma__swap_averages(t);
}

/* The folder is ours. */
static soma_status begin(trainer *t) {
    if (t->o.out && resume(t) != SOMA_OK) return soma_error_status(t->ctx);
    if (t->o.described) t->o.described(t->o.user, t->train, t->test);
    soma_status s = t->o.started ? t->o.started(t->o.user) : SOMA_OK;
    return s == SOMA_OK ? run(t) : soma_error_raise(t->ctx, s, "train: the run was not started");
}

/* A run that is made, and not begun. */
static trainer *prepare(soma_recipe *recipe, const char *data) {
    trainer *t = soma_scope_memory(recipe->ctx, sizeof *t);
    if (!t) return NULL;
    t->ctx = recipe->ctx;
    t->recipe = recipe;
    t->o.data = data;
    return make(t) == SOMA_OK ? t : NULL;
}

soma_status soma_train_explain(soma_recipe *recipe, const char *data, char **text) {
    if (!recipe || !text) return SOMA_ERROR_ARGUMENT;
    *text = NULL;
    trainer *t = prepare(recipe, data);
    return t ? soma_program_explain(t->program, text) : soma_error_status(recipe->ctx);
}

static int64_t bytes_of(const soma_tensor *x) { return soma_numel(x) * (int64_t)soma_dtype_size(soma_tensor_dtype(x)); }
static int64_t bytes_of_copies(const soma__copies *c) {
    int64_t sum = 0;
    for (size_t i = 0; i < c->n; i++) sum += bytes_of(c->to[i]);
    return sum;
}

soma_status soma_train_memory(soma_recipe *recipe, const char *data, soma_train_bytes *out) {
    if (!recipe || !out) return SOMA_ERROR_ARGUMENT;
    memset(out, 0, sizeof *out);
    soma_context *ctx = recipe->ctx;
    int64_t before = live(ctx), planned, slab;
    soma_stats s;
    trainer *t = prepare(recipe, data);
    if (!t || soma_eval(ctx) != SOMA_OK || soma_program_slab(t->program, &slab) != SOMA_OK) return soma_error_status(ctx);
    soma_context_stats(ctx, &s);
    planned = s.live_bytes - s.slab_bytes; /* all but the slab is there */
    soma_tensor *x;
    char key[512];
    for (size_t i = 0; soma_module_state(t->model->module, i, key, sizeof key, &x) == SOMA_OK; i++) out->weights += bytes_of(x);
    for (size_t i = 0; soma_optim_state(t->optim, i, key, sizeof key, &x) == SOMA_OK; i++) out->optimizer += bytes_of(x);
    const char *name;
    double *numbers;
    size_t n;
    for (size_t i = 0; soma_optim_numbers(t->optim, i, &name, &numbers, &n); i++) out->optimizer += (int64_t)(n * sizeof *numbers);
    out->data = t->bytes_data, out->batches = t->bytes_loader, out->values = slab;
    out->copies = bytes_of_copies(&t->averages) + bytes_of_copies(&t->best);
    out->rest = planned - before - out->data - out->batches - out->weights - out->optimizer - out->copies;
    for (size_t i = 0; t->by_closure && i < t->n_params; i++) out->optimizer += bytes_of(t->params[i]); /* made by the first step */
    out->total = out->weights + out->optimizer + out->copies + out->values + out->batches + out->rest;
    return SOMA_OK;
}

soma_status soma_train_v(soma_recipe *recipe, soma_train_result *result, const soma_train_opts *options, size_t size) {
    if (!recipe || !result) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = recipe->ctx;
    trainer *t = soma_scope_memory(ctx, sizeof *t);
    memset(result, 0, sizeof *result);
    if (!t || !soma_options_read(ctx, "train", &t->o, sizeof t->o, options, size)) return soma_error_status(ctx);
    t->ctx = ctx;
    t->recipe = recipe;
    if (make(t) != SOMA_OK) return soma_error_status(ctx);
    soma_lock *lock = t->o.out ? soma_folder_lock(ctx, t->o.out) : NULL;
    if (lock || !t->o.out) begin(t);
    soma_folder_unlock(lock);
    if (soma_error_status(ctx) != SOMA_OK) return soma_error_status(ctx);
    soma_module_train(t->model->module, false);
    const double *v = t->numbers;
    *result = (soma_train_result){.model = t->model,
                                  .stopped = t->stopped,
                                  .epochs = t->integers[EPOCH],
                                  .best_epoch = t->integers[BEST_EPOCH],
                                  .loss = v[LOSS],
                                  .test_loss = v[TEST_LOSS],
                                  .accuracy = v[ACCURACY],
                                  .seconds = soma_seconds() - t->started,
                                  .mae = v[MAE],
                                  .rmse = v[RMSE],
                                  .r2 = v[R2]};
    return SOMA_OK;
}
