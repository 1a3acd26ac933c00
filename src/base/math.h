/* Elementary functions of our own: the same bits with every compiler and machine, within 2 ulp of the true value. Special values as C99's. */
#ifndef SOMA_SRC_BASE_MATH_H
#define SOMA_SRC_BASE_MATH_H

#include <stdint.h>

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "soma gives the same bits everywhere: it cannot be compiled with -ffast-math or -Ofast"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "soma gives the same bits everywhere: floats must be computed as floats, not wider (on x86: -msse2 -mfpmath=sse)"
#endif

/* clang-format off */
#define SOMA__MATH_UNARY(X) \
    X(exp) X(expm1) X(log) X(log1p) X(log2) X(log10) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(tanh) X(sigmoid) X(erf) X(erfc) \
    X(floor) X(ceil) X(trunc) X(round)
/* clang-format on */
#define SOMA__MATH_BINARY(X) X(pow) X(atan2) X(fmod)

#define SOMA__DECLARE(fn) \
    double soma__##fn(double x); \
    float soma__##fn##f(float x);
SOMA__MATH_UNARY(SOMA__DECLARE)
#undef SOMA__DECLARE
#define SOMA__DECLARE(fn) \
    double soma__##fn(double x, double y); \
    float soma__##fn##f(float x, float y);
SOMA__MATH_BINARY(SOMA__DECLARE)
#undef SOMA__DECLARE

/* a * b + c with one rounding, also where the processor has no such instruction: the product is exact in double; the sum is rounded to odd, so that
 * rounding it to float rounds once. */
static inline float soma__fmaf(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    double p = (double)a * (double)b, s = p + (double)c;
    union {
        double d;
        uint64_t u;
    } r = {s};
    if ((r.u & 0x1fffffffu) == 0x10000000u || (r.u >> 52 & 0x7ff) < 897 + 24) { /* half way, or perhaps subnormal: the sum's own error decides */
        double t = s - p, e = (p - (s - t)) + ((double)c - t);
        if (e == e && e != 0 && !(r.u & 1)) r.u += ((e > 0) == (s > 0)) ? 1 : (uint64_t)-1;
        if (e != 0 && e == e && s == 0) return (float)e;
    }
    return (float)r.d;
#endif
}

#endif
