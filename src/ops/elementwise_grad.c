/* Gradient rules of the element by element ops, and the composites with numbers. Each rule gives d(loss)/d(in) from gy, written with public ops, so
 * that it can be differentiated again; sum_to undoes broadcasting. */
#include "ops/elementwise.h"

#define X (v->in[0])
#define Y (v->node)
#define G (v->gy)
/* A rule of an op with one input. */
#define RULE1(name, e) \
    void soma__grad_##name(const soma__vjp *v) { \
        if (v->wants[0]) v->gx[0] = (e); \
    }
/* A rule of an op with two broadcast inputs. */
#define RULE2(name, ea, eb) \
    void soma__grad_##name(const soma__vjp *v) { \
        if (v->wants[0]) v->gx[0] = to_shape((ea), v->in[0]); \
        if (v->wants[1]) v->gx[1] = to_shape((eb), v->in[1]); \
    }

static soma_tensor *to_shape(soma_tensor *g, const soma_tensor *x) {
    if (!g || soma__same_shape(g, x)) return g;
    return soma_sum_to(g, x->shape, x->ndim);
}

static soma_tensor *zero_like(soma_tensor *x) { return soma__number(x->ctx, 0, (soma_dtype)x->dtype); }
static soma_tensor *when(soma_tensor *c, soma_tensor *g) { return g ? soma_where(c, g, zero_like(g)) : NULL; }

/* Steps: flat wherever they have a slope. */
static soma_tensor *flat(soma_tensor *x) { return soma_zeros(x->ctx, (soma_dtype)x->dtype, x->shape, x->ndim); }
RULE1(sign, flat(X))
RULE1(floor, flat(X))
RULE1(ceil, flat(X))
RULE1(round, flat(X))
RULE1(trunc, flat(X))
RULE2(floor_divide, flat(X), flat(v->in[1])) /* PyTorch has no rule for it; this is floor's of a quotient */

RULE1(neg, soma_neg(G))
RULE1(abs, soma_mul(G, soma_sign(X)))
RULE1(square, soma_mul(G, soma_mul_scalar(X, 2)))
RULE1(reciprocal, soma_neg(soma_mul(G, soma_mul(Y, Y))))
RULE1(sqrt, soma_div(G, soma_mul_scalar(Y, 2)))
RULE1(rsqrt, soma_mul(soma_mul_scalar(G, -0.5), soma_mul(Y, soma_mul(Y, Y))))
RULE1(exp, soma_mul(G, Y))
RULE1(expm1, soma_mul(G, soma_add_scalar(Y, 1)))
RULE1(log, soma_div(G, X))
RULE1(log1p, soma_div(G, soma_add_scalar(X, 1)))
RULE1(log2, soma_div(G, soma_mul_scalar(X, 0.69314718055994530942)))
RULE1(log10, soma_div(G, soma_mul_scalar(X, 2.30258509299404568402)))
RULE1(sin, soma_mul(G, soma_cos(X)))
RULE1(cos, soma_neg(soma_mul(G, soma_sin(X))))
RULE1(tan, soma_mul(G, soma_add_scalar(soma_mul(Y, Y), 1)))
RULE1(asin, soma_mul(G, soma_rsqrt(soma_rsub_scalar(soma_mul(X, X), 1))))
RULE1(acos, soma_neg(soma_mul(G, soma_rsqrt(soma_rsub_scalar(soma_mul(X, X), 1)))))
RULE1(atan, soma_div(G, soma_add_scalar(soma_mul(X, X), 1)))
RULE1(sinh, soma_mul(G, soma_cosh(X)))
RULE1(cosh, soma_mul(G, soma_sinh(X)))
RULE1(tanh, soma_tanh_backward(G, Y))
RULE1(sigmoid, soma_sigmoid_backward(G, Y))
RULE1(erf, soma_mul(G, soma_mul_scalar(soma_exp(soma_neg(soma_mul(X, X))), 1.12837916709551257390)))
RULE1(erfc, soma_mul(G, soma_mul_scalar(soma_exp(soma_neg(soma_mul(X, X))), -1.12837916709551257390)))
RULE1(relu, soma_relu_backward(G, Y))

RULE2(add, G, G)
RULE2(sub, G, soma_neg(G))
RULE2(mul, soma_mul(G, v->in[1]), soma_mul(G, X))
RULE2(div, soma_div(G, v->in[1]), soma_neg(soma_div(soma_mul(G, Y), v->in[1])))
/* torch: 0 where the exponent is 0 (not NaN at a = 0), and no log of 0 where a = 0 and b >= 0 */
RULE2(pow,
      soma_mul(G, soma_where(soma_eq(v->in[1], zero_like(v->in[1])), zero_like(X), soma_mul(v->in[1], soma_pow(X, soma_sub_scalar(v->in[1], 1))))),
      soma_mul(G, soma_where(soma_logical_and(soma_eq(X, zero_like(X)), soma_ge(v->in[1], zero_like(X))), zero_like(X), soma_mul(Y, soma_log(X)))))
