/* The elementary functions. The idea: compute in double-double (a value as the unevaluated sum of two doubles, about 106 bits; Dekker 1971) wherever
 * a plain double would lose more than an ulp, with Taylor series after reducing the argument; the float32 functions round a float64 result once.
 * Slower than tables of polynomials, and easy to trust; the vectorised kernels are judged against these. No contraction may happen here
 * (-ffp-contract=off). */
#include "base/math.h"

#include <stdbool.h>

typedef struct dd {
    double hi, lo;
} dd;

static const dd LN2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56}, INV_LN2 = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56},
                INV_LN10 = {0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57}, PI_2 = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54},
                PI = {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53}, TWO_SQRT_PI = {0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56};
/* atan(k / 8) */
static const dd ATAN[9] = {{0x0.0p+0, 0x0.0p+0},
                           {0x1.fd5ba9aac2f6ep-4, -0x1.cd37686760c17p-59},
                           {0x1.f5b75f92c80ddp-3, 0x1.8ab6e3cf7afbdp-57},
                           {0x1.6f61941e4def1p-2, -0x1.c63aae6f6e918p-56},
                           {0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56},
                           {0x1.1e00babdefeb4p-1, -0x1.928df287a668fp-58},
                           {0x1.4978fa3269ee1p-1, 0x1.2419a87f2a458p-56},
                           {0x1.700a7c5784634p-1, -0x1.8c34d25aadef6p-56},
                           {0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55}};
/* the bits of 2 / pi behind the point */
static const uint64_t TWO_OVER_PI[20] = {0xa2f9836e4e441529u, 0xfc2757d1f534ddc0u, 0xdb6295993c439041u, 0xfe5163abdebbc561u, 0xb7246e3a424dd2e0u,
                                         0x06492eea09d1921cu, 0xfe1deb1cb129a73eu, 0xe88235f52ebb4484u, 0xe99c7026b45f7e41u, 0x3991d639835339f4u,
                                         0x9c845f8bbdf9283bu, 0x1ff897ffde05980fu, 0xef2f118b5a0a6d1fu, 0x6d367ecf27cb09b7u, 0x4f463f669e5fea2du,
                                         0x7527bac7ebe5f17bu, 0x3d0739f78a5292eau, 0x6bfb5fb11f8d5d08u, 0x56033046fc7b6babu, 0xf0cfbc209af4361du};
/* 1 / n! */
static const dd INV_FACT[28] = {{0x1.0000000000000p+0, 0x0.0p+0},
                                {0x1.0000000000000p+0, 0x0.0p+0},
                                {0x1.0000000000000p-1, 0x0.0p+0},
                                {0x1.5555555555555p-3, 0x1.5555555555555p-57},
                                {0x1.5555555555555p-5, 0x1.5555555555555p-59},
                                {0x1.1111111111111p-7, 0x1.1111111111111p-63},
                                {0x1.6c16c16c16c17p-10, -0x1.f49f49f49f49fp-65},
                                {0x1.a01a01a01a01ap-13, 0x1.a01a01a01a01ap-73},
                                {0x1.a01a01a01a01ap-16, 0x1.a01a01a01a01ap-76},
                                {0x1.71de3a556c734p-19, -0x1.c154f8ddc6c00p-73},
                                {0x1.27e4fb7789f5cp-22, 0x1.cbbc05b4fa99ap-76},
                                {0x1.ae64567f544e4p-26, -0x1.c062e06d1f209p-80},
                                {0x1.1eed8eff8d898p-29, -0x1.2aec959e14c06p-83},
                                {0x1.6124613a86d09p-33, 0x1.f28e0cc748ebep-87},
                                {0x1.93974a8c07c9dp-37, 0x1.05d6f8a2efd1fp-92},
                                {0x1.ae7f3e733b81fp-41, 0x1.1d8656b0ee8cbp-97},
                                {0x1.ae7f3e733b81fp-45, 0x1.1d8656b0ee8cbp-101},
                                {0x1.952c77030ad4ap-49, 0x1.ac981465ddc6cp-103},
                                {0x1.6827863b97d97p-53, 0x1.eec01221a8b0bp-107},
                                {0x1.2f49b46814157p-57, 0x1.2650f61dbdcb4p-112},
                                {0x1.e542ba4020225p-62, 0x1.ea72b4afe3c2fp-120},
                                {0x1.71b8ef6dcf572p-66, -0x1.d043ae40c4647p-120},
                                {0x1.0ce396db7f853p-70, -0x1.aebcdbd20331cp-124},
                                {0x1.761b41316381ap-75, -0x1.3423c7d91404fp-130},
                                {0x1.f2cf01972f578p-80, -0x1.9ada5fcc1ab14p-135},
                                {0x1.3f3ccdd165fa9p-84, -0x1.58ddadf344487p-139},
                                {0x1.88e85fc6a4e5ap-89, -0x1.71c37ebd16540p-143},
                                {0x1.d1ab1c2dccea3p-94, 0x1.054d0c78aea14p-149}};
