/* Figures: pictures with words, put together once, then written as PNG or SVG or drawn in the terminal. */
#ifndef SOMA_CLI_FIGURE_H
#define SOMA_CLI_FIGURE_H

#include "cli.h"

/* A picture with up to two lines under it; no picture: an empty place. */
typedef struct cli_tile {
    const soma_image *picture;
    const char *lines[2]; /* NULL: none */
} cli_tile;

/* How often a class (row) was taken for a class (column). */
typedef struct cli_matrix {
    int64_t n;
    const int64_t *counts;    /* [n, n] */
    const char *const *names; /* n */
} cli_matrix;

/* A title, and under it tiles of one size, or a matrix. */
typedef struct cli_block {
    const char *title;
    cli_tile *tiles;
    int n, room;
    int columns; /* tiles in a row; 0: as many as fit */
    int side;    /* pixels of a file that a picture's longer side is brought near to: enlarged by whole numbers, or made smaller */
    int cells;   /* the same for its width in columns of the terminal */
    const cli_matrix *matrix;
    struct cli_block *next;
} cli_block;

typedef struct cli_figure {
    soma_context *ctx;
    cli_block *first, *last;
} cli_figure;

/* Pixels that are zero; of the innermost scope. NULL with the error pending. */
soma_image *cli_image(soma_context *ctx, int64_t height, int64_t width, int64_t channels);
/* Of planes of bytes, [channels, height, width]. */
soma_image *cli_image_of_bytes(soma_context *ctx, const uint8_t *planes, int channels, int height, int width);
/* The same with each pixel as a square of so many. */
const soma_image *cli_image_enlarged(soma_context *ctx, const soma_image *image, int64_t times);
/* A further block; NULL with the error pending. */
cli_block *cli_figure_add(cli_figure *f, int side, int cells, const char *title, ...) __attribute__((format(printf, 4, 5)));
/* A further tile; texts are copied. False with the error pending. */
bool cli_block_put(cli_figure *f, cli_block *b, const soma_image *picture, const char *first, const char *second);
/* Can the figure be written to a file of this name? False when it said why not. */
bool cli_figure_fits(const char *path);
/* Writes the figure to a file, by its name's end, or draws it on stdout (path NULL). Returns the exit status. */
int cli_figure_show(const cli_figure *f, const char *path);
/* The version of cairo; NULL: built without it. */
const char *cli_cairo(void);
/* Draws a block on stdout. False with the error pending. */
bool cli_block_draw(soma_context *ctx, const cli_block *b);

/* A page: what is where, in pixels from the upper left. */
typedef enum cli_mark_kind { CLI_PICTURE, CLI_BOX, CLI_WORDS_AT } cli_mark_kind;
typedef struct cli_mark {
    cli_mark_kind kind;
    int x, y, width, height; /* of words: where their base line begins, is halved or ends */
    const soma_image *picture;
    const char *text;
    double align, size; /* of words: 0 they begin there, 0.5 their middle, 1 they end; height of the letters */
    bool bold, upwards;
    uint8_t ink[3];
} cli_mark;
typedef struct cli_page {
    soma_context *ctx;
    cli_mark *marks;
    int n, room, width, height;
} cli_page;
/* False with the error pending. */
bool cli_page_of(const cli_figure *f, cli_page *page);

/* Characters of UTF-8 text. */
int cli_length(const char *text);
/* The text, cut with dots if it has more characters than `most`; of the innermost scope, or itself. */
const char *cli_cut(soma_context *ctx, const char *text, int most);

/* Colours: of 0 to 1 from dark to bright; of -1 to 1 from blue over white (0) to red; how much of a row, from white to blue. */
void cli_heat(double v, uint8_t rgb[3]);
void cli_two_sided(double v, uint8_t rgb[3]);
void cli_share(double v, uint8_t rgb[3]);

#endif
