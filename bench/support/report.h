/* Samples, the table on stdout, and the JSON lines. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#define REPORT_MAX_BLOCKS 64

/* Milliseconds of a step, block by block. */
typedef struct samples {
    double ms[REPORT_MAX_BLOCKS];
    int count;
    bool failed;
} samples;

void samples_add(samples *s, double seconds);
double samples_min(const samples *s);
double samples_median(const samples *s);

/* One line of the table. Everything derived (GFLOP/s, fraction, ratio) is of the minima: other work on the machine only ever adds
 * time. */
typedef struct measured {
    const char *name, *way; /* the workload, and how it is done: "soma captured", "torch compile" */
    int threads;
    const samples *blocks;
    double flops, peak; /* of a step; GFLOP/s of one thread */
    bool ours;          /* only our lines have a ratio and a JSON line */
    const char *peer;   /* the best peer's way, NULL without one */
    const samples *of_peer;
} measured;

void report_heading(const char *name, const char *words);
void report_result(const measured *r, FILE *json);

#endif
