/* Short runs whose digests every machine, compiler and instruction set has to reproduce. A plain program, so that it runs under an emulator, too. */
#include "soma/soma.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bytes(const unsigned char *x, size_t n, uint64_t h) { /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ x[i]) * 0x100000001b3u;
    return h;
}

/* A NaN counts as the quiet one without a sign. Machines of either order of bytes would differ; soma runs on little-endian ones. */
static uint64_t digest(const void *data, soma_dtype dtype, int64_t n, uint64_t h) {
    const unsigned char *x = data;
    size_t size = soma_dtype_size(dtype);
    for (int64_t i = 0; i < n; i++, x += size) {
        const uint32_t nan32 = 0x7fc00000u;
        const uint64_t nan64 = (uint64_t)0x7ff8 << 48;
        float f = 0;
        double d = 0;
        if (dtype == SOMA_F32) memcpy(&f, x, size);
        if (dtype == SOMA_F64) memcpy(&d, x, size);
        h = bytes(f != f ? (const unsigned char *)&nan32 : d != d ? (const unsigned char *)&nan64 : x, size, h);
    }
    return h;
}

static void die(soma_context *ctx, const char *name) {
    fprintf(stderr, "%s: %s\n", name, soma_error_message(ctx));
    exit(1);
}

static soma_context *context(uint64_t seed) {
    soma_context *ctx;
    if (soma_context_create(&ctx, &(soma_context_opts){.seed = seed}) != SOMA_OK) exit(1);
    return ctx;
}

static void print(soma_context *ctx, const char *name, soma_tensor *const *xs, size_t count) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        const void *data;
        if (soma_data(xs[i], &data) != SOMA_OK) die(ctx, name);
        h = digest(data, soma_tensor_dtype(xs[i]), soma_numel(xs[i]), h);
    }
    printf("%s %016llx\n", name, (unsigned long long)h);
}

static soma_optim *optimizer(soma_context *ctx, int kind, soma_tensor *const *params, size_t n) {
    if (kind == 0) return soma_optim_sgd(ctx, params, n, 0.05, &(soma_sgd_opts){.momentum = 0.9, .nesterov = 1});
    return kind == 1 ? soma_optim_adam(ctx, params, n, 0.01, NULL) : soma_optim_adamw(ctx, params, n, 0.01, NULL);
}

enum { ROWS = 29, INPUTS = 37, HIDDEN = 50, CLASSES = 11 };

typedef struct run {
    soma_module *net;
    soma_optim *optim;
    soma_tensor *const *params, *weight;
    size_t n;
    soma_dtype dtype;
} run;

/* One step on drawn data. */
static soma_status step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    run *r = user;
    (void)in, (void)n_in;
    soma_tensor *x = soma_randn(ctx, r->dtype, SOMA_SHAPE(ROWS, INPUTS)), *t = soma_randint(ctx, 0, CLASSES, SOMA_SHAPE(ROWS)),
                *y = soma_forward(r->net, x);
    soma_tensor *loss =
        r->weight
            ? soma_cross_entropy(y, t, &(soma_cross_entropy_opts){.weight = r->weight, .label_smoothing = SOMA_SET(0.1), .ignore_index = SOMA_SET(3)})
            : soma_cross_entropy(y, t, NULL);
    if (n_out) out[0] = loss;
    soma_backward(loss, NULL);
    soma_clip_grad_norm(r->params, r->n, 1.0, NULL);
    soma_optim_step(r->optim);
    return soma_optim_zero_grad(r->optim);
}

/* The loss of new random data and its gradients, as a closure. */
static soma_status evaluate(void *user, double *loss) {
    run *r = user;
    soma_context *ctx = soma_module_context(r->net);
    soma_optim_zero_grad(r->optim);
    soma_tensor *x = soma_randn(ctx, r->dtype, SOMA_SHAPE(ROWS, INPUTS)), *t = soma_randint(ctx, 0, CLASSES, SOMA_SHAPE(ROWS));
    soma_tensor *l = soma_cross_entropy(soma_forward(r->net, x), t, NULL);
    soma_backward(l, NULL);
    return soma_item(l, loss);
}

