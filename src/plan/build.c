/* From the tape to steps: one kernel call for each value that is needed and is no view, its operands resolved to memory, copies put where a kernel
 * wants dense operands. */
#include "backend/cpu/conv.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/gemm.h"
#include "ops/batch_norm.h"
#include "ops/loops.h"
#include "plan/lower.h"

#include <string.h>

void *soma__lower_take(soma__builder *b, size_t size) {
    void *m = soma__scope_alloc(&b->p->memory, size, 16);
    if (!m) {
        b->failed = true;
        return soma__no_memory(b->ctx);
    }
    memset(m, 0, size);
    return m;
}

void soma__lower_describe(soma__operand *o, const soma_tensor *x, const int64_t *strides) {
    memset(o, 0, sizeof *o);
    o->numel = x->numel;
    o->ndim = x->ndim;
    o->dtype = x->dtype;
    memcpy(o->shape, x->shape, sizeof o->shape);
    memcpy(o->strides, strides, sizeof o->strides);
}

void soma__lower_broadcast(soma__operand *o, const soma_tensor *like) {
    soma__operand from = *o;
    int lead = like->ndim - from.ndim;
    for (int i = 0; i < like->ndim; i++) {
        o->shape[i] = like->shape[i];
        o->strides[i] = i < lead || (from.shape[i - lead] == 1 && like->shape[i] != 1) ? 0 : from.strides[i - lead];
    }
    o->ndim = like->ndim;
    o->numel = like->numel;
}

void soma__lower_bind(soma__builder *b, void **where, uint32_t value, int64_t elements, int dtype) {
    soma__plan *p = b->p;
    const soma__value *v = &p->values[value];
    soma__bind *at = v->home == SOMA__HOME_SLAB ? &p->slab_binds[p->n_slab_binds++] : &p->binds[p->n_binds++];
    *at = (soma__bind){where, value, elements * (int64_t)soma_dtype_size((soma_dtype)dtype)};
}

/* A value of the slab begins to live at the first step that uses it: the one that computes it. */
void soma__lower_read(soma__builder *b, uint32_t value) {
    soma__value *v = &b->p->values[value];
    if (v->last < b->p->n_steps) v->last = b->p->n_steps;
    if (v->home != SOMA__HOME_SLAB || v->lives) return;
    v->lives = true;
    v->first = b->p->n_steps;
    b->p->slab_values[b->p->n_slab_values++] = value;
}

static void note_change(soma__builder *b, soma__step *s, uint32_t entry) {
    if (!soma__plan_writes(b->ctx, entry)) return;
    if (s->changes <= entry) s->changes = entry + 1;
    if (b->p->first_write > (int)(s - b->p->steps)) b->p->first_write = (int)(s - b->p->steps);
}

static void take_scratch(soma__plan *p, soma__step *s, size_t bytes) {
    bytes = (bytes + 63) & ~(size_t)63;
    if (bytes > p->slab_bytes) p->slab_bytes = bytes;
    if (bytes) s->call.scratch = p; /* marks it as wanted; the real place is bound with the slab */
}

/* Emits the step for a call whose operands are described; the output is value `out`. */
static soma__step *emit(soma__builder *b, const soma__call *call, uint32_t out) {
    soma__plan *p = b->p;
    soma__step *s = &p->steps[p->n_steps];
    s->call = *call;
    s->entry = out;
    s->call.env = &b->ctx->plans->env;
    s->group = SOMA__NONE;
    s->run = soma__plan_kernel(b->ctx, &s->call, &s->kernel);
    const soma__op_def *def = soma__ops[call->op];
    int threads = soma__pool_threads(b->ctx->pool);
    size_t bytes = (size_t)soma__cpu_scratch(&s->call, threads), reference = def->scratch ? def->scratch(&s->call, threads) : 0;
    if (reference > bytes) bytes = reference;
    take_scratch(p, s, bytes);
    soma__lower_read(b, p->values[out].base);
    p->n_steps++;
    return s;
}

