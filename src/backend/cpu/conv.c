/* What is decided of a convolution before it runs: pieces of work, what each copies, and scratch. All of it follows from shapes and strides. */
#include "backend/cpu/conv.h"

#include "backend/cpu/cpu.h"

#include <string.h>

#define PIECES 16               /* of work, where the batch alone gives fewer */
#define MOST ((int64_t)1 << 26) /* floats: with more than these a thread's room is no room */
#define PHASES 4096

/* Places along the band's dimension that `rows` results read, at most. */
static int64_t band_extent(const soma__conv_way *w, int64_t rows) {
    if (!w->backwards) return (rows - 1) * w->stride[w->band] + w->reach[w->band] + 1;
    return (rows - 1) / w->stride[w->band] + 1 + w->reach[w->band] + 1; /* the phase in which it begins may take one more */
}

static int64_t volume_but(const int64_t *size, int d) { return size[d == 0 ? 1 : 0] * size[d == 2 ? 1 : 2]; }
static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* Bands of so many results along the first dimension that there is. */
static void cut(soma__conv_way *w, int64_t rows) {
    int b = w->band;
    int64_t channels = w->groups * w->in, across = volume_but(w->room, b) * channels;
    while (rows > 1 && w->copies && band_extent(w, rows) * across > SOMA__CONV_ROOM && band_extent(w, rows / 2) * 4 < band_extent(w, rows) * 3)
        rows = (rows + 1) / 2;
    int64_t least = (SOMA__CONV_SEGMENT + volume_but(w->to, b) - 1) / volume_but(w->to, b);
    if (rows < least && !w->tile) rows = least;
    if (rows > w->to[b]) rows = w->to[b];
    w->bands = (w->to[b] + rows - 1) / rows;
    w->rows = up((w->to[b] + w->bands - 1) / w->bands, w->tile ? w->tile : 1);
    w->bands = (w->to[b] + w->rows - 1) / w->rows;
    w->room[b] = band_extent(w, w->rows);
    if (w->copies) w->step[2] = channels, w->step[1] = w->room[2] * channels, w->step[0] = w->room[1] * w->step[1];
    else memcpy(w->step, w->lies + 2, sizeof w->step);
}

/* Tiles that stick out read further, and are computed together while what they are transformed to stays in the cache. */
static void describe_tiles(soma__conv_way *w, int64_t tile) {
    w->tile = (int)tile;
    for (int d = 0; d < 2 && tile; d++) w->tiles[d] = (w->to[1 + d] + tile - 1) / tile, w->reach[1 + d] += w->tiles[d] * tile - w->to[1 + d];
}

/* Everything but how the work is cut. */
static bool describe(soma__conv_way *w, bool backwards, const soma__conv *g, const soma__operand *from, const int64_t *attr) {
    int64_t nd = attr[SOMA__CONV_DIMS];
    *w = (soma__conv_way){.backwards = backwards,
                          .n = g->n,
                          .groups = g->groups,
                          .in = backwards ? g->o : g->c,
                          .out = backwards ? g->c : g->o,
                          .phases = 1,
                          .positions = 1};
    double room = (double)(w->groups * w->in), packed = (double)(w->groups * w->in) * (double)w->out;
    w->copies = from->shape[1] > 1 && from->strides[1] != 1;
    w->lies[0] = from->strides[0], w->lies[1] = from->strides[1];
    for (int d = 0; d < 3; d++) {
        w->lies[2 + d] = d < 3 - nd ? 0 : from->strides[2 + d - (3 - nd)];
        w->from[d] = backwards ? g->out[d] : g->in[d], w->to[d] = backwards ? g->in[d] : g->out[d];
        w->kernel[d] = g->k[d], w->stride[d] = g->stride[d], w->pad[d] = g->pad[d], w->dilation[d] = g->dilation[d];
        if (g->dilation[d] > MOST || g->k[d] > MOST || g->pad[d] > MOST || (backwards && g->stride[d] > PHASES)) return false;
        int64_t span = (g->k[d] - 1) * g->dilation[d];
        w->reach[d] = backwards ? span / g->stride[d] : span;
        w->least[d] = backwards ? -w->reach[d] : 0;
        w->phases *= backwards ? g->stride[d] : 1, w->positions *= g->k[d];
    }
    describe_tiles(w, attr[SOMA__CONV_TILE]);
    for (int d = 0; d < 3; d++) {
        int64_t first = soma__conv_origin(w, d, 0) + w->least[d], last = soma__conv_origin(w, d, w->to[d] - 1) + w->least[d] + w->reach[d];
        if (!w->tile && (first < 0 || last >= w->from[d])) w->copies = true; /* tiles are read with zeros around them */
        w->room[d] = last - first + 1;
        room *= (double)w->room[d], packed *= (double)g->k[d];
        if (w->phases > PHASES || room > MOST || packed > 4.0 * MOST) return false;
    }
    w->band = w->to[0] > 1 ? 0 : w->to[1] > 1 ? 1 : 2;
    return true;
}

