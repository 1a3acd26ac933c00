/* Convolutions of one to three dimensions in their three directions: each is linear in both operands, and the gradients of one are the other two, so
 * gradients of any order need nothing else.
 *
 *   conv_forward(x [N, C, in...], w [O, C / groups, kernel...])     y [N, O, out...]
 *   conv_data(g as y, w)                                            as x: also the transposed convolution
 *   conv_weight(x, g as y)                                          as w
 *
 * Every element is one chain of fused multiply-adds from +0 in pieces of 4096 (as products are): over (kernel position, channel) forward, border taps
 * being zeros; over the real (kernel position, output channel) backwards; over (sample, output position) for weights. attr: dimensions, groups, then
 * stride, padding before, dilation of each dimension. Where Winograd's way pays, it is the rule (winograd.c). */
#include "base/math.h"
#include "ops/conv.h"

#include <string.h>

typedef soma__conv geometry;

/* Where tap k of output o lies in the input; false in the border. */
static bool tap(const geometry *g, const int64_t o[3], const int64_t k[3], int64_t in[3]) {
    bool inside = true;
    for (int d = 0; d < 3; d++) {
        in[d] = o[d] * g->stride[d] - g->pad[d] + k[d] * g->dilation[d];
        inside = inside && in[d] >= 0 && in[d] < g->in[d];
    }
    return inside;
}
/* Does an output between those that there are, or beyond them, read input i by tap k? *inside: it is there. */
static bool reader(const geometry *g, const int64_t i[3], const int64_t k[3], int64_t out[3], bool *inside) {
    *inside = true;
    for (int d = 0; d < 3; d++) {
        int64_t at = i[d] + g->pad[d] - k[d] * g->dilation[d];
        if (at % g->stride[d]) return false;
        out[d] = at / g->stride[d];
        *inside = *inside && at >= 0 && out[d] < g->out[d];
    }
    return true;
}

/* Strides of the first two dimensions, and of the three that a place has. */
typedef struct lies {
    int64_t n, c, place[3];
} lies;
static lies lies_of(const soma__operand *x) {
    lies l = {.n = x->strides[0], .c = x->strides[1]};
    for (int d = 0; d < x->ndim - 2; d++) l.place[d + 5 - x->ndim] = x->strides[2 + d];
    return l;
}
static inline int64_t at(const lies *l, int64_t n, int64_t c, const int64_t place[3]) {
    return n * l->n + c * l->c + place[0] * l->place[0] + place[1] * l->place[1] + place[2] * l->place[2];
}

