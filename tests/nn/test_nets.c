/* LeNet-5 and a narrow ResNet-20 against PyTorch: the same first weights and data by a formula (tools/golden_nets.py), ten steps of SGD with
 * momentum; losses, state keys, parameters and running statistics. Recorded step by step, and captured: the same bits. */
#include "support/check.h"

#include "golden/nets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
enum { STEPS = 10 };

/* The i-th number, in [-1, 1), of row j. */
static double drawn(int64_t i, int64_t j) {
    uint64_t x = ((uint64_t)i * 2654435761u + (uint64_t)j * 1013904223u + 12345) & 0xffffffffu;
    x = ((x ^ x >> 15) * 2246822519u) & 0xffffffffu;
    return (double)(x >> 16) / 32768 - 1;
}

static soma_module *lenet(soma_context *ctx) {
    return soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_conv2d(ctx, 1, 6, 5, &(soma_conv_module_opts){.padding = {2, 2}}), soma_nn_relu(ctx),
                                                soma_nn_max_pool2d(ctx, 2, NULL), soma_nn_conv2d(ctx, 6, 16, 5, NULL), soma_nn_relu(ctx),
                                                soma_nn_max_pool2d(ctx, 2, NULL), soma_nn_flatten(ctx), soma_nn_linear(ctx, 64, 30, NULL),
                                                soma_nn_relu(ctx), soma_nn_linear(ctx, 30, 20, NULL), soma_nn_relu(ctx),
                                                soma_nn_linear(ctx, 20, 10, NULL)));
}

static soma_module *conv(soma_context *ctx, int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    return soma_nn_conv2d(ctx, in, out, kernel, &(soma_conv_module_opts){.stride = {stride}, .padding = {kernel / 2, kernel / 2}, .no_bias = 1});
}
static soma_module *resnet20(soma_context *ctx) {
    soma_module *layers[24] = {conv(ctx, 3, 4, 3, 1), soma_nn_batch_norm_2d(ctx, 4, NULL), soma_nn_relu(ctx)};
    size_t n = 3;
    for (int64_t b = 0, in = 4; b < 9; b++) {
        int64_t out = 4 << b / 3, stride = b && b % 3 == 0 ? 2 : 1;
        soma_module *body =
            soma_nn_sequential(ctx, SOMA_MODULES(conv(ctx, in, out, 3, stride), soma_nn_batch_norm_2d(ctx, out, NULL), soma_nn_relu(ctx),
                                                 conv(ctx, out, out, 3, 1), soma_nn_batch_norm_2d(ctx, out, NULL)));
        soma_module *shortcut =
            stride == 2 ? soma_nn_sequential(ctx, SOMA_MODULES(conv(ctx, in, out, 1, 2), soma_nn_batch_norm_2d(ctx, out, NULL))) : NULL;
        layers[n++] = shortcut ? soma_nn_residual_with(ctx, body, shortcut) : soma_nn_residual(ctx, body);
        layers[n++] = soma_nn_relu(ctx);
        in = out;
    }
    layers[n++] = soma_nn_adaptive_avg_pool2d(ctx, SOMA_SHAPE(1)), layers[n++] = soma_nn_flatten(ctx),
    layers[n++] = soma_nn_linear(ctx, 16, 10, NULL);
    return soma_nn_sequential(ctx, layers, n);
}

static void start(soma_module *m) {
    soma_tensor *const *p;
    size_t n;
    static float v[8192];
    soma_module_parameters(m, &p, &n);
    for (size_t j = 0; j < n; j++) {
        int64_t count = soma_numel(p[j]), fan = count / soma_size(p[j], 0);
        bool scale = strstr(soma_tensor_name(p[j]), "weight") != NULL;
        assert_true(count <= 8192);
        for (int64_t i = 0; i < count; i++) {
            double u = drawn(i, (int64_t)j);
            v[i] = (float)(soma_ndim(p[j]) > 1 ? u * sqrt(6.0 / (double)fan) : scale ? 1 + u / 4 : u / 8);
        }
        assert_int_equal(soma_assign_from(p[j], v, (size_t)count * sizeof *v), SOMA_OK);
    }
}

typedef struct run {
    soma_module *m;
    soma_optim *o;
    int64_t shape[4], classes[8];
    float x[8 * 3 * 144];
} run;

static soma_status step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    run *r = user;
    (void)n_in, (void)n_out;
    soma_tensor *t = soma_from(ctx, r->classes, SOMA_I64, r->shape, 1);
    out[0] = soma_cross_entropy(soma_forward(r->m, in[0]), t, NULL);
    soma_backward(out[0], NULL);
    soma_optim_step(r->o);
    return soma_optim_zero_grad(r->o);
}

