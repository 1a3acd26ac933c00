/* Models: made by a recipe, saved and loaded, shared, and run. The file is a safetensors file with the weights under PyTorch's names; the text "soma"
 * of its metadata says the rest: layers, loss, a sample's shape, the scale of inputs. */
#include "soma/archive.h"
#include "soma/state.h"
#include "train/model.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 256 /* samples run at once, at most */

static soma_model *begin(soma_context *ctx) {
    soma_model *m = soma_scope_memory(ctx, sizeof *m);
    if (m) m->ctx = ctx, m->scope = soma_scope_innermost(ctx);
    return m;
}

static bool capture(soma_model *m);

/* Layers for the shape that is set, and programs that run them. */
static bool build(soma_model *m) {
    size_t n = soma_recipe_layer_count(m->recipe);
    soma_layer_info *info = n ? soma_scope_memory(m->ctx, n * sizeof *info) : NULL;
    if (!info || soma_recipe_layers(m->recipe, m->shape, m->ndim, info) != SOMA_OK) return false;
    if (info[n - 1].ndim != 1) {
        soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "recipe: the last layer gives %lld dimensions; one, the classes, is wanted",
                         (long long)info[n - 1].ndim);
        return false;
    }
    m->outputs = info[n - 1].shape[0];
    m->features = 1;
    for (int64_t d = 0; d < m->ndim; d++) m->features *= m->shape[d];
    m->module = soma_recipe_model(m->recipe, m->shape, m->ndim);
    return m->module && capture(m);
}

soma_status soma_model_new(soma_recipe *r, const soma_dataset *data, soma_model **out) {
    if (!out) return SOMA_ERROR_ARGUMENT;
    *out = NULL;
    if (!r || !data) return SOMA_ERROR_ARGUMENT;
    soma_model *m = begin(r->ctx);
    const int64_t *shape;
    if (!m || soma_dataset_shape(data, &shape, &m->ndim) != SOMA_OK) return soma_error_status(r->ctx);
    memcpy(m->shape, shape, (size_t)m->ndim * sizeof *shape);
    m->recipe = r;
    m->scale = soma_dataset_scale(data);
    if (build(m)) *out = m;
    return soma_error_status(r->ctx);
}

/* {"input": [28, 28], "loss": ..., "model": [...], "scale": ...}: what defines the model's results. */
static char *describe(soma_context *ctx, const soma_model *m) {
    json_t *input = json_array(), *layers = json_array(), *root = json_object();
    bool fine = input && layers && root;
    for (int64_t d = 0; fine && d < m->ndim; d++) fine = json_array_append_new(input, json_integer(m->shape[d])) == 0;
    for (size_t i = 0; fine && i < m->recipe->n_layers; i++) fine = json_array_append_new(layers, soma__item_json(&m->recipe->layers[i])) == 0;
    fine = json_object_set_new(root, "input", input) == 0 && fine;
    fine = json_object_set_new(root, "model", layers) == 0 && fine;
    fine = json_object_set_new(root, "loss", soma__item_json(&m->recipe->loss)) == 0 && fine;
    fine = json_object_set_new(root, "scale", json_real(m->scale)) == 0 && fine;
    char *text = soma__json_text(ctx, soma_scope_innermost(ctx), fine ? root : NULL, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    return text;
}

soma_status soma_model_save(soma_model *m, const char *path) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    soma_scope *scope = soma_scope_open(m->ctx);
    soma_archive *a = soma_archive_new(m->ctx);
    soma_state *s = soma_state_new(m->ctx);
    char *text = a && s ? describe(m->ctx, m) : NULL;
    if (text && soma_archive_put_text(a, "format", "pt") == SOMA_OK && soma_archive_put_text(a, "soma", text) == SOMA_OK &&
        soma_state_add_module(s, "", m->module) == SOMA_OK && soma_state_put(s, a) == SOMA_OK)
        soma_archive_write(a, path);
    soma_scope_close(scope);
    return soma_error_status(m->ctx);
}

static bool no_model(soma_context *ctx, const char *name, const char *why) {
    soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: no model file of soma: %s", name, why);
    return false;
}

