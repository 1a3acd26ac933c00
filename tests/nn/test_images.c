/* Modules of images: state keys, shapes and bounds of first weights as PyTorch's, each module as its function, borders and 'same', modes, running
 * statistics of instance norm, dropped channels in captured programs, and what does not fit. */
#include "support/check.h"

#include <math.h>
#include <string.h>

static void same_values(soma_tensor *a, soma_tensor *b) {
    static float p[8192], q[8192];
    check_fine(soma_tensor_context(a));
    assert_int_equal(soma_numel(a), soma_numel(b));
    assert_true(soma_numel(a) <= 8192 && soma_ndim(a) == soma_ndim(b));
    assert_memory_equal(soma_shape(a), soma_shape(b), (size_t)soma_ndim(a) * sizeof(int64_t));
    assert_int_equal(soma_read(a, p, (size_t)soma_numel(a) * sizeof *p), SOMA_OK);
    assert_int_equal(soma_read(b, q, (size_t)soma_numel(b) * sizeof *q), SOMA_OK);
    assert_memory_equal(p, q, (size_t)soma_numel(a) * sizeof *p);
}

static soma_tensor *state_of(soma_module *m, const char *name) {
    char key[64];
    soma_tensor *t;
    for (size_t i = 0; soma_module_state(m, i, key, sizeof key, &t) == SOMA_OK; i++)
        if (strcmp(key, name) == 0) return t;
    fail_msg("no state '%s'", name);
    return NULL;
}

