/* Pools, padding, unfolding, interpolation and the norms of images against PyTorch: values, gradients and gradients of gradients as weighted sums, in
 * float32 and float64, also with inputs that lie in another order in memory; the reference kernels with outputs in another order, too; NaN, ties and
 * empty windows; that each pair of adjoints is one; wrong arguments. */
#include "support/check.h"

#include "golden/layers.h"
#include "ops/pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef soma_tensor *(*fn)(soma_tensor *const *in);
#define A in[0]
#define B in[1]
#define C in[2]
#define P &(soma_pool_opts)
#define I &(soma_interpolate_opts)
#define F(name, e) \
    static soma_tensor *f_##name(soma_tensor *const *in) { return (e); }
/* The places of a max pool. */
#define PLACES(name, e) \
    static soma_tensor *f_##name(soma_tensor *const *in) { \
        soma_tensor *places = NULL; \
        return (e) ? places : NULL; \
    }
static const soma_pool_opts oblong = {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}, .dilation = {1, 2}};
static const soma_pool_opts boxes = {.kernel = {2, 3, 2}, .stride = {2}, .padding = {1, 1, 0}};
static const soma_pool_opts far = {.kernel = {3, 2}, .stride = {2, 1}, .padding = {2, 1}, .dilation = {1, 2}};
F(max_pool1d, soma_max_pool1d(A, 3, NULL, P{.stride = {2}, .padding = {1}}))
F(max_pool1d_dilated, soma_max_pool1d(A, 3, NULL, P{.stride = {1}, .dilation = {2}}))
F(max_pool1d_wide, soma_max_pool1d(A, 17, NULL, P{.stride = {5}, .padding = {8}}))
PLACES(max_pool1d_indices, soma_max_pool1d(A, 3, &places, P{.stride = {2}, .padding = {1}}))
F(max_pool2d, soma_max_pool2d(A, 2, NULL, NULL))
F(max_pool2d_all, soma_max_pool2d(A, 3, NULL, &oblong))
F(max_pool2d_ceil, soma_max_pool2d(A, 3, NULL, P{.stride = {2}, .padding = {1, 1}, .ceil_mode = 1}))
F(max_pool2d_ceil_far, soma_max_pool2d(A, 2, NULL, P{.stride = {3}, .padding = {1, 1}, .ceil_mode = 1}))
PLACES(max_pool2d_indices, soma_max_pool2d(A, 3, &places, &oblong))
F(max_pool3d, soma_max_pool3d(A, 2, NULL, &boxes))
PLACES(max_pool3d_indices, soma_max_pool3d(A, 2, &places, &boxes))
F(avg_pool1d, soma_avg_pool1d(A, 3, P{.stride = {2}, .padding = {1}}))
F(avg_pool1d_real, soma_avg_pool1d(A, 4, P{.stride = {3}, .padding = {2}, .ceil_mode = 1, .no_count_pad = 1}))
F(avg_pool2d, soma_avg_pool2d(A, 3, P{.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}}))
F(avg_pool2d_ceil, soma_avg_pool2d(A, 3, P{.stride = {2}, .padding = {1, 1}, .ceil_mode = 1}))
F(avg_pool2d_real, soma_avg_pool2d(A, 3, P{.stride = {2}, .padding = {1, 1}, .ceil_mode = 1, .no_count_pad = 1}))
F(avg_pool2d_divisor, soma_avg_pool2d(A, 3, P{.stride = {1}, .padding = {1, 1}, .divisor_override = 5}))
F(avg_pool3d, soma_avg_pool3d(A, 2, &boxes))
F(avg_pool3d_all, soma_avg_pool3d(A, 3, P{.stride = {2}, .padding = {1, 1, 1}, .ceil_mode = 1, .no_count_pad = 1}))
F(adaptive_max_pool1d, soma_adaptive_max_pool1d(A, SOMA_SHAPE(4), NULL))
F(adaptive_max_pool2d, soma_adaptive_max_pool2d(A, SOMA_SHAPE(3, 2), NULL))
PLACES(adaptive_max_pool2d_indices, soma_adaptive_max_pool2d(A, SOMA_SHAPE(3, 2), &places))
F(adaptive_max_pool3d, soma_adaptive_max_pool3d(A, SOMA_SHAPE(2, 4, 3), NULL))
F(adaptive_avg_pool1d, soma_adaptive_avg_pool1d(A, SOMA_SHAPE(4)))
F(adaptive_avg_pool2d, soma_adaptive_avg_pool2d(A, SOMA_SHAPE(3, 2)))
F(adaptive_avg_pool2d_keep, soma_adaptive_avg_pool2d(A, SOMA_SHAPE(-1, 3)))
F(adaptive_avg_pool2d_more, soma_adaptive_avg_pool2d(A, SOMA_SHAPE(9, 8)))
F(adaptive_avg_pool2d_global, soma_adaptive_avg_pool2d(A, SOMA_SHAPE(1)))
F(adaptive_avg_pool3d, soma_adaptive_avg_pool3d(A, SOMA_SHAPE(2, 4, 3)))
F(pad, soma_pad(A, SOMA_SHAPE(1, 2, 3, 0), SOMA_PAD_CONSTANT, 0.375))
F(pad_cut, soma_pad(A, SOMA_SHAPE(-1, 2, 1, -3, 1, 0, 0, 1), SOMA_PAD_CONSTANT, -1.5))
F(pad_reflect, soma_pad(A, SOMA_SHAPE(1, 4, 2, 0), SOMA_PAD_REFLECT, 0))
F(pad_reflect1d, soma_pad(A, SOMA_SHAPE(5, 3), SOMA_PAD_REFLECT, 0))
F(pad_replicate, soma_pad(A, SOMA_SHAPE(2, 1, 0, 9), SOMA_PAD_REPLICATE, 0))
F(pad_replicate3d, soma_pad(A, SOMA_SHAPE(1, 2, 0, 1, 2, 0), SOMA_PAD_REPLICATE, 0))
F(pad_circular, soma_pad(A, SOMA_SHAPE(5, 1, 2, 3), SOMA_PAD_CIRCULAR, 0))
F(unfold, soma_unfold(A, 3, NULL))
F(unfold_all, soma_unfold(A, 3, &far))
F(fold, soma_fold(A, SOMA_SHAPE(5, 6), 2, NULL))
F(fold_all, soma_fold(A, SOMA_SHAPE(7, 5), 3, &far))
F(interpolate, soma_interpolate(A, I{.size = {14, 3}}))
F(interpolate_factor, soma_interpolate(A, I{.scale_factor = {1.7, 0.6}}))
F(interpolate_nearest1d, soma_interpolate(A, I{.scale_factor = {2}}))
F(interpolate_nearest3d, soma_interpolate(A, I{.size = {3, 12, 5}}))
F(interpolate_linear, soma_interpolate(A, I{.size = {7}, .mode = SOMA_INTERPOLATE_LINEAR}))
F(interpolate_linear_corners, soma_interpolate(A, I{.size = {18}, .mode = SOMA_INTERPOLATE_LINEAR, .align_corners = 1}))
F(interpolate_bilinear, soma_interpolate(A, I{.size = {9, 13}, .mode = SOMA_INTERPOLATE_LINEAR}))
F(interpolate_bilinear_factor, soma_interpolate(A, I{.scale_factor = {1.7, 0.6}, .mode = SOMA_INTERPOLATE_LINEAR}))
F(interpolate_bilinear_corners, soma_interpolate(A, I{.scale_factor = {2}, .mode = SOMA_INTERPOLATE_LINEAR, .align_corners = 1}))
F(interpolate_trilinear, soma_interpolate(A, I{.size = {3, 9, 4}, .mode = SOMA_INTERPOLATE_LINEAR}))
F(pixel_shuffle, soma_pixel_shuffle(A, 2))
F(pixel_unshuffle, soma_pixel_unshuffle(A, 3))
F(channel_shuffle, soma_channel_shuffle(A, 3))
F(local_response_norm, soma_local_response_norm(A, 5, 0.5, 0.75, 2))
F(local_response_norm_even, soma_local_response_norm(A, 2, 1, 0.5, 1))
F(group_norm, soma_group_norm(A, 2, B, C, 1e-5))
F(group_norm_plain, soma_group_norm(A, 4, NULL, NULL, 0.5))
F(instance_norm, soma_instance_norm(A, NULL, NULL, B, C, true, 0.1, 0.01))
F(instance_norm_running, soma_instance_norm(A, soma_detach(B), soma_add_scalar(soma_detach(C), 2), NULL, NULL, false, 0.1, 1e-5))
F(layer_norm2d, soma_layer_norm2d(A, B, C, 0.125))

