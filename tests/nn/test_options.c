/* Option structs. An explicit zero in every field means zero, or what the header says that zero means; bytes that this library does not know are an
 * error of every call that takes a struct. */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double number(soma_tensor *x) {
    double v = (double)NAN;
    check_fine(soma_tensor_context(x));
    assert_int_equal(soma_item(x, &v), SOMA_OK);
    return v;
}

static soma_tensor *vector(soma_context *ctx, const float *x, int64_t n) { return soma_from(ctx, x, SOMA_F32, &n, 1); }

/* The parameter, from 1, after two steps with gradients 3 and -1. */
static double two_steps(soma_tensor *w, soma_optim *o) {
    for (int i = 0; i < 2; i++) {
        soma_backward(soma_sum(soma_mul_scalar(w, i ? -1 : 3), NULL), NULL);
        soma_optim_step(o);
        soma_optim_zero_grad(o);
    }
    return number(w);
}
static soma_tensor *parameter(soma_context *ctx) {
    return soma_variable(soma_full(ctx, 1, SOMA_F32, SOMA_SHAPE(1)), &(soma_variable_opts){.requires_grad = 1});
}
static double adam(const soma_adam_opts *o, bool decoupled) {
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = parameter(ctx);
    soma_adamw_opts w_opts; /* the same fields */
    _Static_assert(sizeof w_opts == sizeof *o, "adamw has other settings than adam");
    if (o) memcpy(&w_opts, o, sizeof w_opts);
    double v = two_steps(w, decoupled ? soma_optim_adamw(ctx, &w, 1, 0.1, o ? &w_opts : NULL) : soma_optim_adam(ctx, &w, 1, 0.1, o));
    soma_context_free(ctx);
    return v;
}

/* Two steps of Adam as the paper has them. */
static double adam_by_hand(double b1, double b2, double eps, double decay, bool decoupled) {
    double w = 1, m = 0, v = 0;
    for (int t = 1; t <= 2; t++) {
        double g = (t == 1 ? 3 : -1) + (decoupled ? 0 : decay * w);
        if (decoupled) w -= 0.1 * decay * w;
        m = b1 * m + (1 - b1) * g;
        v = b2 * v + (1 - b2) * g * g;
        w -= 0.1 * (m / (1 - pow(b1, t))) / (sqrt(v / (1 - pow(b2, t))) + eps);
    }
    return w;
}

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-5)

static void adams_zeros_are_zeros(void **state) {
    (void)state;
    NEAR(adam(NULL, false), adam_by_hand(0.9, 0.999, 1e-8, 0, false));
    NEAR(adam(NULL, true), adam_by_hand(0.9, 0.999, 1e-8, 0.01, true));
    NEAR(adam(&(soma_adam_opts){.beta1 = SOMA_SET(0)}, false), adam_by_hand(0, 0.999, 1e-8, 0, false));
    NEAR(adam(&(soma_adam_opts){.beta2 = SOMA_SET(0)}, false), adam_by_hand(0.9, 0, 1e-8, 0, false));
    NEAR(adam(&(soma_adam_opts){.weight_decay = SOMA_SET(0)}, false), adam_by_hand(0.9, 0.999, 1e-8, 0, false));
    NEAR(adam(&(soma_adam_opts){.weight_decay = SOMA_SET(0)}, true), adam_by_hand(0.9, 0.999, 1e-8, 0, true));
    NEAR(adam(&(soma_adam_opts){.maximize = 0}, true), adam(NULL, true));
    /* the cases differ, so that they can be told apart */
    assert_true(fabs(adam_by_hand(0, 0.999, 1e-8, 0, false) - adam_by_hand(0.9, 0.999, 1e-8, 0, false)) > 1e-3);
    assert_true(fabs(adam_by_hand(0.9, 0, 1e-8, 0, false) - adam_by_hand(0.9, 0.999, 1e-8, 0, false)) > 1e-3);
    assert_true(fabs(adam(NULL, true) - adam(&(soma_adam_opts){.weight_decay = SOMA_SET(0)}, true)) > 1e-3);
    /* with eps 0 a gradient of 0 gives 0 / 0, as in PyTorch; with the default the weight stays */
    for (int zero = 0; zero < 2; zero++) {
        soma_context *ctx = check_context(NULL);
        soma_tensor *w = parameter(ctx);
        soma_optim *o = soma_optim_adam(ctx, &w, 1, 0.1, zero ? &(soma_adam_opts){.eps = SOMA_SET(0)} : NULL);
        soma_backward(soma_sum(soma_mul_scalar(w, 0), NULL), NULL);
        soma_optim_step(o);
        double v = number(w);
        assert_true(zero ? isnan(v) : v == 1);
        soma_context_free(ctx);
    }
    /* a group has its own */
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = parameter(ctx);
    soma_optim *o = soma_optim_adamw(ctx, NULL, 0, 0.5, NULL);
    assert_int_equal(soma_optim_adamw_group(o, &w, 1, 0.1, &(soma_adamw_opts){.beta1 = SOMA_SET(0), .weight_decay = SOMA_SET(0)}), SOMA_OK);
    NEAR(two_steps(w, o), adam_by_hand(0, 0.999, 1e-8, 0, true));
    soma_context_free(ctx);
}