/* Sums over channels that come right behind the convolution whose result they read follow its rows. */
static void follow(soma__builder *b, soma__step *s, const uint32_t *values) {
    soma__plan *p = b->p;
    soma__step *conv = s - 1;
    int inputs = s->call.op == SOMA_OP_channel_stats ? 1 : s->call.op == SOMA_OP_channel_dots ? 2 : 0;
    soma__conv_way way;
    if (!inputs || p->n_steps < 2 || s->call.in[0].dtype != SOMA_F32 || b->ctx->reference || conv->group == SOMA__NONE) return;
    const soma__group *g = &p->groups[conv->group];
    if ((conv->call.op != SOMA_OP_conv_forward && conv->call.op != SOMA_OP_conv_data) || !soma__conv_plan(&conv->call, &way)) return;
    bool reads = false;
    for (int k = 0; k < inputs; k++) {
        const soma__operand *x = &s->call.in[k], *y = &conv->call.out;
        if (!soma__channels_sum(x) || x->ndim != y->ndim || memcmp(x->shape, y->shape, (size_t)y->ndim * sizeof *y->shape) != 0) return;
        for (int m = 0; m < g->n; m++) reads = reads || p->values[g->members[m]].base == values[k];
    }
    if (!reads) return;
    size_t own = (size_t)soma__cpu_scratch(&s->call, soma__pool_threads(b->ctx->pool));
    size_t conv_own = (size_t)soma__cpu_scratch(&conv->call, soma__pool_threads(b->ctx->pool));
    conv->skip = (own + 63) & ~(size_t)63;
    take_scratch(p, conv, conv->skip + conv_own);
    conv->call.follower = &s->call, s->call.followed = true;
}

/* A dense copy of an operand as one more value; rebinds the operand to it. */
static uint32_t copy_step(soma__builder *b, const soma__operand *from, uint32_t value, int64_t offset) {
    uint32_t copy = b->n_values++;
    soma__value *v = &b->p->values[copy];
    v->base = copy;
    v->home = SOMA__HOME_SLAB;
    v->bytes = (size_t)from->numel * soma_dtype_size((soma_dtype)from->dtype);
    soma__call call;
    memset(&call, 0, sizeof call);
    call.op = SOMA_OP_detach;
    call.n_in = 1;
    call.in = soma__lower_take(b, sizeof *call.in);
    if (!call.in) return copy;
    call.in[0] = *from;
    call.out = *from;
    soma__dense_strides(from->shape, from->ndim, call.out.strides);
    soma__lower_read(b, value);
    soma__step *step = &b->p->steps[b->p->n_steps];
    emit(b, &call, copy);
    soma__lower_bind(b, &step->call.in[0].data, value, offset, from->dtype);
    soma__lower_bind(b, &step->call.out.data, copy, 0, from->dtype);
    return copy;
}

void soma__lower_resolve(soma__builder *b, uint32_t i, int k, soma__operand *o, uint32_t *value, int64_t *offset) {
    const soma_tensor *x = soma__entry_tensor(b->ctx, i);
    uint32_t ref = soma__entry_ref(b->ctx, i, k), at = SOMA__REF_INDEX(ref);
    const soma__value *v = &b->p->values[at];
    int op = soma__entry_op(b->ctx, at);
    if (op != SOMA_OP_leaf && soma__ops[op]->cls == SOMA__CLASS_UPDATE) v = &b->p->values[soma__plan_variable(b->ctx, ref)];
    *value = v->base;
    *offset = v->offset;
    soma__lower_describe(o, x->in[k], v->strides);
}

#define PACKED_ROWS 256 /* with more rows packing at each run costs little */
#define PACKED_BYTES ((size_t)8 << 20)

/* A variable that the plan does not change stays packed from run to run. */
static void keep_packed(soma__builder *b, const soma__call *call, uint32_t value) {
    soma__plan *p = b->p;
    int64_t m = call->out.shape[0], n = call->out.shape[1], k = call->in[0].shape[1];
    size_t bytes = (size_t)((n + 31) / 32 * 32 * k) * sizeof(float);
    if (soma__entry_op(b->ctx, value) != SOMA_OP_leaf || !soma__entry_tensor(b->ctx, value)->var) return;
    bool along = call->out.strides[1] == 1;
    if (m > PACKED_ROWS || bytes > PACKED_BYTES || (k > SOMA__GEMM_BLOCK && k <= SOMA__GEMM_CHAIN && !along)) return;
    if (p->values[value].written) return;
    p->packs[p->n_packs++] = (struct soma__pack_step){(uint32_t)p->n_steps, value, bytes};
}