static const struct {
    const char *name;
    fn f;
} calls[] = {
#define G(name, tail) \
    { #name tail, f_##name }
#define V(name, variant) \
    { #name "/" #variant, f_##name##_##variant }
    G(max_pool1d, ""),
    V(max_pool1d, dilated),
    V(max_pool1d, wide),
    V(max_pool1d, indices),
    G(max_pool2d, ""),
    V(max_pool2d, all),
    V(max_pool2d, ceil),
    V(max_pool2d, ceil_far),
    V(max_pool2d, indices),
    G(max_pool3d, ""),
    V(max_pool3d, indices),
    G(avg_pool1d, ""),
    V(avg_pool1d, real),
    G(avg_pool2d, ""),
    V(avg_pool2d, ceil),
    V(avg_pool2d, real),
    V(avg_pool2d, divisor),
    G(avg_pool3d, ""),
    V(avg_pool3d, all),
    G(adaptive_max_pool1d, ""),
    G(adaptive_max_pool2d, ""),
    V(adaptive_max_pool2d, indices),
    G(adaptive_max_pool3d, ""),
    G(adaptive_avg_pool1d, ""),
    G(adaptive_avg_pool2d, ""),
    V(adaptive_avg_pool2d, keep),
    V(adaptive_avg_pool2d, more),
    V(adaptive_avg_pool2d, global),
    G(adaptive_avg_pool3d, ""),
    G(pad, ""),
    V(pad, cut),
    V(pad, reflect),
    V(pad, reflect1d),
    V(pad, replicate),
    V(pad, replicate3d),
    V(pad, circular),
    G(unfold, ""),
    V(unfold, all),
    G(fold, ""),
    V(fold, all),
    G(interpolate, ""),
    V(interpolate, factor),
    V(interpolate, nearest1d),
    V(interpolate, nearest3d),
    V(interpolate, linear),
    V(interpolate, linear_corners),
    V(interpolate, bilinear),
    V(interpolate, bilinear_factor),
    V(interpolate, bilinear_corners),
    V(interpolate, trilinear),
    G(pixel_shuffle, ""),
    G(pixel_unshuffle, ""),
    G(channel_shuffle, ""),
    G(local_response_norm, ""),
    V(local_response_norm, even),
    G(group_norm, ""),
    V(group_norm, plain),
    G(instance_norm, ""),
    V(instance_norm, running),
    G(layer_norm2d, ""),
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static soma_tensor *fill(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim, int a, int b) {
    static double v[4096];
    int64_t n = 1;
    for (int64_t d = 0; d < ndim; d++) n *= shape[d];
    assert_true(n <= 4096);
    for (int64_t i = 0; i < n; i++) v[i] = (double)((i * a + b) % 17 - 8) / 8;
    return soma_to(soma_from(ctx, v, SOMA_F64, shape, ndim), dtype);
}

/* The weighted sum, and that of magnitudes. */
static double sum_of(soma_tensor *t, double *size) {
    static double v[8192];
    double sum = 0;
    soma_tensor *wide = soma_to(t, SOMA_F64);
    check_fine(soma_tensor_context(t));
    assert_int_equal(soma_read(wide, v, (size_t)soma_numel(t) * sizeof *v), SOMA_OK);
    for (int64_t i = 0; i < soma_numel(t); i++) sum += v[i] * (double)(i % 7 + 1), *size += fabs(v[i]) * (double)(i % 7 + 1);
    return sum;
}

/* The same values, with the channels last in memory; what comes back through it lies so, too. */
static soma_tensor *channels_last(soma_tensor *x) {
    int64_t there[5] = {0}, back[5] = {0}, nd = soma_ndim(x);
    if (nd < 3) return x;
    for (int64_t d = 0; d < nd; d++) there[d] = d == 0 ? 0 : d == nd - 1 ? 1 : d + 1, back[d] = d == 0 ? 0 : d == 1 ? nd - 1 : d - 1;
    return soma_permute(soma_add_scalar(soma_permute(x, there, nd), 0), back, nd);
}

/* Each sum carries the roundings of at most some hundred operations on its elements: 2^-24 (2^-53) times 256 of the sum of magnitudes, and the same
 * of 1 for what cancels. */
static void check_row(soma_context *ctx, const struct golden_layer *g, soma_dtype dtype, bool last) {
    soma_tensor *x[3], *in[3], *grads[3], *gg[3];
    size_t call = 0, n = (size_t)g->n_in;
    while (call < COUNT(calls) && strcmp(calls[call].name, g->name) != 0) call++;
    if (call == COUNT(calls)) fail_msg("%s: no call for this row", g->name);
    for (size_t i = 0; i < n; i++) {
        x[i] = soma_variable(fill(ctx, dtype, g->in[i].size, g->in[i].ndim, (int[]){5, 7, 3}[i], (int[]){1, 3, 2}[i]),
                             &(soma_variable_opts){.requires_grad = 1});
        in[i] = last ? channels_last(x[i]) : x[i];
    }
    soma_tensor *y = calls[call].f(in);
    check_fine(ctx);
    if (soma_ndim(y) != g->out.ndim || memcmp(soma_shape(y), g->out.size, (size_t)g->out.ndim * sizeof(int64_t)) != 0) {
        char text[128];
        fail_msg("%s: its shape is %s", g->name, soma_shape_text(y, text, sizeof text));
    }
    double got[7] = {0}, size[7] = {0};
    got[0] = sum_of(y, &size[0]);
    if (soma_tensor_requires_grad(y)) {
        soma_tensor *s = fill(ctx, dtype, g->out.size, g->out.ndim, 11, 5), *loss = soma_sum(soma_mul(soma_square(y), s), NULL), *all = NULL;
        assert_int_equal(soma_grad(&loss, 1, x, n, grads, &(soma_grad_opts){.allow_unused = 1}), SOMA_OK);
        for (size_t i = 0; i < n; i++)
            if (grads[i]) {
                soma_tensor *square = soma_sum(soma_square(grads[i]), NULL);
                all = all ? soma_add(all, square) : square;
                got[1 + i] = sum_of(grads[i], &size[1 + i]);
            }
        if (soma_grad(&all, 1, x, n, gg, &(soma_grad_opts){.allow_unused = 1}) != SOMA_OK) fail_msg("%s: %s", g->name, soma_error_message(ctx));
        for (size_t i = 0; i < n; i++)
            if (gg[i]) got[4 + i] = sum_of(gg[i], &size[4 + i]);
    }
    double u = dtype == SOMA_F32 ? 0x1p-24 : 0x1p-53;
    for (int i = 0; i < 7; i++)
        if (!(fabs(got[i] - g->sums[i]) <= 256 * u * (1 + size[i])))
            fail_msg("%s, %s, sum %d: %.17g, in PyTorch %.17g (of %g)", g->name, soma_dtype_name(dtype), i, got[i], g->sums[i], size[i]);
}

static void layers_are_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (size_t i = 0; i < COUNT(golden_layers); i++)
        for (int how = 0; how < 4; how++) {
            soma_scope *s = soma_scope_open(ctx);
            check_row(ctx, &golden_layers[i], how % 2 ? SOMA_F32 : SOMA_F64, how / 2 != 0);
            check_fine(ctx);
            soma_scope_close(s);
        }
    assert_int_equal(COUNT(golden_layers), COUNT(calls));
    print_message("%d rows, float32 and float64, in two orders of memory\n", (int)COUNT(golden_layers));
    soma_context_free(ctx);
}

/* Kernels alone: attributes as pool.h has them, and the shapes of inputs and result. */
static const int64_t window2[] = {2, 0, SOMA__POOL_PADDED, 3, 2, 2, 1, 1, 1, 1, 2}, mean2[] = {2, 0, SOMA__POOL_REAL, 3, 2, 2, 1, 1, 1, 1, 1},
                     adaptive2[] = {2, 1, 0}, adaptive3[] = {3, 1, 0}, window1[] = {1, 0, 4, 3, 2, 1, 1}, mirrored[] = {SOMA_PAD_REFLECT, 0, 0, 2, 1},
                     bordered[] = {SOMA_PAD_CONSTANT, 0, 1, -1, 2}, linear2[] = {2, SOMA_INTERPOLATE_LINEAR, 0, 0, 0},
                     nearest2[] = {2, SOMA_INTERPOLATE_NEAREST, 0, 0, 0};
#define IMAGE \
    4, { 2, 3, 7, 5 }
static const struct kernel_row {
    int op, n_attr;
    const int64_t *attr;
    golden_shape in[2], out;
} kernels[] = {
    {SOMA_OP_max_pool, COUNT(window2), window2, {{IMAGE}}, {4, {2, 3, 4, 5}}},
    {SOMA_OP_max_pool_indices, COUNT(window2), window2, {{IMAGE}}, {4, {2, 3, 4, 5}}},
    {SOMA_OP_max_pool_backward, COUNT(window2), window2, {{IMAGE}, {4, {2, 3, 4, 5}}}, {IMAGE}},
    {SOMA_OP_max_pool_pick, COUNT(window2), window2, {{IMAGE}, {IMAGE}}, {4, {2, 3, 4, 5}}},
    {SOMA_OP_max_pool, COUNT(adaptive2), adaptive2, {{IMAGE}}, {4, {2, 3, 3, 4}}},
    {SOMA_OP_max_pool_backward, COUNT(adaptive2), adaptive2, {{IMAGE}, {4, {2, 3, 3, 4}}}, {IMAGE}},
    {SOMA_OP_avg_pool, COUNT(mean2), mean2, {{IMAGE}}, {4, {2, 3, 4, 6}}},
    {SOMA_OP_avg_pool_backward, COUNT(mean2), mean2, {{4, {2, 3, 4, 6}}}, {IMAGE}},
    {SOMA_OP_avg_pool, COUNT(adaptive3), adaptive3, {{5, {2, 3, 4, 3, 5}}}, {5, {2, 3, 2, 3, 2}}},
    {SOMA_OP_avg_pool_backward, COUNT(adaptive3), adaptive3, {{5, {2, 3, 2, 3, 2}}}, {5, {2, 3, 4, 3, 5}}},
    {SOMA_OP_avg_pool, COUNT(window1), window1, {{3, {2, 3, 9}}}, {3, {2, 3, 5}}},
    {SOMA_OP_pad_backward, COUNT(mirrored), mirrored, {{4, {2, 3, 10, 7}}}, {IMAGE}},
    {SOMA_OP_pad_backward, COUNT(bordered), bordered, {{4, {2, 5, 6, 7}}}, {IMAGE}},
    {SOMA_OP_unfold, COUNT(window2), window2, {{IMAGE}}, {3, {2, 18, 20}}},
    {SOMA_OP_fold, COUNT(window2), window2, {{3, {2, 18, 20}}}, {IMAGE}},
    {SOMA_OP_interpolate, COUNT(linear2), linear2, {{IMAGE}}, {4, {2, 3, 4, 9}}},
    {SOMA_OP_interpolate_backward, COUNT(linear2), linear2, {{4, {2, 3, 4, 9}}}, {IMAGE}},
    {SOMA_OP_interpolate, COUNT(nearest2), nearest2, {{IMAGE}}, {4, {2, 3, 4, 9}}},
    {SOMA_OP_interpolate_backward, COUNT(nearest2), nearest2, {{4, {2, 3, 4, 9}}}, {IMAGE}},
};

/* An operand over memory of its own, dense or with dimensions reversed and a hole behind each row. */
static soma__operand operand(double *memory, const golden_shape *shape, int dtype, bool reversed) {
    soma__operand o = {.data = memory, .numel = 1, .ndim = (int32_t)shape->ndim, .dtype = dtype};
    int64_t s = 1;
    memcpy(o.shape, shape->size, sizeof shape->size);
    for (int64_t i = 0; i < shape->ndim; i++) {
        int64_t d = reversed ? i : shape->ndim - 1 - i;
        o.strides[d] = s, s *= o.shape[d] + (reversed && i == 0), o.numel *= o.shape[d];
    }
    assert_true(s <= 2048);
    return o;
}
static void *element(const soma__operand *o, int64_t i) {
    int64_t at = 0;
    for (int d = o->ndim; d-- > 0; i /= o->shape[d]) at += i % o->shape[d] * o->strides[d];
    return (char *)o->data + (size_t)at * soma_dtype_size((soma_dtype)o->dtype);
}

static void kernels_take_any_strides(void **state) {
    (void)state;
    static double memory[6][2048];
    for (size_t r = 0; r < 2 * COUNT(kernels); r++) {
        const struct kernel_row *k = &kernels[r / 2];
        int dtype = r % 2 ? SOMA_F64 : SOMA_F32;
        soma__operand in[2][2], out[2];
        for (int way = 0; way < 2; way++) {
            int n_in = k->in[1].ndim ? 2 : 1;
            for (int i = 0; i < n_in; i++) {
                in[way][i] = operand(memory[3 * way + i], &k->in[i], dtype, way);
                for (int64_t e = 0; e < in[way][i].numel; e++) {
                    double v = (double)((e * 5 + i * 3) % 17 - 8) / 7;
                    if (dtype == SOMA_F32) *(float *)element(&in[way][i], e) = (float)v;
                    else *(double *)element(&in[way][i], e) = v;
                }
            }
            out[way] = operand(memory[3 * way + 2], &k->out, k->op == SOMA_OP_max_pool_indices ? SOMA_I64 : dtype, way);
            memset(out[way].data, 0x5a, sizeof memory[0]);
            soma__call c = {.op = k->op, .n_in = n_in, .n_attr = k->n_attr, .out = out[way], .in = in[way], .attr = k->attr};
            assert_int_equal(soma__ops[k->op]->run(&c), SOMA_OK);
        }
        for (int64_t e = 0; e < out[0].numel; e++)
            if (memcmp(element(&out[0], e), element(&out[1], e), soma_dtype_size((soma_dtype)out[0].dtype)) != 0)
                fail_msg("row %zu, %s: element %d", r / 2, soma_op_name(k->op), (int)e);
    }
}

/* <y, L x> = <L* y, x> for each linear map and its gradient, in float64. */
static void adjoints_are_adjoint(void **state) {
    (void)state;
    static const char *const maps[] = {"avg_pool2d",
                                       "avg_pool1d/real",
                                       "avg_pool2d/divisor",
                                       "avg_pool3d/all",
                                       "adaptive_avg_pool2d/more",
                                       "pad/reflect",
                                       "pad/circular",
                                       "pad/replicate3d",
                                       "unfold/all",
                                       "fold/all",
                                       "interpolate/factor",
                                       "interpolate/trilinear",
                                       "interpolate/bilinear_corners"};
    for (size_t m = 0; m < COUNT(maps); m++) {
        soma_context *ctx = check_context(NULL);
        size_t i = 0, k = 0;
        while (strcmp(golden_layers[i].name, maps[m]) != 0) i++;
        while (strcmp(calls[k].name, maps[m]) != 0) k++;
        soma_tensor *x = soma_variable(soma_randn(ctx, SOMA_F64, golden_layers[i].in[0].size, golden_layers[i].in[0].ndim),
                                       &(soma_variable_opts){.requires_grad = 1});
        soma_tensor *y = calls[k].f(&x), *v = soma_randn(ctx, SOMA_F64, soma_shape(y), soma_ndim(y)), *g, *both = soma_sum(soma_mul(y, v), NULL);
        assert_int_equal(soma_grad(&y, 1, &x, 1, &g, &(soma_grad_opts){.seeds = &v}), SOMA_OK);
        double a, b;
        soma_item(both, &a), soma_item(soma_sum(soma_mul(g, x), NULL), &b);
        check_fine(ctx);
        if (!(fabs(a - b) < 1e-11 * (1 + fabs(a)))) fail_msg("%s: %.17g and %.17g", maps[m], a, b);
        soma_context_free(ctx);
    }
}

static void maxima_of_nan_ties_and_nothing(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float v[8] = {1, 1, NAN, 5, -INFINITY, -INFINITY, 2, NAN};
    soma_tensor *x = soma_variable(soma_from(ctx, v, SOMA_F32, SOMA_SHAPE(1, 1, 8)), &(soma_variable_opts){.requires_grad = 1}), *places,
                *y = soma_max_pool1d(x, 2, &places, NULL), *g;
    float got[4], grad[8];
    int64_t at[4];
    soma_read(y, got, sizeof got), soma_read(places, at, sizeof at);
    assert_true(got[0] == 1 && isnan(got[1]) && got[2] == -INFINITY && isnan(got[3]));
    assert_true(at[0] == 0 && at[1] == 2 && at[2] == 4 && at[3] == 7);
    assert_int_equal(soma_grad(&y, 1, &x, 1, &g, &(soma_grad_opts){.seeds = (soma_tensor *[]){soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 1, 4))}}),
                     SOMA_OK);
    soma_read(g, grad, sizeof grad);
    static const float want[8] = {1, 0, 1, 0, 1, 0, 0, 1};
    assert_memory_equal(grad, want, sizeof want);
    /* windows of a dilated pool that lie in the border altogether */
    x = soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 1, 1)), &(soma_variable_opts){.requires_grad = 1});
    y = soma_max_pool1d(x, 2, &places, &(soma_pool_opts){.stride = {1}, .padding = {1}, .dilation = {2}});
    soma_read(y, got, sizeof *got), soma_read(places, at, sizeof *at);
    assert_true(got[0] == -INFINITY && at[0] == -1);
    assert_int_equal(soma_grad(&y, 1, &x, 1, &g, &(soma_grad_opts){.seeds = (soma_tensor *[]){soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 1, 1))}}),
                     SOMA_OK);
    soma_read(g, grad, sizeof *grad);
    assert_true(grad[0] == 0);
    /* no samples, and a constant in the border of another dtype */
    y = soma_avg_pool2d(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(0, 2, 4, 4)), 2, NULL);
    assert_true(soma_size(y, 0) == 0 && soma_size(y, 2) == 2);
    int64_t whole[3];
    soma_read(soma_pad(soma_full(ctx, 7, SOMA_I64, SOMA_SHAPE(1)), SOMA_SHAPE(1, 1), SOMA_PAD_CONSTANT, -2), whole, sizeof whole);
    assert_true(whole[0] == -2 && whole[1] == 7 && whole[2] == -2);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void channels_are_dropped_whole(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    enum { N = 20, CHANNELS = 16, PIXELS = 6 };
    static float y[N * CHANNELS * PIXELS];
    soma_tensor *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(N, CHANNELS, 2, 3));
    soma_read(soma_dropout2d(x, 0.25, true), y, sizeof y);
    int kept = 0;
    for (int i = 0; i < N * CHANNELS; i++) {
        for (int p = 0; p < PIXELS; p++) assert_true(y[i * PIXELS + p] == y[i * PIXELS] && (y[i * PIXELS] == 0 || y[i * PIXELS] == 1 / 0.75f));
        kept += y[i * PIXELS] != 0;
    }
    assert_true(kept > 200 && kept < 280);
    assert_ptr_equal(soma_dropout2d(x, 0.25, false), x);
    assert_ptr_equal(soma_dropout2d(x, 0, true), x);
    soma_read(soma_dropout2d(x, 1, true), y, sizeof y);
    for (int i = 0; i < N * CHANNELS * PIXELS; i++) assert_true(y[i] == 0);
    /* the stream moves by a draw for each channel */
    soma_context *other = check_context(NULL);
    float a[4], b[4];
    soma_dropout1d(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 4, 9)), 0.5, true), soma_rand(other, SOMA_F32, SOMA_SHAPE(1, 4, 1));
    for (int i = 0; i < 2; i++) soma_rand(other, SOMA_F32, SOMA_SHAPE(N, CHANNELS, 1, 1));
    soma_read(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(4)), a, sizeof a), soma_read(soma_rand(other, SOMA_F32, SOMA_SHAPE(4)), b, sizeof b);
    assert_memory_equal(a, b, sizeof a);
    check_fine(ctx);
    soma_context_free(other);
    soma_context_free(ctx);
}

