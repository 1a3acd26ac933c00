/* Modules of images without parameters: pools, borders, other sizes, shuffles. Settings lie in the module's memory. */
#include "nn/module.h"

#include <string.h>

typedef soma_tensor *(*forward_fn)(soma_module *m, soma_tensor *x);

/* A module with a copy of its settings. */
static soma_module *with(soma_context *ctx, const char *kind, forward_fn forward, const void *settings, size_t size) {
    soma_module *m = ctx && soma_error_status(ctx) == SOMA_OK ? soma__module_new(ctx, kind, forward) : NULL;
    if (!m || !(m->user = soma_scope_memory(ctx, size))) return NULL;
    memcpy(m->user, settings, size);
    return m;
}

/* pools, unfold, fold */

typedef struct pool {
    int64_t kernel, sizes[3], count;
    soma_pool_opts o;
} pool;

/* Mistakes that show without an input; the rest is told by forward. */
static bool window_fits(soma_context *ctx, const char *kind, const pool *p, int dims) {
    bool fine = true;
    for (int d = 0; d < dims; d++)
        fine = fine && (p->o.kernel[d] ? p->o.kernel[d] : p->kernel) >= 1 && p->o.stride[d] >= 0 && p->o.dilation[d] >= 0 && p->o.padding[d] >= 0;
    if (!fine) soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: kernel, stride and dilation are 1 or more, the padding 0 or more", kind);
    return fine;
}
static bool sizes_fit(soma_context *ctx, const char *kind, const int64_t *sizes, int64_t count, int64_t most, int64_t *out) {
    bool fine = sizes && (count == 1 || count == most);
    for (int64_t i = 0; fine && i < count; i++) out[i] = sizes[i];
    if (!fine)
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: %lld sizes; 1 or %lld are wanted", kind, sizes ? (long long)count : 0ll, (long long)most);
    return fine;
}