/* part / (a a + b b), and 0 at the origin, as torch */
static soma_tensor *atan2_slope(soma_tensor *part, soma_tensor *a, soma_tensor *b) {
    soma_tensor *r = soma_add(soma_mul(a, a), soma_mul(b, b));
    return r ? soma_where(soma_eq(r, zero_like(r)), zero_like(r), soma_div(part, r)) : NULL;
}
RULE2(atan2, soma_mul(G, atan2_slope(v->in[1], X, v->in[1])), soma_neg(soma_mul(G, atan2_slope(X, X, v->in[1]))))
/* torch shares the gradient evenly between equal values */
RULE2(maximum, soma_where(soma_eq(X, v->in[1]), soma_mul_scalar(G, 0.5), when(soma_gt(X, v->in[1]), G)),
      soma_where(soma_eq(X, v->in[1]), soma_mul_scalar(G, 0.5), when(soma_lt(X, v->in[1]), G)))
RULE2(minimum, soma_where(soma_eq(X, v->in[1]), soma_mul_scalar(G, 0.5), when(soma_lt(X, v->in[1]), G)),
      soma_where(soma_eq(X, v->in[1]), soma_mul_scalar(G, 0.5), when(soma_gt(X, v->in[1]), G)))
RULE2(relu_backward, soma_relu_backward(G, v->in[1]), NULL)
RULE2(tanh_backward, soma_tanh_backward(G, v->in[1]), soma_mul_scalar(soma_mul(soma_mul(G, X), v->in[1]), -2))
RULE2(sigmoid_backward, soma_sigmoid_backward(G, v->in[1]), soma_mul(soma_mul(G, X), soma_rsub_scalar(soma_mul_scalar(v->in[1], 2), 1)))
void soma__grad_remainder(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = to_shape(G, X);
    if (v->wants[1]) v->gx[1] = to_shape(soma_neg(soma_mul(G, soma_floor(soma_div(X, v->in[1])))), v->in[1]);
}

/* A number beside x: whole ones count as Python's int, others as its float; so do all where the op computes in floats. */
static soma_tensor *number_beside(const soma_tensor *x, double value, bool floats) {
    bool whole = value > -9e15 && value < 9e15 && value == (double)(int64_t)value;
    soma_dtype dtype = soma__is_float(x->dtype) ? (soma_dtype)x->dtype
                       : whole && !floats       ? (x->dtype == SOMA_BOOL ? SOMA_I64 : (soma_dtype)x->dtype)
                                                : SOMA_F32;
    return soma__number(x->ctx, value, dtype);
}

/* A composite of one op on x and a number. */
static soma_tensor *with_number(const char *call, soma_tensor *x, double value, soma_tensor *(*op)(soma_tensor *, soma_tensor *), bool swap) {
    if (!soma__check(call, &x, 1)) return NULL;
    soma_tensor *n = number_beside(x, value, op == soma_div || op == soma_pow);
    return n ? (swap ? op(n, x) : op(x, n)) : NULL;
}

soma_tensor *soma_add_scalar(soma_tensor *x, double value) { return with_number("add_scalar", x, value, soma_add, false); }
soma_tensor *soma_sub_scalar(soma_tensor *x, double value) { return with_number("sub_scalar", x, value, soma_sub, false); }
soma_tensor *soma_rsub_scalar(soma_tensor *x, double value) { return with_number("rsub_scalar", x, value, soma_sub, true); }
soma_tensor *soma_mul_scalar(soma_tensor *x, double value) { return with_number("mul_scalar", x, value, soma_mul, false); }
soma_tensor *soma_div_scalar(soma_tensor *x, double value) { return with_number("div_scalar", x, value, soma_div, false); }
soma_tensor *soma_pow_scalar(soma_tensor *x, double value) {
    return value == 2.0 ? soma_square(x) : with_number("pow_scalar", x, value, soma_pow, false);
}

soma_tensor *soma_clamp(soma_tensor *x, soma_tensor *low, soma_tensor *high) {
    soma_tensor *in[3] = {x, low ? low : high, high};
    if (!soma__check("clamp", in, 1 + (low || high) + (low && high))) return NULL;
    soma_context *ctx = x->ctx;
    soma__composite_begin(ctx, "clamp");
    soma_tensor *y = x;
    /* torch shares the gradient evenly between equal values */
    if (y && low) y = soma_maximum(y, low);
    if (y && high) y = soma_minimum(y, high);
    return soma_interior_end(ctx, y);
}

soma_tensor *soma_clamp_to(soma_tensor *x, double low, double high) {
    if (!soma__check("clamp_to", &x, 1)) return NULL;
    if (low != low || high != high)
        return soma_full(x->ctx, low + high, soma__is_float(x->dtype) ? (soma_dtype)x->dtype : SOMA_F32, x->shape, x->ndim); /* as torch: NaN */
    soma_tensor *a = low > -__builtin_inf() ? number_beside(x, low, false) : NULL;
    soma_tensor *b = high < __builtin_inf() ? number_beside(x, high, false) : NULL;
    soma__composite_begin(x->ctx, "clamp_to");
    soma_tensor *y = x;
    /* torch passes no gradient on at a bound that is a number; NaN stays */
    if (a && !(a->dtype == SOMA_U8 && low < 0)) y = soma_where(soma_le(y, a), a, y); /* a bound below all bytes would wrap */
    if (b) y = soma_where(soma_ge(y, b), b, y);
    return soma_interior_end(x->ctx, soma__check("clamp_to", &y, 1) ? y : NULL);
}
