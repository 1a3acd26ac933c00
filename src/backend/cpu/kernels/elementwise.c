/* The element-wise machine; see elementwise.h. Each op is one expression over vectors, from which two handlers are made (of a binary op four): `full`
 * on a strip of four vectors, `one` on a single vector of which the first n lanes are there. */
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernels/kernel.h"
#include "base/math_f32.h"
#include "ops/loops.h"

#include <float.h>

#define STRIP (4 * VL)
#define OPERANDS (SOMA__PASS_EXTERNAL + SOMA__PASS_SLOTS)

/* Where the operands of the row at hand are. An operand's address at element i is p + (i & mask): the mask is 0 for strips. */
typedef struct strip {
    char *p[OPERANDS];
    int64_t mask[OPERANDS];
    int64_t n; /* lanes of the single vector */
    float data[OPERANDS][STRIP] __attribute__((aligned(64)));
} strip;

typedef void (*full_fn)(const soma__insn *ip, const strip *s, int64_t i, vf a0, vf a1, vf a2, vf a3);
typedef void (*one_fn)(const soma__insn *ip, const strip *s, int64_t i, vf a);

SIMD_FN float *memory(const strip *s, int k, int64_t i) { return (float *)(void *)(s->p[k] + (i * 4 & s->mask[k])); }
SIMD_FN uint8_t *bytes(const strip *s, int k, int64_t i) { return (uint8_t *)(s->p[k] + (i & s->mask[k])); }

#define NEXT4 ((full_fn)ip[1].full)(ip + 1, s, i, a0, a1, a2, a3)
#define NEXT1 ((one_fn)ip[1].one)(ip + 1, s, i, a)
#define FULL(name) static void name##_full(const soma__insn *ip, const strip *s, int64_t i, vf a0, vf a1, vf a2, vf a3)
#define ONE(name) static void name##_one(const soma__insn *ip, const strip *s, int64_t i, vf a)

#define UNARY(name, expression) \
    SIMD_FN vf name##_vf(vf a) { return expression; } \
    FULL(name) { \
        a0 = name##_vf(a0), a1 = name##_vf(a1), a2 = name##_vf(a2), a3 = name##_vf(a3); \
        NEXT4; \
    } \
    ONE(name) { \
        a = name##_vf(a); \
        NEXT1; \
    }
