/* What ops do with arguments that make no sense: NULL in every place, impossible sizes; and what custom ops do wrong. */
#include "support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static soma_context *ctx;
static soma_tensor *x, *t; /* [2, 3] floats; [2] classes */

static soma_tensor *const with_null[2] = {NULL, NULL};
static const int64_t shape[2] = {2, 3};

/* NULL tensors give NULL, and beside another tensor, which has a context, an error that names the call. Arrays that are NULL are errors. */
/* clang-format off */
#define EACH_SILENT(S)                                                                                                                           \
    S(where, soma_where(NULL, x, x)) S(where_a, soma_where(soma_gt(x, x), NULL, x)) S(where_b, soma_where(soma_gt(x, x), x, NULL)) S(to, soma_to(NULL, SOMA_F32)) \
    S(clamp, soma_clamp(NULL, x, x)) S(clamp_to, soma_clamp_to(NULL, 0, 1)) S(add_scalar, soma_add_scalar(NULL, 1)) S(sub_scalar, soma_sub_scalar(NULL, 1)) \
    S(rsub_scalar, soma_rsub_scalar(NULL, 1)) S(mul_scalar, soma_mul_scalar(NULL, 1)) S(div_scalar, soma_div_scalar(NULL, 1)) S(pow_scalar, soma_pow_scalar(NULL, 2)) \
    S(reshape, soma_reshape(NULL, shape, 2)) S(permute, soma_permute(NULL, shape, 2)) S(slice, soma_slice(NULL, 0, 0, 1, 1)) S(expand, soma_expand(NULL, shape, 2)) \
    S(transpose, soma_transpose(NULL, 0, 1)) S(squeeze, soma_squeeze(NULL, 0)) S(unsqueeze, soma_unsqueeze(NULL, 0)) S(flatten, soma_flatten(NULL, 0, -1)) \
    S(select, soma_select(NULL, 0, 0)) S(expand_as, soma_expand_as(NULL, x)) S(expand_as_other, soma_expand_as(x, NULL)) S(reshape_as, soma_reshape_as(NULL, x)) \
    S(reshape_as_other, soma_reshape_as(x, NULL)) S(cat, soma_cat(with_null, 2, 0)) S(cat_none, soma_cat(NULL, 2, 0)) S(stack, soma_stack(with_null, 2, 0)) \
    S(stack_none, soma_stack(NULL, 2, 0)) S(gather, soma_gather(NULL, 0, t)) S(gather_index, soma_gather(x, 0, NULL)) S(index_select, soma_index_select(NULL, 0, t)) \
    S(index_select_index, soma_index_select(x, 0, NULL)) S(one_hot, soma_one_hot(NULL, 3)) S(matmul, soma_matmul(NULL, x)) S(matmul_b, soma_matmul(x, NULL)) \
    S(sum, soma_sum(NULL, NULL)) S(mean, soma_mean(NULL, NULL)) S(var, soma_var(NULL, NULL)) S(std, soma_std(NULL, NULL)) S(amax, soma_amax(NULL, NULL)) \
    S(amin, soma_amin(NULL, NULL)) S(max, soma_max(NULL, 0, false, NULL)) S(min, soma_min(NULL, 0, false, NULL)) S(argmax, soma_argmax(NULL, 0, false)) \
    S(argmin, soma_argmin(NULL, 0, false)) S(argmax_all, soma_argmax_all(NULL)) S(argmin_all, soma_argmin_all(NULL)) S(topk, soma_topk(NULL, 1, 0, true, NULL)) S(topk_indices, soma_topk_indices(NULL, 1, 0, true)) \
    S(logsumexp, soma_logsumexp(NULL, NULL)) S(softmax, soma_softmax(NULL, 0)) S(log_softmax, soma_log_softmax(NULL, 0)) S(norm, soma_norm(NULL)) \
    S(sum_to, soma_sum_to(NULL, shape, 2)) S(rand, soma_rand(NULL, SOMA_F32, shape, 2)) S(randn, soma_randn(NULL, SOMA_F32, shape, 2)) \
    S(uniform, soma_uniform(NULL, 0, 1, SOMA_F32, shape, 2)) S(normal, soma_normal(NULL, 0, 1, SOMA_F32, shape, 2)) S(bernoulli, soma_bernoulli(NULL)) \
    S(randint, soma_randint(NULL, 0, 2, shape, 2)) S(randperm, soma_randperm(NULL, 3)) S(dropout, soma_dropout(NULL, 0.5, true)) S(dropout_by, soma_dropout_by(NULL, x)) \
    S(dropout_by_p, soma_dropout_by(x, NULL)) S(linear, soma_linear(NULL, x, NULL)) S(linear_weight, soma_linear(x, NULL, NULL)) \
    S(cross_entropy, soma_cross_entropy(NULL, t, NULL)) S(cross_entropy_target, soma_cross_entropy(x, NULL, NULL)) \
    S(unflatten, soma_unflatten(NULL, 0, shape, 2)) S(embedding, soma_embedding(NULL, x)) S(embedding_weight, soma_embedding(t, NULL)) \
    S(bilinear, soma_bilinear(NULL, x, x, NULL)) S(bilinear_b, soma_bilinear(x, NULL, x, NULL)) S(bilinear_weight, soma_bilinear(x, x, NULL, NULL)) \
    S(layer_norm, soma_layer_norm(NULL, 1, x, x, 0)) S(batch_norm, soma_batch_norm(NULL, x, x, x, x, true, 0, 0)) \
    S(softmin, soma_softmin(NULL, 0)) S(glu, soma_glu(NULL, 0)) S(prelu, soma_prelu(NULL, x)) S(prelu_weight, soma_prelu(x, NULL)) S(rrelu, soma_rrelu(NULL, 0, 1, true)) \
    S(alpha_dropout, soma_alpha_dropout(NULL, 0.5, true)) \
    S(conv1d, soma_conv1d(NULL, x, x, NULL)) S(conv1d_weight, soma_conv1d(x, NULL, NULL, NULL)) \
    S(conv2d, soma_conv2d(NULL, x, x, NULL)) S(conv2d_weight, soma_conv2d(x, NULL, NULL, NULL)) \
    S(conv3d, soma_conv3d(NULL, x, x, NULL)) S(conv3d_weight, soma_conv3d(x, NULL, NULL, NULL)) \
    S(conv_transpose1d, soma_conv_transpose1d(NULL, x, x, NULL)) S(conv_transpose1d_weight, soma_conv_transpose1d(x, NULL, NULL, NULL)) \
    S(conv_transpose2d, soma_conv_transpose2d(NULL, x, x, NULL)) S(conv_transpose2d_weight, soma_conv_transpose2d(x, NULL, NULL, NULL)) \
    S(conv_transpose3d, soma_conv_transpose3d(NULL, x, x, NULL)) S(conv_transpose3d_weight, soma_conv_transpose3d(x, NULL, NULL, NULL)) \
    S(max_pool1d, soma_max_pool1d(NULL, 2, NULL, NULL)) S(avg_pool1d, soma_avg_pool1d(NULL, 2, NULL)) S(adaptive_max_pool1d, soma_adaptive_max_pool1d(NULL, shape, 1, NULL)) S(adaptive_avg_pool1d, soma_adaptive_avg_pool1d(NULL, shape, 1)) \
    S(max_pool2d, soma_max_pool2d(NULL, 2, NULL, NULL)) S(avg_pool2d, soma_avg_pool2d(NULL, 2, NULL)) S(adaptive_max_pool2d, soma_adaptive_max_pool2d(NULL, shape, 1, NULL)) S(adaptive_avg_pool2d, soma_adaptive_avg_pool2d(NULL, shape, 1)) \
    S(max_pool3d, soma_max_pool3d(NULL, 2, NULL, NULL)) S(avg_pool3d, soma_avg_pool3d(NULL, 2, NULL)) S(adaptive_max_pool3d, soma_adaptive_max_pool3d(NULL, shape, 1, NULL)) S(adaptive_avg_pool3d, soma_adaptive_avg_pool3d(NULL, shape, 1)) \
    S(pad, soma_pad(NULL, shape, 2, SOMA_PAD_CONSTANT, 0)) S(unfold, soma_unfold(NULL, 2, NULL)) S(fold, soma_fold(NULL, shape, 2, 2, NULL)) S(interpolate, soma_interpolate(NULL, NULL)) \
    S(pixel_shuffle, soma_pixel_shuffle(NULL, 2)) S(pixel_unshuffle, soma_pixel_unshuffle(NULL, 2)) S(channel_shuffle, soma_channel_shuffle(NULL, 2)) S(local_response_norm, soma_local_response_norm(NULL, 2, 1, 1, 1)) \
    S(group_norm, soma_group_norm(NULL, 1, x, x, 0)) S(instance_norm, soma_instance_norm(NULL, x, x, x, x, true, 0, 0)) S(layer_norm2d, soma_layer_norm2d(NULL, x, x, 0)) \
    S(dropout1d, soma_dropout1d(NULL, 0.5, true)) S(dropout2d, soma_dropout2d(NULL, 0.5, true)) S(dropout3d, soma_dropout3d(NULL, 0.5, true)) \
    S(feature_dropout_by, soma_feature_dropout_by(NULL, x)) S(feature_dropout_by_p, soma_feature_dropout_by(x, NULL)) \
    S(scatter_add, soma_scatter_add(NULL, 0, t, x)) S(scatter_add_index, soma_scatter_add(x, 0, NULL, x)) S(scatter_add_source, soma_scatter_add(x, 0, t, NULL)) \
    S(index_add, soma_index_add(NULL, 0, t, x)) S(index_add_index, soma_index_add(x, 0, NULL, x)) S(index_add_source, soma_index_add(x, 0, t, NULL)) \
    S(keep, soma_keep(NULL)) S(detach, soma_detach(NULL)) S(variable, soma_variable(NULL, NULL)) S(full, soma_full(NULL, 1, SOMA_F32, shape, 2)) \
    S(arange, soma_arange(NULL, 0, 1, 1, SOMA_F32)) S(scalar, soma_scalar(NULL, 1)) S(from, soma_from(NULL, shape, SOMA_F32, shape, 2)) S(custom, soma_custom(NULL, 0, &x, 1))
