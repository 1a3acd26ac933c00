/* Why a model answers as it does: gradients of a class's score by the inputs, and by a layer's maps. And the loss of each sample. */
#include "soma/see.h"

#include "soma/grad.h"
#include "train/model.h"

#include <string.h>

#define CHUNK 256

/* A sample on its way through the layers. */
typedef struct look {
    soma_tensor *x, *maps, *score; /* [1, ...]; what a layer of interest gives; one number */
} look;

/* The class's own number, of the last layer's result [1, n]. */
static soma_tensor *score_of(const soma_model *m, soma_tensor *y, int64_t class_number) {
    if (m->recipe->loss.kind->answer == SOMA__CLASSES) return soma_slice(y, 1, class_number, class_number + 1, 1);
    y = soma_slice(y, 1, 0, 1, 1);
    return m->recipe->loss.kind->answer == SOMA__BINARY && class_number == 0 ? soma_neg(y) : y;
}

/* The class that is meant; -1 with the error pending. */
static int64_t class_of(soma_model *m, const char *call, const float *inputs, int64_t class_number) {
    if (class_number < -1 || class_number >= m->outputs) {
        soma_error_raise(m->ctx, SOMA_ERROR_RANGE, "%s: class %lld, the model has %lld", call, (long long)class_number, (long long)m->outputs);
        return -1;
    }
    if (class_number >= 0) return class_number;
    float *said = soma_scope_memory(m->ctx, (size_t)m->outputs * sizeof *said);
    int64_t best = 0;
    if (!said || soma_model_predict(m, inputs, 1, said) != SOMA_OK) return -1;
    for (int64_t c = 1; c < m->outputs; c++)
        if (said[c] > said[best]) best = c;
    return best;
}

/* Records a sample's way; the input asks for a gradient, so that there is one by each layer, whatever is frozen. */
static bool follow(soma_model *m, int64_t layer, const float *inputs, int64_t class_number, look *out) {
    int64_t shape[SOMA_MAX_DIMS] = {1};
    memcpy(shape + 1, m->shape, (size_t)m->ndim * sizeof *m->shape);
    out->x = soma_from(m->ctx, inputs, SOMA_F32, shape, m->ndim + 1);
    if (soma_requires_grad(out->x, true) != SOMA_OK) return false;
    soma_tensor *y = soma__model_first(m, out->x);
    for (size_t i = 0; y && i < m->recipe->n_layers; i++) {
        y = soma__model_layer(m, i, y);
        if (layer == (int64_t)i) out->maps = y;
    }
    out->score = y ? score_of(m, y, class_number) : NULL;
    return out->score != NULL;
}

static soma_status finish(soma_model *m, soma_scope *scope, bool training) {
    if (training) soma_module_train(m->module, true);
    if (scope) soma_scope_close(scope);
    return soma_error_status(m->ctx);
}

soma_status soma_model_saliency(soma_model *m, const float *inputs, int64_t class_number, float *map) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (!inputs || !map) return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "model_saliency: inputs and a map are wanted");
    bool training = soma_module_is_training(m->module);
    if (training) soma_module_train(m->module, false);
    soma_scope *scope = soma_scope_open(m->ctx);
    look l = {0};
    soma_tensor *gradient = NULL;
    int64_t class = scope ? class_of(m, "model_saliency", inputs, class_number) : -1;
    if (class >= 0 && follow(m, -1, inputs, class, &l) && soma_grad(&l.score, 1, &l.x, 1, &gradient, NULL) == SOMA_OK) {
        soma_tensor *size = soma_abs(gradient);
        if (m->ndim == 3) size = soma_amax(size, &(soma_reduce_opts){SOMA_DIMS(1)});
        if (size) soma_read(size, map, (size_t)soma_numel(size) * sizeof *map);
    }
    return finish(m, scope, training);
}

static bool gives_maps(const soma_layer_info *i) { return i->ndim == 3 && i->shape[1] * i->shape[2] > 1; }

static bool convolves(const soma_layer_info *i) {
    static const char *const kinds[] = {"conv", "conv_transpose", "residual", "parallel", "repeat", "block"};
    for (size_t k = 0; gives_maps(i) && i->parameters > 0 && k < sizeof kinds / sizeof *kinds; k++)
        if (strcmp(i->kind, kinds[k]) == 0) return true;
    return false;
}

/* Behind the last convolution, and what keeps its shape: the paper's maps are rectified ones. Before the activation they often have no positive sum.
 */
static int64_t last_layer(const soma_model *m, const soma_layer_info *info) {
    int64_t n = info ? (int64_t)m->recipe->n_layers : 0, i = n - 1;
    while (i >= 0 && !convolves(&info[i])) i--;
    while (i >= 0 && i + 1 < n && info[i + 1].ndim == 3 && memcmp(info[i + 1].shape, info[i].shape, 3 * sizeof *info->shape) == 0) i++;
    return i;
}

int64_t soma_model_grad_cam_layer(soma_model *m) {
    soma_scope *scope = m ? soma_scope_open(m->ctx) : NULL;
    int64_t layer = scope ? last_layer(m, soma__model_layers(m)) : -1;
    if (scope) soma_scope_close(scope);
    return layer;
}

