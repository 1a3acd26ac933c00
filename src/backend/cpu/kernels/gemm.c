/* The register tile and the loops around it (Goto and van de Geijn 2008; Georganas et al. 2019). A tile of MR x NR results stays in registers while k
 * runs: B comes from a panel packed NR wide, A is broadcast from where it lies, with any strides. Vectors run along n, so each result is one chain in
 * ascending k; between blocks of k the chain continues from the stored float. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels/kernel.h"

#define NR (2 * VL)
#if defined(SOMA_ISA_AVX512)
#define MR 14
#define ISA_ID SOMA_ISA_ID_AVX512
#elif defined(SOMA_ISA_NEON)
#define MR 8
#define ISA_ID SOMA_ISA_ID_NEON
#elif defined(SOMA_ISA_AVX2)
#define MR 6
#define ISA_ID SOMA_ISA_ID_AVX2
#else
#define MR 6
#define ISA_ID SOMA_ISA_ID_PORTABLE
#endif
#define PANELS 16   /* panels side by side in a piece of work: a block's row is long enough for its pass */
#define PIECE 40000 /* multiply-adds of a whole vector in a piece of work, about */

/* rows <= MR is a constant wherever this is inlined, so that the accumulators are registers. */
SIMD_FN void tile(int rows, int64_t k, const float *a, int64_t rs, int64_t cs, const float *b, int64_t bs, float *c, int64_t ldc, int n, bool start) {
    vf x[MR], y[MR];
    int n0 = n < VL ? n : VL, n1 = n - n0;
    if (start)
        for (int r = 0; r < rows; r++) x[r] = y[r] = vf_zero();
    else if (n == NR)
        for (int r = 0; r < rows; r++) x[r] = vf_load(c + r * ldc), y[r] = vf_load(c + r * ldc + VL);
    else
        for (int r = 0; r < rows; r++) x[r] = vf_loadn(c + r * ldc, n0), y[r] = vf_loadn(c + r * ldc + n0, n1);
    for (int64_t i = 0; i < k; i++, a += cs, b += bs) {
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

#define CASE(R) \
    case R: tile(R, k, a, rs, cs, b, bs, c, ldc, n, start); break;
SIMD_FN void any_tile(int rows, int64_t k, const float *a, int64_t rs, int64_t cs, const float *b, int64_t bs, float *c, int64_t ldc, int n,
                      bool start) {
    switch (rows) {
        /* clang-format off */
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if MR > 6
        CASE(7) CASE(8)
#endif
#if MR > 8
        CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
            /* clang-format on */
            default : break;
    }
}

/* k rows of n columns of B into a panel NR wide, zeros beyond n. */
static void pack(const float *b, int64_t rs, int64_t cs, int64_t k, int n, float *panel) {
    int64_t done = 0;
    if (cs == 1 && n == NR) {
        for (int64_t i = 0; i < k; i++) vf_store(panel + i * NR, vf_load(b + i * rs)), vf_store(panel + i * NR + VL, vf_load(b + i * rs + VL));
        return;
    }
    if (cs == 1) {
        int n0 = n < VL ? n : VL;
        for (int64_t i = 0; i < k; i++) {
            vf_store(panel + i * NR, vf_loadn(b + i * rs, n0));
            vf_store(panel + i * NR + VL, n > VL ? vf_loadn(b + i * rs + VL, n - VL) : vf_zero());
        }
        return;
    }
    if (rs == 1)
        for (; done + VL <= k; done += VL)
            for (int half = 0; half < NR; half += VL) {
                vf r[VL];
                for (int j = 0; j < VL; j++) r[j] = half + j < n ? vf_load(b + done + (half + j) * cs) : vf_zero();
                vf_transpose(r);
                for (int j = 0; j < VL; j++) vf_store(panel + (done + j) * NR + half, r[j]);
            }
    for (int64_t i = done; i < k; i++) {
        vf_store(panel + i * NR, vf_zero()), vf_store(panel + i * NR + VL, vf_zero());
        for (int j = 0; j < n; j++) panel[i * NR + j] = b[i * rs + j * cs];
    }
}

/* One row by four full panels: with one panel the two chains would wait for each other's multiply-adds. */
static void row_tile(int64_t k, const float *a, int64_t cs, const float *b, float *c, bool start) {
    vf x[8];
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) x[v] = start ? vf_zero() : vf_load(c + v * VL);
    for (int64_t i = 0; i < k; i++, a += cs) {
        vf s = vf_set1(*a);
#pragma GCC unroll 8
        for (int v = 0; v < 8; v++) x[v] = vf_fma(s, vf_load(b + v / 2 * NR * k + i * NR + v % 2 * VL), x[v]);
    }
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) vf_store(c + v * VL, x[v]);
}

