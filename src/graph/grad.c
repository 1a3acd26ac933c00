/* Gradients: the nodes that a loss depends on, each after all that are made of it, are turned into ordinary nodes by their ops' rules (reverse
 * accumulation). */
#include "graph/context.h"

#include <stdio.h>
#include <string.h>

/* What a node was to the pass around this one. */
typedef struct outer_node {
    soma_tensor *x, *adjoint;
    uint8_t mark;
} outer_node;

/* The nodes of one backward pass; they carry its mark. */
typedef struct nodes {
    soma_context *ctx;
    const char *call; /* of the user, for sentences */
    soma_tensor **list;
    size_t count, capacity;
    outer_node *outers; /* of a pass inside another one's gradient rule */
    size_t n_outers, outers_capacity;
    uint8_t mark;
} nodes;

/* The list is the context's, so that a steady step allocates none; a pass inside a gradient rule gets one of its own. */
static bool nodes_take(soma_context *ctx, const char *call, nodes *n) {
    if (ctx->passes == 255) {
        soma_error_raise(ctx, SOMA_ERROR_STATE, "%s: 255 gradients inside gradient rules", call);
        return false;
    }
    *n = (nodes){.ctx = ctx, .call = call, .list = ctx->walk, .capacity = ctx->walk_capacity, .mark = ++ctx->passes};
    ctx->walk = NULL;
    ctx->walk_capacity = 0;
    return true;
}

/* Makes x a node of the pass; what a pass around this one knows of it is put aside. */
static bool nodes_enter(nodes *n, soma_tensor *x) {
    if (x->mark) {
        if (!soma__grow(n->ctx, (void **)&n->outers, &n->outers_capacity, n->n_outers + 1, sizeof *n->outers)) return false;
        n->outers[n->n_outers++] = (outer_node){x, x->adjoint, x->mark};
    }
    x->mark = n->mark;
    return true;
}

/* A way on: an input that a gradient flows through and that was not met yet. */
static soma_tensor *next_below(const nodes *n, const soma_tensor *x) {
    for (int i = 0; i < x->n_in; i++)
        if (x->in[i]->flags & SOMA__REQUIRES && x->in[i]->mark != n->mark) return x->in[i];
    return NULL;
}

/* All that x depends on and that a gradient flows through, inputs before what is made of them: depth first, inputs in their order. So the order in
 * which a value's gradients are added follows from the graph alone, not from the order of recording, which in nested calls is the compiler's choice.
 * On the way down `adjoint` is the way back. */
static bool collect(nodes *n, soma_tensor *x) {
    bool fine = true;
    if (x->mark == n->mark || !(x->flags & SOMA__REQUIRES)) return true;
    if (!nodes_enter(n, x)) return false;
    x->adjoint = NULL;
    while (x) {
        soma_tensor *y = fine ? next_below(n, x) : NULL, *back = x->adjoint;
        if (y && (fine = nodes_enter(n, y))) {
            y->adjoint = x;
            x = y;
            continue;
        }
        if (y) continue; /* out of memory: back up */
        x->adjoint = NULL;
        if (!fine || !(fine = soma__grow(n->ctx, (void **)&n->list, &n->capacity, n->count + 1, sizeof *n->list))) x->mark = 0;
        else n->list[n->count++] = x;
        x = back;
    }
    return fine;
}

static void nodes_release(nodes *n) {
    for (size_t i = 0; i < n->count; i++) n->list[i]->mark = 0;
    for (size_t i = 0; i < n->n_outers; i++) n->outers[i].x->mark = n->outers[i].mark, n->outers[i].x->adjoint = n->outers[i].adjoint;
    soma__free(&n->ctx->alloc, n->outers, n->outers_capacity * sizeof *n->outers);
    n->ctx->passes--;
    soma__free(&n->ctx->alloc, n->ctx->walk, n->ctx->walk_capacity * sizeof *n->list);
    n->ctx->walk = n->list;
    n->ctx->walk_capacity = n->capacity;
}

static bool add_adjoint(soma_tensor *x, soma_tensor *g) {
    x->adjoint = x->adjoint ? soma_add(x->adjoint, g) : g;
    return x->adjoint != NULL;
}

