/* Figures as files. Cairo draws them; built without it, a PNG file has pictures and boxes, and no words. */
#include "figure.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool ends(const char *path, const char *end) {
    size_t n = strlen(path), k = strlen(end);
    return n > k && strcasecmp(path + n - k, end) == 0;
}

#if SOMA_HAVE_CAIRO
#include <cairo-svg.h>

static void picture(cairo_t *c, const cli_mark *m) {
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, m->width, m->height);
    if (cairo_surface_status(s) == CAIRO_STATUS_SUCCESS) {
        const soma_image *i = m->picture;
        for (int y = 0; y < m->height; y++) {
            uint32_t *row = (uint32_t *)(void *)(cairo_image_surface_get_data(s) + (ptrdiff_t)y * cairo_image_surface_get_stride(s));
            for (int x = 0; x < m->width; x++) {
                const uint8_t *v = i->pixels + (y * i->width + x) * i->channels, *b = i->channels == 3 ? v + 2 : v, *g = i->channels == 3 ? v + 1 : v;
                row[x] = (uint32_t)*v << 16 | (uint32_t)*g << 8 | *b;
            }
        }
        cairo_surface_mark_dirty(s);
    }
    cairo_set_source_surface(c, s, m->x, m->y);
    cairo_paint(c);
    cairo_surface_destroy(s);
}

static void words(cairo_t *c, const cli_mark *m) {
    cairo_text_extents_t e;
    cairo_save(c);
    cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, m->bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c, m->size);
    cairo_text_extents(c, m->text, &e);
    cairo_translate(c, m->x, m->y);
    if (m->upwards) cairo_rotate(c, -1.5707963267948966);
    cairo_move_to(c, -m->align * e.x_advance, 0);
    cairo_show_text(c, m->text);
    cairo_restore(c);
}

static bool draw(const cli_page *p, cairo_surface_t *s) {
    cairo_t *c = cairo_create(s);
    cairo_set_source_rgb(c, 1, 1, 1);
    cairo_paint(c);
    for (int i = 0; i < p->n; i++) {
        const cli_mark *m = &p->marks[i];
        cairo_set_source_rgb(c, m->ink[0] / 255.0, m->ink[1] / 255.0, m->ink[2] / 255.0);
        if (m->kind == CLI_PICTURE) picture(c, m);
        else if (m->kind == CLI_WORDS_AT) words(c, m);
        else {
            cairo_rectangle(c, m->x, m->y, m->width, m->height);
            cairo_fill(c);
        }
    }
    bool fine = cairo_status(c) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(c);
    return fine;
}

static bool raster(const cli_page *p, soma_image *out) {
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, p->width, p->height);
    bool fine = draw(p, s);
    cairo_surface_flush(s);
    for (int y = 0; fine && y < p->height; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(cairo_image_surface_get_data(s) + (ptrdiff_t)y * cairo_image_surface_get_stride(s));
        uint8_t *pixels = out->pixels + (ptrdiff_t)y * p->width * 3;
        for (int x = 0; x < p->width; x++)
            pixels[3 * x] = (uint8_t)(row[x] >> 16), pixels[3 * x + 1] = (uint8_t)(row[x] >> 8), pixels[3 * x + 2] = (uint8_t)row[x];
    }
    cairo_surface_destroy(s);
    return fine || cli_fail("cairo could not draw the figure") == CLI_FINE;
}

/* An SVG file as it grows. */
typedef struct text {
    char *data;
    size_t n, room;
} text;
static cairo_status_t grow(void *user, const unsigned char *data, unsigned int n) {
    text *t = user;
    if (t->n + n > t->room) {
        size_t room = 2 * (t->n + n);
        char *more = realloc(t->data, room);
        if (!more) return CAIRO_STATUS_NO_MEMORY;
        t->data = more, t->room = room;
    }
    memcpy(t->data + t->n, data, n);
    t->n += n;
    return CAIRO_STATUS_SUCCESS;
}

static int write_svg(const cli_page *p, const char *path) {
    text t = {0};
    cairo_surface_t *s = cairo_svg_surface_create_for_stream(grow, &t, p->width, p->height);
    bool fine = draw(p, s);
    cairo_surface_finish(s);
    fine = fine && cairo_surface_status(s) == CAIRO_STATUS_SUCCESS;
    cairo_surface_destroy(s);
    int status = fine ? CLI_FINE : cli_fail("cairo could not draw the figure");
    if (fine && soma_file_write(p->ctx, path, t.data, t.n) != SOMA_OK) status = cli_error(p->ctx);
    free(t.data);
    return status;
}
const char *cli_cairo(void) { return cairo_version_string(); }
#else
static bool raster(const cli_page *p, soma_image *out) {
    memset(out->pixels, 255, (size_t)p->width * (size_t)p->height * 3);
    for (int i = 0; i < p->n; i++) {
        const cli_mark *m = &p->marks[i];
        for (int y = 0; y < m->height; y++)
            for (int x = 0; x < m->width; x++)
                for (int c = 0; c < 3; c++) {
                    const soma_image *o = m->picture;
                    out->pixels[((ptrdiff_t)(m->y + y) * p->width + m->x + x) * 3 + c] =
                        o ? o->pixels[(y * o->width + x) * o->channels + (o->channels == 3 ? c : 0)] : m->ink[c];
                }
    }
    return true;
}
static int write_svg(const cli_page *p, const char *path) { return (void)p, (void)path, CLI_FAILED; }
const char *cli_cairo(void) { return NULL; }
#endif

bool cli_figure_fits(const char *path) {
    if (!path) return true;
    bool svg = ends(path, ".svg");
    if (svg && !cli_cairo()) return cli_fail("-o %s: SVG files want cairo, which this build lacks; a .png file has the pictures alone", path), false;
    if (svg || ends(path, ".png")) return true;
    return cli_fail("-o %s: the file's name says what it is to be: .png or .svg", path), false;
}

int cli_figure_show(const cli_figure *f, const char *path) {
    cli_page page;
    if (!path) {
        bool fine = true;
        for (const cli_block *b = f->first; fine && b; b = b->next) fine = cli_block_draw(f->ctx, b);
        return fine ? CLI_FINE : cli_error(f->ctx);
    }
    if (!cli_page_of(f, &page)) return cli_error(f->ctx);
    if (ends(path, ".svg")) return write_svg(&page, path);
    soma_image *i = cli_image(f->ctx, page.height, page.width, 3);
    if (!i) return cli_error(f->ctx);
    if (!raster(&page, i)) return CLI_FAILED;
    if (soma_image_write(f->ctx, path, i) != SOMA_OK) return cli_error(f->ctx);
    if (!cli_cairo()) fprintf(stderr, "note: this build lacks cairo, so %s has no words\n", path);
    return CLI_FINE;
}
