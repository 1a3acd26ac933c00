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
/* torch.nn.Dropout1d(p), Dropout2d, Dropout3d: whole channels of [N, C, L], [N, C, H, W], [N, C, D, H, W]. */
SOMA_API soma_module *soma_nn_dropout1d(soma_context *ctx, double p);
SOMA_API soma_module *soma_nn_dropout2d(soma_context *ctx, double p);
SOMA_API soma_module *soma_nn_dropout3d(soma_context *ctx, double p);
/* Changes p of any of these four, also for programs that are captured already. SOMA_ERROR_ARGUMENT for another module or p. */
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
/* LayerNorm over the channels of [N, channels, ...] alone, at each pixel: the LayerNorm2d of torchvision's ConvNeXt. weight [channels] starts as
 * ones, bias as zeros. SOMA_ERROR_ARGUMENT for channels below 1; forward: SOMA_ERROR_SHAPE for another number. */
SOMA_WITH_OPTS(soma_module *, soma_nn_layer_norm2d, (soma_context * ctx, int64_t channels), (ctx, channels), soma_layer_norm_opts)
/* torch.nn.BatchNorm1d(features) for [N, features] or [N, features, L], BatchNorm2d for [N, features, H, W], BatchNorm3d for [N, features, D, H, W]:
 * by the batch in train mode, which moves running_mean and running_var (buffers), by these in eval mode. num_batches_tracked (int64) counts the
 * batches. SOMA_ERROR_ARGUMENT for features below 1 or a momentum outside [0, 1]; forward: SOMA_ERROR_SHAPE for another number or other dimensions,
 * and for training on one value. */
typedef struct soma_batch_norm_opts {
    soma_optional eps, momentum;   /* default 1e-5, 0.1 */
    int64_t no_affine, no_running; /* default off: with weight and bias, with running statistics */
    uint64_t reserved[4];
} soma_batch_norm_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_batch_norm_1d, (soma_context * ctx, int64_t features), (ctx, features), soma_batch_norm_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_batch_norm_2d, (soma_context * ctx, int64_t features), (ctx, features), soma_batch_norm_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_batch_norm_3d, (soma_context * ctx, int64_t features), (ctx, features), soma_batch_norm_opts)
/* torch.nn.InstanceNorm1d(features) for [N, features, L], InstanceNorm2d, InstanceNorm3d: each channel of each sample by its own mean and variance.
 * As PyTorch's, they have neither parameters nor running statistics unless asked: with these, eval mode normalises by them, and train mode moves them
 * by the batch's mean of what its samples have. Errors as BatchNorm's. */
typedef struct soma_instance_norm_opts {
    soma_optional eps, momentum; /* default 1e-5, 0.1 */
    int64_t affine, running;     /* nonzero: affine=True, track_running_stats=True */
    uint64_t reserved[4];
} soma_instance_norm_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_instance_norm_1d, (soma_context * ctx, int64_t features), (ctx, features), soma_instance_norm_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_instance_norm_2d, (soma_context * ctx, int64_t features), (ctx, features), soma_instance_norm_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_instance_norm_3d, (soma_context * ctx, int64_t features), (ctx, features), soma_instance_norm_opts)
/* torch.nn.GroupNorm(groups, channels) for [N, channels, ...]. weight [channels] starts as ones, bias as zeros. SOMA_ERROR_ARGUMENT unless the groups
 * divide the channels; forward: SOMA_ERROR_SHAPE for another number of channels. */
typedef struct soma_group_norm_opts {
    soma_optional eps; /* default 1e-5 */
    int64_t no_affine; /* default off: with weight and bias */
    uint64_t reserved[4];
} soma_group_norm_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_group_norm, (soma_context * ctx, int64_t groups, int64_t channels), (ctx, groups, channels),
               soma_group_norm_opts)
/* torch.nn.LocalResponseNorm(channels) for [N, C, ...]: x / (k + alpha * mean of squares over this many neighbours) ^ beta. SOMA_ERROR_ARGUMENT for
 * a size below 1. */
typedef struct soma_local_response_norm_opts {
    soma_optional alpha, beta, k; /* default 1e-4, 0.75, 1 */
    uint64_t reserved[4];
} soma_local_response_norm_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_local_response_norm, (soma_context * ctx, int64_t channels), (ctx, channels), soma_local_response_norm_opts)

/* torch.nn.Conv1d(in, out, kernel), Conv2d, Conv3d for [N, in, L], [N, in, H, W], [N, in, D, H, W]. weight [out, in / groups, kernel...] and bias
 * [out] are drawn from U(-b, b) with b = 1 / sqrt(in / groups * the kernel's elements), as PyTorch's; the numbers are not. Of stride and dilation the
 * first number stands for the dimensions whose own is 0. SOMA_ERROR_ARGUMENT for sizes below 1, groups that do not divide the channels, 'same' with a
 * stride; SOMA_ERROR_DTYPE unless floating; forward: SOMA_ERROR_SHAPE for other channels and for images smaller than the kernel. */
