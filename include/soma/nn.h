/* Modules, as torch.nn. A module belongs to the scope that is innermost when it is made, and so do its parameters. */
#ifndef SOMA_NN_H
#define SOMA_NN_H

#include "soma/ops.h"

/* As torch.nn.Module. */
typedef struct soma_module soma_module;

/* The result of a module for x, as module(x); NULL with an error pending, also when x or the result of a forward function is NULL without one. */
SOMA_API soma_tensor *soma_forward(soma_module *m, soma_tensor *x);
/* Train or eval mode of a module and all inside it, as Module.train(on). Modules are made in train mode. A captured program keeps the modes that its
 * modules had when its body ran; running it in another is SOMA_ERROR_STATE. A pending error does not hinder it, so that a mode can be put back. */
SOMA_API soma_status soma_module_train(soma_module *m, bool on);
/* The context that made it. NULL for NULL. */
SOMA_API soma_context *soma_module_context(const soma_module *m);
/* Module.training; false for NULL. */
SOMA_API bool soma_module_is_training(const soma_module *m);

/* y = x W^T + b for x [..., in], as torch.nn.Linear. weight [out, in] and bias [out] are drawn from U(-1/sqrt(in), 1/sqrt(in)), as PyTorch's; the
 * numbers are not. SOMA_ERROR_ARGUMENT unless in and out are 1 or more, SOMA_ERROR_DTYPE unless floating; forward: SOMA_ERROR_SHAPE for another
 * number of features. */
typedef struct soma_linear_opts {
    int64_t no_bias; /* nonzero: bias=False */
    int64_t dtype;   /* a soma_dtype, default SOMA_F32 */
    uint64_t reserved[4];
} soma_linear_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_linear, (soma_context * ctx, int64_t in_features, int64_t out_features), (ctx, in_features, out_features),
               soma_linear_opts)

/* Modules one after another; keys "0.weight", "1.bias", ... as torch.nn.Sequential. A NULL among them is SOMA_ERROR_ARGUMENT
 * (or the error that made it NULL). None: the identity. */
SOMA_API soma_module *soma_nn_sequential(soma_context *ctx, soma_module *const *modules, size_t count);
/* SOMA_MODULES(a, b, c) stands for the two arguments modules, count. */
#ifdef __cplusplus
#define SOMA_MODULES(...) soma__array_of<soma_module *>(__VA_ARGS__).at(), sizeof(soma__counted(__VA_ARGS__))
#else
#define SOMA_MODULES(...) ((soma_module *[]){__VA_ARGS__}), (sizeof((soma_module *[]){__VA_ARGS__}) / sizeof(soma_module *))
#endif

/* Activations: soma_nn_relu(ctx), soma_nn_leaky_relu(ctx, negative_slope), ..., as the rows of activations.def. Results have x's shape. */
#define MODULE0(name, doc) SOMA_API soma_module *soma_nn_##name(soma_context *ctx);
#define ACTIVATION0(name, doc) SOMA_API soma_module *soma_nn_##name(soma_context *ctx);
#define ACTIVATION1(name, a, otherwise, doc) SOMA_API soma_module *soma_nn_##name(soma_context *ctx, double a);
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) SOMA_API soma_module *soma_nn_##name(soma_context *ctx, double a, double b);
#include "soma/activations.def"
#undef MODULE0
#undef ACTIVATION0
#undef ACTIVATION1
#undef ACTIVATION2
/* torch.nn.PReLU(count, init): x above 0, else weight * x; the parameter weight [count] starts as init (PyTorch's defaults are 1 and 0.25). count is
 * 1 or the number of channels (dimension 1). SOMA_ERROR_ARGUMENT for a count below 1. */
SOMA_API soma_module *soma_nn_prelu(soma_context *ctx, int64_t count, double init);
/* torch.nn.RReLU(lower, upper): slopes are drawn in train mode; their mean in eval mode. Needs lower <= upper. */
SOMA_API soma_module *soma_nn_rrelu(soma_context *ctx, double lower, double upper);
/* torch.nn.Flatten(): [N, rest]. torch.nn.Softmax(dim), LogSoftmax(dim), Softmin(dim), GLU(dim): a dim outside the input's is SOMA_ERROR_ARGUMENT
 * in forward. */
SOMA_API soma_module *soma_nn_flatten(soma_context *ctx);
SOMA_API soma_module *soma_nn_softmax(soma_context *ctx, int64_t dim);
SOMA_API soma_module *soma_nn_log_softmax(soma_context *ctx, int64_t dim);
SOMA_API soma_module *soma_nn_softmin(soma_context *ctx, int64_t dim);
SOMA_API soma_module *soma_nn_glu(soma_context *ctx, int64_t dim);
/* torch.nn.Dropout(p), p in [0, 1], else SOMA_ERROR_ARGUMENT; the identity in eval mode. */
SOMA_API soma_module *soma_nn_dropout(soma_context *ctx, double p);
/* Changes a dropout's p, also for programs that are captured already. SOMA_ERROR_ARGUMENT for another module or p. */
SOMA_API soma_status soma_nn_dropout_set(soma_module *m, double p);
/* torch.nn.AlphaDropout(p), p in [0, 1], else SOMA_ERROR_ARGUMENT; the identity in eval mode. */
SOMA_API soma_module *soma_nn_alpha_dropout(soma_context *ctx, double p);

