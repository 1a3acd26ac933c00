/* Whole convolutional nets: nets [train|infer] [MNIST-CNN|ResNet-20] [THREADS] [--explain], or all of them. Each line is what one step costs, as a
 * median of blocks; bench/run --nets has PyTorch beside it. PyTorch's MNIST example (Conv 32, Conv 64, pool, dropout, 128), and ResNet-20 for CIFAR
 * (He et al. 2016, option B: a 1x1 convolution where the size changes). */
#include "support/clock.h"

#include "soma/soma.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static soma_module *mnist_cnn(soma_context *c) {
    return soma_nn_sequential(c, SOMA_MODULES(soma_nn_conv2d(c, 1, 32, 3, NULL), soma_nn_relu(c), soma_nn_conv2d(c, 32, 64, 3, NULL), soma_nn_relu(c),
                                              soma_nn_max_pool2d(c, 2, NULL), soma_nn_dropout(c, 0.25), soma_nn_flatten(c),
                                              soma_nn_linear(c, 9216, 128, NULL), soma_nn_relu(c), soma_nn_dropout(c, 0.5),
                                              soma_nn_linear(c, 128, 10, NULL)));
}

static soma_module *conv_norm(soma_context *c, int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    soma_conv_module_opts o = {.stride = {stride, stride}, .padding = {kernel / 2, kernel / 2}, .no_bias = 1};
    return soma_nn_sequential(c, SOMA_MODULES(soma_nn_conv2d(c, in, out, kernel, &o), soma_nn_batch_norm_2d(c, out, NULL)));
}
static soma_module *block(soma_context *c, int64_t in, int64_t out) {
    int64_t stride = in == out ? 1 : 2;
    soma_module *inner = soma_nn_sequential(c, SOMA_MODULES(conv_norm(c, in, out, 3, stride), soma_nn_relu(c), conv_norm(c, out, out, 3, 1)));
    soma_module *sum = in == out ? soma_nn_residual(c, inner) : soma_nn_residual_with(c, inner, conv_norm(c, in, out, 1, 2));
    return soma_nn_sequential(c, SOMA_MODULES(sum, soma_nn_relu(c)));
}
static soma_module *resnet20(soma_context *c) {
    soma_module *m[15] = {conv_norm(c, 3, 16, 3, 1), soma_nn_relu(c)};
    int n = 2;
    for (int64_t stage = 0, in = 16; stage < 3; stage++)
        for (int i = 0; i < 3; i++, n++) m[n] = block(c, in, (int64_t)16 << stage), in = (int64_t)16 << stage;
    m[n++] = soma_nn_adaptive_avg_pool2d(c, SOMA_SHAPE(1));
    m[n++] = soma_nn_flatten(c);
    m[n++] = soma_nn_linear(c, 64, 10, NULL);
    return soma_nn_sequential(c, m, (size_t)n);
}

static const struct net {
    const char *name;
    soma_module *(*make)(soma_context *c);
    int64_t shape[3];
} nets[] = {{"MNIST-CNN", mnist_cnn, {1, 28, 28}}, {"ResNet-20", resnet20, {3, 32, 32}}};

typedef struct run {
    soma_module *net;
    soma_optim *optim;
} run;

static soma_status train(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    run *r = user;
    (void)ctx, (void)n_in, (void)n_out;
    out[0] = soma_cross_entropy(soma_forward(r->net, in[0]), in[1], NULL);
    soma_backward(out[0], NULL);
    soma_optim_step(r->optim);
    return soma_optim_zero_grad(r->optim);
}
static soma_status infer(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    run *r = user;
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    out[0] = soma_forward(r->net, in[0]);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

static int by_size(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

static int measure(const struct net *net, bool training, int64_t batch, int threads, bool explain) {
    soma_context *ctx;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = threads}) != SOMA_OK) return 1;
    run r = {.net = net->make(ctx)};
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(r.net, &params, &n);
    r.optim = soma_optim_sgd(ctx, params, n, 0.01, &(soma_sgd_opts){.momentum = 0.9});
    if (!training) soma_module_train(r.net, false);
    int64_t pixels = net->shape[0] * net->shape[1] * net->shape[2];
    float *x = malloc((size_t)(batch * pixels) * sizeof *x);
    int64_t *t = malloc((size_t)batch * sizeof *t);
    for (int64_t i = 0; i < batch * pixels; i++) x[i] = (float)(i * 7919 % 1000) * 0.002f - 1;
    for (int64_t i = 0; i < batch; i++) t[i] = i % 10;
    soma_slot slots[2] = {{{batch, net->shape[0], net->shape[1], net->shape[2]}, 4, SOMA_F32}, {{batch}, 1, SOMA_I64}};
    soma_program *p = soma_capture(ctx, training ? train : infer, &r, slots, training ? 2 : 1, 1, NULL);
    soma_program_bind(p, 0, x, NULL);
    if (training) soma_program_bind(p, 1, t, NULL);
    double blocks[9], once = bench_now();
    soma_program_run(p);
    once = bench_now();
    soma_program_run(p);
    once = bench_now() - once;
    int per = (int)(0.15 / once) + 1;
    for (int b = 0; b < 9; b++) {
        double start = bench_now();
        for (int i = 0; i < per; i++) soma_program_run(p);
        blocks[b] = (bench_now() - start) / per;
    }
    qsort(blocks, 9, sizeof *blocks, by_size);
    char *text = NULL;
    if (explain && soma_program_explain(p, &text) == SOMA_OK) puts(text);
    soma_stats stats;
    soma_context_stats(ctx, &stats);
    int bad = soma_error_status(ctx) != SOMA_OK;
    if (bad) fprintf(stderr, "nets: %s\n", soma_error_message(ctx));
    else
        printf("soma\t%s\t%s\t%lld\t%d\t%.3f ms\tslab %.1f MB\n", net->name, training ? "train" : "infer", (long long)batch, threads, 1e3 * blocks[4],
               (double)stats.slab_bytes / 1e6);
    soma_context_free(ctx);
    free(x), free(t);
    return bad;
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : NULL, *name = argc > 2 ? argv[2] : NULL;
    int threads = argc > 3 ? atoi(argv[3]) : 0, bad = 0;
    bool explain = argc > 4;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        for (int way = 0; way < 3; way++)
            for (int t = 1; t <= 2; t++) {
                if ((mode && strcmp(mode, way ? "infer" : "train") != 0) || (name && strcmp(name, nets[i].name) != 0) || (threads && t != threads))
                    continue;
                bad |= measure(&nets[i], way == 0, way == 1 ? 1 : 128, t, explain);
            }
    return bad;
}
