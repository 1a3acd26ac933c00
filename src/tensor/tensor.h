/* The record behind a handle: one node of the graph, in its scope's arena. */
#ifndef SOMA_SRC_TENSOR_TENSOR_H
#define SOMA_SRC_TENSOR_TENSOR_H

#include "soma/tensor.h"

enum {
    SOMA__KEPT = 1,     /* user code may read it: stored when evaluated */
    SOMA__REQUIRES = 2, /* a gradient flows through it */
    SOMA__NUMBER = 8,   /* a Python number's manners in dtype promotion */
    SOMA__RANDOM = 64   /* a random op's position leaf */
};

/* A variable as a product's packed operand, kept while the variable stays as it is: an inference packs its weights once. */
typedef struct soma__packed {
    float *memory;
    size_t bytes;
    uint64_t live, made;    /* counts the writes to the variable; the count that the memory was made at */
    const uint64_t *source; /* of a variable that shares another one's storage: that one's count, which is added */
    int64_t key[13];        /* what of it was packed, and how */
} soma__packed;

static inline uint64_t soma__packed_live(const soma__packed *p) { return p->live + (p->source ? __atomic_load_n(p->source, __ATOMIC_ACQUIRE) : 0); }

/* What only variables have. */
typedef struct soma__variable {
    soma_tensor *tensor;
    struct soma__variable *next; /* of the scope */
    size_t bytes;
    char *name;
    size_t name_bytes;
    bool shared;       /* the storage is another variable's, and read only */
    uint64_t assigned; /* sequence number of the last assign recorded */
    uint32_t current;  /* tape reference of its newest value, valid in `epoch` */
    uint64_t epoch;
    soma__packed packed;
} soma__variable;

struct soma_tensor {
    soma_context *ctx;
    soma_scope *scope;
    void *data;     /* dense, C order; NULL until evaluated */
    uint64_t epoch; /* the tape that `index` belongs to */
    uint32_t index;
    uint16_t op;
    uint8_t dtype, ndim;
    uint8_t flags, n_in, n_attr, depth; /* depth of the scope */
    uint8_t mark;                       /* the backward pass that walks over it: how deep such passes are nested */
    bool grad_stored;                   /* of leaves: grad_variable held the gradient when the tape began */
    uint64_t seq;                       /* order of recording */
    int64_t numel;
    int64_t shape[SOMA_MAX_DIMS];
    soma_tensor **in;
    int64_t *attr;
    soma_tensor *grad;          /* of leaves: the accumulated gradient */
    soma_tensor *grad_variable; /* of leaves: where a gradient is stored that outlives its plan */
    soma_tensor *adjoint;       /* while backward runs */
    soma__variable *var;
    uint64_t inline_data[2]; /* the value of a number; stream and counter of a random position */
};

/* Writes shape and numel; false when the sizes are negative or their product overflows. */
bool soma__set_shape(soma_tensor *x, const int64_t *shape, int64_t ndim);
bool soma__shape_ok(const int64_t *shape, int64_t ndim, int64_t *numel);
bool soma__same_shape(const soma_tensor *a, const soma_tensor *b);
/* Strides of C order, in elements. */
static inline void soma__dense_strides(const int64_t *shape, int64_t ndim, int64_t *strides) {
    int64_t s = 1;
    for (int64_t i = ndim; i-- > 0;) strides[i] = s, s *= shape[i] ? shape[i] : 1;
}
/* Are elements with these strides side by side in C order? */
static inline bool soma__is_dense(const int64_t *shape, int64_t ndim, const int64_t *strides, int64_t numel) {
    int64_t s = 1;
    for (int64_t i = ndim; i-- > 0;) {
        if (shape[i] != 1 && strides[i] != s) return numel == 0;
        s *= shape[i];
    }
    return true;
}
char *soma__shape_print(const int64_t *shape, int64_t ndim, char *buffer, size_t size);
static inline size_t soma__bytes(const soma_tensor *x) { return (size_t)x->numel * soma_dtype_size((soma_dtype)x->dtype); }

/* A number as an integer: truncated, the ends of the type as limits, NaN is 0. */
static inline int64_t soma__to_i64(double v) { return v != v ? 0 : v >= 0x1p63 ? INT64_MAX : v < -0x1p63 ? INT64_MIN : (int64_t)v; }
static inline int32_t soma__to_i32(double v) { return v != v ? 0 : v >= 2147483647.0 ? INT32_MAX : v <= -2147483648.0 ? INT32_MIN : (int32_t)v; }
static inline uint8_t soma__to_u8(double v) { return v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0; }

#endif