/* torch.nn.LayerNorm(normalized_shape): over the last ndim dimensions, of this shape. weight [shape] starts as ones, bias as zeros.
 * SOMA_ERROR_ARGUMENT without a shape; forward: SOMA_ERROR_SHAPE for another one. */
typedef struct soma_layer_norm_opts {
    soma_optional eps;          /* default 1e-5 */
    int64_t no_affine, no_bias; /* default off: with weight and bias */
    uint64_t reserved[4];
} soma_layer_norm_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_layer_norm, (soma_context * ctx, const int64_t *shape, int64_t ndim), (ctx, shape, ndim), soma_layer_norm_opts)
/* torch.nn.BatchNorm1d(features) for [N, features] or [N, features, L]: by the batch in train mode, which moves running_mean and running_var
 * (buffers), by these in eval mode. num_batches_tracked (int64) counts the batches. SOMA_ERROR_ARGUMENT for features below 1 or a momentum outside
 * [0, 1]; forward: SOMA_ERROR_SHAPE for another number, and for training on one value. */
typedef struct soma_batch_norm_opts {
    soma_optional eps, momentum;   /* default 1e-5, 0.1 */
    int64_t no_affine, no_running; /* default off: with weight and bias, with running statistics */
    uint64_t reserved[4];
} soma_batch_norm_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_batch_norm_1d, (soma_context * ctx, int64_t features), (ctx, features), soma_batch_norm_opts)

/* torch.nn.Embedding(classes, features): rows by int64 numbers; the weight [classes, features] is drawn from a standard normal distribution.
 * padding_idx: the row starts as zeros and gets no gradient. SOMA_ERROR_ARGUMENT for sizes below 1 or a padding_idx outside the classes. */
typedef struct soma_embedding_opts {
    soma_optional padding_idx; /* default: none */
    uint64_t reserved[4];
} soma_embedding_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_embedding, (soma_context * ctx, int64_t classes, int64_t features), (ctx, classes, features),
               soma_embedding_opts)
/* torch.nn.Unflatten(dim, sizes); count sizes, copied. */
SOMA_API soma_module *soma_nn_unflatten(soma_context *ctx, int64_t dim, const int64_t *sizes, int64_t count);
/* x + m(x), the block of residual networks (He et al. 2016); the child's name is "0". */
SOMA_API soma_module *soma_nn_residual(soma_context *ctx, soma_module *m);
/* Several modules on the same input, their results joined along dim; children "0", "1", ... */
SOMA_API soma_module *soma_nn_parallel(soma_context *ctx, soma_module *const *modules, size_t count, int64_t dim);

/* A module from a forward function: result of x, NULL after an error. Parameters and children are added after it is made. */
typedef soma_tensor *(*soma_forward_fn)(void *user, soma_module *self, soma_tensor *x);
/* name (copied) stands in messages, NULL: "module". forward must not be NULL: SOMA_ERROR_ARGUMENT. */
SOMA_API soma_module *soma_nn_module(soma_context *ctx, const char *name, soma_forward_fn forward, void *user);
/* Registers a part under a name (copied), as register_parameter, register_buffer, add_module. The variable's own name becomes its state key, as
 * "0.weight"; parts of a module that is added get the longer ones. Parameters are asked for gradients, buffers are not. SOMA_ERROR_ARGUMENT: no name,
 * an empty one, one with a dot or a taken one, NULL, no variable, a module that contains this one, or what lives in a scope inside the module's. */
SOMA_API soma_status soma_module_add_parameter(soma_module *m, const char *name, soma_tensor *variable);
SOMA_API soma_status soma_module_add_buffer(soma_module *m, const char *name, soma_tensor *variable);
SOMA_API soma_status soma_module_add_child(soma_module *m, const char *name, soma_module *child);

/* The child of a name, as get_submodule; NULL when there is none. */
SOMA_API soma_module *soma_module_child(const soma_module *m, const char *name);

/* All parameters in PyTorch's order (a module's own before its children's), each once, as Module.parameters(); the array belongs to the innermost
 * scope. */
SOMA_API soma_status soma_module_parameters(soma_module *m, soma_tensor *const **params, size_t *count);
/* The state_dict: a module's parameters, its buffers, then the same of each child; what is shared has several keys. Key i is written into `key` (cut
 * if it does not fit); NULL tensor and SOMA_ERROR_RANGE beyond the last. */
SOMA_API size_t soma_module_state_count(const soma_module *m);
SOMA_API soma_status soma_module_state(soma_module *m, size_t i, char *key, size_t key_size, soma_tensor **tensor);

#endif
