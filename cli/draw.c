/* Figures in a terminal: two rows of pixels in a line, by half blocks with colour where there is colour, else by characters. */
#include "figure.h"

static void colour_of(const soma_image *i, int64_t y, int64_t x, int rgb[3]) {
    for (int c = 0; c < 3; c++) rgb[c] = i->pixels[(y * i->width + x) * i->channels + (i->channels == 3 ? c : 0)];
}

static void pixel_pair(const soma_image *i, int64_t y, int64_t x, bool colours) {
    static const char ramp[] = " .:-=+*#%@";
    bool whole = y + 1 < i->height; /* below an odd last row is the terminal */
    int top[3], bottom[3];
    colour_of(i, y, x, top), colour_of(i, whole ? y + 1 : y, x, bottom);
    if (!colours) putchar(ramp[(299 * (top[0] + bottom[0]) + 587 * (top[1] + bottom[1]) + 114 * (top[2] + bottom[2])) * 9 / 510000]);
    else if (whole) printf("\033[38;2;%d;%d;%d;48;2;%d;%d;%dm\xe2\x96\x80", top[0], top[1], top[2], bottom[0], bottom[1], bottom[2]);
    else printf("\033[38;2;%d;%d;%d;49m\xe2\x96\x80", top[0], top[1], top[2]);
}

/* Text in a column of a width, cut where it is longer. */
static void padded(soma_context *ctx, const char *text, int width) {
    const char *cut = cli_cut(ctx, text, width);
    printf("%s%*s", cut, width - cli_length(cut), "");
}

static const soma_image *sized(soma_context *ctx, const soma_image *i, int64_t cells) {
    int64_t height = i->height * cells / i->width;
    if (i->width > cells) return soma_image_resize(ctx, i, height > 0 ? height : 1, cells, false);
    return cli_image_enlarged(ctx, i, cells / i->width);
}

/* Tiles from `first` to before `last`, side by side. */
static void row(soma_context *ctx, const cli_block *b, const soma_image *const *pictures, int first, int last, int each, bool colours) {
    int64_t high = 0;
    for (int k = first; k < last; k++) high = pictures[k] && pictures[k]->height > high ? pictures[k]->height : high;
    for (int64_t y = 0; y < high; y += 2) {
        for (int k = first; k < last; k++) {
            const soma_image *i = pictures[k] && y < pictures[k]->height ? pictures[k] : NULL;
            for (int64_t x = 0; i && x < i->width; x++) pixel_pair(i, y, x, colours);
            printf("%s%*s", colours ? "\033[0m" : "", each - (int)(i ? i->width : 0), "");
        }
        putchar('\n');
    }
    for (int l = 0; l < 2; l++) {
        bool any = false;
        for (int k = first; k < last; k++) any = any || b->tiles[k].lines[l];
        for (int k = first; any && k < last; k++) {
            padded(ctx, b->tiles[k].lines[l] ? b->tiles[k].lines[l] : "", each - 1);
            putchar(' ');
        }
        if (any) putchar('\n');
    }
    putchar('\n');
}

static void draw_tiles(soma_context *ctx, const cli_block *b) {
    const soma_image **pictures = soma_scope_memory(ctx, (size_t)(b->n + 1) * sizeof *pictures);
    int columns = cli_columns(), cells = b->cells < columns - 2 ? b->cells : columns - 2, each = 3;
    if (b->columns && columns / b->columns - 2 < cells && columns / b->columns >= 8) cells = columns / b->columns - 2;
    cells = cells > 0 ? cells : 1;
    for (int k = 0; pictures && k < b->n; k++) {
        if (b->tiles[k].picture && !(pictures[k] = sized(ctx, b->tiles[k].picture, cells))) return;
        if (pictures[k] && pictures[k]->width + 2 > each) each = (int)pictures[k]->width + 2;
        for (int l = 0; l < 2 && b->tiles[k].lines[l]; l++) {
            int width = cli_length(b->tiles[k].lines[l]) + 2;
            width = width > 26 ? 26 : width;
            if (!b->columns && width > each) each = width;
        }
    }
    int fit = columns / each > 0 ? columns / each : 1;
    if (b->columns && fit > b->columns) fit = b->columns;
    for (int k = 0; pictures && k < b->n; k += fit) row(ctx, b, pictures, k, k + fit < b->n ? k + fit : b->n, each, cli_colours());
}

