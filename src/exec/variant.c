/* Capturing and running one variant. A capture runs nothing: what it did to the host's side (random counters, gradients, which assign is a variable's
 * last) is put back, and done again by each run. */
#include "exec/variant.h"

#include "base/fpmode.h"

#include <string.h>

typedef struct soma__capturing {
    soma__variant *v;
} soma__capturing;

void soma__variant_free(soma_context *ctx, soma__variant *v) {
    if (!v) return;
    soma__plan_free(ctx, v->plan);
    soma__free(&ctx->alloc, v->hooks, v->hooks_capacity * sizeof *v->hooks);
    soma__grads_forget(ctx, &v->memory);
    soma__scope_release(&v->memory);
    soma__free(&ctx->alloc, v, sizeof *v);
}

bool soma__variant_has_shapes(const soma__variant *v, const soma_slot *slots, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(v->inputs[i]->shape, slots[i].shape, (size_t)slots[i].ndim * sizeof(int64_t)) != 0) return false;
    return true;
}

bool soma__variant_has_grads(const soma__variant *v) {
    for (size_t i = 0; i < v->n_grads; i++)
        if (v->grads[i].before != (v->grads[i].leaf->grad != NULL)) return false;
    return true;
}

/* Records the body between the two halves of this: inputs made before, results and gradients held after. */
static bool record_body(soma_context *ctx, soma__variant *v, const soma__recipe *r) {
    for (size_t i = 0; i < r->n_in; i++) {
        const soma_slot *s = &r->slots[i];
        v->inputs[i] = soma__graph_new(ctx, ctx->scope, "capture", (soma_dtype)s->dtype, s->shape, s->ndim);
        if (!v->inputs[i]) return false;
        v->inputs[i]->data = v; /* anything but NULL: it is there; the real pointer comes with each run */
    }
    soma_status s = r->body(ctx, r->user, v->inputs, r->n_in, v->outputs, r->n_out);
    if (s != SOMA_OK) soma_error_raise(ctx, s, "capture: the body failed with status %d", (int)s);
    for (size_t i = 0; i < r->n_out && soma__ok(ctx); i++) {
        if (!v->outputs[i]) soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "capture: the body left output %zu NULL", i);
        else if (v->outputs[i]->op == SOMA_OP_leaf) v->outputs[i] = soma_detach(v->outputs[i]);
    }
    if (!soma__ok(ctx) || soma__grads_store(ctx) != SOMA_OK) return false;
    ctx->interior = 1;
    for (size_t i = 0; i < r->n_out; i++, ctx->interior = 1) soma_interior_end(ctx, v->outputs[i]);
    return true;
}

/* Random positions become relative to the counters at the start, and the counters go back. */
static bool relate_draws(soma_context *ctx, soma__variant *v, const uint64_t *before, size_t n_before) {
    soma__streams *s = &ctx->streams;
    v->draws = soma__scope_alloc(&v->memory, (ctx->tape.count + 1) * sizeof *v->draws, 8);
    v->takes = soma__scope_alloc(&v->memory, (s->count + 1) * sizeof *v->takes, 8);
    if (!v->draws || !v->takes) return soma__no_memory(ctx) != NULL;
    v->n_takes = s->count;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t start = i < n_before ? before[i] : 0;
        v->takes[i] = s->list[i].counter - start;
    }
    for (size_t i = 0; i < ctx->tape.count; i++) {
        soma_tensor *x = ctx->tape.entries[i].x;
        if (!(x->flags & SOMA__RANDOM)) continue;
        size_t k = 0;
        while (s->list[k].id != x->inline_data[0]) k++;
        v->draws[v->n_draws++] = (soma__draw){x, k, x->inline_data[1] - (k < n_before ? before[k] : 0)};
    }
    return true;
}

