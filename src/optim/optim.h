/* What an optimizer is: groups of settings, parameters with state, and one row of functions for its kind. */
#ifndef SOMA_SRC_OPTIM_OPTIM_H
#define SOMA_SRC_OPTIM_OPTIM_H

#include "soma/capture.h"
#include "soma/ops.h"
#include "soma/optim.h"

#define SOMA__OPTIM_STATES 3
#define SOMA__OPTIM_HYPER 12
#define SOMA__OPTIM_SETTINGS 8

/* A field of a kind's option struct; the row's order is that of optimizers.def. */
typedef enum soma__setting_type { SOMA__SETTING_NUMBER, SOMA__SETTING_OPTIONAL, SOMA__SETTING_FLAG } soma__setting_type;
typedef struct soma__setting {
    const char *name;
    size_t offset;
    soma__setting_type type;
    double otherwise, least, most;
    bool open_least, open_most;
} soma__setting;

typedef struct soma__group {
    double lr, initial_lr, value[SOMA__OPTIM_SETTINGS]; /* settings in the order of their rows */
    struct soma__group *next;
} soma__group;

typedef struct soma__param {
    soma_tensor *tensor, *state[SOMA__OPTIM_STATES];
    soma__group *group;
    int64_t steps;
    struct soma__optim_kind const *kind;
    int64_t product_steps; /* nadam: product is that of the first product_steps momenta */
    double product;
    struct soma__param *next;
} soma__param;

/* A recorded step of a parameter. A captured program may hold several steps of an optimizer, and reads each one's numbers at its runs. */
typedef struct soma__step {
    soma__param *p;
    soma_tensor *grad;
    double exact[SOMA__OPTIM_HYPER]; /* for float64 parameters */
    float rounded[SOMA__OPTIM_HYPER];
    soma_tensor *number[SOMA__OPTIM_HYPER]; /* 0-d tensors of them, where there are any */
} soma__step;
enum { SOMA__OPTIM_TINY = SOMA__OPTIM_HYPER - 2, SOMA__OPTIM_ZERO = SOMA__OPTIM_HYPER - 1 }; /* the last numbers: the smallest normal one, and 0 */

typedef struct soma__optim_kind {
    const char *name;
    const char *states[SOMA__OPTIM_STATES];
    /* Which states a group uses: bit k for states[k]. */
    unsigned (*uses)(const soma__group *g);
    /* Where the states begin; NULL: at 0. */
    double (*initial)(const soma__group *g, int state);
    /* Fills the numbers of step p->steps (1, 2, ...). */
    void (*prepare)(soma__param *p, double *numbers);
    soma_status (*record)(soma__step *s);
    /* What no range says; NULL: nothing. NULL as the result, or a sentence's end. */
    const char *(*wrong)(const soma__group *g);
    /* A step by a closure; NULL: one evaluation, and a step. */
    soma_status (*by_closure)(soma_optim *o, soma_closure closure, void *user, double *loss);
    /* Numbers of the host that are state; NULL: none. */
    bool (*numbers)(soma_optim *o, size_t i, const char **key, double **numbers, size_t *n);
} soma__optim_kind;

#define OPTIMIZER(name, lr, settings, doc) extern const soma__optim_kind soma__optim_##name;
#include "soma/optimizers.def"
#undef OPTIMIZER

struct soma_optim {
    soma_context *ctx;
    soma_scope *scope; /* where it lives, and its parameters at least as long */
    const soma__optim_kind *kind;
    soma__group *groups, **groups_end;
    soma__param *params, **params_end;
    size_t count;
    void *extra; /* of its kind */
};

soma_optim *soma__optim_new(soma_context *ctx, const soma__optim_kind *kind);
/* Copies the group and takes the parameters. */
soma_status soma__optim_add(soma_optim *o, soma_tensor *const *params, size_t count, const soma__group *group);
/* b^n for n >= 0 in float64, by repeated squaring: the same everywhere. */
double soma__optim_power(double b, int64_t n);

/* Steps written with ops; the planner makes one pass of them, over parameter, gradient and state. Numbers and states of a step, by their places: */
soma_tensor *soma__optim_number(soma__step *s, int i);
/* All numbers as one tensor, for ops that take them so. */
soma_tensor *soma__optim_numbers(soma__step *s);
/* The gradient with its sign (setting `maximize`) and, when `decay` is above 0, decay * parameter added. */
soma_tensor *soma__optim_gradient(soma__step *s, double maximize, double decay);
/* state = value, with 0 for what is below the smallest normal number, so that decaying state does not end in slow subnormals. */
void soma__optim_keep(soma__step *s, int state, soma_tensor *value);
/* a + w (b - a), torch.lerp */
soma_tensor *soma__optim_lerp(soma_tensor *a, soma_tensor *b, soma_tensor *w);
/* w a + v b b */
soma_tensor *soma__optim_mean_square(soma_tensor *a, soma_tensor *w, soma_tensor *b, soma_tensor *v);
/* parameter = parameter - change */
soma_status soma__optim_move(soma__step *s, soma_tensor *change);

#endif
