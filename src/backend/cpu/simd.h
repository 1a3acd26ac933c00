// A thin SIMD layer: one vector of VL floats (vf), one of VL int32 (vi), and inline functions over them. A kernel
// source is written once against this header and compiled once per instruction set, with one of SOMA_ISA_PORTABLE,
// SOMA_ISA_AVX2, SOMA_ISA_AVX512, SOMA_ISA_NEON defined. Every function here gives the same bits in each of them (NaN
// payloads aside): vectors run along independent elements, fma rounds once, nothing is an estimate.
//
// Arithmetic, comparisons and bit operations are GNU vector operators, so the compiler sees through them; intrinsics
// appear only where the operators have no word for the instruction. A mask is a vf whose lanes are all ones or zero.
// The portable fma follows Boldo and Melquiond, "Emulation of FMA and correctly rounded sums" (2008): the product of
// two floats is exact in double, the sum is rounded to odd, and only then to float.
#ifndef SOMA_BACKEND_CPU_SIMD_H
#define SOMA_BACKEND_CPU_SIMD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(SOMA_ISA_AVX512)
#include <immintrin.h>
#define VL 16
#define SOMA_ISA_NAME avx512
#elif defined(SOMA_ISA_AVX2)
#include <immintrin.h>
#define VL 8
#define SOMA_ISA_NAME avx2
#elif defined(SOMA_ISA_NEON)
#include <arm_neon.h>
#define VL 4
#define SOMA_ISA_NAME neon
#elif defined(SOMA_ISA_PORTABLE)
#define VL 4
#define SOMA_ISA_NAME portable
#else
#error "compile kernels with one of SOMA_ISA_PORTABLE, SOMA_ISA_AVX2, SOMA_ISA_AVX512, SOMA_ISA_NEON"
#endif

// SOMA_KERNEL(add) is soma__add_avx2 in the AVX2 build of a kernel file, and so on.
#define SOMA__KERNEL_PASTE(name, isa) soma__##name##_##isa
#define SOMA__KERNEL_NAME(name, isa) SOMA__KERNEL_PASTE(name, isa)
#define SOMA_KERNEL(name) SOMA__KERNEL_NAME(name, SOMA_ISA_NAME)

#define SIMD_FN static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t simd__vu __attribute__((vector_size(4 * VL))); // integers wrap, as unsigned ones do by definition

// Loads and stores. Unaligned; the n variants touch the first n lanes only (0 <= n <= VL), absent lanes read as 0.

SIMD_FN vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

SIMD_FN void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }

// Past the caches, to an address that is a multiple of a vector's size; vf_stream_end orders what was written so before what follows.
#if defined(SOMA_ISA_AVX512)
SIMD_FN void vf_stream(float *p, vf v) { _mm512_stream_ps(p, v); }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN void vf_stream(float *p, vf v) { _mm256_stream_ps(p, v); }
#else
SIMD_FN void vf_stream(float *p, vf v) { memcpy(p, &v, sizeof v); }
#endif
#if defined(SOMA_ISA_AVX512) || defined(SOMA_ISA_AVX2)
SIMD_FN void vf_stream_end(void) { _mm_sfence(); }
#else
SIMD_FN void vf_stream_end(void) {}
#endif

