/* Schedules in closed form, so that t alone says where one is. PyTorch's recurrences agree with them up to rounding. */
#include "soma/schedule.h"

#include "base/math.h"
#include "optim/optim.h"

#include <string.h>

#define PI 3.14159265358979323846

struct soma_schedule {
    double (*at)(const soma_schedule *s, double base, int64_t t);
    double a, b, c, d; /* settings, as the kind reads them */
    int64_t i, j, k;
    const int64_t *milestones;
    const soma_schedule *const *parts;
    size_t count;
};

static soma_schedule *make(soma_context *ctx, const char *name, bool fits, const char *wanted, double (*at)(const soma_schedule *, double, int64_t)) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (!fits) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "schedule_%s: %s", name, wanted), NULL;
    soma_schedule *s = soma_scope_memory(ctx, sizeof *s);
    if (s) s->at = at;
    return s;
}

/* gamma^n, by squaring: exact where PyTorch's is. */
static double power(double gamma, int64_t n) { return soma__optim_power(gamma, n); }

static double step_at(const soma_schedule *s, double base, int64_t t) { return base * power(s->a, t / s->i); }
soma_schedule *soma_schedule_step(soma_context *ctx, int64_t step_size, double gamma) {
    soma_schedule *s = make(ctx, "step", step_size >= 1 && gamma >= 0, "a step_size of 1 or more and a gamma of 0 or more are wanted", step_at);
    if (s) s->i = step_size, s->a = gamma;
    return s;
}

static double multistep_at(const soma_schedule *s, double base, int64_t t) {
    int64_t n = 0;
    for (size_t k = 0; k < s->count; k++) n += s->milestones[k] <= t;
    return base * power(s->a, n);
}
static const int64_t *copy_of(soma_context *ctx, const int64_t *numbers, size_t n) {
    int64_t *copy = soma_scope_memory(ctx, (n + 1) * sizeof *copy);
    if (copy && n) memcpy(copy, numbers, n * sizeof *copy);
    return copy;
}
soma_schedule *soma_schedule_multistep(soma_context *ctx, const int64_t *milestones, size_t count, double gamma) {
    soma_schedule *s = make(ctx, "multistep", (milestones || !count) && gamma >= 0, "milestones and a gamma of 0 or more are wanted", multistep_at);
    if (!s) return NULL;
    s->a = gamma, s->count = count, s->milestones = copy_of(ctx, milestones, count);
    return s->milestones ? s : NULL;
}

static double constant_at(const soma_schedule *s, double base, int64_t t) { return t < s->i ? base * s->a : base; }
soma_schedule *soma_schedule_constant(soma_context *ctx, double factor, int64_t total) {
    soma_schedule *s = make(ctx, "constant", factor >= 0 && total >= 0, "a factor and a total of 0 or more are wanted", constant_at);
    if (s) s->a = factor, s->i = total;
    return s;
}

static double linear_at(const soma_schedule *s, double base, int64_t t) {
    return base * (s->a + (s->b - s->a) * (double)(t < s->i ? t : s->i) / (double)s->i);
}
soma_schedule *soma_schedule_linear(soma_context *ctx, double start, double end, int64_t total) {
    soma_schedule *s =
        make(ctx, "linear", start >= 0 && end >= 0 && total >= 1, "factors of 0 or more and a total of 1 or more are wanted", linear_at);
    if (s) s->a = start, s->b = end, s->i = total;
    return s;
}

static double exponential_at(const soma_schedule *s, double base, int64_t t) { return base * power(s->a, t); }
soma_schedule *soma_schedule_exponential(soma_context *ctx, double gamma) {
    soma_schedule *s = make(ctx, "exponential", gamma >= 0, "a gamma of 0 or more is wanted", exponential_at);
    if (s) s->a = gamma;
    return s;
}

static double polynomial_at(const soma_schedule *s, double base, int64_t t) {
    return t >= s->i ? 0 : base * soma__pow(1 - (double)t / (double)s->i, s->a);
}
soma_schedule *soma_schedule_polynomial(soma_context *ctx, int64_t total, double exponent) {
    soma_schedule *s =
        make(ctx, "polynomial", total >= 1 && exponent >= 0, "a total of 1 or more and a power of 0 or more are wanted", polynomial_at);
    if (s) s->i = total, s->a = exponent;
    return s;
}

