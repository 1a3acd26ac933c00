/* A run: pointers filled in, kernels called in order. The floating-point mode is the library's own while kernels run and the caller's again after. */
#include "exec/run.h"

#include "base/fpmode.h"

#include <string.h>

#define SLAB_MORE ((size_t)1 << 20) /* so that plans that grow by little do not make a new slab each */

size_t soma__exec_slab_bytes(const soma_context *ctx, const soma__plan *p) {
    const soma__plan_cache *c = ctx->plans;
    size_t more = p->slab_bytes / 4;
    return c->slab && c->slab_bytes >= p->slab_bytes ? c->slab_bytes : p->slab_bytes + (more < SLAB_MORE ? more : SLAB_MORE) + 4096;
}

bool soma__exec_bind_slab(soma_context *ctx, soma__plan *p) {
    soma__plan_cache *c = ctx->plans;
    size_t bytes = soma__exec_slab_bytes(ctx, p);
    if (bytes != c->slab_bytes) { /* nothing in the old one is read again; two of them at once would be the most that is ever taken */
        soma__free(&ctx->alloc, c->slab, c->slab_bytes);
        c->slab_bytes = 0;
        c->slab = soma__alloc(&ctx->alloc, bytes);
        if (c->slab) c->slab_bytes = bytes;
        ctx->stats.slab_bytes = (int64_t)c->slab_bytes;
        if (!c->slab) return soma__no_memory(ctx) != NULL;
    }
    if (p->bound_slab == c->slab) return true;
    char *slab = c->slab;
    for (int i = 0; i < p->n_slab_binds; i++) {
        const soma__bind *b = &p->slab_binds[i];
        *b->where = slab + p->values[b->entry].slab + b->offset;
    }
    for (int i = 0; i < p->n_steps; i++)
        if (p->steps[i].call.scratch) p->steps[i].call.scratch = slab + p->scratch_at + p->steps[i].skip;
    p->bound_slab = slab;
    return true;
}

soma_status soma__exec_steps(soma_context *ctx, soma__plan *p, int *done) {
    soma__fpmode mode = soma__fpmode_enter();
    uintptr_t before = soma__enter(&ctx->user);
    ctx->running = true;
    int i = 0;
    for (; i < p->n_steps; i++) {
        const soma__step *s = &p->steps[i];
        if (ctx->cancel && i <= p->first_write && *ctx->cancel) { /* a step that has begun to change variables is finished */
            soma_error_raise(ctx, SOMA_ERROR_CANCELLED, "the evaluation was cancelled by the context's cancel flag, after %d of %d steps", i,
                             p->n_steps);
            break;
        }
        int status = s->run(&s->call);
        if (status != SOMA_OK) {
            const soma_custom_def *custom = s->call.op == SOMA_OP_custom ? soma__custom_find(ctx, s->call.attr[0]) : NULL;
            soma_error_raise(ctx, (soma_status)status, "%s: the kernel failed with status %d", custom ? custom->name : soma__ops[s->call.op]->name,
                             status);
            break;
        }
    }
    ctx->running = false;
    soma__leave(&ctx->user, before);
    soma__fpmode_leave(mode);
    *done = i;
    for (int w = 0; w < p->n_writes; w++) __atomic_add_fetch(&p->written[w]->packed.live, 1, __ATOMIC_RELEASE); /* another context may share it */
    ctx->stats.plans_run++;
    ctx->stats.kernels_run += i;
    return ctx->status;
}

/* Without memory for it a variable is packed at each run. */
void soma__exec_bind_variables(soma_context *ctx, soma__plan *p) {
    for (int i = 0; i < p->n_writes; i++) p->written[i] = soma__entry_tensor(ctx, p->writes[i])->var;
    for (int i = 0; i < p->n_packs; i++) {
        soma__packed *packed = &soma__entry_tensor(ctx, p->packs[i].entry)->var->packed;
        if (packed->bytes < p->packs[i].bytes) {
            void *memory = soma__alloc(&ctx->alloc, p->packs[i].bytes);
            if (memory) {
                soma__free(&ctx->alloc, packed->memory, packed->bytes);
                packed->memory = memory;
                packed->bytes = p->packs[i].bytes;
                packed->live++;
            }
        }
        p->steps[p->packs[i].step].call.packed = packed->bytes < p->packs[i].bytes ? NULL : packed;
    }
}

static bool bind_entries(soma_context *ctx, soma__plan *p) {
    soma__exec_bind_variables(ctx, p);
    for (int i = 0; i < p->n_kept; i++) {
        soma_tensor *x = soma__entry_tensor(ctx, p->kept[i]);
        x->data = soma__scope_alloc(x->scope, soma__bytes(x), 64);
        if (!x->data) return soma__no_memory(ctx) != NULL;
    }
    for (int i = 0; i < p->n_aliases; i++) {
        const struct soma__alias *a = &p->aliases[i];
        soma__entry_tensor(ctx, a->entry)->data = (char *)soma__entry_tensor(ctx, a->base)->data + a->offset;
    }
    for (int i = 0; i < p->n_binds; i++) {
        const soma__bind *b = &p->binds[i];
        *b->where = (char *)soma__entry_tensor(ctx, b->entry)->data + b->offset;
    }
    return true;
}