/* Functions so long that four copies would cost more than four calls. */
#define LONG_UNARY(name, expression) \
    static __attribute__((noinline)) vf name##_long(vf a) { return expression; } \
    UNARY(name, name##_long(a))
#define BINARY(name, expression) \
    SIMD_FN vf name##_vf(vf a, vf b) { return expression; } \
    FULL(name) { \
        const float *p = memory(s, ip->k[0], i); \
        a0 = name##_vf(a0, vf_load(p)), a1 = name##_vf(a1, vf_load(p + VL)); \
        a2 = name##_vf(a2, vf_load(p + 2 * VL)), a3 = name##_vf(a3, vf_load(p + 3 * VL)); \
        NEXT4; \
    } \
    FULL(name##_reversed) { \
        const float *p = memory(s, ip->k[0], i); \
        a0 = name##_vf(vf_load(p), a0), a1 = name##_vf(vf_load(p + VL), a1); \
        a2 = name##_vf(vf_load(p + 2 * VL), a2), a3 = name##_vf(vf_load(p + 3 * VL), a3); \
        NEXT4; \
    } \
    ONE(name) { \
        a = name##_vf(a, vf_loadn(memory(s, ip->k[0], i), s->n)); \
        NEXT1; \
    } \
    ONE(name##_reversed) { \
        a = name##_vf(vf_loadn(memory(s, ip->k[0], i), s->n), a); \
        NEXT1; \
    }
#define LONG_BINARY(name, expression) \
    static __attribute__((noinline)) vf name##_long(vf a, vf b) { return expression; } \
    BINARY(name, name##_long(a, b))

/* Truths are 0.0 and 1.0. */
SIMD_FN vf mask_truth(vf mask) { return vf_and(mask, vf_set1(1.0f)); }

UNARY(neg, vf_neg(a))
UNARY(abs, vf_abs(a))
UNARY(sign, vf_select(vf_ne(a, a), a, vf_sub(mask_truth(vf_gt(a, vf_zero())), mask_truth(vf_lt(a, vf_zero())))))
UNARY(square, vf_mul(a, a))
UNARY(reciprocal, vf_div(vf_set1(1.0f), a))
UNARY(sqrt, vf_sqrt(a))
UNARY(rsqrt, vf_rsqrt(a))
UNARY(exp, vf_exp(a))
UNARY(log, vf_log(a))
UNARY(tanh, vf_tanh(a))
UNARY(sigmoid, vf_sigmoid(a))
UNARY(relu, vf_relu(a))
UNARY(floor, vf_floor(a))
UNARY(ceil, vf_ceil(a))
UNARY(round, vf_round(a))
UNARY(trunc, vf_trunc(a))
UNARY(isnan, mask_truth(vf_ne(a, a)))
UNARY(isfinite, mask_truth(vf_eq(vf_sub(a, a), vf_zero())))
UNARY(isinf, mask_truth(vf_eq(vf_abs(a), vf_from_bits(vi_set1(0x7f800000)))))
UNARY(logical_not, vf_xor(a, vf_set1(1.0f)))
UNARY(truth, mask_truth(vf_ne(a, vf_zero())))
LONG_UNARY(expm1, vf_expm1(a))
LONG_UNARY(log1p, vf_log1p(a))
LONG_UNARY(log2, vf_log2(a))
LONG_UNARY(log10, vf_log10(a))
LONG_UNARY(sin, vf_sin(a))
LONG_UNARY(cos, vf_cos(a))
LONG_UNARY(tan, vf_tan(a))
LONG_UNARY(asin, vf_asin(a))
LONG_UNARY(acos, vf_acos(a))
LONG_UNARY(atan, vf_atan(a))
LONG_UNARY(sinh, vf_sinh(a))
LONG_UNARY(cosh, vf_cosh(a))
LONG_UNARY(erf, vf_erf(a))
LONG_UNARY(erfc, vf_erfc(a))

BINARY(add, vf_add(a, b))
BINARY(sub, vf_sub(a, b))
BINARY(mul, vf_mul(a, b))
BINARY(div, vf_div(a, b))
BINARY(maximum, vf_max(a, b))
BINARY(minimum, vf_min(a, b))
BINARY(eq, mask_truth(vf_eq(a, b)))
BINARY(ne, mask_truth(vf_ne(a, b)))
BINARY(lt, mask_truth(vf_lt(a, b)))
BINARY(le, mask_truth(vf_le(a, b)))
BINARY(gt, mask_truth(vf_gt(a, b)))
BINARY(ge, mask_truth(vf_ge(a, b)))
BINARY(logical_and, vf_and(a, b))
BINARY(logical_or, vf_or(a, b))
BINARY(logical_xor, vf_xor(a, b))
BINARY(relu_backward, vf_andnot(vf_le(b, vf_zero()), a))
BINARY(tanh_backward, vf_mul(a, vf_sub(vf_set1(1.0f), vf_mul(b, b))))
BINARY(sigmoid_backward, vf_mul(a, vf_mul(vf_sub(vf_set1(1.0f), b), b)))
LONG_BINARY(pow, vf_pow(a, b))
LONG_BINARY(atan2, vf_atan2(a, b))

/* accumulator = condition */
FULL(where) {
    const float *p = memory(s, ip->k[0], i), *q = memory(s, ip->k[1], i);
    vf zero = vf_zero();
    a0 = vf_select(vf_ne(a0, zero), vf_load(p), vf_load(q)), a1 = vf_select(vf_ne(a1, zero), vf_load(p + VL), vf_load(q + VL));
    a2 = vf_select(vf_ne(a2, zero), vf_load(p + 2 * VL), vf_load(q + 2 * VL)),
    a3 = vf_select(vf_ne(a3, zero), vf_load(p + 3 * VL), vf_load(q + 3 * VL));
    NEXT4;
}
ONE(where) {
    a = vf_select(vf_ne(a, vf_zero()), vf_loadn(memory(s, ip->k[0], i), s->n), vf_loadn(memory(s, ip->k[1], i), s->n));
    NEXT1;
}

FULL(load) {
    const float *p = memory(s, ip->k[0], i);
    a0 = vf_load(p), a1 = vf_load(p + VL), a2 = vf_load(p + 2 * VL), a3 = vf_load(p + 3 * VL);
    NEXT4;
}
ONE(load) {
    a = vf_loadn(memory(s, ip->k[0], i), s->n);
    NEXT1;
}
FULL(load_bool) {
    const uint8_t *p = bytes(s, ip->k[0], i);
    a0 = vf_loadu8bool(p), a1 = vf_loadu8bool(p + VL), a2 = vf_loadu8bool(p + 2 * VL), a3 = vf_loadu8bool(p + 3 * VL);
    NEXT4;
}
ONE(load_bool) {
    a = vf_loadnu8bool(bytes(s, ip->k[0], i), s->n);
    NEXT1;
}
FULL(stream) {
    float *p = memory(s, ip->k[0], i);
    if ((uintptr_t)p % sizeof(vf) == 0 && s->mask[ip->k[0]]) {
        vf_stream(p, a0), vf_stream(p + VL, a1), vf_stream(p + 2 * VL, a2), vf_stream(p + 3 * VL, a3);
    } else {
        vf_store(p, a0), vf_store(p + VL, a1), vf_store(p + 2 * VL, a2), vf_store(p + 3 * VL, a3);
    }
    NEXT4;
}
FULL(store) {
    float *p = memory(s, ip->k[0], i);
    vf_store(p, a0), vf_store(p + VL, a1), vf_store(p + 2 * VL, a2), vf_store(p + 3 * VL, a3);
    NEXT4;
}
ONE(store) {
    vf_storen(memory(s, ip->k[0], i), a, s->n);
    NEXT1;
}
FULL(store_bool) {
    uint8_t *p = bytes(s, ip->k[0], i);
    vf_storeu8bool(p, a0), vf_storeu8bool(p + VL, a1), vf_storeu8bool(p + 2 * VL, a2), vf_storeu8bool(p + 3 * VL, a3);
    NEXT4;
}
ONE(store_bool) {
    vf_storenu8bool(bytes(s, ip->k[0], i), a, s->n);
    NEXT1;
}
FULL(end) { (void)ip, (void)s, (void)i, (void)a0, (void)a1, (void)a2, (void)a3; }
ONE(end) { (void)ip, (void)s, (void)i, (void)a; }

/* Optimizer updates; the accumulator is the gradient. See ops/update.c for the numbers and the order of operations. */

SIMD_FN vf flush(vf x) { return vf_andnot(vf_lt(vf_abs(x), vf_set1(FLT_MIN)), x); }

/* The numbers of an update as vectors. They are read before anything is stored, and the flags are constants: there is a handler for each, so a strip
 * has no branch and nothing to read twice. */
typedef struct sgd_numbers {
    vf lr, momentum, damped, decay, sign, first;
} sgd_numbers;
SIMD_FN sgd_numbers sgd_read(const strip *s, int k) {
    const float *h = (const float *)(const void *)s->p[k];
    return (sgd_numbers){vf_set1(h[SOMA_SGD_LR]),           vf_set1(h[SOMA_SGD_MU]),   vf_set1(h[SOMA_SGD_UNDAMPED]),
                         vf_set1(h[SOMA_SGD_WEIGHT_DECAY]), vf_set1(h[SOMA_SGD_SIGN]), vf_ne(vf_set1(h[SOMA_SGD_FIRST]), vf_zero())};
}
/* The new parameter; *m is the momentum, read and written. */
SIMD_FN vf sgd_step(vf w, vf *m, vf g, sgd_numbers h, int flags) {
    g = vf_mul(g, h.sign);
    if (flags & SOMA_SGD_DECAY) g = vf_add(g, vf_mul(h.decay, w));
    if (flags & SOMA_SGD_MOMENTUM) {
        *m = flush(vf_select(h.first, g, vf_add(vf_mul(h.momentum, *m), vf_mul(h.damped, g))));
        g = flags & SOMA_SGD_NESTEROV ? vf_add(g, vf_mul(h.momentum, *m)) : *m;
    }
    return vf_sub(w, vf_mul(h.lr, g));
}
SIMD_FN void sgd_vector(float *w, float *m, vf g, sgd_numbers h, int flags) {
    vf old = flags & SOMA_SGD_MOMENTUM ? vf_load(m) : vf_zero();
    vf_store(w, sgd_step(vf_load(w), &old, g, h, flags));
    if (flags & SOMA_SGD_MOMENTUM) vf_store(m, old);
}
/* operands: parameter, numbers, momentum */
#define SGD(name, flags) \
    FULL(name) { \
        float *w = memory(s, ip->k[0], i), *m = memory(s, ip->k[2], i); \
        sgd_numbers h = sgd_read(s, ip->k[1]); \
        sgd_vector(w, m, a0, h, flags), sgd_vector(w + VL, m + VL, a1, h, flags); \
        sgd_vector(w + 2 * VL, m + 2 * VL, a2, h, flags), sgd_vector(w + 3 * VL, m + 3 * VL, a3, h, flags); \
        NEXT4; \
    } \
    ONE(name) { \
        float *w = memory(s, ip->k[0], i), *m = memory(s, ip->k[2], i); \
        vf old = (flags)&SOMA_SGD_MOMENTUM ? vf_loadn(m, s->n) : vf_zero(); \
        vf_storen(w, sgd_step(vf_loadn(w, s->n), &old, a, sgd_read(s, ip->k[1]), flags), s->n); \
        if ((flags)&SOMA_SGD_MOMENTUM) vf_storen(m, old, s->n); \
        NEXT1; \
    }
SGD(sgd, 0)
SGD(sgd_decay, SOMA_SGD_DECAY)
SGD(sgd_momentum, SOMA_SGD_MOMENTUM)
SGD(sgd_momentum_decay, SOMA_SGD_MOMENTUM | SOMA_SGD_DECAY)
SGD(sgd_nesterov, SOMA_SGD_MOMENTUM | SOMA_SGD_NESTEROV)
SGD(sgd_nesterov_decay, SOMA_SGD_MOMENTUM | SOMA_SGD_NESTEROV | SOMA_SGD_DECAY)

typedef struct adam_numbers {
    vf lr, beta1_rest, beta2, beta2_rest, bias2, eps, decay, shrink, sign;
} adam_numbers;
SIMD_FN adam_numbers adam_read(const strip *s, int k) {
    const float *h = (const float *)(const void *)s->p[k];
    return (adam_numbers){vf_set1(h[SOMA_ADAM_STEP]),         vf_set1(h[SOMA_ADAM_BETA1_REST]), vf_set1(h[SOMA_ADAM_BETA2]),
                          vf_set1(h[SOMA_ADAM_BETA2_REST]),   vf_set1(h[SOMA_ADAM_ROOT_BIAS2]), vf_set1(h[SOMA_ADAM_EPS]),
                          vf_set1(h[SOMA_ADAM_WEIGHT_DECAY]), vf_set1(h[SOMA_ADAM_SHRINK]),     vf_set1(h[SOMA_ADAM_SIGN])};
}
SIMD_FN vf adam_step(vf p, vf *m, vf *v, vf g, adam_numbers h, int flags) {
    g = vf_mul(g, h.sign);
    if (flags & SOMA_ADAM_DECAY && flags & SOMA_ADAM_DECOUPLED) p = vf_mul(p, h.shrink);
    else if (flags & SOMA_ADAM_DECAY) g = vf_add(g, vf_mul(h.decay, p));
    *m = flush(vf_add(*m, vf_mul(h.beta1_rest, vf_sub(g, *m))));
    *v = flush(vf_add(vf_mul(h.beta2, *v), vf_mul(vf_mul(h.beta2_rest, g), g)));
    vf below = vf_add(vf_div(vf_sqrt(*v), h.bias2), h.eps);
    return vf_sub(p, vf_div(vf_mul(h.lr, *m), below));
}
SIMD_FN void adam_vector(float *w, float *m, float *v, vf g, adam_numbers h, int flags) {
    vf first = vf_load(m), second = vf_load(v);
    vf_store(w, adam_step(vf_load(w), &first, &second, g, h, flags));
    vf_store(m, first), vf_store(v, second);
}
/* operands: parameter, numbers, first and second moment */
#define ADAM(name, flags) \
    FULL(name) { \
        float *w = memory(s, ip->k[0], i), *m = memory(s, ip->k[2], i), *v = memory(s, ip->k[3], i); \
        adam_numbers h = adam_read(s, ip->k[1]); \
        adam_vector(w, m, v, a0, h, flags), adam_vector(w + VL, m + VL, v + VL, a1, h, flags); \
        adam_vector(w + 2 * VL, m + 2 * VL, v + 2 * VL, a2, h, flags), adam_vector(w + 3 * VL, m + 3 * VL, v + 3 * VL, a3, h, flags); \
        NEXT4; \
    } \
    ONE(name) { \
        float *w = memory(s, ip->k[0], i), *m = memory(s, ip->k[2], i), *v = memory(s, ip->k[3], i); \
        vf first = vf_loadn(m, s->n), second = vf_loadn(v, s->n); \
        vf_storen(w, adam_step(vf_loadn(w, s->n), &first, &second, a, adam_read(s, ip->k[1]), flags), s->n); \
        vf_storen(m, first, s->n), vf_storen(v, second, s->n); \
        NEXT1; \
    }
ADAM(adam, 0)
ADAM(adam_decay, SOMA_ADAM_DECAY)
ADAM(adamw, SOMA_ADAM_DECAY | SOMA_ADAM_DECOUPLED)

typedef struct row_of_table {
    int op;
    full_fn full, full_reversed;
    one_fn one, one_reversed;
    int64_t flags;
    double cost; /* estimated ns an element */
} row_of_table;

#define ROWC(op, flags, name, cost) \
    { op, name##_full, NULL, name##_one, NULL, flags, cost }
#define ROW(op, name) ROWC(op, 0, name, CHEAP)
#define ROW1(name, cost) ROWC(SOMA_OP_##name, 0, name, cost)
#define ROW2(name, cost) \
    { SOMA_OP_##name, name##_full, name##_reversed_full, name##_one, name##_reversed_one, 0, cost }
#define CHEAP 0.05
#define DEAR 0.4
#define VERY_DEAR 1
static const row_of_table table[] = {
    ROW1(neg, CHEAP),
    ROW1(abs, CHEAP),
    ROW1(sign, CHEAP),
    ROW1(square, CHEAP),
    ROW1(reciprocal, CHEAP),
    ROW1(sqrt, CHEAP),
    ROW1(rsqrt, CHEAP),
    ROW1(relu, CHEAP),
    ROW1(floor, CHEAP),
    ROW1(ceil, CHEAP),
    ROW1(round, CHEAP),
    ROW1(trunc, CHEAP),
    ROW1(isnan, CHEAP),
    ROW1(isinf, CHEAP),
    ROW1(isfinite, CHEAP),
    ROW1(logical_not, CHEAP),
    ROW1(exp, DEAR),
    ROW1(log, DEAR),
    ROW1(tanh, DEAR),
    ROW1(sigmoid, DEAR),
    ROW1(expm1, DEAR),
    ROW1(log1p, DEAR),
    ROW1(log2, DEAR),
    ROW1(log10, DEAR),
    ROW1(sin, VERY_DEAR),
    ROW1(cos, VERY_DEAR),
    ROW1(tan, VERY_DEAR),
    ROW1(asin, VERY_DEAR),
    ROW1(acos, VERY_DEAR),
    ROW1(atan, VERY_DEAR),
    ROW1(sinh, VERY_DEAR),
    ROW1(cosh, VERY_DEAR),
    ROW1(erf, VERY_DEAR),
    ROW1(erfc, VERY_DEAR),
    ROW2(add, CHEAP),
    ROW2(sub, CHEAP),
    ROW2(mul, CHEAP),
    ROW2(div, CHEAP),
    ROW2(maximum, CHEAP),
    ROW2(minimum, CHEAP),
    ROW2(eq, CHEAP),
    ROW2(ne, CHEAP),
    ROW2(lt, CHEAP),
    ROW2(le, CHEAP),
    ROW2(gt, CHEAP),
    ROW2(ge, CHEAP),
    ROW2(logical_and, CHEAP),
    ROW2(logical_or, CHEAP),
    ROW2(logical_xor, CHEAP),
    ROW2(relu_backward, CHEAP),
    ROW2(tanh_backward, CHEAP),
    ROW2(sigmoid_backward, CHEAP),
    ROW2(pow, VERY_DEAR),
    ROW2(atan2, VERY_DEAR),
    ROW1(where, CHEAP),
    ROW(SOMA__INSN_TRUTH, truth),
    ROW(SOMA__INSN_LOAD, load),
    ROW(SOMA__INSN_LOAD_BOOL, load_bool),
    ROW(SOMA__INSN_STORE, store),
    ROW(SOMA__INSN_STORE_BOOL, store_bool),
    {SOMA__INSN_STORE, stream_full, NULL, store_one, NULL, SOMA__STORE_STREAM, CHEAP},
    ROW(SOMA__INSN_END, end),
    ROWC(SOMA_OP_sgd_update, 0, sgd, CHEAP),
    ROWC(SOMA_OP_sgd_update, SOMA_SGD_DECAY, sgd_decay, CHEAP),
    ROWC(SOMA_OP_sgd_update, SOMA_SGD_MOMENTUM, sgd_momentum, CHEAP),
    ROWC(SOMA_OP_sgd_update, SOMA_SGD_MOMENTUM | SOMA_SGD_DECAY, sgd_momentum_decay, CHEAP),
    ROWC(SOMA_OP_sgd_update, SOMA_SGD_MOMENTUM | SOMA_SGD_NESTEROV, sgd_nesterov, CHEAP),
    ROWC(SOMA_OP_sgd_update, SOMA_SGD_MOMENTUM | SOMA_SGD_NESTEROV | SOMA_SGD_DECAY, sgd_nesterov_decay, CHEAP),
    ROWC(SOMA_OP_adam_update, 0, adam, DEAR),
    ROWC(SOMA_OP_adam_update, SOMA_ADAM_DECAY, adam_decay, DEAR),
    ROWC(SOMA_OP_adam_update, SOMA_ADAM_DECAY | SOMA_ADAM_DECOUPLED, adamw, DEAR),
};

bool SOMA_KERNEL(pass_handlers)(soma__insn *insn);
bool SOMA_KERNEL(pass_handlers)(soma__insn *insn) {
    bool reversed = insn->op >= SOMA__INSN_REVERSED;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].op == insn->op - (reversed ? SOMA__INSN_REVERSED : 0) && table[i].flags == insn->flags) {
            insn->full = (void (*)(void))(reversed ? table[i].full_reversed : table[i].full);
            insn->one = (void (*)(void))(reversed ? table[i].one_reversed : table[i].one);
            insn->cost = table[i].cost;
            return insn->full != NULL;
        }
    return false;
}

/* Runs. */

static void splat(strip *s, int k, const void *from, int size) {
    if (size == 1) {
        uint8_t *to = (uint8_t *)s->data[k];
        for (int j = 0; j < STRIP; j++) to[j] = *(const uint8_t *)from;
    } else {
        vf v = vf_set1(*(const float *)from);
        for (int j = 0; j < 4; j++) vf_store(s->data[k] + j * VL, v);
    }
}

/* n elements of a row between memory with a stride and a strip. */
static void gather(void *to, const char *from, int64_t stride, int64_t n, int size) {
    if (size == 1)
        for (int64_t j = 0; j < n; j++) ((uint8_t *)to)[j] = ((const uint8_t *)from)[j * stride];
    else
        for (int64_t j = 0; j < n; j++) ((float *)to)[j] = ((const float *)(const void *)from)[j * stride];
}
static void scatter(char *to, const void *from, int64_t stride, int64_t n, int size) {
    if (size == 1)
        for (int64_t j = 0; j < n; j++) ((uint8_t *)to)[j * stride] = ((const uint8_t *)from)[j];
    else
        for (int64_t j = 0; j < n; j++) ((float *)(void *)to)[j * stride] = ((const float *)from)[j];
}

static void start(const soma__pass *p, strip *s) {
    for (int k = p->n_external; k < p->n_external + p->n_slots; k++) s->p[k] = (char *)s->data[k], s->mask[k] = 0;
}

/* How the operands of a pass meet a row: what lies along it is pointed at, one number is repeated, everything else is gathered and scattered. */
typedef struct kinds {
    int n_along, n_repeated, n_staged;
    int along[SOMA__PASS_EXTERNAL], repeated[SOMA__PASS_EXTERNAL], staged[SOMA__PASS_EXTERNAL];
} kinds;

static void sort_operands(const soma__pass *p, strip *s, int64_t cols, kinds *q) {
    q->n_along = q->n_repeated = q->n_staged = 0;
    for (int k = 0; k < p->n_external; k++) {
        const soma__pass_operand *o = &p->operands[k];
        int64_t cs = o->stride[p->ndim - 1];
        bool along = cs == 1 || o->use & SOMA__PASS_RAW || cols == 1;
        s->mask[k] = along ? -1 : 0;
        if (along) q->along[q->n_along++] = k;
        else {
            s->p[k] = (char *)s->data[k];
            if (cs) q->staged[q->n_staged++] = k;
            else q->repeated[q->n_repeated++] = k;
        }
    }
}

/* The stretch [i, i + n) of what does not lie along the row. */
static void stage(const soma__pass *p, strip *s, const kinds *q, char *const *base, int64_t i, int64_t n, int use) {
    for (int j = 0; j < q->n_staged; j++) {
        const soma__pass_operand *o = &p->operands[q->staged[j]];
        int64_t cs = o->stride[p->ndim - 1];
        char *at = base[q->staged[j]] + i * cs * o->size;
        if (!(o->use & use)) continue;
        if (use == SOMA__PASS_READ) gather(s->data[q->staged[j]], at, cs, n, o->size);
        else scatter(at, s->data[q->staged[j]], cs, n, o->size);
    }
}

/* One row: `base[k]` is where operand k's row begins. Repeated numbers are still there from the row before unless they change. */
static void run_row(const soma__pass *p, strip *s, const kinds *q, char *const *base, int64_t cols, bool first) {
    for (int j = 0; j < q->n_along; j++) s->p[q->along[j]] = base[q->along[j]];
    for (int j = 0; j < q->n_repeated; j++) {
        int k = q->repeated[j];
        if (first || (p->ndim > 1 && p->operands[k].stride[p->ndim - 2])) splat(s, k, base[k], p->operands[k].size);
    }
    vf zero = vf_zero();
    for (int64_t i = 0; i < cols;) {
        bool full = cols - i >= STRIP;
        s->n = full ? STRIP : cols - i < VL ? cols - i : VL;
        if (q->n_staged) stage(p, s, q, base, i, s->n, SOMA__PASS_READ);
        if (full) ((full_fn)p->insns[0].full)(p->insns, s, i, zero, zero, zero, zero);
        else ((one_fn)p->insns[0].one)(p->insns, s, i, zero);
        if (q->n_staged) stage(p, s, q, base, i, s->n, SOMA__PASS_WRITTEN);
        i += s->n;
    }
}

/* Rows so short that all of them fit one strip become one row: what does not lie so is gathered. */
static void run_small(const soma__pass *p, strip *s, char *const *base, int64_t rows, int64_t cols, int64_t block_ld) {
    int copied[SOMA__PASS_EXTERNAL], n_copied = 0;
    int64_t rs[SOMA__PASS_EXTERNAL], n = rows * cols;
    for (int k = 0; k < p->n_external; k++) {
        const soma__pass_operand *o = &p->operands[k];
        int64_t cs = o->stride[p->ndim - 1];
        rs[k] = o->use & SOMA__PASS_BLOCK ? block_ld : p->ndim > 1 ? o->stride[p->ndim - 2] : 0;
        if (o->use & SOMA__PASS_RAW || ((cs == 1 || cols == 1) && (rs[k] == cols || rows == 1))) {
            s->p[k] = base[k], s->mask[k] = -1;
            continue;
        }
        s->p[k] = (char *)s->data[k], s->mask[k] = -1;
        if (!cs && !rs[k]) splat(s, k, base[k], o->size);
        else if (o->use & SOMA__PASS_READ)
            for (int64_t r = 0; r < rows; r++) gather((char *)s->data[k] + r * cols * o->size, base[k] + r * rs[k] * o->size, cs, cols, o->size);
        if (o->use & SOMA__PASS_WRITTEN) copied[n_copied++] = k;
    }
    for (int64_t i = 0; i < n; i += VL) {
        s->n = n - i < VL ? n - i : VL;
        ((one_fn)p->insns[0].one)(p->insns, s, i, vf_zero());
    }
    for (int j = 0; j < n_copied; j++) {
        const soma__pass_operand *o = &p->operands[copied[j]];
        for (int64_t r = 0; r < rows; r++)
            scatter(base[copied[j]] + r * rs[copied[j]] * o->size, (char *)s->data[copied[j]] + r * cols * o->size, o->stride[p->ndim - 1], cols,
                    o->size);
    }
}

#define WIDE 512 /* elements of short rows that are walked as one */
#define TILED 6  /* operands that are the same in each row, at most */

/* How many rows can be walked as one: what they read and write lies side by side, or is the same for each row and is then repeated. */
static int64_t widen(const soma__pass *p, char **base, int64_t rows, int64_t cols, int64_t block_ld, float (*tiled)[WIDE], int64_t *rs) {
    int64_t fit = WIDE / cols > 1 ? WIDE / cols : 1, wide = fit < rows ? fit : rows;
    int n = 0, which[TILED];
    for (int k = 0; k < p->n_external; k++) {
        const soma__pass_operand *o = &p->operands[k];
        int64_t cs = o->stride[1];
        rs[k] = o->use & SOMA__PASS_BLOCK ? block_ld : o->stride[0];
        if (o->use & SOMA__PASS_RAW || (!cs && !rs[k]) || (cs == 1 && rs[k] == cols)) continue;
        if (cs != 1 || rs[k] || o->size != 4 || o->use & SOMA__PASS_WRITTEN || n == TILED) wide = 1;
        else which[n++] = k;
    }
    for (int i = 0; i < n && wide > 1; i++) {
        for (int64_t r = 0; r < wide; r++) memcpy(tiled[i] + r * cols, base[which[i]], (size_t)cols * sizeof **tiled);
        base[which[i]] = (char *)tiled[i];
    }
    return wide;
}

/* Rows of a pass of two dimensions. */
static void run_rows(const soma__pass *p, strip *s, const kinds *q, char **base, int64_t rows, int64_t cols, int64_t block_ld) {
    float tiled[TILED][WIDE];
    int64_t rs[SOMA__PASS_EXTERNAL] = {0}, wide = widen(p, base, rows, cols, block_ld, tiled, rs);
    for (int64_t r = 0; r < rows; r += wide) {
        if (wide > rows - r) wide = rows - r;
        run_row(p, s, q, base, wide * cols, r == 0);
        for (int k = 0; k < p->n_external; k++) base[k] += rs[k] * wide * p->operands[k].size;
    }
}

#define RUN 8192 /* elements of a piece, about */

typedef struct job {
    const soma__pass *p;
    int64_t rows, cols, per_row, per; /* pieces of a row; rows of a piece (when a row is one) */
} job;

/* The rows' start in every operand; row counts through all dimensions but the last. */
static void seek(const soma__pass *p, int64_t row, char **base) {
    for (int k = 0; k < p->n_external; k++) base[k] = p->operands[k].data;
    for (int d = p->ndim - 2; d >= 0; d--) {
        int64_t at = row % p->shape[d];
        row /= p->shape[d];
        for (int k = 0; k < p->n_external; k++) base[k] += at * p->operands[k].stride[d] * p->operands[k].size;
    }
}

/* The same from a column on; of the block, its row. */
static void block_row(const soma__pass *p, int64_t row, int64_t col, const float *block, char **base) {
    seek(p, row, base);
    for (int k = 0; k < p->n_external; k++) {
        const soma__pass_operand *o = &p->operands[k];
        if (o->use & SOMA__PASS_BLOCK) base[k] = (char *)(uintptr_t)block;
        else base[k] += col * o->stride[p->ndim - 1] * o->size;
    }
}

void SOMA_KERNEL(pass_block)(const soma__pass *p, int64_t row, int64_t rows, int64_t col, int64_t cols, const float *block, int64_t ld);
void SOMA_KERNEL(pass_block)(const soma__pass *p, int64_t row, int64_t rows, int64_t col, int64_t cols, const float *block, int64_t ld) {
    strip s;
    char *base[SOMA__PASS_EXTERNAL];
    kinds q;
    start(p, &s);
    block_row(p, row, col, block, base);
    if (rows > 1 && rows * cols <= STRIP && p->ndim == 2) {
        run_small(p, &s, base, rows, cols, ld);
        return;
    }
    sort_operands(p, &s, cols, &q);
    if (p->ndim == 2) {
        run_rows(p, &s, &q, base, rows, cols, ld);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        run_row(p, &s, &q, base, cols, true);
        block_row(p, row + r + 1, col, block + (r + 1) * ld, base);
    }
}

static void piece(void *arg, int64_t at, int slot) {
    const job *j = arg;
    const soma__pass *p = j->p;
    (void)slot;
    strip s;
    char *base[SOMA__PASS_EXTERNAL];
    kinds q;
    start(p, &s);
    sort_operands(p, &s, j->cols, &q);
    if (j->per_row > 1) {
        int64_t from = at % j->per_row * RUN, n = j->cols - from < RUN ? j->cols - from : RUN;
        seek(p, at / j->per_row, base);
        for (int k = 0; k < p->n_external; k++) base[k] += from * p->operands[k].stride[p->ndim - 1] * p->operands[k].size;
        run_row(p, &s, &q, base, n, true);
        vf_stream_end();
        return;
    }
    int64_t from = at * j->per, to = from + j->per < j->rows ? from + j->per : j->rows;
    if (p->ndim == 2) {
        seek(p, from, base);
        run_rows(p, &s, &q, base, to - from, j->cols, 0);
    } else
        for (int64_t r = from; r < to; r++) {
            seek(p, r, base);
            run_row(p, &s, &q, base, j->cols, r == from || p->ndim > 2);
        }
    vf_stream_end();
}

int SOMA_KERNEL(pass_run)(const soma__call *c);
int SOMA_KERNEL(pass_run)(const soma__call *c) {
    const soma__pass *p = c->pass;
    job j = {.p = p, .cols = p->shape[p->ndim - 1]};
    if (!p->numel) return SOMA_OK;
    if (p->numel <= STRIP && p->ndim <= 2) {
        strip s;
        char *base[SOMA__PASS_EXTERNAL];
        start(p, &s);
        for (int k = 0; k < p->n_external; k++) base[k] = p->operands[k].data;
        run_small(p, &s, base, p->numel / j.cols, j.cols, 0);
        return SOMA_OK;
    }
    j.rows = p->numel / j.cols;
    j.per_row = j.cols >= 2 * RUN ? (j.cols - 1) / RUN + 1 : 1;
    j.per = j.cols >= RUN ? 1 : RUN / j.cols;
    int64_t pieces = j.per_row > 1 ? j.rows * j.per_row : (j.rows - 1) / j.per + 1;
    soma__pool_run(c->env->pool, piece, &j, pieces, (double)p->numel * p->cost);
    return SOMA_OK;
}