static void train(const char *name, int kind, soma_dtype dtype, bool captured, bool options) {
    soma_context *ctx = context(11);
    const soma_linear_opts o = {.dtype = dtype};
    soma_module *act = kind == 0 ? soma_nn_relu(ctx) : kind == 1 ? soma_nn_tanh(ctx) : soma_nn_sigmoid(ctx);
    run r = {.dtype = dtype};
    r.net = soma_nn_sequential(
        ctx, SOMA_MODULES(soma_nn_linear(ctx, INPUTS, HIDDEN, &o), act, soma_nn_dropout(ctx, 0.2), soma_nn_linear(ctx, HIDDEN, CLASSES, &o)));
    soma_module_parameters(r.net, &r.params, &r.n);
    r.optim = optimizer(ctx, kind, r.params, r.n);
    r.weight = options ? soma_keep(soma_arange(ctx, 0.5, 0.5 + CLASSES, 1, dtype)) : NULL;
    soma_program *p = captured ? soma_capture(ctx, step, &r, NULL, 0, 1, NULL) : NULL;
    for (int i = 0; i < 20; i++) {
        soma_scope *s = p ? NULL : soma_scope_open(ctx);
        if (p) soma_program_run(p);
        else step(ctx, &r, NULL, 0, NULL, 0);
        if (s) soma_scope_close(s);
    }
    if (soma_error_status(ctx) != SOMA_OK) die(ctx, name);
    print(ctx, name, r.params, r.n);
    soma_context_free(ctx);
}

static void draws(void) {
    soma_context *ctx = context(7);
    soma_tensor *half = soma_full(ctx, 0.3, SOMA_F64, SOMA_SHAPE(101));
    soma_tensor *xs[] = {soma_rand(ctx, SOMA_F32, SOMA_SHAPE(1003)),
                         soma_randn(ctx, SOMA_F64, SOMA_SHAPE(77)),
                         soma_randint(ctx, -5, 1000003, SOMA_SHAPE(99)),
                         soma_randperm(ctx, 500),
                         soma_bernoulli(half),
                         soma_normal(ctx, 2, 3, SOMA_F32, SOMA_SHAPE(9, 9))};
    print(ctx, "draws", xs, 6);
    soma_context_free(ctx);
}

static void integers(void) {
    soma_context *ctx = context(5);
    soma_tensor *a = soma_sub_scalar(soma_randint(ctx, 0, 1 << 20, SOMA_SHAPE(40, 30)), 500000),
                *b = soma_add_scalar(soma_randint(ctx, 0, 50, SOMA_SHAPE(40, 1)), 1);
    soma_tensor *small = soma_to(a, SOMA_U8), *i32 = soma_to(a, SOMA_I32), *bits = soma_gt(a, b),
                *index = soma_remainder(a, soma_full(ctx, 40, SOMA_I64, NULL, 0));
    soma_tensor *places, *top = soma_topk(a, 4, 1, true, &places);
    soma_tensor *xs[] = {soma_mul(a, a),
                         soma_floor_divide(a, b),
                         soma_remainder(a, b),
                         soma_add(small, small),
                         soma_sum(i32, NULL),
                         soma_logical_xor(bits, soma_lt(a, b)),
                         soma_argmax(a, 0, false),
                         top,
                         places,
                         soma_gather(a, 0, index),
                         soma_mean(soma_to(a, SOMA_F64), NULL),
                         soma_div(i32, small),
                         soma_one_hot(soma_select(index, 1, 3), 40)};
    print(ctx, "integers", xs, sizeof xs / sizeof *xs);
    soma_context_free(ctx);
}

