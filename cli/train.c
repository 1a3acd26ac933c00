/* soma train: reads a recipe, trains it in a folder, shows how it goes. */
#include "cli.h"
#include "progress.h"

#include <jansson.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile int stop;

/* The first Ctrl-C stops after the step; the next one ends the program. */
static void on_signal(int number) {
    stop = number;
    signal(number, SIG_DFL);
}

typedef struct arguments {
    soma_context *ctx;
    cli_recipe *read;
    cli_progress progress;
    const char *data, *out, *resume, *recipe;
    cli_list sets;
    int64_t threads, seed, checkpoint, folds;
    double before;   /* seconds of the run before this call */
    char digest[20]; /* of the data */
    bool quiet, show, no_prefetch;
    char recipe_path[4096], out_path[4096], data_path[4096], seed_set[64];
} arguments;

/* The folder of the run: given, or runs/NAME, with a number behind it where that has a run. */
static bool choose_out(arguments *a, const cli_recipe *r) {
    size_t n = strcspn(r->name, ".");
    if (a->resume) a->out = a->resume;
    if (a->out) {
        char there[4200];
        snprintf(there, sizeof there, "%s/checkpoint.safetensors", a->out);
        if (!a->resume && soma_file_exists(there))
            return cli_fail("%s has a run already; soma train --resume %s goes on with it, another --out begins anew", a->out, a->out), false;
        return true;
    }
    for (int i = 1; i < 10000; i++) {
        snprintf(a->out_path, sizeof a->out_path, i > 1 ? "runs/%.*s-%d" : "runs/%.*s", (int)n, r->name, i);
        if (soma_file_exists(a->out_path)) continue;
        a->out = a->out_path;
        return true;
    }
    return cli_fail("runs/%.*s and 9999 more are there; give --out", (int)n, r->name), false;
}

/* What is known of the run from before: data's folder, and how long it took. */
static void read_run(soma_context *ctx, arguments *a) {
    char path[4200], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/run.json", a->resume);
    if (!soma_file_exists(path) || soma_file_read(ctx, path, 1 << 20, &text, &bytes) != SOMA_OK) return;
    json_t *run = json_loadb(text, bytes, 0, NULL);
    const char *data = json_string_value(json_object_get(run, "data"));
    a->before = json_number_value(json_object_get(run, "seconds"));
    if (!a->data && data && strlen(data) < sizeof a->data_path) a->data = strcpy(a->data_path, data);
    json_decref(run);
}

static bool write_run(soma_context *ctx, const arguments *a, const soma_train_result *r, const char *state) {
    char path[4200], now[32], processor[200], *where = a->data ? realpath(a->data, NULL) : realpath(".", NULL);
    time_t t = time(NULL);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
    cli_processor(processor, sizeof processor);
    json_t *run = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:f}", "soma", soma_version(), "state", state, "processor", processor, "isa",
                            soma_context_isa(ctx), "threads", (json_int_t)soma_context_threads(ctx), "data", where ? where : "", "written", now,
                            "epochs", (json_int_t)r->epochs, "seconds", a->before + r->seconds);
    if (*a->digest) json_object_set_new(run, "data_digest", json_string(a->digest));
    char *text = json_dumps(run, JSON_INDENT(2) | JSON_SORT_KEYS);
    snprintf(path, sizeof path, "%s/run.json", a->out);
    bool fine = text && soma_file_write(ctx, path, text, strlen(text)) == SOMA_OK;
    free(text), free(where);
    json_decref(run);
    return fine;
}

static bool write_recipe(soma_context *ctx, const arguments *a, const cli_recipe *r) {
    char path[4200], *yaml = cli_yaml_of(soma_recipe_text(r->recipe));
    snprintf(path, sizeof path, "%s/recipe.yaml", a->out);
    bool fine = yaml && soma_file_write(ctx, path, yaml, strlen(yaml)) == SOMA_OK;
    free(yaml);
    return fine;
}