/* Runs one node's rule. */
static bool spread(const nodes *n, soma_tensor *x) {
    soma_context *ctx = n->ctx;
    bool wants[SOMA__MAX_INPUTS];
    soma_tensor *gx[SOMA__MAX_INPUTS];
    for (int i = 0; i < x->n_in; i++) wants[i] = x->in[i]->mark == n->mark, gx[i] = NULL;
    uint64_t outer = ctx->backward_seq;
    ctx->backward_seq = x->seq;
    soma__vjp v = {ctx, x, x->in, x->n_in, x->attr, x->adjoint, wants, gx};
    soma__ops[x->op]->grad(&v);
    ctx->backward_seq = outer;
    if (!soma__ok(ctx)) return false;
    for (int i = 0; i < x->n_in; i++)
        if (wants[i] && gx[i] && !add_adjoint(x->in[i], gx[i])) return false;
    return true;
}

static bool seed_output(const nodes *n, soma_tensor *out, soma_tensor *seed) {
    soma_context *ctx = n->ctx;
    char a[128], b[128];
    if (seed && (!soma__same_shape(out, seed) || out->dtype != seed->dtype)) {
        soma_error_raise(ctx, SOMA_ERROR_SHAPE, "%s: the seed is %s %s, the output is %s %s", n->call, soma_dtype_name((soma_dtype)seed->dtype),
                         soma_shape_text(seed, b, sizeof b), soma_dtype_name((soma_dtype)out->dtype), soma_shape_text(out, a, sizeof a));
        return false;
    }
    if (!seed && out->numel != 1) {
        soma_error_raise(ctx, SOMA_ERROR_SHAPE, "%s: an output of shape %s has %lld elements and needs a seed; only one element may go without",
                         n->call, soma_shape_text(out, a, sizeof a), (long long)out->numel);
        return false;
    }
    if (!(out->flags & SOMA__REQUIRES)) {
        soma_error_raise(ctx, SOMA_ERROR_STATE, "%s: nothing that the output was made of requires a gradient", n->call);
        return false;
    }
    if (!seed && !out->ndim) seed = soma__number(ctx, 1, (soma_dtype)out->dtype); /* a leaf: no step fills it */
    if (!seed) seed = soma_ones(ctx, (soma_dtype)out->dtype, out->shape, out->ndim);
    /* a variable that is newer than the forward pass is no stale value of it: the rules meet a view */
    if (seed && seed->var)
        seed = soma__graph_record(ctx, &(soma__record){SOMA_OP_reshape, (soma_dtype)seed->dtype, seed->ndim, seed->shape, &seed, 1, NULL, 0});
    return seed && add_adjoint(out, seed);
}

/* Records the adjoints of all nodes below the outputs. */
static bool run_backward(nodes *n, soma_tensor *const *outputs, size_t n_out, soma_tensor *const *seeds) {
    for (size_t i = 0; i < n_out; i++)
        if (!collect(n, outputs[i])) return false;
    for (size_t i = 0; i < n_out; i++)
        if (!seed_output(n, outputs[i], seeds ? seeds[i] : NULL)) return false;
    for (size_t i = n->count; i-- > 0;) {
        soma_tensor *x = n->list[i];
        if (x->adjoint && x->n_in && !spread(n, x)) return false;
    }
    return true;
}

static bool live_grad(soma_context *ctx, soma_tensor *p) {
    for (size_t i = 0; i < ctx->n_live; i++)
        if (ctx->live_grads[i] == p) return true;
    if (!soma__grow(ctx, (void **)&ctx->live_grads, &ctx->live_capacity, ctx->n_live + 1, sizeof *ctx->live_grads)) return false;
    ctx->live_grads[ctx->n_live++] = p;
    return true;
}

soma_status soma_backward(soma_tensor *loss, soma_tensor *seed) {
    soma_tensor *both[2] = {loss, seed};
    soma_status s = soma__check_status("backward", both, seed ? 2 : 1);
    if (s != SOMA_OK) return s;
    soma_context *ctx = loss->ctx;
    nodes n;
    if (!nodes_take(ctx, "backward", &n)) return ctx->status;
    ctx->no_grad++;
    ctx->interior++;
    if (run_backward(&n, &loss, 1, seed ? &seed : NULL)) {
        for (size_t i = 0; i < n.count; i++) {
            soma_tensor *p = n.list[i];
            if (p->n_in || !p->adjoint) continue;
            if (!soma__capture_find(p, true)) break;
            soma_tensor *g = p->grad ? soma_add(p->grad, p->adjoint) : p->adjoint;
            if (!g || !live_grad(ctx, p)) break;
            p->grad = g;
        }
    }
    ctx->interior--;
    ctx->no_grad--;
    nodes_release(&n);
    return ctx->status;
}

