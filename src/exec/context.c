/* A context's life, and its scopes'. */
#include "exec/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/isa.h"
#include "base/options.h"
#include "base/processors.h"

#define MOST_THREADS 1024

static void *counting_alloc(void *user, size_t size, size_t align) {
    soma_context *ctx = user;
    void *memory = ctx->user_alloc.alloc(ctx->user_alloc.user, size, align);
    __atomic_add_fetch(&ctx->stats.allocations, 1, __ATOMIC_RELAXED); /* the loader's thread may allocate, too */
    if (!memory) return NULL;
    int64_t live = __atomic_add_fetch(&ctx->stats.live_bytes, (int64_t)size, __ATOMIC_RELAXED);
    int64_t peak = __atomic_load_n(&ctx->stats.peak_bytes, __ATOMIC_RELAXED);
    while (live > peak && !__atomic_compare_exchange_n(&ctx->stats.peak_bytes, &peak, live, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    return memory;
}

static void counting_free(void *user, void *memory, size_t size) {
    soma_context *ctx = user;
    __atomic_sub_fetch(&ctx->stats.live_bytes, (int64_t)size, __ATOMIC_RELAXED);
    ctx->user_alloc.free(ctx->user_alloc.user, memory, size);
}

static soma_status flush_all(soma_context *ctx) { return soma__exec_flush(ctx, INT32_MAX); }

/* The instruction set asked for, capped by SOMA_ISA and by the machine; -1 when a name is none. */
static int choose_isa(const char *asked) {
    const char *cap = getenv("SOMA_ISA");
    int best = cap && *cap ? soma__isa_from_name(cap) : soma__isa_best(), isa = asked ? soma__isa_from_name(asked) : best;
    if (best < 0 || isa < 0) return -1;
    best = soma__isa_cap(best);
    return isa > best ? best : soma__isa_cap(isa);
}

/* Threads asked for by the options, by SOMA_THREADS, or one per processor that the process may use; -1 for what is no such number. */
static int64_t choose_threads(int64_t asked) {
    const char *text = getenv("SOMA_THREADS");
    if (!asked && text && *text) {
        char *end;
        errno = 0;
        asked = strtoll(text, &end, 10);
        if (errno || *end || asked < 1) return -1;
    }
    if (!asked) {
        asked = soma__processors();
        return asked > MOST_THREADS ? MOST_THREADS : asked;
    }
    return asked < 1 || asked > MOST_THREADS ? -1 : asked;
}

static soma_status set_up(soma_context *ctx, const soma_context_opts *o) {
    const char *fuse = getenv("SOMA_FUSE");
    ctx->fuse = !o->no_fusion && !(fuse && strcmp(fuse, "0") == 0);
    const char *reference = getenv("SOMA_REFERENCE");
    ctx->reference = reference && strcmp(reference, "1") == 0;
    ctx->seed = o->seed;
    ctx->cancel = o->cancel;
    ctx->log = o->log;
    ctx->log_user = o->log_user;
    ctx->flush = flush_all;
    ctx->epoch = 1;
    ctx->stream = SOMA_STREAM_USER;
    ctx->isa = choose_isa(o->isa);
    int64_t n = choose_threads(o->threads);
    if (n < 0 || ctx->isa < 0) return SOMA_ERROR_ARGUMENT;
    ctx->plans = soma__calloc(&ctx->alloc, sizeof *ctx->plans);
    if (!ctx->plans) return SOMA_ERROR_MEMORY;
    soma_status s = soma__pool_create(&ctx->alloc, (int)n, &ctx->pool);
    ctx->forks = soma__forks();
    ctx->plans->env = (soma__env){ctx->pool, ctx->isa, ctx->seed, ctx};
    return s;
}

soma_status soma_context_create_v(soma_context **out, const soma_context_opts *options, size_t size) {
    if (!out) return SOMA_ERROR_ARGUMENT;
    *out = NULL;
    soma_context_opts o;
    if (!soma__options_copy(&o, sizeof o, options, size)) return SOMA_ERROR_VERSION;
    if (o.allocator && (!o.allocator->alloc || !o.allocator->free)) return SOMA_ERROR_ARGUMENT;
    const soma_allocator *a = o.allocator ? o.allocator : &soma__default_allocator;
    soma_context *ctx = soma__calloc(a, sizeof *ctx);
    if (!ctx) return SOMA_ERROR_MEMORY;
    ctx->user_alloc = *a;
    ctx->alloc = (soma_allocator){counting_alloc, counting_free, ctx};
    ctx->chunks.alloc = &ctx->alloc;
    soma__scope_init(&ctx->root, ctx, NULL, &ctx->chunks);
    ctx->scope = &ctx->root;
    soma_status s = set_up(ctx, &o);
    if (s != SOMA_OK) {
        soma_context_free(ctx);
        return s;
    }
    soma__say(ctx, "soma %s: %s kernels, %d threads", soma_version(), soma__isa_name(ctx->isa), soma__pool_threads(ctx->pool));
    *out = ctx;
    return SOMA_OK;
}

/* Frees a scope other than the root. */
static void drop_scope(soma_context *ctx, soma_scope *s) {
    soma__grads_forget(ctx, s);
    ctx->scope = s->parent;
    soma__scope_release(s);
    s->parent = ctx->spare;
    ctx->spare = s;
}

void soma_context_free(soma_context *ctx) {
    if (!ctx) return;
    while (ctx->scope != &ctx->root) drop_scope(ctx, ctx->scope);
    soma__scope_release(&ctx->root);
    while (ctx->spare) {
        soma_scope *next = ctx->spare->parent;
        soma__free(&ctx->alloc, ctx->spare, sizeof *next);
        ctx->spare = next;
    }
    soma__plan_cache_free(ctx);
    soma__pool_destroy(ctx->pool);
    soma__tape_free(ctx);
    soma__free(&ctx->alloc, ctx->live_grads, ctx->live_capacity * sizeof *ctx->live_grads);
    soma__free(&ctx->alloc, ctx->found, ctx->found_capacity * sizeof *ctx->found);
    soma__free(&ctx->alloc, ctx->walk, ctx->walk_capacity * sizeof *ctx->walk);
    soma__free(&ctx->alloc, ctx->undos, ctx->undos_capacity * sizeof *ctx->undos);
    soma__free(&ctx->alloc, ctx->streams.list, ctx->streams.capacity * sizeof *ctx->streams.list);
    soma__free(&ctx->alloc, ctx->customs.defs, ctx->customs.capacity * sizeof *ctx->customs.defs);
    soma__chunks_free(&ctx->chunks);
    soma_allocator a = ctx->user_alloc;
    soma__free(&a, ctx, sizeof *ctx);
}

soma_scope *soma_scope_open(soma_context *ctx) {
    if (!ctx || !soma__ok(ctx)) return NULL;
    if (ctx->capturing) return soma_error_raise(ctx, SOMA_ERROR_STATE, "scope_open: no scope can be opened while a program is captured"), NULL;
    soma_scope *s = ctx->spare;
    if (s) ctx->spare = s->parent;
    else if (!(s = soma__alloc(&ctx->alloc, sizeof *s))) return soma__no_memory(ctx);
    soma__scope_init(s, ctx, ctx->scope, &ctx->chunks);
    ctx->scope = s;
    return s;
}

soma_status soma_scope_close(soma_scope *scope) {
    if (!scope) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = scope->ctx;
    if (scope == &ctx->root) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "scope_close: the context's own scope closes with soma_context_free");
    const soma_scope *open = ctx->scope;
    while (open && open != scope) open = open->parent;
    if (!open) return soma_error_raise(ctx, SOMA_ERROR_STATE, "scope_close: the scope is closed already; closing a scope closes those inside it");
    soma__exec_flush(ctx, scope->depth);
    if (ctx->capturing) return ctx->status;
    soma__tape_clear(ctx); /* after an error, too: its entries are about to be freed */
    while (ctx->scope != scope) drop_scope(ctx, ctx->scope);
    drop_scope(ctx, scope);
    return ctx->status;
}

soma_scope *soma_scope_innermost(const soma_context *ctx) { return ctx ? ctx->scope : NULL; }

bool soma_scope_encloses(const soma_scope *outer, const soma_scope *inner) {
    while (inner && inner != outer) inner = inner->parent;
    return outer && inner;
}

void *soma_scope_memory_in(soma_scope *scope, size_t size) {
    if (!scope || !soma__ok(scope->ctx)) return NULL;
    void *memory = soma__scope_alloc(scope, size, 64);
    if (!memory) return soma__no_memory(scope->ctx);
    return memset(memory, 0, size);
}
void *soma_scope_memory(soma_context *ctx, size_t size) { return ctx ? soma_scope_memory_in(ctx->scope, size) : NULL; }

soma_status soma_scope_defer(soma_context *ctx, void (*fn)(void *arg), void *arg) {
    if (!ctx || !fn) return SOMA_ERROR_ARGUMENT;
    if (!soma__ok(ctx)) return ctx->status;
    if (!soma__scope_cleanup(ctx->scope, fn, arg)) soma__no_memory(ctx);
    return ctx->status;
}

const soma_allocator *soma_context_allocator(const soma_context *ctx) { return ctx ? &ctx->alloc : NULL; }
const char *soma_context_isa(const soma_context *ctx) { return ctx ? soma__isa_name(ctx->isa) : ""; }
int64_t soma_context_threads(const soma_context *ctx) { return ctx ? soma__pool_threads(ctx->pool) : 0; }
uint64_t soma_initial_seed(const soma_context *ctx) { return ctx ? ctx->seed : 0; }

soma_status soma_manual_seed(soma_context *ctx, uint64_t seed) {
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (soma_eval(ctx) != SOMA_OK) return ctx->status; /* what was recorded draws from the old seed */
    ctx->seed = ctx->plans->env.seed = seed;
    for (size_t i = 0; i < ctx->streams.count; i++) ctx->streams.list[i].counter = 0;
    return SOMA_OK;
}

void soma_context_stats_sized(const soma_context *ctx, soma_stats *out, size_t size) {
    if (!ctx || !out) return;
    const soma_stats *c = &ctx->stats;
    const soma_stats now = {.plans_built = c->plans_built,
                            .plans_run = c->plans_run,
                            .allocations = __atomic_load_n(&c->allocations, __ATOMIC_RELAXED),
                            .slab_bytes = c->slab_bytes,
                            .nodes_recorded = c->nodes_recorded,
                            .kernels_run = c->kernels_run,
                            .live_bytes = __atomic_load_n(&c->live_bytes, __ATOMIC_RELAXED),
                            .peak_bytes = __atomic_load_n(&c->peak_bytes, __ATOMIC_RELAXED)};
    memset(out, 0, size);
    memcpy(out, &now, size < sizeof now ? size : sizeof now);
}
