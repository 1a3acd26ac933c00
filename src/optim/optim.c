/* Groups, parameters and steps of any optimizer. Written with public calls only. */
#include "optim/optim.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

double soma__optim_power(double b, int64_t n) {
    double r = 1;
    for (; n > 0; n >>= 1, b *= b)
        if (n & 1) r *= b;
    return r;
}

soma_optim *soma__optim_new(soma_context *ctx, const soma__optim_kind *kind) {
    soma_optim *o = soma_scope_memory(ctx, sizeof *o);
    if (!o) return NULL;
    o->ctx = ctx;
    o->scope = soma_scope_innermost(ctx);
    o->kind = kind;
    o->groups_end = &o->groups;
    o->params_end = &o->params;
    return o;
}

static bool is_param_of(const soma_optim *o, const soma_tensor *t) {
    for (const soma__param *p = o->params; p; p = p->next)
        if (p->tensor == t) return true;
    return false;
}

/* Why params[i] cannot be a parameter, or NULL. */
static const char *unfit(const soma_optim *o, soma_tensor *const *params, size_t i) {
    const soma_tensor *t = params ? params[i] : NULL;
    if (!t) return "is NULL";
    if (soma_tensor_context(t) != o->ctx) return "belongs to another context";
    if (!soma_is_variable(t)) return "is no variable";
    if (!soma_scope_encloses(soma_tensor_scope(t), o->scope)) return "lives in an inner scope, which closes before the optimizer's";
    bool there = is_param_of(o, t);
    for (size_t k = 0; k < i && !there; k++) there = params[k] == t;
    return there ? "is there already" : NULL;
}

static soma__param *make_param(soma_optim *o, soma_tensor *t, soma__group *g) {
    soma__param *p = soma_scope_memory_in(o->scope, sizeof *p);
    if (!p) return NULL;
    p->tensor = t;
    p->group = g;
    p->kind = o->kind;
    for (int k = 0; k < SOMA__OPTIM_STATES; k++) {
        char name[192];
        if (!(o->kind->uses(g) >> k & 1)) continue;
        snprintf(name, sizeof name, "%s.%s", soma_tensor_name(t), o->kind->states[k]);
        soma_interior_begin(o->ctx);
        soma_tensor *first = soma_full(o->ctx, o->kind->initial ? o->kind->initial(g, k) : 0, soma_tensor_dtype(t), soma_shape(t), soma_ndim(t));
        p->state[k] = soma_variable(first, &(soma_variable_opts){.name = name, .scope_of = t});
        soma_interior_end(o->ctx, NULL);
        if (!p->state[k]) return NULL;
    }
    return p;
}

soma_status soma__optim_add(soma_optim *o, soma_tensor *const *params, size_t count, const soma__group *group) {
    if (!o) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(o->ctx) != SOMA_OK) return soma_error_status(o->ctx);
    if (!(group->lr >= 0))
        return soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: the learning rate is %g; 0 or more is wanted", o->kind->name, group->lr);
    for (size_t i = 0; i < count; i++) {
        const char *why = unfit(o, params, i);
        if (why) return soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: parameter %zu %s", o->kind->name, i, why);
    }
    soma__group *g = soma_scope_memory_in(o->scope, sizeof *g);
    if (!g) return soma_error_status(o->ctx);
    *g = *group;
    g->initial_lr = g->lr;
    soma__param *first = NULL, **end = &first;
    for (size_t i = 0; i < count; i++) {
        soma__param *p = make_param(o, params[i], g);
        if (!p) return soma_error_status(o->ctx);
        *end = p;
        end = &p->next;
    }
    /* all of it, or nothing */
    *o->groups_end = g;
    o->groups_end = &g->next;
    *o->params_end = first;
    if (first) o->params_end = end;
    o->count += count;
    return SOMA_OK;
}

static soma_status advance(void *user) {
    soma__step *s = user;
    s->p->steps++;
    s->p->kind->prepare(s->p, s->exact);
    s->exact[SOMA__OPTIM_TINY] = (double)FLT_MIN;
    s->exact[SOMA__OPTIM_ZERO] = 0;
    for (int i = 0; i < SOMA__OPTIM_HYPER; i++) s->rounded[i] = (float)s->exact[i];
    return SOMA_OK;
}

/* A step that did not happen. The numbers are prepared anew by the next one. */
static void retreat(void *user) { ((soma__step *)user)->p->steps--; }

static soma_tensor *borrow(soma__step *s, int i, const int64_t *shape, int64_t ndim) {
    soma_dtype dtype = soma_tensor_dtype(s->p->tensor);
    return soma_borrow(soma_tensor_context(s->p->tensor), dtype == SOMA_F64 ? (const void *)&s->exact[i] : &s->rounded[i], dtype, shape, ndim);
}
soma_tensor *soma__optim_number(soma__step *s, int i) { return s->number[i] ? s->number[i] : (s->number[i] = borrow(s, i, NULL, 0)); }
soma_tensor *soma__optim_numbers(soma__step *s) {
    int64_t n = SOMA__OPTIM_HYPER;
    return borrow(s, 0, &n, 1);
}
soma_tensor *soma__optim_gradient(soma__step *s, double maximize, double decay) {
    soma_tensor *g = maximize != 0 ? soma_neg(s->grad) : s->grad;
    return decay != 0 ? soma_add(g, soma_mul_scalar(s->p->tensor, decay)) : g;
}
void soma__optim_keep(soma__step *s, int state, soma_tensor *value) {
    soma_tensor *tiny = soma__optim_number(s, SOMA__OPTIM_TINY), *zero = soma__optim_number(s, SOMA__OPTIM_ZERO);
    soma_assign(s->p->state[state], soma_where(soma_lt(soma_abs(value), tiny), zero, value));
}
soma_tensor *soma__optim_lerp(soma_tensor *a, soma_tensor *b, soma_tensor *w) { return soma_add(a, soma_mul(w, soma_sub(b, a))); }
soma_tensor *soma__optim_mean_square(soma_tensor *a, soma_tensor *w, soma_tensor *b, soma_tensor *v) {
    return soma_add(soma_mul(a, w), soma_mul(soma_mul(v, b), b));
}
soma_status soma__optim_move(soma__step *s, soma_tensor *change) { return soma_assign(s->p->tensor, soma_sub(s->p->tensor, change)); }