static void sgds_zeros_are_pytorchs_defaults(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w[2] = {parameter(ctx), parameter(ctx)};
    soma_optim *o = soma_optim_sgd(ctx, w, 1, 0.1, &(soma_sgd_opts){.momentum = 0, .dampening = 0, .weight_decay = 0, .nesterov = 0, .maximize = 0});
    NEAR(two_steps(w[0], o), 1 - 0.1 * 3 + 0.1);
    assert_int_equal(soma_optim_state_count(o), 0);
    o = soma_optim_sgd(ctx, NULL, 0, 0.1, &(soma_sgd_opts){.momentum = 0.9});
    assert_int_equal(soma_optim_sgd_group(o, &w[1], 1, 0, &(soma_sgd_opts){.momentum = 0.5, .dampening = 0}), SOMA_OK);
    assert_true(two_steps(w[1], o) == 1); /* a learning rate of 0 is one */
    assert_true(soma_optim_set_lr(o, -1, 0) == SOMA_OK && soma_optim_get_lr(o, 0) == 0);
    soma_context_free(ctx);
}

static void cross_entropys_zeros_are_zeros(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float logits[6] = {0.5f, -1, 2, 0.1f, 0.3f, -0.7f};
    const int64_t classes[2] = {0, 2};
    soma_tensor *x = soma_from(ctx, logits, SOMA_F32, SOMA_SHAPE(2, 3)), *t = soma_from(ctx, classes, SOMA_I64, SOMA_SHAPE(2)),
                *lp = soma_log_softmax(x, 1);
    double row[2] = {-number(soma_reshape(soma_slice(soma_select(lp, 0, 0), 0, 0, 1, 1), NULL, 0)),
                     -number(soma_select(soma_select(lp, 0, 1), 0, 2))};
    NEAR(number(soma_cross_entropy(x, t, NULL)), (row[0] + row[1]) / 2);
    NEAR(number(soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.ignore_index = SOMA_SET(0)})), row[1]);
    NEAR(number(soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.label_smoothing = SOMA_SET(0)})), (row[0] + row[1]) / 2);
    NEAR(number(soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.reduction = 0, .weight = NULL})), (row[0] + row[1]) / 2);
    NEAR(number(soma_mse_loss(x, soma_mul_scalar(x, 0), &(soma_loss_opts){.reduction = 0})), number(soma_mean(soma_square(x), NULL)));
    soma_context_free(ctx);
}

static void reductions_zeros_are_zeros(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float v[4] = {1, 2, 4, 5};
    soma_tensor *x = vector(ctx, v, 4);
    assert_true(number(soma_var(x, NULL)) == (double)(10.0f / 3));
    assert_true(number(soma_var(x, &(soma_reduce_opts){.correction = SOMA_SET(0)})) == 2.5);
    NEAR(number(soma_std(x, &(soma_reduce_opts){.correction = SOMA_SET(0)})), sqrt(2.5));
    soma_tensor *sum = soma_sum(soma_reshape(x, SOMA_SHAPE(2, 2)), &(soma_reduce_opts){.ndims = 0, .keepdim = 0});
    assert_int_equal(soma_ndim(sum), 0);
    sum = soma_sum(soma_reshape(x, SOMA_SHAPE(2, 2)), &(soma_reduce_opts){.ndims = 1, .dims = {0}, .keepdim = 0}); /* dimension 0 is one */
    assert_int_equal(soma_ndim(sum), 1);
    float got[2];
    soma_read(sum, got, sizeof got);
    assert_true(got[0] == 5 && got[1] == 7);
    soma_context_free(ctx);
}

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)ctx, (void)user, (void)n_in, (void)n_out;
    out[0] = soma_square(in[0]);
    return SOMA_OK;
}

