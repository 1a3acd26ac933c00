/* The transforms of Winograd's minimal filtering for a kernel of 3x3 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): m
 * by m results, m = 2 or 4, come from (m + 2)^2 products in place of 9 m^2. The order of all sums is fixed here, for floats in the reference and for
 * vectors in the kernels. */
#ifndef SOMA_SRC_OPS_WINOGRAD_H
#define SOMA_SRC_OPS_WINOGRAD_H

#define SOMA__WINOGRAD_CHAIN 512 /* tiles of a chain in the gradient by the weight */
#define SOMA__WINOGRAD_MOST 36   /* places of a transformed tile */

/* One dimension of each, along `from` and `to` with their steps; `of` makes a constant. Then both dimensions, the first one first: of a piece of the
 * source [m+2][m+2], a filter [3][3], the products [m+2][m+2] to results [m][m]; and for gradients what results spread to products, and products
 * gather to a filter. */
#define SOMA__WINOGRAD(V, INLINE, add, sub, mul, fma, of) \
    INLINE void source_line(int m, const V *d, int from, V *t, int to) { \
        V a = d[0], b = d[from], c = d[2 * from], e = d[3 * from]; \
        if (m == 2) { \
            t[0] = sub(a, c), t[to] = add(b, c), t[2 * to] = sub(c, b), t[3 * to] = sub(b, e); \
            return; \
        } \
        V f = d[4 * from], g = d[5 * from], p = fma(of(-4.0f), c, f), q = fma(of(-4.0f), b, e), r = sub(f, c), s = mul(of(2.0f), sub(e, b)); \
        t[0] = fma(of(4.0f), a, fma(of(-5.0f), c, f)), t[to] = add(p, q), t[2 * to] = sub(p, q), t[3 * to] = add(r, s), t[4 * to] = sub(r, s); \
        t[5 * to] = fma(of(4.0f), b, fma(of(-5.0f), e, g)); \
    } \
    INLINE void filter_line(int m, const V *g, int from, V *t, int to) { \
        V a = g[0], b = g[from], c = g[2 * from]; \
        if (m == 2) { \
            V e = add(a, c); \
            t[0] = a, t[to] = mul(of(0.5f), add(e, b)), t[2 * to] = mul(of(0.5f), sub(e, b)), t[3 * to] = c; \
            return; \
        } \
        V p = mul(of(-1.0f / 6), add(a, c)), q = mul(of(-1.0f / 6), b), r = fma(of(1.0f / 6), c, mul(of(1.0f / 24), a)), s = mul(of(1.0f / 12), b); \
        t[0] = mul(of(0.25f), a), t[to] = add(p, q), t[2 * to] = sub(p, q), t[3 * to] = add(r, s), t[4 * to] = sub(r, s), t[5 * to] = c; \
    } \
    INLINE void result_line(int m, const V *d, int from, V *t, int to) { \
        V a = d[0], b = d[from], c = d[2 * from], e = d[3 * from]; \
        if (m == 2) { \
            t[0] = add(add(a, b), c), t[to] = sub(sub(b, c), e); \
            return; \
        } \
        V f = d[4 * from], p = add(b, c), q = sub(b, c), r = add(e, f), s = sub(e, f); \
        t[0] = add(add(a, p), r), t[to] = fma(of(2.0f), s, q), t[2 * to] = fma(of(4.0f), r, p); \
        t[3 * to] = add(fma(of(8.0f), s, q), d[5 * from]); \
    } \
    INLINE void spread_line(int m, const V *y, int from, V *t, int to) { \
        V a = y[0], b = y[from]; \
        if (m == 2) { \
            t[0] = a, t[to] = add(a, b), t[2 * to] = sub(a, b), t[3 * to] = sub(of(0.0f), b); \
            return; \
        } \
        V c = y[2 * from], e = y[3 * from], p = add(a, c), q = add(b, e), r = fma(of(4.0f), c, a), s = mul(of(2.0f), fma(of(4.0f), e, b)); \
        t[0] = a, t[to] = add(p, q), t[2 * to] = sub(p, q), t[3 * to] = add(r, s), t[4 * to] = sub(r, s), t[5 * to] = e; \
    } \
    INLINE void gather_line(int m, const V *u, int from, V *t, int to) { \
        V a = u[0], p = add(u[from], u[2 * from]), q = sub(u[from], u[2 * from]), e = u[3 * from]; \
        if (m == 2) { \
            p = mul(of(0.5f), p); \
            t[0] = add(a, p), t[to] = mul(of(0.5f), q), t[2 * to] = add(p, e); \
            return; \
        } \
        V r = add(e, u[4 * from]), s = sub(e, u[4 * from]); \
        t[0] = fma(of(1.0f / 24), r, fma(of(-1.0f / 6), p, mul(of(0.25f), a))); \
        t[to] = fma(of(1.0f / 12), s, mul(of(-1.0f / 6), q)), t[2 * to] = fma(of(1.0f / 6), sub(r, p), u[5 * from]); \
    } \
    SOMA__WINOGRAD_BOTH(V, INLINE, transform_source, source_line, m + 2, m + 2) \
    SOMA__WINOGRAD_BOTH(V, INLINE, transform_filter, filter_line, 3, m + 2) \
    SOMA__WINOGRAD_BOTH(V, INLINE, transform_results, result_line, m + 2, m) \
    SOMA__WINOGRAD_BOTH(V, INLINE, spread_results, spread_line, m, m + 2) \
    SOMA__WINOGRAD_BOTH(V, INLINE, gather_filter, gather_line, m + 2, 3)

#define SOMA__WINOGRAD_BOTH(V, INLINE, name, line, in, out) \
    INLINE void name(int m, const V *d, V *t) { \
        V half[SOMA__WINOGRAD_MOST]; \
        for (int x = 0; x < (in); x++) line(m, d + x, in, half + x, in); \
        for (int y = 0; y < (out); y++) line(m, half + y * (in), 1, t + y * (out), 1); \
    }

#endif
