/* Initial values. Drawn and computed by ops, but for orthogonal matrices, which are made on the host in float64. */
#include "nn/module.h"

#include "soma/init.h"

#include <stdlib.h>
#include <string.h>

/* The variable's context, with its stream of initial weights chosen; NULL with the error pending where there is one. */
static soma_context *begin(const char *name, soma_tensor *w, bool fits, const char *wanted, uint64_t *before) {
    soma_context *ctx = w ? soma_tensor_context(w) : NULL;
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    soma_dtype dtype = soma_tensor_dtype(w);
    if (!soma_is_variable(w) || (dtype != SOMA_F32 && dtype != SOMA_F64)) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "init_%s: a floating variable is wanted", name);
        return NULL;
    }
    if (!fits) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "init_%s: %s", name, wanted);
        return NULL;
    }
    soma_no_grad_begin(ctx);
    soma_interior_begin(ctx);
    *before = soma_stream_use(ctx, SOMA_STREAM_INIT);
    return ctx;
}
static soma_status end(soma_context *ctx, soma_tensor *w, soma_tensor *value, uint64_t before) {
    if (value) soma_assign(w, value);
    soma_stream_use(ctx, before);
    soma_interior_end(ctx, NULL);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}
/* Of a call whose variable may be NULL. */
static soma_status failed(const soma_tensor *w) {
    const soma_context *ctx = w ? soma_tensor_context(w) : NULL;
    return ctx ? soma_error_status(ctx) : SOMA_ERROR_ARGUMENT;
}
#define SHAPE(w) soma_tensor_dtype(w), soma_shape(w), soma_ndim(w)

static soma_status uniform(const char *name, soma_tensor *w, double low, double high) {
    uint64_t before;
    soma_context *ctx = begin(name, w, low <= high, "low must not be above high", &before);
    return ctx ? end(ctx, w, soma_uniform(ctx, low, high, SHAPE(w)), before) : failed(w);
}
static soma_status normal(const char *name, soma_tensor *w, double mean, double std) {
    uint64_t before;
    soma_context *ctx = begin(name, w, std >= 0, "the standard deviation must be 0 or more", &before);
    return ctx ? end(ctx, w, soma_normal(ctx, mean, std, SHAPE(w)), before) : failed(w);
}
soma_status soma_init_uniform(soma_tensor *w, double low, double high) { return uniform("uniform", w, low, high); }
soma_status soma_init_normal(soma_tensor *w, double mean, double std) { return normal("normal", w, mean, std); }
soma_status soma_init_constant(soma_tensor *w, double value) {
    uint64_t before;
    soma_context *ctx = begin("constant", w, true, "", &before);
    return ctx ? end(ctx, w, soma_full(ctx, value, SHAPE(w)), before) : failed(w);
}

/* x with erf(x) = u, for u in (-1, 1): Winitzki's approximation (2008, within 0.002), made exact by Newton's steps. */
static soma_tensor *erfinv(soma_tensor *u) {
    const double a = 0.147, two = 2 / (3.14159265358979323846 * a);
    soma_tensor *l = soma_log(soma_mul(soma_rsub_scalar(u, 1), soma_add_scalar(u, 1))), *b = soma_add_scalar(soma_mul_scalar(l, 0.5), two);
    soma_tensor *x = soma_mul(soma_sign(u), soma_sqrt(soma_sub(soma_sqrt(soma_sub(soma_square(b), soma_div_scalar(l, a))), b)));
    for (int i = 0; i < 4; i++)
        x = soma_sub(x, soma_mul(soma_sub(soma_erf(x), u), soma_mul_scalar(soma_exp(soma_square(x)), 0.88622692545275801365)));
    return x;
}
soma_status soma_init_trunc_normal(soma_tensor *w, double mean, double std, double low, double high) {
    uint64_t before;
    soma_context *ctx = begin("trunc_normal", w, std > 0 && low < high && high > mean - 8 * std && low < mean + 8 * std,
                              "a standard deviation above 0 and bounds that leave something of the distribution are wanted", &before);
    if (!ctx) return failed(w);
    const double root2 = 1.41421356237309504880;
    soma_tensor *ends = soma_erf(soma_from(ctx, (double[]){(low - mean) / std / root2, (high - mean) / std / root2}, SOMA_F64, SOMA_SHAPE(2)));
    soma_tensor *from = soma_select(ends, 0, 0), *to = soma_select(ends, 0, 1);
    soma_tensor *u = soma_add(from, soma_mul(soma_rand(ctx, SOMA_F64, soma_shape(w), soma_ndim(w)), soma_sub(to, from)));
    soma_tensor *x = soma_add_scalar(soma_mul_scalar(erfinv(soma_clamp_to(u, -0x1.fffffffffffffp-1, 0x1.fffffffffffffp-1)), root2 * std), mean);
    return end(ctx, w, soma_to(soma_clamp_to(x, low, high), soma_tensor_dtype(w)), before);
}