static void other_zeros_are_what_the_headers_say(void **state) {
    (void)state;
    soma_context *ctx =
        check_context(&(soma_context_opts){.allocator = NULL, .threads = 0, .seed = 0, .isa = NULL, .cancel = NULL, .log = NULL, .no_fusion = 0});
    assert_int_equal(soma_initial_seed(ctx), 0);
    const char *threads = getenv("SOMA_THREADS");
    if (!threads) assert_int_equal(soma_context_threads(ctx), sysconf(_SC_NPROCESSORS_ONLN));
    soma_tensor *v =
        soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1)), &(soma_variable_opts){.name = NULL, .requires_grad = 0, .scope_of = NULL});
    assert_false(soma_tensor_requires_grad(v));
    assert_string_equal(soma_tensor_name(v), "");
    soma_module *m = soma_nn_linear(ctx, 3, 2, &(soma_linear_opts){.no_bias = 0, .dtype = 0});
    assert_int_equal(soma_module_state_count(m), 2);
    soma_tensor *const *params, *loss = soma_sum(soma_square(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 3)))), NULL), *g;
    size_t n;
    soma_module_parameters(m, &params, &n);
    assert_int_equal(soma_tensor_dtype(params[0]), SOMA_F32);
    assert_true(soma_grad(&loss, 1, &v, 1, &g, &(soma_grad_opts){.seeds = NULL, .allow_unused = 0}) < 0);
    assert_int_equal(soma_error_take(ctx), SOMA_ERROR_STATE);
    /* max_shapes 0: eight sets of shapes */
    soma_slot slot = {{1}, 1, SOMA_F32};
    soma_program *p = soma_capture(ctx, body, NULL, &slot, 1, 1, &(soma_capture_opts){.max_shapes = 0});
    float x[9] = {0};
    for (int64_t size = 1; size <= 9; size++) {
        soma_program_bind(p, 0, x, &size);
        assert_int_equal(soma_program_run(p), size <= 8 ? SOMA_OK : SOMA_ERROR_STATE);
    }
    check_error(ctx, SOMA_ERROR_STATE, "raise max_shapes");
    soma_loader *l = soma_loader_new(ctx, soma_dataset_arrays(ctx, x, (int64_t[9]){0, 1, 2, 3, 4, 5, 6, 7, 8}, 9, NULL, 0), 4,
                                     &(soma_loader_opts){.shuffle = 0, .drop_last = 0, .seed = 0, .no_prefetch = 0});
    assert_int_equal(soma_loader_count(l), 3);
    soma_batch b;
    for (int64_t i = 0; soma_loader_next(l, &b); i += 4) assert_true(b.targets[0] == i);
    check_fine(ctx);
    soma_context_free(ctx);
}

static char images[64], labels[64];

static void an_idx_scale_of_zero_is_zero(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (int zero = 0; zero < 2; zero++) {
        soma_dataset *d = soma_dataset_idx(ctx, images, labels, zero ? &(soma_idx_opts){.scale = SOMA_SET(0)} : NULL);
        soma_batch b = {0};
        soma_loader_next(soma_loader_new(ctx, d, 1, NULL), &b);
        check_fine(ctx);
        assert_true(b.inputs[0] == (zero ? 0 : 51 * (float)(1.0 / 255)));
    }
    soma_context_free(ctx);
}

/* Every call that takes an option struct; each says whether it failed. */
typedef struct fixture {
    soma_context *ctx;
    soma_tensor *x, *w;
    soma_dataset *data;
} fixture;

#define CALL(name, type, e) \
    static bool call_##name(fixture *f, const void *o, size_t size) { \
        (void)f; \
        return (e); \
    }
