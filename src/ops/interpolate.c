/* Images in other sizes: each element is one of the input (nearest), or a mean of neighbours along each dimension, weighted by their distance
 * (linear), which are computed in the tensor's own dtype, as PyTorch does. attr: dimensions, mode, align_corners, then the bits of each
 * dimension's scale factor as float64, 0 where sizes alone count. interpolate_backward is the adjoint: shares of the gradient are added in C order,
 * from +0. */
#include "base/fpmode.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/loops.h"
#include "ops/pool.h"

#include <string.h>

enum { DIMS, MODE, ALIGN, SCALES };

static double scale_of(int64_t bits) {
    double s;
    memcpy(&s, &bits, sizeof s);
    return s;
}

typedef struct sizes {
    bool linear, align;
    int64_t in[3], out[3];
    double scale[3];
    bool there[3];
    soma__places x, y;
    int64_t n, c;
} sizes;

static sizes sizes_of(const soma__call *c, const soma__operand *x, const soma__operand *y) {
    int64_t nd = c->attr[DIMS];
    sizes s = {.linear = c->attr[MODE] == SOMA_INTERPOLATE_LINEAR, .align = c->attr[ALIGN] != 0, .n = x->shape[0], .c = x->shape[1]};
    for (int d = 0; d < 3; d++) {
        int64_t from = d - (3 - nd);
        s.there[d] = from >= 0;
        s.in[d] = s.there[d] ? x->shape[2 + from] : 1, s.out[d] = s.there[d] ? y->shape[2 + from] : 1;
        s.scale[d] = s.there[d] ? scale_of(c->attr[SCALES + from]) : 0;
    }
    s.x = soma__places_of(x, nd), s.y = soma__places_of(y, nd);
    return s;
}

/* In float32, and by the sizes alone where these are equal or twice as large: PyTorch's rule for two dimensions and for all gradients. */
static int64_t nearest(const sizes *s, int d, int64_t o) {
    if (s->out[d] == s->in[d]) return o;
    if (s->out[d] == 2 * s->in[d]) return o / 2;
    float step = s->scale[d] > 0 ? (float)(1.0 / s->scale[d]) : (float)s->in[d] / (float)s->out[d];
    return (int64_t)((float)o * step);
}

#define INTERPOLATION(T, suffix) \
    /* What an output takes along a dimension: one element, or two with weights; places in memory. */ \
    typedef struct taps##suffix { \
        int n; \
        int64_t at[2]; \
        T weight[2]; \
    } taps##suffix; \
    static T step##suffix(const sizes *s, int d) { \
        if (s->linear && s->align) return s->out[d] > 1 ? (T)(s->in[d] - 1) / (T)(s->out[d] - 1) : 0; \
        return s->scale[d] > 0 ? (T)(1.0 / s->scale[d]) : (T)s->in[d] / (T)s->out[d]; \
    } \
    static taps##suffix taps_of##suffix(const sizes *s, int d, T step, int64_t o) { \
        taps##suffix t = {.n = 1, .weight = {1, 0}}; \
        int64_t i = o, last = s->in[d] - 1; \
        if (!s->there[d]) return t; \
        if (!s->linear) i = nearest(s, d, o); \
        else if (s->in[d] != s->out[d]) { \
            T place = s->align ? step * (T)o : step * ((T)o + (T)0.5) - (T)0.5; \
            if (place < 0) place = 0; \
            i = (int64_t)place < last ? (int64_t)place : last; \
            T over = place - (T)i; \
            t.n = 2, t.weight[1] = over < 0 ? 0 : over > 1 ? 1 : over, t.weight[0] = 1 - t.weight[1]; \
        } \
        if (i > last) i = last; \
        t.at[0] = i * s->x.at[d], t.at[1] = (i < last ? i + 1 : i) * s->x.at[d]; \
        return t; \
    } \
    static T mean##suffix(const T *plane, const taps##suffix *t, int left) { \
        T sum = 0; \
        if (!left) return *plane; \
        if (t->n == 1) return mean##suffix(plane + t->at[0], t + 1, left - 1); \
        for (int i = 0; i < 2; i++) sum += t->weight[i] * mean##suffix(plane + t->at[i], t + 1, left - 1); \
        return sum; \
    } \
    static void share##suffix(T *plane, const taps##suffix *t, int left, T g) { \
        if (!left) *plane += g; \
        for (int i = 0; left && i < t->n; i++) share##suffix(plane + t->at[i], t + 1, left - 1, t->n == 1 ? g : t->weight[i] * g); \
    } \
    static void each##suffix(const sizes *s, T *x, T *y, bool back) { \
        T step[3]; \
        for (int d = 0; d < 3; d++) step[d] = step##suffix(s, d); \
        for (int64_t n = 0; n < s->n; n++) \
            for (int64_t c = 0; c < s->c; c++) { \
                T *plane = x + n * s->x.n + c * s->x.c; \
                int64_t o[3] = {0}; \
                do { \
                    taps##suffix t[3]; \
                    for (int d = 0; d < 3; d++) t[d] = taps_of##suffix(s, d, step[d], o[d]); \
                    T *at = y + n * s->y.n + c * s->y.c + soma__place_of(&s->y, o); \
                    if (back) share##suffix(plane, t, 3, *at); \
                    else *at = mean##suffix(plane, t, 3); \
                } while (soma__conv_advance(o, s->out)); \
            } \
    }
