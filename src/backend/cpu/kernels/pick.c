/* gather and index_select. Threads look at parts of the index; where one is out of range, the reference runs and says which is the first. */
#include "backend/cpu/kernels/kernel.h"
#include "ops/loops.h"

#include <stdatomic.h>

#define JOB 4096 /* elements */

typedef struct pick {
    const soma__call *call;
    int64_t width; /* rows in a job */
    _Atomic int wrong;
} pick;

/* Rows of the index; out has its shape. */
static void gather_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    pick *p = arg;
    const soma__call *c = p->call;
    const soma__operand *x = &c->in[0], *index = &c->in[1];
    soma__operand base = *x; /* where a row starts: x without the chosen dimension */
    int last = index->ndim - 1, dim = (int)c->attr[0];
    int64_t choice = x->strides[dim], step = dim == last ? 0 : x->strides[last], n = x->shape[dim], length = index->shape[last];
    for (int d = 0; d < last; d++) base.shape[d] = index->shape[d];
    base.strides[dim] = 0;
    base.ndim = last;
    for (int64_t r = at * p->width; r < (at + 1) * p->width && r * length < index->numel; r++) {
        const float *from = (const float *)x->data + soma__offset(&base, r);
        const int64_t *k = (const int64_t *)index->data + r * length;
        float *out = (float *)c->out.data + r * length;
        for (int64_t i = 0; i < length; i++) {
            if (k[i] < 0 || k[i] >= n) {
                atomic_store_explicit(&p->wrong, 1, memory_order_relaxed);
                return;
            }
            out[i] = from[k[i] * choice + i * step];
        }
    }
}

int SOMA_KERNEL(gather)(const soma__call *c) {
    const soma__operand *index = &c->in[1];
    if (!index->numel) return SOMA_OK;
    int64_t length = index->shape[index->ndim - 1];
    pick p = {.call = c, .width = JOB / length + 1};
    soma__pool_run(c->env->pool, gather_piece, &p, (index->numel / length + p.width - 1) / p.width, 2.0 * (double)index->numel);
    return p.wrong ? soma__ops[c->op]->run(c) : SOMA_OK;
}

static int64_t inner_of(const soma__operand *x, int64_t dim) {
    int64_t inner = 1;
    for (int d = (int)dim + 1; d < x->ndim; d++) inner *= x->shape[d];
    return inner;
}

/* Runs of `inner` elements; one for each entry of the index and each outer element. */
static void select_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    pick *p = arg;
    const soma__call *c = p->call;
    const soma__operand *x = &c->in[0];
    int64_t dim = c->attr[0], inner = inner_of(x, dim), n = x->shape[dim], m = c->out.shape[dim], runs = c->out.numel / inner;
    for (int64_t r = at * p->width; r < (at + 1) * p->width && r < runs; r++) {
        int64_t k = ((const int64_t *)c->in[1].data)[r % m];
        if (k < 0 || k >= n) {
            atomic_store_explicit(&p->wrong, 1, memory_order_relaxed);
            return;
        }
        const float *from = (const float *)x->data + (r / m * n + k) * inner;
        float *out = (float *)c->out.data + r * inner;
        if (inner == 1) *out = *from;
        else memcpy(out, from, (size_t)inner * sizeof *out);
    }
}

int SOMA_KERNEL(index_select)(const soma__call *c) {
    if (!c->out.numel) return soma__ops[c->op]->run(c); /* an index out of range is an error even then */
    int64_t inner = inner_of(&c->in[0], c->attr[0]);
    pick p = {.call = c, .width = JOB / inner + 1};
    int64_t rows = c->out.numel / inner;
    soma__pool_run(c->env->pool, select_piece, &p, (rows + p.width - 1) / p.width, (double)c->out.numel / 4 + 2.0 * (double)rows);
    return p.wrong ? soma__ops[c->op]->run(c) : SOMA_OK;
}