static const soma_slot a_slot = {{1}, 1, SOMA_F32};
static bool no_context(const void *o, size_t size) {
    soma_context *ctx = NULL;
    soma_status s = soma_context_create_v(&ctx, o, size);
    assert_true((s == SOMA_OK) == (ctx != NULL));
    soma_context_free(ctx);
    if (s != SOMA_OK) assert_int_equal(s, SOMA_ERROR_VERSION);
    return s != SOMA_OK;
}
static bool no_grad(fixture *f, const void *o, size_t size) {
    soma_tensor *y = soma_sum(soma_square(f->w), NULL), *g;
    return soma_grad_v(&y, 1, &f->w, 1, &g, o, size) != SOMA_OK;
}
/* Not for the shapes, which a loss checks after its options. */
static bool refused(fixture *f, const char *name) {
    if (soma_error_status(f->ctx) != SOMA_ERROR_SHAPE) return true;
    assert_true(strncmp(soma_error_message(f->ctx), name, strlen(name)) == 0);
    soma_error_take(f->ctx);
    return false;
}
CALL(context_create, soma_context_opts, no_context(o, size))
CALL(variable, soma_variable_opts, !soma_variable_v(f->x, o, size))
CALL(capture, soma_capture_opts, !soma_capture_v(f->ctx, body, NULL, &a_slot, 1, 1, o, size))
CALL(grad, soma_grad_opts, no_grad(f, o, size))
CALL(nn_layer_norm, soma_layer_norm_opts, !soma_nn_layer_norm_v(f->ctx, SOMA_SHAPE(2), o, size))
CALL(nn_batch_norm_1d, soma_batch_norm_opts, !soma_nn_batch_norm_1d_v(f->ctx, 2, o, size))
/* Not for its sizes, without which there is nothing to do, and which are looked at behind the options. */
static bool sized(fixture *f) {
    if (soma_error_status(f->ctx) != SOMA_ERROR_ARGUMENT) return true;
    assert_non_null(strstr(soma_error_message(f->ctx), "size"));
    soma_error_take(f->ctx);
    return false;
}
CALL(nn_conv1d, soma_conv_module_opts, !soma_nn_conv1d_v(f->ctx, 1, 1, 1, o, size))
CALL(nn_conv_transpose1d, soma_conv_module_opts, !soma_nn_conv_transpose1d_v(f->ctx, 1, 1, 1, o, size))
CALL(nn_max_pool1d, soma_pool_opts, !soma_nn_max_pool1d_v(f->ctx, 1, o, size))
CALL(nn_avg_pool1d, soma_pool_opts, !soma_nn_avg_pool1d_v(f->ctx, 1, o, size))
CALL(nn_instance_norm_1d, soma_instance_norm_opts, !soma_nn_instance_norm_1d_v(f->ctx, 1, o, size))
CALL(nn_conv2d, soma_conv_module_opts, !soma_nn_conv2d_v(f->ctx, 1, 1, 1, o, size))
CALL(nn_conv_transpose2d, soma_conv_module_opts, !soma_nn_conv_transpose2d_v(f->ctx, 1, 1, 1, o, size))
CALL(nn_max_pool2d, soma_pool_opts, !soma_nn_max_pool2d_v(f->ctx, 1, o, size))
CALL(nn_avg_pool2d, soma_pool_opts, !soma_nn_avg_pool2d_v(f->ctx, 1, o, size))
CALL(nn_instance_norm_2d, soma_instance_norm_opts, !soma_nn_instance_norm_2d_v(f->ctx, 1, o, size))
CALL(nn_batch_norm_2d, soma_batch_norm_opts, !soma_nn_batch_norm_2d_v(f->ctx, 1, o, size))
CALL(nn_conv3d, soma_conv_module_opts, !soma_nn_conv3d_v(f->ctx, 1, 1, 1, o, size))
CALL(nn_conv_transpose3d, soma_conv_module_opts, !soma_nn_conv_transpose3d_v(f->ctx, 1, 1, 1, o, size))
CALL(nn_max_pool3d, soma_pool_opts, !soma_nn_max_pool3d_v(f->ctx, 1, o, size))
CALL(nn_avg_pool3d, soma_pool_opts, !soma_nn_avg_pool3d_v(f->ctx, 1, o, size))
CALL(nn_instance_norm_3d, soma_instance_norm_opts, !soma_nn_instance_norm_3d_v(f->ctx, 1, o, size))
CALL(nn_batch_norm_3d, soma_batch_norm_opts, !soma_nn_batch_norm_3d_v(f->ctx, 1, o, size))
CALL(nn_unfold, soma_pool_opts, !soma_nn_unfold_v(f->ctx, 1, o, size))
CALL(nn_fold, soma_pool_opts, !soma_nn_fold_v(f->ctx, (const int64_t[]){1}, 1, 1, o, size))
CALL(nn_group_norm, soma_group_norm_opts, !soma_nn_group_norm_v(f->ctx, 1, 1, o, size))
CALL(nn_layer_norm2d, soma_layer_norm_opts, !soma_nn_layer_norm2d_v(f->ctx, 1, o, size))
CALL(nn_local_response_norm, soma_local_response_norm_opts, !soma_nn_local_response_norm_v(f->ctx, 1, o, size))
CALL(nn_upsample, soma_interpolate_opts, !soma_nn_upsample_v(f->ctx, o, size) && sized(f))
CALL(nn_embedding, soma_embedding_opts, !soma_nn_embedding_v(f->ctx, 2, 2, o, size))
CALL(nn_linear, soma_linear_opts, !soma_nn_linear_v(f->ctx, 2, 2, o, size))
#define LOSS2(name, shapes, options, doc) \
    static bool call_##name(fixture *f, const void *o, size_t size) { return !soma_##name##_v(f->x, f->x, o, size) && refused(f, #name); }