/* The same of a convolution's weight. */
static void keep_packed_filters(soma__builder *b, const soma__call *call, uint32_t value) {
    soma__plan *p = b->p;
    soma__conv_way way;
    if (soma__entry_op(b->ctx, value) != SOMA_OP_leaf || !soma__entry_tensor(b->ctx, value)->var || p->values[value].written) return;
    if (!soma__conv_plan(call, &way) || soma__conv_packed(&way) > (int64_t)(PACKED_BYTES / sizeof(float))) return;
    p->packs[p->n_packs++] = (struct soma__pack_step){(uint32_t)p->n_steps, value, (size_t)soma__conv_packed(&way) * sizeof(float)};
}

static void lower(soma__builder *b, uint32_t i) {
    soma_context *ctx = b->ctx;
    soma__plan *p = b->p;
    const soma_tensor *x = soma__entry_tensor(ctx, i);
    const soma__op_def *def = soma__ops[x->op];
    soma__call call;
    memset(&call, 0, sizeof call);
    call.op = x->op;
    call.n_in = x->n_in;
    call.n_attr = x->n_attr;
    call.in = soma__lower_take(b, ((size_t)x->n_in + 1) * sizeof *call.in);
    int64_t *attr = soma__lower_take(b, ((size_t)x->n_attr + 1) * sizeof *attr);
    uint32_t values[SOMA__MAX_INPUTS] = {0};
    int64_t offsets[SOMA__MAX_INPUTS];
    if (b->failed) return;
    for (int k = 0; k < x->n_attr; k++) attr[k] = x->attr[k];
    call.attr = attr;
    soma__value *v = &p->values[i];
    soma__lower_describe(&call.out, x, v->strides);
    bool wants_dense = def->cls == SOMA__CLASS_KERNEL || def->cls == SOMA__CLASS_UPDATE || def->cls == SOMA__CLASS_ASSIGN;
    for (int k = 0; k < x->n_in; k++) {
        soma__lower_resolve(b, i, k, &call.in[k], &values[k], &offsets[k]);
        if (def->cls == SOMA__CLASS_ELEMENTWISE) soma__lower_broadcast(&call.in[k], x);
        else if (wants_dense && !soma__dense(&call.in[k])) {
            values[k] = copy_step(b, &call.in[k], values[k], offsets[k]);
            if (b->failed) return;
            offsets[k] = 0;
            soma__dense_strides(call.in[k].shape, call.in[k].ndim, call.in[k].strides);
        }
    }
    soma__step *step = &p->steps[p->n_steps];
    for (int k = 0; k < x->n_in; k++) soma__lower_read(b, values[k]);
    if (call.op == SOMA_OP_matmul && x->ndim == 2 && x->dtype == SOMA_F32 && values[1] < p->n_entries) keep_packed(b, &call, values[1]);
    emit(b, &call, i);
    follow(b, step, values);
    note_change(b, step, i);
    for (int k = 0; k < x->n_in; k++) soma__lower_bind(b, &step->call.in[k].data, values[k], offsets[k], step->call.in[k].dtype);
    soma__lower_bind(b, &step->call.out.data, v->base, 0, x->dtype);
}

/* The product's operands, as the group walks, and a convolution's attributes. */
static void describe_product(soma__builder *b, const soma__group *g, soma__call *call, uint32_t *values, int64_t *offsets) {
    const soma_tensor *x = soma__entry_tensor(b->ctx, g->product);
    bool exchange = g->swapped != (g->order == SOMA__ORDER_EXCHANGED);
    int64_t *attr = soma__lower_take(b, ((size_t)x->n_attr + 1) * sizeof *attr);
    if (b->failed) return;
    for (int k = 0; k < x->n_attr; k++) attr[k] = x->attr[k];
    call->attr = attr, call->n_attr = x->n_attr;
    for (int k = 0; k < 2; k++) {
        int at = exchange ? 1 - k : k;
        soma__operand *o = &call->in[at];
        soma__lower_resolve(b, g->product, k, o, &values[at], &offsets[at]);
        if (!exchange) continue;
        int64_t t = o->shape[0];
        o->shape[0] = o->shape[1], o->shape[1] = t;
        t = o->strides[0], o->strides[0] = o->strides[1], o->strides[1] = t;
    }
}

