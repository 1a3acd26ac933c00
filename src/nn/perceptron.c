#include "soma/perceptron.h"

#include "base/fpmode.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

typedef struct points {
    const float *x;
    const int64_t *classes;
    int64_t n, features;
} points;

static bool sound(soma_context *ctx, const char *call, const points *p, const void *out) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return false;
    if (!p->x || !p->classes || !out || p->n < 1 || p->features < 1 || p->features > 1 << 20) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: inputs, classes, a result, one sample or more and one feature or more are wanted", call);
        return false;
    }
    for (int64_t i = 0; i < p->n; i++) {
        if (p->classes[i] != 0 && p->classes[i] != 1) {
            soma_error_raise(ctx, SOMA_ERROR_RANGE, "%s: sample %lld has class %lld; 0 and 1 are wanted", call, (long long)i,
                             (long long)p->classes[i]);
            return false;
        }
        for (int64_t k = 0; k < p->features; k++)
            if (!isfinite(p->x[i * p->features + k])) {
                soma_error_raise(ctx, SOMA_ERROR_NONFINITE, "%s: input %lld of sample %lld is no finite number", call, (long long)k, (long long)i);
                return false;
            }
    }
    return true;
}

/* The weighted sum. */
static double sum_of(const double *w, double bias, const float *x, int64_t features) {
    double sum = bias;
    for (int64_t k = 0; k < features; k++) sum += w[k] * (double)x[k];
    return sum;
}

static int64_t count_wrong(const points *p, const double *w, double bias) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < p->n; i++) wrong += (sum_of(w, bias, p->x + i * p->features, p->features) > 0) != p->classes[i];
    return wrong;
}

static void order_of(int64_t *order, int64_t n, uint64_t seed, int64_t epoch) {
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        uint32_t w[4];
        soma__philox(seed, SOMA_STREAM_SHUFFLE | (uint64_t)0x70637074 << 8, (uint64_t)epoch << 32 | (uint64_t)i, w);
        int64_t j = (int64_t)((unsigned __int128)(w[0] | (uint64_t)w[1] << 32) * ((uint64_t)i + 1) >> 64), t = order[i];
        order[i] = order[j], order[j] = t;
    }
}

/* The walk; w is [features + 1], the bias last, as are best and mean. */
typedef struct walk {
    points p;
    soma_perceptron_opts o;
    double lr, *w, *best, *mean;
    int64_t *order, least_wrong, run, best_run, steps;
} walk;

static void keep(walk *k) {
    size_t bytes = (size_t)(k->p.features + 1) * sizeof *k->w;
    if (k->o.kind == SOMA_PERCEPTRON_POCKET && k->run > k->best_run) {
        int64_t wrong = count_wrong(&k->p, k->w, k->w[k->p.features]);
        if (wrong < k->least_wrong) memcpy(k->best, k->w, bytes), k->least_wrong = wrong, k->best_run = k->run;
    }
}

/* An epoch; how many samples were on the wrong side. */
static int64_t walk_once(walk *k) {
    int64_t wrong = 0, d = k->p.features;
    for (int64_t i = 0; i < k->p.n; i++) {
        const int64_t s = k->order[i];
        const float *x = k->p.x + s * d;
        double sign = k->p.classes[s] ? 1 : -1;
        if (sign * sum_of(k->w, k->w[d], x, d) > 0) k->run++;
        else {
            keep(k);
            for (int64_t c = 0; c < d; c++) k->w[c] += k->lr * sign * (double)x[c];
            k->w[d] += k->lr * sign;
            k->run = 0, wrong++;
        }
        k->steps++;
        if (k->o.kind == SOMA_PERCEPTRON_AVERAGED)
            for (int64_t c = 0; c <= d; c++) k->mean[c] += (k->w[c] - k->mean[c]) / (double)k->steps;
    }
    keep(k);
    return wrong;
}

