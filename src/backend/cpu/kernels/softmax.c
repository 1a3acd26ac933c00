/* softmax and log_softmax of dense operands along a dimension of n elements: the largest is taken off, the sum of the exponentials has the reduction
 * order. Along the last dimension vectors run along a row's lanes; when a row fits into 16 lanes, across rows, which blocks of the matrix turned on
 * their side make possible. Along other dimensions they run along the inner elements. The largest may miss a NaN: the sum does not. */
#include "backend/cpu/kernels/kernel.h"
#include "base/math_f32.h"
#include "ops/reduce.h"

#include <math.h>

#define PIECE SOMA__SUM_PIECE

typedef struct rows {
    const float *x;
    float *y;
    int64_t n, inner, outer, block, blocks;
    bool log;
} rows;

/* The tree of pieces: a stack of finished subtrees. */
typedef struct tree {
    vf part[64];
    int level[64], top;
} tree;

static void tree_add(tree *t, vf piece) {
    t->part[t->top] = piece;
    t->level[t->top++] = 0;
    for (; t->top > 1 && t->level[t->top - 1] == t->level[t->top - 2]; t->top--)
        t->part[t->top - 2] = vf_add(t->part[t->top - 2], t->part[t->top - 1]), t->level[t->top - 2]++;
}

static vf tree_end(tree *t) {
    for (; t->top > 1; t->top--) t->part[t->top - 2] = vf_add(t->part[t->top - 2], t->part[t->top - 1]);
    return t->part[0];
}

/* Lanes that hold vectors. */
SIMD_FN vf sum_lanes(vf lane[16]) {
#pragma GCC unroll 4
    for (int half = 8; half; half /= 2)
        for (int l = 0; l < half; l++) lane[l] = vf_add(lane[l], lane[l + half]);
    return lane[0];
}

SIMD_FN float largest(vf v) {
    float m[VL];
    vf_store(m, v);
    for (int half = VL / 2; half; half /= 2)
        for (int i = 0; i < half; i++) m[i] = m[i] > m[i + half] ? m[i] : m[i + half];
    return m[0];
}

SIMD_FN vf first_lanes(int64_t n) { return vf_from_bits(vi_gt(vi_set1((int32_t)n), vi_iota())); }

/* The exponentials of a piece of a row, x - m, added up; kept in y unless that is NULL. */
SIMD_FN float exp_piece(const float *x, float *y, int64_t n, vf m) {
    vf lane[16 / VL];
    for (int v = 0; v < 16 / VL; v++) lane[v] = vf_zero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int v = 0; v < 16 / VL; v++) {
            vf e = vf_exp(vf_sub(vf_load(x + i + v * VL), m));
            if (y) vf_store(y + i + v * VL, e);
            lane[v] = vf_add(lane[v], e);
        }
    for (int v = 0; v < 16 / VL && i < n; v++, i += VL) {
        int64_t left = n - i < VL ? n - i : VL;
        vf e = vf_and(first_lanes(left), vf_exp(vf_sub(vf_loadn(x + i, left), m)));
        if (y) vf_storen(y + i, e, left);
        lane[v] = vf_add(lane[v], e);
    }
    return vf_sum16(lane);
}

static void long_row(const float *x, float *y, int64_t n, bool log) {
    vf top[2] = {vf_set1(-INFINITY), vf_set1(-INFINITY)};
    int64_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) top[0] = vf_greater(vf_load(x + i), top[0]), top[1] = vf_greater(vf_load(x + i + VL), top[1]);
    for (; i + VL <= n; i += VL) top[0] = vf_greater(vf_load(x + i), top[0]);
    if (i < n) top[1] = vf_select(first_lanes(n - i), vf_greater(vf_loadn(x + i, n - i), top[1]), top[1]);
    vf m = vf_set1(largest(vf_greater(top[0], top[1]))), s;
    if (n <= PIECE) s = vf_set1(exp_piece(x, log ? NULL : y, n, m));
    else {
        tree t = {.top = 0};
        for (i = 0; i < n; i += PIECE) tree_add(&t, vf_set1(exp_piece(x + i, log ? NULL : y + i, n - i < PIECE ? n - i : PIECE, m)));
        s = tree_end(&t);
    }
    if (log) s = vf_log(s);
#define LAST(load, p) log ? vf_sub(vf_sub(load(x + p), m), s) : vf_div(load(y + p), s)
#define LOAD_REST(p) vf_loadn(p, n - i)
    for (i = 0; i + VL <= n; i += VL) vf_store(y + i, LAST(vf_load, i));
    if (i < n) vf_storen(y + i, LAST(LOAD_REST, i), n - i);
}

static void long_rows(void *arg, int64_t at, int slot) {
    (void)slot;
    const rows *r = arg;
    for (int64_t i = at * r->block; i < (at + 1) * r->block && i < r->outer; i++) long_row(r->x + i * r->n, r->y + i * r->n, r->n, r->log);
}

