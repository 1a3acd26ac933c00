/* Element-wise programs. A pass walks over an iteration space; for each strip of a row the instructions run one after another on an accumulator (four
 * vectors), each a tail call to the next: threaded code. The second operand of an instruction is always memory: an input, or a strip that was put
 * aside. What is not contiguous along the row is gathered into a strip first, and scattered from one afterwards. */
#ifndef SOMA_BACKEND_CPU_ELEMENTWISE_H
#define SOMA_BACKEND_CPU_ELEMENTWISE_H

#include "ops/op.h"

#define SOMA__PASS_EXTERNAL 64 /* operands in memory */
#define SOMA__PASS_SLOTS 40    /* strips put aside */
#define SOMA__PASS_INSNS 192

/* Instructions that are no op of ops.def. Of a binary op, SOMA__INSN_REVERSED says that the accumulator is the second operand. */
enum {
    SOMA__INSN_LOAD = 1000, /* accumulator = operand 0 */
    SOMA__INSN_LOAD_BOOL,   /* bytes to 0 or 1 */
    SOMA__INSN_STORE,
    SOMA__INSN_STORE_BOOL,
    SOMA__INSN_TRUTH, /* 1 where it is not 0 */
    SOMA__INSN_END,
    SOMA__INSN_REVERSED = 2000
};

/* A flag of SOMA__INSN_STORE: past the caches, for what is larger than they are: memory is then not read before it is written. */
enum { SOMA__STORE_STREAM = 1 };

typedef struct soma__insn {
    void (*full)(void); /* the handlers, of the instruction set's own types */
    void (*one)(void);
    int32_t op;
    int32_t k[5];  /* operands: external ones first, then slots */
    int64_t flags; /* of updates and stores */
    double cost;   /* estimated ns an element */
} soma__insn;

enum {
    SOMA__PASS_READ = 1,
    SOMA__PASS_WRITTEN = 2,
    SOMA__PASS_RAW = 4 /* numbers of an update, read as they lie */,
    SOMA__PASS_BLOCK = 8 /* a product's block */
};

typedef struct soma__pass_operand {
    void *data;
    int64_t stride[SOMA_MAX_DIMS]; /* in elements, along the pass's dimensions */
    int32_t size;                  /* bytes of an element: 4, or 1 for bools */
    int32_t use;
} soma__pass_operand;

typedef struct soma__pass {
    int n_insns, n_external, n_slots, ndim;
    int64_t shape[SOMA_MAX_DIMS]; /* the last one is the row that vectors run along */
    int64_t numel;
    double cost; /* of all instructions */
    soma__insn *insns;
    soma__pass_operand *operands;
    void (*block)(const struct soma__pass *p, int64_t row, int64_t rows, int64_t col, int64_t cols, const float *block, int64_t ld);
} soma__pass;

/* Is there an instruction for the op? */
bool soma__pass_has(int op);
/* Puts the handlers of an instruction set, and what they cost, into the instructions. */
void soma__pass_link(int isa, soma__pass *p);
/* The kernel that runs a whole pass (call->pass). */
int (*soma__pass_kernel(int isa))(const soma__call *call);

#endif
