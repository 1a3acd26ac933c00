/* What the wrappers of all ops check: inputs, dimensions, broadcasting, dtypes, option structs. */
#include "base/options.h"
#include "ops/op.h"

#include <string.h>

bool soma__check(const char *call, soma_tensor *const *in, int n) {
    soma_context *ctx = NULL;
    for (int i = 0; i < n && !ctx; i++) ctx = in[i] ? in[i]->ctx : NULL;
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return false;
    for (int i = 0; i < n; i++)
        if (!in[i]) {
            soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: input %d is NULL", call, i);
            return false;
        } else if (in[i]->ctx != ctx) {
            soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: input %d belongs to another context; a tensor is used in the context that made it", call,
                             i);
            return false;
        }
    return true;
}

bool soma__check_shape(soma_context *ctx, const char *call, int64_t dtype, const int64_t *shape, int64_t ndim) {
    int64_t numel, least = 0;
    char text[128];
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return false;
    for (int64_t i = 0; shape && ndim <= SOMA_MAX_DIMS && i < ndim; i++) least = shape[i] < least ? shape[i] : least;
    if (dtype < 0 || dtype >= SOMA_DTYPES)
        soma_error_raise(ctx, SOMA_ERROR_DTYPE, "%s: %lld is no dtype; SOMA_F32 to SOMA_BOOL are", call, (long long)dtype);
    else if (ndim < 0 || ndim > SOMA_MAX_DIMS || (ndim && !shape))
        soma_error_raise(ctx, SOMA_ERROR_SHAPE, "%s: a shape of %lld dimensions%s; 0 to %d are wanted", call, (long long)ndim,
                         ndim && !shape ? " that is NULL" : "", SOMA_MAX_DIMS);
    else if (!soma__shape_ok(shape, ndim, &numel))
        soma_error_raise(ctx, SOMA_ERROR_SHAPE, "%s: the shape %s %s", call, soma__shape_print(shape, ndim, text, sizeof text),
                         least < 0 ? "has a negative size" : "is too large");
    return soma_error_status(ctx) == SOMA_OK;
}

soma_status soma__check_status(const char *call, soma_tensor *const *in, int n) {
    if (soma__check(call, in, n)) return SOMA_OK;
    for (int i = 0; i < n; i++)
        if (in[i]) return soma_error_status(in[i]->ctx);
    return SOMA_ERROR_ARGUMENT;
}

bool soma__there(soma_context *ctx, const char *op, const void *array, int64_t n) {
    if (array || n <= 0) return true;
    soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: the array of %lld elements is NULL", op, (long long)n);
    return false;
}

bool soma__check_dim(const soma_tensor *x, const char *op, int64_t *dim) {
    int64_t n = x->ndim ? x->ndim : 1, d = *dim < 0 ? *dim + n : *dim;
    char shape[128];
    if (d < 0 || d >= n) {
        soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "%s: dimension %lld is outside [%lld, %lld) (input shape %s)", op, (long long)*dim,
                         (long long)-n, (long long)n, soma_shape_text(x, shape, sizeof shape));
        return false;
    }
    *dim = d;
    return true;
}

int soma__broadcast_sizes(const soma_tensor *a, const soma_tensor *b, int64_t *shape, int64_t *ndim) {
    int n = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 0; i < n; i++) {
        int64_t x = i < n - a->ndim ? 1 : a->shape[i - (n - a->ndim)], y = i < n - b->ndim ? 1 : b->shape[i - (n - b->ndim)];
        if (x != y && x != 1 && y != 1) return i;
        shape[i] = x == 1 ? y : x;
    }
    *ndim = n;
    return -1;
}

bool soma__broadcast(const char *op, const soma_tensor *a, const soma_tensor *b, int64_t *shape, int64_t *ndim) {
    int n = a->ndim > b->ndim ? a->ndim : b->ndim, i = soma__broadcast_sizes(a, b, shape, ndim);
    if (i < 0) return true;
    char s[128], t[128];
    soma_error_raise(a->ctx, SOMA_ERROR_SHAPE, "%s: shapes %s and %s do not broadcast (sizes %lld and %lld at dimension %d)", op,
                     soma_shape_text(a, s, sizeof s), soma_shape_text(b, t, sizeof t), (long long)a->shape[i - (n - a->ndim)],
                     (long long)b->shape[i - (n - b->ndim)], i);
    return false;
}

/* 0 bool, 1 integer, 2 floating. */
static int category(int dtype) { return dtype == SOMA_BOOL ? 0 : soma__is_float(dtype) ? 2 : 1; }

static soma_dtype wider(int a, int b) {
    if (a == b) return (soma_dtype)a;
    if (category(a) != category(b)) return (soma_dtype)(category(a) > category(b) ? a : b);
    if (category(a) == 2) return SOMA_F64;
    if (a == SOMA_I64 || b == SOMA_I64) return SOMA_I64;
    return SOMA_I32;
}

/* 2 with dimensions, 1 without, 0 a Python number: a lower rank widens a higher one by category only. */
static int rank(const soma_tensor *x) { return x->flags & SOMA__NUMBER ? 0 : x->ndim ? 2 : 1; }

soma_dtype soma__result_type(const soma_tensor *a, const soma_tensor *b) {
    int ra = rank(a), rb = rank(b);
    if (ra == rb) return wider(a->dtype, b->dtype);
    const soma_tensor *high = ra > rb ? a : b, *low = ra > rb ? b : a;
    if (category(low->dtype) <= category(high->dtype)) return (soma_dtype)high->dtype;
    return low->flags & SOMA__NUMBER && category(low->dtype) == 2 ? SOMA_F32 : (soma_dtype)low->dtype;
}

bool soma_options_read(soma_context *ctx, const char *call, void *out, size_t known, const void *options, size_t size) {
    if (soma__options_copy(out, known, options, size)) return soma_error_status(ctx) == SOMA_OK;
    soma_error_raise(ctx, SOMA_ERROR_VERSION, "%s: its options use a field that soma %s does not have; a newer soma is needed", call, soma_version());
    return false;
}

soma_tensor *soma__as(soma_tensor *x, soma_dtype dtype) { return x && x->dtype != (int)dtype ? soma_to(x, dtype) : x; }