static void wrong_arguments_get_sentences(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, 6, 5, 4)), *i = soma_to(x, SOMA_I64), *w = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(5));
#define FAILS(e, status, words) \
    do { \
        assert_null(e); \
        check_error(ctx, SOMA_ERROR_##status, words); \
    } while (0)
    FAILS(soma_max_pool1d(x, 2, NULL, NULL), SHAPE, "max_pool1d: the input has shape [2, 6, 5, 4]; [N, C, L] is wanted");
    FAILS(soma_max_pool2d(i, 2, NULL, NULL), DTYPE, "max_pool2d: the input is int64");
    FAILS(soma_max_pool2d(x, 0, NULL, NULL), ARGUMENT, "max_pool2d: kernel, stride and dilation are 1 or more");
    FAILS(soma_max_pool2d(x, 2, NULL, P{.stride = {-1}}), ARGUMENT, "max_pool2d: kernel, stride");
    FAILS(soma_max_pool2d(x, 2, NULL, P{.padding = {0, 2}}), ARGUMENT, "max_pool2d: the padding is at most half of the kernel");
    FAILS(soma_max_pool2d(x, 5, NULL, NULL), SHAPE, "max_pool2d: dimension 3 has 4 elements with its padding, the window spans 5");
    FAILS(soma_max_pool2d(x, 2, NULL, P{.no_count_pad = 1}), ARGUMENT, "no_count_pad and divisor_override are for averages");
    FAILS(soma_avg_pool2d(x, 2, P{.dilation = {2}}), ARGUMENT, "avg_pool2d: averages have no dilation");
    FAILS(soma_avg_pool2d(x, 2, P{.divisor_override = -1}), ARGUMENT, "avg_pool2d: divisor_override is above 0");
    FAILS(soma_adaptive_avg_pool2d(x, SOMA_SHAPE(1, 2, 3)), ARGUMENT, "adaptive_avg_pool2d: 3 sizes; one, or one for each of the 2 dimensions");
    FAILS(soma_adaptive_avg_pool2d(x, NULL, 1), ARGUMENT, "adaptive_avg_pool2d: 0 sizes");
    FAILS(soma_adaptive_max_pool2d(x, SOMA_SHAPE(0), NULL), ARGUMENT, "adaptive_max_pool2d: size 0 of a dimension of 5");
    FAILS(soma_pad(x, SOMA_SHAPE(1), SOMA_PAD_CONSTANT, 0), ARGUMENT, "pad: 1 sizes, mode 0, for an input of shape [2, 6, 5, 4]");
    FAILS(soma_pad(x, SOMA_SHAPE(1, 1), (soma_pad_mode)7, 0), ARGUMENT, "mode 7");
    FAILS(soma_pad(x, SOMA_SHAPE(-3, -2), SOMA_PAD_CONSTANT, 0), SHAPE, "paddings -3 and -2 of dimension 3");
    FAILS(soma_pad(x, SOMA_SHAPE(4, 0), SOMA_PAD_REFLECT, 0), SHAPE, "must be less than the dimension to be mirrored");
    FAILS(soma_pad(x, SOMA_SHAPE(5, 0), SOMA_PAD_CIRCULAR, 0), SHAPE, "must not be more than the dimension");
    FAILS(soma_pad(x, SOMA_SHAPE(-1, 0), SOMA_PAD_REPLICATE, 0), SHAPE, "must be 0 or more in this mode");
    FAILS(soma_pad(i, SOMA_SHAPE(1, 0), SOMA_PAD_REPLICATE, 0), DTYPE, "pad: the input is int64");
    FAILS(soma_pad(x, NULL, 2, SOMA_PAD_CONSTANT, 0), ARGUMENT, "pad: the array of 2 elements is NULL");
    FAILS(soma_unfold(x, 6, NULL), SHAPE, "unfold: dimension 2 has 5 elements with its padding, the window spans 6");
    FAILS(soma_unfold(x, 2, P{.ceil_mode = 1}), ARGUMENT, "unfold: ceil_mode");
    FAILS(soma_fold(x, SOMA_SHAPE(4), 2, NULL), SHAPE, "fold: the input is float32 [2, 6, 5, 4]");
    FAILS(soma_fold(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1, 8, 8)), SOMA_SHAPE(4), 2, NULL), SHAPE, "a multiple of 4 rows and 9 windows are wanted");
    FAILS(soma_interpolate(x, NULL), ARGUMENT, "interpolate: sizes of 1 or more, or else scale factors");
    FAILS(soma_interpolate(x, I{.size = {2}, .scale_factor = {2}}), ARGUMENT, "interpolate: sizes of 1 or more, or else");
    FAILS(soma_interpolate(x, I{.scale_factor = {0.1}}), ARGUMENT, "that leave something of [2, 6, 5, 4]");
    FAILS(soma_interpolate(x, I{.size = {2}, .align_corners = 1}), ARGUMENT, "align_corners goes with the linear mode");
    FAILS(soma_interpolate(x, I{.size = {2}, .mode = 5}), ARGUMENT, "interpolate: 5 is no mode");
    FAILS(soma_interpolate(w, I{.size = {2}}), SHAPE, "interpolate: the input is float32 [5]");
    FAILS(soma_pixel_shuffle(x, 2), SHAPE, "pixel_shuffle: the factor 2 does not divide what it must of [2, 6, 5, 4]");
    FAILS(soma_pixel_unshuffle(x, 2), SHAPE, "pixel_unshuffle: the factor 2");
    FAILS(soma_channel_shuffle(x, 4), SHAPE, "channel_shuffle: the factor 4");
    FAILS(soma_local_response_norm(w, 3, 1, 1, 1), SHAPE, "local_response_norm: the input has shape [5]");
    FAILS(soma_local_response_norm(x, 0, 1, 1, 1), ARGUMENT, "local_response_norm: a size of 0 channels");
    FAILS(soma_group_norm(x, 4, NULL, NULL, 0), SHAPE, "group_norm: 6 channels do not go into 4 groups");
    FAILS(soma_group_norm(x, 2, w, NULL, 0), SHAPE, "group_norm: the weight is float32 [5]");
    FAILS(soma_group_norm(i, 2, NULL, NULL, 0), DTYPE, "group_norm: the input is int64");
    FAILS(soma_layer_norm2d(x, NULL, w, 0), SHAPE, "layer_norm2d: the bias is float32 [5]");
    FAILS(soma_instance_norm(x, NULL, NULL, NULL, NULL, false, 0.1, 0), ARGUMENT, "instance_norm: both running statistics");
    FAILS(soma_instance_norm(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3, 2, 1)), NULL, NULL, NULL, NULL, true, 0.1, 0), SHAPE,
          "has no variance (input [3, 2, 1])");
    FAILS(soma_dropout2d(w, 0.5, true), SHAPE, "dropout2d: the input has shape [5]; [N, C, H, W] is wanted");
    FAILS(soma_dropout2d(x, 1.5, true), ARGUMENT, "dropout2d: p is 1.5");
    FAILS(soma_feature_dropout_by(x, w), SHAPE, "feature_dropout_by: dropout_by: the probability has the shape [5]");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers_are_pytorchs),        cmocka_unit_test(kernels_take_any_strides),
                                       cmocka_unit_test(adjoints_are_adjoint),       cmocka_unit_test(maxima_of_nan_ties_and_nothing),
                                       cmocka_unit_test(channels_are_dropped_whole), cmocka_unit_test(wrong_arguments_get_sentences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
