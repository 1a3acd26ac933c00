/* Training by a recipe: what `soma train` does, as a call. */
#ifndef SOMA_TRAIN_H
#define SOMA_TRAIN_H

#include "soma/model.h"

/* Where a run is; given after each step. */
typedef struct soma_progress {
    int64_t epoch, epochs; /* this one, from 1; of how many */
    int64_t step, steps;   /* this one, from 1; in an epoch */
    int64_t samples;       /* learned from in this epoch, */
    int64_t epoch_samples; /* of how many */
    int64_t epoch_ends;    /* nonzero: the epoch is over, and the next two are its */
    double test_loss, accuracy;
    double loss;          /* mean of this epoch's samples so far */
    double seconds;       /* of this call, without the making of the data */
    double mae, rmse, r2; /* at an epoch's end, of models that predict numbers; accuracy is NaN then, and these are NaN for others */
} soma_progress;

typedef struct soma_train_opts {
    /* the folder that relative data paths start from; default: the current one */
    const char *data;
    /* the run's folder: model.safetensors, metrics.jsonl, checkpoint.safetensors are written into it; made when it is not there; default: nothing is
     * written */
    const char *out;
    /* nonzero: goes on from out's checkpoint where there is one; its recipe must be this one */
    int64_t resume;
    /* called once when data and model are there and the folder is ours, before the first step; another status than SOMA_OK ends the run */
    soma_status (*started)(void *user);
    /* called once before `started`, with the data that the recipe names */
    void (*described)(void *user, const soma_dataset *train, const soma_dataset *test);
    /* called after each step from the calling thread */
    void (*progress)(void *user, const soma_progress *p);
    void *user;
    /* polled after each step: nonzero ends the run with a checkpoint */
    const volatile int *stop;
    /* nonzero: batches are made by the calling thread; the same batches */
    int64_t no_prefetch;
    /* seconds between two checkpoints within an epoch; default: 10 */
    soma_optional checkpoint_seconds;
    uint64_t reserved[4];
} soma_train_opts;

typedef struct soma_train_result {
    soma_model *model;                /* of the innermost scope */
    int64_t stopped;                  /* nonzero: by `stop`, before the last epoch's end */
    int64_t epochs;                   /* done, those before a resume counted */
    double loss, test_loss, accuracy; /* of the last whole epoch */
    double seconds;                   /* of this call's steps and tests */
    double mae, rmse, r2;             /* of models that predict numbers; else NaN */
    int64_t best_epoch;               /* with patience: whose weights the model has, and whose scores these are; else 0 */
} soma_train_result;

/* The plan of the recipe's training step as text (soma_text_free): see soma_explain. */
SOMA_API soma_status soma_train_explain(soma_recipe *recipe, const char *data, char **text);

/* Memory of a training step, in bytes: what a run takes through the context's allocator, from when its data is there to the end of a step. Memory of
 * the data set, of the tests between epochs and of files is not in it, nor what libraries take for themselves. */
typedef struct soma_train_bytes {
    int64_t weights;   /* parameters and buffers */
    int64_t optimizer; /* what the optimizer keeps beside, and gradients where it keeps them from step to step (lbfgs) */
    int64_t copies;    /* averages, and the best weights so far */
    int64_t values;    /* the slab: intermediate values, their gradients, scratch of kernels */
    int64_t batches;   /* two, of which one is filled meanwhile, and the order of samples */
    int64_t rest;      /* records: layers, the plan, held results */
    int64_t total;     /* the sum */
    int64_t data;      /* beside: what the data sets hold in memory */
} soma_train_bytes;
/* Plans the recipe's training step, which is not run, and counts. Errors as soma_train's. */
SOMA_API soma_status soma_train_memory(soma_recipe *recipe, const char *data, soma_train_bytes *out);

/* Trains a recipe's model. Stopped and resumed at any step it gives the bytes of an uninterrupted run. A loss that is no finite number ends the run
 * with SOMA_ERROR_NONFINITE, the step, and what to try; files then are those of the last epoch. SOMA_ERROR_STATE: another process uses the folder,
 * the checkpoint is another recipe's, or there is one and `resume` was not asked for. Else the errors of data, recipe and files. */
SOMA_WITH_OPTS(soma_status, soma_train, (soma_recipe * recipe, soma_train_result *result), (recipe, result), soma_train_opts)

#endif
