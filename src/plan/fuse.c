/* Which nodes are computed together. The tape is walked in order. A group collects element-wise nodes of one shape, behind the product that they
 * follow when there is one; it stays open until somebody outside reads what it computes, or overwrites a variable that it reads. What an open group
 * reads from outside is always computed already, so an open group may be put off, and two of them never wait for each other. Nothing here changes a
 * bit: each node is rounded as if alone. Where a product's value needs no C order, its layout is chosen so that the operand that is packed is the
 * cheaper one. */
#include "backend/cpu/conv.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/gemm.h"
#include "plan/plan.h"

#include <string.h>

#define MEMBERS 32

/* An open group that reads a variable. */
typedef struct reading {
    uint32_t group, next; /* the next one's number, and 1 */
} reading;

typedef struct fuser {
    soma_context *ctx;
    soma__plan *p;
    reading *links;
    uint32_t n_links;
    uint32_t *writing, n_writing; /* groups that write, since the last node that may fail */
} fuser;

static bool in_pass(int dtype) { return dtype == SOMA_F32 || dtype == SOMA_BOOL; }

/* Can the element-wise machine compute the node? */
static bool fusable(const soma_context *ctx, const soma__plan *p, uint32_t i) {
    const soma_tensor *x = soma__entry_tensor(ctx, i);
    int op = x->op, writes = soma__plan_writes(ctx, i);
    if (ctx->reference || !in_pass(x->dtype) || !x->numel) return false;
    for (int k = 0; k < x->n_in; k++)
        if (!in_pass(x->in[k]->dtype)) return false;
    if (op == SOMA_OP_full || op == SOMA_OP_to || op == SOMA_OP_assign) return true;
    if (writes && x->dtype != SOMA_F32) return false;
    for (int d = 0; writes && d < x->in[x->n_in - 1]->ndim; d++) /* an update's numbers are read as they lie */
        if (p->values[SOMA__REF_INDEX(soma__entry_ref(ctx, i, x->n_in - 1))].strides[d] != 1) return false;
    return (soma__ops[op]->cls == SOMA__CLASS_ELEMENTWISE || writes) && soma__pass_has(op);
}

/* The group that a group became a part of, or itself. */
static uint32_t whole(const fuser *f, uint32_t g) {
    while (g != SOMA__NONE && f->p->groups[g].into != SOMA__NONE) g = f->p->groups[g].into;
    return g;
}

/* Puts an open group in its place of the order. */
static void emit_group(fuser *f, uint32_t g) {
    g = whole(f, g);
    if (g == SOMA__NONE || f->p->groups[g].emitted) return;
    f->p->groups[g].emitted = true;
    f->p->units[f->p->n_units++] = g | SOMA__UNIT_GROUP;
}

/* The group that has still to compute the value behind input k of entry i, or SOMA__NONE. */
static uint32_t open_group(const fuser *f, uint32_t i, int k) {
    const soma__plan *p = f->p;
    uint32_t at = SOMA__REF_INDEX(soma__entry_ref(f->ctx, i, k));
    while (p->values[at].view)
        at =
            SOMA__REF_INDEX(soma__entry_ref(f->ctx, at, 0)); /* not the base: that of a variable is its leaf, which a group may have to write first */
    uint32_t g = p->values[at].group;
    return g == SOMA__NONE || p->groups[g].emitted ? SOMA__NONE : g;
}

static void emit_inputs(fuser *f, uint32_t i) {
    for (int k = 0; k < soma__entry_inputs(f->ctx, i); k++) emit_group(f, open_group(f, i, k));
}

/* Does entry i read the memory of variable `leaf`? */
static bool reads(const fuser *f, uint32_t i, uint32_t leaf) {
    for (int k = 0; k < soma__entry_inputs(f->ctx, i); k++)
        if (soma__plan_base(f->ctx, f->p, soma__entry_ref(f->ctx, i, k)) == leaf) return true;
    return false;
}

static void append_reader(fuser *f, uint32_t leaf, uint32_t g) {
    soma__value *v = &f->p->values[leaf];
    f->links[f->n_links++] = (reading){g, 0};
    if (v->reading) f->links[v->latest - 1].next = f->n_links;
    else v->reading = f->n_links;
    v->latest = f->n_links;
}

/* Remembers the variables that entry i, which is computed by group g, reads. */
static void note_reads(fuser *f, uint32_t i, uint32_t g) {
    for (int k = 0; k < soma__entry_inputs(f->ctx, i); k++) {
        uint32_t leaf = soma__plan_base(f->ctx, f->p, soma__entry_ref(f->ctx, i, k));
        if (soma__entry_tensor(f->ctx, leaf)->var) append_reader(f, leaf, g);
    }
}

