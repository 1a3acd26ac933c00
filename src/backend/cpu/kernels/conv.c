/* Convolutions forward and backwards by their input. A piece of work is a band of a sample: what it reads is copied once, with its border of zeros
 * and channels side by side, unless it lies so already; then for a segment of results all channels are computed, tile by tile, and the pass that
 * follows runs on them while they are in the cache. The weight is packed by phase, group and panel of channels, kernel position by kernel position.
 */
#include "backend/cpu/kernels/conv_job.h"
#include "backend/cpu/elementwise.h"

#include <string.h>

#define LEVELS 16 /* of the tree of chains: k below 4096 * 2^15 */

/* Kernel positions of a phase in their order, as stretches of the source; neighbours become one. Chains are cut at 4096. */
static int64_t list_stretches(const soma__conv_way *w, int64_t f, stretch *out, int64_t *length, void (*each)(void *, int64_t, int64_t), void *arg) {
    int64_t part[3], k[3] = {0}, n = 0, total = 0;
    for (int d = 2; d >= 0; d--) part[d] = w->backwards ? f % w->stride[d] : 0, f /= w->backwards ? w->stride[d] : 1;
    for (int64_t t = 0; t < w->positions; t++, soma__conv_advance(k, w->kernel)) {
        int64_t at = 0;
        bool real = true;
        for (int d = 0; d < 3; d++) {
            int64_t far = k[d] * w->dilation[d];
            if (w->backwards) real = real && far % w->stride[d] == part[d], far = -((far - part[d]) / w->stride[d]);
            at += (far - w->least[d]) * w->step[d];
        }
        if (!real) continue;
        if (each) each(arg, t, total);
        for (int64_t done = 0; done < w->in;) {
            int64_t left = SOMA__CONV_CHAIN - total % SOMA__CONV_CHAIN;
            int64_t run = w->in - done < left ? w->in - done : left;
            if (out && n && total % CHAIN && out[n - 1].a + out[n - 1].n == at + done) out[n - 1].n += run;
            else if (out) out[n++] = (stretch){at + done, total, run};
            done += run, total += run;
        }
    }
    *length = total;
    return n;
}

/* One panel of a phase: [k][NR or VL], zeros beyond the last channel. */
typedef struct packing {
    const job *j;
    const float *from; /* the group's weight, the panel's first channel */
    float *to;
    int64_t n, width;
} packing;
static void pack_position(void *arg, int64_t t, int64_t first) {
    const packing *p = arg;
    const soma__conv_way *w = p->j->w;
    const soma__operand *weight = &p->j->c->in[1];
    int64_t k[3], rest = t, at = 0, nd = p->j->c->attr[SOMA__CONV_DIMS];
    for (int d = 2; d >= 0; d--) k[d] = rest % w->kernel[d], rest /= w->kernel[d];
    for (int d = 3 - (int)nd; d < 3; d++) at += k[d] * weight->strides[2 + d - (3 - nd)];
    int64_t across = weight->strides[w->backwards && !p->j->depthwise ? 1 : 0], along = weight->strides[w->backwards ? 0 : 1];
    for (int64_t i = 0; i < w->in; i++) {
        const float *from = p->from + at + i * along;
        float *to = p->to + (first + i) * p->width;
        for (int64_t c = 0; c < p->n; c++) to[c] = from[c * across];
        for (int64_t c = p->n; c < p->width; c++) to[c] = 0;
    }
}

static int64_t panels_of(const soma__conv_way *w) { return (w->out + NR - 1) / NR; }

static void pack_piece(void *arg, int64_t at, int slot) {
    (void)slot;
    job *j = arg;
    const soma__conv_way *w = j->w;
    int64_t panels = panels_of(w), panel = at % panels, group = at / panels % w->groups, f = at / panels / w->groups, length;
    const soma__operand *weight = &j->c->in[1];
    if (w->tile) {
        SOMA_KERNEL(conv_winograd_pack)(j, panel);
        return;
    }
    if (j->depthwise) { /* [k][channels] */
        packing p = {.j = j, .from = weight->data, .to = j->packed + j->phases[at].panels, .n = w->groups, .width = w->groups};
        list_stretches(w, at, NULL, &length, pack_position, &p);
        return;
    }
    const phase *ph = &j->phases[f];
    packing p = {.j = j, .n = w->out - panel * NR < NR ? w->out - panel * NR : NR, .width = panel_width(w, panel)};
    p.from = (const float *)weight->data + (w->backwards ? group * w->in * weight->strides[0] + panel * NR * weight->strides[1]
                                                         : (group * w->out + panel * NR) * weight->strides[0]);
    p.to = j->packed + ph->panels + (group * j->panel_cols + panel * NR) * ph->length;
    list_stretches(w, f, NULL, &length, pack_position, &p);
}

