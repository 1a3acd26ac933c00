/* L-BFGS with PyTorch's steps, tests and defaults. It works on all parameters as one vector of float64, which is also its state. */
#include "optim/lbfgs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ITER, MAX_EVAL, TOLERANCE_GRAD, TOLERANCE_CHANGE, HISTORY_SIZE, STRONG_WOLFE, MAXIMIZE };
enum { ITERATIONS, PAIRS, FIRST, SCALE, STEP, NUMBERS }; /* PAIRS of the history, the oldest at FIRST; SCALE: H0 is that times the identity */

typedef struct memory {
    soma_optim *o;
    soma_closure closure;
    void *user;
    size_t n, history;
    double numbers[NUMBERS];
    double *d, *gradient_before, *steps, *changes; /* state: steps and changes are [history, n] */
    double *x, *gradient, *alpha, *ro, *room[4];
} memory;

static unsigned uses(const soma__group *g) { return (void)g, 0; }
static void prepare(soma__param *p, double *numbers) { (void)p, (void)numbers; }
static soma_status record(soma__step *s) {
    return soma_error_raise(soma_tensor_context(s->p->tensor), SOMA_ERROR_STATE, "lbfgs: its steps want evaluations: soma_optim_step_closure");
}

/* Room for as many parameters as there are now. */
static memory *memory_of(soma_optim *o) {
    memory *m = o->extra;
    size_t n = 0, history = o->groups ? (size_t)o->groups->value[HISTORY_SIZE] : 1;
    for (soma__param *p = o->params; p; p = p->next) n += (size_t)soma_numel(p->tensor);
    if (m && m->n == n) return m;
    if (!(m = soma_scope_memory_in(o->scope, sizeof *m))) return NULL;
    m->o = o, m->n = n, m->history = history;
    double **vectors[] = {&m->d, &m->gradient_before, &m->x, &m->gradient, &m->room[0], &m->room[1], &m->room[2], &m->room[3]};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        if (!(*vectors[i] = soma_scope_memory_in(o->scope, (n + 1) * sizeof(double)))) return NULL;
    m->steps = soma_scope_memory_in(o->scope, (history * n + 1) * sizeof(double));
    m->changes = soma_scope_memory_in(o->scope, (history * n + 1) * sizeof(double));
    m->alpha = soma_scope_memory_in(o->scope, history * sizeof(double));
    m->ro = soma_scope_memory_in(o->scope, history * sizeof(double));
    return m->steps && m->changes && m->alpha && m->ro ? o->extra = m : NULL;
}

static bool numbers(soma_optim *o, size_t i, const char **key, double **list, size_t *n) {
    memory *m = memory_of(o);
    if (!m) return false;
    const struct {
        const char *key;
        double *list;
        size_t n;
    } all[] = {{"lbfgs.numbers", m->numbers, NUMBERS},
               {"lbfgs.direction", m->d, m->n},
               {"lbfgs.gradient", m->gradient_before, m->n},
               {"lbfgs.steps", m->steps, m->history * m->n},
               {"lbfgs.changes", m->changes, m->history * m->n}};
    if (i >= sizeof all / sizeof *all) return false;
    *key = all[i].key, *list = all[i].list, *n = all[i].n;
    return true;
}

/* Elements of a tensor as float64, or zeros for NULL. */
static bool gather(soma_tensor *t, size_t n, double *out) {
    const void *data;
    if (!t) return memset(out, 0, n * sizeof *out), true;
    if (soma_data(t, &data) != SOMA_OK) return false;
    for (size_t i = 0; i < n; i++) out[i] = soma_tensor_dtype(t) == SOMA_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
    return true;
}

static bool gather_parameters(memory *m) {
    double *to = m->x;
    for (soma__param *p = m->o->params; p; to += soma_numel(p->tensor), p = p->next)
        if (!gather(p->tensor, (size_t)soma_numel(p->tensor), to)) return false;
    return true;
}

