/* Convolutions and pools as layers of recipes. A sample is [C, H, W] ([C, L], [C, D, H, W] for words of one and three dimensions); one
 * without channels, as MNIST's [28, 28], has one. */
#include "train/image_layers.h"
#include "train/image_words.h"

#include "soma/init.h"

#include <stdio.h>
#include <string.h>

bool soma__image(int dims, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    static const char *const wanted[3] = {"[C, L] or [L]", "[C, H, W] or [H, W]", "[C, D, H, W] or [D, H, W]"};
    if (*ndim == dims) memmove(shape + 1, shape, (size_t)dims * sizeof *shape), shape[0] = 1, ++*ndim;
    if (*ndim == dims + 1) return true;
    int at = snprintf(why, size, "its input has %lld dimension%s (", (long long)*ndim, *ndim == 1 ? "" : "s");
    for (int64_t d = 0; d < *ndim && at > 0 && (size_t)at < size; d++)
        at += snprintf(why + at, size - (size_t)at, "%s%lld", d ? " x " : "", (long long)shape[d]);
    if (at > 0 && (size_t)at < size) snprintf(why + at, size - (size_t)at, "), it wants %s; unflatten makes them", wanted[dims - 1]);
    return false;
}

bool soma__sizes(const json_t *f, const char *key, int dims, int64_t *out, char *why, size_t size) {
    const json_t *v = json_object_get(f, key);
    size_t n = json_array_size(v);
    for (int d = 0; d < dims; d++) out[d] = json_integer_value(n ? json_array_get(v, (size_t)d) : v);
    if (!json_is_array(v) || n == (size_t)dims) return true;
    snprintf(why, size, "its %s has %zu numbers; one, or %d, are wanted", key, n, dims);
    return false;
}

static soma_tensor *one_channel(void *user, soma_module *self, soma_tensor *x) { return (void)self, soma_forward(user, soma_unsqueeze(x, 1)); }

soma_module *soma__with_channel(soma__builder *b, soma_module *m, int dims, int64_t ndim) {
    if (!m || ndim != dims) return m;
    return soma_nn_module(b->ctx, "image", one_channel, m);
}

/* convolutions */

#define CHANNELS SOMA__WHOLE("channels", NULL, 1, "outputs")
#define KERNEL(otherwise, least) SOMA__SIZES_OF("kernel", otherwise, least, "elements of a window, as 3 or [3, 5]")
#define STRIDE(otherwise, doc) SOMA__SIZES_OF("stride", otherwise, 0, doc)
#define DILATION SOMA__SIZES_OF("dilation", "1", 1, "distance of a window's elements")
#define GROUPS SOMA__WHOLE("groups", "1", 1, "channels are parted in; as many as there are: depth-wise")
#define BIAS SOMA__TRUTH_OF("bias", "true", "whether a bias is added")
#define FAST SOMA__TRUTH_OF("fast_math", "false", "larger tiles in kernels of 3x3: faster, less exact")
#define INIT \
    { "init", SOMA__TEXT, "\"default\"", SOMA__REST, "the weights at first: kaiming_normal, orthogonal, ... (soma/init.h)" }
#define PADDING(type, doc) \
    { "padding", type, "0", 0, SOMA__LARGEST, false, false, doc }
const soma__field soma__conv_fields[SOMA__CONV_FIELDS] = {
    CHANNELS,
    KERNEL("3", 1),
    SOMA__SIZES_OF("stride", "1", 1, "steps of the window"),
    PADDING(SOMA__PADDING, "around the image: numbers, or same: its size stays"),
    DILATION,
    GROUPS,
    BIAS,
    {"padding_mode", SOMA__CHOICE, "\"zeros\"", SOMA__REST, "zeros|reflect|replicate|circular: what lies around the image"},
    FAST,
    INIT,
};
const soma__field soma__conv_transpose_fields[SOMA__CONV_TRANSPOSE_FIELDS] = {
    CHANNELS,
    KERNEL("3", 1),
    SOMA__SIZES_OF("stride", "1", 1, "steps of the window in the result"),
    PADDING(SOMA__SIZES, "cut off around the result"),
    SOMA__SIZES_OF("output_padding", "0", 0, "added behind the result"),
    DILATION,
    GROUPS,
    BIAS,
    FAST,
    INIT,
};

