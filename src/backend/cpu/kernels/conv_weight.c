/* The gradient of a convolution by its weight: a product whose k runs over pixels. Rows of a tile are pairs of kernel position and input channel,
 * each a pointer into what a band of a sample reads; a step to the next pixel is the same for all of them. Columns are output channels. Chains of
 * 4096 pixels are pieces of work of their own; in a piece some bands at a time stay in the cache for all tiles. */
#include "backend/cpu/conv.h"
#include "backend/cpu/kernels/conv_weight.h"
#include "backend/cpu/kernels/conv_tile.h"

#include <string.h>

#define CHAIN SOMA__CONV_CHAIN

typedef struct job {
    const soma__call *c;
    const soma__conv_way *w;
    float *parts, *own;
    int64_t own_size, out_step[5]; /* of the output's gradient: sample, channel, dimensions */
    int64_t pixels, chains;        /* of a sample; of all */
    int64_t pairs, width;          /* positions times channels of a group; columns in whole vectors */
    int64_t slices, per;           /* pieces that a chain's rows are cut into, rows of one */
    int64_t at_once;               /* bands */
} job;

static int64_t width_of(int64_t out) { return (out + VL - 1) / VL * VL; }

/* Output gradients of some pixels of a group in panels: [panel][pixel][NR or VL]. */
static void pack_line(const job *j, const float *from, int64_t n, int64_t step, int64_t at, int64_t all, float *to) {
    const soma__conv_way *w = j->w;
    int64_t cs = j->out_step[1];
    for (int64_t col = 0; col < w->out; col += NR) {
        int64_t cols = w->out - col < NR ? w->out - col : NR, width = cols > VL ? NR : VL;
        float *panel = to + col * all + at * width;
        const float *g = from + col * cs;
        for (int64_t i = 0; i < n; i++, panel += width, g += step) {
            if (cs == 1) {
                vf_store(panel, vf_loadn(g, cols < VL ? cols : VL));
                if (width == NR) vf_store(panel + VL, vf_loadn(g + VL, cols - VL));
            } else
                for (int64_t e = 0; e < width; e++) panel[e] = e < cols ? g[e * cs] : 0;
        }
    }
}

/* Stretches of a band's pixels between two of the sample's, and their gradients packed; how many there are. */
static int64_t add_lines(const job *j, const soma__conv_band *b, int64_t sample, int64_t group, int64_t from, int64_t to, int64_t room, stretch *k,
                         int64_t *n_k, int64_t at, int64_t all, float *packed) {
    const soma__conv_way *w = j->w;
    const float *g = (const float *)j->c->in[1].data + sample * j->out_step[0] + group * w->out * j->out_step[1];
    int64_t o[3], begin = at;
    for (o[0] = b->lo[0]; o[0] < b->hi[0]; o[0]++)
        for (o[1] = b->lo[1]; o[1] < b->hi[1]; o[1]++) {
            int64_t line = (o[0] * w->to[1] + o[1]) * w->to[2], first = line + b->lo[2], end = line + b->hi[2];
            if (first < from) first = from;
            if (end > to) end = to;
            if (first >= end) continue;
            o[2] = first - line;
            int64_t a = room, c = 0;
            for (int d = 0; d < 3; d++) a += (soma__conv_origin(w, d, o[d]) - b->origin[d]) * w->step[d], c += o[d] * j->out_step[2 + d];
            k[(*n_k)++] = (stretch){a, at, end - first};
            pack_line(j, g + c, end - first, j->out_step[4], at, all, packed);
            at += end - first;
        }
    return at - begin;
}

/* All tiles of a slice of a group over the stretches. */
static void tiles(const job *j, const float *x, const float *packed, int64_t all, const stretch *k, int64_t n_k, int64_t first, int64_t end,
                  bool start, float *part) {
    const soma__conv_way *w = j->w;
    for (int64_t col = 0; col < w->out; col += NR) {
        int vectors = w->out - col > VL ? 2 : 1;
        int64_t most = tile_rows(vectors), count = (end - first + most - 1) / most;
        columns q = {.b = packed + col * all, .as = w->stride[2] * w->step[2], .k = k, .n_k = n_k, .vectors = vectors, .start = start, .places = 1};
        for (int64_t t = 0; t < count; t++) {
            int64_t from = first + (end - first) * t / count, rows = first + (end - first) * (t + 1) / count - from;
            const float *a[MR];
            float *c[MR];
            for (int64_t r = 0; r < rows; r++) {
                int64_t position = (from + r) / w->in, at = (from + r) % w->in;
                for (int d = 2; d >= 0; d--) at += position % w->kernel[d] * w->dilation[d] * w->step[d], position /= w->kernel[d];
                a[r] = x + at, c[r] = part + (from + r) * j->width + col;
            }
            SOMA_KERNEL(conv_tile)((int)rows, &q, a, c);
        }
    }
}