/* Does a group read the variable anywhere else than at the element that it is about to write? */
static bool group_reads_elsewhere(const fuser *f, const soma__group *g, uint32_t leaf) {
    if (g->product != SOMA__NONE && reads(f, g->product, leaf)) return true;
    for (int m = g->product != SOMA__NONE; m < g->n; m++) {
        const soma_tensor *x = soma__entry_tensor(f->ctx, g->members[m]);
        int writes = soma__plan_writes(f->ctx, g->members[m]);
        for (int k = 0; k < x->n_in; k++) {
            uint32_t ref = soma__entry_ref(f->ctx, g->members[m], k);
            const soma__value *v = &f->p->values[SOMA__REF_INDEX(ref)];
            bool numbers = writes && writes + 1 == k; /* of an update: read for all elements */
            if (soma__plan_base(f->ctx, f->p, ref) == leaf && (numbers || v->view || !soma__same_shape(x, x->in[k]))) return true;
        }
    }
    return false;
}

/* Entry i overwrites variables: open groups that read their old values go first. */
static void emit_readers(fuser *f, uint32_t i, uint32_t but) {
    for (int k = 0; k < soma__plan_writes(f->ctx, i); k++) {
        soma__value *leaf = &f->p->values[soma__plan_variable(f->ctx, soma__entry_ref(f->ctx, i, k))];
        uint32_t own = 0;
        for (uint32_t at = leaf->reading; at; at = f->links[at - 1].next) {
            if (whole(f, f->links[at - 1].group) == but) own = at;
            else emit_group(f, f->links[at - 1].group);
        }
        leaf->reading = leaf->latest = own;
        if (own) f->links[own - 1].next = 0;
    }
}

static soma__group *new_group(fuser *f) {
    soma__plan *p = f->p;
    soma__group *g = &p->groups[p->n_groups];
    *g = (soma__group){.product = SOMA__NONE, .into = SOMA__NONE};
    g->members = soma__scope_alloc(&p->memory, MEMBERS * sizeof *g->members, 8);
    if (!g->members) return soma__no_memory(f->ctx);
    p->n_groups++;
    return g;
}

/* How many operands in memory entry i adds to a group, at most: what it reads from outside for the first time, and its value. */
static int new_operands(const fuser *f, const soma__group *g, uint32_t i) {
    int n = 1;
    for (int k = 0; k < soma__entry_inputs(f->ctx, i); k++) {
        uint32_t ref = soma__entry_ref(f->ctx, i, k);
        bool known = f->p->values[SOMA__REF_INDEX(ref)].group == (uint32_t)(g - f->p->groups);
        for (int m = 0; m < g->n && !known; m++)
            for (int j = 0; j < soma__entry_inputs(f->ctx, g->members[m]) && !known; j++) known = soma__entry_ref(f->ctx, g->members[m], j) == ref;
        n += !known;
    }
    return n;
}

/* The member's value lies as the group walks, unless C order is wanted. */
static void add_member(fuser *f, soma__group *g, uint32_t i) {
    soma__value *v = &f->p->values[i];
    const soma_tensor *x = soma__entry_tensor(f->ctx, i);
    g->n_external += new_operands(f, g, i);
    g->members[g->n++] = i;
    v->group = (uint32_t)(g - f->p->groups);
    if (soma__plan_writes(f->ctx, i) && !g->writes) f->writing[f->n_writing++] = v->group;
    g->writes |= soma__plan_writes(f->ctx, i) > 0;
    if (g->product == SOMA__NONE || g->n > 1) note_reads(f, i, v->group);
    if (g->order != SOMA__ORDER_C && !v->dense) soma__order_strides(g->order, x, v->strides);
}

/* The order in which operands lie: what they are walked along. One with channels side by side is enough for that order. */
static soma__order order_of(const fuser *f, uint32_t i) {
    const soma_tensor *x = soma__entry_tensor(f->ctx, i);
    bool any = false;
    for (int k = 0; k < x->n_in && f->ctx->fuse; k++)
        if (soma__same_shape(x, x->in[k]) && soma__by_channels(x, f->p->values[SOMA__REF_INDEX(soma__entry_ref(f->ctx, i, k))].strides))
            return SOMA__ORDER_CHANNELS;
    if (x->ndim != 2 || x->shape[0] < 2 || x->shape[1] < 2 || !f->ctx->fuse) return SOMA__ORDER_C;
    for (int k = 0; k < x->n_in; k++) {
        const soma__value *v = &f->p->values[SOMA__REF_INDEX(soma__entry_ref(f->ctx, i, k))];
        if (!soma__same_shape(x, x->in[k])) continue;
        if (v->strides[0] != 1) return SOMA__ORDER_C;
        any = true;
    }
    return any ? SOMA__ORDER_EXCHANGED : SOMA__ORDER_C;
}

