/* The work that is measured: one table, soma's way of doing each row, and the words that tell a peer to do the same. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MAX_LAYERS 4
#define BENCH_MAX_WAYS 4

typedef enum work_kind { WORK_TRAIN, WORK_INFER, WORK_MATMUL } work_kind;

typedef struct workload {
    const char *name, *words; /* words: for a reader */
    work_kind kind;
    bool one_thread; /* measured with one thread only */
    /* Networks. `batches` different batches take turns, as in real training, so that nothing can be kept of an input. */
    const char *activation, *optimizer;
    int64_t batch, batches, sizes[BENCH_MAX_LAYERS + 1], layers;
    /* Products: a is m x k, b is k x n, either one stored the other way round. */
    int64_t m, n, k;
    bool transpose_a, transpose_b;
} workload;

extern const workload bench_workloads[];
extern const size_t bench_workload_count;

/* Floating-point operations of a step: products only; the gradient of the input is not computed. */
double bench_flops(const workload *w);
/* "train relu sgd 32 4 784 128 10", "infer relu none 1 4 784 10", "matmul 128 512 784 0 1". */
void bench_spec(const workload *w, char *buffer, size_t size);

/* A workload ready to run. */
typedef struct bench_job bench_job;
/* NULL with a line on stderr when it cannot be made. */
bench_job *bench_job_open(const workload *w, int threads);
/* The ways soma does it, as "captured, loss read"; NULL beyond the last. */
const char *bench_job_way(const bench_job *j, int way);
/* Seconds of one step, the mean over a block of about `seconds`; the first block of a way finds its number of steps, warms up, and
 * is not to be counted. Negative after an error, which is printed. */
double bench_job_block(bench_job *j, int way, double seconds);
void bench_job_close(bench_job *j);

#endif
