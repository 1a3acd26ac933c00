/* Models: made by a recipe, saved and loaded, shared, and run. The file is a safetensors file with the weights under PyTorch's names; the text "soma"
 * of its metadata says the rest: layers, loss, a sample's shape, the scale of inputs. */
#include "soma/archive.h"
#include "soma/state.h"
#include "train/model.h"
#include "train/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 256 /* samples run at once, at most */

static soma_model *begin(soma_context *ctx) {
    soma_model *m = soma_scope_memory(ctx, sizeof *m);
    if (m) m->ctx = ctx, m->scope = soma_scope_innermost(ctx);
    return m;
}

static bool capture(soma_model *m);

static bool mistaken(soma_model *m, const char *where, const char *sentence) {
    soma__problem(m->recipe, where, "%s", sentence);
    soma__problem_raise(m->recipe, m->recipe->problems.count - 1, SOMA_ERROR_SHAPE);
    return false;
}

/* Is a word one of a list of words? */
static bool named_in(const char *word, const char *list) {
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ' ')) return true;
    return false;
}

/* Does the last layer give what the loss wants? */
static bool fits_loss(soma_model *m, const soma_layer_info *last) {
    const soma__kind *loss = m->recipe->loss.kind;
    char where[64], sentence[256];
    snprintf(where, sizeof where, "/model/%zu", m->recipe->n_layers - 1);
    if (last->ndim != 1) {
        snprintf(sentence, sizeof sentence, "the last layer gives %lld dimensions; one is wanted", (long long)last->ndim);
        return mistaken(m, where, sentence);
    }
    static const char blocks[] = "repeat block residual parallel"; /* what ends in them is not looked at */
    if (loss->wants && !named_in(last->kind, loss->wants) && !named_in(last->kind, blocks)) {
        snprintf(sentence, sizeof sentence, "%s wants %s as the last layer, not %s; %s takes scores", loss->name,
                 loss->answer == SOMA__BINARY ? "sigmoid" : "log_softmax", last->kind,
                 loss->answer == SOMA__BINARY ? "bce_with_logits" : "cross_entropy");
        return mistaken(m, where, sentence);
    }
    if (loss->outputs && last->shape[0] != loss->outputs) {
        snprintf(sentence, sizeof sentence, "the last layer gives %lld outputs, %s wants %lld", (long long)last->shape[0], loss->name,
                 (long long)loss->outputs);
        return mistaken(m, where, sentence);
    }
    m->outputs = loss->answer == SOMA__CLASSES ? last->shape[0] : loss->answer == SOMA__BINARY ? 2 : 1;
    return true;
}

/* Layers for the shape that is set, and programs that run them. */
static bool build(soma_model *m) {
    size_t n = soma_recipe_layer_count(m->recipe);
    bool embeds = m->columns && soma_columns_width(m->columns) != soma_columns_inputs(m->columns);
    int64_t width = soma_columns_width(m->columns);
    const int64_t *shape = embeds ? &width : m->shape;
    soma_layer_info *info = n ? soma_scope_memory(m->ctx, n * sizeof *info) : NULL;
    if (!info || soma_recipe_layers(m->recipe, shape, m->ndim, info) != SOMA_OK || !fits_loss(m, &info[n - 1])) return false;
    m->features = 1;
    for (int64_t d = 0; d < m->ndim; d++) m->features *= m->shape[d];
    if (m->n_class_weights) {
        soma_tensor *w = soma_from(m->ctx, m->class_weights, SOMA_F64, &m->n_class_weights, 1);
        m->weight = soma_to(w, SOMA_F32);
        if (!m->weight || soma_eval(m->ctx) != SOMA_OK) return false;
    }
    if (m->pictures && !soma__pictures_build(m->ctx, m->pictures)) return false;
    m->module = soma_recipe_model(m->recipe, shape, m->ndim);
    if (embeds) m->module = soma__columns_module(m->ctx, m->columns, m->module);
    return m->module && capture(m);
}

