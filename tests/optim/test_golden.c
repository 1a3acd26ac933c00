/* 20 steps of each optimizer, and losses with their gradients, against PyTorch's numbers. */
#include "support/check.h"

#include "golden/golden.h"

#include <math.h>
#include <string.h>

static soma_optim *make(soma_context *ctx, const char *name, soma_tensor **w) {
#define IS(x) (strcmp(name, x) == 0)
    if (IS("sgd")) return soma_optim_sgd(ctx, w, 1, 0.1, NULL);
    if (IS("sgd_momentum")) return soma_optim_sgd(ctx, w, 1, 0.1, &(soma_sgd_opts){.momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01});
    if (IS("sgd_nesterov")) return soma_optim_sgd(ctx, w, 1, 0.05, &(soma_sgd_opts){.momentum = 0.8, .nesterov = 1});
    if (IS("sgd_maximize")) return soma_optim_sgd(ctx, w, 1, 0.01, &(soma_sgd_opts){.momentum = 0.5, .maximize = 1});
    if (IS("adam")) return soma_optim_adam(ctx, w, 1, 0.05, NULL);
    if (IS("adam_decay"))
        return soma_optim_adam(
            ctx, w, 1, 0.05,
            &(soma_adam_opts){.beta1 = SOMA_SET(0.8), .beta2 = SOMA_SET(0.95), .eps = SOMA_SET(1e-6), .weight_decay = SOMA_SET(0.1)});
    if (IS("adamw")) return soma_optim_adamw(ctx, w, 1, 0.05, NULL);
    if (IS("adamw_maximize")) return soma_optim_adamw(ctx, w, 1, 0.01, &(soma_adamw_opts){.weight_decay = SOMA_SET(0.3), .maximize = 1});
#define DEFAULT(kind, lr) \
    if (IS(#kind)) return soma_optim_##kind(ctx, w, 1, lr, NULL);
#define OTHER(name, kind, lr, ...) \
    if (IS(name)) return soma_optim_##kind(ctx, w, 1, lr, &(soma_##kind##_opts){__VA_ARGS__});
#define V SOMA_SET
    OTHER("adam_amsgrad", adam, 0.05, .amsgrad = 1, .weight_decay = V(0.1))
    OTHER("adamw_amsgrad", adamw, 0.05, .amsgrad = 1, .weight_decay = V(0.2), .beta1 = V(0.5), .beta2 = V(0.6))
    DEFAULT(adamax, 0.002)
    OTHER("adamax_other", adamax, 0.1, .beta1 = V(0.8), .beta2 = V(0.9), .eps = V(1e-3), .weight_decay = 0.1, .maximize = 1)
    DEFAULT(nadam, 0.002)
    OTHER("nadam_other", nadam, 0.1, .beta1 = V(0.8), .beta2 = V(0.9), .eps = V(1e-3), .weight_decay = 0.1, .momentum_decay = V(0.05))
    OTHER("nadam_decoupled", nadam, 0.1, .weight_decay = 0.2, .decoupled_weight_decay = 1)
    DEFAULT(radam, 0.001)
    OTHER("radam_other", radam, 0.05, .beta1 = V(0.8), .beta2 = V(0.95), .eps = V(1e-3), .weight_decay = 0.1)
    OTHER("radam_decoupled", radam, 0.1, .beta2 = V(0.9), .weight_decay = 0.2, .decoupled_weight_decay = 1, .maximize = 1)
    DEFAULT(rmsprop, 0.01)
    OTHER("rmsprop_momentum", rmsprop, 0.02, .alpha = V(0.9), .eps = V(1e-4), .weight_decay = 0.1, .momentum = 0.7)
    OTHER("rmsprop_centered", rmsprop, 0.005, .centered = 1)
    OTHER("rmsprop_all", rmsprop, 0.005, .momentum = 0.5, .centered = 1, .maximize = 1)
    DEFAULT(adagrad, 0.01)
    OTHER("adagrad_other", adagrad, 0.2, .lr_decay = 0.05, .weight_decay = 0.1, .initial_accumulator_value = 0.5, .eps = V(1e-3))
    DEFAULT(adadelta, 1)
    OTHER("adadelta_other", adadelta, 0.5, .rho = V(0.8), .eps = V(1e-3), .weight_decay = 0.1, .maximize = 1)
    DEFAULT(rprop, 0.01)
    OTHER("rprop_other", rprop, 0.3, .etaminus = V(0.4), .etaplus = V(1.5), .step_min = V(1e-3), .step_max = V(0.4))
    return NULL;
}

/* Each row of the table is there with PyTorch's defaults. */
static void every_optimizer_has_golden_values(void **state) {
    (void)state;
    static const char *const names[] = {
#define OPTIMIZER(name, rate, settings, doc) #name,
#include "soma/optimizers.def"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool there = strcmp(names[i], "lbfgs") == 0; /* test_lbfgs.c has them */
        for (size_t k = 0; k < sizeof golden_optimizers / sizeof *golden_optimizers; k++) there |= strcmp(golden_optimizers[k].name, names[i]) == 0;
        if (!there) fail_msg("%s has no golden values", names[i]);
    }
}

static void optimizers_walk_as_pytorchs(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof golden_optimizers / sizeof *golden_optimizers; k++) {
        soma_context *ctx = check_context(NULL);
        const float start[4] = {0.5f, -1.0f, 2.0f, 0.1f}, slope[4] = {1.0f, -2.0f, 0.5f, 3.0f};
        float got[4];
        soma_tensor *w = soma_variable(soma_from(ctx, start, SOMA_F32, SOMA_SHAPE(4)), &(soma_variable_opts){.requires_grad = 1, .name = "w"});
        soma_tensor *c = soma_from(ctx, slope, SOMA_F32, SOMA_SHAPE(4));
        soma_optim *o = make(ctx, golden_optimizers[k].name, &w);
        assert_non_null(o);
        for (int i = 0; i < 20; i++) {
            soma_optim_zero_grad(o);
            soma_tensor *loss = soma_add(soma_mul_scalar(soma_sum(soma_pow_scalar(w, 4), NULL), 0.1), soma_sum(soma_mul(w, c), NULL));
            soma_backward(loss, NULL);
            soma_optim_step(o);
        }
        assert_int_equal(soma_read(w, got, sizeof got), SOMA_OK);
        for (int i = 0; i < 4; i++) /* 20 steps of some ten roundings each, amplified where the walk grows: 2e-5 relative is about 170 ulp */
            if (fabs((double)got[i] - (double)golden_optimizers[k].w[i]) > 2e-5 * (1 + fabs((double)golden_optimizers[k].w[i])))
                fail_msg("%s, element %d: %.9g, PyTorch %.9g", golden_optimizers[k].name, i, (double)got[i], (double)golden_optimizers[k].w[i]);
        soma_context_free(ctx);
    }
}

static soma_tensor *loss_of(soma_context *ctx, const char *name, soma_tensor *x, soma_tensor *p) {
    const int64_t classes[4] = {2, 0, 1, 1};
    const float weights[3] = {0.5f, 1.0f, 2.0f};
    soma_tensor *t = soma_from(ctx, classes, SOMA_I64, SOMA_SHAPE(4)), *w = soma_from(ctx, weights, SOMA_F32, SOMA_SHAPE(3));
    if (IS("mean")) return soma_cross_entropy(x, t, NULL);
    if (IS("sum")) return soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.reduction = SOMA_SUM});
    if (IS("weight")) return soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.weight = w});
    if (IS("ignore")) return soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.ignore_index = SOMA_SET(1)});
    if (IS("weight_ignore_smooth"))
        return soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.weight = w, .ignore_index = SOMA_SET(0), .label_smoothing = SOMA_SET(0.2)});
    if (IS("smooth_sum")) return soma_cross_entropy(x, t, &(soma_cross_entropy_opts){.reduction = SOMA_SUM, .label_smoothing = SOMA_SET(0.1)});
    if (IS("probabilities")) return soma_cross_entropy(x, p, NULL);
    if (IS("probabilities_weight_smooth")) return soma_cross_entropy(x, p, &(soma_cross_entropy_opts){.weight = w, .label_smoothing = SOMA_SET(0.3)});
    if (IS("mse")) return soma_mse_loss(x, p, NULL);
    if (IS("mse_sum")) return soma_mse_loss(x, p, &(soma_loss_opts){.reduction = SOMA_SUM});
    if (IS("softmax")) return soma_sum(soma_mul(soma_softmax(x, 1), p), NULL);
    if (IS("logsumexp")) return soma_sum(soma_logsumexp(x, &(soma_reduce_opts){SOMA_DIMS(0)}), NULL);
    if (IS("std")) return soma_sum(soma_std(x, &(soma_reduce_opts){SOMA_DIMS(1)}), NULL);
    return NULL;
}

