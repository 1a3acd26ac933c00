/* What an optimizer is: groups of settings, parameters with state, and one row of functions for its kind. */
#ifndef SOMA_SRC_OPTIM_OPTIM_H
#define SOMA_SRC_OPTIM_OPTIM_H

#include "soma/capture.h"
#include "soma/ops.h"
#include "soma/optim.h"

#define SOMA__OPTIM_STATES 2
#define SOMA__OPTIM_HYPER 12

typedef struct soma__group {
    double lr, value[6]; /* settings, as the kind reads them */
    int64_t flags;
    struct soma__group *next;
} soma__group;

typedef struct soma__param {
    soma_tensor *tensor, *state[SOMA__OPTIM_STATES];
    soma__group *group;
    int64_t steps;
    struct soma__optim_kind const *kind;
    struct soma__param *next;
} soma__param;

typedef struct soma__optim_kind {
    const char *name;
    const char *states[SOMA__OPTIM_STATES];
    int (*n_states)(const soma__group *g);
    /* Fills the numbers of step p->steps (1, 2, ...). */
    void (*prepare)(const soma__param *p, double *numbers);
    soma_status (*record)(soma__param *p, soma_tensor *grad, soma_tensor *hyper);
} soma__optim_kind;

struct soma_optim {
    soma_context *ctx;
    soma_scope *scope; /* where it lives, and its parameters at least as long */
    const soma__optim_kind *kind;
    soma__group *groups, **groups_end;
    soma__param *params, **params_end;
    size_t count;
};

soma_optim *soma__optim_new(soma_context *ctx, const soma__optim_kind *kind);
/* Copies the group and takes the parameters. */
soma_status soma__optim_add(soma_optim *o, soma_tensor *const *params, size_t count, const soma__group *group);
/* b^n for n >= 0 in float64, by repeated squaring: the same everywhere. */
double soma__optim_power(double b, int64_t n);

#endif
