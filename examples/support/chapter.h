/* What the chapters share: a chapter makes claims, and ends with 1 when one does not hold. */
#ifndef CHAPTER_H
#define CHAPTER_H

#include <soma/soma.h>

#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Says a claim and whether it holds; the program ends when it does not. */
static inline void claim(int holds, const char *sentence) {
    printf("%s  %s\n", holds ? "holds: " : "FAILS: ", sentence);
    if (!holds) exit(1);
}

/* Ends the program with the context's sentence when an error is pending. */
static inline void fine(soma_context *ctx) {
    if (soma_error_status(ctx) == SOMA_OK) return;
    fprintf(stderr, "%s\n", soma_error_message(ctx));
    exit(1);
}

/* A context with a seed, or the program ends. */
static inline soma_context *begin(unsigned seed) {
    soma_context *ctx;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) exit(1);
    soma_manual_seed(ctx, seed);
    return ctx;
}

/* Writes the picture into the folder that was named, or here. */
static inline void finish(soma_context *ctx, plot *p, int argc, char **argv, const char *name) {
    fine(ctx);
    if (!plot_save(p, argc > 1 ? argv[1] : ".", name)) {
        fprintf(stderr, "the picture could not be written into %s\n", argc > 1 ? argv[1] : ".");
        exit(1);
    }
    soma_context_free(ctx);
}

#endif
