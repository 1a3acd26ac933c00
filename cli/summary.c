/* soma summary: layers, shapes, parameters, multiply-adds, memory. And soma explain: the plan of a step. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* 12345678 as "12.3 M". */
static const char *large(double v, char *room, size_t size) {
    static const char *const units[] = {"", " k", " M", " G", " T"};
    int u = 0;
    for (; v >= (u ? 999.95 : 9999.5) && u < 4; u++) v /= 1000;
    snprintf(room, size, u ? "%.1f%s" : "%.0f%s", v, units[u]);
    return room;
}

static void shape_text(const int64_t *shape, int64_t ndim, char *out, size_t size) {
    int at = 0;
    out[0] = 0;
    for (int64_t d = 0; d < ndim && at >= 0 && (size_t)at < size; d++)
        at += snprintf(out + at, size - (size_t)at, "%s%lld", d ? " x " : "", (long long)shape[d]);
}

/* Weights of the embeddings of a table's words. */
static double embedded(const soma_columns *c) {
    const soma_columns_info *info = soma_columns_about(c);
    double sum = 0;
    for (int64_t i = 0; info && i < info->n_features; i++)
        if (info->features[i].type == SOMA_COLUMN_CATEGORY) sum += (double)(info->features[i].embed * (info->features[i].n_categories + 1));
    return sum;
}

/* As wide as the longest name of a layer, and of a shape. */
static void widths(const soma_layer_info *info, size_t n, int *name, int *shape) {
    char text[64];
    *name = 12, *shape = 16;
    for (size_t i = 0; i < n; i++) {
        shape_text(info[i].shape, info[i].ndim, text, sizeof text);
        if ((int)strlen(info[i].kind) > *name) *name = (int)strlen(info[i].kind);
        if ((int)strlen(text) > *shape) *shape = (int)strlen(text);
    }
}

/* The table. */
static bool layers(soma_recipe *r, const soma_columns *columns, const int64_t *shape, int64_t ndim) {
    size_t n = soma_recipe_layer_count(r);
    soma_layer_info *info = calloc(n + 1, sizeof *info);
    double adds = 0, parameters = embedded(columns);
    char text[64], a[24], b[24];
    int w, s;
    bool fine = info && soma_recipe_layers(r, shape, ndim, info) == SOMA_OK;
    if (fine) {
        widths(info, n, &w, &s);
        shape_text(shape, ndim, text, sizeof text);
        if (parameters > 0) snprintf(text, sizeof text, "%lld", (long long)soma_columns_inputs(columns));
        printf("%-4s %-*s %-*s %12s %14s\n%-4s %-*s %s\n", "", w, "layer", s, "output", "parameters", "multiply-adds", "", w, "input", text);
    }
    if (fine && parameters > 0) printf("%-4s %-*s %-*lld %12.0f\n", "", w, "embeddings", s, (long long)shape[0], parameters);
    for (size_t i = 0; fine && i < n; i++) {
        shape_text(info[i].shape, info[i].ndim, text, sizeof text);
        printf("%-4zu %-*s %-*s %12lld %14lld\n", i, w, info[i].kind, s, text, (long long)info[i].parameters, (long long)info[i].multiply_adds);
        parameters += (double)info[i].parameters, adds += (double)info[i].multiply_adds;
    }
    if (fine) printf("%s parameters, %s multiply-adds a sample\n", large(parameters, a, sizeof a), large(adds, b, sizeof b));
    free(info);
    return fine;
}

static int of_model(soma_context *ctx, const char *word) {
    char room[4200];
    soma_model *m;
    const int64_t *shape;
    int64_t ndim;
    if (soma_model_load(ctx, cli_model_path(word, room, sizeof room), &m) != SOMA_OK) return cli_error(ctx);
    soma_model_input(m, &shape, &ndim);
    int64_t width = soma_model_columns(m) ? soma_columns_width(soma_model_columns(m)) : 0;
    if (width) shape = &width;
    return layers(soma_model_recipe(m), soma_model_columns(m), shape, ndim) ? CLI_FINE : cli_error(ctx);
}