/* A tile whose k is longer than a chain. */
static void long_tile(int rows, columns *q, const phase *f, const float *const *a, float *const *c) {
    float part[LEVELS][MR * NR] __attribute__((aligned(64)));
    float *to[MR];
    int level[LEVELS], top = 0;
    for (int64_t s = 0; s < f->n_k;) {
        q->k = f->k + s, q->n_k = 0;
        do q->n_k++, s++;
        while (s < f->n_k && f->k[s].b % CHAIN);
        for (int r = 0; r < rows; r++) to[r] = part[top] + r * NR;
        SOMA_KERNEL(conv_tile)(rows, q, a, to);
        level[top++] = 0;
        for (; top > 1 && level[top - 1] == level[top - 2]; top--, level[top - 1]++)
            for (int i = 0; i < rows * NR; i += VL) vf_store(part[top - 2] + i, vf_add(vf_load(part[top - 2] + i), vf_load(part[top - 1] + i)));
    }
    for (; top > 1; top--)
        for (int i = 0; i < rows * NR; i += VL) vf_store(part[top - 2] + i, vf_add(vf_load(part[top - 2] + i), vf_load(part[top - 1] + i)));
    for (int r = 0; r < rows; r++) /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): of_phase filled all of c that a tile is given */
        memcpy(c[r], part[0] + r * NR, (size_t)q->vectors * sizeof(vf));
}

/* A panel of channels from col on, of a group, for the segment's results of phase f. */
static void run_phase(const job *j, const segment *s, int64_t f, int64_t group, int64_t col, int64_t c_at) {
    const phase *ph = &j->phases[f];
    const float *a[SEGMENT];
    float *c[SEGMENT];
    int count = of_phase(j, s, f, group * j->w->in, c_at, a, c);
    int vectors = panel_width(j->w, col / NR) == NR ? 2 : 1, most = tile_rows(vectors);
    int tiles = (count + most - 1) / most;
    columns q = {.b = j->packed + ph->panels + (group * j->panel_cols + col) * ph->length, .as = 1, .vectors = vectors, .start = true, .places = 1};
    for (int t = 0; t < tiles; t++) {
        int from = count * t / tiles, rows = count * (t + 1) / tiles - from;
        q.k = ph->k, q.n_k = ph->n_k;
        if (ph->length > CHAIN) long_tile(rows, &q, ph, a + from, c + from);
        else SOMA_KERNEL(conv_tile)(rows, &q, a + from, c + from);
    }
}

/* The next n results of a band from o on: where they read (from x, the first one's place) and where they go. */
static void fill(const job *j, const soma__conv_band *b, int64_t o[3], int n, const float *x, float *out, segment *s) {
    const soma__conv_way *w = j->w;
    s->n = n;
    for (int i = 0; i < n;) {
        int64_t a = 0, f = 0, last = w->backwards ? w->stride[2] : 1;
        for (int d = 0; d < 3; d++) a += (soma__conv_origin(w, d, o[d]) - b->origin[d]) * w->step[d];
        for (int d = 0; d < 3 && w->backwards; d++) f = f * w->stride[d] + (o[d] + w->pad[d]) % w->stride[d];
        float *c = out + o[0] * j->out_step[2] + o[1] * j->out_step[3] + o[2] * j->out_step[4];
        int64_t step = w->backwards ? w->step[2] : w->stride[2] * w->step[2], part = f % last, row = f - part;
        for (; i < n && o[2] < b->hi[2]; i++, o[2]++, c += j->out_step[4]) { /* along a row */
            s->a[i] = x + a, s->c[i] = c, s->phase[i] = row + part;
            if (++part == last) part = 0, a += step;
        }
        if (o[2] < b->hi[2]) break;
        o[2] = b->lo[2];
        if (++o[1] < b->hi[1]) continue;
        o[1] = b->lo[1], o[0]++;
    }
}

/* A finished block to where it belongs. */
static void scatter(const job *j, const segment *s, const float *block, int64_t ld, int64_t cols, float *const *to) {
    int64_t cs = j->out_step[1];
    for (int i = 0; i < s->n && cs == 1; i++) memcpy(to[i], block + i * ld, (size_t)cols * sizeof *block);
    for (int64_t e = 0; e < cols && cs != 1; e++)
        for (int i = 0; i < s->n; i++) to[i][e * cs] = block[i * ld + e];
}

