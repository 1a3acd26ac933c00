/* Chapter 7: gradient descent by the whole set, by single samples, and by small batches: time, stability and loss. */
#include "support/chapter.h"

#include <string.h>

enum { SAMPLES = 512, FEATURES = 10, EPOCHS = 60 };
static const struct {
    const char *name;
    int64_t batch;
    double rate;
} ways[] = {{"batch: all 512", SAMPLES, 0.1}, {"stochastic: 1", 1, 0.02}, {"mini-batch: 32", 32, 0.1}, {"stochastic, same rate", 1, 0.1}};
enum { WAYS = sizeof ways / sizeof *ways };

typedef struct run {
    soma_module *net;
    soma_optim *sgd;
    soma_tensor *const *params;
    size_t n;
} run;

static soma_status step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    run *r = user;
    (void)n_in, (void)n_out;
    out[0] = soma_mse_loss(soma_squeeze(soma_forward(r->net, in[0]), 1), in[1], NULL);
    soma_backward(out[0], NULL);
    soma_optim_step(r->sgd);
    soma_optim_zero_grad(r->sgd);
    return soma_error_status(ctx);
}

/* The loss over all samples. */
static double whole_loss(soma_context *ctx, run *r, const float *x, const float *y) {
    double loss;
    soma_scope *scope = soma_scope_open(ctx);
    soma_tensor *xs = soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(SAMPLES, FEATURES)), *ys = soma_from(ctx, y, SOMA_F32, SOMA_SHAPE(SAMPLES));
    soma_item(soma_mse_loss(soma_squeeze(soma_forward(r->net, xs), 1), ys, NULL), &loss);
    soma_scope_close(scope);
    return loss;
}

/* Trains; losses after each epoch go to curve. Returns seconds. */
static double train(soma_context *ctx, int64_t batch, double rate, const float *x, const float *y, double *curve) {
    run r;
    int64_t shape = FEATURES;
    soma_manual_seed(ctx, 5);
    r.net = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, FEATURES, 32, NULL), soma_nn_tanh(ctx), soma_nn_linear(ctx, 32, 1, NULL)));
    soma_module_parameters(r.net, &r.params, &r.n);
    r.sgd = soma_optim_sgd(ctx, r.params, r.n, rate, NULL);
    soma_dataset *data = soma_dataset_values(ctx, x, y, SAMPLES, &shape, 1);
    soma_loader *loader = soma_loader_new(ctx, data, batch, &(soma_loader_opts){.shuffle = 1, .seed = 2});
    const soma_slot slots[2] = {{{batch, FEATURES}, 2, SOMA_F32}, {{batch}, 1, SOMA_F32}};
    soma_program *program = soma_capture(ctx, step, &r, slots, 2, 1, NULL);
    double seconds = 0;
    curve[0] = whole_loss(ctx, &r, x, y);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        soma_batch b;
        double start = soma_seconds();
        soma_loader_start(loader, epoch);
        while (soma_loader_next(loader, &b)) {
            soma_program_bind(program, 0, b.inputs, (int64_t[]){b.count, FEATURES});
            soma_program_bind(program, 1, b.values, &b.count);
            soma_program_run(program);
        }
        seconds += soma_seconds() - start;
        curve[epoch + 1] = whole_loss(ctx, &r, x, y);
    }
    fine(ctx);
    return seconds;
}

/* How much the loss goes up, all in all, over the last half of the epochs. */
static double unrest(const double *curve) {
    double up = 0;
    for (int i = EPOCHS / 2; i < EPOCHS; i++) up += fmax(curve[i + 1] - curve[i], 0);
    return up;
}

int main(int argc, char **argv) {
    static float x[SAMPLES * FEATURES], y[SAMPLES];
    static double curves[WAYS][EPOCHS + 1], epochs[EPOCHS + 1];
    soma_context *ctx = begin(1);
    soma_dataset *data = soma_dataset_generate(ctx, "friedman1", SAMPLES, &(soma_generate_opts){.seed = 7});
    for (int i = 0; i < SAMPLES; i++) {
        soma_dataset_sample(data, i, x + i * FEATURES, NULL);
        soma_dataset_value(data, i, &y[i]);
        for (int k = 0; k < FEATURES; k++) x[i * FEATURES + k] = (x[i * FEATURES + k] - 0.5f) * 3.4f;
        y[i] = (y[i] - 14.4f) / 5;
    }
    for (int w = 0; w < WAYS; w++) {
        double seconds = train(ctx, ways[w].batch, ways[w].rate, x, y, curves[w]);
        printf("%-22s rate %.2f, %4d steps an epoch, %.3f s in all: loss %.4f -> %.4f, it went up by %.4f in the last half\n", ways[w].name,
               ways[w].rate, (int)(SAMPLES / ways[w].batch), seconds, curves[w][0], curves[w][EPOCHS], unrest(curves[w]));
    }
    claim(unrest(curves[0]) == 0, "the whole set's loss never goes up: its gradient is the true one");
    claim(!isfinite(curves[3][EPOCHS]), "single samples' gradients are so uneven that at the same rate the loss grows beyond all numbers");
    claim(unrest(curves[1]) > 5 * unrest(curves[2]), "at a fifth of the rate they learn, and jump more than small batches do");
    claim(curves[2][EPOCHS] < 0.25 * curves[0][EPOCHS], "small batches end below a quarter of the whole set's loss after the same epochs");

    plot *picture = plot_new(1, 520, 340);
    for (int i = 0; i <= EPOCHS; i++) epochs[i] = i;
    plot_panel(picture, "Friedman 1, 512 samples", 0, EPOCHS, 0.01, 2, "epoch", "mean squared error", 1);
    for (int w = 0; w < 3; w++) plot_line(picture, epochs, curves[w], EPOCHS + 1, w, ways[w].name);
    finish(ctx, picture, argc, argv, "07_descent");
    return 0;
}
