/* Optimizers, as torch.optim, and gradient clipping, as torch.nn.utils. */
#ifndef SOMA_OPTIM_H
#define SOMA_OPTIM_H

#include "soma/grad.h"

/* As torch.optim.Optimizer. */
typedef struct soma_optim soma_optim;

/* The optimizers of optimizers.def. For each row, as for adam:
 *
 *   soma_optim *soma_optim_adam(ctx, params, count, lr, const soma_adam_opts *)          NULL: PyTorch's defaults
 *   soma_status soma_optim_adam_group(optim, params, count, lr, const soma_adam_opts *)  a further parameter group with settings of its own,
 *                                                                                        as add_param_group
 *
 * Settings with the default 0 are doubles (.weight_decay = 0.01), the others soma_optional (.beta1 = SOMA_SET(0.8)), flags int64_t (.maximize = 1).
 * Parameters are variables; they must outlive the optimizer, which belongs to the innermost scope. SOMA_ERROR_ARGUMENT: a setting outside its range,
 * a negative lr, another optimizer's group, a parameter that is NULL, no variable, there already, of another context, or of a scope inside the
 * optimizer's. */
#define NUMBER(name, doc) double name;
#define SETTING(name, otherwise, least, most, ends, doc) soma_optional name;
#define FLAG(name, doc) int64_t name;
#define OPTIMIZER(name, lr, settings, doc) \
    typedef struct soma_##name##_opts { \
        settings uint64_t reserved[4]; \
    } soma_##name##_opts;
#include "soma/optimizers.def"
#undef OPTIMIZER
#define OPTIMIZER(name, rate, settings, doc) \
    SOMA_WITH_OPTS(soma_optim *, soma_optim_##name, (soma_context * ctx, soma_tensor *const *params, size_t count, double lr), \
                   (ctx, params, count, lr), soma_##name##_opts) \
    SOMA_WITH_OPTS(soma_status, soma_optim_##name##_group, (soma_optim * optim, soma_tensor *const *params, size_t count, double lr), \
                   (optim, params, count, lr), soma_##name##_opts)
#include "soma/optimizers.def"
#undef OPTIMIZER
#undef NUMBER
#undef SETTING
#undef FLAG

/* Records one step for every parameter that has a gradient, as Optimizer.step. In a captured program the step count and the learning rate move on
 * with each run. */
SOMA_API soma_status soma_optim_step(soma_optim *optim);
/* Evaluates the loss anew, as the closure of Optimizer.step: takes the gradients away, records forward and backward passes (or runs a program of
 * them), and writes the loss's value. */
typedef soma_status (*soma_closure)(void *user, double *loss);
/* A step that may want several evaluations: L-BFGS's only way, for the others one evaluation and a soma_optim_step. All is evaluated when it returns;
 * the loss of the first evaluation goes to *loss unless NULL. After an error of the closure parameters are as before the step, and the estimate of
 * curvature begins anew. Not while a
 * program is captured: SOMA_ERROR_STATE. */
SOMA_API soma_status soma_optim_step_closure(soma_optim *optim, soma_closure closure, void *user, double *loss);
/* soma_zero_grad of all its parameters. Called right after the step it keeps gradients from being stored. */
SOMA_API soma_status soma_optim_zero_grad(soma_optim *optim);
/* The learning rate of a group (0, 1, ... as they were added; -1: all). Works on captured programs, too. SOMA_ERROR_ARGUMENT for a negative lr,
 * SOMA_ERROR_RANGE for another group. */
SOMA_API soma_status soma_optim_set_lr(soma_optim *optim, int64_t group, double lr);
/* -1: of the first group. 0 for another group. */
SOMA_API double soma_optim_get_lr(const soma_optim *optim, int64_t group);

/* State for checkpoints: variables (keys "0.momentum_buffer", "1.exp_avg", ... by parameter number), and the step count of each parameter. */
SOMA_API size_t soma_optim_state_count(const soma_optim *optim);
/* Variable i and its key; NULL and SOMA_ERROR_RANGE beyond the last. */
SOMA_API soma_status soma_optim_state(soma_optim *optim, size_t i, char *key, size_t key_size, soma_tensor **tensor);
/* Numbers of the host that are state, too (L-BFGS's): group i of them under its key, read and written in place. False beyond the last. */
SOMA_API bool soma_optim_numbers(soma_optim *optim, size_t i, const char **key, double **numbers, size_t *n);
/* The steps that a parameter has made; -1 beyond the last parameter. */
SOMA_API int64_t soma_optim_steps(const soma_optim *optim, size_t param);
/* For resuming: the next step is number steps + 1. SOMA_ERROR_RANGE beyond the last parameter, SOMA_ERROR_ARGUMENT below 0. */
SOMA_API soma_status soma_optim_set_steps(soma_optim *optim, size_t param, int64_t steps);

/* Scales all gradients so that their common norm is at most max_norm, as clip_grad_norm_: by min(1, max_norm / (norm + 1e-6)). The norm (0-d) goes to
 * *norm unless NULL; NULL goes there when no parameter has a gradient. */
SOMA_API soma_status soma_clip_grad_norm(soma_tensor *const *params, size_t count, double max_norm, soma_tensor **norm);
/* The same with a 0-d limit that may be a soma_host_scalar. */
SOMA_API soma_status soma_clip_grad_norm_by(soma_tensor *const *params, size_t count, soma_tensor *max_norm, soma_tensor **norm);
/* Clamps every gradient to [-value, value], as clip_grad_value_. */
SOMA_API soma_status soma_clip_grad_value(soma_tensor *const *params, size_t count, double value);
/* For after a step: scales each row (dimension 0) of every parameter of two or more dimensions so that its 2-norm is at most max_norm (above 0, else
 * SOMA_ERROR_ARGUMENT), as torch.renorm(p, 2, 0, max_norm); Srivastava et al. 2014. */
SOMA_API soma_status soma_max_norm(soma_tensor *const *params, size_t count, double max_norm);

#endif
