/* Which kernel serves a node: the backend's where it has one for the op and dtype, else the op's reference. */
#include "plan/plan.h"

#include "backend/cpu/cpu.h"

int (*soma__plan_kernel(const soma_context *ctx, const soma__call *call, const char **name))(const soma__call *call) {
    soma__kernel fast = ctx->reference ? NULL : soma__cpu_kernel(ctx->isa, call, name);
    if (fast) return fast;
    *name = "reference";
    return soma__ops[call->op]->run;
}
