/* The float32 functions in float32 arithmetic, written once over a vector type: include simd.h first for vectors of VL lanes, or
 * math_lane.h for one float. All give the same bits lane by lane, since every step is one correctly rounded operation. The argument
 * is reduced (Cody and Waite 1980), then a polynomial from tools/math_table.py; where one float is too short, values are
 * unevaluated sums of two (Dekker 1971). At most 2 ulp from the true value, C99's special values, subnormals kept. Functions that
 * are rare in networks call the scalar float64 code lane by lane. */
#ifndef SOMA_SRC_BASE_MATH_F32_H
#define SOMA_SRC_BASE_MATH_F32_H

#include "base/math.h"

/* Every function of one argument; the two of two are pow and atan2. */
#define SOMA__VF_UNARY(X) \
    X(exp) \
    X(exp2) \
    X(expm1) X(sigmoid) X(tanh) X(log) X(log2) X(log10) X(log1p) X(erf) X(sin) X(cos) X(rsqrt) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(erfc)

#define LN2_HI 0x1.62e4p-1f /* 15 bits: its product with an exponent is exact */
#define LN2_LO 0x1.7f7d1cp-20f
#define TO_INT 0x1.8p23f /* adding it rounds to an integer, which then stands in the low bits */
#define NAN_BITS 0x7fc00000
#define INF_BITS 0x7f800000

SIMD_FN vf math__poly(vf x, int n, const float *c) {
    vf r = vf_set1(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) r = vf_fma(r, x, vf_set1(c[i]));
    return r;
}
#define POLY(x, ...) math__poly(x, (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)), (const float[]){__VA_ARGS__})

SIMD_FN vf math__bits(int32_t u) { return vf_from_bits(vi_set1(u)); }
SIMD_FN vf math__sign(vf x) { return vf_and(x, vf_set1(-0.0f)); }
/* 2^n, -126 <= n <= 127 */
SIMD_FN vf math__pow2(vi n) { return vf_from_bits(vi_shl(vi_add(n, vi_set1(127)), 23)); }
/* x 2^n in two steps, so that both factors are normal numbers and only the second step rounds */
SIMD_FN vf math__scale(vf x, vi n) {
    vi half = vi_sar(n, 1);
    return vf_mul(vf_mul(x, math__pow2(half)), math__pow2(vi_sub(n, half)));
}
SIMD_FN vf math__clamp(vf x, float low, float high) { return vf_greater(vf_set1(low), vf_lesser(vf_set1(high), x)); } /* NaN passes */

/* The lanes of `mask` are replaced by the scalar function of theirs. */
SIMD_FN vf math__by_lane(vf r, vf mask, vf x, float (*f)(float)) {
    if (!vf_any(mask)) return r;
    float in[VL], on[VL], out[VL];
    vf_store(in, x), vf_store(on, vf_and(mask, vf_set1(1.0f))), vf_store(out, r);
    for (int i = 0; i < VL; i++)
        if (on[i] != 0.0f) out[i] = f(in[i]);
    return vf_load(out);
}

/* (e^r - 1 - r) / r^2 */
SIMD_FN vf math__exp_tail(vf r) { return POLY(r, 0.5f, 0x1.5554bp-3f, 0x1.5554e4p-5f, 0x1.12279ep-7f, 0x1.6d51b8p-10f); }
/* x = n ln 2 + r, |r| <= ln 2 / 2 and a bit */
SIMD_FN vf math__exp_reduce(vf x, vi *n) {
    vf t = vf_fma(x, vf_set1(0x1.715476p+0f), vf_set1(TO_INT)), k = vf_sub(t, vf_set1(TO_INT));
    *n = vi_sub(vi_from_bits(t), vi_from_bits(vf_set1(TO_INT)));
    return vf_fma(k, vf_set1(-LN2_LO), vf_fma(k, vf_set1(-LN2_HI), x));
}

SIMD_FN vf vf_exp(vf x) {
    vi n;
    vf r = math__exp_reduce(math__clamp(x, -104.0f, 89.0f), &n);
    return math__scale(vf_add(vf_fma(vf_mul(r, r), math__exp_tail(r), r), vf_set1(1.0f)), n);
}

