/* Batch normalisation (Ioffe and Szegedy 2015) from three primitives over [N, C, ...], closed under gradients:
 *
 *   channel_stats(x) [2, C]              each channel's mean and biased variance
 *   channel_dots(g, x, mean) [2, C]      the sums over a channel of g, and of g (x - mean)
 *   batch_normalise(x, mean, scale, bias)  (x - mean) scale + bias, element by element; the three are [1, C, 1...]
 *
 * Rows (all but the channel, in C order) are taken in pieces of 336, a multiple of all tiles' heights; in a piece sums are float64, in ascending
 * order; pieces are added by a pairwise tree; what comes out is rounded once. */
#include "ops/batch_norm.h"
#include "ops/norm.h"
#include "ops/loops.h"

#include <string.h>

/* The pairwise tree over pieces, as they come. */
typedef struct tree {
    double part[64];
    int level[64], top;
} tree;
static void tree_add(tree *t, double sum) {
    t->part[t->top] = sum, t->level[t->top++] = 0;
    for (; t->top > 1 && t->level[t->top - 1] == t->level[t->top - 2]; t->top--) t->part[t->top - 2] += t->part[t->top - 1], t->level[t->top - 2]++;
}
static double tree_end(tree *t) {
    for (; t->top > 1; t->top--) t->part[t->top - 2] += t->part[t->top - 1];
    return t->top ? t->part[0] : 0;
}

static double value(const soma__operand *x, int64_t at) {
    return x->dtype == SOMA_F32 ? (double)((const float *)x->data)[at] : ((const double *)x->data)[at];
}
static void set(const soma__operand *out, int64_t at, double v) {
    if (out->dtype == SOMA_F32) ((float *)out->data)[at] = (float)v;
    else ((double *)out->data)[at] = v;
}

/* The offset of row r of channel 0. */
static int64_t row_of(const soma__operand *x, int64_t r) {
    int64_t at = 0;
    for (int d = x->ndim; d-- > 0;)
        if (d != 1) at += r % x->shape[d] * x->strides[d], r /= x->shape[d];
    return at;
}

static int stats_run(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    int64_t channels = x->shape[1], rows = channels ? x->numel / channels : 0;
    for (int64_t ch = 0; ch < channels; ch++) {
        tree sums = {.top = 0}, squares = {.top = 0};
        for (int64_t first = 0; first < rows; first += SOMA__ROWS) {
            double s = 0, q = 0;
            for (int64_t r = first; r < first + SOMA__ROWS && r < rows; r++) {
                double v = value(x, row_of(x, r) + ch * x->strides[1]);
                s += v, q += v * v;
            }
            tree_add(&sums, s), tree_add(&squares, q);
        }
        double mean = tree_end(&sums) / (double)rows, variance = tree_end(&squares) / (double)rows - mean * mean;
        set(&c->out, ch, mean), set(&c->out, channels + ch, variance < 0 ? 0 : variance);
    }
    return SOMA_OK;
}

static int dots_run(const soma__call *c) {
    const soma__operand *g = &c->in[0], *x = &c->in[1], *m = &c->in[2];
    int64_t channels = x->shape[1], rows = channels ? x->numel / channels : 0;
    for (int64_t ch = 0; ch < channels; ch++) {
        tree sums = {.top = 0}, dots = {.top = 0};
        double mean = value(m, ch * m->strides[1]);
        for (int64_t first = 0; first < rows; first += SOMA__ROWS) {
            double s = 0, d = 0;
            for (int64_t r = first; r < first + SOMA__ROWS && r < rows; r++) {
                double v = value(g, row_of(g, r) + ch * g->strides[1]);
                s += v, d += v * (value(x, row_of(x, r) + ch * x->strides[1]) - mean);
            }
            tree_add(&sums, s), tree_add(&dots, d);
        }
        set(&c->out, ch, tree_end(&sums)), set(&c->out, channels + ch, tree_end(&dots));
    }
    return SOMA_OK;
}

static int normalise_run(const soma__call *c) {
    for (int64_t i = 0; i < c->out.numel; i++) {
        int64_t at[4], to = soma__offset(&c->out, i);
        for (int k = 0; k < 4; k++) at[k] = soma__offset(&c->in[k], i);
        if (c->out.dtype == SOMA_F32) {
            const float *x = c->in[0].data, *mean = c->in[1].data, *scale = c->in[2].data, *bias = c->in[3].data;
            ((float *)c->out.data)[to] = (x[at[0]] - mean[at[1]]) * scale[at[2]] + bias[at[3]];
        } else {
            const double *x = c->in[0].data, *mean = c->in[1].data, *scale = c->in[2].data, *bias = c->in[3].data;
            ((double *)c->out.data)[to] = (x[at[0]] - mean[at[1]]) * scale[at[2]] + bias[at[3]];
        }
    }
    return SOMA_OK;
}

