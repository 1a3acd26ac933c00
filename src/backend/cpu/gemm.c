/* What is decided of a product before it runs: scratch, and along which side the vectors run. */
#include "backend/cpu/gemm.h"

#include "backend/cpu/isa.h"
#include "backend/cpu/cpu.h"

int64_t soma__gemm_scratch(int64_t m, int64_t n, int64_t k, int threads) {
    int64_t kb = k < SOMA__GEMM_BLOCK ? k : SOMA__GEMM_BLOCK, wide = ((m > n ? m : n) + 31) / 32 * 32, most = SOMA__GEMM_PACKED + kb * 128;
    int64_t packed = kb && wide > most / kb ? most : kb * wide;
    if (n && m > ((int64_t)1 << 50) / n) return INT64_MAX; /* no machine holds such a result */
    int64_t partial = k > SOMA__GEMM_CHAIN ? m * n : 0;    /* as many as the tree is high, and one */
    for (int64_t pieces = (k + SOMA__GEMM_CHAIN - 1) / SOMA__GEMM_CHAIN; pieces > 1; pieces = (pieces + 1) / 2) partial += m * n;
    return (packed + partial + kb * threads * SOMA__GEMM_ROWS + 32) * (int64_t)sizeof(float);
}

/* Clocks, about: multiply-adds of padded tiles, the packing of B, and a store against the grain. Only speed hangs on it. */
static double cost(int mr, int nr, const soma__gemm *g) {
    int64_t tiles = (g->m + mr - 1) / mr, panels = (g->n + nr - 1) / nr, rows = tiles ? (g->m + tiles - 1) / tiles : 0;
    double muls = (double)(tiles * (rows < 4 ? 4 : rows) * panels) * (double)g->k;
    double pack = (double)g->k * (double)g->n * (g->b_cs == 1 ? 0.15 : g->b_rs == 1 ? 0.3 : 1.5);
    double store = g->c_cs == 1 || g->n == 1 ? 0 : 1.0 * (double)g->m * (double)g->n;
    return muls + pack + store;
}

int64_t soma__matmul_scratch(const soma__call *c, int threads) {
    int nd = c->out.ndim;
    return soma__gemm_scratch(c->out.shape[nd - 2], c->out.shape[nd - 1], c->in[0].shape[nd - 1], threads);
}

bool soma__gemm_prefers_transposed(int isa, const soma__gemm *g) {
    static const int mr[SOMA_ISA_COUNT] = {6, 8, 6, 14}, nr[SOMA_ISA_COUNT] = {8, 8, 16, 32};
    soma__gemm t = *g;
    soma__gemm_transpose(&t);
    return cost(mr[isa], nr[isa], &t) < cost(mr[isa], nr[isa], g);
}