/* clang-format on */
#define UNARY(name, kind, doc) S(name, soma_##name(NULL))
#define BINARY(name, kind, doc) S(name##_a, soma_##name(NULL, x)) S(name##_b, soma_##name(x, NULL)) S(name##_c, soma_##name(NULL, NULL))
#define OP(name, params, doc)
#define INNER(name, doc)
#define COMPOSITE(name, params, doc)

#define ACTIVATION0(name, doc) S(name, soma_##name(NULL))
#define ACTIVATION1(name, a, otherwise, doc) S(name, soma_##name(NULL, 1))
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) S(name, soma_##name(NULL, 1, 2))
#define MODULE0(name, doc)
#define LOSS2(name, shapes, options, doc) S(name, soma_##name(NULL, x, NULL)) S(name##_target, soma_##name(x, NULL, NULL))
#define LOSS3(name, third, shapes, options, doc) \
    S(name, soma_##name(NULL, x, x, NULL)) S(name##_target, soma_##name(x, NULL, x, NULL)) S(name##_third, soma_##name(x, x, NULL, NULL))
#define S(name, e) \
    static soma_tensor *null_##name(void) { return (e); }
EACH_SILENT(S)
#include "soma/ops.def"
#undef S

static const struct row {
    const char *name;
    soma_tensor *(*call)(void);
    const char *text;
} silent[] = {
#define ACTIVATION0(name, doc) S(name, soma_##name(NULL))
#define ACTIVATION1(name, a, otherwise, doc) S(name, soma_##name(NULL, 1))
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) S(name, soma_##name(NULL, 1, 2))
#define MODULE0(name, doc)
#define LOSS2(name, shapes, options, doc) S(name, soma_##name(NULL, x, NULL)) S(name##_target, soma_##name(x, NULL, NULL))
#define LOSS3(name, third, shapes, options, doc) \
    S(name, soma_##name(NULL, x, x, NULL)) S(name##_target, soma_##name(x, NULL, x, NULL)) S(name##_third, soma_##name(x, x, NULL, NULL))
#define S(name, e) {#name, null_##name, #e},
    EACH_SILENT(S)
#include "soma/ops.def"
#undef S
};
#undef UNARY
#undef BINARY
#undef OP
#undef COMPOSITE

static const char *const calls[] = {
#define UNARY(name, kind, doc) #name,
#define BINARY(name, kind, doc) #name,
#define OP(name, params, doc) #name,
#define COMPOSITE(name, params, doc) #name,
#include "soma/ops.def"
};

static void set_up(void) {
    const float numbers[6] = {1, -2, 3, 4, 5, 6};
    const int64_t classes[2] = {1, 0};
    ctx = check_context(NULL);
    x = soma_from(ctx, numbers, SOMA_F32, SOMA_SHAPE(2, 3));
    t = soma_from(ctx, classes, SOMA_I64, SOMA_SHAPE(2));
}

/* Does the call mention x or t? */
static bool has_context(const char *text) {
    for (const char *c = text + 1; *c; c++)
        if ((*c == 'x' || *c == 't') && strchr("( ", c[-1]) && strchr(",)", c[1])) return true;
    return false;
}

static void null_gives_null(void **state) {
    (void)state;
    set_up();
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        if (silent[i].call()) fail_msg("%s: a result from NULL", silent[i].name);
        const char *text = silent[i].text, *say = soma_error_message(ctx), *end = strchr(text, '(');
        size_t n = (size_t)(end - text) - strlen("soma_");
        if (!has_context(text)) {
            if (soma_error_status(ctx) != SOMA_OK) fail_msg("%s: %s", text, say);
        } else if (soma_error_take(ctx) != SOMA_ERROR_ARGUMENT || strncmp(say, text + strlen("soma_"), n) != 0 || !strstr(say, "is NULL"))
            fail_msg("%s: %s", text, say);
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        bool there = false;
        for (size_t k = 0; k < sizeof silent / sizeof *silent && !there; k++) there = strncmp(silent[k].name, calls[i], strlen(calls[i])) == 0;
        if (!there) fail_msg("soma_%s has no row", calls[i]);
    }
    soma_context_free(ctx);
}

static void arrays_and_statuses_say_what_is_null(void **state) {
    (void)state;
    set_up();
    soma_tensor *w = soma_variable(x, NULL);
#define SAID(e, words) \
    do { \
        assert_true(e); \
        check_error(ctx, SOMA_ERROR_ARGUMENT, words); \
    } while (0)
    SAID(!soma_reshape(x, NULL, 2), "reshape: the array of 2 elements is NULL");
    SAID(!soma_permute(x, NULL, 2), "permute: the array of 2");
    SAID(!soma_expand(x, NULL, 2), "expand: the array of 2");
    SAID(!soma_sum_to(x, NULL, 2), "sum_to: the array of 2");
    SAID(soma_assign(w, NULL), "assign: input 1 is NULL");
    SAID(soma_assign(NULL, x), "assign: input 0 is NULL");
    SAID(soma_assign_from(w, NULL, 24), "NULL");
    SAID(soma_sgd_update(w, NULL, NULL, NULL, 0), "sgd_update: input 1 is NULL");
    SAID(soma_adam_update(w, x, x, x, NULL, 0), "adam_update: input 4 is NULL");
    SAID(soma_read(x, NULL, 24), "read: the buffer is NULL");
    SAID(!soma_host_scalar(ctx, NULL), "host_scalar: value is NULL");
    assert_int_equal(soma_assign(NULL, NULL), SOMA_ERROR_ARGUMENT);
    assert_int_equal(soma_backward(NULL, x), SOMA_ERROR_ARGUMENT);
    soma_error_take(ctx);
    assert_null(soma_sum_to(x, shape, 3));
    check_error(ctx, SOMA_ERROR_SHAPE, "sum_to: 3 dimensions, the tensor has 2");
    assert_int_equal(soma_tensor_dtype(NULL), SOMA_F32);
    soma_context_free(ctx);
}

static void extremes_of_numbers(void **state) {
    (void)state;
    set_up();
    int32_t i[3];
    uint8_t u[3];
    int64_t big[2];
    soma_read(soma_arange(ctx, 2147483646, 2147483649, 1, SOMA_I32), i, sizeof i);
    assert_true(i[0] == 2147483646 && i[1] == INT32_MAX && i[2] == INT32_MAX);
    soma_read(soma_arange(ctx, -1, 2, 1, SOMA_U8), u, sizeof u);
    assert_true(u[0] == 0 && u[1] == 0 && u[2] == 1);
    soma_read(soma_arange(ctx, 9e18, 9.4e18, 3e17, SOMA_I64), big, sizeof big);
    assert_true(big[0] == 9000000000000000000 && big[1] == INT64_MAX);
    float row[3];
    soma_read(soma_slice(x, 0, 1, 2, INT64_MAX), row, sizeof row);
    assert_true(row[0] == 4 && row[2] == 6);
    soma_tensor *many[40];
    const int64_t huge = INT64_MAX / 20;
    for (int k = 0; k < 30; k++) many[k] = soma_expand(soma_reshape(soma_select(soma_select(x, 0, 0), 0, 0), SOMA_SHAPE(1)), &huge, 1);
    assert_null(soma_cat(many, 30, 0));
    check_error(ctx, SOMA_ERROR_SHAPE, "too large");
    soma_context_free(ctx);
}

/* The gradient is the mask that the value shows, divided by 1 - p. */
static void dropouts_gradient_is_its_mask(void **state) {
    (void)state;
    static const double ps[] = {0, 0.25, 0.5, 1};
    for (int how = 0; how < 3; how++)
        for (size_t k = 0; k < sizeof ps / sizeof *ps; k++) {
            double p = ps[k];
            ctx = check_context(NULL);
            float ones[200], y[200], g[200];
            for (int i = 0; i < 200; i++) ones[i] = 1;
            soma_tensor *w = soma_variable(soma_from(ctx, ones, SOMA_F32, SOMA_SHAPE(200)), &(soma_variable_opts){.requires_grad = 1});
            soma_tensor *drop = how == 0 ? soma_dropout(w, p, true) : how == 1 ? soma_dropout_by(w, soma_scalar(ctx, p)) : soma_dropout(w, p, false);
            soma_backward(soma_sum(soma_mul_scalar(drop, 2), NULL), NULL);
            soma_read(drop, y, sizeof y);
            soma_read(soma_tensor_grad(w), g, sizeof g);
            check_fine(ctx);
            int kept = 0;
            for (int i = 0; i < 200; i++) {
                assert_true(y[i] == 0 || y[i] == (float)(how == 2 ? 1 : 1 / (1 - p)));
                assert_true(g[i] == 2 * y[i]); /* no NaN */
                kept += y[i] != 0;
            }
            if (how == 2 || p == 0) assert_int_equal(kept, 200);
            else if (p == 1) assert_int_equal(kept, 0);
            else assert_true(abs(kept - (int)(200 * (1 - p))) < 40);
            soma_context_free(ctx);
        }
}

/* The call that the user made stands first, whichever op inside it finds the mistake. */
static void errors_name_the_call_and_the_shapes(void **state) {
    (void)state;
    set_up();
    soma_tensor *i = soma_to(x, SOMA_I64), *rows[2] = {x, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(3, 3))};
    soma_tensor *eight = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 1, 1, 1, 1, 1, 1, 1));
    const int64_t most = INT64_MAX / 2;
