/* Figures: putting them together, and where things are on a page. */
#include "figure.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 960, MARGIN = 16, GAP = 8, TITLE = 26, LINE = 14, WORDS = 140 };
static const double small = 11, large = 13;

soma_image *cli_image(soma_context *ctx, int64_t height, int64_t width, int64_t channels) {
    soma_image *i = soma_scope_memory(ctx, sizeof *i);
    if (!i || !(i->pixels = soma_scope_memory(ctx, (size_t)height * (size_t)width * (size_t)channels))) return NULL;
    i->height = height, i->width = width, i->channels = channels;
    return i;
}

soma_image *cli_image_of_bytes(soma_context *ctx, const uint8_t *planes, int channels, int height, int width) {
    soma_image *i = cli_image(ctx, height, width, channels);
    for (int k = 0, plane = height * width; i && k < plane * channels; k++) i->pixels[k] = planes[k % channels * plane + k / channels];
    return i;
}

const soma_image *cli_image_enlarged(soma_context *ctx, const soma_image *image, int64_t times) {
    soma_image *i = times > 1 ? cli_image(ctx, image->height * times, image->width * times, image->channels) : NULL;
    for (int64_t y = 0; i && y < i->height; y++)
        for (int64_t x = 0; x < i->width; x++)
            memcpy(i->pixels + (y * i->width + x) * i->channels, image->pixels + (y / times * image->width + x / times) * i->channels,
                   (size_t)i->channels);
    return times > 1 ? i : image;
}

static const char *copied(soma_context *ctx, const char *text) {
    char *copy = text ? soma_scope_memory(ctx, strlen(text) + 1) : NULL;
    return copy ? cli_plain(strcpy(copy, text)) : NULL;
}

cli_block *cli_figure_add(cli_figure *f, int side, int cells, const char *title, ...) {
    cli_block *b = soma_scope_memory(f->ctx, sizeof *b);
    char text[500];
    va_list args;
    va_start(args, title);
    vsnprintf(text, sizeof text, title, args);
    va_end(args);
    if (!b || !(b->title = copied(f->ctx, text))) return NULL;
    b->side = side, b->cells = cells;
    if (f->last) f->last->next = b;
    else f->first = b;
    return f->last = b;
}

bool cli_block_put(cli_figure *f, cli_block *b, const soma_image *picture, const char *first, const char *second) {
    if (soma_error_status(f->ctx) != SOMA_OK || !b) return false;
    if (b->n == b->room) {
        int room = b->room ? 2 * b->room : 16;
        cli_tile *more = soma_scope_memory(f->ctx, (size_t)room * sizeof *more);
        if (!more) return false;
        if (b->n) memcpy(more, b->tiles, (size_t)b->n * sizeof *more);
        b->tiles = more, b->room = room;
    }
    b->tiles[b->n++] = (cli_tile){picture, {copied(f->ctx, first), copied(f->ctx, second)}};
    return true;
}

static cli_mark *mark(cli_page *p, cli_mark_kind kind, int x, int y) {
    static cli_mark lost; /* when out of memory */
    if (p->n == p->room) {
        int room = p->room ? 2 * p->room : 256;
        cli_mark *more = soma_scope_memory(p->ctx, (size_t)room * sizeof *more);
        if (!more) return &lost;
        if (p->n) memcpy(more, p->marks, (size_t)p->n * sizeof *more);
        p->marks = more, p->room = room;
    }
    p->marks[p->n] = (cli_mark){.kind = kind, .x = x, .y = y, .ink = {38, 38, 38}};
    return &p->marks[p->n++];
}

static cli_mark *words(cli_page *p, int x, int y, double align, double size, const char *text) {
    cli_mark *m = mark(p, CLI_WORDS_AT, x, y);
    m->align = align, m->size = size, m->text = text;
    return m;
}

/* About how wide words are: fonts differ, and the page is the same everywhere. */
static int wide(const char *text, double size) { return (int)(cli_length(text) * size * 0.62 + 0.999); }

static const soma_image *sized(soma_context *ctx, const soma_image *i, int side) {
    int64_t longer = i->height > i->width ? i->height : i->width, height = i->height * side / longer, width = i->width * side / longer;
    if (longer > side) return soma_image_resize(ctx, i, height > 0 ? height : 1, width > 0 ? width : 1, false);
    return cli_image_enlarged(ctx, i, side / longer);
}

