/* Pools of one to three dimensions (pool.h has the windows and their order).
 *
 *   max_pool(x)                   the greatest of each window; its gradient is
 *   max_pool_backward(x, g)       g added at the winners, which are found in x again; the gradient of that is
 *   max_pool_pick(x, v)           v at x's winners, whose gradient is max_pool_backward once more
 *   avg_pool(x), avg_pool_backward(g)   adjoint linear maps: each is the other's gradient
 */
#include "ops/pool.h"
#include "ops/conv.h"
#include "ops/loops.h"

#include <string.h>

/* One output's window, while the outputs are walked over. x: the larger side, z: a second tensor of its shape; offsets of the image's plane there. */
typedef struct visit {
    const soma__window *w;
    soma__places x, z;
    soma__span span[3];
    int64_t plane_x, plane_z, y; /* y: the output's own offset */
} visit;
typedef void (*visit_fn)(const soma__call *c, const visit *v);

static void each_window(const soma__call *c, const soma__operand *x, const soma__operand *y, const soma__operand *z, visit_fn f) {
    soma__window w = soma__window_of(c->attr, x->shape, y->shape);
    visit v = {.w = &w, .x = soma__places_of(x, w.dims), .z = soma__places_of(z, w.dims)};
    soma__places at = soma__places_of(y, w.dims);
    if (!y->numel) return;
    for (int64_t n = 0; n < x->shape[0]; n++)
        for (int64_t ch = 0; ch < x->shape[1]; ch++) {
            int64_t out[3] = {0};
            v.plane_x = n * v.x.n + ch * v.x.c, v.plane_z = n * v.z.n + ch * v.z.c;
            do {
                for (int d = 0; d < 3; d++) v.span[d] = soma__window_span(&w, d, out[d]);
                v.y = n * at.n + ch * at.c + soma__place_of(&at, out);
                f(c, &v);
            } while (soma__conv_advance(out, w.out));
        }
}

#define EACH_POSITION(v, p) \
    int64_t p[3]; \
    for (int64_t d_ = 0; d_ < (v)->span[0].n; d_++) \
        for (int64_t h_ = 0; h_ < (v)->span[1].n; h_++) \
            for (int64_t w_ = 0; w_ < (v)->span[2].n; w_++) \
                if (p[0] = (v)->span[0].from + d_ * (v)->span[0].step, p[1] = (v)->span[1].from + h_ * (v)->span[1].step, \
                    p[2] = (v)->span[2].from + w_ * (v)->span[2].step, true)

static int64_t divisor(const visit *v) {
    int64_t n = v->w->divisor;
    if (n > 0) return n;
    return n == SOMA__POOL_PADDED ? v->span[0].padded * v->span[1].padded * v->span[2].padded : v->span[0].n * v->span[1].n * v->span[2].n;
}
static bool is_empty(const visit *v) { return !v->span[0].n || !v->span[1].n || !v->span[2].n; }

