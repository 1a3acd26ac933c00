#include "plot.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if SOMA_HAVE_CAIRO
#include <cairo-svg.h>

enum { LEFT = 58, RIGHT = 14, TOP = 34, BOTTOM = 46, LEGEND = 16 };
static const double colours[][3] = {{0.12, 0.42, 0.70}, {0.85, 0.37, 0.01}, {0.17, 0.55, 0.24},
                                    {0.58, 0.35, 0.65}, {0.55, 0.34, 0.29}, {0.35, 0.35, 0.35}};
#define COLOURS (int)(sizeof colours / sizeof *colours)

struct plot {
    cairo_surface_t *surface;
    cairo_t *c;
    double width, height, all;
    int panel, panels, legends;
    double x0, x1, y0, y1;
    int log_y, below;
};

plot *plot_new(int panels, double width, double height) {
    plot *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->width = width, p->height = height, p->panels = panels, p->panel = -1, p->all = width * panels;
    p->surface = cairo_recording_surface_create(CAIRO_CONTENT_COLOR_ALPHA, &(cairo_rectangle_t){0, 0, p->all, height});
    p->c = cairo_create(p->surface);
    cairo_set_source_rgb(p->c, 1, 1, 1);
    cairo_paint(p->c);
    cairo_select_font_face(p->c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    return p;
}

static void ink(plot *p, int colour) {
    if (colour < 0) cairo_set_source_rgb(p->c, 0.15, 0.15, 0.15);
    else cairo_set_source_rgb(p->c, colours[colour % COLOURS][0], colours[colour % COLOURS][1], colours[colour % COLOURS][2]);
}
static double at_x(const plot *p, double x) { return p->panel * p->width + LEFT + (x - p->x0) / (p->x1 - p->x0) * (p->width - LEFT - RIGHT); }
static double at_y(const plot *p, double y) {
    double share = p->log_y ? log(fmax(y, p->y0) / p->y0) / log(p->y1 / p->y0) : (y - p->y0) / (p->y1 - p->y0);
    return p->height - BOTTOM - share * (p->height - TOP - BOTTOM);
}

/* Words around a place: align 0 begins there, 0.5 is in the middle, 1 ends there. */
static void words(plot *p, double x, double y, double align, double size, const char *text) {
    cairo_text_extents_t e;
    cairo_set_font_size(p->c, size);
    cairo_text_extents(p->c, text, &e);
    cairo_move_to(p->c, x - align * e.x_advance, y);
    cairo_show_text(p->c, text);
}

static void clip(plot *p) {
    cairo_save(p->c);
    cairo_rectangle(p->c, p->panel * p->width + LEFT, TOP, p->width - LEFT - RIGHT, p->height - TOP - BOTTOM);
    cairo_clip(p->c);
}

static void begin_panel(plot *p, const char *title) {
    p->panel++, p->legends = 0, p->below = 0;
    ink(p, -1);
    words(p, p->panel * p->width + LEFT + (p->width - LEFT - RIGHT) / 2, TOP - 14, 0.5, 14, title);
}

/* A round step that cuts a range into some five pieces. */
static double round_step(double range) {
    double step = pow(10, floor(log10(range / 4)));
    return range / step > 20 ? 5 * step : range / step > 8 ? 2 * step : step;
}

static void axis_x(plot *p) {
    double step = round_step((p->x1 - p->x0) * (p->width < 300 ? 2 : 1));
    char text[32];
    for (double x = ceil(p->x0 / step - 1e-9) * step; x <= p->x1 + 1e-9 * step; x += step) {
        snprintf(text, sizeof text, "%g", fabs(x) < 1e-9 * step ? 0 : x);
        words(p, at_x(p, x), p->height - BOTTOM + 15, 0.5, 11, text);
        cairo_move_to(p->c, at_x(p, x), p->height - BOTTOM);
        cairo_rel_line_to(p->c, 0, 4);
    }
}

static void axis_y(plot *p) {
    double step = p->log_y ? 0 : round_step(p->y1 - p->y0);
    int decades = p->log_y ? (int)ceil(log10(p->y1 / p->y0) / 6) : 1;
    char text[32];
    double first = p->log_y ? pow(10, ceil(log10(p->y0) - 1e-9)) : ceil(p->y0 / step - 1e-9) * step;
    for (double y = first; y <= p->y1 * (p->log_y ? 1.0001 : 1) + 1e-9 * step; y = p->log_y ? y * pow(10, decades) : y + step) {
        snprintf(text, sizeof text, p->log_y ? "%.0e" : "%g", fabs(y) < 1e-9 * step ? 0 : y);
        words(p, at_x(p, p->x0) - 7, at_y(p, y) + 4, 1, 11, text);
        cairo_move_to(p->c, at_x(p, p->x0) - 4, at_y(p, y));
        cairo_rel_line_to(p->c, 4, 0);
    }
}

void plot_panel(plot *p, const char *title, double x0, double x1, double y0, double y1, const char *x_name, const char *y_name, int log_y) {
    if (!p) return;
    begin_panel(p, title);
    p->x0 = x0, p->x1 = x1, p->y0 = y0, p->y1 = y1, p->log_y = log_y;
    cairo_set_line_width(p->c, 1);
    cairo_rectangle(p->c, at_x(p, x0), at_y(p, y1), at_x(p, x1) - at_x(p, x0), at_y(p, y0) - at_y(p, y1));
    axis_x(p), axis_y(p);
    cairo_stroke(p->c);
    words(p, (at_x(p, x0) + at_x(p, x1)) / 2, p->height - 10, 0.5, 12, x_name);
    cairo_save(p->c);
    cairo_translate(p->c, p->panel * p->width + 13, (at_y(p, y0) + at_y(p, y1)) / 2);
    cairo_rotate(p->c, -1.5707963);
    words(p, 0, 0, 0.5, 12, y_name);
    cairo_restore(p->c);
}

void plot_blank(plot *p, const char *title) {
    if (!p) return;
    begin_panel(p, title);
    p->x0 = p->y0 = 0, p->x1 = p->y1 = 1, p->log_y = 0;
}

void plot_legend_below(plot *p) {
    if (p) p->below = 1;
}

static void legend(plot *p, int colour, const char *label) {
    if (!label) return;
    double y = p->below ? p->height - BOTTOM - 10 - LEGEND * p->legends : TOP + 14 + LEGEND * p->legends, x = (p->panel + 1) * p->width - RIGHT - 8;
    cairo_text_extents_t e;
    p->legends++;
    cairo_set_font_size(p->c, 11);
    cairo_text_extents(p->c, label, &e);
    cairo_set_source_rgba(p->c, 1, 1, 1, 0.8);
    cairo_rectangle(p->c, x - e.x_advance - 24, y - 11, e.x_advance + 26, LEGEND);
    cairo_fill(p->c);
    ink(p, -1);
    words(p, x, y, 1, 11, label);
    ink(p, colour);
    cairo_rectangle(p->c, x - e.x_advance - 20, y - 6, 14, 4);
    cairo_fill(p->c);
}

void plot_line(plot *p, const double *x, const double *y, int n, int colour, const char *label) {
    if (!p) return;
    clip(p);
    ink(p, colour);
    cairo_set_line_width(p->c, 1.8);
    for (int i = 0, drawn = 0; i < n; i++) {
        if (!isfinite(y[i])) continue;
        if (drawn++) cairo_line_to(p->c, at_x(p, x[i]), at_y(p, y[i]));
        else cairo_move_to(p->c, at_x(p, x[i]), at_y(p, y[i]));
    }
    cairo_stroke(p->c);
    cairo_restore(p->c);
    legend(p, colour, label);
}

void plot_points(plot *p, const double *x, const double *y, int n, int colour, const char *label) {
    if (!p) return;
    clip(p);
    for (int i = 0; i < n; i++) {
        cairo_arc(p->c, at_x(p, x[i]), at_y(p, y[i]), 4, 0, 6.2831853);
        ink(p, colour);
        cairo_fill_preserve(p->c);
        cairo_set_source_rgb(p->c, 1, 1, 1);
        cairo_set_line_width(p->c, 1);
        cairo_stroke(p->c);
    }
    cairo_restore(p->c);
    legend(p, colour, label);
}

void plot_field(plot *p, double (*value)(void *user, double x, double y), void *user) {
    enum { CELLS = 60, LEVELS = 24 };
    if (!p) return;
    double w = (at_x(p, p->x1) - at_x(p, p->x0)) / CELLS, h = (at_y(p, p->y0) - at_y(p, p->y1)) / CELLS;
    for (int k = 0; k < CELLS; k++) {
        int level[CELLS + 1];
        for (int i = 0; i < CELLS; i++) {
            double v = value(user, p->x0 + (i + 0.5) / CELLS * (p->x1 - p->x0), p->y1 - (k + 0.5) / CELLS * (p->y1 - p->y0));
            level[i] = v < 0 ? 0 : v > 1 ? LEVELS : (int)(v * LEVELS + 0.5);
        }
        level[CELLS] = -1;
        for (int from = 0, to; from < CELLS; from = to) { /* neighbours of one shade as one bar */
            for (to = from + 1; level[to] == level[from];) to++;
            double v = (double)level[from] / LEVELS, shade[3];
            for (int c = 0; c < 3; c++) shade[c] = 1 - 0.35 * (1 - colours[0][c] + v * (colours[0][c] - colours[1][c]));
            cairo_set_source_rgb(p->c, shade[0], shade[1], shade[2]);
            cairo_rectangle(p->c, at_x(p, p->x0) + from * w, at_y(p, p->y1) + k * h, (to - from) * w + 0.3, h + 0.3);
            cairo_fill(p->c);
        }
    }
}

void plot_text(plot *p, double x, double y, const char *text) {
    if (!p) return;
    ink(p, -1);
    words(p, at_x(p, x), at_y(p, y) + 4, 0.5, 12, text);
}

/* v from -1 to 1 as a shade of white: with a sign towards the first two colours, without one (0 to 1) towards black. */
static uint32_t shade(double v, int has_sign) {
    double c[3], share = fmin(fabs(v), 1);
    uint32_t all = 0;
    for (int k = 0; k < 3; k++) {
        c[k] = 1 - share * (has_sign ? 1 - colours[v > 0][k] : 0.9);
        all = all << 8 | (uint32_t)(255 * c[k] + 0.5);
    }
    return all;
}

void plot_image(plot *p, double x, double y, double width, const float *v, int rows, int columns, double full, int has_sign) {
    enum { FINE = 112 }; /* whoever enlarges the picture shall see squares, not a blur */
    if (!p) return;
    int zoom = (FINE + columns - 1) / columns, w = columns * zoom, h = rows * zoom;
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
    unsigned char *bytes = cairo_image_surface_get_data(s);
    for (int i = 0; bytes && i < h; i++)
        for (int k = 0; k < w; k++) {
            uint32_t pixel = shade((double)v[i / zoom * columns + k / zoom] / full, has_sign);
            memcpy(bytes + (ptrdiff_t)i * cairo_image_surface_get_stride(s) + 4 * k, &pixel, 4);
        }
    cairo_surface_mark_dirty(s);
    double size = width * (at_x(p, 1) - at_x(p, 0)) / w;
    cairo_save(p->c);
    cairo_translate(p->c, at_x(p, x), at_y(p, y));
    cairo_scale(p->c, size, size);
    cairo_set_source_surface(p->c, s, 0, 0);
    cairo_paint(p->c);
    cairo_rectangle(p->c, 0, 0, w, h);
    ink(p, 5);
    cairo_set_line_width(p->c, 0.8 / size);
    cairo_stroke(p->c);
    cairo_restore(p->c);
    cairo_surface_destroy(s);
}

static int replay(plot *p, cairo_surface_t *to, double scale) {
    cairo_t *c = cairo_create(to);
    cairo_scale(c, scale, scale);
    cairo_set_source_surface(c, p->surface, 0, 0);
    cairo_paint(c);
    int fine = cairo_status(c) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(c);
    return fine;
}

int plot_save(plot *p, const char *folder, const char *name) {
    char path[1024];
    if (!p) return 0;
    snprintf(path, sizeof path, "%s/%s.svg", folder, name);
    cairo_surface_t *svg = cairo_svg_surface_create(path, p->all, p->height),
                    *png = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(2 * p->all), (int)(2 * p->height));
    int fine = replay(p, svg, 1) && replay(p, png, 2);
    cairo_surface_finish(svg);
    fine = fine && cairo_surface_status(svg) == CAIRO_STATUS_SUCCESS;
    snprintf(path, sizeof path, "%s/%s.png", folder, name);
    fine = fine && cairo_surface_write_to_png(png, path) == CAIRO_STATUS_SUCCESS;
    cairo_surface_destroy(svg), cairo_surface_destroy(png);
    cairo_destroy(p->c);
    cairo_surface_finish(p->surface); /* cairo 1.16's SVG surface does not give back its reference to one with images in it */
    cairo_surface_destroy(p->surface);
    free(p);
    return fine;
}

