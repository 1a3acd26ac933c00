/* The plan as text: for each step its ops and kernel, what it reads, and what it leaves where. */
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

/* A value as somebody reads it: its type, and where it comes from. */
static void put_tensor(text *t, const soma_tensor *x) {
    char shape[160];
    put(t, " %s%s", soma_dtype_name((soma_dtype)x->dtype), soma_shape_text(x, shape, sizeof shape));
    for (; x->op != SOMA_OP_leaf && soma__ops[x->op]->cls == SOMA__CLASS_VIEW; x = x->in[0]) put(t, " %s of", soma__ops[x->op]->name);
    if (x->var) put(t, " '%s'", soma_tensor_name(x));
    else
        put(t, " %s",
            x->op != SOMA_OP_leaf     ? soma__ops[x->op]->name
            : x->flags & SOMA__NUMBER ? "number"
            : x->flags & SOMA__RANDOM ? "position"
                                      : "data");
}

static void put_place(text *t, const soma__value *v) {
    if (v->home == SOMA__HOME_SLAB) put(t, " in slab %zu..%zu, read until step %d", v->slab, v->slab + v->bytes, v->last);
    else put(t, v->home == SOMA__HOME_KEPT ? " held" : " in a variable");
}

/* What entry i leaves in memory: itself, or the variables that it writes. */
static void put_result(text *t, const soma__plan *p, uint32_t i) {
    const soma__value *v = &p->values[i];
    const soma_tensor *x = p->tensors[i];
    bool update = soma__ops[x->op]->cls == SOMA__CLASS_UPDATE;
    int writes = update ? x->n_in - 2 : soma__ops[x->op]->cls == SOMA__CLASS_ASSIGN;
    if (v->home == SOMA__HOME_PASS) return;
    for (int k = 0; k < (writes ? writes : 1); k++) {
        put(t, "\n        gives");
        put_tensor(t, writes ? x->in[k] : x);
        put_place(t, v);
    }
}

static bool is_member(const soma__plan *p, const soma__group *g, const soma_tensor *x) {
    if (g->product != SOMA__NONE && p->tensors[g->product] == x) return true;
    for (int m = 0; m < g->n; m++)
        if (p->tensors[g->members[m]] == x) return true;
    return false;
}

/* What entry i reads from outside its group. */
static void put_inputs(text *t, const soma__plan *p, const soma__group *g, uint32_t i) {
    const soma_tensor *x = p->tensors[i];
    for (int k = soma__ops[x->op]->cls == SOMA__CLASS_ASSIGN; k < x->n_in; k++) {
        if (g && is_member(p, g, x->in[k])) continue;
        put(t, "\n        reads");
        put_tensor(t, x->in[k]);
    }
}

static void put_name(text *t, const soma_tensor *x, const char *before) {
    const soma_custom_def *custom = x->op == SOMA_OP_custom ? soma__custom_find(t->ctx, x->attr[0]) : NULL;
    put(t, "%s%s", before, custom ? custom->name : soma__ops[x->op]->name);
}

static void put_group(text *t, const soma__plan *p, const soma__step *s) {
    const soma__group *g = &p->groups[s->group];
    bool product = g->product != SOMA__NONE;
    for (int m = 0; m < g->n; m++) put_name(t, p->tensors[m == 0 && product ? g->product : g->members[m]], m ? " + " : "");
    put(t, "  kernel %s%s", s->kernel,
        g->order == SOMA__ORDER_EXCHANGED  ? ", vectors along dimension 0"
        : g->order == SOMA__ORDER_CHANNELS ? ", channels side by side"
                                           : "");
    if (product) put_inputs(t, p, g, g->product);
    for (int m = product; m < g->n; m++) put_inputs(t, p, g, g->members[m]);
    for (int m = 0; m < g->n; m++) put_result(t, p, g->members[m]);
}

static void put_step(text *t, const soma__plan *p, int i) {
    const soma__step *s = &p->steps[i];
    put(t, "%4d  ", i);
    if (s->group != SOMA__NONE) put_group(t, p, s);
    else if (s->entry < p->n_entries) {
        put_name(t, p->tensors[s->entry], "");
        put(t, "  kernel %s", s->kernel);
        put_inputs(t, p, NULL, s->entry);
        put_result(t, p, s->entry);
    } else { /* what a kernel wants side by side */
        char shape[160];
        put(t, "copy  kernel %s\n        gives %s%s", s->kernel, soma_dtype_name((soma_dtype)s->call.out.dtype),
            soma__shape_print(s->call.out.shape, s->call.out.ndim, shape, sizeof shape));
        put_place(t, &p->values[s->entry]);
    }
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
