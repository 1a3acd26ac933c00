/* What normalisations share (ops/norm.c). */
#ifndef SOMA_SRC_OPS_NORM_H
#define SOMA_SRC_OPS_NORM_H

#include "ops/op.h"

/* x is [N, C, ...] of at least ndim dimensions and floating, the n parts (or NULL) are [C] of its dtype; false with an error pending. */
bool soma__channels_fit(const char *call, soma_tensor *x, soma_tensor *const *parts, const char *const *names, int n, int ndim);
/* A parameter of channels as [1, C, 1...]; NULL for NULL. */
soma_tensor *soma__by_channel(const soma_tensor *x, soma_tensor *p);
/* running = running + momentum (now - running); now has as many elements. */
void soma__move(soma_tensor *running, soma_tensor *now, double momentum);

#endif
