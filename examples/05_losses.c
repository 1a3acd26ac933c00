/* Chapter 5: losses. Squared error for numbers: its least is the least-squares line. Cross entropy for classes: it still pulls where squared error
 * gave up. */
#include "support/chapter.h"

enum { N = 60, POINTS = 161 };

/* Fits y = a x + b by descending the mean squared error. */
static void descend(soma_context *ctx, const double *x, const double *y, double *a, double *b) {
    soma_tensor *w = soma_variable(soma_zeros(ctx, SOMA_F64, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1});
    soma_tensor *xs = soma_from(ctx, x, SOMA_F64, SOMA_SHAPE(N)), *ys = soma_from(ctx, y, SOMA_F64, SOMA_SHAPE(N));
    soma_optim *sgd = soma_optim_sgd(ctx, &w, 1, 0.05, NULL);
    for (int i = 0; i < 4000; i++) {
        soma_scope *step = soma_scope_open(ctx);
        soma_tensor *said = soma_add(soma_mul(xs, soma_select(w, 0, 0)), soma_select(w, 0, 1));
        soma_backward(soma_mse_loss(said, ys, NULL), NULL);
        soma_optim_step(sgd);
        soma_optim_zero_grad(sgd);
        soma_scope_close(step);
    }
    double found[2];
    soma_read(w, found, sizeof found);
    *a = found[0], *b = found[1];
}

/* The textbook's formula. */
static void least_squares(const double *x, const double *y, double *a, double *b) {
    double mx = 0, my = 0, xy = 0, xx = 0;
    for (int i = 0; i < N; i++) mx += x[i] / N, my += y[i] / N;
    for (int i = 0; i < N; i++) xy += (x[i] - mx) * (y[i] - my), xx += (x[i] - mx) * (x[i] - mx);
    *a = xy / xx, *b = my - *a * mx;
}

/* Losses and their pulls on a logit, for a sample of class 1. */
static void look(soma_context *ctx, double *logits, double *losses[2], double *pulls[2]) {
    for (int i = 0; i < POINTS; i++) logits[i] = -8 + 0.1 * i;
    for (int kind = 0; kind < 2; kind++) {
        soma_tensor *z = soma_variable(soma_from(ctx, logits, SOMA_F64, SOMA_SHAPE(POINTS)), &(soma_variable_opts){.requires_grad = 1});
        soma_tensor *one = soma_ones(ctx, SOMA_F64, SOMA_SHAPE(POINTS)), *pull;
        const soma_loss_opts each = {.reduction = SOMA_NONE};
        soma_tensor *loss = kind ? soma_binary_cross_entropy_with_logits(z, one, &each) : soma_mse_loss(soma_sigmoid(z), one, &each),
                    *sum = soma_sum(loss, NULL);
        soma_grad(&sum, 1, &z, 1, &pull, NULL);
        soma_read(loss, losses[kind], POINTS * sizeof(double));
        soma_read(pull, pulls[kind], POINTS * sizeof(double));
        for (int i = 0; i < POINTS; i++) pulls[kind][i] = -pulls[kind][i];
    }
}

int main(int argc, char **argv) {
    static double x[N], y[N], logits[POINTS], loss[2][POINTS], pull[2][POINTS];
    soma_context *ctx = begin(1);
    soma_dataset *noise = soma_dataset_generate(ctx, "sine", N, &(soma_generate_opts){.seed = 4, .noise = SOMA_SET(0.4)});
    for (int i = 0; i < N; i++) { /* a line with the sine's noise on it */
        float at, value;
        soma_dataset_sample(noise, i, &at, NULL);
        soma_dataset_value(noise, i, &value);
        x[i] = (double)at, y[i] = 0.5 * x[i] - 1 + (double)value - sin((double)at);
    }
    double a, b, want_a, want_b;
    descend(ctx, x, y, &a, &b);
    least_squares(x, y, &want_a, &want_b);
    fine(ctx);
    printf("descended: y = %.6f x %+.6f; least squares: y = %.6f x %+.6f\n", a, b, want_a, want_b);
    claim(fabs(a - want_a) < 1e-6 && fabs(b - want_b) < 1e-6, "descending the mean squared error finds the least-squares line");

    look(ctx, logits, (double *[]){loss[0], loss[1]}, (double *[]){pull[0], pull[1]});
    fine(ctx);
    printf("a sample of class 1 with logit -8 (p = 0.0003): squared error pulls with %.5f, cross entropy with %.5f\n", pull[0][0], pull[1][0]);
    claim(pull[1][0] > 0.999 && pull[0][0] < 0.001, "where the answer is surely wrong, cross entropy pulls with 1, squared error with nothing");
    claim(fabs(loss[1][80] - log(2)) < 1e-9, "an answer of one half costs log 2 in cross entropy");

    plot *picture = plot_new(3, 340, 320);
    plot_panel(picture, "squared error: a line", 0, 6.3, -2, 4, "x", "y", 0);
    plot_points(picture, x, y, N, 0, NULL);
    plot_line(picture, (double[]){0, 6.3}, (double[]){b, a * 6.3 + b}, 2, 1, "least squares");
    plot_panel(picture, "loss of a sample of class 1", -8, 8, 0, 8, "logit", "loss", 0);
    plot_line(picture, logits, loss[0], POINTS, 0, "squared error of a sigmoid");
    plot_line(picture, logits, loss[1], POINTS, 1, "cross entropy");
    plot_panel(picture, "its pull on the logit", -8, 8, 0, 1.4, "logit", "-dL/dlogit", 0);
    plot_line(picture, logits, pull[0], POINTS, 0, "squared error of a sigmoid");
    plot_line(picture, logits, pull[1], POINTS, 1, "cross entropy");
    finish(ctx, picture, argc, argv, "05_losses");
    return 0;
}
