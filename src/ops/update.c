/* Optimizer updates: parameter and state are changed in one pass. The order of operations is torch's single-tensor one. State below the smallest
 * normal number is stored as +0, so that decaying moments do not end in slow subnormals. */
#include "ops/elementwise.h"

#include <float.h>

static inline float flush_f32(float x) { return __builtin_fabsf(x) < FLT_MIN ? 0.0f : x; }
static inline double flush_f64(double x) { return __builtin_fabs(x) < (double)FLT_MIN ? 0.0 : x; }

#define SGD(name, T, flush) \
    static void name(T *w, T *m, const T *grad, const T *h, int64_t flags, int64_t n) { \
        T lr = h[SOMA_SGD_LR], mu = h[SOMA_SGD_MU], damp = h[SOMA_SGD_UNDAMPED], decay = h[SOMA_SGD_WEIGHT_DECAY], sign = h[SOMA_SGD_SIGN]; \
        bool first = h[SOMA_SGD_FIRST] != 0; \
        for (int64_t i = 0; i < n; i++) { \
            T g = grad[i] * sign; \
            if (flags & SOMA_SGD_DECAY) g = g + decay * w[i]; \
            if (flags & SOMA_SGD_MOMENTUM) { \
                m[i] = flush(first ? g : mu * m[i] + damp * g); \
                g = flags & SOMA_SGD_NESTEROV ? g + mu * m[i] : m[i]; \
            } \
            w[i] = w[i] - lr * g; \
        } \
    }
SGD(sgd_f32, float, flush_f32)
SGD(sgd_f64, double, flush_f64)

static int sgd_run(const soma__call *c) {
    bool m = c->attr[0] & SOMA_SGD_MOMENTUM;
    void *w = c->in[0].data, *state = m ? c->in[1].data : NULL;
    const void *g = c->in[m ? 2 : 1].data, *h = c->in[m ? 3 : 2].data;
    if (c->in[0].dtype == SOMA_F32) sgd_f32(w, state, g, h, c->attr[0], c->in[0].numel);
    else sgd_f64(w, state, g, h, c->attr[0], c->in[0].numel);
    return SOMA_OK;
}
const soma__op_def soma__op_sgd_update = {.name = "sgd_update", .cls = SOMA__CLASS_UPDATE, .run = sgd_run};

#define ADAM(name, T, sqrt, flush) \
    static void name(T *w, T *m, T *v, const T *grad, const T *h, int64_t flags, int64_t n) { \
        T step = h[SOMA_ADAM_STEP], c1 = h[SOMA_ADAM_BETA1_REST], b2 = h[SOMA_ADAM_BETA2], c2 = h[SOMA_ADAM_BETA2_REST]; \
        T root = h[SOMA_ADAM_ROOT_BIAS2], eps = h[SOMA_ADAM_EPS], decay = h[SOMA_ADAM_WEIGHT_DECAY], shrink = h[SOMA_ADAM_SHRINK], \
          sign = h[SOMA_ADAM_SIGN]; \
        for (int64_t i = 0; i < n; i++) { \
            T g = grad[i] * sign, p = w[i]; \
            if (flags & SOMA_ADAM_DECAY && flags & SOMA_ADAM_DECOUPLED) p = p * shrink; \
            else if (flags & SOMA_ADAM_DECAY) g = g + decay * p; \
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
    soma_status s = soma__check_status(soma__ops[op]->name, in, writes + 2);
    if (s != SOMA_OK) return s;
    soma_context *ctx = in[0]->ctx;
    if (flags & ~known)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: flags %lld; the sum of some of those in %lld is wanted", soma__ops[op]->name,
                                (long long)flags, (long long)known);
    for (int i = 1; i <= writes; i++)
        if (!soma__same_shape(in[0], in[i]) || in[i]->dtype != in[0]->dtype)
            return soma_error_raise(ctx, SOMA_ERROR_SHAPE, "%s: state and gradient of '%s' must have its shape and dtype", soma__ops[op]->name,
                                    soma_tensor_name(in[0]));
    if (in[writes + 1]->dtype != in[0]->dtype || in[writes + 1]->numel < hyper || !soma__is_float(in[0]->dtype))
        return soma_error_raise(ctx, SOMA_ERROR_DTYPE, "%s: hyper must be at least %lld numbers of the parameter's dtype, which is floating",
                                soma__ops[op]->name, (long long)hyper);
    for (int i = 0; i < writes; i++)
        for (int j = i + 1; j < writes + 2; j++)
            if (in[i] == in[j] && j != writes)
                return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: '%s' is given twice", soma__ops[op]->name, soma_tensor_name(in[i]));
    soma__record r = {op, (soma_dtype)in[0]->dtype, in[0]->ndim, in[0]->shape, in, writes + 2, &flags, 1};
    return soma__graph_update(ctx, &r, writes);
}

soma_status soma_sgd_update(soma_tensor *param, soma_tensor *momentum, soma_tensor *grad, soma_tensor *hyper, int64_t flags) {
    soma_tensor *with[4] = {param, momentum, grad, hyper}, *without[3] = {param, grad, hyper};
    const int64_t known = SOMA_SGD_NESTEROV | SOMA_SGD_MOMENTUM | SOMA_SGD_DECAY;
    return momentum ? update(SOMA_OP_sgd_update, with, 2, flags | SOMA_SGD_MOMENTUM, known, SOMA_SGD_NUMBERS)
                    : update(SOMA_OP_sgd_update, without, 1, flags & ~(int64_t)(SOMA_SGD_MOMENTUM | SOMA_SGD_NESTEROV), known, SOMA_SGD_NUMBERS);
}

soma_status soma_adam_update(soma_tensor *param, soma_tensor *exp_avg, soma_tensor *exp_avg_sq, soma_tensor *grad, soma_tensor *hyper,
                             int64_t flags) {
    soma_tensor *in[5] = {param, exp_avg, exp_avg_sq, grad, hyper};
    return update(SOMA_OP_adam_update, in, 3, flags == SOMA_ADAM_DECOUPLED ? 0 : flags, SOMA_ADAM_DECOUPLED | SOMA_ADAM_DECAY, SOMA_ADAM_NUMBERS);
}