static bool check_with(soma_tensor *first, soma_tensor *x) {
    soma_tensor *both[2] = {first, x};
    return soma__check("grad", both, 2);
}

soma_status soma_grad_v(soma_tensor *const *outputs, size_t n_outputs, soma_tensor *const *inputs, size_t n_inputs, soma_tensor **gradients,
                        const soma_grad_opts *options, size_t size) {
    soma_context *ctx = NULL; /* of any tensor that is there: a call that failed may have left NULL in the others' place */
    if (gradients) memset(gradients, 0, n_inputs * sizeof *gradients);
    for (size_t i = 0; outputs && i < n_outputs && !ctx; i++) ctx = outputs[i] ? outputs[i]->ctx : NULL;
    for (size_t i = 0; inputs && i < n_inputs && !ctx; i++) ctx = inputs[i] ? inputs[i]->ctx : NULL;
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (!outputs || !inputs || !gradients || !n_outputs)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "grad: outputs, inputs, and room for the gradients are wanted");
    soma_grad_opts o;
    if (!soma_options_read(ctx, "grad", &o, sizeof o, options, size)) return ctx->status;
    for (size_t i = 0; i < n_outputs + n_inputs && soma__ok(ctx); i++)
        if (!(i < n_outputs ? outputs[i] : inputs[i - n_outputs]))
            return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "grad: %s %zu is NULL", i < n_outputs ? "output" : "input",
                                    i < n_outputs ? i : i - n_outputs);
    for (size_t i = 0; i < n_outputs; i++)
        if (!check_with(outputs[0], outputs[i]) || (o.seeds && o.seeds[i] && !check_with(outputs[0], o.seeds[i]))) return soma_error_status(ctx);
    for (size_t i = 0; i < n_inputs; i++)
        if (!check_with(outputs[0], inputs[i])) return soma_error_status(ctx);
    nodes n;
    if (!nodes_take(ctx, "grad", &n)) return ctx->status;
    ctx->interior++;
    bool fine = run_backward(&n, outputs, n_outputs, o.seeds);
    ctx->interior--;
    for (size_t i = 0; fine && i < n_inputs; i++) {
        soma_tensor *g = inputs[i]->mark == n.mark ? inputs[i]->adjoint : NULL;
        if (!g && !o.allow_unused) {
            soma_error_raise(ctx, SOMA_ERROR_STATE, "grad: no output depends on input %zu, or it does not require a gradient", i);
            break;
        }
        if (g) {
            ctx->interior++; /* held like a module's result */
            gradients[i] = soma_interior_end(ctx, g);
        }
    }
    nodes_release(&n);
    return ctx->status;
}

soma_status soma_requires_grad(soma_tensor *x, bool on) {
    soma_status s = soma__check_status("requires_grad", &x, 1);
    if (s != SOMA_OK) return s;
    if (!soma__is_float(x->dtype))
        return soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "requires_grad: %s has no gradients; float32 and float64 have",
                                soma_dtype_name((soma_dtype)x->dtype));
    if (x->op != SOMA_OP_leaf)
        return soma_error_raise(x->ctx, SOMA_ERROR_STATE,
                                "requires_grad: the tensor is a result; only variables and data can be asked, or detach it first");
    x->flags = (uint8_t)(on ? x->flags | SOMA__REQUIRES : x->flags & ~SOMA__REQUIRES);
    return SOMA_OK;
}

bool soma_tensor_requires_grad(const soma_tensor *x) { return x && x->flags & SOMA__REQUIRES; }

soma_tensor *soma_tensor_grad(soma_tensor *p) {
    if (!p || !soma__capture_find(p, true) || !p->grad) return NULL;
    if (p->ctx->interior) return p->grad;
    soma_interior_begin(p->ctx);
    return soma_interior_end(p->ctx, p->grad);
}

