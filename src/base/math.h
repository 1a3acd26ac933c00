// Elementary functions with the same bits on every machine and compiler, within 2 ulp of the true value, without libm.
// Special values follow C99 Annex F (pow included). The float functions give, lane by lane, the bits of the vector
// functions of math_f32.h; the double functions are scalar only. NaNs count as equal whatever their sign and payload.
#ifndef SOMA_BASE_MATH_H
#define SOMA_BASE_MATH_H

#include <stdint.h>
#include <string.h>

double soma__exp(double x);
double soma__exp2(double x);
double soma__expm1(double x);
double soma__log(double x);
double soma__log2(double x);
double soma__log10(double x);
double soma__log1p(double x);
double soma__pow(double x, double y);
double soma__sin(double x);
double soma__cos(double x);
double soma__tan(double x);
double soma__asin(double x);
double soma__acos(double x);
double soma__atan(double x);
double soma__atan2(double y, double x);
double soma__sinh(double x);
double soma__cosh(double x);
double soma__tanh(double x);
double soma__sigmoid(double x); // 1 / (1 + exp(-x))
double soma__erf(double x);
double soma__erfc(double x);
double soma__rsqrt(double x); // 1 / sqrt(x), rounded twice

float soma__expf(float x);
float soma__exp2f(float x);
float soma__expm1f(float x);
float soma__logf(float x);
float soma__log2f(float x);
float soma__log10f(float x);
float soma__log1pf(float x);
float soma__powf(float x, float y);
float soma__sinf(float x);
float soma__cosf(float x);
float soma__tanf(float x);
float soma__asinf(float x);
float soma__acosf(float x);
float soma__atanf(float x);
float soma__atan2f(float y, float x);
float soma__sinhf(float x);
float soma__coshf(float x);
float soma__tanhf(float x);
float soma__sigmoidf(float x);
float soma__erff(float x);
float soma__erfcf(float x);
float soma__rsqrtf(float x);

double soma__floor(double x);
double soma__ceil(double x);
double soma__trunc(double x);
double soma__rint(double x); // to nearest, ties to even
double soma__fmod(double x, double y);
double soma__scalbn(double x, int n); // x * 2^n, rounded once

float soma__floorf(float x);
float soma__ceilf(float x);
float soma__truncf(float x);
float soma__rintf(float x);
float soma__fmodf(float x, float y);

static inline uint64_t soma__bits(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double soma__from_bits(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline uint32_t soma__bitsf(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float soma__from_bitsf(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

// a * b + c rounded once. Where the compiler has no such instruction: the product is exact in double, the sum is
// rounded to odd, so that rounding it to float cannot round twice (Boldo and Melquiond 2008).
static inline float soma__fmaf(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    double p = (double)a * (double)b, q = (double)c, s = p + q, t = s - p;
    double e = (p - (s - t)) + (q - t);
    uint64_t u = soma__bits(s);
    uint64_t inexact = (uint64_t)(e < 0.0) | (uint64_t)(e > 0.0); // 0 where e is NaN: s is then infinite or NaN
    u -= ((u ^ soma__bits(e)) >> 63) & inexact;                   // towards zero
    return (float)soma__from_bits(u | inexact);
#endif
}

#endif
