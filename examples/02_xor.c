/* Chapter 2: what one layer cannot do, two layers can: XOR. */
#include "support/chapter.h"

enum { STEPS = 1500 };
static const float corners[8] = {0, 0, 0, 1, 1, 0, 1, 1}, targets[4] = {0, 1, 1, 0};

/* Trains on the four corners; the losses go to curve. */
static double train(soma_context *ctx, soma_module *net, double *curve) {
    soma_tensor *const *params;
    size_t n;
    double loss = 0;
    soma_module_parameters(net, &params, &n);
    soma_optim *adam = soma_optim_adam(ctx, params, n, 0.02, NULL);
    soma_tensor *x = soma_from(ctx, corners, SOMA_F32, SOMA_SHAPE(4, 2)), *t = soma_from(ctx, targets, SOMA_F32, SOMA_SHAPE(4, 1));
    for (int i = 0; i < STEPS; i++) {
        soma_scope *step = soma_scope_open(ctx);
        soma_tensor *l = soma_binary_cross_entropy_with_logits(soma_forward(net, x), t, NULL);
        soma_backward(l, NULL);
        soma_optim_step(adam);
        soma_optim_zero_grad(adam);
        soma_item(l, &loss);
        curve[i] = loss;
        soma_scope_close(step);
    }
    fine(ctx);
    return loss;
}

/* The probability of class 1 at a point. */
static double probability(void *net, double x, double y) {
    soma_context *ctx = soma_module_context(net);
    const float point[2] = {(float)x, (float)y};
    double p;
    soma_scope *scope = soma_scope_open(ctx);
    soma_item(soma_sigmoid(soma_forward(net, soma_from(ctx, point, SOMA_F32, SOMA_SHAPE(1, 2)))), &p);
    soma_scope_close(scope);
    return p;
}

int main(int argc, char **argv) {
    static double one_curve[STEPS], two_curve[STEPS], steps[STEPS];
    soma_context *ctx = begin(3);
    soma_module *one = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 2, 1, NULL)));
    soma_module *two = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 2, 4, NULL), soma_nn_tanh(ctx), soma_nn_linear(ctx, 4, 1, NULL)));
    double alone = train(ctx, one, one_curve), together = train(ctx, two, two_curve);
    printf("loss after %d steps: one layer %.4f, two layers %.4f\n", STEPS, alone, together);
    claim(fabs(alone - log(2)) < 1e-3, "one layer ends at log 2 = 0.6931: it says one half to everything");
    int right = 0;
    for (int i = 0; i < 4; i++) right += (probability(two, (double)corners[2 * i], (double)corners[2 * i + 1]) > 0.5) == (targets[i] > 0.5f);
    claim(right == 4 && together < 0.01, "two layers get all four right, with a loss below 0.01");

    plot *picture = plot_new(2, 360, 320);
    for (int i = 0; i < STEPS; i++) steps[i] = i;
    plot_panel(picture, "loss", 0, STEPS, 0, 0.9, "step", "cross entropy", 0);
    plot_line(picture, steps, one_curve, STEPS, 0, "one layer");
    plot_line(picture, steps, two_curve, STEPS, 1, "two layers");
    plot_panel(picture, "two layers: probability of 1", -0.5, 1.5, -0.5, 1.5, "x1", "x2", 0);
    plot_field(picture, probability, two);
    plot_points(picture, (double[]){0, 1}, (double[]){0, 1}, 2, 0, "0");
    plot_points(picture, (double[]){0, 1}, (double[]){1, 0}, 2, 1, "1");
    finish(ctx, picture, argc, argv, "02_xor");
    return 0;
}
