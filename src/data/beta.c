/* Draws from beta distributions, for mixup and cutmix: two gamma draws by Marsaglia and Tsang (2000), each a function of seed and counter. */
#include "soma/data.h"

#include "base/fpmode.h"
#include "base/math.h"
#include "base/random.h"

typedef struct pen {
    uint64_t seed, counter, drawn;
} pen;

static double draw(pen *p) {
    uint32_t w[4];
    soma__philox(p->seed, SOMA_STREAM_AUGMENTATION | (uint64_t)0x62657461 << 8, p->counter << 12 | p->drawn++, w);
    return ((double)((uint64_t)w[0] << 20 | w[1] >> 12) + 0.5) * 0x1p-52;
}
static double normal(pen *p) {
    double u = draw(p), v = draw(p);
    return __builtin_sqrt(-2 * soma__log(u)) * soma__cos(6.283185307179586 * v);
}

static double gamma_draw(pen *p, double alpha) {
    double boost = alpha < 1 ? soma__pow(draw(p), 1 / alpha) : 1, d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3, c = 1 / __builtin_sqrt(9 * d);
    for (;;) {
        double x = normal(p), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (soma__log(draw(p)) < 0.5 * x * x + d - d * v + d * soma__log(v)) return d * v * boost;
    }
}

static double beta_draw(pen *p, double alpha) {
    double a = gamma_draw(p, alpha), b = gamma_draw(p, alpha);
    return a + b > 0 ? a / (a + b) : draw(p) < 0.5 ? 0 : 1; /* both too small to tell: the distribution is at its ends */
}

double soma_draw_beta(uint64_t seed, uint64_t counter, double alpha) {
    if (!(alpha > 0 && alpha < 1e300)) return __builtin_nan("");
    soma__fpmode mode = soma__fpmode_enter();
    pen p = {.seed = seed, .counter = counter};
    double share = beta_draw(&p, alpha);
    soma__fpmode_leave(mode);
    return share;
}

/* A side of the box: about `middle`, cut at the border. */
static void side(double middle, double half, int64_t n, int64_t *first, int64_t *end) {
    int64_t at = (int64_t)(middle * (double)n), reach = (int64_t)(half * (double)n);
    *first = at - reach < 0 ? 0 : at - reach;
    *end = at + reach > n ? n : at + reach;
}

double soma_draw_cutmix(uint64_t seed, uint64_t counter, double alpha, int64_t height, int64_t width, float *mask) {
    if (!(alpha > 0 && alpha < 1e300) || height < 1 || width < 1 || !mask) return __builtin_nan("");
    soma__fpmode mode = soma__fpmode_enter();
    pen p = {.seed = seed, .counter = counter};
    double half = 0.5 * __builtin_sqrt(1 - beta_draw(&p, alpha)), y = draw(&p), x = draw(&p);
    int64_t top, bottom, left, right;
    side(y, half, height, &top, &bottom), side(x, half, width, &left, &right);
    for (int64_t v = 0; v < height; v++)
        for (int64_t u = 0; u < width; u++) *mask++ = v >= top && v < bottom && u >= left && u < right ? 0 : 1;
    double share = 1 - (double)((bottom - top) * (right - left)) / (double)(height * width);
    soma__fpmode_leave(mode);
    return share;
}
