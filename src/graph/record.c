/* Recording: an op call becomes a node in its scope's arena and a few words at the end of the tape. The words are the key that plans are found by,
 * so they are written once, here, and hashed as they stand. */
#include "graph/context.h"

#include <string.h>

soma_tensor *soma__graph_new(soma_context *ctx, soma_scope *scope, const char *call, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    soma_tensor *x = soma__scope_alloc(scope, sizeof *x, 16);
    if (!x) return soma__no_memory(ctx);
    memset(x, 0, sizeof *x);
    if ((unsigned)dtype >= SOMA_DTYPES || !soma__set_shape(x, shape, ndim)) return soma__check_shape(ctx, call, dtype, shape, ndim), NULL;
    x->ctx = ctx;
    x->scope = scope;
    x->dtype = (uint8_t)dtype;
    x->depth = (uint8_t)(scope->depth < 255 ? scope->depth : 255);
    x->seq = ++ctx->seq;
    return x;
}

static bool push_words(soma_context *ctx, const uint64_t *words, size_t n) {
    soma__tape *t = &ctx->tape;
    if (t->n_keys + n > t->keys_capacity && !soma__grow(ctx, (void **)&t->keys, &t->keys_capacity, t->n_keys + n, sizeof *t->keys)) return false;
    for (size_t i = 0; i < n; i++) t->keys[t->n_keys + i] = words[i];
    t->n_keys += n;
    return true;
}

/* Appends x with its inputs' positions. */
static uint32_t push(soma_context *ctx, soma_tensor *x, const uint32_t *refs) {
    soma__tape *t = &ctx->tape;
    if (t->count == t->capacity && !soma__grow(ctx, (void **)&t->entries, &t->capacity, t->count + 1, sizeof *t->entries)) return UINT32_MAX;
    uint64_t words[4 + SOMA_MAX_DIMS + SOMA__MAX_INPUTS / 2 + 16];
    size_t n = 0;
    bool leaf = x->op == SOMA_OP_leaf;
    words[n++] = (uint64_t)x->op | (uint64_t)x->dtype << 12 | (uint64_t)x->ndim << 16 | (x->flags & SOMA__KEPT && !leaf ? SOMA__KEY_KEPT : 0) |
                 (x->var ? SOMA__KEY_VAR : 0) | (uint64_t)x->n_in << 24 | (uint64_t)x->n_attr << 32 | (uint64_t)x->depth << 40;
    for (int i = 0; i < x->ndim; i++) words[n++] = (uint64_t)x->shape[i];
    for (int i = 0; refs && i < x->n_in; i += 2) words[n++] = refs[i] | (uint64_t)(i + 1 < x->n_in ? refs[i + 1] : 0) << 32;
    t->entries[t->count] = (soma__entry){x, t->n_keys};
    if (!push_words(ctx, words, n) || !push_words(ctx, (const uint64_t *)x->attr, x->n_attr)) return UINT32_MAX;
    x->index = (uint32_t)t->count;
    x->epoch = ctx->epoch;
    if (!leaf) t->work++;
    return (uint32_t)t->count++;
}

static uint32_t stale(soma_context *ctx, const soma_tensor *x) {
    const char *name = *soma_tensor_name(x) ? soma_tensor_name(x) : "a variable without a name";
    char shape[128];
    soma_error_raise(
        ctx, SOMA_ERROR_STATE,
        "'%s' %s was assigned after the forward pass that read it; its old value is gone, and a gradient or a value inside a module needs it", name,
        soma_shape_text(x, shape, sizeof shape));
    return UINT32_MAX;
}

uint32_t soma__tape_ref(soma_context *ctx, soma_tensor *x) {
    if (x->var) { /* a variable stands for the newest value recorded for it */
        if (ctx->backward_seq && x->var->assigned > ctx->backward_seq) { return stale(ctx, x); }
        if (x->var->epoch == ctx->epoch) return x->var->current;
    }
    if (x->epoch == ctx->epoch) return x->index;
    if (x->op == SOMA_OP_leaf || x->data) {
        if (x->op == SOMA_OP_leaf) return push(ctx, x, NULL);
        /* an evaluated node is a leaf from now on, for the tape; its history stays for backward */
        uint16_t op = x->op;
        uint8_t n_in = x->n_in, n_attr = x->n_attr;
        x->op = SOMA_OP_leaf, x->n_in = 0, x->n_attr = 0;
        uint32_t at = push(ctx, x, NULL);
        x->op = op, x->n_in = n_in, x->n_attr = n_attr;
        return at;
    }
    /* an interior value that was not kept is computed again from what it was made of */
    uint32_t refs[SOMA__MAX_INPUTS];
    uint64_t outer = ctx->backward_seq;
    ctx->backward_seq = x->seq;
    for (int i = 0; i < x->n_in; i++) {
        refs[i] = soma__tape_ref(ctx, x->in[i]);
        if (refs[i] == UINT32_MAX) return ctx->backward_seq = outer, UINT32_MAX;
    }
    ctx->backward_seq = outer;
    return push(ctx, x, refs);
}