/* Parameters = x + t d. */
static bool place(const memory *m, double t) {
    size_t at = 0;
    for (soma__param *p = m->o->params; p; p = p->next) {
        size_t n = (size_t)soma_numel(p->tensor);
        bool wide = soma_tensor_dtype(p->tensor) == SOMA_F64;
        void *room = soma_scope_memory(m->o->ctx, (n + 1) * sizeof(double));
        if (!room) return false;
        for (size_t i = 0; i < n; i++) {
            double v = m->x[at + i] + (t != 0 ? t * m->d[at + i] : 0);
            if (wide) ((double *)room)[i] = v;
            else ((float *)room)[i] = (float)v;
        }
        if (soma_assign_from(p->tensor, room, n * (wide ? sizeof(double) : sizeof(float))) != SOMA_OK) return false;
        at += n;
    }
    return soma_eval(m->o->ctx) == SOMA_OK;
}

static soma_status evaluate(memory *m, double *loss, double *gradient) {
    soma_status s = m->closure(m->user, loss);
    double *first = gradient;
    for (soma__param *p = m->o->params; p && s == SOMA_OK; gradient += soma_numel(p->tensor), p = p->next)
        if (!gather(soma_tensor_grad(p->tensor), (size_t)soma_numel(p->tensor), gradient)) s = soma_error_status(m->o->ctx);
    if (s != SOMA_OK || m->o->groups->value[MAXIMIZE] == 0) return s;
    *loss = -*loss;
    for (size_t i = 0; i < m->n; i++) first[i] = -first[i];
    return s;
}

static soma_status evaluate_at(void *user, double t, double *loss, double *gradient) {
    memory *m = user;
    soma_scope *scope = soma_scope_open(m->o->ctx);
    soma_status s = place(m, t) ? evaluate(m, loss, gradient) : soma_error_status(m->o->ctx);
    if (scope) soma_scope_close(scope);
    return s;
}

/* The pair of the last step goes into the history, unless the curvature is not positive. */
static void remember(memory *m) {
    double *change = m->room[0], *step = m->room[1], t = m->numbers[STEP];
    for (size_t i = 0; i < m->n; i++) change[i] = m->gradient[i] - m->gradient_before[i], step[i] = m->d[i] * t;
    double curvature = soma__dot(change, step, m->n);
    if (!(curvature > 1e-10)) return;
    size_t pairs = (size_t)m->numbers[PAIRS], first = (size_t)m->numbers[FIRST], at = (first + pairs) % m->history;
    if (pairs == m->history) m->numbers[FIRST] = (double)((first + 1) % m->history);
    else m->numbers[PAIRS]++;
    memcpy(m->steps + at * m->n, step, m->n * sizeof *step);
    memcpy(m->changes + at * m->n, change, m->n * sizeof *change);
    m->numbers[SCALE] = curvature / soma__dot(change, change, m->n);
}

/* d = -H g, by the two loops over the history. */
static void find_direction(memory *m) {
    size_t pairs = (size_t)m->numbers[PAIRS], first = (size_t)m->numbers[FIRST];
    for (size_t i = 0; i < m->n; i++) m->d[i] = -m->gradient[i];
    for (size_t k = pairs; k-- > 0;) {
        size_t at = (first + k) % m->history;
        const double *s = m->steps + at * m->n, *y = m->changes + at * m->n;
        m->ro[k] = 1 / soma__dot(y, s, m->n);
        m->alpha[k] = soma__dot(s, m->d, m->n) * m->ro[k];
        for (size_t i = 0; i < m->n; i++) m->d[i] -= m->alpha[k] * y[i];
    }
    for (size_t i = 0; i < m->n; i++) m->d[i] *= m->numbers[SCALE];
    for (size_t k = 0; k < pairs; k++) {
        size_t at = (first + k) % m->history;
        const double *s = m->steps + at * m->n, *y = m->changes + at * m->n;
        double beta = soma__dot(y, m->d, m->n) * m->ro[k];
        for (size_t i = 0; i < m->n; i++) m->d[i] += s[i] * (m->alpha[k] - beta);
    }
}