static soma_tensor *record(int op, soma_tensor *const *in, int n, const int64_t *shape, int64_t ndim) {
    for (int k = 0; k < n; k++)
        if (!in[k]) return NULL;
    soma__record r = {op, (soma_dtype)in[0]->dtype, ndim, shape, in, n, NULL, 0};
    return soma__graph_record(in[0]->ctx, &r);
}
static soma_tensor *stats(soma_tensor *x) { return x ? record(SOMA_OP_channel_stats, &x, 1, SOMA_SHAPE(2, x->shape[1])) : NULL; }
static soma_tensor *dots(soma_tensor *g, soma_tensor *x, soma_tensor *mean) {
    soma_tensor *in[3] = {g, x, mean};
    return record(SOMA_OP_channel_dots, in, 3, SOMA_SHAPE(2, x->shape[1]));
}
static soma_tensor *normalise(soma_tensor *x, soma_tensor *mean, soma_tensor *scale, soma_tensor *bias) {
    soma_tensor *in[4] = {x, mean, scale, bias};
    return record(SOMA_OP_batch_normalise, in, 4, x->shape, x->ndim);
}

/* Row k of [2, C], as [1, C, 1...]. */
static soma_tensor *part(soma_tensor *x, soma_tensor *pair, int64_t k) { return soma__by_channel(x, soma_select(pair, 0, k)); }

static void stats_grad(const soma__vjp *v) {
    soma_tensor *x = v->in[0];
    double rows = (double)x->numel / (double)(x->shape[1] ? x->shape[1] : 1);
    v->gx[0] = normalise(x, part(x, v->node, 0), soma_mul_scalar(part(x, v->gy, 1), 2 / rows), soma_mul_scalar(part(x, v->gy, 0), 1 / rows));
}
static void dots_grad(const soma__vjp *v) {
    soma_tensor *g = v->in[0], *x = v->in[1], *mean = v->in[2];
    if (v->wants[0]) v->gx[0] = normalise(x, mean, part(x, v->gy, 1), part(x, v->gy, 0));
    if (v->wants[1]) v->gx[1] = soma_mul(g, part(x, v->gy, 1));
    if (v->wants[2]) v->gx[2] = soma_neg(soma_mul(part(x, v->gy, 1), part(x, v->node, 0)));
}
static void normalise_grad(const soma__vjp *v) {
    soma_tensor *x = v->in[0], *mean = v->in[1], *scale = v->in[2], *d = NULL;
    if (v->wants[1] || v->wants[2] || v->wants[3]) d = dots(v->gy, x, mean);
    if (v->wants[0]) v->gx[0] = soma_mul(v->gy, scale);
    if (v->wants[1]) v->gx[1] = soma_neg(soma_mul(part(x, d, 0), scale));
    if (v->wants[2]) v->gx[2] = part(x, d, 1);
    if (v->wants[3]) v->gx[3] = part(x, d, 0);
}
const soma__op_def soma__op_channel_stats = {.name = "channel_stats", .cls = SOMA__CLASS_STRIDED, .run = stats_run, .grad = stats_grad};
const soma__op_def soma__op_channel_dots = {.name = "channel_dots", .cls = SOMA__CLASS_STRIDED, .run = dots_run, .grad = dots_grad};
const soma__op_def soma__op_batch_normalise = {
    .name = "batch_normalise", .cls = SOMA__CLASS_ELEMENTWISE, .run = normalise_run, .grad = normalise_grad};

soma_tensor *soma_batch_norm(soma_tensor *x, soma_tensor *running_mean, soma_tensor *running_var, soma_tensor *weight, soma_tensor *bias,
                             bool training, double momentum, double eps) {
    soma_tensor *all[4] = {running_mean, running_var, weight, bias};
    static const char *const names[4] = {"running mean", "running variance", "weight", "bias"};
    char text[128];
    if (x && (running_mean != NULL) != (running_var != NULL)) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "batch_norm: the input is %s; [N, C, ...] and both running statistics, or none, are wanted",
                         soma_shape_text(x, text, sizeof text));
        return NULL;
    }
    if (!soma__channels_fit("batch_norm", x, all, names, 4, 2) || !x) return NULL;
    int64_t count = x->shape[1] ? x->numel / x->shape[1] : 0;
    bool batch = training || !running_mean;
    if (training && count == 1)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "batch_norm: one value for each channel has no variance; training wants more (input %s)",
                                soma_shape_text(x, text, sizeof text)),
               NULL;
    soma__composite_begin(x->ctx, "batch_norm");
    soma_tensor *pair = batch ? stats(x) : NULL, *mean = batch ? part(x, pair, 0) : soma__by_channel(x, running_mean);
    soma_tensor *variance = batch ? part(x, pair, 1) : soma__by_channel(x, running_var);
    if (training && running_mean && count > 0) { /* of nothing nothing is learned */
        soma_no_grad_begin(x->ctx);
        soma__move(running_mean, mean, momentum);
        soma__move(running_var, soma_mul_scalar(variance, (double)count / (double)(count - 1)), momentum); /* the unbiased one */
        soma_no_grad_end(x->ctx);
    }
    soma_tensor *scale = soma_rsqrt(soma_add_scalar(variance, eps));
    if (weight) scale = soma_mul(scale, soma__by_channel(x, weight));
    bias = bias ? soma__by_channel(x, bias) : soma_full(x->ctx, 0, (soma_dtype)x->dtype, mean ? mean->shape : NULL, x->ndim);
    return soma_interior_end(x->ctx, mean && scale && bias ? normalise(x, mean, scale, bias) : NULL);
}
