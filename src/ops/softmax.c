/* softmax and log_softmax along one dimension: the largest element is taken off first; the sum has the reduction order. */
#include "base/math.h"
#include "ops/elementwise.h"
#include "ops/loops.h"
#include "ops/reduce.h"

static size_t row_scratch(const soma__call *c, int threads) {
    (void)threads;
    return (size_t)(c->out.numel && c->out.ndim ? c->out.shape[c->attr[0]] : 1) * sizeof(double);
}

#define ROWS(name, T, exp, log, sum) \
    static void name(const soma__call *c, int64_t n, int64_t stride, int64_t first, T *e) { \
        const T *x = (const T *)c->in[0].data + first; \
        T *y = (T *)c->out.data + first, m = x[0]; \
        for (int64_t i = 1; i < n; i++) m = x[i * stride] > m || x[i * stride] != x[i * stride] ? x[i * stride] : m; \
        for (int64_t i = 0; i < n; i++) e[i] = exp(x[i * stride] - m); \
        T s = sum(e, n); \
        if (c->op == SOMA_OP_softmax) \
            for (int64_t i = 0; i < n; i++) y[i * stride] = e[i] / s; \
        else { \
            T l = log(s); \
            for (int64_t i = 0; i < n; i++) y[i * stride] = x[i * stride] - m - l; \
        } \
    }
ROWS(rows_f32, float, soma__expf, soma__logf, soma__sum_f32)
ROWS(rows_f64, double, soma__exp, soma__log, soma__sum_f64)

static int softmax_run(const soma__call *c) {
    if (!c->out.numel) return SOMA_OK;
    int64_t dim = c->attr[0], n = c->out.ndim ? c->out.shape[dim] : 1, inner = 1;
    for (int d = (int)dim + 1; d < c->out.ndim; d++) inner *= c->out.shape[d];
    for (int64_t r = 0; r < c->out.numel / n; r++) {
        int64_t first = r / inner * inner * n + r % inner;
        if (c->out.dtype == SOMA_F32) rows_f32(c, n, inner, first, c->scratch);
        else rows_f64(c, n, inner, first, c->scratch);
    }
    return SOMA_OK;
}

static soma_tensor *record(int op, soma_tensor *x, int64_t dim) {
    if (!soma__check(soma__ops[op]->name, &x, 1) || !soma__check_dim(x, soma__ops[op]->name, &dim)) return NULL;
    if (!soma__is_float(x->dtype) && !(x = soma_to(x, SOMA_F32))) return NULL;
    soma__record r = {op, (soma_dtype)x->dtype, x->ndim, x->shape, &x, 1, &dim, 1};
    return soma__graph_record(x->ctx, &r);
}
soma_tensor *soma_softmax(soma_tensor *x, int64_t dim) { return record(SOMA_OP_softmax, x, dim); }
soma_tensor *soma_log_softmax(soma_tensor *x, int64_t dim) { return record(SOMA_OP_log_softmax, x, dim); }

static soma_tensor *sum_along(soma_tensor *x, int64_t dim) {
    soma_reduce_opts o = {.ndims = 1, .dims = {dim}, .keepdim = 1};
    return soma_sum(x, &o);
}

static void softmax_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma_mul(v->node, soma_sub(v->gy, sum_along(soma_mul(v->gy, v->node), v->attr[0])));
}
static void log_softmax_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma_sub(v->gy, soma_mul(soma_exp(v->node), sum_along(v->gy, v->attr[0])));
}
const soma__op_def soma__op_softmax = {
    .name = "softmax", .cls = SOMA__CLASS_KERNEL, .run = softmax_run, .grad = softmax_grad, .scratch = row_scratch};
const soma__op_def soma__op_log_softmax = {
    .name = "log_softmax", .cls = SOMA__CLASS_KERNEL, .run = softmax_run, .grad = log_softmax_grad, .scratch = row_scratch};
