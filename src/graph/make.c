/* Leaves: data of the user, numbers, variables; and the nodes that change variables. */
#include "graph/context.h"

#include "base/fpmode.h"

#include <string.h>

static soma_tensor *leaf(soma_context *ctx, const char *call, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    return ctx && soma__ok(ctx) ? soma__graph_new(ctx, ctx->scope, call, dtype, shape, ndim) : NULL;
}

soma_tensor *soma_from(soma_context *ctx, const void *data, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    soma_tensor *x = leaf(ctx, "from", dtype, shape, ndim);
    if (!x) return NULL;
    if (!data && x->numel) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "from: data is NULL"), NULL;
    x->data = soma__scope_alloc(x->scope, soma__bytes(x), 64);
    if (!x->data) return soma__no_memory(ctx);
    if (x->numel) memcpy(x->data, data, soma__bytes(x));
    for (int64_t i = 0; dtype == SOMA_BOOL && i < x->numel; i++) ((uint8_t *)x->data)[i] = ((uint8_t *)x->data)[i] != 0;
    return x;
}

soma_tensor *soma_borrow(soma_context *ctx, const void *data, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    soma_tensor *x = leaf(ctx, "borrow", dtype, shape, ndim);
    if (!x) return NULL;
    if (!data && x->numel) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "borrow: data is NULL"), NULL;
    x->data = data ? (void *)(uintptr_t)data : x->inline_data; /* read only: no node writes to a leaf that is no variable */
    return x;
}

/* Rounded to nearest, whatever the caller's mode is. */
static float to_f32(double value) {
    float f = (float)value;
    if ((double)f == value || value != value) return f;
    soma__fpmode mode = soma__fpmode_enter();
    volatile double again = value; /* the compiler does not know that the mode changed */
    f = (float)again;
    soma__fpmode_leave(mode);
    return f;
}

soma_tensor *soma__number(soma_context *ctx, double value, soma_dtype dtype) {
    soma_tensor *x = leaf(ctx, "scalar", dtype, NULL, 0);
    if (!x) return NULL;
    x->flags |= SOMA__NUMBER;
    x->data = x->inline_data;
    if (dtype == SOMA_F32) *(float *)x->data = to_f32(value);
    else if (dtype == SOMA_F64) *(double *)x->data = value;
    else if (dtype == SOMA_I64) *(int64_t *)x->data = soma__to_i64(value);
    else if (dtype == SOMA_I32) *(int32_t *)x->data = (int32_t)(uint32_t)soma__to_i64(value); /* wraps, as the arithmetic that it is for */
    else *(uint8_t *)x->data = dtype == SOMA_BOOL ? value != 0 : (uint8_t)soma__to_i64(value);
    return x;
}

soma_tensor *soma_scalar(soma_context *ctx, double value) { return soma__number(ctx, value, SOMA_F32); }

soma_tensor *soma_host_scalar(soma_context *ctx, const double *value) {
    if (!value) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "host_scalar: value is NULL"), NULL;
    soma_tensor *x = soma_borrow(ctx, value, SOMA_F64, NULL, 0);
    if (x) x->flags |= SOMA__NUMBER;
    return x ? soma__as(x, SOMA_F32) : NULL;
}

bool soma__stream_take(soma_context *ctx, uint64_t stream, uint64_t count, uint64_t *base) {
    soma__streams *s = &ctx->streams;
    size_t i = 0;
    while (i < s->count && s->list[i].id != stream) i++;
    if (i == s->count) {
        if (!soma__grow(ctx, (void **)&s->list, &s->capacity, i + 1, sizeof *s->list)) return false;
        s->list[s->count++] = (soma__stream){.id = stream};
    }
    if (!soma__undo_push(ctx, (soma__undo){.stream = i, .counter = s->list[i].counter})) return false;
    *base = s->list[i].counter;
    s->list[i].counter += count;
    return true;
}

bool soma_random_position(const soma_context *ctx, size_t i, uint64_t *stream, uint64_t *counter) {
    if (!ctx || i >= ctx->streams.count) return false;
    if (stream) *stream = ctx->streams.list[i].id;
    if (counter) *counter = ctx->streams.list[i].counter;
    return true;
}

soma_status soma_random_set(soma_context *ctx, uint64_t stream, uint64_t counter) {
    uint64_t base;
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (ctx->flush(ctx) != SOMA_OK || !soma__stream_take(ctx, stream, 0, &base)) return ctx->status;
    for (size_t i = 0; i < ctx->streams.count; i++)
        if (ctx->streams.list[i].id == stream) ctx->streams.list[i].counter = counter;
    soma__undo_forget(ctx);
    return SOMA_OK;
}

