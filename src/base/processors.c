#if defined(__linux__)
#define _GNU_SOURCE /* for sched_getaffinity */ // NOLINT(bugprone-reserved-identifier): the name is the C library's
#endif
#include "base/processors.h"

#if defined(__linux__)
#include <sched.h>
#endif
#include <unistd.h>

int64_t soma__processors(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? n : 1;
}
