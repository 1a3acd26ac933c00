/* soma eval: how good a model is on test data. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

soma_dataset *cli_part(soma_context *ctx, const char *recipe, const char *model, const char *data, bool training) {
    char beside[4200];
    const char *slash = strrchr(model, '/');
    snprintf(beside, sizeof beside, "%.*s/recipe.yaml", slash ? (int)(slash - model) : 1, slash ? model : ".");
    if (!recipe && soma_file_exists(beside)) recipe = beside;
    soma_dataset *part = NULL;
    if (recipe) {
        cli_recipe r;
        if (!cli_recipe_read(ctx, recipe, NULL, &r)) return NULL;
        if (soma_recipe_data(r.recipe, data, training ? &part : NULL, training ? NULL : &part) != SOMA_OK) cli_error(ctx);
        cli_recipe_close(&r);
        return part;
    }
    if (!data) return cli_fail("there is no recipe.yaml beside the model: give --recipe, or --data with the folder of the idx files"), NULL;
    char images[4200], labels[4200];
    snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte", data, training ? "train" : "t10k");
    snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte", data, training ? "train" : "t10k");
    if (!(part = soma_dataset_idx(ctx, images, labels, NULL))) cli_error(ctx);
    return part;
}

soma_dataset *cli_table_part(soma_context *ctx, soma_model *m, const char *path) {
    soma_columns *c = soma_model_columns(m);
    const soma_columns_info *info = soma_columns_about(c);
    const char **words = calloc((size_t)(info ? info->n_features : 0) + 1, sizeof *words);
    soma_table_opts o = {.categories = words};
    if (info && !info->header) o.header = SOMA_SET(0);
    for (int64_t i = 0; info && words && i < info->n_features; i++)
        if (info->features[i].type == SOMA_COLUMN_CATEGORY) words[o.n_categories++] = info->features[i].name;
    soma_table *t = !info ? NULL : words ? soma_table_open(ctx, path, &o) : NULL;
    soma_dataset *d = t ? soma_table_dataset(t, c, NULL, 0) : NULL;
    free(words);
    if (!info) cli_fail("%s: the model was not trained on a table", path);
    else if (!d) cli_error(ctx);
    return d;
}

static int evaluate(soma_context *ctx, const char *word, const char *table, const char *recipe, const char *data, bool json) {
    char room[4200];
    const char *path = cli_model_path(word, room, sizeof room);
    soma_model *m;
    if (soma_model_load(ctx, path, &m) != SOMA_OK) return cli_error(ctx);
    soma_dataset *test = table ? cli_table_part(ctx, m, table) : cli_part(ctx, recipe, path, data, false);
    return test ? cli_report(ctx, m, test, json) : CLI_FAILED;
}

int cli_eval(int argc, char **argv, const cli_command *self) {
    const char *data = NULL, *recipe = NULL;
    int64_t threads = 0;
    bool json = false;
    const cli_option options[] = {
        {"--data", "DIR", "where data paths start (or SOMA_DATA)", CLI_TEXT, &data},
        {"--recipe", "RECIPE", "whose test data; default: beside the model", CLI_TEXT, &recipe},
        {"--json", NULL, "one line of JSON", CLI_FLAG, &json},
        {"--threads", "N", "default: one per processor; the same result", CLI_INTEGER, &threads},
    };
    cli_words w;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 1, 2);
    if (status >= 0) return status;
    soma_context *ctx = cli_context(threads);
    if (!ctx) return CLI_FAILED;
    status = evaluate(ctx, w.words[0], w.n > 1 ? w.words[1] : NULL, recipe, data ? data : getenv("SOMA_DATA"), json);
    soma_context_free(ctx);
    return status;
}
