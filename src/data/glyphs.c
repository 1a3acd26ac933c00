/* Digits drawn by the program: each is a few strokes, moved by a random affine map and bent a little, drawn with a random thickness, with noise. A
 * sample is a function of seed and number alone: additions, products, quotients and square roots in float32, so the same bytes everywhere. */
#include "data/dataset.h"

#include "base/fpmode.h"
#include "base/random.h"

#include <string.h>

#define SIDE 28
#define POINTS 40

/* Strokes in a box of 100 by 100, y downwards: 0 ends a stroke, -1 the digit. Curves are given as short lines. */
static const int8_t strokes[10][2 * POINTS] = {
    {50, 8, 32, 14, 22, 32, 20, 50, 22, 68, 32, 86, 50, 92, 68, 86, 78, 68, 80, 50, 78, 32, 68, 14, 50, 8, 0, 0, -1},
    {34, 26, 52, 8, 52, 92, 0, 0, -1},
    {24, 28, 32, 13, 50, 8, 68, 14, 74, 30, 68, 46, 46, 68, 22, 92, 78, 92, 0, 0, -1},
    {26, 16, 48, 8, 68, 14, 74, 28, 66, 42, 46, 48, 66, 52, 78, 68, 70, 84, 50, 92, 24, 84, 0, 0, -1},
    {62, 92, 62, 8, 20, 66, 82, 66, 0, 0, -1},
    {74, 8, 32, 8, 27, 45, 48, 39, 68, 46, 77, 64, 70, 84, 48, 92, 25, 84, 0, 0, -1},
    {68, 10, 46, 22, 30, 44, 23, 66, 32, 86, 50, 92, 68, 86, 76, 69, 68, 53, 50, 48, 32, 54, 24, 68, 0, 0, -1},
    {22, 8, 78, 8, 58, 44, 42, 92, 0, 0, -1},
    {50, 46, 32, 38, 27, 24, 36, 11, 50, 8, 64, 11, 73, 24, 68, 38, 50, 46, 30, 56, 22, 72, 32, 88, 50, 92, 68, 88, 78, 72, 70, 56, 50, 46, 0, 0, -1},
    {76, 34, 68, 48, 50, 53, 32, 47, 24, 31, 32, 14, 50, 8, 68, 14, 76, 32, 74, 58, 62, 80, 40, 92, 0, 0, -1},
};

typedef struct pen {
    uint64_t seed, sample;
    uint32_t word[4];
    uint64_t drawn;
} pen;

/* Uniform in [0, 1). */
static float draw(pen *p) {
    if (p->drawn % 4 == 0) soma__philox(p->seed, SOMA_STREAM_AUGMENTATION | (uint64_t)0x676c7970 << 8, p->sample << 12 | p->drawn / 4, p->word);
    return (float)(p->word[p->drawn++ % 4] >> 8) * 0x1p-24f;
}
static float between(pen *p, float a, float b) { return a + (b - a) * draw(p); }

typedef struct point {
    float x, y;
} point;

/* Lowers each pixel's squared distance to the pen's path by the line from a to b. Rows of plain loops: the compiler makes vectors of them. */
static void near_line(float *near, point a, point b) {
    float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy, over = length > 0 ? 1 / length : 0;
    for (int y = 0; y < SIDE; y++) {
        float py = (float)y + 0.5f - a.y;
        for (int x = 0; x < SIDE; x++) {
            float px = (float)x + 0.5f - a.x, t = (px * dx + py * dy) * over;
            t = t < 0 ? 0 : t;
            t = t > 1 ? 1 : t;
            float qx = px - t * dx, qy = py - t * dy, d = qx * qx + qy * qy, before = near[y * SIDE + x];
            near[y * SIDE + x] = d < before ? d : before;
        }
    }
}

/* The digit's points on the picture; returns how many, ends[i] says that the stroke ends at point i. */
static int place(pen *p, int digit, point *out, bool *ends) {
    float turn = between(p, -0.3f, 0.3f), lean = between(p, -0.25f, 0.25f), wide = between(p, 0.15f, 0.235f), high = between(p, 0.17f, 0.23f);
    float cx = between(p, 12.5f, 15.5f), cy = between(p, 12.5f, 15.5f), bend = between(p, -0.006f, 0.006f), shake = between(p, 0.5f, 3.0f);
    float c = 1 - turn * turn / 2, s = turn - turn * turn * turn / 6; /* near enough to a cosine and a sine */
    int n = 0;
    for (const int8_t *q = strokes[digit]; *q >= 0; q += 2) {
        if (!q[0] && !q[1]) {
            ends[n - 1] = true;
            continue;
        }
        float x = (float)q[0] - 50 + between(p, -shake, shake), y = (float)q[1] - 50 + between(p, -shake, shake);
        x = (x + lean * y + bend * y * y - bend * 800) * wide;
        y *= high;
        out[n] = (point){cx + c * x - s * y, cy + s * x + c * y};
        ends[n++] = false;
    }
    return n;
}

/* A sample of a seed: its pixels and its class. */
static void draw_glyph(uint64_t seed, int64_t number, float noise, uint8_t *pixels, uint8_t *label) {
    pen p = {.seed = seed, .sample = (uint64_t)number};
    point at[POINTS];
    bool ends[POINTS];
    int digit = (int)(draw(&p) * 10), n = place(&p, digit, at, ends);
    float radius = between(&p, 0.75f, 1.6f), ink = between(&p, 200, 255);
    float near[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) near[i] = 1e9f;
    for (int k = 0; k + 1 < n; k++)
        if (!ends[k]) near_line(near, at[k], at[k + 1]);
    for (int i = 0; i < SIDE * SIDE; i++) {
        float v = radius + 0.5f - __builtin_sqrtf(near[i]); /* covered from the edge inwards, over one pixel */
        v = (v < 0 ? 0 : v > 1 ? 1 : v) * ink + (draw(&p) - 0.5f) * 2 * noise * 255 * draw(&p);
        pixels[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    *label = (uint8_t)digit;
}

soma_dataset *soma_dataset_glyphs_v(soma_context *ctx, int64_t count, const soma_glyph_opts *options, size_t size) {
    soma_glyph_opts o;
    if (!ctx || !soma_options_read(ctx, "dataset_glyphs", &o, sizeof o, options, size)) return NULL;
    double noise = o.noise.set ? o.noise.value : 0.1;
    if (count < 1 || count > INT64_MAX >> 24 || o.first < 0 || o.first > INT64_MAX >> 24 || !(noise >= 0 && noise <= 1))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT,
                                "dataset_glyphs: a count of 1 or more, a first number of 0 or more and noise in [0, 1] are wanted"),
               NULL;
    uint8_t *pixels = soma_scope_memory(ctx, (size_t)count * SIDE * SIDE), *labels = soma_scope_memory(ctx, (size_t)count);
    soma_dataset *d = pixels && labels ? soma__dataset_bytes(ctx, pixels, count, (const int64_t[]){SIDE, SIDE}, 2) : NULL;
    if (!d) return NULL;
    soma__fpmode mode = soma__fpmode_enter();
    for (int64_t i = 0; i < count; i++) draw_glyph(o.seed, o.first + i, (float)noise, pixels + i * SIDE * SIDE, labels + i);
    soma__fpmode_leave(mode);
    d->labels = labels;
    return d;
}