/* Values of the element by element functions over a grid of ordinary and odd arguments. */
static void functions(void) {
    soma_context *ctx = context(0);
    static float v[4096];
    for (uint32_t i = 0; i < 4096; i++) {
        uint32_t u = i * 1048573u + 77u;
        memcpy(&v[i], &u, 4);
    }
    soma_tensor *x = soma_borrow(ctx, v, SOMA_F32, SOMA_SHAPE(4096)), *y = soma_permute(soma_reshape(x, SOMA_SHAPE(64, 64)), SOMA_SHAPE(1, 0));
    y = soma_reshape(y, SOMA_SHAPE(4096));
#define ONE(f) \
    do { \
        soma_tensor *r = soma_##f(x); \
        print(ctx, #f, &r, 1); \
    } while (0)
    ONE(exp);
    ONE(expm1);
    ONE(log);
    ONE(log1p);
    ONE(log2);
    ONE(log10);
    ONE(sin);
    ONE(cos);
    ONE(tan);
    ONE(asin);
    ONE(acos);
    ONE(atan);
    ONE(sinh);
    ONE(cosh);
    ONE(tanh);
    ONE(sigmoid);
    ONE(erf);
    ONE(erfc);
    ONE(sqrt);
    ONE(rsqrt);
    ONE(relu);
    ONE(floor);
    ONE(round);
    soma_tensor *two[] = {soma_pow(soma_abs(x), y), soma_atan2(x, y), soma_remainder(x, y), soma_maximum(x, y), soma_div(x, y)};
    print(ctx, "pairs", two, 5);
    soma_tensor *m = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(13, 5000)), *k = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(5000, 7));
    soma_tensor *rest[] = {soma_matmul(m, k), soma_sum(m, &(soma_reduce_opts){SOMA_DIMS(1)}), soma_var(m, NULL), soma_softmax(m, 1),
                           soma_logsumexp(m, NULL)};
    print(ctx, "reductions", rest, 5);
    soma_context_free(ctx);
}

/* Six steps of every optimizer on a small net, recorded and captured alike. */
static void walk(const char *name, soma_optim *(*make)(soma_context *ctx, soma_tensor *const *params, size_t n), bool captured) {
    soma_context *ctx = context(13);
    run r = {.dtype = SOMA_F32};
    r.net = soma_nn_sequential(
        ctx, SOMA_MODULES(soma_nn_linear(ctx, INPUTS, HIDDEN, NULL), soma_nn_gelu(ctx), soma_nn_linear(ctx, HIDDEN, CLASSES, NULL)));
    soma_module_parameters(r.net, &r.params, &r.n);
    r.optim = make(ctx, r.params, r.n);
    bool closures = strcmp(name, "lbfgs") == 0;
    soma_program *p = captured && !closures ? soma_capture(ctx, step, &r, NULL, 0, 0, NULL) : NULL;
    for (int i = 0; i < 6; i++) {
        if (closures) soma_optim_step_closure(r.optim, evaluate, &r, NULL);
        else if (p) soma_program_run(p);
        else step(ctx, &r, NULL, 0, NULL, 0);
    }
    if (soma_error_status(ctx) != SOMA_OK) die(ctx, name);
    print(ctx, name, r.params, r.n);
    soma_context_free(ctx);
}
#define OPTIMIZER(name, rate, settings, doc) \
    static soma_optim *make_##name(soma_context *ctx, soma_tensor *const *params, size_t n) { return soma_optim_##name(ctx, params, n, 0.01, NULL); }
