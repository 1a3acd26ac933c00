/* Batch norms in eval mode: in the step of the convolution before them, with the bits of an op alone; and folded into its weights, as PyTorch folds
 * them, rounded differently and no more than that. */
#include "support/check.h"

#include "golden/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
enum { MOST = 8192 };
static const double ulp = 0x1p-24; /* half of a unit: what rounding once errs by, relative to the result */

/* The formula of tools/golden_nets.py. */
static double drawn(int64_t i, int64_t j) {
    uint64_t x = ((uint64_t)i * 2654435761u + (uint64_t)j * 1013904223u + 12345) & 0xffffffffu;
    x = ((x ^ x >> 15) * 2246822519u) & 0xffffffffu;
    return (double)(x >> 16) / 32768 - 1;
}

static void set(soma_tensor *v, int64_t row, double base, double factor) {
    static float numbers[MOST];
    assert_true(soma_numel(v) <= MOST);
    for (int64_t i = 0; i < soma_numel(v); i++) numbers[i] = (float)(base + drawn(i, row) * factor);
    assert_int_equal(soma_assign_from(v, numbers, (size_t)soma_numel(v) * sizeof *numbers), SOMA_OK);
}

static soma_tensor *state_of(soma_module *m, const char *name) {
    char key[64];
    soma_tensor *t;
    for (size_t i = 0; soma_module_state(m, i, key, sizeof key, &t) == SOMA_OK; i++)
        if (strcmp(key, name) == 0) return t;
    return NULL;
}

/* A layer and a norm, with numbers by the formula, in eval mode. */
static soma_module *pair(soma_context *ctx, soma_module *layer, soma_module *norm) {
    static const char *const names[] = {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"};
    static const double base[] = {0, 0, 1, 0, 0, 1.5}, factor[] = {1, 1, 0.25, 1, 1, 1};
    soma_module *m = soma_nn_sequential(ctx, SOMA_MODULES(layer, norm));
    for (int64_t j = 0; j < 6; j++) {
        soma_tensor *v = state_of(m, names[j]);
        if (v && soma_tensor_dtype(v) == SOMA_F32) set(v, j, base[j], factor[j]);
    }
    soma_module_train(m, false);
    check_fine(ctx);
    return m;
}

static void folds(soma_module *m, int64_t want) {
    int64_t n = -1;
    assert_int_equal(soma_nn_fold_batch_norm(m, &n), SOMA_OK);
    assert_int_equal(n, want);
}

static const soma_conv_module_opts no_bias = {.no_bias = 1}, by_two = {.groups = 2};

/* Rounded once: half a unit of the value, and what PyTorch's own float64 errs by. */
static void folded_values_are_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *const made[] = {
        pair(ctx, soma_nn_conv1d(ctx, 4, 4, 3, &by_two), soma_nn_batch_norm_1d(ctx, 4, &(soma_batch_norm_opts){.eps = SOMA_SET(1e-3)})),
        pair(ctx, soma_nn_conv2d(ctx, 2, 3, 2, NULL), soma_nn_batch_norm_2d(ctx, 3, NULL)),
        pair(ctx, soma_nn_conv2d(ctx, 2, 3, 2, &no_bias), soma_nn_batch_norm_2d(ctx, 3, NULL)),
        pair(ctx, soma_nn_conv2d(ctx, 2, 3, 2, NULL), soma_nn_batch_norm_2d(ctx, 3, &(soma_batch_norm_opts){.no_affine = 1})),
        pair(ctx, soma_nn_conv3d(ctx, 1, 2, 1, &(soma_conv_module_opts){.kernel = {1, 2, 3}}), soma_nn_batch_norm_3d(ctx, 2, NULL)),
        pair(ctx, soma_nn_conv_transpose1d(ctx, 2, 3, 2, NULL), soma_nn_batch_norm_1d(ctx, 3, NULL)),
        pair(ctx, soma_nn_conv_transpose2d(ctx, 3, 2, 2, &no_bias), soma_nn_batch_norm_2d(ctx, 2, NULL)),
        pair(ctx, soma_nn_linear(ctx, 3, 4, NULL), soma_nn_batch_norm_1d(ctx, 4, NULL)),
    };
    assert_int_equal(COUNT(made), COUNT(golden_folds));
    for (size_t i = 0; i < COUNT(made); i++) {
        folds(made[i], 1);
        for (int b = 0; b < 2; b++) {
            float v[24];
            soma_tensor *t = state_of(made[i], b ? "0.bias" : "0.weight");
            const double *want = b ? golden_folds[i].bias : golden_folds[i].weight;
            int64_t n = soma_numel(t);
            assert_true(b || n == golden_folds[i].n);
            assert_int_equal(soma_read(t, v, (size_t)n * sizeof *v), SOMA_OK);
            for (int64_t k = 0; k < n; k++)
                if (!(fabs((double)v[k] - want[k]) <= ulp * fabs(want[k]) + 1e-14))
                    fail_msg("%s: %s %d is %.9g, PyTorch's is %.17g", golden_folds[i].name, b ? "bias" : "weight", (int)k, (double)v[k], want[k]);
        }
    }
    soma_context_free(ctx);
}