static bool fans(const char *name, soma_tensor *w, double *in, double *out) {
    if (!w) return false;
    int64_t n = soma_ndim(w);
    if (n < 2) {
        char shape[128];
        soma_error_raise(soma_tensor_context(w), SOMA_ERROR_SHAPE, "init_%s: the variable is %s; two dimensions or more are wanted", name,
                         soma_shape_text(w, shape, sizeof shape));
        return false;
    }
    double rest = 1;
    for (int64_t d = 2; d < n; d++) rest *= (double)soma_size(w, d);
    *in = (double)soma_size(w, 1) * rest, *out = (double)soma_size(w, 0) * rest;
    return true;
}

double soma_init_gain(const char *word, double a) {
    const struct {
        const char *name;
        double gain;
    } all[] = {{"linear", 1},     {"sigmoid", 1},
               {"tanh", 5.0 / 3}, {"relu", 1.41421356237309504880},
               {"selu", 0.75},    {"leaky_relu", __builtin_sqrt(2 / (1 + a * a))}};
    for (size_t i = 0; word && i < sizeof all / sizeof *all; i++)
        if (strcmp(word, all[i].name) == 0) return all[i].gain;
    return -1;
}

soma_status soma_init_xavier_uniform(soma_tensor *w, double gain) {
    double in, out;
    if (!fans("xavier_uniform", w, &in, &out)) return failed(w);
    double bound = gain * __builtin_sqrt(6 / (in + out));
    return uniform("xavier_uniform", w, -bound, bound);
}
soma_status soma_init_xavier_normal(soma_tensor *w, double gain) {
    double in, out;
    return fans("xavier_normal", w, &in, &out) ? normal("xavier_normal", w, 0, gain * __builtin_sqrt(2 / (in + out))) : failed(w);
}
soma_status soma_init_kaiming_uniform(soma_tensor *w, double gain, soma_fan fan) {
    double in, out;
    if (!fans("kaiming_uniform", w, &in, &out)) return failed(w);
    double bound = gain * __builtin_sqrt(3 / (fan == SOMA_FAN_OUT ? out : in));
    return uniform("kaiming_uniform", w, -bound, bound);
}
soma_status soma_init_kaiming_normal(soma_tensor *w, double gain, soma_fan fan) {
    double in, out;
    if (!fans("kaiming_normal", w, &in, &out)) return failed(w);
    return normal("kaiming_normal", w, 0, gain / __builtin_sqrt(fan == SOMA_FAN_OUT ? out : in));
}

/* Makes the n rows of m numbers, n at most m, orthonormal: Gram and Schmidt, twice, which is enough (Kahan). A row that was all but dependent stays
 * so, but its length is 1; drawn rows are not. */
static void orthonormal(double *q, int64_t n, int64_t m) {
    for (int64_t i = 0; i < n; i++) {
        double *row = q + i * m, length = 0;
        for (int turn = 0; turn < 2; turn++)
            for (int64_t j = 0; j < i; j++) {
                const double *other = q + j * m;
                double dot = 0;
                for (int64_t k = 0; k < m; k++) dot += row[k] * other[k];
                for (int64_t k = 0; k < m; k++) row[k] -= dot * other[k];
            }
        for (int64_t k = 0; k < m; k++) length += row[k] * row[k];
        length = __builtin_sqrt(length);
        for (int64_t k = 0; k < m && length > 0; k++) row[k] /= length;
    }
}

soma_status soma_init_orthogonal(soma_tensor *w, double gain) {
    double in, out;
    uint64_t before;
    if (!fans("orthogonal", w, &in, &out)) return failed(w);
    soma_scope *scope = soma_scope_open(soma_tensor_context(w));
    soma_context *ctx = begin("orthogonal", w, true, "", &before);
    if (!ctx) return scope ? soma_scope_close(scope), failed(w) : failed(w);
    int64_t rows = soma_size(w, 0), columns = rows ? soma_numel(w) / rows : 0;
    bool tall = rows > columns;
    int64_t n = tall ? columns : rows, m = tall ? rows : columns;
    double *q = soma_scope_memory(ctx, (size_t)(n * m + 1) * sizeof *q);
    soma_tensor *value = NULL, *drawn = soma_keep(soma_randn(ctx, SOMA_F64, SOMA_SHAPE(n, m)));
    if (q && soma_read(drawn, q, (size_t)(n * m) * sizeof *q) == SOMA_OK) {
        orthonormal(q, n, m);
        soma_tensor *x = soma_from(ctx, q, SOMA_F64, SOMA_SHAPE(n, m));
        value = soma_to(soma_mul_scalar(soma_reshape(tall ? soma_transpose(x, 0, 1) : x, soma_shape(w), soma_ndim(w)), gain), soma_tensor_dtype(w));
    }
    end(ctx, w, value, before);
    return scope ? soma_scope_close(scope) : soma_error_status(ctx);
}

