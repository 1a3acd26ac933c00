/* unfold: the windows of an image as columns [N, C * kernel, windows], zeros in the border. fold is the adjoint: columns added where their windows
 * are, in ascending order of (window, position in it), from +0. attr as pool.h has it, of the image. */
#include "ops/pool.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/loops.h"

typedef struct columns {
    int64_t channels, kernel[3], windows[3], stride[3], pad[3], dilation[3], in[3];
    soma__places image;
    int64_t n, row, at; /* strides of the columns */
} columns;

static columns columns_of(const soma__call *c, const soma__operand *image, const soma__operand *flat) {
    soma__window w = soma__window_of(c->attr, image->shape, image->shape);
    columns k = {
        .channels = image->shape[1], .image = soma__places_of(image, 2), .n = flat->strides[0], .row = flat->strides[1], .at = flat->strides[2]};
    for (int d = 0; d < 3; d++) {
        k.kernel[d] = w.kernel[d], k.stride[d] = w.stride[d], k.pad[d] = w.pad[d], k.dilation[d] = w.dilation[d], k.in[d] = w.in[d];
        k.windows[d] = (w.in[d] + 2 * w.pad[d] - w.dilation[d] * (w.kernel[d] - 1) - 1) / w.stride[d] + 1;
    }
    return k;
}

/* Where position p of window o lies in a plane; -1: in the border. */
static int64_t place(const columns *k, const int64_t o[3], const int64_t p[3]) {
    int64_t at = 0;
    for (int d = 0; d < 3; d++) {
        int64_t i = o[d] * k->stride[d] - k->pad[d] + p[d] * k->dilation[d];
        if (i < 0 || i >= k->in[d]) return -1;
        at += i * k->image.at[d];
    }
    return at;
}

#define EACH_COLUMN(T, suffix, image, flat, there, border) \
    static void image##_of_##flat##suffix(const columns *k, int64_t samples, T *image, T *flat) { \
        for (int64_t n = 0; n < samples; n++) \
            for (int64_t c = 0; c < k->channels; c++) { \
                T *plane = image + n * k->image.n + c * k->image.c; \
                int64_t o[3] = {0}, window = 0, taps = soma__conv_volume(k->kernel); \
                do { \
                    int64_t p[3] = {0}, row = c * taps; \
                    do { \
                        int64_t i = place(k, o, p); \
                        T *column = flat + n * k->n + row++ * k->row + window * k->at; \
                        if (i >= 0) there; \
                        else border; \
                    } while (soma__conv_advance(p, k->kernel)); \
                    window++; \
                } while (soma__conv_advance(o, k->windows)); \
            } \
    }
EACH_COLUMN(float, _read_f32, image, flat, *column = plane[i], *column = 0)
EACH_COLUMN(double, _read_f64, image, flat, *column = plane[i], *column = 0)
EACH_COLUMN(float, _add_f32, image, flat, plane[i] += *column, (void)0)
EACH_COLUMN(double, _add_f64, image, flat, plane[i] += *column, (void)0)

static int unfold_run(const soma__call *c) {
    columns k = columns_of(c, &c->in[0], &c->out);
    if (!c->out.numel) return SOMA_OK;
    if (c->out.dtype == SOMA_F32) image_of_flat_read_f32(&k, c->in[0].shape[0], c->in[0].data, c->out.data);
    else image_of_flat_read_f64(&k, c->in[0].shape[0], c->in[0].data, c->out.data);
    return SOMA_OK;
}
static int fold_run(const soma__call *c) {
    columns k = columns_of(c, &c->out, &c->in[0]);
    soma__clear(&c->out);
    if (!c->in[0].numel) return SOMA_OK;
    if (c->out.dtype == SOMA_F32) image_of_flat_add_f32(&k, c->out.shape[0], c->out.data, c->in[0].data);
    else image_of_flat_add_f64(&k, c->out.shape[0], c->out.data, c->in[0].data);
    return SOMA_OK;
}

static void unfold_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma__pool_record(SOMA_OP_fold, &v->gy, 1, v->in[0]->shape, 4, v->attr, v->node->n_attr);
}
static void fold_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma__pool_record(SOMA_OP_unfold, &v->gy, 1, v->in[0]->shape, 3, v->attr, v->node->n_attr);
}
const soma__op_def soma__op_unfold = {.name = "unfold", .cls = SOMA__CLASS_STRIDED, .run = unfold_run, .grad = unfold_grad};
const soma__op_def soma__op_fold = {.name = "fold", .cls = SOMA__CLASS_STRIDED, .run = fold_run, .grad = fold_grad};

static bool regular(soma__pooling *p, int64_t kernel, const void *options, size_t size) {
    if (!soma__pool_regular(p, kernel, 1, options, size)) return false;
    if (!p->o.ceil_mode && !p->o.no_count_pad && !p->o.divisor_override) return true;
    soma_error_raise(p->x->ctx, SOMA_ERROR_ARGUMENT, "%s: ceil_mode, no_count_pad and divisor_override are for pools", p->call);
    return false;
}

soma_tensor *soma_unfold_v(soma_tensor *x, int64_t kernel, const soma_pool_opts *options, size_t size) {
    soma__pooling p = {.call = "unfold", .dims = 2, .x = x};
    if (!soma__pool_input(&p) || !regular(&p, kernel, options, size)) return NULL;
    const int64_t *k = p.attr + SOMA__POOL_NUMBERS;
    int64_t shape[3] = {x->shape[0]};
    if (__builtin_mul_overflow(x->shape[1], k[0], &shape[1]) || __builtin_mul_overflow(shape[1], k[1], &shape[1]) ||
        __builtin_mul_overflow(p.shape[2], p.shape[3], &shape[2]))
        shape[1] = shape[2] = INT64_MAX; /* too large: recording says so */
    return soma__pool_record(SOMA_OP_unfold, &x, 1, shape, 3, p.attr, p.n_attr);
}

soma_tensor *soma_fold_v(soma_tensor *x, const int64_t *sizes, int64_t count, int64_t kernel, const soma_pool_opts *options, size_t size) {
    soma_tensor image;
    soma__pooling p = {.call = "fold", .dims = 2, .x = &image, .attr = {2}};
    char text[128];
    if (!soma__check("fold", &x, 1)) return NULL;
    if (!soma__is_float(x->dtype) || x->ndim != 3 || !sizes || (count != 1 && count != 2) || sizes[0] < 1 || sizes[count - 1] < 1)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE,
                                "fold: the input is %s %s; floating [N, C * kernel, windows] and one size of the image, or two, are wanted",
                                soma_dtype_name((soma_dtype)x->dtype), soma_shape_text(x, text, sizeof text)),
               NULL;
    image = *x, image.ndim = 4, image.shape[2] = sizes[0], image.shape[3] = sizes[count - 1]; /* stands for the result */
    if (!regular(&p, kernel, options, size)) return NULL;
    int64_t *k = p.attr + SOMA__POOL_NUMBERS, taps = k[0] * k[1], windows = p.shape[2] * p.shape[3];
    if (x->shape[1] % taps || x->shape[2] != windows)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "fold: the input has shape %s; a multiple of %lld rows and %lld windows are wanted",
                                soma_shape_text(x, text, sizeof text), (long long)taps, (long long)windows),
               NULL;
    const int64_t shape[4] = {x->shape[0], x->shape[1] / taps, sizes[0], sizes[count - 1]};
    return soma__pool_record(SOMA_OP_fold, &x, 1, shape, 4, p.attr, p.n_attr);
}
