/* Tables of recipes: opened, split, fitted; and columns as JSON, for model files. */
#include "soma/table.h"

#include "train/recipe.h"
#include "train/table.h"

#include <stdio.h>
#include <string.h>

#define REST 0, 0, false, false
#define TEXT(key, otherwise, doc) \
    { key, SOMA__TEXT, otherwise, REST, doc }
#define CHOICE(key, otherwise, choices, doc) \
    { key, SOMA__CHOICE, otherwise, REST, choices ": " doc }
#define TEXTS(key, doc) \
    { key, SOMA__TEXTS, "[]", REST, doc }

const soma__field soma__table_fields[SOMA__TABLE_FIELDS] = {
    TEXT("path", NULL, "the file: CSV, TSV, plain or .gz"),
    TEXT("target", "\"\"", "the column to be predicted; empty: the last one"),
    CHOICE("task", "\"auto\"", "auto|classes|value", "what the target is; auto: words and few whole numbers are classes"),
    TEXTS("ignore", "columns that are no inputs"),
    TEXTS("categories", "columns whose numbers are words"),
    {"embedding", SOMA__INTEGER, "0", 0, 1024, false, false,
     "numbers that a category becomes by an embedding that is learned; 0: one input for each word"},
    CHOICE("scaling", "\"standard\"", "standard|minmax|robust|none", "of numbers, fitted on the training part"),
    {"scale_target", SOMA__TRUTH, "true", REST, "a value is learned with mean 0 and deviation 1, and told in its own units"},
    CHOICE("missing", "\"error\"", "error|drop|mean|median|flag", "cells without a value"),
    CHOICE("split", "\"auto\"", "auto|random|stratified|group|time", "auto: stratified for classes, else random"),
    TEXT("by", "\"\"", "the column of a split by group or time"),
    {"test", SOMA__NUMBER, "0.2", 0, 1, true, true, "share of the test part"},
    TEXT("test_path", "\"\"", "a file that is the test part"),
    {"folds", SOMA__INTEGER, "0", 0, 1000, false, false, "parts of a cross-validation; 0: none"},
    {"fold", SOMA__INTEGER, "0", 0, 999, false, false, "the part that is the test part, from 0"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of the split"},
    CHOICE("header", "\"auto\"", "none|first|auto", "whether the first line has names"),
    TEXT("delimiter", "\"\"", "empty: found"),
    TEXT("quote", "\"\"", "empty: found"),
    TEXT("decimal", "\"\"", "empty: found"),
};

static const soma__kind fields_kind = {.name = "table", .fields = soma__table_fields, .n_fields = SOMA__TABLE_FIELDS};
static int choice(const json_t *f, const char *key) { return soma__choice(&fields_kind, f, key); }
static const char *given(const json_t *f, const char *key) {
    const char *t = soma__get_text(f, key);
    return t && *t ? t : NULL;
}

/* A list of texts of a field, for as long as the scope; *n of them. */
static const char *const *texts(soma_context *ctx, const json_t *f, const char *key, int64_t *n) {
    const json_t *list = json_object_get(f, key);
    *n = (int64_t)json_array_size(list);
    const char **out = soma_scope_memory(ctx, (size_t)(*n + 1) * sizeof *out);
    for (int64_t i = 0; out && i < *n; i++) out[i] = json_string_value(json_array_get(list, (size_t)i));
    return out;
}

static soma_table *open_table(soma_context *ctx, const json_t *f, const char *folder, const char *key) {
    char path[4200];
    soma_table_opts o = {.delimiter = given(f, "delimiter"), .quote = given(f, "quote"), .decimal = given(f, "decimal")};
    int header = choice(f, "header");
    if (header < 2) o.header = SOMA_SET(header);
    o.categories = texts(ctx, f, "categories", &o.n_categories);
    if (!o.categories) return NULL;
    if (!soma__data_path(path, sizeof path, folder, soma__get_text(f, key)))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "the data's path is too long"), NULL;
    return soma_table_open(ctx, path, &o);
}

static soma_columns_opts columns_opts(soma_context *ctx, const json_t *f) {
    soma_columns_opts o = {.target = given(f, "target"),
                           .task = (soma_task)choice(f, "task"),
                           .scaling = (soma_scaling)choice(f, "scaling"),
                           .missing = (soma_missing)choice(f, "missing"),
                           .embed = soma__get_int(f, "embedding"),
                           .raw_target = !soma__get_truth(f, "scale_target")};
    o.ignore = texts(ctx, f, "ignore", &o.n_ignore);
    return o;
}

