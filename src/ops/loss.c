/* Losses. Cross entropy with class numbers is log_softmax and then a pick, as one kernel over rows (nll_rows on the log-probabilities keeps it simple:
 * inputs lp [R, C], target [R], weight [C], ignore_index, smoothing; the result is each row's loss). */
#include "ops/elementwise.h"
#include "ops/loops.h"

#include <string.h>

static soma_tensor *reduced(soma_tensor *x, int64_t reduction) {
    return reduction == SOMA_NONE ? x : reduction == SOMA_SUM ? soma_sum(x, NULL) : soma_mean(x, NULL);
}

static bool reduction_ok(soma_context *ctx, const char *op, int64_t reduction) {
    if (reduction >= SOMA_MEAN && reduction <= SOMA_NONE) return true;
    soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: reduction %lld; SOMA_MEAN, SOMA_SUM or SOMA_NONE is wanted", op, (long long)reduction);
    return false;
}

soma_tensor *soma_mse_loss(soma_tensor *input, soma_tensor *target, const soma_loss_opts *options) {
    soma_tensor *in[2] = {input, target};
    int64_t reduction = options ? options->reduction : SOMA_MEAN;
    if (!soma__check(in, 2) || !reduction_ok(input->ctx, "mse_loss", reduction)) return NULL;
    char a[128], b[128];
    if (!soma__same_shape(input, target)) {
        soma_error_raise(input->ctx, SOMA_ERROR_SHAPE, "mse_loss: the input is %s, the target %s; they must be equal", soma_shape_text(input, a, sizeof a),
                         soma_shape_text(target, b, sizeof b));
        return NULL;
    }
    soma_interior_begin(input->ctx);
    return soma_interior_end(input->ctx, reduced(soma_square(soma_sub(input, target)), reduction));
}

/* nll_rows: in lp, target, weight, ignore (int64), smoothing */

static double number(const soma__operand *x, int64_t i) { return x->dtype == SOMA_F32 ? (double)((const float *)x->data)[i] : ((const double *)x->data)[i]; }
static void store(const soma__operand *x, int64_t i, double v) {
    if (x->dtype == SOMA_F32) ((float *)x->data)[i] = (float)v;
    else ((double *)x->data)[i] = v;
}

/* The row's class, -1 when it is ignored, -2 with an error raised when it is none. */
static int64_t class_of(const soma__call *c, int64_t row, int64_t classes) {
    int64_t t = ((const int64_t *)c->in[1].data)[row], ignore = *(const int64_t *)c->in[3].data;
    if (t == ignore) return -1;
    if (t >= 0 && t < classes) return t;
    soma_error_raise(c->env->ctx, SOMA_ERROR_RANGE, "cross_entropy: target %lld of row %lld is outside [0, %lld)", (long long)t, (long long)row, (long long)classes);
    return -2;
}

/* (1 - s) * w[t] * -lp[t] + s / C * sum over j of w[j] * -lp[j]; the arithmetic is float64, rounded once */
static int nll_rows_run(const soma__call *c) {
    int64_t classes = c->in[0].shape[1];
    double s = number(&c->in[4], 0);
    for (int64_t r = 0; r < c->out.numel; r++) {
        int64_t t = class_of(c, r, classes);
        if (t == -2) return SOMA_ERROR_RANGE;
        double loss = t < 0 ? 0 : -(1 - s) * number(&c->in[2], t) * number(&c->in[0], r * classes + t);
        if (t >= 0 && s != 0) {
            double all = 0;
            for (int64_t j = 0; j < classes; j++) all -= number(&c->in[2], j) * number(&c->in[0], r * classes + j);
            loss += s / (double)classes * all;
        }
        store(&c->out, r, loss);
    }
    return SOMA_OK;
}

