/* Pools where the channels of the larger side lie side by side: vectors run along them. A piece of work is some channels of a sample, so that what
 * goes back is added in the order of outputs. */
#include "ops/pool.h"
#include "backend/cpu/kernels/kernel.h"
#include "ops/conv.h"

#include <string.h>

#define TAPS 256 /* positions in a window, at most; larger ones are the reference's */
#define CHANNELS 64

typedef struct job {
    const soma__call *c;
    const soma__operand *large, *small, *x; /* both sides; where winners are found */
    soma__window w;
    soma__places at_large, at_small, at_x;
    int64_t channels, blocks;
    bool apart, covers; /* no position is in two windows; each is in one */
} job;

/* A window's positions in the larger side and in x, from the sample's first element. */
typedef struct taps {
    int n;
    int64_t large[TAPS], x[TAPS];
    int64_t divisor;
} taps;

static void find_taps(const job *j, const int64_t out[3], taps *t) {
    const soma__window *w = &j->w;
    soma__span s[3];
    t->n = 0;
    for (int d = 0; d < 3; d++) s[d] = soma__window_span(w, d, out[d]);
    for (int64_t a = 0; a < s[0].n; a++)
        for (int64_t b = 0; b < s[1].n; b++)
            for (int64_t c = 0; c < s[2].n; c++) {
                int64_t p[3] = {s[0].from + a * s[0].step, s[1].from + b * s[1].step, s[2].from + c * s[2].step};
                t->large[t->n] = soma__place_of(&j->at_large, p), t->x[t->n++] = soma__place_of(&j->at_x, p);
            }
    t->divisor = w->divisor > 0 ? w->divisor : w->divisor == SOMA__POOL_PADDED ? s[0].padded * s[1].padded * s[2].padded : s[0].n * s[1].n * s[2].n;
}

/* Is all of the window there, along the last dimension? */
static bool is_whole(const soma__window *w, int64_t o) {
    int64_t start = o * w->stride[2] - w->pad[2];
    return !w->adaptive && start >= 0 && start + (w->kernel[2] - 1) * w->dilation[2] < w->in[2];
}

/* The window's positions, from those of the one before it. */
static void next_taps(const job *j, const int64_t out[3], taps *t) {
    if (!out[2] || !is_whole(&j->w, out[2] - 1) || !is_whole(&j->w, out[2])) {
        find_taps(j, out, t);
        return;
    }
    int64_t large = j->w.stride[2] * j->at_large.at[2], x = j->w.stride[2] * j->at_x.at[2];
    for (int i = 0; i < t->n; i++) t->large[i] += large, t->x[i] += x;
}

/* n channels of the smaller side, whose channels may lie anywhere. */
SIMD_FN vf load_small(const float *p, int64_t step, int64_t n) {
    if (step == 1) return vf_loadn(p, n);
    float lanes[VL] = {0};
    for (int64_t i = 0; i < n; i++) lanes[i] = p[i * step];
    return vf_load(lanes);
}
SIMD_FN void store_small(float *p, int64_t step, vf v, int64_t n) {
    if (step == 1) {
        vf_storen(p, v, n);
        return;
    }
    float lanes[VL];
    vf_store(lanes, v);
    for (int64_t i = 0; i < n; i++) p[i * step] = lanes[i];
}

/* The greatest of the window, the first of equals, or the first NaN; *which: its number. */
SIMD_FN vf winner(const float *x, const taps *t, int64_t n, vf *which) {
    vf best = n == VL ? vf_load(x + t->x[0]) : vf_loadn(x + t->x[0], n), number = vf_zero();
    for (int i = 1; i < t->n; i++) {
        vf v = n == VL ? vf_load(x + t->x[i]) : vf_loadn(x + t->x[i], n);
        vf better = vf_or(vf_gt(v, best), vf_andnot(vf_eq(v, v), vf_eq(best, best)));
        best = vf_select(better, v, best), number = vf_select(better, vf_set1((float)i), number);
    }
    return *which = number, best;
}

