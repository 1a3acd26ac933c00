/* Normalisation, written with ops. */
#include "ops/elementwise.h"
#include "ops/norm.h"

/* (x - mean) / sqrt(variance + eps), times weight, plus bias: all broadcast to x. */
static soma_tensor *normalised(soma_tensor *centred, soma_tensor *variance, double eps, soma_tensor *weight, soma_tensor *bias) {
    soma_tensor *y = soma_mul(centred, soma_rsqrt(soma_add_scalar(variance, eps)));
    if (weight) y = soma_mul(y, weight);
    return bias ? soma_add(y, bias) : y;
}

/* A weight, bias or running statistic: x's context and dtype, and this shape. */
static bool part_fits(const char *name, const char *part, const soma_tensor *x, const soma_tensor *p, const int64_t *shape, int64_t ndim) {
    char a[128], b[128];
    if (!p) return true;
    bool fits = p->ctx == x->ctx && p->dtype == x->dtype && p->ndim == ndim;
    for (int64_t d = 0; fits && d < ndim; d++) fits = p->shape[d] == shape[d];
    if (!fits)
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the %s is %s %s, the input %s %s", name, part, soma_dtype_name((soma_dtype)p->dtype),
                         soma_shape_text(p, a, sizeof a), soma_dtype_name((soma_dtype)x->dtype), soma_shape_text(x, b, sizeof b));
    return fits;
}

/* The input is there and floating; what else may be NULL tells of an input that is. */
static bool floating(const char *name, soma_tensor *x, soma_tensor *const *others, int n) {
    soma_tensor *in[2] = {x, NULL};
    for (int i = 0; i < n && !in[1]; i++) in[1] = others[i];
    if (!soma__check(name, in, x || !in[1] ? 1 : 2) || !x) return false;
    if (soma__is_float(x->dtype)) return true;
    soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "%s: the input is %s; a floating dtype is wanted", name, soma_dtype_name((soma_dtype)x->dtype));
    return false;
}

soma_tensor *soma_layer_norm(soma_tensor *x, int64_t dims, soma_tensor *weight, soma_tensor *bias, double eps) {
    soma_tensor *affine[2] = {weight, bias};
    if (!floating("layer_norm", x, affine, 2)) return NULL;
    if (dims < 1 || dims > x->ndim)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "layer_norm: the last %lld of %d dimensions; 1 or more of those that there are, are wanted",
                                (long long)dims, x->ndim),
               NULL;
    const int64_t *shape = x->shape + x->ndim - dims;
    if (!part_fits("layer_norm", "weight", x, weight, shape, dims) || !part_fits("layer_norm", "bias", x, bias, shape, dims)) return NULL;
    soma_reduce_opts over = {.ndims = dims, .keepdim = 1};
    for (int64_t d = 0; d < dims; d++) over.dims[d] = -1 - d;
    soma__composite_begin(x->ctx, "layer_norm");
    soma_tensor *centred = soma_sub(x, soma_mean(x, &over)), *variance = soma_mean(soma_square(centred), &over);
    return soma_interior_end(x->ctx, normalised(centred, variance, eps, weight, bias));
}

/* running = running + momentum (now - running); now is [1, C, 1...] */
void soma__move(soma_tensor *running, soma_tensor *now, double momentum) {
    if (!running || !now) return;
    soma_assign(running, soma_add(soma_mul_scalar(running, 1 - momentum), soma_mul_scalar(soma_reshape_as(now, running), momentum)));
}

soma_tensor *soma__by_channel(const soma_tensor *x, soma_tensor *p) {
    int64_t shape[SOMA_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) shape[d] = d == 1 ? x->shape[1] : 1;
    return p ? soma_reshape(p, shape, x->ndim) : NULL;
}

bool soma__channels_fit(const char *call, soma_tensor *x, soma_tensor *const *parts, const char *const *names, int n, int ndim) {
    char text[128];
    if (!floating(call, x, parts, n)) return false;
    if (x->ndim < ndim)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the input is %s; %s is wanted", call, soma_shape_text(x, text, sizeof text),
                                ndim == 2 ? "[N, C, ...]" : "[N, C, L...]"),
               false;
    for (int i = 0; i < n; i++)
        if (!part_fits(call, names[i], x, parts[i], x->shape + 1, 1)) return false;
    return true;
}

