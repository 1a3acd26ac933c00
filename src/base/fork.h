/* Knowing that the process was forked, without a system call: threads and locks of the parent are not there in the child. */
#ifndef SOMA_SRC_BASE_FORK_H
#define SOMA_SRC_BASE_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint64_t soma__fork_count;

/* Starts counting; false when out of memory. May be called any number of times. */
bool soma__fork_watch(void);
/* How often this process is a fork of a fork since counting began: another number than before means to be the child. */
static inline uint64_t soma__forks(void) { return atomic_load_explicit(&soma__fork_count, memory_order_relaxed); }

#endif