#define FAILS(e, status, words) \
    do { \
        assert_null(e); \
        check_error(ctx, status, words); \
    } while (0)
    FAILS(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, -1)), SOMA_ERROR_SHAPE, "zeros: the shape [2, -1] has a negative size");
    FAILS(soma_from(ctx, shape, SOMA_F32, &most, 1), SOMA_ERROR_SHAPE, "from: the shape [4611686018427387903] is too large");
    FAILS(soma_borrow(ctx, shape, (soma_dtype)9, shape, 2), SOMA_ERROR_DTYPE, "borrow: 9 is no dtype");
    FAILS(soma_one_hot(t, most), SOMA_ERROR_SHAPE, "one_hot: the shape [2, 4611686018427387903] is too large");
    FAILS(soma_rand(ctx, SOMA_F32, shape, 9), SOMA_ERROR_SHAPE, "rand: a shape of 9 dimensions; 0 to 8 are wanted");
    FAILS(soma_expand(soma_scalar(ctx, 1), SOMA_SHAPE(most, 9)), SOMA_ERROR_SHAPE, "expand: the shape [4611686018427387903, 9] is too large");
    FAILS(soma_linear(x, rows[1], soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2))), SOMA_ERROR_SHAPE, "linear: add: shapes [2, 3] and [2] do not");
    FAILS(soma_linear(x, rows[1], soma_ones(ctx, SOMA_F64, SOMA_SHAPE(3))), SOMA_ERROR_DTYPE, "linear: the bias is float64, the input float32");
    FAILS(soma_max(x, 2, false, NULL), SOMA_ERROR_ARGUMENT, "max: argmax: dimension 2 is outside");
    FAILS(soma_stack(rows, 2, 0), SOMA_ERROR_SHAPE, "stack: cat: tensor 1 has shape [1, 3, 3]");
    FAILS(soma_unsqueeze(eight, 0), SOMA_ERROR_SHAPE, "unsqueeze: a tensor has 8 dimensions at most");
    FAILS(soma_stack(&eight, 1, 0), SOMA_ERROR_SHAPE, "stack: unsqueeze: a tensor has 8 dimensions at most");
    FAILS(soma_sum_to(x, SOMA_SHAPE(3, 2)), SOMA_ERROR_SHAPE, "sum_to: a tensor of shape [3, 2] is not broadcast to [2, 3]");
    FAILS(soma_dropout(i, 0.5, true), SOMA_ERROR_DTYPE, "dropout: rand: int64");
    FAILS(soma_matmul(soma_expand(x, SOMA_SHAPE(2, 2, 3)), soma_ones(ctx, SOMA_F32, SOMA_SHAPE(4, 3, 3))), SOMA_ERROR_SHAPE,
          "matmul: shapes [2, 2, 3] and [4, 3, 3] do not fit");
    FAILS(soma_nn_linear(ctx, 2, 2, &(soma_linear_opts){.dtype = SOMA_I64}), SOMA_ERROR_DTYPE, "linear: the dtype is 2");
    FAILS(soma_nn_linear(ctx, most, most, NULL), SOMA_ERROR_SHAPE, "linear: 4611686018427387903 inputs");
    FAILS(soma_mul(x, soma_tensor_grad(x)), SOMA_ERROR_ARGUMENT, "mul: input 1 is NULL");                            /* there is no gradient */
    FAILS(soma_add(soma_stack(&x, 1, 0), soma_ones(ctx, SOMA_F32, SOMA_SHAPE(4))), SOMA_ERROR_SHAPE, "add: shapes"); /* stack is over */
    assert_true(strncmp(soma_error_message(ctx), "add: ", 5) == 0);
    soma_context *other = check_context(NULL);
    FAILS(soma_where(soma_gt(x, x), x, soma_scalar(other, 1)), SOMA_ERROR_ARGUMENT, "where: input 2 belongs to another context");
    soma_context_free(other);
    soma_context_free(ctx);
}

