/* Samples of pictures: a few in the terminal, many as a file. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* Pictures of a data set as bytes, one behind the other. */
typedef struct gallery {
    const soma_picture_info *info;
    int height, width;
    size_t bytes; /* of one */
    float *x;
    uint8_t *all;
    const uint8_t **list;
} gallery;

static bool gallery_open(gallery *g, const soma_dataset *d, int most) {
    const int64_t *shape;
    int64_t ndim;
    *g = (gallery){.info = soma_dataset_pictures(d)};
    if (!g->info) return false;
    soma_dataset_shape(d, &shape, &ndim);
    g->height = (int)shape[ndim - 2], g->width = (int)shape[ndim - 1];
    g->bytes = (size_t)g->info->channels * (size_t)g->height * (size_t)g->width;
    g->x = malloc(g->bytes * sizeof *g->x), g->all = malloc((size_t)most * g->bytes), g->list = calloc((size_t)most, sizeof *g->list);
    return g->x && g->all && g->list;
}
static void gallery_put(gallery *g, const soma_dataset *d, int64_t epoch, int64_t i, int place, int64_t *class) {
    uint8_t *out = g->all + (size_t)place * g->bytes;
    soma_dataset_raw(d, epoch, i, g->x, class);
    for (size_t k = 0; k < g->bytes; k++) out[k] = (uint8_t)g->x[k];
    g->list[place] = out;
}
static void gallery_close(gallery *g) { free(g->x), free(g->all), free(g->list); }

/* A few samples from all over the part. */
void cli_gallery(soma_context *ctx, const soma_dataset *d) {
    enum { SHOWN = 16 };
    gallery g;
    static char said[SHOWN][64];
    const char *texts[SHOWN];
    int n = 0, wide, fit;
    int64_t count = soma_dataset_count(d);
    if (!gallery_open(&g, d, SHOWN)) {
        gallery_close(&g);
        return;
    }
    wide = g.width < 64 ? g.width : 64;
    fit = cli_columns() / (wide + 2);
    for (; n < SHOWN && n < 2 * (fit ? fit : 1) && n < count; n++) {
        int64_t class, i = n * (count < SHOWN ? 1 : count / SHOWN);
        gallery_put(&g, d, 0, i, n, &class);
        if (class < g.info->n_classes) snprintf(said[n], sizeof said[n], "%.60s", g.info->classes[class]);
        else snprintf(said[n], sizeof said[n], "%lld", (long long)class);
        cli_plain(said[n]);
        texts[n] = said[n];
    }
    putchar('\n');
    cli_draw_bytes(ctx, g.list, texts, n, (int)g.info->channels, g.height, g.width);
    gallery_close(&g);
}

/* A sheet of samples from all over the part; augmented: a row for each, with its epochs. */
int cli_gallery_sheet(soma_context *ctx, const soma_dataset *d, const char *path, bool augmented) {
    enum { SIDE = 8 };
    gallery g;
    int64_t count = soma_dataset_count(d);
    int rows = augmented && count < SIDE ? (int)count : SIDE, status = CLI_FAILED;
    size_t length = strlen(path);
    if (!soma_dataset_pictures(d)) return cli_fail("-o: the data is no pictures");
    if (length < 5 || strcmp(path + length - 4, ".png") != 0) return cli_fail("-o %s: the sheet is a PNG file; its name ends in .png", path);
    if (!gallery_open(&g, d, SIDE * SIDE)) cli_fail("out of memory");
    else {
        for (int k = 0; k < rows * SIDE; k++) {
            int64_t place = augmented ? k / SIDE : k, places = augmented ? rows : SIDE * SIDE, i = count < places ? place : place * (count / places);
            if (i < count) gallery_put(&g, d, augmented ? k % SIDE : 0, i, k, NULL);
        }
        status = cli_sheet(ctx, path, g.list, rows, SIDE, (int)g.info->channels, g.height, g.width);
    }
    gallery_close(&g);
    return status;
}