/* in lp (for its shape), target, weight, ignore, smoothing, g [R] */
static int nll_rows_backward_run(const soma__call *c) {
    int64_t classes = c->out.shape[1];
    double s = number(&c->in[4], 0);
    for (int64_t r = 0; r < c->out.shape[0]; r++) {
        int64_t t = class_of(c, r, classes);
        if (t == -2) return SOMA_ERROR_RANGE;
        double g = number(&c->in[5], r);
        for (int64_t j = 0; j < classes; j++) {
            double d = t < 0 ? 0 : -number(&c->in[2], j) * ((j == t ? 1 - s : 0) + s / (double)classes);
            store(&c->out, r * classes + j, t < 0 ? 0 : d * g);
        }
    }
    return SOMA_OK;
}

static soma_tensor *nll_node(int op, soma_tensor *const *in, int n) {
    if (!soma__check(in, n)) return NULL;
    soma__record r = {op, (soma_dtype)in[0]->dtype, op == SOMA_OP_nll_rows ? 1 : 2, in[0]->shape, in, n, NULL, 0};
    return soma__graph_record(in[0]->ctx, &r);
}

static void nll_rows_grad(const soma__vjp *v) {
    soma_tensor *in[6] = {v->in[0], v->in[1], v->in[2], v->in[3], v->in[4], v->gy};
    if (v->wants[0]) v->gx[0] = nll_node(SOMA_OP_nll_rows_backward, in, 6);
}

/* It is linear in g: the gradient by g is the dot of gy with the backward for g = 1. */
static void nll_rows_backward_grad(const soma__vjp *v) {
    if (!v->wants[5]) return;
    soma_tensor *g = v->in[5], *in[6] = {v->in[0], v->in[1], v->in[2], v->in[3], v->in[4], soma_ones(v->ctx, (soma_dtype)g->dtype, g->shape, g->ndim)};
    soma_reduce_opts o = {.ndims = 1, .dims = {1}};
    v->gx[5] = soma_sum(soma_mul(v->gy, nll_node(SOMA_OP_nll_rows_backward, in, 6)), &o);
}
const soma__op_def soma__op_nll_rows = {.name = "nll_rows", .cls = SOMA__CLASS_KERNEL, .run = nll_rows_run, .grad = nll_rows_grad};
const soma__op_def soma__op_nll_rows_backward = {
    .name = "nll_rows_backward", .cls = SOMA__CLASS_KERNEL, .run = nll_rows_backward_run, .grad = nll_rows_backward_grad};

/* x [N, C, d...] as rows [N * d..., C]. */
static soma_tensor *class_rows(soma_tensor *x) {
    if (x->ndim == 1) return soma_unsqueeze(x, 0);
    int64_t dims[SOMA_MAX_DIMS], shape[2] = {-1, x->shape[1]};
    for (int i = 0; i < x->ndim; i++) dims[i] = i == 0 ? 0 : i == x->ndim - 1 ? 1 : i + 1;
    if (!x->shape[1]) shape[0] = 0;
    return soma_reshape(x->ndim > 2 ? soma_permute(x, dims, x->ndim) : x, shape, 2);
}

static bool target_fits(soma_tensor *x, soma_tensor *t, bool classes) {
    bool fits = x->ndim >= 1 && t->ndim == (classes ? x->ndim - 1 : x->ndim) && (x->ndim == 1 || x->shape[0] == t->shape[0] || !classes);
    for (int i = 2; fits && classes && i < x->ndim; i++) fits = t->shape[i - 1] == x->shape[i];
    if (!classes) fits = soma__same_shape(x, t) && t->dtype == x->dtype;
    if (fits && (t->dtype == SOMA_I64) == classes && soma__is_float(x->dtype)) return true;
    char a[128], b[128];
    soma_error_raise(x->ctx, SOMA_ERROR_SHAPE,
                     "cross_entropy: input %s %s does not go with target %s %s; int64 classes without the class dimension, or probabilities as the input",
                     soma_dtype_name((soma_dtype)x->dtype), soma_shape_text(x, a, sizeof a), soma_dtype_name((soma_dtype)t->dtype), soma_shape_text(t, b, sizeof b));
    return false;
}