/* A block of k and a stretch of columns: what one round of pieces works on. */
typedef struct round {
    const soma__gemm *g;
    float *packed, *rows; /* of B; of A, a stretch for each thread */
    bool pack_a;
    int64_t k, kb, col, cols, panels, groups, tiles, blocks;
    bool last;
} round;

static void pack_piece(void *arg, int64_t at, int slot) {
    const round *r = arg;
    const soma__gemm *g = r->g;
    (void)slot;
    int64_t j = r->col + at * NR, n = r->cols - at * NR;
    pack(g->b + r->k * g->b_rs + j * g->b_cs, g->b_rs, g->b_cs, r->kb, (int)(n < NR ? n : NR), r->packed + at * NR * r->kb);
}

/* A block's rows to memory across its grain. */
static void store_transposed(const float *block, int64_t ld, int64_t rows, int64_t cols, float *c, int64_t rs, int64_t cs) {
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < rows; i++) c[i * rs + j * cs] = block[i * ld + j];
}

/* Rows of a column-major A side by side for each k: they would lie a page apart, in the same few sets of the cache. */
static void pack_rows(const float *a, int64_t cs, int64_t k, int64_t rows, float *to) {
    for (int64_t i = 0; i < k; i++, a += cs, to += rows) {
        __builtin_prefetch(a + 8 * cs), __builtin_prefetch(a + 8 * cs + rows - 1);
        int64_t r = 0;
        for (; r + VL <= rows; r += VL) vf_store(to + r, vf_load(a + r));
        if (r < rows) vf_storen(to + r, vf_loadn(a + r, rows - r), rows - r);
    }
}

/* Asks for what the pass will read of these rows, while there is still arithmetic to wait behind: parameters and their state come from far. */
static void prefetch_rows(const soma__pass *p, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    for (int k = 0; k < p->n_external; k++) {
        const soma__pass_operand *o = &p->operands[k];
        if (!(o->use & SOMA__PASS_READ) || o->use & (SOMA__PASS_BLOCK | SOMA__PASS_RAW) || o->stride[1] != 1 || o->size != 4) continue;
        for (int64_t r = row; r < row + rows; r++) {
            const char *at = (const char *)o->data + (r * o->stride[0] + col) * 4;
            if (o->use & SOMA__PASS_WRITTEN)
                for (int64_t i = 0; i < cols * 4; i += 64) __builtin_prefetch(at + i, 1);
            else
                for (int64_t i = 0; i < cols * 4; i += 64) __builtin_prefetch(at + i, 0);
        }
    }
}