static void losses_are_pytorchs(void **state) {
    (void)state;
    const float v[12] = {0.2f, -1.3f, 0.7f, 2.0f, 0.1f, -0.4f, 0.0f, 0.5f, 0.25f, -1.0f, 1.5f, 0.3f};
    float flipped[12], got[12];
    for (int i = 0; i < 12; i++) flipped[i] = v[(3 - i / 3) * 3 + i % 3];
    for (size_t k = 0; k < sizeof golden_losses / sizeof *golden_losses; k++) {
        soma_context *ctx = check_context(NULL);
        soma_tensor *x = soma_from(ctx, v, SOMA_F32, SOMA_SHAPE(4, 3)), *p = soma_softmax(soma_from(ctx, flipped, SOMA_F32, SOMA_SHAPE(4, 3)), 1);
        soma_requires_grad(x, true);
        soma_tensor *loss = loss_of(ctx, golden_losses[k].name, x, p);
        soma_backward(loss, NULL);
        double value;
        soma_item(loss, &value);
        soma_read(soma_tensor_grad(x), got, sizeof got);
        check_fine(ctx);
        /* sums of at most 24 terms of size about 2, each within a few ulp: 24 * 2 * 2^-23 is 6e-6 */
        if (fabs(value - (double)golden_losses[k].loss) > 6e-6)
            fail_msg("%s: %.9g, PyTorch %.9g", golden_losses[k].name, value, (double)golden_losses[k].loss);
        for (int i = 0; i < 12; i++)
            if (fabs((double)got[i] - (double)golden_losses[k].grad[i]) > 6e-6)
                fail_msg("%s, gradient %d: %.9g, PyTorch %.9g", golden_losses[k].name, i, (double)got[i], (double)golden_losses[k].grad[i]);
        soma_context_free(ctx);
    }
}

static void float64_parameters_are_updated_by_float64_numbers(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = soma_variable(soma_ones(ctx, SOMA_F64, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1});
    soma_optim *o = soma_optim_sgd(ctx, &w, 1, 0.1, NULL);
    double got[2];
    soma_backward(soma_sum(w, NULL), NULL);
    soma_optim_step(o);
    assert_int_equal(soma_read(w, got, sizeof got), SOMA_OK);
    assert_true(got[0] == 1 - 0.1 && got[1] == 1 - 0.1);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(optimizers_walk_as_pytorchs), cmocka_unit_test(every_optimizer_has_golden_values),
                                       cmocka_unit_test(losses_are_pytorchs), cmocka_unit_test(float64_parameters_are_updated_by_float64_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
