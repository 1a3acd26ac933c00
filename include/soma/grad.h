/* Gradients, as torch.autograd. */
#ifndef SOMA_GRAD_H
#define SOMA_GRAD_H

#include "soma/tensor.h"

/* Asks for gradients of a variable (or a tensor just made from data), as Tensor.requires_grad_. SOMA_ERROR_DTYPE unless floating,
 * SOMA_ERROR_STATE for a result of an op. */
SOMA_API soma_status soma_requires_grad(soma_tensor *x, bool on);
/* Tensor.requires_grad: x was asked for, or was made of something that was. */
SOMA_API bool soma_tensor_requires_grad(const soma_tensor *x);

/* Adds d(loss)/d(p) to the gradient of every leaf p that requires it, as Tensor.backward(gradient=seed). seed NULL means 1 and needs a loss of
 * one element; else it has the loss's shape and dtype. May be called again on the same loss. SOMA_ERROR_SHAPE for another seed, SOMA_ERROR_STATE
 * when nothing below requires a gradient, or a parameter was assigned after the forward pass. */
SOMA_API soma_status soma_backward(soma_tensor *loss, soma_tensor *seed);
/* The accumulated gradient of a leaf, as Tensor.grad; NULL while there is none (no error). Held for reading. */
SOMA_API soma_tensor *soma_tensor_grad(soma_tensor *p);
/* Replaces the gradient (clipping does so), as p.grad = gradient; NULL takes it away. SOMA_ERROR_SHAPE unless of p's shape and dtype. */
SOMA_API soma_status soma_set_grad(soma_tensor *p, soma_tensor *gradient);
/* Takes the gradients away, as zero_grad(set_to_none=True). Called right after an optimizer's step it lets the plan update a weight inside its
 * gradient's kernel. */
SOMA_API soma_status soma_zero_grad(soma_tensor *const *params, size_t count);

typedef struct soma_grad_opts {
    soma_tensor *const *seeds; /* one per output, or NULL: ones, for outputs of one element */
    int64_t allow_unused;      /* default 0: an input that no output depends on is an error; else its gradient is NULL */
    uint64_t reserved[4];
} soma_grad_opts;
/* Gradients of the sum of outputs with respect to inputs, as torch.autograd.grad(create_graph=True): they are ordinary nodes, so gradients of
 * gradients work. Nothing is accumulated. gradients[i] has the shape and dtype of inputs[i]. SOMA_ERROR_STATE for an input that no output depends on
 * (see allow_unused). */
SOMA_WITH_OPTS(soma_status, soma_grad,
               (soma_tensor *const *outputs, size_t n_outputs, soma_tensor *const *inputs, size_t n_inputs, soma_tensor **gradients),
               (outputs, n_outputs, inputs, n_inputs, gradients), soma_grad_opts)

/* Between begin and end nothing asks for gradients, as torch.no_grad(). Pairs nest. */
SOMA_API void soma_no_grad_begin(soma_context *ctx);
SOMA_API void soma_no_grad_end(soma_context *ctx);
/* False between begin and end, as torch.is_grad_enabled(). */
SOMA_API bool soma_grad_enabled(const soma_context *ctx);
/* The same value without history, as Tensor.detach. Shares memory. */
SOMA_API soma_tensor *soma_detach(soma_tensor *x);

/* An op defined outside the library. Operands are dense, in C order. */
typedef struct soma_custom_operand {
    void *data;
    const int64_t *shape;
    int64_t ndim;
    int64_t numel;
    soma_dtype dtype;
} soma_custom_operand;

/* What torch.autograd.Function is to PyTorch. */
typedef struct soma_custom_def {
    const char *name; /* in messages and plans */
    /* Fills the result's shape (ndim at most SOMA_MAX_DIMS) and dtype from the inputs, or raises an error by soma_error_raise. */
    soma_status (*shape)(void *user, soma_tensor *const *inputs, size_t n, int64_t *shape, int64_t *ndim, soma_dtype *dtype);
    /* Computes the result. Runs whenever the value is needed, possibly again, with the same result for the same inputs. */
    soma_status (*forward)(void *user, const soma_custom_operand *inputs, size_t n, soma_custom_operand *output);
    /* Records the inputs' gradients with public ops: gradients[i] is NULL on entry and may stay so. NULL: no gradient. */
    soma_status (*gradient)(void *user, soma_tensor *const *inputs, size_t n, soma_tensor *output, soma_tensor *grad_output, soma_tensor **gradients);
    void *user; /* passed to each */
} soma_custom_def;
/* Registers a definition (copied; user must outlive the context) and returns its number, negative on error. */
SOMA_API int64_t soma_custom_register(soma_context *ctx, const soma_custom_def *def);
/* Records the custom op `number` on 1 to 4 inputs. SOMA_ERROR_ARGUMENT for another count or number, and what its shape function raises. */
SOMA_API soma_tensor *soma_custom(soma_context *ctx, int64_t number, soma_tensor *const *inputs, size_t n);

#endif
