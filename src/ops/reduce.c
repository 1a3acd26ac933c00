/* Reductions. A sum's order is a function of the logical shape alone: the reduced elements in C order, pieces of 4096, in a piece 16 lanes from +0,
 * lanes and pieces added by fixed trees. attr[0] is the mask of reduced dimensions. */
#include "base/fpmode.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/loops.h"

#include <string.h>

/* Pieces are the leaves of a pairwise tree, level by level; an odd one is carried up. A stack of finished subtrees does it in one pass. */
#define SUM_OF(T, name) \
    typedef struct name##_tree { \
        T part[64]; \
        int level[64], top; \
    } name##_tree; \
    static void name##_piece(name##_tree *t, const T *x, int64_t n) { \
        T lane[16] = {0}; \
        int64_t i = 0; \
        for (; i + 16 <= n; i += 16) \
            for (int l = 0; l < 16; l++) lane[l] += x[i + l]; \
        for (int l = 0; l < 16 && i + l < n; l++) lane[l] += x[i + l]; \
        for (int half = 8; half; half /= 2) \
            for (int l = 0; l < half; l++) lane[l] += lane[l + half]; \
        t->part[t->top] = lane[0]; \
        t->level[t->top++] = 0; \
        for (; t->top > 1 && t->level[t->top - 1] == t->level[t->top - 2]; t->top--) \
            t->part[t->top - 2] += t->part[t->top - 1], t->level[t->top - 2]++; \
    } \
    static T name##_end(name##_tree *t) { \
        for (; t->top > 1; t->top--) t->part[t->top - 2] += t->part[t->top - 1]; \
        return t->top ? t->part[0] : 0; \
    } \
    /* At most 16: an element a lane. Lanes are never -0, so those that stay +0 need not be added. */ \
    static T name##_few(const T *x, int64_t n) { \
        T lane[16]; \
        for (int64_t l = 0; l < n; l++) lane[l] = 0 + x[l]; \
        for (int64_t half = 8; half; half /= 2) \
            for (int64_t l = 0; l < half && l + half < n; l++) lane[l] += lane[l + half]; \
        return n ? lane[0] : 0; \
    } \
    T soma__##name(const T *x, int64_t n) { \
        if (n <= 16) return name##_few(x, n); \
        name##_tree t = {.top = 0}; \
        for (int64_t i = 0; i < n; i += PIECE) name##_piece(&t, x + i, n - i < PIECE ? n - i : PIECE); \
        return name##_end(&t); \
    } \
    /* Of strided elements, which are brought together piece by piece. */ \
    static T name##_of(const T *x, const soma__operand *go) { \
        const soma__operand *ops[1] = {go}; \
        int64_t have = 0, step = soma__last_stride(go); \
        T piece[PIECE]; \
        name##_tree t = {.top = 0}; \
        soma__walk w; \
        for (soma__walk_start(&w, go); w.row < w.rows; soma__walk_next(&w, ops, 1)) \
            for (int64_t i = 0; i < w.length; i++) { \
                piece[have++] = x[w.at[0] + i * step]; \
                if (have == PIECE) name##_piece(&t, piece, have), have = 0; \
            } \
        if (have) name##_piece(&t, piece, have); \
        return name##_end(&t); \
    }
#define PIECE SOMA__SUM_PIECE
SUM_OF(float, sum_f32)
SUM_OF(double, sum_f64)

static int64_t as_int(const void *x, int dtype, int64_t at) {
    switch (dtype) {
    case SOMA_I64: return ((const int64_t *)x)[at];
    case SOMA_I32: return ((const int32_t *)x)[at];
    default: return ((const uint8_t *)x)[at];
    }
}

/* An operand split into the dimensions that stay and those that go. */
typedef struct split {
    soma__operand stay, go;
} split;

static split split_of(const soma__operand *x, int64_t mask) {
    split s;
    memset(&s, 0, sizeof s);
    s.stay.numel = s.go.numel = 1;
    for (int d = 0; d < x->ndim; d++) {
        soma__operand *o = mask >> d & 1 ? &s.go : &s.stay;
        o->shape[o->ndim] = x->shape[d];
        o->strides[o->ndim++] = x->strides[d];
        o->numel *= x->shape[d];
    }
    return s;
}