/* May node i join the group: same shape, each member that it reads at the same place, and room? */
static bool joins(const fuser *f, const soma__group *g, uint32_t number, uint32_t i) {
    const soma_tensor *x = soma__entry_tensor(f->ctx, i), *first = soma__entry_tensor(f->ctx, g->members[0]);
    int writes = soma__plan_writes(f->ctx, i);
    if (!f->ctx->fuse || !soma__same_shape(x, first) || g->n == MEMBERS || g->n_external + new_operands(f, g, i) > SOMA__PASS_EXTERNAL) return false;
    for (int k = 0; k < x->n_in; k++) {
        uint32_t at = SOMA__REF_INDEX(soma__entry_ref(f->ctx, i, k));
        if (open_group(f, i, k) != number) continue;
        bool updated = soma__plan_writes(f->ctx, at) && soma__entry_op(f->ctx, at) != SOMA_OP_assign; /* what an update writes is in memory alone */
        if ((writes && k != writes) || f->p->values[at].group != number || updated || !soma__same_shape(x, x->in[k])) return false;
    }
    for (int k = 0; k < writes; k++)
        if (group_reads_elsewhere(f, g, soma__plan_variable(f->ctx, soma__entry_ref(f->ctx, i, k)))) return false;
    return true;
}

/* Is each member read by the next one alone, the last one by entry i? */
static bool is_private_to(const fuser *f, const soma__group *g, uint32_t i) {
    for (int m = 0; m < g->n; m++) {
        const soma__value *v = &f->p->values[g->members[m]];
        if (v->kept || v->readers != 1 || v->reader != (m + 1 < g->n ? g->members[m + 1] : i)) return false;
    }
    return true;
}

/* Entry i reads values of two open groups: one becomes part of the other, behind its members. They do not read each other's values, nor what the
 * other one writes: else one would not be open. */
static bool merge(fuser *f, uint32_t into, uint32_t from, uint32_t i) {
    soma__group *a = &f->p->groups[into], *b = &f->p->groups[from];
    const soma_tensor *x = soma__entry_tensor(f->ctx, a->members[0]), *y = soma__entry_tensor(f->ctx, b->members[0]);
    if (b->product != SOMA__NONE || !soma__same_shape(x, y) || a->n + b->n >= MEMBERS || a->n_external + b->n_external + 4 > SOMA__PASS_EXTERNAL)
        return false;
    if (a->order != b->order && !is_private_to(f, b, i)) return false; /* the layout of its values is known to others */
    for (int m = 0; m < b->n; m++) {
        soma__value *v = &f->p->values[b->members[m]];
        a->members[a->n++] = b->members[m];
        v->group = into;
        if (!v->dense) soma__order_strides(a->order, y, v->strides);
    }
    a->n_external += b->n_external;
    a->writes |= b->writes;
    b->into = into;
    return true;
}

/* Of two open groups that entry i reads the one that holds both now; else the one of its shape, behind which it may be computed when the other one,
 * which waits for nothing, goes first (a convolution before its batch norm's factors); else the later one. */
static uint32_t join(fuser *f, uint32_t a, uint32_t b, uint32_t i) {
    const soma__group *groups = f->p->groups;
    const soma_tensor *x = soma__entry_tensor(f->ctx, i);
    bool like_a = soma__same_shape(x, soma__entry_tensor(f->ctx, groups[a].members[0]));
    bool like_b = soma__same_shape(x, soma__entry_tensor(f->ctx, groups[b].members[0]));
    if (f->ctx->fuse && f->p->groups[b].product != SOMA__NONE && merge(f, b, a, i)) return b;
    if (f->ctx->fuse && merge(f, a, b, i)) return a;
    if (like_a != like_b) return like_a ? a : b;
    return a > b ? a : b;
}

/* The open group that entry i may join, with the others that it reads merged into it where they can be. */
static uint32_t find_home(fuser *f, uint32_t i) {
    uint32_t home = SOMA__NONE;
    for (int k = 0; k < soma__entry_inputs(f->ctx, i); k++) {
        uint32_t g = open_group(f, i, k);
        if (g != SOMA__NONE && g != home) home = home == SOMA__NONE ? g : join(f, home, g, i);
    }
    return home;
}

