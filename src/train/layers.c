/* Layers of recipes. */
#include "train/blocks.h"
#include "train/image_layers.h"

#include "soma/init.h"

#include <stdio.h>
#include <string.h>

static bool same(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    return (void)f, (void)shape, (void)ndim, (void)why, (void)size, true;
}

static bool flat(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    (void)f, (void)why, (void)size;
    for (int64_t d = 1; d < *ndim; d++) shape[0] *= shape[d];
    if (!*ndim) shape[0] = 1;
    *ndim = 1;
    return true;
}

static bool one_dimension(const int64_t *shape, int64_t ndim, char *why, size_t size) {
    if (ndim == 1) return true;
    int at = snprintf(why, size, "its input has %lld dimensions (", (long long)ndim);
    for (int64_t d = 0; d < ndim && at > 0 && (size_t)at < size; d++)
        at += snprintf(why + at, size - (size_t)at, "%s%lld", d ? " x " : "", (long long)shape[d]);
    if (at > 0 && (size_t)at < size) snprintf(why + at, size - (size_t)at, "), it wants one; put flatten before it");
    return false;
}

static bool linear_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    if (!one_dimension(shape, *ndim, why, size)) return false;
    shape[0] = soma__get_int(f, "features");
    return true;
}
static soma_module *linear(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    (void)ndim;
    soma_module *m = soma_nn_linear(b->ctx, in[0], soma__get_int(f, "features"), &(soma_linear_opts){.no_bias = !soma__get_truth(f, "bias")});
    const char *init = soma__get_text(f, "init");
    soma_tensor *const *params;
    size_t n;
    if (m && strcmp(init, "default") != 0 && soma_module_parameters(m, &params, &n) == SOMA_OK) soma_init_by_name(params[0], init);
    return m; /* an error that is pending is told with the layer's place */
}
static void linear_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)ndim;
    *multiply_adds = in[0] * soma__get_int(f, "features");
    *parameters = *multiply_adds + (soma__get_truth(f, "bias") ? soma__get_int(f, "features") : 0);
}
static const soma__field linear_fields[] = {
    {"features", SOMA__INTEGER, NULL, 1, 1 << 30, false, false, "outputs"},
    {"bias", SOMA__TRUTH, "true", 0, 0, false, false, "whether a bias is added"},
    {"init", SOMA__TEXT, "\"default\"", 0, 0, false, false, "the weights at first: kaiming_normal, orthogonal, ... (soma/init.h)"},
};

static soma_module *flatten(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    return (void)f, (void)in, (void)ndim, soma_nn_flatten(b->ctx);
}

/* Activations: the rows of activations.def. */
#define NUMBER(key, otherwise, doc) \
    { key, SOMA__NUMBER, otherwise, -__builtin_inf(), __builtin_inf(), true, true, doc }
#define BUILD(name, call) \
    static soma_module *name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) { \
        soma_context *ctx = b->ctx; \
        return (void)f, (void)in, (void)ndim, call; \
    }
#define MODULE0(name, doc) BUILD(name, soma_nn_##name(ctx))
#define ACTIVATION0 MODULE0
#define ACTIVATION1(name, a, otherwise, doc) \
    static const soma__field name##_fields[] = {NUMBER(#a, #otherwise, doc)}; \
    BUILD(name, soma_nn_##name(ctx, soma__get(f, #a)))
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) \
    static const soma__field name##_fields[] = {NUMBER(#a, #otherwise_a, doc), NUMBER(#b, #otherwise_b, doc)}; \
    BUILD(name, soma_nn_##name(ctx, soma__get(f, #a), soma__get(f, #b)))
#include "soma/activations.def"
#undef MODULE0
#undef ACTIVATION1
#undef ACTIVATION2

static const soma__field dim_fields[] = {
    {"dim", SOMA__INTEGER, "-1", -SOMA_MAX_DIMS, SOMA_MAX_DIMS, false, false, "the dimension, the batch counted"}};
#define ALONG(name) BUILD(name, soma_nn_##name(ctx, soma__get_int(f, "dim")))
ALONG(softmax)
ALONG(log_softmax)
ALONG(softmin)
static bool has_dim(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    (void)shape;
    int64_t dim = soma__get_int(f, "dim"), n = *ndim + 1;
    if (dim >= -n && dim < n) return true;
    snprintf(why, size, "its dim %lld is outside [%lld, %lld)", (long long)dim, (long long)-n, (long long)n);
    return false;
}

static const soma__field dropout_fields[] = {{"p", SOMA__NUMBER, "0.5", 0, 1, false, false, "probability of zero"}};
BUILD(dropout, soma_nn_dropout(ctx, soma__get(f, "p")))
BUILD(alpha_dropout, soma_nn_alpha_dropout(ctx, soma__get(f, "p")))

static const soma__field rrelu_fields[] = {NUMBER("lower", "0.125", "least slope"), NUMBER("upper", "0.33333333333333331", "greatest slope")};
BUILD(rrelu, soma_nn_rrelu(ctx, soma__get(f, "lower"), soma__get(f, "upper")))

static const soma__field prelu_fields[] = {{"count", SOMA__INTEGER, "1", 1, 1 << 30, false, false, "slopes: 1, or one for each channel"},
                                           NUMBER("init", "0.25", "the slopes at first")};
BUILD(prelu, soma_nn_prelu(ctx, soma__get_int(f, "count"), soma__get(f, "init")))
static bool prelu_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    int64_t count = soma__get_int(f, "count"), channels = *ndim ? shape[0] : 1;
    if (count == 1 || count == channels) return true;
    snprintf(why, size, "it has %lld slopes, its input %lld channels; 1 slope or one for each channel is wanted", (long long)count,
             (long long)channels);
    return false;
}
static void prelu_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)in, (void)ndim, (void)multiply_adds;
    *parameters = soma__get_int(f, "count");
}