#define LOSS3(name, third, shapes, options, doc) \
    static bool call_##name(fixture *f, const void *o, size_t size) { return !soma_##name##_v(f->x, f->x, f->x, o, size) && refused(f, #name); }
#include "soma/losses.def"
#undef LOSS2
#undef LOSS3
CALL(sum, soma_reduce_opts, !soma_sum_v(f->x, o, size))
CALL(mean, soma_reduce_opts, !soma_mean_v(f->x, o, size))
CALL(var, soma_reduce_opts, !soma_var_v(f->x, o, size))
CALL(std, soma_reduce_opts, !soma_std_v(f->x, o, size))
CALL(amax, soma_reduce_opts, !soma_amax_v(f->x, o, size))
CALL(amin, soma_reduce_opts, !soma_amin_v(f->x, o, size))
CALL(logsumexp, soma_reduce_opts, !soma_logsumexp_v(f->x, o, size))
CALL(cross_entropy, soma_cross_entropy_opts, !soma_cross_entropy_v(f->x, f->x, o, size))
#define OPTIMIZER(name, rate, settings, doc) \
    CALL(optim_##name, soma_##name##_opts, !soma_optim_##name##_v(f->ctx, &f->w, 1, 0.1, o, size)) \
    static bool call_optim_##name##_group(fixture *f, const void *o, size_t size) { \
        return soma_optim_##name##_group_v(soma_optim_##name(f->ctx, NULL, 0, 0.1, NULL), NULL, 0, 0.1, o, size) != SOMA_OK; \
    }
