/* torch.nn.Linear. */
#include "nn/module.h"

#include "base/fpmode.h"

static soma_tensor *forward(soma_module *m, soma_tensor *x) { return soma_linear(x, soma__module_part(m, "weight"), soma__module_part(m, "bias")); }

bool soma__is_linear(const soma_module *m) { return m->forward == forward; }

soma_module *soma_nn_linear_v(soma_context *ctx, int64_t in_features, int64_t out_features, const soma_linear_opts *options, size_t size) {
    soma_linear_opts o;
    if (!ctx || !soma_options_read(ctx, "linear", &o, sizeof o, options, size)) return NULL;
    if (in_features < 1 || out_features < 1) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "linear: %lld inputs and %lld outputs; both must be at least 1", (long long)in_features,
                         (long long)out_features);
        return NULL;
    }
    if (o.dtype != SOMA_F32 && o.dtype != SOMA_F64) {
        soma_error_raise(ctx, SOMA_ERROR_DTYPE, "linear: the dtype is %lld; SOMA_F32 or SOMA_F64 is wanted", (long long)o.dtype);
        return NULL;
    }
    if (in_features > INT64_MAX / 16 / out_features) {
        soma_error_raise(ctx, SOMA_ERROR_SHAPE, "linear: %lld inputs and %lld outputs are more weights than memory can have", (long long)in_features,
                         (long long)out_features);
        return NULL;
    }
    soma_module *m = soma__module_new(ctx, "linear", forward);
    if (!m) return NULL;
    double bound = soma__nearest('/', 1, soma__nearest('r', (double)in_features, 0));
    uint64_t stream = soma_stream_use(ctx, SOMA_STREAM_INIT);
    soma_interior_begin(ctx);
    soma_tensor *w = soma_uniform(ctx, -bound, bound, (soma_dtype)o.dtype, SOMA_SHAPE(out_features, in_features));
    soma_module_add_parameter(m, "weight", soma_variable(w, &(soma_variable_opts){.name = "weight"}));
    if (!o.no_bias) {
        soma_tensor *b = soma_uniform(ctx, -bound, bound, (soma_dtype)o.dtype, SOMA_SHAPE(out_features));
        soma_module_add_parameter(m, "bias", soma_variable(b, &(soma_variable_opts){.name = "bias"}));
    }
    soma_interior_end(ctx, NULL);
    soma_stream_use(ctx, stream);
    return soma_error_status(ctx) == SOMA_OK ? m : NULL;
}
