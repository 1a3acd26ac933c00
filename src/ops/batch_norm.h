/* The pieces of rows that sums over channels are taken in. */
#ifndef SOMA_SRC_OPS_BATCH_NORM_H
#define SOMA_SRC_OPS_BATCH_NORM_H

#include "ops/op.h"

#define SOMA__ROWS 336

#endif