/* Factors that make all classes count alike, as scikit-learn's 'balanced'. */
static bool weigh_classes(soma_model *m, const soma_dataset *data) {
    int64_t n = soma_dataset_count(data), classes = soma_dataset_classes(data),
            *counts = soma_scope_memory(m->ctx, (size_t)(classes + 1) * sizeof *counts);
    m->class_weights = soma_scope_memory(m->ctx, (size_t)(classes + 1) * sizeof(double));
    if (!counts || !m->class_weights) return false;
    for (int64_t i = 0, c; i < n && soma_dataset_sample(data, i, NULL, &c) == SOMA_OK; i++) counts[c]++;
    for (int64_t c = 0; c < classes; c++) m->class_weights[c] = counts[c] ? (double)n / ((double)classes * (double)counts[c]) : 1;
    m->n_class_weights = classes;
    return true;
}

/* Does the loss fit the data's targets? */
static bool fits_data(soma_model *m, const soma_dataset *data) {
    const soma__kind *loss = m->recipe->loss.kind;
    bool valued = soma_dataset_is_valued(data);
    char sentence[256];
    if (valued != (loss->answer == SOMA__VALUES)) {
        snprintf(sentence, sizeof sentence, "%s is for %s, the data's targets are %s; %s", loss->name, valued ? "classes" : "numbers",
                 valued ? "numbers" : "classes", valued ? "mse_loss, l1_loss and huber_loss are for numbers" : "cross_entropy is for classes");
        return mistaken(m, "/loss", sentence);
    }
    if (loss->answer == SOMA__BINARY && soma_dataset_classes(data) > 2) {
        snprintf(sentence, sizeof sentence, "%s is for two classes, the data has %lld", loss->name, (long long)soma_dataset_classes(data));
        return mistaken(m, "/loss", sentence);
    }
    if (loss->plain && m->columns && soma_columns_about(m->columns)->target.factor != 1) {
        snprintf(sentence, sizeof sentence, "%s wants values as they are; scale_target: false, under data, leaves them so", loss->name);
        return mistaken(m, "/loss", sentence);
    }
    const char *weights = soma__get_text(m->recipe->loss.fields, "class_weights");
    return !weights || strcmp(weights, "balanced") != 0 || weigh_classes(m, data);
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
    m->columns = soma_dataset_columns(data);
    if (soma_dataset_pictures(data) && !(m->pictures = soma__pictures_new(r->ctx, data, r->data.fields))) return soma_error_status(r->ctx);
    if (fits_data(m, data) && build(m)) *out = m;
    return soma_error_status(r->ctx);
}

