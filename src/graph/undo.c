/* What a failed evaluation gives back. What ran up to the last change of a variable stays; the work after it is lost, so the host's side of that work
 * must not have happened either: random numbers that were drawn, step counts that moved on, gradients that were to be stored. */
#include "graph/context.h"

bool soma__undo_push(soma_context *ctx, soma__undo u) {
    if (!soma__grow(ctx, (void **)&ctx->undos, &ctx->undos_capacity, ctx->n_undos + 1, sizeof *ctx->undos)) return false;
    u.at = ctx->tape.count;
    ctx->undos[ctx->n_undos++] = u;
    return true;
}

void soma__undo_tape(soma_context *ctx) {
    for (; ctx->n_undos && ctx->undos[ctx->n_undos - 1].at >= ctx->changed; ctx->n_undos--) {
        const soma__undo *u = &ctx->undos[ctx->n_undos - 1];
        if (u->fn) u->fn(u->user);
        else if (u->variable) u->variable->assigned = u->counter;
        else ctx->streams.list[u->stream].counter = u->counter;
    }
    ctx->n_undos = 0;
    ctx->changed = 0;
    size_t kept = 0;
    for (size_t i = 0; i < ctx->n_live; i++) {
        soma_tensor *p = ctx->live_grads[i];
        p->grad = p->grad_stored ? p->grad_variable : NULL;
        if (p->grad) ctx->live_grads[kept++] = p;
    }
    ctx->n_live = kept;
}

bool soma__capture_find(soma_tensor *x, bool gradient) {
    soma_context *ctx = x->ctx;
    if (!ctx->capturing || x->scope == ctx->scope) return true;
    size_t i = 0;
    while (i < ctx->n_found && ctx->found[i].x != x) i++;
    if (i == ctx->n_found) {
        if (!soma__grow(ctx, (void **)&ctx->found, &ctx->found_capacity, i + 1, sizeof *ctx->found)) return false;
        ctx->found[ctx->n_found++] = (soma__found){x, x->var ? x->var->assigned : 0, x->grad != NULL, false};
    }
    ctx->found[i].gradient |= gradient;
    return true;
}

void soma__undo_forget(soma_context *ctx) {
    ctx->n_undos = 0;
    for (size_t i = 0; i < ctx->n_live; i++) ctx->live_grads[i]->grad_stored = ctx->live_grads[i]->grad == ctx->live_grads[i]->grad_variable;
}
