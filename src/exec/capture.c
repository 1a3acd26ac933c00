/* Captured programs: a body is recorded once for each set of input shapes, and run many times. */
#include "exec/variant.h"

#include <stdio.h>
#include <string.h>

#define MOST_OUTPUTS (1 << 20)

struct soma_program {
    soma_context *ctx;
    soma__recipe recipe;
    soma_slot *slots; /* with the shapes that are bound now */
    const void **data;
    soma__variant **variants;
    size_t n_variants, capacity, max_shapes;
    soma__variant *current; /* the last one run, or found; NULL after a bind changed a shape */
};

static void program_release(void *arg) {
    soma_program *p = arg;
    soma_context *ctx = p->ctx;
    for (size_t i = 0; i < p->n_variants; i++) soma__variant_free(ctx, p->variants[i]);
    soma__free(&ctx->alloc, p->variants, p->capacity * sizeof *p->variants);
    soma__free(&ctx->alloc, p->slots, p->recipe.n_in * sizeof *p->slots);
    soma__free(&ctx->alloc, p->data, p->recipe.n_in * sizeof *p->data);
    soma__free(&ctx->alloc, p, sizeof *p);
}

void soma_program_free(soma_program *p) {
    if (!p) return;
    soma__scope_forget(p->recipe.owner, program_release, p);
    program_release(p);
}

/* Can there be a tensor like the slot's? */
static bool slot_ok(soma_context *ctx, const char *call, size_t i, const soma_slot *s) {
    char what[64];
    snprintf(what, sizeof what, "%s: slot %zu", call, i);
    return soma__check_shape(ctx, what, s->dtype, s->shape, s->ndim);
}

soma_program *soma_capture_v(soma_context *ctx, soma_body body, void *user, const soma_slot *slots, size_t n_inputs, size_t n_outputs,
                             const soma_capture_opts *options, size_t size) {
    soma_capture_opts o;
    if (!ctx || !soma__ok(ctx) || !soma_options_read(ctx, "capture", &o, sizeof o, options, size)) return NULL;
    if (!body || (n_inputs && !slots) || ctx->capturing) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "capture: a body is wanted, slots for its %zu inputs, and no capture inside a capture", n_inputs);
        return NULL;
    }
    if (o.max_shapes < 0 || n_outputs > MOST_OUTPUTS) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT,
                         "capture: %zu outputs, max_shapes %lld; at most %d outputs and a max_shapes of 0 or more are wanted", n_outputs,
                         (long long)o.max_shapes, MOST_OUTPUTS);
        return NULL;
    }
    for (size_t i = 0; i < n_inputs; i++)
        if (!slot_ok(ctx, "capture", i, &slots[i])) return NULL;
    soma_program *p = soma__calloc(&ctx->alloc, sizeof *p);
    if (!p) return soma__no_memory(ctx);
    *p = (soma_program){.ctx = ctx, .max_shapes = o.max_shapes > 0 ? (size_t)o.max_shapes : 8};
    p->slots = soma__calloc(&ctx->alloc, n_inputs * sizeof *p->slots);
    p->data = soma__calloc(&ctx->alloc, n_inputs * sizeof *p->data);
    p->recipe = (soma__recipe){ctx->scope, body, user, p->slots, n_inputs, n_outputs};
    if (!p->slots || !p->data || !soma__scope_cleanup(ctx->scope, program_release, p)) {
        soma__no_memory(ctx);
        program_release(p);
        return NULL;
    }
    if (n_inputs) memcpy(p->slots, slots, n_inputs * sizeof *slots);
    return p;
}

/* How many sets of shapes are captured, and whether the bound one is among them; gradients that are there or not make no further set. */
static size_t count_shapes(const soma_program *p, bool *there) {
    size_t n = 0;
    *there = false;
    for (size_t i = 0; i < p->n_variants; i++) {
        *there |= soma__variant_has_shapes(p->variants[i], p->slots, p->recipe.n_in);
        bool first = true;
        for (size_t j = 0; j < i && first; j++) {
            first = false;
            for (size_t k = 0; k < p->recipe.n_in && !first; k++)
                first = memcmp(p->variants[i]->inputs[k]->shape, p->variants[j]->inputs[k]->shape, sizeof p->slots[k].shape) != 0;
        }
        n += first;
    }
    return n;
}

