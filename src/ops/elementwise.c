/* Element by element ops: one scalar expression for each op and dtype, one loop for all. The macros make a strided row function of each expression;
 * a table finds it by op and input dtype. */
#include "base/math.h"
#include "base/pool.h"
#include "ops/elementwise.h"
#include "ops/loops.h"

#include <string.h>

typedef int (*row_fn)(void *out, const void *a, const void *b, int64_t n, int64_t so, int64_t sa, int64_t sb);

#define ROW(name, TO, T, expr) \
    static int name(void *out, const void *pa, const void *pb, int64_t n, int64_t so, int64_t sa, int64_t sb) { \
        TO \
        *o = out; \
        const T *ra = pa, *rb = pb; \
        (void)rb, (void)sb; \
        if (so == 1 && sa == 1 && (!rb || sb == 1)) { /* the compiler may vectorise this one */ \
            const T *qb = rb ? rb : ra; \
            for (int64_t i = 0; i < n; i++) { \
                T a = ra[i], b = qb[i]; \
                (void)b; \
                o[i] = (TO)(expr); \
            } \
            return SOMA_OK; \
        } \
        for (int64_t i = 0; i < n; i++) { \
            T a = ra[i * sa], b = rb ? rb[i * sb] : (T)0; \
            (void)b; \
            o[i * so] = (TO)(expr); \
        } \
        return SOMA_OK; \
    }

/* x as signed numbers wrap; unsigned arithmetic does so by definition */
#define WRAP(T, x) ((T)(uint64_t)(x))
#define U(x) ((uint64_t)(x))

