/* Trees of modules: forward, modes, parameters and state keys. Written with public calls only. */
#include "nn/module.h"

#include <stdio.h>
#include <string.h>

soma_module *soma__module_new(soma_context *ctx, const char *kind, soma_tensor *(*forward)(soma_module *m, soma_tensor *x)) {
    soma_module *m = soma_scope_memory(ctx, sizeof *m);
    if (!m) return NULL;
    m->ctx = ctx;
    m->scope = soma_scope_innermost(ctx);
    m->kind = kind;
    m->forward = forward;
    m->end = &m->first;
    m->training = true;
    return m;
}

/* True when what is used with m was made in its context. */
static bool ours(const soma_module *m, const soma_context *ctx, const char *what) {
    if (ctx == m->ctx) return true;
    soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: %s belongs to another context; all of a module is used in the context that made it", m->kind,
                     what);
    return false;
}

/* Before each run of a captured program: what was recorded is right for one mode. */
static soma_status in_mode(soma_module *m, bool training) {
    static const char *const names[] = {"eval", "train"};
    if (m->training == training) return SOMA_OK;
    return soma_error_raise(m->ctx, SOMA_ERROR_STATE,
                            "program_run: %s was in %s mode when the program was captured and is in %s mode now; capture one program for each mode",
                            m->kind, names[training], names[!training]);
}
static soma_status in_train_mode(void *m) { return in_mode(m, true); }
static soma_status in_eval_mode(void *m) { return in_mode(m, false); }

soma_tensor *soma_forward(soma_module *m, soma_tensor *x) {
    if (!m) return NULL;
    if (!x) return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: the input is NULL", m->kind), NULL;
    if (!ours(m, soma_tensor_context(x), "the input")) return NULL;
    if (soma_is_capturing(m->ctx) && soma_on_run(m->ctx, m->training ? in_train_mode : in_eval_mode, NULL, m) != SOMA_OK) return NULL;
    soma_interior_begin(m->ctx);
    soma_tensor *y = soma_interior_end(m->ctx, m->forward(m, x));
    if (!y) soma_error_raise(m->ctx, SOMA_ERROR_STATE, "%s: its forward function returned NULL without an error", m->kind);
    return y;
}

soma_status soma_module_train(soma_module *m, bool on) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    m->training = on;
    for (soma__named *n = m->first; n; n = n->next)
        if (n->child) soma_module_train(n->child, on);
    return SOMA_OK;
}
soma_context *soma_module_context(const soma_module *m) { return m ? m->ctx : NULL; }
bool soma_module_is_training(const soma_module *m) { return m && m->training; }

static bool contains(const soma_module *m, const soma_module *other) {
    if (m == other) return true;
    for (const soma__named *n = m->first; n; n = n->next)
        if (n->child && contains(n->child, other)) return true;
    return false;
}

/* May it be a part of m under this name? Names with dots would be taken for paths. */
static bool fits(const soma_module *m, const char *name, const soma_tensor *tensor, const soma_module *child) {
    if (!ours(m, tensor ? soma_tensor_context(tensor) : child->ctx, name)) return false;
    const char *why = NULL;
    if (!*name || strchr(name, '.')) why = "is no name: it must not be empty, nor have a dot";
    else if (tensor && !soma_is_variable(tensor)) why = "is no variable";
    else if (child && contains(child, m)) why = "contains the module that it is added to";
    else if (!soma_scope_encloses(tensor ? soma_tensor_scope(tensor) : child->scope, m->scope))
        why = "lives in an inner scope, which closes before the module's";
    for (soma__named *n = m->first; n && !why; n = n->next)
        if (strcmp(n->name, name) == 0) why = "is a name that is taken";
    if (why) soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: '%s' %s", m->kind, name, why);
    return !why;
}

/* What "0.weight" is made of; returns where the next part goes. A key that is too long is cut. */
static size_t append(char *key, size_t size, size_t used, const char *name) {
    int n = snprintf(key + used, size - used, "%s%s", used ? "." : "", name);
    return n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n;
}

static size_t path_of(const soma_module *m, char *key, size_t size) {
    return m && m->parent ? append(key, size, path_of(m->parent, key, size), m->name) : 0;
}

/* Gives the variables of a part the state keys that they have now. */
static soma_status give_keys(const soma__named *part, char *key, size_t size, size_t used) {
    soma_status s = SOMA_OK;
    used = append(key, size, used, part->name);
    if (!part->child) return soma_variable_rename(part->tensor, key);
    for (const soma__named *n = part->child->first; n && s == SOMA_OK; n = n->next) s = give_keys(n, key, size, used);
    return s;
}

typedef enum part { PARAMETER, BUFFER, CHILD } part;

static soma_status add(soma_module *m, const char *name, soma_tensor *tensor, soma_module *child, part kind) {
    if (!m) return SOMA_ERROR_ARGUMENT;
    if (!name || (!tensor && !child)) {
        soma_status s = soma_error_status(m->ctx);
        return s != SOMA_OK ? s : soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: what is added needs a name and must not be NULL", m->kind);
    }
    if (soma_error_status(m->ctx) != SOMA_OK || !fits(m, name, tensor, child)) return soma_error_status(m->ctx);
    soma__named *n = soma_scope_memory_in(m->scope, sizeof *n);
    char *copy = soma_scope_memory_in(m->scope, strlen(name) + 1), key[512];
    if (!n || !copy || (kind == PARAMETER && soma_requires_grad(tensor, true) != SOMA_OK)) return soma_error_status(m->ctx);
    *n = (soma__named){strcpy(copy, name), tensor, child, kind == BUFFER, NULL};
    *m->end = n;
    m->end = &n->next;
    if (child && !child->parent) child->parent = m, child->name = copy;
    return give_keys(n, key, sizeof key, path_of(m, key, sizeof key));
}