static void what_torch_refuses_is_refused(void **state) {
    (void)state;
    set_up();
    double v;
    soma_tensor *none = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(0)), *p[] = {soma_scalar(ctx, 2), soma_scalar(ctx, (double)NAN), soma_scalar(ctx, -0.5)};
    FAILS(soma_uniform(ctx, 1, 0, SOMA_F32, shape, 2), SOMA_ERROR_ARGUMENT, "uniform: no numbers from 1 to 0");
    FAILS(soma_normal(ctx, 0, -1, SOMA_F32, shape, 2), SOMA_ERROR_ARGUMENT, "normal: the standard deviation is -1");
    FAILS(soma_reshape(none, SOMA_SHAPE(0, -1)), SOMA_ERROR_SHAPE, "reshape: shape [0, -1]");
    FAILS(soma_dropout_by(x, x), SOMA_ERROR_SHAPE, "dropout_by: the probability has the shape [2, 3]");
    FAILS(soma_cross_entropy(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, 0)), t, NULL), SOMA_ERROR_RANGE, "cross_entropy: the input has no classes");
    FAILS(soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.ignore_index = SOMA_SET(0.5)}), SOMA_ERROR_ARGUMENT, "ignore_index is 0.5");
    for (size_t i = 0; i < sizeof p / sizeof *p; i++) {
        soma_item(soma_bernoulli(p[i]), &v);
        check_error(ctx, SOMA_ERROR_RANGE, "bernoulli: element 0 is");
    }
    soma_context_free(ctx);
}
#undef FAILS

