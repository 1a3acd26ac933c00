/* How many processors this process may use. */
#ifndef SOMA_SRC_BASE_PROCESSORS_H
#define SOMA_SRC_BASE_PROCESSORS_H

#include <stdint.h>

/* 1 or more: those of its affinity mask where the system has one, else those that are online. */
int64_t soma__processors(void);

#endif