/* {"input": [28, 28], "loss": ..., "model": [...], "scale": ...}, and perhaps "table" and "class_weights": what defines the model's results. */
static char *describe(soma_context *ctx, const soma_model *m) {
    json_t *input = json_array(), *layers = json_array(), *root = json_object();
    bool fine = input && layers && root;
    for (int64_t d = 0; fine && d < m->ndim; d++) fine = json_array_append_new(input, json_integer(m->shape[d])) == 0;
    for (size_t i = 0; fine && i < m->recipe->n_layers; i++) fine = json_array_append_new(layers, soma__item_json(&m->recipe->layers[i])) == 0;
    fine = json_object_set_new(root, "input", input) == 0 && fine;
    fine = json_object_set_new(root, "model", layers) == 0 && fine;
    fine = json_object_set_new(root, "loss", soma__item_json(&m->recipe->loss)) == 0 && fine;
    fine = json_object_set_new(root, "scale", json_real(m->scale)) == 0 && fine;
    if (m->columns) fine = json_object_set_new(root, "table", soma__columns_json(m->columns)) == 0 && fine;
    if (m->pictures) fine = json_object_set_new(root, "pictures", soma__pictures_json(m->pictures)) == 0 && fine;
    json_t *weights = m->n_class_weights ? json_array() : NULL;
    for (int64_t i = 0; i < m->n_class_weights; i++) fine = json_array_append_new(weights, json_real(m->class_weights[i])) == 0 && fine;
    if (weights) fine = json_object_set_new(root, "class_weights", weights) == 0 && fine;
    char *text = soma__json_text(ctx, soma_scope_innermost(ctx), fine ? root : NULL, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    return text;
}

soma_status soma_model_save(soma_model *m, const char *path) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (m->folded)
        return soma_error_raise(
            m->ctx, SOMA_ERROR_STATE,
            "model_save: the model's batch norms are folded into other layers, which its recipe does not say; keep the unfolded file");
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

/* What a model of tables or pictures has more. */
static bool read_data(soma_model *m, json_t *root) {
    const json_t *table = json_object_get(root, "table"), *weights = json_object_get(root, "class_weights");
    size_t n = json_array_size(weights);
    if (table && !(m->columns = soma__columns_read(m->ctx, table))) return false;
    const json_t *pictures = json_object_get(root, "pictures");
    if (pictures && !(m->pictures = soma__pictures_read(m->ctx, pictures))) return false;
    if (n && !(m->class_weights = soma_scope_memory(m->ctx, n * sizeof(double)))) return false;
    for (size_t i = 0; i < n; i++) m->class_weights[i] = json_number_value(json_array_get(weights, i));
    m->n_class_weights = (int64_t)n;
    return true;
}

/* Do the description's parts agree? */
static bool agree(const soma_model *m) {
    const soma__kind *loss = m->recipe->loss.kind;
    const soma_columns_info *info = soma_columns_about(m->columns);
    const soma_picture_info *pictures = soma_model_pictures(m);
    if (pictures && (m->ndim < 2 || m->ndim > 3 || (m->ndim == 3 ? m->shape[0] : 1) != pictures->channels)) return false;
    if (!info) return true;
    return m->ndim == 1 && m->shape[0] == soma_columns_inputs(m->columns) &&
           info->task == (loss->answer == SOMA__VALUES ? SOMA_TASK_VALUE : SOMA_TASK_CLASSES);
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
        fine = read_data(m, root);
        json_object_del(root, "pictures"), json_object_del(root, "input"), json_object_del(root, "scale"), json_object_del(root, "table"),
            json_object_del(root, "class_weights");
        recipe = soma__json_text(m->ctx, m->scope, root, JSON_COMPACT);
    }
    json_decref(root);
    if (!fine) return soma_error_status(m->ctx) == SOMA_OK ? no_model(m->ctx, name, "its description lacks a shape or a scale") : false;
    m->recipe = recipe ? soma__recipe_of_model(m->ctx, recipe, strlen(recipe)) : NULL;
    if (m->recipe && m->recipe->problems.count) return no_model(m->ctx, name, m->recipe->problems.list[0].sentence);
    if (m->recipe && !agree(m)) return no_model(m->ctx, name, "its table, its input and its loss do not go together");
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
    if (fine && m->folded) fine = soma_module_train(other->module, false) == SOMA_OK && soma_model_fold_batch_norm(other, NULL) == SOMA_OK;
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
bool soma_model_is_valued(const soma_model *m) { return m && soma__model_is_valued(m); }
soma_columns *soma_model_columns(const soma_model *m) { return m ? m->columns : NULL; }
const soma_picture_info *soma_model_pictures(const soma_model *m) { return m && m->pictures ? &m->pictures->info : NULL; }
const char *soma_model_class_name(soma_model *m, int64_t i) {
    if (!m || i < 0 || i >= m->outputs || soma__model_is_valued(m)) return "";
    const soma_columns_info *info = soma_columns_about(m->columns);
    if (info && i < info->target.n_categories) return info->target.categories[i];
    if (m->pictures && i < m->pictures->info.n_classes) return m->pictures->info.classes[i];
    char *text = soma_scope_memory_in(m->scope, 24);
    if (text) snprintf(text, 24, "%lld", (long long)i);
    return text ? text : "";
}
soma_module *soma_model_module(soma_model *m) { return m ? m->module : NULL; }
soma_recipe *soma_model_recipe(soma_model *m) { return m ? m->recipe : NULL; }

/* What is told of a chunk of raw inputs. */
static soma_status predict_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    soma_model *m = user;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    out[0] = m->recipe->loss.kind->told(soma_forward(m->module, soma__model_scaled(m, in[0])));
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

/* The rows' loss and answers, of a chunk that is scaled already: places of the largest output, or values. */
static soma_status evaluate_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    soma_model *m = user;
    const soma__kind *loss = m->recipe->loss.kind;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    soma_tensor *y = soma_forward(m->module, in[0]);
    out[0] = soma__recipe_loss(m->recipe, y, in[1], m->weight);
    out[1] = loss->answer == SOMA__CLASSES ? soma_argmax(y, 1, false) : loss->told(y);
    if (loss->answer == SOMA__BINARY) out[1] = soma_argmax(out[1], 1, false);
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
    const soma_slot slots[2] = {input_slot(m), {{CHUNK}, 1, soma__model_is_valued(m) ? SOMA_F32 : SOMA_I64}};
    const soma_capture_opts o = {.max_shapes = 16};
    m->predict = soma_capture(m->ctx, predict_body, m, slots, 1, 1, &o);
    m->evaluate = soma_capture(m->ctx, evaluate_body, m, slots, 2, 2, &o);
    return m->predict && m->evaluate;
}