#include "soma/optimizers.def"
#undef OPTIMIZER
static soma_optim *make_amsgrad(soma_context *ctx, soma_tensor *const *params, size_t n) {
    return soma_optim_adamw(ctx, params, n, 0.01, &(soma_adamw_opts){.amsgrad = 1});
}
static soma_optim *make_centered(soma_context *ctx, soma_tensor *const *params, size_t n) {
    return soma_optim_rmsprop(ctx, params, n, 0.01, &(soma_rmsprop_opts){.centered = 1, .momentum = 0.9, .weight_decay = 0.01});
}
/* Six steps of a net with both normalisations, and its running statistics. */
static void norms(void) {
    soma_context *ctx = context(17);
    run r = {.dtype = SOMA_F32};
    soma_module *layers[] = {soma_nn_linear(ctx, INPUTS, HIDDEN, NULL), soma_nn_batch_norm_1d(ctx, HIDDEN, NULL), soma_nn_silu(ctx),
                             soma_nn_layer_norm(ctx, SOMA_SHAPE(HIDDEN), NULL), soma_nn_linear(ctx, HIDDEN, CLASSES, NULL)};
    r.net = soma_nn_sequential(ctx, layers, 5);
    soma_module_parameters(r.net, &r.params, &r.n);
    r.optim = soma_optim_sgd(ctx, r.params, r.n, 0.05, NULL);
    for (int i = 0; i < 6; i++) step(ctx, &r, NULL, 0, NULL, 0);
    soma_tensor *state[32];
    size_t n = 0;
    char key[64];
    while (n < 32 && soma_module_state(r.net, n, key, sizeof key, &state[n]) == SOMA_OK) n++;
    if (soma_error_status(ctx) != SOMA_OK) die(ctx, "norms");
    print(ctx, "norms", state, n);
    soma_context_free(ctx);
}
/* Six steps of a net of images, with what is between convolutions, and its first gradients of gradients. */
static void images(void) {
    soma_context *ctx = context(19);
    soma_module *layers[] = {
        soma_nn_conv2d(ctx, 3, 8, 3, &(soma_conv_module_opts){.padding = {1, 1}, .padding_mode = SOMA_PAD_REFLECT}),
        soma_nn_group_norm(ctx, 2, 8, NULL),
        soma_nn_relu(ctx),
        soma_nn_max_pool2d(ctx, 3, &(soma_pool_opts){.stride = {2}, .padding = {1, 1}, .ceil_mode = 1}),
        soma_nn_conv2d(ctx, 8, 12, 3, &(soma_conv_module_opts){.same = 1, .groups = 4, .dilation = {2}}),
        soma_nn_local_response_norm(ctx, 3, NULL),
        soma_nn_dropout2d(ctx, 0.2),
        soma_nn_upsample(ctx, &(soma_interpolate_opts){.scale_factor = {1.5}, .mode = SOMA_INTERPOLATE_LINEAR}),
        soma_nn_conv_transpose2d(ctx, 12, 5, 3, &(soma_conv_module_opts){.stride = {2}}),
        soma_nn_layer_norm2d(ctx, 5, NULL),
        soma_nn_avg_pool2d(ctx, 2, NULL),
        soma_nn_instance_norm_2d(ctx, 5, NULL),
        soma_nn_unfold(ctx, 2, NULL),
        soma_nn_adaptive_avg_pool1d(ctx, SOMA_SHAPE(7)),
        soma_nn_flatten(ctx),
        soma_nn_linear(ctx, 140, 10, NULL),
    };
    soma_module *net = soma_nn_sequential(ctx, layers, sizeof layers / sizeof *layers);
    soma_tensor *const *params, *g[32], *gg[32];
    size_t n;
    if (soma_module_parameters(net, &params, &n) != SOMA_OK || n > 32) die(ctx, "images");
    soma_optim *o = soma_optim_sgd(ctx, params, n, 0.05, &(soma_sgd_opts){.momentum = 0.9});
    for (int i = 0; i < 6; i++) {
        soma_tensor *x = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(5, 3, 13, 11)), *t = soma_randint(ctx, 0, 10, SOMA_SHAPE(5));
        soma_tensor *loss = soma_cross_entropy(soma_forward(net, x), t, NULL);
        if (!i) {
            if (soma_grad(&loss, 1, params, n, g, NULL) != SOMA_OK) die(ctx, "images");
            soma_tensor *squares = soma_sum(soma_square(g[0]), NULL);
            if (soma_grad(&squares, 1, params, n, gg, &(soma_grad_opts){.allow_unused = 1}) != SOMA_OK || !gg[0]) die(ctx, "images");
            print(ctx, "images2", gg, 1);
        }
        soma_backward(loss, NULL), soma_optim_step(o), soma_optim_zero_grad(o);
    }
    if (soma_eval(ctx) != SOMA_OK) die(ctx, "images");
    print(ctx, "images", params, n);
    soma_context_free(ctx);
}
static void optimizers(void) {
#define OPTIMIZER(name, rate, settings, doc) walk(#name, make_##name, false), walk(#name, make_##name, true);
#include "soma/optimizers.def"
#undef OPTIMIZER
    walk("amsgrad", make_amsgrad, false), walk("amsgrad", make_amsgrad, true);
    walk("centered", make_centered, false), walk("centered", make_centered, true);
}