static void place_elementwise(fuser *f, uint32_t i) {
    soma__plan *p = f->p;
    uint32_t home = find_home(f, i);
    if (home != SOMA__NONE && !joins(f, &p->groups[home], home, i)) home = SOMA__NONE;
    for (int k = 0; k < soma__entry_inputs(f->ctx, i); k++)
        if (open_group(f, i, k) != home) emit_group(f, open_group(f, i, k));
    emit_readers(f, i, home);
    if (home != SOMA__NONE) {
        add_member(f, &p->groups[home], i); /* later readers of a variable that it writes refer to it, and so close the group */
        return;
    }
    soma__group *g = new_group(f);
    if (!g) return;
    g->order = p->values[i].dense ? SOMA__ORDER_C : order_of(f, i);
    add_member(f, g, i);
    if (!f->ctx->fuse) emit_group(f, (uint32_t)(g - p->groups));
}

/* The only reader of product i, when it is its transpose: then that is what is computed. */
static uint32_t transposing_view(const fuser *f, uint32_t i) {
    const soma__value *v = &f->p->values[i];
    if (v->kept || v->readers != 1 || !f->ctx->fuse) return SOMA__NONE;
    const soma_tensor *x = soma__entry_tensor(f->ctx, v->reader);
    return soma__entry_op(f->ctx, v->reader) == SOMA_OP_permute && x->attr[0] == 1 ? v->reader : SOMA__NONE;
}

static void describe_product(const fuser *f, uint32_t i, bool swapped, bool dense, soma__gemm *out) {
    const soma_tensor *x = soma__entry_tensor(f->ctx, i);
    const soma__value *a = &f->p->values[SOMA__REF_INDEX(soma__entry_ref(f->ctx, i, 0))],
                      *b = &f->p->values[SOMA__REF_INDEX(soma__entry_ref(f->ctx, i, 1))];
    *out = (soma__gemm){.m = x->shape[0],
                        .n = x->shape[1],
                        .k = x->in[0]->shape[1],
                        .a_rs = a->strides[0],
                        .a_cs = a->strides[1],
                        .b_rs = b->strides[0],
                        .b_cs = b->strides[1]};
    if (swapped) soma__gemm_transpose(out);
    out->c_rs = dense ? out->n : 1, out->c_cs = 1; /* 1 and 1: either way is along the grain */
}

static void place_product(fuser *f, uint32_t i) {
    soma__plan *p = f->p;
    emit_inputs(f, i);
    soma__group *g = new_group(f);
    if (!g) return;
    uint32_t view = transposing_view(f, i), first = view == SOMA__NONE ? i : view;
    g->product = i;
    note_reads(f, i, (uint32_t)(g - p->groups));
    g->swapped = view != SOMA__NONE;
    if (g->swapped) {
        p->values[view].group = p->values[i].group = (uint32_t)(g - p->groups);
        soma__plan_place(f->ctx, p, view);
    }
    soma__gemm product;
    describe_product(f, i, g->swapped, p->values[first].dense, &product);
    bool across = product.k > SOMA__GEMM_BLOCK && p->values[first].dense; /* a chain is continued along the grain alone */
    if (f->ctx->fuse && !across && soma__gemm_prefers_transposed(f->ctx->isa, &product)) g->order = SOMA__ORDER_EXCHANGED;
    add_member(f, g, first);
    if (!f->ctx->fuse) emit_group(f, (uint32_t)(g - p->groups));
}

/* A convolution computes all channels of some pixels together. */
static void place_convolution(fuser *f, uint32_t i) {
    soma__plan *p = f->p;
    emit_inputs(f, i);
    soma__group *g = new_group(f);
    if (!g) return;
    g->product = i;
    note_reads(f, i, (uint32_t)(g - p->groups));
    g->order = SOMA__ORDER_CHANNELS;
    add_member(f, g, i);
    if (!f->ctx->fuse) emit_group(f, (uint32_t)(g - p->groups));
}

static bool is_product(const soma_context *ctx, uint32_t i) {
    const soma_tensor *x = soma__entry_tensor(ctx, i);
    return x->op == SOMA_OP_matmul && x->ndim == 2 && x->dtype == SOMA_F32 && x->numel && x->in[0]->shape[1] > 0 &&
           x->in[0]->shape[1] <= SOMA__GEMM_CHAIN && !ctx->reference;
}

