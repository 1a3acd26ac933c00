/* Recipes: reading the sections, and making what they name. */
#include "train/pictures.h"
#include "train/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS_MOST 10000

static void release(void *arg) {
    soma_recipe *r = arg;
    soma__item *one[] = {&r->data, &r->loss, &r->optim, &r->schedule, &r->train};
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) json_decref(one[i]->fields);
    for (size_t i = 0; i < r->n_layers; i++) json_decref(r->layers[i].fields);
    json_decref(r->root);
    json_decref(r->blocks);
}

static void read_data(soma_recipe *r, json_t *value) {
    const char *word = json_string_value(json_object_get(value, "kind"));
    if (!json_is_object(value) || !json_object_get(value, "kind")) {
        soma__item_read(r, &soma__datas, "/data", value, &r->data);
        return;
    }
    const soma__kind *kind = word ? soma__kind_find(&soma__datas, word) : NULL;
    if (kind) {
        soma__fields_read(r, kind, "/data", value, "kind", &r->data);
        return;
    }
    soma__item none;
    if (word) soma__item_read(r, &soma__datas, "/data/kind", json_object_get(value, "kind"), &none); /* says what there is */
    else soma__problem(r, "/data/kind", "kind must be a word");
}

static void read_layers(soma_recipe *r, json_t *value) {
    size_t n = json_is_array(value) ? json_array_size(value) : 0;
    if (!n || n > LAYERS_MOST) {
        soma__problem(r, "/model", n ? "more than 10000 layers" : "model must be a list of layers, at least one");
        return;
    }
    int64_t layers = 0;
    r->layers = soma_scope_memory_in(r->scope, n * sizeof *r->layers);
    for (size_t i = 0; r->layers && i < n; i++) {
        char where[64];
        snprintf(where, sizeof where, "/model/%zu", i);
        soma__item_read(r, &soma__layers, where, json_array_get(value, i), &r->layers[i]);
        r->n_layers = i + 1;
        if (soma_error_status(r->ctx) != SOMA_OK || !r->layers[i].kind || r->problems.count) continue;
        json_t *one = json_array();
        if (one && json_array_append_new(one, soma__item_json(&r->layers[i])) == 0 && (layers += soma__list_size(one, LAYERS_MOST)) > LAYERS_MOST)
            soma__problem(r, where, "with this there are more than 10000 layers");
        json_decref(one);
    }
}

/* A section that has a default. */
static void read_word(soma_recipe *r, const soma__kinds *kinds, const char *where, json_t *value, const char *otherwise, soma__item *out) {
    json_t *word = value ? NULL : json_string(otherwise);
    if (value || word) soma__item_read(r, kinds, where, value ? value : word, out);
    else soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "out of memory");
    json_decref(word);
}

static const char *section_name(const void *list, size_t i) { return ((const char *const *)list)[i]; }

static void read_sections(soma_recipe *r, bool whole) {
    static const char *const sections[] = {"data", "model", "loss", "optimizer", "schedule", "train", NULL};
    const char *key;
    json_t *v, *root = r->root;
    if (!json_is_object(root)) {
        soma__problem(r, "/", "a recipe is a map of data, model, loss, optimizer, schedule and train");
        return;
    }
    json_object_foreach(root, key, v) {
        bool known = false;
        char where[300];
        for (int i = 0; sections[i]; i++) known |= strcmp(key, sections[i]) == 0;
        if (known) continue;
        const char *near = soma__nearest(key, section_name, sections);
        snprintf(where, sizeof where, "/%.250s", key);
        if (near) soma__problem(r, where, "a recipe has no '%s'; did you mean '%s'?", key, near);
        else soma__problem(r, where, "a recipe has no '%s'; there are data, model, loss, optimizer, schedule and train", key);
    }
    if (json_object_get(root, "data")) read_data(r, json_object_get(root, "data"));
    else if (whole) soma__problem(r, "/", "data is missing, as in data: {kind: table, path: iris.csv}");
    if (json_object_get(root, "model")) read_layers(r, json_object_get(root, "model"));
    else soma__problem(r, "/", "model is missing, as in model: [flatten, {linear: 128}, relu, {linear: 10}]");
    r->loss_given = json_object_get(root, "loss");
    read_word(r, &soma__losses, "/loss", json_object_get(root, "loss"), "cross_entropy", &r->loss);
    read_word(r, &soma__optims, "/optimizer", json_object_get(root, "optimizer"), "adam", &r->optim);
    read_word(r, &soma__schedules, "/schedule", json_object_get(root, "schedule"), "none", &r->schedule);
    soma__fields_read(r, &soma__trains.rows[0], "/train", json_object_get(root, "train"), NULL, &r->train);
}

