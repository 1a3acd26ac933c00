/* The state tree. A piece is a variable, or numbers of the host behind two functions; adding a module, an optimizer or a loader lists its pieces. */
#include "soma/state.h"

#include <stdio.h>
#include <string.h>

/* What there is besides variables: n elements of int64 or float64. */
typedef struct piece {
    const char *name;
    soma_tensor *variable;
    soma_dtype dtype;
    void *owner;
    size_t (*count)(void *owner);
    void (*get)(void *owner, void *out);
    soma_status (*set)(void *owner, const void *in, size_t n);
    struct piece *next;
} piece;

struct soma_state {
    soma_context *ctx;
    soma_scope *scope;
    piece *first, **end;
    size_t n;
};

soma_state *soma_state_new(soma_context *ctx) {
    soma_state *s = soma_scope_memory(ctx, sizeof *s);
    if (!s) return NULL;
    s->ctx = ctx;
    s->scope = soma_scope_innermost(ctx);
    s->end = &s->first;
    return s;
}

static piece *find(const soma_state *s, const char *name) {
    for (piece *p = s->first; p; p = p->next)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

static piece *add(soma_state *s, const char *prefix, const char *name) {
    size_t n = (prefix ? strlen(prefix) : 0) + strlen(name) + 2;
    piece *p = soma_scope_memory_in(s->scope, sizeof *p);
    char *full = soma_scope_memory_in(s->scope, n);
    if (!p || !full) return NULL;
    snprintf(full, n, "%s%s%s", prefix ? prefix : "", prefix && *prefix ? "." : "", name);
    if (find(s, full)) return soma_error_raise(s->ctx, SOMA_ERROR_ARGUMENT, "state: the name '%s' is taken", full), NULL;
    p->name = full;
    *s->end = p;
    s->end = &p->next;
    s->n++;
    return p;
}

soma_status soma_state_add_variable(soma_state *s, const char *name, soma_tensor *variable) {
    if (!s) return SOMA_ERROR_ARGUMENT;
    if (!name || !soma_is_variable(variable))
        return soma_error_raise(s->ctx, SOMA_ERROR_ARGUMENT, "state: '%s' is no variable", name ? name : "NULL");
    piece *p = add(s, NULL, name);
    if (p) p->variable = variable, p->dtype = soma_tensor_dtype(variable);
    return soma_error_status(s->ctx);
}

static soma_status add_keyed(soma_state *s, const char *prefix, const char *key, soma_tensor *variable) {
    piece *p = add(s, prefix, key);
    if (p) p->variable = variable, p->dtype = soma_tensor_dtype(variable);
    return soma_error_status(s->ctx);
}

soma_status soma_state_add_module(soma_state *s, const char *prefix, soma_module *m) {
    if (!s || !m) return SOMA_ERROR_ARGUMENT;
    for (size_t i = 0; i < soma_module_state_count(m); i++) {
        char key[512];
        soma_tensor *t;
        if (soma_module_state(m, i, key, sizeof key, &t) != SOMA_OK || add_keyed(s, prefix, key, t) != SOMA_OK) return soma_error_status(s->ctx);
    }
    return soma_error_status(s->ctx);
}

/* Numbers in the owner's hands, of a fixed count. */
typedef struct block {
    void *numbers;
    size_t n;
} block;
static size_t block_count(void *owner) { return ((block *)owner)->n; }
static void block_get(void *owner, void *out) { memcpy(out, ((block *)owner)->numbers, ((block *)owner)->n * 8); }
static soma_status block_set(void *owner, const void *in, size_t n) { return memcpy(((block *)owner)->numbers, in, n * 8), SOMA_OK; }

static soma_status add_block(soma_state *s, const char *name, void *numbers, size_t n, soma_dtype dtype) {
    if (!s) return SOMA_ERROR_ARGUMENT;
    if (!name || !numbers) return soma_error_raise(s->ctx, SOMA_ERROR_ARGUMENT, "state: a name and numbers are wanted");
    block *b = soma_scope_memory_in(s->scope, sizeof *b);
    piece *p = b ? add(s, NULL, name) : NULL;
    if (!p) return soma_error_status(s->ctx);
    *b = (block){numbers, n};
    p->dtype = dtype, p->owner = b, p->count = block_count, p->get = block_get, p->set = block_set;
    return SOMA_OK;
}
soma_status soma_state_add_integers(soma_state *s, const char *name, int64_t *numbers, size_t n) { return add_block(s, name, numbers, n, SOMA_I64); }
soma_status soma_state_add_numbers(soma_state *s, const char *name, double *numbers, size_t n) { return add_block(s, name, numbers, n, SOMA_F64); }

static size_t optim_count(void *owner) {
    size_t n = 0;
    while (soma_optim_steps(owner, n) >= 0) n++;
    return n;
}
static void optim_get(void *owner, void *out) {
    for (size_t i = 0; soma_optim_steps(owner, i) >= 0; i++) ((int64_t *)out)[i] = soma_optim_steps(owner, i);
}
static soma_status optim_set(void *owner, const void *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        soma_status s = soma_optim_set_steps(owner, i, ((const int64_t *)in)[i]);
        if (s != SOMA_OK) return s;
    }
    return SOMA_OK;
}

