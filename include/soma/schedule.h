/* Learning rate schedules, as torch.optim.lr_scheduler: functions of how often they were stepped. They have no state, so a resumed run needs the
 * count alone; reduce-on-plateau, which looks at a metric, has, and is an object of its own. */
#ifndef SOMA_SCHEDULE_H
#define SOMA_SCHEDULE_H

#include "soma/optim.h"

/* Belongs to the innermost scope, as what it is made of must. */
typedef struct soma_schedule soma_schedule;

/* Constructors: NULL with SOMA_ERROR_ARGUMENT for a setting outside its range. base is the optimizer's own rate, t counts from 0. */
/* StepLR: base * gamma^floor(t / step_size); step_size 1 or more. */
SOMA_API soma_schedule *soma_schedule_step(soma_context *ctx, int64_t step_size, double gamma);
/* MultiStepLR: base * gamma^(how many milestones are at or before t); copied. */
SOMA_API soma_schedule *soma_schedule_multistep(soma_context *ctx, const int64_t *milestones, size_t count, double gamma);
/* ConstantLR: base * factor before total, then base. */
SOMA_API soma_schedule *soma_schedule_constant(soma_context *ctx, double factor, int64_t total);
/* LinearLR: base times a factor that goes from start to end within total (1 or more). A warm-up has a small start and the end 1. */
SOMA_API soma_schedule *soma_schedule_linear(soma_context *ctx, double start, double end, int64_t total);
/* ExponentialLR: base * gamma^t. */
SOMA_API soma_schedule *soma_schedule_exponential(soma_context *ctx, double gamma);
/* PolynomialLR: base * (1 - t / total)^power, 0 from total (1 or more) on; power 0 or more. */
SOMA_API soma_schedule *soma_schedule_polynomial(soma_context *ctx, int64_t total, double power);
/* CosineAnnealingLR: from base to eta_min within t_max (1 or more), and back; Loshchilov, Hutter 2017. */
SOMA_API soma_schedule *soma_schedule_cosine(soma_context *ctx, int64_t t_max, double eta_min);
/* CosineAnnealingWarmRestarts: from base to eta_min within t_0, then anew within t_0 t_mult, ...; both 1 or more. */
SOMA_API soma_schedule *soma_schedule_cosine_warm_restarts(soma_context *ctx, int64_t t_0, int64_t t_mult, double eta_min);

/* OneCycleLR; Smith, Topin 2018. */
typedef struct soma_one_cycle_opts {
    soma_optional pct_start, div_factor, final_div_factor; /* default 0.3, 25, 1e4 */
    int64_t linear, three_phase;                           /* default off: cosine, two phases */
    uint64_t reserved[4];
} soma_one_cycle_opts;
/* From max_lr / div_factor up to max_lr and down to the first / final_div_factor, within total (1 or more); the last rate stays. base is not looked
 * at. */
SOMA_WITH_OPTS(soma_schedule *, soma_schedule_one_cycle, (soma_context * ctx, double max_lr, int64_t total), (ctx, max_lr, total),
               soma_one_cycle_opts)

typedef enum soma_cycle { SOMA_TRIANGULAR, SOMA_TRIANGULAR2, SOMA_EXP_RANGE } soma_cycle;
/* CyclicLR: from base_lr to max_lr within up steps and back within down steps (1 or more); the height is halved each cycle (SOMA_TRIANGULAR2) or
 * times gamma^t (SOMA_EXP_RANGE); Smith 2017. base is not looked at. */
SOMA_API soma_schedule *soma_schedule_cyclic(soma_context *ctx, double base_lr, double max_lr, int64_t up, int64_t down, soma_cycle mode,
                                             double gamma);
/* SequentialLR: schedule k + 1 begins, with its own t = 0, at milestones[k]; count - 1 ascending milestones; copied. */
SOMA_API soma_schedule *soma_schedule_sequential(soma_context *ctx, soma_schedule *const *schedules, size_t count, const int64_t *milestones);
/* ChainedScheduler of schedules that scale base: their factors multiplied. */
SOMA_API soma_schedule *soma_schedule_chained(soma_context *ctx, soma_schedule *const *schedules, size_t count);

/* The rate at t (0 or more). NULL: base. */
SOMA_API double soma_schedule_at(const soma_schedule *s, double base, int64_t t);
/* Sets each group's learning rate to that of its own (the one that the group was added with) at t, times factor. Works on captured programs. */
SOMA_API soma_status soma_schedule_apply(const soma_schedule *s, soma_optim *optim, int64_t t, double factor);

/* ReduceLROnPlateau. The rate is multiplied by `factor` at each reduction; PyTorch's min_lr is the caller's, its eps is 0. */
typedef struct soma_plateau_opts {
    soma_optional factor, threshold; /* default 0.1, 1e-4 */
    soma_optional patience;          /* default 10 */
    int64_t cooldown;                /* default 0 */
    int64_t larger;                  /* nonzero: the metric is to grow (mode 'max') */
    int64_t absolute;                /* nonzero: threshold_mode 'abs' */
    uint64_t reserved[4];
} soma_plateau_opts;
/* What it has seen: these numbers are its state, to be saved and restored. Zeros at first. */
typedef struct soma_plateau {
    soma_plateau_opts opts;
    double seen, best, bad, cooling, reductions; /* 1 once a metric was seen; epochs without a better one; ...; how often the rate was reduced */
} soma_plateau;
/* Looks at a metric, as scheduler.step(metric); returns the factor of the rate from now on. NaN counts as no better one. */
SOMA_API double soma_plateau_step(soma_plateau *p, double metric);
/* The factor now. */
SOMA_API double soma_plateau_factor(const soma_plateau *p);

#endif
