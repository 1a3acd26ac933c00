/* Chapter 4: activation functions and their slopes; without one, layers on layers are one layer. */
#include "support/chapter.h"

enum { POINTS = 201 };

static soma_tensor *sigmoid(soma_tensor *x) { return soma_sigmoid(x); }
static soma_tensor *tanh_of(soma_tensor *x) { return soma_tanh(x); }
static soma_tensor *relu(soma_tensor *x) { return soma_relu(x); }
static soma_tensor *leaky(soma_tensor *x) { return soma_leaky_relu(x, 0.1); }
static soma_tensor *gelu(soma_tensor *x) { return soma_gelu(x); }
static const struct {
    const char *name;
    soma_tensor *(*f)(soma_tensor *x);
} functions[] = {{"sigmoid", sigmoid}, {"tanh", tanh_of}, {"ReLU", relu}, {"leaky ReLU", leaky}, {"GELU", gelu}};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* Values and slopes, by the engine. */
static void look(soma_context *ctx, int k, double *values, double *slopes) {
    float x[POINTS], y[POINTS], d[POINTS];
    for (int i = 0; i < POINTS; i++) x[i] = (float)(i - POINTS / 2) * 0.05f;
    soma_tensor *in = soma_variable(soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(POINTS)), &(soma_variable_opts){.requires_grad = 1});
    soma_tensor *out = functions[k].f(in), *sum = soma_sum(out, NULL), *slope;
    soma_grad(&sum, 1, &in, 1, &slope, NULL);
    soma_read(out, y, sizeof y);
    soma_read(slope, d, sizeof d);
    for (int i = 0; i < POINTS; i++) values[i] = (double)y[i], slopes[i] = (double)d[i];
}

/* Two layers without an activation, and the one layer that they are. */
static double difference(soma_context *ctx) {
    soma_tensor *a = soma_randn(ctx, SOMA_F64, SOMA_SHAPE(8, 5)), *b = soma_randn(ctx, SOMA_F64, SOMA_SHAPE(3, 8)),
                *x = soma_randn(ctx, SOMA_F64, SOMA_SHAPE(10, 5));
    soma_tensor *two = soma_linear(soma_linear(x, a, NULL), b, NULL), *one = soma_linear(x, soma_matmul(b, a), NULL);
    double most;
    soma_item(soma_amax(soma_abs(soma_sub(two, one)), NULL), &most);
    return most;
}

int main(int argc, char **argv) {
    static double x[POINTS], values[FUNCTIONS][POINTS], slopes[FUNCTIONS][POINTS];
    soma_context *ctx = begin(1);
    for (int i = 0; i < POINTS; i++) x[i] = (i - POINTS / 2) * 0.05;
    for (int k = 0; k < FUNCTIONS; k++) look(ctx, k, values[k], slopes[k]);
    fine(ctx);
    double sigmoid_most = 0, tanh_most = 0;
    for (int i = 0; i < POINTS; i++) sigmoid_most = fmax(sigmoid_most, slopes[0][i]), tanh_most = fmax(tanh_most, slopes[1][i]);
    claim(fabs(sigmoid_most - 0.25) < 1e-6 && fabs(tanh_most - 1) < 1e-6, "the slope of a sigmoid is at most 1/4, of a tanh at most 1");
    claim(slopes[0][0] < 0.01 && slopes[1][0] < 0.001 && slopes[2][POINTS - 1] == 1, "far from 0 theirs vanish, a ReLU's stays 1 on the right");
    claim(slopes[2][0] == 0 && slopes[3][0] > 0.09, "a ReLU learns nothing on the left, a leaky one does");
    claim(difference(ctx) < 1e-12, "two layers without an activation are one layer");

    plot *picture = plot_new(2, 380, 320);
    plot_panel(picture, "activation", -5, 5, -1.5, 5, "x", "f(x)", 0);
    plot_legend_below(picture);
    for (int k = 0; k < FUNCTIONS; k++) plot_line(picture, x, values[k], POINTS, k, functions[k].name);
    plot_panel(picture, "its slope", -5, 5, -0.2, 1.6, "x", "f'(x)", 0);
    for (int k = 0; k < FUNCTIONS; k++) plot_line(picture, x, slopes[k], POINTS, k, NULL);
    finish(ctx, picture, argc, argv, "04_activations");
    return 0;
}