#include "soma/optimizers.def"
#undef OPTIMIZER
CALL(schedule_one_cycle, soma_one_cycle_opts, !soma_schedule_one_cycle_v(f->ctx, 1, 5, o, size))
static soma_tensor *kernel_of(fixture *f, int dims) {
    const int64_t ones[5] = {1, 1, 1, 1, 1};
    return soma_zeros(f->ctx, SOMA_F32, ones, dims + 2);
}
CALL(conv1d, soma_conv_opts, !soma_conv1d_v(kernel_of(f, 1), kernel_of(f, 1), NULL, o, size))
CALL(conv2d, soma_conv_opts, !soma_conv2d_v(kernel_of(f, 2), kernel_of(f, 2), NULL, o, size))
CALL(conv3d, soma_conv_opts, !soma_conv3d_v(kernel_of(f, 3), kernel_of(f, 3), NULL, o, size))
CALL(conv_transpose1d, soma_conv_opts, !soma_conv_transpose1d_v(kernel_of(f, 1), kernel_of(f, 1), NULL, o, size))
CALL(conv_transpose2d, soma_conv_opts, !soma_conv_transpose2d_v(kernel_of(f, 2), kernel_of(f, 2), NULL, o, size))
CALL(conv_transpose3d, soma_conv_opts, !soma_conv_transpose3d_v(kernel_of(f, 3), kernel_of(f, 3), NULL, o, size))
CALL(max_pool1d, soma_pool_opts, !soma_max_pool1d_v(kernel_of(f, 1), 1, NULL, o, size))
CALL(avg_pool1d, soma_pool_opts, !soma_avg_pool1d_v(kernel_of(f, 1), 1, o, size))
CALL(max_pool2d, soma_pool_opts, !soma_max_pool2d_v(kernel_of(f, 2), 1, NULL, o, size))
CALL(avg_pool2d, soma_pool_opts, !soma_avg_pool2d_v(kernel_of(f, 2), 1, o, size))
CALL(max_pool3d, soma_pool_opts, !soma_max_pool3d_v(kernel_of(f, 3), 1, NULL, o, size))
CALL(avg_pool3d, soma_pool_opts, !soma_avg_pool3d_v(kernel_of(f, 3), 1, o, size))
CALL(unfold, soma_pool_opts, !soma_unfold_v(kernel_of(f, 2), 1, o, size))
CALL(fold, soma_pool_opts, !soma_fold_v(kernel_of(f, 1), (const int64_t[]){1}, 1, 1, o, size))
CALL(interpolate, soma_interpolate_opts, !soma_interpolate_v(kernel_of(f, 2), o, size) && sized(f))
CALL(dataset_glyphs, soma_glyph_opts, !soma_dataset_glyphs_v(f->ctx, 1, o, size))
CALL(dataset_generate, soma_generate_opts, !soma_dataset_generate_v(f->ctx, "moons", 1, o, size))
static const char a_table[] = "x,y\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n";
static soma_table *table_of(fixture *f) { return soma_table_from_memory(f->ctx, a_table, sizeof a_table - 1, NULL); }
CALL(table_from_memory, soma_table_opts, !soma_table_from_memory_v(f->ctx, a_table, sizeof a_table - 1, o, size))
CALL(columns_fit, soma_columns_opts, !soma_columns_fit_v(f->ctx, table_of(f), NULL, 0, o, size))
static bool split(fixture *f, const void *o, size_t size) {
    int64_t *rows[2], n[2];
    return soma_table_split_v(table_of(f), &rows[0], &n[0], &rows[1], &n[1], o, size) != SOMA_OK;
}
static bool perceptron(fixture *f, const void *o, size_t size) {
    const float x[2] = {0, 1};
    const int64_t classes[2] = {0, 1};
    soma_perceptron p;
    return soma_perceptron_fit_v(f->ctx, x, classes, 2, 1, &p, o, size) != SOMA_OK;
}
CALL(perceptron_fit, soma_perceptron_opts, perceptron(f, o, size))
CALL(table_split, soma_split_opts, split(f, o, size))
CALL(dataset_idx, soma_idx_opts, !soma_dataset_idx_v(f->ctx, images, labels, o, size))
CALL(loader_new, soma_loader_opts, !soma_loader_new_v(f->ctx, f->data, 1, o, size))

#if SOMA_HAVE_MODELS
static bool no_train(fixture *f, const void *o, size_t size) {
    static const char json[] =
        "{\"data\": {\"kind\": \"glyphs\", \"train\": 4, \"test\": 2}, \"model\": [\"flatten\", {\"linear\": 10}], \"train\": {\"epochs\": 1}}";
    soma_train_result r;
    return soma_train_v(soma_recipe_read(f->ctx, json, sizeof json - 1), &r, o, size) != SOMA_OK;
}
CALL(train, soma_train_opts, no_train(f, o, size))
#endif

