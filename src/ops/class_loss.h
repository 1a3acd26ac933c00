/* Cross entropy with classes: what its kernels share. See class_loss.c. */
#ifndef SOMA_SRC_OPS_CLASS_LOSS_H
#define SOMA_SRC_OPS_CLASS_LOSS_H

#include "ops/op.h"

enum { SOMA__LOSS_WEIGHTED = 1, SOMA__LOSS_SMOOTHED = 2, SOMA__LOSS_TARGETS = 4 /* of the gradient: g_r b_rj alone */ };
enum { SOMA__TARGET_IGNORED = -1, SOMA__TARGET_WRONG = -2 };

typedef struct soma__class_loss {
    int64_t rows, classes, rs, cs; /* strides of x */
    const int64_t *target;
    int64_t target_stride, ignore;
    const void *weight, *g; /* NULL without */
    int64_t weight_stride, g_stride, reduction, smooth, targets;
} soma__class_loss;

soma__class_loss soma__class_loss_of(const soma__call *c, bool backward);
/* The class of a row, or SOMA__TARGET_IGNORED, or SOMA__TARGET_WRONG with the error raised. */
int64_t soma__class_loss_target(const soma__call *c, const soma__class_loss *l, int64_t row);
soma_tensor *soma__class_loss_record(soma_tensor *x, soma_tensor *target, soma_tensor *weight, int64_t ignore, double smoothing, int64_t reduction);
/* x, its sum or its mean (a soma_reduction). */
soma_tensor *soma__reduced(soma_tensor *x, int64_t reduction);

#endif
