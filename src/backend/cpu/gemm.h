/* float32 matrix products as loops around one register tile. */
#ifndef SOMA_BACKEND_CPU_GEMM_H
#define SOMA_BACKEND_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

struct soma__pool;
struct soma__pass;

/* C [m x n] = A [m x k] B [k x n], all with any strides (in elements). Each element is a chain of fused multiply-adds from +0 in ascending k, cut at
 * multiples of 4096 whose chains are added by a pairwise tree, whatever the tile, blocks, threads, and whichever of m and n the vectors run along. */
typedef struct soma__gemm {
    int64_t m, n, k;
    const float *a, *b;
    int64_t a_rs, a_cs, b_rs, b_cs;
    float *c;
    int64_t c_rs, c_cs;
    const struct soma__pass *pass; /* NULL, or what is done with each finished block instead of storing it; then the vectors run along n; with k >
                                      SOMA__GEMM_BLOCK, c is memory with c_cs 1 */
    struct soma__packed *packed;   /* NULL, or where B stays packed; then the vectors run along n, too, and with k > SOMA__GEMM_BLOCK c_cs is 1 */
    bool ready;                    /* it is packed from an earlier run */
    int64_t before;                /* of k, in the packed memory */
    char *scratch;
    struct soma__pool *pool;
} soma__gemm;

#define SOMA__GEMM_BLOCK 1024          /* of k: what a tile runs over at once */
#define SOMA__GEMM_PACKED (256 * 1024) /* floats of B that are packed at a time, about */
#define SOMA__GEMM_ROWS 64             /* of A that are packed at a time, at most */
#define SOMA__GEMM_CHAIN 4096

/* Bytes of scratch for a product. */
int64_t soma__gemm_scratch(int64_t m, int64_t n, int64_t k, int threads);
/* True when the transposed problem (vectors along m) costs less. */
bool soma__gemm_prefers_transposed(int isa, const soma__gemm *g);
static inline void soma__gemm_transpose(soma__gemm *g) {
    soma__gemm t = *g;
    g->m = t.n, g->n = t.m;
    g->a = t.b, g->a_rs = t.b_cs, g->a_cs = t.b_rs;
    g->b = t.a, g->b_rs = t.a_cs, g->b_cs = t.a_rs;
    g->c_rs = t.c_cs, g->c_cs = t.c_rs;
}

void soma__gemm_portable(const soma__gemm *g);
void soma__gemm_avx2(const soma__gemm *g);
void soma__gemm_avx512(const soma__gemm *g);
void soma__gemm_neon(const soma__gemm *g);

#endif
