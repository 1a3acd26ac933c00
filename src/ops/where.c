/* where, and conversion between dtypes. */
#include "ops/elementwise.h"
#include "ops/loops.h"

#include <string.h>

soma_tensor *soma_where(soma_tensor *condition, soma_tensor *a, soma_tensor *b) {
    soma_tensor *in[3] = {condition, a, b};
    if (!soma__check("where", in, 3)) return NULL;
    if (condition->dtype != SOMA_BOOL) {
        soma_error_raise(a->ctx, SOMA_ERROR_DTYPE, "where: the condition is %s, bool is wanted", soma_dtype_name((soma_dtype)condition->dtype));
        return NULL;
    }
    soma_dtype dtype = soma__result_type(a, b);
    int64_t shape[SOMA_MAX_DIMS], ndim;
    if (!soma__broadcast("where", a, b, shape, &ndim)) return NULL;
    soma_tensor both = {.ctx = a->ctx, .ndim = (uint8_t)ndim};
    memcpy(both.shape, shape, sizeof shape);
    if (!soma__broadcast("where", condition, &both, shape, &ndim)) return NULL;
    in[1] = soma__as(a, dtype), in[2] = soma__as(b, dtype);
    if (!in[1] || !in[2]) return NULL;
    soma__record r = {SOMA_OP_where, dtype, ndim, shape, in, 3, NULL, 0};
    return soma__graph_record(a->ctx, &r);
}

static int where_run(const soma__call *c) {
    size_t size = soma_dtype_size((soma_dtype)c->out.dtype);
    const soma__operand *ops[4] = {&c->out, &c->in[0], &c->in[1], &c->in[2]};
    soma__walk w;
    for (soma__walk_start(&w, &c->out); w.row < w.rows; soma__walk_next(&w, ops, 4))
        for (int64_t i = 0; i < w.length; i++) {
            int64_t at[4];
            for (int k = 0; k < 4; k++) at[k] = w.at[k] + i * soma__last_stride(ops[k]);
            int from = ((const uint8_t *)c->in[0].data)[at[1]] ? 1 : 2;
            memcpy((char *)c->out.data + (size_t)at[0] * size, (const char *)c->in[from].data + (size_t)at[from + 1] * size, size);
        }
    return SOMA_OK;
}

static void where_grad(const soma__vjp *v) {
    soma_tensor *zero = soma__number(v->ctx, 0, (soma_dtype)v->gy->dtype);
    for (int k = 1; k < 3; k++)
        if (v->wants[k]) {
            soma_tensor *g = k == 1 ? soma_where(v->in[0], v->gy, zero) : soma_where(v->in[0], zero, v->gy);
            v->gx[k] = soma_sum_to(g, v->in[k]->shape, v->in[k]->ndim);
        }
}

const soma__op_def soma__op_where = {.name = "where", .cls = SOMA__CLASS_ELEMENTWISE, .run = where_run, .grad = where_grad};

soma_tensor *soma_to(soma_tensor *x, soma_dtype dtype) {
    if (!soma__check("to", &x, 1)) return NULL;
    if ((unsigned)dtype >= SOMA_DTYPES) return soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "to: %d is no dtype", (int)dtype), NULL;
    if (x->dtype == (int)dtype) return x;
    soma__record r = {SOMA_OP_to, dtype, x->ndim, x->shape, &x, 1, NULL, 0};
    soma_tensor *y = soma__graph_record(x->ctx, &r);
    if (y && x->flags & SOMA__NUMBER) y->flags |= SOMA__NUMBER;
    return y;
}

/* Truncates towards zero, saturates, NaN gives 0. */

static void store_float(void *out, int64_t at, int dtype, double v) {
    switch (dtype) {
    case SOMA_F32: ((float *)out)[at] = (float)v; break;
    case SOMA_F64: ((double *)out)[at] = v; break;
    case SOMA_I64: ((int64_t *)out)[at] = soma__to_i64(v); break;
    case SOMA_I32: ((int32_t *)out)[at] = soma__to_i32(v); break;
    case SOMA_U8: ((uint8_t *)out)[at] = soma__to_u8(v); break;
    default: ((uint8_t *)out)[at] = v != 0;
    }
}

static void store_integer(void *out, int64_t at, int dtype, int64_t v) {
    switch (dtype) {
    case SOMA_F32: ((float *)out)[at] = (float)v; break;
    case SOMA_F64: ((double *)out)[at] = (double)v; break;
    case SOMA_I64: ((int64_t *)out)[at] = v; break;
    case SOMA_I32: ((int32_t *)out)[at] = (int32_t)(uint32_t)(uint64_t)v; break;
    case SOMA_U8: ((uint8_t *)out)[at] = (uint8_t)v; break;
    default: ((uint8_t *)out)[at] = v != 0;
    }
}

static int to_run(const soma__call *c) {
    const soma__operand *in = &c->in[0], *ops[2] = {&c->out, in};
    soma__walk w;
    for (soma__walk_start(&w, &c->out); w.row < w.rows; soma__walk_next(&w, ops, 2))
        for (int64_t i = 0; i < w.length; i++) {
            int64_t o = w.at[0] + i * soma__last_stride(&c->out), a = w.at[1] + i * soma__last_stride(in);
            switch (in->dtype) {
            case SOMA_F32: store_float(c->out.data, o, c->out.dtype, (double)((const float *)in->data)[a]); break;
            case SOMA_F64: store_float(c->out.data, o, c->out.dtype, ((const double *)in->data)[a]); break;
            case SOMA_I64: store_integer(c->out.data, o, c->out.dtype, ((const int64_t *)in->data)[a]); break;
            case SOMA_I32: store_integer(c->out.data, o, c->out.dtype, ((const int32_t *)in->data)[a]); break;
            default: store_integer(c->out.data, o, c->out.dtype, ((const uint8_t *)in->data)[a]);
            }
        }
    return SOMA_OK;
}

static void to_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma_to(v->gy, (soma_dtype)v->in[0]->dtype);
}

const soma__op_def soma__op_to = {.name = "to", .cls = SOMA__CLASS_ELEMENTWISE, .run = to_run, .grad = to_grad};
