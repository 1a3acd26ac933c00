/* Extremes and their places in float32. Along a dimension whose elements lie side by side vectors run along it, VL rows at a time, and a second pass
 * finds the place: the first element that equals the extreme. Along another dimension they run along the kept elements. The smallest is the largest
 * of the negated: NaN wins, and of zeros the one asked for. */
#include "backend/cpu/kernels/dims.h"
#include "backend/cpu/kernels/kernel.h"

#include <math.h>

#define JOB 8192                 /* elements */
#define AT_ONCE 4                /* vectors */
#define MOST INT64_C(0x7fffffff) /* int32 lanes count places */

typedef struct extreme {
    const float *x;
    void *out;
    dims stay;
    int64_t n, step, width, blocks;
    bool least, place;
} extreme;

SIMD_FN vf sign_of(const extreme *e) { return vf_set1(e->least ? -0.0f : 0.0f); }
SIMD_FN vf first_lanes(int64_t n) { return vf_from_bits(vi_gt(vi_set1((int32_t)n), vi_iota())); }

/* The largest of a row, still in VL lanes. */
SIMD_FN vf row_lanes(const float *x, int64_t n, vf sign) {
    vf m[AT_ONCE];
    int64_t i = 0;
    for (int v = 0; v < AT_ONCE; v++) m[v] = vf_set1(-INFINITY);
    for (; i + AT_ONCE * VL <= n; i += AT_ONCE * VL)
        for (int v = 0; v < AT_ONCE; v++) m[v] = vf_max(m[v], vf_xor(vf_load(x + i + v * VL), sign));
    for (; i + VL <= n; i += VL) m[0] = vf_max(m[0], vf_xor(vf_load(x + i), sign));
    if (i < n) m[1] = vf_select(first_lanes(n - i), vf_max(m[1], vf_xor(vf_loadn(x + i, n - i), sign)), m[1]);
    return n < AT_ONCE * VL ? vf_max(m[0], m[1]) : vf_max(vf_max(m[0], m[1]), vf_max(m[2], m[3]));
}

/* Either the element is the extreme, or it is the first NaN of a row that has one. Lanes beyond the row come after a true match. */
SIMD_FN int64_t row_place(const float *x, int64_t n, float value) {
    vf m = vf_set1(value);
    for (int64_t i = 0; i < n; i += VL) {
        vf v = n - i >= VL ? vf_load(x + i) : vf_loadn(x + i, n - i);
        int l = vf_first(vf_or(vf_eq(v, m), vf_ne(v, v)));
        if (l < VL) return i + l;
    }
    return 0;
}

static void rows_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const extreme *e = arg;
    int64_t end = (at + 1) * e->width < e->stay.numel ? (at + 1) * e->width : e->stay.numel;
    for (int64_t i = at * e->width; i < end; i += VL) {
        int64_t count = end - i < VL ? end - i : VL;
        const float *x[VL];
        vf m[VL];
        for (int64_t r = 0; r < VL; r++) {
            x[r] = e->x + dims_at(&e->stay, e->stay.n, r < count ? i + r : i);
            m[r] = r < count ? row_lanes(x[r], e->n, sign_of(e)) : vf_zero();
        }
        vf_transpose(m);
        for (int half = VL / 2; half; half /= 2)
            for (int r = 0; r < half; r++) m[r] = vf_max(m[r], m[r + half]);
        m[0] = vf_xor(m[0], sign_of(e));
        if (!e->place) vf_storen((float *)e->out + i, m[0], count);
        else {
            float value[VL];
            vf_store(value, m[0]);
            for (int64_t r = 0; r < count; r++) ((int64_t *)e->out)[i + r] = row_place(x[r], e->n, value[r]);
        }
    }
}

#define LOAD(p) vf_xor(count == VL ? vf_load(p) : vf_loadn(p, count), sign_of(e))
/* Of several vectors side by side, so that no maximum waits for the last one; `count` is the lanes of each. */
SIMD_FN void column_values(const extreme *e, const float *x, int vectors, int64_t count, float *out) {
    vf m[AT_ONCE];
    for (int v = 0; v < vectors; v++) m[v] = LOAD(x + v * VL);
    for (int64_t k = 1; k < e->n; k++)
        for (int v = 0; v < vectors; v++) m[v] = vf_max(m[v], LOAD(x + k * e->step + v * VL));
    for (int v = 0; v < vectors; v++) vf_storen(out + v * VL, vf_xor(m[v], sign_of(e)), count);
}

SIMD_FN void column_places(const extreme *e, const float *x, int64_t count, int64_t *out) {
    vf m = LOAD(x), best = vf_zero();
    for (int64_t k = 1; k < e->n; k++) {
        vf v = LOAD(x + k * e->step), better = vf_or(vf_gt(v, m), vf_and(vf_ne(v, v), vf_eq(m, m)));
        m = vf_select(better, v, m);
        best = vf_select(better, vf_from_bits(vi_set1((int32_t)k)), best);
    }
    int32_t place[VL];
    vi_store(place, vi_from_bits(best));
    for (int64_t i = 0; i < count; i++) out[i] = place[i];
}

static void columns_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const extreme *e = arg;
    int last = e->stay.n - 1;
    int64_t outer = at / e->blocks, size = e->stay.size[last], j = at % e->blocks * e->width, end = j + e->width < size ? j + e->width : size;
    const float *x = e->x + dims_at(&e->stay, last, outer);
    float *values = (float *)e->out + outer * size;
    for (; !e->place && j + AT_ONCE * VL <= end; j += AT_ONCE * VL) column_values(e, x + j, AT_ONCE, VL, values + j);
    for (; j < end; j += VL) {
        int64_t count = end - j < VL ? end - j : VL;
        if (e->place) column_places(e, x + j, count, (int64_t *)e->out + outer * size + j);
        else column_values(e, x + j, 1, count, values + j);
    }
}

int SOMA_KERNEL(extreme)(const soma__call *c) {
    extreme e = {.x = c->in[0].data, .out = c->out.data, .least = c->op == SOMA_OP_amin || c->op == SOMA_OP_argmin};
    e.place = c->op == SOMA_OP_argmax || c->op == SOMA_OP_argmin;
    dims go;
    dims_split(&c->in[0], c->attr[0], &e.stay, &go);
    e.n = go.numel, e.step = go.n ? go.stride[0] : 1;
    if (c->in[0].dtype != SOMA_F32 || !e.n || !e.stay.numel || go.n > 1 || e.n > MOST) return soma__ops[c->op]->run(c);
    double ns = ((double)e.n + 16) * (double)e.stay.numel / VL;
    if (e.step == 1) {
        e.width = (JOB / e.n / VL + 1) * VL;
        soma__pool_run(c->env->pool, rows_piece, &e, (e.stay.numel + e.width - 1) / e.width, ns);
        return SOMA_OK;
    }
    if (!e.stay.n || e.stay.stride[e.stay.n - 1] != 1) return soma__ops[c->op]->run(c);
    int64_t size = e.stay.size[e.stay.n - 1];
    e.width = (JOB / e.n / 64 + 1) * 64;
    e.blocks = (size + e.width - 1) / e.width;
    soma__pool_run(c->env->pool, columns_piece, &e, e.stay.numel / size * e.blocks, ns);
    return SOMA_OK;
}
