/* The tile for each number of rows, with one vector of columns or two. */
#include "backend/cpu/kernels/conv_tile.h"

/* rows and vectors are constants wherever this is inlined, so that the accumulators are registers. */
SIMD_FN void tile(int rows, int vectors, const columns *q, const float *const *a, float *const *c) {
    vf x[MR], y[MR];
    const float *p[MR];
    for (int r = 0; r < rows; r++) p[r] = a[r];
    const int64_t as = q->as, bs = vectors * VL;
    for (int64_t place = 0, a_at = 0, c_at = 0; place < q->places; place++, a_at += q->a_apart, c_at += q->c_apart) {
        for (int r = 0; r < rows; r++) {
            x[r] = y[r] = vf_zero();
            if (q->start) continue;
            x[r] = vf_load(c[r] + c_at);
            if (vectors == 2) y[r] = vf_load(c[r] + c_at + VL);
        }
        for (int64_t s = 0; s < q->n_k; s++) {
            const float *b = q->b + place * q->b_apart + q->k[s].b * bs, *end = b + q->k[s].n * bs;
            int64_t i = a_at + q->k[s].a;
            for (; b != end; b += bs, i += as) {
                vf b0 = vf_load(b), b1 = vectors == 2 ? vf_load(b + VL) : b0;
#pragma GCC unroll 16
                for (int r = 0; r < rows; r++) {
                    vf v = vf_set1(p[r][i]);
                    x[r] = vf_fma(v, b0, x[r]);
                    if (vectors == 2) y[r] = vf_fma(v, b1, y[r]);
                }
            }
        }
        for (int r = 0; r < rows; r++) {
            vf_store(c[r] + c_at, x[r]);
            if (vectors == 2) vf_store(c[r] + c_at + VL, y[r]);
        }
    }
}

#define CASE(R, V) \
    case R: tile(R, V, q, a, c); break;
/* clang-format off */
#define CASES(V) \
    CASE(1, V) CASE(2, V) CASE(3, V) CASE(4, V)
#if MR > 4
#define MORE(V) CASE(5, V) CASE(6, V)
#else
#define MORE(V)
#endif
#if MR > 6
#define MANY(V) CASE(7, V) CASE(8, V)
#else
#define MANY(V)
#endif
#if MR > 8
#define MOST CASE(9, 1) CASE(10, 1)
#define ALL CASE(9, 2) CASE(10, 2) CASE(11, 2) CASE(12, 2) CASE(13, 2) CASE(14, 2)
#else
#define MOST
#define ALL
#endif
/* clang-format on */
void SOMA_KERNEL(conv_tile)(int rows, const columns *q, const float *const *a, float *const *c) {
    if (q->vectors == 2) switch (rows) {
            CASES(2) MORE(2) MANY(2) ALL default : break;
        }
    else switch (rows) {
            CASES(1) MORE(1) MANY(1) MOST default : break;
        }
}

/* As many of n rows as whole tiles have. All but n, q, a, c and row are constants wherever this is inlined. */
SIMD_FN int64_t even(int rows, int vectors, int apart, int64_t n, const columns *q, const float *a, float *c, int64_t row) {
    vf x[VL], y[VL];
    const int64_t as = q->as, bs = vectors * VL;
    int64_t done = 0;
    for (; done + rows <= n; done += rows, a += rows * apart, c += rows * row) {
        const float *from = a + q->k[0].a;
        float *to = c;
        for (int64_t place = 0; place < q->places; place++, from += q->a_apart, to += q->c_apart) {
            const float *b = q->b + place * q->b_apart + q->k[0].b * bs, *end = b + q->k[0].n * bs, *p = from;
            for (int r = 0; r < rows; r++) {
                x[r] = y[r] = vf_zero();
                if (q->start) continue;
                x[r] = vf_load(to + r * row);
                if (vectors == 2) y[r] = vf_load(to + r * row + VL);
            }
            for (; b != end; b += bs, p += as) {
                vf b0 = vf_load(b), b1 = vectors == 2 ? vf_load(b + VL) : b0;
#pragma GCC unroll 16
                for (int r = 0; r < rows; r++) {
                    vf v = vf_set1(p[r * apart]);
                    x[r] = vf_fma(v, b0, x[r]);
                    if (vectors == 2) y[r] = vf_fma(v, b1, y[r]);
                }
            }
            for (int r = 0; r < rows; r++) {
                vf_store(to + r * row, x[r]);
                if (vectors == 2) vf_store(to + r * row + VL, y[r]);
            }
        }
    }
    return done;
}

static int64_t even_rows(int64_t n, int64_t apart, const columns *q, const float *a, float *c, int64_t row) {
#if defined(SOMA_ISA_AVX512) || defined(SOMA_ISA_AVX2)
#define EVEN(A, V) \
    case A * 4 + V: return even(VL / V, V, A, n, q, a, c, row)
    switch (apart * 4 + q->vectors) {
        EVEN(1, 1);
        EVEN(1, 2);
        EVEN(16, 1);
        EVEN(16, 2);
        EVEN(32, 1);
        EVEN(32, 2);
        EVEN(64, 1);
        EVEN(64, 2);
    default: return 0;
    }
#else /* few registers: pointers are no scarcer */
    (void)n, (void)apart, (void)q, (void)a, (void)c, (void)row;
    return 0;
#endif
}

void SOMA_KERNEL(conv_rows)(int64_t n, int64_t apart, const columns *q, const float *a, float *c, int64_t row) {
    int64_t done = even_rows(n, apart, q, a, c, row), left = n - done, most = tile_rows(q->vectors), pieces = (left + most - 1) / most;
    for (int64_t p = 0; p < pieces; p++) {
        int64_t first = done + left * p / pieces, rows = done + left * (p + 1) / pieces - first;
        const float *from[MR];
        float *to[MR];
        for (int64_t r = 0; r < rows; r++) from[r] = a + (first + r) * apart, to[r] = c + (first + r) * row;
        SOMA_KERNEL(conv_tile)((int)rows, q, from, to);
    }
}