/* The most frequent mistakes of a matrix that is wider than the terminal. */
static void list_mistakes(soma_context *ctx, const cli_matrix *m) {
    enum { MOST = 20 };
    bool *told = soma_scope_memory(ctx, (size_t)(m->n * m->n));
    for (int k = 0; told && k < MOST; k++) {
        int64_t best = -1;
        for (int64_t i = 0; i < m->n * m->n; i++)
            if (!told[i] && i / m->n != i % m->n && m->counts[i] > (best < 0 ? 0 : m->counts[best])) best = i;
        if (best < 0) break;
        told[best] = true;
        if (!k) printf("too wide for the terminal; the most frequent mistakes:\n");
        printf("%6lld  %s taken for %s\n", (long long)m->counts[best], m->names[best / m->n], m->names[best % m->n]);
    }
}

static void draw_cell(int64_t count, double share, int width, bool colours) {
    uint8_t paper[3];
    cli_share(share, paper);
    if (colours) printf("\033[38;2;%s;48;2;%d;%d;%dm", share > 0.3 ? "255;255;255" : "38;38;38", paper[0], paper[1], paper[2]);
    if (count || !colours) printf("%*lld ", width - 1, (long long)count);
    else printf("%*s", width, "");
    if (colours) printf("\033[0m");
}

static void draw_matrix(soma_context *ctx, const cli_matrix *m) {
    int longest = 1, digits = 1;
    bool colours = cli_colours();
    for (int64_t k = 0; k < m->n * m->n; k++)
        for (int64_t v = m->counts[k], d = 1; v || d == 1; v /= 10, d++) digits = d > digits ? (int)d : digits;
    for (int64_t c = 0; c < m->n; c++) longest = cli_length(m->names[c]) > longest ? cli_length(m->names[c]) : longest;
    int left = longest < 18 ? longest : 18, name = longest < 7 ? longest : 7, cell = (name > digits ? name : digits) + 2;
    if (left + 1 + (int64_t)cell * m->n > cli_columns()) cell = digits + 2;
    if (left + 1 + (int64_t)cell * m->n > cli_columns()) {
        list_mistakes(ctx, m);
        return;
    }
    printf("%*s", left + 1, "");
    for (int64_t c = 0; c < m->n; c++) {
        const char *text = cli_cut(ctx, m->names[c], cell - 1);
        printf("%*s%s ", cell - 1 - cli_length(text), "", text);
    }
    putchar('\n');
    for (int64_t r = 0; r < m->n; r++) {
        int64_t all = 0;
        for (int64_t c = 0; c < m->n; c++) all += m->counts[r * m->n + c];
        padded(ctx, m->names[r], left);
        putchar(' ');
        for (int64_t c = 0; c < m->n; c++) draw_cell(m->counts[r * m->n + c], all ? (double)m->counts[r * m->n + c] / (double)all : 0, cell, colours);
        putchar('\n');
    }
    putchar('\n');
}

bool cli_block_draw(soma_context *ctx, const cli_block *b) {
    soma_scope *scope = soma_scope_open(ctx);
    if (b->title) printf("%s%s%s\n", cli_colours() ? "\033[1m" : "", b->title, cli_colours() ? "\033[0m" : "");
    if (scope && b->matrix) draw_matrix(ctx, b->matrix);
    else if (scope) draw_tiles(ctx, b);
    if (scope) soma_scope_close(scope);
    return soma_error_status(ctx) == SOMA_OK;
}

void cli_draw_bytes(soma_context *ctx, const uint8_t *const *pictures, const char *const *texts, int n, int channels, int height, int width) {
    soma_scope *scope = soma_scope_open(ctx);
    cli_figure f = {.ctx = ctx};
    cli_block *b = scope ? cli_figure_add(&f, width, width < 64 ? width : 64, "%s", "") : NULL;
    for (int k = 0; b && k < n; k++) cli_block_put(&f, b, cli_image_of_bytes(ctx, pictures[k], channels, height, width), texts[k], NULL);
    if (b) b->title = NULL, cli_block_draw(ctx, b);
    if (scope) soma_scope_close(scope);
}
