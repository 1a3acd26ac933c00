/* Layers of recipes. */
#include "train/words.h"

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
static soma_module *linear(soma_context *ctx, const json_t *f, const int64_t *in, int64_t ndim) {
    (void)ndim;
    return soma_nn_linear(ctx, in[0], soma__get_int(f, "features"), &(soma_linear_opts){.no_bias = !soma__get_truth(f, "bias")});
}
static void linear_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)ndim;
    *multiply_adds = in[0] * soma__get_int(f, "features");
    *parameters = *multiply_adds + (soma__get_truth(f, "bias") ? soma__get_int(f, "features") : 0);
}
static const soma__field linear_fields[] = {
    {"features", SOMA__INTEGER, NULL, 1, 1 << 30, false, false, "outputs"},
    {"bias", SOMA__TRUTH, "true", 0, 0, false, false, "whether a bias is added"},
};

#define PLAIN(name, call) \
    static soma_module *name(soma_context *ctx, const json_t *f, const int64_t *in, int64_t ndim) { return (void)f, (void)in, (void)ndim, call(ctx); }
PLAIN(flatten, soma_nn_flatten)
PLAIN(relu, soma_nn_relu)
PLAIN(tanh_, soma_nn_tanh)
PLAIN(sigmoid, soma_nn_sigmoid)

static const soma__field dim_fields[] = {
    {"dim", SOMA__INTEGER, "-1", -SOMA_MAX_DIMS, SOMA_MAX_DIMS, false, false, "the dimension, the batch counted"}};
static soma_module *softmax(soma_context *ctx, const json_t *f, const int64_t *in, int64_t ndim) {
    return (void)in, (void)ndim, soma_nn_softmax(ctx, soma__get_int(f, "dim"));
}
static soma_module *log_softmax(soma_context *ctx, const json_t *f, const int64_t *in, int64_t ndim) {
    return (void)in, (void)ndim, soma_nn_log_softmax(ctx, soma__get_int(f, "dim"));
}
static bool has_dim(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    (void)shape;
    int64_t dim = soma__get_int(f, "dim"), n = *ndim + 1;
    if (dim >= -n && dim < n) return true;
    snprintf(why, size, "its dim %lld is outside [%lld, %lld)", (long long)dim, (long long)-n, (long long)n);
    return false;
}

static const soma__field dropout_fields[] = {{"p", SOMA__NUMBER, "0.5", 0, 1, false, false, "probability of zero"}};
static soma_module *dropout(soma_context *ctx, const json_t *f, const int64_t *in, int64_t ndim) {
    return (void)in, (void)ndim, soma_nn_dropout(ctx, soma__get(f, "p"));
}

static const soma__kind layers[] = {
    {.name = "linear", .main = "features", SOMA__FIELDS(linear_fields), .shape = linear_shape, .build = linear, .count = linear_count},
    {.name = "flatten", .shape = flat, .build = flatten},
    {.name = "relu", .shape = same, .build = relu},
    {.name = "tanh", .shape = same, .build = tanh_},
    {.name = "sigmoid", .shape = same, .build = sigmoid},
    {.name = "softmax", .main = "dim", SOMA__FIELDS(dim_fields), .shape = has_dim, .build = softmax},
    {.name = "log_softmax", .main = "dim", SOMA__FIELDS(dim_fields), .shape = has_dim, .build = log_softmax},
    {.name = "dropout", .main = "p", SOMA__FIELDS(dropout_fields), .shape = same, .build = dropout},
};
const soma__kinds soma__layers = SOMA__KINDS("layer", layers);