soma_status soma_set_grad(soma_tensor *p, soma_tensor *gradient) {
    soma_tensor *both[2] = {p, gradient};
    soma_status s = soma__check_status("set_grad", both, gradient ? 2 : 1);
    if (s != SOMA_OK) return s;
    if (gradient && (!soma__same_shape(p, gradient) || p->dtype != gradient->dtype))
        return soma_error_raise(p->ctx, SOMA_ERROR_SHAPE, "set_grad: the gradient of '%s' must have its shape and dtype", soma_tensor_name(p));
    if (!soma__capture_find(p, true) || (gradient && !live_grad(p->ctx, p))) return p->ctx->status;
    p->grad_stored = p->grad_stored && gradient;
    p->grad = gradient;
    return SOMA_OK;
}

soma_status soma_zero_grad(soma_tensor *const *params, size_t count) {
    soma_context *ctx = NULL;
    if (count && !params) return SOMA_ERROR_ARGUMENT;
    for (size_t i = 0; i < count; i++) {
        if (!params[i]) continue;
        if (!ctx) ctx = params[i]->ctx;
        if (!soma__ok(ctx)) return ctx->status;
        if (params[i]->ctx != ctx) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "zero_grad: parameter %zu belongs to another context", i);
        if (!soma__capture_find(params[i], true)) return ctx->status;
    }
    if (!ctx) return SOMA_OK;
    for (size_t i = 0; i < count; i++)
        if (params[i]) params[i]->grad = NULL, params[i]->grad_stored = false;
    size_t kept = 0;
    for (size_t i = 0; i < ctx->n_live; i++)
        if (ctx->live_grads[i]->grad) ctx->live_grads[kept++] = ctx->live_grads[i];
    ctx->n_live = kept;
    return SOMA_OK;
}

soma_status soma__grads_store(soma_context *ctx) {
    for (size_t i = 0; i < ctx->n_live && soma__ok(ctx); i++) {
        soma_tensor *p = ctx->live_grads[i];
        if (!p->grad || p->grad == p->grad_variable) continue;
        if (!p->grad_variable) {
            char name[256];
            snprintf(name, sizeof name, "%.250s.grad", soma_tensor_name(p));
            p->grad_variable = soma__variable_new(ctx, p->scope, (soma_dtype)p->dtype, p->shape, p->ndim, name);
        }
        if (!p->grad_variable || soma_assign(p->grad_variable, p->grad) != SOMA_OK) break;
        p->grad = p->grad_variable;
    }
    return ctx->status;
}

bool soma__grad_put(soma_tensor *p, bool there) {
    if (there && !live_grad(p->ctx, p)) return false;
    p->grad = there ? p->grad_variable : NULL;
    p->grad_stored = there;
    return true;
}

void soma__grads_show(soma_context *ctx, bool on) {
    for (size_t i = 0; i < ctx->n_live; i++) {
        const soma_tensor *p = ctx->live_grads[i], *g = p->grad;
        if (!g || g == p->grad_variable || g->epoch != ctx->epoch || g->flags & SOMA__KEPT || g->op == SOMA_OP_leaf) continue;
        uint64_t *word = &ctx->tape.keys[ctx->tape.entries[g->index].key_at];
        *word = on ? *word | SOMA__KEY_KEPT : *word & ~(uint64_t)SOMA__KEY_KEPT;
    }
}

void soma__grads_forget(soma_context *ctx, const soma_scope *scope) {
    size_t kept = 0;
    for (size_t i = 0; i < ctx->n_live; i++) {
        soma_tensor *p = ctx->live_grads[i];
        if (p->scope == scope) continue;
        if (p->grad && p->grad->scope == scope) p->grad = NULL; /* a node that an error kept from being stored */
        if (p->grad) ctx->live_grads[kept++] = p;
    }
    ctx->n_live = kept;
}

void soma_no_grad_begin(soma_context *ctx) {
    if (ctx) ctx->no_grad++;
}
void soma_no_grad_end(soma_context *ctx) {
    if (ctx && ctx->no_grad > 0) ctx->no_grad--;
}
bool soma_grad_enabled(const soma_context *ctx) { return ctx && !ctx->no_grad; }