/* The layer that is meant; -1 with the error pending. */
static int64_t layer_of(soma_model *m, int64_t layer) {
    const soma_layer_info *info = soma__model_layers(m);
    int64_t n = (int64_t)m->recipe->n_layers, own = last_layer(m, info);
    if (!info) return -1;
    if (layer < -1 || layer >= n)
        soma_error_raise(m->ctx, SOMA_ERROR_RANGE, "model_grad_cam: layer %lld, the model has %lld", (long long)layer, (long long)n);
    else if (m->ndim < 2 || (layer < 0 && own < 0))
        soma_error_raise(m->ctx, SOMA_ERROR_UNSUPPORTED, "model_grad_cam: the model has no convolution that gives maps of a picture");
    else if (layer >= 0 && !gives_maps(&info[layer]))
        soma_error_raise(m->ctx, SOMA_ERROR_SHAPE,
                         "model_grad_cam: layer %lld (%s) gives no maps; the last layer behind a convolution that does is %lld", (long long)layer,
                         info[layer].kind, (long long)own);
    else return layer < 0 ? own : layer;
    return -1;
}

soma_status soma_model_grad_cam(soma_model *m, int64_t layer, const float *inputs, int64_t class_number, float *map) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (!inputs || !map) return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "model_grad_cam: inputs and a map are wanted");
    bool training = soma_module_is_training(m->module);
    if (training) soma_module_train(m->module, false);
    soma_scope *scope = soma_scope_open(m->ctx);
    look l = {0};
    soma_tensor *gradient = NULL;
    layer = scope ? layer_of(m, layer) : -1;
    int64_t class = layer >= 0 ? class_of(m, "model_grad_cam", inputs, class_number) : -1;
    if (class >= 0 && follow(m, layer, inputs, class, &l) && soma_grad(&l.score, 1, &l.maps, 1, &gradient, NULL) == SOMA_OK) {
        soma_tensor *share = soma_mean(gradient, &(soma_reduce_opts){SOMA_DIMS(2, 3), .keepdim = 1});
        soma_tensor *sum = soma_relu(soma_sum(soma_mul(share, l.maps), &(soma_reduce_opts){SOMA_DIMS(1), .keepdim = 1}));
        const int64_t *size = m->shape + m->ndim - 2;
        sum = soma_interpolate(sum, &(soma_interpolate_opts){.size = {size[0], size[1]}, .mode = SOMA_INTERPOLATE_LINEAR});
        if (sum) soma_read(sum, map, (size_t)(size[0] * size[1]) * sizeof *map);
    }
    return finish(m, scope, training);
}

/* What the last layer gives for a chunk that is scaled already. */
static soma_status outputs_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    const soma_model *m = user;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    out[0] = soma_forward(m->module, in[0]);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

/* The loss of one row: a mean over itself. */
static soma_status loss_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    const soma_model *m = user;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    out[0] = soma__recipe_loss(m->recipe, in[0], in[1], m->weight);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

static bool batch_losses(const soma_model *m, soma_program *whole, soma_program *row, const soma_batch *b, float *losses) {
    int64_t shape[SOMA_MAX_DIMS] = {b->count}, n;
    const void *outputs;
    memcpy(shape + 1, m->shape, (size_t)m->ndim * sizeof *m->shape);
    if (soma_program_bind(whole, 0, b->inputs, shape) != SOMA_OK || soma_program_run(whole) != SOMA_OK ||
        soma_program_output(whole, 0, &outputs, &n) != SOMA_OK)
        return false;
    for (int64_t i = 0; i < b->count; i++) {
        double loss;
        const void *target = b->values ? (const void *)(b->values + i) : b->targets + i;
        if (soma_program_bind(row, 0, (const float *)outputs + i * (n / b->count), NULL) != SOMA_OK ||
            soma_program_bind(row, 1, target, NULL) != SOMA_OK || soma_program_run(row) != SOMA_OK || soma_program_item(row, 0, &loss) != SOMA_OK)
            return false;
        losses[i] = (float)loss;
    }
    return true;
}

soma_status soma_model_losses(soma_model *m, soma_dataset *data, float *losses) {
    if (!m || !data || !losses) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(m->ctx) != SOMA_OK || !soma__model_takes(m, data, "model_losses")) return soma_error_status(m->ctx);
    bool training = soma_module_is_training(m->module);
    if (training) soma_module_train(m->module, false);
    soma_scope *scope = soma_scope_open(m->ctx);
    const soma_layer_info *info = scope ? soma__model_layers(m) : NULL;
    soma_slot in = {.shape = {CHUNK}, .ndim = m->ndim + 1};
    memcpy(in.shape + 1, m->shape, (size_t)m->ndim * sizeof *m->shape);
    const soma_slot row[2] = {{{1, info ? info[m->recipe->n_layers - 1].shape[0] : 1}, 2, SOMA_F32},
                              {{1}, 1, soma__model_is_valued(m) ? SOMA_F32 : SOMA_I64}};
    soma_program *whole = info ? soma_capture(m->ctx, outputs_body, m, &in, 1, 1, NULL) : NULL;
    soma_program *one = whole ? soma_capture(m->ctx, loss_body, m, row, 2, 1, NULL) : NULL;
    soma_loader *l = one ? soma_loader_new(m->ctx, data, CHUNK, NULL) : NULL;
    soma_batch b;
    for (int64_t at = 0; l && soma_loader_next(l, &b); at += b.count)
        if (!batch_losses(m, whole, one, &b, losses + at)) break;
    return finish(m, scope, training);
}
