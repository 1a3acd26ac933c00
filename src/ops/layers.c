/* What layers are made of besides products, written with ops. */
#include "ops/elementwise.h"

#include <string.h>

soma_tensor *soma_unflatten(soma_tensor *x, int64_t dim, const int64_t *sizes, int64_t count) {
    if (!soma__check("unflatten", &x, 1) || !soma__there(x->ctx, "unflatten", sizes, count)) return NULL;
    if (!x->ndim || !soma__check_dim(x, "unflatten", &dim))
        return x->ndim ? NULL : (soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "unflatten: the input has no dimensions"), NULL);
    int64_t shape[2 * SOMA_MAX_DIMS], n = 0, known = 1, open = -1;
    char text[128];
    bool fits = count >= 1 && x->ndim - 1 + count <= SOMA_MAX_DIMS;
    for (int64_t i = 0; fits && i < count; i++) {
        fits = sizes[i] >= -1 && !(sizes[i] == -1 && open >= 0);
        if (sizes[i] == -1) open = i;
        else fits = fits && !__builtin_mul_overflow(known, sizes[i], &known);
    }
    if (!fits || (open < 0 ? known != x->shape[dim] : !known || x->shape[dim] % known)) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "unflatten: dimension %lld of %s does not divide into these %lld sizes", (long long)dim,
                         soma_shape_text(x, text, sizeof text), (long long)count);
        return NULL;
    }
    for (int64_t d = 0; d < dim; d++) shape[n++] = x->shape[d];
    for (int64_t i = 0; i < count; i++) shape[n++] = i == open ? x->shape[dim] / known : sizes[i];
    for (int64_t d = dim + 1; d < x->ndim; d++) shape[n++] = x->shape[d];
    return soma_reshape(x, shape, n);
}

soma_tensor *soma_embedding(soma_tensor *index, soma_tensor *weight) {
    soma_tensor *in[2] = {index, weight};
    if (!soma__check("embedding", in, 2)) return NULL;
    if (weight->ndim != 2 || index->dtype != SOMA_I64 || index->ndim >= SOMA_MAX_DIMS) {
        char a[128], b[128];
        soma_error_raise(index->ctx, SOMA_ERROR_SHAPE,
                         "embedding: numbers %s %s of weight %s; int64 numbers and a weight [classes, features] are wanted",
                         soma_dtype_name((soma_dtype)index->dtype), soma_shape_text(index, a, sizeof a), soma_shape_text(weight, b, sizeof b));
        return NULL;
    }
    int64_t shape[SOMA_MAX_DIMS], flat = index->numel;
    memcpy(shape, index->shape, sizeof shape);
    shape[index->ndim] = weight->shape[1];
    soma__composite_begin(index->ctx, "embedding");
    return soma_interior_end(index->ctx, soma_reshape(soma_index_select(weight, 0, soma_reshape(index, &flat, 1)), shape, index->ndim + 1));
}

soma_tensor *soma_bilinear(soma_tensor *a, soma_tensor *b, soma_tensor *weight, soma_tensor *bias) {
    soma_tensor *in[3] = {a, b, weight};
    if (!soma__check("bilinear", in, 3)) return NULL;
    char s[3][128];
    bool fits = a->ndim == 2 && b->ndim == 2 && weight->ndim == 3 && a->shape[0] == b->shape[0] && a->shape[1] == weight->shape[1] &&
                b->shape[1] == weight->shape[2] && (!bias || (bias->ndim == 1 && bias->shape[0] == weight->shape[0]));
    if (!fits) {
        soma_error_raise(a->ctx, SOMA_ERROR_SHAPE,
                         "bilinear: inputs %s and %s with weight %s; [N, A], [N, B] and [out, A, B], and a bias [out], are wanted",
                         soma_shape_text(a, s[0], sizeof s[0]), soma_shape_text(b, s[1], sizeof s[1]), soma_shape_text(weight, s[2], sizeof s[2]));
        return NULL;
    }
    int64_t out = weight->shape[0], na = weight->shape[1], nb = weight->shape[2];
    soma__composite_begin(a->ctx, "bilinear");
    soma_tensor *w = soma_reshape(soma_permute(weight, SOMA_SHAPE(1, 0, 2)), SOMA_SHAPE(na, out * nb));
    soma_tensor *left = soma_reshape(soma_matmul(a, w), SOMA_SHAPE(a->shape[0], out, nb)); /* [N, out, B] */
    soma_tensor *y = soma_sum(soma_mul(left, soma_unsqueeze(b, 1)), &(soma_reduce_opts){.ndims = 1, .dims = {2}});
    return soma_interior_end(a->ctx, bias ? soma_add(y, bias) : y);
}