soma_status soma_module_add_parameter(soma_module *m, const char *name, soma_tensor *variable) { return add(m, name, variable, NULL, PARAMETER); }
soma_status soma_module_add_buffer(soma_module *m, const char *name, soma_tensor *variable) { return add(m, name, variable, NULL, BUFFER); }
soma_status soma_module_add_child(soma_module *m, const char *name, soma_module *child) { return add(m, name, NULL, child, CHILD); }

soma_module *soma_module_child(const soma_module *m, const char *name) {
    for (const soma__named *n = m && name ? m->first : NULL; n; n = n->next)
        if (n->child && strcmp(n->name, name) == 0) return n->child;
    return NULL;
}

/* PyTorch's order: a module's parameters, its buffers, then its children's. */
static part kind_of(const soma__named *n) { return n->child ? CHILD : n->buffer ? BUFFER : PARAMETER; }

static size_t count_state(const soma_module *m, bool buffers) {
    size_t n = 0;
    for (const soma__named *x = m->first; x; x = x->next) n += x->child ? count_state(x->child, buffers) : buffers || !x->buffer;
    return n;
}

/* Each parameter once, also of modules in two places. */
static size_t collect(const soma_module *m, soma_tensor **out, size_t n) {
    for (const soma__named *x = m->first; x; x = x->next) {
        if (kind_of(x) != PARAMETER) continue;
        size_t i = 0;
        while (i < n && out[i] != x->tensor) i++;
        if (i == n) out[n++] = x->tensor;
    }
    for (const soma__named *x = m->first; x; x = x->next)
        if (x->child) n = collect(x->child, out, n);
    return n;
}

soma_status soma_module_parameters(soma_module *m, soma_tensor *const **params, size_t *count) {
    if (params) *params = NULL;
    if (count) *count = 0;
    if (!m || !params || !count) return SOMA_ERROR_ARGUMENT;
    soma_tensor **list = soma_scope_memory(m->ctx, (count_state(m, false) + 1) * sizeof *list);
    if (!list) return soma_error_status(m->ctx);
    *count = collect(m, list, 0);
    *params = list;
    return SOMA_OK;
}

size_t soma_module_state_count(const soma_module *m) { return m ? count_state(m, true) : 0; }

static soma_tensor *find_state(soma_module *m, size_t *i, char *key, size_t size, size_t used) {
    for (int kind = PARAMETER; kind <= CHILD; kind++)
        for (soma__named *x = m->first; x; x = x->next) {
            if ((int)kind_of(x) != kind) continue;
            size_t now = append(key, size, used, x->name);
            if (x->child) {
                soma_tensor *t = find_state(x->child, i, key, size, now);
                if (t) return t;
            } else if ((*i)-- == 0) return x->tensor;
        }
    return NULL;
}

soma_status soma_module_state(soma_module *m, size_t i, char *key, size_t key_size, soma_tensor **tensor) {
    if (!m || !key || !key_size || !tensor) return SOMA_ERROR_ARGUMENT;
    key[0] = 0;
    *tensor = i < count_state(m, true) ? find_state(m, &i, key, key_size, 0) : NULL;
    return *tensor ? SOMA_OK : SOMA_ERROR_RANGE;
}

soma_tensor *soma__module_part(const soma_module *m, const char *name) {
    for (const soma__named *n = m->first; n && !n->child; n = n->next)
        if (strcmp(n->name, name) == 0) return n->tensor;
    return NULL;
}

soma_status soma__module_put(soma_module *m, const char *name, soma_tensor *variable) {
    char key[512];
    for (soma__named *n = m->first; n && variable; n = n->next)
        if (!n->child && strcmp(n->name, name) == 0) {
            n->tensor = variable;
            return give_keys(n, key, sizeof key, path_of(m, key, sizeof key));
        }
    return soma_module_add_parameter(m, name, variable);
}

/* FNV-1a over the names, innermost first. */
uint64_t soma__module_stream(const soma_module *m, uint64_t purpose) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; m && m->name; m = m->parent)
        for (const char *c = m->name;; c++) {
            hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
            if (!*c) break;
        }
    return purpose | hash << 8;
}

static soma_tensor *forward_user(soma_module *m, soma_tensor *x) { return m->user_forward(m->user, m, x); }

soma_module *soma_nn_module(soma_context *ctx, const char *name, soma_forward_fn forward, void *user) {
    soma_module *m = soma__module_new(ctx, "module", forward_user);
    char *copy = m && name ? soma_scope_memory(ctx, strlen(name) + 1) : NULL;
    if (!m) return NULL;
    if (!forward) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "module: the forward function is NULL"), NULL;
    if (copy) m->kind = strcpy(copy, name);
    m->user_forward = forward;
    m->user = user;
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}

static soma_tensor *forward_sequential(soma_module *m, soma_tensor *x) {
    for (soma__named *n = m->first; n && x; n = n->next) x = soma_forward(n->child, x);
    return x;
}

bool soma__is_sequential(const soma_module *m) { return m->forward == forward_sequential; }

soma_module *soma_nn_sequential(soma_context *ctx, soma_module *const *modules, size_t count) {
    soma_module *m = soma__module_new(ctx, "sequential", forward_sequential);
    for (size_t i = 0; m && i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        if (!modules || !modules[i]) {
            soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "sequential: module %zu is NULL", i);
            return NULL;
        }
        if (soma_module_add_child(m, name, modules[i]) != SOMA_OK) return NULL;
    }
    return m;
}