SIMD_FN vf vf_exp2(vf x) {
    x = math__clamp(x, -151.0f, 129.0f);
    vf t = vf_add(x, vf_set1(TO_INT)), r = vf_sub(x, vf_sub(t, vf_set1(TO_INT)));
    vf p = POLY(r, 0x1.62e43p-1f, 0x1.ebfbep-3f, 0x1.c6af7ap-5f, 0x1.3b2a28p-7f, 0x1.5f095cp-10f, 0x1.4447cap-13f);
    return math__scale(vf_fma(r, p, vf_set1(1.0f)), vi_sub(vi_from_bits(t), vi_from_bits(vf_set1(TO_INT))));
}

/* 2 (p r^2 q + (p r + (p - 1/2))) with p = 2^(n-1): the sum is rounded twice only. */
SIMD_FN vf vf_expm1(vf x) {
    vi n;
    vf r = math__exp_reduce(math__clamp(x, -18.0f, 89.0f), &n), p = math__pow2(vi_sub(n, vi_set1(1)));
    vf s = vf_fma(p, r, vf_sub(p, vf_set1(0.5f)));
    s = vf_fma(vf_mul(p, vf_mul(r, r)), math__exp_tail(r), s);
    return vf_select(vf_lt(vf_abs(x), vf_set1(0x1p-25f)), x, vf_add(s, s));
}

/* 1 / (1 + e^-|x|), times e^-|x| for x < 0, with both sums kept in two floats and the quotient corrected. */
SIMD_FN vf vf_sigmoid(vf x) {
    vf one = vf_set1(1.0f), positive = vf_ge(x, vf_zero());
    vi n;
    vf r = math__exp_reduce(vf_greater(vf_set1(-104.0f), vf_neg(vf_abs(x))), &n), s = vf_fma(vf_mul(r, r), math__exp_tail(r), r);
    vf hi = vf_add(one, s), lo = vf_sub(s, vf_sub(hi, one));
    vf p = vf_greater(math__pow2(n), vf_set1(0x1p-40f)); /* below 2^-126 the bits are those of no such number: negative */
    vf eh = vf_mul(hi, p), el = vf_mul(lo, p);
    vf dh = vf_add(one, eh), dl = vf_add(vf_add(vf_sub(one, dh), eh), el), inverse = vf_div(one, dh);
    vf top = vf_select(positive, one, hi), rest = vf_andnot(positive, lo), q = vf_mul(top, inverse);
    vf left = vf_add(vf_fma(vf_neg(q), dh, top), vf_fma(vf_neg(q), dl, rest));
    q = vf_fma(left, inverse, q);
    return vf_select(positive, q, math__scale(q, n));
}

/* An odd polynomial below 0.55, else 1 - 2 / (e^2x + 1). */
SIMD_FN vf vf_tanh(vf x) {
    vf a = vf_abs(x), z = vf_mul(x, x), one = vf_set1(1.0f);
    vf p = POLY(z, -0x1.55554cp-2f, 0x1.110d6ap-3f, -0x1.b932p-5f, 0x1.5982c8p-6f, -0x1.9c97ap-8f);
    vf small = vf_fma(vf_mul(x, z), p, x);
    vf b = vf_lesser(vf_set1(9.5f), a);
    vi n;
    vf r = math__exp_reduce(vf_add(b, b), &n), e = vf_add(vf_fma(vf_mul(r, r), math__exp_tail(r), r), one);
    vf big = vf_sub(one, vf_div(vf_set1(2.0f), vf_fma(e, math__pow2(n), one)));
    return vf_or(math__sign(x), vf_abs(vf_select(vf_ge(a, vf_set1(0.55f)), big, small)));
}