soma_status soma_init_sparse(soma_tensor *w, double sparsity, double std) {
    double in, out;
    uint64_t before;
    if (!fans("sparse", w, &in, &out)) return failed(w);
    soma_context *ctx = begin("sparse", w, soma_ndim(w) == 2 && sparsity >= 0 && sparsity <= 1 && std >= 0,
                              "two dimensions, a sparsity in [0, 1] and a standard deviation of 0 or more are wanted", &before);
    if (!ctx) return failed(w);
    double share = sparsity * (double)soma_size(w, 0);
    int64_t zeros = (int64_t)share + ((double)(int64_t)share < share);
    soma_tensor *x = soma_normal(ctx, 0, std, SHAPE(w)), *places = soma_topk_indices(soma_rand(ctx, SOMA_F32, soma_shape(w), 2), zeros, 0, true);
    soma_tensor *none = soma_zeros(ctx, SHAPE(w)),
                *hit = soma_scatter_add(none, 0, places, soma_ones(ctx, soma_tensor_dtype(w), SOMA_SHAPE(zeros, soma_size(w, 1))));
    return end(ctx, w, soma_where(soma_gt(hit, none), none, x), before);
}

soma_status soma_init_by_name(soma_tensor *w, const char *name) {
    const double relu = soma_init_gain("relu", 0);
    if (!w || !name) return SOMA_ERROR_ARGUMENT;
#define IS(word) (strcmp(name, word) == 0)
    if (IS("uniform")) return soma_init_uniform(w, 0, 1);
    if (IS("normal")) return soma_init_normal(w, 0, 1);
    if (IS("trunc_normal")) return soma_init_trunc_normal(w, 0, 1, -2, 2);
    if (IS("zeros")) return soma_init_constant(w, 0);
    if (IS("ones")) return soma_init_constant(w, 1);
    if (IS("xavier_uniform")) return soma_init_xavier_uniform(w, 1);
    if (IS("xavier_normal")) return soma_init_xavier_normal(w, 1);
    if (IS("kaiming_uniform")) return soma_init_kaiming_uniform(w, relu, SOMA_FAN_IN);
    if (IS("kaiming_normal")) return soma_init_kaiming_normal(w, relu, SOMA_FAN_IN);
    if (IS("orthogonal")) return soma_init_orthogonal(w, 1);
    return soma_error_raise(soma_tensor_context(w), SOMA_ERROR_ARGUMENT,
                            "init: '%s' is none of uniform, normal, trunc_normal, zeros, ones, xavier_uniform, xavier_normal, kaiming_uniform, "
                            "kaiming_normal, orthogonal",
                            name);
}

/* x behind the layer, whose weight was scaled; NULL with the error pending. */
static soma_tensor *scaled_layer(soma_module *m, soma_tensor *x, double tolerance, int64_t most) {
    soma_tensor *w = soma__module_part(m, "weight"), *bias = soma__module_part(m, "bias");
    if (w && soma_ndim(w) >= 2) {
        double variance;
        if (soma_init_orthogonal(w, 1) != SOMA_OK || (bias && soma_init_constant(bias, 0) != SOMA_OK)) return NULL;
        for (int64_t i = 0; i < most; i++) {
            soma_tensor *v = soma_var(soma_forward(m, x), &(soma_reduce_opts){.correction = SOMA_SET(0)});
            if (soma_item(soma_keep(v), &variance) != SOMA_OK) return NULL;
            if (!(variance > 0) || (variance > 1 - tolerance && variance < 1 + tolerance)) break;
            soma_assign(w, soma_div_scalar(w, __builtin_sqrt(variance)));
        }
    }
    return soma_keep(soma_forward(m, x));
}
static soma_tensor *walk(soma_module *m, soma_tensor *x, double tolerance, int64_t most) {
    if (strcmp(m->kind, "sequential") != 0) return scaled_layer(m, x, tolerance, most);
    for (soma__named *n = m->first; n && x; n = n->next) x = walk(n->child, x, tolerance, most);
    return x;
}

soma_status soma_init_lsuv(soma_module *m, soma_tensor *x, double tolerance, int64_t most) {
    if (!m || !x) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(m->ctx) != SOMA_OK) return soma_error_status(m->ctx);
    if (!(tolerance > 0) || most < 1)
        return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "init_lsuv: a tolerance above 0 and 1 step or more are wanted");
    soma_scope *scope = soma_scope_open(m->ctx);
    bool training = m->training;
    soma_no_grad_begin(m->ctx);
    soma_module_train(m, false); /* dropout would change the variance */
    walk(m, x, tolerance, most);
    soma_module_train(m, training);
    soma_no_grad_end(m->ctx);
    return scope ? soma_scope_close(scope) : soma_error_status(m->ctx);
}