static void list_writes(soma__builder *b) {
    soma__plan *p = b->p;
    for (uint32_t i = 0; i < p->n_entries; i++)
        for (int k = 0; p->values[i].needed && k < soma__plan_writes(b->ctx, i); k++) {
            uint32_t leaf = soma__plan_variable(b->ctx, soma__entry_ref(b->ctx, i, k));
            if (!p->values[leaf].written) p->writes[p->n_writes++] = leaf;
            p->values[leaf].written = true;
        }
}

static void lower_group(soma__builder *b, soma__group *g) {
    soma__plan *p = b->p;
    uint32_t first = g->members[0], values[2] = {SOMA__NONE, SOMA__NONE};
    const soma_tensor *x = soma__entry_tensor(b->ctx, first);
    int64_t offsets[2];
    soma__call call;
    memset(&call, 0, sizeof call);
    call.in = soma__lower_take(b, 2 * sizeof *call.in);
    if (b->failed) return;
    bool product = g->product != SOMA__NONE;
    call.op = product ? soma__entry_tensor(b->ctx, g->product)->op : x->op;
    soma__lower_describe(&call.out, x, p->values[first].strides);
    if (product) {
        call.n_in = 2;
        describe_product(b, g, &call, values, offsets);
        if (b->failed) return;
        if (g->order == SOMA__ORDER_EXCHANGED) {
            int64_t t = call.out.shape[0];
            call.out.shape[0] = call.out.shape[1], call.out.shape[1] = t;
            t = call.out.strides[0], call.out.strides[0] = call.out.strides[1], call.out.strides[1] = t;
        }
        for (int k = 0; k < 2; k++) soma__lower_read(b, values[k]);
    }
    soma__pass *pass = !product || g->n > 1 ? soma__plan_program(b, g) : NULL;
    if (b->failed) return;
    call.pass = pass;
    if (call.op == SOMA_OP_conv_forward && values[1] < p->n_entries) keep_packed_filters(b, &call, values[1]);
    else if (call.op == SOMA_OP_matmul && product && values[1] < p->n_entries) keep_packed(b, &call, values[1]);
    soma__step *step = emit(b, &call, first);
    if (!product) step->run = soma__pass_kernel(b->ctx->isa), step->kernel = "elementwise";
    step->group = (uint32_t)(g - p->groups);
    for (int k = 0; k < g->n; k++) note_change(b, step, g->members[k]);
    for (int k = 0; product && k < 2; k++) soma__lower_bind(b, &step->call.in[k].data, values[k], offsets[k], step->call.in[k].dtype);
    if (product && p->values[first].home != SOMA__HOME_PASS) soma__lower_bind(b, &step->call.out.data, p->values[first].base, 0, x->dtype);
}

static void list_kept(soma__builder *b) {
    soma__plan *p = b->p;
    for (uint32_t i = 0; i < p->n_entries; i++) {
        const soma__value *v = &p->values[i];
        if (!v->kept) continue;
        if (v->view)
            p->aliases[p->n_aliases++] =
                (struct soma__alias){i, v->base, v->offset * (int64_t)soma_dtype_size((soma_dtype)soma__entry_tensor(b->ctx, i)->dtype)};
        else p->kept[p->n_kept++] = i;
    }
}

