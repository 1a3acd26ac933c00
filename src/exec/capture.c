/* Captured programs. A body is recorded once for each set of input shapes; its plan, its leaves and its results live in a scope of the program. A run
 * gives the input slots their pointers, moves the random positions on, and calls the kernels. */
#include "exec/run.h"

#include <string.h>

/* A random op's place in its stream, from where the run begins. */
typedef struct draw {
    soma_tensor *position;
    size_t stream; /* index into the context's streams */
    uint64_t from;
} draw;

/* The program for one set of input shapes. */
typedef struct variant {
    soma_scope memory; /* records, leaves, results */
    soma__plan *plan;
    soma_tensor **inputs, **outputs;
    soma__hook *hooks;
    size_t n_hooks, hooks_capacity;
    draw *draws;
    size_t n_draws;
    uint64_t *takes; /* counters that a run takes of each stream */
    size_t n_takes;
    int *input_binds; /* binds whose memory is an input slot's: the bind and the slot */
    int n_input_binds;
    uint64_t used;
} variant;

struct soma_program {
    soma_context *ctx;
    soma_scope *owner;
    soma_body body;
    void *user;
    soma_slot *slots; /* with the shapes that are bound now */
    const void **data;
    size_t n_in, n_out;
    variant **variants;
    size_t n_variants, max_variants;
    variant *current; /* fits the bound shapes; NULL after a bind changed one */
    bool ran;
};

typedef struct soma__capturing {
    variant *v;
} soma__capturing;

static void variant_free(soma_context *ctx, variant *v) {
    if (!v) return;
    soma__plan_free(ctx, v->plan);
    soma__free(&ctx->alloc, v->hooks, v->hooks_capacity * sizeof *v->hooks);
    soma__grads_forget(ctx, &v->memory);
    soma__scope_release(&v->memory);
    soma__free(&ctx->alloc, v, sizeof *v);
}

static void program_release(void *arg) {
    soma_program *p = arg;
    soma_context *ctx = p->ctx;
    for (size_t i = 0; i < p->n_variants; i++) variant_free(ctx, p->variants[i]);
    soma__free(&ctx->alloc, p->variants, p->max_variants * sizeof *p->variants);
    soma__free(&ctx->alloc, p->slots, p->n_in * sizeof *p->slots);
    soma__free(&ctx->alloc, p->data, p->n_in * sizeof *p->data);
    soma__free(&ctx->alloc, p, sizeof *p);
}

void soma_program_free(soma_program *p) {
    if (!p) return;
    soma__scope_forget(p->owner, program_release, p);
    program_release(p);
}

/* Can there be a tensor like the slot's? */
static bool slot_ok(soma_context *ctx, const char *call, size_t i, const soma_slot *s) {
    int64_t numel;
    if (s->dtype < 0 || s->dtype >= SOMA_DTYPES)
        soma_error_raise(ctx, SOMA_ERROR_DTYPE, "%s: slot %zu has the dtype %lld, which is none", call, i, (long long)s->dtype);
    else if (!soma__shape_ok(s->shape, s->ndim, &numel))
        soma_error_raise(ctx, SOMA_ERROR_SHAPE, "%s: slot %zu has %lld dimensions, or a negative or too large size; 0 to %d dimensions are wanted", call, i,
                         (long long)s->ndim, SOMA_MAX_DIMS);
    return soma__ok(ctx);
}

soma_program *soma_capture_v(soma_context *ctx, soma_body body, void *user, const soma_slot *slots, size_t n_inputs, size_t n_outputs,
                             const soma_capture_opts *options, size_t size) {
    soma_capture_opts o;
    if (!ctx || !soma__ok(ctx) || !soma__options(ctx, "capture", &o, sizeof o, options, size)) return NULL;
    if (!body || (n_inputs && !slots) || ctx->capturing) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "capture: a body is wanted, slots for its %zu inputs, and no capture inside a capture", n_inputs);
        return NULL;
    }
    for (size_t i = 0; i < n_inputs; i++)
        if (!slot_ok(ctx, "capture", i, &slots[i])) return NULL;
    soma_program *p = soma__calloc(&ctx->alloc, sizeof *p);
    if (!p) return soma__no_memory(ctx);
    *p = (soma_program){.ctx = ctx, .owner = ctx->scope, .body = body, .user = user, .n_in = n_inputs, .n_out = n_outputs};
    p->max_variants = o.max_shapes > 0 ? (size_t)o.max_shapes : 8;
    p->slots = soma__calloc(&ctx->alloc, n_inputs * sizeof *p->slots);
    p->data = soma__calloc(&ctx->alloc, n_inputs * sizeof *p->data);
    p->variants = soma__calloc(&ctx->alloc, p->max_variants * sizeof *p->variants);
    if (!p->slots || !p->data || !p->variants || !soma__scope_cleanup(ctx->scope, program_release, p)) {
        soma__no_memory(ctx);
        program_release(p);
        return NULL;
    }
    if (n_inputs) memcpy(p->slots, slots, n_inputs * sizeof *slots);
    return p;
}

