/* Contexts, scopes and errors: where work happens, how long things live, what went wrong. */
#ifndef SOMA_CONTEXT_H
#define SOMA_CONTEXT_H

#include "soma/base.h"

/* Threads, seed, plan cache, error state. Used by one host thread at a time (builds with SOMA_DEBUG answer another's call with SOMA_ERROR_STATE);
 * several contexts work side by side. */
typedef struct soma_context soma_context;
/* A stretch of work whose tensors are freed together. The context is the outermost one. */
typedef struct soma_scope soma_scope;
/* A value of the recorded graph; see tensor.h. Belongs to the scope that was innermost when it was made. */
typedef struct soma_tensor soma_tensor;

typedef struct soma_context_opts {
    /* default: the C library's; must outlive the context */
    const soma_allocator *allocator;
    /* default 0: the environment's SOMA_THREADS, or one per processor that the process may use; 1 never starts a thread */
    int64_t threads;
    /* default 0, as torch.manual_seed(0) in role; drawn values are not PyTorch's */
    uint64_t seed;
    /* "portable", "avx2", "avx512", "neon"; default: the best the machine has. The environment's SOMA_ISA caps both */
    const char *isa;
    /* polled between kernels until the first one that changes a variable; nonzero ends the evaluation with SOMA_ERROR_CANCELLED */
    const volatile int *cancel;
    /* gets a line (without a newline) for the kernels in use, each plan built, each set of shapes captured; default: none */
    void (*log)(void *user, const char *line);
    void *log_user;
    /* nonzero: every op runs alone, as the environment's SOMA_FUSE=0 does; the same bits, slower */
    int64_t no_fusion;
    uint64_t reserved[4];
} soma_context_opts;

/* Makes a context; NULL options: all defaults. On failure *out is NULL: SOMA_ERROR_ARGUMENT (an unknown isa, threads below 0 or above 1024, in the
 * options or in the environment's SOMA_ISA and SOMA_THREADS; an allocator without its two functions), SOMA_ERROR_MEMORY, SOMA_ERROR_VERSION. An isa
 * that the machine lacks becomes the best that it has. */
SOMA_API soma_status soma_context_create_v(soma_context **out, const soma_context_opts *options, size_t size);
static inline soma_status soma_context_create(soma_context **out, const soma_context_opts *options) {
    return soma_context_create_v(out, options, sizeof(soma_context_opts));
}
#ifdef __cplusplus
static inline soma_status soma_context_create(soma_context **out, const soma_context_opts &options) {
    return soma_context_create_v(out, &options, sizeof(soma_context_opts));
}
static inline soma_status soma_context_create(soma_context **out) { return soma_context_create_v(out, nullptr, sizeof(soma_context_opts)); }
#endif
/* Frees the context and all that belongs to it, open scopes included. NULL is allowed. */
SOMA_API void soma_context_free(soma_context *ctx);

/* The context's allocator: what is taken through it is counted in soma_stats. NULL for NULL. */
SOMA_API const soma_allocator *soma_context_allocator(const soma_context *ctx);
/* "portable", "avx2", "avx512" or "neon": the kernels in use. */
SOMA_API const char *soma_context_isa(const soma_context *ctx);
/* Threads that kernels may use, the caller's included: 1 or more. */
SOMA_API int64_t soma_context_threads(const soma_context *ctx);
/* Restarts all random streams from a seed, as torch.manual_seed. */
SOMA_API soma_status soma_manual_seed(soma_context *ctx, uint64_t seed);
/* The seed of the options or of the last soma_manual_seed, as torch.initial_seed. */
SOMA_API uint64_t soma_initial_seed(const soma_context *ctx);

/* Where random numbers come from: each purpose has a stream of its own, so that one more dropout changes neither the initial weights nor the order of
 * samples. A stream is the purpose and, shifted up by 8 bits, which of several it is (a dropout module: a hash of its path). */
