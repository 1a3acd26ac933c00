/* torch.nn.LayerNorm and BatchNorm1d. */
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

static soma_tensor *batch_norm(soma_module *m, soma_tensor *x) {
    soma_tensor *batches = soma__module_part(m, "num_batches_tracked");
    if (batches && m->training) soma_assign(batches, soma_add_scalar(batches, 1));
    return soma_batch_norm(x, soma__module_part(m, "running_mean"), soma__module_part(m, "running_var"), soma__module_part(m, "weight"),
                           soma__module_part(m, "bias"), m->training, m->number[0], m->number[1]);
}

soma_module *soma_nn_batch_norm_1d_v(soma_context *ctx, int64_t features, const soma_batch_norm_opts *options, size_t size) {
    soma_batch_norm_opts o;
    if (!ctx || !soma_options_read(ctx, "batch_norm_1d", &o, sizeof o, options, size)) return NULL;
    double momentum = or_else(o.momentum, 0.1);
    if (features < 1 || !(momentum >= 0 && momentum <= 1))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "batch_norm_1d: %lld features, a momentum of %g; 1 or more, and one in [0, 1], are wanted",
                                (long long)features, momentum),
               NULL;
    soma_module *m = soma__module_new(ctx, "batch_norm_1d", batch_norm);
    if (!m) return NULL;
    m->number[0] = momentum, m->number[1] = or_else(o.eps, 1e-5);
    if (!o.no_affine) add(m, "weight", SOMA_F32, 1, &features, 1, false), add(m, "bias", SOMA_F32, 0, &features, 1, false);
    if (!o.no_running)
        add(m, "running_mean", SOMA_F32, 0, &features, 1, true), add(m, "running_var", SOMA_F32, 1, &features, 1, true),
            add(m, "num_batches_tracked", SOMA_I64, 0, NULL, 0, true);
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}