typedef struct soma_conv_module_opts {
    int64_t kernel[3];         /* of dimensions whose size is another than the argument; default: the argument */
    int64_t stride[3];         /* default 1 */
    int64_t padding[3];        /* on both sides of each dimension, as {1, 1}; default 0 */
    int64_t dilation[3];       /* default 1 */
    int64_t groups;            /* default 1; groups = in: depth-wise */
    int64_t same;              /* nonzero: padding='same', for stride 1; of an odd padding the greater part is behind */
    int64_t output_padding[3]; /* of transposed convolutions; default 0 */
    int64_t padding_mode;      /* a soma_pad_mode; default SOMA_PAD_CONSTANT: zeros */
    int64_t no_bias;           /* nonzero: bias=False */
    int64_t dtype;             /* a soma_dtype, default SOMA_F32 */
    int64_t fast_math;         /* nonzero: as soma_conv_opts' */
    int64_t one_channel;       /* nonzero: inputs have no dimension for their one channel, as grey pictures [N, H, W], and get it */
    uint64_t reserved[4];
} soma_conv_module_opts;
SOMA_WITH_OPTS(soma_module *, soma_nn_conv1d, (soma_context * ctx, int64_t in_channels, int64_t out_channels, int64_t kernel),
               (ctx, in_channels, out_channels, kernel), soma_conv_module_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_conv2d, (soma_context * ctx, int64_t in_channels, int64_t out_channels, int64_t kernel),
               (ctx, in_channels, out_channels, kernel), soma_conv_module_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_conv3d, (soma_context * ctx, int64_t in_channels, int64_t out_channels, int64_t kernel),
               (ctx, in_channels, out_channels, kernel), soma_conv_module_opts)
/* torch.nn.ConvTranspose1d(in, out, kernel), 2d, 3d: weight [in, out / groups, kernel...], drawn with b = 1 / sqrt(out / groups * the kernel's
 * elements). Zeros alone are around them, and there is no 'same'; otherwise as the others. */
SOMA_WITH_OPTS(soma_module *, soma_nn_conv_transpose1d, (soma_context * ctx, int64_t in_channels, int64_t out_channels, int64_t kernel),
               (ctx, in_channels, out_channels, kernel), soma_conv_module_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_conv_transpose2d, (soma_context * ctx, int64_t in_channels, int64_t out_channels, int64_t kernel),
               (ctx, in_channels, out_channels, kernel), soma_conv_module_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_conv_transpose3d, (soma_context * ctx, int64_t in_channels, int64_t out_channels, int64_t kernel),
               (ctx, in_channels, out_channels, kernel), soma_conv_module_opts)

/* torch.nn.MaxPool1d(kernel), AvgPool1d(kernel), Unfold(kernel), Fold(sizes, kernel) and their kin, of the functions of the same names.
 * SOMA_ERROR_ARGUMENT for sizes below 1; forward: as the functions. */
SOMA_WITH_OPTS(soma_module *, soma_nn_max_pool1d, (soma_context * ctx, int64_t kernel), (ctx, kernel), soma_pool_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_max_pool2d, (soma_context * ctx, int64_t kernel), (ctx, kernel), soma_pool_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_max_pool3d, (soma_context * ctx, int64_t kernel), (ctx, kernel), soma_pool_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_avg_pool1d, (soma_context * ctx, int64_t kernel), (ctx, kernel), soma_pool_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_avg_pool2d, (soma_context * ctx, int64_t kernel), (ctx, kernel), soma_pool_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_avg_pool3d, (soma_context * ctx, int64_t kernel), (ctx, kernel), soma_pool_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_unfold, (soma_context * ctx, int64_t kernel), (ctx, kernel), soma_pool_opts)
SOMA_WITH_OPTS(soma_module *, soma_nn_fold, (soma_context * ctx, const int64_t *sizes, int64_t count, int64_t kernel), (ctx, sizes, count, kernel),
               soma_pool_opts)
/* torch.nn.AdaptiveAvgPool2d(sizes) and its kin: one size for all dimensions or one for each, as SOMA_SHAPE(7, 7); -1 keeps the input's.
 * SOMA_SHAPE(1) is global pooling. SOMA_ERROR_ARGUMENT for other counts and sizes. */