static void values_are_torchs(void **state) {
    (void)state;
    set_up();
    static const float mixed[5] = {NAN, 1, INFINITY, NAN, 1};
    static const uint8_t truths[3] = {2, 255, 0};
    soma_tensor *m = soma_from(ctx, mixed, SOMA_F32, SOMA_SHAPE(5));
    float y[5];
    for (int how = 0; how < 2; how++) { /* NaN is the largest, whichever end comes first */
        soma_read(soma_topk(m, 5, 0, how == 0, NULL), y, sizeof y);
        for (int i = 0; i < 5; i++) assert_true(how == 0 ? isnan(y[i]) == (i < 2) : isnan(y[i]) == (i > 2));
        assert_true(how == 0 ? y[2] > 1 && y[3] == 1 && y[4] == 1 : y[0] == 1 && y[1] == 1 && y[2] > 1);
    }
    int64_t place;
    soma_read(soma_argmax_all(x), &place, sizeof place);
    assert_int_equal(place, 5);
    soma_read(soma_argmin_all(soma_transpose(x, 0, 1)), &place, sizeof place); /* [[1, 4], [-2, 5], [3, 6]] */
    assert_int_equal(place, 2);
    int32_t word;
    uint8_t byte;
    soma_read(soma_full(ctx, 1e30, SOMA_I32, NULL, 0), &word, sizeof word);
    soma_read(soma_full(ctx, 300, SOMA_U8, NULL, 0), &byte, 1);
    assert_true(word == INT32_MAX && byte == 255);
    soma_read(soma_full(ctx, -1e30, SOMA_I32, NULL, 0), &word, sizeof word);
    soma_read(soma_full(ctx, -3, SOMA_U8, NULL, 0), &byte, 1);
    assert_true(word == INT32_MIN && byte == 0);
    double v;
    static const double quotients[][3] = {{-1, __builtin_inf(), -1}, {1, 0.1, 9}, {7, 2, 3}, {-7, 2, -4}, {1, -__builtin_inf(), -1}, {0, -3, -0.0},
                                          {5, 0, __builtin_inf()}};
    for (size_t i = 0; i < sizeof quotients / sizeof *quotients; i++)
        for (int wide = 0; wide < 2; wide++) {
            soma_tensor *a = soma_full(ctx, quotients[i][0], wide ? SOMA_F64 : SOMA_F32, NULL, 0),
                        *b = soma_full(ctx, quotients[i][1], wide ? SOMA_F64 : SOMA_F32, NULL, 0);
            soma_item(soma_floor_divide(a, b), &v);
            assert_memory_equal(&v, &quotients[i][2], sizeof v);
        }
    soma_item(soma_clamp_to(soma_scalar(ctx, 1), (double)NAN, 3), &v);
    assert_true(isnan(v));
    soma_item(soma_sum(soma_from(ctx, truths, SOMA_BOOL, SOMA_SHAPE(3)), NULL), &v);
    assert_true(v == 2);
    check_fine(ctx);
    soma_context_free(ctx);
}

