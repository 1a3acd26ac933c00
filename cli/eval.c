/* soma eval: loss and accuracy of a model on test data. */
#include "cli.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

/* A run's folder stands for its model. */
static const char *model_path(const char *word, char *room, size_t size) {
    snprintf(room, size, "%s/model.safetensors", word);
    return soma_file_exists(room) ? room : word;
}

/* The test data: of the recipe given or beside the model, or idx files in the data folder itself. */
static soma_dataset *test_data(soma_context *ctx, const char *recipe, const char *model, const char *data) {
    char beside[4200];
    const char *slash = strrchr(model, '/');
    snprintf(beside, sizeof beside, "%.*s/recipe.yaml", slash ? (int)(slash - model) : 1, slash ? model : ".");
    if (!recipe && soma_file_exists(beside)) recipe = beside;
    soma_dataset *test = NULL;
    if (recipe) {
        cli_recipe r;
        if (!cli_recipe_read(ctx, recipe, NULL, &r)) return NULL;
        if (soma_recipe_data(r.recipe, data, NULL, &test) != SOMA_OK) cli_error(ctx);
        cli_recipe_close(&r);
        return test;
    }
    if (!data) return cli_fail("there is no recipe.yaml beside the model: give --recipe, or --data with the folder of the idx files"), NULL;
    char images[4200], labels[4200];
    snprintf(images, sizeof images, "%s/t10k-images-idx3-ubyte", data);
    snprintf(labels, sizeof labels, "%s/t10k-labels-idx1-ubyte", data);
    if (!(test = soma_dataset_idx(ctx, images, labels, NULL))) cli_error(ctx);
    return test;
}

static int evaluate(soma_context *ctx, const char *word, const char *recipe, const char *data, bool json) {
    char room[4200];
    const char *path = model_path(word, room, sizeof room);
    soma_model *m;
    double loss, accuracy;
    if (soma_model_load(ctx, path, &m) != SOMA_OK) return cli_error(ctx);
    soma_dataset *test = test_data(ctx, recipe, path, data);
    if (!test) return CLI_FAILED;
    if (soma_model_evaluate(m, test, &loss, &accuracy) != SOMA_OK) return cli_error(ctx);
    long long n = (long long)soma_dataset_count(test);
    if (json) printf("{\"samples\": %lld, \"loss\": %.9g, \"accuracy\": %.9g}\n", n, loss, accuracy);
    else printf("accuracy %.2f %%, loss %.4f on %lld samples\n", 100 * accuracy, loss, n);
    return CLI_FINE;
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
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 1, 1);
    if (status >= 0) return status;
    soma_context *ctx = cli_context(threads);
    if (!ctx) return CLI_FAILED;
    status = evaluate(ctx, w.words[0], recipe, data ? data : getenv("SOMA_DATA"), json);
    soma_context_free(ctx);
    return status;
}