void soma__tape_clear(soma_context *ctx) {
    if (ctx->status == SOMA_OK) soma__undo_forget(ctx);
    else soma__undo_tape(ctx);
    ctx->epoch++;
    ctx->tape.count = ctx->tape.n_keys = ctx->tape.work = 0;
}

void soma__tape_free(soma_context *ctx) {
    soma__tape *t = &ctx->tape;
    soma__free(&ctx->alloc, t->entries, t->capacity * sizeof *t->entries);
    soma__free(&ctx->alloc, t->keys, t->keys_capacity * sizeof *t->keys);
    memset(t, 0, sizeof *t);
}

static bool wants_gradient(const soma_context *ctx, const soma__record *r) {
    if (ctx->no_grad || !soma__is_float(r->dtype) || !soma__ops[r->op]->grad) return false;
    for (int i = 0; i < r->n_in; i++)
        if (r->in[i]->flags & SOMA__REQUIRES) return true;
    return false;
}

/* A variable assigned in this tape keeps its node's history, so an op on it depends on that node. */
static soma_tensor *record(soma_context *ctx, const soma__record *r) {
    uint32_t refs[SOMA__MAX_INPUTS];
    for (int i = 0; i < r->n_in; i++) {
        refs[i] = soma__tape_ref(ctx, r->in[i]);
        if (refs[i] == UINT32_MAX) return NULL;
    }
    soma_tensor *x = soma__graph_new(ctx, ctx->scope, soma__ops[r->op]->name, r->dtype, r->shape, r->ndim);
    if (!x) return NULL;
    x->op = (uint16_t)r->op;
    x->n_in = (uint8_t)r->n_in;
    x->n_attr = (uint8_t)r->n_attr;
    size_t in_bytes = (size_t)r->n_in * sizeof *x->in, attr_bytes = (size_t)r->n_attr * sizeof *x->attr;
    if (in_bytes + attr_bytes) {
        char *memory = soma__scope_alloc(ctx->scope, in_bytes + attr_bytes, 8);
        if (!memory) return soma__no_memory(ctx);
        x->in = (soma_tensor **)(void *)memory;
        x->attr = (int64_t *)(void *)(memory + in_bytes);
        for (int i = 0; i < r->n_in; i++) x->in[i] = r->in[i];
        for (int i = 0; i < r->n_attr; i++) x->attr[i] = r->attr[i];
    }
    if (!ctx->interior) x->flags |= SOMA__KEPT;
    if (wants_gradient(ctx, r)) x->flags |= SOMA__REQUIRES;
    ctx->stats.nodes_recorded++;
    return push(ctx, x, refs) == UINT32_MAX ? NULL : x;
}

soma_tensor *soma__graph_record(soma_context *ctx, const soma__record *r) {
    if (!soma__ok(ctx)) return NULL;
    if (ctx->running) return soma__while_running(ctx), NULL;
    uintptr_t before = soma__enter(&ctx->user);
    soma_tensor *x = record(ctx, r);
    soma__leave(&ctx->user, before);
    return x;
}

void soma_interior_begin(soma_context *ctx) {
    if (ctx) ctx->interior++;
}

void soma__composite_begin(soma_context *ctx, const char *call) {
    if (!ctx->call) ctx->call = call, ctx->call_depth = ctx->interior;
    ctx->interior++;
}

soma_tensor *soma_interior_end(soma_context *ctx, soma_tensor *x) {
    if (ctx && ctx->interior > 0) ctx->interior--;
    if (ctx && ctx->interior <= ctx->call_depth) ctx->call = NULL;
    if (!ctx || !x || ctx->interior || x->op == SOMA_OP_leaf || x->flags & SOMA__KEPT) return x;
    x->flags |= SOMA__KEPT;
    if (x->epoch == ctx->epoch) ctx->tape.keys[ctx->tape.entries[x->index].key_at] |= SOMA__KEY_KEPT;
    else if (!x->data && soma__tape_ref(ctx, x) == UINT32_MAX) return NULL; /* evaluated before it was to be held: once more */
    return x;
}
