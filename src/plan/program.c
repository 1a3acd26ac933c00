/* A group as a program of the element-wise machine: its members one after another on the accumulator; a value that is needed again later is put aside
 * in a slot, one that is needed outside is stored. */
#include "plan/lower.h"

#include <string.h>

typedef struct writer {
    soma__builder *b;
    const soma__group *g;
    const soma_tensor *like; /* the shape of all members */
    soma__pass *p;
    soma__pass_operand operands[SOMA__PASS_EXTERNAL];
    soma__insn insns[SOMA__PASS_INSNS];
    struct source {
        uint32_t value;
        int64_t offset;
        int dtype;
        soma__operand o;
    } sources[SOMA__PASS_EXTERNAL];     /* what each operand is */
    uint32_t in_slot[SOMA__PASS_SLOTS]; /* entries, or external bools (SOMA__BOOL_SLOT and the operand) */
    uint32_t acc;                       /* the entry whose value the accumulator holds */
    int n_insns, n_external, n_slots;
} writer;

#define BOOL_SLOT 0x40000000u

/* Groups are made so that none of this happens (see joins in fuse.c): better an error than wrong numbers. */
static int give_up(writer *w, const char *why) {
    soma_error_raise(w->b->ctx, SOMA_ERROR_STATE, "plan: a fused pass %s", why);
    w->b->failed = true;
    return 0;
}

static soma__insn *put(writer *w, int op) {
    if (w->n_insns == SOMA__PASS_INSNS) return &w->insns[give_up(w, "of too many instructions")];
    soma__insn *i = &w->insns[w->n_insns++];
    *i = (soma__insn){.op = op};
    return i;
}

/* The operand for memory of a value; the same memory seen in the same way is one operand. */
static int external(writer *w, const soma__operand *o, uint32_t value, int64_t offset, int use) {
    for (int k = 0; k < w->n_external; k++) {
        const struct source *s = &w->sources[k];
        if (s->value == value && s->offset == offset && !memcmp(s->o.strides, o->strides, sizeof o->strides) &&
            !((w->operands[k].use ^ use) & SOMA__PASS_RAW)) {
            w->operands[k].use |= use;
            return k;
        }
    }
    if (w->n_external == SOMA__PASS_EXTERNAL) return give_up(w, "of too many operands");
    w->sources[w->n_external] = (struct source){value, offset, o->dtype, *o};
    w->operands[w->n_external] = (soma__pass_operand){.size = (int32_t)soma_dtype_size((soma_dtype)o->dtype), .use = use};
    return w->n_external++;
}

/* Slots are operands behind the external ones; until those are counted, their numbers are negative. */
static int slot_operand(int slot) { return -1 - slot; }

static int new_slot(writer *w, uint32_t what) {
    if (w->n_slots == SOMA__PASS_SLOTS) return give_up(w, "of too many values");
    w->in_slot[w->n_slots] = what;
    return w->n_slots++;
}

static int find_slot(const writer *w, uint32_t what) {
    for (int s = 0; s < w->n_slots; s++)
        if (w->in_slot[s] == what) return s;
    return -1;
}

static bool is_member(const writer *w, uint32_t entry) { return w->b->p->values[entry].group == (uint32_t)(w->g - w->b->p->groups); }
static uint32_t input_entry(const writer *w, uint32_t i, int k) { return SOMA__REF_INDEX(soma__entry_ref(w->b->ctx, i, k)); }

static int external_input(writer *w, uint32_t i, int k, int use) {
    soma__operand o;
    uint32_t value;
    int64_t offset;
    soma__lower_resolve(w->b, i, k, &o, &value, &offset);
    if (use & SOMA__PASS_RAW) memset(o.strides, 0, sizeof o.strides);
    else soma__lower_broadcast(&o, w->like);
    return external(w, &o, value, offset, use);
}

/* Input k of member i as a memory operand. */
static int memory_input(writer *w, uint32_t i, int k) {
    uint32_t entry = input_entry(w, i, k);
    if (is_member(w, entry)) {
        int s = find_slot(w, entry);
        return s < 0 ? give_up(w, "that lost a value") : slot_operand(s);
    }
    int operand = external_input(w, i, k, SOMA__PASS_READ);
    if (w->operands[operand].size == 4) return operand;
    return slot_operand(find_slot(w, BOOL_SLOT | (uint32_t)operand));
}