static const soma__field glu_fields[] = {
    {"dim", SOMA__INTEGER, "-1", -SOMA_MAX_DIMS, SOMA_MAX_DIMS, false, false, "the dimension that is halved, the batch counted"}};
BUILD(glu, soma_nn_glu(ctx, soma__get_int(f, "dim")))
static bool glu_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    int64_t dim = soma__get_int(f, "dim"), d = dim < 0 ? dim + *ndim : dim - 1; /* without the batch */
    if (d >= 0 && d < *ndim && shape[d] % 2 == 0) return shape[d] /= 2, true;
    snprintf(why, size, "its dim %lld is none of even size behind the batch", (long long)dim);
    return false;
}

#define EPS \
    { "eps", SOMA__NUMBER, "1e-5", 0, __builtin_inf(), false, true, "added to the variance" }
#define AFFINE \
    { "affine", SOMA__TRUTH, "true", 0, 0, false, false, "whether there are weight and bias" }
static const soma__field layer_norm_fields[] = {
    EPS, AFFINE, {"over", SOMA__CHOICE, "\"last\"", 0, 0, false, false, "last|channels: the last dimension, or the first one behind the batch"}};
static bool over_channels(const json_t *f, int64_t ndim) { return ndim > 1 && strcmp(soma__get_text(f, "over"), "channels") == 0; }
static soma_module *layer_norm_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    const soma_layer_norm_opts o = {.eps = SOMA_SET(soma__get(f, "eps")), .no_affine = !soma__get_truth(f, "affine")};
    return over_channels(f, ndim) ? soma_nn_layer_norm2d(b->ctx, in[0], &o) : soma_nn_layer_norm(b->ctx, in + ndim - 1, 1, &o);
}
static const soma__field batch_norm_fields[] = {
    {"momentum", SOMA__NUMBER, "0.1", 0, 1, false, false, "share of a batch in the running statistics"}, EPS, AFFINE};
static soma_module *batch_norm_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    const soma_batch_norm_opts o = {
        .momentum = SOMA_SET(soma__get(f, "momentum")), .eps = SOMA_SET(soma__get(f, "eps")), .no_affine = !soma__get_truth(f, "affine")};
    return ndim < 3    ? soma_nn_batch_norm_1d(b->ctx, in[0], &o)
           : ndim == 3 ? soma_nn_batch_norm_2d(b->ctx, in[0], &o)
                       : soma_nn_batch_norm_3d(b->ctx, in[0], &o);
}
/* One dimension or more behind the batch. */
static bool norm_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    (void)f, (void)shape;
    if (*ndim < 1) snprintf(why, size, "its input has no dimension behind the batch");
    return *ndim >= 1;
}
static bool batch_norm_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    if (*ndim > 4) snprintf(why, size, "its input has %lld dimensions; channels and three dimensions are the most", (long long)*ndim);
    return *ndim <= 4 && norm_shape(f, shape, ndim, why, size);
}
static void layer_norm_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)multiply_adds;
    *parameters = soma__get_truth(f, "affine") ? 2 * in[over_channels(f, ndim) ? 0 : ndim - 1] : 0;
}
static void batch_norm_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)ndim, (void)multiply_adds;
    *parameters = soma__get_truth(f, "affine") ? 2 * in[0] : 0;
}