typedef struct conv {
    int dims;
    bool transposed;
    int64_t kernel[3], stride[3], padding[3], dilation[3], output_padding[3], out[4]; /* out: the result's shape */
    bool same;
} conv;

/* Reads the settings, and what they make of a sample. */
static bool conv_of(const json_t *f, int dims, bool transposed, int64_t *shape, int64_t *ndim, conv *c, char *why, size_t size) {
    const char *word = soma__get_text(f, "padding");
    *c = (conv){.dims = dims, .transposed = transposed, .same = word != NULL, .out = {soma__get_int(f, "channels")}};
    if (!soma__image(dims, shape, ndim, why, size) || !soma__sizes(f, "kernel", dims, c->kernel, why, size) ||
        !soma__sizes(f, "stride", dims, c->stride, why, size) || !soma__sizes(f, "dilation", dims, c->dilation, why, size) ||
        (!word && !soma__sizes(f, "padding", dims, c->padding, why, size)) ||
        (transposed && !soma__sizes(f, "output_padding", dims, c->output_padding, why, size)))
        return false;
    int64_t groups = soma__get_int(f, "groups");
    if (shape[0] % groups || c->out[0] % groups) {
        snprintf(why, size, "its %lld input and %lld output channels do not both go into %lld groups", (long long)shape[0], (long long)c->out[0],
                 (long long)groups);
        return false;
    }
    for (int d = 0; d < dims; d++) {
        int64_t span = c->dilation[d] * (c->kernel[d] - 1) + 1, room = shape[1 + d] + 2 * c->padding[d], n = c->out[1 + d] = 0;
        if (c->same && c->stride[d] != 1) return snprintf(why, size, "padding same goes with stride 1"), false;
        if (transposed) n = (shape[1 + d] - 1) * c->stride[d] - 2 * c->padding[d] + span + c->output_padding[d];
        else n = c->same ? shape[1 + d] : room >= span ? (room - span) / c->stride[d] + 1 : 0;
        if (n < 1) {
            snprintf(why, size, "dimension %d of its input has %lld elements with padding, and its kernel spans %lld", d + 1, (long long)room,
                     (long long)span);
            return false;
        }
        c->out[1 + d] = n;
    }
    return true;
}

static bool conv_shape(const json_t *f, int dims, bool transposed, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    conv c;
    if (!conv_of(f, dims, transposed, shape, ndim, &c, why, size)) return false;
    memcpy(shape, c.out, (size_t)(dims + 1) * sizeof *shape);
    return true;
}

static soma_module *conv_build(soma__builder *b, const json_t *f, int dims, bool transposed, const int64_t *in, int64_t ndim) {
    int64_t shape[SOMA_MAX_DIMS], n = ndim;
    char why[200];
    conv c;
    memcpy(shape, in, sizeof shape);
    if (!conv_of(f, dims, transposed, shape, &n, &c, why, sizeof why)) return NULL;
    soma_conv_module_opts o = {.groups = soma__get_int(f, "groups"), .same = c.same, .no_bias = !soma__get_truth(f, "bias")};
    o.fast_math = soma__get_truth(f, "fast_math"), o.one_channel = ndim == dims;
    if (!transposed) o.padding_mode = soma__choice(soma__kind_find(&soma__layers, "conv"), f, "padding_mode"); /* in the order of soma_pad_mode */
    for (int d = 0; d < dims; d++) {
        o.kernel[d] = c.kernel[d], o.stride[d] = c.stride[d], o.padding[d] = c.padding[d], o.dilation[d] = c.dilation[d];
        o.output_padding[d] = c.output_padding[d];
    }
    soma_module *m = transposed  ? (dims == 1 ? soma_nn_conv_transpose1d : soma_nn_conv_transpose2d)(b->ctx, shape[0], c.out[0], c.kernel[0], &o)
                     : dims == 1 ? soma_nn_conv1d(b->ctx, shape[0], c.out[0], c.kernel[0], &o)
                     : dims == 2 ? soma_nn_conv2d(b->ctx, shape[0], c.out[0], c.kernel[0], &o)
                                 : soma_nn_conv3d(b->ctx, shape[0], c.out[0], c.kernel[0], &o);
    const char *init = soma__get_text(f, "init");
    soma_tensor *const *params;
    size_t count;
    if (m && strcmp(init, "default") != 0 && soma_module_parameters(m, &params, &count) == SOMA_OK) soma_init_by_name(params[0], init);
    return m;
}

