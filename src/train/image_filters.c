/* Norms, borders, other sizes, shuffles and dropped channels as layers of recipes. */
#include "train/image_layers.h"
#include "train/image_words.h"

#include <stdio.h>
#include <string.h>

#define POSITIVE(key, otherwise, open, doc) \
    { key, SOMA__NUMBER, otherwise, 0, __builtin_inf(), open, true, doc }
#define EPS POSITIVE("eps", "1e-5", false, "added to the variance")
#define SHAPE(name) bool soma__##name##_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size)
#define BUILD(name) soma_module *soma__##name##_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim)
#define COUNT(name) void soma__##name##_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds)

static bool dimensions(int64_t ndim, int64_t least, int64_t most, const char *wanted, char *why, size_t size) {
    if (ndim >= least && ndim <= most) return true;
    snprintf(why, size, "its input has %lld dimension%s, it wants %s", (long long)ndim, ndim == 1 ? "" : "s", wanted);
    return false;
}

/* norms */

const soma__field soma__group_norm_fields[] = {SOMA__WHOLE("groups", NULL, 1, "of channels, which are normalised together"), EPS,
                                               SOMA__TRUTH_OF("affine", "true", "whether there are weight and bias")};
SHAPE(group_norm) {
    int64_t groups = soma__get_int(f, "groups");
    if (!dimensions(*ndim, 1, SOMA_MAX_DIMS, "channels", why, size)) return false;
    if (shape[0] % groups) snprintf(why, size, "its %lld channels do not go into %lld groups", (long long)shape[0], (long long)groups);
    return shape[0] % groups == 0;
}
BUILD(group_norm) {
    (void)ndim;
    return soma_nn_group_norm(b->ctx, soma__get_int(f, "groups"), in[0],
                              &(soma_group_norm_opts){.eps = SOMA_SET(soma__get(f, "eps")), .no_affine = !soma__get_truth(f, "affine")});
}
COUNT(group_norm) {
    (void)ndim, (void)multiply_adds;
    *parameters = soma__get_truth(f, "affine") ? 2 * in[0] : 0;
}

const soma__field soma__instance_norm_fields[] = {
    {"momentum", SOMA__NUMBER, "0.1", 0, 1, false, false, "share of a batch in the running statistics"},
    EPS,
    SOMA__TRUTH_OF("affine", "false", "whether there are weight and bias"),
    SOMA__TRUTH_OF("running", "false", "whether running statistics are kept, and used when not training")};
SHAPE(instance_norm) { return (void)f, (void)shape, dimensions(*ndim, 2, 4, "[C, L], [C, H, W] or [C, D, H, W]", why, size); }
BUILD(instance_norm) {
    const soma_instance_norm_opts o = {.momentum = SOMA_SET(soma__get(f, "momentum")),
                                       .eps = SOMA_SET(soma__get(f, "eps")),
                                       .affine = soma__get_truth(f, "affine"),
                                       .running = soma__get_truth(f, "running")};
    return ndim == 2   ? soma_nn_instance_norm_1d(b->ctx, in[0], &o)
           : ndim == 3 ? soma_nn_instance_norm_2d(b->ctx, in[0], &o)
                       : soma_nn_instance_norm_3d(b->ctx, in[0], &o);
}
COUNT(instance_norm) { soma__group_norm_count(f, in, ndim, parameters, multiply_adds); }

const soma__field soma__local_response_norm_fields[] = {SOMA__WHOLE("size", "5", 1, "neighbouring channels"),
                                                        POSITIVE("alpha", "1e-4", false, "factor of the mean of squares"),
                                                        POSITIVE("beta", "0.75", false, "the power"), POSITIVE("k", "1", false, "added to the mean")};
SHAPE(local_response_norm) { return (void)f, (void)shape, dimensions(*ndim, 2, SOMA_MAX_DIMS, "channels and one dimension or more", why, size); }
BUILD(local_response_norm) {
    (void)in, (void)ndim;
    return soma_nn_local_response_norm(b->ctx, soma__get_int(f, "size"),
                                       &(soma_local_response_norm_opts){.alpha = SOMA_SET(soma__get(f, "alpha")),
                                                                        .beta = SOMA_SET(soma__get(f, "beta")),
                                                                        .k = SOMA_SET(soma__get(f, "k"))});
}
SOMA__NO_COUNT(local_response_norm)

/* dropped channels */

