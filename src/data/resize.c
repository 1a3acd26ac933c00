/* Resizing in two passes, rows then columns. A pixel of the result is a mean under a triangle around its place in the source, at least two pixels
 * wide, and wider where several become one (so nothing is skipped: antialiased). Weights are made in float64 by +, -, * and / alone, then rounded to
 * multiples of 2^-22; sums are integers: the same bytes everywhere. The method and its rounding are those of Pillow's BILINEAR
 * (whose version 13 goes through columns first where the height shrinks and the width grows: a level's difference). */
#include "data/image.h"

#include <string.h>

#define BITS 22

/* Pixel i of the result: n weights from `first` on. */
typedef struct span {
    int64_t first, n;
} span;

static int64_t widest(int64_t from, int64_t to) { return 2 * ((from + to - 1) / to > 1 ? (from + to - 1) / to : 1) + 1; }
static size_t rounded(size_t n) { return (n + 63) / 64 * 64; }

/* Fills spans and weights (`width` of them for each). start and size: the stretch of `count` pixels that becomes `to`. */
static void make_weights(int64_t count, double start, double size, int64_t to, span *spans, int32_t *weights, int64_t width) {
    double scale = size / (double)to, reach = scale > 1 ? scale : 1;
    for (int64_t i = 0; i < to; i++, weights += width) {
        double center = start + ((double)i + 0.5) * scale, sum = 0;
        int64_t first = (int64_t)(center - reach + 0.5), end = (int64_t)(center + reach + 0.5);
        if (first < 0) first = 0;
        if (end > count) end = count;
        if (end - first > width) end = first + width;
        for (int64_t k = first; k < end; k++) {
            double d = ((double)k - center + 0.5) / reach;
            d = d < 0 ? -d : d;
            if (d < 1) sum += 1 - d;
        }
        for (int64_t k = first; k < end; k++) {
            double d = ((double)k - center + 0.5) / reach;
            d = d < 0 ? -d : d;
            weights[k - first] = d < 1 && sum > 0 ? (int32_t)((1 - d) / sum * (1 << BITS) + 0.5) : 0;
        }
        spans[i] = (span){first, end > first ? end - first : 0};
    }
}

static uint8_t byte_of(int64_t sum) {
    int64_t v = sum >> BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void rows_pass(const uint8_t *in, int64_t width, int64_t channels, uint8_t *out, int64_t to, int64_t rows, const span *spans,
                      const int32_t *weights, int64_t most) {
    for (int64_t y = 0; y < rows; y++, in += width * channels)
        for (int64_t x = 0; x < to; x++)
            for (int64_t c = 0; c < channels; c++) {
                const uint8_t *p = in + spans[x].first * channels + c;
                const int32_t *w = weights + x * most;
                int64_t sum = (int64_t)1 << (BITS - 1);
                for (int64_t k = 0; k < spans[x].n; k++) sum += (int64_t)p[k * channels] * w[k];
                *out++ = byte_of(sum);
            }
}

static void columns_pass(const uint8_t *in, int64_t first, int64_t row, uint8_t *out, int64_t to, const span *spans, const int32_t *weights,
                         int64_t most) {
    for (int64_t y = 0; y < to; y++) {
        const uint8_t *p = in + (spans[y].first - first) * row;
        const int32_t *w = weights + y * most;
        for (int64_t x = 0; x < row; x++) {
            int64_t sum = (int64_t)1 << (BITS - 1);
            for (int64_t k = 0; k < spans[y].n; k++) sum += (int64_t)p[k * row + x] * w[k];
            *out++ = byte_of(sum);
        }
    }
}

size_t soma__resize_room(int64_t height, int64_t width, int64_t channels, int64_t to_height, int64_t to_width) {
    size_t weights = (size_t)(to_width * widest(width, to_width) + to_height * widest(height, to_height)) * sizeof(int32_t);
    return rounded((size_t)(to_width + to_height) * sizeof(span)) + rounded(weights) + (size_t)(height * to_width * channels);
}

void soma__resize(const uint8_t *in, int64_t height, int64_t width, int64_t channels, soma__box box, uint8_t *out, int64_t to_height,
                  int64_t to_width, void *room) {
    bool same_rows = box.left == 0 && box.width == (double)width && width == to_width;
    bool same_columns = box.top == 0 && box.height == (double)height && height == to_height;
    int64_t wide = widest(width, to_width), high = widest(height, to_height);
    span *spans = room;
    int32_t *weights = (int32_t *)((char *)room + rounded((size_t)(to_width + to_height) * sizeof(span)));
    uint8_t *between = (uint8_t *)weights + rounded((size_t)(to_width * wide + to_height * high) * sizeof(int32_t));
    make_weights(width, box.left, box.width, to_width, spans, weights, wide);
    make_weights(height, box.top, box.height, to_height, spans + to_width, weights + to_width * wide, high);
    int64_t first = same_columns ? 0 : spans[to_width].first, last = spans[to_width + to_height - 1].first + spans[to_width + to_height - 1].n;
    if (same_columns) last = height;
    uint8_t *to = same_columns ? out : between;
    const uint8_t *from = in + first * width * channels;
    if (!same_rows) rows_pass(from, width, channels, to, to_width, last - first, spans, weights, wide);
    else if (same_columns) memcpy(out, in, (size_t)(height * width * channels));
    if (!same_columns)
        columns_pass(same_rows ? from : between, first, to_width * channels, out, to_height, spans + to_width, weights + to_width * wide, high);
}

soma__box soma__fit(int64_t height, int64_t width, int64_t to_height, int64_t to_width, bool crop) {
    double h = (double)height, w = (double)width, aspect = (double)to_width / (double)to_height;
    soma__box all = {0, 0, h, w};
    if (!crop || w * (double)to_height == h * (double)to_width) return all;
    if (w > h * aspect) return (soma__box){0, (w - h * aspect) / 2, h, h * aspect};
    return (soma__box){(h - w / aspect) / 2, 0, w / aspect, w};
}
