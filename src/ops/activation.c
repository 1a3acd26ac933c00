/* Activations, written with the element by element ops; the planner makes one pass of each, gradients included. Where a branch is not taken, its
 * input is replaced by 0 before a function that could overflow, since infinity times a gradient of 0 is NaN. */
#include "ops/elementwise.h"

/* Opens an activation: false when there is nothing to do, or x is of no floating dtype. */
static bool enter(const char *name, soma_tensor *x) {
    if (!soma__check(name, &x, 1)) return false;
    if (!soma__is_float(x->dtype))
        return soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "%s: the input is %s; a floating dtype is wanted", name,
                                soma_dtype_name((soma_dtype)x->dtype)),
               false;
    soma__composite_begin(x->ctx, name);
    return true;
}
/* Is a setting as it must be? */
static bool wants(soma_tensor *x, bool fine, const char *name, const char *setting, double value, const char *wanted) {
    if (!fine && x) soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "%s: %s is %g; %s is wanted", name, setting, value, wanted);
    return fine;
}

#define DEFINE(name, params, e) \
    soma_tensor *soma_##name params { return enter(#name, x) ? soma_interior_end(x->ctx, (e)) : NULL; }

static soma_tensor *number(soma_tensor *x, double v) { return soma__number(x->ctx, v, (soma_dtype)x->dtype); }
static soma_tensor *positive(soma_tensor *x) { return soma_gt(x, number(x, 0)); }
/* x where it is not above 0, else 0. */
static soma_tensor *negative_part(soma_tensor *x) { return soma_where(positive(x), number(x, 0), x); }

soma_tensor *soma_identity(soma_tensor *x) { return soma__check("identity", &x, 1) ? x : NULL; }
DEFINE(relu6, (soma_tensor * x), soma_clamp_to(x, 0, 6))
DEFINE(leaky_relu, (soma_tensor * x, double negative_slope), soma_where(positive(x), x, soma_mul_scalar(x, negative_slope)))
DEFINE(elu, (soma_tensor * x, double alpha), soma_where(positive(x), x, soma_mul_scalar(soma_expm1(negative_part(x)), alpha)))
DEFINE(selu, (soma_tensor * x), soma_mul_scalar(soma_elu(x, 1.6732632423543772848170429916717), 1.0507009873554804934193349852946))
static soma_tensor *celu(soma_tensor *x, double alpha) {
    return soma_where(positive(x), x, soma_mul_scalar(soma_expm1(soma_div_scalar(negative_part(x), alpha)), alpha));
}
soma_tensor *soma_celu(soma_tensor *x, double alpha) {
    if (!wants(x, alpha != 0, "celu", "alpha", alpha, "another number") || !enter("celu", x)) return NULL;
    return soma_interior_end(x->ctx, celu(x, alpha));
}
DEFINE(gelu, (soma_tensor * x), soma_mul(soma_mul_scalar(x, 0.5), soma_add_scalar(soma_erf(soma_mul_scalar(x, 0.70710678118654752440)), 1)))
/* sqrt(2 / pi) (x + 0.044715 x^3) */
static soma_tensor *gelu_inner(soma_tensor *x) {
    return soma_mul_scalar(soma_add(x, soma_mul_scalar(soma_mul(soma_square(x), x), 0.044715)), 0.79788456080286535588);
}
DEFINE(gelu_tanh, (soma_tensor * x), soma_mul(soma_mul_scalar(x, 0.5), soma_add_scalar(soma_tanh(gelu_inner(x)), 1)))
DEFINE(silu, (soma_tensor * x), soma_mul(x, soma_sigmoid(x)))
static soma_tensor *softplus(soma_tensor *x, double beta, double threshold) {
    soma_tensor *bx = soma_mul_scalar(x, beta), *linear = soma_gt(bx, number(x, threshold));
    return soma_where(linear, x, soma_div_scalar(soma_log1p(soma_exp(soma_where(linear, number(x, 0), bx))), beta));
}
soma_tensor *soma_softplus(soma_tensor *x, double beta, double threshold) {
    if (!wants(x, beta != 0, "softplus", "beta", beta, "another number") || !enter("softplus", x)) return NULL;
    return soma_interior_end(x->ctx, softplus(x, beta, threshold));
}
DEFINE(mish, (soma_tensor * x), soma_mul(x, soma_tanh(softplus(x, 1, 20))))
DEFINE(softsign, (soma_tensor * x), soma_div(x, soma_add_scalar(soma_abs(x), 1)))
DEFINE(hardsigmoid, (soma_tensor * x), soma_div_scalar(soma_clamp_to(soma_add_scalar(x, 3), 0, 6), 6))
DEFINE(hardswish, (soma_tensor * x), soma_div_scalar(soma_mul(x, soma_clamp_to(soma_add_scalar(x, 3), 0, 6)), 6))
DEFINE(logsigmoid, (soma_tensor * x), soma_sub(soma_minimum(x, number(x, 0)), soma_log1p(soma_exp(soma_neg(soma_abs(x))))))
DEFINE(tanhshrink, (soma_tensor * x), soma_sub(x, soma_tanh(x)))
DEFINE(heaviside, (soma_tensor * x, double value),
       soma_where(soma_eq(x, number(x, 0)), number(x, value), soma_to(soma_gt(x, number(x, 0)), (soma_dtype)x->dtype)))