#define FLOATS(op, e32, e64) \
    ROW(op##_f32, float, float, e32) \
    ROW(op##_f64, double, double, e64)
#define INTS(op, e) \
    ROW(op##_i64, int64_t, int64_t, e) \
    ROW(op##_i32, int32_t, int32_t, e) \
    ROW(op##_u8, uint8_t, uint8_t, e)
#define MATH(op) FLOATS(op, soma__##op##f(a), soma__##op(a))

static inline float maxf_(float a, float b) { return a != a ? a : b != b ? b : a > b ? a : b > a ? b : a == 0 && __builtin_signbit(a) ? b : a; }
static inline double max_(double a, double b) { return a != a ? a : b != b ? b : a > b ? a : b > a ? b : a == 0 && __builtin_signbit(a) ? b : a; }
static inline float minf_(float a, float b) { return a != a ? a : b != b ? b : a < b ? a : b < a ? b : a == 0 && __builtin_signbit(a) ? a : b; }
static inline double min_(double a, double b) { return a != a ? a : b != b ? b : a < b ? a : b < a ? b : a == 0 && __builtin_signbit(a) ? a : b; }
/* torch's: a - b * floor(a / b), by fmod and a correction, so that it is exact */
static inline double rem_(double a, double b) {
    double r = soma__fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static inline float remf_(float a, float b) { return (float)rem_((double)a, (double)b); }

FLOATS(neg, -a, -a)
INTS(neg, WRAP(int64_t, U(0) - U(a)))
FLOATS(abs, __builtin_fabsf(a), __builtin_fabs(a))
INTS(abs, a > 0 ? a : WRAP(int64_t, U(0) - U(a)))
FLOATS(sign, a != a ? a : (float)((a > 0) - (a < 0)), a != a ? a : (double)((a > 0) - (a < 0)))
INTS(sign, a > 0 ? 1 : a == 0 ? 0 : -1)
FLOATS(square, a *a, a *a)
INTS(square, WRAP(int64_t, U(a) * U(a)))
FLOATS(reciprocal, 1.0f / a, 1.0 / a)
FLOATS(sqrt, __builtin_sqrtf(a), __builtin_sqrt(a))
FLOATS(rsqrt, 1.0f / __builtin_sqrtf(a), 1.0 / __builtin_sqrt(a))
MATH(exp)
MATH(expm1)
MATH(log)
MATH(log1p)
MATH(log2)
MATH(log10)
MATH(sin)
MATH(cos)
MATH(tan)
MATH(asin)
MATH(acos)
MATH(atan)
MATH(sinh)
MATH(cosh)
MATH(tanh)
MATH(sigmoid)
MATH(erf)
MATH(erfc)
FLOATS(relu, a <= 0 ? 0.0f : a, a <= 0 ? 0.0 : a)
INTS(relu, a <= 0 ? 0 : a)
MATH(floor)
MATH(ceil)
MATH(round)
MATH(trunc)
INTS(same, a)
#define TESTS1(op, e) \
    ROW(op##_f32, uint8_t, float, e) \
    ROW(op##_f64, uint8_t, double, e)
TESTS1(isnan, a != a)
TESTS1(isinf, a - a != a - a && a == a)
TESTS1(isfinite, a - a == a - a)
#define INT_TESTS1(op, e) \
    ROW(op##_i64, uint8_t, int64_t, e) \
    ROW(op##_i32, uint8_t, int32_t, e) \
    ROW(op##_u8, uint8_t, uint8_t, e)
INT_TESTS1(never, 0 * a)
INT_TESTS1(always, 1 + 0 * a)
ROW(logical_not_b, uint8_t, uint8_t, !a)

#define ARITH(op, e) FLOATS(op, e, e)
ARITH(add, a + b)
INTS(add, WRAP(int64_t, U(a) + U(b)))
ROW(add_b, uint8_t, uint8_t, a | b)
ARITH(sub, a - b)
INTS(sub, WRAP(int64_t, U(a) - U(b)))
ARITH(mul, a *b)
INTS(mul, WRAP(int64_t, U(a) * U(b)))
ROW(mul_b, uint8_t, uint8_t, a &b)
ARITH(div, a / b)
/* torch's: the remainder, which is exact, is taken off first, so that rounding the quotient cannot lift it to the next whole number */
#define FLOOR_DIVIDE(name, T, floor, copysign) \
    static inline T name(T a, T b) { \
        if (b == 0) return a / b; \
        T r = (T)soma__fmod((double)a, (double)b), q = (a - r) / b; \
        if (r != 0 && (b < 0) != (r < 0)) q -= 1; \
        if (q == 0) return copysign(0, a / b); \
        T whole = floor(q); \
        return q - whole > (T)0.5 ? whole + 1 : whole; \
    }
FLOOR_DIVIDE(floor_dividef_, float, soma__floorf, __builtin_copysignf)
FLOOR_DIVIDE(floor_divide_, double, soma__floor, __builtin_copysign)
FLOATS(floor_divide, floor_dividef_(a, b), floor_divide_(a, b))
FLOATS(remainder, remf_(a, b), rem_(a, b))
FLOATS(pow, soma__powf(a, b), soma__pow(a, b))
FLOATS(atan2, soma__atan2f(a, b), soma__atan2(a, b))
FLOATS(maximum, maxf_(a, b), max_(a, b))
INTS(maximum, a > b ? a : b)
FLOATS(minimum, minf_(a, b), min_(a, b))
INTS(minimum, a < b ? a : b)
FLOATS(relu_backward, b <= 0 ? 0.0f : a, b <= 0 ? 0.0 : a)
FLOATS(tanh_backward, a *(1.0f - b * b), a *(1.0 - b * b))
FLOATS(sigmoid_backward, a *((1.0f - b) * b), a *((1.0 - b) * b))
#define COMPARE(op, e) \
    ROW(op##_f32, uint8_t, float, e) \
    ROW(op##_f64, uint8_t, double, e) \
    ROW(op##_i64, uint8_t, int64_t, e) \
    ROW(op##_i32, uint8_t, int32_t, e) \
    ROW(op##_u8, uint8_t, uint8_t, e)
COMPARE(eq, a == b)
COMPARE(ne, a != b)
COMPARE(lt, a < b)
COMPARE(le, a <= b)
COMPARE(gt, a > b)
COMPARE(ge, a >= b)
ROW(logical_and_b, uint8_t, uint8_t, a &b)
ROW(logical_or_b, uint8_t, uint8_t, a | b)
ROW(logical_xor_b, uint8_t, uint8_t, a ^ b)

/* Integer division rounds down; the smallest number by -1 wraps. */
#define INT_DIVISION(op, T, e) \
    static int op(void *out, const void *pa, const void *pb, int64_t n, int64_t so, int64_t sa, int64_t sb) { \
        T *o = out; \
        for (int64_t i = 0; i < n; i++) { \
            int64_t a = ((const T *)pa)[i * sa], b = ((const T *)pb)[i * sb]; \
            if (b == 0) return SOMA_ERROR_RANGE; \
            if (b == -1) { \
                o[i * so] = (T)(e ? WRAP(int64_t, U(0) - U(a)) : 0); \
                continue; \
            } \
            int64_t q = a / b, r = a % b; \
            bool down = r != 0 && (r < 0) != (b < 0); \
            o[i * so] = (T)(e ? q - down : down ? r + b : r); \
        } \
        return SOMA_OK; \
    }
INT_DIVISION(floor_divide_i64, int64_t, 1)
INT_DIVISION(floor_divide_i32, int32_t, 1)
INT_DIVISION(floor_divide_u8, uint8_t, 1)
INT_DIVISION(remainder_i64, int64_t, 0)
INT_DIVISION(remainder_i32, int32_t, 0)
INT_DIVISION(remainder_u8, uint8_t, 0)

/* Rows by the dtype of the inputs: f32, f64, i64, i32, u8, bool. */
#define F(op) \
    { op##_f32, op##_f64, NULL, NULL, NULL, NULL }
#define N(op) \
    { op##_f32, op##_f64, op##_i64, op##_i32, op##_u8, NULL }
#define A(op) \
    { op##_f32, op##_f64, op##_i64, op##_i32, op##_u8, op##_b }
#define B(op) \
    { NULL, NULL, NULL, NULL, NULL, op##_b }
#define S(op) \
    { op##_f32, op##_f64, same_i64, same_i32, same_u8, NULL }
#define C(op) \
    { op##_f32, op##_f64, op##_i64, op##_i32, op##_u8, op##_u8 }
#define T1(op, i) \
    { op##_f32, op##_f64, i##_i64, i##_i32, i##_u8, i##_u8 }
static const row_fn rows[SOMA_OP_COUNT][SOMA_DTYPES] = {
    [SOMA_OP_neg] = N(neg),
    [SOMA_OP_abs] = N(abs),
    [SOMA_OP_sign] = N(sign),
    [SOMA_OP_square] = N(square),
    [SOMA_OP_reciprocal] = F(reciprocal),
    [SOMA_OP_sqrt] = F(sqrt),
    [SOMA_OP_rsqrt] = F(rsqrt),
    [SOMA_OP_exp] = F(exp),
    [SOMA_OP_expm1] = F(expm1),
    [SOMA_OP_log] = F(log),
    [SOMA_OP_log1p] = F(log1p),
    [SOMA_OP_log2] = F(log2),
    [SOMA_OP_log10] = F(log10),
    [SOMA_OP_sin] = F(sin),
    [SOMA_OP_cos] = F(cos),
    [SOMA_OP_tan] = F(tan),
    [SOMA_OP_asin] = F(asin),
    [SOMA_OP_acos] = F(acos),
    [SOMA_OP_atan] = F(atan),
    [SOMA_OP_sinh] = F(sinh),
    [SOMA_OP_cosh] = F(cosh),
    [SOMA_OP_tanh] = F(tanh),
    [SOMA_OP_sigmoid] = F(sigmoid),
    [SOMA_OP_erf] = F(erf),
    [SOMA_OP_erfc] = F(erfc),
    [SOMA_OP_relu] = N(relu),
    [SOMA_OP_floor] = S(floor),
    [SOMA_OP_ceil] = S(ceil),
    [SOMA_OP_round] = S(round),
    [SOMA_OP_trunc] = S(trunc),
    [SOMA_OP_isnan] = T1(isnan, never),
    [SOMA_OP_isinf] = T1(isinf, never),
    [SOMA_OP_isfinite] = T1(isfinite, always),
    [SOMA_OP_logical_not] = B(logical_not),
    [SOMA_OP_add] = A(add),
    [SOMA_OP_sub] = N(sub),
    [SOMA_OP_mul] = A(mul),
    [SOMA_OP_div] = F(div),
    [SOMA_OP_floor_divide] = N(floor_divide),
    [SOMA_OP_remainder] = N(remainder),
    [SOMA_OP_pow] = F(pow),
    [SOMA_OP_atan2] = F(atan2),
    [SOMA_OP_maximum] = {maximum_f32, maximum_f64, maximum_i64, maximum_i32, maximum_u8, maximum_u8},
    [SOMA_OP_minimum] = {minimum_f32, minimum_f64, minimum_i64, minimum_i32, minimum_u8, minimum_u8},
    [SOMA_OP_eq] = C(eq),
    [SOMA_OP_ne] = C(ne),
    [SOMA_OP_lt] = C(lt),
    [SOMA_OP_le] = C(le),
    [SOMA_OP_gt] = C(gt),
    [SOMA_OP_ge] = C(ge),
    [SOMA_OP_logical_and] = B(logical_and),
    [SOMA_OP_logical_or] = B(logical_or),
    [SOMA_OP_logical_xor] = B(logical_xor),
    [SOMA_OP_relu_backward] = F(relu_backward),
    [SOMA_OP_tanh_backward] = F(tanh_backward),
    [SOMA_OP_sigmoid_backward] = F(sigmoid_backward),
};

/* Rows in pieces, for several threads. Dense operands are one long row, cut into runs; else a piece is some rows. */
typedef struct job {
    const soma__call *call;
    row_fn row;
    bool dense;
    int64_t length, per; /* of a row; rows or elements in a piece */
    _Atomic int failed;
} job;

#define RUN 8192

static int do_row(const job *j, const int64_t *at, int64_t n) {
    const soma__call *c = j->call;
    const soma__operand *o = &c->out, *a = &c->in[0], *b = c->n_in > 1 ? &c->in[1] : NULL;
    int64_t to = (int64_t)soma_dtype_size((soma_dtype)o->dtype), ti = (int64_t)soma_dtype_size((soma_dtype)a->dtype);
    return j->row((char *)o->data + at[0] * to, (const char *)a->data + at[1] * ti, b ? (const char *)b->data + at[2] * ti : NULL, n,
                  j->dense ? 1 : soma__last_stride(o), j->dense ? 1 : soma__last_stride(a),
                  j->dense ? 1
                  : b      ? soma__last_stride(b)
                           : 0);
}

static void piece(void *arg, int64_t p, int slot) {
    job *j = arg;
    const soma__call *c = j->call;
    (void)slot;
    int s = SOMA_OK;
    if (j->dense) {
        int64_t from = p * RUN, at[3] = {from, from, from};
        s = do_row(j, at, c->out.numel - from < RUN ? c->out.numel - from : RUN);
    } else {
        const soma__operand *ops[3] = {&c->out, &c->in[0], c->n_in > 1 ? &c->in[1] : &c->in[0]};
        soma__walk w;
        soma__walk_start(&w, &c->out);
        soma__walk_to(&w, ops, 3, p * j->per);
        for (int64_t end = w.row + j->per; w.row < w.rows && w.row < end && s == SOMA_OK; soma__walk_next(&w, ops, 3)) s = do_row(j, w.at, w.length);
    }
    if (s != SOMA_OK) j->failed = s;
}

int soma__elementwise_run(const soma__call *c) {
    job j = {.call = c, .row = rows[c->op][c->in[0].dtype], .length = c->out.ndim ? c->out.shape[c->out.ndim - 1] : 1};
    if (!c->out.numel) return SOMA_OK;
    j.dense = soma__dense(&c->in[0]) && (c->n_in < 2 || soma__dense(&c->in[1]));
    j.per = (RUN - 1) / j.length + 1;
    int64_t n = j.dense ? (c->out.numel - 1) / RUN + 1 : (c->out.numel / j.length - 1) / j.per + 1;
    soma__pool_run(c->env->pool, piece, &j, n, (double)c->out.numel);
    return j.failed ? (int)soma_error_raise(c->env->ctx, SOMA_ERROR_RANGE, "%s: an integer is divided by zero", soma__ops[c->op]->name) : SOMA_OK;
}

/* The dtype that an op of a kind computes in, and gives. */
enum { FLOATING, NUMERIC, ANY, TEST, LOGIC };

static bool kind_fits(const char *name, int kind, const soma_tensor *x, soma_dtype *in, soma_dtype *out) {
    if (kind == FLOATING && !soma__is_float(*in)) *in = SOMA_F32;
    if (kind == LOGIC) *in = SOMA_BOOL;
    *out = kind == TEST ? SOMA_BOOL : *in;
    if (kind == NUMERIC && *in == SOMA_BOOL) {
        soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "%s: bool has no arithmetic here; convert with soma_to first", name);
        return false;
    }
    return true;
}

static soma_tensor *unary(int op, int kind, soma_tensor *x) {
    if (!soma__check(soma__ops[op]->name, &x, 1)) return NULL;
    soma_dtype in = (soma_dtype)x->dtype, out;
    if (!kind_fits(soma__ops[op]->name, kind, x, &in, &out) || !(x = soma__as(x, in))) return NULL;
    soma__record r = {op, out, x->ndim, x->shape, &x, 1, NULL, 0};
    return soma__graph_record(x->ctx, &r);
}

static soma_tensor *binary(int op, int kind, soma_tensor *a, soma_tensor *b) {
    soma_tensor *ab[2] = {a, b};
    if (!soma__check(soma__ops[op]->name, ab, 2)) return NULL;
    soma_dtype in = a->dtype == b->dtype ? (soma_dtype)a->dtype : soma__result_type(a, b), out;
    int64_t shape[SOMA_MAX_DIMS], ndim;
    if (!soma__broadcast(soma__ops[op]->name, a, b, shape, &ndim) || !kind_fits(soma__ops[op]->name, kind, a, &in, &out)) return NULL;
    ab[0] = soma__as(a, in), ab[1] = soma__as(b, in);
    if (!ab[0] || !ab[1]) return NULL;
    soma__record r = {op, out, ndim, shape, ab, 2, NULL, 0};
    return soma__graph_record(a->ctx, &r);
}

#define UNARY(name, kind, doc) \
    soma_tensor *soma_##name(soma_tensor *x) { return unary(SOMA_OP_##name, kind, x); }
#define BINARY(name, kind, doc) \
    soma_tensor *soma_##name(soma_tensor *a, soma_tensor *b) { return binary(SOMA_OP_##name, kind, a, b); }
#define OP(name, params, doc)
#define INNER(name, doc)
#define COMPOSITE(name, params, doc)
#include "soma/ops.def"