/* Ten steps; losses and the whole state. */
static void train(soma_module *(*make)(soma_context *), const int64_t *shape, bool captured, double *losses, run *r, soma_context *ctx) {
    soma_tensor *const *params, *out;
    size_t n;
    r->m = make(ctx);
    start(r->m);
    memcpy(r->shape, shape, sizeof r->shape);
    soma_module_parameters(r->m, &params, &n);
    r->o = soma_optim_sgd(ctx, params, n, 0.05, &(soma_sgd_opts){.momentum = 0.9});
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2] * shape[3]; i++) r->x[i] = (float)drawn(i, 1000);
    for (int64_t i = 0; i < shape[0]; i++) r->classes[i] = i * 7 % 10;
    soma_slot slot = {.ndim = 4, .dtype = SOMA_F32};
    memcpy(slot.shape, shape, sizeof r->shape);
    soma_program *p = captured ? soma_capture(ctx, step, r, &slot, 1, 1, NULL) : NULL;
    check_fine(ctx);
    for (int i = 0; i < STEPS; i++) {
        soma_scope *s = soma_scope_open(ctx);
        const void *loss;
        soma_tensor *x = soma_from(ctx, r->x, SOMA_F32, shape, 4);
        if (p) {
            soma_program_bind(p, 0, r->x, NULL), soma_program_run(p), soma_program_output(p, 0, &loss, NULL);
            losses[i] = (double)*(const float *)loss;
        } else step(ctx, r, &x, 1, &out, 1), soma_item(out, &losses[i]);
        soma_scope_close(s);
    }
    check_fine(ctx);
}

/* float32 errs by chance: by some times what PyTorch's own float32 does on the same ten steps. A loss has an error of a few of its units beside. */
static void check_net(soma_module *(*make)(soma_context *), const int64_t *shape, const double *losses, double spread, const golden_state *state,
                      size_t states) {
    static run r[2];
    static float v[8192], w[8192];
    double got[2][STEPS];
    soma_context *ctx[2];
    for (int way = 0; way < 2; way++) ctx[way] = check_context(NULL), train(make, shape, way, got[way], &r[way], ctx[way]);
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    for (int i = 0; i < STEPS; i++)
        if (!(fabs(got[0][i] - losses[i]) <= 8 * spread + 1e-6)) fail_msg("step %d: loss %.9g, PyTorch's %.9g", i, got[0][i], losses[i]);
    size_t at = 0;
    for (size_t i = 0; i < soma_module_state_count(r[0].m); i++) {
        char key[64];
        soma_tensor *t[2];
        for (int way = 0; way < 2; way++) soma_module_state(r[way].m, i, key, sizeof key, &t[way]);
        if (soma_tensor_dtype(t[0]) == SOMA_I64) { /* num_batches_tracked */
            int64_t count;
            soma_read(t[0], &count, sizeof count);
            assert_int_equal(count, STEPS);
            continue;
        }
        size_t bytes = (size_t)soma_numel(t[0]) * sizeof *v;
        assert_true(at < states && bytes <= sizeof v);
        assert_string_equal(key, state[at].key);
        assert_true(soma_read(t[0], v, bytes) == SOMA_OK && soma_read(t[1], w, bytes) == SOMA_OK);
        assert_memory_equal(v, w, bytes);
        double sum = 0, size = 0;
        for (int64_t k = 0; k < soma_numel(t[0]); k++) sum += (double)v[k] * (double)(k % 7 + 1), size += fabs((double)v[k]) * (double)(k % 7 + 1);
        if (!(fabs(sum - state[at].sum) <= 8 * state[at].spread + 1e-6 * size))
            fail_msg("%s: sum %.9g, PyTorch's %.9g (float32 changes %.3g)", key, sum, state[at].sum, state[at].spread);
        at++;
    }
    assert_int_equal(at, states);
    for (int way = 0; way < 2; way++) soma_context_free(ctx[way]);
}

static void lenet_learns_as_pytorchs(void **state) {
    (void)state;
    check_net(lenet, (const int64_t[4]){8, 1, 16, 16}, golden_lenet_losses, golden_lenet_spread, golden_lenet, COUNT(golden_lenet));
}
static void resnet20_learns_as_pytorchs(void **state) {
    (void)state;
    check_net(resnet20, (const int64_t[4]){6, 3, 12, 12}, golden_resnet20_losses, golden_resnet20_spread, golden_resnet20, COUNT(golden_resnet20));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lenet_learns_as_pytorchs), cmocka_unit_test(resnet20_learns_as_pytorchs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