/* Reads the description into the model's recipe, shape and scale. */
static bool read_description(soma_model *m, const char *name, const char *text) {
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *input = json_object_get(root, "input"), *scale = json_object_get(root, "scale");
    bool fine = json_is_object(root) && json_is_array(input) && json_array_size(input) < SOMA_MAX_DIMS && json_is_number(scale);
    m->ndim = fine ? (int64_t)json_array_size(input) : 0;
    for (int64_t d = 0; fine && d < m->ndim; d++) {
        m->shape[d] = json_integer_value(json_array_get(input, (size_t)d));
        fine = m->shape[d] > 0 && m->shape[d] < (int64_t)1 << 40;
    }
    m->scale = json_number_value(scale);
    char *recipe = NULL;
    if (fine) {
        json_object_del(root, "input"), json_object_del(root, "scale");
        recipe = soma__json_text(m->ctx, m->scope, root, JSON_COMPACT);
    }
    json_decref(root);
    if (!fine) return no_model(m->ctx, name, "its description lacks a shape or a scale");
    m->recipe = recipe ? soma__recipe_of_model(m->ctx, recipe, strlen(recipe)) : NULL;
    if (m->recipe && m->recipe->problems.count) return no_model(m->ctx, name, m->recipe->problems.list[0].sentence);
    return m->recipe != NULL;
}

static soma_status load(soma_context *ctx, soma_archive *a, const char *name, soma_model **out) {
    if (!a) return soma_error_status(ctx);
    const char *text = soma_archive_text(a, "soma");
    soma_model *m = begin(ctx);
    if (!m) return soma_error_status(ctx);
    if (!text) return no_model(ctx, name, "it has weights, but no description of layers (the text 'soma' of its metadata)"), soma_error_status(ctx);
    if (!read_description(m, name, text) || !build(m)) return soma_error_status(ctx);
    soma_state *s = soma_state_new(ctx);
    if (!s || soma_state_add_module(s, "", m->module) != SOMA_OK || soma_state_take(s, a, false) != SOMA_OK) return soma_error_status(ctx);
    soma_module_train(m->module, false);
    *out = m;
    return SOMA_OK;
}

soma_status soma_model_load(soma_context *ctx, const char *path, soma_model **out) {
    if (!out) return SOMA_ERROR_ARGUMENT;
    *out = NULL;
    return ctx ? load(ctx, soma_archive_open(ctx, path), path, out) : SOMA_ERROR_ARGUMENT;
}

soma_status soma_model_from_memory(soma_context *ctx, const void *data, size_t bytes, soma_model **out) {
    if (!out) return SOMA_ERROR_ARGUMENT;
    *out = NULL;
    return ctx ? load(ctx, soma_archive_from_memory(ctx, data, bytes), "memory", out) : SOMA_ERROR_ARGUMENT;
}

soma_status soma_model_share(soma_context *ctx, soma_model *m, soma_model **out) {
    if (!out) return SOMA_ERROR_ARGUMENT;
    *out = NULL;
    if (!ctx || !m) return SOMA_ERROR_ARGUMENT;
    soma_model *other = begin(ctx);
    char *text = other ? describe(ctx, m) : NULL;
    bool fine = text && read_description(other, "model_share", text) && build(other) && soma_eval(ctx) == SOMA_OK;
    for (size_t i = 0; fine && i < soma_module_state_count(m->module); i++) {
        char key[512];
        soma_tensor *mine, *its;
        fine = soma_module_state(m->module, i, key, sizeof key, &its) == SOMA_OK &&
               soma_module_state(other->module, i, key, sizeof key, &mine) == SOMA_OK &&
               (!soma_tensor_requires_grad(mine) || soma_requires_grad(mine, false) == SOMA_OK) && soma_variable_share(mine, its) == SOMA_OK;
    }
    if (!fine) return soma_error_status(ctx);
    soma_module_train(other->module, false);
    *out = other;
    return SOMA_OK;
}

soma_status soma_model_input(const soma_model *m, const int64_t **shape, int64_t *ndim) {
    if (!m || !shape || !ndim) return SOMA_ERROR_ARGUMENT;
    *shape = m->shape;
    *ndim = m->ndim;
    return SOMA_OK;
}
int64_t soma_model_outputs(const soma_model *m) { return m ? m->outputs : 0; }
soma_module *soma_model_module(soma_model *m) { return m ? m->module : NULL; }
soma_recipe *soma_model_recipe(soma_model *m) { return m ? m->recipe : NULL; }

/* Probabilities of a chunk of raw inputs. */
static soma_status predict_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    soma_model *m = user;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    out[0] = soma_softmax(soma_forward(m->module, soma_mul_scalar(in[0], m->scale)), 1);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

/* The rows' losses and places of the largest output, of a chunk that is scaled already. */
static soma_status evaluate_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    soma_model *m = user;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    soma_tensor *y = soma_forward(m->module, in[0]);
    out[0] = soma_recipe_loss(m->recipe, y, in[1]);
    out[1] = soma_argmax(y, 1, false);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

static soma_slot input_slot(const soma_model *m) {
    soma_slot s = {.shape = {CHUNK}, .ndim = m->ndim + 1};
    memcpy(s.shape + 1, m->shape, (size_t)m->ndim * sizeof *m->shape);
    return s;
}

