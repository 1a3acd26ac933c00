/* Winograd's way through a convolution's pixels: tiles of a band are transformed, each of their places is a product of [tiles, channels] by a panel
 * of the transformed weight, and the products are transformed to results while they are in the cache. Vectors run along channels. */
#include "backend/cpu/kernels/conv_winograd.h"
#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernels/conv_job.h"

#include <string.h>

/* A vector of filters from the weight's elements (o, i): those of a panel's channels. m is a constant wherever this is inlined. */
SIMD_FN void pack_filters(int m, const job *j, int64_t first, int64_t n, int64_t i, float *to, int64_t apart) {
    const soma__conv_way *w = j->w;
    const soma__operand *weight = &j->c->in[1];
    const int64_t *s = weight->strides, across = s[w->backwards ? 1 : 0], along = s[w->backwards ? 0 : 1];
    const float *from = (const float *)weight->data + first * across + i * along;
    float lanes[9][VL] = {{0}};
    for (int64_t k = 0; k < 9; k++) {
        const float *tap = from + (w->backwards ? 2 - k / 3 : k / 3) * s[2] + (w->backwards ? 2 - k % 3 : k % 3) * s[3];
        for (int64_t e = 0; e < n; e++) lanes[k][e] = tap[e * across];
    }
    vf g[9], t[PLACES];
    for (int k = 0; k < 9; k++) g[k] = vf_load(lanes[k]);
    transform_filter(m, g, t);
    for (int k = 0; k < (m + 2) * (m + 2); k++) vf_store(to + k * apart, t[k]);
}

/* [place][channel that is read][NR or VL] */
void SOMA_KERNEL(conv_winograd_pack)(const job *j, int64_t panel) {
    const soma__conv_way *w = j->w;
    int64_t width = panel_width(w, panel), first = panel * NR;
    float *to = j->packed + first * soma__conv_places(w) * w->in;
    for (int64_t i = 0; i < w->in; i++)
        for (int64_t e = 0; e < width; e += VL) {
            int64_t left = w->out - first - e, n = left < 0 ? 0 : left < VL ? left : VL;
            if (w->tile == 2) pack_filters(2, j, first + e, n, i, to + i * width + e, w->in * width);
            else pack_filters(4, j, first + e, n, i, to + i * width + e, w->in * width);
        }
}

/* The next column of a row of tiles, or zeros, through the first dimension's transform. */
SIMD_FN void read_column(int m, lines *l, bool there, vf *half) {
    const int t = m + 2;
    vf d[PLACES];
    for (int a = 0; a < t; a++) {
        d[a] = there ? vf_load(l->at[a]) : vf_zero();
        if (there) l->at[a] += l->col[a];
    }
    source_line(m, d, 1, half, t);
}

/* The transform of the next tile: its first two columns were the last ones of its neighbour; of the others the first so many are there. */
SIMD_FN void read_tile(int m, lines *l, int64_t there, vf *half, float *to, int64_t apart) {
    const int t = m + 2;
    vf v[PLACES];
    for (int b = 0; b < m; b++) read_column(m, l, b < there, half + 2 + b);
    for (int a = 0; a < t; a++) source_line(m, half + a * t, 1, v + a * t, 1);
    for (int k = 0; k < t * t; k++, step(&to, apart)) vf_store(to, v[k]);
    for (int a = 0; a < t; a++)
        for (int b = 0; b < 2; b++) half[a * t + b] = half[a * t + m + b];
}

/* The transforms of n tiles that lie side by side, the first one at (y, x): [place][tile][channel]. m is a constant wherever this is inlined.
 * Channels are VL or more; the last vector may lie over the one before. x is -2 or more (tile_of, ops/conv.c): what a tile reads from its third
 * column on is in the picture, or behind it. */
SIMD_FN void read_row(int m, const picture *p, int64_t y, int64_t x, int64_t n, float *to, int64_t apart) {
    int64_t whole = (p->cols - x - 2) / m, i; /* tiles whose columns are there, from the first one's third on */
    for (int64_t c = 0;; c += VL) {
        if (c > p->channels - VL) c = p->channels - VL;
        lines l;
        vf half[PLACES];
        float *tile = to + c;
        find_lines(p, m + 2, y, x, &l);
        for (int a = 0; a < m + 2; a++) l.at[a] += c;
        for (int b = 0; b < 2; b++) read_column(m, &l, x + b >= 0 && x + b < p->cols, half + b);
        for (i = 0; m == 2 && i < n && i < whole; i++, tile += p->channels) read_tile(m, &l, m, half, tile, apart);
        for (; i < n; i++, tile += p->channels) read_tile(m, &l, p->cols - x - 2 - i * m, half, tile, apart);
        if (c + VL >= p->channels) break;
    }
}

void SOMA_KERNEL(conv_winograd_read)(int tile, const picture *p, int64_t y, int64_t x, int64_t n, float *to, int64_t apart) {
    if (tile == 2) read_row(2, p, y, x, n, to, apart);
    else read_row(4, p, y, x, n, to, apart);
}

/* What tiles are read from: [place][tile][channel]; y and x: where the first tile of all lies. */
static void read_tiles(const soma__conv_way *w, const picture *p, int64_t y, int64_t x, int64_t first, int64_t n, float *to) {
    const int64_t apart = soma__conv_apart(w, p->channels);
    for (int64_t end = first + n, some; first < end; first += some, to += some * p->channels) {
        int64_t row = first / w->tiles[1], col = first % w->tiles[1];
        some = w->tiles[1] - col < end - first ? w->tiles[1] - col : end - first;
        SOMA_KERNEL(conv_winograd_read)(w->tile, p, y + row * w->tile, x + col * w->tile, some, to, apart);
    }
}