soma_status soma_perceptron_fit_v(soma_context *ctx, const float *inputs, const int64_t *classes, int64_t n, int64_t features, soma_perceptron *out,
                                  const soma_perceptron_opts *options, size_t size) {
    walk k = {.p = {inputs, classes, n, features}, .least_wrong = INT64_MAX, .best_run = -1};
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (!soma_options_read(ctx, "perceptron_fit", &k.o, sizeof k.o, options, size) || !sound(ctx, "perceptron_fit", &k.p, out))
        return soma_error_status(ctx);
    k.lr = k.o.lr.set ? k.o.lr.value : 1;
    int64_t most = k.o.max_epochs ? k.o.max_epochs : 1000;
    if (most < 0 || !(k.lr > 0 && isfinite(k.lr)) || (unsigned)k.o.kind > SOMA_PERCEPTRON_AVERAGED)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "perceptron_fit: epochs of 0 or more, an lr above 0 and a kind of the list are wanted");
    size_t bytes = (size_t)(features + 1) * sizeof(double);
    k.w = soma_scope_memory(ctx, bytes), k.best = soma_scope_memory(ctx, bytes), k.mean = soma_scope_memory(ctx, bytes);
    k.order = soma_scope_memory(ctx, (size_t)n * sizeof *k.order);
    if (!k.w || !k.best || !k.mean || !k.order) return soma_error_status(ctx);
    soma__fpmode mode = soma__fpmode_enter();
    *out = (soma_perceptron){.features = features};
    for (int64_t i = 0; i < n; i++) k.order[i] = i;
    while (out->epochs < most && !out->converged) {
        if (k.o.shuffle) order_of(k.order, n, k.o.seed, out->epochs);
        int64_t wrong = walk_once(&k);
        out->mistakes += wrong, out->epochs++;
        out->converged = wrong == 0;
    }
    out->weights = k.o.kind == SOMA_PERCEPTRON_AVERAGED ? k.mean : k.o.kind == SOMA_PERCEPTRON_POCKET && !out->converged ? k.best : k.w;
    out->bias = out->weights[features];
    out->wrong = count_wrong(&k.p, out->weights, out->bias);
    soma__fpmode_leave(mode);
    return SOMA_OK;
}

int64_t soma_perceptron_predict(const soma_perceptron *p, const float *x) { return p && x ? sum_of(p->weights, p->bias, x, p->features) > 0 : 0; }

/* Wolfe's algorithm. Point i is sign * (x, 1). The nearest point so far is a combination of few points, the corral, whose affine hull's nearest point
 * lies within its convex hull. */
typedef struct hull {
    soma_context *ctx;
    points p;
    int64_t d;          /* features + 1 */
    int64_t *corral, n; /* at most d + 1 points */
    double *shares, *next, *x, *system;
} hull;

static double coordinate(const hull *h, int64_t i, int64_t c) {
    double v = c < h->p.features ? (double)h->p.x[i * h->p.features + c] : 1;
    return h->p.classes[i] ? v : -v;
}
static double product(const hull *h, int64_t i, int64_t k) {
    double sum = 0;
    for (int64_t c = 0; c < h->d; c++) sum += coordinate(h, i, c) * coordinate(h, k, c);
    return sum;
}
static double along(const hull *h, int64_t i) {
    double sum = 0;
    for (int64_t c = 0; c < h->d; c++) sum += h->x[c] * coordinate(h, i, c);
    return sum;
}
static void place(hull *h) {
    memset(h->x, 0, (size_t)h->d * sizeof *h->x);
    for (int64_t k = 0; k < h->n; k++)
        for (int64_t c = 0; c < h->d; c++) h->x[c] += h->shares[k] * coordinate(h, h->corral[k], c);
}

/* Shares of the affine hull's nearest point: solves (1 1^T + G) u = 1, for the products G of the corral's points, and scales u to sum 1. False when
 * the points are dependent. Elimination with the largest pivot of the column. */
static bool affine(hull *h) {
    int64_t n = h->n, width = n + 1;
    double *a = h->system, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < n; k++) a[i * width + k] = 1 + product(h, h->corral[i], h->corral[k]);
        a[i * width + n] = 1;
    }
    for (int64_t c = 0; c < n; c++) {
        int64_t best = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(a[r * width + c]) > fabs(a[best * width + c])) best = r;
        if (fabs(a[best * width + c]) < 1e-14 * (1 + fabs(a[c * width + c]))) return false;
        for (int64_t k = c; k <= n; k++) {
            double t = a[c * width + k];
            a[c * width + k] = a[best * width + k], a[best * width + k] = t;
        }
        for (int64_t r = c + 1; r < n; r++) {
            double f = a[r * width + c] / a[c * width + c];
            for (int64_t k = c; k <= n; k++) a[r * width + k] -= f * a[c * width + k];
        }
    }
    for (int64_t r = n - 1; r >= 0; r--) {
        double v = a[r * width + n];
        for (int64_t k = r + 1; k < n; k++) v -= a[r * width + k] * h->next[k];
        h->next[r] = v / a[r * width + r];
    }
    for (int64_t k = 0; k < n; k++) sum += h->next[k];
    for (int64_t k = 0; k < n; k++) h->next[k] /= sum;
    return isfinite(sum) && sum != 0;
}

