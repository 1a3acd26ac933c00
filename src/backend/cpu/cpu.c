#include "backend/cpu/cpu.h"

#include "backend/cpu/gemm.h"
#include "backend/cpu/isa.h"
#include "ops/loops.h"

static void run_gemm(int isa, const soma__gemm *g) {
    switch (isa) {
#if defined(__x86_64__)
    case SOMA_ISA_ID_AVX512: soma__gemm_avx512(g); break;
    case SOMA_ISA_ID_AVX2: soma__gemm_avx2(g); break;
#elif defined(__aarch64__)
    case SOMA_ISA_ID_NEON: soma__gemm_neon(g); break;
#endif
    default: soma__gemm_portable(g);
    }
}

static int matmul_f32(const soma__call *c) {
    const soma__operand *a = &c->in[0], *b = &c->in[1];
    int nd = c->out.ndim;
    soma__gemm g = {.m = c->out.shape[nd - 2], .n = c->out.shape[nd - 1], .k = a->shape[nd - 1], .scratch = c->scratch, .pool = c->env->pool};
    g.a_rs = a->strides[nd - 2], g.a_cs = a->strides[nd - 1], g.b_rs = b->strides[nd - 2], g.b_cs = b->strides[nd - 1], g.ldc = g.n;
    soma__operand abatch = *a, bbatch = *b;
    abatch.ndim = bbatch.ndim = nd - 2;
    int64_t batch = g.m && g.n ? c->out.numel / (g.m * g.n) : 0;
    for (int64_t i = 0; i < batch; i++) {
        g.a = (const float *)a->data + soma__offset(&abatch, i);
        g.b = (const float *)b->data + soma__offset(&bbatch, i);
        g.c = (float *)c->out.data + i * g.m * g.n;
        run_gemm(c->env->isa, &g);
    }
    return SOMA_OK;
}

int (*soma__cpu_kernel(const soma__call *call, const char **name))(const soma__call *call) {
    if (call->op == SOMA_OP_matmul && call->out.dtype == SOMA_F32 && call->in[0].shape[call->out.ndim - 1] <= SOMA__GEMM_MAX_K) {
        *name = "gemm";
        return matmul_f32;
    }
    return NULL;
}
