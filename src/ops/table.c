/* The table of all ops, made from ops.def. */
#include "ops/elementwise.h"

/* A truth has no slope. */
#define GRAD_FLOATING(op) soma__grad_##op
#define GRAD_NUMERIC(op) soma__grad_##op
#define GRAD_ANY(op) soma__grad_##op
#define GRAD_TEST(op) NULL
#define GRAD_LOGIC(op) NULL
#define ELEMENTWISE(op, kind) \
    static const soma__op_def def_##op = {.name = #op, .cls = SOMA__CLASS_ELEMENTWISE, .run = soma__elementwise_run, .grad = GRAD_##kind(op)};
#define UNARY(name, kind, doc) ELEMENTWISE(name, kind)
#define BINARY(name, kind, doc) ELEMENTWISE(name, kind)
#define OP(name, params, doc)
#define INNER(name, doc)
#define COMPOSITE(name, params, doc)
#include "soma/ops.def"
#undef UNARY
#undef BINARY
#undef OP
#undef INNER

static const soma__op_def def_leaf = {.name = "leaf"};

const soma__op_def *const soma__ops[SOMA_OP_COUNT] = {
    &def_leaf,
#define UNARY(name, kind, doc) &def_##name,
#define BINARY(name, kind, doc) &def_##name,
#define OP(name, params, doc) &soma__op_##name,
#define INNER(name, doc) &soma__op_##name,
#include "soma/ops.def"
};

/* An integer divided by zero is an error. */
bool soma__op_fails(int op, int dtype) {
    return soma__ops[op]->fails || ((op == SOMA_OP_floor_divide || op == SOMA_OP_remainder) && !soma__is_float(dtype));
}

int64_t soma_op_count(void) { return SOMA_OP_COUNT; }
const char *soma_op_name(int64_t op) { return op >= 0 && op < SOMA_OP_COUNT ? soma__ops[op]->name : ""; }
