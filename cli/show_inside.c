/* soma show: the weights of a layer, and what layers make of a photo. */
#include "show.h"

#include <math.h>
#include <string.h>

/* Numbers of a layer that is looked at, [n, channels, height, width]. */
typedef struct grid {
    float *v;
    int64_t n, channels, height, width;
    double least, most;
} grid;

static void range_of(grid *g) {
    g->least = (double)INFINITY, g->most = -(double)INFINITY;
    for (int64_t k = 0; k < g->n * g->channels * g->height * g->width; k++)
        g->least = fmin(g->least, (double)g->v[k]), g->most = fmax(g->most, (double)g->v[k]);
}

/* Is it a weight that can be looked at? Of a convolution of pictures, or of neurons that see all of one. */
static bool visible(const cli_shown *s, const soma_tensor *t, grid *g) {
    const int64_t *d = soma_shape(t), *shape;
    int64_t ndim, pixels = 1;
    if (soma_tensor_dtype(t) != SOMA_F32) return false;
    if (soma_ndim(t) == 4) return *g = (grid){.n = d[0], .channels = d[1], .height = d[2], .width = d[3]}, d[2] * d[3] > 1;
    soma_model_input(s->m, &shape, &ndim);
    for (int64_t k = 0; k < ndim; k++) pixels *= shape[k];
    if (soma_ndim(t) != 2 || ndim < 2 || d[1] != pixels) return false;
    *g = (grid){.n = d[0], .channels = ndim == 3 ? shape[0] : 1, .height = shape[ndim - 2], .width = shape[ndim - 1]};
    return true;
}

/* The first such weight, of the layer or of all; the layer that has it. -1: there is none, or the error is pending. */
static int64_t find_weight(const cli_shown *s, int64_t layer, grid *g) {
    soma_module *m = soma_model_module(s->m);
    for (size_t i = 0; i < soma_module_state_count(m); i++) {
        char key[256];
        soma_tensor *t;
        long long place;
        if (soma_module_state(m, i, key, sizeof key, &t) != SOMA_OK || sscanf(key, "%lld.", &place) != 1) continue; /* NOLINT: few digits */
        if ((layer >= 0 && place != layer) || !visible(s, t, g)) continue;
        size_t bytes = (size_t)soma_numel(t) * sizeof(float);
        g->v = soma_scope_memory(s->ctx, bytes);
        if (!g->v || soma_read(t, g->v, bytes) != SOMA_OK) return -1;
        range_of(g);
        return place;
    }
    return -1;
}

/* A filter of three channels in their colours, grey where weights are 0; or one of its channels, blue and red. All of a layer by one scale. */
static soma_image *filter_image(const cli_shown *s, const grid *g, int64_t i, int64_t channel) {
    double scale = fmax(fabs(g->least), fabs(g->most));
    int64_t plane = g->height * g->width;
    soma_image *out = cli_image(s->ctx, g->height, g->width, 3);
    for (int64_t k = 0; out && k < plane; k++) {
        const float *v = g->v + (i * g->channels + (channel < 0 ? 0 : channel)) * plane + k;
        if (channel >= 0) cli_two_sided(scale > 0 ? (double)*v / scale : 0, out->pixels + 3 * k);
        for (int c = 0; channel < 0 && c < 3; c++) {
            double level = scale > 0 ? 127.5 + 127.5 * (double)v[c * plane] / scale : 127.5;
            out->pixels[3 * k + c] = level >= 0 && level <= 255 ? (uint8_t)level : 0; /* no number: black */
        }
    }
    return out;
}

bool cli_show_filters(cli_shown *s) {
    grid g = {0};
    int64_t layer = s->layer ? cli_find_layer(s->ctx, s->m, s->layer) : -1;
    if (s->layer && layer < 0) return false;
    const soma_layer_info *info = cli_layers(s->ctx, s->m);
    int64_t place = info ? find_weight(s, layer, &g) : -1;
    if (!info || soma_error_status(s->ctx) != SOMA_OK) return cli_error(s->ctx), false;
    if (place < 0 && layer >= 0)
        return cli_fail("--layer %s: layer %lld (%s) has no filters that are pictures", s->layer, (long long)layer, info[layer].kind), false;
    if (place < 0) return cli_fail("--filters: %s has no weights that are pictures", s->word), false;
    bool colour = g.channels == 3;
    int64_t most = s->most ? s->most : 64, inputs = colour ? 1 : g.channels, n = g.n;
    if (inputs > 1 && !s->most) most = 16;
    n = n < most ? n : most, inputs = inputs < most ? inputs : most;
    char rest[100] = "", through[100] = "";
    if (n < g.n) snprintf(rest, sizeof rest, ", the first %lld", (long long)n);
    if (inputs > 1)
        snprintf(through, sizeof through, "; a row for each, a column for each of%s %lld inputs", inputs < g.channels ? " the first" : "",
                 (long long)inputs);
    bool neurons = strcmp(info[place].kind, "linear") == 0;
    cli_block *b = cli_figure_add(
        &s->figure, inputs > 1 ? 40 : 60, neurons ? 14 : 10, "layer %lld, %s: %lld %s of %lld x %lld, weights %.3g to %.3g%s%s", (long long)place,
        info[place].kind, (long long)g.n, neurons ? "neurons" : "filters", (long long)g.height, (long long)g.width, g.least, g.most, rest, through);
    if (b && inputs > 1) b->columns = (int)inputs;
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < inputs; c++) cli_block_put(&s->figure, b, filter_image(s, &g, i, colour ? -1 : c), NULL, NULL);
    return soma_error_status(s->ctx) == SOMA_OK || cli_error(s->ctx) == CLI_FINE;
}