static soma_recipe *read(soma_context *ctx, const char *json, size_t bytes, bool whole) {
    soma_recipe *r = soma_scope_memory(ctx, sizeof *r);
    if (!r) return NULL;
    if (!json) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "recipe_read: the text is NULL"), NULL;
    r->ctx = ctx;
    r->scope = soma_scope_innermost(ctx);
    if (soma_scope_defer(ctx, release, r) != SOMA_OK) return NULL;
    json_error_t e;
    r->root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!r->root) {
        bool memory = json_error_code(&e) == json_error_out_of_memory || !e.text[0];
        soma_error_raise(ctx, memory ? SOMA_ERROR_MEMORY : SOMA_ERROR_FORMAT, "recipe: line %d, column %d: %s", e.line, e.column, e.text);
        return NULL;
    }
    read_sections(r, whole);
    return soma_error_status(ctx) == SOMA_OK ? r : NULL;
}

soma_recipe *soma_recipe_read(soma_context *ctx, const char *json, size_t bytes) { return read(ctx, json, bytes, true); }
soma_recipe *soma__recipe_of_model(soma_context *ctx, const char *json, size_t bytes) { return read(ctx, json, bytes, false); }

size_t soma_recipe_problem_count(const soma_recipe *r) { return r ? r->problems.count : 0; }

soma_status soma_recipe_problem(const soma_recipe *r, size_t i, soma_problem *out) {
    if (!r || !out) return SOMA_ERROR_ARGUMENT;
    if (i >= r->problems.count) return SOMA_ERROR_RANGE;
    *out = r->problems.list[i];
    return SOMA_OK;
}

/* False with the first problem raised. */
static bool sound(soma_recipe *r) {
    if (!r || soma_error_status(r->ctx) != SOMA_OK) return false;
    if (r->problems.count) soma__problem_raise(r, 0, SOMA_ERROR_FORMAT);
    return !r->problems.count;
}

const char *soma_recipe_text(soma_recipe *r) {
    if (!sound(r)) return NULL;
    if (r->text) return r->text;
    if (!r->data.kind) return soma_error_raise(r->ctx, SOMA_ERROR_STATE, "recipe: a model file's recipe is not whole"), NULL;
    json_t *root = json_object(), *layers = json_array(), *data = json_object();
    bool fine = root && layers && data && json_object_set_new(data, "kind", json_string(r->data.kind->name)) == 0;
    for (size_t i = 0; fine && i < r->data.kind->n_fields; i++)
        fine = json_object_set(data, r->data.kind->fields[i].key, json_object_get(r->data.fields, r->data.kind->fields[i].key)) == 0;
    for (size_t i = 0; fine && i < r->n_layers; i++) fine = json_array_append_new(layers, soma__item_json(&r->layers[i])) == 0;
    json_t *train = json_object();
    for (size_t i = 0; fine && train && i < r->train.kind->n_fields; i++)
        fine = json_object_set(train, r->train.kind->fields[i].key, json_object_get(r->train.fields, r->train.kind->fields[i].key)) == 0;
    fine = json_object_set_new(root, "data", data) == 0 && fine;
    fine = json_object_set_new(root, "model", layers) == 0 && fine;
    fine = json_object_set_new(root, "loss", soma__item_json(&r->loss)) == 0 && fine;
    fine = json_object_set_new(root, "optimizer", soma__item_json(&r->optim)) == 0 && fine;
    fine = json_object_set_new(root, "schedule", soma__item_json(&r->schedule)) == 0 && fine;
    fine = json_object_set_new(root, "train", train) == 0 && fine;
    r->text = soma__json_text(r->ctx, r->scope, fine ? root : NULL, JSON_COMPACT);
    json_decref(root);
    return r->text;
}

