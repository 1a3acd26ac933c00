/* Sums. The order is the reference's (ops/reduce.c): pieces of 4096 elements, 16 lanes in a piece, trees of lanes and of pieces. Where the reduced
 * elements lie side by side, vectors run along the lanes; where the kept ones do, along these, with 16 rows of accumulators; everything else is first
 * brought together piece by piece. Pieces are sums of their own, so that threads share a long one. */
#include "backend/cpu/kernels/dims.h"
#include "backend/cpu/kernels/kernel.h"
#include "ops/reduce.h"

#include <string.h>

#define PIECE SOMA__SUM_PIECE
#define COLUMNS 256 /* kept elements of a job: their 16 accumulators stay in the first cache */
#define AT_ONCE 4   /* sums side by side, so that the next addition need not wait for the last */

typedef struct sums {
    const float *x;
    float *out; /* [pieces][kept elements] */
    dims stay, go;
    int64_t pieces, width, blocks;
} sums;

/* Of `count` runs of n elements each. */
SIMD_FN void sum_runs(int count, const float *const *x, int64_t n, float *out) {
    vf a[AT_ONCE][16 / VL];
    for (int r = 0; r < count; r++)
        for (int v = 0; v < 16 / VL; v++) a[r][v] = vf_zero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int r = 0; r < count; r++)
            for (int v = 0; v < 16 / VL; v++) a[r][v] = vf_add(a[r][v], vf_load(x[r] + i + v * VL));
    for (int v = 0; v < 16 / VL && i < n; v++, i += VL)
        for (int r = 0; r < count; r++) a[r][v] = vf_add(a[r][v], vf_loadn(x[r] + i, n - i < VL ? n - i : VL));
    for (int r = 0; r < count; r++) out[r] = vf_sum16(a[r]);
}

/* Elements [first, first + n) of the reduced ones, side by side. */
static void gather(const dims *go, const float *x, int64_t first, int64_t n, float *to) {
    int last = go->n - 1;
    int64_t size = go->size[last], step = go->stride[last], row = first / size, column = first % size;
    for (; n; row++, column = 0) {
        int64_t run = size - column < n ? size - column : n;
        const float *from = x + dims_at(go, last, row) + column * step;
        if (step == 1) memcpy(to, from, (size_t)run * sizeof *to);
        else
            for (int64_t i = 0; i < run; i++) to[i] = from[i * step];
        to += run, n -= run;
    }
}

/* A job: one piece of `width` kept elements. */
static void rows_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const sums *s = arg;
    int64_t piece = at % s->pieces, first = piece * PIECE, n = s->go.numel - first < PIECE ? s->go.numel - first : PIECE;
    int64_t i = at / s->pieces * s->width, end = i + s->width < s->stay.numel ? i + s->width : s->stay.numel;
    float *out = s->out + piece * s->stay.numel, together[PIECE];
    bool dense = s->go.n == 0 || (s->go.n == 1 && s->go.stride[0] == 1);
    const float *x[AT_ONCE];
    for (; dense && i + AT_ONCE <= end; i += AT_ONCE) {
        for (int r = 0; r < AT_ONCE; r++) x[r] = s->x + dims_at(&s->stay, s->stay.n, i + r) + first;
        sum_runs(AT_ONCE, x, n, out + i);
    }
    for (; i < end; i++) {
        x[0] = s->x + dims_at(&s->stay, s->stay.n, i);
        if (dense) x[0] += first;
        else gather(&s->go, x[0], first, n, together), x[0] = together;
        sum_runs(1, x, n, out + i);
    }
}

/* count rows, `step` apart, onto a row of accumulators (or as the first ones). */
SIMD_FN void add_rows(int count, const float *x, int64_t step, int64_t width, float *to, bool start) {
    for (int64_t j = 0; j < width; j += VL) {
        int64_t n = width - j;
        vf a = start ? vf_zero() : vf_load(to + j);
        if (n >= VL)
            for (int r = 0; r < count; r++) a = vf_add(a, vf_load(x + r * step + j));
        else
            for (int r = 0; r < count; r++) a = vf_add(a, vf_loadn(x + r * step + j, n));
        vf_store(to + j, a);
    }
}

