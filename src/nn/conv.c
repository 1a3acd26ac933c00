/* torch.nn.Conv1d, 2d, 3d and ConvTranspose1d, 2d, 3d. Another border than zeros is padding of its own in front, as PyTorch has it. */
#include "nn/module.h"

#include "base/fpmode.h"

#include <string.h>

typedef struct conv {
    int64_t dims, pad_mode, pads[6]; /* in soma_pad's order; of zeros the convolution's own are used */
    bool transposed, one_channel;
    soma_conv_opts o;
} conv;

static soma_tensor *forward(soma_module *m, soma_tensor *x) {
    const conv *c = m->user;
    soma_tensor *w = soma__module_part(m, "weight"), *b = soma__module_part(m, "bias");
    if (c->one_channel) x = soma_unsqueeze(x, 1);
    if (c->pad_mode) x = soma_pad(x, c->pads, 2 * c->dims, (soma_pad_mode)c->pad_mode, 0);
    if (c->transposed)
        return c->dims == 1   ? soma_conv_transpose1d(x, w, b, &c->o)
               : c->dims == 2 ? soma_conv_transpose2d(x, w, b, &c->o)
                              : soma_conv_transpose3d(x, w, b, &c->o);
    return c->dims == 1 ? soma_conv1d(x, w, b, &c->o) : c->dims == 2 ? soma_conv2d(x, w, b, &c->o) : soma_conv3d(x, w, b, &c->o);
}

bool soma__is_conv(const soma_module *m, soma__mixer *about) {
    const conv *c = m->user;
    if (m->forward != forward) return false;
    *about = (soma__mixer){c->dims, c->transposed ? c->o.groups : 0};
    return true;
}

/* What was asked for. */
typedef struct request {
    soma_context *ctx;
    const char *name;
    int64_t in, out, kernel[3], weights;
    soma_conv_module_opts o;
} request;

static bool wrong(const request *r, const char *what) { return soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT, "%s: %s", r->name, what), false; }

static bool fits(request *r, const conv *c) {
    const soma_conv_module_opts *o = &r->o;
    const int64_t most = 1 << 30;
    if (r->in < 1 || r->out < 1 || o->groups < 0 || r->in % c->o.groups || r->out % c->o.groups)
        return soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT,
                                "%s: %lld channels become %lld in %lld group%s; 1 or more channels each, which the groups divide, are wanted",
                                r->name, (long long)r->in, (long long)r->out, (long long)c->o.groups, c->o.groups == 1 ? "" : "s"),
               false;
    r->weights = r->in / c->o.groups;
    bool large = __builtin_mul_overflow(r->weights, r->out, &r->weights);
    for (int64_t d = 0; d < c->dims; d++) {
        if (r->kernel[d] < 1 || o->stride[d] < 0 || o->dilation[d] < 0 || o->padding[d] < 0 || o->output_padding[d] < 0)
            return wrong(r, "kernel, stride and dilation are 1 or more, paddings 0 or more");
        if (o->stride[d] > most || o->dilation[d] > most || o->padding[d] > most) return wrong(r, "a stride, dilation or padding is too large");
        if (o->same && (o->stride[d] > 1 || o->padding[d])) return wrong(r, "padding 'same' goes with stride 1 and no other padding");
        if (o->output_padding[d] && !c->transposed) return wrong(r, "output_padding is for transposed convolutions");
        large |= r->kernel[d] > most || __builtin_mul_overflow(r->weights, r->kernel[d], &r->weights);
    }
    if (large || r->weights > INT64_MAX / 16) return wrong(r, "it has more weights than memory can have");
    if (o->padding_mode < 0 || o->padding_mode > SOMA_PAD_CIRCULAR) return wrong(r, "its padding_mode is none of soma_pad_mode");
    if (c->transposed && (o->same || o->padding_mode)) return wrong(r, "transposed convolutions have zeros around them, and no padding 'same'");
    if (o->dtype == SOMA_F32 || o->dtype == SOMA_F64) return true;
    return soma_error_raise(r->ctx, SOMA_ERROR_DTYPE, "%s: the dtype is %lld; SOMA_F32 or SOMA_F64 is wanted", r->name, (long long)o->dtype), false;
}

