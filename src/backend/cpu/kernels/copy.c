/* Dense copies of what a view shows, and constants. Runs are copied as they lie; where another dimension than the last one is dense, blocks are
 * turned on their side in registers. */
#include "backend/cpu/kernels/dims.h"
#include "backend/cpu/kernels/kernel.h"

#define JOB 16384 /* elements */
#define STRIP 16  /* elements of a line of memory */

typedef struct copy {
    const float *x;
    float *out;
    dims from;                 /* without the dimensions of `row` and `line` */
    int64_t to[SOMA_MAX_DIMS]; /* strides of the copy along `from` */
    int64_t row, row_step;     /* the last dimension: its size and its stride in x; 1 in the copy */
    int64_t line, line_step;   /* the dense dimension: its size, and its stride in the copy; 1 in x */
    int64_t width, blocks;
} copy;

/* out[i * line_step + j] = x[i + j * row_step], VL of i, VL of j */
SIMD_FN void turn(const copy *c, const float *x, float *out, int64_t lines, int64_t n) {
    vf r[VL];
    for (int j = 0; j < VL; j++) r[j] = j >= n ? vf_zero() : lines == VL ? vf_load(x + j * c->row_step) : vf_loadn(x + j * c->row_step, lines);
    vf_transpose(r);
    for (int i = 0; i < VL; i++)
        if (i < lines) n == VL ? vf_store(out + i * c->line_step, r[i]) : vf_storen(out + i * c->line_step, r[i], n);
}

static void turned_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const copy *c = arg;
    int64_t first = at % c->blocks * c->width, end = first + c->width < c->line ? first + c->width : c->line, outer = at / c->blocks;
    dims to = c->from;
    for (int d = 0; d < to.n; d++) to.stride[d] = c->to[d];
    const float *x = c->x + dims_at(&c->from, c->from.n, outer);
    float *out = c->out + dims_at(&to, to.n, outer);
    for (int64_t strip = first; strip < end; strip += STRIP)
        for (int64_t j = 0; j < c->row; j += VL)
            for (int64_t i = strip; i < strip + STRIP && i < end; i += VL) {
                int64_t lines = end - i < VL ? end - i : VL, n = c->row - j < VL ? c->row - j : VL;
                if (lines == VL && n == VL) turn(c, x + i + j * c->row_step, out + i * c->line_step + j, VL, VL);
                else turn(c, x + i + j * c->row_step, out + i * c->line_step + j, lines, n);
            }
}

static void rows_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const copy *c = arg;
    int64_t end = (at + 1) * c->width < c->from.numel ? (at + 1) * c->width : c->from.numel;
    for (int64_t i = at * c->width; i < end; i++) {
        const float *x = c->x + dims_at(&c->from, c->from.n, i);
        float *out = c->out + i * c->row;
        if (c->row_step == 1) memcpy(out, x, (size_t)c->row * sizeof *out);
        else
            for (int64_t j = 0; j < c->row; j++) out[j] = x[j * c->row_step];
    }
}

/* Takes out the last dimension, and the dense one when that is another. */
static void arrange(copy *c, const dims *all) {
    int64_t step = 1, steps[SOMA_MAX_DIMS];
    for (int d = all->n; d-- > 0;) steps[d] = step, step *= all->size[d];
    *c = (copy){.from = {.numel = 1}, .row = 1, .row_step = 1};
    for (int d = 0; d < all->n; d++) {
        if (d == all->n - 1) c->row = all->size[d], c->row_step = all->stride[d];
        else if (all->stride[d] == 1 && all->stride[all->n - 1] != 1 && !c->line) c->line = all->size[d], c->line_step = steps[d];
        else {
            c->from.size[c->from.n] = all->size[d], c->from.stride[c->from.n] = all->stride[d];
            c->to[c->from.n++] = steps[d];
            c->from.numel *= all->size[d];
        }
    }
}

int SOMA_KERNEL(copy)(const soma__call *call) {
    const soma__operand *in = &call->in[0];
    soma__operand view = *in;
    int64_t offset = 0;
    if (!call->out.numel) return SOMA_OK;
    if (call->op != SOMA_OP_detach && call->op != SOMA_OP_reshape) {
        view = call->out;
        soma__ops[call->op]->view(in, call->attr, call->n_attr, &view, &offset);
    }
    dims all = {.numel = 1};
    for (int d = 0; d < view.ndim; d++) dims_add(&all, view.shape[d], view.strides[d]);
    copy c;
    arrange(&c, &all);
    c.x = (const float *)in->data + offset;
    c.out = call->out.data;
    double ns = (double)all.numel / 4;
    if (c.line) {
        c.width = (JOB / c.row / STRIP + 1) * STRIP;
        c.blocks = (c.line + c.width - 1) / c.width;
        soma__pool_run(call->env->pool, turned_piece, &c, c.from.numel * c.blocks, ns);
        return SOMA_OK;
    }
    if (!c.from.n && c.row_step == 1) { /* one run: cut into rows of its own */
        int64_t whole = c.row / JOB;
        if (c.row % JOB) memcpy(c.out + whole * JOB, c.x + whole * JOB, (size_t)(c.row % JOB) * sizeof(float));
        c.from = (dims){.n = 1, .numel = whole, .size = {whole}, .stride = {JOB}};
        c.row = JOB;
    }
    c.width = JOB / c.row + 1;
    soma__pool_run(call->env->pool, rows_piece, &c, (c.from.numel + c.width - 1) / c.width, ns);
    return SOMA_OK;
}

static void full_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const soma__call *call = arg;
    int64_t i = at * JOB, end = i + JOB < call->out.numel ? i + JOB : call->out.numel;
    float *out = call->out.data;
    vf v = vf_set1(*(const float *)call->in[0].data);
    for (; i + VL <= end; i += VL) vf_store(out + i, v);
    vf_storen(out + i, v, end - i);
}

int SOMA_KERNEL(full)(const soma__call *call) {
    soma__pool_run(call->env->pool, full_piece, (void *)(uintptr_t)call, (call->out.numel + JOB - 1) / JOB, (double)call->out.numel / 16);
    return SOMA_OK;
}