/* With u = 2^-24, s = gamma / sqrt(var + eps), and all sums of magnitudes: what is unfolded errs by (k + 1) u (|w| * |x| + |b|) |s| for k products
 * and the bias, by 4 u of that and of |mean| |s| for the factor (two operations and a root), the difference and the product, and by u of the result;
 * what is folded, whose weights and bias are off by u, by (k + 2) u of |w s| * |x| + |b'|, with |b'| <= (|b| + |mean|) |s| + |beta|. Together at most
 * (2 k + 12) u ((|w| * |x| + |b| + |mean|) |s| + |beta|), to first order; 1 % is for the rest. */
static void is_close(soma_context *ctx, soma_module *m, soma_module *magnitudes, const int64_t *shape, int64_t ndim) {
    static float x[MOST], y[2][MOST], sums[MOST];
    float mean[16], var[16], gamma[16], beta[16];
    int64_t numel = 1;
    for (int64_t d = 0; d < ndim; d++) numel *= shape[d];
    for (int64_t i = 0; i < numel; i++) x[i] = (float)drawn(i, 6);
    soma_tensor *in = soma_from(ctx, x, SOMA_F32, shape, ndim), *out = soma_forward(m, in), *w = state_of(m, "0.weight"), *b = state_of(m, "0.bias");
    int64_t n = soma_numel(out), channels = soma_size(out, 1), pixels = n / soma_size(out, 0) / channels, k = soma_numel(w) / channels;
    size_t bytes = (size_t)channels * sizeof(float);
    soma_assign(state_of(magnitudes, "weight"), soma_abs(w));
    if (b) soma_assign(state_of(magnitudes, "bias"), soma_abs(b));
    assert_true(n <= MOST && channels <= 16);
    soma_read(soma_forward(magnitudes, soma_abs(in)), sums, (size_t)n * sizeof *sums);
    soma_read(out, y[0], (size_t)n * sizeof(float));
    soma_read(state_of(m, "1.running_mean"), mean, bytes), soma_read(state_of(m, "1.running_var"), var, bytes);
    soma_read(state_of(m, "1.weight"), gamma, bytes), soma_read(state_of(m, "1.bias"), beta, bytes);
    folds(m, 1);
    assert_int_equal(soma_read(soma_forward(m, in), y[1], (size_t)n * sizeof(float)), SOMA_OK);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = i / pixels % channels;
        double s = fabs((double)gamma[c]) / sqrt((double)var[c] + 1e-5);
        double bound = 1.01 * (double)(2 * k + 12) * ulp * (((double)sums[i] + fabs((double)mean[c])) * s + fabs((double)beta[c]));
        if (!(fabs((double)y[0][i] - (double)y[1][i]) <= bound))
            fail_msg("element %d: %.9g folded, %.9g before; %.3g may be between", (int)i, (double)y[1][i], (double)y[0][i], bound);
    }
}