/* end at 1, start at 0, half a cosine between */
static double cosine(double start, double end, double part) { return end + (start - end) * (1 + soma__cos(PI * part)) / 2; }

static double cosine_at(const soma_schedule *s, double base, int64_t t) { return cosine(base, s->a, (double)t / (double)s->i); }
soma_schedule *soma_schedule_cosine(soma_context *ctx, int64_t t_max, double eta_min) {
    soma_schedule *s = make(ctx, "cosine", t_max >= 1 && eta_min >= 0, "a t_max of 1 or more and an eta_min of 0 or more are wanted", cosine_at);
    if (s) s->i = t_max, s->a = eta_min;
    return s;
}

static double restarts_at(const soma_schedule *s, double base, int64_t t) {
    int64_t length = s->i;
    for (; t >= length; length *= s->j) {
        if (s->j == 1) {
            t %= length;
            break;
        }
        t -= length;
        if (length > INT64_MAX / 2 / s->j) break;
    }
    return cosine(base, s->a, (double)t / (double)length);
}
soma_schedule *soma_schedule_cosine_warm_restarts(soma_context *ctx, int64_t t_0, int64_t t_mult, double eta_min) {
    soma_schedule *s = make(ctx, "cosine_warm_restarts", t_0 >= 1 && t_mult >= 1 && eta_min >= 0,
                            "a t_0 and t_mult of 1 or more and an eta_min of 0 or more are wanted", restarts_at);
    if (s) s->i = t_0, s->j = t_mult, s->a = eta_min;
    return s;
}

/* a: max_lr, b: first, c: last, d: pct_start; i: total; j: linear, k: three phases. Phases end at steps that need not be whole. */
static double one_cycle_at(const soma_schedule *s, double base, int64_t t) {
    const double pct = s->d, total = (double)s->i;
    const double ends[3] = {pct * total - 1, s->k ? 2 * pct * total - 2 : total - 1, total - 1};
    const double rates[4] = {s->b, s->a, s->k ? s->b : s->c, s->c};
    double at = (double)(t < s->i ? t : s->i - 1), start = 0;
    int phase = 0;
    (void)base;
    while (phase < (s->k ? 2 : 1) && at > ends[phase]) start = ends[phase++];
    double length = ends[phase] - start, part = length > 0 ? (at - start) / length : 1;
    return s->j ? rates[phase] + (rates[phase + 1] - rates[phase]) * part : cosine(rates[phase], rates[phase + 1], part);
}
static double or_else(soma_optional o, double otherwise) { return o.set ? o.value : otherwise; }
soma_schedule *soma_schedule_one_cycle_v(soma_context *ctx, double max_lr, int64_t total, const soma_one_cycle_opts *options, size_t size) {
    soma_one_cycle_opts o;
    if (!ctx || !soma_options_read(ctx, "schedule_one_cycle", &o, sizeof o, options, size)) return NULL;
    double pct = or_else(o.pct_start, 0.3), div = or_else(o.div_factor, 25), last = or_else(o.final_div_factor, 1e4);
    soma_schedule *s = make(ctx, "one_cycle", max_lr >= 0 && total >= 1 && pct >= 0 && pct <= 1 && div > 0 && last > 0,
                            "a max_lr of 0 or more, a total of 1 or more, a pct_start in [0, 1] and factors above 0 are wanted", one_cycle_at);
    if (s) s->a = max_lr, s->b = max_lr / div, s->c = max_lr / div / last, s->d = pct, s->i = total, s->j = o.linear, s->k = o.three_phase;
    return s;
}

static double cyclic_at(const soma_schedule *s, double base, int64_t t) {
    (void)base;
    double whole = (double)(s->i + s->j), ratio = (double)s->i / whole;
    int64_t cycle = t / (s->i + s->j);
    double x = (double)(t % (s->i + s->j)) / whole, height = (s->b - s->a) * (x <= ratio ? x / ratio : (x - 1) / (ratio - 1));
    return s->a + height * (s->k == SOMA_TRIANGULAR2 ? power(0.5, cycle) : s->k == SOMA_EXP_RANGE ? power(s->c, t) : 1);
}
soma_schedule *soma_schedule_cyclic(soma_context *ctx, double base_lr, double max_lr, int64_t up, int64_t down, soma_cycle mode, double gamma) {
    bool fits = base_lr >= 0 && max_lr >= base_lr && up >= 1 && down >= 1 && mode >= SOMA_TRIANGULAR && mode <= SOMA_EXP_RANGE && gamma >= 0;
    soma_schedule *s = make(ctx, "cyclic", fits, "0 <= base_lr <= max_lr, steps of 1 or more, a mode and a gamma of 0 or more are wanted", cyclic_at);
    if (s) s->a = base_lr, s->b = max_lr, s->c = gamma, s->i = up, s->j = down, s->k = (int64_t)mode;
    return s;
}

