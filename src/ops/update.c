/* Optimizer updates: parameter and state are changed in one pass. The order of operations is torch's single-tensor one. State below the smallest normal
 * number is stored as +0, so that decaying moments do not end in slow subnormals. */
#include "ops/elementwise.h"

#include <float.h>

enum { NESTEROV = 1, MOMENTUM = 2, DECAY = 4, DECOUPLED = 1 };

static inline float flush_f32(float x) { return __builtin_fabsf(x) < FLT_MIN ? 0.0f : x; }
static inline double flush_f64(double x) { return __builtin_fabs(x) < (double)FLT_MIN ? 0.0 : x; }

/* hyper: lr, momentum, 1 - dampening, weight_decay, sign, first */
#define SGD(name, T, flush) \
    static void name(T *w, T *m, const T *grad, const T *h, int64_t flags, int64_t n) { \
        T lr = h[0], mu = h[1], damp = h[2], decay = h[3], sign = h[4]; \
        for (int64_t i = 0; i < n; i++) { \
            T g = grad[i] * sign; \
            if (flags & DECAY) g = g + decay * w[i]; \
            if (flags & MOMENTUM) { \
                m[i] = flush(h[5] != 0 ? g : mu * m[i] + damp * g); \
                g = flags & NESTEROV ? g + mu * m[i] : m[i]; \
            } \
            w[i] = w[i] - lr * g; \
        } \
    }
SGD(sgd_f32, float, flush_f32)
SGD(sgd_f64, double, flush_f64)

static int sgd_run(const soma__call *c) {
    bool m = c->attr[0] & MOMENTUM;
    void *w = c->in[0].data, *state = m ? c->in[1].data : NULL;
    const void *g = c->in[m ? 2 : 1].data, *h = c->in[m ? 3 : 2].data;
    if (c->in[0].dtype == SOMA_F32) sgd_f32(w, state, g, h, c->attr[0], c->in[0].numel);
    else sgd_f64(w, state, g, h, c->attr[0], c->in[0].numel);
    return SOMA_OK;
}
const soma__op_def soma__op_sgd_update = {.name = "sgd_update", .cls = SOMA__CLASS_UPDATE, .run = sgd_run};

/* hyper: lr / bias_correction1, beta1, 1 - beta1, beta2, 1 - beta2, sqrt(bias_correction2), eps, weight_decay, 1 - lr * weight_decay, sign */
#define ADAM(name, T, sqrt, flush) \
    static void name(T *w, T *m, T *v, const T *grad, const T *h, int64_t flags, int64_t n) { \
        T step = h[0], b1 = h[1], c1 = h[2], b2 = h[3], c2 = h[4], root = h[5], eps = h[6], decay = h[7], shrink = h[8]; \
        (void)b1; \
        for (int64_t i = 0; i < n; i++) { \
            T g = grad[i] * h[9], p = w[i]; \
            if (flags & DECAY && flags & DECOUPLED) p = p * shrink; \
            else if (flags & DECAY) g = g + decay * p; \
            m[i] = flush(m[i] + c1 * (g - m[i])); \
            v[i] = flush(b2 * v[i] + c2 * g * g); \
            w[i] = p - step * m[i] / (sqrt(v[i]) / root + eps); \
        } \
    }
ADAM(adam_f32, float, __builtin_sqrtf, flush_f32)
ADAM(adam_f64, double, __builtin_sqrt, flush_f64)

static int adam_run(const soma__call *c) {
    soma__operand *in = c->in;
    if (in[0].dtype == SOMA_F32) adam_f32(in[0].data, in[1].data, in[2].data, in[3].data, in[4].data, c->attr[0], in[0].numel);
    else adam_f64(in[0].data, in[1].data, in[2].data, in[3].data, in[4].data, c->attr[0], in[0].numel);
    return SOMA_OK;
}
const soma__op_def soma__op_adam_update = {.name = "adam_update", .cls = SOMA__CLASS_UPDATE, .run = adam_run};

/* in: parameter and state (writes of them), gradient, hyper */
static soma_status update(int op, soma_tensor **in, int writes, int64_t flags, int64_t known, int64_t hyper) {
    if (!soma__check(in, writes + 2)) return in[0] ? soma_error_status(in[0]->ctx) : SOMA_ERROR_ARGUMENT;
    soma_context *ctx = in[0]->ctx;
    if (flags & ~known) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: flags %lld; the sum of some of those in %lld is wanted", soma__ops[op]->name, (long long)flags, (long long)known);
    for (int i = 1; i <= writes; i++)
        if (!soma__same_shape(in[0], in[i]) || in[i]->dtype != in[0]->dtype)
            return soma_error_raise(ctx, SOMA_ERROR_SHAPE, "%s: state and gradient of '%s' must have its shape and dtype", soma__ops[op]->name, soma_tensor_name(in[0]));
    if (in[writes + 1]->dtype != in[0]->dtype || in[writes + 1]->numel < hyper || !soma__is_float(in[0]->dtype))
        return soma_error_raise(ctx, SOMA_ERROR_DTYPE, "%s: hyper must be at least %lld numbers of the parameter's dtype, which is floating", soma__ops[op]->name, (long long)hyper);
    for (int i = 0; i < writes; i++)
        for (int j = i + 1; j < writes + 2; j++)
            if (in[i] == in[j] && j != writes)
                return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: '%s' is given twice", soma__ops[op]->name, soma_tensor_name(in[i]));
    soma__record r = {op, (soma_dtype)in[0]->dtype, in[0]->ndim, in[0]->shape, in, writes + 2, &flags, 1};
    return soma__graph_update(ctx, &r, writes);
}

soma_status soma_sgd_update(soma_tensor *param, soma_tensor *momentum, soma_tensor *grad, soma_tensor *hyper, int64_t flags) {
    soma_tensor *with[4] = {param, momentum, grad, hyper}, *without[3] = {param, grad, hyper};
    const int64_t known = NESTEROV | MOMENTUM | DECAY;
    return momentum ? update(SOMA_OP_sgd_update, with, 2, flags | MOMENTUM, known, 6)
                    : update(SOMA_OP_sgd_update, without, 1, flags & ~(int64_t)(MOMENTUM | NESTEROV), known, 6);
}

soma_status soma_adam_update(soma_tensor *param, soma_tensor *exp_avg, soma_tensor *exp_avg_sq, soma_tensor *grad, soma_tensor *hyper, int64_t flags) {
    soma_tensor *in[5] = {param, exp_avg, exp_avg_sq, grad, hyper};
    return update(SOMA_OP_adam_update, in, 3, flags == DECOUPLED ? 0 : flags, DECOUPLED | DECAY, 10);
}