SIMD_FN vi vi_load(const int32_t *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

SIMD_FN void vi_store(int32_t *p, vi v) { memcpy(p, &v, sizeof v); }

SIMD_FN vf vf_zero(void) { return (vf){0}; }
SIMD_FN vi vi_zero(void) { return (vi){0}; }

#if VL == 16
SIMD_FN vf vf_set1(float x) { return _mm512_set1_ps(x); }
SIMD_FN vi vi_set1(int32_t x) { return (vi)_mm512_set1_epi32(x); }
#elif VL == 8
SIMD_FN vf vf_set1(float x) { return _mm256_set1_ps(x); }
SIMD_FN vi vi_set1(int32_t x) { return (vi)_mm256_set1_epi32(x); }
#else
SIMD_FN vf vf_set1(float x) { return (vf){x, x, x, x}; }
SIMD_FN vi vi_set1(int32_t x) { return (vi){x, x, x, x}; }
#endif

// Lane i holds i.
SIMD_FN vi vi_iota(void) {
    vi v = {0};
    for (int i = 0; i < VL; i++) v[i] = i;
    return v;
}

#if defined(SOMA_ISA_AVX512)
SIMD_FN __mmask16 simd__first(int64_t n) { return (__mmask16)((1u << n) - 1u); }
SIMD_FN vf vf_loadn(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(simd__first(n), p); }
SIMD_FN void vf_storen(float *p, vf v, int64_t n) { _mm512_mask_storeu_ps(p, simd__first(n), v); }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN __m256i simd__first(int64_t n) { return (__m256i)(vi_iota() < vi_set1((int32_t)n)); }
SIMD_FN vf vf_loadn(const float *p, int64_t n) { return _mm256_maskload_ps(p, simd__first(n)); }
// In halves: the masked store of some processors takes a hundred clocks.
SIMD_FN void vf_storen(float *p, vf v, int64_t n) {
    if (n >= VL) {
        _mm256_storeu_ps(p, v);
        return;
    }
    __m128 part = _mm256_castps256_ps128(v);
    if (n & 4) _mm_storeu_ps(p, part), p += 4, part = _mm256_extractf128_ps(v, 1);
    if (n & 2) _mm_storel_pi((__m64 *)p, part), p += 2, part = _mm_movehl_ps(part, part);
    if (n & 1) _mm_store_ss(p, part);
}
#else
SIMD_FN vf vf_loadn(const float *p, int64_t n) {
    vf v = {0};
    for (int64_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
SIMD_FN void vf_storen(float *p, vf v, int64_t n) {
    for (int64_t i = 0; i < n; i++) p[i] = v[i];
}
#endif

// Bits and integers.

SIMD_FN vi vi_from_bits(vf a) { return (vi)a; }
SIMD_FN vf vf_from_bits(vi a) { return (vf)a; }
SIMD_FN vi vi_add(vi a, vi b) { return (vi)((simd__vu)a + (simd__vu)b); }
SIMD_FN vi vi_sub(vi a, vi b) { return (vi)((simd__vu)a - (simd__vu)b); }
SIMD_FN vi vi_and(vi a, vi b) { return a & b; }
SIMD_FN vi vi_or(vi a, vi b) { return a | b; }
SIMD_FN vi vi_xor(vi a, vi b) { return a ^ b; }
SIMD_FN vi vi_shl(vi a, int n) { return (vi)((simd__vu)a << n); }
SIMD_FN vi vi_sar(vi a, int n) { return a >> n; }
SIMD_FN vi vi_shr(vi a, int n) { return (vi)((simd__vu)a >> n); } // zeros come in
SIMD_FN vi vi_eq(vi a, vi b) { return a == b; }
SIMD_FN vi vi_gt(vi a, vi b) { return a > b; }

// The 64-bit products of unsigned lanes and m: the low halves, and the high ones in *hi.
#if defined(SOMA_ISA_AVX512)
SIMD_FN vi vi_mul_wide(vi a, uint32_t m, vi *hi) {
    __m512i b = _mm512_set1_epi32((int32_t)m), even = _mm512_mul_epu32((__m512i)a, b);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), b);
    *hi = (vi)_mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
    return (vi)_mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
}
#elif defined(SOMA_ISA_AVX2)
SIMD_FN vi vi_mul_wide(vi a, uint32_t m, vi *hi) {
    __m256i b = _mm256_set1_epi32((int32_t)m), even = _mm256_mul_epu32((__m256i)a, b);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), b);
    *hi = (vi)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return (vi)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}
#elif defined(SOMA_ISA_NEON)
SIMD_FN vi vi_mul_wide(vi a, uint32_t m, vi *hi) {
    uint32x2_t b = vdup_n_u32(m);
    uint32x4_t first = (uint32x4_t)vmull_u32(vget_low_u32((uint32x4_t)a), b), last = (uint32x4_t)vmull_u32(vget_high_u32((uint32x4_t)a), b);
    *hi = (vi)vuzp2q_u32(first, last);
    return (vi)vuzp1q_u32(first, last);
}
#else
SIMD_FN vi vi_mul_wide(vi a, uint32_t m, vi *hi) {
    vi lo = {0}, high = {0};
    for (int i = 0; i < VL; i++) {
        uint64_t p = (uint64_t)(uint32_t)a[i] * m;
        lo[i] = (int32_t)(uint32_t)p, high[i] = (int32_t)(p >> 32);
    }
    *hi = high;
    return lo;
}
#endif