/* Numbers of one layer are painted by one scale: from dark to bright, or where some are negative blue and red around 0. */
static soma_image *painted(soma_context *ctx, const float *v, const grid *g, int64_t height, int64_t width) {
    soma_image *out = cli_image(ctx, height, width, 3);
    double scale = fmax(fabs(g->least), fabs(g->most));
    for (int64_t k = 0; out && k < height * width; k++) {
        double x = scale > 0 ? (double)v[k] / scale : 0;
        if (isnan(v[k])) memset(out->pixels + 3 * k, 255, 3);
        else if (g->least < 0) cli_two_sided(x, out->pixels + 3 * k);
        else cli_heat(x, out->pixels + 3 * k);
    }
    return out;
}

static void put_maps(cli_shown *s, int64_t layer, const char *kind, const grid *g) {
    int64_t most = s->most ? s->most : 16, n = g->channels < most ? g->channels : most;
    char rest[60] = "";
    if (n < g->channels) snprintf(rest, sizeof rest, ", the first %lld", (long long)n);
    cli_block *b = cli_figure_add(&s->figure, 84, 16, "layer %lld, %s: %lld maps of %lld x %lld, %.3g to %.3g%s", (long long)layer, kind,
                                  (long long)g->channels, (long long)g->height, (long long)g->width, g->least, g->most, rest);
    for (int64_t c = 0; c < n; c++)
        cli_block_put(&s->figure, b, painted(s->ctx, g->v + c * g->height * g->width, g, g->height, g->width), NULL, NULL);
}

/* The last layer's numbers stand with the names of their classes. */
static void put_classes(cli_shown *s, int64_t layer, const char *kind, const grid *g) {
    cli_block *b = cli_figure_add(&s->figure, 36, 8, "layer %lld, %s: %lld numbers, %.3g to %.3g", (long long)layer, kind, (long long)g->width,
                                  g->least, g->most);
    for (int64_t c = 0; c < g->width; c++) {
        char text[32];
        snprintf(text, sizeof text, "%.3g", (double)g->v[c]);
        cli_block_put(&s->figure, b, painted(s->ctx, g->v + c, g, 1, 1), soma_model_class_name(s->m, c), text);
    }
}

/* Numbers without places, as rows of up to 64 and about the same length. */
static void put_numbers(cli_shown *s, int64_t layer, const char *kind, const grid *g) {
    int64_t n = g->width < 4096 ? g->width : 4096, height = (n + 63) / 64, width = (n + height - 1) / height;
    cli_block *b = cli_figure_add(&s->figure, (int)(width * 12), (int)width, "layer %lld, %s: %lld numbers%s, %.3g to %.3g", (long long)layer, kind,
                                  (long long)g->width, n < g->width ? ", the first 4096" : "", g->least, g->most);
    float *padded = soma_scope_memory(s->ctx, (size_t)(width * height) * sizeof *padded);
    if (!padded) return;
    for (int64_t k = 0; k < width * height; k++) padded[k] = k < n ? g->v[k] : NAN;
    cli_block_put(&s->figure, b, painted(s->ctx, padded, g, height, width), NULL, NULL);
}

static bool put_layer(cli_shown *s, size_t layer, const soma_layer_info *i, const float *inputs) {
    grid g = {.n = 1, .channels = 1, .height = 1, .width = soma_model_feature_count(s->m, layer)};
    g.v = soma_scope_memory(s->ctx, (size_t)g.width * sizeof *g.v);
    if (!g.v || soma_model_features(s->m, layer, inputs, 1, g.v) != SOMA_OK) return false;
    bool maps = i->ndim == 3 && i->shape[1] * i->shape[2] > 1;
    if (maps) g.channels = i->shape[0], g.height = i->shape[1], g.width = i->shape[2];
    range_of(&g);
    bool last = layer + 1 == soma_recipe_layer_count(soma_model_recipe(s->m));
    if (maps) put_maps(s, (int64_t)layer, i->kind, &g);
    else if (last && g.width == soma_model_outputs(s->m) && g.width <= 64) put_classes(s, (int64_t)layer, i->kind, &g);
    else put_numbers(s, (int64_t)layer, i->kind, &g);
    return soma_error_status(s->ctx) == SOMA_OK;
}

/* Layers that change nothing in eval mode, or the shape alone, would show the picture above them once more. */
static bool repeats(const char *kind) {
    static const char *const kinds[] = {"flatten", "unflatten", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0) return true;
    return false;
}

bool cli_show_features(cli_shown *s, const char *photo) {
    cli_photo p;
    int64_t layer = s->layer ? cli_find_layer(s->ctx, s->m, s->layer) : -1;
    const soma_layer_info *info = cli_layers(s->ctx, s->m);
    if ((s->layer && layer < 0) || !cli_photo_of(s, photo, &p)) return false;
    char said[200];
    if (soma_model_is_valued(s->m)) snprintf(said, sizeof said, "%.4g", p.p);
    else snprintf(said, sizeof said, "%.100s, %.1f %%", soma_model_class_name(s->m, p.class), 100 * p.p);
    cli_block *b = cli_figure_add(&s->figure, 112, 32, "%s, as the model sees it: %s", photo, said);
    bool fine = info && cli_block_put(&s->figure, b, p.picture, NULL, NULL);
    for (size_t i = 0; fine && i < soma_recipe_layer_count(soma_model_recipe(s->m)); i++)
        if (s->layer ? (int64_t)i == layer : !repeats(info[i].kind)) fine = put_layer(s, i, &info[i], p.inputs);
    return fine || cli_error(s->ctx) == CLI_FINE;
}