#define DIRECTIONS(T, fma, suffix) \
    typedef struct chain##suffix { \
        T sum, part[64]; \
        int level[64], top; \
        int64_t n; \
    } chain##suffix; \
    static void close##suffix(chain##suffix *c) { \
        c->part[c->top] = c->sum, c->level[c->top++] = 0; \
        for (; c->top > 1 && c->level[c->top - 1] == c->level[c->top - 2]; c->top--) \
            c->part[c->top - 2] += c->part[c->top - 1], c->level[c->top - 2]++; \
        c->sum = 0; \
    } \
    static inline void feed##suffix(chain##suffix *c, T a, T b) { \
        if (c->n && c->n % 4096 == 0) close##suffix(c); \
        c->n++; \
        c->sum = fma(a, b, c->sum); \
    } \
    static T end##suffix(chain##suffix *c) { \
        close##suffix(c); \
        for (; c->top > 1; c->top--) c->part[c->top - 2] += c->part[c->top - 1]; \
        return c->part[0]; \
    } \
    static void forward##suffix(const geometry *g, const lies *lx, const T *x, const lies *lw, const T *w, const lies *ly, T *y) { \
        int64_t results = soma__conv_volume(g->out), taps = soma__conv_volume(g->k); \
        for (int64_t n = 0; n < g->n; n++) \
            for (int64_t o = 0; o < g->groups * g->o; o++) { \
                int64_t out[3] = {0}; \
                for (int64_t i = 0; i < results; i++, soma__conv_advance(out, g->out)) { \
                    chain##suffix s; \
                    int64_t k[3] = {0}, in[3]; \
                    s.sum = 0, s.n = 0, s.top = 0; \
                    for (int64_t t = 0; t < taps; t++, soma__conv_advance(k, g->k)) { \
                        bool inside = tap(g, out, k, in); \
                        for (int64_t c = 0; c < g->c; c++) feed##suffix(&s, inside ? x[at(lx, n, o / g->o * g->c + c, in)] : 0, w[at(lw, o, c, k)]); \
                    } \
                    y[at(ly, n, o, out)] = end##suffix(&s); \
                } \
            } \
    } \
    static void data##suffix(const geometry *g, const lies *ly, const T *y, const lies *lw, const T *w, const lies *lx, T *x) { \
        int64_t pixels = soma__conv_volume(g->in), taps = soma__conv_volume(g->k); \
        for (int64_t n = 0; n < g->n; n++) \
            for (int64_t c = 0; c < g->groups * g->c; c++) { \
                int64_t first = c / g->c * g->o, in[3] = {0}; \
                for (int64_t i = 0; i < pixels; i++, soma__conv_advance(in, g->in)) { \
                    chain##suffix s; \
                    int64_t k[3] = {0}, out[3]; \
                    bool inside; \
                    s.sum = 0, s.n = 0, s.top = 0; \
                    for (int64_t t = 0; t < taps; t++, soma__conv_advance(k, g->k)) \
                        for (int64_t o = 0; reader(g, in, k, out, &inside) && o < g->o; o++) \
                            feed##suffix(&s, inside ? y[at(ly, n, first + o, out)] : 0, w[at(lw, first + o, c % g->c, k)]); \
                    x[at(lx, n, c, in)] = end##suffix(&s); \
                } \
            } \
    } \
    static void weight##suffix(const geometry *g, const lies *lx, const T *x, const lies *ly, const T *y, const lies *lw, T *w) { \
        int64_t results = soma__conv_volume(g->out), taps = soma__conv_volume(g->k); \
        for (int64_t o = 0; o < g->groups * g->o; o++) \
            for (int64_t c = 0; c < g->c; c++) { \
                int64_t k[3] = {0}; \
                for (int64_t t = 0; t < taps; t++, soma__conv_advance(k, g->k)) { \
                    chain##suffix s; \
                    s.sum = 0, s.n = 0, s.top = 0; \
                    for (int64_t n = 0; n < g->n; n++) { \
                        int64_t out[3] = {0}, in[3]; \
                        for (int64_t i = 0; i < results; i++, soma__conv_advance(out, g->out)) \
                            feed##suffix(&s, tap(g, out, k, in) ? x[at(lx, n, o / g->o * g->c + c, in)] : 0, y[at(ly, n, o, out)]); \
                    } \
                    w[at(lw, o, c, k)] = end##suffix(&s); \
                } \
            } \
    }
#define WINOGRAD_forward soma__winograd_pixels
#define WINOGRAD_data soma__winograd_pixels
#define WINOGRAD_weight soma__winograd_weight
DIRECTIONS(float, soma__fmaf, _f32)
DIRECTIONS(double, __builtin_fma, _f64)

#define RUN(direction, x, w, y) \
    static int direction##_run(const soma__call *c) { \
        if (c->attr[SOMA__CONV_TILE]) return WINOGRAD_##direction(c); \
        geometry g = soma__conv_of(c->attr, (x)->shape, (w)->shape, (y)->shape); \
        lies a = lies_of(&c->in[0]), b = lies_of(&c->in[1]), out = lies_of(&c->out); \
        if (c->out.dtype == SOMA_F32) direction##_f32(&g, &a, c->in[0].data, &b, c->in[1].data, &out, c->out.data); \
        else direction##_f64(&g, &a, c->in[0].data, &b, c->in[1].data, &out, c->out.data); \
        return SOMA_OK; \
    }
