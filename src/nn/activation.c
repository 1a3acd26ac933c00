/* Modules without parameters. */
#include "nn/module.h"

static soma_tensor *relu(soma_module *m, soma_tensor *x) { return (void)m, soma_relu(x); }
static soma_tensor *tanh_(soma_module *m, soma_tensor *x) { return (void)m, soma_tanh(x); }
static soma_tensor *sigmoid(soma_module *m, soma_tensor *x) { return (void)m, soma_sigmoid(x); }
static soma_tensor *flatten(soma_module *m, soma_tensor *x) { return (void)m, soma_flatten(x, 1, -1); }
static soma_tensor *softmax(soma_module *m, soma_tensor *x) { return soma_softmax(x, m->dim); }
static soma_tensor *log_softmax(soma_module *m, soma_tensor *x) { return soma_log_softmax(x, m->dim); }
static soma_tensor *dropout(soma_module *m, soma_tensor *x) {
    if (!m->training) return x;
    uint64_t before = soma_stream_use(m->ctx, soma__module_stream(m, SOMA_STREAM_DROPOUT));
    soma_tensor *y = soma_dropout_by(x, soma_host_scalar(m->ctx, &m->p));
    soma_stream_use(m->ctx, before);
    return y;
}

soma_module *soma_nn_relu(soma_context *ctx) { return soma__module_new(ctx, "relu", relu); }
soma_module *soma_nn_tanh(soma_context *ctx) { return soma__module_new(ctx, "tanh", tanh_); }
soma_module *soma_nn_sigmoid(soma_context *ctx) { return soma__module_new(ctx, "sigmoid", sigmoid); }
soma_module *soma_nn_flatten(soma_context *ctx) { return soma__module_new(ctx, "flatten", flatten); }

static soma_module *along(soma_context *ctx, const char *kind, soma_tensor *(*forward)(soma_module *, soma_tensor *), int64_t dim) {
    soma_module *m = soma__module_new(ctx, kind, forward);
    if (m) m->dim = dim;
    return m;
}
soma_module *soma_nn_softmax(soma_context *ctx, int64_t dim) { return along(ctx, "softmax", softmax, dim); }
soma_module *soma_nn_log_softmax(soma_context *ctx, int64_t dim) { return along(ctx, "log_softmax", log_softmax, dim); }

soma_status soma_nn_dropout_set(soma_module *m, double p) {
    if (!m || m->forward != dropout) return SOMA_ERROR_ARGUMENT;
    if (!(p >= 0 && p <= 1)) return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "dropout: p is %g; a probability in [0, 1] is wanted", p);
    m->p = p;
    return SOMA_OK;
}

soma_module *soma_nn_dropout(soma_context *ctx, double p) {
    soma_module *m = soma__module_new(ctx, "dropout", dropout);
    return m && soma_nn_dropout_set(m, p) == SOMA_OK ? m : NULL;
}