static inline uint64_t bits(double x) {
    union {
        double d;
        uint64_t u;
    } r = {x};
    return r.u;
}
static inline double from_bits(uint64_t u) {
    union {
        uint64_t u;
        double d;
    } r = {u};
    return r.d;
}

static inline dd quick(double a, double b) { /* |a| >= |b| */
    double s = a + b;
    return (dd){s, b - (s - a)};
}
static inline dd two_sum(double a, double b) {
    double s = a + b, t = s - a;
    return (dd){s, (a - (s - t)) + (b - t)};
}
static inline dd two_prod(double a, double b) {
    double p = a * b;
    return (dd){p, __builtin_fma(a, b, -p)};
}
static inline dd add(dd a, dd b) {
    dd s = two_sum(a.hi, b.hi), t = two_sum(a.lo, b.lo);
    s = quick(s.hi, s.lo + t.hi);
    return quick(s.hi, s.lo + t.lo);
}
static inline dd neg(dd a) { return (dd){-a.hi, -a.lo}; }
static inline dd mul(dd a, dd b) {
    dd p = two_prod(a.hi, b.hi);
    return quick(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}
static inline dd divide(dd a, dd b) {
    double q = a.hi / b.hi;
    dd r = add(a, neg(mul((dd){q, 0}, b)));
    double q2 = r.hi / b.hi;
    r = add(r, neg(mul((dd){q2, 0}, b)));
    return add(quick(q, q2), (dd){r.hi / b.hi, 0});
}
static inline dd root(dd a) {
    if (a.hi <= 0) return (dd){0, 0};
    double s = __builtin_sqrt(a.hi);
    dd r = add(a, neg(two_prod(s, s)));
    return quick(s, r.hi / (2 * s));
}
static inline dd of(double x) { return (dd){x, 0}; }

/* x * 2^k, rounded once even where the result is subnormal. */
static double scale(dd x, int k) {
    if (k > 1023) return x.hi * from_bits((uint64_t)(1023 + 1023) << 52) * from_bits((uint64_t)(k - 1023 + 1023) << 52);
    if (k >= -960) return (x.hi + x.lo) * from_bits((uint64_t)(k + 1023) << 52);
    if (k < -1140) return 0;
    /* the sum of the scaled parts is rounded at the subnormal place: scale up to -960, round to odd, scale down */
    double s = x.hi + x.lo, e = x.lo - (s - x.hi);
    uint64_t u = bits(s);
    if (e != 0 && !(u & 1)) u += (e > 0) == (s > 0) ? 1 : (uint64_t)-1;
    return from_bits(u) * from_bits((uint64_t)(1023 - 960) << 52) * from_bits((uint64_t)(k + 960 + 1023) << 52);
}

double soma__floor(double x) {
    uint64_t u = bits(x);
    int e = (int)(u >> 52 & 0x7ff) - 1023;
    if (e >= 52) return x;
    if (e < 0) return u << 1 == 0 ? x : x < 0 ? -1.0 : 0.0;
    uint64_t mask = ((uint64_t)1 << (52 - e)) - 1;
    if (!(u & mask)) return x;
    return x < 0 ? from_bits((u | mask) + 1) : from_bits(u & ~mask);
}
double soma__ceil(double x) { return -soma__floor(-x); }
double soma__trunc(double x) { return __builtin_signbit(x) ? soma__ceil(x) : soma__floor(x); }
double soma__round(double x) {
    double magic = __builtin_copysign(4503599627370496.0, x), a = __builtin_fabs(x);
    if (!(a < 4503599627370496.0)) return x;
    volatile double r = x + magic; /* the addition rounds to an integer, ties to even */
    return __builtin_copysign(__builtin_fabs(r - magic), x);
}

/* Exact: long division in integers. */
double soma__fmod(double x, double y) {
    uint64_t ux = bits(x) & ~(1ull << 63), uy = bits(y) & ~(1ull << 63);
    if (x != x || y != y || ux >= 0x7ffull << 52 || uy == 0) return (x * y) / (x * y);
    if (ux < uy) return x;
    int ex = (int)(ux >> 52), ey = (int)(uy >> 52);
    uint64_t mx = ex ? (ux & 0xfffffffffffffull) | 1ull << 52 : ux, my = ey ? (uy & 0xfffffffffffffull) | 1ull << 52 : uy;
    if (!ex) ex = 1;
    if (!ey) ey = 1;
    mx %= my;
    for (; ex > ey && mx; ex--) mx = (mx << 1) % my;
    if (!mx) return __builtin_copysign(0.0, x);
    while (mx < 1ull << 52 && ey > 1) mx <<= 1, ey--;
    uint64_t r = mx >= 1ull << 52 ? (mx & 0xfffffffffffffull) | (uint64_t)ey << 52 : mx;
    return __builtin_copysign(from_bits(r), x);
}

/* exp(x) = 2^*k * result, |x| up to about 800. */
static dd exp_dd(dd x, int *k) {
    double n = soma__round(x.hi * INV_LN2.hi);
    *k = (int)n;
    dd r = add(x, neg(mul(of(n), LN2)));
    r.hi /= 16, r.lo /= 16; /* exp(r) = exp(r / 16)^16 */
    dd s = INV_FACT[13];
    for (int i = 12; i >= 1; i--) s = add(mul(s, r), INV_FACT[i]);
    s = mul(s, r); /* exp(r) - 1: squared without losing the small part */
    for (int i = 0; i < 4; i++) s = add(mul(s, s), (dd){2 * s.hi, 2 * s.lo});
    return s; /* exp(r) - 1 */
}

double soma__exp(double x) {
    if (x != x) return x;
    if (x > 709.8) return __builtin_inf();
    if (x < -745.2) return 0;
    double n = soma__round(x * INV_LN2.hi), hi = x - n * 6.93147180369123816490e-01, lo = n * 1.90821492927058770002e-10, r = hi - lo;
    double q = 0;
    for (int i = 13; i >= 2; i--) q = q * r + INV_FACT[i].hi;
    return scale(quick(1.0, (hi - r) - lo + (r + r * r * q)), (int)n);
}

static dd expm1_dd(dd x) {
    int k;
    dd e = exp_dd(x, &k);
    double p = from_bits((uint64_t)(k + 1023) << 52);
    return add((dd){e.hi * p, e.lo * p}, add(of(p), of(-1.0)));
}

double soma__expm1(double x) {
    if (x != x || x == 0) return x;
    if (x > 709) return soma__exp(x);
    if (x < -50) return -1.0;
    if (__builtin_fabs(x) < 1e-200) return x;
    dd r = expm1_dd(of(x));
    return r.hi + r.lo;
}

/* log of 2^k * m, m near 1: k ln 2 + 2 atanh((m - 1) / (m + 1)). */
static dd log_dd(dd x) {
    int k = 0;
    if (x.hi < 2.2250738585072014e-308) x.hi *= 0x1p54, x.lo *= 0x1p54, k = -54;
    uint64_t u = bits(x.hi);
    int e = (int)(u >> 52) - 1023;
    double m = from_bits((u & 0xfffffffffffffull) | 1023ull << 52), p = from_bits((uint64_t)(1023 - e > 0 ? 1023 - e : 1) << 52);
    if (m > 1.4142135623730951) e++, m *= 0.5, p *= 0.5;
    dd y = {m, x.lo * p}, s = divide(add(y, of(-1.0)), add(y, of(1.0))), t = mul(s, s), sum = of(1.0 / 45);
    for (int n = 43; n >= 1; n -= 2) {
        dd c = divide(of(1), of(n));
        sum = add(mul(sum, t), c);
    }
    dd l = mul(s, sum);
    return add(mul(of((double)(k + e)), LN2), (dd){2 * l.hi, 2 * l.lo});
}

/* Cases that need no arithmetic; true when *r is the result. */
static bool log_special(double x, double *r) {
    if (x != x || x == __builtin_inf()) return *r = x, true;
    if (x < 0) return *r = __builtin_nan(""), true;
    if (x == 0) return *r = -__builtin_inf(), true;
    return false;
}

/* The classical double algorithm: log(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + R)), s = f / (2 + f). */
double soma__log(double x) {
    double r;
    if (log_special(x, &r)) return r;
    int k = 0;
    if (x < 2.2250738585072014e-308) x *= 0x1p54, k = -54;
    uint64_t u = bits(x);
    k += (int)(u >> 52) - 1023;
    double m = from_bits((u & 0xfffffffffffffull) | 1023ull << 52);
    if (m > 1.4142135623730951) k++, m *= 0.5;
    double f = m - 1, s = f / (2 + f), z = s * s, half = 0.5 * f * f, R = 2.0 / 27;
    for (int n = 25; n >= 3; n -= 2) R = R * z + 2.0 / n;
    R *= z;
    return k * 6.93147180369123816490e-01 - ((half - (s * (half + R) + k * 1.90821492927058770002e-10)) - f);
}

double soma__log1p(double x) {
    double r = 0;
    if (x == 0 || __builtin_fabs(x) < 1e-200) return x;
    if (log_special(1 + x, &r) || x < -1) return x < -1 ? __builtin_nan("") : r;
    dd l = log_dd(two_sum(1, x));
    return l.hi + l.lo;
}
double soma__log2(double x) {
    double r;
    if (log_special(x, &r)) return r;
    dd l = mul(log_dd(of(x)), INV_LN2);
    return l.hi + l.lo;
}
double soma__log10(double x) {
    double r;
    if (log_special(x, &r)) return r;
    dd l = mul(log_dd(of(x)), INV_LN10);
    return l.hi + l.lo;
}

/* C99's cases of pow in the order of its appendix F. */
double soma__pow(double x, double y) {
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return x + y;
    double a = __builtin_fabs(x), inf = __builtin_inf(), ay = __builtin_fabs(y);
    bool whole = ay >= 0x1p53 || soma__floor(y) == y, odd = whole && ay < 0x1p53 && soma__fmod(ay, 2) == 1;
    if (ay == inf) return a == 1 ? 1 : (a > 1) == (y > 0) ? inf : 0;
    double sign = odd && __builtin_signbit(x) ? -1.0 : 1.0;
    if (a == 0 || a == inf) return sign * ((a == 0) == (y < 0) ? inf : 0);
    if (x < 0 && !whole) return __builtin_nan("");
    dd l = log_dd(of(a)), p = mul(l, of(y));
    if (p.hi > 710 || ay > 0x1p80) return sign * (p.hi > 0 ? inf : p.hi < 0 ? 0 : 1);
    if (p.hi < -746) return sign * 0;
    int k;
    dd e = exp_dd(p, &k);
    return sign * scale(add(e, of(1)), k);
}

/* x - n pi / 2 in [-pi/4, pi/4]; returns n mod 4. Up to 2^27 n the product with three parts of pi / 2 would do; the bits of 2 / pi serve all sizes.
 */
static int reduce(double x, dd *r) {
    double a = __builtin_fabs(x);
    if (a <= 0.78539816339744828) return *r = of(x), 0;
    uint64_t u = bits(a), m = (u & 0xfffffffffffffull) | 1ull << 52;
    int e = (int)(u >> 52) - 1075; /* a = m 2^e */
    /* x * 2/pi mod 4 needs the bits of 2/pi from place e - 2 on: take 192 of them */
    int start = e - 2 > 0 ? e - 2 : 0, w = start / 64, s = start % 64;
    uint64_t t[3];
    for (int i = 0; i < 3; i++) t[i] = s ? TWO_OVER_PI[w + i] << s | TWO_OVER_PI[w + i + 1] >> (64 - s) : TWO_OVER_PI[w + i];
    unsigned __int128 p2 = (unsigned __int128)m * t[2], p1 = (unsigned __int128)m * t[1] + (uint64_t)(p2 >> 64);
    unsigned __int128 p0 = (unsigned __int128)m * t[0] + (uint64_t)(p1 >> 64);
    /* the product is p0:p1lo:p2lo * 2^(e - start - 192); its point lies 192 - (e - start) bits from the right */
    int point = 128 - (e - start) - 0; /* bits of the top 192 (p0 128 bits, p1lo 64) right of the point, after dropping p2lo */
    uint64_t top[3] = {(uint64_t)(p0 >> 64), (uint64_t)p0, (uint64_t)p1};
    /* move the point to just after the top word's lowest bit: integer part in v[0], fraction in v[1], v[2] */
    uint64_t v[3];
    int shift = 128 - point; /* left shift that brings the fraction to the lower two words */
    if (shift >= 0) {
        v[0] = shift ? top[0] << shift | top[1] >> (64 - shift) : top[0];
        v[1] = shift ? top[1] << shift | top[2] >> (64 - shift) : top[1];
        v[2] = shift ? top[2] << shift | (uint64_t)p2 >> (64 - shift) : top[2];
    } else { /* small x: the integer part is zero or nearly so */
        int right = -shift;
        v[0] = right < 64 ? top[0] >> right : 0;
        v[1] = right < 64 ? top[1] >> right | top[0] << (64 - right) : top[0] >> (right - 64);
        v[2] = right < 64 ? top[2] >> right | top[1] << (64 - right) : 0;
    }
    int n = (int)(v[0] & 3);
    bool up = v[1] >> 63;
    if (up) { /* nearer to the next multiple: the fraction minus one */
        n++;
        v[2] = 0 - v[2];
        v[1] = ~v[1] + (v[2] == 0);
    }
    dd f = add(of((double)(v[1] >> 32) * 0x1p-32),
               add(of((double)(uint32_t)v[1] * 0x1p-64), add(of((double)(v[2] >> 32) * 0x1p-96), of((double)(uint32_t)v[2] * 0x1p-128))));
    f = mul(f, PI_2);
    if (up != (x < 0)) f = neg(f);
    *r = f;
    return x < 0 ? -n & 3 : n & 3;
}

static double sin_small(dd r) {
    double z = r.hi * r.hi, s = 0;
    for (int i = 19; i >= 3; i -= 2) s = s * -z + -INV_FACT[i].hi;
    return r.hi + (r.lo * (1 - 0.5 * z) + r.hi * z * s);
}
static double cos_small(dd r) {
    double z = r.hi * r.hi, s = 0;
    for (int i = 18; i >= 4; i -= 2) s = s * -z + INV_FACT[i].hi;
    double half = 0.5 * z, one = 1 - half;
    return one + (((1 - one) - half) + (z * z * s - r.hi * r.lo));
}

double soma__sin(double x) {
    if (x == 0) return x;
    if (x - x != 0) return __builtin_nan("");
    dd r;
    int n = reduce(x, &r);
    double y = n & 1 ? cos_small(r) : sin_small(r);
    return n & 2 ? -y : y;
}
double soma__cos(double x) {
    if (x - x != 0) return __builtin_nan("");
    dd r;
    int n = reduce(x, &r);
    double y = n & 1 ? sin_small(r) : cos_small(r);
    return n == 1 || n == 2 ? -y : y;
}
double soma__tan(double x) {
    if (x == 0) return x;
    if (x - x != 0) return __builtin_nan("");
    dd r;
    int n = reduce(x, &r);
    double s = sin_small(r), c = cos_small(r);
    return n & 1 ? -c / s : s / c;
}

/* atan(y / x) for x > 0, y >= 0, by the nearest eighth: atan(t) = atan(c) + atan((t - c) / (1 + t c)). */
static dd atan_dd(dd y, dd x) {
    bool swap = y.hi > x.hi;
    dd t = swap ? divide(x, y) : divide(y, x);
    int c = (int)(t.hi * 8 + 0.5);
    dd e = of(c / 8.0), u = divide(add(t, neg(e)), add(of(1), mul(t, e)));
    double z = u.hi * u.hi, s = 0;
    for (int i = 17; i >= 3; i -= 2) s = s * z + (i % 4 == 3 ? -1.0 / i : 1.0 / i);
    dd a = add(ATAN[c], add(u, of(u.hi * z * s)));
    return swap ? add(PI_2, neg(a)) : a;
}

double soma__atan2(double y, double x) {
    if (x != x || y != y) return x + y;
    double ax = __builtin_fabs(x), ay = __builtin_fabs(y), inf = __builtin_inf();
    bool back = __builtin_signbit(x);
    dd a;
    if (ay == 0 || (ax == inf && ay != inf)) a = of(0);
    else if (ax == 0 || (ay == inf && ax != inf)) a = PI_2;
    else if (ax == inf) a = (dd){PI_2.hi / 2, PI_2.lo / 2};
    else {
        if (ax > 0x1p1000 || ay > 0x1p1000) ax *= 0x1p-60, ay *= 0x1p-60;
        if (!back && ay < ax * 0x1p-500) return __builtin_copysign(y / x, y); /* may be subnormal: the one rounding is the division's */
        if (ay < ax * 0x1p-500) a = of(0);
        else if (ax < ay * 0x1p-500) a = PI_2;
        else {
            if (ax < 0x1p-500 && ay < 0x1p-400) ax *= 0x1p400, ay *= 0x1p400;
            a = atan_dd(of(ay), of(ax));
        }
    }
    if (back) a = add(PI, neg(a));
    return __builtin_copysign(a.hi + a.lo, y);
}
double soma__atan(double x) { return soma__atan2(x, 1.0); }
double soma__asin(double x) {
    double a = __builtin_fabs(x);
    if (!(a <= 1)) return __builtin_nan("");
    if (a < 0x1p-30) return x;
    dd r = a == 1 ? PI_2 : atan_dd(of(a), root(add(of(1), neg(two_prod(a, a)))));
    return __builtin_copysign(r.hi + r.lo, x);
}
double soma__acos(double x) {
    double a = __builtin_fabs(x);
    if (!(a <= 1)) return __builtin_nan("");
    /* sqrt((1 - x)(1 + x)) with both factors exact */
    dd s = root(mul(two_sum(1, -a), two_sum(1, a))), r = a == 0 ? PI_2 : s.hi == 0 ? of(0) : atan_dd(s, of(a));
    if (x < 0) r = add(PI, neg(r));
    return r.hi + r.lo;
}

/* e^x as 2^k (1 + e): the hyperbolic functions and the sigmoid from it. */
static double hyperbolic(double x, int kind) { /* 0 sinh, 1 cosh, of |x| < 709 */
    dd e = expm1_dd(of(__builtin_fabs(x))), p = add(e, of(1));
    dd r = kind ? add(p, divide(of(1), p)) : add(e, divide(e, p));
    return (r.hi + r.lo) * 0.5;
}
static double half_exp(double a) { /* e^a / 2 for a near the overflow */
    int k;
    dd e = exp_dd(of(a), &k);
    return scale(add(e, of(1)), k - 1);
}
double soma__sinh(double x) {
    double a = __builtin_fabs(x);
    if (!(a >= 1e-150)) return x;
    if (a > 711) return x * __builtin_inf();
    return __builtin_copysign(a > 40 ? half_exp(a) : hyperbolic(a, 0), x);
}
double soma__cosh(double x) {
    double a = __builtin_fabs(x);
    if (a != a || a > 711) return a * __builtin_inf();
    return a > 40 ? half_exp(a) : hyperbolic(a, 1);
}
double soma__tanh(double x) {
    double a = __builtin_fabs(x);
    if (!(a >= 1e-150)) return x;
    if (a > 22) return __builtin_copysign(1.0, x);
    dd e = expm1_dd(of(2 * a)), r = divide(e, add(e, of(2)));
    return __builtin_copysign(r.hi + r.lo, x);
}
double soma__sigmoid(double x) {
    if (x != x) return x;
    if (x > 40) return 1;
    if (x < -709) return soma__exp(x);
    dd e = expm1_dd(of(-x)), r = divide(of(1), add(e, of(2)));
    return r.hi + r.lo;
}

/* erf by its series in double-double; erfc beyond 2.5 by the continued fraction (Abramowitz and Stegun 7.1.14). */
static dd erf_series(double x) {
    dd z = two_prod(x, x), term = of(x), sum = term;
    for (int n = 1; n < 90; n++) {
        term = divide(mul(term, z), of(-n));
        dd add_ = divide(term, of(2 * n + 1));
        sum = add(sum, add_);
        if (__builtin_fabs(add_.hi) < 1e-34 * __builtin_fabs(sum.hi)) break;
    }
    return mul(sum, TWO_SQRT_PI);
}
static double erfc_tail(double x) {
    dd f = of(x), z = two_prod(x, x);
    for (int n = 160; n >= 1; n--) f = add(of(x), divide(of(0.5 * n), f));
    int k;
    dd e = exp_dd(neg(z), &k), r = divide(mul(add(e, of(1)), TWO_SQRT_PI), f);
    return scale(r, k - 1);
}
double soma__erf(double x) {
    double a = __builtin_fabs(x);
    if (!(a >= 1e-150)) return x * TWO_SQRT_PI.hi;
    if (a > 6) return __builtin_copysign(1.0, x);
    dd r = a < 3 ? erf_series(a) : add(of(1), of(-erfc_tail(a)));
    return __builtin_copysign(r.hi + r.lo, x);
}
double soma__erfc(double x) {
    if (x != x) return x;
    if (x > 27.3) return 0;
    if (x < -6) return 2;
    if (x > 2.5) return erfc_tail(x);
    if (x < -2.5) return 2 - erfc_tail(-x);
    dd r = add(of(1), neg(erf_series(x)));
    return r.hi + r.lo;
}

/* float32 functions that are rare in networks: one rounding of the float64 result. The others are those of math_f32.h, over one float. */
#define ROUNDED(fn) \
    float soma__##fn##f(float x) { return (float)soma__##fn((double)x); }
ROUNDED(tan)
ROUNDED(asin)
ROUNDED(acos)
ROUNDED(atan)
ROUNDED(sinh)
ROUNDED(cosh)
ROUNDED(erfc)
ROUNDED(floor)
ROUNDED(ceil)
ROUNDED(trunc)
ROUNDED(round)
float soma__atan2f(float y, float x) { return (float)soma__atan2((double)y, (double)x); }
float soma__fmodf(float x, float y) { return (float)soma__fmod((double)x, (double)y); }