/* One iteration; *done when the step ends with it. loss and m->gradient are those of the parameters. */
static soma_status iterate(memory *m, const soma__group *g, bool last, double *loss, int64_t *evaluations, bool *done) {
    const double *v = g->value;
    double before = *loss, slope;
    bool first = m->numbers[ITERATIONS] == 0;
    soma_status s = SOMA_OK;
    m->numbers[ITERATIONS]++;
    if (!first) remember(m);
    else m->numbers[SCALE] = 1, m->numbers[PAIRS] = m->numbers[FIRST] = 0;
    find_direction(m);
    memcpy(m->gradient_before, m->gradient, m->n * sizeof(double));
    double sum = 0;
    for (size_t i = 0; i < m->n; i++) sum += fabs(m->gradient[i]);
    m->numbers[STEP] = first ? (sum > 1 ? 1 / sum : 1) * g->lr : g->lr;
    *done = true;
    if ((slope = soma__dot(m->gradient, m->d, m->n)) > -v[TOLERANCE_CHANGE]) return s;
    int64_t looks = 0, most = v[MAX_EVAL] != 0 ? (int64_t)v[MAX_EVAL] : (int64_t)v[MAX_ITER] * 5 / 4;
    if (!gather_parameters(m)) return soma_error_status(m->o->ctx);
    if (v[STRONG_WOLFE] != 0) {
        soma__line l = {evaluate_at, m, m->d, m->n, {m->room[0], m->room[1], m->room[2], m->room[3]}};
        s = soma__wolfe(&l, &m->numbers[STEP], loss, m->gradient, slope, v[TOLERANCE_CHANGE], most - *evaluations, &looks);
        if (s == SOMA_OK && !place(m, m->numbers[STEP])) s = soma_error_status(m->o->ctx);
    } else if (last) {
        if (!place(m, m->numbers[STEP])) s = soma_error_status(m->o->ctx);
    } else {
        s = evaluate_at(m, m->numbers[STEP], loss, m->gradient);
        looks = 1;
    }
    *evaluations += looks;
    *done = last || *evaluations >= most || soma__largest(m->gradient, m->n) <= v[TOLERANCE_GRAD] ||
            soma__largest(m->d, m->n) * fabs(m->numbers[STEP]) <= v[TOLERANCE_CHANGE] || fabs(*loss - before) < v[TOLERANCE_CHANGE];
    return s;
}

static soma_status by_closure(soma_optim *o, soma_closure closure, void *user, double *loss) {
    memory *m = memory_of(o);
    const soma__group *g = o->groups;
    if (!m) return soma_error_status(o->ctx);
    if (g->next) return soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "lbfgs: it has one group of parameters only, as PyTorch's");
    m->closure = closure, m->user = user;
    int64_t evaluations = 1;
    double now;
    soma_status s = evaluate(m, &now, m->gradient);
    *loss = g->value[MAXIMIZE] != 0 ? -now : now;
    if (s != SOMA_OK || soma__largest(m->gradient, m->n) <= g->value[TOLERANCE_GRAD]) return s;
    soma_scope *scope = soma_scope_open(o->ctx);
    double *back = soma_scope_memory(o->ctx, (m->n + 1) * sizeof *back);
    if (back && gather_parameters(m)) memcpy(back, m->x, m->n * sizeof *back);
    bool done = false;
    s = soma_error_status(o->ctx);
    for (int64_t i = 1; s == SOMA_OK && !done; i++) s = iterate(m, g, i >= (int64_t)g->value[MAX_ITER], &now, &evaluations, &done);
    if (s != SOMA_OK && back) { /* the history begins anew: its pairs led here */
        soma_status error = soma_error_status(o->ctx);
        char sentence[512];
        snprintf(sentence, sizeof sentence, "%s", soma_error_message(o->ctx));
        soma_error_take(o->ctx);
        memcpy(m->x, back, m->n * sizeof *back);
        memset(m->numbers, 0, sizeof m->numbers);
        place(m, 0);
        if (error != SOMA_OK) soma_error_raise(o->ctx, error, "%s", sentence);
    }
    if (scope) soma_scope_close(scope);
    return s;
}

const soma__optim_kind soma__optim_lbfgs = {
    .name = "lbfgs", .uses = uses, .prepare = prepare, .record = record, .by_closure = by_closure, .numbers = numbers};