static void weights_have_pytorchs_shapes_and_bounds(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const soma_conv_module_opts grouped = {.kernel = {0, 5, 0}, .groups = 2}, bare = {.no_bias = 1, .dtype = SOMA_F64};
    const struct {
        soma_module *m;
        int64_t ndim, shape[5], outputs, fan;
    } rows[] = {{soma_nn_conv1d(ctx, 12, 8, 5, NULL), 3, {8, 12, 5}, 8, 60},
                {soma_nn_conv2d(ctx, 6, 16, 3, &grouped), 4, {16, 3, 3, 5}, 16, 45},
                {soma_nn_conv3d(ctx, 4, 6, 3, NULL), 5, {6, 4, 3, 3, 3}, 6, 108},
                {soma_nn_conv_transpose1d(ctx, 12, 8, 5, NULL), 3, {12, 8, 5}, 8, 40},
                {soma_nn_conv_transpose2d(ctx, 6, 16, 3, &grouped), 4, {6, 8, 3, 5}, 16, 120},
                {soma_nn_conv_transpose3d(ctx, 4, 6, 3, NULL), 5, {4, 6, 3, 3, 3}, 6, 162}};
    check_fine(ctx);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char key[2][32];
        soma_tensor *t[2];
        assert_int_equal(soma_module_state_count(rows[i].m), 2);
        for (size_t k = 0; k < 2; k++) soma_module_state(rows[i].m, k, key[k], sizeof key[k], &t[k]);
        assert_string_equal(key[0], "weight");
        assert_string_equal(key[1], "bias");
        assert_int_equal(soma_ndim(t[0]), rows[i].ndim);
        assert_memory_equal(soma_shape(t[0]), rows[i].shape, (size_t)rows[i].ndim * sizeof(int64_t));
        assert_true(soma_ndim(t[1]) == 1 && soma_size(t[1], 0) == rows[i].outputs);
        double low, high, bound = 1 / sqrt((double)rows[i].fan); /* kaiming_uniform with a = sqrt(5), and the bias's */
        soma_item(soma_amin(t[0], NULL), &low), soma_item(soma_amax(t[0], NULL), &high);
        assert_true(low >= -bound && low < -0.9 * bound && high <= bound && high > 0.9 * bound);
        soma_item(soma_amax(soma_abs(t[1]), NULL), &high);
        assert_true(high <= bound && high > 0);
    }
    soma_module *m = soma_nn_conv2d(ctx, 2, 3, 1, &bare);
    assert_true(soma_module_state_count(m) == 1 && soma_tensor_dtype(state_of(m, "weight")) == SOMA_F64);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void zeros_of_conv_modules_are_the_defaults(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const soma_conv_module_opts zeros = {.kernel = {0, 0, 0},
                                         .stride = {0, 0, 0},
                                         .padding = {0, 0, 0},
                                         .dilation = {0, 0, 0},
                                         .groups = 0,
                                         .same = 0,
                                         .output_padding = {0, 0, 0},
                                         .padding_mode = 0,
                                         .no_bias = 0,
                                         .dtype = 0};
    const soma_pool_opts none = {.kernel = {0, 0, 0},
                                 .stride = {0, 0, 0},
                                 .padding = {0, 0, 0},
                                 .dilation = {0, 0, 0},
                                 .ceil_mode = 0,
                                 .no_count_pad = 0,
                                 .divisor_override = 0};
    soma_tensor *x = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 4, 6, 7)));
    soma_module *m = soma_nn_conv2d(ctx, 4, 3, 3, &zeros);
    same_values(soma_forward(m, x), soma_conv2d(x, state_of(m, "weight"), state_of(m, "bias"), NULL));
    m = soma_nn_conv_transpose2d(ctx, 4, 3, 3, &zeros);
    same_values(soma_forward(m, x), soma_conv_transpose2d(x, state_of(m, "weight"), state_of(m, "bias"), NULL));
    same_values(soma_forward(soma_nn_max_pool2d(ctx, 2, &none), x), soma_max_pool2d(x, 2, NULL, NULL));
    same_values(soma_forward(soma_nn_avg_pool2d(ctx, 2, &none), x), soma_avg_pool2d(x, 2, NULL));
    same_values(soma_forward(soma_nn_unfold(ctx, 2, &none), x), soma_unfold(x, 2, NULL));
    same_values(
        soma_forward(soma_nn_upsample(ctx, &(soma_interpolate_opts){.size = {3, 0, 0}, .scale_factor = {0}, .mode = 0, .align_corners = 0}), x),
        soma_interpolate(x, &(soma_interpolate_opts){.size = {3, 3}}));
    /* a number that is zero where zero is one */
    m = soma_nn_group_norm(ctx, 2, 4, &(soma_group_norm_opts){.eps = SOMA_SET(0), .no_affine = 0});
    same_values(soma_forward(m, x), soma_group_norm(x, 2, state_of(m, "weight"), state_of(m, "bias"), 0));
    m = soma_nn_instance_norm_2d(ctx, 4, &(soma_instance_norm_opts){.eps = SOMA_SET(0), .momentum = SOMA_SET(0), .affine = 0, .running = 1});
    same_values(soma_forward(m, x), soma_instance_norm(x, NULL, NULL, NULL, NULL, true, 0, 0));
    double v;
    soma_item(soma_amax(soma_abs(state_of(m, "running_mean")), NULL), &v);
    assert_true(v == 0 && soma_module_state_count(m) == 3);
    assert_int_equal(soma_module_state_count(soma_nn_instance_norm_2d(ctx, 4, NULL)), 0);
    m = soma_nn_local_response_norm(ctx, 3, &(soma_local_response_norm_opts){.alpha = SOMA_SET(0), .k = SOMA_SET(4), .beta = SOMA_SET(0)});
    same_values(soma_forward(m, x), x);
    m = soma_nn_local_response_norm(ctx, 3, NULL);
    same_values(soma_forward(m, x), soma_local_response_norm(x, 3, 1e-4, 0.75, 1));
    m = soma_nn_layer_norm2d(ctx, 4, &(soma_layer_norm_opts){.eps = SOMA_SET(0), .no_affine = 0, .no_bias = 0});
    same_values(soma_forward(m, x), soma_layer_norm2d(x, NULL, NULL, 0));
    check_fine(ctx);
    soma_context_free(ctx);
}

