/* What the makers of steps share: the builder, and how an input is resolved to memory. */
#ifndef SOMA_SRC_PLAN_LOWER_H
#define SOMA_SRC_PLAN_LOWER_H

#include "backend/cpu/elementwise.h"
#include "plan/plan.h"

typedef struct soma__builder {
    soma_context *ctx;
    soma__plan *p;
    uint32_t n_values;
    bool failed;
} soma__builder;

/* Zeroed memory of the plan; NULL with `failed` set. */
void *soma__lower_take(soma__builder *b, size_t size);
void soma__lower_describe(soma__operand *o, const soma_tensor *x, const int64_t *strides);
/* NumPy's rule: sizes of 1 repeat by a stride of 0, missing dimensions in front, too. */
void soma__lower_broadcast(soma__operand *o, const soma_tensor *like);
/* Asks for *where to be filled with the memory of a value before each run. */
void soma__lower_bind(soma__builder *b, void **where, uint32_t value, int64_t elements, int dtype);
/* The step that is made next uses the value. */
void soma__lower_read(soma__builder *b, uint32_t value);
/* Input k of entry i as an operand; *value and *offset say where its memory is. */
void soma__lower_resolve(soma__builder *b, uint32_t i, int k, soma__operand *o, uint32_t *value, int64_t *offset);
/* The group's program, its operands bound (plan/program.c). */
soma__pass *soma__plan_program(soma__builder *b, const soma__group *g);

#endif
