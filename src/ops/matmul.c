/* Products. Every product but that of two 1-d tensors is a chain: each element one accumulator, from +0, k ascending, by fused multiply-add; a k
 * longer than 4096 is cut at its multiples, and the pieces are added by a pairwise tree. The node's operands are [batch..., m, k] and [batch..., k,
 * n]. */
#include "base/math.h"
#include "ops/elementwise.h"
#include "ops/loops.h"

#include <string.h>

/* One element's chain over k in pieces; p, q step by sp, sq. */
#define CHAIN(name, T, fma) \
    static T name(const T *p, int64_t sp, const T *q, int64_t sq, int64_t k) { \
        T part[64]; \
        int level[64], top = 0; \
        for (int64_t from = 0; from < k || from == 0; from += 4096) { \
            int64_t to = k - from < 4096 ? k : from + 4096; \
            T sum = 0; \
            for (int64_t i = from; i < to; i++) sum = fma(p[i * sp], q[i * sq], sum); \
            part[top] = sum, level[top++] = 0; \
            for (; top > 1 && level[top - 1] == level[top - 2]; top--) part[top - 2] += part[top - 1], level[top - 2]++; \
        } \
        for (; top > 1; top--) part[top - 2] += part[top - 1]; \
        return part[0]; \
    }
CHAIN(chain_f32, float, soma__fmaf)
CHAIN(chain_f64, double, __builtin_fma)

static int matmul_run(const soma__call *c) {
    const soma__operand *a = &c->in[0], *b = &c->in[1];
    int nd = c->out.ndim;
    int64_t m = c->out.shape[nd - 2], n = c->out.shape[nd - 1], k = a->shape[nd - 1], batch = m && n ? c->out.numel / (m * n) : 0;
    soma__operand abatch = *a, bbatch = *b;
    abatch.ndim = bbatch.ndim = nd - 2;
    for (int64_t i = 0; i < batch; i++) {
        int64_t ao = soma__offset(&abatch, i), bo = soma__offset(&bbatch, i);
        for (int64_t r = 0; r < m; r++)
            for (int64_t s = 0; s < n; s++) {
                int64_t pa = ao + r * a->strides[nd - 2], pb = bo + s * b->strides[nd - 1], at = (i * m + r) * n + s;
                if (c->out.dtype == SOMA_F32)
                    ((float *)c->out.data)[at] =
                        chain_f32((const float *)a->data + pa, a->strides[nd - 1], (const float *)b->data + pb, b->strides[nd - 2], k);
                else
                    ((double *)c->out.data)[at] =
                        chain_f64((const double *)a->data + pa, a->strides[nd - 1], (const double *)b->data + pb, b->strides[nd - 2], k);
            }
    }
    return SOMA_OK;
}

static soma_tensor *swap_last(soma_tensor *x) { return soma_transpose(x, -2, -1); }

static void matmul_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma_matmul(v->gy, swap_last(v->in[1]));
    if (v->wants[1]) v->gx[1] = soma_matmul(swap_last(v->in[0]), v->gy);
}
const soma__op_def soma__op_matmul = {.name = "matmul", .cls = SOMA__CLASS_MATMUL, .run = matmul_run, .grad = matmul_grad};

static bool matmul_fits(soma_tensor *a, soma_tensor *b) {
    char s[128], t[128];
    int64_t k = a->ndim ? a->shape[a->ndim - 1] : -1, l = b->ndim > 1 ? b->shape[b->ndim - 2] : b->ndim ? b->shape[0] : -2;
    if (k != l)
        return soma_error_raise(a->ctx, SOMA_ERROR_SHAPE, "matmul: shapes %s and %s do not fit: the inner sizes must be equal and no operand 0-d",
                                soma_shape_text(a, s, sizeof s), soma_shape_text(b, t, sizeof t)) == SOMA_OK;
    if (a->dtype != b->dtype || !soma__is_float(a->dtype))
        return soma_error_raise(a->ctx, SOMA_ERROR_DTYPE, "matmul: %s by %s; both must be float32 or both float64",
                                soma_dtype_name((soma_dtype)a->dtype), soma_dtype_name((soma_dtype)b->dtype)) == SOMA_OK;
    return true;
}