soma_tensor *soma_group_norm(soma_tensor *x, int64_t groups, soma_tensor *weight, soma_tensor *bias, double eps) {
    soma_tensor *parts[2] = {weight, bias};
    static const char *const names[2] = {"weight", "bias"};
    if (!soma__channels_fit("group_norm", x, parts, names, 2, 2)) return NULL;
    const int64_t n = x->shape[0], c = x->shape[1];
    if (groups < 1 || c % groups)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "group_norm: %lld channels do not go into %lld groups", (long long)c, (long long)groups),
               NULL;
    const soma_reduce_opts over = {.ndims = 1, .dims = {2}, .keepdim = 1};
    soma__composite_begin(x->ctx, "group_norm");
    soma_tensor *rows = soma_reshape(x, SOMA_SHAPE(n, groups, n ? x->numel / n / groups : 0)), *centred = soma_sub(rows, soma_mean(rows, &over));
    soma_tensor *y = normalised(centred, soma_mean(soma_square(centred), &over), eps, NULL, NULL);
    y = soma_reshape(y, x->shape, x->ndim);
    if (weight) y = soma_mul(y, soma__by_channel(x, weight));
    return soma_interior_end(x->ctx, bias ? soma_add(y, soma__by_channel(x, bias)) : y);
}

soma_tensor *soma_layer_norm2d(soma_tensor *x, soma_tensor *weight, soma_tensor *bias, double eps) {
    soma_tensor *parts[2] = {weight, bias};
    static const char *const names[2] = {"weight", "bias"};
    if (!soma__channels_fit("layer_norm2d", x, parts, names, 2, 2)) return NULL;
    const soma_reduce_opts over = {.ndims = 1, .dims = {1}, .keepdim = 1};
    soma__composite_begin(x->ctx, "layer_norm2d");
    soma_tensor *centred = soma_sub(x, soma_mean(x, &over)), *variance = soma_mean(soma_square(centred), &over);
    return soma_interior_end(x->ctx, normalised(centred, variance, eps, soma__by_channel(x, weight), soma__by_channel(x, bias)));
}

/* Running statistics move by the mean over the batch of what the samples have. */
soma_tensor *soma_instance_norm(soma_tensor *x, soma_tensor *running_mean, soma_tensor *running_var, soma_tensor *weight, soma_tensor *bias,
                                bool use_input, double momentum, double eps) {
    soma_tensor *parts[4] = {running_mean, running_var, weight, bias};
    static const char *const names[4] = {"running mean", "running variance", "weight", "bias"};
    char text[128];
    if (!soma__channels_fit("instance_norm", x, parts, names, 4, 3)) return NULL;
    if ((running_mean != NULL) != (running_var != NULL) || (!use_input && !running_mean))
        return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "instance_norm: both running statistics, or none and the input's own, are wanted"), NULL;
    const int64_t planes = x->shape[0] * x->shape[1], count = planes ? x->numel / planes : 0;
    if (use_input && count == 1)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "instance_norm: one value for each channel has no variance (input %s)",
                                soma_shape_text(x, text, sizeof text)),
               NULL;
    soma_reduce_opts over = {.keepdim = 1}, batch = {.ndims = 1, .keepdim = 1};
    for (int d = 2; d < x->ndim; d++) over.dims[over.ndims++] = d;
    soma__composite_begin(x->ctx, "instance_norm");
    soma_tensor *mean = use_input ? soma_mean(x, &over) : soma__by_channel(x, running_mean), *centred = soma_sub(x, mean);
    soma_tensor *variance = use_input ? soma_mean(soma_square(centred), &over) : soma__by_channel(x, running_var);
    if (use_input && running_mean) {
        soma_no_grad_begin(x->ctx);
        soma__move(running_mean, soma_mean(mean, &batch), momentum);
        soma__move(running_var, soma_mul_scalar(soma_mean(variance, &batch), (double)count / (double)(count - 1)), momentum); /* the unbiased one */
        soma_no_grad_end(x->ctx);
    }
    return soma_interior_end(x->ctx, normalised(centred, variance, eps, soma__by_channel(x, weight), soma__by_channel(x, bias)));
}