static void modules_are_their_functions(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x1 = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 4, 9))), *x2 = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 4, 6, 7))),
                *x3 = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 4, 3, 4, 5)));
    const soma_pool_opts o = {.stride = {1, 2, 1}, .padding = {1, 0, 1}, .ceil_mode = 1};
    const soma_interpolate_opts twice = {.scale_factor = {2}, .mode = SOMA_INTERPOLATE_LINEAR};
    same_values(soma_forward(soma_nn_max_pool1d(ctx, 2, &o), x1), soma_max_pool1d(x1, 2, NULL, &o));
    same_values(soma_forward(soma_nn_max_pool2d(ctx, 2, &o), x2), soma_max_pool2d(x2, 2, NULL, &o));
    same_values(soma_forward(soma_nn_max_pool3d(ctx, 2, &o), x3), soma_max_pool3d(x3, 2, NULL, &o));
    same_values(soma_forward(soma_nn_avg_pool1d(ctx, 2, &o), x1), soma_avg_pool1d(x1, 2, &o));
    same_values(soma_forward(soma_nn_avg_pool2d(ctx, 2, &o), x2), soma_avg_pool2d(x2, 2, &o));
    same_values(soma_forward(soma_nn_avg_pool3d(ctx, 2, &o), x3), soma_avg_pool3d(x3, 2, &o));
    same_values(soma_forward(soma_nn_adaptive_max_pool1d(ctx, SOMA_SHAPE(4)), x1), soma_adaptive_max_pool1d(x1, SOMA_SHAPE(4), NULL));
    same_values(soma_forward(soma_nn_adaptive_max_pool2d(ctx, SOMA_SHAPE(4, -1)), x2), soma_adaptive_max_pool2d(x2, SOMA_SHAPE(4, 7), NULL));
    same_values(soma_forward(soma_nn_adaptive_max_pool3d(ctx, SOMA_SHAPE(2)), x3), soma_adaptive_max_pool3d(x3, SOMA_SHAPE(2, 2, 2), NULL));
    same_values(soma_forward(soma_nn_adaptive_avg_pool1d(ctx, SOMA_SHAPE(4)), x1), soma_adaptive_avg_pool1d(x1, SOMA_SHAPE(4)));
    same_values(soma_forward(soma_nn_adaptive_avg_pool2d(ctx, SOMA_SHAPE(1)), x2), soma_adaptive_avg_pool2d(x2, SOMA_SHAPE(1, 1)));
    same_values(soma_forward(soma_nn_adaptive_avg_pool3d(ctx, SOMA_SHAPE(2, 1, 3)), x3), soma_adaptive_avg_pool3d(x3, SOMA_SHAPE(2, 1, 3)));
    same_values(soma_forward(soma_nn_fold(ctx, SOMA_SHAPE(6, 7), 2, NULL), soma_unfold(x2, 2, NULL)),
                soma_fold(soma_unfold(x2, 2, NULL), SOMA_SHAPE(6, 7), 2, NULL));
    same_values(soma_forward(soma_nn_zero_pad2d(ctx, SOMA_SHAPE(1, 2, 3, 0)), x2), soma_pad(x2, SOMA_SHAPE(1, 2, 3, 0), SOMA_PAD_CONSTANT, 0));
    same_values(soma_forward(soma_nn_constant_pad1d(ctx, SOMA_SHAPE(2), 0.5), x1), soma_pad(x1, SOMA_SHAPE(2, 2), SOMA_PAD_CONSTANT, 0.5));
    same_values(soma_forward(soma_nn_reflection_pad2d(ctx, SOMA_SHAPE(3)), x2), soma_pad(x2, SOMA_SHAPE(3, 3, 3, 3), SOMA_PAD_REFLECT, 0));
    same_values(soma_forward(soma_nn_replication_pad3d(ctx, SOMA_SHAPE(1)), x3), soma_pad(x3, SOMA_SHAPE(1, 1, 1, 1, 1, 1), SOMA_PAD_REPLICATE, 0));
    same_values(soma_forward(soma_nn_circular_pad2d(ctx, SOMA_SHAPE(2, 1, 0, 3)), x2), soma_pad(x2, SOMA_SHAPE(2, 1, 0, 3), SOMA_PAD_CIRCULAR, 0));
    same_values(soma_forward(soma_nn_upsample(ctx, &twice), x2), soma_interpolate(x2, &twice));
    same_values(soma_forward(soma_nn_pixel_shuffle(ctx, 2), x2), soma_pixel_shuffle(x2, 2));
    same_values(soma_forward(soma_nn_pixel_unshuffle(ctx, 1), x2), soma_pixel_unshuffle(x2, 1));
    same_values(soma_forward(soma_nn_channel_shuffle(ctx, 2), x2), soma_channel_shuffle(x2, 2));
    same_values(soma_forward(soma_nn_batch_norm_3d(ctx, 4, NULL), x3), soma_batch_norm(x3, NULL, NULL, NULL, NULL, true, 0.1, 1e-5));
    same_values(soma_forward(soma_nn_batch_norm_2d(ctx, 4, NULL), x2), soma_batch_norm(x2, NULL, NULL, NULL, NULL, true, 0.1, 1e-5));
    check_fine(ctx);
    soma_context_free(ctx);
}