static bool same_shapes(const soma_program *p, const variant *v) {
    for (size_t i = 0; i < p->n_in; i++)
        if (memcmp(v->inputs[i]->shape, p->slots[i].shape, (size_t)p->slots[i].ndim * sizeof(int64_t)) != 0) return false;
    return true;
}

/* Records the body between the two halves of this: inputs made before, results and gradients held after. */
static bool record_body(soma_program *p, variant *v) {
    soma_context *ctx = p->ctx;
    for (size_t i = 0; i < p->n_in; i++) {
        const soma_slot *s = &p->slots[i];
        v->inputs[i] = soma__graph_new(ctx, ctx->scope, (soma_dtype)s->dtype, s->shape, s->ndim);
        if (!v->inputs[i]) return false;
        v->inputs[i]->data = v; /* anything but NULL: it is there; the real pointer comes with each run */
    }
    soma_status s = p->body(ctx, p->user, v->inputs, p->n_in, v->outputs, p->n_out);
    if (s != SOMA_OK) soma_error_raise(ctx, s, "capture: the body failed");
    for (size_t i = 0; i < p->n_out && soma__ok(ctx); i++) {
        if (!v->outputs[i]) soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "capture: the body left output %zu NULL", i);
        else if (v->outputs[i]->op == SOMA_OP_leaf) v->outputs[i] = soma_detach(v->outputs[i]);
    }
    if (!soma__ok(ctx) || soma__grads_store(ctx) != SOMA_OK) return false;
    ctx->interior = 1;
    for (size_t i = 0; i < p->n_out; i++, ctx->interior = 1) soma_interior_end(ctx, v->outputs[i]);
    return true;
}

/* Random positions become relative to the counters at the start, and the counters go back: nothing has run. */
static bool relate_draws(soma_context *ctx, variant *v, const uint64_t *before, size_t n_before) {
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
        v->draws[v->n_draws++] = (draw){x, k, x->inline_data[1] - (k < n_before ? before[k] : 0)};
    }
    for (size_t i = 0; i < s->count; i++) s->list[i].counter -= v->takes[i];
    return true;
}

static bool place_results(soma_context *ctx, variant *v, size_t n_in) {
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
        } else
            *b->where = (char *)x->data + b->offset;
    }
    return true;
}

/* Records and plans the body with the context set aside. */
static bool capture_into(soma_program *p, variant *v) {
    soma_context *ctx = p->ctx;
    v->inputs = soma__scope_alloc(&v->memory, (p->n_in + 1) * sizeof *v->inputs, 8);
    v->outputs = soma__scope_alloc(&v->memory, (p->n_out + 1) * sizeof *v->outputs, 8);
    size_t n = ctx->streams.count;
    uint64_t *before = soma__scope_alloc(&v->memory, (n + 1) * sizeof *before, 8);
    if (!v->inputs || !v->outputs || !before) return soma__no_memory(ctx) != NULL;
    memset(v->outputs, 0, (p->n_out + 1) * sizeof *v->outputs);
    for (size_t i = 0; i < n; i++) before[i] = ctx->streams.list[i].counter;
    soma__capturing c = {v};
    soma_scope *scope = ctx->scope;
    int interior = ctx->interior, no_grad = ctx->no_grad;
    ctx->capturing = &c;
    ctx->scope = &v->memory;
    ctx->interior = 1;
    ctx->no_grad = 0;
    bool fine = record_body(p, v);
    if (fine) v->plan = soma__plan_build(ctx, INT32_MAX);
    fine = fine && v->plan && relate_draws(ctx, v, before, n) && place_results(ctx, v, p->n_in);
    soma__tape_clear(ctx);
    ctx->capturing = NULL;
    ctx->scope = scope;
    ctx->interior = interior;
    ctx->no_grad = no_grad;
    return fine;
}

/* The variant for the bound shapes, captured when it is not there yet. */
static variant *find_variant(soma_program *p) {
    soma_context *ctx = p->ctx;
    for (size_t i = 0; i < p->n_variants; i++)
        if (same_shapes(p, p->variants[i])) return p->variants[i];
    if (p->n_variants == p->max_variants) {
        soma_error_raise(ctx, SOMA_ERROR_STATE, "program_run: %zu sets of input shapes are captured already; raise max_shapes", p->max_variants);
        return NULL;
    }
    if (soma_eval(ctx) != SOMA_OK) return NULL;
    variant *v = soma__calloc(&ctx->alloc, sizeof *v);
    if (!v) return soma__no_memory(ctx);
    soma__scope_init(&v->memory, ctx, p->owner, &ctx->chunks);
    if (!capture_into(p, v)) {
        variant_free(ctx, v);
        return NULL;
    }
    return p->variants[p->n_variants++] = v;
}