soma_status soma_state_add_optim(soma_state *s, const char *prefix, soma_optim *o) {
    if (!s || !o) return SOMA_ERROR_ARGUMENT;
    for (size_t i = 0; i < soma_optim_state_count(o); i++) {
        char key[512];
        soma_tensor *t;
        if (soma_optim_state(o, i, key, sizeof key, &t) != SOMA_OK || add_keyed(s, prefix, key, t) != SOMA_OK) return soma_error_status(s->ctx);
    }
    piece *p = add(s, prefix, "steps");
    const char *key;
    double *numbers;
    size_t n;
    for (size_t i = 0; soma_optim_numbers(o, i, &key, &numbers, &n); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s%s", prefix ? prefix : "", prefix && *prefix ? "." : "", key);
        if (soma_state_add_numbers(s, name, numbers, n) != SOMA_OK) return soma_error_status(s->ctx);
    }
    if (p) p->dtype = SOMA_I64, p->owner = o, p->count = optim_count, p->get = optim_get, p->set = optim_set;
    return soma_error_status(s->ctx);
}

static size_t two(void *owner) { return (void)owner, 2; }
static void loader_get(void *owner, void *out) { soma_loader_position(owner, (int64_t *)out, (int64_t *)out + 1); }
static soma_status loader_set(void *owner, const void *in, size_t n) {
    (void)n;
    return soma_loader_seek(owner, ((const int64_t *)in)[0], ((const int64_t *)in)[1]);
}
soma_status soma_state_add_loader(soma_state *s, const char *prefix, soma_loader *l) {
    if (!s || !l) return SOMA_ERROR_ARGUMENT;
    piece *p = add(s, prefix, "position");
    if (p) p->dtype = SOMA_I64, p->owner = l, p->count = two, p->get = loader_get, p->set = loader_set;
    return soma_error_status(s->ctx);
}

static size_t random_count(void *owner) {
    uint64_t stream, counter;
    size_t n = 0;
    while (soma_random_position(owner, n, &stream, &counter)) n++;
    return 1 + 2 * n;
}
static void random_get(void *owner, void *out) {
    uint64_t *x = out;
    x[0] = soma_initial_seed(owner);
    for (size_t i = 0; soma_random_position(owner, i, x + 1 + 2 * i, x + 2 + 2 * i); i++) continue;
}
static soma_status random_set(void *owner, const void *in, size_t n) {
    const uint64_t *x = in;
    soma_status s = soma_manual_seed(owner, x[0]);
    for (size_t i = 1; s == SOMA_OK && i + 1 < n; i += 2) s = soma_random_set(owner, x[i], x[i + 1]);
    return s;
}
soma_status soma_state_add_random(soma_state *s, const char *prefix) {
    if (!s) return SOMA_ERROR_ARGUMENT;
    piece *p = add(s, prefix, "streams");
    if (p) p->dtype = SOMA_I64, p->owner = s->ctx, p->count = random_count, p->get = random_get, p->set = random_set;
    return soma_error_status(s->ctx);
}

size_t soma_state_count(const soma_state *s) { return s ? s->n : 0; }

const char *soma_state_name(const soma_state *s, size_t i) {
    const piece *p = s ? s->first : NULL;
    while (p && i-- > 0) p = p->next;
    return p ? p->name : NULL;
}

soma_status soma_state_put(soma_state *s, soma_archive *a) {
    if (!s || !a) return SOMA_ERROR_ARGUMENT;
    for (const piece *p = s->first; p && soma_error_status(s->ctx) == SOMA_OK; p = p->next) {
        soma_tensor *value = p->variable;
        if (!value) {
            int64_t n = (int64_t)p->count(p->owner);
            void *numbers = soma_scope_memory(s->ctx, (size_t)n * 8 + 8);
            if (!numbers) break;
            p->get(p->owner, numbers);
            value = soma_borrow(s->ctx, numbers, p->dtype, &n, 1);
        }
        soma_archive_put(a, p->name, value);
    }
    return soma_error_status(s->ctx);
}