/* Another border than zeros is a padded input without a border, also of 'same'. */
static void borders_of_convolutions(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 3, 6, 7)));
    for (int mode = SOMA_PAD_REFLECT; mode <= SOMA_PAD_CIRCULAR; mode++) {
        soma_module *m =
            soma_nn_conv2d(ctx, 3, 4, 3, &(soma_conv_module_opts){.padding = {2, 1}, .stride = {2}, .dilation = {1, 2}, .padding_mode = mode});
        soma_tensor *padded = soma_pad(x, SOMA_SHAPE(1, 1, 2, 2), (soma_pad_mode)mode, 0);
        same_values(soma_forward(m, x),
                    soma_conv2d(padded, state_of(m, "weight"), state_of(m, "bias"), &(soma_conv_opts){.stride = {2}, .dilation = {1, 2}}));
        m = soma_nn_conv2d(ctx, 3, 4, 4, &(soma_conv_module_opts){.kernel = {4, 3}, .same = 1, .padding_mode = mode, .no_bias = 1});
        padded = soma_pad(x, SOMA_SHAPE(1, 1, 1, 2), (soma_pad_mode)mode, 0);
        same_values(soma_forward(m, x), soma_conv2d(padded, state_of(m, "weight"), NULL, NULL));
    }
    soma_module *m = soma_nn_conv2d(ctx, 3, 4, 4, &(soma_conv_module_opts){.same = 1});
    same_values(soma_forward(m, x), soma_conv2d(x, state_of(m, "weight"), state_of(m, "bias"), &(soma_conv_opts){.same = 1}));
    soma_context_free(ctx);
}

static void instance_norms_running_statistics(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float v[12] = {1, 2, 3, 10, 20, 60, 5, 7, 9, 1, 1, 4};
    soma_tensor *x = soma_from(ctx, v, SOMA_F32, SOMA_SHAPE(2, 2, 3));
    soma_module *m = soma_nn_instance_norm_1d(ctx, 2, &(soma_instance_norm_opts){.momentum = SOMA_SET(0.25), .running = 1, .affine = 1});
    soma_forward(m, x);
    float mean[2], var[2];
    int64_t batches;
    soma_read(state_of(m, "running_mean"), mean, sizeof mean), soma_read(state_of(m, "running_var"), var, sizeof var);
    soma_read(state_of(m, "num_batches_tracked"), &batches, sizeof batches);
    /* means of the samples: 2 and 7, 30 and 2; unbiased variances 1 and 4, 700 and 3 */
    assert_true(fabsf(mean[0] - 0.25f * 4.5f) < 1e-6f && fabsf(mean[1] - 0.25f * 16) < 1e-5f && batches == 0); /* as in torch.nn */
    assert_true(fabsf(var[0] - (0.75f + 0.25f * 2.5f)) < 1e-5f && fabsf(var[1] - (0.75f + 0.25f * 351.5f)) < 1e-3f);
    soma_module_train(m, false);
    same_values(soma_forward(m, x), soma_instance_norm(x, state_of(m, "running_mean"), state_of(m, "running_var"), state_of(m, "weight"),
                                                       state_of(m, "bias"), false, 0, 1e-5));
    soma_read(state_of(m, "running_mean"), var, sizeof var);
    assert_memory_equal(mean, var, sizeof mean);
    check_fine(ctx);
    soma_context_free(ctx);
}

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)ctx, (void)n_in, (void)n_out;
    out[0] = soma_forward(user, in[0]);
    return SOMA_OK;
}
static void captured_programs_see_a_new_p(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_dropout2d(ctx, 0.5);
    float x[2 * 8 * 4];
    for (int i = 0; i < 64; i++) x[i] = 1;
    soma_slot slot = {{2, 8, 2, 2}, 4, SOMA_F32};
    soma_program *p = soma_capture(ctx, body, m, &slot, 1, 1, NULL);
    for (int turn = 0; turn < 3; turn++) {
        const void *y;
        int kept = 0;
        if (turn == 1) assert_int_equal(soma_nn_dropout_set(m, 1), SOMA_OK);
        if (turn == 2) assert_int_equal(soma_nn_dropout_set(m, 0), SOMA_OK);
        soma_program_bind(p, 0, x, NULL);
        assert_int_equal(soma_program_run(p), SOMA_OK);
        soma_program_output(p, 0, &y, NULL);
        for (int i = 0; i < 64; i++) kept += ((const float *)y)[i] != 0;
        assert_true(kept % 4 == 0 && (turn == 0 ? kept > 8 && kept < 56 : kept == (turn == 1 ? 0 : 64)));
    }
    soma_module_train(m, false);
    same_values(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 2, 2, 2))), soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 2, 2, 2)));
    soma_context_free(ctx);
}