SIMD_FN vf vf_and(vf a, vf b) { return (vf)((vi)a & (vi)b); }
SIMD_FN vf vf_or(vf a, vf b) { return (vf)((vi)a | (vi)b); }
SIMD_FN vf vf_xor(vf a, vf b) { return (vf)((vi)a ^ (vi)b); }
SIMD_FN vf vf_andnot(vf a, vf b) { return (vf)(~(vi)a & (vi)b); } // not a, and b

// int32 to float rounds to nearest even. float to int32 truncates; the value must fit (saturate before).
SIMD_FN vf vf_from_vi(vi a) { return __builtin_convertvector(a, vf); }
#if defined(SOMA_ISA_AVX512)
SIMD_FN vi vi_from_vf(vf a) { return (vi)_mm512_cvttps_epi32(a); }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN vi vi_from_vf(vf a) { return (vi)_mm256_cvttps_epi32(a); }
#else
SIMD_FN vi vi_from_vf(vf a) { return __builtin_convertvector(a, vi); }
#endif

// Arithmetic.

SIMD_FN vf vf_add(vf a, vf b) { return a + b; }
SIMD_FN vf vf_sub(vf a, vf b) { return a - b; }
SIMD_FN vf vf_mul(vf a, vf b) { return a * b; }
SIMD_FN vf vf_div(vf a, vf b) { return a / b; }
SIMD_FN vf vf_neg(vf a) { return vf_xor(a, vf_set1(-0.0f)); }
SIMD_FN vf vf_abs(vf a) { return vf_andnot(vf_set1(-0.0f), a); }

#if defined(SOMA_ISA_AVX512)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
SIMD_FN vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
SIMD_FN vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
#elif defined(SOMA_ISA_NEON)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
SIMD_FN vf vf_sqrt(vf a) { return (vf)vsqrtq_f32((float32x4_t)a); }
#else
SIMD_FN vf vf_sqrt(vf a) {
    for (int i = 0; i < VL; i++) a[i] = __builtin_sqrtf(a[i]);
    return a;
}

