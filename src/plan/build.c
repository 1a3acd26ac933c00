/* From the tape to steps: one kernel call for each value that is needed and is no view, its operands resolved to memory, copies put where a kernel
 * wants dense operands. */
#include "ops/loops.h"
#include "plan/plan.h"

#include <string.h>

typedef struct builder {
    soma_context *ctx;
    soma__plan *p;
    uint32_t n_values, max_steps;
    int max_binds;
    bool failed;
} builder;

static void *take(builder *b, size_t size) {
    void *m = soma__scope_alloc(&b->p->memory, size, 16);
    if (!m) {
        b->failed = true;
        return soma__no_memory(b->ctx);
    }
    memset(m, 0, size);
    return m;
}

static void describe(soma__operand *o, const soma_tensor *x, const int64_t *strides) {
    o->numel = x->numel;
    o->ndim = x->ndim;
    o->dtype = x->dtype;
    memcpy(o->shape, x->shape, sizeof o->shape);
    memcpy(o->strides, strides, sizeof o->strides);
}

/* NumPy's rule: sizes of 1 repeat by a stride of 0, missing dimensions in front, too. */
static void broadcast_to(soma__operand *o, const soma__operand *like) {
    soma__operand from = *o;
    int lead = like->ndim - from.ndim;
    for (int i = 0; i < like->ndim; i++) {
        o->shape[i] = like->shape[i];
        o->strides[i] = i < lead || (from.shape[i - lead] == 1 && like->shape[i] != 1) ? 0 : from.strides[i - lead];
    }
    o->ndim = like->ndim;
    o->numel = like->numel;
}

/* Asks for *where to be filled with the memory of a value before each run. */
static void bind(builder *b, void **where, uint32_t value, int64_t elements, int dtype) {
    soma__plan *p = b->p;
    const soma__value *v = &p->values[value];
    soma__bind *at = v->home == SOMA__HOME_SLAB ? &p->slab_binds[p->n_slab_binds++] : &p->binds[p->n_binds++];
    *at = (soma__bind){where, value, elements * (int64_t)soma_dtype_size((soma_dtype)dtype)};
}

static void read_value(builder *b, uint32_t value) {
    if (b->p->values[value].last < b->p->n_steps) b->p->values[value].last = b->p->n_steps;
}

/* Emits the step for a call whose operands are described; the output is value `out`. */
static void emit(builder *b, const soma__call *call, uint32_t out) {
    soma__plan *p = b->p;
    soma__step *s = &p->steps[p->n_steps];
    s->call = *call;
    s->entry = out;
    s->call.env = &b->ctx->plans->env;
    s->run = soma__plan_kernel(b->ctx, &s->call, &s->note);
    const soma__op_def *def = soma__ops[call->op];
    if (def->scratch) {
        size_t bytes = (def->scratch(&s->call, soma__pool_threads(b->ctx->pool)) + 63) & ~(size_t)63;
        if (bytes > p->slab_bytes) p->slab_bytes = bytes;
        s->call.scratch = p; /* marks it as wanted; the real place is bound with the slab */
    }
    p->values[out].first = p->n_steps;
    if (p->values[out].last < p->n_steps) p->values[out].last = p->n_steps;
    p->n_steps++;
}

/* A dense copy of an operand as one more value; rebinds the operand to it. */
static uint32_t copy_step(builder *b, const soma__operand *from, uint32_t value, int64_t offset) {
    uint32_t copy = b->n_values++;
    soma__value *v = &b->p->values[copy];
    v->base = copy;
    v->home = SOMA__HOME_SLAB;
    v->bytes = (size_t)from->numel * soma_dtype_size((soma_dtype)from->dtype);
    soma__call call;
    memset(&call, 0, sizeof call);
    call.op = SOMA_OP_detach;
    call.n_in = 1;
    call.in = take(b, sizeof *call.in);
    if (!call.in) return copy;
    call.in[0] = *from;
    call.out = *from;
    int64_t s = 1;
    for (int i = from->ndim; i-- > 0;) call.out.strides[i] = s, s *= from->shape[i];
    read_value(b, value);
    soma__step *step = &b->p->steps[b->p->n_steps];
    emit(b, &call, copy);
    bind(b, &step->call.in[0].data, value, offset, from->dtype);
    bind(b, &step->call.out.data, copy, 0, from->dtype);
    return copy;
}

