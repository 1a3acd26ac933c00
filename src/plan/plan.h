/* A plan: the tape turned into kernel calls with every value placed. Frozen once built; a run binds pointers and calls the kernels in order. */
#ifndef SOMA_SRC_PLAN_PLAN_H
#define SOMA_SRC_PLAN_PLAN_H

#include "graph/context.h"

/* Where a value lives. */
typedef enum soma__home {
    SOMA__HOME_DEAD, /* nobody needs it */
    SOMA__HOME_LEAF, /* the entry's own data (a variable's storage for what an assign leaves) */
    SOMA__HOME_KEPT, /* memory of the node's scope, given at each run */
    SOMA__HOME_SLAB, /* an interval of the slab */
    SOMA__HOME_PASS  /* nowhere: it is used only inside the pass that computes it */
} soma__home;

#define SOMA__NONE UINT32_MAX
#define SOMA__SLAB_MOST ((size_t)1 << 48) /* more than any machine addresses, and sums of a few do not overflow */

/* How a value's elements lie, and how a group walks over them. */
typedef enum soma__order {
    SOMA__ORDER_C,
    SOMA__ORDER_EXCHANGED, /* of two dimensions: the first one's elements side by side */
    SOMA__ORDER_CHANNELS   /* of [N, C, ...]: channels side by side (NHWC) */
} soma__order;

/* Values computed in one pass over their common shape: element-wise nodes and updates, behind a product when there is one. */
typedef struct soma__group {
    uint32_t product;  /* the matmul or convolution whose blocks the pass works on, or SOMA__NONE */
    uint32_t *members; /* in an order in which they can be computed; of a group with a product the first one is the product's value (maybe as a
                          transposed view) */
    int n, n_external;
    soma__order order; /* vectors run along what lies side by side in it */
    bool swapped;      /* the first member is the product's transpose */
    bool writes;       /* a variable is among what it computes */
    bool emitted;
    uint32_t into; /* the group that it became a part of, or SOMA__NONE */
} soma__group;

/* What the plan knows of one tape entry. */
typedef struct soma__value {
    uint32_t base;  /* the entry whose memory holds it: itself, or what it is a view of */
    int64_t offset; /* elements from the base's first one */
    int64_t strides[SOMA_MAX_DIMS];
    uint8_t home; /* of the base; only read through it */
    bool needed, kept, view;
    bool guarded;             /* it may fail, or what may fail waits for it, and it does not wait for a write: computed before all writes */
    bool after_write;         /* reads what this plan writes */
    bool lives;               /* has its place in the list of slab values */
    bool written;             /* a variable's leaf: a needed node of this plan writes it */
    bool dense;               /* somebody wants its elements in C order */
    uint32_t group;           /* number of the group that computes it, or SOMA__NONE */
    uint32_t reading, latest; /* a variable's leaf: links to the first and the last of the open groups that read it, and 1 */
    uint32_t readers, reader; /* needed nodes that read it, and the last one */
    uint32_t last_use;        /* the last node that reads it, by itself or through views */
    uint32_t over;            /* the value, and 1, in whose place it may be written when that one ends there; 0: none */
    size_t slab;              /* byte offset, HOME_SLAB */
    size_t bytes;
    int first, last; /* steps that write it first and read it last */
} soma__value;

typedef struct soma__step {
    int (*run)(const soma__call *call);
    soma__call call;
    uint32_t entry;
    const char *kernel; /* its name, for soma_explain */
    uint32_t group;     /* or SOMA__NONE */
    size_t skip;        /* bytes of scratch that belong to the step that follows its rows */
    uint32_t changes;   /* the newest entry in it that changes a variable, and 1; 0 without one */
} soma__step;

/* A pointer to fill in before a run: *where = memory of `entry` + offset bytes. */
typedef struct soma__bind {
    void **where;
    uint32_t entry;
    int64_t offset;
} soma__bind;