soma_status soma_model_fold_batch_norm(soma_model *m, int64_t *folded) {
    int64_t n = 0;
    if (folded) *folded = 0;
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (soma_scope_innermost(m->ctx) != m->scope && soma_error_status(m->ctx) == SOMA_OK)
        soma_error_raise(m->ctx, SOMA_ERROR_STATE, "model_fold_batch_norm: a scope is open inside the model's; fold where the model was loaded");
    if (soma_error_status(m->ctx) != SOMA_OK) return soma_error_status(m->ctx);
    soma_nn_fold_batch_norm(m->module, &n);
    if (folded) *folded = n;
    if (!n) return soma_error_status(m->ctx);
    m->folded = true; /* what is captured goes on with the old weights */
    soma_program_free(m->predict), soma_program_free(m->evaluate);
    capture(m);
    return soma_error_status(m->ctx);
}

/* The largest power of two that is at most n and a chunk: few sizes, so few programs. */
static int64_t chunk_of(int64_t n) {
    int64_t c = CHUNK;
    while (c > n) c /= 2;
    return c;
}

/* Values in the target's own units. */
static void unscale(const soma_model *m, float *outputs, int64_t count) {
    const soma_columns_info *info = soma_columns_about(m->columns);
    if (!info || !soma__model_is_valued(m)) return;
    for (int64_t i = 0; i < count; i++) outputs[i] = (float)soma_columns_value(m->columns, (double)outputs[i]);
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
        unscale(m, outputs + at * m->outputs, n);
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

/* A grey picture may be one of one channel. */
bool soma__model_takes(const soma_model *m, const soma_dataset *data, const char *call) {
    const int64_t *shape;
    int64_t ndim;
    soma_dataset_shape(data, &shape, &ndim);
    int64_t first = ndim == 3 && m->ndim == 2 && shape[0] == 1, behind = ndim == 2 && m->ndim == 3 && m->shape[0] == 1;
    bool fits = ndim - first == m->ndim - behind;
    for (int64_t d = 0; fits && d < ndim - first; d++) fits = shape[d + first] == m->shape[d + behind];
    if (!fits) soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "%s: the data's samples have another shape than the model's", call);
    else if (soma_dataset_is_valued(data) != soma__model_is_valued(m))
        soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: the data's targets are %s, the model predicts %s", call,
                         soma_dataset_is_valued(data) ? "numbers" : "classes", soma__model_is_valued(m) ? "numbers" : "classes");
    return soma_error_status(m->ctx) == SOMA_OK;
}