#define ADD_ALL(T) \
    for (; w.row < w.rows; soma__walk_next(&w, ops, 1)) { \
        const T *x = (const T *)data + at + w.at[0]; \
        if (step == 1) \
            for (int64_t i = 0; i < w.length; i++) sum += (uint64_t)x[i]; \
        else \
            for (int64_t i = 0; i < w.length; i++) sum += (uint64_t)x[i * step]; \
    } \
    break
static int64_t sum_integers(const void *data, int dtype, int64_t at, const soma__operand *go) {
    const soma__operand *ops[1] = {go};
    int64_t step = soma__last_stride(go);
    uint64_t sum = 0;
    soma__walk w;
    soma__walk_start(&w, go);
    switch (dtype) {
    case SOMA_I64: ADD_ALL(int64_t);
    case SOMA_I32: ADD_ALL(int32_t);
    default: ADD_ALL(uint8_t);
    }
    return (int64_t)sum;
}

static int sum_run(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    split s = split_of(x, c->attr[0]);
    for (int64_t i = 0; i < s.stay.numel; i++) {
        int64_t at = soma__offset(&s.stay, i);
        if (x->dtype == SOMA_F32) ((float *)c->out.data)[i] = sum_f32_of((const float *)x->data + at, &s.go);
        else if (x->dtype == SOMA_F64) ((double *)c->out.data)[i] = sum_f64_of((const double *)x->data + at, &s.go);
        else ((int64_t *)c->out.data)[i] = sum_integers(x->data, x->dtype, at, &s.go);
    }
    return SOMA_OK;
}

/* A reduction's options, and the mask of the dims in them; 0 dims mean all. False after an error. */
typedef struct request {
    const char *op;
    const soma_reduce_opts *options;
    size_t size;
} request;
static bool reduce_mask(soma_tensor *x, request r, soma_reduce_opts *o, int64_t *mask) {
    const char *op = r.op;
    if (!soma__check(op, &x, 1) || !soma_options_read(x->ctx, op, o, sizeof *o, r.options, r.size)) return false;
    *mask = (1 << x->ndim) - 1;
    if (!o->ndims) return true;
    if (o->ndims < 0 || o->ndims > SOMA_MAX_DIMS) {
        soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "%s: %lld dimensions; 0 to %d are wanted", op, (long long)o->ndims, SOMA_MAX_DIMS);
        return false;
    }
    *mask = 0;
    for (int64_t i = 0; i < o->ndims; i++) {
        int64_t d = o->dims[i];
        if (!soma__check_dim(x, op, &d)) return false;
        if (*mask >> d & 1) {
            soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "%s: dimension %lld is named twice", op, (long long)d);
            return false;
        }
        if (x->ndim) *mask |= (int64_t)1 << d;
    }
    return true;
}

/* The shape that is left, sizes of 1 for reduced dimensions (keepdim) or none. */
static int64_t reduced_shape(const soma_tensor *x, int64_t mask, bool keepdim, int64_t *shape) {
    int64_t n = 0;
    for (int d = 0; d < x->ndim; d++) {
        if (!(mask >> d & 1)) shape[n++] = x->shape[d];
        else if (keepdim) shape[n++] = 1;
    }
    return n;
}

static soma_tensor *reduce(int op, soma_tensor *x, int64_t mask, bool keepdim, soma_dtype dtype) {
    int64_t shape[SOMA_MAX_DIMS], n = reduced_shape(x, mask, keepdim, shape), attr[2] = {mask, keepdim};
    soma__record r = {op, dtype, n, shape, &x, 1, attr, 2};
    return soma__graph_record(x->ctx, &r);
}

/* g with the reduced dimensions back as sizes of 1. */
static soma_tensor *unreduced(soma_tensor *g, const soma_tensor *x, int64_t mask) {
    int64_t shape[SOMA_MAX_DIMS];
    return soma_reshape(g, shape, reduced_shape(x, mask, true, shape));
}

soma_tensor *soma_sum_v(soma_tensor *x, const soma_reduce_opts *options, size_t size) {
    soma_reduce_opts o;
    int64_t mask;
    if (!reduce_mask(x, (request){"sum", options, size}, &o, &mask)) return NULL;
    return reduce(SOMA_OP_sum, x, mask, o.keepdim, soma__is_float(x->dtype) ? (soma_dtype)x->dtype : SOMA_I64);
}

