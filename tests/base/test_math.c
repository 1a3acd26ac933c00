/* The elementary functions against long double ones, where these are wider than double (x86-64); special values. */
#include "support/check.h"

#include "base/math.h"

#include <float.h>
#include <math.h>
#include <string.h>

static double ulps(double got, long double want, int digits, int least) {
    if (isnan(got) && isnan((double)want)) return 0;
    if ((long double)got == want) return 0;
    if (isnan(got) || isnan((double)want) || isinf(got)) return 1e9;
    int e;
    frexpl(want, &e);
    if (e < least) e = least;
    return (double)fabsl(((long double)got - want) / ldexpl(1, e - digits));
}

static long double sigmoidl(long double x) { return 1 / (1 + expl(-x)); }

typedef struct row {
    const char *name;
    double (*f)(double);
    float (*ff)(float);
    long double (*want)(long double);
    double low, high;
} row;
#define R(fn, low, high) \
    { #fn, soma__##fn, soma__##fn##f, fn##l, low, high }
static const row rows[] = {R(exp, -745, 709),  R(expm1, -50, 709), R(log, 0, 1e300),  R(log1p, -0.999, 1e10), R(log2, 0, 1e300), R(log10, 0, 1e300),
                           R(sin, -1e6, 1e6),  R(cos, -1e6, 1e6),  R(tan, -1e6, 1e6), R(asin, -1, 1),         R(acos, -1, 1),    R(atan, -1e6, 1e6),
                           R(sinh, -710, 710), R(cosh, -710, 710), R(tanh, -22, 22),  R(sigmoid, -700, 40),   R(erf, -6, 6),     R(erfc, -6, 26)};

static double sample(const row *r, int i, uint64_t *s) {
    double u = check_random(s);
    if (i % 3 == 0) return r->low + (r->high - r->low) * u;
    double x = exp(log(i % 3 == 1 ? 1e-300 : 1e-3) * (1 - u) + log(r->high) * u);
    return r->low < 0 && check_random(s) < 0.5 && -x >= r->low ? -x : x;
}

static void functions_are_within_two_ulp(void **state) {
    (void)state;
    if (LDBL_MANT_DIG <= DBL_MANT_DIG) skip();
    uint64_t s = 1;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        double worst = 0, worst32 = 0;
        for (int i = 0; i < 20000; i++) {
            double x = sample(&rows[k], i, &s), u = ulps(rows[k].f(x), rows[k].want((long double)x), 53, -1021);
            if (u > worst) worst = u;
            float y = (float)x;
            long double want = rows[k].want((long double)y);
            if (isnan(y) || isinf(y) || fabsl(want) > 3e38L) continue;
            u = ulps((double)rows[k].ff(y), want, 24, -125);
            if (u > worst32) worst32 = u;
        }
        print_message("%-8s float64 %.3f ulp, float32 %.3f ulp\n", rows[k].name, worst, worst32);
        assert_true(worst <= 2 && worst32 <= 2);
    }
    double worst = 0;
    for (int i = 0; i < 20000; i++) {
        double x = exp((check_random(&s) - 0.5) * 20), y = (check_random(&s) - 0.5) * 60,
               u = ulps(soma__pow(x, y), powl((long double)x, (long double)y), 53, -1021);
        if (u > worst) worst = u;
    }
    assert_true(worst <= 2);
}

static void special_values_are_c99s(void **state) {
    (void)state;
    const double v[] = {0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1e300, -1e300, 5e-324, -5e-324, (double)INFINITY, -(double)INFINITY, (double)NAN};
    const int n = sizeof v / sizeof *v;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double got = soma__pow(v[i], v[j]), want = pow(v[i], v[j]);
            if (!(isnan(got) && isnan(want)) && memcmp(&got, &want, 8) != 0) fail_msg("pow(%g, %g): %g, not %g", v[i], v[j], got, want);
            got = soma__atan2(v[i], v[j]), want = atan2(v[i], v[j]);
            if (!(isnan(got) && isnan(want)) && (fabs(got - want) > 1e-15 || signbit(got) != signbit(want)))
                fail_msg("atan2(%g, %g): %g, not %g", v[i], v[j], got, want);
        }
        double a[] = {soma__floor(v[i]), soma__ceil(v[i]), soma__trunc(v[i]), soma__round(v[i]),
                      soma__exp(v[i]),   soma__log(v[i]),  soma__tanh(v[i]),  soma__erf(v[i])};
        double b[] = {floor(v[i]), ceil(v[i]), trunc(v[i]), rint(v[i]), exp(v[i]), log(v[i]), tanh(v[i]), erf(v[i])};
        for (int k = 0; k < 8; k++)
            if (!(isnan(a[k]) && isnan(b[k])) && (signbit(a[k]) != signbit(b[k]) || !(a[k] == b[k] || fabs(a[k] - b[k]) <= 1e-15 * fabs(b[k]))))
                fail_msg("function %d at %g: %g, not %g", k, v[i], a[k], b[k]);
    }
}

static void fma_rounds_once(void **state) {
    (void)state;
    uint64_t s = 3;
    for (int i = 0; i < 1000000; i++) {
        float a = (float)((check_random(&s) - 0.5) * exp((check_random(&s) - 0.5) * 60)),
              b = (float)((check_random(&s) - 0.5) * exp((check_random(&s) - 0.5) * 90));
        float c = i % 3 == 0 ? (float)(check_random(&s) - 0.5) : -(a * b) * (float)(i % 3 == 1 ? 1 : 1 + check_random(&s) * 1e-6);
        float got = soma__fmaf(a, b, c), want = fmaf(a, b, c);
        if (memcmp(&got, &want, 4) != 0 && !(isnan(got) && isnan(want)))
            fail_msg("fma(%a, %a, %a): %a, not %a", (double)a, (double)b, (double)c, (double)got, (double)want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(functions_are_within_two_ulp), cmocka_unit_test(special_values_are_c99s),
                                       cmocka_unit_test(fma_rounds_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
