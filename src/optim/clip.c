/* Gradient clipping, as torch.nn.utils. The common norm adds the parameters' sums of squares in their order. */
#include "soma/ops.h"
#include "soma/optim.h"

/* The context of the parameters, which must be one; an error is pending there when it is not. NULL when there are no parameters. */
static soma_context *context_of(soma_tensor *const *params, size_t count) {
    soma_context *ctx = NULL;
    for (size_t i = 0; params && i < count; i++) {
        if (!params[i]) continue;
        if (!ctx) ctx = soma_tensor_context(params[i]);
        else if (soma_tensor_context(params[i]) != ctx)
            soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "clip_grad: parameter %zu belongs to another context", i);
    }
    return ctx;
}

soma_status soma_clip_grad_norm_by(soma_tensor *const *params, size_t count, soma_tensor *max_norm, soma_tensor **norm) {
    if (norm) *norm = NULL;
    soma_context *ctx = context_of(params, count);
    if (!ctx) return count && !params ? SOMA_ERROR_ARGUMENT : SOMA_OK;
    if (!max_norm) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "clip_grad_norm: the limit is NULL");
    soma_no_grad_begin(ctx);
    soma_interior_begin(ctx);
    soma_tensor *sum = NULL;
    for (size_t i = 0; i < count; i++) {
        soma_tensor *g = soma_tensor_grad(params[i]);
        if (!g) continue;
        soma_tensor *part = soma_sum(soma_square(g), NULL);
        sum = sum ? soma_add(sum, part) : part;
    }
    soma_tensor *total = sum ? soma_sqrt(sum) : NULL;
    soma_tensor *scale = total ? soma_clamp_to(soma_div(max_norm, soma_add_scalar(total, 1e-6)), -__builtin_inf(), 1) : NULL;
    for (size_t i = 0; i < count && scale; i++) {
        soma_tensor *g = soma_tensor_grad(params[i]);
        if (g && soma_set_grad(params[i], soma_mul(g, scale)) != SOMA_OK) break;
    }
    total = soma_interior_end(ctx, total);
    soma_no_grad_end(ctx);
    if (norm) *norm = total;
    return soma_error_status(ctx);
}

soma_status soma_clip_grad_norm(soma_tensor *const *params, size_t count, double max_norm, soma_tensor **norm) {
    soma_context *ctx = context_of(params, count);
    if (!ctx) return count && !params ? SOMA_ERROR_ARGUMENT : SOMA_OK;
    bool wide = false; /* float64 gradients are not scaled by a limit rounded to float32 */
    for (size_t i = 0; i < count; i++) wide |= params[i] && soma_tensor_dtype(params[i]) == SOMA_F64;
    int64_t none = 0;
    soma_interior_begin(ctx);
    soma_tensor *limit = wide ? soma_full(ctx, max_norm, SOMA_F64, &none, 0) : soma_scalar(ctx, max_norm);
    soma_interior_end(ctx, NULL);
    return soma_clip_grad_norm_by(params, count, limit, norm);
}

soma_status soma_clip_grad_value(soma_tensor *const *params, size_t count, double value) {
    soma_context *ctx = context_of(params, count);
    if (!ctx) return count && !params ? SOMA_ERROR_ARGUMENT : SOMA_OK;
    soma_no_grad_begin(ctx);
    soma_interior_begin(ctx);
    for (size_t i = 0; i < count; i++) {
        soma_tensor *g = soma_tensor_grad(params[i]);
        if (g && soma_set_grad(params[i], soma_clamp_to(g, -value, value)) != SOMA_OK) break;
    }
    soma_interior_end(ctx, NULL);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

soma_status soma_max_norm(soma_tensor *const *params, size_t count, double max_norm) {
    soma_context *ctx = context_of(params, count);
    if (!ctx) return count && !params ? SOMA_ERROR_ARGUMENT : SOMA_OK;
    if (!(max_norm > 0)) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "max_norm: the limit is %g; a number above 0 is wanted", max_norm);
    soma_no_grad_begin(ctx);
    soma_interior_begin(ctx);
    for (size_t i = 0; i < count && soma_error_status(ctx) == SOMA_OK; i++) {
        soma_tensor *w = params[i];
        if (!w || soma_ndim(w) < 2) continue;
        soma_reduce_opts rows = {.ndims = soma_ndim(w) - 1, .keepdim = 1};
        for (int64_t d = 1; d < soma_ndim(w); d++) rows.dims[d - 1] = d;
        soma_tensor *norm = soma_sqrt(soma_sum(soma_square(w), &rows)), *limit = soma_full(ctx, max_norm, soma_tensor_dtype(w), NULL, 0);
        soma_tensor *scaled = soma_mul(w, soma_div(limit, soma_add_scalar(norm, 1e-7)));
        soma_assign(w, soma_where(soma_gt(norm, limit), scaled, w));
    }
    soma_interior_end(ctx, NULL);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}
