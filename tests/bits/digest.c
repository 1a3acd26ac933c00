/* Short runs whose digests every machine, compiler and instruction set has to reproduce. A plain program, so that it runs under an emulator, too. */
#include "soma/soma.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a over the bytes; a NaN counts as 7fc00000. */
static uint64_t digest(const float *x, int64_t n, uint64_t h) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], 4);
        if (x[i] != x[i]) u = 0x7fc00000u;
        for (int k = 0; k < 4; k++) h = (h ^ (u >> (8 * k) & 0xff)) * 0x100000001b3u;
    }
    return h;
}

static void print(soma_context *ctx, const char *name, soma_tensor *const *xs, size_t count) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        int64_t n = soma_numel(xs[i]);
        float *v = malloc((size_t)n * sizeof *v);
        if (!v || soma_read(xs[i], v, (size_t)n * sizeof *v) != SOMA_OK) {
            fprintf(stderr, "%s: %s\n", name, soma_error_message(ctx));
            exit(1);
        }
        h = digest(v, n, h);
        free(v);
    }
    printf("%s %016llx\n", name, (unsigned long long)h);
}

static soma_optim *optimizer(soma_context *ctx, int kind, soma_tensor *const *params, size_t n) {
    if (kind == 0) return soma_optim_sgd(ctx, params, n, 0.05, &(soma_sgd_opts){.momentum = 0.9, .nesterov = 1});
    return kind == 1 ? soma_optim_adam(ctx, params, n, 0.01, NULL) : soma_optim_adamw(ctx, params, n, 0.01, NULL);
}

static void train(const char *name, int kind) {
    soma_context *ctx;
    if (soma_context_create(&ctx, &(soma_context_opts){.seed = 11}) != SOMA_OK) exit(1);
    soma_module *act = kind == 0 ? soma_nn_relu(ctx) : kind == 1 ? soma_nn_tanh(ctx) : soma_nn_sigmoid(ctx);
    soma_module *net = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 37, 50, NULL), act, soma_nn_dropout(ctx, 0.2), soma_nn_linear(ctx, 50, 11, NULL)));
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(net, &params, &n);
    soma_optim *optim = optimizer(ctx, kind, params, n);
    for (int i = 0; i < 20; i++) {
        soma_scope *s = soma_scope_open(ctx);
        soma_tensor *x = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(29, 37)), *t = soma_randint(ctx, 0, 11, SOMA_SHAPE(29));
        soma_backward(soma_cross_entropy(soma_forward(net, x), t, NULL), NULL);
        soma_clip_grad_norm(params, n, 1.0, NULL);
        soma_optim_step(optim);
        soma_optim_zero_grad(optim);
        soma_scope_close(s);
    }
    print(ctx, name, params, n);
    soma_context_free(ctx);
}

/* Values of the element by element functions over a grid of ordinary and odd arguments. */
static void functions(void) {
    soma_context *ctx;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) exit(1);
    static float v[4096];
    for (uint32_t i = 0; i < 4096; i++) {
        uint32_t u = i * 1048573u + 77u;
        memcpy(&v[i], &u, 4);
    }
    soma_tensor *x = soma_borrow(ctx, v, SOMA_F32, SOMA_SHAPE(4096)), *y = soma_permute(soma_reshape(x, SOMA_SHAPE(64, 64)), SOMA_SHAPE(1, 0));
    y = soma_reshape(y, SOMA_SHAPE(4096));
#define ONE(f)                                                                                                                                        \
    do {                                                                                                                                              \
        soma_tensor *r = soma_##f(x);                                                                                                                 \
        print(ctx, #f, &r, 1);                                                                                                                        \
    } while (0)
    ONE(exp); ONE(expm1); ONE(log); ONE(log1p); ONE(log2); ONE(log10); ONE(sin); ONE(cos); ONE(tan); ONE(asin); ONE(acos); ONE(atan); ONE(sinh); ONE(cosh);
    ONE(tanh); ONE(sigmoid); ONE(erf); ONE(erfc); ONE(sqrt); ONE(rsqrt); ONE(relu); ONE(floor); ONE(round);
    soma_tensor *two[] = {soma_pow(soma_abs(x), y), soma_atan2(x, y), soma_remainder(x, y), soma_maximum(x, y), soma_div(x, y)};
    print(ctx, "pairs", two, 5);
    soma_tensor *m = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(13, 5000)), *k = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(5000, 7));
    soma_tensor *rest[] = {soma_matmul(m, k), soma_sum(m, &(soma_reduce_opts){SOMA_DIMS(1)}), soma_var(m, NULL), soma_softmax(m, 1), soma_logsumexp(m, NULL)};
    print(ctx, "reductions", rest, 5);
    soma_context_free(ctx);
}

int main(void) {
    train("sgd-relu", 0);
    train("adam-tanh", 1);
    train("adamw-sigmoid", 2);
    functions();
    return 0;
}
