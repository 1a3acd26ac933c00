/* Trains a multi-layer perceptron on MNIST: mnist [folder [seed [threads]]]. The folder holds the four original idx files, plain or .gz. */
#include <soma/soma.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 100
#define EPOCHS 8

typedef struct net {
    soma_module *module;
    soma_optim *optim;
} net;

/* One step: outputs the loss. */
static soma_status train_step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    net *n = user;
    (void)ctx, (void)n_in, (void)n_out;
    out[0] = soma_cross_entropy(soma_forward(n->module, in[0]), in[1], NULL);
    soma_backward(out[0], NULL);
    soma_optim_step(n->optim);
    return soma_optim_zero_grad(n->optim);
}

/* Outputs how many of a batch are right. */
static soma_status test_step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    out[0] = soma_sum(soma_eq(soma_argmax(soma_forward(((net *)user)->module, in[0]), 1, false), in[1]), NULL);
    return soma_error_status(ctx);
}

static double run_epoch(soma_program *p, soma_loader *l, int64_t epoch) {
    double sum = 0, value = 0;
    soma_batch b;
    soma_loader_start(l, epoch);
    while (soma_loader_next(l, &b)) {
        soma_program_bind(p, 0, b.inputs, (int64_t[]){b.count, 784});
        soma_program_bind(p, 1, b.targets, &b.count);
        if (soma_program_run(p) != SOMA_OK || soma_program_item(p, 0, &value) != SOMA_OK) break;
        sum += value;
    }
    return sum;
}

static soma_dataset *open_set(soma_context *ctx, const char *folder, const char *part) {
    char images[1024], labels[1024];
    snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte", folder, part);
    snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte", folder, part);
    return soma_dataset_idx(ctx, images, labels, NULL);
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "../shared/data/mnist";
    soma_context *ctx;
    soma_context_opts o = {.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, .threads = argc > 3 ? atoi(argv[3]) : 0};
    soma_status made = soma_context_create(&ctx, &o);
    if (made != SOMA_OK) {
        fprintf(stderr, "mnist: %s: threads must be 1 to 1024, or 0 for one per processor\n", soma_status_name(made));
        return 1;
    }
    soma_dataset *train = open_set(ctx, folder, "train"), *test = open_set(ctx, folder, "t10k");
    soma_loader *tl = soma_loader_new(ctx, train, BATCH, &(soma_loader_opts){.shuffle = 1, .seed = o.seed});
    soma_loader *el = soma_loader_new(ctx, test, BATCH, NULL);
    net n;
    n.module = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 784, 256, NULL), soma_nn_relu(ctx), soma_nn_linear(ctx, 256, 128, NULL),
                                                    soma_nn_relu(ctx), soma_nn_linear(ctx, 128, 10, NULL)));
    soma_tensor *const *params = NULL;
    size_t count = 0;
    soma_module_parameters(n.module, &params, &count);
    n.optim = soma_optim_adam(ctx, params, count, 0.001, NULL);
    soma_slot slots[2] = {{{BATCH, 784}, 2, SOMA_F32}, {{BATCH}, 1, SOMA_I64}};
    soma_program *step = soma_capture(ctx, train_step, &n, slots, 2, 1, NULL), *check = soma_capture(ctx, test_step, &n, slots, 2, 1, NULL);
    double right = 0, seconds = 0;
    for (int64_t epoch = 0; epoch < EPOCHS && soma_error_status(ctx) == SOMA_OK; epoch++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        soma_optim_set_lr(n.optim, -1, epoch < 5 ? 0.001 : 0.0002);
        double loss = run_epoch(step, tl, epoch);
        clock_gettime(CLOCK_MONOTONIC, &b);
        seconds += (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
        right = run_epoch(check, el, 0);
        printf("epoch %d: loss %.4f, test accuracy %.2f %%\n", (int)epoch + 1, loss / (double)soma_loader_count(tl), right / 100);
    }
    soma_status s = soma_error_status(ctx);
    if (s == SOMA_OK) printf("accuracy %.2f %% after %.2f s of training\n", right / 100, seconds);
    else fprintf(stderr, "mnist: %s\n", soma_error_message(ctx));
    soma_context_free(ctx);
    return s == SOMA_OK ? 0 : 1;
}