/* Which rows are which part; a fit of all rows only tells what the target is. */
static bool split(soma_context *ctx, const json_t *f, soma_table *t, const soma_columns_opts *columns, int64_t **rows, int64_t *n) {
    static const soma_split_kind kinds[] = {SOMA_SPLIT_STRATIFIED, SOMA_SPLIT_RANDOM, SOMA_SPLIT_STRATIFIED, SOMA_SPLIT_GROUP, SOMA_SPLIT_TIME};
    int kind = choice(f, "split");
    char target[600] = "";
    soma_split_opts o = {.kind = kinds[kind],
                         .column = given(f, "by"),
                         .test = SOMA_SET(soma__get(f, "test")),
                         .folds = soma__get_int(f, "folds"),
                         .fold = soma__get_int(f, "fold"),
                         .seed = (uint64_t)soma__get_int(f, "seed")};
    if (o.folds == 1 || (o.folds < 2 && o.fold))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "folds is %lld, fold %lld: 2 folds or more are wanted", (long long)o.folds,
                                (long long)o.fold),
               false;
    if (o.column && kind < 3) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "by goes with split: group, or split: time"), false;
    if (!o.column && o.kind == SOMA_SPLIT_GROUP)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "split: group wants by: the column of the groups"), false;
    if (o.kind == SOMA_SPLIT_STRATIFIED) {
        soma_scope *scope = soma_scope_open(ctx);
        soma_columns_opts all = *columns;
        all.missing = SOMA_MISSING_MEAN; /* what is missing is told when the training part is fitted */
        const soma_columns_info *info = soma_columns_about(soma_columns_fit(ctx, t, NULL, 0, &all));
        if (info) snprintf(target, sizeof target, "%s", info->target.name);
        if (info && info->task == SOMA_TASK_VALUE && !kind) o.kind = SOMA_SPLIT_RANDOM;
        else o.column = target;
        if (scope) soma_scope_close(scope);
    }
    return soma_error_status(ctx) == SOMA_OK && soma_table_split(t, &rows[0], &n[0], &rows[1], &n[1], &o) == SOMA_OK;
}

bool soma__table_data(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test) {
    soma_table *t = open_table(ctx, f, folder, "path"), *other = t;
    soma_columns_opts o = columns_opts(ctx, f);
    int64_t *rows[2] = {NULL, NULL}, n[2] = {0, 0};
    if (!t || !o.ignore) return false;
    if (given(f, "test_path") && soma__get_int(f, "folds"))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "folds part the one file: they do not go with test_path"), false;
    if (given(f, "test_path")) {
        if (!(other = open_table(ctx, f, folder, "test_path"))) return false;
    } else if (!split(ctx, f, t, &o, rows, n)) return false;
    soma_columns *c = soma_columns_fit(ctx, t, rows[0], n[0], &o);
    if (train && !(*train = soma_table_dataset(t, c, rows[0], n[0]))) return false;
    return c && (!test || (*test = soma_table_dataset(other, c, rows[1], n[1])));
}

static json_t *feature_json(const soma_feature *f, int64_t place) {
    json_t *categories = json_array();
    for (int64_t i = 0; categories && i < f->n_categories; i++)
        if (json_array_append_new(categories, json_string(f->categories[i])) != 0) json_decref(categories), categories = NULL;
    return json_pack("{s:s, s:I, s:s, s:f, s:f, s:f, s:b, s:I, s:o}", "name", f->name, "place", (json_int_t)place, "type",
                     soma_column_type_name(f->type), "center", f->center, "factor", f->factor, "fill", f->fill, "flag", f->flag != 0, "embed",
                     (json_int_t)f->embed, "categories", categories);
}

json_t *soma__columns_json(const soma_columns *c) {
    const soma_columns_info *info = soma_columns_about(c);
    json_t *features = json_array(), *target = info->task ? feature_json(&info->target, info->target_place) : json_null();
    const char decimal[2] = {info->decimal, 0};
    for (int64_t i = 0; features && i < info->n_features; i++)
        if (json_array_append_new(features, feature_json(&info->features[i], info->places[i])) != 0) json_decref(features), features = NULL;
    return json_pack("{s:o, s:o, s:b, s:I, s:I, s:I, s:s}", "features", features, "target", target, "header", info->header != 0, "width",
                     (json_int_t)info->width, "missing", (json_int_t)info->missing, "task", (json_int_t)info->task, "decimal", decimal);
}

static bool read_feature(soma_context *ctx, const json_t *v, soma_feature *f, int64_t *place) {
    const json_t *categories = json_object_get(v, "categories");
    const char *type = soma__get_text(v, "type");
    size_t n = json_array_size(categories);
    const char **list = soma_scope_memory(ctx, (n + 1) * sizeof *list);
    if (!list) return false;
    for (size_t i = 0; i < n; i++) list[i] = json_string_value(json_array_get(categories, i));
    *f = (soma_feature){.name = soma__get_text(v, "name"),
                        .center = soma__get(v, "center"),
                        .factor = soma__get(v, "factor"),
                        .fill = soma__get(v, "fill"),
                        .flag = soma__get_truth(v, "flag"),
                        .embed = soma__get_int(v, "embed"),
                        .categories = list,
                        .n_categories = (int64_t)n};
    for (int k = SOMA_COLUMN_NUMBER; type && k <= SOMA_COLUMN_CATEGORY; k++)
        if (strcmp(type, soma_column_type_name((soma_column_type)k)) == 0) f->type = (soma_column_type)k;
    *place = soma__get_int(v, "place");
    return true;
}

