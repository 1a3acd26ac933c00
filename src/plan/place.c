/* What is needed, and where each value lives. A view needs no memory: it is a base, an offset and strides. It becomes a copy where seeing the base
 * would be wrong (the base is a variable that is assigned later) or where the result must be dense (it is held for reading). */
#include "plan/plan.h"

#include <string.h>

uint32_t soma__entry_ref(const soma_context *ctx, uint32_t entry, int input) {
    const uint64_t *words = ctx->tape.keys + ctx->tape.entries[entry].key_at;
    int ndim = (int)(words[0] >> 16 & 0xf);
    return (uint32_t)(words[1 + ndim + input / 2] >> (input % 2 ? 32 : 0));
}

static bool writes_variables(int op) { return soma__ops[op]->cls == SOMA__CLASS_ASSIGN || soma__ops[op]->cls == SOMA__CLASS_UPDATE; }

/* An update's inputs are what it writes, the gradient, and the numbers. */
int soma__plan_writes(const soma_context *ctx, uint32_t i) {
    int op = soma__entry_op(ctx, i);
    if (op == SOMA_OP_leaf || !writes_variables(op)) return 0;
    return soma__ops[op]->cls == SOMA__CLASS_ASSIGN ? 1 : soma__entry_inputs(ctx, i) - 2;
}

/* A variable is in the tape since its first use there. */
uint32_t soma__plan_variable(const soma_context *ctx, uint32_t ref) {
    uint32_t i = SOMA__REF_INDEX(ref);
    return soma__entry_op(ctx, i) == SOMA_OP_leaf ? i : soma__entry_tensor(ctx, i)->in[SOMA__REF_OUTPUT(ref)]->index;
}

uint32_t soma__plan_base(const soma_context *ctx, const soma__plan *p, uint32_t ref) {
    int op = soma__entry_op(ctx, SOMA__REF_INDEX(ref));
    return op != SOMA_OP_leaf && writes_variables(op) ? soma__plan_variable(ctx, ref) : p->values[SOMA__REF_INDEX(ref)].base;
}

/* Does node i want the elements of its input k in C order? Views that only exchange dimensions pass the question on. */
static bool wants_dense(const soma_context *ctx, const soma__plan *p, uint32_t i, int k) {
    const soma_tensor *x = soma__entry_tensor(ctx, i);
    int op = soma__entry_op(ctx, i);
    switch (soma__ops[op]->cls) {
    case SOMA__CLASS_MATMUL:
    case SOMA__CLASS_STRIDED: return false;
    case SOMA__CLASS_ELEMENTWISE: return p->values[i].dense && soma__same_shape(x, x->in[k]);
    case SOMA__CLASS_VIEW: return op != SOMA_OP_permute || p->values[i].kept;
    default: return true;
    }
}

/* What may fail, and what that is made of, is computed before any variable is written, so that a run that a guard (or a wrong index) stops has
 * changed nothing. */
static void find_guarded(soma_context *ctx, soma__plan *p) {
    bool any = false;
    for (uint32_t i = 0; i < ctx->tape.count; i++) {
        soma__value *v = &p->values[i];
        int op = soma__entry_op(ctx, i);
        v->after_write = op != SOMA_OP_leaf && writes_variables(op);
        for (int k = 0; k < soma__entry_inputs(ctx, i); k++) v->after_write |= p->values[SOMA__REF_INDEX(soma__entry_ref(ctx, i, k))].after_write;
        if (soma__plan_writes(ctx, i)) p->writers[p->n_writers++] = i;
        if (!v->after_write && soma__op_fails(op, soma__entry_tensor(ctx, i)->dtype)) v->guarded = any = true;
    }
    for (uint32_t i = (uint32_t)ctx->tape.count; any && i-- > 0;)
        for (int k = 0; p->values[i].guarded && k < soma__entry_inputs(ctx, i); k++)
            p->values[SOMA__REF_INDEX(soma__entry_ref(ctx, i, k))].guarded = true;
}

/* The tape is in order, so one walk from the end finds what kept values and assigns need. */
void soma__plan_need(soma_context *ctx, soma__plan *p) {
    find_guarded(ctx, p);
    for (uint32_t i = (uint32_t)ctx->tape.count; i-- > 0;) {
        soma__value *v = &p->values[i];
        soma_tensor *x = soma__entry_tensor(ctx, i);
        int op = soma__entry_op(ctx, i), n = soma__entry_inputs(ctx, i);
        v->group = SOMA__NONE;
        if (op == SOMA_OP_leaf) continue;
        int writes = soma__plan_writes(ctx, i);
        if (writes) {
            for (int k = 0; k < writes; k++) v->needed |= x->in[k]->depth < p->close_depth;
        } else {
            v->kept = soma__entry_kept(ctx, i) && x->depth < p->close_depth;
            v->needed |= v->kept || op == SOMA_OP_guard;
        }
        v->dense |= v->kept || writes;
        for (int k = 0; v->needed && k < n; k++) {
            soma__value *in = &p->values[SOMA__REF_INDEX(soma__entry_ref(ctx, i, k))];
            in->needed = true;
            in->dense |= wants_dense(ctx, p, i, k);
            if (!in->readers++) in->reader = i;
            uint32_t use = soma__ops[op]->cls == SOMA__CLASS_VIEW && v->last_use > i ? v->last_use : i;
            if (in->last_use < use) in->last_use = use;
        }
    }
}

