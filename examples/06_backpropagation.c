/* Chapter 6: feed-forward and back-propagation through a net of two layers, by hand; each gradient equals the engine's and finite differences. */
#include "support/chapter.h"

/* h = sigmoid(W x + b), y = sigmoid(v h + c), L = (y - t)^2 / 2. The numbers to learn: W (4), b (2), v (2), c. */
enum { W, B = 4, V = 6, C = 8, N };
static const double x[2] = {0.5, -1}, target = 1;

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

static double feed_forward(const double *p, double *h, double *y) {
    for (int k = 0; k < 2; k++) h[k] = sigmoid(p[W + 2 * k] * x[0] + p[W + 2 * k + 1] * x[1] + p[B + k]);
    *y = sigmoid(p[V] * h[0] + p[V + 1] * h[1] + p[C]);
    return (*y - target) * (*y - target) / 2;
}

/* The chain rule from the loss backwards. */
static void back_propagate(const double *p, const double *h, double y, double *g) {
    double dz = (y - target) * y * (1 - y); /* of the output's weighted sum */
    g[C] = dz;
    for (int k = 0; k < 2; k++) {
        g[V + k] = dz * h[k];
        double dk = dz * p[V + k] * h[k] * (1 - h[k]); /* of hidden unit k's */
        g[B + k] = dk;
        for (int i = 0; i < 2; i++) g[W + 2 * k + i] = dk * x[i];
    }
}

/* What the loss does when a number moves a little. */
static void differences(const double *p, double *g) {
    double moved[N], h[2], y;
    for (int i = 0; i < N; i++) {
        double loss[2];
        for (int side = 0; side < 2; side++) {
            for (int k = 0; k < N; k++) moved[k] = p[k] + (k != i ? 0 : side ? 1e-6 : -1e-6);
            loss[side] = feed_forward(moved, h, &y);
        }
        g[i] = (loss[1] - loss[0]) / 2e-6;
    }
}

static void engine(soma_context *ctx, const double *p, double *g) {
    static const struct {
        int at;
        int64_t shape[2], ndim;
    } parts[4] = {{W, {2, 2}, 2}, {B, {2}, 1}, {V, {1, 2}, 2}, {C, {1}, 1}};
    soma_tensor *q[4];
    for (int i = 0; i < 4; i++)
        q[i] = soma_variable(soma_from(ctx, p + parts[i].at, SOMA_F64, parts[i].shape, parts[i].ndim), &(soma_variable_opts){.requires_grad = 1});
    soma_tensor *h = soma_sigmoid(soma_linear(soma_from(ctx, x, SOMA_F64, SOMA_SHAPE(1, 2)), q[0], q[1])),
                *y = soma_sigmoid(soma_linear(h, q[2], q[3]));
    soma_backward(soma_div_scalar(soma_sum(soma_square(soma_sub_scalar(y, target)), NULL), 2), NULL);
    for (int i = 0; i < 4; i++) soma_read(soma_tensor_grad(q[i]), g + parts[i].at, (size_t)soma_numel(q[i]) * sizeof *g);
}

static void arrow(plot *p, double x0, double y0, double x1, double y1, double weight, double gradient, double at) {
    char text[64];
    plot_line(p, (double[]){x0, x1}, (double[]){y0, y1}, 2, 0, NULL);
    snprintf(text, sizeof text, "%.2f (%+.4f)", weight, gradient);
    plot_text(p, x0 + at * (x1 - x0), y0 + at * (y1 - y0) + 0.03, text);
}

int main(int argc, char **argv) {
    static const char *const names[N] = {"W11", "W12", "W21", "W22", "b1", "b2", "v1", "v2", "c"};
    const double p[N] = {0.4, -0.6, 0.3, 0.8, 0.1, -0.2, 0.7, -0.5, 0.2};
    double h[2], y, hand[N], near[N], automatic[N], most = 0, far = 0;
    char text[64];
    soma_context *ctx = begin(1);
    double loss = feed_forward(p, h, &y);
    back_propagate(p, h, y, hand);
    differences(p, near);
    engine(ctx, p, automatic);
    fine(ctx);
    printf("forward: h = (%.4f, %.4f), y = %.4f, loss %.4f\n", h[0], h[1], y, loss);
    for (int i = 0; i < N; i++) {
        printf("dL/d%-3s  by hand %+.6f  by the engine %+.6f  by differences %+.6f\n", names[i], hand[i], automatic[i], near[i]);
        most = fmax(most, fabs(hand[i] - automatic[i])), far = fmax(far, fabs(hand[i] - near[i]));
    }
    claim(most < 1e-15, "each of the nine gradients by hand is the engine's");
    claim(far < 1e-9, "and what the loss does when the number moves a little");

    plot *picture = plot_new(1, 680, 380);
    plot_blank(picture, "weights (and dL/dweight)");
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 2; i++)
            arrow(picture, 0.12, 0.8 - 0.5 * i, 0.52, 0.8 - 0.5 * k, p[W + 2 * k + i], hand[W + 2 * k + i], i == k ? 0.5 : 0.22);
        arrow(picture, 0.56, 0.8 - 0.5 * k, 0.86, 0.55, p[V + k], hand[V + k], 0.5);
        snprintf(text, sizeof text, "x%d = %g", k + 1, x[k]);
        plot_text(picture, 0.05, 0.8 - 0.5 * k, text);
        snprintf(text, sizeof text, "h%d = %.3f", k + 1, h[k]);
        plot_text(picture, 0.54, 0.87 - 0.5 * k, text);
    }
    snprintf(text, sizeof text, "y = %.3f", y);
    plot_text(picture, 0.94, 0.6, text);
    snprintf(text, sizeof text, "loss %.4f", loss);
    plot_text(picture, 0.94, 0.5, text);
    finish(ctx, picture, argc, argv, "06_backpropagation");
    return 0;
}