static void piece(void *arg, int64_t at, int slot) {
    const job *j = arg;
    const soma__conv_way *w = j->w;
    share k = begin(j, at, slot);
    const soma__conv_band *b = &k.band;
    int64_t o[3] = {b->lo[0], b->lo[1], b->lo[2]}, segments = (b->results + SEGMENT - 1) / SEGMENT, c_col = w->groups > 1 ? 0 : k.col;
    int64_t c_cols = w->groups * k.cols, per_sample = soma__conv_volume(w->to);
    float *out = (float *)j->c->out.data + k.sample * j->out_step[0] + c_col * j->out_step[1], *block = k.rest;
    for (int64_t g = 0; g < segments; g++) {
        int64_t from = b->results * g / segments;
        segment s;
        float *to[SEGMENT];
        fill(j, b, o, (int)(b->results * (g + 1) / segments - from), k.x, out, &s);
        for (int i = 0; i < s.n && !j->direct; i++) to[i] = s.c[i], s.c[i] = block + i * k.ld;
        if (j->depthwise)
            for (int64_t f = 0; f < w->phases; f++) SOMA_KERNEL(conv_depthwise)(j, &s, f);
        else
            for (int64_t group = 0; group < w->groups; group++) /* what is behind a group's last channel is written over by the next one */
                for (int64_t n = 0; n < k.cols; n += NR)
                    for (int64_t f = 0; f < w->phases; f++) run_phase(j, &s, f, group, k.col + n, group * k.cols + n);
        const soma__pass *pass = j->c->pass;
        if (pass) pass->block(pass, k.sample * per_sample + b->before + from, s.n, c_col, c_cols, block, k.ld);
        else if (!j->direct) scatter(j, &s, block, k.ld, c_cols, to);
    }
    end(j, &k);
}

/* Is the weight packed from an earlier run? If not, it will be now. */
static bool is_packed(const soma__call *c, const soma__conv_way *w) {
    soma__packed *p = c->packed;
    if (!p) return false;
    const int64_t *s = c->in[1].strides; /* a view of the variable, perhaps: turned, or a part */
    int64_t key[13] = {-1 - w->backwards - 2 * w->tile,  w->groups,    w->out,       w->in,
                       (int64_t)(intptr_t)c->in[1].data, w->kernel[0], w->kernel[1], w->kernel[2]};
    for (int d = 0; d < c->in[1].ndim; d++) key[8 + d] = s[d];
    uint64_t live = soma__packed_live(p);
    if (p->made == live && memcmp(p->key, key, sizeof key) == 0) return true;
    p->made = live;
    memcpy(p->key, key, sizeof key);
    return false;
}

int SOMA_KERNEL(conv)(const soma__call *c) {
    soma__conv_way w;
    if (!soma__conv_plan(c, &w)) return soma__ops[c->op]->run(c);
    job j = {.c = c, .w = &w, .own_size = soma__conv_own(&w), .panel_cols = (w.out + VL - 1) / VL * VL};
    j.depthwise = soma__conv_depthwise(&w) && w.positions <= CHAIN;
    int64_t nd = c->attr[SOMA__CONV_DIMS], threads = soma__pool_threads(c->env->pool), at = 0;
    stretch *table = c->scratch;
    j.phases = (phase *)(void *)(table + soma__conv_stretches(&w));
    float *memory = (float *)(void *)(j.phases + w.phases);
    memory = (float *)(void *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    j.own = memory, j.packed = c->packed ? c->packed->memory : memory + j.own_size * threads;
    for (int64_t f = 0; f < w.phases; f++) {
        phase *p = &j.phases[f];
        p->k = table;
        p->n_k = list_stretches(&w, f, table, &p->length, NULL, NULL);
        table += p->n_k;
        p->panels = at;
        at += (j.depthwise ? w.groups : w.groups * j.panel_cols) * p->length;
    }
    j.out_step[0] = c->out.strides[0], j.out_step[1] = c->out.strides[1];
    for (int d = 0; d < 3; d++) j.out_step[2 + d] = d < 3 - nd ? 0 : c->out.strides[2 + d - (3 - nd)];
    j.direct = !c->pass && j.out_step[1] == 1 && w.groups == 1 && w.out % VL == 0;
    int64_t packs = j.depthwise ? w.phases : w.phases * w.groups * panels_of(&w);
    if (c->follower) SOMA_KERNEL(channel_follow)(c->follower);
    if (!is_packed(c, &w)) soma__pool_run(c->env->pool, pack_piece, &j, packs, (double)at * 0.5);
    double work =
        (double)w.n * (double)soma__conv_volume(w.to) * (double)w.groups * (double)w.in * (double)w.out * (double)w.positions / (double)w.phases;
    soma__pool_run(c->env->pool, w.tile ? SOMA_KERNEL(conv_winograd) : piece, &j, w.n * w.bands * w.col_pieces, work / (VL * 8));
    return SOMA_OK;
}