soma_status soma_variable_share(soma_tensor *variable, soma_tensor *from) {
    if (!variable || !from) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = variable->ctx;
    const void *data;
    if (!soma__ok(ctx) || ctx->flush(ctx) != SOMA_OK) return ctx->status;
    if (!variable->var || !from->var || !soma__same_shape(variable, from) || variable->dtype != from->dtype || variable->flags & SOMA__REQUIRES)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT,
                                "variable_share: two variables of one shape and dtype are wanted, and no gradient for the first");
    soma_status s = soma_data(from, &data);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "variable_share: the value to share cannot be had: %s", soma_error_message(from->ctx));
    soma__free(&ctx->alloc, variable->data, variable->var->bytes);
    variable->data = from->data;
    variable->var->bytes = 0;
    variable->var->shared = true;
    variable->var->packed.source = from->var->packed.source ? from->var->packed.source : &from->var->packed.live;
    variable->var->packed.made = UINT64_MAX;
    return SOMA_OK;
}

uint64_t soma_stream_use(soma_context *ctx, uint64_t stream) {
    uint64_t before = ctx ? ctx->stream : SOMA_STREAM_USER;
    if (ctx) ctx->stream = stream;
    return before;
}

soma_tensor *soma__random_position(soma_context *ctx, int64_t count) {
    int64_t two = 2;
    soma_tensor *x = leaf(ctx, "random", SOMA_I64, &two, 1);
    if (!x || !soma__stream_take(ctx, ctx->stream, (uint64_t)count, &x->inline_data[1])) return NULL;
    x->flags |= SOMA__RANDOM;
    x->inline_data[0] = ctx->stream;
    x->data = x->inline_data;
    return x;
}

soma_tensor *soma__variable_new(soma_context *ctx, soma_scope *scope, soma_dtype dtype, const int64_t *shape, int64_t ndim, const char *name) {
    soma_tensor *x = soma__graph_new(ctx, scope, "variable", dtype, shape, ndim);
    soma__variable *v = x ? soma__scope_alloc(scope, sizeof *v, 8) : NULL;
    if (!v) return x ? soma__no_memory(ctx) : NULL;
    memset(v, 0, sizeof *v);
    v->tensor = x;
    v->bytes = soma__bytes(x);
    if (name) {
        v->name_bytes = strlen(name) + 1;
        v->name = soma__alloc(&ctx->alloc, v->name_bytes);
        if (!v->name) return soma__no_memory(ctx);
        memcpy(v->name, name, v->name_bytes);
    }
    x->data = soma__calloc(&ctx->alloc, v->bytes);
    if (!x->data) {
        soma__free(&ctx->alloc, v->name, v->name_bytes);
        return soma__no_memory(ctx);
    }
    x->var = v;
    v->next = scope->variables;
    scope->variables = v;
    return x;
}

soma_tensor *soma_variable_v(soma_tensor *initial, const soma_variable_opts *options, size_t size) {
    if (!soma__check("variable", &initial, 1)) return NULL;
    soma_context *ctx = initial->ctx;
    soma_variable_opts o;
    if (!soma_options_read(ctx, "variable", &o, sizeof o, options, size)) return NULL;
    if (o.scope_of && !soma__check("variable", (soma_tensor *[]){initial, o.scope_of}, 2)) return NULL;
    soma_scope *scope = o.scope_of ? o.scope_of->scope : ctx->scope;
    soma_tensor *x = soma__variable_new(ctx, scope, (soma_dtype)initial->dtype, initial->shape, initial->ndim, o.name);
    if (!x || soma_assign(x, initial) != SOMA_OK) return NULL;
    if (o.requires_grad && soma_requires_grad(x, true) != SOMA_OK) return NULL;
    return x;
}

soma_status soma_variable_rename(soma_tensor *variable, const char *name) {
    if (!variable || !name) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = variable->ctx;
    if (!soma__ok(ctx)) return ctx->status;
    if (!variable->var) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "variable_rename: the tensor is no variable");
    size_t bytes = strlen(name) + 1;
    char *copy = soma__alloc(&ctx->alloc, bytes);
    if (!copy) return soma__no_memory(ctx), ctx->status;
    soma__free(&ctx->alloc, variable->var->name, variable->var->name_bytes);
    variable->var->name = memcpy(copy, name, bytes);
    variable->var->name_bytes = bytes;
    return SOMA_OK;
}

soma_status soma__graph_update(soma_context *ctx, const soma__record *r, int writes) {
    for (int i = 0; i < writes; i++)
        if (r->in[i] && r->in[i]->var && r->in[i]->var->shared)
            return soma_error_raise(ctx, SOMA_ERROR_STATE, "%s: '%s' is shared with another context; it is read only", soma__ops[r->op]->name,
                                    soma_tensor_name(r->in[i]));
    for (int i = 0; i < writes; i++)
        if (!r->in[i] || !r->in[i]->var)
            return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: input %d is no variable; only variables change", soma__ops[r->op]->name, i);
    for (int i = 0; i < writes; i++)
        if (!soma__undo_push(ctx, (soma__undo){.variable = r->in[i]->var, .counter = r->in[i]->var->assigned})) return ctx->status;
    ctx->no_grad++;
    ctx->interior++; /* what it writes is read through the variables */
    soma_tensor *node = soma__graph_record(ctx, r);
    ctx->interior--;
    ctx->no_grad--;
    if (!node) return ctx->status;
    for (int i = 0; i < writes; i++) {
        soma__variable *v = r->in[i]->var;
        if (!soma__capture_find(r->in[i], false)) return ctx->status;
        v->current = node->index | (uint32_t)i << 28;
        v->epoch = ctx->epoch;
        v->assigned = node->seq;
    }
    return SOMA_OK;
}

