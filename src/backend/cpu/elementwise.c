/* Which instructions there are, and the instruction set's part of the machine. */
#include "backend/cpu/elementwise.h"

#include "backend/cpu/by_isa.h"

#define DECLARE(fn, isa) \
    bool fn##_handlers_##isa(soma__insn *insn); \
    void fn##_block_##isa(const soma__pass *p, int64_t row, int64_t rows, int64_t col, int64_t cols, const float *block, int64_t ld); \
    int fn##_run_##isa(const soma__call *c);
ON_ISAS(DECLARE, soma__pass)

static bool (*const handlers[SOMA_ISA_COUNT])(soma__insn *insn) = BY_ISA(soma__pass_handlers);
static int (*const runs[SOMA_ISA_COUNT])(const soma__call *c) = BY_ISA(soma__pass_run);
static void (*const blocks[SOMA_ISA_COUNT])(const soma__pass *, int64_t, int64_t, int64_t, int64_t, const float *,
                                            int64_t) = BY_ISA(soma__pass_block);

bool soma__pass_has(int op) {
    soma__insn insn = {.op = op};
    if (op == SOMA_OP_batch_normalise) return true; /* of three */
    return handlers[SOMA_ISA_ID_PORTABLE](&insn);
}

void soma__pass_link(int isa, soma__pass *p) {
    p->cost = 0;
    for (int i = 0; i < p->n_insns; i++) {
        handlers[isa](&p->insns[i]);
        p->cost += p->insns[i].cost;
    }
    p->block = blocks[isa];
}

int (*soma__pass_kernel(int isa))(const soma__call *call) { return runs[isa]; }