/* A few test samples as pictures, with what the model says of them. */
static void show(soma_context *ctx, const arguments *a, const cli_recipe *r, soma_model *m) {
    const soma_picture_info *info = soma_model_pictures(m);
    const int64_t *shape;
    int64_t ndim, classes = soma_model_outputs(m), target;
    soma_dataset *test;
    soma_model_input(m, &shape, &ndim);
    if (!info || soma_recipe_data(r->recipe, a->data, NULL, &test) != SOMA_OK) return;
    enum { SHOWN = 8 };
    int height = (int)shape[ndim - 2], width = (int)shape[ndim - 1], wide = width < 64 ? width : 64;
    size_t pixels = (size_t)info->channels * (size_t)height * (size_t)width;
    float *raw = calloc(pixels, sizeof *raw), *p = calloc((size_t)classes, sizeof *p);
    uint8_t *bytes = calloc(SHOWN, pixels);
    const uint8_t *pictures[SHOWN];
    char said[SHOWN][64];
    const char *texts[SHOWN];
    int n = 0;
    for (; bytes && raw && p && n < SHOWN && n < soma_dataset_count(test); n++) {
        int64_t best = 0;
        soma_dataset_raw(test, 0, n * (info->n_classes ? soma_dataset_count(test) / SHOWN : 1), raw, &target); /* folders lie class by class */
        if (soma_model_predict(m, raw, 1, p) != SOMA_OK) break;
        for (size_t i = 0; i < pixels; i++) bytes[(size_t)n * pixels + i] = (uint8_t)raw[i];
        for (int64_t c = 1; c < classes; c++)
            if (p[c] > p[best]) best = c;
        snprintf(said[n], sizeof said[n], "says %.30s (%.0f %%)%s", soma_model_class_name(m, best), 100 * (double)p[best],
                 best == target ? "" : ", wrong");
        cli_plain(said[n]);
        pictures[n] = bytes + (size_t)n * pixels, texts[n] = said[n];
    }
    int rows = 2 * (cli_columns() / (wide + 2)); /* two rows of pictures */
    cli_draw_bytes(ctx, pictures, texts, n < rows ? n : rows > 0 ? rows : 1, (int)info->channels, height, width);
    free(bytes), free(raw), free(p);
}

/* The folder is ours: what a resume needs is written before the first step. */
static soma_status started(void *user) {
    const arguments *a = user;
    const soma_train_result none = {0};
    if (!write_recipe(a->ctx, a, a->read) || !write_run(a->ctx, a, &none, "running"))
        return soma_error_status(a->ctx) != SOMA_OK ? soma_error_status(a->ctx) : SOMA_ERROR_MEMORY;
    if (!a->quiet)
        printf("training %s into %s (%s, %lld threads)\n", a->read->name, a->out, soma_context_isa(a->ctx), (long long)soma_context_threads(a->ctx));
    return SOMA_OK;
}

/* What a table is taken for. */
static void described(void *user, const soma_dataset *train, const soma_dataset *test) {
    arguments *a = user;
    uint64_t digest = soma_dataset_digest(train);
    if (digest) snprintf(a->digest, sizeof a->digest, "%016llx", (unsigned long long)digest);
    for (int64_t i = 0; soma_dataset_note(train, i) && !a->quiet; i++) printf("note: %s\n", soma_dataset_note(train, i));
    for (int64_t i = 0; soma_dataset_note(test, i) && !a->quiet; i++) printf("note: %s\n", soma_dataset_note(test, i));
    const soma_columns_info *info = soma_columns_about(soma_dataset_columns(train));
    if (!info || a->quiet) return;
    for (int64_t i = 0; soma_table_note(soma_dataset_table(train), i); i++) printf("note: %s\n", soma_table_note(soma_dataset_table(train), i));
    printf("target %s: ", info->target.name);
    if (info->task == SOMA_TASK_VALUE) printf("a value");
    else printf("%lld classes", (long long)info->target.n_categories);
    printf("; %lld columns become %lld inputs; %lld rows to learn from, %lld to measure with\n", (long long)info->n_features,
           (long long)soma_columns_inputs(soma_dataset_columns(train)), (long long)soma_dataset_count(train), (long long)soma_dataset_count(test));
}

static void step_done(void *user, const soma_progress *s) { cli_progress_step(&((arguments *)user)->progress, s); }

static int finish(soma_context *ctx, const arguments *a, const cli_recipe *r, const soma_train_result *result) {
    if (!write_run(ctx, a, result, result->stopped ? "stopped" : "finished")) return cli_error(ctx);
    if (result->stopped) {
        printf("stopped in epoch %lld; to go on:\n  soma train --resume %s\n", (long long)result->epochs + 1, a->out);
        return 128 + stop; /* as shells say it: not finished */
    }
    if (a->show) show(ctx, a, r, result->model);
    char score[80];
    cli_score_text(score, sizeof score, result->accuracy, result->r2, result->mae);
    printf("%s after %.*f s of training; the model is %s/model.safetensors\n", score, a->before + result->seconds < 10 ? 2 : 1,
           a->before + result->seconds, a->out);
    return CLI_FINE;
}

/* The error; and where data is looked for, when nobody said so. */
static void complain(soma_context *ctx, const arguments *a) {
    cli_error(ctx);
    if (soma_error_status(ctx) == SOMA_ERROR_IO && !a->data)
        fprintf(stderr, "(--data DIR, or SOMA_DATA, says where the recipe's data paths start)\n");
}