static void sum_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma_expand(unreduced(v->gy, v->in[0], v->attr[0]), v->in[0]->shape, v->in[0]->ndim);
}
const soma__op_def soma__op_sum = {.name = "sum", .cls = SOMA__CLASS_STRIDED, .run = sum_run, .grad = sum_grad};

/* Is b to be taken instead of a, as the larger (or smaller) one? NaN wins and stays; of +-0 the maximum is +0. */
static bool better(const soma__operand *x, int64_t a, int64_t b, bool largest) {
    if (soma__is_float(x->dtype)) {
        double p = x->dtype == SOMA_F32 ? (double)((const float *)x->data)[a] : ((const double *)x->data)[a];
        double q = x->dtype == SOMA_F32 ? (double)((const float *)x->data)[b] : ((const double *)x->data)[b];
        if (p != p || q != q) return p == p;
        return largest ? q > p : q < p;
    }
    int64_t p = as_int(x->data, x->dtype, a), q = as_int(x->data, x->dtype, b);
    return largest ? q > p : q < p;
}

static bool is_nan(const soma__operand *x, int64_t at) {
    double v = x->dtype == SOMA_F32 ? (double)((const float *)x->data)[at] : x->dtype == SOMA_F64 ? ((const double *)x->data)[at] : 0;
    return v != v;
}

bool soma__before(const soma__operand *x, int64_t a, int64_t b, bool largest) {
    bool a_is_nan = is_nan(x, a), b_is_nan = is_nan(x, b);
    if (a_is_nan || b_is_nan) return largest ? a_is_nan && !b_is_nan : b_is_nan && !a_is_nan;
    return better(x, b, a, largest);
}

static bool zero_sign(const soma__operand *x, int64_t at) {
    if (x->dtype == SOMA_F32) return ((const float *)x->data)[at] == 0 && __builtin_signbit(((const float *)x->data)[at]);
    return x->dtype == SOMA_F64 && ((const double *)x->data)[at] == 0 && __builtin_signbit(((const double *)x->data)[at]);
}
static bool is_zero(const soma__operand *x, int64_t at) {
    return x->dtype == SOMA_F32 ? ((const float *)x->data)[at] == 0 : x->dtype == SOMA_F64 && ((const double *)x->data)[at] == 0;
}

static int extreme_run(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    bool largest = c->op == SOMA_OP_amax;
    size_t size = soma_dtype_size((soma_dtype)x->dtype);
    split s = split_of(x, c->attr[0]);
    for (int64_t i = 0; i < s.stay.numel; i++) {
        int64_t first = soma__offset(&s.stay, i), best = first;
        for (int64_t k = 1; k < s.go.numel; k++) {
            int64_t at = first + soma__offset(&s.go, k);
            bool signs = is_zero(x, at) && is_zero(x, best) && zero_sign(x, best) == largest && zero_sign(x, at) != largest;
            if (signs || better(x, best, at, largest)) best = at;
        }
        memcpy((char *)c->out.data + (size_t)i * size, (const char *)x->data + (size_t)best * size, size);
    }
    return SOMA_OK;
}

static soma_tensor *extreme(int op, soma_tensor *x, const soma_reduce_opts *options, size_t size) {
    soma_reduce_opts o;
    int64_t mask;
    if (!reduce_mask(x, (request){soma__ops[op]->name, options, size}, &o, &mask)) return NULL;
    for (int d = 0; d < x->ndim; d++)
        if (mask >> d & 1 && x->shape[d] == 0) {
            soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: dimension %d is empty and has no extreme value", soma__ops[op]->name, d);
            return NULL;
        }
    return reduce(op, x, mask, o.keepdim, (soma_dtype)x->dtype);
}
soma_tensor *soma_amax_v(soma_tensor *x, const soma_reduce_opts *options, size_t size) { return extreme(SOMA_OP_amax, x, options, size); }
soma_tensor *soma_amin_v(soma_tensor *x, const soma_reduce_opts *options, size_t size) { return extreme(SOMA_OP_amin, x, options, size); }

