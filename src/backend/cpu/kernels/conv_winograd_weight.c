/* The gradient of a convolution by its weight, by Winograd's way: tiles of the input are transformed, results of the output's gradient are spread
 * over the places of a tile, and each place is a product whose k runs over tiles. Chains of 512 tiles are pieces of work of their own. */
#include "backend/cpu/kernels/conv_weight.h"
#include "backend/cpu/kernels/conv_winograd.h"

#include <string.h>

typedef struct job {
    const soma__call *c;
    const soma__conv_way *w;
    float *parts, *own;
    int64_t own_size, tiles, chains; /* tiles of all samples */
    int64_t width, per, slices;      /* output channels in whole vectors; of a piece, and pieces of them */
} job;

/* What a thread has of its own. */
typedef struct desk {
    float *room, *zeros, *grads, *source, *spread; /* source [place][tile][channel], spread [place][panel][tile][NR or VL] */
} desk;

/* n tiles of the output's gradient that lie side by side, spread: some of their channels. `at`: the first one's place on the desk. */
SIMD_FN void spread_row(int m, const job *j, const picture *g, int64_t y, int64_t x, int64_t n, int64_t first, int64_t end, int64_t at,
                        float *spread) {
    const int t = m + 2;
    const int64_t apart = soma__conv_apart(j->w, j->per);
    for (int64_t e = first; e < end; e += VL) {
        int64_t panel = e / NR * NR, width = j->width - panel > VL ? NR : VL, some = g->channels - e < VL ? g->channels - e : VL;
        float *to = spread + (panel - first) * j->w->at_once + at * width + (e - panel);
        lines l;
        find_lines(g, m, y, x, &l);
        for (int64_t i = 0; i < n; i++, to += width) {
            vf r[PLACES], d[PLACES];
            for (int b = 0; b < m; b++)
                for (int a = 0; a < m; a++) {
                    const float *from = l.at[a] + e;
                    r[a * m + b] = x + i * m + b >= g->cols ? vf_zero() : some == VL ? vf_load(from) : vf_loadn(from, some);
                    l.at[a] += l.col[a];
                }
            spread_results(m, r, d);
            float *q = to;
            for (int k = 0; k < t * t; k++, step(&q, apart)) vf_store(q, d[k]);
        }
    }
}

/* The output's gradients of a row of tiles, channels side by side. */
static picture grads_of(const job *j, int64_t sample, int64_t *y, const desk *d) {
    const soma__operand *g = &j->c->in[1];
    const float *from = (const float *)g->data + sample * g->strides[0];
    int64_t cs = g->strides[1], rows = g->shape[2], cols = g->shape[3], channels = j->w->out;
    if (cs == 1) return (picture){from, rows, cols, g->strides[2], g->strides[3], channels, d->zeros};
    float *to = d->grads;
    rows = rows - *y < j->w->tile ? rows - *y : j->w->tile;
    for (int64_t a = *y; a < *y + rows; a++)
        for (int64_t b = 0; b < cols; b++)
            for (int64_t e = 0; e < channels; e++) *to++ = from[a * g->strides[2] + b * g->strides[3] + e * cs];
    *y = 0;
    return (picture){d->grads, rows, cols, cols * channels, channels, channels, d->zeros};
}

/* Tiles from `at` on, n of them, on the desk. */
static void bring(const job *j, int64_t at, int64_t n, int64_t first, int64_t end, const desk *d) {
    const soma__conv_way *w = j->w;
    const int64_t apart = soma__conv_apart(w, w->in);
    for (int64_t done = 0; done < n;) {
        int64_t line = (at + done) / w->tiles[1], sample = line / w->tiles[0], band = line % w->tiles[0], col = (at + done) % w->tiles[1];
        int64_t end_col = col + n - done < w->tiles[1] ? col + n - done : w->tiles[1], y, x, g_y = band * w->tile;
        soma__conv_band b;
        soma__conv_band_of(w, band, &b);
        if (w->copies) soma__conv_copy(w, &b, j->c->in[0].data, sample, d->room);
        picture p = picture_of(w, &b, w->copies ? d->room : (const float *)j->c->in[0].data + sample * w->lies[0], &y, &x, d->zeros);
        picture g = grads_of(j, sample, &g_y, d);
        int64_t some = end_col - col;
        SOMA_KERNEL(conv_winograd_read)(w->tile, &p, y, x + col * w->tile, some, d->source + done * w->in, apart);
        if (w->tile == 2) spread_row(2, j, &g, g_y, col * 2, some, first, end, done, d->spread);
        else spread_row(4, j, &g, g_y, col * 4, some, first, end, done, d->spread);
        done += some;
    }
}