static const struct {
    const char *name;
    size_t size;
    bool (*failed)(fixture *f, const void *o, size_t size);
} calls[] = {
#define ROW(name, type) \
    { #name, sizeof(type), call_##name }
    ROW(context_create, soma_context_opts),
    ROW(variable, soma_variable_opts),
    ROW(capture, soma_capture_opts),
    ROW(grad, soma_grad_opts),
    ROW(nn_layer_norm, soma_layer_norm_opts),
    ROW(nn_batch_norm_1d, soma_batch_norm_opts),
    ROW(nn_conv1d, soma_conv_module_opts),
    ROW(nn_conv_transpose1d, soma_conv_module_opts),
    ROW(nn_max_pool1d, soma_pool_opts),
    ROW(nn_avg_pool1d, soma_pool_opts),
    ROW(nn_instance_norm_1d, soma_instance_norm_opts),
    ROW(nn_conv2d, soma_conv_module_opts),
    ROW(nn_conv_transpose2d, soma_conv_module_opts),
    ROW(nn_max_pool2d, soma_pool_opts),
    ROW(nn_avg_pool2d, soma_pool_opts),
    ROW(nn_instance_norm_2d, soma_instance_norm_opts),
    ROW(nn_batch_norm_2d, soma_batch_norm_opts),
    ROW(nn_conv3d, soma_conv_module_opts),
    ROW(nn_conv_transpose3d, soma_conv_module_opts),
    ROW(nn_max_pool3d, soma_pool_opts),
    ROW(nn_avg_pool3d, soma_pool_opts),
    ROW(nn_instance_norm_3d, soma_instance_norm_opts),
    ROW(nn_batch_norm_3d, soma_batch_norm_opts),
    ROW(nn_unfold, soma_pool_opts),
    ROW(nn_fold, soma_pool_opts),
    ROW(nn_group_norm, soma_group_norm_opts),
    ROW(nn_layer_norm2d, soma_layer_norm_opts),
    ROW(nn_local_response_norm, soma_local_response_norm_opts),
    ROW(nn_upsample, soma_interpolate_opts),
    ROW(nn_embedding, soma_embedding_opts),
    ROW(nn_linear, soma_linear_opts),
    ROW(cross_entropy, soma_cross_entropy_opts),
#define OPTIMIZER(name, rate, settings, doc) \
    ROW(optim_##name, soma_##name##_opts) \
    , ROW(optim_##name##_group, soma_##name##_opts) \
    ,
#include "soma/optimizers.def"
#undef OPTIMIZER
    ROW(schedule_one_cycle, soma_one_cycle_opts),
    ROW(dataset_idx, soma_idx_opts),
    ROW(conv1d, soma_conv_opts),
    ROW(conv2d, soma_conv_opts),
    ROW(conv3d, soma_conv_opts),
    ROW(conv_transpose1d, soma_conv_opts),
    ROW(conv_transpose2d, soma_conv_opts),
    ROW(conv_transpose3d, soma_conv_opts),
    ROW(max_pool1d, soma_pool_opts),
    ROW(avg_pool1d, soma_pool_opts),
    ROW(max_pool2d, soma_pool_opts),
    ROW(avg_pool2d, soma_pool_opts),
    ROW(max_pool3d, soma_pool_opts),
    ROW(avg_pool3d, soma_pool_opts),
    ROW(unfold, soma_pool_opts),
    ROW(fold, soma_pool_opts),
    ROW(interpolate, soma_interpolate_opts),
    ROW(dataset_glyphs, soma_glyph_opts),
    ROW(dataset_generate, soma_generate_opts),
    ROW(table_from_memory, soma_table_opts),
    ROW(columns_fit, soma_columns_opts),
    ROW(table_split, soma_split_opts),
    ROW(perceptron_fit, soma_perceptron_opts),
    ROW(loader_new, soma_loader_opts),
#define LOSS2(name, shapes, options, doc) \
    ROW(name, soma_loss_opts) \
    ,
#define LOSS3(name, third, shapes, options, doc) \
    ROW(name, soma_loss_opts) \
    ,
#include "soma/losses.def"
#undef LOSS2
#undef LOSS3
    ROW(sum, soma_reduce_opts),
    ROW(mean, soma_reduce_opts),
    ROW(var, soma_reduce_opts),
    ROW(std, soma_reduce_opts),
    ROW(amax, soma_reduce_opts),
    ROW(amin, soma_reduce_opts),
    ROW(logsumexp, soma_reduce_opts),
#if SOMA_HAVE_MODELS
    ROW(train, soma_train_opts),
#endif
};
#define CALLS (sizeof calls / sizeof *calls)

static void options_from_the_future_are_refused_by_every_call(void **state) {
    (void)state;
    const float numbers[1] = {1};
    const int64_t class = 0;
    for (size_t i = 0; i < CALLS; i++) {
        fixture f = {.ctx = check_context(&(soma_context_opts){.threads = 1})};
        f.x = vector(f.ctx, numbers, 1);
        f.w = parameter(f.ctx);
        f.data = soma_dataset_arrays(f.ctx, numbers, &class, 1, NULL, 0);
        check_fine(f.ctx);
        uint64_t o[64] = {0};
        size_t known = calls[i].size, later = known + 24;
        assert_true(later <= sizeof o);
        /* an older caller's shorter struct, the library's own, and a newer one with nothing new in it */
        const size_t sizes[4] = {8, known - 8, known, later};
        for (int k = 0; k < 4; k++)
            if (calls[i].failed(&f, o, sizes[k])) fail_msg("%s: %d bytes of zeros: %s", calls[i].name, (int)sizes[k], soma_error_message(f.ctx));
        if (calls[i].failed(&f, NULL, 0)) fail_msg("%s: NULL options: %s", calls[i].name, soma_error_message(f.ctx));
        /* a byte in what is reserved, just beyond what is known, and at the very end */
        const size_t set[4] = {known - 32, known - 1, known, later - 1};
        for (int k = 0; k < 4; k++) {
            ((unsigned char *)o)[set[k]] = 1;
            if (!calls[i].failed(&f, o, later)) fail_msg("%s: byte %d was not refused", calls[i].name, (int)set[k]);
            if (i) check_error(f.ctx, SOMA_ERROR_VERSION, "a newer soma is needed");
            ((unsigned char *)o)[set[k]] = 0;
        }
        soma_context_free(f.ctx);
    }
}

/* The table above has a row for each struct-taking call of the headers. */
static void no_call_is_left_out(void **state) {
    (void)state;
    static const char *const headers[] = {"context.h", "tensor.h",   "ops.h",  "ops.def", "grad.h",       "capture.h", "nn.h",
                                          "optim.h",   "schedule.h", "data.h", "table.h", "perceptron.h", "train.h"};
    int found = 0;
    for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) {
        char path[512], line[512];
        snprintf(path, sizeof path, SOMA_TESTS_DIR "/../include/soma/%s", headers[h]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        while (fgets(line, sizeof line, f)) {
            char *at = strstr(line, "SOMA_WITH_OPTS("), name[64] = "";
            if (strncmp(line, "OP_WITH(", 8) == 0 || strncmp(line, "COMPOSITE_WITH(", 15) == 0) sscanf(line, "%*[A-Z_](%63[a-z_0-9]", name);
            else if (at) sscanf(at, "SOMA_WITH_OPTS(%*[^,], soma_%63[a-z_0-9]", name);
            else if (strstr(line, "SOMA_API") && (at = strstr(line, "_v("))) {
                char *start = at;
                while (strncmp(start, "soma_", 5) != 0) start--;
                snprintf(name, sizeof name, "%.*s", (int)(at - start - 5), start + 5);
            }
            if (!*name || strcmp(name, "optim_") == 0) continue; /* optim_: optimizers.def's, of which the table above is made */
#if !SOMA_HAVE_MODELS
            if (strcmp(name, "train") == 0) continue;
#endif
            if (strcmp(name, "table_open") == 0) continue; /* as table_from_memory, and a file */
            size_t i = 0;
            while (i < CALLS && strcmp(calls[i].name, name) != 0) i++;
            if (i == CALLS) fail_msg("soma_%s takes options and has no row", name);
            found++;
        }
        fclose(f);
    }
#define LOSS2(name, shapes, options, doc) +1
#define LOSS3(name, third, shapes, options, doc) +1
    found += 0
#include "soma/losses.def"
        ;
    for (size_t i = 0; i < CALLS; i++) found += strncmp(calls[i].name, "optim_", 6) == 0;
    assert_int_equal(found, CALLS);
}

static void write_file(char *path, const void *data, size_t size) {
    strcpy(path, "/tmp/soma-options-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    close(fd);
}

int main(void) {
    const unsigned char x[17] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 51}, y[9] = {0, 0, 8, 1, 0, 0, 0, 1, 0};
    write_file(images, x, sizeof x);
    write_file(labels, y, sizeof y);
    const struct CMUnitTest tests[] = {cmocka_unit_test(adams_zeros_are_zeros),
                                       cmocka_unit_test(sgds_zeros_are_pytorchs_defaults),
                                       cmocka_unit_test(cross_entropys_zeros_are_zeros),
                                       cmocka_unit_test(reductions_zeros_are_zeros),
                                       cmocka_unit_test(other_zeros_are_what_the_headers_say),
                                       cmocka_unit_test(an_idx_scale_of_zero_is_zero),
                                       cmocka_unit_test(options_from_the_future_are_refused_by_every_call),
                                       cmocka_unit_test(no_call_is_left_out)};
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(images), unlink(labels);
    return bad;
}
