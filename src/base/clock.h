/* Time for measuring; no result depends on it. */
#ifndef SOMA_SRC_BASE_CLOCK_H
#define SOMA_SRC_BASE_CLOCK_H

#include <time.h>

/* Seconds from some moment on. */
static inline double soma__seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
