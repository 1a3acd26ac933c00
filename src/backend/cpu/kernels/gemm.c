/* The register tile and the loops around it (Goto and van de Geijn 2008; Georganas et al. 2019). A tile of MR x NR results stays in registers while k
 * runs: B comes from a panel packed NR wide, A is broadcast from where it lies, with any strides. Vectors run along n, so each result is one chain in
 * ascending k; between blocks of k the chain continues from the stored float. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/simd.h"
#include "base/pool.h"

#define NR (2 * VL)
#if defined(SOMA_ISA_AVX512)
#define MR 14
#elif defined(SOMA_ISA_NEON)
#define MR 8
#else
#define MR 6
#endif
#define KB 256 /* of k: the panel's block stays in the first cache */
#define MB 8   /* tiles of rows in a piece of work */

/* rows <= MR is a constant wherever this is inlined, so that the accumulators are registers. */
SIMD_FN void tile(int rows, int64_t k, const float *a, int64_t rs, int64_t cs, const float *b, float *c, int64_t ldc, int n, int start) {
    vf x[MR], y[MR];
    int n0 = n < VL ? n : VL, n1 = n - n0;
    if (start)
        for (int r = 0; r < rows; r++) x[r] = y[r] = vf_zero();
    else if (n == NR)
        for (int r = 0; r < rows; r++) x[r] = vf_load(c + r * ldc), y[r] = vf_load(c + r * ldc + VL);
    else
        for (int r = 0; r < rows; r++) x[r] = vf_loadn(c + r * ldc, n0), y[r] = vf_loadn(c + r * ldc + n0, n1);
    for (int64_t i = 0; i < k; i++, a += cs, b += NR) {
        vf b0 = vf_load(b), b1 = vf_load(b + VL);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vf v = vf_set1(a[r * rs]);
            x[r] = vf_fma(v, b0, x[r]);
            y[r] = vf_fma(v, b1, y[r]);
        }
    }
    if (n == NR)
        for (int r = 0; r < rows; r++) vf_store(c + r * ldc, x[r]), vf_store(c + r * ldc + VL, y[r]);
    else
        for (int r = 0; r < rows; r++) vf_storen(c + r * ldc, x[r], n0), vf_storen(c + r * ldc + n0, y[r], n1);
}

#define CASE(R)                                                                                                                                       \
    case R: tile(R, k, a, rs, cs, b, c, ldc, n, start); break;
static void any_tile(int rows, int64_t k, const float *a, int64_t rs, int64_t cs, const float *b, float *c, int64_t ldc, int n, int start) {
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if MR > 6
        CASE(7) CASE(8)
#endif
#if MR > 8
        CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
    default: break;
    }
}

/* k rows of n columns of B into a panel NR wide, zeros beyond n. */
static void pack(const float *b, int64_t rs, int64_t cs, int64_t k, int n, float *panel) {
    if (cs == 1 && n == NR) {
        for (int64_t i = 0; i < k; i++) vf_store(panel + i * NR, vf_load(b + i * rs)), vf_store(panel + i * NR + VL, vf_load(b + i * rs + VL));
        return;
    }
    for (int j = 0; j < NR; j++)
        for (int64_t i = 0; i < k; i++) panel[i * NR + j] = j < n ? b[i * rs + j * cs] : 0.0f;
}

/* A piece: one panel of columns, and up to MB tiles of rows, cut evenly. */
static void piece(void *arg, int64_t at, int slot) {
    const soma__gemm *g = arg;
    float *panel = (float *)(void *)(g->scratch + (size_t)slot * SOMA__GEMM_SCRATCH);
    int64_t tiles = (g->m + MR - 1) / MR, blocks = (tiles + MB - 1) / MB, j = at / blocks * NR, block = at % blocks;
    int n = (int)(g->n - j < NR ? g->n - j : NR);
    int64_t from = tiles * block / blocks, to = tiles * (block + 1) / blocks;
    for (int64_t k = 0; k < g->k || k == 0; k += KB) {
        int64_t kb = g->k - k < KB ? g->k - k : KB;
        pack(g->b + k * g->b_rs + j * g->b_cs, g->b_rs, g->b_cs, kb, n, panel);
        for (int64_t t = from; t < to; t++) {
            int64_t r = g->m * t / tiles, rows = g->m * (t + 1) / tiles - r;
            any_tile((int)rows, kb, g->a + r * g->a_rs + k * g->a_cs, g->a_rs, g->a_cs, panel, g->c + r * g->ldc + j, g->ldc, n, k == 0);
        }
    }
}

void SOMA_KERNEL(gemm)(const soma__gemm *g) {
    if (!g->m || !g->n) return;
    int64_t tiles = (g->m + MR - 1) / MR, blocks = (tiles + MB - 1) / MB, panels = (g->n + NR - 1) / NR;
    double ns = 2.0 * (double)g->m * (double)g->n * (double)g->k / (VL * 4.0); /* about two vector multiply-adds a clock at 2 to 4 GHz */
    soma__pool_run(g->pool, piece, (void *)(uintptr_t)g, panels * blocks, ns / 4);
}