INTERPOLATION(float, _f32)
INTERPOLATION(double, _f64)

static int interpolate_run(const soma__call *c) {
    sizes s = sizes_of(c, &c->in[0], &c->out);
    if (c->out.dtype == SOMA_F32) each_f32(&s, c->in[0].data, c->out.data, false);
    else each_f64(&s, c->in[0].data, c->out.data, false);
    return SOMA_OK;
}
static int interpolate_backward_run(const soma__call *c) {
    sizes s = sizes_of(c, &c->out, &c->in[0]);
    soma__clear(&c->out);
    if (c->out.dtype == SOMA_F32) each_f32(&s, c->out.data, c->in[0].data, true);
    else each_f64(&s, c->out.data, c->in[0].data, true);
    return SOMA_OK;
}

static void interpolate_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma__pool_record(SOMA_OP_interpolate_backward, &v->gy, 1, v->in[0]->shape, v->in[0]->ndim, v->attr, v->node->n_attr);
}
static void interpolate_backward_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma__pool_record(SOMA_OP_interpolate, &v->gy, 1, v->in[0]->shape, v->in[0]->ndim, v->attr, v->node->n_attr);
}
const soma__op_def soma__op_interpolate = {
    .name = "interpolate", .cls = SOMA__CLASS_STRIDED, .places = true, .run = interpolate_run, .grad = interpolate_grad};
const soma__op_def soma__op_interpolate_backward = {
    .name = "interpolate_backward", .cls = SOMA__CLASS_STRIDED, .places = true, .run = interpolate_backward_run, .grad = interpolate_backward_grad};

soma_tensor *soma_interpolate_v(soma_tensor *x, const soma_interpolate_opts *options, size_t size) {
    soma_interpolate_opts o;
    int64_t shape[5], attr[SCALES + 3] = {0};
    char text[128];
    if (!soma__check("interpolate", &x, 1) || !soma_options_read(x->ctx, "interpolate", &o, sizeof o, options, size)) return NULL;
    if (!soma__is_float(x->dtype) || x->ndim < 3 || x->ndim > 5)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE,
                                "interpolate: the input is %s %s; floating [N, C, L], [N, C, H, W] or [N, C, D, H, W] is wanted",
                                soma_dtype_name((soma_dtype)x->dtype), soma_shape_text(x, text, sizeof text)),
               NULL;
    if (o.mode != SOMA_INTERPOLATE_NEAREST && o.mode != SOMA_INTERPOLATE_LINEAR)
        return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "interpolate: %lld is no mode", (long long)o.mode), NULL;
    if (o.align_corners && o.mode != SOMA_INTERPOLATE_LINEAR)
        return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "interpolate: align_corners goes with the linear mode"), NULL;
    int64_t nd = x->ndim - 2;
    attr[DIMS] = nd, attr[MODE] = o.mode, attr[ALIGN] = o.align_corners != 0;
    shape[0] = x->shape[0], shape[1] = x->shape[1];
    bool sized = o.size[0] != 0, scaled = o.scale_factor[0] != 0;
    for (int64_t d = 0; d < nd; d++) {
        double scale = o.scale_factor[d] != 0 ? o.scale_factor[d] : o.scale_factor[0];
        double by_scale = soma__nearest('*', (double)x->shape[2 + d], scale);
        shape[2 + d] = sized ? (o.size[d] ? o.size[d] : o.size[0]) : by_scale >= 1 && by_scale < 1e9 ? (int64_t)by_scale : 0;
        if (sized == scaled || shape[2 + d] < 1 || x->shape[2 + d] < 1)
            return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT,
                                    "interpolate: sizes of 1 or more, or else scale factors that leave something of %s, are wanted",
                                    soma_shape_text(x, text, sizeof text)),
                   NULL;
        if (scaled) memcpy(&attr[SCALES + d], &scale, sizeof scale);
    }
    return soma__pool_record(SOMA_OP_interpolate, &x, 1, shape, x->ndim, attr, (int)(SCALES + nd));
}
