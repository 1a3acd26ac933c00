/* soma show: what of a photo the answer hangs on. */
#include "show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The class that is asked for; -1 when it said why not. */
static int64_t class_of(const cli_shown *s, const cli_photo *p) {
    int64_t n = soma_model_outputs(s->m);
    if (!s->class) return p->class;
    if (soma_model_is_valued(s->m)) return cli_fail("--class: the model predicts a number, no class"), -1;
    for (int64_t c = 0; c < n; c++)
        if (strcmp(soma_model_class_name(s->m, c), s->class) == 0) return c;
    char list[1000];
    size_t at = 0;
    for (int64_t c = 0; c < n && at + 64 < sizeof list; c++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%.50s", c ? ", " : "", soma_model_class_name(s->m, c));
    return cli_fail("--class %.100s: there is no such class; the model has: %s", s->class, list), -1;
}

/* "'cat' (said: dog, 93.1 %)" */
static void about(const cli_shown *s, const cli_photo *p, int64_t class, char *out, size_t size) {
    const char *name = soma_model_class_name(s->m, p->class);
    if (soma_model_is_valued(s->m)) snprintf(out, size, "the answer %.4g", p->p);
    else if (class == p->class) snprintf(out, size, "%.60s, the answer, %.1f %%", name, 100 * p->p);
    else snprintf(out, size, "%.60s; the answer is %.60s, %.1f %%", soma_model_class_name(s->m, class), name, 100 * p->p);
}

static soma_image *heat(soma_context *ctx, const float *map, const cli_photo *p, double scale) {
    soma_image *out = cli_image(ctx, p->height, p->width, 3);
    for (int64_t k = 0; out && k < p->height * p->width; k++) cli_heat(scale > 0 ? (double)map[k] / scale : 0, out->pixels + 3 * k);
    return out;
}

/* The photo in grey under the colours: the stronger a place, the more colour. */
static soma_image *overlay(soma_context *ctx, const float *map, const cli_photo *p, double scale) {
    const soma_image *grey = soma_image_channels(ctx, p->picture, 1);
    soma_image *out = grey ? heat(ctx, map, p, scale) : NULL;
    for (int64_t k = 0; out && k < p->height * p->width; k++)
        for (int c = 0; c < 3; c++) {
            double share = scale > 0 ? 0.8 * sqrt((double)map[k] / scale) : 0;
            out->pixels[3 * k + c] = (uint8_t)((1 - share) * grey->pixels[k] + share * out->pixels[3 * k + c] + 0.5);
        }
    return out;
}

static double greatest(const float *map, int64_t n) {
    double most = 0;
    for (int64_t k = 0; k < n; k++) most = (double)map[k] > most ? (double)map[k] : most;
    return most;
}

bool cli_show_saliency(cli_shown *s, const char *photo) {
    cli_photo p;
    char text[200];
    if (!cli_photo_of(s, photo, &p)) return false;
    int64_t class = class_of(s, &p);
    if (class < 0) return false;
    float *map = soma_scope_memory(s->ctx, (size_t)(p.height * p.width) * sizeof *map);
    if (!map || soma_model_saliency(s->m, p.inputs, class, map) != SOMA_OK) return cli_error(s->ctx), false;
    double most = greatest(map, p.height * p.width);
    about(s, &p, class, text, sizeof text);
    cli_block *b = cli_figure_add(&s->figure, 224, 32, "saliency of %s", text);
    if (b) b->columns = 2;
    cli_block_put(&s->figure, b, p.picture, "the photo", NULL);
    snprintf(text, sizeof text, "|d score / d pixel| to %.2g", most);
    return cli_block_put(&s->figure, b, heat(s->ctx, map, &p, most), text, NULL) || cli_error(s->ctx) == CLI_FINE;
}

bool cli_show_grad_cam(cli_shown *s, const char *photo) {
    cli_photo p;
    char text[200];
    int64_t layer = s->layer ? cli_find_layer(s->ctx, s->m, s->layer) : soma_model_grad_cam_layer(s->m);
    if ((s->layer && layer < 0) || !cli_photo_of(s, photo, &p)) return false;
    int64_t class = class_of(s, &p);
    if (class < 0) return false;
    float *map = soma_scope_memory(s->ctx, (size_t)(p.height * p.width) * sizeof *map);
    if (!map || soma_model_grad_cam(s->m, layer, p.inputs, class, map) != SOMA_OK) return cli_error(s->ctx), false;
    double most = greatest(map, p.height * p.width);
    about(s, &p, class, text, sizeof text);
    const soma_layer_info *info = cli_layers(s->ctx, s->m);
    cli_block *b = cli_figure_add(&s->figure, 224, 32, "Grad-CAM, layer %lld (%s), of %s", (long long)layer, info ? info[layer].kind : "", text);
    if (b) b->columns = 3;
    cli_block_put(&s->figure, b, p.picture, "the photo", NULL);
    snprintf(text, sizeof text, most > 0 ? "speaks for it, to %.2g" : "nothing speaks for it", most);
    cli_block_put(&s->figure, b, heat(s->ctx, map, &p, most), text, NULL);
    return cli_block_put(&s->figure, b, overlay(s->ctx, map, &p, most), "both", NULL) || cli_error(s->ctx) == CLI_FINE;
}