const soma__field soma__channel_dropout_fields[] = {{"p", SOMA__NUMBER, "0.5", 0, 1, false, false, "probability of zero for a whole channel"}};
#define DROPOUT(n) \
    SHAPE(dropout##n##d) { return (void)f, soma__image(n, shape, ndim, why, size); } \
    BUILD(dropout##n##d) { return (void)in, soma__with_channel(b, soma_nn_dropout##n##d(b->ctx, soma__get(f, "p")), n, ndim); } \
    SOMA__NO_COUNT(dropout##n##d)
DROPOUT(1)
DROPOUT(2)

/* other sizes */

const soma__field soma__upsample_fields[] = {POSITIVE("factor", "2", true, "of both sides"),
                                             SOMA__SIZES_OF("size", "0", 0, "of the result, instead of a factor"),
                                             {"mode", SOMA__CHOICE, "\"nearest\"", SOMA__REST, "nearest|bilinear: how pixels in between are made"},
                                             SOMA__TRUTH_OF("align_corners", "false", "of bilinear: whether the corners' centres stay")};
static bool upsample_options(const json_t *f, soma_interpolate_opts *o, char *why, size_t size) {
    *o = (soma_interpolate_opts){.mode = soma__choice(soma__kind_find(&soma__layers, "upsample"), f, "mode"),
                                 .align_corners = soma__get_truth(f, "align_corners")};
    if (!soma__sizes(f, "size", 2, o->size, why, size)) return false;
    if (!o->size[0] != !o->size[1]) return snprintf(why, size, "one of its sizes is 0"), false;
    if (!o->size[0]) o->scale_factor[0] = soma__get(f, "factor");
    return true;
}
SHAPE(upsample) {
    soma_interpolate_opts o;
    if (!soma__image(2, shape, ndim, why, size) || !upsample_options(f, &o, why, size)) return false;
    for (int d = 0; d < 2; d++) {
        double n = o.size[d] ? (double)o.size[d] : (double)shape[1 + d] * o.scale_factor[0];
        if (!(n >= 1 && n <= SOMA__LARGEST)) return snprintf(why, size, "it makes %g pixels of %lld", n, (long long)shape[1 + d]), false;
        shape[1 + d] = (int64_t)n;
    }
    return true;
}
BUILD(upsample) {
    soma_interpolate_opts o;
    char why[200];
    (void)in;
    return upsample_options(f, &o, why, sizeof why) ? soma__with_channel(b, soma_nn_upsample(b->ctx, &o), 2, ndim) : NULL;
}
SOMA__NO_COUNT(upsample)

const soma__field soma__shuffle_fields[] = {SOMA__WHOLE("factor", NULL, 1, "of both sides")};
SHAPE(pixel_shuffle) {
    int64_t r = soma__get_int(f, "factor"), square = r * r;
    if (!dimensions(*ndim, 3, 3, "[C, H, W]", why, size)) return false;
    if (shape[0] % square) return snprintf(why, size, "its %lld channels are no multiple of %lld", (long long)shape[0], (long long)square), false;
    shape[0] /= square, shape[1] *= r, shape[2] *= r;
    return true;
}
BUILD(pixel_shuffle) { return (void)in, (void)ndim, soma_nn_pixel_shuffle(b->ctx, soma__get_int(f, "factor")); }
SOMA__NO_COUNT(pixel_shuffle)
SHAPE(pixel_unshuffle) {
    int64_t r = soma__get_int(f, "factor");
    if (!dimensions(*ndim, 3, 3, "[C, H, W]", why, size)) return false;
    if (shape[1] % r || shape[2] % r)
        return snprintf(why, size, "%lld does not divide both sides of %lld x %lld", (long long)r, (long long)shape[1], (long long)shape[2]), false;
    shape[0] *= r * r, shape[1] /= r, shape[2] /= r;
    return true;
}
BUILD(pixel_unshuffle) { return (void)in, (void)ndim, soma_nn_pixel_unshuffle(b->ctx, soma__get_int(f, "factor")); }
SOMA__NO_COUNT(pixel_unshuffle)

const soma__field soma__channel_shuffle_fields[] = {SOMA__WHOLE("groups", NULL, 1, "that channels are dealt out to")};
SHAPE(channel_shuffle) {
    return dimensions(*ndim, 2, SOMA_MAX_DIMS, "channels and one dimension or more", why, size) && soma__group_norm_shape(f, shape, ndim, why, size);
}
BUILD(channel_shuffle) { return (void)in, (void)ndim, soma_nn_channel_shuffle(b->ctx, soma__get_int(f, "groups")); }
SOMA__NO_COUNT(channel_shuffle)

/* borders, windows */

const soma__field soma__pad_fields[] = {SOMA__SIZES_OF("sizes", NULL, 0, "pixels on each side, or [left, right, top, bottom]"),
                                        {"mode", SOMA__CHOICE, "\"constant\"", SOMA__REST, "constant|reflect|replicate|circular: what they are"},
                                        {"value", SOMA__NUMBER, "0", -__builtin_inf(), __builtin_inf(), true, true, "of constant"}};
SHAPE(pad) {
    int64_t s[4];
    int mode = soma__choice(soma__kind_find(&soma__layers, "pad"), f, "mode");
    if (!soma__image(2, shape, ndim, why, size) || !soma__sizes(f, "sizes", 4, s, why, size)) return false;
    for (int i = 0; i < 4; i++)
        if ((mode == SOMA_PAD_REFLECT && s[i] >= shape[2 - i / 2]) || (mode == SOMA_PAD_CIRCULAR && s[i] > shape[2 - i / 2]))
            return snprintf(why, size, "%lld pixels are more than there are to be repeated", (long long)s[i]), false;
    shape[2] += s[0] + s[1], shape[1] += s[2] + s[3];
    return true;
}
BUILD(pad) {
    int64_t s[4];
    char why[200];
    (void)in;
    if (!soma__sizes(f, "sizes", 4, s, why, sizeof why)) return NULL;
    int mode = soma__choice(soma__kind_find(&soma__layers, "pad"), f, "mode");
    soma_module *m = mode == SOMA_PAD_REFLECT     ? soma_nn_reflection_pad2d(b->ctx, s, 4)
                     : mode == SOMA_PAD_REPLICATE ? soma_nn_replication_pad2d(b->ctx, s, 4)
                     : mode == SOMA_PAD_CIRCULAR  ? soma_nn_circular_pad2d(b->ctx, s, 4)
                                                  : soma_nn_constant_pad2d(b->ctx, s, 4, soma__get(f, "value"));
    return soma__with_channel(b, m, 2, ndim);
}
SOMA__NO_COUNT(pad)

const soma__field soma__unfold_fields[] = {
    SOMA__SIZES_OF("kernel", "3", 1, "elements of a window, as 3 or [3, 5]"), SOMA__SIZES_OF("stride", "1", 1, "steps of the window"),
    SOMA__SIZES_OF("padding", "0", 0, "zeros around the image"), SOMA__SIZES_OF("dilation", "1", 1, "distance of a window's elements")};
static bool unfold_options(const json_t *f, soma_pool_opts *o, char *why, size_t size) {
    *o = (soma_pool_opts){0};
    return soma__sizes(f, "kernel", 2, o->kernel, why, size) && soma__sizes(f, "stride", 2, o->stride, why, size) &&
           soma__sizes(f, "padding", 2, o->padding, why, size) && soma__sizes(f, "dilation", 2, o->dilation, why, size);
}
SHAPE(unfold) {
    soma_pool_opts o;
    int64_t windows = 1;
    if (!soma__image(2, shape, ndim, why, size) || !unfold_options(f, &o, why, size)) return false;
    for (int d = 0; d < 2; d++) {
        int64_t room = shape[1 + d] + 2 * o.padding[d] - o.dilation[d] * (o.kernel[d] - 1) - 1;
        if (room < 0) return snprintf(why, size, "dimension %d of its input is smaller than its window", d + 1), false;
        windows *= room / o.stride[d] + 1;
    }
    if (shape[0] > ((int64_t)1 << 40) / (o.kernel[0] * o.kernel[1])) return snprintf(why, size, "its columns are longer than memory"), false;
    shape[0] *= o.kernel[0] * o.kernel[1], shape[1] = windows, *ndim = 2;
    return true;
}
BUILD(unfold) {
    soma_pool_opts o;
    char why[200];
    (void)in;
    return unfold_options(f, &o, why, sizeof why) ? soma__with_channel(b, soma_nn_unfold(b->ctx, o.kernel[0], &o), 2, ndim) : NULL;
}
SOMA__NO_COUNT(unfold)