/* Resolves input k of entry i into an operand; *value and *offset say where its memory is. */
static void resolve(builder *b, uint32_t i, int k, soma__operand *o, uint32_t *value, int64_t *offset) {
    const soma_tensor *x = soma__entry_tensor(b->ctx, i);
    uint32_t ref = soma__entry_ref(b->ctx, i, k), at = SOMA__REF_INDEX(ref);
    const soma__value *v = &b->p->values[at];
    int op = soma__entry_op(b->ctx, at);
    if (op != SOMA_OP_leaf && soma__ops[op]->cls == SOMA__CLASS_UPDATE) { /* which of the variables it writes */
        while (soma__entry_op(b->ctx, SOMA__REF_INDEX(ref)) != SOMA_OP_leaf)
            ref = soma__entry_ref(b->ctx, SOMA__REF_INDEX(ref), (int)SOMA__REF_OUTPUT(ref));
        v = &b->p->values[SOMA__REF_INDEX(ref)];
    }
    *value = v->base;
    *offset = v->offset;
    describe(o, x->in[k], v->strides);
}

static void lower(builder *b, uint32_t i) {
    soma_context *ctx = b->ctx;
    soma__plan *p = b->p;
    const soma_tensor *x = soma__entry_tensor(ctx, i);
    const soma__op_def *def = soma__ops[x->op];
    soma__call call;
    memset(&call, 0, sizeof call);
    call.op = x->op;
    call.n_in = x->n_in;
    call.n_attr = x->n_attr;
    call.in = take(b, ((size_t)x->n_in + 1) * sizeof *call.in);
    int64_t *attr = take(b, ((size_t)x->n_attr + 1) * sizeof *attr);
    uint32_t values[SOMA__MAX_INPUTS];
    int64_t offsets[SOMA__MAX_INPUTS];
    if (b->failed) return;
    for (int k = 0; k < x->n_attr; k++) attr[k] = x->attr[k];
    call.attr = attr;
    soma__value *v = &p->values[i];
    describe(&call.out, x, v->strides);
    bool wants_dense = def->cls == SOMA__CLASS_KERNEL || def->cls == SOMA__CLASS_UPDATE || def->cls == SOMA__CLASS_ASSIGN;
    for (int k = 0; k < x->n_in; k++) {
        resolve(b, i, k, &call.in[k], &values[k], &offsets[k]);
        if (def->cls == SOMA__CLASS_ELEMENTWISE) broadcast_to(&call.in[k], &call.out);
        else if (wants_dense && !soma__dense(&call.in[k])) {
            values[k] = copy_step(b, &call.in[k], values[k], offsets[k]);
            if (b->failed) return;
            offsets[k] = 0;
            int64_t s = 1;
            for (int d = call.in[k].ndim; d-- > 0;) call.in[k].strides[d] = s, s *= call.in[k].shape[d];
        }
    }
    soma__step *step = &p->steps[p->n_steps];
    for (int k = 0; k < x->n_in; k++) read_value(b, values[k]);
    emit(b, &call, i);
    for (int k = 0; k < x->n_in; k++) bind(b, &step->call.in[k].data, values[k], offsets[k], step->call.in[k].dtype);
    bind(b, &step->call.out.data, v->base, 0, x->dtype);
}

static void list_kept(builder *b) {
    soma__plan *p = b->p;
    for (uint32_t i = 0; i < p->n_entries; i++) {
        const soma__value *v = &p->values[i];
        if (!v->kept) continue;
        if (v->view)
            p->aliases[p->n_aliases++] =
                (struct soma__alias){i, v->base, v->offset * (int64_t)soma_dtype_size((soma_dtype)soma__entry_tensor(b->ctx, i)->dtype)};
        else
            p->kept[p->n_kept++] = i;
    }
}

