/* Convolutions of each channel by itself, and their gradient by the weight: vectors run along channels, some results share what is read of the
 * weight.
 */
#include "backend/cpu/kernels/conv_weight.h"
#include "backend/cpu/kernels/conv_job.h"

#define AT_ONCE 6

/* `count` results, a constant wherever this is inlined. */
SIMD_FN void results(int count, const phase *ph, const float *weight, int64_t channels, int64_t c, int64_t n, const float *const *a,
                     float *const *to) {
    vf sum[AT_ONCE];
    for (int r = 0; r < count; r++) sum[r] = vf_zero();
    for (int64_t k = 0; k < ph->n_k; k++) {
        vf w = vf_loadn(weight + k * channels + c, n);
        for (int r = 0; r < count; r++) {
            const float *x = a[r] + ph->k[k].a + c;
            sum[r] = vf_fma(n == VL ? vf_load(x) : vf_loadn(x, n), w, sum[r]);
        }
    }
    for (int r = 0; r < count; r++) vf_storen(to[r] + c, sum[r], n);
}

void SOMA_KERNEL(conv_depthwise)(const job *j, const segment *s, int64_t f) {
    const phase *ph = &j->phases[f];
    const float *a[SEGMENT], *weight = j->packed + ph->panels;
    float *to[SEGMENT];
    int64_t channels = j->w->groups;
    int count = of_phase(j, s, f, 0, 0, a, to);
    for (int64_t c = 0; c < channels; c += VL) {
        int64_t n = channels - c < VL ? channels - c : VL;
        int i = 0;
        for (; i + AT_ONCE <= count; i += AT_ONCE) results(AT_ONCE, ph, weight, channels, c, n, a + i, to + i);
        for (; i < count; i++) results(1, ph, weight, channels, c, n, a + i, to + i);
    }
}

/* The gradient by the weight. */

typedef struct weight_job {
    const soma__call *c;
    const soma__conv_way *w;
    float *parts, *own; /* parts: [chain][position][channel] */
    int64_t own_size, width, pixels, chains;
} weight_job;

/* `count` neighbouring positions of the kernel over n pixels of a line. */
SIMD_FN void positions(int count, const float *x, int64_t x_step, int64_t between, const float *g, int64_t g_step, int64_t n, int64_t lanes,
                       float *sums, int64_t width, bool start) {
    vf sum[AT_ONCE];
    for (int k = 0; k < count; k++) sum[k] = start ? vf_zero() : vf_load(sums + k * width);
    for (int64_t i = 0; i < n; i++, x += x_step, g += g_step) {
        vf v = lanes == VL ? vf_load(g) : vf_loadn(g, lanes);
        for (int k = 0; k < count; k++) sum[k] = vf_fma(lanes == VL ? vf_load(x + k * between) : vf_loadn(x + k * between, lanes), v, sum[k]);
    }
    for (int k = 0; k < count; k++) vf_store(sums + k * width, sum[k]);
}

/* n pixels of a line from column `first` on: x is where the first kernel position of the band's first result reads. */
static void add_line(const weight_job *j, const float *x, const float *g, int64_t n, bool start, float *sums) {
    const soma__conv_way *w = j->w;
    int64_t channels = w->groups, step = w->stride[2] * w->step[2], between = w->dilation[2] * w->step[2],
            g_step = j->c->in[1].strides[j->c->in[1].ndim - 1];
    for (int64_t a = 0; a < w->kernel[0]; a++)
        for (int64_t b = 0; b < w->kernel[1]; b++)
            for (int64_t k = 0; k < w->kernel[2];) {
                int64_t left = w->kernel[2] - k, t = (a * w->kernel[1] + b) * w->kernel[2] + k;
                const float *from = x + a * w->dilation[0] * w->step[0] + b * w->dilation[1] * w->step[1] + k * between;
                for (int64_t c = 0; c < channels; c += VL) {
                    int64_t lanes = channels - c < VL ? channels - c : VL;
                    float *to = sums + t * j->width + c;
                    if (left >= 5) positions(5, from + c, step, between, g + c, g_step, n, lanes, to, j->width, start);
                    else if (left >= 3) positions(3, from + c, step, between, g + c, g_step, n, lanes, to, j->width, start);
                    else positions(1, from + c, step, between, g + c, g_step, n, lanes, to, j->width, start);
                }
                k += left >= 5 ? 5 : left >= 3 ? 3 : 1;
            }
}

static void weight_piece(void *arg, int64_t chain, int slot) {
    const weight_job *j = arg;
    const soma__conv_way *w = j->w;
    const soma__operand *g = &j->c->in[1];
    int64_t from = chain * CHAIN
    , to = w->n * j->pixels, line = w->to[2], nd = g->ndim - 2;
    if (to > from + CHAIN) to = from + CHAIN;
    float *room = j->own + slot * j->own_size, *sums = j->parts + chain * w->positions * j->width;
    int64_t copied = -1;
    for (int64_t at = from, end; at < to; at = end) {
        int64_t sample = at / j->pixels, o[3] = {at % j->pixels / line / w->to[1], at % j->pixels / line % w->to[1], at % line};
        int64_t band = o[w->band] / w->rows, g_at = sample * g->strides[0], x_at = 0;
        soma__conv_band b;
        soma__conv_band_of(w, band, &b);
        end = at - o[2] + b.hi[2] < to ? at - o[2] + b.hi[2] : to;
        const float *x = w->copies ? room : (const float *)j->c->in[0].data + sample * w->lies[0];
        if (w->copies && copied != sample * w->bands + band)
            soma__conv_copy(w, &b, j->c->in[0].data, sample, room), copied = sample * w->bands + band;
        for (int d = 0; d < 3; d++) {
            x_at += (w->copies ? soma__conv_origin(w, d, o[d]) - b.origin[d] : soma__conv_origin(w, d, o[d])) * w->step[d];
            if (d >= 3 - nd) g_at += o[d] * g->strides[2 + d - (3 - nd)];
        }
        add_line(j, x + x_at, (const float *)g->data + g_at, end - at, at == from, sums);
    }
}

static void weight_finish(void *arg, int64_t t, int slot) {
    (void)slot;
    const weight_job *j = arg;
    float *row = j->parts + t * j->width, *out = j->c->out.data;
    add_chains(row, j->chains, j->w->positions * j->width, j->width);
    for (int64_t c = 0; c < j->w->groups; c++) out[c * j->w->positions + t] = row[c];
}

void SOMA_KERNEL(conv_depthwise_weight)(const soma__call *c, const soma__conv_way *w) {
    weight_job j = {
        .c = c, .w = w, .width = (w->groups + VL - 1) / VL * VL, .pixels = soma__conv_volume(w->to), .own_size = soma__conv_weight_own(w)};
    j.chains = soma__conv_weight_chains(w), j.own = c->scratch, j.parts = j.own + j.own_size * soma__pool_threads(c->env->pool);
    soma__pool_run(c->env->pool, weight_piece, &j, j.chains, (double)(w->n * j.pixels * w->positions * j.width) / VL);
    soma__pool_run(c->env->pool, weight_finish, &j, w->positions, (double)(j.chains * w->positions * j.width) * 0.2);
}
