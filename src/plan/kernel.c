/* Which kernel serves a node: the backend's where it has one for the shape and dtype, else the op's reference. */
#include "plan/plan.h"

#include "backend/cpu/cpu.h"

soma__kernel soma__plan_kernel(const soma_context *ctx, const soma__call *call, const char **name) {
    (void)ctx;
    soma__kernel fast = soma__cpu_kernel(call, name);
    if (fast) return fast;
    *name = "reference";
    return soma__ops[call->op]->run;
}