/* Lanes without an element would be +0, which changes no sum that began as +0. */
static void sum_columns(const float *x, int64_t stride, int64_t n, int64_t width, float *out) {
    float lane[16][COLUMNS];
    int lanes = n < 16 ? (int)n : 16;
    for (int64_t k = 0; k < n; k += 64)
        for (int64_t l = 0; l < lanes && l < n - k; l++) {
            int64_t count = (n - k - l + 15) / 16;
            if (count >= 4) add_rows(4, x + (k + l) * stride, 16 * stride, width, lane[l], k == 0);
            else add_rows((int)count, x + (k + l) * stride, 16 * stride, width, lane[l], k == 0);
        }
    for (int half = 8; half; half /= 2)
        for (int l = 0; l < half && l + half < lanes; l++)
            for (int64_t j = 0; j < width; j += VL) vf_store(lane[l] + j, vf_add(vf_load(lane[l] + j), vf_load(lane[l + half] + j)));
    memcpy(out, lane[0], (size_t)width * sizeof *out);
}

/* A job: one piece of up to `width` kept elements that lie side by side. */
static void columns_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const sums *s = arg;
    int last = s->stay.n - 1;
    int64_t piece = at % s->pieces, first = piece * PIECE, n = s->go.numel - first < PIECE ? s->go.numel - first : PIECE;
    int64_t outer = at / s->pieces / s->blocks, j = at / s->pieces % s->blocks * s->width, size = s->stay.size[last];
    const float *x = s->x + dims_at(&s->stay, last, outer) + j + first * s->go.stride[0];
    sum_columns(x, s->go.stride[0], n, size - j < s->width ? size - j : s->width, s->out + piece * s->stay.numel + outer * size + j);
}

/* The tree of pieces, level by level; an odd one is carried up. */
static void add_pieces(float *p, int64_t pieces, int64_t n) {
    for (; pieces > 1; pieces = (pieces + 1) / 2) {
        for (int64_t i = 0; i < pieces / 2; i++)
            for (int64_t j = 0; j < n; j++) p[i * n + j] = p[2 * i * n + j] + p[(2 * i + 1) * n + j];
        if (pieces % 2) memcpy(p + pieces / 2 * n, p + (pieces - 1) * n, (size_t)n * sizeof *p);
    }
}

int SOMA_KERNEL(sum)(const soma__call *c) {
    sums s = {.x = c->in[0].data, .out = c->out.data};
    dims_split(&c->in[0], c->attr[0], &s.stay, &s.go);
    int64_t n = s.go.numel, kept = s.stay.numel;
    if (!n || !kept) return soma__ops[c->op]->run(c);
    s.pieces = (n + PIECE - 1) / PIECE;
    if (s.pieces > 1) s.out = c->scratch;
    bool columns = s.stay.n && s.stay.stride[s.stay.n - 1] == 1 && s.go.n == 1 && s.go.stride[0] != 1;
    int64_t rows = n < PIECE ? n : PIECE, units;
    s.width = (16384 + rows - 1) / rows;
    if (columns) {
        int64_t size = s.stay.size[s.stay.n - 1];
        s.width = (s.width + 63) / 64 * 64;
        if (s.width > COLUMNS) s.width = COLUMNS;
        s.blocks = (size + s.width - 1) / s.width;
        units = kept / size * s.blocks;
    } else units = (kept + s.width - 1) / s.width;
    soma__pool_run(c->env->pool, columns ? columns_piece : rows_piece, &s, units * s.pieces, ((double)n / 2 + 10) * (double)kept / VL);
    if (s.pieces > 1) {
        add_pieces(s.out, s.pieces, kept);
        memcpy(c->out.data, s.out, (size_t)kept * sizeof(float));
    }
    return SOMA_OK;
}
