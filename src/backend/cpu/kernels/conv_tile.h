/* The register tile of convolutions: MR rows of A, each behind a pointer of its own, by NR columns of B. k runs over stretches: of A they begin at
 * any offset, the same for all rows, so the pixels that a kernel position reads are never brought together in memory (XNNPACK's indirection, with
 * offsets in place of pointers). Vectors run along n, each result is one chain in ascending k. */
#ifndef SOMA_BACKEND_CPU_KERNELS_CONV_TILE_H
#define SOMA_BACKEND_CPU_KERNELS_CONV_TILE_H

#include "backend/cpu/conv.h"
#include "backend/cpu/kernels/kernel.h"

#define NR (2 * VL)
/* ROWS: of a tile with one vector of columns, where pointers are scarcer than accumulators. */
#if defined(SOMA_ISA_AVX512)
#define MR 14
#define ROWS 10
#elif defined(SOMA_ISA_NEON)
#define MR 8
#define ROWS 8
#elif defined(SOMA_ISA_AVX2)
#define MR 6
#define ROWS 6
#else
#define MR 4
#define ROWS 4
#endif

static inline int tile_rows(int vectors) {
    const int most[3] = { 0, ROWS, MR };
    return most[vectors];
}

/* n steps of k: A from offset a on, B from offset b on. */
typedef struct stretch {
    int64_t a, b, n;
} stretch;

/* What the rows of a tile are multiplied by: a panel of one vector or two. */
typedef struct columns {
    const float *b;
    int64_t as; /* A's step in a stretch */
    const stretch *k;
    int64_t n_k;
    int vectors;
    bool start; /* chains begin at +0, else at what C holds */
    /* products that follow each other, and how far apart their operands are */
    int64_t places, a_apart, b_apart, c_apart;
} columns;

/* rows, at most MR, or ROWS with one vector; C has room for whole vectors. */
void SOMA_KERNEL(conv_tile)(int rows, const columns *q, const float *const *a, float *const *c);

/* n rows that are equally far apart: `apart` floats in a, `row` in c; k is one stretch. One pointer serves all of them where `apart` is a usual one,
 * and then there may be more in a tile than of rows with pointers of their own. */
void SOMA_KERNEL(conv_rows)(int64_t n, int64_t apart, const columns *q, const float *a, float *c, int64_t row);

#endif
