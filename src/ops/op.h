/* What an op is to the rest of the library: a row of soma/ops.def and one soma__op_def. Wrappers (the public calls) check shapes and record;
 * gradient rules are written with public calls; `run` is the reference kernel, the oracle of every test. */
#ifndef SOMA_SRC_OPS_OP_H
#define SOMA_SRC_OPS_OP_H

#include "soma/ops.h"
#include "soma/grad.h"
#include "soma/capture.h"
#include "tensor/tensor.h"

enum {
    SOMA_OP_leaf = 0, /* a value that is there: variable, data, constant of the user */
#define UNARY(name, kind, doc) SOMA_OP_##name,
#define BINARY(name, kind, doc) SOMA_OP_##name,
#define OP(name, params, doc) SOMA_OP_##name,
#define INNER(name, doc) SOMA_OP_##name,
#define COMPOSITE(name, params, doc)
#include "soma/ops.def"
#undef UNARY
#undef BINARY
#undef OP
#undef INNER
#undef COMPOSITE
    SOMA_OP_COUNT
};

/* How the planner treats an op. */
typedef enum soma__op_class {
    SOMA__CLASS_KERNEL,      /* a kernel of its own on dense operands */
    SOMA__CLASS_STRIDED,     /* a kernel of its own that takes any strides */
    SOMA__CLASS_ELEMENTWISE, /* out[i] = f(in0[i], in1[i], in2[i]) after broadcasting; fuses */
    SOMA__CLASS_VIEW,        /* no kernel: the input's elements seen with other strides, when they can be */
    SOMA__CLASS_MATMUL,
    SOMA__CLASS_ASSIGN, /* input 0 is a variable that becomes input 1 */
    SOMA__CLASS_UPDATE  /* all inputs but the last two (gradient, numbers) are variables changed in place */
} soma__op_class;

/* An operand of a running kernel. Strides in elements; 0 where broadcast. */
typedef struct soma__operand {
    void *data;
    int64_t numel;
    int32_t ndim;
    int32_t dtype;
    int64_t shape[SOMA_MAX_DIMS];
    int64_t strides[SOMA_MAX_DIMS];
} soma__operand;

/* What a kernel may use besides its operands. */
typedef struct soma__env {
    struct soma__pool *pool;
    int isa;
    uint64_t seed;
    soma_context *ctx; /* for errors, by soma_error_raise */
} soma__env;

#define SOMA__MAX_INPUTS 64 /* cat and stack take any count: more are joined in steps */

typedef struct soma__call {
    int op;
    int n_in;
    int n_attr;
    soma__operand out;
    soma__operand *in;
    const int64_t *attr;
    void *scratch; /* as many bytes as the op's scratch function asked for */
    const soma__env *env;
    soma__packed *packed;          /* of products: where the second operand stays packed, or NULL */
    const struct soma__pass *pass; /* of fused steps: the element-wise program */
    /* Of a convolution: the step behind it, sums over channels of what it writes, or NULL. Pieces of rows are summed as soon as they are whole, while
     * they are in the cache; that step is `followed`, and only adds up the pieces. */
    const struct soma__call *follower;
    bool followed;
} soma__call;

/* A gradient rule's view of a node: for each input i with wants[i], set gx[i] to a recorded tensor of the input's shape. */
typedef struct soma__vjp {
    soma_context *ctx;
    soma_tensor *node; /* the result */
    soma_tensor *const *in;
    int n_in;
    const int64_t *attr;
    soma_tensor *gy; /* the gradient of the result */
    const bool *wants;
    soma_tensor **gx;
} soma__vjp;

typedef struct soma__op_def {
    const char *name;
    soma__op_class cls;
    int (*run)(const soma__call *call);                     /* a soma_status; the reference kernel */
    void (*grad)(const soma__vjp *v);                       /* NULL: no gradient flows */
    size_t (*scratch)(const soma__call *call, int threads); /* NULL: none */
    /* Views: strides and offset (in elements) of the result on the input's memory; false when a copy is needed. */
    bool (*view)(const soma__operand *in, const int64_t *attr, int n_attr, soma__operand *out, int64_t *offset);
    bool places; /* STRIDED: its kernel writes any strides, so that the value may lie with channels side by side */
    bool fails;  /* its kernel may end with an error: an index out of range and the like */
} soma__op_def;

/* Indexed by op number. */
extern const soma__op_def *const soma__ops[SOMA_OP_COUNT];
/* May the op's kernel end with an error? */
bool soma__op_fails(int op, int dtype);

/* Appends a node. inputs may not be NULL. Returns NULL with an error pending when something is wrong. Implemented by the graph. */
typedef struct soma__record {
    int op;
    soma_dtype dtype;
    int64_t ndim;
    const int64_t *shape;
    soma_tensor *const *in;
    int n_in;
    const int64_t *attr;
    int n_attr;
} soma__record;
soma_tensor *soma__graph_record(soma_context *ctx, const soma__record *r);
/* Records an UPDATE node: its first `writes` inputs are variables that it changes. */
soma_status soma__graph_update(soma_context *ctx, const soma__record *r, int writes);
/* Are the probabilities of a bernoulli in [0, 1]? Raises the error when one is not. */
bool soma__bernoulli_fits(const soma__call *c);
/* A registered definition, or NULL. */
const soma_custom_def *soma__custom_find(soma_context *ctx, int64_t number);

/* Checks shared by the wrappers (ops/check.c). Each returns false with an error pending. */
/* All inputs are there, of one context, and no error is pending. Where all are NULL there is no context to tell. */
bool soma__check(const char *call, soma_tensor *const *in, int n);
/* There can be a tensor of this dtype and shape, and no error is pending. */
bool soma__check_shape(soma_context *ctx, const char *call, int64_t dtype, const int64_t *shape, int64_t ndim);
/* Opens an op made of others, which are interior; what goes wrong in them is told in its name. Closed by soma_interior_end. */
void soma__composite_begin(soma_context *ctx, const char *call);
/* As soma__check for calls that return a status. */
soma_status soma__check_status(const char *call, soma_tensor *const *in, int n);
/* Makes dim in [-ndim, ndim) non-negative. */
bool soma__check_dim(const soma_tensor *x, const char *op, int64_t *dim);
/* An array of n sizes is given. */
bool soma__there(soma_context *ctx, const char *op, const void *array, int64_t n);
/* NumPy broadcasting of two shapes: -1, or the dimension at which they do not fit. */
int soma__broadcast_sizes(const soma_tensor *a, const soma_tensor *b, int64_t *shape, int64_t *ndim);
bool soma__broadcast(const char *op, const soma_tensor *a, const soma_tensor *b, int64_t *shape, int64_t *ndim);
/* torch.result_type. */
soma_dtype soma__result_type(const soma_tensor *a, const soma_tensor *b);
static inline bool soma__is_float(int dtype) { return dtype == SOMA_F32 || dtype == SOMA_F64; }
/* x as dtype (x itself when it is that already). */
soma_tensor *soma__as(soma_tensor *x, soma_dtype dtype);
/* A 0-d leaf of the given dtype, with a Python number's manners. */
soma_tensor *soma__number(soma_context *ctx, double value, soma_dtype dtype);
/* A random op's position leaf: takes `count` counters (blocks of four words) of the stream in use. */
soma_tensor *soma__random_position(soma_context *ctx, int64_t count);
#endif