static void piece(void *arg, int64_t at, int slot) {
    const job *j = arg;
    const soma__conv_way *w = j->w;
    int64_t slice = at % j->slices, group = at / j->slices % w->groups, chain = at / j->slices / w->groups;
    int64_t first = slice * j->per, end = first + j->per < j->pairs ? first + j->per : j->pairs;
    int64_t to = w->n * j->pixels, from = chain * CHAIN;
    if (to > from + CHAIN) to = from + CHAIN;
    float *packed = j->own + slot * j->own_size, *room = packed + j->at_once * w->rows * (j->pixels / w->to[w->band]) * j->width;
    float *part = j->parts + (chain * w->groups + group) * j->pairs * j->width;
    int64_t room_size = soma__conv_room(w), line_pixels = j->pixels / w->to[w->band];
    if (first >= end) return;
    /* the bands that the chain's pixels lie in */
    int64_t band = from / j->pixels * w->bands + from % j->pixels / line_pixels / w->rows;
    for (bool start = true; from < to; start = false) {
        stretch k[SOMA__CONV_LINES];
        soma__conv_band b[SOMA__CONV_BANDS];
        int64_t n_k = 0, all = 0, ends[SOMA__CONV_BANDS] = {0}, n = 0, stop = from;
        for (; n < j->at_once && stop < to; n++) {
            int64_t sample = (band + n) / w->bands;
            soma__conv_band_of(w, (band + n) % w->bands, &b[n]);
            ends[n] = sample * j->pixels + b[n].before + b[n].results;
            stop = ends[n] < to ? ends[n] : to;
        }
        all = stop - from;
        const float *x = w->copies ? room : j->c->in[0].data;
        int64_t done = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t sample = (band + i) / w->bands, base = sample * j->pixels, shift = i * room_size;
            if (w->copies) soma__conv_copy(w, &b[i], j->c->in[0].data, sample, room + shift);
            else {
                shift = sample * w->lies[0];
                for (int d = 0; d < 3; d++) shift += b[i].first[d] * w->step[d];
            }
            done += add_lines(j, &b[i], sample, group, from - base, stop - base, shift + group * w->in, k, &n_k, done, all, packed);
        }
        tiles(j, x, packed, all, k, n_k, first, end, start, part);
        band += ends[n - 1] <= stop ? n : n - 1;
        from = stop;
    }
}

#define BLOCK 16 /* input channels whose results are put in their places together */

/* The tree of chains for some input channels of a group, at all kernel positions, and the results to where they belong. */
static void finish(void *arg, int64_t at, int slot) {
    (void)slot;
    const job *j = arg;
    const soma__conv_way *w = j->w;
    int64_t blocks = (w->in + BLOCK - 1) / BLOCK, group = at / blocks, first = at % blocks * BLOCK, apart = w->groups * j->pairs * j->width;
    int64_t end = first + BLOCK < w->in ? first + BLOCK : w->in;
    float *rows = j->parts + group * j->pairs * j->width;
    for (int64_t t = 0; t < w->positions; t++)
        for (int64_t i = first; i < end && j->chains > 1; i++) add_chains(rows + (t * w->in + i) * j->width, j->chains, apart, j->width);
    float *out = (float *)j->c->out.data + group * w->out * w->in * w->positions;
    for (int64_t from = 0; from < w->out; from += 16) /* a line of the rows stays in the cache until it is used up */
        for (int64_t e = from; e < w->out && e < from + 16; e++)
            for (int64_t i = first; i < end; i++)
                for (int64_t t = 0; t < w->positions; t++) out[(e * w->in + i) * w->positions + t] = rows[(t * w->in + i) * j->width + e];
}

int SOMA_KERNEL(conv_weight)(const soma__call *c) {
    soma__conv_way w;
    if (!soma__conv_weight_plan(c, &w)) return soma__ops[c->op]->run(c);
    if (w.tile) return SOMA_KERNEL(conv_winograd_weight)(c, &w), SOMA_OK;
    if (soma__conv_depthwise(&w) && c->in[1].strides[1] == 1) return SOMA_KERNEL(conv_depthwise_weight)(c, &w), SOMA_OK;
    job j = {.c = c,
             .w = &w,
             .pixels = soma__conv_volume(w.to),
             .chains = soma__conv_weight_chains(&w),
             .pairs = w.positions * w.in,
             .width = width_of(w.out)};
    int64_t nd = c->attr[SOMA__CONV_DIMS];
    j.own_size = soma__conv_weight_own(&w), j.at_once = soma__conv_weight_bands(&w);
    j.own = c->scratch, j.parts = j.own + j.own_size * soma__pool_threads(c->env->pool);
    for (int i = 0; i < 2; i++) j.out_step[i] = c->in[1].strides[i];
    for (int d = 0; d < 3; d++) j.out_step[2 + d] = d < 3 - nd ? 0 : c->in[1].strides[2 + d - (3 - nd)];
    j.slices = 1;
    while (j.chains * w.groups * j.slices < 8 && j.pairs / j.slices > 4 * MR) j.slices++;
    j.per = ((j.pairs + j.slices - 1) / j.slices + MR - 1) / MR * MR;
    double work = (double)w.n * (double)j.pixels * (double)(w.groups * j.pairs) * (double)w.out / (VL * 8);
    soma__pool_run(c->env->pool, piece, &j, j.chains * w.groups * j.slices, work);
    soma__pool_run(c->env->pool, finish, &j, w.groups * ((w.in + BLOCK - 1) / BLOCK), (double)(j.chains * w.groups * j.pairs * j.width) * 0.2);
    return SOMA_OK;
}
