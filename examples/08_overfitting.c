/* Chapter 8: overfitting seen, measured and cured: a net that is too large for its 20 points learns their noise. */
#include "support/chapter.h"

enum { FEW = 20, MANY = 1000, STEPS = 3000, EVERY = 20, LOOKS = STEPS / EVERY, POINTS = 200 };

typedef struct cure {
    const char *name;
    double decay, dropout;
    int samples; /* to learn from */
} cure;
static const cure cures[] = {{"none", 0, 0, FEW}, {"weight decay", 0.3, 0, FEW}, {"dropout", 0, 0.1, FEW}, {"more data", 0, 0, 400}};
enum { CURES = sizeof cures / sizeof *cures };

static float train_x[400], train_y[400], test_x[MANY], test_y[MANY];

static double loss_of(soma_context *ctx, soma_module *net, const float *x, const float *y, int64_t n) {
    double loss;
    soma_scope *scope = soma_scope_open(ctx);
    soma_module_train(net, false);
    soma_item(soma_mse_loss(soma_forward(net, soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(n, 1))), soma_from(ctx, y, SOMA_F32, SOMA_SHAPE(n, 1)), NULL),
              &loss);
    soma_module_train(net, true);
    soma_scope_close(scope);
    return loss;
}

/* Trains with a cure; train and test losses on the way. */
static soma_module *train(soma_context *ctx, const cure *c, double *seen, double *unseen) {
    soma_manual_seed(ctx, 2);
    soma_module *net =
        soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 1, 100, NULL), soma_nn_tanh(ctx), soma_nn_dropout(ctx, c->dropout),
                                             soma_nn_linear(ctx, 100, 100, NULL), soma_nn_tanh(ctx), soma_nn_linear(ctx, 100, 1, NULL)));
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(net, &params, &n);
    soma_optim *o = soma_optim_adamw(ctx, params, n, 0.01, &(soma_adamw_opts){.weight_decay = SOMA_SET(c->decay)});
    soma_tensor *x = soma_from(ctx, train_x, SOMA_F32, SOMA_SHAPE(c->samples, 1)), *y = soma_from(ctx, train_y, SOMA_F32, SOMA_SHAPE(c->samples, 1));
    for (int i = 0; i < STEPS; i++) {
        if (i % EVERY == 0)
            seen[i / EVERY] = loss_of(ctx, net, train_x, train_y, c->samples), unseen[i / EVERY] = loss_of(ctx, net, test_x, test_y, MANY);
        soma_scope *step = soma_scope_open(ctx);
        soma_backward(soma_mse_loss(soma_forward(net, x), y, NULL), NULL);
        soma_optim_step(o);
        soma_optim_zero_grad(o);
        soma_scope_close(step);
    }
    fine(ctx);
    return net;
}

static void draw_fit(soma_context *ctx, plot *p, soma_module *net, int colour, const char *label) {
    float x[POINTS], y[POINTS];
    double xs[POINTS], ys[POINTS];
    for (int i = 0; i < POINTS; i++) x[i] = (float)i / (POINTS - 1) * 2 - 1;
    soma_module_train(net, false);
    soma_read(soma_forward(net, soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(POINTS, 1))), y, sizeof y);
    for (int i = 0; i < POINTS; i++) xs[i] = (double)x[i], ys[i] = (double)y[i];
    plot_line(p, xs, ys, POINTS, colour, label);
}

static void sample(soma_context *ctx, float *x, float *y, int n, int first) {
    soma_dataset *d = soma_dataset_generate(ctx, "sine", n, &(soma_generate_opts){.seed = 6, .first = first, .noise = SOMA_SET(0.3)});
    for (int i = 0; i < n; i++) {
        soma_dataset_sample(d, i, x + i, NULL);
        soma_dataset_value(d, i, y + i);
        x[i] = x[i] / 3.14159265f - 1;
    }
}

int main(int argc, char **argv) {
    static double seen[CURES][LOOKS], unseen[CURES][LOOKS], steps[LOOKS], xs[FEW], ys[FEW];
    soma_module *nets[CURES];
    soma_context *ctx = begin(1);
    sample(ctx, train_x, train_y, 400, 0);
    sample(ctx, test_x, test_y, MANY, 400);
    for (int k = 0; k < CURES; k++) {
        nets[k] = train(ctx, &cures[k], seen[k], unseen[k]);
        printf("%-13s train loss %.4f, test loss %.4f, gap %.4f\n", cures[k].name, seen[k][LOOKS - 1], unseen[k][LOOKS - 1],
               unseen[k][LOOKS - 1] - seen[k][LOOKS - 1]);
    }
    double least = unseen[0][0];
    int best = 0;
    for (int i = 0; i < LOOKS; i++)
        if (unseen[0][i] < least) least = unseen[0][i], best = i;
    double last = unseen[0][LOOKS - 1];
    printf("without a cure the test loss is least at step %d: %.4f\n", best * EVERY, least);
    claim(seen[0][LOOKS - 1] < 0.01 && last > 10 * seen[0][LOOKS - 1],
          "without a cure the train loss goes to nothing and the test loss is ten times it and more");
    claim(least < 0.75 * last && best < LOOKS / 2, "the test loss was best early on: early stopping is a cure");
    for (int k = 1; k < CURES; k++) {
        char sentence[100];
        snprintf(sentence, sizeof sentence, "%s lowers the test loss", cures[k].name);
        claim(unseen[k][LOOKS - 1] < 0.85 * last, sentence);
    }

    plot *picture = plot_new(3, 340, 320);
    for (int i = 0; i < LOOKS; i++) steps[i] = i * EVERY;
    for (int i = 0; i < FEW; i++) xs[i] = (double)train_x[i], ys[i] = (double)train_y[i];
    plot_panel(picture, "without a cure", 0, STEPS, 0.001, 1, "step", "mean squared error", 1);
    plot_line(picture, steps, seen[0], LOOKS, 0, "train");
    plot_line(picture, steps, unseen[0], LOOKS, 1, "test");
    plot_panel(picture, "test loss with cures", 0, STEPS, 0.05, 1, "step", "mean squared error", 1);
    for (int k = 0; k < CURES; k++) plot_line(picture, steps, unseen[k], LOOKS, k, cures[k].name);
    plot_panel(picture, "what was learned", -1, 1, -2.5, 2.5, "x", "y", 0);
    plot_points(picture, xs, ys, FEW, 5, NULL);
    draw_fit(ctx, picture, nets[0], 0, "none");
    draw_fit(ctx, picture, nets[1], 1, "weight decay");
    draw_fit(ctx, picture, nets[3], 3, "more data");
    finish(ctx, picture, argc, argv, "08_overfitting");
    return 0;
}