/* Some tiles of rows by some panels of columns. */
static void piece(void *arg, int64_t at, int slot) {
    const round *r = arg;
    const soma__gemm *g = r->g;
    float block[MR * PANELS * NR] __attribute__((aligned(64)));
    int64_t part = at / r->groups, group = at % r->groups;
    int64_t from = r->tiles * part / r->blocks, to = r->tiles * (part + 1) / r->blocks;
    int64_t first = r->panels * group / r->groups, end = r->panels * (group + 1) / r->groups;
    int64_t col = r->col + first * NR, cols = (end * NR < r->cols ? end * NR : r->cols) - first * NR;
    /* until k ends, a chain is continued from C, which then lies along the grain; a pass sees finished values alone */
    const soma__pass *pass = r->last ? g->pass : NULL;
    bool aside = pass || g->c_cs != 1;
    int64_t top = g->m * from / r->tiles, height = g->m * to / r->tiles - top;
    const float *a = g->a + top * g->a_rs + r->k * g->a_cs;
    int64_t rs = g->a_rs, cs = g->a_cs;
    if (r->pack_a) {
        float *rows = r->rows + slot * r->kb * SOMA__GEMM_ROWS;
        pack_rows(a, cs, r->kb, height, rows);
        a = rows, cs = height;
    }
    for (int64_t t = from; t < to; t++) {
        int64_t row = g->m * t / r->tiles, rows = g->m * (t + 1) / r->tiles - row;
        float *c = aside ? block : g->c + row * g->c_rs + col;
        int64_t ldc = aside ? PANELS * NR : g->c_rs;
        if (pass && r->k > 0)
            for (int64_t i = 0; i < rows; i++) memcpy(block + i * ldc, g->c + (row + i) * g->c_rs + col, (size_t)cols * sizeof *block);
        for (int64_t j = first; j < end; j++) {
            if (rows == 1 && j + 4 <= end && r->cols - j * NR >= 4 * NR) {
                row_tile(r->kb, a + (row - top) * rs, cs, r->packed + j * NR * r->kb, c + (j - first) * NR, r->k == 0);
                j += 3;
                continue;
            }
            int64_t n = r->cols - j * NR, part_from = rows * (j - first) / (end - first), part_to = rows * (j - first + 1) / (end - first);
            if (pass) prefetch_rows(pass, row + part_from, part_to - part_from, col, cols);
            any_tile((int)rows, r->kb, a + (row - top) * rs, rs, cs, r->packed + j * NR * r->kb, NR, c + (j - first) * NR, ldc,
                     (int)(n < NR ? n : NR), r->k == 0);
        }
        if (pass) pass->block(pass, row, rows, col, cols, block, PANELS * NR);
        else if (aside) store_transposed(block, PANELS * NR, rows, cols, g->c + row * g->c_rs + col * g->c_cs, g->c_rs, g->c_cs);
    }
}

/* One narrow panel of few k: no rounds, no threads, and the panel on the stack. */
static bool tiny(const soma__gemm *g) {
    if (g->n > NR || g->k > 64 || g->m > 4 * MR || (!g->pass && g->c_cs != 1)) return false;
    float panel[64 * NR] __attribute__((aligned(64))), block[MR * NR] __attribute__((aligned(64)));
    pack(g->b, g->b_rs, g->b_cs, g->k, (int)g->n, panel);
    for (int64_t row = 0, tiles = (g->m + MR - 1) / MR, left = g->m; left > 0; tiles--) {
        int64_t rows = tiles == 1 ? left : left / tiles;
        float *c = g->pass ? block : g->c + row * g->c_rs;
        int64_t ldc = g->pass ? g->n : g->c_rs;
        any_tile((int)rows, g->k, g->a + row * g->a_rs, g->a_rs, g->a_cs, panel, NR, c, ldc, (int)g->n, true);
        if (g->pass) g->pass->block(g->pass, row, rows, 0, g->n, block, ldc);
        row += rows, left -= rows;
    }
    return true;
}

/* Is B packed from an earlier run? If not, it will be now. */
static bool is_packed(const soma__gemm *g) {
    soma__packed *p = g->packed;
    if (!p) return false;
    int64_t key[5] = {g->b_rs, g->b_cs, g->n, g->k, (int64_t)(intptr_t)g->b}; /* B may be a part of the variable */
    uint64_t live = soma__packed_live(p);
    if (p->made == live && memcmp(p->key, key, sizeof key) == 0) return true;
    p->made = live;
    memcpy(p->key, key, sizeof key);
    return false;
}

#define SPLIT_NS 1000 /* of work that is worth more pieces than groups of panels */