SOMA_API soma_module *soma_nn_adaptive_max_pool1d(soma_context *ctx, const int64_t *sizes, int64_t count);
SOMA_API soma_module *soma_nn_adaptive_max_pool2d(soma_context *ctx, const int64_t *sizes, int64_t count);
SOMA_API soma_module *soma_nn_adaptive_max_pool3d(soma_context *ctx, const int64_t *sizes, int64_t count);
SOMA_API soma_module *soma_nn_adaptive_avg_pool1d(soma_context *ctx, const int64_t *sizes, int64_t count);
SOMA_API soma_module *soma_nn_adaptive_avg_pool2d(soma_context *ctx, const int64_t *sizes, int64_t count);
SOMA_API soma_module *soma_nn_adaptive_avg_pool3d(soma_context *ctx, const int64_t *sizes, int64_t count);
/* torch.nn.ZeroPad2d(padding), ConstantPad2d(padding, value), ReflectionPad2d, ReplicationPad2d, CircularPad2d, and the same of one and three
 * dimensions: one size for all sides, or two for each dimension from the last on (left, right, top, bottom). SOMA_ERROR_ARGUMENT for another count;
 * forward: SOMA_ERROR_SHAPE for other dimensions and as soma_pad. */
#define SOMA__PADS(n) \
    SOMA_API soma_module *soma_nn_zero_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count); \
    SOMA_API soma_module *soma_nn_constant_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count, double value); \
    SOMA_API soma_module *soma_nn_reflection_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count); \
    SOMA_API soma_module *soma_nn_replication_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count); \
    SOMA_API soma_module *soma_nn_circular_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count);
SOMA__PADS(1)
SOMA__PADS(2)
SOMA__PADS(3)
#undef SOMA__PADS
/* torch.nn.Upsample. SOMA_ERROR_ARGUMENT unless there is either a size or a scale_factor; forward: as soma_interpolate. */
SOMA_WITH_OPTS(soma_module *, soma_nn_upsample, (soma_context * ctx), (ctx), soma_interpolate_opts)
/* torch.nn.PixelShuffle(factor), PixelUnshuffle(factor), ChannelShuffle(groups). SOMA_ERROR_ARGUMENT for a number below 1; forward: SOMA_ERROR_SHAPE
 * where it does not divide what it must. */
SOMA_API soma_module *soma_nn_pixel_shuffle(soma_context *ctx, int64_t factor);
SOMA_API soma_module *soma_nn_pixel_unshuffle(soma_context *ctx, int64_t factor);
SOMA_API soma_module *soma_nn_channel_shuffle(soma_context *ctx, int64_t groups);

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
/* shortcut(x) + m(x), where m changes the shape; children "0" (m) and "1". */
SOMA_API soma_module *soma_nn_residual_with(soma_context *ctx, soma_module *m, soma_module *shortcut);
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

/* Folds batch norms of m into the convolution, transposed convolution or linear layer right before them, as torch.nn.utils.fusion.fuse_conv_bn_eval
 * and fuse_linear_bn_eval: weight * s and (bias - running_mean) * s + beta, by output channel, with s = gamma / sqrt(running_var + eps), computed in
 * float64 and rounded once. Results are the same function, rounded differently; folding is for those who want a smaller file or fewer numbers,
 * since eval mode runs a norm in the convolution's pass anyway.
 * A layer without a bias gets one; weight and bias are new variables, so that captures made before go on with the old ones (capture again), and
 * optimizers know the old ones alone. The norm becomes the identity, in train mode, too, and has no parts; what is before it gives its results.
 * Right before: one after the other in sequential modules, also in nested ones. Left alone are layers and norms that are used twice in m, norms
 * without running statistics, of another dtype, dimension or number of channels, and what is at the ends of residual and parallel branches or in a
 * user's module: where an output may go elsewhere. A linear layer that took a norm over takes [N, in] alone from then on.
 * *folded (or NULL): how many. SOMA_ERROR_STATE in train mode, of m or a module in it, and inside a capture; after an error the module may be partly
 * folded, and computes the same function. */
SOMA_API soma_status soma_nn_fold_batch_norm(soma_module *m, int64_t *folded);

/* All parameters in PyTorch's order (a module's own before its children's), each once, as Module.parameters(); the array belongs to the innermost
 * scope. */
SOMA_API soma_status soma_module_parameters(soma_module *m, soma_tensor *const **params, size_t *count);
/* The state_dict: a module's parameters, its buffers, then the same of each child; what is shared has several keys. Key i is written into `key` (cut
 * if it does not fit); NULL tensor and SOMA_ERROR_RANGE beyond the last. */
SOMA_API size_t soma_module_state_count(const soma_module *m);
SOMA_API soma_status soma_module_state(soma_module *m, size_t i, char *key, size_t key_size, soma_tensor **tensor);

#endif
