/* The element by element ops' common kernel and gradient rules. */
#ifndef SOMA_SRC_OPS_ELEMENTWISE_H
#define SOMA_SRC_OPS_ELEMENTWISE_H

#include "ops/op.h"

int soma__elementwise_run(const soma__call *c);

#define UNARY(name, kind, doc) void soma__grad_##name(const soma__vjp *v);
#define BINARY(name, kind, doc) void soma__grad_##name(const soma__vjp *v);
#define OP(name, params, doc) extern const soma__op_def soma__op_##name;
#define INNER(name, doc) extern const soma__op_def soma__op_##name;
#define COMPOSITE(name, params, doc)
#include "soma/ops.def"
#undef UNARY
#undef BINARY
#undef OP
#undef INNER
#undef COMPOSITE

#endif