/* All products of the tiles on the desk. */
static void multiply(const job *j, int64_t n, int64_t first, int64_t end, bool start, const desk *d, float *part) {
    const soma__conv_way *w = j->w;
    const int64_t channels = w->in;
    stretch all = {0, 0, n};
    for (int64_t k = 0; k < soma__conv_places(w); k++)
        for (int64_t col = first; col < end; col += NR) {
            const float *source = d->source + k * soma__conv_apart(w, channels);
            float *to = part + k * channels * j->width + col;
            columns q = {.as = channels, .k = &all, .n_k = 1, .vectors = j->width - col > VL ? 2 : 1, .start = start, .places = 1};
            q.b = d->spread + k * soma__conv_apart(w, j->per) + (col - first) * w->at_once;
            SOMA_KERNEL(conv_rows)(channels, 1, &q, source, to, j->width);
        }
}

static void piece(void *arg, int64_t at, int slot) {
    const job *j = arg;
    const soma__conv_way *w = j->w;
    int64_t chain = at / j->slices, first = at % j->slices * j->per, end = first + j->per < j->width ? first + j->per : j->width;
    int64_t places = soma__conv_places(w), from = chain * SOMA__WINOGRAD_CHAIN, to = from + SOMA__WINOGRAD_CHAIN;
    if (to > j->tiles) to = j->tiles;
    if (first >= end) return;
    desk d = {.room = j->own + slot * j->own_size};
    d.zeros = d.room + (w->copies ? soma__conv_room(w) : 0);
    d.grads = d.zeros + (w->in > w->out ? w->in : w->out);
    memset(d.zeros, 0, (size_t)(d.grads - d.zeros) * sizeof *d.zeros);
    d.source = d.grads + w->tile * w->to[2] * w->out;
    d.spread = d.source + places * soma__conv_apart(w, w->in);
    for (int64_t t = from; t < to; t += w->at_once) {
        int64_t n = to - t < w->at_once ? to - t : w->at_once;
        bring(j, t, n, first, end, &d);
        multiply(j, n, first, end, t == from, &d, j->parts + chain * places * w->in * j->width);
    }
}

SIMD_FN void gather(int m, const float *rows, int64_t apart, int64_t n, float *out, int64_t across) {
    vf u[PLACES], g[9];
    float lanes[9][VL];
    for (int k = 0; k < (m + 2) * (m + 2); k++) u[k] = vf_load(rows + k * apart);
    gather_filter(m, u, g);
    for (int k = 0; k < 9; k++) vf_store(lanes[k], g[k]);
    for (int64_t e = 0; e < n; e++)
        for (int k = 0; k < 9; k++) out[e * across + k] = lanes[k][e];
}

/* An input channel's filters. */
static void finish(void *arg, int64_t i, int slot) {
    (void)slot;
    const job *j = arg;
    const soma__conv_way *w = j->w;
    int64_t places = soma__conv_places(w), apart = w->in * j->width;
    float *rows = j->parts + i * j->width, *out = (float *)j->c->out.data + i * 9;
    for (int64_t k = 0; k < places; k++) add_chains(rows + k * apart, j->chains, places * apart, j->width);
    for (int64_t e = 0; e < w->out; e += VL) {
        int64_t n = w->out - e < VL ? w->out - e : VL;
        if (w->tile == 2) gather(2, rows + e, apart, n, out + e * w->in * 9, w->in * 9);
        else gather(4, rows + e, apart, n, out + e * w->in * 9, w->in * 9);
    }
}

void SOMA_KERNEL(conv_winograd_weight)(const soma__call *c, const soma__conv_way *w) {
    job j = {.c = c, .w = w, .tiles = w->n * w->tiles[0] * w->tiles[1], .chains = soma__conv_weight_chains(w), .slices = 1};
    j.width = (w->out + VL - 1) / VL * VL, j.own_size = soma__conv_weight_own(w);
    j.own = c->scratch, j.parts = j.own + j.own_size * soma__pool_threads(c->env->pool);
    while (j.chains * j.slices < 8 && j.width / j.slices > 128) j.slices++;
    j.per = ((j.width + j.slices - 1) / j.slices + NR - 1) / NR * NR;
    double work = (double)j.tiles * (double)(soma__conv_places(w) * w->in) * (double)w->out / (VL * 8);
    soma__pool_run(c->env->pool, piece, &j, j.chains * j.slices, work);
    soma__pool_run(c->env->pool, finish, &j, w->in, (double)(j.chains * soma__conv_places(w) * w->in * j.width) * 0.2);
}