static void shortcuts_are_added(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const soma_conv_module_opts half = {.stride = {2}, .padding = {1, 1}}, step = {.stride = {2}};
    soma_module *body_of = soma_nn_conv2d(ctx, 3, 4, 3, &half), *shortcut = soma_nn_conv2d(ctx, 3, 4, 1, &step);
    soma_tensor *x = soma_keep(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 3, 8, 8)));
    soma_tensor *want = soma_add(soma_forward(shortcut, x), soma_forward(body_of, x));
    soma_module *m = soma_nn_residual_with(ctx, body_of, shortcut);
    same_values(soma_forward(m, x), want);
    assert_int_equal(soma_module_state_count(m), 4);
    state_of(m, "0.weight"), state_of(m, "1.bias");
    assert_null(soma_nn_residual_with(ctx, soma_nn_relu(ctx), NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "residual");
    soma_context_free(ctx);
}

static void what_does_not_fit(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, 4, 6)), *x2 = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, 4, 6, 6));
#define C &(soma_conv_module_opts)
#define FAILS(e, status, words) \
    do { \
        assert_null(e); \
        check_error(ctx, SOMA_ERROR_##status, words); \
    } while (0)
    FAILS(soma_nn_conv2d(ctx, 0, 4, 3, NULL), ARGUMENT, "conv2d: 0 channels become 4 in 1 group; 1 or more channels each");
    FAILS(soma_nn_conv2d(ctx, 4, 6, 3, C{.groups = 4}), ARGUMENT, "conv2d: 4 channels become 6 in 4 groups");
    FAILS(soma_nn_conv2d(ctx, 4, 6, 0, NULL), ARGUMENT, "conv2d: kernel, stride and dilation are 1 or more");
    FAILS(soma_nn_conv2d(ctx, 4, 6, 3, C{.stride = {-2}}), ARGUMENT, "conv2d: kernel, stride");
    FAILS(soma_nn_conv2d(ctx, 4, 6, 3, C{.same = 1, .stride = {2}}), ARGUMENT, "conv2d: padding 'same' goes with stride 1");
    FAILS(soma_nn_conv2d(ctx, 4, 6, 3, C{.output_padding = {1}}), ARGUMENT, "conv2d: output_padding is for transposed");
    FAILS(soma_nn_conv2d(ctx, 4, 6, 3, C{.padding_mode = 9}), ARGUMENT, "conv2d: its padding_mode");
    FAILS(soma_nn_conv_transpose2d(ctx, 4, 6, 3, C{.padding_mode = SOMA_PAD_REFLECT}), ARGUMENT,
          "conv_transpose2d: transposed convolutions have zeros");
    FAILS(soma_nn_conv2d(ctx, 4, 6, 3, C{.dtype = SOMA_I64}), DTYPE, "conv2d: the dtype is 2");
    FAILS(soma_nn_conv3d(ctx, 1 << 30, 1 << 30, 1 << 20, NULL), ARGUMENT, "conv3d: it has more weights than memory can have");
    FAILS(soma_forward(soma_nn_conv2d(ctx, 4, 6, 3, NULL), x), SHAPE, "conv2d: the input has shape [2, 4, 6]");
    FAILS(soma_nn_max_pool2d(ctx, 0, NULL), ARGUMENT, "max_pool2d: kernel, stride and dilation are 1 or more");
    FAILS(soma_nn_adaptive_avg_pool2d(ctx, SOMA_SHAPE(1, 2, 3)), ARGUMENT, "adaptive_avg_pool2d: 3 sizes; 1 or 2 are wanted");
    FAILS(soma_nn_adaptive_avg_pool2d(ctx, SOMA_SHAPE(0)), ARGUMENT, "adaptive_avg_pool2d: size 0");
    FAILS(soma_nn_zero_pad2d(ctx, SOMA_SHAPE(1, 2)), ARGUMENT, "zero_pad2d: 2 sizes; 1 or 4 are wanted");
    FAILS(soma_forward(soma_nn_zero_pad2d(ctx, SOMA_SHAPE(1)), x), SHAPE, "zero_pad2d: the input has shape [2, 4, 6]; [N, C, H, W] is wanted");
    FAILS(soma_nn_upsample(ctx, NULL), ARGUMENT, "upsample: a size, or else a scale_factor");
    FAILS(soma_nn_pixel_shuffle(ctx, 0), ARGUMENT, "pixel_shuffle: 0; 1 or more");
    FAILS(soma_nn_group_norm(ctx, 3, 4, NULL), ARGUMENT, "group_norm: 4 channels in 3 groups");
    FAILS(soma_nn_instance_norm_2d(ctx, 0, NULL), ARGUMENT, "instance_norm_2d: 0 features");
    FAILS(soma_nn_local_response_norm(ctx, 0, NULL), ARGUMENT, "local_response_norm: a size of 0 channels");
    FAILS(soma_nn_layer_norm2d(ctx, 0, NULL), ARGUMENT, "layer_norm2d: 0 channels");
    FAILS(soma_nn_dropout2d(ctx, 2), ARGUMENT, "dropout2d: p is 2");
    FAILS(soma_forward(soma_nn_dropout2d(ctx, 0.5), x), SHAPE, "dropout2d: the input has shape [2, 4, 6]; 4 dimensions");
    FAILS(soma_forward(soma_nn_batch_norm_2d(ctx, 4, NULL), x), SHAPE, "batch_norm_2d: the input has shape [2, 4, 6]; [N, C, H, W] is wanted");
    FAILS(soma_forward(soma_nn_batch_norm_1d(ctx, 4, NULL), x2), SHAPE, "batch_norm_1d: the input has shape [2, 4, 6, 6]; [N, C] or [N, C, L]");
    FAILS(soma_forward(soma_nn_batch_norm_3d(ctx, 4, NULL), x2), SHAPE, "[N, C, D, H, W] is wanted");
    FAILS(soma_forward(soma_nn_instance_norm_1d(ctx, 4, NULL), x2), SHAPE, "instance_norm_1d: the input has shape [2, 4, 6, 6]; [N, C, L]");
    FAILS(soma_forward(soma_nn_batch_norm_2d(ctx, 3, NULL), x2), SHAPE, "batch_norm: the running mean");
    assert_null(soma_nn_conv2d(NULL, 1, 1, 1, NULL));
    assert_null(soma_nn_max_pool2d(NULL, 1, NULL));
    assert_null(soma_nn_zero_pad2d(NULL, SOMA_SHAPE(1)));
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights_have_pytorchs_shapes_and_bounds),
                                       cmocka_unit_test(zeros_of_conv_modules_are_the_defaults),
                                       cmocka_unit_test(modules_are_their_functions),
                                       cmocka_unit_test(borders_of_convolutions),
                                       cmocka_unit_test(instance_norms_running_statistics),
                                       cmocka_unit_test(captured_programs_see_a_new_p),
                                       cmocka_unit_test(shortcuts_are_added),
                                       cmocka_unit_test(what_does_not_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