soma_status soma_optim_step(soma_optim *o) {
    if (!o) return SOMA_ERROR_ARGUMENT;
    soma_context *ctx = o->ctx;
    soma_no_grad_begin(ctx);
    soma_interior_begin(ctx);
    for (soma__param *p = o->params; p && soma_error_status(ctx) == SOMA_OK; p = p->next) {
        soma_tensor *g = soma_tensor_grad(p->tensor);
        if (!g) continue;
        soma__step *s = soma_scope_memory(ctx, sizeof *s);
        if (!s) break;
        s->p = p;
        s->grad = g;
        if (soma_on_run(ctx, advance, retreat, s) != SOMA_OK) break;
        p->kind->record(s);
    }
    soma_interior_end(ctx, NULL);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

soma_status soma_optim_step_closure(soma_optim *o, soma_closure closure, void *user, double *loss) {
    if (!o) return SOMA_ERROR_ARGUMENT;
    double value = 0;
    if (soma_error_status(o->ctx) != SOMA_OK) return soma_error_status(o->ctx);
    if (!closure) return soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: the closure is NULL", o->kind->name);
    if (soma_is_capturing(o->ctx)) return soma_error_raise(o->ctx, SOMA_ERROR_STATE, "%s: a step by a closure cannot be captured", o->kind->name);
    soma_status s = o->kind->by_closure ? o->kind->by_closure(o, closure, user, &value) : closure(user, &value);
    if (s == SOMA_OK && !o->kind->by_closure && (s = soma_optim_step(o)) == SOMA_OK) s = soma_eval(o->ctx);
    if (loss) *loss = value;
    return s == SOMA_OK ? soma_error_status(o->ctx) : soma_error_raise(o->ctx, s, "%s: the closure failed", o->kind->name);
}

bool soma_optim_numbers(soma_optim *o, size_t i, const char **key, double **numbers, size_t *n) {
    return o && key && numbers && n && o->kind->numbers && o->kind->numbers(o, i, key, numbers, n);
}

soma_status soma_optim_zero_grad(soma_optim *o) {
    if (!o) return SOMA_ERROR_ARGUMENT;
    for (soma__param *p = o->params; p; p = p->next)
        if (soma_zero_grad(&p->tensor, 1) != SOMA_OK) break;
    return soma_error_status(o->ctx);
}

soma_status soma_optim_set_lr(soma_optim *o, int64_t group, double lr) {
    if (!o) return SOMA_ERROR_ARGUMENT;
    if (!(lr >= 0)) return soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: the learning rate is %g; 0 or more is wanted", o->kind->name, lr);
    int64_t i = 0;
    for (soma__group *g = o->groups; g; g = g->next, i++)
        if (group == -1 || group == i) g->lr = lr;
    return group >= -1 && group < i
               ? SOMA_OK
               : soma_error_raise(o->ctx, SOMA_ERROR_RANGE, "%s: group %lld of %lld", o->kind->name, (long long)group, (long long)i);
}

double soma_optim_get_lr(const soma_optim *o, int64_t group) {
    int64_t i = group == -1 ? 0 : group;
    for (const soma__group *g = o && i >= 0 ? o->groups : NULL; g; g = g->next)
        if (i-- == 0) return g->lr;
    return 0;
}

size_t soma_optim_state_count(const soma_optim *o) {
    size_t n = 0;
    for (const soma__param *p = o ? o->params : NULL; p; p = p->next)
        for (int k = 0; k < SOMA__OPTIM_STATES; k++) n += p->state[k] != NULL;
    return n;
}

soma_status soma_optim_state(soma_optim *o, size_t i, char *key, size_t key_size, soma_tensor **tensor) {
    if (!o || !key || !key_size || !tensor) return SOMA_ERROR_ARGUMENT;
    size_t number = 0;
    for (soma__param *p = o->params; p; p = p->next, number++)
        for (int k = 0; k < SOMA__OPTIM_STATES; k++)
            if (p->state[k] && i-- == 0) {
                snprintf(key, key_size, "%zu.%s", number, o->kind->states[k]);
                *tensor = p->state[k];
                return SOMA_OK;
            }
    *tensor = NULL;
    return SOMA_ERROR_RANGE;
}

static soma__param *param(const soma_optim *o, size_t i) {
    soma__param *p = o ? o->params : NULL;
    while (p && i-- > 0) p = p->next;
    return p;
}

int64_t soma_optim_steps(const soma_optim *o, size_t i) {
    const soma__param *p = param(o, i);
    return p ? p->steps : -1;
}

soma_status soma_optim_set_steps(soma_optim *o, size_t i, int64_t steps) {
    if (!o) return SOMA_ERROR_ARGUMENT;
    soma__param *p = param(o, i);
    if (!p || steps < 0)
        return soma_error_raise(o->ctx, p ? SOMA_ERROR_ARGUMENT : SOMA_ERROR_RANGE, "%s: %lld steps of parameter %zu of %zu", o->kind->name,
                                (long long)steps, i, o->count);
    p->steps = steps;
    return SOMA_OK;
}