/* Is the archive's entry what the piece wants? Else the error is raised. */
static bool fits(const soma_state *s, const piece *p, const soma_archive *a) {
    soma_archive_entry e = {0};
    int64_t at = soma_archive_find(a, p->name);
    char want[160], have[160] = "missing";
    if (at >= 0) soma_archive_get(a, (size_t)at, &e);
    bool same = at >= 0;
    if (p->variable) {
        same = same && e.ndim == soma_ndim(p->variable);
        for (int64_t d = 0; same && d < e.ndim; d++) same = e.shape[d] == soma_size(p->variable, d);
        soma_shape_text(p->variable, want, sizeof want);
    } else {
        /* streams may have been added since */
        same = same && e.ndim == 1 && (p->count == random_count ? e.shape[0] % 2 == 1 : e.shape[0] == (int64_t)p->count(p->owner)) &&
               strcmp(e.type, p->dtype == SOMA_I64 ? "I64" : "F64") == 0;
        snprintf(want, sizeof want, "[%zu]", p->count(p->owner));
    }
    if (same) return true;
    int n = at < 0 ? 0 : snprintf(have, sizeof have, "%s [", e.type);
    for (int64_t d = 0; at >= 0 && d < e.ndim && n > 0 && (size_t)n < sizeof have; d++)
        n += snprintf(have + n, sizeof have - (size_t)n, "%s%lld", d ? ", " : "", (long long)e.shape[d]);
    soma_error_raise(s->ctx, SOMA_ERROR_FORMAT, "state: '%s' is %s%s in the file; %s %s is wanted", p->name, have, at < 0 ? "" : "]",
                     soma_dtype_name(p->dtype), want);
    return false;
}

soma_status soma_state_take(soma_state *s, soma_archive *a, bool more) {
    if (!s || !a) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(s->ctx) != SOMA_OK) return soma_error_status(s->ctx);
    for (const piece *p = s->first; p; p = p->next)
        if (!fits(s, p, a)) return soma_error_status(s->ctx);
    for (size_t i = 0; !more && i < soma_archive_count(a); i++) {
        soma_archive_entry e;
        soma_archive_get(a, i, &e);
        if (!find(s, e.name)) return soma_error_raise(s->ctx, SOMA_ERROR_FORMAT, "state: the file has '%s', which has no place here", e.name);
    }
    for (const piece *p = s->first; p && soma_error_status(s->ctx) == SOMA_OK; p = p->next) {
        soma_archive_entry e;
        soma_tensor *value = soma_archive_tensor(a, (size_t)soma_archive_find(a, p->name));
        soma_archive_get(a, (size_t)soma_archive_find(a, p->name), &e);
        const void *numbers;
        if (p->variable) soma_assign(p->variable, soma_tensor_dtype(value) == p->dtype ? value : soma_to(value, p->dtype));
        else if (soma_data(value, &numbers) == SOMA_OK) p->set(p->owner, numbers, (size_t)e.shape[0]);
    }
    return soma_eval(s->ctx);
}

soma_status soma_module_save(soma_module *m, const char *path) {
    soma_context *ctx = soma_module_context(m);
    soma_scope *scope = soma_scope_open(ctx);
    soma_state *s = soma_state_new(ctx);
    soma_archive *a = soma_archive_new(ctx);
    if (soma_state_add_module(s, "", m) == SOMA_OK && soma_state_put(s, a) == SOMA_OK) soma_archive_write(a, path);
    soma_scope_close(scope);
    return ctx ? soma_error_status(ctx) : SOMA_ERROR_ARGUMENT;
}

soma_status soma_module_load(soma_module *m, const char *path) {
    soma_context *ctx = soma_module_context(m);
    soma_scope *scope = soma_scope_open(ctx);
    soma_state *s = soma_state_new(ctx);
    soma_archive *a = soma_archive_open(ctx, path);
    if (a && soma_state_add_module(s, "", m) == SOMA_OK) soma_state_take(s, a, false);
    soma_scope_close(scope);
    return ctx ? soma_error_status(ctx) : SOMA_ERROR_ARGUMENT;
}
