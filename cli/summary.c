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

/* The table. Totals go to *parameters. */
static bool layers(soma_recipe *r, const soma_columns *columns, const int64_t *shape, int64_t ndim, double *parameters) {
    size_t n = soma_recipe_layer_count(r);
    soma_layer_info *info = calloc(n + 1, sizeof *info);
    double adds = 0;
    char text[64], a[24], b[24];
    bool fine = info && soma_recipe_layers(r, shape, ndim, info) == SOMA_OK;
    *parameters = embedded(columns);
    if (fine) {
        shape_text(shape, ndim, text, sizeof text);
        if (*parameters > 0) snprintf(text, sizeof text, "%lld", (long long)soma_columns_inputs(columns));
        printf("%-4s %-12s %-16s %12s %14s\n%-4s %-12s %-16s\n", "", "layer", "output", "parameters", "multiply-adds", "", "input", text);
    }
    if (fine && *parameters > 0) printf("%-4s %-12s %-16lld %12.0f\n", "", "embeddings", (long long)shape[0], *parameters);
    for (size_t i = 0; fine && i < n; i++) {
        shape_text(info[i].shape, info[i].ndim, text, sizeof text);
        printf("%-4zu %-12s %-16s %12lld %14lld\n", i, info[i].kind, text, (long long)info[i].parameters, (long long)info[i].multiply_adds);
        *parameters += (double)info[i].parameters, adds += (double)info[i].multiply_adds;
    }
    if (fine) printf("%s parameters, %s multiply-adds a sample\n", large(*parameters, a, sizeof a), large(adds, b, sizeof b));
    free(info);
    return fine;
}

static int of_model(soma_context *ctx, const char *word) {
    char room[4200];
    soma_model *m;
    const int64_t *shape;
    int64_t ndim;
    double parameters;
    snprintf(room, sizeof room, "%s/model.safetensors", word);
    if (soma_model_load(ctx, soma_file_exists(room) ? room : word, &m) != SOMA_OK) return cli_error(ctx);
    soma_model_input(m, &shape, &ndim);
    int64_t width = soma_model_columns(m) ? soma_columns_width(soma_model_columns(m)) : 0;
    if (width) shape = &width;
    return layers(soma_model_recipe(m), soma_model_columns(m), shape, ndim, &parameters) ? CLI_FINE : cli_error(ctx);
}

/* Bytes of the plan's intermediate values, from its first line. */
static double slab_of(const char *plan) {
    const char *at = strstr(plan, "slab ");
    return at ? strtod(at + 5, NULL) : 0;
}

/* Bytes that the optimizer keeps beside the weights; negative on failure. */
static double optimizer_bytes(soma_recipe *r, const soma_dataset *data) {
    soma_model *m;
    double bytes = 0;
    if (soma_model_new(r, data, &m) != SOMA_OK) return -1;
    soma_optim *o = soma_recipe_optim(r, soma_model_module(m));
    soma_tensor *t;
    char key[256];
    for (size_t i = 0; o && i < soma_optim_state_count(o) && soma_optim_state(o, i, key, sizeof key, &t) == SOMA_OK; i++)
        bytes += 4 * (double)soma_numel(t); /* float32, as the weights */
    return o ? bytes : -1;
}

static int of_recipe(soma_context *ctx, cli_recipe *r, const char *data, bool whole) {
    soma_dataset *train;
    const int64_t *shape;
    int64_t ndim;
    double parameters, state = 0, batch = 0;
    char *plan = NULL, a[24], b[24], c[24];
    size_t before = soma_recipe_problem_count(r->recipe);
    bool fine = soma_recipe_data(r->recipe, data, &train, NULL) == SOMA_OK && soma_dataset_shape(train, &shape, &ndim) == SOMA_OK;
    int64_t width = fine && soma_dataset_columns(train) ? soma_columns_width(soma_dataset_columns(train)) : 0; /* behind embeddings */
    if (width) shape = &width;
    if (fine && !whole) fine = layers(r->recipe, soma_dataset_columns(train), shape, ndim, &parameters);
    if (fine && !whole) fine = (state = optimizer_bytes(r->recipe, train)) >= 0;
    fine = fine && soma_train_explain(r->recipe, data, &plan) == SOMA_OK;
    if (!fine && soma_recipe_problem_count(r->recipe) > before) return cli_recipe_complain(r, before), CLI_FAILED;
    if (!fine) return cli_error(ctx);
    soma_recipe_number(r->recipe, "train", "batch", &batch);
    if (whole) printf("%s", plan);
    else
        printf("a training step of %.0f samples: weights %sB, the optimizer's state %sB, intermediate values %sB\n", batch,
               large(4 * parameters, a, sizeof a), large(state, b, sizeof b), large(slab_of(plan), c, sizeof c));
    soma_text_free(ctx, plan);
    return CLI_FINE;
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
