/* The ops: functions that record one node (or a few) and return its tensor. Every call given NULL returns NULL, with
 * SOMA_ERROR_ARGUMENT unless an error is pending already (a call given nothing but NULL has no context to tell); wrong shapes and dtypes are errors
 * at the call. The list with a sentence each is ops.def. */
#ifndef SOMA_OPS_H
#define SOMA_OPS_H

#include "soma/tensor.h"

/* Which dimensions a reduction takes. No dims: all of them. */
typedef struct soma_reduce_opts {
    int64_t ndims; /* how many of dims count */
    int64_t dims[SOMA_MAX_DIMS];
    int64_t keepdim;          /* nonzero: reduced dimensions stay with size 1 */
    soma_optional correction; /* var and std: the divisor is n - correction; default 1 */
    uint64_t reserved[4];
} soma_reduce_opts;
/* `.dims` and `.ndims` of a soma_reduce_opts: &(soma_reduce_opts){SOMA_DIMS(0, -1), .keepdim = 1}. C++ before C++20 has no such initialisers;
 * soma_over(0, -1) gives the struct. */
#define SOMA_DIMS(...) .ndims = SOMA__COUNT(__VA_ARGS__), .dims = {__VA_ARGS__}
#ifdef __cplusplus
template <class... A> soma_reduce_opts soma_over(A... dims) {
    soma_reduce_opts o = soma_reduce_opts();
    const int64_t given[] = {static_cast<int64_t>(dims)...};
    o.ndims = static_cast<int64_t>(sizeof...(A));
    for (size_t i = 0; i < sizeof...(A) && i < SOMA_MAX_DIMS; i++) o.dims[i] = given[i];
    return o;
}
#endif

/* SOMA_NONE: a loss for each element (or row). SOMA_BATCHMEAN: kl_div's alone. */
typedef enum soma_reduction { SOMA_MEAN = 0, SOMA_SUM = 1, SOMA_NONE = 2, SOMA_BATCHMEAN = 3 } soma_reduction;
/* Options of the losses of losses.def, which says which of them each reads, and their defaults. */
typedef struct soma_loss_opts {
    int64_t reduction;       /* default SOMA_MEAN */
    soma_tensor *weight;     /* a factor of each class [C], or of each element; NULL: ones */
    soma_tensor *pos_weight; /* broadcasts with the target; NULL: ones */
    soma_optional margin, beta, delta, p, eps;
    soma_optional ignore_index;                  /* a class that gives no loss; default -100 */
    int64_t log_target, plain_input, full, swap; /* flags, default off */
    uint64_t reserved[4];
} soma_loss_opts;

/* Options of convolutions, PyTorch's. Of each list the first number stands for the dimensions whose own is 0, but for padding and output_padding. */
typedef struct soma_conv_opts {
    int64_t stride[3];         /* default 1 */
    int64_t padding[3];        /* zeros on both sides of each dimension; default 0 */
    int64_t dilation[3];       /* default 1 */
    int64_t groups;            /* default 1 */
    int64_t same;              /* nonzero: padding='same', for stride 1; of an odd padding the greater part is behind */
    int64_t output_padding[3]; /* of transposed convolutions; default 0 */
    int64_t fast_math;         /* nonzero: Winograd's larger tiles, of 4x4 results, where its smaller ones are the rule; less exact. With either, a
                                  number that is not finite spreads over its tile, and sums overflow earlier */
    uint64_t reserved[4];
} soma_conv_opts;

/* Options of pools and of unfold and fold, PyTorch's. Of stride and dilation the first number stands for the dimensions whose own is 0. */
typedef struct soma_pool_opts {
    int64_t kernel[3];        /* of dimensions whose size is another than the argument; default: the argument */
    int64_t stride[3];        /* default: the kernel's sizes (unfold and fold: 1) */
    int64_t padding[3];       /* on both sides of each dimension, as {1, 1}, of pools at most half of the kernel; default 0 */
    int64_t dilation[3];      /* of max pools, unfold and fold; default 1 */
    int64_t ceil_mode;        /* nonzero: windows that reach over the end count, too */
    int64_t no_count_pad;     /* of averages; nonzero: count_include_pad=False */
    int64_t divisor_override; /* of averages; default: the elements of the window */
    uint64_t reserved[4];
} soma_pool_opts;

/* What lies around a padded tensor: a number, the tensor mirrored without its edge, its edge, or the tensor once more. */
typedef enum soma_pad_mode { SOMA_PAD_CONSTANT = 0, SOMA_PAD_REFLECT = 1, SOMA_PAD_REPLICATE = 2, SOMA_PAD_CIRCULAR = 3 } soma_pad_mode;

