/* Rosenblatt's perceptron: a weighted sum, a threshold, and his learning rule of 1958; and whether two classes can be parted by a hyperplane at all.
 */
#ifndef SOMA_PERCEPTRON_H
#define SOMA_PERCEPTRON_H

#include "soma/context.h"

typedef enum soma_perceptron_kind {
    SOMA_PERCEPTRON_PLAIN,   /* the last weights */
    SOMA_PERCEPTRON_POCKET,  /* the ones that were right most often over all samples; Gallant 1990 */
    SOMA_PERCEPTRON_AVERAGED /* the mean over all steps; Freund and Schapire 1999 */
} soma_perceptron_kind;

typedef struct soma_perceptron_opts {
    soma_perceptron_kind kind; /* default plain */
    int64_t max_epochs;        /* default 1000 */
    soma_optional lr;          /* default 1; weights begin as zeros, so it only scales them */
    int64_t shuffle;           /* nonzero: another order each epoch, by `seed` */
    uint64_t seed;
    uint64_t reserved[4];
} soma_perceptron_opts;

/* What was learned: class 1 where the sum of weights * x + bias is above 0. */
typedef struct soma_perceptron {
    double *weights, bias; /* [features]; of the innermost scope */
    int64_t features;
    int64_t epochs;    /* until one had no mistake, that one counted; else max_epochs */
    int64_t mistakes;  /* so many times the weights were changed */
    int64_t wrong;     /* samples that these weights get wrong */
    int64_t converged; /* nonzero: an epoch had no mistake */
} soma_perceptron;

/* Learns classes 0 and 1 of inputs [n, features] by the rule: for each sample on the wrong side (or on the line), weights += lr * sign * x and bias
 * += lr * sign. SOMA_ERROR_ARGUMENT for NULL, n or features below 1, a max_epochs below 0 or an lr that is not above 0; SOMA_ERROR_RANGE for another
 * class; SOMA_ERROR_NONFINITE for inputs that are no finite numbers. */
SOMA_WITH_OPTS(soma_status, soma_perceptron_fit,
               (soma_context * ctx, const float *inputs, const int64_t *classes, int64_t n, int64_t features, soma_perceptron *out),
               (ctx, inputs, classes, n, features, out), soma_perceptron_opts)
/* The class of a sample: 0 or 1. */
SOMA_API int64_t soma_perceptron_predict(const soma_perceptron *p, const float *x);

/* Whether a hyperplane parts the classes, with the proof. Samples are taken with a constant 1 for the bias and, of class 0, with the opposite sign:
 * the classes can be parted exactly when the convex hull of these points leaves out the origin. */
typedef struct soma_separability {
    int64_t separable;
    double *weights, bias; /* separable: of the hyperplane with the largest margin; else zeros */
    double margin; /* the least distance of a point from it (of the weights with the bias, at norm 1); the distance of the hull from the origin */
    double radius; /* the largest norm of a point */
    double bound;  /* Novikoff 1962: the rule makes at most (radius / margin)^2 mistakes; infinite where no hyperplane parts them */
    double *proof; /* not separable: shares [n] of the points, 0 or more with sum 1, whose mean is the origin within `residual`; else zeros */
    double residual;
} soma_separability;
/* Decides it by Wolfe's algorithm for the point of a polytope nearest to the origin (1976), which ends after finitely many steps; a margin below
 * 1e-12 of the radius counts as none. Errors as soma_perceptron_fit. */
SOMA_API soma_status soma_separable(soma_context *ctx, const float *inputs, const int64_t *classes, int64_t n, int64_t features,
                                    soma_separability *out);

#endif