soma_status soma_assign(soma_tensor *variable, soma_tensor *value) {
    soma_tensor *in[2] = {variable, value};
    soma_status s = soma__check_status("assign", in, 2);
    if (s != SOMA_OK) return s;
    soma_context *ctx = variable->ctx;
    if (!soma__same_shape(variable, value) || variable->dtype != value->dtype) {
        char a[128], b[128];
        return soma_error_raise(ctx, variable->dtype != value->dtype ? SOMA_ERROR_DTYPE : SOMA_ERROR_SHAPE,
                                "assign: the variable '%s' is %s %s, the value is %s %s", soma_tensor_name(variable),
                                soma_dtype_name((soma_dtype)variable->dtype), soma_shape_text(variable, a, sizeof a),
                                soma_dtype_name((soma_dtype)value->dtype), soma_shape_text(value, b, sizeof b));
    }
    soma__record r = {SOMA_OP_assign, (soma_dtype)variable->dtype, variable->ndim, variable->shape, in, 2, NULL, 0};
    return soma__graph_update(ctx, &r, 1);
}

soma_status soma_assign_from(soma_tensor *variable, const void *data, size_t bytes) {
    if (!variable) return SOMA_ERROR_ARGUMENT;
    if (bytes != soma__bytes(variable))
        return soma_error_raise(variable->ctx, SOMA_ERROR_SHAPE, "assign: '%s' has %zu bytes, %zu were given", soma_tensor_name(variable),
                                soma__bytes(variable), bytes);
    return soma_assign(variable, soma_from(variable->ctx, data, (soma_dtype)variable->dtype, variable->shape, variable->ndim));
}

soma_tensor *soma_detach(soma_tensor *x) {
    if (!soma__check("detach", &x, 1)) return NULL;
    soma__record r = {SOMA_OP_detach, (soma_dtype)x->dtype, x->ndim, x->shape, &x, 1, NULL, 0};
    return soma__graph_record(x->ctx, &r);
}

soma_status soma_guard_finite(soma_tensor *x) {
    soma_status s = soma__check_status("guard_finite", &x, 1);
    if (s != SOMA_OK) return s;
    soma__record r = {SOMA_OP_guard, SOMA_BOOL, 0, NULL, &x, 1, NULL, 0};
    return soma__graph_record(x->ctx, &r) ? SOMA_OK : soma_error_status(x->ctx);
}

int64_t soma_custom_register(soma_context *ctx, const soma_custom_def *def) {
    if (!ctx || !soma__ok(ctx)) return ctx ? ctx->status : SOMA_ERROR_ARGUMENT;
    if (!def || !def->name || !def->shape || !def->forward)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "custom_register: a definition needs a name, a shape function and a forward function");
    soma__customs *c = &ctx->customs;
    if (!soma__grow(ctx, (void **)&c->defs, &c->capacity, c->count + 1, sizeof *c->defs)) return SOMA_ERROR_MEMORY;
    size_t length = strlen(def->name) + 1;
    char *name = soma__scope_alloc(&ctx->root, length, 1);
    if (!name) return soma__no_memory(ctx), SOMA_ERROR_MEMORY;
    c->defs[c->count] = *def;
    c->defs[c->count].name = memcpy(name, def->name, length);
    return (int64_t)c->count++;
}

const soma_custom_def *soma__custom_find(soma_context *ctx, int64_t number) {
    return number >= 0 && (size_t)number < ctx->customs.count ? &ctx->customs.defs[number] : NULL;
}

soma_tensor *soma_custom(soma_context *ctx, int64_t number, soma_tensor *const *inputs, size_t n) {
    if (!ctx || !soma__ok(ctx)) return NULL;
    const soma_custom_def *def = soma__custom_find(ctx, number);
    if (!def || !inputs || n < 1 || n > 4) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "custom: op %lld with %zu inputs; a registered number and 1 to 4 inputs are wanted",
                         (long long)number, n);
        return NULL;
    }
    if (!soma__check(def->name, inputs, (int)n)) return NULL;
    int64_t shape[SOMA_MAX_DIMS] = {0}, ndim = 0;
    soma_dtype dtype = (soma_dtype)inputs[0]->dtype;
    soma_status s = def->shape(def->user, inputs, n, shape, &ndim, &dtype);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "custom: the shape function of '%s' failed", def->name), NULL;
    if (!soma__check_shape(ctx, def->name, dtype, shape, ndim)) return NULL;
    soma__record r = {SOMA_OP_custom, dtype, ndim, shape, inputs, (int)n, &number, 1};
    return soma__graph_record(ctx, &r);
}