/* Tiles in rows; returns where they end. */
static int put_tiles(cli_page *p, const cli_block *b, int top) {
    int cell = 1, high = 1, lines = 0;
    const soma_image **pictures = soma_scope_memory(p->ctx, (size_t)(b->n + 1) * sizeof *pictures);
    for (int k = 0; pictures && k < b->n; k++) {
        if (b->tiles[k].picture && !(pictures[k] = sized(p->ctx, b->tiles[k].picture, b->side))) return top;
        if (pictures[k] && pictures[k]->width > cell) cell = (int)pictures[k]->width;
        if (pictures[k] && pictures[k]->height > high) high = (int)pictures[k]->height;
        for (int l = 0; l < 2 && b->tiles[k].lines[l]; l++) {
            int width = wide(b->tiles[k].lines[l], small);
            lines = l + 1 > lines ? l + 1 : lines;
            width = width < WORDS ? width : WORDS;
            cell = width > cell ? width : cell;
        }
    }
    int fit = (PAGE - 2 * MARGIN + GAP) / (cell + GAP), row = high + lines * LINE + GAP;
    fit = b->columns ? b->columns : fit > 0 ? fit : 1;
    for (int k = 0; pictures && k < b->n; k++) {
        int x = MARGIN + k % fit * (cell + GAP), y = top + k / fit * row;
        if (pictures[k]) {
            int left = x + (cell - (int)pictures[k]->width) / 2, above = y + high - (int)pictures[k]->height;
            cli_mark *frame = mark(p, CLI_BOX, left - 1, above - 1);
            frame->width = (int)pictures[k]->width + 2, frame->height = (int)pictures[k]->height + 2;
            memset(frame->ink, 190, sizeof frame->ink);
            cli_mark *m = mark(p, CLI_PICTURE, left, above);
            m->picture = pictures[k], m->width = (int)pictures[k]->width, m->height = (int)pictures[k]->height;
        }
        for (int l = 0; l < 2 && b->tiles[k].lines[l]; l++)
            words(p, x + cell / 2, y + high + (l + 1) * LINE - 3, 0.5, small, cli_cut(p->ctx, b->tiles[k].lines[l], (int)(cell / small / 0.62)));
        if (x + cell + MARGIN > p->width) p->width = x + cell + MARGIN;
    }
    return top + (b->n + fit - 1) / fit * row;
}

static int put_matrix(cli_page *p, const cli_matrix *m, int top) {
    enum { CUT = 20 };
    int64_t most = 0;
    int longest = 1, digits = 1;
    for (int64_t k = 0; k < m->n * m->n; k++) most = m->counts[k] > most ? m->counts[k] : most;
    for (int64_t v = most; v > 9; v /= 10) digits++;
    for (int64_t c = 0; c < m->n; c++) longest = cli_length(m->names[c]) > longest ? cli_length(m->names[c]) : longest;
    longest = longest < CUT ? longest : CUT;
    bool crowded = m->n > 40;
    int side = crowded ? 12 : digits * 7 + 12 > 28 ? digits * 7 + 12 : 28, left = MARGIN + (int)(longest * small * 0.62) + 8;
    bool upwards = longest * 7 > side;
    top += upwards ? left - MARGIN : LINE;
    for (int64_t r = 0; r < m->n; r++) {
        const char *name = cli_cut(p->ctx, m->names[r], CUT);
        int y = top + (int)r * side, x = left + (int)r * side;
        int64_t all = 0;
        words(p, left - 6, y + side / 2 + 4, 1, crowded ? 9 : small, name);
        words(p, upwards ? x + side / 2 + 4 : x + side / 2, top - 6, upwards ? 0 : 0.5, crowded ? 9 : small, name)->upwards = upwards;
        for (int64_t c = 0; c < m->n; c++) all += m->counts[r * m->n + c];
        for (int64_t c = 0; c < m->n; c++) {
            int64_t count = m->counts[r * m->n + c];
            double share = all ? (double)count / (double)all : 0;
            cli_mark *b = mark(p, CLI_BOX, left + (int)c * side, y);
            b->width = b->height = side - 1;
            cli_share(share, b->ink);
            char *text = crowded || !count ? NULL : soma_scope_memory(p->ctx, 24);
            if (!text) continue;
            snprintf(text, 24, "%lld", (long long)count);
            cli_mark *w = words(p, left + (int)c * side + side / 2, y + side / 2 + 4, 0.5, small, text);
            if (share > 0.3) memset(w->ink, 255, sizeof w->ink);
        }
    }
    if (left + (int)m->n * side + MARGIN > p->width) p->width = left + (int)m->n * side + MARGIN;
    return top + (int)m->n * side + GAP;
}

bool cli_page_of(const cli_figure *f, cli_page *page) {
    int y = MARGIN;
    *page = (cli_page){.ctx = f->ctx, .width = 2 * MARGIN};
    for (const cli_block *b = f->first; b; b = b->next) {
        words(page, MARGIN, y + 13, 0, large, b->title)->bold = true;
        int width = 2 * MARGIN + wide(b->title, large * 1.1);
        page->width = width > page->width ? width : page->width;
        y = b->matrix ? put_matrix(page, b->matrix, y + TITLE) : put_tiles(page, b, y + TITLE);
        y += b->next ? GAP : 0;
    }
    page->height = y + MARGIN - GAP;
    if (page->width > 16384 || page->height > 16384)
        soma_error_raise(f->ctx, SOMA_ERROR_RANGE, "the figure would have %d x %d pixels; --most and --layer make it smaller", page->height,
                         page->width);
    return soma_error_status(f->ctx) == SOMA_OK;
}