typedef struct soma__plan {
    soma_scope memory; /* all of the plan lives here */
    uint64_t hash;
    uint64_t *keys;
    size_t n_keys;
    int close_depth; /* the depth of the scope that closes, or INT32_MAX */
    uint64_t used;   /* for dropping the least recently used */
    soma__step *steps;
    int n_steps, first_write; /* the first step that changes a variable; INT32_MAX without one */
    soma__bind *binds, *slab_binds;
    int n_binds, n_slab_binds;
    struct soma__pack_step { /* steps whose second operand is a variable that the plan does not change */
        uint32_t step, entry;
        size_t bytes;
    } * packs;
    int n_packs;
    uint32_t *writers; /* entries that change variables */
    uint32_t n_writers;
    uint32_t *writes; /* leaf entries of the variables that a run changes */
    soma__variable **written;
    int n_writes;
    uint32_t *kept; /* entries that get memory of their scope */
    int n_kept;
    struct soma__alias { /* kept views: entry shows memory of another one */
        uint32_t entry, base;
        int64_t offset;
    } * aliases;
    int n_aliases;
    size_t n_entries;
    soma_tensor **tensors; /* of the entries: for soma_explain, which is called while they live */
    soma__group *groups;
    uint32_t n_groups;
    uint32_t *units; /* what is run, in order: an entry, or SOMA__UNIT_GROUP and a group */
    uint32_t n_units;
    uint32_t *slab_values; /* in the order of their steps */
    int n_slab_values;
    soma__value *values;
    size_t slab_bytes; /* values and, behind them, scratch */
    size_t scratch_at;
    void *bound_slab; /* where the slab was when the slab's pointers were filled in */
} soma__plan;

typedef struct soma__plan_cache {
    soma__plan *plans[64]; /* the bound */
    int count;
    uint64_t clock;
    void *slab;
    size_t slab_bytes;
    soma__env env;
} soma__plan_cache;

/* Builds a plan of the tape. Entries of scopes of close_depth and deeper are dropped, save what outer variables need. NULL with an error pending. */
soma__plan *soma__plan_build(soma_context *ctx, int close_depth);
/* The same from the cache when one fits. */
soma__plan *soma__plan_get(soma_context *ctx, int close_depth);
void soma__plan_free(soma_context *ctx, soma__plan *p);
void soma__plan_cache_free(soma_context *ctx);
#define SOMA__UNIT_GROUP 0x80000000u
/* What is needed at all, and by whom (plan/place.c). */
void soma__plan_need(soma_context *ctx, soma__plan *p);
/* The strides of a value that lies in an order. */
void soma__order_strides(soma__order order, const soma_tensor *x, int64_t *strides);
/* Do channels lie side by side, and would they not in C order? */
bool soma__by_channels(const soma_tensor *x, const int64_t *strides);
/* The walk's dimensions: order[i] is the tensor's dimension that is walked at depth i. */
void soma__order_dims(soma__order order, int ndim, int *dims);
/* Strides and home of an entry (plan/place.c). */
void soma__plan_place(soma_context *ctx, soma__plan *p, uint32_t i);
/* The leaf entry of the variable behind a reference. */
uint32_t soma__plan_variable(const soma_context *ctx, uint32_t ref);
/* The entry whose memory holds what a reference means: of what an update left, that one variable. */
uint32_t soma__plan_base(const soma_context *ctx, const soma__plan *p, uint32_t ref);
/* How many variables an entry writes: its first inputs. */
int soma__plan_writes(const soma_context *ctx, uint32_t i);
/* Places all entries, puts them into groups, and orders groups and single nodes (plan/fuse.c). */
bool soma__plan_fuse(soma_context *ctx, soma__plan *p);
/* Puts slab values side by side by liveness (plan/memory.c). */
void soma__plan_layout(soma_context *ctx, soma__plan *p);
/* The plan as text into a block of the context; NULL with an error pending. */
char *soma__plan_print(soma_context *ctx, const soma__plan *p);
/* The kernel for a node: a fast one where the backend has it, else the op's reference. */
int (*soma__plan_kernel(const soma_context *ctx, const soma__call *call, const char **name))(const soma__call *call);

/* What the first n steps changed for good: the tape up to here. */
static inline size_t soma__plan_changed(const soma__plan *p, int n) {
    uint32_t changed = 0;
    for (int i = 0; i < n; i++)
        if (p->steps[i].changes > changed) changed = p->steps[i].changes;
    return changed;
}

static inline soma_tensor *soma__entry_tensor(const soma_context *ctx, uint32_t i) { return ctx->tape.entries[i].x; }
/* The refs of an entry's inputs, unpacked from its key. */
uint32_t soma__entry_ref(const soma_context *ctx, uint32_t entry, int input);
/* The entry's inputs and class as the tape has them (an evaluated node is a leaf here). */
static inline int soma__entry_op(const soma_context *ctx, uint32_t i) { return (int)(ctx->tape.keys[ctx->tape.entries[i].key_at] & 0xfff); }
static inline int soma__entry_inputs(const soma_context *ctx, uint32_t i) { return (int)(ctx->tape.keys[ctx->tape.entries[i].key_at] >> 24 & 0xff); }
static inline bool soma__entry_kept(const soma_context *ctx, uint32_t i) {
    return (ctx->tape.keys[ctx->tape.entries[i].key_at] & SOMA__KEY_KEPT) != 0;
}

#endif
