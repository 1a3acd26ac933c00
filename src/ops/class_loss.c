/* Cross entropy of logits x [R, C] with classes t [R]: softmax, the pick of the class, label smoothing and the reduction as one op. In T's
 * arithmetic, row r: lp_j = (x_j - max x) - log(sum_j exp(x_j - max x)), loss_r = (1 - s) w_t (-lp_t) + s / C sum_j w_j (-lp_j) sums in the reduction
 * order; an ignored row gives 0. The mean divides by the sum of the w_t that count. Inputs: x, t, ignore_index (0-d int64), s (0-d, x's dtype), [w],
 * and for the gradient g. attr: reduction, and flags: 1 weights, 2 smoothing. All inputs may have any strides. */
#include "ops/class_loss.h"

#include "base/math.h"
#include "ops/elementwise.h"
#include "ops/loops.h"
#include "ops/reduce.h"

soma__class_loss soma__class_loss_of(const soma__call *c, bool backward) {
    bool weighted = c->attr[1] & SOMA__LOSS_WEIGHTED;
    const soma__operand *x = &c->in[0];
    return (soma__class_loss){.rows = x->shape[0],
                              .classes = x->shape[1],
                              .rs = x->strides[0],
                              .cs = x->strides[1],
                              .target = c->in[1].data,
                              .target_stride = c->in[1].strides[0],
                              .ignore = *(const int64_t *)c->in[2].data,
                              .weight = weighted ? c->in[4].data : NULL,
                              .weight_stride = weighted ? c->in[4].strides[0] : 0,
                              .g = backward ? c->in[4 + weighted].data : NULL,
                              .g_stride = backward && c->attr[0] == SOMA_NONE ? c->in[4 + weighted].strides[0] : 0,
                              .reduction = c->attr[0],
                              .smooth = c->attr[1] & SOMA__LOSS_SMOOTHED,
                              .targets = c->attr[1] & SOMA__LOSS_TARGETS};
}

int64_t soma__class_loss_target(const soma__call *c, const soma__class_loss *l, int64_t row) {
    int64_t t = l->target[row * l->target_stride];
    if (t == l->ignore) return SOMA__TARGET_IGNORED;
    if (t >= 0 && t < l->classes) return t;
    soma_error_raise(c->env->ctx, SOMA_ERROR_RANGE, "cross_entropy: target %lld of row %lld is outside [0, %lld)", (long long)t, (long long)row,
                     (long long)l->classes);
    return SOMA__TARGET_WRONG;
}

/* scratch: [R] losses, [R] weights, [C] terms */
static size_t loss_scratch(const soma__call *c, int threads) {
    (void)threads;
    return (size_t)(2 * c->in[0].shape[0] + c->in[0].shape[1] + 2) * soma_dtype_size((soma_dtype)c->in[0].dtype);
}

#define OF(T, suffix, exp_fn, log_fn, sum_fn) \
    static T weight_##suffix(const soma__class_loss *l, int64_t j) { return l->weight ? ((const T *)l->weight)[j * l->weight_stride] : (T)1; } \
    /* the terms exp(x_j - m) of a row; the largest goes to *m; their sum is returned */ \
    static T terms_##suffix(const soma__class_loss *l, const T *x, T *e, T *m) { \
        *m = x[0]; \
        for (int64_t j = 1; j < l->classes; j++) *m = x[j * l->cs] > *m || x[j * l->cs] != x[j * l->cs] ? x[j * l->cs] : *m; \
        for (int64_t j = 0; j < l->classes; j++) e[j] = exp_fn(x[j * l->cs] - *m); \
        return sum_fn(e, l->classes); \
    } \
    static T row_##suffix(const soma__class_loss *l, const T *x, int64_t t, T s, T *e) { \
        T m, log_sum = log_fn(terms_##suffix(l, x, e, &m)), pick = weight_##suffix(l, t) * -((x[t * l->cs] - m) - log_sum); \
        if (!l->smooth) return pick; \
        for (int64_t j = 0; j < l->classes; j++) e[j] = weight_##suffix(l, j) * -((x[j * l->cs] - m) - log_sum); \
        return ((T)1 - s) * pick + s / (T)l->classes * sum_fn(e, l->classes); \
    } \
    static int loss_##suffix(const soma__call *c) { \
        soma__class_loss l = soma__class_loss_of(c, false); \
        T *loss = c->scratch, *by = loss + l.rows, *e = by + l.rows, *out = c->out.data; \
        for (int64_t r = 0; r < l.rows; r++) { \
            int64_t t = soma__class_loss_target(c, &l, r); \
            if (t == SOMA__TARGET_WRONG) return SOMA_ERROR_RANGE; \
            loss[r] = t < 0 ? (T)0 : row_##suffix(&l, (const T *)c->in[0].data + r * l.rs, t, *(const T *)c->in[3].data, e); \
            by[r] = t < 0 ? (T)0 : weight_##suffix(&l, t); \
        } \
        if (l.reduction == SOMA_NONE) \
            for (int64_t r = 0; r < l.rows; r++) out[r] = loss[r]; \
        else *out = l.reduction == SOMA_SUM ? sum_fn(loss, l.rows) : sum_fn(loss, l.rows) / sum_fn(by, l.rows); \
        return SOMA_OK; \
    } \
    /* dx_j = g_r (a p_j - b_j), p the softmax, a = (1 - s) w_t + s / C sum w, b_j = (j == t) (1 - s) w_t + s / C w_j */ \
    static int backward_##suffix(const soma__call *c) { \
        soma__class_loss l = soma__class_loss_of(c, true); \
        T *by = c->scratch, *e = by + 2 * l.rows, s = *(const T *)c->in[3].data, whole = 0, share = s / (T)l.classes, m; \
        for (int64_t r = 0; r < l.rows; r++) { \
            int64_t t = soma__class_loss_target(c, &l, r); \
            if (t == SOMA__TARGET_WRONG) return SOMA_ERROR_RANGE; \
            by[r] = t < 0 ? (T)0 : weight_##suffix(&l, t); \
        } \
        if (l.smooth) { \
            for (int64_t j = 0; j < l.classes; j++) e[j] = weight_##suffix(&l, j); \
            whole = sum_fn(e, l.classes); \
        } \
        T over = l.reduction == SOMA_MEAN ? sum_fn(by, l.rows) : (T)1; \
        for (int64_t r = 0; r < l.rows; r++) { \
            const T *x = (const T *)c->in[0].data + r * l.rs; \
            T *out = (T *)c->out.data + r * l.classes; \
            int64_t t = l.target[r * l.target_stride] == l.ignore ? -1 : l.target[r * l.target_stride]; \
            T g = ((const T *)l.g)[r * l.g_stride], w = by[r], a, pick; \
            if (l.reduction == SOMA_MEAN) g = g / over; \
            pick = l.smooth ? ((T)1 - s) * w : w; \
            a = l.smooth ? pick + share * whole : w; \
            T sum = terms_##suffix(&l, x, e, &m); \
            for (int64_t j = 0; j < l.classes; j++) { \
                T b = j == t ? pick : (T)0; \
                if (l.smooth) b = b + share * weight_##suffix(&l, j); \
                out[j] = t < 0 ? (T)0 : g * (l.targets ? b : a * (e[j] / sum) - b); \
            } \
        } \
        return SOMA_OK; \
    }