/* Up to VL rows of n <= 16 elements: e[i] holds element i of each. */
SIMD_FN void short_block(const rows *r, const float *x, float *y, int64_t count) {
    int n = (int)r->n;
    vf in[16 + VL], e[16], turned[VL], m = vf_set1(-INFINITY);
    for (int j = 0; j < n; j += VL) {
        for (int i = 0; i < VL; i++) turned[i] = i < count ? vf_loadn(x + i * n + j, n - j < VL ? n - j : VL) : vf_zero();
        vf_transpose(turned);
        for (int i = 0; i < VL; i++) in[j + i] = turned[i];
    }
    for (int i = 0; i < n; i++) m = vf_greater(in[i], m);
    for (int i = 0; i < n; i++) in[i] = vf_sub(in[i], m), e[i] = vf_exp(in[i]);
    vf lane[16];
    for (int i = 0; i < 16; i++) lane[i] = i < n ? e[i] : vf_zero();
    vf s = sum_lanes(lane);
    if (r->log) s = vf_log(s);
    for (int i = 0; i < n; i++) in[i] = r->log ? vf_sub(in[i], s) : vf_div(e[i], s);
    for (int j = 0; j < n; j += VL) {
        for (int i = 0; i < VL; i++) turned[i] = in[j + i];
        vf_transpose(turned);
        for (int i = 0; i < count; i++) vf_storen(y + i * n + j, turned[i], n - j < VL ? n - j : VL);
    }
}

static void short_rows(void *arg, int64_t at, int slot) {
    (void)slot;
    const rows *r = arg;
    int64_t end = (at + 1) * r->block < r->outer ? (at + 1) * r->block : r->outer;
    for (int64_t i = at * r->block; i < end; i += VL) short_block(r, r->x + i * r->n, r->y + i * r->n, end - i < VL ? end - i : VL);
}

/* Up to VL elements side by side, reduced along a stride. */
SIMD_FN void column_block(const float *x, float *y, int64_t n, int64_t stride, int64_t count, bool log) {
#define LOAD(p) (count == VL ? vf_load(p) : vf_loadn(p, count))
#define STORE(p, v) (count == VL ? vf_store(p, v) : vf_storen(p, v, count))
    vf m = LOAD(x);
    for (int64_t i = 1; i < n; i++) m = vf_greater(LOAD(x + i * stride), m);
    tree t = {.top = 0};
    for (int64_t k = 0; k < n; k += PIECE) {
        vf lane[16];
        for (int l = 0; l < 16; l++) lane[l] = vf_zero();
        for (int64_t i = 0; i < PIECE && k + i < n; i++) {
            vf e = vf_exp(vf_sub(LOAD(x + (k + i) * stride), m));
            if (!log) STORE(y + (k + i) * stride, e);
            lane[i % 16] = vf_add(lane[i % 16], e);
        }
        tree_add(&t, sum_lanes(lane));
    }
    vf s = tree_end(&t);
    if (log) s = vf_log(s);
    for (int64_t i = 0; i < n; i++) STORE(y + i * stride, log ? vf_sub(vf_sub(LOAD(x + i * stride), m), s) : vf_div(LOAD(y + i * stride), s));
}

static void columns(void *arg, int64_t at, int slot) {
    (void)slot;
    const rows *r = arg;
    int64_t first = at / r->blocks * r->n * r->inner, j = at % r->blocks * r->block, end = j + r->block < r->inner ? j + r->block : r->inner;
    for (; j + VL <= end; j += VL) column_block(r->x + first + j, r->y + first + j, r->n, r->inner, VL, r->log);
    if (j < end) column_block(r->x + first + j, r->y + first + j, r->n, r->inner, end - j, r->log);
}

int SOMA_KERNEL(softmax)(const soma__call *c) {
    if (!c->out.numel) return SOMA_OK;
    int64_t dim = c->attr[0];
    rows r = {.x = c->in[0].data, .y = c->out.data, .n = c->out.ndim ? c->out.shape[dim] : 1, .inner = 1, .log = c->op == SOMA_OP_log_softmax};
    for (int d = (int)dim + 1; d < c->out.ndim; d++) r.inner *= c->out.shape[d];
    r.outer = c->out.numel / r.n / r.inner;
    double ns = 8.0 * (double)c->out.numel / VL;
    if (r.inner > 1) {
        r.block = 64;
        r.blocks = (r.inner + r.block - 1) / r.block;
        soma__pool_run(c->env->pool, columns, &r, r.outer * r.blocks, ns);
        return SOMA_OK;
    }
    r.block = (2048 / r.n / VL + 1) * VL;
    if (r.n > 16) r.block = 2048 / r.n + 1;
    soma__pool_run(c->env->pool, r.n > 16 ? long_rows : short_rows, &r, (r.outer + r.block - 1) / r.block, ns);
    return SOMA_OK;
}