#define POOLS(T, suffix) \
    /* Where the winner lies in the plane; false when there is none. */ \
    static bool winner##suffix(const soma__operand *x, const visit *v, int64_t best[3]) { \
        const T *plane = (const T *)x->data + v->plane_x, *top = NULL; \
        EACH_POSITION(v, p) { \
            const T *at = plane + soma__place_of(&v->x, p); \
            if (!top || *at > *top || (*at != *at && *top == *top)) top = at, memcpy(best, p, sizeof p); \
        } \
        return top != NULL; \
    } \
    static void max_pool##suffix(const soma__call *c, const visit *v) { \
        int64_t p[3]; \
        bool any = winner##suffix(&c->in[0], v, p); \
        ((T *)c->out.data)[v->y] = any ? ((const T *)c->in[0].data)[v->plane_x + soma__place_of(&v->x, p)] : -(T)__builtin_inf(); \
    } \
    static void max_pool_indices##suffix(const soma__call *c, const visit *v) { \
        int64_t p[3]; \
        ((int64_t *)c->out.data)[v->y] = winner##suffix(&c->in[0], v, p) ? soma__conv_place(p, v->w->in) : -1; \
    } \
    static void max_pool_backward##suffix(const soma__call *c, const visit *v) { \
        int64_t p[3]; \
        if (winner##suffix(&c->in[0], v, p)) ((T *)c->out.data)[v->plane_z + soma__place_of(&v->z, p)] += ((const T *)c->in[1].data)[v->y]; \
    } \
    static void max_pool_pick##suffix(const soma__call *c, const visit *v) { \
        int64_t p[3]; \
        bool any = winner##suffix(&c->in[0], v, p); \
        ((T *)c->out.data)[v->y] = any ? ((const T *)c->in[1].data)[v->plane_z + soma__place_of(&v->z, p)] : 0; \
    } \
    static void avg_pool##suffix(const soma__call *c, const visit *v) { \
        const T *plane = (const T *)c->in[0].data + v->plane_x; \
        T sum = 0; \
        EACH_POSITION(v, p) sum += plane[soma__place_of(&v->x, p)]; \
        ((T *)c->out.data)[v->y] = is_empty(v) ? 0 : sum / (T)divisor(v); \
    } \
    static void avg_pool_backward##suffix(const soma__call *c, const visit *v) { \
        T *plane = (T *)c->out.data + v->plane_x, g = is_empty(v) ? 0 : ((const T *)c->in[0].data)[v->y] / (T)divisor(v); \
        EACH_POSITION(v, p) plane[soma__place_of(&v->x, p)] += g; \
    }
POOLS(float, _f32)
POOLS(double, _f64)

#define RUN(name, x, y, z, clears) \
    static int name##_run(const soma__call *c) { \
        if (clears) soma__clear(&c->out); \
        each_window(c, x, y, z, (x)->dtype == SOMA_F32 ? name##_f32 : name##_f64); \
        return SOMA_OK; \
    }
RUN(max_pool, &c->in[0], &c->out, &c->in[0], false)
RUN(max_pool_indices, &c->in[0], &c->out, &c->in[0], false)
RUN(max_pool_backward, &c->in[0], &c->in[1], &c->out, true)
RUN(max_pool_pick, &c->in[0], &c->out, &c->in[1], false)
RUN(avg_pool, &c->in[0], &c->out, &c->in[0], false)
RUN(avg_pool_backward, &c->out, &c->in[0], &c->out, true)

soma_tensor *soma__pool_record(int op, soma_tensor *const *in, int n_in, const int64_t *shape, int64_t ndim, const int64_t *attr, int n_attr) {
    for (int k = 0; k < n_in; k++)
        if (!in[k]) return NULL;
    soma__record r = {op, op == SOMA_OP_max_pool_indices ? SOMA_I64 : (soma_dtype)in[0]->dtype, ndim, shape, in, n_in, attr, n_attr};
    return soma__graph_record(in[0]->ctx, &r);
}

/* Of a node with the attributes v->attr: a second one with these, on other tensors. */
static soma_tensor *like(const soma__vjp *v, int op, soma_tensor *a, soma_tensor *b, const soma_tensor *shape) {
    soma_tensor *in[2] = {a, b};
    return soma__pool_record(op, in, b ? 2 : 1, shape->shape, shape->ndim, v->attr, v->node->n_attr);
}
static void max_pool_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = like(v, SOMA_OP_max_pool_backward, v->in[0], v->gy, v->in[0]);
}
static void max_pool_backward_grad(const soma__vjp *v) { /* where the winners are does not move */
    if (v->wants[1]) v->gx[1] = like(v, SOMA_OP_max_pool_pick, v->in[0], v->gy, v->in[1]);
}
static void max_pool_pick_grad(const soma__vjp *v) {
    if (v->wants[1]) v->gx[1] = like(v, SOMA_OP_max_pool_backward, v->in[0], v->gy, v->in[1]);
}
static void avg_pool_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = like(v, SOMA_OP_avg_pool_backward, v->gy, NULL, v->in[0]);
}
static void avg_pool_backward_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = like(v, SOMA_OP_avg_pool, v->gy, NULL, v->in[0]);
}
#define DEF(id, gradient) \
    const soma__op_def soma__op_##id = {.name = #id, .cls = SOMA__CLASS_STRIDED, .places = true, .run = id##_run, .grad = gradient};