/* Shared evenly among equal values, as torch's. */
static void extreme_grad(const soma__vjp *v) {
    if (!v->wants[0]) return;
    soma_tensor *x = v->in[0], *y = unreduced(v->node, x, v->attr[0]);
    soma_tensor *mask = soma_to(soma_eq(x, y), (soma_dtype)x->dtype);
    soma_reduce_opts o = {.keepdim = 1};
    for (int d = 0; d < x->ndim; d++)
        if (v->attr[0] >> d & 1) o.dims[o.ndims++] = d;
    v->gx[0] = soma_mul(soma_div(mask, soma_sum(mask, &o)), unreduced(v->gy, x, v->attr[0]));
}
const soma__op_def soma__op_amax = {.name = "amax", .cls = SOMA__CLASS_STRIDED, .run = extreme_run, .grad = extreme_grad};
const soma__op_def soma__op_amin = {.name = "amin", .cls = SOMA__CLASS_STRIDED, .run = extreme_run, .grad = extreme_grad};

static int64_t reduced_count(const soma_tensor *x, int64_t mask) {
    int64_t n = 1;
    for (int d = 0; d < x->ndim; d++)
        if (mask >> d & 1) n *= x->shape[d];
    return n;
}

/* reduce_mask for what is there for floating dtypes only. */
static bool floating_mask(soma_tensor *x, request r, soma_reduce_opts *o, int64_t *mask) {
    if (!reduce_mask(x, r, o, mask)) return false;
    if (soma__is_float(x->dtype)) return true;
    soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "%s: the input is %s; float32 or float64 is wanted", r.op, soma_dtype_name((soma_dtype)x->dtype));
    return false;
}

soma_tensor *soma_mean_v(soma_tensor *x, const soma_reduce_opts *options, size_t size) {
    soma_reduce_opts o;
    int64_t mask;
    if (!floating_mask(x, (request){"mean", options, size}, &o, &mask)) return NULL;
    soma__composite_begin(x->ctx, "mean");
    return soma_interior_end(x->ctx, soma_div_scalar(soma_sum(x, &o), (double)reduced_count(x, mask)));
}

/* Two passes: the mean first, then the squares of the distances to it. */
soma_tensor *soma_var_v(soma_tensor *x, const soma_reduce_opts *options, size_t size) {
    soma_reduce_opts o;
    int64_t mask;
    if (!floating_mask(x, (request){"var", options, size}, &o, &mask)) return NULL;
    double n = soma__nearest('-', (double)reduced_count(x, mask), o.correction.set ? o.correction.value : 1.0);
    soma__composite_begin(x->ctx, "var");
    soma_reduce_opts keep = o;
    keep.keepdim = 1;
    soma_tensor *d = soma_sub(x, soma_mean(x, &keep));
    return soma_interior_end(x->ctx, soma_div_scalar(soma_sum(soma_square(d), &o), n > 0 ? n : 0));
}

/* The square root of x >= 0 with the gradient 0 at 0, as torch's std and norm have it: the root is taken of 1 there, and not used. */
static soma_tensor *root(soma_tensor *x) {
    if (!x) return NULL;
    soma_tensor *zero = soma__number(x->ctx, 0, (soma_dtype)x->dtype), *one = soma__number(x->ctx, 1, (soma_dtype)x->dtype), *at = soma_eq(x, zero);
    return soma_where(at, zero, soma_sqrt(soma_where(at, one, x)));
}

soma_tensor *soma_std_v(soma_tensor *x, const soma_reduce_opts *options, size_t size) {
    if (!soma__check("std", &x, 1)) return NULL;
    soma__composite_begin(x->ctx, "std");
    return soma_interior_end(x->ctx, root(soma_var_v(x, options, size)));
}

soma_tensor *soma_norm(soma_tensor *x) {
    if (!soma__check("norm", &x, 1)) return NULL;
    soma__composite_begin(x->ctx, "norm");
    return soma_interior_end(x->ctx, root(soma_sum(soma_square(x), NULL)));
}