RUN(forward, &c->in[0], &c->in[1], &c->out)
RUN(data, &c->out, &c->in[1], &c->in[0])
RUN(weight, &c->in[0], &c->out, &c->in[1])

static soma_tensor *record(int op, soma_tensor *a, soma_tensor *b, const int64_t *attr, const int64_t *shape, int64_t ndim) {
    soma_tensor *in[2] = {a, b};
    if (!a || !b) return NULL;
    soma__record r = {op, (soma_dtype)a->dtype, ndim, shape, in, 2, attr, (int)(SOMA__CONV_NUMBERS + 3 * attr[SOMA__CONV_DIMS])};
    return soma__graph_record(a->ctx, &r);
}

static void forward_grad(const soma__vjp *v) {
    soma_tensor *x = v->in[0], *w = v->in[1];
    if (v->wants[0]) v->gx[0] = record(SOMA_OP_conv_data, v->gy, w, v->attr, x->shape, x->ndim);
    if (v->wants[1]) v->gx[1] = record(SOMA_OP_conv_weight, x, v->gy, v->attr, w->shape, w->ndim);
}
static void data_grad(const soma__vjp *v) {
    soma_tensor *g = v->in[0], *w = v->in[1];
    if (v->wants[0]) v->gx[0] = record(SOMA_OP_conv_forward, v->gy, w, v->attr, g->shape, g->ndim);
    if (v->wants[1]) v->gx[1] = record(SOMA_OP_conv_weight, v->gy, g, v->attr, w->shape, w->ndim);
}
static void weight_grad(const soma__vjp *v) {
    soma_tensor *x = v->in[0], *g = v->in[1];
    if (v->wants[0]) v->gx[0] = record(SOMA_OP_conv_data, g, v->gy, v->attr, x->shape, x->ndim);
    if (v->wants[1]) v->gx[1] = record(SOMA_OP_conv_forward, x, v->gy, v->attr, g->shape, g->ndim);
}
const soma__op_def soma__op_conv_forward = {
    .name = "conv_forward", .cls = SOMA__CLASS_STRIDED, .places = true, .run = forward_run, .grad = forward_grad};
const soma__op_def soma__op_conv_data = {.name = "conv_data", .cls = SOMA__CLASS_STRIDED, .places = true, .run = data_run, .grad = data_grad};
const soma__op_def soma__op_conv_weight = {.name = "conv_weight", .cls = SOMA__CLASS_STRIDED, .run = weight_run, .grad = weight_grad};

/* The public calls. */

typedef struct conv {
    const char *call;
    int64_t dims;
    soma_tensor *x, *weight, *bias;
    soma_conv_opts o;
    int64_t stride[3], pad[3], behind[3], dilation[3], groups; /* pad: before, behind: after */
} conv;

static bool wrong(const conv *c, const char *what) { return soma_error_raise(c->x->ctx, SOMA_ERROR_ARGUMENT, "%s: %s", c->call, what), false; }

/* Options with their defaults: one number stands for all dimensions. */
static bool read_options(conv *c, const void *options, size_t size) {
    if (!soma_options_read(c->x->ctx, c->call, &c->o, sizeof c->o, options, size)) return false;
    c->groups = c->o.groups ? c->o.groups : 1;
    for (int64_t d = 0; d < c->dims; d++) {
        int64_t s = c->o.stride[d] ? c->o.stride[d] : c->o.stride[0], p = c->o.padding[d], l = c->o.dilation[d] ? c->o.dilation[d] : c->o.dilation[0];
        c->stride[d] = s ? s : 1, c->dilation[d] = l ? l : 1, c->pad[d] = c->behind[d] = p;
        if (c->stride[d] < 1 || c->dilation[d] < 1 || p < 0 || c->stride[d] > 1 << 30 || c->dilation[d] > 1 << 30 || p > 1 << 30)
            return wrong(c, "strides and dilations are 1 or more, paddings 0 or more");
    }
    if (c->groups < 1) return wrong(c, "groups is 1 or more");
    return true;
}

