/* Pictures bent: each pixel of the result is read at a place of the source, in steps of 2^-16 pixels, between four neighbours with weights of 2^-8.
 */
#include "data/transform.h"

#include "base/math.h"

#define ONE 65536 /* a pixel */

/* The source at (y, x); what lies outside is `fill`. */
static uint8_t read_at(const uint8_t *in, int64_t height, int64_t width, int64_t y, int64_t x, int64_t fill) {
    int64_t v = y >> 16, u = x >> 16, b = y >> 8 & 255, a = x >> 8 & 255;
    if (v < -1 || u < -1 || v >= height || u >= width) return (uint8_t)fill;
    int64_t sum = 0;
    for (int k = 0; k < 4; k++) {
        int64_t row = v + (k >> 1), column = u + (k & 1);
        int64_t level = row >= 0 && row < height && column >= 0 && column < width ? in[row * width + column] : fill;
        sum += level * (k >> 1 ? b : 256 - b) * (k & 1 ? a : 256 - a);
    }
    return (uint8_t)((sum + ONE / 2) >> 16);
}

static int64_t fixed(double v) { return (int64_t)(v * ONE + (v < 0 ? -0.5 : 0.5)); }

/* angle and shear in degrees, clockwise; dx and dy in pixels. As torchvision's inverse matrix about the picture's middle. */
static void warp(soma__frame *f, double angle, double dx, double dy, double scale, double shear, int64_t fill) {
    double turn = angle * (3.14159265358979323846 / 180), slant = soma__tan(shear * (3.14159265358979323846 / 180));
    double cosine = soma__cos(turn), sine = soma__sin(turn);
    double a = cosine, b = -cosine * slant - sine, c = sine, d = -sine * slant + cosine;
    int64_t xx = fixed(d / scale), xy = fixed(-b / scale), yx = fixed(-c / scale), yy = fixed(a / scale);
    int64_t middle_x = (f->width - 1) * (ONE / 2), middle_y = (f->height - 1) * (ONE / 2), move_x = fixed(dx), move_y = fixed(dy);
    for (int64_t y = 0; y < f->height; y++)
        for (int64_t x = 0; x < f->width; x++) {
            int64_t h = x * ONE - middle_x - move_x, v = y * ONE - middle_y - move_y;
            int64_t from_x = ((xx * h + xy * v + ONE / 2) >> 16) + middle_x, from_y = ((yx * h + yy * v + ONE / 2) >> 16) + middle_y;
            for (int64_t k = 0; k < f->channels; k++)
                f->out[(k * f->height + y) * f->width + x] = read_at(f->in + k * f->height * f->width, f->height, f->width, from_y, from_x, fill);
        }
}

bool soma__run_rotation(const soma_transform *t, soma__frame *f) {
    warp(f, soma__draw_between(&f->draws, -t->degrees, t->degrees), 0, 0, 1, 0, t->fill);
    return true;
}

bool soma__run_affine(const soma_transform *t, soma__frame *f) {
    double angle = soma__draw_between(&f->draws, -t->degrees, t->degrees);
    double dx = soma__draw_between(&f->draws, -t->translate[0], t->translate[0]) * (double)f->width;
    double dy = soma__draw_between(&f->draws, -t->translate[1], t->translate[1]) * (double)f->height;
    double scale = soma__draw_between(&f->draws, t->scale[0], t->scale[1]), shear = soma__draw_between(&f->draws, -t->shear, t->shear);
    warp(f, angle, dx, dy, scale, shear, t->fill);
    return true;
}

/* Elastic distortion */

static int64_t reach(const soma_transform *t) { return (int64_t)(3 * t->sigma + 0.999); }

size_t soma__elastic_room(const soma_transform *t, const soma__frame *f) {
    return sizeof(float) * (3 * (size_t)(f->height * f->width) + 4 * (size_t)reach(t) + 1 + (size_t)f->width);
}

/* Each number becomes the weighted mean of its neighbours in the row; the noise goes on at the other end, so that it is as strong at the border as
 * elsewhere. `line` has room for a row with what it goes on with. Terms are added in the weights' order. */
static void smooth_rows(const float *in, float *out, int64_t height, int64_t width, const float *weights, int64_t r, float *line) {
    for (int64_t y = 0; y < height; y++, in += width, out += width) {
        for (int64_t i = 0; i < width + 2 * r; i++) line[i] = in[((i - r) % width + width) % width];
        for (int64_t x = 0; x < width; x++) out[x] = 0;
        for (int64_t k = 0; k <= 2 * r; k++)
            for (int64_t x = 0; x < width; x++) out[x] += weights[k] * line[x + k];
    }
}

/* The same along columns. */
static void smooth_columns(const float *in, float *out, int64_t height, int64_t width, const float *weights, int64_t r) {
    for (int64_t y = 0; y < height; y++, out += width) {
        for (int64_t x = 0; x < width; x++) out[x] = 0;
        for (int64_t k = 0; k <= 2 * r; k++) {
            const float *from = in + ((y + k - r) % height + height) % height * width;
            for (int64_t x = 0; x < width; x++) out[x] += weights[k] * from[x];
        }
    }
}

bool soma__run_elastic(const soma_transform *t, soma__frame *f) {
    int64_t n = f->height * f->width, r = reach(t);
    float *field[2] = {f->room, (float *)f->room + n}, *between = field[1] + n, *weights = between + n;
    double sum = 0;
    for (int64_t k = -r; k <= r; k++) sum += soma__exp(-(double)(k * k) / (2 * t->sigma * t->sigma));
    for (int64_t k = -r; k <= r; k++) weights[k + r] = (float)(soma__exp(-(double)(k * k) / (2 * t->sigma * t->sigma)) / sum);
    for (int d = 0; d < 2; d++) {
        for (int64_t i = 0; i < n; i++) field[d][i] = (float)(soma__draw_word(&f->draws) >> 8) * 0x1p-23f - 1;
        smooth_rows(field[d], between, f->height, f->width, weights, r, weights + 2 * r + 1);
        smooth_columns(between, field[d], f->height, f->width, weights, r);
    }
    for (int64_t y = 0, i = 0; y < f->height; y++)
        for (int64_t x = 0; x < f->width; x++, i++) {
            int64_t from_x = x * ONE + fixed((double)field[0][i] * t->alpha.value), from_y = y * ONE + fixed((double)field[1][i] * t->alpha.value);
            for (int64_t k = 0; k < f->channels; k++) f->out[k * n + i] = read_at(f->in + k * n, f->height, f->width, from_y, from_x, t->fill);
        }
    return true;
}
