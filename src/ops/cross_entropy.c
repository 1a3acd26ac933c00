/* Cross entropy: with class numbers an op (class_loss.c), with probabilities a composite. */
#include "base/fpmode.h"
#include "ops/class_loss.h"
#include "ops/elementwise.h"

#include <string.h>

soma_tensor *soma__reduced(soma_tensor *x, int64_t reduction) {
    return reduction == SOMA_NONE ? x : reduction == SOMA_SUM ? soma_sum(x, NULL) : soma_mean(x, NULL);
}

static bool reduction_ok(soma_context *ctx, const char *op, int64_t reduction) {
    if (reduction >= SOMA_MEAN && reduction <= SOMA_NONE) return true;
    soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: reduction %lld; SOMA_MEAN, SOMA_SUM or SOMA_NONE is wanted", op, (long long)reduction);
    return false;
}

/* x [N, C, d...] as rows [N * d..., C]. */
static soma_tensor *class_rows(soma_tensor *x) {
    if (x->ndim == 1) return soma_unsqueeze(x, 0);
    int64_t dims[SOMA_MAX_DIMS], shape[2] = {-1, x->shape[1]};
    for (int i = 0; i < x->ndim; i++) dims[i] = i == 0 ? 0 : i == x->ndim - 1 ? 1 : i + 1;
    if (!x->shape[1]) shape[0] = 0;
    return soma_reshape(x->ndim > 2 ? soma_permute(x, dims, x->ndim) : x, shape, 2);
}

static bool target_fits(soma_tensor *x, soma_tensor *t, bool classes) {
    bool fits = x->ndim >= 1 && t->ndim == (classes ? x->ndim - 1 : x->ndim) && (x->ndim == 1 || x->shape[0] == t->shape[0] || !classes);
    for (int i = 2; fits && classes && i < x->ndim; i++) fits = t->shape[i - 1] == x->shape[i];
    if (!classes) fits = soma__same_shape(x, t) && t->dtype == x->dtype;
    if (fits && (t->dtype == SOMA_I64) == classes && soma__is_float(x->dtype)) return true;
    char a[128], b[128];
    soma_error_raise(
        x->ctx, SOMA_ERROR_SHAPE,
        "cross_entropy: input %s %s does not go with target %s %s; int64 classes without the class dimension, or probabilities as the input",
        soma_dtype_name((soma_dtype)x->dtype), soma_shape_text(x, a, sizeof a), soma_dtype_name((soma_dtype)t->dtype),
        soma_shape_text(t, b, sizeof b));
    return false;
}

/* The rows' loss for probabilities: -sum_j w[j] ((1 - s) p[j] + s / C) lp[j]. */
static soma_tensor *soft_rows(soma_tensor *lp, soma_tensor *p, soma_tensor *weight, double s) {
    if (s != 0 && lp) p = soma_add_scalar(soma_mul_scalar(p, soma__nearest('-', 1, s)), soma__nearest('/', s, (double)lp->shape[1]));
    soma_reduce_opts o = {.ndims = 1, .dims = {1}};
    soma_tensor *product = soma_mul(lp, p);
    return soma_neg(soma_sum(weight ? soma_mul(product, weight) : product, &o));
}

static soma_tensor *class_loss(soma_tensor *input, soma_tensor *target, const soma_cross_entropy_opts *o, double s) {
    int64_t ignore = o->ignore_index.set ? (int64_t)o->ignore_index.value : -100, one = 1, flat = -1;
    soma_tensor *rows = class_rows(input), *t = soma_reshape(target, input->ndim == 1 ? &one : &flat, 1);
    if (!rows || !t) return NULL;
    soma_tensor *y = soma__class_loss_record(rows, t, o->weight, ignore, s, o->reduction);
    return y && o->reduction == SOMA_NONE ? soma_reshape(y, target->shape, target->ndim) : y;
}

soma_tensor *soma_cross_entropy_v(soma_tensor *input, soma_tensor *target, const soma_cross_entropy_opts *options, size_t size) {
    soma_tensor *in[2] = {input, target};
    soma_cross_entropy_opts o;
    if (!soma__check("cross_entropy", in, 2)) return NULL;
    soma_context *ctx = input->ctx;
    if (!soma_options_read(ctx, "cross_entropy", &o, sizeof o, options, size) || !reduction_ok(ctx, "cross_entropy", o.reduction)) return NULL;
    bool classes = !soma__is_float(target->dtype);
    double s = o.label_smoothing.set ? o.label_smoothing.value : 0;
    if (!target_fits(input, target, classes)) return NULL;
    int64_t n = input->shape[input->ndim == 1 ? 0 : 1];
    if (!(s >= 0 && s <= 1)) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "cross_entropy: label_smoothing is %g; [0, 1] is wanted", s), NULL;
    if (o.weight && (o.weight->ndim != 1 || o.weight->shape[0] != n || o.weight->dtype != input->dtype))
        return soma_error_raise(ctx, SOMA_ERROR_SHAPE, "cross_entropy: weight must be a 1-d tensor of %lld numbers of the input's dtype",
                                (long long)n),
               NULL;
    if (classes && !n && target->numel)
        return soma_error_raise(ctx, SOMA_ERROR_RANGE, "cross_entropy: the input has no classes, and there are %lld targets",
                                (long long)target->numel),
               NULL;
    if (o.ignore_index.set && (double)soma__to_i64(o.ignore_index.value) != o.ignore_index.value)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "cross_entropy: ignore_index is %g; an integer is wanted", o.ignore_index.value), NULL;
    soma__composite_begin(ctx, "cross_entropy");
    soma_tensor *y;
    if (classes) y = class_loss(input, target, &o, s);
    else {
        y = soft_rows(soma_log_softmax(class_rows(input), 1), class_rows(target), o.weight, s);
        if (o.reduction == SOMA_NONE && y) {
            int64_t shape[SOMA_MAX_DIMS], k = 0;
            for (int i = 0; i < input->ndim; i++)
                if (i != (input->ndim == 1 ? 0 : 1)) shape[k++] = input->shape[i];
            y = soma_reshape(y, shape, k);
        } else y = soma__reduced(y, o.reduction);
    }
    return soma_interior_end(ctx, y);
}
