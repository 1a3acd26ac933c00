/* The words of simd.h over one float, so that math_f32.h gives scalar functions with the bits of the vector ones. A mask is a float
 * of all ones or none. */
#ifndef SOMA_SRC_BASE_MATH_LANE_H
#define SOMA_SRC_BASE_MATH_LANE_H

#include <stdbool.h>
#include <string.h>

#include "base/math.h"

#define VL 1
#define SIMD_FN static inline __attribute__((always_inline, unused))

typedef float vf;
typedef int32_t vi;

SIMD_FN vi vi_from_bits(vf a) {
    vi u;
    memcpy(&u, &a, sizeof u);
    return u;
}
SIMD_FN vf vf_from_bits(vi a) {
    vf x;
    memcpy(&x, &a, sizeof x);
    return x;
}

SIMD_FN vf vf_load(const float *p) { return *p; }
SIMD_FN void vf_store(float *p, vf v) { *p = v; }
SIMD_FN vf vf_zero(void) { return 0; }
SIMD_FN vf vf_set1(float x) { return x; }
SIMD_FN vi vi_set1(int32_t x) { return x; }

/* Wrap around as the vectors do. */
SIMD_FN vi vi_add(vi a, vi b) { return (vi)((uint32_t)a + (uint32_t)b); }
SIMD_FN vi vi_sub(vi a, vi b) { return (vi)((uint32_t)a - (uint32_t)b); }
SIMD_FN vi vi_and(vi a, vi b) { return a & b; }
SIMD_FN vi vi_or(vi a, vi b) { return a | b; }
SIMD_FN vi vi_xor(vi a, vi b) { return a ^ b; }
SIMD_FN vi vi_shl(vi a, int n) { return (vi)((uint32_t)a << n); }
SIMD_FN vi vi_sar(vi a, int n) { return a >> n; }
SIMD_FN vi vi_eq(vi a, vi b) { return -(a == b); }
SIMD_FN vf vf_from_vi(vi a) { return (vf)a; }

SIMD_FN vf vf_and(vf a, vf b) { return vf_from_bits(vi_from_bits(a) & vi_from_bits(b)); }
SIMD_FN vf vf_or(vf a, vf b) { return vf_from_bits(vi_from_bits(a) | vi_from_bits(b)); }
SIMD_FN vf vf_xor(vf a, vf b) { return vf_from_bits(vi_from_bits(a) ^ vi_from_bits(b)); }
SIMD_FN vf vf_andnot(vf a, vf b) { return vf_from_bits(~vi_from_bits(a) & vi_from_bits(b)); }
SIMD_FN vf vf_neg(vf a) { return -a; }
SIMD_FN vf vf_abs(vf a) { return __builtin_fabsf(a); }

SIMD_FN vf vf_add(vf a, vf b) { return a + b; }
SIMD_FN vf vf_sub(vf a, vf b) { return a - b; }
SIMD_FN vf vf_mul(vf a, vf b) { return a * b; }
SIMD_FN vf vf_div(vf a, vf b) { return a / b; }
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return soma__fmaf(a, b, c); }
SIMD_FN vf vf_sqrt(vf a) { return __builtin_sqrtf(a); }

SIMD_FN vf vf_lt(vf a, vf b) { return vf_from_bits(-(a < b)); }
SIMD_FN vf vf_gt(vf a, vf b) { return vf_from_bits(-(a > b)); }
SIMD_FN vf vf_ge(vf a, vf b) { return vf_from_bits(-(a >= b)); }
SIMD_FN vf vf_eq(vf a, vf b) { return vf_from_bits(-(a == b)); }
SIMD_FN vf vf_ne(vf a, vf b) { return vf_from_bits(-(a != b)); }
SIMD_FN vf vf_select(vf mask, vf a, vf b) { return vi_from_bits(mask) ? a : b; }
SIMD_FN bool vf_any(vf mask) { return vi_from_bits(mask) != 0; }
SIMD_FN vf vf_lesser(vf a, vf b) { return a < b ? a : b; }
SIMD_FN vf vf_greater(vf a, vf b) { return a > b ? a : b; }
SIMD_FN vf vf_trunc(vf x) {
    if (!(__builtin_fabsf(x) < 0x1p23f)) return x;
    return __builtin_copysignf((float)(int32_t)x, x);
}

#endif