SIMD_FN void pool_max(const job *j, const taps *t, const float *x, float *y, int64_t n) {
    vf which;
    store_small(y, j->at_small.c, t->n ? winner(x, t, n, &which) : vf_set1(-__builtin_inff()), n);
}
SIMD_FN void pool_max_backward(const job *j, const taps *t, const float *x, const float *y, float *z, int64_t n) {
    if (!t->n) return;
    vf which, g = vf_add(vf_zero(), load_small(y, j->at_small.c, n)); /* as added to +0 */
    winner(x, t, n, &which);
    for (int i = 0; i < t->n; i++) {
        vf here = vf_select(vf_eq(which, vf_set1((float)i)), g, vf_zero());
        if (!j->apart) here = vf_add(vf_loadn(z + t->large[i], n), here);
        if (n == VL) vf_store(z + t->large[i], here);
        else vf_storen(z + t->large[i], here, n);
    }
}
SIMD_FN void pool_avg(const job *j, const taps *t, const float *x, float *y, int64_t n) {
    vf sum = vf_zero();
    for (int i = 0; i < t->n; i++) sum = vf_add(sum, n == VL ? vf_load(x + t->large[i]) : vf_loadn(x + t->large[i], n));
    store_small(y, j->at_small.c, t->n ? vf_div(sum, vf_set1((float)t->divisor)) : sum, n);
}
SIMD_FN void pool_avg_backward(const job *j, const taps *t, const float *y, float *z, int64_t n) {
    vf g = vf_div(load_small(y, j->at_small.c, n), vf_set1((float)t->divisor));
    for (int i = 0; i < t->n; i++) vf_storen(z + t->large[i], vf_add(j->apart ? vf_zero() : vf_loadn(z + t->large[i], n), g), n);
}

/* The piece's part of the larger side as zeros. */
static void clear(const job *j, float *z, int64_t channels) {
    int64_t p[3] = {0};
    do memset(z + soma__place_of(&j->at_large, p), 0, (size_t)channels * sizeof *z);
    while (soma__conv_advance(p, j->w.in));
}

static void piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const job *j = arg;
    int64_t sample = at / j->blocks, first = at % j->blocks * CHANNELS, end = first + CHANNELS < j->channels ? first + CHANNELS : j->channels;
    float *large = (float *)j->large->data + sample * j->at_large.n, *small = (float *)j->small->data + sample * j->at_small.n;
    const float *x = (const float *)j->x->data + sample * j->at_x.n;
    int op = j->c->op;
    taps t;
    t.n = 0, t.divisor = 1;
    bool backwards = op == SOMA_OP_max_pool_backward || op == SOMA_OP_avg_pool_backward;
    if (backwards && !(j->apart && j->covers)) clear(j, large + first, end - first);
    int64_t out[3] = {0};
    do {
        next_taps(j, out, &t);
        float *y = small + soma__place_of(&j->at_small, out);
        for (int64_t c = first; c < end; c += VL) {
            int64_t n = end - c < VL ? end - c : VL;
            if (op == SOMA_OP_max_pool) pool_max(j, &t, x + c, y + c * j->at_small.c, n);
            else if (op == SOMA_OP_max_pool_backward) pool_max_backward(j, &t, x + c, y + c * j->at_small.c, large + c, n);
            else if (op == SOMA_OP_avg_pool) pool_avg(j, &t, large + c, y + c * j->at_small.c, n);
            else pool_avg_backward(j, &t, y + c * j->at_small.c, large + c, n);
        }
    } while (soma__conv_advance(out, j->w.out));
}

static bool by_channels(const soma__operand *x) { return x->shape[1] == 1 || x->strides[1] == 1; }

int SOMA_KERNEL(pool)(const soma__call *c) {
    bool backwards = c->op == SOMA_OP_max_pool_backward || c->op == SOMA_OP_avg_pool_backward;
    job j = {.c = c, .large = backwards ? &c->out : &c->in[0], .x = c->op == SOMA_OP_avg_pool_backward ? &c->out : &c->in[0]};
    j.small = !backwards ? &c->out : c->op == SOMA_OP_avg_pool_backward ? &c->in[0] : &c->in[1];
    j.w = soma__window_of(c->attr, j.large->shape, j.small->shape);
    double window = 1;
    j.apart = j.covers = !j.w.adaptive;
    for (int d = 0; d < 3; d++) {
        int64_t span = (j.w.kernel[d] - 1) * j.w.dilation[d] + 1;
        int64_t most = j.w.adaptive ? j.w.in[d] / j.w.out[d] + 2 * (j.w.in[d] % j.w.out[d] != 0) : j.w.kernel[d];
        window *= (double)most;
        j.apart = j.apart && span <= j.w.stride[d];
        j.covers = j.covers && j.w.dilation[d] == 1 && !j.w.pad[d] && j.w.stride[d] == j.w.kernel[d] && j.w.kernel[d] * j.w.out[d] == j.w.in[d];
    }
    if (!j.large->numel || !j.small->numel || window > TAPS || !by_channels(j.large) || !by_channels(j.x)) return soma__ops[c->op]->run(c);
    j.at_large = soma__places_of(j.large, j.w.dims), j.at_small = soma__places_of(j.small, j.w.dims), j.at_x = soma__places_of(j.x, j.w.dims);
    if (j.channels = j.large->shape[1], j.channels == 1) j.at_small.c = 1;
    j.blocks = (j.channels + CHANNELS - 1) / CHANNELS;
    soma__pool_run(c->env->pool, piece, &j, j.large->shape[0] * j.blocks, (double)j.small->numel * window / VL);
    return SOMA_OK;
}