/* Values of a run that failed are not there. */
static void unset_kept(soma_context *ctx, const soma__plan *p) {
    for (int i = 0; i < p->n_kept; i++) soma__entry_tensor(ctx, p->kept[i])->data = NULL;
    for (int i = 0; i < p->n_aliases; i++) soma__entry_tensor(ctx, p->aliases[i].entry)->data = NULL;
}

static soma_status in_capture(soma_context *ctx) {
    return soma_error_raise(ctx, SOMA_ERROR_STATE,
                            "a value cannot be read, nor a scope closed, while a program is captured: nothing is computed yet");
}

soma_status soma__exec_flush(soma_context *ctx, int close_depth) {
    if (!soma__ok(ctx)) return ctx->status;
    if (ctx->capturing) return in_capture(ctx);
    if (ctx->running) return soma__while_running(ctx);
    if (soma__grads_store(ctx) != SOMA_OK) return ctx->status;
    if (!ctx->tape.work) return soma__tape_clear(ctx), SOMA_OK;
    int done = 0;
    soma__plan *p = soma__plan_get(ctx, close_depth);
    if (p) {
        if (!soma__exec_bind_slab(ctx, p) || !bind_entries(ctx, p) || soma__exec_steps(ctx, p, &done) != SOMA_OK) {
            ctx->changed = soma__plan_changed(p, done);
            unset_kept(ctx, p);
        }
    }
    soma__tape_clear(ctx);
    return ctx->status;
}

soma_status soma_eval(soma_context *ctx) { return ctx ? soma__exec_flush(ctx, INT32_MAX) : SOMA_ERROR_ARGUMENT; }

/* Makes x's value readable. Finished values can be read while an error is pending. */
static soma_status ready(soma_tensor *x) {
    if (!x) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = x->ctx;
    bool pending = x->var ? x->var->epoch == ctx->epoch : !x->data;
    if (ctx->capturing && x->scope == ctx->scope) return in_capture(ctx);
    if (ctx->running && x->epoch == ctx->epoch) return soma__while_running(ctx); /* its memory is there, its value may not be */
    if (pending && x->epoch != ctx->epoch && !x->var) {
        if (!soma__ok(ctx)) return ctx->status;
        if (ctx->running) return soma__while_running(ctx);
        if (!(x->flags & SOMA__KEPT))
            return soma_error_raise(
                ctx, SOMA_ERROR_STATE,
                "read: the value of '%s' was interior to a module, a gradient or a program, and is not held after its evaluation; "
                "use soma_keep",
                soma__ops[x->op]->name);
        if (soma__tape_ref(ctx, x) == SOMA__REF_NONE) return ctx->status; /* lost with an evaluation that failed: once more */
    }
    if (pending && soma_eval(ctx) != SOMA_OK) return ctx->status;
    if (!x->data)
        return soma_error_raise(
            ctx, SOMA_ERROR_STATE,
            "read: the value of '%s' is interior to a module, a gradient or a program, and is not held for reading; use soma_keep",
            soma__ops[x->op]->name);
    return SOMA_OK;
}

soma_status soma_data(soma_tensor *x, const void **out) {
    soma_status s = ready(x);
    if (out) *out = s == SOMA_OK ? x->data : NULL;
    return s;
}

soma_status soma_read(soma_tensor *x, void *out, size_t bytes) {
    if (!x) return SOMA_ERROR_ARGUMENT;
    if (bytes != soma__bytes(x))
        return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "read: the tensor has %zu bytes, the buffer %zu", soma__bytes(x), bytes);
    if (!out && bytes) return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "read: the buffer is NULL");
    soma_status s = ready(x);
    if (s == SOMA_OK && bytes) memcpy(out, x->data, bytes);
    return s;
}

static double as_double(const void *data, int dtype) {
    switch (dtype) {
    case SOMA_F32: return (double)*(const float *)data;
    case SOMA_F64: return *(const double *)data;
    case SOMA_I64: return (double)*(const int64_t *)data;
    case SOMA_I32: return (double)*(const int32_t *)data;
    default: return (double)*(const uint8_t *)data;
    }
}

soma_status soma_item(soma_tensor *x, double *out) {
    if (!x || !out) return SOMA_ERROR_ARGUMENT;
    char text[128];
    if (x->numel != 1)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "item: the tensor has %lld elements (shape %s), one is wanted", (long long)x->numel,
                                soma_shape_text(x, text, sizeof text));
    soma_status s = ready(x);
    if (s == SOMA_OK) *out = as_double(x->data, x->dtype);
    return s;
}

soma_tensor *soma_keep(soma_tensor *x) {
    soma_tensor *y = soma_detach(x);
    if (!y) return NULL;
    int interior = y->ctx->interior;
    y->ctx->interior = 1;
    soma_interior_end(y->ctx, y);
    y->ctx->interior = interior;
    return soma_eval(y->ctx) == SOMA_OK ? y : NULL;
}

soma_status soma_explain(soma_context *ctx, char **text) {
    if (!ctx || !text) return SOMA_ERROR_ARGUMENT;
    *text = NULL;
    if (!soma__ok(ctx)) return ctx->status;
    soma__grads_show(ctx, true);
    soma__plan *p = soma__plan_build(ctx, INT32_MAX);
    soma__grads_show(ctx, false);
    if (p) *text = soma__plan_print(ctx, p);
    soma__plan_free(ctx, p);
    return ctx->status;
}

void soma_text_free(soma_context *ctx, char *text) {
    if (ctx && text) soma__free(&ctx->alloc, text, strlen(text) + 1);
}