DEF(max_pool, max_pool_grad)
DEF(max_pool_indices, NULL)
DEF(max_pool_backward, max_pool_backward_grad)
DEF(max_pool_pick, max_pool_pick_grad)
DEF(avg_pool, avg_pool_grad)
DEF(avg_pool_backward, avg_pool_backward_grad)

/* the public calls */

static bool wrong(const soma__pooling *p, const char *what) {
    return soma_error_raise(p->x->ctx, SOMA_ERROR_ARGUMENT, "%s: %s", p->call, what), false;
}

bool soma__pool_input(soma__pooling *p) {
    static const char *const wanted[3] = {"[N, C, L]", "[N, C, H, W]", "[N, C, D, H, W]"};
    char text[128];
    if (!soma__check(p->call, &p->x, 1)) return false;
    if (p->x->ndim != p->dims + 2)
        return soma_error_raise(p->x->ctx, SOMA_ERROR_SHAPE, "%s: the input has shape %s; %s is wanted", p->call,
                                soma_shape_text(p->x, text, sizeof text), wanted[p->dims - 1]),
               false;
    if (!soma__is_float(p->x->dtype))
        return soma_error_raise(p->x->ctx, SOMA_ERROR_DTYPE, "%s: the input is %s; float32 or float64 is wanted", p->call,
                                soma_dtype_name((soma_dtype)p->x->dtype)),
               false;
    memcpy(p->shape, p->x->shape, 2 * sizeof *p->shape);
    p->attr[SOMA__POOL_DIMS] = p->dims;
    return true;
}

static int64_t listed(const int64_t *list, int64_t d, int64_t otherwise) { return list[d] ? list[d] : list[0] ? list[0] : otherwise; }

/* The number of windows along a dimension. */
static int64_t window_count(int64_t in, int64_t pad, int64_t span, int64_t stride, bool ceil_mode) {
    int64_t room = in + 2 * pad - span;
    if (room < 0 && (!ceil_mode || room + stride <= 0)) return 0;
    int64_t n = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && (n - 1) * stride >= in + pad) n--; /* the last one starts in the input or in front of it */
    return n;
}

bool soma__pool_regular(soma__pooling *p, int64_t kernel, int64_t stride, const void *options, size_t size) {
    if (!soma_options_read(p->x->ctx, p->call, &p->o, sizeof p->o, options, size)) return false;
    int64_t *list = p->attr + SOMA__POOL_NUMBERS, most = 1 << 30;
    for (int64_t d = 0; d < p->dims; d++) {
        int64_t k = p->o.kernel[d] ? p->o.kernel[d] : kernel, s = listed(p->o.stride, d, stride ? stride : k), pad = p->o.padding[d],
                l = listed(p->o.dilation, d, 1);
        if (k < 1 || s < 1 || l < 1 || pad < 0 || k > most || s > most || l > most || pad > most)
            return wrong(p, "kernel, stride and dilation are 1 or more, the padding 0 or more");
        int64_t span = l * (k - 1) + 1, padded = p->x->shape[2 + d] + 2 * pad;
        p->shape[2 + d] = window_count(p->x->shape[2 + d], pad, span, s, p->o.ceil_mode != 0);
        if (p->shape[2 + d] < 1)
            return soma_error_raise(p->x->ctx, SOMA_ERROR_SHAPE, "%s: dimension %lld has %lld elements with its padding, the window spans %lld",
                                    p->call, (long long)d + 2, (long long)padded, (long long)span),
                   false;
        list[d] = k, list[p->dims + d] = s, list[2 * p->dims + d] = pad, list[3 * p->dims + d] = l;
    }
    p->n_attr = (int)(SOMA__POOL_NUMBERS + 4 * p->dims);
    return true;
}