/* a b, or a number so large that nobody counts on, of which many may be added. */
static int64_t times(int64_t a, int64_t b) {
    const int64_t most = (int64_t)1 << 46;
    return __builtin_mul_overflow(a, b, &a) || a > most ? most : a;
}

static void conv_count(const json_t *f, int dims, bool transposed, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    int64_t shape[SOMA_MAX_DIMS];
    char why[200];
    conv c;
    memcpy(shape, in, sizeof shape);
    if (!conv_of(f, dims, transposed, shape, &ndim, &c, why, sizeof why)) return;
    int64_t weights = times(shape[0] / soma__get_int(f, "groups"), c.out[0]), pixels = 1;
    for (int d = 0; d < dims; d++) weights = times(weights, c.kernel[d]), pixels = times(pixels, transposed ? shape[1 + d] : c.out[1 + d]);
    *parameters = weights + (soma__get_truth(f, "bias") ? c.out[0] : 0);
    *multiply_adds = times(weights, pixels);
}

#define CONV(name, dims, transposed) \
    bool soma__##name##_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) { \
        return conv_shape(f, dims, transposed, shape, ndim, why, size); \
    } \
    soma_module *soma__##name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) { \
        return conv_build(b, f, dims, transposed, in, ndim); \
    } \
    void soma__##name##_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) { \
        conv_count(f, dims, transposed, in, ndim, parameters, multiply_adds); \
    }
CONV(conv, 2, false)
CONV(conv1d, 1, false)
CONV(conv3d, 3, false)
CONV(conv_transpose, 2, true)
CONV(conv_transpose1d, 1, true)

/* pools */

const soma__field soma__max_pool_fields[SOMA__POOL_FIELDS] = {
    KERNEL("2", 1),
    STRIDE("0", "steps of the window; 0: its size"),
    PADDING(SOMA__SIZES, "around the image, at most half of the kernel"),
    DILATION,
    SOMA__TRUTH_OF("ceil_mode", "false", "whether windows that reach over the end count"),
};
const soma__field soma__avg_pool_fields[SOMA__POOL_FIELDS] = {
    KERNEL("2", 1),
    STRIDE("0", "steps of the window; 0: its size"),
    PADDING(SOMA__SIZES, "around the image, at most half of the kernel"),
    SOMA__TRUTH_OF("ceil_mode", "false", "whether windows that reach over the end count"),
    SOMA__TRUTH_OF("count_include_pad", "true", "whether padding is part of the mean"),
};

static bool pool_options(const json_t *f, int dims, bool average, soma_pool_opts *o, char *why, size_t size) {
    *o = (soma_pool_opts){.ceil_mode = soma__get_truth(f, "ceil_mode"), .no_count_pad = average && !soma__get_truth(f, "count_include_pad")};
    if (!soma__sizes(f, "kernel", dims, o->kernel, why, size) || !soma__sizes(f, "stride", dims, o->stride, why, size) ||
        !soma__sizes(f, "padding", dims, o->padding, why, size) || (!average && !soma__sizes(f, "dilation", dims, o->dilation, why, size)))
        return false;
    for (int d = 0; d < dims; d++)
        if (!o->stride[d]) o->stride[d] = o->kernel[d];
    return true;
}

