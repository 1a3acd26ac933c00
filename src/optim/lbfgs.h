#ifndef SOMA_SRC_OPTIM_LBFGS_H
#define SOMA_SRC_OPTIM_LBFGS_H

#include "optim/optim.h"

/* What a line search looks at: f and its slope at x + t d. */
typedef struct soma__line {
    /* Loss and gradient at x + t d. */
    soma_status (*at)(void *user, double t, double *loss, double *gradient);
    void *user;
    const double *d;
    size_t n;
    double *room[4]; /* n numbers each */
} soma__line;
/* The strong Wolfe conditions, with c1 = 1e-4 and c2 = 0.9. *t: the first step, then the one that was found; *loss and gradient: those at 0, then
 * those there. At most `most` evaluations behind the first; *evaluations counts
 * all. */
soma_status soma__wolfe(const soma__line *l, double *t, double *loss, double *gradient, double slope, double tolerance, int64_t most,
                        int64_t *evaluations);
double soma__dot(const double *a, const double *b, size_t n);
double soma__largest(const double *a, size_t n);

#endif