#if defined(__FMA__) || defined(__aarch64__)
SIMD_FN vf vf_fma(vf a, vf b, vf c) {
    for (int i = 0; i < VL; i++) a[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return a;
}
#else
typedef double simd__v2d __attribute__((vector_size(16)));
typedef uint64_t simd__v2u __attribute__((vector_size(16)));

SIMD_FN simd__v2d simd__fma_odd(simd__v2d a, simd__v2d b, simd__v2d c) {
    simd__v2d p = a * b, s = p + c, t = s - p;
    simd__v2d e = (p - (s - t)) + (c - t);
    simd__v2u inexact = (simd__v2u)(e < 0.0) | (simd__v2u)(e > 0.0); // false where e is NaN: s is then infinite or NaN
    simd__v2u bits = (simd__v2u)s;
    bits -= ((bits ^ (simd__v2u)e) >> 63) & inexact; // towards zero
    return (simd__v2d)(bits | (inexact & 1));
}

SIMD_FN vf vf_fma(vf a, vf b, vf c) {
    simd__v2d lo =
        simd__fma_odd((simd__v2d){(double)a[0], (double)a[1]}, (simd__v2d){(double)b[0], (double)b[1]}, (simd__v2d){(double)c[0], (double)c[1]});
    simd__v2d hi =
        simd__fma_odd((simd__v2d){(double)a[2], (double)a[3]}, (simd__v2d){(double)b[2], (double)b[3]}, (simd__v2d){(double)c[2], (double)c[3]});
    return (vf){(float)lo[0], (float)lo[1], (float)hi[0], (float)hi[1]};
}
#endif
#endif

// Comparisons give masks. With a NaN all are false but ne.

SIMD_FN vf vf_lt(vf a, vf b) { return (vf)(vi)(a < b); }
SIMD_FN vf vf_le(vf a, vf b) { return (vf)(vi)(a <= b); }
SIMD_FN vf vf_gt(vf a, vf b) { return (vf)(vi)(a > b); }
SIMD_FN vf vf_ge(vf a, vf b) { return (vf)(vi)(a >= b); }
SIMD_FN vf vf_eq(vf a, vf b) { return (vf)(vi)(a == b); }
SIMD_FN vf vf_ne(vf a, vf b) { return (vf)(vi)(a != b); }

// mask ? a : b, lane by lane.
#if defined(SOMA_ISA_AVX2)
SIMD_FN vf vf_select(vf mask, vf a, vf b) { return _mm256_blendv_ps(b, a, mask); }
#elif defined(SOMA_ISA_AVX512) && !defined(__clang__)
SIMD_FN vf vf_select(vf mask, vf a, vf b) { return (vf)_mm512_ternarylogic_epi32((__m512i)mask, (__m512i)a, (__m512i)b, 0xCA); }
#elif defined(SOMA_ISA_NEON)
SIMD_FN vf vf_select(vf mask, vf a, vf b) { return (vf)vbslq_f32((uint32x4_t)mask, (float32x4_t)a, (float32x4_t)b); }
#else
SIMD_FN vf vf_select(vf mask, vf a, vf b) { return vf_or(vf_and(mask, a), vf_andnot(mask, b)); }
#endif

#if defined(SOMA_ISA_AVX512)
SIMD_FN bool vf_any(vf mask) { return _mm512_movepi32_mask((__m512i)mask) != 0; }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN bool vf_any(vf mask) { return _mm256_movemask_ps(mask) != 0; }
#elif defined(SOMA_ISA_NEON)
SIMD_FN bool vf_any(vf mask) { return vmaxvq_u32((uint32x4_t)mask) != 0; }
#else
SIMD_FN bool vf_any(vf mask) {
    vi m = (vi)mask;
    return (m[0] | m[1] | m[2] | m[3]) != 0;
}
#endif

// The first lane whose mask is set, VL where none is.
#if defined(SOMA_ISA_AVX512)
SIMD_FN int vf_first(vf mask) { return __builtin_ctz((unsigned)_mm512_movepi32_mask((__m512i)mask) | 1u << VL); }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN int vf_first(vf mask) { return __builtin_ctz((unsigned)_mm256_movemask_ps(mask) | 1u << VL); }
#else
SIMD_FN int vf_first(vf mask) {
    vi m = (vi)mask;
    return m[0] ? 0 : m[1] ? 1 : m[2] ? 2 : m[3] ? 3 : VL;
}
#endif

// a < b ? a : b and a > b ? a : b, exactly: the second operand where one is NaN or both are zeros. For clamping.
#if defined(SOMA_ISA_AVX512)
SIMD_FN vf vf_lesser(vf a, vf b) { return _mm512_min_ps(a, b); }
SIMD_FN vf vf_greater(vf a, vf b) { return _mm512_max_ps(a, b); }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN vf vf_lesser(vf a, vf b) { return _mm256_min_ps(a, b); }
SIMD_FN vf vf_greater(vf a, vf b) { return _mm256_max_ps(a, b); }
#else
SIMD_FN vf vf_lesser(vf a, vf b) { return vf_select(vf_lt(a, b), a, b); }
SIMD_FN vf vf_greater(vf a, vf b) { return vf_select(vf_gt(a, b), a, b); }
#endif

// min and max propagate NaN; of +-0 max gives +0 and min -0. The two orders of vf_lesser differ only where the operands
// are unlike zeros or one is NaN; "or" of them is then -0, or still a NaN; "and" is +0, but needs the NaN put back.
#if defined(SOMA_ISA_NEON)
SIMD_FN vf vf_min(vf a, vf b) { return (vf)vminq_f32((float32x4_t)a, (float32x4_t)b); }
SIMD_FN vf vf_max(vf a, vf b) { return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
#elif defined(SOMA_ISA_AVX512)
// range knows the zeros' signs and drops NaNs, which the sum brings back.
SIMD_FN vf vf_min(vf a, vf b) { return _mm512_mask_add_ps(_mm512_range_ps(a, b, 4), _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q), a, b); }
SIMD_FN vf vf_max(vf a, vf b) { return _mm512_mask_add_ps(_mm512_range_ps(a, b, 5), _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q), a, b); }
#else
SIMD_FN vf vf_min(vf a, vf b) { return vf_or(vf_lesser(a, b), vf_lesser(b, a)); }
SIMD_FN vf vf_max(vf a, vf b) {
    vf r = vf_and(vf_greater(a, b), vf_greater(b, a));
    return vf_or(r, vf_or(vf_ne(a, a), vf_ne(b, b)));
}
#endif

