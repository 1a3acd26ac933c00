/* soma eval: how good a model is on test data. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* What is asked for. */
typedef struct question {
    const char *recipe, *data, *from, *part, *broken; /* from: a table, or pictures */
    bool json, fold;
} question;

/* The recipe that was named, or the one beside the model; NULL: there is none. */
static const char *find_recipe(const char *named, const char *model, char *room, size_t size) {
    const char *slash = strrchr(model, '/');
    snprintf(room, size, "%.*s/recipe.yaml", slash ? (int)(slash - model) : 1, slash ? model : ".");
    return named ? named : soma_file_exists(room) ? room : NULL;
}

soma_dataset *cli_part(soma_context *ctx, const char *recipe, const char *model, const char *data, bool training) {
    char room[4200];
    recipe = find_recipe(recipe, model, room, sizeof room);
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
    if (!info && !soma_file_exists(path)) cli_fail("%s: there is no such file or folder", path);
    else if (!info)
        cli_fail("%s: the model was not trained on a table; pictures are a folder of class folders, or an archive (.tar, .tgz) of them", path);
    else if (!d) cli_error(ctx);
    return d;
}

/* Are broken pictures left out? As the option says, else as the recipe beside the model does. -1 when it said what is wrong. */
static int leaves_out(soma_context *ctx, const char *model, const question *q) {
    char room[4200];
    cli_recipe r;
    if (q->broken) return cli_skips(q->broken);
    const char *recipe = find_recipe(q->recipe, model, room, sizeof room);
    if (!recipe) return 0;
    if (!cli_recipe_read(ctx, recipe, NULL, &r)) return -1;
    const char *word = soma_recipe_word(r.recipe, "data", "broken");
    int skips = word && strcmp(word, "skip") == 0;
    cli_recipe_close(&r);
    return skips;
}

static bool knows(soma_model *m, const char *name) {
    for (int64_t i = 0; name && i < soma_model_outputs(m); i++)
        if (strcmp(soma_model_class_name(m, i), name) == 0) return true;
    return false;
}

/* Pictures in class folders; where they have parts, the one to measure with. */
static soma_dataset *picture_data(soma_context *ctx, soma_model *m, const char *model, const question *q) {
    cli_parts parts = {0};
    int skips = leaves_out(ctx, model, q);
    if (skips < 0 || (!q->part && !cli_find_parts(ctx, q->from, &parts))) return NULL;
    const char *found = parts.measure ? parts.measure : parts.learn, *part = q->part ? q->part : knows(m, found) ? NULL : found;
    soma_dataset *d = soma_model_images(m, q->from, &(soma_images_opts){.part = part, .skip_broken = skips});
    if (!d) return cli_error(ctx), NULL;
    cli_notes(stderr, d);
    if (part && !q->json) printf("%s/%s: ", q->from, part);
    return d;
}

static int evaluate(soma_context *ctx, const char *word, const question *q) {
    char room[4200];
    const char *path = cli_model_path(word, room, sizeof room);
    bool pictures = q->from && cli_is_pictures(q->from);
    soma_model *m;
    if ((q->part || q->broken) && !pictures) return cli_fail("%s goes with pictures: a folder or an archive", q->part ? "--part" : "--broken");
    if (!cli_load(ctx, path, q->fold, &m)) return CLI_FAILED;
    soma_dataset *test = pictures  ? picture_data(ctx, m, path, q)
                         : q->from ? cli_table_part(ctx, m, q->from)
                                   : cli_part(ctx, q->recipe, path, q->data, false);
    return test ? cli_report(ctx, m, test, q->json) : CLI_FAILED;
}

int cli_eval(int argc, char **argv, const cli_command *self) {
    question q = {0};
    int64_t threads = 0;
    const cli_option options[] = {
        {"--data", "DIR", "where data paths start (or SOMA_DATA)", CLI_TEXT, &q.data},
        {"--recipe", "RECIPE", "whose test data; default: beside the model", CLI_TEXT, &q.recipe},
        {"--part", "NAME", "of pictures: a part; default: test, if there are", CLI_TEXT, &q.part},
        {"--broken", "error|skip", "of pictures; default: what the recipe says", CLI_TEXT, &q.broken},
        {"--json", NULL, "one line of JSON", CLI_FLAG, &q.json},
        CLI_FOLD_OPTION(q.fold),
        {"--threads", "N", "default: one per processor; the same result", CLI_INTEGER, &threads},
    };
    cli_words w;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 1, 2);
    if (status >= 0) return status;
    soma_context *ctx = cli_context(threads);
    if (!ctx) return CLI_FAILED;
    if (!q.data) q.data = getenv("SOMA_DATA");
    q.from = w.n > 1 ? w.words[1] : NULL;
    status = evaluate(ctx, w.words[0], &q);
    soma_context_free(ctx);
    return status;
}