#else

plot *plot_new(int panels, double width, double height) { return (void)panels, (void)width, (void)height, (plot *)0; }
void plot_panel(plot *p, const char *title, double x0, double x1, double y0, double y1, const char *x_name, const char *y_name, int log_y) {
    (void)p, (void)title, (void)x0, (void)x1, (void)y0, (void)y1, (void)x_name, (void)y_name, (void)log_y;
}
void plot_blank(plot *p, const char *title) { (void)p, (void)title; }
void plot_legend_below(plot *p) { (void)p; }
void plot_line(plot *p, const double *x, const double *y, int n, int colour, const char *label) {
    (void)p, (void)x, (void)y, (void)n, (void)colour, (void)label;
}
void plot_points(plot *p, const double *x, const double *y, int n, int colour, const char *label) {
    (void)p, (void)x, (void)y, (void)n, (void)colour, (void)label;
}
void plot_field(plot *p, double (*value)(void *user, double x, double y), void *user) { (void)p, (void)value, (void)user; }
void plot_text(plot *p, double x, double y, const char *text) { (void)p, (void)x, (void)y, (void)text; }
void plot_image(plot *p, double x, double y, double width, const float *v, int rows, int columns, double full, int has_sign) {
    (void)p, (void)x, (void)y, (void)width, (void)v, (void)rows, (void)columns, (void)full, (void)has_sign;
}
int plot_save(plot *p, const char *folder, const char *name) { return (void)p, (void)folder, (void)name, 1; }

#endif