// x <= 0 ? +0 : x; NaN passes.
#if defined(SOMA_ISA_AVX512)
SIMD_FN vf vf_relu(vf x) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLE_UQ), x); }
#else
SIMD_FN vf vf_relu(vf x) { return vf_andnot(vf_le(x, vf_zero()), x); }
#endif

// Rounding to an integer: nearest even, down, up, towards zero. The sign of zero is kept.
#if defined(SOMA_ISA_AVX512)
SIMD_FN vf vf_round(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD_FN vf vf_floor(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
SIMD_FN vf vf_ceil(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
SIMD_FN vf vf_trunc(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
#elif defined(SOMA_ISA_AVX2)
SIMD_FN vf vf_round(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD_FN vf vf_floor(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
SIMD_FN vf vf_ceil(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
SIMD_FN vf vf_trunc(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
#elif defined(SOMA_ISA_NEON)
SIMD_FN vf vf_round(vf x) { return (vf)vrndnq_f32((float32x4_t)x); }
SIMD_FN vf vf_floor(vf x) { return (vf)vrndmq_f32((float32x4_t)x); }
SIMD_FN vf vf_ceil(vf x) { return (vf)vrndpq_f32((float32x4_t)x); }
SIMD_FN vf vf_trunc(vf x) { return (vf)vrndq_f32((float32x4_t)x); }
#else
// At 2^23 and above every float is an integer.
SIMD_FN vf simd__has_fraction(vf x) { return vf_lt(vf_abs(x), vf_set1(0x1p23f)); }
SIMD_FN vf vf_round(vf x) {
    vf a = vf_abs(x);
    vf r = vf_sub(vf_add(a, vf_set1(0x1p23f)), vf_set1(0x1p23f));
    return vf_select(simd__has_fraction(x), vf_or(r, vf_and(x, vf_set1(-0.0f))), x);
}
SIMD_FN vf vf_trunc(vf x) {
    vf m = simd__has_fraction(x);
    vf r = vf_from_vi(vi_from_vf(vf_and(m, x)));
    return vf_select(m, vf_or(r, vf_and(x, vf_set1(-0.0f))), x);
}
SIMD_FN vf vf_floor(vf x) {
    vf t = vf_trunc(x);
    return vf_select(vf_gt(t, x), vf_sub(t, vf_set1(1.0f)), t);
}
SIMD_FN vf vf_ceil(vf x) {
    vf t = vf_trunc(x);
    return vf_select(vf_lt(t, x), vf_add(t, vf_set1(1.0f)), t);
}
#endif

// Booleans are bytes. Loading gives 1.0 for a nonzero byte and 0.0 for zero; storing writes v != 0 (NaN counts as true).
#if defined(SOMA_ISA_AVX512)
SIMD_FN vf simd__from_bytes(__m128i b) { return _mm512_maskz_mov_ps(_mm_test_epi8_mask(b, b), _mm512_set1_ps(1.0f)); }
SIMD_FN __m128i simd__to_bytes(vf v) { return _mm_maskz_mov_epi8(_mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ), _mm_set1_epi8(1)); }
SIMD_FN vf vf_loadu8bool(const uint8_t *p) { return simd__from_bytes(_mm_loadu_si128((const __m128i *)p)); }
SIMD_FN void vf_storeu8bool(uint8_t *p, vf v) { _mm_storeu_si128((__m128i *)p, simd__to_bytes(v)); }
SIMD_FN vf vf_loadnu8bool(const uint8_t *p, int64_t n) { return simd__from_bytes(_mm_maskz_loadu_epi8(simd__first(n), p)); }
SIMD_FN void vf_storenu8bool(uint8_t *p, vf v, int64_t n) { _mm_mask_storeu_epi8(p, simd__first(n), simd__to_bytes(v)); }
#else
SIMD_FN vf simd__from_bytes(const uint8_t b[VL]) {
    vi v;
#if defined(SOMA_ISA_AVX2)
    v = (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)b));
#else
    for (int i = 0; i < VL; i++) v[i] = b[i];
#endif
    return vf_and((vf)(vi)(v != 0), vf_set1(1.0f));
}
SIMD_FN void simd__to_bytes(uint8_t b[VL], vf v) {
    vi one = (vi)(v != 0.0f) & 1;
#if defined(SOMA_ISA_AVX2)
    __m128i w = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)one), _mm256_extracti128_si256((__m256i)one, 1));
    _mm_storel_epi64((__m128i *)b, _mm_packus_epi16(w, w));
#else
    for (int i = 0; i < VL; i++) b[i] = (uint8_t)one[i];
#endif
}
SIMD_FN vf vf_loadu8bool(const uint8_t *p) { return simd__from_bytes(p); }
SIMD_FN void vf_storeu8bool(uint8_t *p, vf v) { simd__to_bytes(p, v); }
SIMD_FN vf vf_loadnu8bool(const uint8_t *p, int64_t n) {
    uint8_t b[VL] = {0};
    for (int64_t i = 0; i < n; i++) b[i] = p[i];
    return simd__from_bytes(b);
}
SIMD_FN void vf_storenu8bool(uint8_t *p, vf v, int64_t n) {
    uint8_t b[VL];
    simd__to_bytes(b, v);
    for (int64_t i = 0; i < n; i++) p[i] = b[i];
}
#endif

// vf_transpose4 transposes the 4 x 4 blocks in each 128 bits of r[0..3]; vf_transpose the VL x VL block whose rows are
// r[0..VL-1].
#if defined(SOMA_ISA_AVX512)
SIMD_FN void vf_transpose4(vf r[4]) {
    __m512 a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
    __m512 c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);
    r[0] = _mm512_shuffle_ps(a, c, 0x44);
    r[1] = _mm512_shuffle_ps(a, c, 0xEE);
    r[2] = _mm512_shuffle_ps(b, d, 0x44);
    r[3] = _mm512_shuffle_ps(b, d, 0xEE);
}
SIMD_FN void vf_transpose(vf r[VL]) {
    for (int i = 0; i < 16; i += 4) vf_transpose4(r + i);
    for (int i = 0; i < 4; i++) { // then a 4 x 4 transpose of quarters
        __m512 a = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88), b = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
        __m512 c = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88), d = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xDD);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xDD);
        r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xDD);
    }
}
#elif defined(SOMA_ISA_AVX2)
SIMD_FN void vf_transpose4(vf r[4]) {
    __m256 a = _mm256_unpacklo_ps(r[0], r[1]), b = _mm256_unpackhi_ps(r[0], r[1]);
    __m256 c = _mm256_unpacklo_ps(r[2], r[3]), d = _mm256_unpackhi_ps(r[2], r[3]);
    r[0] = _mm256_shuffle_ps(a, c, 0x44);
    r[1] = _mm256_shuffle_ps(a, c, 0xEE);
    r[2] = _mm256_shuffle_ps(b, d, 0x44);
    r[3] = _mm256_shuffle_ps(b, d, 0xEE);
}
SIMD_FN void vf_transpose(vf r[VL]) {
    vf_transpose4(r);
    vf_transpose4(r + 4);
    for (int i = 0; i < 4; i++) {
        __m256 a = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20), b = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
        r[i] = a;
        r[i + 4] = b;
    }
}
#else
SIMD_FN void vf_transpose4(vf r[4]) {
    vf a = r[0], b = r[1], c = r[2], d = r[3];
    r[0] = (vf){a[0], b[0], c[0], d[0]};
    r[1] = (vf){a[1], b[1], c[1], d[1]};
    r[2] = (vf){a[2], b[2], c[2], d[2]};
    r[3] = (vf){a[3], b[3], c[3], d[3]};
}
SIMD_FN void vf_transpose(vf r[VL]) { vf_transpose4(r); }
#endif

// The sum of 16 floats in a[0..16/VL-1] by the tree of reductions: (l, l+8), (l, l+4), (l, l+2), (l, l+1).
#if VL >= 8
SIMD_FN float simd__sum8(__m256 a) {
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
#endif
#if VL == 16
SIMD_FN float vf_sum16(const vf a[1]) { return simd__sum8(_mm256_add_ps(_mm512_castps512_ps256(a[0]), _mm512_extractf32x8_ps(a[0], 1))); }
#elif VL == 8
SIMD_FN float vf_sum16(const vf a[2]) { return simd__sum8(a[0] + a[1]); }
#else
SIMD_FN float vf_sum16(const vf a[4]) {
    vf s = (a[0] + a[2]) + (a[1] + a[3]);
    return (s[0] + s[2]) + (s[1] + s[3]);
}
#endif

#endif
