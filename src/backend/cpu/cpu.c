/* The table of fast kernels, made from kernels.def: one function for each instruction set. */
#include "backend/cpu/cpu.h"

#include "backend/cpu/by_isa.h"
#include "backend/cpu/conv.h"
#include "ops/batch_norm.h"
#include "ops/reduce.h"

#define DECLARE(fn, isa) int soma__##fn##_##isa(const soma__call *c);
#define KERNEL(op, dtype, fn) ON_ISAS(DECLARE, fn)
#include "backend/cpu/kernels.def"
#undef KERNEL

static const struct {
    int op, dtype;
    const char *name;
    soma__kernel run[SOMA_ISA_COUNT];
} kernels[] = {
#define KERNEL(op, dtype, fn) {SOMA_OP_##op, SOMA_##dtype, #fn, BY_ISA(soma__##fn)},
#include "backend/cpu/kernels.def"
#undef KERNEL
};

/* Losses and weights of the rows; a block of rows turned on its side for each thread. */
static int64_t class_loss_scratch(const soma__call *c, int threads) {
    return (2 * c->in[0].shape[0] + 16 + c->in[0].shape[1] * 16 * threads) * (int64_t)sizeof(float);
}

/* The sums of pieces are kept apart until all are there. */
static int64_t sum_scratch(const soma__call *c, int threads) {
    (void)threads;
    int64_t n = 1;
    for (int d = 0; d < c->in[0].ndim; d++)
        if (c->attr[0] >> d & 1) n *= c->in[0].shape[d];
    return n > SOMA__SUM_PIECE ? c->out.numel * ((n + SOMA__SUM_PIECE - 1) / SOMA__SUM_PIECE) * (int64_t)sizeof(float) : 0;
}

/* Two sums in float64 for each channel and piece of rows, and a count of the piece's rows. */
static int64_t channels_scratch(const soma__call *c, int threads) {
    (void)threads;
    const soma__operand *x = &c->in[0];
    return soma__channel_pieces(x) * (2 * x->shape[1] * (int64_t)sizeof(double) + (int64_t)sizeof(int64_t));
}

/* Scratch that fast kernels want and the references do not. */
static const struct {
    int op, dtype;
    int64_t (*bytes)(const soma__call *c, int threads);
} scratch[] = {{SOMA_OP_matmul, SOMA_F32, soma__matmul_scratch},
               {SOMA_OP_conv_forward, SOMA_F32, soma__conv_scratch},
               {SOMA_OP_conv_data, SOMA_F32, soma__conv_scratch},
               {SOMA_OP_conv_weight, SOMA_F32, soma__conv_weight_scratch},
               {SOMA_OP_channel_stats, SOMA_F32, channels_scratch},
               {SOMA_OP_channel_dots, SOMA_F32, channels_scratch},
               {SOMA_OP_sum, SOMA_F32, sum_scratch},
               {SOMA_OP_class_loss, SOMA_F32, class_loss_scratch},
               {SOMA_OP_class_loss_backward, SOMA_F32, class_loss_scratch}};

int64_t soma__cpu_scratch(const soma__call *call, int threads) {
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        if (scratch[i].op == call->op && scratch[i].dtype == call->out.dtype) return scratch[i].bytes(call, threads);
    return 0;
}

soma__kernel soma__cpu_kernel(int isa, const soma__call *call, const char **name) {
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (kernels[i].op == call->op && kernels[i].dtype == call->out.dtype) {
            *name = kernels[i].name;
            return kernels[i].run[isa];
        }
    return NULL;
}