/* Both programs; they are recorded when they first run. */
static bool capture(soma_model *m) {
    const soma_slot slots[2] = {input_slot(m), {{CHUNK}, 1, SOMA_I64}};
    const soma_capture_opts o = {.max_shapes = 16};
    m->predict = soma_capture(m->ctx, predict_body, m, slots, 1, 1, &o);
    m->evaluate = soma_capture(m->ctx, evaluate_body, m, slots, 2, 2, &o);
    return m->predict && m->evaluate;
}

/* The largest power of two that is at most n and a chunk: few sizes, so few programs. */
static int64_t chunk_of(int64_t n) {
    int64_t c = CHUNK;
    while (c > n) c /= 2;
    return c;
}

soma_status soma_model_predict(soma_model *m, const float *inputs, int64_t count, float *outputs) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (count < 0 || (count && (!inputs || !outputs)))
        return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "model_predict: inputs, outputs and a count of 0 or more are wanted");
    bool training = soma_module_is_training(m->module);
    if (training) soma_module_train(m->module, false);
    for (int64_t at = 0, n; at < count; at += n) {
        const void *y;
        n = chunk_of(count - at);
        soma_slot slot = input_slot(m);
        slot.shape[0] = n;
        if (soma_error_status(m->ctx) != SOMA_OK || soma_program_bind(m->predict, 0, inputs + at * m->features, slot.shape) != SOMA_OK ||
            soma_program_run(m->predict) != SOMA_OK || soma_program_output(m->predict, 0, &y, NULL) != SOMA_OK)
            break;
        memcpy(outputs + at * m->outputs, y, (size_t)(n * m->outputs) * sizeof *outputs);
    }
    if (training) soma_module_train(m->module, true);
    return soma_error_status(m->ctx);
}

soma_status soma_model_predict_bytes(soma_model *m, const uint8_t *inputs, int64_t count, float *outputs) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (count < 0 || (count && (!inputs || !outputs)))
        return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "model_predict_bytes: inputs, outputs and a count of 0 or more are wanted");
    soma_scope *scope = soma_scope_open(m->ctx);
    float *x = soma_scope_memory(m->ctx, (size_t)(CHUNK * m->features) * sizeof *x);
    for (int64_t at = 0, n; x && at < count; at += n) {
        n = chunk_of(count - at);
        for (int64_t k = 0; k < n * m->features; k++) x[k] = (float)inputs[at * m->features + k];
        if (soma_model_predict(m, x, n, outputs + at * m->outputs) != SOMA_OK) break;
    }
    soma_scope_close(scope);
    return soma_error_status(m->ctx);
}

/* The sums over one batch. */
static bool count_batch(soma_model *m, const soma_batch *b, double *loss, int64_t *right) {
    soma_slot slot = input_slot(m);
    slot.shape[0] = b->count;
    double mean;
    const void *places;
    if (soma_program_bind(m->evaluate, 0, b->inputs, slot.shape) != SOMA_OK || soma_program_bind(m->evaluate, 1, b->targets, &b->count) != SOMA_OK ||
        soma_program_run(m->evaluate) != SOMA_OK || soma_program_item(m->evaluate, 0, &mean) != SOMA_OK ||
        soma_program_output(m->evaluate, 1, &places, NULL) != SOMA_OK)
        return false;
    *loss += mean * (double)b->count;
    for (int64_t i = 0; i < b->count; i++) *right += ((const int64_t *)places)[i] == b->targets[i];
    return true;
}

soma_status soma_model_evaluate(soma_model *m, soma_dataset *data, double *loss, double *accuracy) {
    if (!m || !data) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(m->ctx) != SOMA_OK) return soma_error_status(m->ctx);
    const int64_t *shape;
    int64_t ndim, right = 0, total = 0;
    double sum = 0;
    soma_dataset_shape(data, &shape, &ndim);
    bool fits = ndim == m->ndim;
    for (int64_t d = 0; fits && d < ndim; d++) fits = shape[d] == m->shape[d];
    if (!fits) return soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "evaluate: the data's samples have another shape than the model's");
    bool training = soma_module_is_training(m->module);
    if (training) soma_module_train(m->module, false);
    soma_scope *scope = soma_scope_open(m->ctx);
    soma_loader *l = scope ? soma_loader_new(m->ctx, data, CHUNK, NULL) : NULL;
    soma_batch b;
    for (; soma_loader_next(l, &b) && count_batch(m, &b, &sum, &right);) total += b.count;
    if (scope) soma_scope_close(scope);
    if (training) soma_module_train(m->module, true);
    if (soma_error_status(m->ctx) != SOMA_OK) return soma_error_status(m->ctx);
    if (loss) *loss = sum / (double)total;
    if (accuracy) *accuracy = (double)right / (double)total;
    return SOMA_OK;
}
