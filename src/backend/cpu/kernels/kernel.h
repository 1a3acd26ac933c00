/* What every kernel file starts with: the vector words of its instruction set, and the prototypes of the table's functions. */
#ifndef SOMA_BACKEND_CPU_KERNEL_H
#define SOMA_BACKEND_CPU_KERNEL_H

#include "backend/cpu/simd.h"
#include "base/pool.h"
#include "ops/op.h"

#define KERNEL(op, dtype, fn) int SOMA_KERNEL(fn)(const soma__call *c);
#include "backend/cpu/kernels.def"
#undef KERNEL

/* Sums over channels of rows that another kernel writes: what they begin with, and some rows that are there, by one of so many shares of channels. */
void SOMA_KERNEL(channel_follow)(const soma__call *c);
void SOMA_KERNEL(channel_rows)(const soma__call *c, int64_t first, int64_t rows, int64_t shares);

#endif