soma_columns *soma__columns_read(soma_context *ctx, const json_t *v) {
    const json_t *list = json_object_get(v, "features");
    const char *decimal = soma__get_text(v, "decimal");
    size_t n = json_array_size(list);
    soma_feature *features = soma_scope_memory(ctx, (n + 1) * sizeof *features);
    int64_t *places = soma_scope_memory(ctx, (n + 1) * sizeof *places);
    soma_columns_info info = {.features = features,
                              .n_features = (int64_t)n,
                              .header = soma__get_truth(v, "header"),
                              .places = places,
                              .width = soma__get_int(v, "width"),
                              .missing = (soma_missing)soma__get_int(v, "missing"),
                              .task = (soma_task)soma__get_int(v, "task"),
                              .decimal = decimal ? *decimal : 0};
    if (!features || !places) return NULL;
    for (size_t i = 0; i < n; i++)
        if (!read_feature(ctx, json_array_get(list, i), &features[i], &places[i])) return NULL;
    if (!read_feature(ctx, json_object_get(v, "target"), &info.target, &info.target_place)) return NULL;
    return soma_columns_new(ctx, &info);
}

/* The module that embeds. */
typedef struct embedder {
    const soma_columns *columns;
    soma_module **embeddings;
} embedder;

static soma_tensor *embed(void *user, soma_module *self, soma_tensor *x) {
    const embedder *e = user;
    const soma_columns_info *info = soma_columns_about(e->columns);
    soma_tensor **parts = soma_scope_memory(soma_module_context(self), (size_t)(2 * info->n_features + 1) * sizeof *parts);
    int64_t at = 0, plain = 0; /* of x, from plain to at, nothing is embedded */
    size_t n = 0, k = 0;
    for (int64_t i = 0; parts && i < info->n_features; i++) {
        const soma_feature *f = &info->features[i];
        bool embedded = f->type == SOMA_COLUMN_CATEGORY && f->embed;
        if (embedded) {
            if (at > plain) parts[n++] = soma_slice(x, 1, plain, at, 1);
            parts[n++] = soma_forward(e->embeddings[k++], soma_to(soma_select(x, 1, at), SOMA_I64));
            plain = at + 1;
        }
        at += (f->type != SOMA_COLUMN_CATEGORY || f->embed ? 1 : f->n_categories) + (f->flag != 0);
    }
    if (parts && at > plain) parts[n++] = soma_slice(x, 1, plain, at, 1);
    return parts ? soma_cat(parts, n, 1) : NULL;
}

static soma_tensor *in_turn(void *user, soma_module *self, soma_tensor *x) {
    soma_module **two = user;
    return (void)self, soma_forward(two[1], soma_forward(two[0], x));
}

soma_module *soma__columns_module(soma_context *ctx, const soma_columns *c, soma_module *layers) {
    const soma_columns_info *info = soma_columns_about(c);
    embedder *e = soma_scope_memory(ctx, sizeof *e);
    soma_module **two = soma_scope_memory(ctx, 2 * sizeof *two);
    if (!e || !two || !layers || !(e->embeddings = soma_scope_memory(ctx, (size_t)info->n_features * sizeof *e->embeddings))) return NULL;
    e->columns = c;
    two[0] = soma_nn_module(ctx, "columns", embed, e), two[1] = layers;
    size_t n = 0;
    for (int64_t i = 0; two[0] && i < info->n_features; i++) {
        const soma_feature *f = &info->features[i];
        char name[24];
        if (f->type != SOMA_COLUMN_CATEGORY || !f->embed) continue;
        snprintf(name, sizeof name, "%zu", n);
        e->embeddings[n] =
            soma_nn_embedding(ctx, f->n_categories + 1, f->embed, &(soma_embedding_opts){.padding_idx = SOMA_SET((double)f->n_categories)});
        /* the last row is another word: zeros */
        if (soma_module_add_child(two[0], name, e->embeddings[n++]) != SOMA_OK) return NULL;
    }
    soma_module *m = soma_nn_module(ctx, "model", in_turn, two);
    return m && soma_module_add_child(m, "columns", two[0]) == SOMA_OK && soma_module_add_child(m, "layers", layers) == SOMA_OK ? m : NULL;
}
