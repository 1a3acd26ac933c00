/* Prints the multiply-add peak of this machine for the instruction set that soma uses (SOMA_ISA caps it): peak [threads]. */
#include <soma/soma.h>

#include "support/peak.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    soma_context *ctx;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = argc > 1 ? atoi(argv[1]) : 0}) != SOMA_OK) return 1;
    int threads = (int)soma_context_threads(ctx);
    printf("%s: %.1f GFLOP/s with 1 thread, %.1f with %d\n", soma_context_isa(ctx), bench_peak(soma_context_isa(ctx), 1, 0.3),
           bench_peak(soma_context_isa(ctx), threads, 0.3), threads);
    soma_context_free(ctx);
    return 0;
}