/* LINEAR is torch's linear, bilinear and trilinear, by the input's dimensions. */
typedef enum soma_interpolation { SOMA_INTERPOLATE_NEAREST = 0, SOMA_INTERPOLATE_LINEAR = 1 } soma_interpolation;
/* Options of interpolate, PyTorch's: either sizes or scale factors; the first one stands for the dimensions whose own is 0. */
typedef struct soma_interpolate_opts {
    int64_t size[3];
    double scale_factor[3];
    int64_t mode;          /* a soma_interpolation; default nearest */
    int64_t align_corners; /* of LINEAR; nonzero: the corners' centres stay where they are */
    uint64_t reserved[4];
} soma_interpolate_opts;

#define UNARY(name, kind, doc) SOMA_API soma_tensor *soma_##name(soma_tensor *x);
#define BINARY(name, kind, doc) SOMA_API soma_tensor *soma_##name(soma_tensor *a, soma_tensor *b);
#define OP(name, params, doc) SOMA_API soma_tensor *soma_##name params;
#define INNER(name, doc)
#define COMPOSITE(name, params, doc) SOMA_API soma_tensor *soma_##name params;
#define OP_WITH(name, params, args, opts, doc) SOMA_WITH_OPTS(soma_tensor *, soma_##name, params, args, opts)
#define COMPOSITE_WITH OP_WITH
#include "soma/ops.def"
#undef UNARY
#undef BINARY
#undef OP
#undef INNER
#undef COMPOSITE

/* torch.nn.functional.cross_entropy. input [N, C, ...] logits (or [C]); target int64 class numbers [N, ...], or probabilities of input's shape
 * and dtype. A class outside [0, C) that is not ignore_index is SOMA_ERROR_RANGE when evaluated, targets without classes at
 * the call. */
typedef struct soma_cross_entropy_opts {
    soma_tensor *weight;           /* [C], input's dtype; NULL: all ones */
    int64_t reduction;             /* default SOMA_MEAN: divided by the weights of the targets that count */
    soma_optional ignore_index;    /* default -100 */
    soma_optional label_smoothing; /* default 0, in [0, 1] */
    uint64_t reserved[4];
} soma_cross_entropy_opts;
SOMA_WITH_OPTS(soma_tensor *, soma_cross_entropy, (soma_tensor * input, soma_tensor *target), (input, target), soma_cross_entropy_opts)

/* One step of an optimizer as one node: parameter and state variables are overwritten. hyper is a 1-d tensor of the parameter's dtype, usually
 * borrowed from the optimizer, with its numbers at the places below. Written for soma/optim.h; open for optimizers of your own. SOMA_ERROR_SHAPE or
 * SOMA_ERROR_DTYPE for what does not fit the parameter, SOMA_ERROR_ARGUMENT for other flags or one tensor in two places. */
enum {
    SOMA_SGD_LR,
    SOMA_SGD_MU,       /* momentum */
    SOMA_SGD_UNDAMPED, /* 1 - dampening */
    SOMA_SGD_WEIGHT_DECAY,
    SOMA_SGD_SIGN,  /* 1, or -1 to maximize */
    SOMA_SGD_FIRST, /* not 0: momentum starts as the gradient */
    SOMA_SGD_NUMBERS
};
enum { SOMA_SGD_NESTEROV = 1, SOMA_SGD_MOMENTUM = 2, SOMA_SGD_DECAY = 4 }; /* flags: what is used */
/* torch.optim.SGD. momentum may be NULL. */
SOMA_API soma_status soma_sgd_update(soma_tensor *param, soma_tensor *momentum, soma_tensor *grad, soma_tensor *hyper, int64_t flags);
enum {
    SOMA_ADAM_STEP, /* lr / bias_correction1 */
    SOMA_ADAM_BETA1,
    SOMA_ADAM_BETA1_REST, /* 1 - beta1 */
    SOMA_ADAM_BETA2,
    SOMA_ADAM_BETA2_REST, /* 1 - beta2 */
    SOMA_ADAM_ROOT_BIAS2, /* sqrt(bias_correction2) */
    SOMA_ADAM_EPS,
    SOMA_ADAM_WEIGHT_DECAY,
    SOMA_ADAM_SHRINK, /* 1 - lr * weight_decay */
    SOMA_ADAM_SIGN,   /* 1, or -1 to maximize */
    SOMA_ADAM_NUMBERS
};
enum { SOMA_ADAM_DECOUPLED = 1, SOMA_ADAM_DECAY = 4 }; /* flags: AdamW's decay; is there any */
/* torch.optim.Adam, AdamW. */
SOMA_API soma_status soma_adam_update(soma_tensor *param, soma_tensor *exp_avg, soma_tensor *exp_avg_sq, soma_tensor *grad, soma_tensor *hyper,
                                      int64_t flags);

/* For tools: how many ops have a number, and the name of one; "" for another number. */
SOMA_API int64_t soma_op_count(void);
SOMA_API const char *soma_op_name(int64_t op);

#endif
