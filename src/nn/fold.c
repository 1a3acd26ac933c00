/* Batch norms in eval mode are y * s + t for each channel, and so can become part of the layer that gives y: its rows times s, its bias in the same
 * way (Jacob et al. 2018, section 3.2; torch.nn.utils.fusion). The walk goes in the order of evaluation and carries along the layer whose output is
 * all that the next module reads; where an output may go to several places it carries none. */
#include "nn/module.h"

/* A module of the tree: how many modules, or places of one, hold it. */
typedef struct seen {
    soma_module *module;
    int64_t uses;
    bool visited;
} seen;

typedef struct walk {
    soma_context *ctx;
    seen *list;
    size_t n, capacity;
    int64_t folded;
} walk;

static seen *find(const walk *w, const soma_module *m) {
    for (size_t i = 0; i < w->n; i++)
        if (w->list[i].module == m) return &w->list[i];
    return NULL;
}

/* Lists m and all inside it, each once, and counts what holds it. */
static bool list(walk *w, soma_module *m) {
    seen *known = find(w, m);
    if (known) return known->uses++, true;
    if (m->training)
        return soma_error_raise(w->ctx, SOMA_ERROR_STATE,
                                "nn_fold_batch_norm: %s is in train mode, where batch norms go by the batch; soma_module_train(m, false) first",
                                m->kind),
               false;
    if (w->n == w->capacity) {
        size_t capacity = 2 * w->capacity + 64;
        seen *more = soma_scope_memory(w->ctx, capacity * sizeof *more);
        if (!more) return false;
        for (size_t i = 0; i < w->n; i++) more[i] = w->list[i];
        w->list = more, w->capacity = capacity;
    }
    w->list[w->n++] = (seen){m, 1, false};
    for (const soma__named *c = m->first; c; c = c->next)
        if (c->child && !list(w, c->child)) return false;
    return true;
}

static bool about_layer(const soma_module *m, soma__mixer *about) {
    *about = (soma__mixer){0, 0};
    return soma__is_linear(m) || soma__is_conv(m, about);
}

static int64_t channels_of(const soma__mixer *about, const soma_tensor *weight) {
    return about->groups ? soma_size(weight, 1) * about->groups : soma_size(weight, 0);
}

/* Can the norm be part of the layer? */
static bool fits(const soma_module *layer, const soma_module *norm) {
    soma__mixer about;
    int64_t dims;
    double eps;
    soma_tensor *weight = soma__module_part(layer, "weight"), *mean = soma__module_part(norm, "running_mean");
    return soma__is_batch_norm(norm, &dims, &eps) && about_layer(layer, &about) && weight && mean && (about.dims ? about.dims : 1) == dims &&
           soma_tensor_dtype(weight) == soma_tensor_dtype(mean) && soma_numel(mean) == channels_of(&about, weight);
}

/* Channels' factors times the weight, which is seen as [groups, rows, channels, rest], or [1, 1, channels, rest]. */
static soma_tensor *scaled_weight(soma_tensor *weight, soma_tensor *factor, const soma__mixer *about) {
    int64_t groups = about->groups ? about->groups : 1, channels = soma_numel(factor) / groups;
    int64_t rows = about->groups ? soma_size(weight, 0) / groups : 1;
    soma_tensor *w = soma_reshape(soma_to(weight, SOMA_F64), SOMA_SHAPE(groups, rows, channels, -1));
    w = soma_mul(w, soma_reshape(factor, SOMA_SHAPE(groups, 1, channels, 1)));
    return soma_reshape(w, soma_shape(weight), soma_ndim(weight));
}

static soma_tensor *doubles(const soma_module *m, const char *name) {
    soma_tensor *x = soma__module_part(m, name);
    return x ? soma_to(x, SOMA_F64) : NULL;
}

/* A variable in the weight's scope and of its dtype. */
static soma_tensor *variable(soma_tensor *value, soma_tensor *weight, const char *name) {
    return soma_variable(soma_to(value, soma_tensor_dtype(weight)), &(soma_variable_opts){.name = name, .scope_of = weight});
}

/* Values of weight and bias. */
static bool compute(const soma_module *layer, const soma_module *norm, soma_tensor **weight, soma_tensor **bias) {
    soma__mixer about;
    int64_t dims;
    double eps;
    soma_tensor *old = *weight, *gamma = doubles(norm, "weight"), *beta = doubles(norm, "bias"), *b = doubles(layer, "bias");
    soma_tensor *mean = doubles(norm, "running_mean");
    about_layer(layer, &about), soma__is_batch_norm(norm, &dims, &eps);
    soma_tensor *root = soma_sqrt(soma_add_scalar(doubles(norm, "running_var"), eps));
    soma_tensor *factor = gamma ? soma_div(gamma, root) : soma_reciprocal(root);
    b = soma_mul(b ? soma_sub(b, mean) : soma_neg(mean), factor);
    *weight = variable(scaled_weight(old, factor, &about), old, "weight");
    *bias = variable(beta ? soma_add(b, beta) : b, old, "bias");
    return soma_eval(layer->ctx) == SOMA_OK;
}

/* Both values are there before anything changes. */
static bool fold(walk *w, soma_module *layer, soma_module *norm) {
    soma__mixer about;
    soma_tensor *old = soma__module_part(layer, "weight"), *weight = old, *bias = NULL;
    bool learns = soma_tensor_requires_grad(old);
    soma_interior_begin(w->ctx);
    soma_no_grad_begin(w->ctx);
    bool fine = compute(layer, norm, &weight, &bias);
    soma_no_grad_end(w->ctx);
    soma_interior_end(w->ctx, NULL);
    if (fine) soma__module_put(layer, "bias", bias);
    if (!fine || soma__module_part(layer, "bias") != bias) return false;
    soma__module_put(layer, "weight", weight); /* it has a weight, so this cannot fail half-way */
    about_layer(layer, &about);
    soma__norm_leave(norm, about.dims);
    w->folded++;
    soma_requires_grad(weight, learns), soma_requires_grad(bias, learns);
    return soma_error_status(w->ctx) == SOMA_OK;
}

/* `before` gives what m reads, and nobody else reads it; NULL: there is no such layer. The same of m's result is returned. */
static soma_module *visit(walk *w, soma_module *m, soma_module *before) {
    soma__mixer about;
    seen *s = find(w, m);
    bool alone = s->uses == 1;
    if (s->visited) return NULL;
    s->visited = true;
    soma_module *last = alone ? before : NULL;
    if (soma__is_folded_norm(m)) return last;
    if (about_layer(m, &about)) return alone ? m : NULL;
    if (last && fits(last, m)) return fold(w, last, m) ? last : NULL;
    bool sequential = soma__is_sequential(m);
    for (const soma__named *c = m->first; c && soma_error_status(w->ctx) == SOMA_OK; c = c->next)
        if (c->child) last = visit(w, c->child, sequential ? last : NULL);
    return alone && sequential ? last : NULL;
}

soma_status soma_nn_fold_batch_norm(soma_module *m, int64_t *folded) {
    if (folded) *folded = 0;
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(m->ctx) != SOMA_OK) return soma_error_status(m->ctx);
    if (soma_is_capturing(m->ctx)) return soma_error_raise(m->ctx, SOMA_ERROR_STATE, "nn_fold_batch_norm: not inside a capture; fold before it");
    soma_scope *scope = soma_scope_open(m->ctx);
    walk w = {.ctx = m->ctx};
    if (scope && list(&w, m)) visit(&w, m, NULL);
    if (scope) soma_scope_close(scope);
    if (folded) *folded = w.folded;
    return soma_error_status(m->ctx);
}