soma_tensor *soma_logsumexp_v(soma_tensor *x, const soma_reduce_opts *options, size_t size) {
    soma_reduce_opts o;
    int64_t mask;
    if (!floating_mask(x, (request){"logsumexp", options, size}, &o, &mask)) return NULL;
    soma_context *ctx = x->ctx;
    int64_t shape[SOMA_MAX_DIMS], n = reduced_shape(x, mask, o.keepdim, shape);
    if (!reduced_count(x, mask)) return soma_full(ctx, -__builtin_inf(), (soma_dtype)x->dtype, shape, n); /* the log of an empty sum */
    soma__composite_begin(ctx, "logsumexp");
    soma_reduce_opts keep = o;
    keep.keepdim = 1;
    soma_tensor *m = soma_detach(soma_amax(x, &keep));
    m = soma_where(soma_isfinite(m), m, soma_scalar(ctx, 0)); /* all -inf, or +inf: no shift, as torch */
    soma_tensor *y = soma_add(soma_log(soma_sum(soma_exp(soma_sub(x, m)), &keep)), m);
    return soma_interior_end(ctx, soma_reshape(y, shape, n));
}

soma_tensor *soma_sum_to(soma_tensor *x, const int64_t *shape, int64_t ndim) {
    if (!soma__check("sum_to", &x, 1) || !soma__there(x->ctx, "sum_to", shape, ndim)) return NULL;
    if (ndim < 0 || ndim > x->ndim)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "sum_to: %lld dimensions, the tensor has %d", (long long)ndim, x->ndim), NULL;
    soma_reduce_opts o = {.keepdim = 1};
    int64_t lead = x->ndim - ndim;
    bool fits = true;
    for (int64_t d = 0; fits && d < ndim; d++) fits = shape[d] == 1 || shape[d] == x->shape[lead + d];
    if (!fits) {
        char want[128], have[128];
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "sum_to: a tensor of shape %s is not broadcast to %s",
                         soma__shape_print(shape, ndim, want, sizeof want), soma_shape_text(x, have, sizeof have));
        return NULL;
    }
    for (int d = 0; d < x->ndim; d++)
        if (d < lead || (shape[d - lead] == 1 && x->shape[d] != 1)) o.dims[o.ndims++] = d;
    soma__composite_begin(x->ctx, "sum_to");
    return soma_interior_end(x->ctx, soma_reshape(o.ndims ? soma_sum(x, &o) : x, shape, ndim));
}

/* argmax and argmin: attr dim, keepdim */

static int arg_run(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    split s = split_of(x, c->attr[0]);
    for (int64_t i = 0; i < s.stay.numel; i++) {
        int64_t first = soma__offset(&s.stay, i), best = 0;
        for (int64_t k = 1; k < s.go.numel; k++)
            if (better(x, first + best * s.go.strides[0], first + k * s.go.strides[0], c->op == SOMA_OP_argmax)) best = k;
        ((int64_t *)c->out.data)[i] = best;
    }
    return SOMA_OK;
}

static soma_tensor *arg(int op, soma_tensor *x, int64_t dim, bool keepdim) {
    if (!soma__check(soma__ops[op]->name, &x, 1) || !soma__check_dim(x, soma__ops[op]->name, &dim)) return NULL;
    if (x->ndim && !x->shape[dim]) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: dimension %lld has no elements", soma__ops[op]->name, (long long)dim);
        return NULL;
    }
    return reduce(op, x, x->ndim ? (int64_t)1 << dim : 0, keepdim, SOMA_I64);
}
soma_tensor *soma_argmax(soma_tensor *x, int64_t dim, bool keepdim) { return arg(SOMA_OP_argmax, x, dim, keepdim); }
soma_tensor *soma_argmin(soma_tensor *x, int64_t dim, bool keepdim) { return arg(SOMA_OP_argmin, x, dim, keepdim); }

static soma_tensor *arg_all(const char *call, soma_tensor *x, soma_tensor *(*of)(soma_tensor *, int64_t, bool)) {
    if (!soma__check(call, &x, 1)) return NULL;
    soma__composite_begin(x->ctx, call);
    return soma_interior_end(x->ctx, of(soma_flatten(x, 0, -1), 0, false));
}
soma_tensor *soma_argmax_all(soma_tensor *x) { return arg_all("argmax_all", x, soma_argmax); }
soma_tensor *soma_argmin_all(soma_tensor *x) { return arg_all("argmin_all", x, soma_argmin); }
const soma__op_def soma__op_argmax = {.name = "argmax", .cls = SOMA__CLASS_STRIDED, .run = arg_run};
const soma__op_def soma__op_argmin = {.name = "argmin", .cls = SOMA__CLASS_STRIDED, .run = arg_run};
