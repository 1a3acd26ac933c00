/* What is done to whole channels (dimension 1), written with ops. */
#include "base/fpmode.h"
#include "ops/elementwise.h"

#include <string.h>

static bool at_least(const char *call, soma_tensor *x, int ndim, const char *wanted) {
    char text[128];
    if (!soma__check(call, &x, 1)) return false;
    if (x->ndim >= ndim) return true;
    soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the input has shape %s; %s is wanted", call, soma_shape_text(x, text, sizeof text), wanted);
    return false;
}

/* [..., C, H, W] with the last three dimensions in six, in another order, and in three again. */
static soma_tensor *shuffled(const char *call, soma_tensor *x, const int64_t six[6], const int order[6], const int64_t three[3]) {
    int64_t lead = x->ndim - 3, wide[SOMA_MAX_DIMS + 3], dims[SOMA_MAX_DIMS + 3], end[SOMA_MAX_DIMS];
    if (lead + 6 > SOMA_MAX_DIMS)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the input has %d dimensions; 5 are the most", call, x->ndim), NULL;
    for (int64_t d = 0; d < lead; d++) wide[d] = end[d] = x->shape[d], dims[d] = d;
    for (int64_t d = 0; d < 6; d++) wide[lead + d] = six[d], dims[lead + d] = lead + order[d];
    for (int64_t d = 0; d < 3; d++) end[lead + d] = three[d];
    soma__composite_begin(x->ctx, call);
    return soma_interior_end(x->ctx, soma_reshape(soma_permute(soma_reshape(x, wide, lead + 6), dims, lead + 6), end, lead + 3));
}

static bool factor_fits(const char *call, const soma_tensor *x, int64_t r, bool fits) {
    char text[128];
    if (!fits)
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the factor %lld does not divide what it must of %s", call, (long long)r,
                         soma_shape_text(x, text, sizeof text));
    return fits;
}

soma_tensor *soma_pixel_shuffle(soma_tensor *x, int64_t factor) {
    if (!at_least("pixel_shuffle", x, 3, "[..., C * factor * factor, H, W]")) return NULL;
    const int64_t *s = x->shape + x->ndim - 3, r = factor, c = r > 0 && r < 1 << 15 ? s[0] / (r * r) : 0;
    if (!factor_fits("pixel_shuffle", x, r, r > 0 && r < 1 << 15 && c * r * r == s[0])) return NULL;
    return shuffled("pixel_shuffle", x, (int64_t[]){c, r, r, s[1], s[2], 1}, (int[]){0, 3, 1, 4, 2, 5}, (int64_t[]){c, s[1] * r, s[2] * r});
}

soma_tensor *soma_pixel_unshuffle(soma_tensor *x, int64_t factor) {
    if (!at_least("pixel_unshuffle", x, 3, "[..., C, H * factor, W * factor]")) return NULL;
    const int64_t *s = x->shape + x->ndim - 3, r = factor;
    if (!factor_fits("pixel_unshuffle", x, r, r > 0 && r < 1 << 15 && s[1] % r == 0 && s[2] % r == 0)) return NULL;
    const int64_t h = s[1] / r, w = s[2] / r;
    return shuffled("pixel_unshuffle", x, (int64_t[]){s[0], h, r, w, r, 1}, (int[]){0, 2, 4, 1, 3, 5}, (int64_t[]){s[0] * r * r, h, w});
}

soma_tensor *soma_channel_shuffle(soma_tensor *x, int64_t groups) {
    if (!at_least("channel_shuffle", x, 3, "[N, C, ...]")) return NULL;
    const int64_t n = x->shape[0], c = x->shape[1];
    if (!factor_fits("channel_shuffle", x, groups, groups > 0 && c % groups == 0)) return NULL;
    soma__composite_begin(x->ctx, "channel_shuffle");
    soma_tensor *y = soma_transpose(soma_reshape(x, SOMA_SHAPE(n, groups, c / groups, c && n ? x->numel / n / c : 0)), 1, 2);
    return soma_interior_end(x->ctx, soma_reshape(y, x->shape, x->ndim));
}

/* The mean of squares over neighbours is an average pool along the channels, as PyTorch computes it. */
soma_tensor *soma_local_response_norm(soma_tensor *x, int64_t size, double alpha, double beta, double k) {
    if (!at_least("local_response_norm", x, 3, "[N, C, ...]")) return NULL;
    if (size < 1)
        return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "local_response_norm: a size of %lld channels; 1 or more is wanted", (long long)size),
               NULL;
    const int64_t n = x->shape[0], c = x->shape[1];
    soma__composite_begin(x->ctx, "local_response_norm");
    soma_tensor *square = soma_reshape(soma_square(x), SOMA_SHAPE(n, 1, c, c && n ? x->numel / n / c : 0));
    square = soma_pad(square, SOMA_SHAPE(0, 0, size / 2, (size - 1) / 2), SOMA_PAD_CONSTANT, 0);
    soma_tensor *mean = soma_reshape(soma_avg_pool2d(square, size, &(soma_pool_opts){.kernel = {0, 1, 0}, .stride = {1, 1, 0}}), x->shape, x->ndim);
    return soma_interior_end(x->ctx, soma_div(x, soma_pow_scalar(soma_add_scalar(soma_mul_scalar(mean, alpha), k), beta)));
}

/* dropout of whole channels: one draw for each sample and channel, in that order */

soma_tensor *soma_feature_dropout_by(soma_tensor *x, soma_tensor *p) {
    soma_tensor *in[2] = {x, p};
    if (!soma__check("feature_dropout_by", in, 2) || !at_least("feature_dropout_by", x, 2, "[N, C, ...]")) return NULL;
    int64_t shape[SOMA_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) shape[d] = d < 2 ? x->shape[d] : 1;
    soma__composite_begin(x->ctx, "feature_dropout_by");
    return soma_interior_end(x->ctx, soma_mul(x, soma_dropout_by(soma_ones(x->ctx, (soma_dtype)x->dtype, shape, x->ndim), p)));
}

static soma_tensor *channel_dropout(const char *call, soma_tensor *x, int dims, double p, bool train) {
    static const char *const wanted[3] = {"[N, C, L]", "[N, C, H, W]", "[N, C, D, H, W]"};
    char text[128];
    if (!soma__check(call, &x, 1)) return NULL;
    if (x->ndim != dims + 2)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: the input has shape %s; %s is wanted", call, soma_shape_text(x, text, sizeof text),
                                wanted[dims - 1]),
               NULL;
    if (!(p >= 0 && p <= 1)) return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "%s: p is %g; a probability in [0, 1] is wanted", call, p), NULL;
    if (!train || p == 0) return x;
    soma__composite_begin(x->ctx, call);
    return soma_interior_end(x->ctx, soma_feature_dropout_by(x, soma__number(x->ctx, p, (soma_dtype)x->dtype)));
}
soma_tensor *soma_dropout1d(soma_tensor *x, double p, bool train) { return channel_dropout("dropout1d", x, 1, p, train); }
soma_tensor *soma_dropout2d(soma_tensor *x, double p, bool train) { return channel_dropout("dropout2d", x, 2, p, train); }
soma_tensor *soma_dropout3d(soma_tensor *x, double p, bool train) { return channel_dropout("dropout3d", x, 3, p, train); }