static bool allocate(builder *b) {
    soma__tape *t = &b->ctx->tape;
    soma__plan *p = b->p;
    size_t inputs = 0;
    for (uint32_t i = 0; i < t->count; i++) inputs += (size_t)soma__entry_inputs(b->ctx, i);
    p->n_entries = t->count;
    p->n_keys = t->n_keys;
    p->keys = take(b, (t->n_keys + 1) * sizeof *p->keys);
    p->values = take(b, (t->count + inputs + 1) * sizeof *p->values);
    p->steps = take(b, (t->work + inputs + 1) * sizeof *p->steps);
    p->binds = take(b, (t->count + 3 * inputs + 1) * sizeof *p->binds);
    p->slab_binds = take(b, (t->count + 3 * inputs + 1) * sizeof *p->slab_binds);
    p->kept = take(b, (t->count + 1) * sizeof *p->kept);
    p->aliases = take(b, (t->count + 1) * sizeof *p->aliases);
    if (b->failed) return false;
    memcpy(p->keys, t->keys, t->n_keys * sizeof *p->keys);
    b->n_values = (uint32_t)t->count;
    return true;
}

soma__plan *soma__plan_build(soma_context *ctx, int close_depth) {
    soma__plan *p = soma__calloc(&ctx->alloc, sizeof *p);
    if (!p) return soma__no_memory(ctx);
    soma__scope_init(&p->memory, ctx, NULL, &ctx->chunks);
    p->close_depth = close_depth;
    builder b = {ctx, p, 0, 0, 0, false};
    if (allocate(&b) && soma__plan_place(ctx, p)) {
        for (uint32_t i = 0; i < p->n_entries && !b.failed; i++) {
            const soma__value *v = &p->values[i];
            if (soma__entry_op(ctx, i) != SOMA_OP_leaf && v->needed && !v->view) lower(&b, i);
        }
        list_kept(&b);
        if (!b.failed) soma__plan_layout(ctx, p);
    }
    if (!soma__ok(ctx)) {
        soma__plan_free(ctx, p);
        return NULL;
    }
    ctx->stats.plans_built++;
    return p;
}

void soma__plan_free(soma_context *ctx, soma__plan *p) {
    if (!p) return;
    soma__scope_release(&p->memory);
    soma__free(&ctx->alloc, p, sizeof *p);
}

static uint64_t hash_words(const uint64_t *w, size_t n, uint64_t h) {
    for (size_t i = 0; i < n; i++) {
        h = (h ^ w[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

soma__plan *soma__plan_get(soma_context *ctx, int close_depth) {
    soma__plan_cache *c = ctx->plans;
    const soma__tape *t = &ctx->tape;
    uint64_t h = hash_words(t->keys, t->n_keys, (uint64_t)close_depth);
    int oldest = 0;
    for (int i = 0; i < c->count; i++) {
        soma__plan *p = c->plans[i];
        if (p->hash == h && p->close_depth == close_depth && p->n_keys == t->n_keys && memcmp(p->keys, t->keys, t->n_keys * sizeof *t->keys) == 0) {
            p->used = ++c->clock;
            return p;
        }
        if (p->used < c->plans[oldest]->used) oldest = i;
    }
    soma__plan *p = soma__plan_build(ctx, close_depth);
    if (!p) return NULL;
    p->hash = h;
    p->used = ++c->clock;
    if (c->count < (int)(sizeof c->plans / sizeof c->plans[0])) c->plans[c->count++] = p;
    else {
        soma__plan_free(ctx, c->plans[oldest]);
        c->plans[oldest] = p;
    }
    return p;
}

void soma__plan_cache_free(soma_context *ctx) {
    soma__plan_cache *c = ctx->plans;
    if (!c) return;
    for (int i = 0; i < c->count; i++) soma__plan_free(ctx, c->plans[i]);
    soma__free(&ctx->alloc, c->slab, c->slab_bytes);
    soma__free(&ctx->alloc, c, sizeof *c);
    ctx->plans = NULL;
}