#define CLOSE(n, make, options, in, out, kernel, ...) \
    is_close(ctx, pair(ctx, make(ctx, in, out, kernel, options), soma_nn_batch_norm_##n##d(ctx, out, NULL)), make(ctx, in, out, kernel, options), \
             SOMA_SHAPE(__VA_ARGS__))
static void results_are_close(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const soma_conv_module_opts reflect = {.padding = {1, 1}, .padding_mode = SOMA_PAD_REFLECT, .no_bias = 1}, same = {.same = 1, .dilation = {2}},
                                strided = {.stride = {2, 1}, .padding = {1, 2}, .groups = 2};
    CLOSE(1, soma_nn_conv1d, &by_two, 4, 6, 3, 2, 4, 17);
    CLOSE(2, soma_nn_conv2d, NULL, 3, 8, 3, 2, 3, 9, 7);
    CLOSE(2, soma_nn_conv2d, &reflect, 3, 5, 3, 2, 3, 9, 7);
    CLOSE(2, soma_nn_conv2d, &same, 3, 5, 3, 2, 3, 9, 7);
    CLOSE(2, soma_nn_conv2d, &strided, 4, 6, 3, 1, 4, 9, 7);
    CLOSE(3, soma_nn_conv3d, &no_bias, 2, 4, 2, 2, 2, 4, 5, 6);
    CLOSE(1, soma_nn_conv_transpose1d, &by_two, 4, 6, 3, 2, 4, 9);
    CLOSE(2, soma_nn_conv_transpose2d, &strided, 4, 6, 3, 2, 4, 5, 6);
    CLOSE(3, soma_nn_conv_transpose3d, &no_bias, 2, 3, 2, 1, 2, 3, 4, 3);
    is_close(ctx, pair(ctx, soma_nn_linear(ctx, 40, 12, NULL), soma_nn_batch_norm_1d(ctx, 12, NULL)), soma_nn_linear(ctx, 40, 12, NULL),
             SOMA_SHAPE(5, 40));
    check_fine(ctx);
    soma_context_free(ctx);
}

static soma_module *conv(soma_context *ctx, int64_t in) {
    return soma_nn_conv2d(ctx, in, 8, 3, &(soma_conv_module_opts){.padding = {1, 1}, .no_bias = 1});
}
static soma_module *norm(soma_context *ctx) { return soma_nn_batch_norm_2d(ctx, 8, NULL); }

/* Three convolutions, one behind which a residual is added. */
static soma_module *residual_net(soma_context *ctx) {
    soma_module *block = soma_nn_sequential(ctx, SOMA_MODULES(conv(ctx, 8), norm(ctx), soma_nn_relu(ctx), conv(ctx, 8), norm(ctx)));
    soma_module *m =
        soma_nn_sequential(ctx, SOMA_MODULES(conv(ctx, 3), norm(ctx), soma_nn_relu(ctx), soma_nn_residual(ctx, block), soma_nn_relu(ctx)));
    soma_tensor *t;
    char key[64];
    for (size_t i = 0; soma_module_state(m, i, key, sizeof key, &t) == SOMA_OK; i++)
        if (soma_tensor_dtype(t) == SOMA_F32) set(t, (int64_t)i, strstr(key, "var") ? 1.5 : strstr(key, "mean") ? 0.1 : 0, 0.4);
    soma_module_train(m, false);
    return m;
}

static soma_status forward(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    out[0] = soma_forward(user, in[0]);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

typedef struct numbers {
    float v[2 * 8 * 6 * 6];
} numbers;
static float pictures[2 * 3 * 6 * 6];
static numbers run(soma_program *p) {
    const void *y;
    numbers n;
    soma_program_bind(p, 0, pictures, NULL);
    assert_int_equal(soma_program_run(p), SOMA_OK);
    soma_program_output(p, 0, &y, NULL);
    memcpy(&n, y, sizeof n);
    return n;
}
static soma_program *captured(soma_module *m) {
    for (size_t i = 0; i < COUNT(pictures); i++) pictures[i] = (float)drawn((int64_t)i, 7);
    return soma_capture(soma_module_context(m), forward, m, &(soma_slot){{2, 3, 6, 6}, 4, SOMA_F32}, 1, 1, NULL);
}

static int occurrences(const char *text, const char *word) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++) n++;
    return n;
}

/* The only steps beside are the factors' of a few numbers; folded, there are none. All ways give the same bits but folding. */
static void a_norm_runs_in_its_convolutions_step(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL), *alone = check_context(&(soma_context_opts){.no_fusion = 1});
    soma_module *m = residual_net(ctx);
    char *text;
    soma_program *p = captured(m);
    numbers fused = run(p), unfused = run(captured(residual_net(alone)));
    assert_memory_equal(&fused, &unfused, sizeof fused);
    assert_int_equal(soma_program_explain(p, &text), SOMA_OK);
    const char *fuse = getenv("SOMA_FUSE");
    bool fuses = strstr(text, "kernel conv") && !(fuse && strcmp(fuse, "0") == 0);
    if (fuses) {
        assert_non_null(strstr(text, ", 6 steps,"));
        assert_int_equal(occurrences(text, "conv_forward + batch_normalise + relu  kernel conv"), 2);
        assert_int_equal(occurrences(text, "conv_forward + batch_normalise + add + relu  kernel conv"), 1);
    }
    soma_text_free(ctx, text);
    folds(m, 3);
    soma_program *q = captured(m);
    assert_int_equal(soma_program_explain(q, &text), SOMA_OK);
    if (fuses) assert_non_null(strstr(text, ", 3 steps,"));
    soma_text_free(ctx, text);
    numbers folded = run(q), again = run(p); /* what was captured before goes on as it was */
    assert_memory_equal(&fused, &again, sizeof fused);
    for (size_t i = 0; i < COUNT(fused.v); i++) assert_true(fabsf(fused.v[i] - folded.v[i]) <= 1e-5f);
    soma_context_free(ctx), soma_context_free(alone);
}