/* x with its batch dimensions expanded to `batch`. */
static soma_tensor *with_batch(soma_tensor *x, const int64_t *batch, int64_t n) {
    int64_t shape[SOMA_MAX_DIMS];
    memcpy(shape, batch, (size_t)n * sizeof *shape);
    shape[n] = x->shape[x->ndim - 2], shape[n + 1] = x->shape[x->ndim - 1];
    return soma_expand(x, shape, n + 2);
}

static soma_tensor *product(soma_tensor *a, soma_tensor *b) {
    int64_t shape[SOMA_MAX_DIMS], nd = a->ndim;
    memcpy(shape, a->shape, sizeof shape);
    shape[nd - 1] = b->shape[nd - 1];
    soma_tensor *in[2] = {a, b};
    soma__record r = {SOMA_OP_matmul, (soma_dtype)a->dtype, nd, shape, in, 2, NULL, 0};
    return soma__graph_record(a->ctx, &r);
}

/* Operands of 2 and more dimensions. */
static soma_tensor *batched(soma_tensor *a, soma_tensor *b) {
    if (a->ndim == 2 && b->ndim == 2) return product(a, b);
    if (b->ndim == 2) { /* a's batch is more rows */
        int64_t shape[SOMA_MAX_DIMS];
        memcpy(shape, a->shape, sizeof shape);
        shape[a->ndim - 1] = b->shape[1];
        soma_tensor *y = soma_flatten(a, 0, -2);
        return y ? soma_reshape(product(y, b), shape, a->ndim) : NULL;
    }
    soma_tensor abatch = *a, bbatch = *b;
    abatch.ndim = (uint8_t)(a->ndim - 2), bbatch.ndim = (uint8_t)(b->ndim - 2);
    int64_t batch[SOMA_MAX_DIMS], n;
    if (soma__broadcast_sizes(&abatch, &bbatch, batch, &n) >= 0) {
        char s[128], t[128];
        soma_error_raise(a->ctx, SOMA_ERROR_SHAPE, "matmul: shapes %s and %s do not fit: all dimensions but the last two must broadcast",
                         soma_shape_text(a, s, sizeof s), soma_shape_text(b, t, sizeof t));
        return NULL;
    }
    a = with_batch(a, batch, n), b = with_batch(b, batch, n);
    return a && b ? product(a, b) : NULL;
}

soma_tensor *soma_matmul(soma_tensor *a, soma_tensor *b) {
    soma_tensor *in[2] = {a, b};
    if (!soma__check("matmul", in, 2) || !matmul_fits(a, b)) return NULL;
    soma_context *ctx = a->ctx;
    if (a->ndim == 2 && b->ndim == 2) return product(a, b);
    soma__composite_begin(ctx, "matmul");
    soma_tensor *y;
    if (a->ndim == 1 && b->ndim == 1) y = soma_sum(soma_mul(a, b), NULL);
    else if (a->ndim == 1) {
        y = batched(soma_unsqueeze(a, 0), b);
        y = soma_squeeze(y, -2);
    } else if (b->ndim == 1) y = soma_squeeze(batched(a, soma_unsqueeze(b, 1)), -1);
    else y = batched(a, b);
    return soma_interior_end(ctx, y);
}

soma_tensor *soma_linear(soma_tensor *x, soma_tensor *weight, soma_tensor *bias) {
    soma_tensor *in[3] = {x, weight, bias};
    if (!soma__check("linear", in, bias ? 3 : 2)) return NULL;
    char shape[128];
    if (weight->ndim != 2 || !x->ndim || x->shape[x->ndim - 1] != weight->shape[1]) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "linear: input has %lld features, the layer wants %lld (input shape %s)",
                         x->ndim ? (long long)x->shape[x->ndim - 1] : 0ll, weight->ndim == 2 ? (long long)weight->shape[1] : -1ll,
                         soma_shape_text(x, shape, sizeof shape));
        return NULL;
    }
    if (bias && bias->dtype != x->dtype) {
        soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "linear: the bias is %s, the input %s; they must be equal",
                         soma_dtype_name((soma_dtype)bias->dtype), soma_dtype_name((soma_dtype)x->dtype));
        return NULL;
    }
    soma__composite_begin(x->ctx, "linear");
    soma_tensor *y = soma_matmul(x, soma_transpose(weight, 0, 1));
    return soma_interior_end(x->ctx, bias ? soma_add(y, bias) : y);
}