/* log m = f + tail with x = 2^k m, f = m - 1, m in [sqrt 1/2, sqrt 2], x > 0 */
SIMD_FN vf math__log_reduce(vf x, vf *k) {
    vf tiny = vf_lt(x, vf_set1(0x1p-126f));
    x = vf_select(tiny, vf_mul(x, vf_set1(0x1p24f)), x);
    vi u = vi_from_bits(x), e = vi_sar(vi_sub(u, vi_set1(0x3f3504f3)), 23);
    *k = vf_sub(vf_from_vi(e), vf_and(tiny, vf_set1(24.0f)));
    return vf_sub(vf_from_bits(vi_sub(u, vi_shl(e, 23))), vf_set1(1.0f));
}
SIMD_FN vf math__log_tail(vf f) {
    vf p = POLY(f, 0x1.55554ap-2f, -0x1.00022p-2f, 0x1.99a5aap-3f, -0x1.54788ep-3f, 0x1.226d1ap-3f, -0x1.0cdf74p-3f, 0x1.07d6a8p-3f, -0x1.41fe3ap-4f);
    return vf_mul(vf_mul(f, f), vf_fma(f, p, vf_set1(-0.5f)));
}
/* -inf at zero, NaN below, infinity and NaN to themselves */
SIMD_FN vf math__log_special(vf r, vf x) {
    vf inf = math__bits(INF_BITS);
    vf other = vf_select(vf_lt(x, vf_zero()), math__bits(NAN_BITS), vf_select(vf_eq(x, vf_zero()), vf_neg(inf), x));
    return vf_select(vf_and(vf_gt(x, vf_zero()), vf_lt(x, inf)), r, other);
}

SIMD_FN vf vf_log(vf x) {
    vf k, f = math__log_reduce(x, &k), t = math__log_tail(f);
    return math__log_special(vf_fma(k, vf_set1(LN2_HI), vf_add(f, vf_fma(k, vf_set1(LN2_LO), t))), x);
}

/* (f + t) (hi + lo) */
SIMD_FN vf math__log_times(vf f, vf t, float hi, float lo) { return vf_fma(f, vf_set1(hi), vf_fma(f, vf_set1(lo), vf_mul(t, vf_set1(hi)))); }

SIMD_FN vf vf_log2(vf x) {
    vf k, f = math__log_reduce(x, &k), t = math__log_tail(f);
    return math__log_special(vf_add(k, math__log_times(f, t, 0x1.715476p+0f, 0x1.4ae0cp-26f)), x);
}

SIMD_FN vf vf_log10(vf x) {
    vf k, f = math__log_reduce(x, &k), t = math__log_tail(f), l = math__log_times(f, t, 0x1.bcb7b2p-2f, -0x1.5b235ep-27f);
    return math__log_special(vf_fma(k, vf_set1(0x1.344p-2f), vf_fma(k, vf_set1(0x1.3509f8p-18f), l)), x);
}

/* log(u + c) = log u + c / u, where u + c is exactly 1 + x */
SIMD_FN vf vf_log1p(vf x) {
    vf one = vf_set1(1.0f), u = vf_add(one, x), b = vf_sub(u, one);
    vf c = vf_add(vf_sub(x, b), vf_sub(one, vf_sub(u, b)));
    vf k, f = math__log_reduce(u, &k), t = vf_add(math__log_tail(f), vf_div(c, u));
    vf r = vf_fma(k, vf_set1(LN2_HI), vf_add(f, vf_fma(k, vf_set1(LN2_LO), t)));
    return vf_select(vf_lt(vf_abs(x), vf_set1(0x1p-25f)), x, math__log_special(r, u));
}

/* x + x p(x^2), and from 0.9 on 1 - exp(a polynomial near log erfc) */
SIMD_FN vf vf_erf(vf x) {
    vf a = vf_abs(x), z = vf_mul(x, x), b = vf_lesser(vf_set1(4.0f), a);
    vf small =
        vf_fma(x, POLY(z, 0x1.06eba8p-3f, -0x1.81274p-2f, 0x1.ce2d5cp-4f, -0x1.b7ffbcp-6f, 0x1.54366p-8f, -0x1.a52328p-11f, 0x1.4bb438p-14f), x);
    vi n;
    vf r = math__exp_reduce(
        POLY(b, -0x1.574bap-13f, -0x1.20b7fap+0f, -0x1.461fd2p-1f, -0x1.aa7e66p-4f, 0x1.6dae96p-6f, -0x1.91e8dp-9f, 0x1.9fd426p-13f), &n);
    vf e = vf_add(vf_fma(vf_mul(r, r), math__exp_tail(r), r), vf_set1(1.0f));
    vf big = vf_fma(vf_neg(e), math__pow2(n), vf_set1(1.0f));
    return vf_or(math__sign(x), vf_abs(vf_select(vf_ge(a, vf_set1(0.9f)), big, small)));
}

