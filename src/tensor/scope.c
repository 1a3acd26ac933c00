#include "tensor/scope.h"

#include <string.h>

#define CHUNK_SIZE ((size_t)64 * 1024 - sizeof(soma__chunk))

void soma__scope_init(soma_scope *s, soma_context *ctx, soma_scope *parent, soma__chunks *chunks) {
    memset(s, 0, sizeof *s);
    s->ctx = ctx;
    s->parent = parent;
    s->chunks = chunks;
    s->depth = parent ? parent->depth + 1 : 0;
}

/* The smallest free chunk that is large enough, or a new one. */
static soma__chunk *take_chunk(soma__chunks *c, size_t size) {
    soma__chunk **best = NULL;
    for (soma__chunk **p = &c->free; *p; p = &(*p)->next)
        if ((*p)->size >= size && (!best || (*p)->size < (*best)->size)) best = p;
    /* A chunk much too large is left for what needs it: else steady loops would trade chunks and allocate again. */
    if (best && (*best)->size <= 4 * size) {
        soma__chunk *chunk = *best;
        *best = chunk->next;
        return chunk;
    }
    soma__chunk *chunk = soma__alloc(c->alloc, sizeof *chunk + size);
    if (chunk) chunk->size = size;
    return chunk;
}

/* Four sizes between a power of two and the next: chunks of tensors that grow a little each turn fit the next turns', too. */
static size_t rounded(size_t size) {
    size_t step = (size_t)1 << (61 - __builtin_clzll((unsigned long long)size));
    return (size + step - 1) & ~(step - 1);
}

static void *grow(soma_scope *s, size_t size) {
    size_t want = size > CHUNK_SIZE / 4 ? rounded(size) : CHUNK_SIZE;
    soma__chunk *chunk = take_chunk(s->chunks, want);
    if (!chunk) return NULL;
    chunk->used = size;
    if (want != CHUNK_SIZE && s->head) { /* a large block of its own goes behind the chunk in use */
        chunk->next = s->head->next;
        s->head->next = chunk;
    } else {
        chunk->next = s->head;
        s->head = chunk;
    }
    return chunk + 1;
}

void *soma__scope_alloc(soma_scope *s, size_t size, size_t align) {
    if (size > SIZE_MAX / 2) return NULL;
    if (s->head) {
        size_t at = (s->head->used + align - 1) & ~(align - 1);
        if (at <= s->head->size && size <= s->head->size - at) {
            s->head->used = at + size;
            return (char *)(s->head + 1) + at;
        }
    }
    return grow(s, size);
}

bool soma__scope_cleanup(soma_scope *s, void (*fn)(void *), void *arg) {
    soma__cleanup *c = soma__scope_alloc(s, sizeof *c, 8);
    if (!c) return false;
    *c = (soma__cleanup){fn, arg, s->cleanups};
    s->cleanups = c;
    return true;
}

void soma__scope_forget(soma_scope *s, void (*fn)(void *), void *arg) {
    for (soma__cleanup **p = &s->cleanups; *p; p = &(*p)->next)
        if ((*p)->fn == fn && (*p)->arg == arg) {
            *p = (*p)->next;
            return;
        }
}

void soma__scope_release(soma_scope *s) {
    while (s->cleanups) {
        soma__cleanup *c = s->cleanups;
        s->cleanups = c->next;
        c->fn(c->arg);
    }
    for (soma__variable *v = s->variables; v; v = v->next) {
        if (!v->shared) soma__free(s->chunks->alloc, v->tensor->data, v->bytes);
        soma__free(s->chunks->alloc, v->name, v->name_bytes);
        soma__free(s->chunks->alloc, v->packed.memory, v->packed.bytes);
    }
    s->variables = NULL;
    while (s->head) {
        soma__chunk *chunk = s->head;
        s->head = chunk->next;
#ifdef SOMA_DEBUG
        memset(chunk + 1, 0xA5, chunk->size);
#endif
        chunk->next = s->chunks->free;
        s->chunks->free = chunk;
    }
}

void soma__chunks_free(soma__chunks *c) {
    while (c->free) {
        soma__chunk *chunk = c->free;
        c->free = chunk->next;
        soma__free(c->alloc, chunk, sizeof *chunk + chunk->size);
    }
}
