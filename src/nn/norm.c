/* torch.nn.LayerNorm, BatchNorm1d to 3d, InstanceNorm1d to 3d, GroupNorm, LocalResponseNorm. */
#include "nn/module.h"

static double or_else(soma_optional o, double otherwise) { return o.set ? o.value : otherwise; }

static soma_status add(soma_module *m, const char *name, soma_dtype dtype, double value, const int64_t *shape, int64_t ndim, bool buffer) {
    soma_interior_begin(m->ctx);
    soma_tensor *v = soma_variable(soma_full(m->ctx, value, dtype, shape, ndim), &(soma_variable_opts){.name = name});
    soma_interior_end(m->ctx, NULL);
    return buffer ? soma_module_add_buffer(m, name, v) : soma_module_add_parameter(m, name, v);
}

static soma_tensor *layer_norm(soma_module *m, soma_tensor *x) {
    return soma_layer_norm(x, m->dim, soma__module_part(m, "weight"), soma__module_part(m, "bias"), m->number[0]);
}

soma_module *soma_nn_layer_norm_v(soma_context *ctx, const int64_t *shape, int64_t ndim, const soma_layer_norm_opts *options, size_t size) {
    soma_layer_norm_opts o;
    if (!ctx || !soma_options_read(ctx, "layer_norm", &o, sizeof o, options, size)) return NULL;
    bool fits = shape && ndim >= 1 && ndim <= SOMA_MAX_DIMS;
    for (int64_t d = 0; fits && d < ndim; d++) fits = shape[d] >= 1;
    if (!fits)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "layer_norm: a shape of 1 or more dimensions, with sizes of 1 or more, is wanted"), NULL;
    soma_module *m = soma__module_new(ctx, "layer_norm", layer_norm);
    if (!m) return NULL;
    m->dim = ndim, m->number[0] = or_else(o.eps, 1e-5);
    if (!o.no_affine) add(m, "weight", SOMA_F32, 1, shape, ndim, false);
    if (!o.no_affine && !o.no_bias) add(m, "bias", SOMA_F32, 0, shape, ndim, false);
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}

/* Has the input one of the ranks that the module takes? */
static bool ranked(const soma_module *m, const soma_tensor *x, int64_t least, int64_t most) {
    char text[128];
    if (soma_ndim(x) >= least && soma_ndim(x) <= most) return true;
    soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "%s: the input has shape %s; %s is wanted", m->kind, soma_shape_text(x, text, sizeof text),
                     least == 2  ? "[N, C] or [N, C, L]"
                     : most == 3 ? "[N, C, L]"
                     : most == 4 ? "[N, C, H, W]"
                                 : "[N, C, D, H, W]");
    return false;
}

static soma_tensor *batch_norm(soma_module *m, soma_tensor *x) {
    soma_tensor *batches = soma__module_part(m, "num_batches_tracked");
    if (!ranked(m, x, m->dim == 1 ? 2 : m->dim + 2, m->dim + 2)) return NULL;
    if (batches && m->training) soma_assign(batches, soma_add_scalar(batches, 1));
    return soma_batch_norm(x, soma__module_part(m, "running_mean"), soma__module_part(m, "running_var"), soma__module_part(m, "weight"),
                           soma__module_part(m, "bias"), m->training, m->number[0], m->number[1]);
}
/* In the place of a batch norm that the layer before it has taken over. Behind a linear layer, of dim 0, dimension 1 must be the features. */
static soma_tensor *folded(soma_module *m, soma_tensor *x) {
    if (m->dim || soma_ndim(x) == 2) return x;
    char text[128];
    return soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "%s: it is folded into a linear layer, which takes [N, C] since then, not what gives %s",
                            m->kind, soma_shape_text(x, text, sizeof text)),
           NULL;
}
bool soma__is_folded_norm(const soma_module *m) { return m->forward == folded; }
bool soma__is_batch_norm(const soma_module *m, int64_t *dims, double *eps) {
    *dims = m->dim, *eps = m->number[1];
    return m->forward == batch_norm;
}
void soma__norm_leave(soma_module *m, int64_t dims) {
    m->forward = folded, m->dim = dims;
    m->first = NULL, m->end = &m->first;
}

static soma_tensor *instance_norm(soma_module *m, soma_tensor *x) {
    soma_tensor *mean = soma__module_part(m, "running_mean"); /* torch.nn's does not count its batches */
    if (!ranked(m, x, m->dim + 2, m->dim + 2)) return NULL;
    return soma_instance_norm(x, mean, soma__module_part(m, "running_var"), soma__module_part(m, "weight"), soma__module_part(m, "bias"),
                              m->training || !mean, m->number[0], m->number[1]);
}