static bool shapes_fit(const conv *c, bool transposed) {
    char s[128], t[128];
    const soma_tensor *x = c->x, *w = c->weight;
    soma_tensor *const in[3] = {c->x, c->weight, c->bias};
    if (x->ndim != c->dims + 2 || w->ndim != c->dims + 2)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the input has shape %s, the weight %s; %lld dimensions each are wanted", c->call,
                                soma_shape_text(x, s, sizeof s), soma_shape_text(w, t, sizeof t), (long long)c->dims + 2),
               false;
    for (int i = 1; i < 3; i++)
        if (in[i] && (in[i]->dtype != x->dtype || !soma__is_float(x->dtype)))
            return soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "%s: input, weight and bias must all be float32, or all float64", c->call), false;
    int64_t channels = transposed ? w->shape[0] : w->shape[1] * c->groups, outputs = transposed ? w->shape[1] * c->groups : w->shape[0];
    if (x->shape[1] != channels || channels % c->groups || w->shape[0] % c->groups)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the input has %lld channels, the weight of shape %s with %lld group%s wants %lld",
                                c->call, (long long)x->shape[1], soma_shape_text(w, t, sizeof t), (long long)c->groups, c->groups == 1 ? "" : "s",
                                (long long)channels),
               false;
    if (c->bias && (c->bias->ndim != 1 || c->bias->shape[0] != outputs))
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the bias has shape %s; [%lld] is wanted", c->call,
                                soma_shape_text(c->bias, s, sizeof s), (long long)outputs),
               false;
    for (int64_t d = 0; d < c->dims; d++)
        if (w->shape[2 + d] < 1) return wrong(c, "the kernel has a size of 0");
    return true;
}

#define LEAST 16  /* channels on either side: with fewer the transforms cost what the products save */
#define MOST 4096 /* channels on either side: of one chain */
#define SMALL 4   /* pixels: with fewer most of a tile is border */

/* Does Winograd's way pay? The shape alone decides, the same for all three directions, so that all machines choose alike. */
static int64_t tile_of(const conv *c, const int64_t *out) {
    const int64_t *w = c->weight->shape, *in = c->x->shape;
    bool pays = c->dims == 2 && c->groups == 1 && c->x->dtype == SOMA_F32;
    for (int64_t d = 0; d < 2 && pays; d++)
        pays = w[d] >= LEAST && w[d] <= MOST && w[2 + d] == 3 && c->stride[d] == 1 && c->dilation[d] == 1 && c->pad[d] <= 2 && in[2 + d] >= SMALL &&
               out[2 + d] >= SMALL;
    return !pays ? 0 : c->o.fast_math ? 4 : 2;
}

static void attributes(const conv *c, const int64_t *out, int64_t *attr) {
    attr[SOMA__CONV_DIMS] = c->dims, attr[SOMA__CONV_GROUPS] = c->groups, attr[SOMA__CONV_TILE] = tile_of(c, out);
    for (int64_t d = 0; d < c->dims; d++)
        attr[SOMA__CONV_NUMBERS + d] = c->stride[d], attr[SOMA__CONV_NUMBERS + c->dims + d] = c->pad[d],
                                  attr[SOMA__CONV_NUMBERS + 2 * c->dims + d] = c->dilation[d];
}

static soma_tensor *with_bias(const conv *c, soma_tensor *y) {
    int64_t shape[5] = {1, -1, 1, 1, 1};
    return c->bias && y ? soma_add(y, soma_reshape(c->bias, shape, c->dims + 2)) : y;
}