static bool place_results(soma_context *ctx, soma__variant *v, size_t n_in) {
    soma__plan *p = v->plan;
    soma__exec_bind_variables(ctx, p);
    for (int i = 0; i < p->n_kept; i++) {
        soma_tensor *x = soma__entry_tensor(ctx, p->kept[i]);
        x->data = soma__scope_alloc(&v->memory, soma__bytes(x), 64);
        if (!x->data) return soma__no_memory(ctx) != NULL;
    }
    for (int i = 0; i < p->n_aliases; i++) {
        const struct soma__alias *a = &p->aliases[i];
        soma__entry_tensor(ctx, a->entry)->data = (char *)soma__entry_tensor(ctx, a->base)->data + a->offset;
    }
    v->input_binds = soma__scope_alloc(&v->memory, ((size_t)p->n_binds * 2 + 2) * sizeof *v->input_binds, 8);
    if (!v->input_binds) return soma__no_memory(ctx) != NULL;
    for (int i = 0; i < p->n_binds; i++) {
        const soma__bind *b = &p->binds[i];
        soma_tensor *x = soma__entry_tensor(ctx, b->entry);
        size_t slot = 0;
        while (slot < n_in && v->inputs[slot] != x) slot++;
        if (slot < n_in) {
            v->input_binds[2 * v->n_input_binds] = i;
            v->input_binds[2 * v->n_input_binds++ + 1] = (int)slot;
        } else *b->where = (char *)x->data + b->offset;
    }
    return true;
}

static bool list_grads(soma_context *ctx, soma__variant *v) {
    v->grads = soma__scope_alloc(&v->memory, (ctx->n_found + 1) * sizeof *v->grads, 8);
    if (!v->grads) return soma__no_memory(ctx) != NULL;
    for (size_t i = 0; i < ctx->n_found; i++) {
        const soma__found *f = &ctx->found[i];
        if (f->gradient) v->grads[v->n_grads++] = (soma__grad_change){f->x, f->had_gradient, f->x->grad != NULL};
    }
    return true;
}

/* Nothing has run. */
static void put_back(soma_context *ctx, const uint64_t *before, size_t n_before) {
    for (size_t i = 0; i < ctx->streams.count; i++) ctx->streams.list[i].counter = i < n_before ? before[i] : 0;
    for (size_t i = 0; i < ctx->n_found; i++) {
        const soma__found *f = &ctx->found[i];
        if (f->x->var) f->x->var->assigned = f->assigned;
        if (f->gradient) soma__grad_put(f->x, f->had_gradient);
    }
    ctx->n_found = 0;
}

static bool capture_into(soma_context *ctx, soma__variant *v, const soma__recipe *r) {
    v->inputs = soma__scope_alloc(&v->memory, (r->n_in + 1) * sizeof *v->inputs, 8);
    v->outputs = soma__scope_alloc(&v->memory, (r->n_out + 1) * sizeof *v->outputs, 8);
    size_t n = ctx->streams.count;
    uint64_t *before = soma__scope_alloc(&v->memory, (n + 1) * sizeof *before, 8);
    if (!v->inputs || !v->outputs || !before) return soma__no_memory(ctx) != NULL;
    memset(v->outputs, 0, (r->n_out + 1) * sizeof *v->outputs);
    for (size_t i = 0; i < n; i++) before[i] = ctx->streams.list[i].counter;
    soma__capturing c = {v};
    soma_scope *scope = ctx->scope;
    int interior = ctx->interior, no_grad = ctx->no_grad;
    uint64_t stream = soma_stream_use(ctx, SOMA_STREAM_USER);
    ctx->capturing = &c;
    ctx->scope = &v->memory;
    ctx->interior = 1;
    ctx->no_grad = 0;
    bool fine = record_body(ctx, v, r);
    if (fine) v->plan = soma__plan_build(ctx, INT32_MAX);
    fine = fine && v->plan && relate_draws(ctx, v, before, n) && place_results(ctx, v, r->n_in) && list_grads(ctx, v);
    soma__tape_clear(ctx);
    put_back(ctx, before, n);
    ctx->capturing = NULL;
    ctx->scope = scope;
    ctx->stream = stream;
    ctx->interior = interior;
    ctx->no_grad = no_grad;
    return fine;
}

soma__variant *soma__variant_capture(soma_context *ctx, const soma__recipe *r) {
    soma__variant *v = soma__calloc(&ctx->alloc, sizeof *v);
    if (!v) return soma__no_memory(ctx);
    soma__scope_init(&v->memory, ctx, r->owner, &ctx->chunks);
    if (capture_into(ctx, v, r)) return v;
    soma__variant_free(ctx, v);
    return NULL;
}

