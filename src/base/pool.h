/* A pool of threads that belongs to one context: the caller and its workers claim pieces of a job from one counter. */
#ifndef SOMA_SRC_BASE_POOL_H
#define SOMA_SRC_BASE_POOL_H

#include "soma/base.h"

typedef struct soma__pool soma__pool;

/* `slot` is 0 for the caller and 1.. for the workers: an index for scratch memory, never for results. */
typedef void (*soma__piece_fn)(void *arg, int64_t piece, int slot);

/* threads >= 1 counts the caller. Threads start at the first parallel use. Returns SOMA_ERROR_MEMORY when out of memory. */
soma_status soma__pool_create(const soma_allocator *alloc, int threads, soma__pool **out);
void soma__pool_destroy(soma__pool *pool);
int soma__pool_threads(const soma__pool *pool); /* NULL pool: 1 */

/* Calls fn for every piece in [0, pieces), in any order, on any thread, and returns when all are done. work_ns is the estimated time
 * of the whole job on one thread: small jobs run on the caller alone, and a sleeping worker is woken for large ones only. With one
 * thread (or a NULL pool) no system call is made and no lock taken. */
void soma__pool_run(soma__pool *pool, soma__piece_fn fn, void *arg, int64_t pieces, double work_ns);

#endif