static int train(soma_context *ctx, arguments *a) {
    cli_recipe r;
    if (a->resume) {
        snprintf(a->recipe_path, sizeof a->recipe_path, "%s/recipe.yaml", a->resume);
        a->recipe = a->recipe_path;
        if (!soma_file_exists(a->recipe)) return cli_fail("%s has no run to go on with (no recipe.yaml)", a->resume);
        read_run(ctx, a);
    }
    if (!a->data) a->data = getenv("SOMA_DATA");
    if (!cli_recipe_read(ctx, a->recipe, &a->sets, &r)) return CLI_FAILED;
    int status = CLI_FAILED;
    soma_scope *scope = soma_scope_open(ctx);
    size_t problems = soma_recipe_problem_count(r.recipe);
    soma_train_result result = {0};
    a->ctx = ctx, a->read = &r;
    cli_progress_start(&a->progress);
    if (choose_out(a, &r)) {
        soma_train_opts o = {.data = a->data,
                             .out = a->out,
                             .resume = a->resume != NULL,
                             .stop = &stop,
                             .user = a,
                             .started = started,
                             .described = described,
                             .no_prefetch = a->no_prefetch,
                             .checkpoint_seconds = SOMA_SET((double)a->checkpoint),
                             .progress = a->quiet ? NULL : step_done};
        struct sigaction action = {.sa_handler = on_signal};
        sigaction(SIGINT, &action, NULL), sigaction(SIGTERM, &action, NULL);
        soma_status s = soma_train(r.recipe, &result, &o);
        cli_progress_end(&a->progress);
        if (s == SOMA_OK) status = finish(ctx, a, &r, &result);
        else if (soma_recipe_problem_count(r.recipe) > problems) cli_recipe_complain(&r, problems);
        else complain(ctx, a);
    }
    soma_scope_close(scope);
    cli_recipe_close(&r);
    return status;
}

int cli_train(int argc, char **argv, const cli_command *self) {
    arguments a = {.seed = -1, .folds = -1, .checkpoint = 10};
    const cli_option options[] = {
        {"--data", "DIR", "where data paths start (or SOMA_DATA)", CLI_TEXT, &a.data},
        {"--out", "DIR", "folder of the run; default runs/NAME", CLI_TEXT, &a.out},
        {"--resume", "DIR", "goes on with the run in DIR", CLI_TEXT, &a.resume},
        {"--set", "KEY.PATH=VALUE", "changes the recipe: train.epochs=3; repeatable", CLI_REPEATED, &a.sets},
        {"--folds", "N", "cross-validation of a table: N trainings, no files", CLI_INTEGER, &a.folds},
        {"--seed", "N", "the recipe's train.seed", CLI_INTEGER, &a.seed},
        {"--threads", "N", "default: one per processor; the same result", CLI_INTEGER, &a.threads},
        {"--checkpoint", "SECONDS", "between two checkpoints in an epoch; default 10", CLI_INTEGER, &a.checkpoint},
        {"--no-prefetch", NULL, "batches without a thread; the same result", CLI_FLAG, &a.no_prefetch},
        {"--show", NULL, "draws test samples and what the model says", CLI_FLAG, &a.show},
        {"--quiet", NULL, "no progress", CLI_FLAG, &a.quiet},
    };
    cli_words w;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 0, 1);
    if (status >= 0) return status;
    if ((w.n == 1) == (a.resume != NULL)) {
        cli_fail(w.n ? "train: a recipe or --resume, not both: the run has its recipe"
                     : "train: a recipe is wanted, or --resume DIR; soma train --help has an example");
        return CLI_USAGE;
    }
    a.recipe = w.words[0];
    if (a.seed >= 0) {
        snprintf(a.seed_set, sizeof a.seed_set, "train.seed=%lld", (long long)a.seed);
        if (a.sets.n < CLI_MOST) a.sets.texts[a.sets.n++] = a.seed_set;
    }
    soma_context *ctx = cli_context(a.threads);
    if (!ctx) return CLI_FAILED;
    if (a.folds >= 0) {
        struct sigaction action = {.sa_handler = on_signal};
        sigaction(SIGINT, &action, NULL), sigaction(SIGTERM, &action, NULL);
        status = a.resume || a.out
                     ? cli_fail("--folds writes no files: it goes without --out and --resume")
                     : cli_folds(ctx, a.recipe, &a.sets, a.data ? a.data : getenv("SOMA_DATA"), (int)(a.folds < 1001 ? a.folds : 1001), &stop);
    } else status = train(ctx, &a);
    soma_context_free(ctx);
    return status;
}