static bool allocate(soma__builder *b) {
    soma__tape *t = &b->ctx->tape;
    soma__plan *p = b->p;
    size_t inputs = 0;
    for (uint32_t i = 0; i < t->count; i++) inputs += (size_t)soma__entry_inputs(b->ctx, i);
    p->n_entries = t->count;
    p->n_keys = t->n_keys;
    p->tensors = soma__lower_take(b, (t->count + 1) * sizeof *p->tensors);
    p->keys = soma__lower_take(b, (t->n_keys + 1) * sizeof *p->keys);
    p->values = soma__lower_take(b, (t->count + inputs + 1) * sizeof *p->values);
    p->groups = soma__lower_take(b, (t->work + 1) * sizeof *p->groups);
    p->units = soma__lower_take(b, (t->work + 1) * sizeof *p->units);
    p->packs = soma__lower_take(b, (t->work + 1) * sizeof *p->packs);
    p->writers = soma__lower_take(b, (t->work + 1) * sizeof *p->writers);
    p->writes = soma__lower_take(b, (inputs + 1) * sizeof *p->writes);
    p->written = soma__lower_take(b, (inputs + 1) * sizeof *p->written);
    p->slab_values = soma__lower_take(b, (t->count + inputs + 1) * sizeof *p->slab_values);
    p->steps = soma__lower_take(b, (t->work + inputs + 1) * sizeof *p->steps);
    p->binds = soma__lower_take(b, (2 * t->count + 3 * inputs + 1) * sizeof *p->binds);
    p->slab_binds = soma__lower_take(b, (2 * t->count + 3 * inputs + 1) * sizeof *p->slab_binds);
    p->kept = soma__lower_take(b, (t->count + 1) * sizeof *p->kept);
    p->aliases = soma__lower_take(b, (t->count + 1) * sizeof *p->aliases);
    if (b->failed) return false;
    if (t->n_keys) memcpy(p->keys, t->keys, t->n_keys * sizeof *p->keys);
    for (size_t i = 0; i < t->count; i++) p->tensors[i] = t->entries[i].x;
    b->n_values = (uint32_t)t->count;
    return true;
}

soma__plan *soma__plan_build(soma_context *ctx, int close_depth) {
    soma__plan *p = soma__calloc(&ctx->alloc, sizeof *p);
    if (!p) return soma__no_memory(ctx);
    soma__scope_init(&p->memory, ctx, NULL, &ctx->chunks);
    p->close_depth = close_depth;
    p->first_write = INT32_MAX;
    soma__builder b = {ctx, p, 0, false};
    if (allocate(&b) && soma__plan_fuse(ctx, p)) {
        list_writes(&b);
        for (uint32_t u = 0; u < p->n_units && !b.failed; u++) {
            if (p->units[u] & SOMA__UNIT_GROUP) lower_group(&b, &p->groups[p->units[u] & ~SOMA__UNIT_GROUP]);
            else lower(&b, p->units[u]);
        }
        list_kept(&b);
        if (!b.failed) soma__plan_layout(ctx, p);
    }
    if (!soma__ok(ctx)) {
        soma__plan_free(ctx, p);
        return NULL;
    }
    ctx->stats.plans_built++;
    soma__say(ctx, "plan %lld: %zu entries, %d steps, slab of %zu bytes", (long long)ctx->stats.plans_built, p->n_entries, p->n_steps, p->slab_bytes);
    return p;
}

void soma__plan_free(soma_context *ctx, soma__plan *p) {
    if (!p) return;
    soma__scope_release(&p->memory);
    soma__free(&ctx->alloc, p, sizeof *p);
}

static uint64_t hash_words(const uint64_t *w, size_t n, uint64_t h) {
    uint64_t lane[4] = {h, h + 1, h + 2, h + 3}; /* side by side: one multiplication need not wait for the last */
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int l = 0; l < 4; l++) lane[l] = (lane[l] ^ w[i + l]) * 0x9e3779b97f4a7c15u, lane[l] ^= lane[l] >> 29;
    for (; i < n; i++) lane[0] = (lane[0] ^ w[i]) * 0x9e3779b97f4a7c15u, lane[0] ^= lane[0] >> 29;
    for (int l = 1; l < 4; l++) lane[0] = (lane[0] ^ lane[l]) * 0x9e3779b97f4a7c15u, lane[0] ^= lane[0] >> 29;
    return lane[0];
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