/* Custom ops that do not keep their word. */
static int how_bad;
static soma_status bad_shape(void *user, soma_tensor *const *in, size_t n, int64_t *out, int64_t *ndim, soma_dtype *dtype) {
    (void)user, (void)n;
    *ndim = how_bad == 0 ? 9 : soma_ndim(in[0]);
    memcpy(out, soma_shape(in[0]), (size_t)soma_ndim(in[0]) * sizeof *out);
    if (how_bad == 1) out[0] = -1;
    *dtype = how_bad == 2 ? (soma_dtype)77 : SOMA_F32;
    return SOMA_OK;
}
static soma_status copy(void *user, const soma_custom_operand *in, size_t n, soma_custom_operand *out) {
    (void)user, (void)n;
    memcpy(out->data, in[0].data, (size_t)out->numel * sizeof(float));
    return SOMA_OK;
}
static soma_status bad_gradient(void *user, soma_tensor *const *in, size_t n, soma_tensor *y, soma_tensor *gy, soma_tensor **g) {
    (void)user, (void)in, (void)n, (void)y;
    g[0] = how_bad == 3 ? soma_select(gy, 0, 0) : soma_to(gy, SOMA_F64);
    return SOMA_OK;
}

static void custom_ops_are_checked(void **state) {
    (void)state;
    static const struct {
        soma_status status;
        const char *words;
    } want[] = {{SOMA_ERROR_SHAPE, "odd: a shape of 9 dimensions"},
                {SOMA_ERROR_SHAPE, "odd: the shape [-1, 3] has a negative size"},
                {SOMA_ERROR_DTYPE, "odd: 77 is no dtype"},
                {SOMA_ERROR_SHAPE, "the gradient of 'odd' for input 0 is float32 [3], the input is float32 [2, 3]"},
                {SOMA_ERROR_SHAPE, "the gradient of 'odd' for input 0 is float64 [2, 3]"}};
    set_up();
    char name[] = "odd";
    int64_t op = soma_custom_register(ctx, &(soma_custom_def){.name = name, .shape = bad_shape, .forward = copy, .gradient = bad_gradient});
    memset(name, 'x', 3); /* it was copied */
    soma_tensor *w = soma_variable(x, &(soma_variable_opts){.requires_grad = 1});
    for (how_bad = 0; how_bad < 5; how_bad++) {
        soma_tensor *y = soma_custom(ctx, op, &w, 1);
        if (how_bad < 3) assert_null(y);
        else soma_backward(soma_sum(y, NULL), NULL);
        check_error(ctx, want[how_bad].status, want[how_bad].words);
    }
    soma_context_free(ctx);
}

/* A step has the gradient 0, as in PyTorch. */
static void steps_are_flat(void **state) {
    (void)state;
    set_up();
    soma_tensor *w = soma_variable(x, &(soma_variable_opts){.requires_grad = 1});
    float g[6];
    assert_int_equal(soma_backward(soma_sum(soma_floor(w), NULL), NULL), SOMA_OK);
    soma_read(soma_tensor_grad(w), g, sizeof g);
    for (int i = 0; i < 6; i++) assert_true(g[i] == 0);
    soma_backward(soma_sum(soma_gt(w, x), NULL), NULL);
    check_error(ctx, SOMA_ERROR_STATE, "requires a gradient");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(null_gives_null),
                                       cmocka_unit_test(arrays_and_statuses_say_what_is_null),
                                       cmocka_unit_test(extremes_of_numbers),
                                       cmocka_unit_test(dropouts_gradient_is_its_mask),
                                       cmocka_unit_test(errors_name_the_call_and_the_shapes),
                                       cmocka_unit_test(what_torch_refuses_is_refused),
                                       cmocka_unit_test(values_are_torchs),
                                       cmocka_unit_test(custom_ops_are_checked),
                                       cmocka_unit_test(steps_are_flat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