static const soma__item *section(const soma_recipe *r, const char *name) {
    const struct {
        const char *name;
        const soma__item *item;
    } all[] = {{"data", &r->data}, {"loss", &r->loss}, {"optimizer", &r->optim}, {"schedule", &r->schedule}, {"train", &r->train}};
    for (size_t i = 0; name && i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) return all[i].item;
    return NULL;
}

soma_status soma_recipe_number(const soma_recipe *r, const char *name, const char *key, double *out) {
    const soma__item *i = r && key ? section(r, name) : NULL;
    const json_t *v = i ? json_object_get(i->fields, key) : NULL;
    if (!out || !(json_is_number(v) || json_is_boolean(v))) return SOMA_ERROR_ARGUMENT;
    *out = json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
    return SOMA_OK;
}

const char *soma_recipe_word(const soma_recipe *r, const char *name, const char *key) {
    const soma__item *i = r ? section(r, name) : NULL;
    return !i || !i->kind ? NULL : !key ? i->kind->name : json_string_value(json_object_get(i->fields, key));
}

/* A loss that nobody chose fits the data. */
static void settle_loss(soma_recipe *r, const soma_dataset *d) {
    if (r->loss_given || !d || soma_dataset_is_valued(d) == (r->loss.kind->answer == SOMA__VALUES)) return;
    soma__item fitting = {0};
    read_word(r, &soma__losses, "/loss", NULL, soma_dataset_is_valued(d) ? "mse_loss" : "cross_entropy", &fitting);
    if (soma_error_status(r->ctx) != SOMA_OK) {
        json_decref(fitting.fields);
        return;
    }
    json_decref(r->loss.fields);
    r->loss = fitting;
    r->text = NULL;
}

soma_status soma_recipe_data(soma_recipe *r, const char *folder, soma_dataset **train, soma_dataset **test) {
    if (train) *train = NULL;
    if (test) *test = NULL;
    if (!sound(r)) return r ? soma_error_status(r->ctx) : SOMA_ERROR_ARGUMENT;
    if (!r->data.kind) return soma_error_raise(r->ctx, SOMA_ERROR_STATE, "recipe: a model file's recipe has no data");
    if (!train && !test) return SOMA_OK;
    soma_dataset *learned = NULL, **from = train || !soma__wants_train(r->data.fields) ? train : &learned;
    if (r->data.kind->data(r->ctx, r->data.fields, folder, from, test) && soma__prepare_pictures(r->ctx, r->data.fields, from, test))
        settle_loss(r, train ? *train : test ? *test : NULL);
    else if (soma_error_status(r->ctx) == SOMA_ERROR_ARGUMENT) soma__problem_here(r, "/data");
    return soma_error_status(r->ctx);
}

/* Moves a sample's shape through layer i; false with the problem noted and raised. */
static bool through(soma_recipe *r, size_t i, int64_t *shape, int64_t *ndim) {
    char why[300], where[64];
    if (soma__layer_shape(r->layers[i].kind, r->layers[i].fields, shape, ndim, why, sizeof why)) return true;
    snprintf(where, sizeof where, "/model/%zu", i);
    soma__problem(r, where, "%s: %s", r->layers[i].kind->name, why);
    if (soma_error_status(r->ctx) == SOMA_OK) soma__problem_raise(r, r->problems.count - 1, SOMA_ERROR_SHAPE);
    return false;
}

static bool start(soma_recipe *r, const int64_t *shape, int64_t ndim, int64_t *now) {
    if (!sound(r)) return false;
    bool fits = ndim >= 0 && ndim < SOMA_MAX_DIMS && (shape || !ndim);
    for (int64_t d = 0; fits && d < ndim; d++) fits = (now[d] = shape[d]) > 0;
    if (!fits) soma_error_raise(r->ctx, SOMA_ERROR_SHAPE, "recipe: a sample needs up to 7 dimensions with sizes of 1 or more");
    return fits;
}