static double sequential_at(const soma_schedule *s, double base, int64_t t) {
    size_t k = 0;
    while (k + 1 < s->count && t >= s->milestones[k]) k++;
    return soma_schedule_at(s->parts[k], base, k ? t - s->milestones[k - 1] : t);
}
static double chained_at(const soma_schedule *s, double base, int64_t t) {
    double rate = base;
    for (size_t k = 0; k < s->count; k++) rate *= soma_schedule_at(s->parts[k], 1, t);
    return rate;
}
static soma_schedule *of_parts(soma_schedule *s, soma_context *ctx, soma_schedule *const *schedules, size_t count) {
    const soma_schedule **parts = s ? soma_scope_memory(ctx, count * sizeof *parts) : NULL;
    if (!parts) return NULL;
    memcpy(parts, schedules, count * sizeof *parts);
    s->parts = parts, s->count = count;
    return s;
}
static bool all_there(soma_schedule *const *schedules, size_t count) {
    bool fits = schedules && count;
    for (size_t i = 0; fits && i < count; i++) fits = schedules[i] != NULL;
    return fits;
}
soma_schedule *soma_schedule_sequential(soma_context *ctx, soma_schedule *const *schedules, size_t count, const int64_t *milestones) {
    bool fits = all_there(schedules, count) && (count == 1 || milestones);
    for (size_t i = 0; fits && i + 1 < count; i++) fits = milestones[i] >= 0 && (!i || milestones[i] > milestones[i - 1]);
    soma_schedule *s =
        of_parts(make(ctx, "sequential", fits, "schedules, and ascending milestones between them, are wanted", sequential_at), ctx, schedules, count);
    if (s && !(s->milestones = copy_of(ctx, milestones, count - 1))) return NULL;
    return s;
}
soma_schedule *soma_schedule_chained(soma_context *ctx, soma_schedule *const *schedules, size_t count) {
    return of_parts(make(ctx, "chained", all_there(schedules, count), "schedules are wanted", chained_at), ctx, schedules, count);
}

double soma_schedule_at(const soma_schedule *s, double base, int64_t t) { return s ? s->at(s, base, t < 0 ? 0 : t) : base; }

soma_status soma_schedule_apply(const soma_schedule *s, soma_optim *optim, int64_t t, double factor) {
    if (!optim) return SOMA_ERROR_ARGUMENT;
    int64_t i = 0;
    for (const soma__group *g = optim->groups; g; g = g->next)
        if (soma_optim_set_lr(optim, i++, soma_schedule_at(s, g->initial_lr, t) * factor) != SOMA_OK) break;
    return soma_error_status(optim->ctx);
}

static bool is_better(const soma_plateau *p, double metric) {
    double threshold = or_else(p->opts.threshold, 1e-4);
    if (p->seen == 0) return metric == metric;
    if (p->opts.absolute) return p->opts.larger ? metric > p->best + threshold : metric < p->best - threshold;
    return p->opts.larger ? metric > p->best * (1 + threshold) : metric < p->best * (1 - threshold);
}

double soma_plateau_step(soma_plateau *p, double metric) {
    if (!p) return 1;
    bool better = is_better(p, metric);
    p->bad = better ? 0 : p->bad + 1;
    if (better) p->best = metric, p->seen = 1;
    if (p->cooling > 0) p->cooling--, p->bad = 0;
    if (p->bad > or_else(p->opts.patience, 10)) p->reductions++, p->cooling = (double)p->opts.cooldown, p->bad = 0;
    return soma_plateau_factor(p);
}

double soma_plateau_factor(const soma_plateau *p) { return p ? power(or_else(p->opts.factor, 0.1), (int64_t)p->reductions) : 1; }
