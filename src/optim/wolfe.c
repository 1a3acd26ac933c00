/* A line search for the strong Wolfe conditions with cubic interpolation: Nocedal and Wright 2006, algorithms 3.5 and 3.6, with the safeguards of
 * PyTorch's (which come from minFunc, Schmidt 2005): new points stay away from a bracket's ends. */
#include "optim/lbfgs.h"

#include <math.h>
#include <string.h>

double soma__dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}
double soma__largest(const double *a, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fabs(a[i]) > most ? fabs(a[i]) : most;
    return most;
}

/* A point of the line. */
typedef struct point {
    double t, f, slope, *g;
    int place; /* in the bracket: 0 or 1 */
} point;

/* Where a cubic through two points with their slopes is least, within bounds. */
static double cubic(const point *a, const point *b, double low, double high) {
    double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t), square = d1 * d1 - a->slope * b->slope;
    if (!(square >= 0)) return (low + high) / 2;
    double d2 = sqrt(square), at = a->t <= b->t ? b->t - (b->t - a->t) * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2))
                                                : a->t - (a->t - b->t) * ((a->slope + d2 - d1) / (a->slope - b->slope + 2 * d2));
    return at < low ? low : at > high ? high : at;
}

typedef struct search {
    const soma__line *l;
    point start, now, before;
    int64_t *evaluations;
    int64_t tries, most;
} search;

static const double sufficient = 1e-4, curvature = 0.9;

static soma_status look(search *s, double t) {
    s->now.t = t;
    soma_status status = s->l->at(s->l->user, t, &s->now.f, s->now.g);
    ++*s->evaluations;
    s->now.slope = soma__dot(s->now.g, s->l->d, s->l->n);
    return status;
}
static bool too_high(const search *s) { return s->now.f > s->start.f + sufficient * s->now.t * s->start.slope; }
static bool flat(const search *s) { return fabs(s->now.slope) <= -curvature * s->start.slope; }

/* Steps outwards until a bracket is found. Returns how many points it has: 1 when a point is good already. */
static soma_status bracket(search *s, int *points) {
    for (*points = 2; s->tries < s->most; s->tries++) {
        if (too_high(s) || (s->tries > 1 && s->now.f >= s->before.f)) return SOMA_OK;
        if (flat(s)) return *points = 1, SOMA_OK;
        if (s->now.slope >= 0) return SOMA_OK;
        double t = cubic(&s->before, &s->now, s->now.t + 0.01 * (s->now.t - s->before.t), s->now.t * 10), *g = s->before.g;
        s->before = s->now;
        s->now.g = g == s->start.g ? s->l->room[2] : g; /* the gradient at 0 stays */
        soma_status status = look(s, t);
        if (status != SOMA_OK) return status;
    }
    s->before = s->start;
    return SOMA_OK;
}

/* A room that neither end of the bracket holds. */
static double *free_room(const soma__line *l, const point *low, const point *high) {
    int i = 1;
    while (l->room[i] == low->g || l->room[i] == high->g) i++;
    return l->room[i];
}

/* The lower end; of equal ones that which was the nearer to 0 at first, as PyTorch's. */
static void order(point *low, point *high) {
    bool first = low->place == 0 ? low->f <= high->f : low->f < high->f;
    if (first) return;
    point other = *low;
    *low = *high, *high = other;
}

/* Narrows a bracket down. */
static soma_status zoom(search *s, point *low, point *high, double size, double tolerance) {
    bool stuck = false, done = false;
    for (; !done && s->tries < s->most && fabs(high->t - low->t) * size >= tolerance; s->tries++) {
        double least = low->t < high->t ? low->t : high->t, most = low->t < high->t ? high->t : low->t, t = cubic(low, high, least, most),
               margin = 0.1 * (most - least);
        if (most - t < margin || t - least < margin) {
            if (stuck || t >= most || t <= least) t = fabs(t - most) < fabs(t - least) ? most - margin : least + margin, stuck = false;
            else stuck = true;
        } else stuck = false;
        s->now.g = free_room(s->l, low, high);
        soma_status status = look(s, t);
        if (status != SOMA_OK) return status;
        point now = s->now;
        if (too_high(s) || now.f >= low->f) {
            now.place = high->place;
            *high = now;
            order(low, high);
            continue;
        }
        done = flat(s);
        now.place = low->place;
        if (!done && now.slope * (high->t - low->t) >= 0) {
            int place = high->place;
            *high = *low, high->place = place;
        }
        *low = now;
    }
    return SOMA_OK;
}

soma_status soma__wolfe(const soma__line *l, double *t, double *loss, double *gradient, double slope, double tolerance, int64_t most,
                        int64_t *evaluations) {
    search s = {.most = most, .l = l, .start = {0, *loss, slope, l->room[0], 0}, .evaluations = evaluations};
    int points;
    memcpy(l->room[0], gradient, l->n * sizeof *gradient);
    s.before = s.start;
    s.now.g = l->room[1];
    soma_status status = look(&s, *t);
    if (status == SOMA_OK) status = bracket(&s, &points);
    if (status != SOMA_OK) return status;
    point low = s.before, high = s.now;
    low.place = 0, high.place = 1;
    if (points == 1) low = s.now;
    else {
        order(&low, &high);
        if ((status = zoom(&s, &low, &high, soma__largest(l->d, l->n), tolerance)) != SOMA_OK) return status;
    }
    *t = low.t, *loss = low.f;
    memcpy(gradient, low.g, l->n * sizeof *gradient);
    return SOMA_OK;
}
