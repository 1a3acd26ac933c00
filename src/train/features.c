/* What a layer inside a model gives. */
#include "train/model.h"

#include <stdio.h>
#include <string.h>

#define CHUNK 64

soma_tensor *soma__model_first(const soma_model *m, soma_tensor *raw) {
    soma_module *columns = soma_module_child(m->module, "columns");
    soma_tensor *x = soma__model_scaled(m, raw);
    return columns ? soma_forward(columns, x) : x;
}

soma_tensor *soma__model_layer(const soma_model *m, size_t i, soma_tensor *x) {
    soma_module *layers = soma_module_child(m->module, "layers"); /* behind embeddings */
    char name[24];
    snprintf(name, sizeof name, "%zu", i);
    return soma_forward(soma_module_child(layers ? layers : m->module, name), x);
}

soma_layer_info *soma__model_layers(const soma_model *m) {
    int64_t width = soma_columns_width(m->columns);
    soma_layer_info *info = soma_scope_memory(m->ctx, (soma_recipe_layer_count(m->recipe) + 1) * sizeof *info);
    return info && soma_recipe_layers(m->recipe, width ? &width : m->shape, m->ndim, info) == SOMA_OK ? info : NULL;
}

typedef struct reading {
    soma_model *m;
    size_t layer;
} reading;

static soma_status read_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    const reading *r = user;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    soma_tensor *x = soma__model_first(r->m, in[0]);
    for (size_t i = 0; i <= r->layer && x; i++) x = soma__model_layer(r->m, i, x);
    out[0] = x ? soma_flatten(x, 1, -1) : NULL;
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

int64_t soma_model_feature_count(soma_model *m, size_t layer) {
    size_t n = m ? soma_recipe_layer_count(m->recipe) : 0;
    if (layer >= n) return 0;
    soma_scope *scope = soma_scope_open(m->ctx);
    const soma_layer_info *info = soma__model_layers(m);
    int64_t count = info ? 1 : 0;
    for (int64_t d = 0; info && d < info[layer].ndim; d++) count *= info[layer].shape[d];
    if (scope) soma_scope_close(scope);
    return count;
}

soma_status soma_model_features(soma_model *m, size_t layer, const float *inputs, int64_t count, float *outputs) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    int64_t width = soma_model_feature_count(m, layer);
    if (layer >= soma_recipe_layer_count(m->recipe))
        return soma_error_raise(m->ctx, SOMA_ERROR_RANGE, "model_features: layer %zu of %zu", layer, soma_recipe_layer_count(m->recipe));
    if (count < 0 || (count && (!inputs || !outputs)))
        return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "model_features: inputs, outputs and a count of 0 or more are wanted");
    soma_scope *scope = soma_scope_open(m->ctx);
    bool training = soma_module_is_training(m->module);
    if (training) soma_module_train(m->module, false);
    reading r = {m, layer};
    soma_slot slot = {.shape = {CHUNK}, .ndim = m->ndim + 1};
    memcpy(slot.shape + 1, m->shape, (size_t)m->ndim * sizeof *m->shape);
    soma_program *p = soma_capture(m->ctx, read_body, &r, &slot, 1, 1, NULL);
    for (int64_t at = 0; p && at < count; at += CHUNK) {
        int64_t n = count - at < CHUNK ? count - at : CHUNK;
        const void *y;
        slot.shape[0] = n;
        if (soma_program_bind(p, 0, inputs + at * m->features, slot.shape) != SOMA_OK || soma_program_run(p) != SOMA_OK ||
            soma_program_output(p, 0, &y, NULL) != SOMA_OK)
            break;
        memcpy(outputs + at * width, y, (size_t)(n * width) * sizeof *outputs);
    }
    if (training) soma_module_train(m->module, true);
    soma_scope_close(scope);
    return soma_error_status(m->ctx);
}
