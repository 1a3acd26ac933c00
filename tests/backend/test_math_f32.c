/* The float32 functions of math_f32.h: within 2 ulp of long double ones (where these are wider than double), the same bits over one float and on
 * every instruction set, and the digest that every machine and compiler has to reproduce. */
#include "support/check.h"

#include "backend/kernels/math_probe.h"
#include "base/math_lane.h"

#include "base/math_f32.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define DIGEST 0xbdb0140b6a19cf8fu

#define NAME(fn) #fn,
#define SCALAR(fn) \
    static float fn##_scalar(float x, float y) { \
        (void)y; \
        return vf_##fn(x); \
    }
#define SCALAR_ROW(fn) fn##_scalar,
#define WANT_ROW(fn) fn##l,

static const char *const names[] = {SOMA__VF_UNARY(NAME) "pow", "atan2"};
enum { FUNCTIONS = sizeof names / sizeof *names, UNARY = FUNCTIONS - 2, FIRST_RARE = 13, N = 1 << 14 };

SOMA__VF_UNARY(SCALAR)
static float pow_scalar(float x, float y) { return vf_pow(x, y); }
static float atan2_scalar(float y, float x) { return vf_atan2(y, x); }
static float (*const scalars[])(float, float) = {SOMA__VF_UNARY(SCALAR_ROW) pow_scalar, atan2_scalar};

static long double sigmoidl(long double x) { return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x)); }
static long double rsqrtl(long double x) { return 1 / sqrtl(x); }
static long double (*const wants[])(long double) = {SOMA__VF_UNARY(WANT_ROW)};

static float from_bits(uint32_t u) { return vf_from_bits((int32_t)u); }
/* NaNs count as equal. */
static uint32_t canonical(float x) { return x != x ? 0x7fc00000u : (uint32_t)vi_from_bits(x); }

/* The distance in units of the last place of the true value; huge where kind or sign is wrong. */
static double ulps(float got, long double want) {
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : 1e9;
    if (!signbit(got) != !signbit(want)) return 1e9;
    if (isinf((float)want)) return isinf(got) || got == copysignf(FLT_MAX, got) ? 0 : 1e9;
    if (want == 0 || isinf(got)) return (long double)got == want || (isinf(got) && fabsl(want) >= (long double)FLT_MAX) ? 0 : 1e9;
    int e;
    frexpl(want, &e);
    return (double)fabsl(((long double)got - want) / ldexpl(1, (e < -125 ? -125 : e) - 24));
}

/* Bit patterns around the values where a function changes its way or its kind. */
static const float edges[] = {0.0f,       FLT_MIN,    0x1p-149f,   0x1p-25f, 0x1p-14f, 0.34657359f, 0.5f,    0.55f,   0.70710678f, 0.78539816f,
                              0.9f,       1.0f,       1.41421356f, 2.0f,     3.0f,     4.0f,        9.5f,    18.0f,   0x1p23f,     0x1p24f,
                              87.336548f, 88.722839f, 103.97208f,  128.0f,   149.0f,   1e5f,        FLT_MAX, INFINITY};
enum { EDGES = sizeof edges / sizeof *edges * 10 };
static float edge(int i) {
    uint32_t u = (uint32_t)vi_from_bits(edges[i / 10]) + (uint32_t)(i % 5) - 2u;
    return from_bits(i % 10 < 5 ? u : u ^ 0x80000000u);
}

static void one_argument_is_within_two_ulp(void **state) {
    (void)state;
    if (LDBL_MANT_DIG <= DBL_MANT_DIG) skip();
    for (int f = 0; f < UNARY; f++) {
        double worst = 0;
        uint32_t step = f < FIRST_RARE ? 6007 : 60013;
        for (uint64_t i = 0; i < (1ull << 32) / step + EDGES; i++) {
            float x = i < EDGES ? edge((int)i) : from_bits((uint32_t)((i - EDGES) * step));
            double u = ulps(scalars[f](x, x), wants[f]((long double)x));
            if (u > 2) fail_msg("%s(%a) is %a, %g ulp off", names[f], (double)x, (double)scalars[f](x, x), u);
            if (u > worst) worst = u;
        }
        print_message("%-8s %.3f ulp\n", names[f], worst);
    }
}