/* Every way to begin. */
static void initial(void) {
    static const char *const names[] = {"uniform",       "normal",          "trunc_normal",   "ones",      "xavier_uniform",
                                        "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"};
    soma_context *ctx = context(41);
    soma_tensor *w = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(31, 45)), NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (soma_init_by_name(w, names[i]) != SOMA_OK) die(ctx, names[i]);
        print(ctx, names[i], &w, 1);
    }
    if (soma_init_sparse(w, 0.4, 2) != SOMA_OK) die(ctx, "sparse");
    print(ctx, "sparse", &w, 1);
    soma_module *m = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 45, 20, NULL), soma_nn_relu(ctx), soma_nn_linear(ctx, 20, 7, NULL)));
    soma_tensor *const *params;
    size_t n;
    if (soma_init_lsuv(m, w, 0.05, 5) != SOMA_OK || soma_module_parameters(m, &params, &n) != SOMA_OK) die(ctx, "lsuv");
    print(ctx, "lsuv", params, n);
    soma_context_free(ctx);
}

/* Every loss and its gradient, by the table. */
static void losses(void) {
    soma_context *ctx = context(31);
    soma_tensor *x = soma_variable(soma_sigmoid(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(41, 23))), &(soma_variable_opts){.requires_grad = 1});
    soma_tensor *plain = soma_keep(soma_sigmoid(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(41, 23)))),
                *third_EQUAL = soma_keep(soma_exp(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(41, 23))));
    soma_tensor *classes = soma_keep(soma_randint(ctx, 0, 23, SOMA_SHAPE(41))), *lists = soma_keep(soma_randint(ctx, -1, 23, SOMA_SHAPE(41, 23)));
    soma_tensor *third_PAIRS = soma_keep(soma_sign(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(41))));
    soma_tensor *target_EQUAL = plain, *target_CLASSES = classes, *target_ROWS = classes, *target_LISTS = lists, *target_PAIRS = plain;
#define SHOW_LOSS(name, call) \
    do { \
        soma_tensor *y[2] = {(call)}, *loss = soma_sum(y[0], NULL); \
        if (soma_grad(&loss, 1, &x, 1, &y[1], NULL) != SOMA_OK) die(ctx, name); \
        print(ctx, name, y, 2); \
    } while (0);
#define LOSS2(name, shapes, options, doc) SHOW_LOSS(#name, soma_##name(x, target_##shapes, &(soma_loss_opts){.reduction = SOMA_NONE}))
#define LOSS3(name, third, shapes, options, doc) \
    SHOW_LOSS(#name, soma_##name(x, target_##shapes, third_##shapes, &(soma_loss_opts){.reduction = SOMA_NONE}))
#include "soma/losses.def"
    soma_context_free(ctx);
}

/* Every activation's values and gradients, by the table. */
static void activations(void) {
    soma_context *ctx = context(21);
    soma_tensor *x = soma_variable(soma_mul_scalar(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(37, 26)), 4), NULL),
                *slope = soma_full(ctx, 0.3, SOMA_F32, SOMA_SHAPE(26));
    soma_requires_grad(x, true);
#define SHOW(name, e) \
    do { \
        soma_tensor *y[2] = {(e)}, *loss = soma_sum(soma_square(y[0]), NULL); \
        if (soma_tensor_requires_grad(loss)) soma_grad(&loss, 1, &x, 1, &y[1], NULL); \
        if (soma_error_status(ctx) != SOMA_OK) die(ctx, name); \
        print(ctx, name, y, y[1] ? 2 : 1); \
    } while (0);
#define MODULE0(name, doc)
#define ACTIVATION0(name, doc) SHOW(#name, soma_##name(x))
#define ACTIVATION1(name, a, otherwise, doc) SHOW(#name, soma_##name(x, 0.75))
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) SHOW(#name, soma_##name(x, 0.5, 1.25))
#include "soma/activations.def"
    SHOW("softmin", soma_softmin(x, 1))
    SHOW("glu", soma_glu(x, 1))
    SHOW("prelu", soma_prelu(x, slope))
    SHOW("rrelu", soma_rrelu(x, 0.125, 0.375, true))
    SHOW("alpha_dropout", soma_alpha_dropout(x, 0.25, true))
    soma_context_free(ctx);
}