/* The variant for the bound shapes, captured when it is not there yet. */
static soma__variant *find_variant(soma_program *p) {
    soma_context *ctx = p->ctx;
    for (size_t i = 0; i < p->n_variants; i++)
        if (soma__variant_has_shapes(p->variants[i], p->slots, p->recipe.n_in) && soma__variant_has_grads(p->variants[i])) return p->variants[i];
    bool there;
    if (count_shapes(p, &there) >= p->max_shapes && !there) {
        soma_error_raise(ctx, SOMA_ERROR_STATE, "program_run: %zu sets of input shapes are captured already; raise max_shapes", p->max_shapes);
        return NULL;
    }
    if (soma_eval(ctx) != SOMA_OK || !soma__grow(ctx, (void **)&p->variants, &p->capacity, p->n_variants + 1, sizeof *p->variants)) return NULL;
    soma__variant *v = soma__variant_capture(ctx, &p->recipe);
    if (!v) return NULL;
    soma__say(ctx, "captured: %zu inputs, %zu outputs, variant %zu of the program", p->recipe.n_in, p->recipe.n_out, p->n_variants + 1);
    return p->variants[p->n_variants++] = v;
}

soma_status soma_program_bind(soma_program *p, size_t i, const void *data, const int64_t *shape) {
    if (!p) return SOMA_ERROR_ARGUMENT;
    if (!soma__ok(p->ctx)) return p->ctx->status;
    if (i >= p->recipe.n_in || !data)
        return soma_error_raise(p->ctx, SOMA_ERROR_ARGUMENT, "program_bind: slot %zu of %zu, or data is NULL", i, p->recipe.n_in);
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

/* Does an evaluation wait, or a gradient to be stored? */
static bool work_waits(const soma_context *ctx) {
    if (ctx->tape.work) return true;
    for (size_t i = 0; i < ctx->n_live; i++)
        if (ctx->live_grads[i]->grad && ctx->live_grads[i]->grad != ctx->live_grads[i]->grad_variable) return true;
    return false;
}

soma_status soma_program_run(soma_program *p) {
    if (!p) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = p->ctx;
    if (!soma__ok(ctx)) return ctx->status;
    if (ctx->running) return soma__while_running(ctx);
    if (work_waits(ctx) && soma_eval(ctx) != SOMA_OK) return ctx->status;
    for (size_t i = 0; i < p->recipe.n_in; i++)
        if (!p->data[i]) return soma_error_raise(ctx, SOMA_ERROR_STATE, "program_run: slot %zu has no data; call soma_program_bind first", i);
    if (!p->current || !soma__variant_has_grads(p->current)) p->current = find_variant(p);
    return p->current ? soma__variant_run(ctx, p->current, p->data) : ctx->status;
}

soma_status soma_program_output(soma_program *p, size_t i, const void **data, int64_t *numel) {
    if (!p || !data) return SOMA_ERROR_ARGUMENT;
    if (i >= p->recipe.n_out || !p->current || !p->current->ran)
        return soma_error_raise(p->ctx, SOMA_ERROR_STATE, "program_output: output %zu of %zu; the program must have run", i, p->recipe.n_out);
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

soma_status soma_program_slab(soma_program *p, int64_t *bytes) {
    if (!p || !bytes) return SOMA_ERROR_ARGUMENT;
    if (!soma__ok(p->ctx)) return p->ctx->status;
    if (p->current || (p->current = find_variant(p))) *bytes = (int64_t)soma__exec_slab_bytes(p->ctx, p->current->plan);
    return p->ctx->status;
}

soma_status soma_program_explain(soma_program *p, char **text) {
    if (!p || !text) return SOMA_ERROR_ARGUMENT;
    *text = NULL;
    if (!soma__ok(p->ctx)) return p->ctx->status;
    if (!p->current && !(p->current = find_variant(p))) return p->ctx->status;
    *text = soma__plan_print(p->ctx, p->current->plan);
    return p->ctx->status;
}