/* x - n pi / 2 in two floats, in about [-pi/4, pi/4], for |x| <= 1e5; the quadrant n in the low bits of *n */
SIMD_FN vf math__trig_reduce(vf x, vf *lo, vi *n) {
    vf t = vf_fma(x, vf_set1(0x1.45f306p-1f), vf_set1(TO_INT)), k = vf_neg(vf_sub(t, vf_set1(TO_INT)));
    *n = vi_from_bits(t);
    vf a = vf_fma(k, vf_set1(0x1.921fb6p+0f), x); /* exact */
    vf p = vf_mul(k, vf_set1(-0x1.777a5cp-25f)), rest = vf_fma(k, vf_set1(-0x1.777a5cp-25f), vf_neg(p));
    vf hi = vf_add(a, p), b = vf_sub(hi, a); /* either may be the larger */
    rest = vf_add(vf_add(vf_sub(a, vf_sub(hi, b)), vf_sub(p, b)), rest);
    *lo = vf_fma(k, vf_set1(-0x1.ee59dap-50f), rest);
    return hi;
}

SIMD_FN vf math__sin_or_cos(vf x, int quadrant) {
    vi n;
    vf lo, r = math__trig_reduce(x, &lo, &n), z = vf_mul(r, r);
    n = vi_add(n, vi_set1(quadrant));
    vf s = POLY(z, -0x1.555556p-3f, 0x1.111176p-7f, -0x1.a05bb2p-13f, 0x1.7cd428p-19f);
    s = vf_add(r, vf_fma(vf_mul(r, z), s, vf_fma(vf_mul(vf_set1(-0.5f), z), lo, lo)));
    vf c = POLY(z, 0x1.55554ap-5f, -0x1.6c0c1ap-10f, 0x1.99e0eap-16f), half = vf_mul(vf_set1(0.5f), z), one = vf_set1(1.0f);
    vf w = vf_sub(one, half), rest = vf_sub(vf_sub(one, w), half);
    c = vf_add(w, vf_add(rest, vf_fma(vf_mul(z, z), c, vf_neg(vf_mul(r, lo)))));
    vf odd = vf_from_bits(vi_sub(vi_set1(0), vi_and(n, vi_set1(1))));
    return vf_xor(vf_select(odd, c, s), vf_from_bits(vi_shl(vi_and(n, vi_set1(2)), 30)));
}

SIMD_FN float math__far_sin(float x) { return (float)soma__sin((double)x); }
SIMD_FN float math__far_cos(float x) { return (float)soma__cos((double)x); }

SIMD_FN vf vf_sin(vf x) {
    vf r = vf_select(vf_lt(vf_abs(x), vf_set1(0x1p-14f)), x, math__sin_or_cos(x, 0));
    return math__by_lane(r, vf_gt(vf_abs(x), vf_set1(1e5f)), x, math__far_sin);
}

SIMD_FN vf vf_cos(vf x) { return math__by_lane(math__sin_or_cos(x, 1), vf_gt(vf_abs(x), vf_set1(1e5f)), x, math__far_cos); }

typedef struct math__two {
    vf hi, lo;
} math__two;

SIMD_FN math__two math__sum(vf a, vf b, vf rest) { /* |a| >= |b| or a = 0 */
    vf s = vf_add(a, b);
    return (math__two){s, vf_add(vf_add(vf_sub(a, s), b), rest)};
}
SIMD_FN math__two math__product(math__two a, math__two b) {
    vf p = vf_mul(a.hi, b.hi), e = vf_fma(a.hi, b.hi, vf_neg(p));
    return (math__two){p, vf_add(e, vf_fma(a.hi, b.lo, vf_mul(a.lo, b.hi)))};
}

