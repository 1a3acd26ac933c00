/* Parts of pictures, flips, squares: transforms that move bytes. */
#include "data/image.h"
#include "data/transform.h"

#include "base/math.h"

#include <string.h>

static void resize_planes(soma__frame *f, soma__box box) {
    for (int64_t c = 0; c < f->channels; c++)
        soma__resize(f->in + c * f->height * f->width, f->height, f->width, 1, box, f->out + c * f->to_height * f->to_width, f->to_height,
                     f->to_width, f->room);
}

bool soma__run_resize(const soma_transform *t, soma__frame *f) {
    (void)t;
    resize_planes(f, (soma__box){0, 0, (double)f->height, (double)f->width});
    return true;
}

/* The part at (top, left), which may lie outside: there it is `fill`. */
static void crop(soma__frame *f, int64_t top, int64_t left, int64_t fill) {
    uint8_t *out = f->out;
    for (int64_t c = 0; c < f->channels; c++)
        for (int64_t y = 0; y < f->to_height; y++, out += f->to_width) {
            int64_t v = top + y, first = left < 0 ? -left : 0, end = f->width - left;
            if (end > f->to_width) end = f->to_width;
            if (v < 0 || v >= f->height || end <= first) {
                memset(out, (int)fill, (size_t)f->to_width);
                continue;
            }
            memset(out, (int)fill, (size_t)first);
            memcpy(out + first, f->in + (c * f->height + v) * f->width + left + first, (size_t)(end - first));
            memset(out + end, (int)fill, (size_t)(f->to_width - end));
        }
}

bool soma__run_centre_crop(const soma_transform *t, soma__frame *f) {
    /* a half is rounded as CenterCrop does: to the even number */
    int64_t down = f->height - f->to_height, across = f->width - f->to_width;
    (void)t;
    crop(f, down / 2 + (down % 4 == 3), across / 2 + (across % 4 == 3), 0);
    return true;
}

bool soma__run_random_crop(const soma_transform *t, soma__frame *f) {
    int64_t top = soma__draw_below(&f->draws, f->height + 2 * t->padding - f->to_height + 1);
    int64_t left = soma__draw_below(&f->draws, f->width + 2 * t->padding - f->to_width + 1);
    crop(f, top - t->padding, left - t->padding, t->fill);
    return true;
}

bool soma__run_random_resized_crop(const soma_transform *t, soma__frame *f) {
    double area = (double)(f->height * f->width), low = soma__log(t->ratio[0]), high = soma__log(t->ratio[1]);
    for (int attempt = 0; attempt < 10; attempt++) {
        double target = area * soma__draw_between(&f->draws, t->scale[0], t->scale[1]), ratio = soma__exp(soma__draw_between(&f->draws, low, high));
        int64_t w = (int64_t)(__builtin_sqrt(target * ratio) + 0.5), h = (int64_t)(__builtin_sqrt(target / ratio) + 0.5);
        if (w < 1 || h < 1 || w > f->width || h > f->height) continue;
        int64_t top = soma__draw_below(&f->draws, f->height - h + 1), left = soma__draw_below(&f->draws, f->width - w + 1);
        resize_planes(f, (soma__box){(double)top, (double)left, (double)h, (double)w});
        return true;
    }
    /* the middle, as much as the ratios allow */
    double h = (double)f->height, w = (double)f->width, ratio = w / h;
    if (ratio < t->ratio[0]) h = (double)(int64_t)(w / t->ratio[0] + 0.5);
    else if (ratio > t->ratio[1]) w = (double)(int64_t)(h * t->ratio[1] + 0.5);
    h = h < 1 ? 1 : h > (double)f->height ? (double)f->height : h, w = w < 1 ? 1 : w > (double)f->width ? (double)f->width : w;
    int64_t top = (f->height - (int64_t)h) / 2, left = (f->width - (int64_t)w) / 2;
    resize_planes(f, (soma__box){(double)top, (double)left, h, w});
    return true;
}

bool soma__run_horizontal_flip(const soma_transform *t, soma__frame *f) {
    (void)t;
    const uint8_t *in = f->in;
    uint8_t *out = f->out;
    for (int64_t row = 0; row < f->channels * f->height; row++, in += f->width, out += f->width)
        for (int64_t x = 0; x < f->width; x++) out[x] = in[f->width - 1 - x];
    return true;
}

bool soma__run_vertical_flip(const soma_transform *t, soma__frame *f) {
    (void)t;
    for (int64_t c = 0; c < f->channels; c++)
        for (int64_t y = 0; y < f->height; y++)
            memcpy(f->out + (c * f->height + y) * f->width, f->in + (c * f->height + f->height - 1 - y) * f->width, (size_t)f->width);
    return true;
}

bool soma__run_cutout(const soma_transform *t, soma__frame *f) {
    int64_t side = t->size[0], top = soma__draw_below(&f->draws, f->height) - side / 2, left = soma__draw_below(&f->draws, f->width) - side / 2;
    int64_t bottom = top + side < f->height ? top + side : f->height, right = left + side < f->width ? left + side : f->width;
    top = top < 0 ? 0 : top, left = left < 0 ? 0 : left;
    memcpy(f->out, f->in, (size_t)(f->channels * f->height * f->width));
    for (int64_t c = 0; c < f->channels; c++)
        for (int64_t y = top; y < bottom; y++) memset(f->out + (c * f->height + y) * f->width + left, (int)t->fill, (size_t)(right - left));
    return true;
}
