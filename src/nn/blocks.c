/* Modules of modules, and look-up tables. */
#include "nn/module.h"

#include <stdio.h>
#include <string.h>

static soma_tensor *embedding(soma_module *m, soma_tensor *x) {
    soma_tensor *rows = soma_embedding(x, soma__module_part(m, "weight"));
    if (m->number[0] < 0 || !rows) return rows;
    /* the padding's row has its value, and no gradient */
    soma_tensor *padding = soma_eq(x, soma_full(m->ctx, m->number[0], SOMA_I64, NULL, 0));
    return soma_where(soma_unsqueeze(padding, -1), soma_detach(rows), rows);
}

soma_module *soma_nn_embedding_v(soma_context *ctx, int64_t classes, int64_t features, const soma_embedding_opts *options, size_t size) {
    soma_embedding_opts o;
    if (!ctx || !soma_options_read(ctx, "embedding", &o, sizeof o, options, size)) return NULL;
    int64_t padding = o.padding_idx.set ? (int64_t)o.padding_idx.value : -1;
    if (classes < 1 || features < 1 || padding >= classes || (o.padding_idx.set && padding < 0)) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT,
                         "embedding: %lld classes, %lld features; 1 or more, and a padding_idx among the classes, are wanted", (long long)classes,
                         (long long)features);
        return NULL;
    }
    soma_module *m = soma__module_new(ctx, "embedding", embedding);
    if (!m) return NULL;
    m->number[0] = (double)padding;
    uint64_t stream = soma_stream_use(ctx, SOMA_STREAM_INIT);
    soma_interior_begin(ctx);
    soma_tensor *w = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(classes, features));
    if (padding >= 0) {
        soma_tensor *row = soma_eq(soma_arange(ctx, 0, (double)classes, 1, SOMA_I64), soma_full(ctx, (double)padding, SOMA_I64, NULL, 0));
        w = soma_where(soma_unsqueeze(row, 1), soma_full(ctx, 0, SOMA_F32, NULL, 0), w);
    }
    soma_module_add_parameter(m, "weight", soma_variable(w, &(soma_variable_opts){.name = "weight"}));
    soma_interior_end(ctx, NULL);
    soma_stream_use(ctx, stream);
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}

static soma_tensor *unflatten(soma_module *m, soma_tensor *x) { return soma_unflatten(x, m->dim, m->sizes, (int64_t)m->number[0]); }
soma_module *soma_nn_unflatten(soma_context *ctx, int64_t dim, const int64_t *sizes, int64_t count) {
    if (ctx && (!sizes || count < 1 || count > SOMA_MAX_DIMS))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "unflatten: %lld sizes; 1 to %d are wanted", (long long)count, SOMA_MAX_DIMS), NULL;
    soma_module *m = soma__module_new(ctx, "unflatten", unflatten);
    int64_t *copy = m ? soma_scope_memory(ctx, (size_t)count * sizeof *copy) : NULL;
    if (!copy) return NULL;
    m->sizes = memcpy(copy, sizes, (size_t)count * sizeof *copy);
    m->dim = dim, m->number[0] = (double)count;
    return m;
}

static soma_tensor *residual(soma_module *m, soma_tensor *x) {
    const soma__named *shortcut = m->first->next;
    soma_tensor *y = soma_forward(m->first->child, x);
    return soma_add(shortcut ? soma_forward(shortcut->child, x) : x, y);
}
soma_module *soma_nn_residual(soma_context *ctx, soma_module *inner) {
    soma_module *m = soma__module_new(ctx, "residual", residual);
    return m && soma_module_add_child(m, "0", inner) == SOMA_OK ? m : NULL;
}
soma_module *soma_nn_residual_with(soma_context *ctx, soma_module *inner, soma_module *shortcut) {
    soma_module *m = soma_nn_residual(ctx, inner);
    return m && soma_module_add_child(m, "1", shortcut) == SOMA_OK ? m : NULL;
}

static soma_tensor *parallel(soma_module *m, soma_tensor *x) {
    soma_tensor *parts[64];
    size_t n = 0;
    for (soma__named *c = m->first; c && n < 64; c = c->next)
        if (c->child && !(parts[n++] = soma_forward(c->child, x))) return NULL;
    return soma_cat(parts, n, m->dim);
}
soma_module *soma_nn_parallel(soma_context *ctx, soma_module *const *modules, size_t count, int64_t dim) {
    if (ctx && (!modules || count < 1 || count > 64))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "parallel: %zu modules; 1 to 64 are wanted", count), NULL;
    soma_module *m = soma__module_new(ctx, "parallel", parallel);
    if (m) m->dim = dim;
    for (size_t i = 0; m && i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        if (soma_module_add_child(m, name, modules[i]) != SOMA_OK) return NULL;
    }
    return m;
}