/* log x to about 2^-38 of itself, 0 < x < inf: k ln 2 + s (2 + z (2/3 + z (2/5 + z p(z)))), s = f / (2 + f), z = s^2 */
SIMD_FN math__two math__log_two(vf x) {
    vf k, f = math__log_reduce(x, &k), two = vf_set1(2.0f);
    vf dh = vf_add(two, f), dl = vf_sub(f, vf_sub(dh, two)), inverse = vf_div(vf_set1(1.0f), dh);
    math__two s;
    s.hi = vf_mul(f, inverse);
    s.lo = vf_mul(inverse, vf_fma(vf_neg(s.hi), dl, vf_fma(vf_neg(s.hi), dh, f)));
    math__two z = math__product(s, s);
    vf tail = vf_mul(z.hi, POLY(z.hi, 0x1.2492bcp-2f, 0x1.c69d92p-3f, 0x1.8aa71cp-3f));
    math__two p = math__sum(vf_set1(0x1.99999ap-2f), tail, vf_set1(-0x1.99999ap-28f));
    p = math__product(z, p);
    p = math__sum(vf_set1(0x1.555556p-1f), p.hi, vf_add(p.lo, vf_set1(-0x1.555556p-26f)));
    p = math__product(z, p);
    p = math__product(s, math__sum(two, p.hi, p.lo));
    p = math__sum(vf_mul(k, vf_set1(LN2_HI)), p.hi, vf_fma(k, vf_set1(LN2_LO), p.lo));
    return math__sum(p.hi, p.lo, vf_zero());
}

/* C99's cases, given r = |x|^y for ordinary |x| */
SIMD_FN vf math__pow_special(vf r, vf x, vf y) {
    vf a = vf_abs(x), zero = vf_zero(), one = vf_set1(1.0f), inf = math__bits(INF_BITS), half = vf_mul(y, vf_set1(0.5f));
    vf up = vf_select(vf_gt(y, zero), inf, zero), down = vf_select(vf_gt(y, zero), zero, inf);
    r = vf_select(vf_eq(a, zero), down, vf_select(vf_eq(a, inf), up, r));
    r = vf_select(vf_eq(a, one), one, r);
    vf whole = vf_eq(vf_trunc(y), y), odd = vf_and(whole, vf_ne(vf_trunc(half), half));
    r = vf_or(r, vf_and(odd, math__sign(x)));
    vf wrong = vf_andnot(whole, vf_and(vf_lt(x, zero), vf_lt(a, inf)));
    r = vf_select(wrong, math__bits(NAN_BITS), r);
    r = vf_select(vf_or(vf_ne(x, x), vf_ne(y, y)), vf_add(x, y), r);
    return vf_select(vf_or(vf_eq(x, one), vf_eq(y, zero)), one, r);
}

SIMD_FN vf vf_pow(vf x, vf y) {
    math__two l = math__log_two(vf_abs(x));
    vf h = vf_mul(y, l.hi), rest = vf_fma(y, l.lo, vf_fma(y, l.hi, vf_neg(h)));
    rest = vf_and(rest, vf_lt(vf_abs(h), vf_set1(110.0f))); /* elsewhere it may be no number, and does not matter */
    h = math__clamp(h, -110.0f, 90.0f);
    vf t = vf_fma(h, vf_set1(0x1.715476p+0f), vf_set1(TO_INT)), k = vf_sub(t, vf_set1(TO_INT));
    vf a = vf_fma(k, vf_set1(-LN2_HI), h), b = vf_fma(k, vf_set1(-LN2_LO), rest), r = vf_add(a, b), e = vf_add(vf_sub(a, r), b);
    vf m = vf_add(vf_set1(1.0f), vf_add(r, vf_fma(vf_mul(r, r), math__exp_tail(r), e)));
    return math__pow_special(math__scale(m, vi_sub(vi_from_bits(t), vi_from_bits(vf_set1(TO_INT)))), x, y);
}

SIMD_FN vf vf_rsqrt(vf x) { return vf_div(vf_set1(1.0f), vf_sqrt(x)); }

#define RARE(fn) \
    SIMD_FN vf vf_##fn(vf x) { return math__by_lane(x, vf_eq(vf_zero(), vf_zero()), x, soma__##fn##f); }
RARE(tan)
RARE(asin)
RARE(acos)
RARE(atan)
RARE(sinh)
RARE(cosh)
RARE(erfc)
#undef RARE

SIMD_FN vf vf_atan2(vf y, vf x) {
    float a[VL], b[VL];
    vf_store(a, y), vf_store(b, x);
    for (int i = 0; i < VL; i++) a[i] = soma__atan2f(a[i], b[i]);
    return vf_load(a);
}

#undef LN2_HI
#undef LN2_LO
#undef TO_INT
#undef NAN_BITS
#undef INF_BITS
#undef POLY

#endif