static void load_input(writer *w, uint32_t i, int k) {
    uint32_t entry = input_entry(w, i, k);
    if (is_member(w, entry) && w->acc == entry) return;
    put(w, SOMA__INSN_LOAD)->k[0] = memory_input(w, i, k);
}

/* External bools are made numbers first, since a second operand is always a strip of numbers. */
static void load_bools(writer *w) {
    for (int m = w->g->product != SOMA__NONE; m < w->g->n; m++) {
        const soma_tensor *x = soma__entry_tensor(w->b->ctx, w->g->members[m]);
        for (int k = soma__plan_writes(w->b->ctx, w->g->members[m]); k < x->n_in; k++) {
            if (x->in[k]->dtype != SOMA_BOOL || is_member(w, input_entry(w, w->g->members[m], k))) continue;
            int operand = external_input(w, w->g->members[m], k, SOMA__PASS_READ);
            if (find_slot(w, BOOL_SLOT | (uint32_t)operand) >= 0) continue;
            put(w, SOMA__INSN_LOAD_BOOL)->k[0] = operand;
            put(w, SOMA__INSN_STORE)->k[0] = slot_operand(new_slot(w, BOOL_SLOT | (uint32_t)operand));
        }
    }
}

/* The input that a member takes from the accumulator: where it can. */
static bool takes_from_accumulator(const soma_context *ctx, uint32_t i, int k) {
    const soma_tensor *x = soma__entry_tensor(ctx, i);
    int writes = soma__plan_writes(ctx, i);
    return writes ? k == writes : x->n_in >= 3 ? k == 0 : true;
}

/* Is the value of member number m needed by other means than the accumulator of the next one? */
static bool needed_later(const writer *w, int m) {
    uint32_t entry = w->g->members[m];
    int uses = 0, next = 0;
    for (int j = m + 1; j < w->g->n; j++)
        for (int k = 0; k < soma__entry_inputs(w->b->ctx, w->g->members[j]); k++)
            if (input_entry(w, w->g->members[j], k) == entry) {
                uses++;
                next += j == m + 1 && takes_from_accumulator(w->b->ctx, w->g->members[j], k);
            }
    return uses > 1 || uses != next;
}

/* Bools are or-ed by +, and-ed by *. */
static int opcode(const soma_tensor *x) {
    if (x->dtype == SOMA_BOOL && x->op == SOMA_OP_add) return SOMA_OP_logical_or;
    if (x->dtype == SOMA_BOOL && x->op == SOMA_OP_mul) return SOMA_OP_logical_and;
    return x->op;
}

static void write_update(writer *w, uint32_t i, int writes) {
    const soma_tensor *x = soma__entry_tensor(w->b->ctx, i);
    load_input(w, i, writes);
    soma__insn *insn = put(w, x->op);
    insn->flags = x->attr[0];
    insn->k[0] = external_input(w, i, 0, SOMA__PASS_READ | SOMA__PASS_WRITTEN);
    insn->k[1] = external_input(w, i, writes + 1, SOMA__PASS_READ | SOMA__PASS_RAW);
    for (int k = 1; k < writes; k++) insn->k[k + 1] = external_input(w, i, k, SOMA__PASS_READ | SOMA__PASS_WRITTEN);
    w->acc = SOMA__NONE;
}

static void write_compute(writer *w, uint32_t i) {
    const soma_tensor *x = soma__entry_tensor(w->b->ctx, i);
    int op = opcode(x);
    if (op == SOMA_OP_full || op == SOMA_OP_to) {
        load_input(w, i, 0);
        if (op == SOMA_OP_to && x->dtype == SOMA_BOOL && x->in[0]->dtype != SOMA_BOOL) put(w, SOMA__INSN_TRUTH);
    } else if (x->n_in == 1) {
        load_input(w, i, 0);
        put(w, op);
    } else if (op == SOMA_OP_batch_normalise) { /* three instructions */
        static const int steps[3] = {SOMA_OP_sub, SOMA_OP_mul, SOMA_OP_add};
        load_input(w, i, 0);
        for (int k = 0; k < 3; k++) {
            int other = memory_input(w, i, k + 1);
            put(w, steps[k])->k[0] = other;
        }
    } else if (x->n_in == 3) {
        load_input(w, i, 0);
        int a = memory_input(w, i, 1), b = memory_input(w, i, 2);
        soma__insn *insn = put(w, op);
        insn->k[0] = a, insn->k[1] = b;
    } else {
        bool reversed = w->acc != SOMA__NONE && input_entry(w, i, 1) == w->acc && input_entry(w, i, 0) != w->acc;
        load_input(w, i, reversed ? 1 : 0);
        int other = memory_input(w, i, reversed ? 0 : 1);
        put(w, op + (reversed ? SOMA__INSN_REVERSED : 0))->k[0] = other;
    }
}

