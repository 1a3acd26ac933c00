/* The CPU backend's door: a kernel for a call, or NULL where the op's reference has to serve. */
#ifndef SOMA_SRC_BACKEND_CPU_CPU_H
#define SOMA_SRC_BACKEND_CPU_CPU_H

#include "ops/op.h"

typedef int (*soma__kernel)(const soma__call *call);

/* *name is the kernel's name in plans. */
soma__kernel soma__cpu_kernel(int isa, const soma__call *call, const char **name);
/* Bytes of scratch that the fast kernel wants, besides its op's. */
int64_t soma__cpu_scratch(const soma__call *call, int threads);
int64_t soma__matmul_scratch(const soma__call *c, int threads);

#endif