static void a_folded_norm_has_no_state(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_sequential(ctx, SOMA_MODULES(conv(ctx, 3), norm(ctx), soma_nn_relu(ctx), soma_nn_linear(ctx, 6, 2, NULL)));
    static const char *const keys[] = {"0.weight", "0.bias", "3.weight", "3.bias"};
    soma_module_train(m, false);
    soma_requires_grad(state_of(m, "0.weight"), false); /* frozen, and stays so */
    soma_scope *inner = soma_scope_open(ctx);
    folds(m, 1);
    folds(m, 0);
    soma_scope_close(inner); /* the new variables outlive it, as the old ones would */
    assert_int_equal(soma_module_state_count(m), COUNT(keys));
    for (size_t i = 0; i < COUNT(keys); i++) {
        char key[64];
        soma_tensor *t;
        soma_module_state(m, i, key, sizeof key, &t);
        assert_string_equal(key, keys[i]);
        assert_string_equal(soma_tensor_name(t), keys[i]);
        assert_true(soma_tensor_requires_grad(t) == (i >= 2));
    }
    soma_module_train(m, true); /* the identity, then, too */
    double sum;
    assert_int_equal(soma_item(soma_sum(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(1, 3, 1, 6))), NULL), &sum), SOMA_OK);
    soma_context_free(ctx);
}

static soma_tensor *apart(void *user, soma_module *self, soma_tensor *x) {
    (void)user;
    return soma_forward(soma_module_child(self, "b"), soma_forward(soma_module_child(self, "a"), x));
}
#define SEQUENCE(...) soma_nn_sequential(ctx, SOMA_MODULES(__VA_ARGS__))
static void check_count(soma_context *ctx, soma_module *m, int64_t want) {
    soma_module_train(m, false);
    check_fine(ctx);
    folds(m, want);
}

static void what_is_used_twice_or_apart_is_left_alone(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *c = conv(ctx, 8), *b = norm(ctx), *s = SEQUENCE(norm(ctx), conv(ctx, 8)), *whole = SEQUENCE(conv(ctx, 8), norm(ctx));
    check_count(ctx, SEQUENCE(c, norm(ctx), c), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), b, conv(ctx, 8), b), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), s, norm(ctx), s), 0);
    check_count(ctx, SEQUENCE(whole, soma_nn_relu(ctx), whole), 1); /* both are used twice, together */
    check_count(ctx, SEQUENCE(conv(ctx, 8), soma_nn_residual(ctx, norm(ctx))), 0);
    check_count(ctx, SEQUENCE(soma_nn_residual(ctx, conv(ctx, 8)), norm(ctx)), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), soma_nn_parallel(ctx, SOMA_MODULES(norm(ctx), norm(ctx)), 1)), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), soma_nn_relu(ctx), norm(ctx)), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), soma_nn_batch_norm_2d(ctx, 8, &(soma_batch_norm_opts){.no_running = 1})), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), soma_nn_instance_norm_2d(ctx, 8, &(soma_instance_norm_opts){.running = 1})), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), soma_nn_batch_norm_1d(ctx, 8, NULL)), 0);
    check_count(ctx, SEQUENCE(conv(ctx, 8), soma_nn_batch_norm_2d(ctx, 4, NULL)), 0);
    check_count(ctx, SEQUENCE(soma_nn_linear(ctx, 3, 8, &(soma_linear_opts){.dtype = SOMA_F64}), soma_nn_batch_norm_1d(ctx, 8, NULL)), 0);
    soma_module *own = soma_nn_module(ctx, "own", apart, NULL);
    soma_module_add_child(own, "a", conv(ctx, 8)), soma_module_add_child(own, "b", norm(ctx));
    check_count(ctx, own, 0);
    soma_context_free(ctx);
}

