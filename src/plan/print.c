/* The plan as text: one line a step. */
#include "plan/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct text {
    soma_context *ctx;
    char *at;
    size_t used, capacity;
} text;

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char line[512];
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : n < (int)sizeof line ? (size_t)n : sizeof line - 1;
    if (!soma__ok(t->ctx) || !soma__grow(t->ctx, (void **)&t->at, &t->capacity, t->used + len + 1, 1)) return;
    memcpy(t->at + t->used, line, len);
    t->used += len;
    t->at[t->used] = 0;
}

static void put_operand(text *t, const soma__operand *o) {
    char shape[160];
    put(t, "%s%s", soma_dtype_name((soma_dtype)o->dtype), soma__shape_print(o->shape, o->ndim, shape, sizeof shape));
}

static void put_step(text *t, const soma__plan *p, int i) {
    const soma__step *s = &p->steps[i];
    const soma__value *v = &p->values[s->entry];
    put(t, "%4d  %-20s ", i, soma__ops[s->call.op]->name);
    put_operand(t, &s->call.out);
    put(t, " <-");
    for (int k = 0; k < s->call.n_in; k++) {
        put(t, " ");
        put_operand(t, &s->call.in[k]);
    }
    put(t, s->group == SOMA__NONE ? "  kernel %s" : "  fused: %s", s->note);
    if (s->group != SOMA__NONE && p->groups[s->group].transposed) put(t, ", vectors along dimension 0");
    if (v->home == SOMA__HOME_PASS) put(t, ", not stored");
    else if (v->home == SOMA__HOME_SLAB) put(t, ", slab %zu..%zu, read until step %d", v->slab, v->slab + v->bytes, v->last);
    else put(t, v->home == SOMA__HOME_KEPT ? ", held" : ", variable");
    put(t, "\n");
}

char *soma__plan_print(soma_context *ctx, const soma__plan *p) {
    text t = {ctx, NULL, 0, 0};
    put(&t, "plan: %zu entries, %d steps, %d held values, slab %zu bytes, %s, %d threads\n", p->n_entries, p->n_steps, p->n_kept + p->n_aliases,
        p->slab_bytes, soma_context_isa(ctx), soma__pool_threads(ctx->pool));
    for (int i = 0; i < p->n_steps; i++) put_step(&t, p, i);
    size_t views = 0;
    for (size_t i = 0; i < p->n_entries; i++) views += p->values[i].view && p->values[i].needed;
    put(&t, "views without a step: %zu\n", views);
    if (!soma__ok(ctx)) {
        soma__free(&ctx->alloc, t.at, t.capacity);
        return NULL;
    }
    char *exact = soma__calloc(&ctx->alloc, t.used + 1);
    if (exact) memcpy(exact, t.at, t.used);
    else soma__no_memory(ctx);
    soma__free(&ctx->alloc, t.at, t.capacity);
    return exact;
}