/* One chain: k is at most 4096. */
static void chain(const soma__gemm *g) {
    int64_t blocks_k = g->k ? (g->k + SOMA__GEMM_BLOCK - 1) / SOMA__GEMM_BLOCK : 1, kb = (g->k + blocks_k - 1) / blocks_k;
    int64_t wide = kb ? SOMA__GEMM_PACKED / kb / NR * NR : g->n;
    if (wide < NR) wide = NR;
    if (g->packed) wide = g->n;
    int64_t threads = soma__pool_threads(g->pool);
    round r = {.g = g, .rows = (float *)(void *)g->scratch, .tiles = (g->m + MR - 1) / MR};
    r.packed = r.rows + threads * kb * SOMA__GEMM_ROWS;
    double ns = 1.0 / (VL * 4.0 * 4.0); /* about two vector multiply-adds a clock at 4 GHz */
    for (r.col = 0; r.col < g->n; r.col += wide) {
        r.cols = g->n - r.col < wide ? g->n - r.col : wide;
        r.panels = (r.cols + NR - 1) / NR;
        for (r.k = 0; r.k < g->k || r.k == 0; r.k += kb) {
            r.kb = g->k - r.k < kb ? g->k - r.k : kb;
            r.last = r.k + r.kb >= g->k;
            if (g->packed) r.packed = (float *)g->packed->memory + (g->before + r.k) * r.panels * NR;
            int64_t per = PIECE / (r.kb * MR * (r.panels < PANELS ? r.panels : PANELS) * 2 + 1) + 1;
            /* where the rows of a block of k would not stay in the first cache, and are read more than once */
            r.pack_a = g->a_rs == 1 && g->a_cs > 256 && r.kb > 256 && r.panels > 1 && g->m > 1;
            if (r.pack_a) per = SOMA__GEMM_ROWS / MR;
            r.blocks = (r.tiles + per - 1) / per;
            double work = 2.0 * (double)g->m * (double)r.cols * (double)r.kb * ns;
            r.groups = (r.panels + PANELS - 1) / PANELS;
            if (r.blocks == 1 && r.groups < threads && work > SPLIT_NS)
                r.groups = r.panels < threads ? r.panels : threads; /* few rows: memory waits */
            if (!g->ready) soma__pool_run(g->pool, pack_piece, &r, r.panels, (double)(r.kb * r.cols) * 0.1);
            soma__pool_run(g->pool, piece, &r, r.blocks * r.groups, work);
            if (!kb) break;
        }
    }
}

static void add_into(float *to, const float *from, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(to + i, vf_add(vf_load(to + i), vf_load(from + i)));
    for (; i < n; i++) to[i] += from[i];
}

/* A long k: chains of 4096 as the leaves of a pairwise tree, an odd one carried up; the partial products are dense. */
static void long_product(const soma__gemm *g) {
    int64_t size = g->m * g->n, pieces = (g->k + SOMA__GEMM_CHAIN - 1) / SOMA__GEMM_CHAIN;
    float *part = (float *)(void *)(g->scratch + soma__gemm_scratch(g->m, g->n, SOMA__GEMM_CHAIN, soma__pool_threads(g->pool)));
    int level[64], top = 0;
    for (int64_t p = 0; p < pieces; p++) {
        soma__gemm h = *g;
        h.k = g->k - p * SOMA__GEMM_CHAIN < SOMA__GEMM_CHAIN ? g->k - p * SOMA__GEMM_CHAIN : SOMA__GEMM_CHAIN;
        h.a += p * SOMA__GEMM_CHAIN * g->a_cs;
        h.b += p * SOMA__GEMM_CHAIN * g->b_rs, h.before = p * SOMA__GEMM_CHAIN;
        h.c = part + top * size, h.c_rs = g->n, h.c_cs = 1;
        chain(&h);
        level[top++] = 0;
        for (; top > 1 && level[top - 1] == level[top - 2]; top--) add_into(part + (top - 2) * size, part + (top - 1) * size, size), level[top - 2]++;
    }
    for (; top > 1; top--) add_into(part + (top - 2) * size, part + (top - 1) * size, size);
    if (g->c_cs == 1)
        for (int64_t i = 0; i < g->m; i++) memcpy(g->c + i * g->c_rs, part + i * g->n, (size_t)g->n * sizeof *part);
    else store_transposed(part, g->n, g->m, g->n, g->c, g->c_rs, g->c_cs);
}

void SOMA_KERNEL(gemm)(const soma__gemm *g) {
    if (!g->m || !g->n || tiny(g)) return;
    soma__gemm h = *g;
    /* across the grain of C only where no chain has to continue from it */
    if (!g->pass && !g->packed && (h.k <= SOMA__GEMM_BLOCK || h.c_cs != 1) && soma__gemm_prefers_transposed(ISA_ID, &h)) soma__gemm_transpose(&h);
    h.ready = is_packed(&h);
    if (h.k > SOMA__GEMM_CHAIN) long_product(&h);
    else if (h.k > SOMA__GEMM_BLOCK && h.c_cs != 1 && h.c_rs == 1) {
        soma__gemm_transpose(&h);
        chain(&h);
    } else chain(&h);
}