/* Is the variable whose storage is leaf entry `leaf` overwritten before entry i is read for the last time? (Readers before that are computed before
 * the writer: see emit_readers in fuse.c.) */
static bool assigned_before_last_use(const soma_context *ctx, const soma__plan *p, uint32_t leaf, uint32_t i) {
    if (!soma__entry_tensor(ctx, leaf)->var) return false;
    uint32_t first = 0, end = p->n_writers;
    while (first < end) { /* the first writer behind i */
        uint32_t middle = (first + end) / 2;
        if (p->writers[middle] > i) end = middle;
        else first = middle + 1;
    }
    for (; first < p->n_writers && p->writers[first] <= p->values[i].last_use; first++)
        for (int k = 0; k < soma__plan_writes(ctx, p->writers[first]); k++)
            if (soma__plan_variable(ctx, soma__entry_ref(ctx, p->writers[first], k)) == leaf) return true;
    return false;
}

/* Tries to make entry i a view of its input's memory. */
static bool place_view(soma_context *ctx, soma__plan *p, uint32_t i) {
    soma_tensor *x = soma__entry_tensor(ctx, i), *in = x->in[0];
    const soma__op_def *def = soma__ops[x->op];
    uint32_t ref = soma__entry_ref(ctx, i, 0);
    const soma__value *from = &p->values[SOMA__REF_INDEX(ref)];
    uint32_t base = soma__plan_base(ctx, p, ref);
    soma__operand a, out;
    memset(&a, 0, sizeof a);
    memset(&out, 0, sizeof out);
    a.numel = in->numel, a.ndim = in->ndim, a.dtype = in->dtype;
    memcpy(a.shape, in->shape, sizeof a.shape);
    if (base == from->base) memcpy(a.strides, from->strides, sizeof a.strides);
    else soma__dense_strides(in->shape, in->ndim, a.strides);
    out.numel = x->numel, out.ndim = x->ndim, out.dtype = x->dtype;
    memcpy(out.shape, x->shape, sizeof out.shape);
    int64_t offset = 0;
    if (!def->view(&a, x->attr, x->n_attr, &out, &offset)) return false;
    soma__value *v = &p->values[i];
    if (v->kept && (ctx->capturing || soma__entry_tensor(ctx, base)->var || p->values[base].home == SOMA__HOME_SLAB ||
                    !soma__is_dense(x->shape, x->ndim, out.strides, x->numel)))
        return false;
    if (assigned_before_last_use(ctx, p, base, i)) return false;
    v->base = base;
    v->offset = (base == from->base ? from->offset : 0) + offset;
    memcpy(v->strides, out.strides, sizeof v->strides);
    v->view = true;
    return true;
}

void soma__order_dims(soma__order order, int ndim, int *dims) {
    for (int d = 0; d < ndim; d++) dims[d] = d;
    if (order == SOMA__ORDER_EXCHANGED) dims[0] = 1, dims[1] = 0;
    for (int d = 1; order == SOMA__ORDER_CHANNELS && d < ndim; d++) dims[d] = d + 1 < ndim ? d + 1 : 1;
}

void soma__order_strides(soma__order order, const soma_tensor *x, int64_t *strides) {
    int dims[SOMA_MAX_DIMS];
    int64_t step = 1;
    soma__order_dims(order, x->ndim, dims);
    for (int d = x->ndim; d-- > 0;) strides[dims[d]] = step, step *= x->shape[dims[d]] ? x->shape[dims[d]] : 1;
}

bool soma__by_channels(const soma_tensor *x, const int64_t *strides) {
    int64_t lies[SOMA_MAX_DIMS];
    if (x->ndim < 3 || x->shape[1] < 2 || x->numel == x->shape[0] * x->shape[1]) return false;
    soma__order_strides(SOMA__ORDER_CHANNELS, x, lies);
    for (int d = 0; d < x->ndim; d++)
        if (x->shape[d] > 1 && strides[d] != lies[d]) return false;
    return true;
}

void soma__plan_place(soma_context *ctx, soma__plan *p, uint32_t i) {
    soma__value *v = &p->values[i];
    soma_tensor *x = soma__entry_tensor(ctx, i);
    int op = soma__entry_op(ctx, i);
    v->base = i;
    v->bytes = soma__bytes(x);
    soma__dense_strides(x->shape, x->ndim, v->strides);
    if (op == SOMA_OP_leaf) v->home = SOMA__HOME_LEAF;
    else if (!v->needed) v->home = SOMA__HOME_DEAD;
    else if (writes_variables(op)) v->base = soma__plan_variable(ctx, i), v->home = SOMA__HOME_LEAF;
    else if (v->group == SOMA__NONE && soma__ops[op]->cls == SOMA__CLASS_VIEW && place_view(ctx, p, i)) v->home = p->values[v->base].home;
    else v->home = v->kept ? SOMA__HOME_KEPT : SOMA__HOME_SLAB;
    if (soma__ops[x->op]->places && op != SOMA_OP_leaf && !v->dense && x->dtype == SOMA_F32 && x->ndim > 2 && ctx->fuse && !ctx->reference)
        soma__order_strides(SOMA__ORDER_CHANNELS, x, v->strides);
}
