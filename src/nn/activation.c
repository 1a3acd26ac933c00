/* Activations and dropout. */
#include "nn/module.h"

static soma_module *with_numbers(soma_context *ctx, const char *kind, soma_tensor *(*forward)(soma_module *, soma_tensor *), double a, double b) {
    soma_module *m = soma__module_new(ctx, kind, forward);
    if (m) m->number[0] = a, m->number[1] = b;
    return m;
}

#define ACTIVATION0(name, doc) \
    static soma_tensor *name##_forward(soma_module *m, soma_tensor *x) { return (void)m, soma_##name(x); } \
    soma_module *soma_nn_##name(soma_context *ctx) { return soma__module_new(ctx, #name, name##_forward); }
#define MODULE0 ACTIVATION0
#define ACTIVATION1(name, a, otherwise, doc) \
    static soma_tensor *name##_forward(soma_module *m, soma_tensor *x) { return soma_##name(x, m->number[0]); } \
    soma_module *soma_nn_##name(soma_context *ctx, double a) { return with_numbers(ctx, #name, name##_forward, a, 0); }
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) \
    static soma_tensor *name##_forward(soma_module *m, soma_tensor *x) { return soma_##name(x, m->number[0], m->number[1]); } \
    soma_module *soma_nn_##name(soma_context *ctx, double a, double b) { return with_numbers(ctx, #name, name##_forward, a, b); }
#include "soma/activations.def"

static soma_tensor *flatten(soma_module *m, soma_tensor *x) { return (void)m, soma_flatten(x, 1, -1); }
soma_module *soma_nn_flatten(soma_context *ctx) { return soma__module_new(ctx, "flatten", flatten); }

#define ALONG(name) \
    static soma_tensor *name##_forward(soma_module *m, soma_tensor *x) { return soma_##name(x, m->dim); } \
    soma_module *soma_nn_##name(soma_context *ctx, int64_t dim) { \
        soma_module *m = soma__module_new(ctx, #name, name##_forward); \
        if (m) m->dim = dim; \
        return m; \
    }
ALONG(softmax)
ALONG(log_softmax)
ALONG(softmin)
ALONG(glu)

static soma_tensor *prelu(soma_module *m, soma_tensor *x) { return soma_prelu(x, soma__module_part(m, "weight")); }
soma_module *soma_nn_prelu(soma_context *ctx, int64_t count, double init) {
    if (ctx && count < 1) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "prelu: %lld slopes; at least 1 is wanted", (long long)count), NULL;
    soma_module *m = soma__module_new(ctx, "prelu", prelu);
    if (!m) return NULL;
    soma_tensor *w = soma_variable(soma_full(ctx, init, SOMA_F32, &count, 1), &(soma_variable_opts){.name = "weight"});
    return soma_module_add_parameter(m, "weight", w) == SOMA_OK ? m : NULL;
}

/* What draws does it from the module's own stream. */
static soma_tensor *rrelu(soma_module *m, soma_tensor *x) {
    uint64_t before = soma_stream_use(m->ctx, soma__module_stream(m, SOMA_STREAM_DROPOUT));
    soma_tensor *y = soma_rrelu(x, m->number[0], m->number[1], m->training);
    soma_stream_use(m->ctx, before);
    return y;
}
soma_module *soma_nn_rrelu(soma_context *ctx, double lower, double upper) { return with_numbers(ctx, "rrelu", rrelu, lower, upper); }

static soma_tensor *dropout(soma_module *m, soma_tensor *x) {
    if (!m->training) return x;
    uint64_t before = soma_stream_use(m->ctx, soma__module_stream(m, SOMA_STREAM_DROPOUT));
    soma_tensor *y = soma_dropout_by(x, soma_host_scalar(m->ctx, &m->number[0]));
    soma_stream_use(m->ctx, before);
    return y;
}
/* Of one to three dimensions. */
static soma_tensor *channel_dropout(soma_module *m, soma_tensor *x) {
    char text[128];
    if (soma_ndim(x) != m->dim + 2) {
        soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "%s: the input has shape %s; %d dimensions, [N, C, ...], are wanted", m->kind,
                         soma_shape_text(x, text, sizeof text), (int)m->dim + 2);
        return NULL;
    }
    if (!m->training) return x;
    uint64_t before = soma_stream_use(m->ctx, soma__module_stream(m, SOMA_STREAM_DROPOUT));
    soma_tensor *y = soma_feature_dropout_by(x, soma_host_scalar(m->ctx, &m->number[0]));
    soma_stream_use(m->ctx, before);
    return y;
}
static soma_tensor *alpha_dropout(soma_module *m, soma_tensor *x) {
    uint64_t before = soma_stream_use(m->ctx, soma__module_stream(m, SOMA_STREAM_DROPOUT));
    soma_tensor *y = soma_alpha_dropout(x, m->number[0], m->training);
    soma_stream_use(m->ctx, before);
    return y;
}

static bool is_probability(soma_module *m, double p) {
    if (p >= 0 && p <= 1) return true;
    soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: p is %g; a probability in [0, 1] is wanted", m->kind, p);
    return false;
}

soma_status soma_nn_dropout_set(soma_module *m, double p) {
    if (!m || (m->forward != dropout && m->forward != channel_dropout)) return SOMA_ERROR_ARGUMENT;
    if (is_probability(m, p)) m->number[0] = p;
    return soma_error_status(m->ctx);
}

soma_module *soma_nn_dropout(soma_context *ctx, double p) {
    soma_module *m = with_numbers(ctx, "dropout", dropout, p, 0);
    return m && is_probability(m, p) ? m : NULL;
}
soma_module *soma_nn_alpha_dropout(soma_context *ctx, double p) {
    soma_module *m = with_numbers(ctx, "alpha_dropout", alpha_dropout, p, 0);
    return m && is_probability(m, p) ? m : NULL;
}
#define CHANNEL_DROPOUT(n) \
    soma_module *soma_nn_dropout##n##d(soma_context *ctx, double p) { \
        soma_module *m = with_numbers(ctx, "dropout" #n "d", channel_dropout, p, 0); \
        if (m) m->dim = n; \
        return m && is_probability(m, p) ? m : NULL; \
    }
CHANNEL_DROPOUT(1)
CHANNEL_DROPOUT(2)
CHANNEL_DROPOUT(3)
