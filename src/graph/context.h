/* What a context holds, for the rooms from graph upward. */
#ifndef SOMA_SRC_GRAPH_CONTEXT_H
#define SOMA_SRC_GRAPH_CONTEXT_H

#include "base/alloc.h"
#include "base/fork.h"
#include "base/pool.h"
#include "graph/one_thread.h"
#include "ops/op.h"
#include "tensor/scope.h"

/* The pending work: nodes and leaves in the order of recording. `keys` is what a plan is found by: a node's op, dtype, shape, inputs (as tape
 * positions) and attributes; never a pointer or a scalar's value. */
typedef struct soma__entry {
    soma_tensor *x;
    uint64_t key_at; /* its first word in keys */
} soma__entry;

typedef struct soma__tape {
    soma__entry *entries;
    size_t count, capacity;
    uint64_t *keys;
    size_t n_keys, keys_capacity;
    size_t work; /* entries that are not leaves */
} soma__tape;

typedef struct soma__hook {
    soma_status (*fn)(void *user);
    void (*undo)(void *user); /* may be NULL */
    void *user;
    size_t at; /* the tape's length then */
} soma__hook;

/* How to take back what recording did on the host: a call, the mark that a variable was assigned, or (both NULL) a stream's counter. */
typedef struct soma__undo {
    size_t at; /* the tape's length then */
    void (*fn)(void *user);
    void *user;
    soma__variable *variable;
    size_t stream;
    uint64_t counter; /* or what `assigned` was */
} soma__undo;

/* What a capture found of the host's state and puts back at its end: nothing has run. */
typedef struct soma__found {
    soma_tensor *x;
    uint64_t assigned;           /* of a variable */
    bool had_gradient, gradient; /* had x one; did the capture ask for it, or change it */
} soma__found;

/* Random streams and how far they are drawn. A stream stays at its place in the list: captured programs know it by that. */
typedef struct soma__stream {
    uint64_t id, counter;
} soma__stream;

typedef struct soma__streams {
    soma__stream *list;
    size_t count, capacity;
} soma__streams;

typedef struct soma__customs {
    soma_custom_def *defs;
    size_t count, capacity;
} soma__customs;

struct soma__plan_cache;
struct soma__capturing;

struct soma_context {
    soma_scope root; /* first: a context is its outermost scope */
    soma_scope *scope;
    soma_scope *spare;                /* closed scopes' structs, for the next ones; linked by parent */
    soma_allocator alloc, user_alloc; /* alloc counts and passes on */
    soma__chunks chunks;
    soma__pool *pool;
    int isa;
    bool fuse;
    bool reference; /* SOMA_REFERENCE=1: the ops' own reference kernels alone, for tests */
    uint64_t seed;
    soma__streams streams;
    uint64_t stream; /* random ops draw from it */
    soma__tape tape;
    const char *call; /* of the outermost composite that is being recorded, */
    int call_depth;   /* and how deep interior was around it */
    uint64_t epoch, seq;
    bool running;   /* kernels are called: nothing can be recorded or evaluated */
    uint64_t forks; /* soma__forks of the process that made it */
    int interior, no_grad;
    uint64_t backward_seq;    /* while a gradient rule runs: the seq of the node it belongs to; 0 otherwise */
    soma_tensor **live_grads; /* leaves that have a gradient */
    size_t n_live, live_capacity;
    soma__undo *undos; /* of the pending work, in its order */
    size_t n_undos, undos_capacity;
    size_t changed;     /* after a failed evaluation: how much of the tape ran up to the last change of a variable; 0 otherwise */
    uint8_t passes;     /* backward passes inside each other */
    soma_tensor **walk; /* scratch of backward */
    size_t walk_capacity;
    struct soma__plan_cache *plans;
    struct soma__capturing *capturing;
    soma__found *found; /* while a program is captured */
    size_t n_found, found_capacity;
    soma__customs customs;
    soma_status status;
    char message[512];
    const volatile int *cancel;
    void (*log)(void *user, const char *line);
    void *log_user;
    soma_stats stats;
    soma__user user;                         /* who is inside a call, in debug builds */
    soma_status (*flush)(soma_context *ctx); /* evaluates what is pending; set by exec, which the graph does not know */
};

/* Raises that the context belongs to another process. Returns false. */
bool soma__after_fork(const soma_context *ctx);
/* Raises that the context is used by what it calls. */
soma_status soma__while_running(soma_context *ctx);
/* Raises that another thread is inside a call. Returns false. */
bool soma__two_threads(const soma_context *ctx);
/* True when no error is pending, the process is the one that made the context, and (debug builds) no other thread is inside a call. */
static inline bool soma__ok(const soma_context *ctx) {
    return ctx->status == SOMA_OK && (ctx->forks == soma__forks() || soma__after_fork(ctx)) && (soma__alone(&ctx->user) || soma__two_threads(ctx));
}
/* A line for the context's log function, if it has one. */
void soma__say(const soma_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Out of memory, said once and for all. Returns NULL. */
void *soma__no_memory(soma_context *ctx);

/* A record in a scope with shape and dtype set, without data. */
soma_tensor *soma__graph_new(soma_context *ctx, soma_scope *scope, const char *call, soma_dtype dtype, const int64_t *shape, int64_t ndim);
/* A reference to x in the tape: pushes it (and what it is made of, when an interior value is needed again) if it is not there. SOMA__REF_NONE on
 * error. */
uint32_t soma__tape_ref(soma_context *ctx, soma_tensor *x);
/* A variable without a value yet, with storage of its own. */
soma_tensor *soma__variable_new(soma_context *ctx, soma_scope *scope, soma_dtype dtype, const int64_t *shape, int64_t ndim, const char *name);
/* Forgets the pending work. With an error pending it is lost, and what it did on the host is undone. */
void soma__tape_clear(soma_context *ctx);
/* Has u done if the work recorded from now on is lost; false when out of memory. */
bool soma__undo_push(soma_context *ctx, soma__undo u);
void soma__undo_tape(soma_context *ctx);
void soma__undo_forget(soma_context *ctx);
void soma__tape_free(soma_context *ctx);
/* Records gradients that are live as assigns to the leaves' gradient variables, so that evaluating stores them. */
soma_status soma__grads_store(soma_context *ctx);
/* The gradient of p is there, or not: for captured programs, whose runs say how it is. */
bool soma__grad_put(soma_tensor *p, bool there);
/* While a program is captured: remembers what x was like before it. */
bool soma__capture_find(soma_tensor *x, bool gradient);
/* For a plan that is only looked at: gradients that would be stored are held in it. */
void soma__grads_show(soma_context *ctx, bool on);
/* Leaves of a closing scope leave the list of live gradients. */
void soma__grads_forget(soma_context *ctx, const soma_scope *scope);
/* A reference to a value in the tape: the entry's position, and which of the variables that it writes (0 for all but UPDATE nodes). */
#define SOMA__REF_NONE UINT32_MAX
#define SOMA__REF_INDEX(ref) ((ref)&0x0fffffffu)
#define SOMA__REF_OUTPUT(ref) ((ref) >> 28)
/* Flags in an entry's first key word. */
enum { SOMA__KEY_KEPT = 1 << 20, SOMA__KEY_VAR = 1 << 21 };
/* A random stream's counter, which is advanced by count. false when out of memory. */
bool soma__stream_take(soma_context *ctx, uint64_t stream, uint64_t count, uint64_t *base);

/* Grows an array of the context so that it holds `need` elements; false with an error pending. */
bool soma__grow(soma_context *ctx, void **array, size_t *capacity, size_t need, size_t element);

#endif
