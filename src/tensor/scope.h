/* Scopes as arenas: memory is taken in chunks, handed out by a moving pointer, and given back all at once. Chunks return to the context, so that
 * a loop that opens and closes a scope allocates nothing after its first turns (Apache's pools work so). */
#ifndef SOMA_SRC_TENSOR_SCOPE_H
#define SOMA_SRC_TENSOR_SCOPE_H

#include "base/alloc.h"
#include "tensor/tensor.h"

typedef struct soma__chunk {
    struct soma__chunk *next;
    size_t size, used; /* of the bytes after this header */
    uint64_t pad[5];   /* keeps the bytes 64-aligned */
} soma__chunk;

/* Chunks not in use, of one context. */
typedef struct soma__chunks {
    const soma_allocator *alloc;
    soma__chunk *free;
} soma__chunks;

/* Called when the scope closes, last registered first. */
typedef struct soma__cleanup {
    void (*fn)(void *arg);
    void *arg;
    struct soma__cleanup *next;
} soma__cleanup;

struct soma_scope {
    soma_context *ctx;
    soma_scope *parent;
    soma__chunks *chunks;
    soma__chunk *head;
    soma__variable *variables;
    soma__cleanup *cleanups;
    int depth;
};

void soma__scope_init(soma_scope *s, soma_context *ctx, soma_scope *parent, soma__chunks *chunks);
/* align is a power of two up to 64. NULL when out of memory. */
void *soma__scope_alloc(soma_scope *s, size_t size, size_t align);
bool soma__scope_cleanup(soma_scope *s, void (*fn)(void *), void *arg);
/* Takes a registered cleanup away again. */
void soma__scope_forget(soma_scope *s, void (*fn)(void *), void *arg);
/* Runs cleanups, frees variables, gives chunks back (poisoned in debug builds). */
void soma__scope_release(soma_scope *s);
void soma__chunks_free(soma__chunks *c);

#endif