/* Of one to three dimensions. */
static soma_module *by_channels(soma_context *ctx, const char *kind, soma_tensor *(*forward)(soma_module *m, soma_tensor *x), int64_t dims,
                                int64_t features, double momentum, double eps, bool affine, bool running) {
    if (features < 1 || !(momentum >= 0 && momentum <= 1))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: %lld features, a momentum of %g; 1 or more, and one in [0, 1], are wanted", kind,
                                (long long)features, momentum),
               NULL;
    soma_module *m = soma__module_new(ctx, kind, forward);
    if (!m) return NULL;
    m->dim = dims, m->number[0] = momentum, m->number[1] = eps;
    if (affine) add(m, "weight", SOMA_F32, 1, &features, 1, false), add(m, "bias", SOMA_F32, 0, &features, 1, false);
    if (running)
        add(m, "running_mean", SOMA_F32, 0, &features, 1, true), add(m, "running_var", SOMA_F32, 1, &features, 1, true),
            add(m, "num_batches_tracked", SOMA_I64, 0, NULL, 0, true);
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}

#define DIMENSIONS(n) \
    soma_module *soma_nn_batch_norm_##n##d_v(soma_context *ctx, int64_t features, const soma_batch_norm_opts *options, size_t size) { \
        soma_batch_norm_opts o; \
        if (!ctx || !soma_options_read(ctx, "batch_norm_" #n "d", &o, sizeof o, options, size)) return NULL; \
        return by_channels(ctx, "batch_norm_" #n "d", batch_norm, n, features, or_else(o.momentum, 0.1), or_else(o.eps, 1e-5), !o.no_affine, \
                           !o.no_running); \
    } \
    soma_module *soma_nn_instance_norm_##n##d_v(soma_context *ctx, int64_t features, const soma_instance_norm_opts *options, size_t size) { \
        soma_instance_norm_opts o; \
        if (!ctx || !soma_options_read(ctx, "instance_norm_" #n "d", &o, sizeof o, options, size)) return NULL; \
        return by_channels(ctx, "instance_norm_" #n "d", instance_norm, n, features, or_else(o.momentum, 0.1), or_else(o.eps, 1e-5), o.affine != 0, \
                           o.running != 0); \
    }
DIMENSIONS(1)
DIMENSIONS(2)
DIMENSIONS(3)

static soma_tensor *group_norm(soma_module *m, soma_tensor *x) {
    return soma_group_norm(x, m->dim, soma__module_part(m, "weight"), soma__module_part(m, "bias"), m->number[0]);
}
soma_module *soma_nn_group_norm_v(soma_context *ctx, int64_t groups, int64_t channels, const soma_group_norm_opts *options, size_t size) {
    soma_group_norm_opts o;
    if (!ctx || !soma_options_read(ctx, "group_norm", &o, sizeof o, options, size)) return NULL;
    if (groups < 1 || channels < 1 || channels % groups)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "group_norm: %lld channels in %lld groups; groups that divide them are wanted",
                                (long long)channels, (long long)groups),
               NULL;
    soma_module *m = soma__module_new(ctx, "group_norm", group_norm);
    if (!m) return NULL;
    m->dim = groups, m->number[0] = or_else(o.eps, 1e-5);
    if (!o.no_affine) add(m, "weight", SOMA_F32, 1, &channels, 1, false), add(m, "bias", SOMA_F32, 0, &channels, 1, false);
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}

static soma_tensor *layer_norm2d(soma_module *m, soma_tensor *x) {
    return soma_layer_norm2d(x, soma__module_part(m, "weight"), soma__module_part(m, "bias"), m->number[0]);
}
soma_module *soma_nn_layer_norm2d_v(soma_context *ctx, int64_t channels, const soma_layer_norm_opts *options, size_t size) {
    soma_layer_norm_opts o;
    if (!ctx || !soma_options_read(ctx, "layer_norm2d", &o, sizeof o, options, size)) return NULL;
    if (channels < 1)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "layer_norm2d: %lld channels; 1 or more are wanted", (long long)channels), NULL;
    soma_module *m = soma__module_new(ctx, "layer_norm2d", layer_norm2d);
    if (!m) return NULL;
    m->number[0] = or_else(o.eps, 1e-5);
    if (!o.no_affine) add(m, "weight", SOMA_F32, 1, &channels, 1, false);
    if (!o.no_affine && !o.no_bias) add(m, "bias", SOMA_F32, 0, &channels, 1, false);
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}

typedef struct neighbours {
    int64_t size;
    double alpha, beta, k;
} neighbours;
static soma_tensor *local_response_norm(soma_module *m, soma_tensor *x) {
    const neighbours *n = m->user;
    return soma_local_response_norm(x, n->size, n->alpha, n->beta, n->k);
}
soma_module *soma_nn_local_response_norm_v(soma_context *ctx, int64_t size, const soma_local_response_norm_opts *options, size_t bytes) {
    soma_local_response_norm_opts o;
    if (!ctx || !soma_options_read(ctx, "local_response_norm", &o, sizeof o, options, bytes)) return NULL;
    if (size < 1)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "local_response_norm: a size of %lld channels; 1 or more is wanted", (long long)size), NULL;
    soma_module *m = soma__module_new(ctx, "local_response_norm", local_response_norm);
    neighbours *n = m ? soma_scope_memory(ctx, sizeof *n) : NULL;
    if (!n) return NULL;
    *n = (neighbours){size, or_else(o.alpha, 1e-4), or_else(o.beta, 0.75), or_else(o.k, 1)};
    m->user = n;
    return m;
}
