/* Colours changed, in integers: factors are multiples of 2^-16. */
#include "data/transform.h"

#include <string.h>

#define ONE 65536

static uint8_t clipped(int64_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }
static int grey_of(const uint8_t *p, int64_t plane) { return (int)((19595u * p[0] + 38470u * p[plane] + 7471u * p[2 * plane] + 32768u) >> 16); }

/* other + factor * (v - other), as Pillow's blend but rounded to nearest. */
static uint8_t blend(int64_t other, int64_t v, int64_t factor) { return clipped((other * ONE + factor * (v - other) + ONE / 2) >> 16); }

static void brightness(uint8_t *p, int64_t channels, int64_t plane, int64_t factor) {
    for (int64_t k = 0; k < channels * plane; k++) p[k] = blend(0, p[k], factor);
}

static void contrast(uint8_t *p, int64_t channels, int64_t plane, int64_t factor) {
    int64_t sum = 0;
    for (int64_t k = 0; k < plane; k++) sum += channels == 3 ? grey_of(p + k, plane) : p[k];
    int64_t mean = (2 * sum + plane) / (2 * plane);
    for (int64_t k = 0; k < channels * plane; k++) p[k] = blend(mean, p[k], factor);
}

static void saturation(uint8_t *p, int64_t channels, int64_t plane, int64_t factor) {
    for (int64_t k = 0; channels == 3 && k < plane; k++) {
        int grey = grey_of(p + k, plane);
        for (int c = 0; c < 3; c++) p[c * plane + k] = blend(grey, p[c * plane + k], factor);
    }
}

/* The hexagon of hues has six sides of ONE each; on a side one colour is the most, one the least, and the third goes from one to the other. */
static void hue(uint8_t *p, int64_t channels, int64_t plane, int64_t turn) {
    for (int64_t k = 0; channels == 3 && k < plane; k++) {
        int64_t v[3] = {p[k], p[plane + k], p[2 * plane + k]}, most = v[0], least = v[0];
        int first = 0; /* the colour that is the most */
        for (int c = 1; c < 3; c++) {
            if (v[c] > most) most = v[c], first = c;
            if (v[c] < least) least = v[c];
        }
        int64_t span = most - least;
        if (!span) continue;
        int64_t h = 2 * ONE * first + (v[(first + 1) % 3] - v[(first + 2) % 3]) * ONE / span + turn;
        h = (h % (6 * ONE) + 6 * ONE) % (6 * ONE);
        int64_t side = h / ONE, along = h % ONE, rising = least + ((span * along + ONE / 2) >> 16), falling = most - ((span * along + ONE / 2) >> 16);
        int64_t to[6][3] = {{most, rising, least},  {falling, most, least}, {least, most, rising},
                            {least, falling, most}, {rising, least, most},  {most, least, falling}};
        for (int c = 0; c < 3; c++) p[c * plane + k] = (uint8_t)to[side][c];
    }
}

static int64_t factor_of(soma__draws *d, double reach) {
    double least = 1 - reach > 0 ? 1 - reach : 0;
    return (int64_t)(soma__draw_between(d, least, 1 + reach) * ONE + 0.5);
}

bool soma__run_colour_jitter(const soma_transform *t, soma__frame *f) {
    static void (*const changes[4])(uint8_t *, int64_t, int64_t, int64_t) = {brightness, contrast, saturation, hue};
    const double reaches[4] = {t->brightness, t->contrast, t->saturation, t->hue};
    int order[4] = {0, 1, 2, 3};
    int64_t factors[4], plane = f->height * f->width;
    for (int k = 3; k > 0; k--) {
        int64_t j = soma__draw_below(&f->draws, k + 1);
        int was = order[k];
        order[k] = order[j], order[j] = was;
    }
    for (int k = 0; k < 3; k++) factors[k] = factor_of(&f->draws, reaches[k]);
    factors[3] = (int64_t)(soma__draw_between(&f->draws, -t->hue, t->hue) * 6 * ONE);
    memcpy(f->out, f->in, (size_t)(f->channels * plane));
    for (int k = 0; k < 4; k++)
        if (reaches[order[k]] > 0) changes[order[k]](f->out, f->channels, plane, factors[order[k]]);
    return true;
}

bool soma__run_grayscale(const soma_transform *t, soma__frame *f) {
    int64_t plane = f->height * f->width;
    (void)t;
    if (f->channels != 3) return false;
    for (int64_t k = 0; k < plane; k++) f->out[k] = f->out[plane + k] = f->out[2 * plane + k] = (uint8_t)grey_of(f->in + k, plane);
    return true;
}