typedef enum soma_stream {
    SOMA_STREAM_USER = 1,    /* what user code draws */
    SOMA_STREAM_SHUFFLE = 2, /* the order of samples */
    SOMA_STREAM_INIT = 3,    /* initial weights */
    SOMA_STREAM_DROPOUT = 4,
    SOMA_STREAM_AUGMENTATION = 5, /* changes to samples */
    SOMA_STREAM_SAMPLING = 6      /* draws from a model */
} soma_stream;
/* For authors of modules: random ops recorded from now on draw from this stream; returns the one before, to be put back. */
SOMA_API uint64_t soma_stream_use(soma_context *ctx, uint64_t stream);

/* For checkpoints: stream i that was drawn from, and its counter; false beyond the last. */
SOMA_API bool soma_random_position(const soma_context *ctx, size_t i, uint64_t *stream, uint64_t *counter);
/* Sets a stream's counter. */
SOMA_API soma_status soma_random_set(soma_context *ctx, uint64_t stream, uint64_t counter);

/* For authors of calls with option structs: copies `size` bytes of options (NULL: zeros) into the `known` bytes of *out, whose last 32 bytes are
 * reserved. False when an error is pending, or with SOMA_ERROR_VERSION when something is set that this library does not know; `call` stands in the
 * sentence. */
SOMA_API bool soma_options_read(soma_context *ctx, const char *call, void *out, size_t known, const void *options, size_t size);

/* Opens a scope inside the innermost one. NULL on error: one is pending, or SOMA_ERROR_MEMORY. */
SOMA_API soma_scope *soma_scope_open(soma_context *ctx);
/* Runs pending assigns to variables that outlive the scope, closes the scopes inside it, frees all that was recorded in it. SOMA_ERROR_STATE for a
 * scope that is closed. Frees even when it returns an error (of those assigns, or one that was pending). */
SOMA_API soma_status soma_scope_close(soma_scope *scope);

/* The scope that what is made now belongs to; NULL for NULL. */
SOMA_API soma_scope *soma_scope_innermost(const soma_context *ctx);
/* True when outer is inner, or around it: what belongs to outer lives at least as long. False for NULL. */
SOMA_API bool soma_scope_encloses(const soma_scope *outer, const soma_scope *inner);
/* For authors of modules and the like: zeroed memory that is freed with the innermost scope. NULL with the error pending when there is none. */
SOMA_API void *soma_scope_memory(soma_context *ctx, size_t size);
/* The same, freed with another open scope. */
SOMA_API void *soma_scope_memory_in(soma_scope *scope, size_t size);
/* Calls fn(arg) when the innermost scope closes; the last registered first. SOMA_ERROR_MEMORY, or the error that is pending. */
SOMA_API soma_status soma_scope_defer(soma_context *ctx, void (*fn)(void *arg), void *arg);

/* The pending error's code, SOMA_OK when there is none. The first error stays; while it is pending every recording, assigning, stepping
 * or saving call fails and changes nothing. */
SOMA_API soma_status soma_error_status(const soma_context *ctx);
/* The pending error's sentence, "" when there is none. Valid until the next error. */
SOMA_API const char *soma_error_message(const soma_context *ctx);
/* Returns the pending error and clears it; the sentence stays readable until the next error. */
SOMA_API soma_status soma_error_take(soma_context *ctx);
/* Raises an error from outside the library (a custom op, a module's forward) in printf's manner; an earlier error wins. Returns status. */
SOMA_API soma_status soma_error_raise(soma_context *ctx, soma_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* For authors of readers: a line to the context's log, in printf's manner; up to 255 bytes. */
SOMA_API void soma_say(soma_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Counts for tests and curiosity, since the context was made; slab_bytes: the intermediates' memory now; live_bytes, peak_bytes: what is taken
 * through the allocator now, the slab too, and the most so far. */
typedef struct soma_stats {
    int64_t plans_built, plans_run, allocations, slab_bytes, nodes_recorded, kernels_run, live_bytes, peak_bytes;
} soma_stats;
/* Fills the first `size` bytes of *out that the library knows, and zeros beyond; soma_context_stats passes sizeof. */
SOMA_API void soma_context_stats_sized(const soma_context *ctx, soma_stats *out, size_t size);
static inline void soma_context_stats(const soma_context *ctx, soma_stats *out) { soma_context_stats_sized(ctx, out, sizeof *out); }

#endif
