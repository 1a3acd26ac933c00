/* Tensors: making them, variables, reading values, looking at the plan. */
#ifndef SOMA_TENSOR_H
#define SOMA_TENSOR_H

#include "soma/context.h"

/* Looking. Each is safe with NULL (0, -1 or NULL). */
/* The context that made x. */
SOMA_API soma_context *soma_tensor_context(const soma_tensor *x);
/* The scope that x belongs to. */
SOMA_API soma_scope *soma_tensor_scope(const soma_tensor *x);
/* Dimensions, 0 to SOMA_MAX_DIMS, as Tensor.dim(). */
SOMA_API int64_t soma_ndim(const soma_tensor *x);
/* Size of dimension dim; negative counts from the end; -1 when there is no such dimension. */
SOMA_API int64_t soma_size(const soma_tensor *x, int64_t dim);
/* soma_ndim(x) sizes, valid as long as x. */
SOMA_API const int64_t *soma_shape(const soma_tensor *x);
/* Elements, 1 for a 0-d tensor. */
SOMA_API int64_t soma_numel(const soma_tensor *x);
/* SOMA_F32 for NULL. */
SOMA_API soma_dtype soma_tensor_dtype(const soma_tensor *x);
/* The name given to a variable, "" without one; valid until another one is given. */
SOMA_API const char *soma_tensor_name(const soma_tensor *x);
/* "[128, 784]" into a buffer, cut to its size; returns the buffer. */
SOMA_API char *soma_shape_text(const soma_tensor *x, char *buffer, size_t size);

/* Making. Row-major (C order). NULL with SOMA_ERROR_SHAPE for more than SOMA_MAX_DIMS dimensions, a negative size or too many elements,
 * SOMA_ERROR_DTYPE for a number that is no dtype, SOMA_ERROR_ARGUMENT for NULL data of some elements, SOMA_ERROR_MEMORY. */
/* Copies data (numel elements) at the call, as torch.tensor. Bools are nonzero bytes, and become 1. */
SOMA_API soma_tensor *soma_from(soma_context *ctx, const void *data, soma_dtype dtype, const int64_t *shape, int64_t ndim);
/* Reads the user's memory whenever it is needed until the scope closes: the memory must live and be filled until then. Bools must be 0 or 1. */
SOMA_API soma_tensor *soma_borrow(soma_context *ctx, const void *data, soma_dtype dtype, const int64_t *shape, int64_t ndim);
/* A 0-d float32 tensor. It behaves as a Python number in arithmetic: it does not widen the other operand within its kind. */
SOMA_API soma_tensor *soma_scalar(soma_context *ctx, double value);
/* torch.full, zeros, ones, arange(start, end, step). Integer dtypes truncate and saturate a value; NaN gives 0. arange
 * has ceil((end - start) / step) elements, none when that is negative; SOMA_ERROR_ARGUMENT for a step of 0 or a bool. */
SOMA_API soma_tensor *soma_full(soma_context *ctx, double value, soma_dtype dtype, const int64_t *shape, int64_t ndim);
SOMA_API soma_tensor *soma_zeros(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim);
SOMA_API soma_tensor *soma_ones(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim);
SOMA_API soma_tensor *soma_arange(soma_context *ctx, double start, double end, double step, soma_dtype dtype);

/* SOMA_SHAPE(2, 3) stands for the two arguments shape, ndim. */
#ifdef __cplusplus
#define SOMA__COUNT(...) static_cast<int64_t>(sizeof(soma__counted(__VA_ARGS__)))
#define SOMA_SHAPE(...) soma__array_of<int64_t>(__VA_ARGS__).at(), SOMA__COUNT(__VA_ARGS__)
#else
#define SOMA__COUNT(...) ((int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))
#define SOMA_SHAPE(...) ((const int64_t[]){__VA_ARGS__}), SOMA__COUNT(__VA_ARGS__)
#endif

