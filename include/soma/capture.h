/* Captured programs: a step recorded once and run many times with new inputs, without recording, hashing or allocating. */
#ifndef SOMA_CAPTURE_H
#define SOMA_CAPTURE_H

#include "soma/tensor.h"

/* A captured step. */
typedef struct soma_program soma_program;

/* What an input slot holds. */
typedef struct soma_slot {
    int64_t shape[SOMA_MAX_DIMS];
    int64_t ndim;
    int64_t dtype; /* a soma_dtype, default SOMA_F32 */
} soma_slot;

/* Records the step: inputs are the slots' tensors; results go to outputs. Called once for each new set of input shapes, in the run that brings it.
 * Host branches and the modules' train or eval modes are those of the call. Returns SOMA_OK or an error of the context. */
typedef soma_status (*soma_body)(soma_context *ctx, void *user, soma_tensor *const *inputs, size_t n_inputs, soma_tensor **outputs, size_t n_outputs);

typedef struct soma_capture_opts {
    int64_t max_shapes; /* sets of input shapes kept, default 8; more is an error */
    uint64_t reserved[4];
} soma_capture_opts;

/* Makes a program of body, which is called by the first run (or soma_program_explain) with its input shapes, not here: user and what body uses must
 * live as long as the program. The program belongs to the innermost scope. `slots` is copied. NULL without a body or slots, inside a capture, for
 * a negative max_shapes or more than 2^20 outputs (SOMA_ERROR_ARGUMENT), or for a slot that no tensor can have (SOMA_ERROR_SHAPE, SOMA_ERROR_DTYPE);
 * the body's own errors come with that run. */
SOMA_WITH_OPTS(soma_program *, soma_capture,
               (soma_context * ctx, soma_body body, void *user, const soma_slot *slots, size_t n_inputs, size_t n_outputs),
               (ctx, body, user, slots, n_inputs, n_outputs), soma_capture_opts)
/* Gives slot i its data for the runs to come: memory in C order that is read during soma_program_run. Shape NULL: the slot's own; else the shape
 * replaces it (the rank stays), and a new set of shapes is captured at the next run. SOMA_ERROR_ARGUMENT for another slot, or NULL data;
 * SOMA_ERROR_SHAPE for a negative or too large size. */
SOMA_API soma_status soma_program_bind(soma_program *p, size_t i, const void *data, const int64_t *shape);
/* Runs the step once. SOMA_ERROR_STATE: a slot has no data, more sets of shapes than max_shapes, or a module's mode has changed; SOMA_ERROR_NONFINITE
 * by a guard; or the body's or a kernel's error. */
SOMA_API soma_status soma_program_run(soma_program *p);
/* Output i of the last run: data in C order, overwritten by the next run. SOMA_ERROR_STATE before the first run, or beyond the last output. */
SOMA_API soma_status soma_program_output(soma_program *p, size_t i, const void **data, int64_t *numel);
/* Output i of the last run as a number (one element). */
SOMA_API soma_status soma_program_item(soma_program *p, size_t i, double *out);
/* Bytes of the slab, the context's memory of intermediate values and scratch, when the next run is done: a run for new input shapes is planned for
 * that, and not run. All else that the run takes has been taken then. */
SOMA_API soma_status soma_program_slab(soma_program *p, int64_t *bytes);
/* Frees the program before its scope closes. NULL is allowed. */
SOMA_API void soma_program_free(soma_program *p);
/* The plan of the last run, or the first one to come, as text; see soma_explain. */
SOMA_API soma_status soma_program_explain(soma_program *p, char **text);

/* For authors of optimizers and schedules: calls fn(user) before each run of the program being captured, or at once when none is. What a step
 * changes on the host (a step count, a learning rate in borrowed memory) is changed there. If the run (or the evaluation of what is recorded now)
 * then fails, undo(user) takes the call back, so that a stopped step leaves everything as before it; NULL: nothing to take back. Both must stay
 * callable until the innermost scope closes. */
SOMA_API soma_status soma_on_run(soma_context *ctx, soma_status (*fn)(void *user), void (*undo)(void *user), void *user);
/* A number of the host that is read at each run: a 0-d float32 tensor over *value (borrowed), rounded once when read. */
SOMA_API soma_tensor *soma_host_scalar(soma_context *ctx, const double *value);
/* True while soma_capture records a body. */
SOMA_API bool soma_is_capturing(const soma_context *ctx);
/* Stops the run with SOMA_ERROR_NONFINITE, before any variable is changed, unless all elements of x are finite. */
SOMA_API soma_status soma_guard_finite(soma_tensor *x);

#endif