static soma_tensor *convolve(conv *c, const void *options, size_t size) {
    soma_tensor *in[3] = {c->x, c->weight, c->bias};
    if (!soma__check(c->call, in, c->bias ? 3 : 2) || !read_options(c, options, size) || !shapes_fit(c, false)) return NULL;
    for (int64_t d = 0; d < c->dims; d++)
        if (c->o.output_padding[d]) return wrong(c, "output_padding is for transposed convolutions"), NULL;
    int64_t shape[5] = {c->x->shape[0], c->weight->shape[0]}, attr[SOMA__CONV_NUMBERS + 9];
    for (int64_t d = 0; d < c->dims; d++) {
        int64_t span = c->dilation[d] * (c->weight->shape[2 + d] - 1);
        if (c->o.same) {
            if (c->stride[d] != 1 || c->o.padding[d]) return wrong(c, "padding 'same' goes with stride 1 and no other padding"), NULL;
            c->pad[d] = span / 2, c->behind[d] = span - span / 2; /* of an odd number the greater part is behind, as PyTorch's */
        }
        int64_t room = c->x->shape[2 + d] + c->pad[d] + c->behind[d] - span - 1;
        if (room < 0) {
            int64_t padded = room + span + 1;
            soma_error_raise(c->x->ctx, SOMA_ERROR_SHAPE, "%s: dimension %lld has %lld elements with its padding, the kernel spans %lld", c->call,
                             (long long)d + 2, (long long)padded, (long long)span + 1);
            return NULL;
        }
        shape[2 + d] = room / c->stride[d] + 1;
    }
    attributes(c, shape, attr);
    soma__composite_begin(c->x->ctx, c->call);
    return soma_interior_end(c->x->ctx, with_bias(c, record(SOMA_OP_conv_forward, c->x, c->weight, attr, shape, c->dims + 2)));
}

static soma_tensor *convolve_transposed(conv *c, const void *options, size_t size) {
    soma_tensor *in[3] = {c->x, c->weight, c->bias};
    if (!soma__check(c->call, in, c->bias ? 3 : 2) || !read_options(c, options, size) || !shapes_fit(c, true)) return NULL;
    int64_t shape[5] = {c->x->shape[0], c->weight->shape[1] * c->groups}, attr[SOMA__CONV_NUMBERS + 9];
    if (c->o.same) return wrong(c, "padding 'same' is not for transposed convolutions"), NULL;
    for (int64_t d = 0; d < c->dims; d++) {
        int64_t more = c->o.output_padding[d];
        if (more < 0 || (more >= c->stride[d] && more >= c->dilation[d]))
            return wrong(c, "output_padding must be 0 or more, and below stride or dilation"), NULL;
        shape[2 + d] = (c->x->shape[2 + d] - 1) * c->stride[d] - 2 * c->pad[d] + c->dilation[d] * (c->weight->shape[2 + d] - 1) + more + 1;
        if (shape[2 + d] < 1) return wrong(c, "nothing would be left of a dimension"), NULL;
    }
    attributes(c, shape, attr);
    soma__composite_begin(c->x->ctx, c->call);
    return soma_interior_end(c->x->ctx, with_bias(c, record(SOMA_OP_conv_data, c->x, c->weight, attr, shape, c->dims + 2)));
}

#define CONV(name, n, way) \
    soma_tensor *soma_##name##_v(soma_tensor *x, soma_tensor *weight, soma_tensor *bias, const soma_conv_opts *options, size_t size) { \
        conv c = {.call = #name, .dims = n, .x = x, .weight = weight, .bias = bias}; \
        return way(&c, options, size); \
    }
CONV(conv1d, 1, convolve)
CONV(conv2d, 2, convolve)
CONV(conv3d, 3, convolve)
CONV(conv_transpose1d, 1, convolve_transposed)
CONV(conv_transpose2d, 2, convolve_transposed)
CONV(conv_transpose3d, 3, convolve_transposed)
