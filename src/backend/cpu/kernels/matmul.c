/* The matmul op on the register tile: one product for each element of the batch. A fused step has a pass that is done with each block of the result.
 */
#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/kernel.h"
#include "ops/loops.h"

int SOMA_KERNEL(matmul)(const soma__call *c) {
    const soma__operand *a = &c->in[0], *b = &c->in[1];
    int nd = c->out.ndim;
    soma__gemm g = {.m = c->out.shape[nd - 2],
                    .n = c->out.shape[nd - 1],
                    .k = a->shape[nd - 1],
                    .scratch = c->scratch,
                    .pool = c->env->pool,
                    .pass = c->pass,
                    .packed = c->packed};
    g.a_rs = a->strides[nd - 2], g.a_cs = a->strides[nd - 1], g.b_rs = b->strides[nd - 2], g.b_cs = b->strides[nd - 1];
    g.c_rs = c->out.strides[nd - 2], g.c_cs = c->out.strides[nd - 1];
    if (nd == 2) {
        g.a = a->data, g.b = b->data, g.c = c->out.data;
        SOMA_KERNEL(gemm)(&g);
        return SOMA_OK;
    }
    soma__operand abatch = *a, bbatch = *b;
    abatch.ndim = bbatch.ndim = nd - 2;
    int64_t batch = g.m && g.n ? c->out.numel / (g.m * g.n) : 0;
    for (int64_t i = 0; i < batch; i++) {
        g.a = (const float *)a->data + soma__offset(&abatch, i);
        g.b = (const float *)b->data + soma__offset(&bbatch, i);
        g.c = (float *)c->out.data + i * g.m * g.n;
        SOMA_KERNEL(gemm)(&g);
    }
    return SOMA_OK;
}
