/* float32 matrix products as loops around one register tile. */
#ifndef SOMA_SRC_BACKEND_CPU_GEMM_H
#define SOMA_SRC_BACKEND_CPU_GEMM_H

#include <stdint.h>

struct soma__pool;

/* C [m x n], row-major with row stride ldc, = A [m x k] B [k x n], both with any strides (in elements); k at most 4096. Each element is one chain of
 * fused multiply-adds from +0 in ascending k, whatever the tile, blocks and threads. */
typedef struct soma__gemm {
    int64_t m, n, k;
    const float *a, *b;
    int64_t a_rs, a_cs, b_rs, b_cs;
    float *c;
    int64_t ldc;
    char *scratch; /* SOMA__GEMM_SCRATCH bytes a thread */
    struct soma__pool *pool;
} soma__gemm;

#define SOMA__GEMM_MAX_K 4096
#define SOMA__GEMM_SCRATCH (256 * 32 * sizeof(float))

void soma__gemm_portable(const soma__gemm *g);
void soma__gemm_avx2(const soma__gemm *g);
void soma__gemm_avx512(const soma__gemm *g);
void soma__gemm_neon(const soma__gemm *g);

#endif
