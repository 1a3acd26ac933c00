/* Conversions between dtypes that programs use in every step, and the check that all is finite. Loops that each instruction set's compiler makes
 * vectors of; both operands dense. */
#include "backend/cpu/kernels/kernel.h"
#include "ops/loops.h"

#define JOB 16384 /* elements */

typedef struct convert {
    const void *x;
    void *out;
    int64_t n;
} convert;

#define TO(name, T, U, value) \
    static void name(void *arg, int64_t at, int slot) { \
        (void)slot; \
        const convert *c = arg; \
        int64_t first = at * JOB, n = c->n - first < JOB ? c->n - first : JOB; \
        const T *restrict from = (const T *)c->x + first; \
        U *restrict to = (U *)c->out + first; \
        for (int64_t i = 0; i < n; i++) to[i] = (value); \
    }
TO(f32_from_f64, double, float, (float)from[i])
TO(f32_from_i64, int64_t, float, (float)from[i])
TO(f32_from_i32, int32_t, float, (float)from[i])
TO(f32_from_u8, uint8_t, float, (float)from[i])
TO(f64_from_f32, float, double, (double)from[i])
TO(bool_from_f32, float, uint8_t, from[i] != 0)

static soma__piece_fn conversion(int from, int to) {
    if (to == SOMA_F32) return from == SOMA_F64 ? f32_from_f64 : from == SOMA_I64 ? f32_from_i64 : from == SOMA_I32 ? f32_from_i32 : f32_from_u8;
    if (from != SOMA_F32) return NULL;
    return to == SOMA_F64 ? f64_from_f32 : to == SOMA_BOOL ? bool_from_f32 : NULL;
}

int SOMA_KERNEL(to)(const soma__call *c) {
    soma__piece_fn f = conversion(c->in[0].dtype, c->out.dtype);
    if (!f || !soma__dense(&c->in[0]) || c->in[0].dtype == c->out.dtype) return soma__ops[c->op]->run(c);
    convert v = {c->in[0].data, c->out.data, c->out.numel};
    soma__pool_run(c->env->pool, f, &v, (v.n + JOB - 1) / JOB, (double)v.n / 4);
    return SOMA_OK;
}

/* The reference looks for the element when one is not finite. x - x is 0 for finite numbers alone. */
int SOMA_KERNEL(guard)(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    if (x->dtype != SOMA_F32) return soma__ops[c->op]->run(c);
    const float *p = x->data;
    int64_t i = 0;
    vf bad[2] = {vf_zero(), vf_zero()};
    for (; i + 2 * VL <= x->numel; i += 2 * VL)
        for (int v = 0; v < 2; v++) {
            vf e = vf_load(p + i + v * VL);
            bad[v] = vf_or(bad[v], vf_ne(vf_sub(e, e), vf_zero()));
        }
    for (; i < x->numel; i += VL) {
        vf e = vf_loadn(p + i, x->numel - i < VL ? x->numel - i : VL);
        bad[0] = vf_or(bad[0], vf_ne(vf_sub(e, e), vf_zero()));
    }
    if (vf_any(vf_or(bad[0], bad[1]))) return soma__ops[c->op]->run(c);
    *(uint8_t *)c->out.data = 1;
    return SOMA_OK;
}