/* Does a layer take a sample of this shape? Settings that do not go together are told by its forward function; false with the problem noted and
 * raised. In eval mode, so that nothing is drawn. */
static bool takes(soma_recipe *r, size_t i, soma_module *layer, const int64_t *in, int64_t ndim) {
    int64_t shape[SOMA_MAX_DIMS] = {1};
    char where[64];
    memcpy(shape + 1, in, (size_t)ndim * sizeof *in);
    soma_scope *scope = soma_scope_open(r->ctx);
    soma_module_train(layer, false);
    soma_forward(layer, soma_zeros(r->ctx, SOMA_F32, shape, ndim + 1));
    soma_module_train(layer, true);
    if (scope) soma_scope_close(scope);
    snprintf(where, sizeof where, "/model/%zu", i);
    return soma__problem_here(r, where) == SOMA_OK;
}

soma_module *soma_recipe_model(soma_recipe *r, const int64_t *shape, int64_t ndim) {
    int64_t now[SOMA_MAX_DIMS] = {0};
    if (!r || !start(r, shape, ndim, now)) return NULL;
    soma_module **parts = soma_scope_memory(r->ctx, r->n_layers * sizeof *parts);
    soma__builder b = {.ctx = r->ctx};
    for (size_t i = 0; i < r->n_layers; i++) {
        int64_t in[SOMA_MAX_DIMS], in_ndim = ndim;
        memcpy(in, now, sizeof in);
        if (!through(r, i, now, &ndim)) return NULL;
        if (!parts) return NULL;
        if (!(parts[i] = r->layers[i].kind->build(&b, r->layers[i].fields, in, in_ndim))) {
            char where[64];
            snprintf(where, sizeof where, "/model/%zu", i);
            soma__problem_here(r, where);
            return NULL;
        }
        if (!takes(r, i, parts[i], in, in_ndim)) return NULL;
    }
    return soma_nn_sequential(r->ctx, parts, r->n_layers);
}

soma_optim *soma_recipe_optim(soma_recipe *r, soma_module *model) {
    soma_tensor *const *params;
    size_t n;
    if (!sound(r) || !model || soma_module_parameters(model, &params, &n) != SOMA_OK) return NULL;
    return r->optim.kind->optim(r->ctx, r->optim.fields, params, n);
}

soma_tensor *soma_recipe_loss(soma_recipe *r, soma_tensor *output, soma_tensor *target) { return soma__recipe_loss(r, output, target, NULL); }
soma_tensor *soma__recipe_loss(soma_recipe *r, soma_tensor *output, soma_tensor *target, soma_tensor *weight) {
    return sound(r) ? r->loss.kind->loss(r->loss.fields, output, target, weight) : NULL;
}

size_t soma_recipe_layer_count(const soma_recipe *r) { return r ? r->n_layers : 0; }

soma_status soma_recipe_layers(soma_recipe *r, const int64_t *shape, int64_t ndim, soma_layer_info *out) {
    int64_t now[SOMA_MAX_DIMS] = {0};
    if (!r || !out) return SOMA_ERROR_ARGUMENT;
    if (!start(r, shape, ndim, now)) return soma_error_status(r->ctx);
    for (size_t i = 0; i < r->n_layers; i++) {
        int64_t in[SOMA_MAX_DIMS], in_ndim = ndim;
        memcpy(in, now, sizeof in);
        if (!through(r, i, now, &ndim)) return soma_error_status(r->ctx);
        out[i] = (soma_layer_info){.kind = r->layers[i].kind->name, .ndim = ndim};
        memcpy(out[i].shape, now, sizeof now);
        bool again = false; /* a block's weights count once */
        for (size_t k = 0; k < i && strcmp(r->layers[i].kind->name, "block") == 0; k++)
            again |= r->layers[k].kind == r->layers[i].kind &&
                     strcmp(soma__get_text(r->layers[k].fields, "name"), soma__get_text(r->layers[i].fields, "name")) == 0;
        if (r->layers[i].kind->count) r->layers[i].kind->count(r->layers[i].fields, in, in_ndim, &out[i].parameters, &out[i].multiply_adds);
        if (again) out[i].parameters = 0;
    }
    return SOMA_OK;
}