/* The rows' loss for probabilities: -sum_j w[j] ((1 - s) p[j] + s / C) lp[j]. */
static soma_tensor *soft_rows(soma_tensor *lp, soma_tensor *p, soma_tensor *weight, double s) {
    if (s != 0 && lp) p = soma_add_scalar(soma_mul_scalar(p, 1 - s), s / (double)lp->shape[1]);
    soma_reduce_opts o = {.ndims = 1, .dims = {1}};
    soma_tensor *product = soma_mul(lp, p);
    return soma_neg(soma_sum(weight ? soma_mul(product, weight) : product, &o));
}

static soma_tensor *class_loss(soma_tensor *input, soma_tensor *target, const soma_cross_entropy_opts *o, double s) {
    soma_context *ctx = input->ctx;
    soma_dtype dtype = (soma_dtype)input->dtype;
    int64_t ignore = o->ignore_index.set ? (int64_t)o->ignore_index.value : -100, one = 1, flat = -1;
    soma_tensor *lp = soma_log_softmax(class_rows(input), 1);
    if (!lp) return NULL;
    soma_tensor *t = soma_reshape(target, input->ndim == 1 ? &one : &flat, 1), *w = o->weight;
    if (!w) w = soma_ones(ctx, dtype, &lp->shape[1], 1);
    soma_tensor *in[5] = {lp, t, w, soma__number(ctx, (double)ignore, SOMA_I64), soma__number(ctx, s, dtype)};
    soma_tensor *rows = nll_node(SOMA_OP_nll_rows, in, 5);
    if (o->reduction == SOMA_NONE) return rows ? soma_reshape(rows, target->shape, target->ndim) : NULL;
    soma_tensor *sum = soma_sum(rows, NULL);
    if (o->reduction == SOMA_SUM) return sum;
    /* the weights of the targets that count; an ignored target's class is read as 0 and its weight dropped */
    soma_tensor *counts = soma_ne(t, soma__number(ctx, (double)ignore, SOMA_I64)), *zero = soma__number(ctx, 0, SOMA_I64);
    soma_tensor *by = soma_to(counts, dtype);
    if (o->weight) by = soma_mul(by, soma_index_select(o->weight, 0, soma_where(counts, t, zero)));
    return soma_div(sum, soma_sum(by, NULL));
}

soma_tensor *soma_cross_entropy_v(soma_tensor *input, soma_tensor *target, const soma_cross_entropy_opts *options, size_t size) {
    soma_tensor *in[2] = {input, target};
    soma_cross_entropy_opts o;
    if (!soma__check(in, 2)) return NULL;
    soma_context *ctx = input->ctx;
    if (!soma__options(ctx, "cross_entropy", &o, sizeof o, options, size) || !reduction_ok(ctx, "cross_entropy", o.reduction)) return NULL;
    bool classes = !soma__is_float(target->dtype);
    double s = o.label_smoothing.set ? o.label_smoothing.value : 0;
    if (!target_fits(input, target, classes)) return NULL;
    int64_t n = input->shape[input->ndim == 1 ? 0 : 1];
    if (!(s >= 0 && s <= 1)) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "cross_entropy: label_smoothing is %g; [0, 1] is wanted", s), NULL;
    if (o.weight && (o.weight->ndim != 1 || o.weight->shape[0] != n || o.weight->dtype != input->dtype))
        return soma_error_raise(ctx, SOMA_ERROR_SHAPE, "cross_entropy: weight must be a 1-d tensor of %lld numbers of the input's dtype", (long long)n), NULL;
    soma_interior_begin(ctx);
    soma_tensor *y;
    if (classes) y = class_loss(input, target, &o, s);
    else {
        y = soft_rows(soma_log_softmax(class_rows(input), 1), class_rows(target), o.weight, s);
        if (o.reduction == SOMA_NONE && y) {
            int64_t shape[SOMA_MAX_DIMS], k = 0;
            for (int i = 0; i < input->ndim; i++)
                if (i != (input->ndim == 1 ? 0 : 1)) shape[k++] = input->shape[i];
            y = soma_reshape(y, shape, k);
        } else
            y = reduced(y, o.reduction);
    }
    return soma_interior_end(ctx, y);
}
