/* What a run is, for the files that make its parts. */
#ifndef SOMA_SRC_TRAIN_TRAINER_H
#define SOMA_SRC_TRAIN_TRAINER_H

#include "soma/state.h"
#include "soma/train.h"
#include "train/model.h"

/* Numbers of the host that a checkpoint holds. */
enum {
    EPOCH,
    STEP,
    SEEN,
    BAD,
    EARLY,
    BEST_EPOCH,
    AVERAGED,
    INTEGERS
}; /* BAD: epochs without a better loss; EARLY: the run ended by that; AVERAGED: how often */
enum { LOSS_SUM, LOSS, TEST_LOSS, ACCURACY, MAE, RMSE, R2, RATE, NUMBERS };

/* Copies of a module's state under other names, held by the state tree: averages, or the best so far. */
typedef struct soma__copies {
    soma_tensor **from, **to;
    size_t n;
} soma__copies;

/* Settings that change a step, beside loss and optimizer. */
typedef struct soma__regular {
    double clip, l1, max_norm, gradient_noise, input_noise, mixup, cutmix;
    double step, lambda; /* read by the step: its number, and the share of a sample itself in mixup and cutmix; */
    float *mask;         /* of cutmix: 1 where a picture is its own */
} soma__regular;

typedef struct soma__trainer {
    soma_context *ctx;
    soma_recipe *recipe;
    soma_train_opts o;
    soma_model *model;
    soma_dataset *train, *test;
    soma_loader *loader;
    soma_optim *optim;
    soma_tensor *const *params;
    size_t n_params;
    soma__regular regular;
    bool by_closure; /* the optimizer evaluates as often as it wants */
    int average;     /* none, ema, swa */
    double decay;
    soma__copies averages, best;
    soma_program *program;
    soma_schedule *schedule;
    bool by_step;
    soma_plateau plateau;
    bool watches; /* the plateau */
    soma_state *state;
    int64_t integers[INTEGERS], epochs, epoch_samples, patience;
    double numbers[NUMBERS], best_numbers[NUMBERS];
    char *metrics; /* lines so far */
    size_t metrics_bytes, metrics_room;
    double started, saved;
    int64_t bytes_data, bytes_loader; /* what they took */
    bool stopped;
} soma__trainer;

double soma__train_setting(const soma__trainer *t, const char *key);
/* Reads the settings of a step; captures it. */
soma_status soma__make_step(soma__trainer *t, int64_t batch);
/* One step; the loss of its samples goes to *loss. */
soma_status soma__run_step(soma__trainer *t, const soma_batch *b, double *loss);

/* Averages and best weights, as the recipe wants them: makes their variables and lists them in the state. */
soma_status soma__make_copies(soma__trainer *t);
/* At an epoch's end: the average of SWA moves on. */
soma_status soma__move_average(soma__trainer *t);
/* Exchanges weights and averages; nothing where there are none. */
soma_status soma__swap_averages(soma__trainer *t);
/* Looks at the epoch's test loss. *better: the weights now are the best so far, and kept. */
soma_status soma__keep_best(soma__trainer *t, bool *better);
/* The best weights and their scores come back. */
soma_status soma__restore_best(soma__trainer *t);

#endif
