/* Running plans. */
#ifndef SOMA_SRC_EXEC_RUN_H
#define SOMA_SRC_EXEC_RUN_H

#include "plan/plan.h"

/* Evaluates the tape and clears it. close_depth: see soma__plan_build; INT32_MAX for an ordinary evaluation. */
soma_status soma__exec_flush(soma_context *ctx, int close_depth);
/* Bytes of the slab when the plan has run. */
size_t soma__exec_slab_bytes(const soma_context *ctx, const soma__plan *p);
/* The context's slab with room for the plan; its pointers filled in. */
bool soma__exec_bind_slab(soma_context *ctx, soma__plan *p);
/* The variables that a run writes and those that stay packed, from the entries of the tape. */
void soma__exec_bind_variables(soma_context *ctx, soma__plan *p);
/* Calls the kernels in order. On an error of a kernel (or the cancel flag, until the first change of a variable) the rest is not run; *done is how
 * many were. */
soma_status soma__exec_steps(soma_context *ctx, soma__plan *p, int *done);
#endif