#define WINDOWED(id, dims, ...) \
    static soma_tensor *id##_forward(soma_module *m, soma_tensor *x) { \
        const pool *p = m->user; \
        return soma_##id(x, p->kernel, __VA_ARGS__); \
    } \
    soma_module *soma_nn_##id##_v(soma_context *ctx, int64_t kernel, const soma_pool_opts *options, size_t size) { \
        pool p = {.kernel = kernel}; \
        if (!ctx || !soma_options_read(ctx, #id, &p.o, sizeof p.o, options, size) || !window_fits(ctx, #id, &p, dims)) return NULL; \
        return with(ctx, #id, id##_forward, &p, sizeof p); \
    }
WINDOWED(max_pool1d, 1, NULL, &p->o)
WINDOWED(max_pool2d, 2, NULL, &p->o)
WINDOWED(max_pool3d, 3, NULL, &p->o)
WINDOWED(avg_pool1d, 1, &p->o)
WINDOWED(avg_pool2d, 2, &p->o)
WINDOWED(avg_pool3d, 3, &p->o)
WINDOWED(unfold, 2, &p->o)

#define ADAPTIVE(id, dims, ...) \
    static soma_tensor *id##_forward(soma_module *m, soma_tensor *x) { \
        const pool *p = m->user; \
        return soma_##id(x, p->sizes, p->count __VA_ARGS__); \
    } \
    soma_module *soma_nn_##id(soma_context *ctx, const int64_t *sizes, int64_t count) { \
        pool p = {.count = count}; \
        if (!ctx || !sizes_fit(ctx, #id, sizes, count, dims, p.sizes)) return NULL; \
        for (int64_t i = 0; i < count; i++) \
            if (sizes[i] < 1 && sizes[i] != -1) \
                return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, #id ": size %lld; 1 or more, or -1 for the input's, is wanted", \
                                        (long long)sizes[i]), \
                       NULL; \
        return with(ctx, #id, id##_forward, &p, sizeof p); \
    }
ADAPTIVE(adaptive_max_pool1d, 1, , NULL)
ADAPTIVE(adaptive_max_pool2d, 2, , NULL)
ADAPTIVE(adaptive_max_pool3d, 3, , NULL)
ADAPTIVE(adaptive_avg_pool1d, 1)
ADAPTIVE(adaptive_avg_pool2d, 2)
ADAPTIVE(adaptive_avg_pool3d, 3)

static soma_tensor *fold_forward(soma_module *m, soma_tensor *x) {
    const pool *p = m->user;
    return soma_fold(x, p->sizes, p->count, p->kernel, &p->o);
}
soma_module *soma_nn_fold_v(soma_context *ctx, const int64_t *sizes, int64_t count, int64_t kernel, const soma_pool_opts *options, size_t size) {
    pool p = {.kernel = kernel, .count = count};
    if (!ctx || !soma_options_read(ctx, "fold", &p.o, sizeof p.o, options, size)) return NULL;
    if (!sizes_fit(ctx, "fold", sizes, count, 2, p.sizes) || !window_fits(ctx, "fold", &p, 2)) return NULL;
    return with(ctx, "fold", fold_forward, &p, sizeof p);
}

/* borders */

typedef struct border {
    int64_t dims, sizes[6];
    soma_pad_mode mode;
    double value;
} border;

static soma_tensor *border_forward(soma_module *m, soma_tensor *x) {
    const border *b = m->user;
    static const char *const wanted[3] = {"[N, C, L]", "[N, C, H, W]", "[N, C, D, H, W]"};
    char text[128];
    if (soma_ndim(x) == b->dims + 2) return soma_pad(x, b->sizes, 2 * b->dims, b->mode, b->value);
    soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "%s: the input has shape %s; %s is wanted", m->kind, soma_shape_text(x, text, sizeof text),
                     wanted[b->dims - 1]);
    return NULL;
}
static soma_module *bordered(soma_context *ctx, const char *kind, int dims, const int64_t *sizes, int64_t count, soma_pad_mode mode, double value) {
    border b = {.dims = dims, .mode = mode, .value = value};
    if (!ctx || !sizes_fit(ctx, kind, sizes, count, 2 * (int64_t)dims, b.sizes)) return NULL;
    for (int i = 1; count == 1 && i < 2 * dims; i++) b.sizes[i] = b.sizes[0];
    return with(ctx, kind, border_forward, &b, sizeof b);
}
#define BORDERS(n) \
    soma_module *soma_nn_zero_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count) { \
        return bordered(ctx, "zero_pad" #n "d", n, sizes, count, SOMA_PAD_CONSTANT, 0); \
    } \
    soma_module *soma_nn_constant_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count, double value) { \
        return bordered(ctx, "constant_pad" #n "d", n, sizes, count, SOMA_PAD_CONSTANT, value); \
    } \
    soma_module *soma_nn_reflection_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count) { \
        return bordered(ctx, "reflection_pad" #n "d", n, sizes, count, SOMA_PAD_REFLECT, 0); \
    } \
    soma_module *soma_nn_replication_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count) { \
        return bordered(ctx, "replication_pad" #n "d", n, sizes, count, SOMA_PAD_REPLICATE, 0); \
    } \
    soma_module *soma_nn_circular_pad##n##d(soma_context *ctx, const int64_t *sizes, int64_t count) { \
        return bordered(ctx, "circular_pad" #n "d", n, sizes, count, SOMA_PAD_CIRCULAR, 0); \
    }
BORDERS(1)
BORDERS(2)
BORDERS(3)

/* other sizes, shuffles */

static soma_tensor *upsample(soma_module *m, soma_tensor *x) { return soma_interpolate(x, m->user); }
soma_module *soma_nn_upsample_v(soma_context *ctx, const soma_interpolate_opts *options, size_t size) {
    soma_interpolate_opts o;
    if (!ctx || !soma_options_read(ctx, "upsample", &o, sizeof o, options, size)) return NULL;
    if ((o.size[0] > 0) == (o.scale_factor[0] > 0))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "upsample: a size, or else a scale_factor, is wanted"), NULL;
    return with(ctx, "upsample", upsample, &o, sizeof o);
}

#define SHUFFLE(id) \
    static soma_tensor *id(soma_module *m, soma_tensor *x) { return soma_##id(x, m->dim); } \
    soma_module *soma_nn_##id(soma_context *ctx, int64_t n) { \
        if (ctx && n < 1) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, #id ": %lld; 1 or more is wanted", (long long)n), NULL; \
        soma_module *m = soma__module_new(ctx, #id, id); \
        if (m) m->dim = n; \
        return m; \
    }
SHUFFLE(pixel_shuffle)
SHUFFLE(pixel_unshuffle)
SHUFFLE(channel_shuffle)