#define APART (SOMA__CONV_TILES * NR + 16) /* floats from one place of products to the next: a constant makes cheap addresses */
#define SHORT 128                          /* channels: with no more than these all places of some rows are one call */

/* The products of a panel: [place][tile][channel of the panel] */
static void multiply(const soma__conv_way *w, const float *packed, int vectors, const float *source, int64_t n, float *products) {
    const int64_t channels = w->in, width = vectors * VL, places = soma__conv_places(w), together = channels <= SHORT ? places : 1;
    stretch all = {0, 0, channels};
    columns q = {.as = 1, .k = &all, .n_k = 1, .vectors = vectors, .start = true, .places = together};
    q.a_apart = soma__conv_apart(w, channels), q.b_apart = channels * width, q.c_apart = APART;
    for (int64_t k = 0; k < places; k += together, source += together * q.a_apart, products += together * q.c_apart) {
        q.b = packed + k * q.b_apart;
        SOMA_KERNEL(conv_rows)(n, channels, &q, source, products, width);
    }
}

/* Where results go: rows and columns of pixels, those that there are. */
typedef struct target {
    float *to;
    int64_t row, col, rows;
} target;

/* The results of a tile, those that there are. */
SIMD_FN void write_tile(int m, const float *products, int vectors, float *to, int64_t row, int64_t col, int64_t rows, int64_t cols) {
    for (int e = 0; e < vectors * VL; e += VL) {
        vf d[PLACES], r[PLACES];
        for (int k = 0; k < (m + 2) * (m + 2); k++) d[k] = vf_load(products + k * APART + e);
        transform_results(m, d, r);
        for (int a = 0; a < m; a++)
            for (int b = 0; b < m; b++)
                if (a < rows && b < cols) vf_store(to + a * row + b * col + e, r[a * m + b]);
    }
}

SIMD_FN void write_tiles(int m, const soma__conv_way *w, const float *products, int vectors, int64_t first, int64_t n, const target *g) {
    int64_t row = first / w->tiles[1], col = first % w->tiles[1];
    for (int64_t i = 0; i < n; i++, products += vectors * VL) {
        int64_t rows = g->rows - row * m, cols = w->to[2] - col * m;
        float *to = g->to + row * m * g->row + col * m * g->col;
        if (rows >= m && cols >= m) write_tile(m, products, vectors, to, g->row, g->col, m, m);
        else write_tile(m, products, vectors, to, g->row, g->col, rows, cols);
        if (++col == w->tiles[1]) col = 0, row++;
    }
}

/* A block of whole rows to where it belongs. */
static void scatter(const job *j, const share *k, int64_t y, int64_t rows, const float *block) {
    float *out = (float *)j->c->out.data + k->sample * j->out_step[0] + k->col * j->out_step[1] + y * j->out_step[3];
    int64_t width = j->w->to[2], cs = j->out_step[1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t x = 0; x < width && cs == 1; x++)
            memcpy(out + i * j->out_step[3] + x * j->out_step[4], block + (i * width + x) * k->ld, (size_t)k->cols * sizeof *block);
    for (int64_t e = 0; e < k->cols && cs != 1; e++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t x = 0; x < width; x++) out[e * cs + i * j->out_step[3] + x * j->out_step[4]] = block[(i * width + x) * k->ld + e];
}

void SOMA_KERNEL(conv_winograd)(void *arg, int64_t at, int slot) {
    const job *j = arg;
    const soma__conv_way *w = j->w;
    const soma__pass *pass = j->c->pass;
    share k = begin(j, at, slot);
    int64_t places = soma__conv_places(w), step = w->group * w->tile, width = w->to[2], lo = k.band.lo[1], hi = k.band.hi[1];
    float *zeros = k.rest, *source = zeros + w->in, *products = source + places * soma__conv_apart(w, w->in);
    float *block = products + places * APART;
    int64_t at_y, at_x;
    const picture p = picture_of(w, &k.band, k.x, &at_y, &at_x, zeros);
    memset(zeros, 0, (size_t)w->in * sizeof *zeros);
    for (int64_t y = lo; y < hi; y += step) {
        int64_t rows = hi - y < step ? hi - y : step, tiles = (rows + w->tile - 1) / w->tile * w->tiles[1];
        target g = {block, width * k.ld, k.ld, rows};
        if (j->direct) {
            g = (target){(float *)j->c->out.data + k.sample * j->out_step[0] + y * j->out_step[3], j->out_step[3], j->out_step[4], rows};
            g.to += k.col;
        }
        for (int64_t first = 0; first < tiles; first += w->at_once) {
            int64_t n = tiles - first < w->at_once ? tiles - first : w->at_once;
            read_tiles(w, &p, at_y + y - lo, at_x, first, n, source);
            for (int64_t c = 0; c < k.cols; c += NR) {
                int64_t col = k.col + c;
                int vectors = panel_width(w, col / NR) == NR ? 2 : 1;
                multiply(w, j->packed + col * places * w->in, vectors, source, n, products);
                target part = {g.to + c, g.row, g.col, g.rows};
                if (w->tile == 2) write_tiles(2, w, products, vectors, first, n, &part);
                else write_tiles(4, w, products, vectors, first, n, &part);
            }
        }
        if (pass) pass->block(pass, k.sample * w->to[1] * width + y * width, rows * width, k.col, k.cols, block, k.ld);
        else if (!j->direct) scatter(j, &k, y, rows, block);
    }
    end(j, &k);
}