/* Has the convolution a kernel that ends each block with a pass? */
static bool is_convolution(const soma_context *ctx, const soma__plan *p, uint32_t i) {
    const soma_tensor *x = soma__entry_tensor(ctx, i);
    if ((x->op != SOMA_OP_conv_forward && x->op != SOMA_OP_conv_data) || x->dtype != SOMA_F32 || ctx->reference) return false;
    soma__operand in[2];
    soma__call call;
    memset(&call, 0, sizeof call);
    memset(in, 0, sizeof in);
    call.op = x->op, call.in = in, call.n_in = 2, call.attr = x->attr;
    for (int k = 0; k < 3; k++) {
        soma__operand *o = k == 2 ? &call.out : &in[k];
        const soma_tensor *t = k == 2 ? x : x->in[k];
        o->numel = t->numel, o->ndim = t->ndim, o->dtype = t->dtype;
        memcpy(o->shape, t->shape, sizeof o->shape);
        memcpy(o->strides, p->values[k == 2 ? i : SOMA__REF_INDEX(soma__entry_ref(ctx, i, k))].strides, sizeof o->strides);
    }
    soma__conv_way way;
    return soma__conv_plan(&call, &way);
}

/* Members that nobody outside their pass reads need no memory. */
static void find_inner(fuser *f) {
    soma__plan *p = f->p;
    for (uint32_t i = 0; i < p->n_entries; i++)
        if (p->values[i].group != SOMA__NONE && p->values[i].home == SOMA__HOME_SLAB) p->values[i].home = SOMA__HOME_PASS;
    for (uint32_t i = 0; i < p->n_entries; i++) {
        const soma__value *v = &p->values[i];
        if (!v->needed || soma__entry_op(f->ctx, i) == SOMA_OP_leaf) continue;
        for (int k = 0; k < soma__entry_inputs(f->ctx, i); k++) {
            uint32_t at = SOMA__REF_INDEX(soma__entry_ref(f->ctx, i, k));
            if (p->values[at].home == SOMA__HOME_PASS && p->values[at].group != v->group) p->values[at].home = SOMA__HOME_SLAB;
        }
    }
    for (uint32_t g = 0; g < p->n_groups; g++) { /* the chain of a long product is continued in memory */
        const soma__group *group = &p->groups[g];
        if (group->product == SOMA__NONE) continue;
        const soma_tensor *x = soma__entry_tensor(f->ctx, group->product);
        if (x->op != SOMA_OP_matmul || x->in[0]->shape[1] <= SOMA__GEMM_BLOCK) continue;
        soma__value *v = &p->values[group->members[0]];
        if (v->home == SOMA__HOME_PASS) v->home = SOMA__HOME_SLAB;
    }
}

static void take(fuser *f, uint32_t i) {
    soma__plan *p = f->p;
    if (p->values[i].group != SOMA__NONE) return; /* a view that a product became */
    soma__plan_place(f->ctx, p, i);
    if (soma__entry_op(f->ctx, i) == SOMA_OP_leaf || !p->values[i].needed || p->values[i].view) return;
    if (is_product(f->ctx, i)) place_product(f, i);
    else if (is_convolution(f->ctx, p, i)) place_convolution(f, i);
    else if (fusable(f->ctx, p, i)) place_elementwise(f, i);
    else {
        /* where it fails, what was recorded as written before it is written */
        if (soma__op_fails(soma__entry_op(f->ctx, i), soma__entry_tensor(f->ctx, i)->dtype)) {
            for (uint32_t w = 0; w < f->n_writing; w++) emit_group(f, f->writing[w]);
            f->n_writing = 0;
        }
        emit_inputs(f, i);
        emit_readers(f, i, SOMA__NONE);
        p->units[p->n_units++] = i;
    }
}

bool soma__plan_fuse(soma_context *ctx, soma__plan *p) {
    fuser f = {.ctx = ctx, .p = p};
    size_t inputs = 0;
    for (uint32_t i = 0; i < p->n_entries; i++) inputs += (size_t)soma__entry_inputs(ctx, i);
    f.links = soma__scope_alloc(&p->memory, (inputs + 1) * sizeof *f.links, 8);
    f.writing = soma__scope_alloc(&p->memory, (ctx->tape.work + 1) * sizeof *f.writing, 8);
    if (!f.links || !f.writing) return soma__no_memory(ctx) != NULL;
    soma__plan_need(ctx, p);
    for (int guarded = 1; guarded >= 0; guarded--)
        for (uint32_t i = 0; i < p->n_entries && soma__ok(ctx); i++)
            if (p->values[i].guarded == (guarded == 1)) take(&f, i);
    for (uint32_t g = 0; g < p->n_groups; g++) emit_group(&f, g);
    find_inner(&f);
    return soma__ok(ctx);
}