#define MODULE0(id, doc) {.name = #id, .shape = same, .build = id##_build},
#define ACTIVATION1(id, a, otherwise, doc) {.name = #id, .main = #a, SOMA__FIELDS(id##_fields), .shape = same, .build = id##_build},
#define ACTIVATION2(id, a, otherwise_a, b, otherwise_b, doc) {.name = #id, SOMA__FIELDS(id##_fields), .shape = same, .build = id##_build},
#define BLOCK(id) SOMA__FIELDS(soma__##id##_fields), .shape = soma__##id##_shape, .build = soma__##id##_build, .count = soma__##id##_count
#define IMAGE(id, key, list) \
    {.name = #id, \
     .main = key, \
     SOMA__FIELDS(soma__##list##_fields), \
     .shape = soma__##id##_shape, \
     .build = soma__##id##_build, \
     .count = soma__##id##_count},
static const soma__kind layers[] = {
    {.name = "linear", .main = "features", SOMA__FIELDS(linear_fields), .shape = linear_shape, .build = linear, .count = linear_count},
    {.name = "flatten", .shape = flat, .build = flatten},
#include "soma/activations.def"
    {.name = "softmax", .main = "dim", SOMA__FIELDS(dim_fields), .shape = has_dim, .build = softmax_build},
    {.name = "log_softmax", .main = "dim", SOMA__FIELDS(dim_fields), .shape = has_dim, .build = log_softmax_build},
    {.name = "softmin", .main = "dim", SOMA__FIELDS(dim_fields), .shape = has_dim, .build = softmin_build},
    {.name = "glu", .main = "dim", SOMA__FIELDS(glu_fields), .shape = glu_shape, .build = glu_build},
    {.name = "prelu", .main = "count", SOMA__FIELDS(prelu_fields), .shape = prelu_shape, .build = prelu_build, .count = prelu_count},
    {.name = "rrelu", SOMA__FIELDS(rrelu_fields), .shape = same, .build = rrelu_build},
    {.name = "layer_norm", SOMA__FIELDS(layer_norm_fields), .shape = norm_shape, .build = layer_norm_build, .count = layer_norm_count},
    {.name = "batch_norm", SOMA__FIELDS(batch_norm_fields), .shape = batch_norm_shape, .build = batch_norm_build, .count = batch_norm_count},
    IMAGE(conv, "channels", conv) IMAGE(conv1d, "channels", conv) IMAGE(conv3d, "channels", conv) IMAGE(conv_transpose, "channels", conv_transpose)
        IMAGE(conv_transpose1d, "channels", conv_transpose) IMAGE(max_pool, "kernel", max_pool) IMAGE(max_pool1d, "kernel", max_pool)
            IMAGE(max_pool3d, "kernel", max_pool) IMAGE(avg_pool, "kernel", avg_pool) IMAGE(avg_pool1d, "kernel", avg_pool)
                IMAGE(avg_pool3d, "kernel", avg_pool) IMAGE(adaptive_max_pool, "size", adaptive_pool) IMAGE(adaptive_avg_pool, "size", adaptive_pool){
                    .name = "global_max_pool", .shape = soma__global_max_pool_shape, .build = soma__global_max_pool_build},
    {.name = "global_avg_pool", .shape = soma__global_avg_pool_shape, .build = soma__global_avg_pool_build},
    IMAGE(group_norm, "groups", group_norm) IMAGE(instance_norm, "affine", instance_norm) IMAGE(local_response_norm, "size", local_response_norm)
        IMAGE(dropout1d, "p", channel_dropout) IMAGE(dropout2d, "p", channel_dropout) IMAGE(upsample, "factor", upsample)
            IMAGE(pixel_shuffle, "factor", shuffle) IMAGE(pixel_unshuffle, "factor", shuffle) IMAGE(channel_shuffle, "groups", channel_shuffle)
                IMAGE(pad, "sizes", pad) IMAGE(unfold, "kernel", unfold){.name = "residual", .main = "layers", BLOCK(residual)},
    {.name = "parallel", .main = "branches", BLOCK(parallel)},
    {.name = "repeat", BLOCK(repeat)},
    {.name = "block", .main = "name", BLOCK(block)},
    {.name = "embedding", BLOCK(embedding)},
    {.name = "unflatten", .main = "sizes", BLOCK(unflatten)},
    {.name = "bilinear", .main = "features", BLOCK(bilinear)},
    {.name = "dropout", .main = "p", SOMA__FIELDS(dropout_fields), .shape = same, .build = dropout_build},
    {.name = "alpha_dropout", .main = "p", SOMA__FIELDS(dropout_fields), .shape = same, .build = alpha_dropout_build},
};
const soma__kinds soma__layers = SOMA__KINDS("layer", layers);