#define STREAMED (8 << 20) /* elements from which on a result is taken to be larger than the caches */

static void store_value(writer *w, uint32_t i) {
    soma__builder *b = w->b;
    const soma__value *v = &b->p->values[i];
    const soma_tensor *x = soma__entry_tensor(b->ctx, i);
    soma__operand o;
    soma__lower_describe(&o, x, v->strides);
    int place = external(w, &o, v->base, 0, SOMA__PASS_WRITTEN);
    soma__insn *insn = put(w, x->dtype == SOMA_BOOL ? SOMA__INSN_STORE_BOOL : SOMA__INSN_STORE);
    insn->k[0] = place;
    if (x->dtype != SOMA_BOOL && w->g->product == SOMA__NONE && x->numel >= STREAMED) insn->flags = SOMA__STORE_STREAM;
}

static void write_member(writer *w, int m) {
    uint32_t i = w->g->members[m];
    const soma__value *v = &w->b->p->values[i];
    int writes = soma__plan_writes(w->b->ctx, i);
    bool product = m == 0 && w->g->product != SOMA__NONE, assign = soma__entry_tensor(w->b->ctx, i)->op == SOMA_OP_assign;
    if (writes && !assign) {
        write_update(w, i, writes);
        return;
    }
    if (product) {
        soma__operand o;
        memset(&o, 0, sizeof o);
        o.dtype = SOMA_F32;
        put(w, SOMA__INSN_LOAD)->k[0] = external(w, &o, SOMA__NONE, 0, SOMA__PASS_READ | SOMA__PASS_BLOCK);
    } else if (assign) load_input(w, i, 1);
    else write_compute(w, i);
    w->acc = i;
    if (v->home != SOMA__HOME_PASS) store_value(w, i);
    if (needed_later(w, m)) put(w, SOMA__INSN_STORE)->k[0] = slot_operand(new_slot(w, i));
}

/* Dimensions that all operands walk through like one become one; a product's rows and columns stay apart. */
static void collapse(soma__pass *p, bool product) {
    for (int d = p->ndim - 1 - product; d > 0; d--) {
        bool merge = true;
        for (int k = 0; k < p->n_external && merge; k++) {
            const soma__pass_operand *o = &p->operands[k];
            merge = o->use & SOMA__PASS_BLOCK || p->shape[d] == 1 || p->shape[d - 1] == 1 || o->stride[d - 1] == o->stride[d] * p->shape[d];
        }
        if (!merge) continue;
        for (int k = 0; k < p->n_external; k++) {
            soma__pass_operand *o = &p->operands[k];
            o->stride[d - 1] = p->shape[d] == 1 ? o->stride[d - 1] : o->stride[d];
            for (int e = d; e < p->ndim - 1; e++) o->stride[e] = o->stride[e + 1];
        }
        p->shape[d - 1] *= p->shape[d];
        for (int e = d; e < p->ndim - 1; e++) p->shape[e] = p->shape[e + 1];
        p->ndim--;
    }
}