bool soma__conv_plan(const soma__call *c, soma__conv_way *w) {
    bool backwards = c->op == SOMA_OP_conv_data;
    const soma__operand *from = &c->in[0], *weight = &c->in[1], *to = &c->out;
    if (!to->numel || !from->numel || !weight->numel) return false;
    soma__conv g = soma__conv_of(c->attr, (backwards ? to : from)->shape, weight->shape, (backwards ? from : to)->shape);
    if (!describe(w, backwards, &g, from, c->attr)) return false;
    int64_t wanted = (PIECES + w->n - 1) / w->n;
    cut(w, (w->to[w->band] + wanted - 1) / wanted);
    w->col_pieces = w->groups > 1 ? 1 : (w->out + SOMA__CONV_COLUMNS - 1) / SOMA__CONV_COLUMNS;
    while (w->groups == 1 && w->n * w->bands * w->col_pieces < PIECES / 2 && w->out / w->col_pieces > 64) w->col_pieces++;
    w->cols = ((w->out + w->col_pieces - 1) / w->col_pieces + 31) / 32 * 32;
    w->col_pieces = (w->out + w->cols - 1) / w->cols;
    if (w->tile) {
        int64_t rows = (w->rows + w->tile - 1) / w->tile, pieces;
        w->group = SOMA__CONV_TILES > w->tiles[1] ? SOMA__CONV_TILES / w->tiles[1] : 1;
        if (w->group > rows) w->group = rows;
        pieces = (w->group * w->tiles[1] + SOMA__CONV_TILES - 1) / SOMA__CONV_TILES;
        w->at_once = (w->group * w->tiles[1] + pieces - 1) / pieces;
    }
    return true;
}

bool soma__conv_weight_plan(const soma__call *c, soma__conv_way *w) {
    const soma__operand *from = &c->in[0], *to = &c->in[1], *weight = &c->out;
    if (!to->numel || !from->numel || !weight->numel) return false;
    soma__conv g = soma__conv_of(c->attr, from->shape, weight->shape, to->shape);
    if (!describe(w, false, &g, from, c->attr)) return false;
    int64_t pixels = volume_but(w->to, w->band);
    cut(w, w->tile ? w->tile : (SOMA__CONV_PIXELS + pixels - 1) / pixels);
    w->cols = w->out, w->col_pieces = 1;
    if (w->tile) {
        int64_t most = SOMA__CONV_ROOM / (w->in + w->out);
        w->at_once = most < 16 ? 16 : most > 128 ? 128 : most;
        return true;
    }
    int64_t lines = (w->band == 0 ? w->rows * w->to[1] : w->band == 1 ? w->rows : 1) * soma__conv_weight_bands(w);
    return w->rows * pixels <= 8 * SOMA__CONV_PIXELS && lines <= SOMA__CONV_LINES;
}

void soma__conv_band_of(const soma__conv_way *w, int64_t band, soma__conv_band *b) {
    b->results = 1, b->before = 0;
    for (int d = 0; d < 3; d++) {
        b->lo[d] = 0, b->hi[d] = w->to[d];
        if (d == w->band) b->lo[d] = band * w->rows, b->hi[d] = b->lo[d] + w->rows < w->to[d] ? b->lo[d] + w->rows : w->to[d];
        b->origin[d] = soma__conv_origin(w, d, b->lo[d]), b->first[d] = b->origin[d] + w->least[d];
        b->count[d] = soma__conv_origin(w, d, b->hi[d] - 1) - b->origin[d] + w->reach[d] + 1;
        b->results *= b->hi[d] - b->lo[d], b->before = b->before * w->to[d] + b->lo[d];
    }
}

