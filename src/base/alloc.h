/* Allocation through the user's allocator: every block of the library comes from here, so that a test can count and fail each. */
#ifndef SOMA_SRC_BASE_ALLOC_H
#define SOMA_SRC_BASE_ALLOC_H

#include "soma/base.h"

/* The C library's aligned allocator. */
extern const soma_allocator soma__default_allocator;

/* NULL when out of memory; size 0 gives a valid block. Alignment is 64 bytes. Not zeroed. */
void *soma__alloc(const soma_allocator *a, size_t size);
/* As soma__alloc, zeroed. */
void *soma__calloc(const soma_allocator *a, size_t size);
/* NULL is allowed. size is what was asked for. */
void soma__free(const soma_allocator *a, void *memory, size_t size);
/* Grows a block, keeping the first old_size bytes; on failure the old block stays and NULL is returned. */
void *soma__regrow(const soma_allocator *a, void *memory, size_t old_size, size_t new_size);

#endif
