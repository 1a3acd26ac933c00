/* Constants, and the nodes that have effects: assign, guard, custom ops. */
#include "base/fpmode.h"
#include "ops/elementwise.h"
#include "ops/loops.h"

#include <string.h>

static soma_tensor *filled(const char *call, soma_context *ctx, double value, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    if (dtype == SOMA_I32) value = (double)soma__to_i32(value); /* numbers in arithmetic wrap, constants do not */
    if (dtype == SOMA_U8) value = (double)soma__to_u8(value);
    soma_tensor *n = soma__check_shape(ctx, call, dtype, shape, ndim) ? soma__number(ctx, value, dtype) : NULL;
    if (!n) return NULL;
    soma__record r = {SOMA_OP_full, dtype, ndim, shape, &n, 1, NULL, 0};
    return soma__graph_record(ctx, &r);
}
soma_tensor *soma_full(soma_context *ctx, double value, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    return filled("full", ctx, value, dtype, shape, ndim);
}
soma_tensor *soma_zeros(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    return filled("zeros", ctx, 0, dtype, shape, ndim);
}
soma_tensor *soma_ones(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim) { return filled("ones", ctx, 1, dtype, shape, ndim); }

static int full_run(const soma__call *c) {
    size_t size = soma_dtype_size((soma_dtype)c->out.dtype);
    for (int64_t i = 0; i < c->out.numel; i++) memcpy((char *)c->out.data + (size_t)i * size, c->in[0].data, size);
    return SOMA_OK;
}
const soma__op_def soma__op_full = {.name = "full", .cls = SOMA__CLASS_KERNEL, .run = full_run};

/* arange: computed in float64 as start + i * step and rounded once */

soma_tensor *soma_arange(soma_context *ctx, double start, double end, double step, soma_dtype dtype) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    double count = soma__nearest('/', soma__nearest('-', end, start), step);
    if (!(count < 1e15) || step == 0 || count != count || dtype == SOMA_BOOL) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "arange: no range from %g to %g by %g", start, end, step);
        return NULL;
    }
    int64_t n = count > 0 ? (int64_t)count + ((double)(int64_t)count < count) : 0;
    soma_tensor *in[2] = {soma__number(ctx, start, SOMA_F64), soma__number(ctx, step, SOMA_F64)};
    if (!in[0] || !in[1]) return NULL;
    soma__record r = {SOMA_OP_arange, dtype, 1, &n, in, 2, NULL, 0};
    return soma__graph_record(ctx, &r);
}

static int arange_run(const soma__call *c) {
    double start = *(const double *)c->in[0].data, step = *(const double *)c->in[1].data;
    for (int64_t i = 0; i < c->out.numel; i++) {
        double v = start + (double)i * step;
        switch (c->out.dtype) {
        case SOMA_F32: ((float *)c->out.data)[i] = (float)v; break;
        case SOMA_F64: ((double *)c->out.data)[i] = v; break;
        case SOMA_I64: ((int64_t *)c->out.data)[i] = soma__to_i64(v); break;
        case SOMA_I32: ((int32_t *)c->out.data)[i] = soma__to_i32(v); break;
        default: ((uint8_t *)c->out.data)[i] = soma__to_u8(v);
        }
    }
    return SOMA_OK;
}
const soma__op_def soma__op_arange = {.name = "arange", .cls = SOMA__CLASS_KERNEL, .run = arange_run};

static int assign_run(const soma__call *c) {
    if (c->out.numel) memmove(c->out.data, c->in[1].data, (size_t)c->out.numel * soma_dtype_size((soma_dtype)c->out.dtype));
    return SOMA_OK;
}
const soma__op_def soma__op_assign = {.name = "assign", .cls = SOMA__CLASS_ASSIGN, .run = assign_run};

/* x - x is 0 for finite numbers alone */
static int guard_run(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    *(uint8_t *)c->out.data = 1;
    for (int64_t i = 0; i < x->numel; i++) {
        double v = x->dtype == SOMA_F32 ? (double)((const float *)x->data)[i] : x->dtype == SOMA_F64 ? ((const double *)x->data)[i] : 0;
        if (v - v != 0)
            return soma_error_raise(c->env->ctx, SOMA_ERROR_NONFINITE, "guard: element %lld is %s; the step stopped before it changed anything",
                                    (long long)i, v != v ? "NaN" : "infinite");
    }
    return SOMA_OK;
}
const soma__op_def soma__op_guard = {.name = "guard", .cls = SOMA__CLASS_KERNEL, .run = guard_run, .fails = true};

static int custom_run(const soma__call *c) {
    const soma_custom_def *def = soma__custom_find(c->env->ctx, c->attr[0]);
    soma_custom_operand in[4], out = {c->out.data, c->out.shape, c->out.ndim, c->out.numel, (soma_dtype)c->out.dtype};
    for (int k = 0; k < c->n_in; k++)
        in[k] = (soma_custom_operand){c->in[k].data, c->in[k].shape, c->in[k].ndim, c->in[k].numel, (soma_dtype)c->in[k].dtype};
    return def->forward(def->user, in, (size_t)c->n_in, &out);
}

static void custom_grad(const soma__vjp *v) {
    const soma_custom_def *def = soma__custom_find(v->ctx, v->attr[0]);
    soma_tensor *g[4] = {0};
    soma_status s = def->gradient ? def->gradient(def->user, v->in, (size_t)v->n_in, v->node, v->gy, g) : SOMA_ERROR_UNSUPPORTED;
    if (s != SOMA_OK) soma_error_raise(v->ctx, s, "custom: the op '%s' has no gradient, or its gradient failed", def->name);
    for (int k = 0; k < v->n_in && s == SOMA_OK; k++) {
        if (g[k] && (!soma__same_shape(g[k], v->in[k]) || g[k]->dtype != v->in[k]->dtype)) {
            char have[128], want[128];
            soma_error_raise(v->ctx, SOMA_ERROR_SHAPE, "custom: the gradient of '%s' for input %d is %s %s, the input is %s %s", def->name, k,
                             soma_dtype_name((soma_dtype)g[k]->dtype), soma_shape_text(g[k], have, sizeof have),
                             soma_dtype_name((soma_dtype)v->in[k]->dtype), soma_shape_text(v->in[k], want, sizeof want));
            return;
        }
        v->gx[k] = g[k];
    }
}
const soma__op_def soma__op_custom = {.name = "custom", .cls = SOMA__CLASS_KERNEL, .run = custom_run, .fails = true, .grad = custom_grad};