/* A row of the source: `first` is the place of the room's first column, `from` that of place 0. */
static void copy_row(const soma__conv_way *w, const float *from, int64_t first, int64_t count, float *to) {
    int64_t channels = w->groups * w->in, cs = channels > 1 ? w->lies[1] : 1, ws = w->lies[4];
    int64_t before = first < 0 ? (-first < count ? -first : count) : 0, end = first + count > w->from[2] ? w->from[2] : first + count;
    int64_t there = end - first - before > 0 ? end - first - before : 0;
    memset(to, 0, (size_t)(before * channels) * sizeof *to);
    to += before * channels, from += (first + before) * ws;
    if (cs == 1 && ws == channels) memcpy(to, from, (size_t)(there * channels) * sizeof *to);
    else if (cs == 1)
        for (int64_t i = 0; i < there; i++) memcpy(to + i * channels, from + i * ws, (size_t)channels * sizeof *to);
    else
        for (int64_t c = 0; c < channels; c += 16)
            for (int64_t i = 0; i < there; i++)
                for (int64_t e = c; e < channels && e < c + 16; e++) to[i * channels + e] = from[i * ws + e * cs];
    to += there * channels;
    memset(to, 0, (size_t)((count - before - there) * channels) * sizeof *to);
}

void soma__conv_copy(const soma__conv_way *w, const soma__conv_band *band, const float *source, int64_t sample, float *room) {
    for (int64_t a = 0; a < band->count[0]; a++)
        for (int64_t b = 0; b < band->count[1]; b++) {
            int64_t pa = band->first[0] + a, pb = band->first[1] + b;
            float *row = room + a * w->step[0] + b * w->step[1];
            if (pa < 0 || pa >= w->from[0] || pb < 0 || pb >= w->from[1]) memset(row, 0, (size_t)(band->count[2] * w->step[2]) * sizeof *row);
            else copy_row(w, source + sample * w->lies[0] + pa * w->lies[2] + pb * w->lies[3], band->first[2], band->count[2], row);
        }
}

int64_t soma__conv_packed(const soma__conv_way *w) { return w->groups * (w->tile ? soma__conv_places(w) : w->positions) * w->in * up(w->out, 32); }

int64_t soma__conv_own(const soma__conv_way *w) {
    int64_t results = w->tile ? w->group * w->tile * w->to[2] : SOMA__CONV_SEGMENT;
    return up((w->copies ? soma__conv_room(w) : 0) + results * soma__conv_block(w, w->cols < w->out ? w->cols : w->out) + 64 +
                  (w->tile ? w->in + soma__conv_places(w) * (soma__conv_apart(w, w->in) + SOMA__CONV_TILES * 32 + 16) : 0),
              16);
}

int64_t soma__conv_stretches(const soma__conv_way *w) { return w->positions + w->positions * w->in / SOMA__CONV_CHAIN + 2 * w->phases; }

int64_t soma__conv_scratch(const soma__call *c, int threads) {
    soma__conv_way w;
    if (!soma__conv_plan(c, &w)) return 0;
    return (soma__conv_packed(&w) + soma__conv_own(&w) * threads + 128) * (int64_t)sizeof(float) +
           (soma__conv_stretches(&w) * 4 + w.phases * 4) * (int64_t)sizeof(int64_t);
}

int64_t soma__conv_weight_bands(const soma__conv_way *w) {
    int64_t pixels = w->rows * volume_but(w->to, w->band), n = (SOMA__CONV_PIXELS + pixels - 1) / pixels;
    return n < SOMA__CONV_BANDS ? n : SOMA__CONV_BANDS;
}

int64_t soma__conv_weight_own(const soma__conv_way *w) {
    if (w->tile) {
        int64_t grads = w->tile * w->to[2] * w->out, tiles = soma__conv_apart(w, w->in) + soma__conv_apart(w, up(w->out, 32));
        int64_t zeros = w->in > w->out ? w->in : w->out;
        return up((w->copies ? soma__conv_room(w) : 0) + zeros + grads + soma__conv_places(w) * tiles, 16);
    }
    int64_t pixels = w->rows * volume_but(w->to, w->band), floats = pixels * up(w->out, 32) + (w->copies ? soma__conv_room(w) : 0);
    return up(soma__conv_weight_bands(w) * floats, 64);
}

int64_t soma__conv_weight_chains(const soma__conv_way *w) {
    if (w->tile) return (w->n * w->tiles[0] * w->tiles[1] + SOMA__WINOGRAD_CHAIN - 1) / SOMA__WINOGRAD_CHAIN;
    return (w->n * soma__conv_volume(w->to) + SOMA__CONV_CHAIN - 1) / SOMA__CONV_CHAIN;
}

int64_t soma__conv_weight_scratch(const soma__call *c, int threads) {
    soma__conv_way w;
    if (!soma__conv_weight_plan(c, &w)) return 0;
    int64_t rows = (w.tile ? soma__conv_places(&w) : w.positions) * w.in;
    return (soma__conv_weight_own(&w) * threads + soma__conv_weight_chains(&w) * w.groups * rows * up(w.out, 16)) * (int64_t)sizeof(float);
}