/* Variables: tensors with storage of their own, changed by soma_assign alone. */
typedef struct soma_variable_opts {
    const char *name;      /* copied; used in messages and state */
    int64_t requires_grad; /* default 0, as torch.tensor; parameters set it */
    soma_tensor *scope_of; /* live as long as this tensor's scope; default: the innermost scope */
    uint64_t reserved[4];
} soma_variable_opts;
/* A variable with the shape and dtype of `initial`, which is its first value (recorded as an assign); as torch.nn.Parameter and Tensor.clone. */
SOMA_WITH_OPTS(soma_tensor *, soma_variable, (soma_tensor * initial), (initial), soma_variable_opts)
/* Records variable = value, as Tensor.copy_ under no_grad. Nodes recorded before read the old value, nodes after it the new one. SOMA_ERROR_SHAPE or
 * SOMA_ERROR_DTYPE unless those are equal, SOMA_ERROR_ARGUMENT for what is no variable. */
SOMA_API soma_status soma_assign(soma_tensor *variable, soma_tensor *value);
/* As soma_assign from numel elements of the user's memory, copied at the call; bytes must be exactly numel * element size, else SOMA_ERROR_SHAPE. */
SOMA_API soma_status soma_assign_from(soma_tensor *variable, const void *data, size_t bytes);
/* Makes a variable read another one's memory, which may be another context's and must live as long: for using one copy of weights in many threads. It
 * is read only from then on. SOMA_ERROR_ARGUMENT unless shape and dtype are equal, or for a variable that requires a gradient. */
SOMA_API soma_status soma_variable_share(soma_tensor *variable, soma_tensor *from);
/* Gives a variable another name, which is copied; a module does so with what is added to it. */
SOMA_API soma_status soma_variable_rename(soma_tensor *variable, const char *name);
/* False for NULL, data and results of ops. */
SOMA_API bool soma_is_variable(const soma_tensor *x);

/* Reading evaluates what is pending, as one plan, and returns what goes wrong there, too (SOMA_ERROR_RANGE of an index, SOMA_ERROR_MEMORY,
 * SOMA_ERROR_CANCELLED). SOMA_ERROR_STATE for an interior value, which is not held. A value that an evaluation's error kept from being
 * computed is computed by the next reading. */
/* Copies all elements out in C order; bytes must be exactly numel * element size, else SOMA_ERROR_ARGUMENT. */
SOMA_API soma_status soma_read(soma_tensor *x, void *out, size_t bytes);
/* The value of a tensor with one element, as torch.Tensor.item; SOMA_ERROR_SHAPE for another count. */
SOMA_API soma_status soma_item(soma_tensor *x, double *out);
/* A direct pointer in C order, valid until the scope closes or the variable is assigned. */
SOMA_API soma_status soma_data(soma_tensor *x, const void **out);
/* Evaluates all that is pending. */
SOMA_API soma_status soma_eval(soma_context *ctx);
/* Evaluates x and returns a tensor of the same value without history. */
SOMA_API soma_tensor *soma_keep(soma_tensor *x);

/* For authors of modules: what is recorded between begin and end is interior: used by later nodes, but not held for reading, so that
 * it needs no memory of its own. soma_interior_end returns x, which is held again. Pairs nest. */
SOMA_API void soma_interior_begin(soma_context *ctx);
SOMA_API soma_tensor *soma_interior_end(soma_context *ctx, soma_tensor *x);

/* Prints the plan of what is pending into a string: for each step the ops that are computed in one pass, the kernel, what it reads and what it leaves
 * where (in the slab, and until which step; held for reading; in a variable), as if it were evaluated now: gradients that nobody has cleared are held
 * in it. *text is freed with soma_text_free. */
SOMA_API soma_status soma_explain(soma_context *ctx, char **text);
/* Frees the text of soma_explain and soma_program_explain. NULL is allowed. */
SOMA_API void soma_text_free(soma_context *ctx, char *text);

#endif