/* All samples of a data set. */
static void samples(soma_context *ctx, const char *name, const soma_dataset *d) {
    enum { ROOM = 8192 };
    static float x[ROOM];
    const int64_t *shape;
    int64_t ndim, n = soma_dataset_count(d), at = 0;
    soma_dataset_shape(d, &shape, &ndim);
    for (int64_t i = 0; i < n && at + shape[0] + 2 < ROOM; i++) {
        int64_t class;
        soma_dataset_sample(d, i, x + at, &class);
        at += shape[0];
        soma_dataset_value(d, i, x + at++);
        x[at++] = (float)class;
    }
    soma_tensor *all = soma_from(ctx, x, SOMA_F32, &at, 1);
    if (!d || soma_error_status(ctx) != SOMA_OK) die(ctx, name);
    print(ctx, name, &all, 1);
}

/* Generated data, tables under each scaling, and draws for mixup. */
static void data(void) {
    static const char text[] = "day,size,colour,price\n2024-01-05,1.25,red,10.5\n2024-02-29,,blue,11.1\n2023-12-31,7e-3,red,0.30000000000000004\n"
                               "2024-01-01T06:30,1234567.891,green,-4\n2024-03-03,3.3333333333333335,,8\n";
    soma_context *ctx = context(5);
    for (size_t i = 0; soma_generator_name(i); i++)
        samples(ctx, soma_generator_name(i), soma_dataset_generate(ctx, soma_generator_name(i), 200, &(soma_generate_opts){.seed = 9}));
    soma_table *t = soma_table_from_memory(ctx, text, sizeof text - 1, NULL);
    for (int k = SOMA_SCALE_STANDARD; k <= SOMA_SCALE_NONE; k++) {
        char name[24];
        snprintf(name, sizeof name, "table%d", k);
        soma_columns_opts o = {.scaling = (soma_scaling)k, .missing = k % 2 ? SOMA_MISSING_MEDIAN : SOMA_MISSING_FLAG, .task = SOMA_TASK_VALUE};
        samples(ctx, name, soma_table_dataset(t, soma_columns_fit(ctx, t, NULL, 0, &o), NULL, 0));
    }
    double draws_of[100];
    int64_t n = 100;
    for (int i = 0; i < 100; i++) draws_of[i] = soma_draw_beta(3, (uint64_t)i, 0.1 + 0.05 * i);
    soma_tensor *beta = soma_from(ctx, draws_of, SOMA_F64, &n, 1);
    print(ctx, "beta", &beta, 1);
    soma_context_free(ctx);
}

/* Five steps of a small net of convolutions: groups, strides, dilation, a transposed one, a shortcut, and one whose k is longer than a chain. */
static void convolutions(soma_dtype dtype, const char *name) {
    soma_context *ctx = context(31);
    enum { N = 6 };
    static const int64_t shapes[N][4] = {{12, 3, 3, 3}, {12, 4, 3, 3}, {12, 12, 3, 2}, {12, 6, 4, 4}, {2, 12, 1, 1}, {5, 520, 3, 3}};
    soma_tensor *w[N + 1];
    for (int i = 0; i < N; i++) w[i] = soma_variable(soma_mul_scalar(soma_randn(ctx, dtype, shapes[i], 4), 0.2), NULL);
    w[N] = soma_variable(soma_randn(ctx, dtype, SOMA_SHAPE(12)), NULL);
    for (int i = 0; i <= N; i++) soma_requires_grad(w[i], true);
    soma_optim *sgd = soma_optim_sgd(ctx, w, N + 1, 0.01, &(soma_sgd_opts){.momentum = 0.9});
    for (int step = 0; step < 5; step++) {
        soma_scope *scope = soma_scope_open(ctx);
        soma_tensor *x = soma_randn(ctx, dtype, SOMA_SHAPE(5, 3, 13, 11)), *deep = soma_randn(ctx, dtype, SOMA_SHAPE(2, 520, 4, 4));
        soma_interior_begin(ctx);
        x = soma_relu(soma_conv2d(x, w[0], w[N], &(soma_conv_opts){.padding = {1, 1}}));
        x = soma_relu(soma_add(soma_conv2d(x, w[1], NULL, &(soma_conv_opts){.same = 1, .groups = 3}), x));
        x = soma_relu(soma_conv2d(x, w[2], w[N], &(soma_conv_opts){.stride = {2, 1}, .padding = {0, 2}, .dilation = {1, 2}}));
        x = soma_conv_transpose2d(x, w[3], NULL, &(soma_conv_opts){.stride = {2, 3}, .padding = {1, 0}, .output_padding = {1, 2}, .groups = 2});
        x = soma_conv2d(soma_tanh(x), w[4], NULL, NULL);
        soma_tensor *y = soma_conv2d(deep, w[5], NULL, &(soma_conv_opts){.same = 1});
        soma_tensor *loss = soma_interior_end(ctx, soma_add(soma_mean(soma_square(x), NULL), soma_mean(soma_square(y), NULL)));
        soma_backward(loss, NULL);
        soma_optim_step(sgd);
        soma_optim_zero_grad(sgd);
        soma_scope_close(scope);
    }
    if (soma_error_status(ctx) != SOMA_OK) die(ctx, name);
    print(ctx, name, w, N + 1);
    soma_context_free(ctx);
}