/* Padding is at most half of the kernel, dilated or not. */
static bool pool_ready(soma__pooling *p, int64_t kernel, const void *options, size_t size, bool average) {
    if (!soma__pool_input(p) || !soma__pool_regular(p, kernel, 0, options, size)) return false;
    const int64_t *list = p->attr + SOMA__POOL_NUMBERS;
    for (int64_t d = 0; d < p->dims; d++) {
        if (average && list[3 * p->dims + d] != 1) return wrong(p, "averages have no dilation");
        if (list[2 * p->dims + d] > list[d] / 2) return wrong(p, "the padding is at most half of the kernel");
    }
    if (!average && (p->o.no_count_pad || p->o.divisor_override)) return wrong(p, "no_count_pad and divisor_override are for averages");
    if (p->o.divisor_override < 0) return wrong(p, "divisor_override is above 0");
    p->attr[SOMA__POOL_DIVISOR] = p->o.divisor_override ? p->o.divisor_override : p->o.no_count_pad ? SOMA__POOL_REAL : SOMA__POOL_PADDED;
    if (!average) p->attr[SOMA__POOL_DIVISOR] = 0;
    return true;
}

static bool adaptive_ready(soma__pooling *p, const int64_t *sizes, int64_t count) {
    if (!soma__pool_input(p)) return false;
    if (!sizes || (count != 1 && count != p->dims))
        return soma_error_raise(p->x->ctx, SOMA_ERROR_ARGUMENT, "%s: %lld sizes; one, or one for each of the %lld dimensions, is wanted", p->call,
                                sizes ? (long long)count : 0ll, (long long)p->dims),
               false;
    for (int64_t d = 0; d < p->dims; d++) {
        int64_t n = sizes[count == 1 ? 0 : d];
        p->shape[2 + d] = n == -1 ? p->x->shape[2 + d] : n;
        if (p->shape[2 + d] < 1 || p->x->shape[2 + d] < 1)
            return soma_error_raise(p->x->ctx, SOMA_ERROR_ARGUMENT,
                                    "%s: size %lld of a dimension of %lld; 1 or more (-1: the input's), of 1 or more, is wanted", p->call,
                                    (long long)n, (long long)p->x->shape[2 + d]),
                   false;
    }
    p->attr[SOMA__POOL_ADAPTIVE] = 1;
    p->n_attr = SOMA__POOL_NUMBERS;
    return true;
}

static soma_tensor *pooled(const soma__pooling *p, int op, soma_tensor **indices) {
    if (indices) *indices = soma__pool_record(SOMA_OP_max_pool_indices, &p->x, 1, p->shape, p->dims + 2, p->attr, p->n_attr);
    return soma__pool_record(op, &p->x, 1, p->shape, p->dims + 2, p->attr, p->n_attr);
}

#define DIMENSIONS(n) \
    soma_tensor *soma_max_pool##n##d_v(soma_tensor *x, int64_t kernel, soma_tensor **indices, const soma_pool_opts *options, size_t size) { \
        soma__pooling p = {.call = "max_pool" #n "d", .dims = n, .x = x}; \
        if (indices) *indices = NULL; \
        return pool_ready(&p, kernel, options, size, false) ? pooled(&p, SOMA_OP_max_pool, indices) : NULL; \
    } \
    soma_tensor *soma_avg_pool##n##d_v(soma_tensor *x, int64_t kernel, const soma_pool_opts *options, size_t size) { \
        soma__pooling p = {.call = "avg_pool" #n "d", .dims = n, .x = x}; \
        return pool_ready(&p, kernel, options, size, true) ? pooled(&p, SOMA_OP_avg_pool, NULL) : NULL; \
    } \
    soma_tensor *soma_adaptive_max_pool##n##d(soma_tensor *x, const int64_t *sizes, int64_t count, soma_tensor **indices) { \
        soma__pooling p = {.call = "adaptive_max_pool" #n "d", .dims = n, .x = x}; \
        if (indices) *indices = NULL; \
        return adaptive_ready(&p, sizes, count) ? pooled(&p, SOMA_OP_max_pool, indices) : NULL; \
    } \
    soma_tensor *soma_adaptive_avg_pool##n##d(soma_tensor *x, const int64_t *sizes, int64_t count) { \
        soma__pooling p = {.call = "adaptive_avg_pool" #n "d", .dims = n, .x = x}; \
        return adaptive_ready(&p, sizes, count) ? pooled(&p, SOMA_OP_avg_pool, NULL) : NULL; \
    }
DIMENSIONS(1)
DIMENSIONS(2)
DIMENSIONS(3)
