/* The vector functions of math_f32.h as one kernel per instruction set, so that a test can compare them with each other. */
#include "backend/kernels/math_probe.h"
#include "backend/cpu/simd.h"
#include "base/math_f32.h"

#define UNARY(fn) \
    static void fn##_loop(float *out, const float *x, const float *y, int64_t n) { \
        (void)y; \
        int64_t i = 0; \
        for (; i + VL <= n; i += VL) vf_store(out + i, vf_##fn(vf_load(x + i))); \
        vf_storen(out + i, vf_##fn(vf_loadn(x + i, n - i)), n - i); \
    }
#define BINARY(fn) \
    static void fn##_loop(float *out, const float *x, const float *y, int64_t n) { \
        int64_t i = 0; \
        for (; i + VL <= n; i += VL) vf_store(out + i, vf_##fn(vf_load(x + i), vf_load(y + i))); \
        vf_storen(out + i, vf_##fn(vf_loadn(x + i, n - i), vf_loadn(y + i, n - i)), n - i); \
    }
SOMA__VF_UNARY(UNARY)
BINARY(pow)
BINARY(atan2)

#define ROW(fn) fn##_loop,
static void (*const loops[])(float *, const float *, const float *, int64_t) = {SOMA__VF_UNARY(ROW) pow_loop, atan2_loop};

void SOMA_KERNEL(math_probe)(int function, float *out, const float *in, const float *in2, int64_t n) { loops[function](out, in, in2, n); }
