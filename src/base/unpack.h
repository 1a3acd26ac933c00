/* zlib, with the user's allocator. */
#ifndef SOMA_SRC_BASE_UNPACK_H
#define SOMA_SRC_BASE_UNPACK_H

#if SOMA_HAVE_ZLIB
#include "base/alloc.h"

#include <string.h>
#include <zlib.h>

/* zlib's free is told no size: it stands before the block. */
static inline void *soma__z_alloc(void *user, unsigned n, unsigned size) {
    size_t bytes = (size_t)n * size + 64;
    char *m = soma__alloc(user, bytes);
    if (m) memcpy(m, &bytes, sizeof bytes);
    return m ? m + 64 : NULL;
}
static inline void soma__z_free(void *user, void *memory) {
    size_t bytes;
    memcpy(&bytes, (char *)memory - 64, sizeof bytes);
    soma__free(user, (char *)memory - 64, bytes);
}

#endif
#endif