/* Four steps of convolutions by Winograd's way: both tiles, odd ends, and a gradient of more tiles than a chain has. */
static void winograd(void) {
    soma_context *ctx = context(37);
    enum { N = 4 };
    static const int64_t shapes[N][4] = {{16, 17, 3, 3}, {50, 16, 3, 3}, {33, 50, 3, 3}, {16, 33, 3, 3}};
    soma_tensor *w[N];
    for (int i = 0; i < N; i++) w[i] = soma_variable(soma_mul_scalar(soma_randn(ctx, SOMA_F32, shapes[i], 4), 0.1), NULL);
    for (int i = 0; i < N; i++) soma_requires_grad(w[i], true);
    soma_optim *sgd = soma_optim_sgd(ctx, w, N, 0.01, &(soma_sgd_opts){.momentum = 0.9});
    for (int step = 0; step < 4; step++) {
        soma_scope *scope = soma_scope_open(ctx);
        soma_tensor *x = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(4, 17, 25, 30));
        soma_interior_begin(ctx);
        x = soma_relu(soma_conv2d(x, w[0], NULL, &(soma_conv_opts){.padding = {1, 0}}));
        x = soma_relu(soma_conv2d(x, w[1], NULL, &(soma_conv_opts){.padding = {2, 1}, .fast_math = 1}));
        x = soma_tanh(soma_conv2d(soma_max_pool2d(x, 2, NULL, NULL), w[2], NULL, NULL));
        x = soma_conv2d(x, w[3], NULL, &(soma_conv_opts){.same = 1, .fast_math = 1});
        soma_backward(soma_interior_end(ctx, soma_mean(soma_square(x), NULL)), NULL);
        soma_optim_step(sgd);
        soma_optim_zero_grad(sgd);
        soma_scope_close(scope);
    }
    if (soma_error_status(ctx) != SOMA_OK) die(ctx, "winograd");
    print(ctx, "winograd", w, N);
    soma_context_free(ctx);
}

int main(void) {
    const char *isa = getenv("SOMA_ISA");
    soma_context *ctx = context(0);
    bool there = !isa || !*isa || strcmp(isa, soma_context_isa(ctx)) == 0;
    soma_context_free(ctx);
    if (!there) return 77; /* the machine lacks it */
    train("sgd-relu", 0, SOMA_F32, false, false);
    train("adam-tanh", 1, SOMA_F32, false, false);
    train("adamw-sigmoid", 2, SOMA_F32, false, false);
    train("captured", 0, SOMA_F32, true, false); /* as sgd-relu */
    train("options", 1, SOMA_F32, false, true);
    train("float64", 2, SOMA_F64, false, false);
    train("float64-options", 0, SOMA_F64, true, true);
    draws();
    integers();
    functions();
    activations();
    optimizers();
    losses();
    initial();
    norms();
    images();
    data();
    convolutions(SOMA_F32, "convolutions");
    convolutions(SOMA_F64, "convolutions-float64");
    winograd();
    return 0;
}