/* 12345678 as "12.3 MB". */
static const char *size_text(int64_t bytes, char *room, size_t size) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    int u = 0;
    for (; v >= (u ? 999.95 : 999.5) && u < 4; u++) v /= 1000;
    snprintf(room, size, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return room;
}

/* Each part of a step's memory with a word on what it is. */
static void print_memory(const soma_train_bytes *m, double batch) {
    const struct {
        const char *name, *about;
        int64_t bytes;
    } rows[] = {
        {"weights", "parameters and buffers", m->weights},
        {"optimizer", "what it keeps of each parameter", m->optimizer},
        {"copies", "averages, the best weights so far", m->copies},
        {"values", "results of layers, gradients, scratch, in shared room", m->values},
        {"batches", "one in use, one being filled, the samples' order", m->batches},
        {"records", "layers, the plan, results", m->rest},
        {"data", "beside: the data sets, as far as they are in memory", m->data},
    };
    char text[24], samples[32] = "all";
    if (batch > 0) snprintf(samples, sizeof samples, "%.0f", batch);
    printf("a training step of %s samples takes %s of memory\n", samples, size_text(m->total, text, sizeof text));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].bytes) printf("  %-10s %10s  %s\n", rows[i].name, size_text(rows[i].bytes, text, sizeof text), rows[i].about);
}

/* The layers, and the memory of a step, which is counted first: in a context that has freed nothing yet. */
static bool summarise(soma_recipe *r, const char *data) {
    soma_dataset *train;
    const int64_t *shape;
    int64_t ndim;
    double batch = 0;
    soma_train_bytes memory;
    if (soma_train_memory(r, data, &memory) != SOMA_OK || soma_recipe_data(r, data, &train, NULL) != SOMA_OK) return false;
    if (soma_dataset_shape(train, &shape, &ndim) != SOMA_OK) return false;
    int64_t width = soma_dataset_columns(train) ? soma_columns_width(soma_dataset_columns(train)) : 0; /* behind embeddings */
    if (!layers(r, soma_dataset_columns(train), width ? &width : shape, ndim)) return false;
    soma_recipe_number(r, "train", "batch", &batch);
    print_memory(&memory, batch);
    return true;
}

static int of_recipe(soma_context *ctx, cli_recipe *r, const char *data, bool whole) {
    char *plan = NULL;
    size_t before = soma_recipe_problem_count(r->recipe);
    if (whole ? soma_train_explain(r->recipe, data, &plan) == SOMA_OK : summarise(r->recipe, data)) {
        if (whole) printf("%s", plan);
        soma_text_free(ctx, plan);
        return CLI_FINE;
    }
    if (soma_recipe_problem_count(r->recipe) > before) return cli_recipe_complain(r, before), CLI_FAILED;
    return cli_error(ctx);
}

static int look(int argc, char **argv, const cli_command *self, bool whole) {
    const char *data = NULL;
    cli_list sets = {.n = 0};
    const cli_option options[] = {
        {"--data", "DIR", "where data paths start (or SOMA_DATA)", CLI_TEXT, &data},
        {"--set", "KEY.PATH=VALUE", "changes the recipe: train.batch=1; repeatable", CLI_REPEATED, &sets},
    };
    cli_words w;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 1, 1);
    if (status >= 0) return status;
    soma_context *ctx = cli_context(0);
    if (!ctx) return CLI_FAILED;
    cli_recipe r;
    if (!whole && !cli_is_recipe(w.words[0])) status = of_model(ctx, w.words[0]);
    else if (!cli_recipe_read(ctx, w.words[0], &sets, &r)) status = CLI_FAILED;
    else {
        status = of_recipe(ctx, &r, data ? data : getenv("SOMA_DATA"), whole);
        cli_recipe_close(&r);
    }
    soma_context_free(ctx);
    return status;
}

int cli_summary(int argc, char **argv, const cli_command *self) { return look(argc, argv, self, false); }
int cli_explain(int argc, char **argv, const cli_command *self) { return look(argc, argv, self, true); }