static void pow_is_within_two_ulp(void **state) {
    (void)state;
    if (LDBL_MANT_DIG <= DBL_MANT_DIG) skip();
    double worst = 0;
    uint64_t s = 7;
    for (int i = 0; i < EDGES * EDGES + 300000; i++) {
        int j = i - EDGES * EDGES;
        float x = j < 0 ? edge(i / EDGES) : from_bits((uint32_t)(check_random(&s) * 0x1p32)),
              y = j < 0 ? edge(i % EDGES) : from_bits((uint32_t)(check_random(&s) * 0x1p32));
        if (j > 0 && j % 2 && fabsf(x) > 0 && fabsf(x) < INFINITY)
            x = fabsf(x), y = (float)((check_random(&s) * 196 - 106) / log((double)x)); /* results of all sizes */
        double u = ulps(vf_pow(x, y), powl((long double)x, (long double)y));
        if (u > 2) fail_msg("pow(%a, %a) is %a, %g ulp off", (double)x, (double)y, (double)vf_pow(x, y), u);
        if (u > worst) worst = u;
    }
    print_message("%-8s %.3f ulp\n", "pow", worst);
}

typedef void probe(int function, float *out, const float *in, const float *in2, int64_t n);

static void compare(const char *isa, probe *run) {
    static float x[N + 7], y[N + 7], got[N + 7];
    for (int f = 0; f < FUNCTIONS; f++) {
        uint32_t step = f < FIRST_RARE || f == UNARY
        ? 4001 : 128021;
        for (uint64_t start = 0; start < 1ull << 32; start += (uint64_t)step * N) {
            for (int i = 0; i < N + 7; i++) {
                x[i] = i < EDGES ? edge(i) : from_bits((uint32_t)(start + (uint64_t)i * step));
                y[i] = i % 3 ? from_bits((uint32_t)(start + (uint64_t)i * step) * 2654435761u) : (float)(i % 41 - 20);
            }
            run(f, got, x, y, N + 7); /* ends in part of a vector */
            for (int i = 0; i < N + 7; i++)
                if (canonical(got[i]) != canonical(scalars[f](x[i], y[i])))
                    fail_msg("%s: %s(%a, %a) is %a, not %a", isa, names[f], (double)x[i], (double)y[i], (double)got[i],
                             (double)scalars[f](x[i], y[i]));
        }
    }
    print_message("compared: %s\n", isa);
}

static void every_instruction_set_gives_the_scalar_bits(void **state) {
    (void)state;
    compare("portable", soma__math_probe_portable);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) compare("avx2", soma__math_probe_avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        compare("avx512", soma__math_probe_avx512);
#elif defined(__aarch64__)
    compare("neon", soma__math_probe_neon);
#endif
}

/* FNV-1a over all results. */
static void the_digest_is_that_of_every_machine(void **state) {
    (void)state;
    uint64_t h = 0xcbf29ce484222325u;
    for (int f = 0; f < FUNCTIONS; f++)
        for (uint32_t i = 0; i < 65536 + EDGES; i++) {
            uint32_t u = (i - EDGES) * 65521u;
            uint32_t r = canonical(scalars[f](i < EDGES ? edge((int)i) : from_bits(u), from_bits(u * 2654435761u)));
            for (int k = 0; k < 4; k++) h = (h ^ (r >> (8 * k) & 0xff)) * 0x100000001b3u;
        }
    if (h != DIGEST) fail_msg("the digest is %016llx", (unsigned long long)h);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_argument_is_within_two_ulp), cmocka_unit_test(pow_is_within_two_ulp),
                                       cmocka_unit_test(every_instruction_set_gives_the_scalar_bits),
                                       cmocka_unit_test(the_digest_is_that_of_every_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