static soma_tensor *inside(soma_tensor *x, double lambd) { return soma_le(soma_abs(x), number(x, lambd)); }
DEFINE(hardshrink, (soma_tensor * x, double lambd), soma_where(inside(x, lambd), number(x, 0), x))
soma_tensor *soma_softshrink(soma_tensor *x, double lambd) {
    if (!wants(x, lambd >= 0, "softshrink", "lambd", lambd, "0 or more") || !enter("softshrink", x)) return NULL;
    return soma_interior_end(x->ctx, soma_where(inside(x, lambd), number(x, 0), soma_sub(x, soma_mul_scalar(soma_sign(x), lambd))));
}
soma_tensor *soma_hardtanh(soma_tensor *x, double min_val, double max_val) {
    if (!wants(x, min_val < max_val, "hardtanh", "min_val", min_val, "less than max_val") || !enter("hardtanh", x)) return NULL;
    return soma_interior_end(x->ctx, soma_clamp_to(x, min_val, max_val));
}
DEFINE(threshold, (soma_tensor * x, double threshold, double value), soma_where(soma_le(x, number(x, threshold)), number(x, value), x))

DEFINE(softmin, (soma_tensor * x, int64_t dim), soma_softmax(soma_neg(x), dim))

soma_tensor *soma_glu(soma_tensor *x, int64_t dim) {
    if (!enter("glu", x)) return NULL;
    int64_t d = dim < 0 ? dim + x->ndim : dim, half = d >= 0 && d < x->ndim ? x->shape[d] / 2 : 0;
    char shape[128];
    soma_tensor *y = NULL;
    if (d < 0 || d >= x->ndim || x->shape[d] % 2)
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "glu: dimension %lld of %s; one of even size is wanted", (long long)dim,
                         soma_shape_text(x, shape, sizeof shape));
    else y = soma_mul(soma_slice(x, d, 0, half, 1), soma_sigmoid(soma_slice(x, d, half, 2 * half, 1)));
    return soma_interior_end(x->ctx, y);
}

soma_tensor *soma_prelu(soma_tensor *x, soma_tensor *weight) {
    soma_tensor *in[2] = {x, weight};
    if (!soma__check("prelu", in, 2) || !enter("prelu", x)) return NULL;
    int64_t channels = x->ndim > 1 ? x->shape[1] : 1, shape[SOMA_MAX_DIMS];
    soma_tensor *y = NULL;
    for (int d = 0; d < x->ndim; d++) shape[d] = d == 1 ? weight->numel : 1;
    if (weight->dtype != x->dtype || weight->ndim > 1 || (weight->numel != 1 && weight->numel != channels)) {
        char a[128], b[128];
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "prelu: weight %s %s with input %s %s; the input's dtype, and 1 or %lld elements are wanted",
                         soma_dtype_name((soma_dtype)weight->dtype), soma_shape_text(weight, a, sizeof a), soma_dtype_name((soma_dtype)x->dtype),
                         soma_shape_text(x, b, sizeof b), (long long)channels);
    } else y = soma_where(positive(x), x, soma_mul(soma_reshape(weight, shape, weight->numel == 1 ? 0 : x->ndim), x));
    return soma_interior_end(x->ctx, y);
}

soma_tensor *soma_rrelu(soma_tensor *x, double lower, double upper, bool train) {
    if (!wants(x, lower <= upper, "rrelu", "lower", lower, "no more than upper")) return NULL;
    if (!train) return soma_leaky_relu(x, (lower + upper) / 2);
    if (!enter("rrelu", x)) return NULL;
    soma_tensor *slope = soma_uniform(x->ctx, lower, upper, (soma_dtype)x->dtype, x->shape, x->ndim);
    return soma_interior_end(x->ctx, soma_where(positive(x), x, soma_mul(slope, x)));
}

/* Dropped elements get the value that SELU has at minus infinity; then the affine map that restores mean 0 and variance 1. */
soma_tensor *soma_alpha_dropout(soma_tensor *x, double p, bool train) {
    const double floor = -1.7580993408473766; /* -scale * alpha of SELU */
    if (!wants(x, p >= 0 && p <= 1, "alpha_dropout", "p", p, "a probability in [0, 1]")) return NULL;
    if (!train || p == 0) return soma_identity(x);
    if (!enter("alpha_dropout", x)) return NULL;
    if (p == 1) return soma_interior_end(x->ctx, soma_mul_scalar(x, 0)); /* torch's: all zeros */
    double a = 1 / __builtin_sqrt((1 - p) * (1 + p * floor * floor));
    soma_tensor *kept = soma_ge(soma_rand(x->ctx, (soma_dtype)x->dtype, x->shape, x->ndim), number(x, p));
    return soma_interior_end(x->ctx, soma_add_scalar(soma_mul_scalar(soma_where(kept, x, number(x, floor)), a), -a * p * floor));
}