/* Takes the first n hooks' calls back, the last one first, but for those of what changed variables. */
static void undo_hooks(const soma__variant *v, size_t n, size_t changed) {
    while (n-- > 0)
        if (v->hooks[n].undo && v->hooks[n].at >= changed) v->hooks[n].undo(v->hooks[n].user);
}

static soma_status run_hooks(soma_context *ctx, const soma__variant *v) {
    for (size_t i = 0; i < v->n_hooks; i++) {
        soma_status s = v->hooks[i].fn(v->hooks[i].user);
        if (s == SOMA_OK) continue;
        undo_hooks(v, i, 0);
        return soma_error_raise(ctx, s, "program_run: a hook failed");
    }
    return SOMA_OK;
}

/* Draws recorded before the last change of a variable have happened; those after it have not. */
static void keep_draws(soma_context *ctx, const soma__variant *v, size_t changed) {
    for (size_t i = 0; changed && i < v->n_takes; i++) {
        uint64_t take = v->takes[i];
        for (size_t k = v->n_draws; k-- > 0;)
            if (v->draws[k].stream == i && v->draws[k].position->index >= changed) take = v->draws[k].from;
        ctx->streams.list[i].counter += take;
    }
}

/* The variables that were written are newer than any gradient's forward pass. */
static void note_written(soma_context *ctx, const soma__plan *p) {
    uint64_t now = ++ctx->seq;
    for (int i = 0; i < p->n_writes; i++) p->written[i]->assigned = now;
}

soma_status soma__variant_run(soma_context *ctx, soma__variant *v, const void *const *data) {
    soma__plan *p = v->plan;
    if (!soma__exec_bind_slab(ctx, p)) return ctx->status;
    for (int i = 0; i < v->n_input_binds; i++) {
        const soma__bind *b = &p->binds[v->input_binds[2 * i]];
        *b->where = (char *)(uintptr_t)data[v->input_binds[2 * i + 1]] + b->offset;
    }
    for (size_t i = 0; i < v->n_draws; i++) v->draws[i].position->inline_data[1] = ctx->streams.list[v->draws[i].stream].counter + v->draws[i].from;
    soma__fpmode mode = soma__fpmode_enter(); /* hooks compute numbers, too */
    soma_status hooked = run_hooks(ctx, v);
    soma__fpmode_leave(mode);
    if (hooked != SOMA_OK) return ctx->status;
    int done;
    if (soma__exec_steps(ctx, p, &done) != SOMA_OK) {
        size_t changed = soma__plan_changed(p, done);
        v->ran = false;
        undo_hooks(v, v->n_hooks, changed);
        keep_draws(ctx, v, changed);
        if (changed) note_written(ctx, p);
        return ctx->status;
    }
    for (size_t i = 0; i < v->n_takes; i++) ctx->streams.list[i].counter += v->takes[i];
    note_written(ctx, p);
    for (size_t i = 0; i < v->n_grads; i++)
        if (v->grads[i].before != v->grads[i].after && !soma__grad_put(v->grads[i].leaf, v->grads[i].after)) return ctx->status;
    v->ran = true;
    return SOMA_OK;
}

soma_status soma_on_run(soma_context *ctx, soma_status (*fn)(void *user), void (*undo)(void *user), void *user) {
    if (!ctx || !fn) return SOMA_ERROR_ARGUMENT;
    if (!soma__ok(ctx)) return ctx->status;
    if (!ctx->capturing) {
        soma__fpmode mode = soma__fpmode_enter();
        soma_status s = fn(user);
        soma__fpmode_leave(mode);
        if (s != SOMA_OK) return soma_error_raise(ctx, s, "on_run: the hook failed");
        if (undo && !soma__undo_push(ctx, (soma__undo){.fn = undo, .user = user})) undo(user);
        return ctx->status;
    }
    soma__variant *v = ctx->capturing->v;
    if (!soma__grow(ctx, (void **)&v->hooks, &v->hooks_capacity, v->n_hooks + 1, sizeof *v->hooks)) return ctx->status;
    v->hooks[v->n_hooks++] = (soma__hook){fn, undo, user, ctx->tape.count};
    return SOMA_OK;
}

bool soma_is_capturing(const soma_context *ctx) { return ctx && ctx->capturing; }