static void drop(hull *h, int64_t k) {
    h->n--;
    for (; k < h->n; k++) h->corral[k] = h->corral[k + 1], h->shares[k] = h->shares[k + 1];
}

/* Moves to the affine hull's nearest point, or to the corral's border on the way there, and then within that. */
static void settle(hull *h) {
    while (h->n > 1) {
        if (!affine(h)) { /* the point that was added says nothing new, within rounding */
            drop(h, h->n - 1);
            continue;
        }
        double step = 1;
        int64_t first = -1;
        for (int64_t k = 0; k < h->n; k++) {
            if (h->next[k] > 1e-15) continue;
            double way = h->shares[k] - h->next[k], to = way > 0 ? h->shares[k] / way : 0;
            if (first < 0 || to < step) step = to, first = k;
        }
        for (int64_t k = 0; k < h->n; k++) h->shares[k] += step * (h->next[k] - h->shares[k]);
        if (first < 0) break;
        h->shares[first] = 0;
        drop(h, first);
    }
    double sum = 0;
    for (int64_t k = 0; k < h->n; k++) sum += h->shares[k];
    for (int64_t k = 0; k < h->n; k++) h->shares[k] /= sum;
    place(h);
}

static double square(const hull *h) {
    double sum = 0;
    for (int64_t c = 0; c < h->d; c++) sum += h->x[c] * h->x[c];
    return sum;
}

/* Finds the nearest point; radius: of all points. */
static void nearest(hull *h, double radius) {
    double before = (double)INFINITY;
    int64_t first = 0;
    for (int64_t i = 1; i < h->p.n; i++)
        if (product(h, i, i) < product(h, first, first)) first = i;
    h->corral[0] = first, h->shares[0] = 1, h->n = 1;
    place(h);
    for (;;) {
        double now = square(h), least = (double)INFINITY;
        int64_t next = -1;
        for (int64_t i = 0; i < h->p.n; i++) {
            double v = along(h, i);
            if (v < least) least = v, next = i;
        }
        bool there = false;
        for (int64_t k = 0; k < h->n; k++) there |= h->corral[k] == next;
        if (least >= now - 1e-13 * radius * radius || there || now <= 1e-24 * radius * radius || !(now < before)) return;
        before = now;
        h->corral[h->n] = next, h->shares[h->n++] = 0;
        settle(h);
    }
}

soma_status soma_separable(soma_context *ctx, const float *inputs, const int64_t *classes, int64_t n, int64_t features, soma_separability *out) {
    hull h = {.ctx = ctx, .p = {inputs, classes, n, features}, .d = features + 1};
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (!sound(ctx, "separable", &h.p, out)) return soma_error_status(ctx);
    size_t most = (size_t)h.d + 2;
    *out = (soma_separability){.weights = soma_scope_memory(ctx, (size_t)h.d * sizeof(double)),
                               .proof = soma_scope_memory(ctx, (size_t)n * sizeof(double))};
    h.corral = soma_scope_memory(ctx, most * sizeof *h.corral);
    h.shares = soma_scope_memory(ctx, most * sizeof *h.shares), h.next = soma_scope_memory(ctx, most * sizeof *h.next);
    h.x = soma_scope_memory(ctx, (size_t)h.d * sizeof *h.x), h.system = soma_scope_memory(ctx, most * (most + 1) * sizeof *h.system);
    if (!out->weights || !out->proof || !h.corral || !h.shares || !h.next || !h.x || !h.system) return soma_error_status(ctx);
    soma__fpmode mode = soma__fpmode_enter();
    for (int64_t i = 0; i < n; i++) {
        double r = sqrt(product(&h, i, i));
        out->radius = r > out->radius ? r : out->radius;
    }
    nearest(&h, out->radius);
    double norm = sqrt(square(&h)), least = (double)INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double v = along(&h, i);
        least = v < least ? v : least;
    }
    out->separable = least > 0 && norm > 0 && least / norm > 1e-12 * out->radius;
    out->bound = (double)INFINITY;
    if (out->separable) {
        out->margin = least / norm;
        out->bound = (out->radius / out->margin) * (out->radius / out->margin);
        memcpy(out->weights, h.x, (size_t)features * sizeof(double));
        out->bias = h.x[features];
    } else {
        for (int64_t k = 0; k < h.n; k++) out->proof[h.corral[k]] = h.shares[k];
        out->residual = norm;
    }
    soma__fpmode_leave(mode);
    return SOMA_OK;
}
