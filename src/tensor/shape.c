#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[SOMA_DTYPES] = {{"float32", 4}, {"float64", 8}, {"int64", 8}, {"int32", 4}, {"uint8", 1}, {"bool", 1}};

size_t soma_dtype_size(soma_dtype dtype) { return (unsigned)dtype < SOMA_DTYPES ? dtypes[dtype].size : 0; }

const char *soma_dtype_name(soma_dtype dtype) { return (unsigned)dtype < SOMA_DTYPES ? dtypes[dtype].name : "unknown dtype"; }

bool soma__shape_ok(const int64_t *shape, int64_t ndim, int64_t *numel) {
    if (ndim < 0 || ndim > SOMA_MAX_DIMS || (ndim > 0 && !shape)) return false;
    int64_t n = 1, nonzero = 1;
    for (int64_t i = 0; i < ndim; i++) {
        if (shape[i] < 0) return false;
        /* bounds the product of the nonzero sizes, so that strides fit, too; 8 bytes an element must fit a size */
        if (shape[i] > 0 && __builtin_mul_overflow(nonzero, shape[i], &nonzero)) return false;
        n *= shape[i] ? 1 : 0;
    }
    if (nonzero > INT64_MAX / 16) return false;
    *numel = n ? nonzero : 0;
    return true;
}

bool soma__set_shape(soma_tensor *x, const int64_t *shape, int64_t ndim) {
    if (!soma__shape_ok(shape, ndim, &x->numel)) return false;
    x->ndim = (uint8_t)ndim;
    for (int64_t i = 0; i < ndim; i++) x->shape[i] = shape[i];
    return true;
}

bool soma__same_shape(const soma_tensor *a, const soma_tensor *b) {
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, a->ndim * sizeof(int64_t)) == 0;
}

char *soma__shape_print(const int64_t *shape, int64_t ndim, char *buffer, size_t size) {
    size_t at = 0;
    if (size) buffer[0] = 0;
    for (int64_t i = 0; i <= ndim && at < size; i++) {
        int n = i == ndim ? snprintf(buffer + at, size - at, ndim ? "]" : "[]")
                          : snprintf(buffer + at, size - at, "%s%lld", i ? ", " : "[", (long long)shape[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return buffer;
}

soma_context *soma_tensor_context(const soma_tensor *x) { return x ? x->ctx : NULL; }
soma_scope *soma_tensor_scope(const soma_tensor *x) { return x ? x->scope : NULL; }
int64_t soma_ndim(const soma_tensor *x) { return x ? x->ndim : -1; }
const int64_t *soma_shape(const soma_tensor *x) { return x ? x->shape : NULL; }
int64_t soma_numel(const soma_tensor *x) { return x ? x->numel : 0; }
soma_dtype soma_tensor_dtype(const soma_tensor *x) { return x ? (soma_dtype)x->dtype : SOMA_F32; }
const char *soma_tensor_name(const soma_tensor *x) { return x && x->var && x->var->name ? x->var->name : ""; }
bool soma_is_variable(const soma_tensor *x) { return x && x->var; }

int64_t soma_size(const soma_tensor *x, int64_t dim) {
    if (!x) return -1;
    if (dim < 0) dim += x->ndim;
    return dim >= 0 && dim < x->ndim ? x->shape[dim] : -1;
}

char *soma_shape_text(const soma_tensor *x, char *buffer, size_t size) {
    if (!buffer) return NULL;
    static const int64_t none[1];
    return soma__shape_print(x ? x->shape : none, x ? x->ndim : 0, buffer, size);
}
