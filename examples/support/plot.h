/* Pictures for the chapters: panels with axes, lines, points, shaded fields and words; written as SVG and PNG by cairo. Built without cairo, every
 * call does nothing. */
#ifndef PLOT_H
#define PLOT_H

typedef struct plot plot;

/* A row of panels, each so many units wide and high (units: about a pixel). */
plot *plot_new(int panels, double width, double height);
/* The next panel: its title, the range of its axes, and what they are; a log_y axis is given by y0 and y1 above 0. */
void plot_panel(plot *p, const char *title, double x0, double x1, double y0, double y1, const char *x_name, const char *y_name, int log_y);
/* A panel without axes, from (0, 0) at the lower left to (1, 1). */
void plot_blank(plot *p, const char *title);
/* The panel's legend stands at the lower right, not the upper. */
void plot_legend_below(plot *p);
/* Colours count from 0. label: in the legend, or NULL. */
void plot_line(plot *p, const double *x, const double *y, int n, int colour, const char *label);
void plot_points(plot *p, const double *x, const double *y, int n, int colour, const char *label);
/* Shades the panel by value(x, y) in [0, 1]: colour 0 at 0, colour 1 at 1. */
void plot_field(plot *p, double (*value)(void *user, double x, double y), void *user);
void plot_text(plot *p, double x, double y, const char *text);
/* Numbers as squares, so many panels wide, its upper left corner at (x, y) of a blank panel. full: the number whose shade is full. With a sign:
 * colour 1 above 0, colour 0 below; without: black above 0. */
void plot_image(plot *p, double x, double y, double width, const float *v, int rows, int columns, double full, int has_sign);
/* Writes FOLDER/NAME.svg and .png and frees it. Returns 0 when they could not be written. */
int plot_save(plot *p, const char *folder, const char *name);

#endif