static bool pool_shape(const json_t *f, int dims, bool average, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    soma_pool_opts o;
    if (!soma__image(dims, shape, ndim, why, size) || !pool_options(f, dims, average, &o, why, size)) return false;
    for (int d = 0; d < dims; d++) {
        int64_t span = (average ? 1 : o.dilation[d]) * (o.kernel[d] - 1) + 1, in = shape[1 + d], padded = in + 2 * o.padding[d], room = padded - span,
                s = o.stride[d];
        if (2 * o.padding[d] > o.kernel[d]) return snprintf(why, size, "its padding is more than half of its kernel"), false;
        int64_t n = room < 0 && (!o.ceil_mode || room + s <= 0) ? 0 : (room + (o.ceil_mode ? s - 1 : 0)) / s + 1;
        if (o.ceil_mode && n && (n - 1) * s >= in + o.padding[d]) n--;
        if (n < 1) {
            snprintf(why, size, "dimension %d of its input has %lld elements with padding, and its window spans %lld", d + 1, (long long)padded,
                     (long long)span);
            return false;
        }
        shape[1 + d] = n;
    }
    return true;
}

#define POOL(name, function, dims, average) \
    bool soma__##name##_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) { \
        return pool_shape(f, dims, average, shape, ndim, why, size); \
    } \
    soma_module *soma__##name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) { \
        soma_pool_opts o; \
        char why[200]; \
        (void)in; \
        if (!pool_options(f, dims, average, &o, why, sizeof why)) return NULL; \
        return soma__with_channel(b, soma_nn_##function##dims##d(b->ctx, o.kernel[0], &o), dims, ndim); \
    } \
    SOMA__NO_COUNT(name)
POOL(max_pool, max_pool, 2, false)
POOL(max_pool1d, max_pool, 1, false)
POOL(max_pool3d, max_pool, 3, false)
POOL(avg_pool, avg_pool, 2, true)
POOL(avg_pool1d, avg_pool, 1, true)
POOL(avg_pool3d, avg_pool, 3, true)

const soma__field soma__adaptive_pool_fields[1] = {SOMA__SIZES_OF("size", NULL, 1, "of the result, as 7 or [7, 5]")};
static bool adaptive_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    return soma__image(2, shape, ndim, why, size) && soma__sizes(f, "size", 2, shape + 1, why, size);
}
#define ADAPTIVE(name) \
    bool soma__##name##_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) { \
        return adaptive_shape(f, shape, ndim, why, size); \
    } \
    soma_module *soma__##name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) { \
        int64_t to[3]; \
        char why[200]; \
        (void)in; \
        return soma__sizes(f, "size", 2, to, why, sizeof why) ? soma__with_channel(b, soma_nn_##name##2d(b->ctx, to, 2), 2, ndim) : NULL; \
    } \
    SOMA__NO_COUNT(name)
ADAPTIVE(adaptive_max_pool)
ADAPTIVE(adaptive_avg_pool)

/* of each channel one number */
static bool global_shape(int64_t *ndim, char *why, size_t size) {
    if (*ndim >= 2 && *ndim <= 4) return *ndim = 1, true;
    snprintf(why, size, "its input has %lld dimension%s; channels and one to three dimensions are wanted", (long long)*ndim, *ndim == 1 ? "" : "s");
    return false;
}
static soma_tensor *global_max(void *user, soma_module *self, soma_tensor *x) {
    (void)user, (void)self;
    return soma_select(soma_adaptive_max_pool1d(soma_flatten(x, 2, -1), SOMA_SHAPE(1), NULL), 2, 0);
}
static soma_tensor *global_avg(void *user, soma_module *self, soma_tensor *x) {
    (void)user, (void)self;
    soma_tensor *y = soma_ndim(x) == 3   ? soma_adaptive_avg_pool1d(x, SOMA_SHAPE(1))
                     : soma_ndim(x) == 4 ? soma_adaptive_avg_pool2d(x, SOMA_SHAPE(1))
                                         : soma_adaptive_avg_pool3d(x, SOMA_SHAPE(1));
    return soma_flatten(y, 1, -1);
}
#define GLOBAL(name, function) \
    bool soma__##name##_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) { \
        return (void)f, (void)shape, global_shape(ndim, why, size); \
    } \
    soma_module *soma__##name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) { \
        return (void)f, (void)in, (void)ndim, soma_nn_module(b->ctx, #name, function, NULL); \
    } \
    SOMA__NO_COUNT(name)
GLOBAL(global_max_pool, global_max)
GLOBAL(global_avg_pool, global_avg)