soma_status soma_model_predict_dataset(soma_model *m, soma_dataset *data, float *outputs) {
    if (!m || !data || !outputs) return SOMA_ERROR_ARGUMENT;
    if (!soma__model_takes(m, data, "predict_dataset")) return soma_error_status(m->ctx);
    soma_scope *scope = soma_scope_open(m->ctx);
    float *x = soma_scope_memory(m->ctx, (size_t)(CHUNK * m->features) * sizeof *x);
    for (int64_t at = 0, n, count = soma_dataset_count(data); x && at < count; at += n) {
        n = chunk_of(count - at);
        for (int64_t i = 0; i < n; i++) soma_dataset_raw(data, 0, at + i, x + i * m->features, NULL);
        if (soma_model_predict(m, x, n, outputs + at * m->outputs) != SOMA_OK) break;
    }
    soma_scope_close(scope);
    return soma_error_status(m->ctx);
}

/* Sums over the samples so far; of values: errors, and distances to the first value. */
typedef struct sums {
    int64_t samples, right;
    double loss, absolute, squared, first, value, values;
} sums;

static void count_values(const soma_model *m, const soma_batch *b, const float *said, sums *s) {
    for (int64_t i = 0; i < b->count; i++) {
        double y = soma_columns_value(m->columns, (double)b->values[i]), e = soma_columns_value(m->columns, (double)said[i]) - y;
        if (!s->samples && !i) s->first = y;
        s->absolute += fabs(e), s->squared += e * e;
        s->value += y - s->first, s->values += (y - s->first) * (y - s->first);
    }
}

static bool count_batch(soma_model *m, const soma_batch *b, sums *s) {
    soma_slot slot = input_slot(m);
    slot.shape[0] = b->count;
    double mean;
    const void *answers, *targets = b->values ? (const void *)b->values : b->targets;
    if (soma_program_bind(m->evaluate, 0, b->inputs, slot.shape) != SOMA_OK || soma_program_bind(m->evaluate, 1, targets, &b->count) != SOMA_OK ||
        soma_program_run(m->evaluate) != SOMA_OK || soma_program_item(m->evaluate, 0, &mean) != SOMA_OK ||
        soma_program_output(m->evaluate, 1, &answers, NULL) != SOMA_OK)
        return false;
    s->loss += mean * (double)b->count;
    if (b->values) count_values(m, b, answers, s);
    for (int64_t i = 0; i < b->count && !b->values; i++) s->right += ((const int64_t *)answers)[i] == b->targets[i];
    s->samples += b->count;
    return true;
}

soma_status soma_model_score(soma_model *m, soma_dataset *data, soma_scores *out) {
    if (!m || !data || !out) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(m->ctx) != SOMA_OK || !soma__model_takes(m, data, "evaluate")) return soma_error_status(m->ctx);
    sums s = {0};
    bool training = soma_module_is_training(m->module), valued = soma__model_is_valued(m);
    if (training) soma_module_train(m->module, false);
    soma_scope *scope = soma_scope_open(m->ctx);
    soma_loader *l = scope ? soma_loader_new(m->ctx, data, CHUNK, NULL) : NULL;
    soma_batch b;
    while (soma_loader_next(l, &b) && count_batch(m, &b, &s)) {}
    if (scope) soma_scope_close(scope);
    if (training) soma_module_train(m->module, true);
    if (soma_error_status(m->ctx) != SOMA_OK) return soma_error_status(m->ctx);
    double n = (double)s.samples, spread = s.values - s.value * s.value / n, none = (double)NAN;
    *out = (soma_scores){s.samples, s.loss / n, none, none, none, none};
    if (!valued) out->accuracy = (double)s.right / n;
    if (valued) out->mae = s.absolute / n, out->rmse = sqrt(s.squared / n), out->r2 = spread > 0 ? 1 - s.squared / spread : none;
    return SOMA_OK;
}

soma_status soma_model_evaluate(soma_model *m, soma_dataset *data, double *loss, double *accuracy) {
    soma_scores s = {0};
    soma_status status = soma_model_score(m, data, &s);
    if (status != SOMA_OK) return status;
    if (loss) *loss = s.loss;
    if (accuracy) *accuracy = soma_model_is_valued(m) ? s.r2 : s.accuracy;
    return SOMA_OK;
}
