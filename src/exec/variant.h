/* A captured body for one set of input shapes, and for parameters that have a gradient already or not. */
#ifndef SOMA_SRC_EXEC_VARIANT_H
#define SOMA_SRC_EXEC_VARIANT_H

#include "exec/run.h"

/* A random op's place in its stream, from where the run begins. */
typedef struct soma__draw {
    soma_tensor *position;
    size_t stream; /* index into the context's streams */
    uint64_t from;
} soma__draw;

/* A leaf whose gradient the body asks for or changes: whether there is one before a run, and after it. */
typedef struct soma__grad_change {
    soma_tensor *leaf;
    bool before, after;
} soma__grad_change;

typedef struct soma__variant {
    soma_scope memory; /* records, leaves, results */
    soma__plan *plan;
    soma_tensor **inputs, **outputs;
    soma__hook *hooks;
    size_t n_hooks, hooks_capacity;
    soma__draw *draws; /* in the order of recording */
    size_t n_draws;
    uint64_t *takes; /* counters that a run takes of each stream */
    size_t n_takes;
    soma__grad_change *grads;
    size_t n_grads;
    int *input_binds; /* binds whose memory is an input slot's: the bind and the slot */
    int n_input_binds;
    bool ran; /* the outputs are those of a run */
} soma__variant;

/* What a body needs to be recorded. */
typedef struct soma__recipe {
    soma_scope *owner;
    soma_body body;
    void *user;
    const soma_slot *slots;
    size_t n_in, n_out;
} soma__recipe;

/* Records and plans the body, with the context's own work set aside. NULL with an error pending. */
soma__variant *soma__variant_capture(soma_context *ctx, const soma__recipe *r);
void soma__variant_free(soma_context *ctx, soma__variant *v);
bool soma__variant_has_shapes(const soma__variant *v, const soma_slot *slots, size_t n);
/* Have the leaves a gradient or not, as at the capture? */
bool soma__variant_has_grads(const soma__variant *v);
/* Runs it on input memory data[0..]. An error leaves the host's state as it was before what did not run. */
soma_status soma__variant_run(soma_context *ctx, soma__variant *v, const void *const *data);

#endif
