/* The fixed orders of addition and comparison, for other reference kernels. */
#ifndef SOMA_SRC_OPS_REDUCE_H
#define SOMA_SRC_OPS_REDUCE_H

#include "ops/op.h"

#define SOMA__SUM_PIECE 4096

/* The sum of n elements side by side, in the reduction order. */
float soma__sum_f32(const float *x, int64_t n);
double soma__sum_f64(const double *x, int64_t n);
/* Does the element at offset a stand before that at b when the largest (smallest) come first? NaN counts as largest, as torch sorts. */
bool soma__before(const soma__operand *x, int64_t a, int64_t b, bool largest);

#endif