/* kaiming_uniform(a = sqrt(5)) is U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), the bias's distribution, too. */
static void parameters(soma_module *m, const request *r, const conv *c) {
    int64_t shape[5] = {c->transposed ? r->in : r->out, (c->transposed ? r->out : r->in) / c->o.groups}, fan = shape[1];
    for (int64_t d = 0; d < c->dims; d++) shape[2 + d] = r->kernel[d], fan *= r->kernel[d];
    double bound = soma__nearest('/', 1, soma__nearest('r', (double)fan, 0));
    uint64_t stream = soma_stream_use(r->ctx, SOMA_STREAM_INIT);
    soma_interior_begin(r->ctx);
    soma_tensor *w = soma_uniform(r->ctx, -bound, bound, (soma_dtype)r->o.dtype, shape, c->dims + 2);
    soma_module_add_parameter(m, "weight", soma_variable(w, &(soma_variable_opts){.name = "weight"}));
    if (!r->o.no_bias) {
        soma_tensor *b = soma_uniform(r->ctx, -bound, bound, (soma_dtype)r->o.dtype, SOMA_SHAPE(r->out));
        soma_module_add_parameter(m, "bias", soma_variable(b, &(soma_variable_opts){.name = "bias"}));
    }
    soma_interior_end(r->ctx, NULL);
    soma_stream_use(r->ctx, stream);
}

/* The paddings of another border than zeros, which then is not the convolution's. */
static void border(conv *c, const request *r) {
    if (!(c->pad_mode = r->o.padding_mode)) return;
    for (int64_t d = 0; d < c->dims; d++) {
        int64_t l = r->o.dilation[d] ? r->o.dilation[d] : r->o.dilation[0], all = (l ? l : 1) * (r->kernel[d] - 1), at = 2 * (c->dims - 1 - d);
        c->pads[at] = r->o.same ? all / 2 : r->o.padding[d], c->pads[at + 1] = r->o.same ? all - all / 2 : r->o.padding[d];
        c->o.padding[d] = 0;
    }
    c->o.same = 0;
}

static soma_module *make(request *r, int64_t dims, bool transposed, int64_t kernel, const void *options, size_t size) {
    if (!r->ctx || !soma_options_read(r->ctx, r->name, &r->o, sizeof r->o, options, size)) return NULL;
    const soma_conv_module_opts *o = &r->o;
    conv c = {.dims = dims,
              .transposed = transposed,
              .one_channel = o->one_channel != 0,
              .o = {.groups = o->groups ? o->groups : 1, .same = o->same, .fast_math = o->fast_math}};
    for (int d = 0; d < 3; d++) {
        r->kernel[d] = o->kernel[d] ? o->kernel[d] : kernel;
        c.o.stride[d] = o->stride[d], c.o.padding[d] = o->padding[d], c.o.dilation[d] = o->dilation[d], c.o.output_padding[d] = o->output_padding[d];
    }
    if (!fits(r, &c)) return NULL;
    border(&c, r);
    soma_module *m = soma__module_new(r->ctx, r->name, forward);
    m = m && (m->user = soma_scope_memory(r->ctx, sizeof c)) ? m : NULL;
    if (!m) return NULL;
    memcpy(m->user, &c, sizeof c);
    parameters(m, r, &c);
    return soma_error_status(r->ctx) == SOMA_OK ? m : NULL;
}

#define CONV(id, n, transposed) \
    soma_module *soma_nn_##id##_v(soma_context *ctx, int64_t in_channels, int64_t out_channels, int64_t kernel, \
                                  const soma_conv_module_opts *options, size_t size) { \
        request r = {.ctx = ctx, .name = #id, .in = in_channels, .out = out_channels}; \
        return make(&r, n, transposed, kernel, options, size); \
    }
CONV(conv1d, 1, false)
CONV(conv2d, 2, false)
CONV(conv3d, 3, false)
CONV(conv_transpose1d, 1, true)
CONV(conv_transpose2d, 2, true)
CONV(conv_transpose3d, 3, true)
