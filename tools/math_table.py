"""Coefficients of src/base/math_f32.h: Lawson's weighted least squares with mpmath, then rounding to float32 from the lowest power up,
each rounding error taken up by a new fit of the powers above. Prints C initialisers and the error left, as log2."""
import struct
import sys

from mpmath import mp, mpf, exp, expm1, log, log1p, tanh, erf, erfc, sin, cos, sqrt, pi, matrix, lu_solve, nstr

mp.dps = 40


def f32(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def best(f, weight, lo, hi, powers):
    """The polynomial over `powers` with about the least largest |weight (p - f)| on [lo, hi]: Lawson's iteration."""
    grid = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(pi * (i + mpf(1) / 2) / 120) for i in range(120)]
    rows = [([weight(x) * x**p for p in powers], weight(x) * f(x)) for x in grid]
    u = [mpf(1)] * len(grid)
    n, kept = len(powers), None
    for _ in range(40):
        a, b = matrix(n, n), matrix(n, 1)
        for (row, y), v in zip(rows, u):
            for i in range(n):
                b[i] += v * row[i] * y
                for j in range(n):
                    a[i, j] += v * row[i] * row[j]
        c = lu_solve(a, b)
        err = [abs(sum(c[i] * row[i] for i in range(n)) - y) for row, y in rows]
        if kept is None or max(err) < kept[0]:
            kept = max(err), c
        u = [v * e for v, e in zip(u, err)]
        total = sum(u)
        if total == 0:
            break
        u = [v / total for v in u]
    return kept[1]


def fit(name, f, weight, lo, hi, degree):
    lo, hi = mpf(lo), mpf(hi)
    fixed, rest = [], f
    for first in range(degree + 1):
        done = list(fixed)
        g = lambda x: f(x) - sum(c * x**i for i, c in enumerate(done))
        c = best(g, weight, lo, hi, list(range(first, degree + 1)))
        fixed.append(f32(c[0]))
    worst = max(abs(weight(x) * (sum(c * x**i for i, c in enumerate(fixed)) - f(x))) for x in [lo + (hi - lo) * k / 999 for k in range(1000)])
    print("%-10s degree %d, 2^%s: %s" % (name, degree, nstr(log(worst, 2), 4), ", ".join(float(c).hex() + "f" for c in fixed)))
    sys.stdout.flush()


def near(x, f, at0):
    return at0 if abs(x) < mpf(10) ** -12 else f(x)


half = log(2) / 2 * mpf("1.0002")
ATANH_Z = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.0001")
fit("exp", lambda r: near(r, lambda r: (expm1(r) - r) / r**2, mpf(1) / 2), lambda r: abs(r), -half, half, 4)
fit("exp2", lambda r: near(r, lambda r: expm1(r * log(2)) / r, log(2)), lambda r: abs(r), -0.5, 0.5, 5)
fit("log", lambda f: near(f, lambda f: (log1p(f) - f + f**2 / 2) / f**3, mpf(1) / 3), lambda f: f**2, sqrt(mpf(2)) / 2 - 1, sqrt(mpf(2)) - 1, 7)
fit("tanh", lambda z: near(z, lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, -mpf(1) / 3), lambda z: z, 0, 0.3025, 4)
fit("erf", lambda z: near(z, lambda z: erf(sqrt(z)) / sqrt(z) - 1, 2 / sqrt(pi) - 1), lambda z: mpf(1), 0, 0.81, 6)
fit("erfc", lambda x: log(erfc(x)), lambda x: erfc(x), 0.89, 4.0, 6)
fit("sin", lambda z: near(z, lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, -mpf(1) / 6), lambda z: z, 0, (pi / 4) ** 2 * mpf("1.001"), 3)
fit("cos", lambda z: near(z, lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, mpf(1) / 24), lambda z: z**2, 0, (pi / 4) ** 2 * mpf("1.001"), 2)
fit("atanh", lambda z: near(z, lambda z: ((log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z - mpf(2) / 3) / z**2 - mpf(2) / 5 / z, mpf(2) / 7), lambda z: z**3, 0, ATANH_Z, 2)


def parts(name, x, bits):
    """x as a float of few bits, a float32 of what is left, and a third."""
    e = mp.floor(log(x, 2))
    hi = mp.nint(x * 2 ** (bits - 1 - e)) / 2 ** (bits - 1 - e)
    mid = f32(x - hi)
    print("%-10s %s" % (name, ", ".join(float(v).hex() + "f" for v in (hi, mid, f32(x - hi - mid)))))


parts("ln 2", log(mpf(2)), 15)
parts("1 / ln 2", 1 / log(mpf(2)), 24)
parts("log10 2", log(mpf(2), 10), 15)
parts("1 / ln 10", 1 / log(mpf(10)), 24)
parts("pi / 2", pi / 2, 24)
parts("2 / pi", 2 / pi, 24)
parts("2 / 3", mpf(2) / 3, 24)
parts("2 / 5", mpf(2) / 5, 24)