/* Copies what was written to the plan's memory; slots get their numbers. */
static void finish(writer *w) {
    soma__builder *b = w->b;
    soma__pass *p = w->p;
    p->insns = soma__lower_take(b, (size_t)w->n_insns * sizeof *p->insns);
    p->operands = soma__lower_take(b, ((size_t)w->n_external + 1) * sizeof *p->operands);
    if (b->failed) return;
    p->n_insns = w->n_insns, p->n_external = w->n_external, p->n_slots = w->n_slots;
    int nd = w->like->ndim ? w->like->ndim : 1, dims[SOMA_MAX_DIMS];
    soma__order_dims(w->like->ndim ? w->g->order : SOMA__ORDER_C, nd, dims);
    p->ndim = nd;
    p->numel = w->like->numel;
    for (int d = 0; d < nd; d++) p->shape[d] = w->like->ndim ? w->like->shape[dims[d]] : 1;
    for (int k = 0; k < w->n_external; k++)
        for (int d = 0; d < nd; d++) w->operands[k].stride[d] = w->like->ndim ? w->sources[k].o.strides[dims[d]] : 0;
    for (int i = 0; i < w->n_insns; i++) {
        soma__insn *insn = &w->insns[i];
        for (int k = 0; k < 5; k++)
            if (insn->k[k] < 0) insn->k[k] = w->n_external - 1 - insn->k[k];
    }
    memcpy(p->insns, w->insns, (size_t)w->n_insns * sizeof *p->insns);
    memcpy(p->operands, w->operands, (size_t)w->n_external * sizeof *p->operands);
    for (int k = 0; k < p->n_external; k++)
        for (int d = 0; p->operands[k].use & SOMA__PASS_BLOCK && d < nd; d++) p->operands[k].stride[d] = d == nd - 1;
    collapse(p, w->g->product != SOMA__NONE);
    soma__pass_link(b->ctx->isa, p);
}

/* Does the product itself read the value? */
static bool product_reads(const writer *w, uint32_t value) {
    for (int k = 0; w->g->product != SOMA__NONE && k < soma__entry_inputs(w->b->ctx, w->g->product); k++)
        if (soma__plan_base(w->b->ctx, w->b->p, soma__entry_ref(w->b->ctx, w->g->product, k)) == value) return true;
    return false;
}

/* A value may take the place of one that ends in this pass, when each element of that is read before its own is stored there. A matrix product stores
 * before its pass runs. */
static void find_places(writer *w, const soma__pass *p) {
    soma__plan *plan = w->b->p;
    if (w->g->product != SOMA__NONE && soma__entry_op(w->b->ctx, w->g->product) == SOMA_OP_matmul) return;
    uint32_t taken[SOMA__PASS_EXTERNAL];
    int n_taken = 0;
    for (int i = 0; i < w->n_insns; i++) {
        int to = w->insns[i].k[0];
        if (w->insns[i].op != SOMA__INSN_STORE || to >= w->n_external || plan->values[w->sources[to].value].home != SOMA__HOME_SLAB) continue;
        for (int k = 0; k < w->n_external; k++) {
            const struct source *from = &w->sources[k], *v = &w->sources[to];
            bool fits = p->operands[k].use == SOMA__PASS_READ && p->operands[k].size == 4 && !from->offset && !v->offset &&
                        plan->values[from->value].bytes == plan->values[v->value].bytes &&
                        !memcmp(from->o.strides, v->o.strides, sizeof v->o.strides) && !product_reads(w, from->value);
            for (int j = 0; j < w->n_external && fits; j++) fits = j == k || w->sources[j].value != from->value; /* seen in one way alone */
            for (int j = i + 1; j < w->n_insns && fits; j++)
                for (int m = 0; m < 5; m++) fits = fits && !(w->insns[j].op != SOMA__INSN_END && w->insns[j].k[m] == k);
            for (int j = 0; j < n_taken && fits; j++) fits = taken[j] != from->value;
            if (!fits) continue;
            plan->values[v->value].over = from->value + 1;
            taken[n_taken++] = from->value;
            break;
        }
    }
}

soma__pass *soma__plan_program(soma__builder *b, const soma__group *g) {
    writer program = {.b = b, .g = g, .acc = SOMA__NONE}, *w = &program;
    soma__pass *p = soma__lower_take(b, sizeof *p);
    if (b->failed) return NULL;
    w->p = p;
    w->like = soma__entry_tensor(b->ctx, g->members[0]);
    load_bools(w);
    for (int m = 0; m < g->n && !b->failed; m++) write_member(w, m);
    put(w, SOMA__INSN_END);
    if (b->failed) return NULL;
    finish(w);
    if (!b->failed && b->ctx->fuse) find_places(w, p);
    for (int k = 0; k < w->n_external && !b->failed; k++) {
        if (p->operands[k].use & SOMA__PASS_BLOCK) continue;
        soma__lower_bind(b, &p->operands[k].data, w->sources[k].value, w->sources[k].offset, w->sources[k].dtype);
        soma__lower_read(b, w->sources[k].value);
    }
    return b->failed ? NULL : p;
}
