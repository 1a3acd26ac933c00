/* A checksum of bytes, for files: what a disk or a careless hand altered. Not for enemies: they can compute it, too. */
#ifndef SOMA_SRC_BASE_HASH_H
#define SOMA_SRC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct soma__hash {
    uint64_t state, word; /* bytes that do not fill a word yet, */
    unsigned held;        /* so many */
} soma__hash;

void soma__hash_add(soma__hash *h, const void *data, size_t n);
/* The sum of all that was added: the same for any division into parts. */
uint64_t soma__hash_end(soma__hash *h);

#endif