soma_status soma_program_bind(soma_program *p, size_t i, const void *data, const int64_t *shape) {
    if (!p) return SOMA_ERROR_ARGUMENT;
    if (!soma__ok(p->ctx)) return p->ctx->status;
    if (i >= p->n_in || !data) return soma_error_raise(p->ctx, SOMA_ERROR_ARGUMENT, "program_bind: slot %zu of %zu, or data is NULL", i, p->n_in);
    size_t bytes = (size_t)p->slots[i].ndim * sizeof(int64_t);
    if (shape && memcmp(p->slots[i].shape, shape, bytes) != 0) {
        soma_slot bound = p->slots[i];
        memcpy(bound.shape, shape, bytes);
        if (!slot_ok(p->ctx, "program_bind", i, &bound)) return p->ctx->status;
        p->slots[i] = bound;
        p->current = NULL;
    }
    p->data[i] = data;
    return SOMA_OK;
}

/* Takes the first n hooks' calls back, the last one first. */
static void undo_hooks(const variant *v, size_t n) {
    while (n-- > 0)
        if (v->hooks[n].undo) v->hooks[n].undo(v->hooks[n].user);
}

static soma_status run_hooks(soma_context *ctx, const variant *v) {
    for (size_t i = 0; i < v->n_hooks; i++) {
        soma_status s = v->hooks[i].fn(v->hooks[i].user);
        if (s == SOMA_OK) continue;
        undo_hooks(v, i);
        return soma_error_raise(ctx, s, "program_run: a hook failed");
    }
    return SOMA_OK;
}

soma_status soma_program_run(soma_program *p) {
    if (!p) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = p->ctx;
    if (!soma__ok(ctx)) return ctx->status;
    if (ctx->tape.work && soma_eval(ctx) != SOMA_OK) return ctx->status;
    for (size_t i = 0; i < p->n_in; i++)
        if (!p->data[i]) return soma_error_raise(ctx, SOMA_ERROR_STATE, "program_run: slot %zu has no data; call soma_program_bind first", i);
    if (!p->current && !(p->current = find_variant(p))) return ctx->status;
    variant *v = p->current;
    if (!soma__exec_bind_slab(ctx, v->plan)) return ctx->status;
    for (int i = 0; i < v->n_input_binds; i++) {
        const soma__bind *b = &v->plan->binds[v->input_binds[2 * i]];
        *b->where = (char *)(uintptr_t)p->data[v->input_binds[2 * i + 1]] + b->offset;
    }
    for (size_t i = 0; i < v->n_draws; i++) v->draws[i].position->inline_data[1] = ctx->streams.list[v->draws[i].stream].counter + v->draws[i].from;
    if (run_hooks(ctx, v) != SOMA_OK) return ctx->status;
    int done;
    if (soma__exec_steps(ctx, v->plan, &done) != SOMA_OK) return undo_hooks(v, v->n_hooks), ctx->status;
    for (size_t i = 0; i < v->n_takes; i++) ctx->streams.list[i].counter += v->takes[i];
    p->ran = true;
    return SOMA_OK;
}

soma_status soma_program_output(soma_program *p, size_t i, const void **data, int64_t *numel) {
    if (!p || !data) return SOMA_ERROR_ARGUMENT;
    if (i >= p->n_out || !p->ran || !p->current)
        return soma_error_raise(p->ctx, SOMA_ERROR_STATE, "program_output: output %zu of %zu; the program must have run", i, p->n_out);
    *data = p->current->outputs[i]->data;
    if (numel) *numel = p->current->outputs[i]->numel;
    return SOMA_OK;
}

soma_status soma_program_item(soma_program *p, size_t i, double *out) {
    const void *data;
    int64_t numel;
    soma_status s = soma_program_output(p, i, &data, &numel);
    return s == SOMA_OK ? soma_item(p->current->outputs[i], out) : s;
}

soma_status soma_program_explain(soma_program *p, char **text) {
    if (!p || !text) return SOMA_ERROR_ARGUMENT;
    *text = NULL;
    if (!soma__ok(p->ctx)) return p->ctx->status;
    if (!p->current && !(p->current = find_variant(p))) return p->ctx->status;
    *text = soma__plan_print(p->ctx, p->current->plan);
    return p->ctx->status;
}

soma_status soma_on_run(soma_context *ctx, soma_status (*fn)(void *user), void (*undo)(void *user), void *user) {
    if (!ctx || !fn) return SOMA_ERROR_ARGUMENT;
    if (!soma__ok(ctx)) return ctx->status;
    if (!ctx->capturing) {
        soma_status s = fn(user);
        if (s != SOMA_OK) return soma_error_raise(ctx, s, "on_run: the hook failed");
        if (undo && !soma__undo_push(ctx, (soma__undo){.fn = undo, .user = user})) undo(user);
        return ctx->status;
    }
    variant *v = ctx->capturing->v;
    if (!soma__grow(ctx, (void **)&v->hooks, &v->hooks_capacity, v->n_hooks + 1, sizeof *v->hooks)) return ctx->status;
    v->hooks[v->n_hooks++] = (soma__hook){fn, undo, user};
    return SOMA_OK;
}

bool soma_is_capturing(const soma_context *ctx) { return ctx && ctx->capturing; }