static void what_follows_in_blocks_is_folded(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    check_count(ctx, SEQUENCE(SEQUENCE(soma_nn_relu(ctx), conv(ctx, 8)), SEQUENCE(SEQUENCE(norm(ctx)), soma_nn_relu(ctx))), 1);
    check_count(ctx, SEQUENCE(conv(ctx, 8), norm(ctx), norm(ctx)), 2);
    check_count(ctx, soma_nn_residual_with(ctx, SEQUENCE(conv(ctx, 8), norm(ctx)), SEQUENCE(conv(ctx, 8), norm(ctx))), 2);
    check_count(ctx, soma_nn_parallel(ctx, SOMA_MODULES(SEQUENCE(conv(ctx, 8), norm(ctx)), norm(ctx)), 1), 1);
    soma_context_free(ctx);
}

/* A convolution of pictures without a channel, which recipes make for grey ones, too. */
static void pictures_without_channels_get_one(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = SEQUENCE(soma_nn_conv2d(ctx, 1, 8, 3, &(soma_conv_module_opts){.one_channel = 1}), norm(ctx));
    soma_tensor *y = soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 5, 6)));
    char text[64];
    assert_string_equal(soma_shape_text(y, text, sizeof text), "[2, 8, 3, 4]");
    check_count(ctx, m, 1);
    assert_null(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 1, 5, 6))));
    check_error(ctx, SOMA_ERROR_SHAPE, "conv2d");
    soma_context_free(ctx);
}

static void what_cannot_be_folded_is_told(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = SEQUENCE(soma_nn_linear(ctx, 3, 4, NULL), soma_nn_batch_norm_1d(ctx, 4, NULL));
    int64_t n = 7;
    assert_int_equal(soma_nn_fold_batch_norm(NULL, NULL), SOMA_ERROR_ARGUMENT);
    assert_int_equal(soma_nn_fold_batch_norm(m, &n), SOMA_ERROR_STATE);
    check_error(ctx, SOMA_ERROR_STATE, "sequential is in train mode, where batch norms go by the batch");
    assert_int_equal(n, 0);
    soma_module_train(m, false);
    soma_module_train(soma_module_child(m, "1"), true);
    soma_nn_fold_batch_norm(m, &n);
    check_error(ctx, SOMA_ERROR_STATE, "batch_norm_1d is in train mode");
    soma_module_train(m, false);
    folds(m, 1);
    assert_non_null(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 3))));
    assert_null(soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 4, 3))));
    check_error(ctx, SOMA_ERROR_SHAPE, "folded into a linear layer, which takes [N, C] since then, not what gives [2, 4, 4]");
    soma_context_free(ctx);
}

/* Each allocation fails in turn: an error, and a module that computes what it did. */
typedef struct failing {
    int64_t left, live;
} failing;
static void *failing_alloc(void *user, size_t size, size_t align) {
    failing *f = user;
    void *p = NULL;
    if (f->left-- == 0 || posix_memalign(&p, align, size) != 0) return NULL;
    f->live++;
    return p;
}
static void failing_free(void *user, void *memory, size_t size) {
    (void)size;
    ((failing *)user)->live--;
    free(memory);
}
static void an_error_leaves_the_function(void **state) {
    (void)state;
    bool fine = false;
    for (int64_t at = 0; !fine; at++) {
        failing f = {.left = INT64_MAX};
        soma_context *ctx = check_context(&(soma_context_opts){.allocator = &(soma_allocator){failing_alloc, failing_free, &f}, .threads = 1});
        soma_module *m = residual_net(ctx);
        numbers before = run(captured(m));
        f.left = at;
        fine = soma_nn_fold_batch_norm(m, NULL) == SOMA_OK;
        f.left = INT64_MAX;
        if (!fine) check_error(ctx, SOMA_ERROR_MEMORY, "");
        numbers after = run(captured(m));
        for (size_t i = 0; i < COUNT(before.v); i++) assert_true(fabsf(before.v[i] - after.v[i]) <= 1e-5f);
        soma_context_free(ctx);
        assert_int_equal(f.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folded_values_are_pytorchs),
        cmocka_unit_test(results_are_close),
        cmocka_unit_test(a_norm_runs_in_its_convolutions_step),
        cmocka_unit_test(a_folded_norm_has_no_state),
        cmocka_unit_test(what_is_used_twice_or_apart_is_left_alone),
        cmocka_unit_test(what_follows_in_blocks_is_folded),
        cmocka_unit_test(pictures_without_channels_get_one),
        cmocka_unit_test(what_cannot_be_folded_is_told),
        cmocka_unit_test(an_error_leaves_the_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