OF(float, f32, soma__expf, soma__logf, soma__sum_f32)
OF(double, f64, soma__exp, soma__log, soma__sum_f64)

static int loss_run(const soma__call *c) { return c->in[0].dtype == SOMA_F32 ? loss_f32(c) : loss_f64(c); }
static int backward_run(const soma__call *c) { return c->in[0].dtype == SOMA_F32 ? backward_f32(c) : backward_f64(c); }

static soma_tensor *node(int op, soma_tensor *const *in, int n, const int64_t *attr) {
    if (!soma__check("cross_entropy", in, n)) return NULL;
    bool rows = op == SOMA_OP_class_loss_backward || attr[0] == SOMA_NONE;
    soma__record r = {op, (soma_dtype)in[0]->dtype, op == SOMA_OP_class_loss_backward ? 2 : rows, in[0]->shape, in, n, attr, 2};
    return soma__graph_record(in[0]->ctx, &r);
}

soma_tensor *soma__class_loss_record(soma_tensor *x, soma_tensor *target, soma_tensor *weight, int64_t ignore, double smoothing, int64_t reduction) {
    soma_tensor *in[5] = {x, target, soma__number(x->ctx, (double)ignore, SOMA_I64), soma__number(x->ctx, smoothing, (soma_dtype)x->dtype), weight};
    int64_t attr[2] = {reduction, (weight ? SOMA__LOSS_WEIGHTED : 0) | (smoothing != 0 ? SOMA__LOSS_SMOOTHED : 0)};
    return node(SOMA_OP_class_loss, in, weight ? 5 : 4, attr);
}

/* The gradient's node for g, or with SOMA__LOSS_TARGETS the part of it that the targets alone make. */
static soma_tensor *backward(const soma__vjp *v, soma_tensor *g, int64_t flags) {
    int n = v->attr[1] & SOMA__LOSS_WEIGHTED ? 5 : 4;
    soma_tensor *in[6];
    for (int k = 0; k < n; k++) in[k] = v->in[k];
    in[n] = g;
    int64_t attr[2] = {v->attr[0], v->attr[1] | flags};
    return node(SOMA_OP_class_loss_backward, in, n + 1, attr);
}

static void loss_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = backward(v, v->gy, 0);
}

/* The result g_r (a_r p_rj - b_rj) is linear in g; by x it changes with p alone, and a_r is the sum of b_rj over j. */
static void backward_grad(const soma__vjp *v) {
    soma_tensor *x = v->in[0], *g = v->in[v->n_in - 1];
    soma_reduce_opts along = {.ndims = 1, .dims = {1}}, keep = {.ndims = 1, .dims = {1}, .keepdim = 1};
    if (v->wants[v->n_in - 1]) {
        soma_tensor *one = backward(v, soma_ones(v->ctx, (soma_dtype)x->dtype, g->shape, g->ndim), 0);
        v->gx[v->n_in - 1] = soma_sum(soma_mul(v->gy, one), v->attr[0] == SOMA_NONE ? &along : NULL);
    }
    if (!v->wants[0] || v->attr[1] & SOMA__LOSS_TARGETS) return;
    soma_tensor *a = soma_sum(backward(v, g, SOMA__LOSS_TARGETS), &keep), *p = soma_softmax(x, 1);
    v->gx[0] = soma_mul(soma_mul(a, p), soma_sub(v->gy, soma_sum(soma_mul(v->gy, p), &keep)));
}
const soma__op_def soma__op_class_loss = {
    .name = "class_loss", .cls = SOMA__CLASS_STRIDED, .run = loss_run, .fails = true, .grad = loss_grad, .scratch = loss_scratch};
const soma__op_def soma__op_class_loss_backward = {
    .name = "class_loss_backward", .cls = SOMA__CLASS_STRIDED, .run = backward_run, .fails = true, .grad = backward_grad, .scratch = loss_scratch};
