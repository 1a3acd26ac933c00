/* The families: every activation, loss and optimizer with its rate, its gradient checked against differences; and what memory lets through: chains of
 * six ops and an Adam step beside a triad that is written past the caches. ops [--threads N] */
#include "support/clock.h"

#include "soma/soma.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

enum { LARGE = 64 << 20, MIDDLE = 1 << 20, ADAM = 10000000, POINTS = 48 };

static int bad;

/* a = b + 3 c over LARGE floats, a part of it; written past the caches where the processor can. */
typedef struct part {
    float *a;
    const float *b, *c;
    int64_t n;
} part;
static void *triad_part(void *arg) {
    part *p = arg;
#if defined(__x86_64__)
    __m128 three = _mm_set1_ps(3);
    for (int64_t i = 0; i < p->n; i += 4) _mm_stream_ps(p->a + i, _mm_add_ps(_mm_load_ps(p->b + i), _mm_mul_ps(three, _mm_load_ps(p->c + i))));
    _mm_sfence();
#else
    for (int64_t i = 0; i < p->n; i++) p->a[i] = p->b[i] + 3 * p->c[i];
#endif
    return NULL;
}
/* Bytes a second. */
static double triad(int threads) {
    size_t bytes = (size_t)LARGE * sizeof(float);
    float *a = aligned_alloc(64, bytes), *b = aligned_alloc(64, bytes), *c = aligned_alloc(64, bytes);
    double best = 0;
    if (!a || !b || !c) exit(1);
    memset(a, 0, bytes), memset(b, 0, bytes), memset(c, 0, bytes);
    for (int r = 0; r < 8; r++) {
        pthread_t t[64];
        part p[64];
        double start = bench_now();
        for (int k = 0; k < threads; k++) {
            int64_t n = LARGE / threads / 16 * 16;
            p[k] = (part){a + k * n, b + k * n, c + k * n, n};
            pthread_create(&t[k], NULL, triad_part, &p[k]);
        }
        for (int k = 0; k < threads; k++) pthread_join(t[k], NULL);
        double rate = 3 * (double)bytes / (bench_now() - start);
        best = rate > best ? rate : best;
    }
    free(a), free(b), free(c);
    return best;
}

typedef struct work {
    soma_tensor *x, *y, *p, *g;
    soma_optim *o;
} work;
static soma_status chain(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    work *w = user;
    (void)in, (void)n_in, (void)n_out;
    soma_tensor *v = soma_mul(soma_sub(soma_mul_scalar(w->x, 1.5), w->y), w->x);
    out[0] = soma_mul_scalar(soma_relu(soma_add_scalar(v, 0.25)), 0.5);
    return soma_error_status(ctx);
}
static soma_status adam(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    work *w = user;
    (void)in, (void)n_in, (void)out, (void)n_out;
    soma_set_grad(w->p, w->g);
    soma_optim_step(w->o);
    soma_optim_zero_grad(w->o);
    return soma_error_status(ctx);
}

/* The best of some runs, in seconds. */
static double best_run(soma_program *p, int runs) {
    double best = INFINITY;
    for (int r = 0; r < runs; r++) {
        double start = bench_now();
        if (soma_program_run(p) != SOMA_OK) return NAN;
        double t = bench_now() - start;
        best = t < best ? t : best;
    }
    return best;
}

static void memory(int threads) {
    soma_context *ctx;
    double rate = triad(threads);
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = threads}) != SOMA_OK) exit(1);
    int64_t n = LARGE, m = ADAM;
    work w = {.x = soma_variable(soma_zeros(ctx, SOMA_F32, &n, 1), NULL), .y = soma_variable(soma_zeros(ctx, SOMA_F32, &n, 1), NULL)};
    double t = best_run(soma_capture(ctx, chain, &w, NULL, 0, 1, NULL), 8), bytes = 3 * 4.0 * LARGE;
    printf("%d thread%s: triad %.1f GB/s; six ops on two tensors of 256 MB %.1f GB/s, %.0f %% of it\n", threads, threads > 1 ? "s" : "", rate / 1e9,
           bytes / t / 1e9, 100 * bytes / t / rate);
    w.p = soma_variable(soma_zeros(ctx, SOMA_F32, &m, 1), &(soma_variable_opts){.requires_grad = 1});
    w.g = soma_variable(soma_ones(ctx, SOMA_F32, &m, 1), NULL);
    w.o = soma_optim_adam(ctx, &w.p, 1, 1e-3, NULL);
    t = best_run(soma_capture(ctx, adam, &w, NULL, 0, 0, NULL), 30), bytes = 7 * 4.0 * ADAM;
    printf("           Adam, 10 million parameters: %.2f ms, %.1f GB/s, %.0f %% of it\n", t * 1e3, bytes / t / 1e9, 100 * bytes / t / rate);
    if (soma_error_status(ctx) != SOMA_OK) bad = 1, printf("%s\n", soma_error_message(ctx));
    soma_context_free(ctx);
}

/* A function of one tensor. */
typedef soma_tensor *(*function)(soma_tensor *x);

/* The largest relative distance of gradients from central differences, in float64, at points that are no kinks of any row. */
static double wrong_by(function f) {
    soma_context *ctx;
    double x[POINTS], h = 1e-6, y[2][POINTS], g[POINTS], most = 0;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) exit(1);
    for (int i = 0; i < POINTS; i++) x[i] = -4.03 + i * 0.1717;
    soma_tensor *in = soma_variable(soma_from(ctx, x, SOMA_F64, SOMA_SHAPE(6, 8)), &(soma_variable_opts){.requires_grad = 1}),
                *sum = soma_sum(f(in), NULL), *grad;
    if (soma_grad(&sum, 1, &in, 1, &grad, NULL) == SOMA_OK) soma_read(grad, g, sizeof g);
    for (int i = 0; i < POINTS; i++)
        for (int side = 0; side < 2; side++) {
            double moved[POINTS];
            memcpy(moved, x, sizeof x);
            moved[i] += side ? h : -h;
            soma_item(soma_sum(f(soma_from(ctx, moved, SOMA_F64, SOMA_SHAPE(6, 8))), NULL), &y[side][i]);
        }
    for (int i = 0; i < POINTS; i++) most = fmax(most, fabs(g[i] - (y[1][i] - y[0][i]) / (2 * h)) / (1 + fabs(g[i])));
    if (soma_error_status(ctx) != SOMA_OK) printf("%s\n", soma_error_message(ctx)), most = INFINITY;
    soma_context_free(ctx);
    return most;
}

/* The largest relative distance of float32 values from float64 ones. */
static double value_off(function f) {
    soma_context *ctx;
    float x[POINTS];
    double wide[POINTS], most = 0, a = 0, b = 0;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) exit(1);
    for (int i = 0; i < POINTS; i++) x[i] = (float)(-4.03 + i * 0.1717), wide[i] = (double)x[i];
    soma_tensor *narrow = f(soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(6, 8))), *exact = f(soma_from(ctx, wide, SOMA_F64, SOMA_SHAPE(6, 8)));
    soma_tensor *off = soma_abs(soma_sub(soma_to(narrow, SOMA_F64), exact)), *size = soma_add_scalar(soma_abs(exact), 1e-2);
    soma_item(soma_amax(soma_div(off, size), NULL), &most);
    soma_item(soma_amax(narrow, NULL), &a), soma_item(soma_amin(narrow, NULL), &b);
    if (soma_error_status(ctx) != SOMA_OK || !isfinite(a) || !isfinite(b)) most = INFINITY;
    soma_context_free(ctx);
    return most;
}

typedef struct there_and_back {
    function f;
    soma_tensor *x;
} there_and_back;
static soma_status both_ways(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    there_and_back *w = user;
    (void)in, (void)n_in, (void)n_out;
    soma_tensor *sum = soma_sum(w->f(w->x), NULL);
    soma_grad(&sum, 1, &w->x, 1, &out[0], NULL);
    return soma_error_status(ctx);
}

static void show(const char *name, function f) {
    if (strcmp(name, "heaviside") == 0) return; /* a step has no gradient, as PyTorch's */
    soma_context *ctx;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) exit(1);
    there_and_back w = {f, soma_variable(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(MIDDLE / 8, 8)), &(soma_variable_opts){.requires_grad = 1})};
    double t = best_run(soma_capture(ctx, both_ways, &w, NULL, 0, 1, NULL), 10), off = wrong_by(f), value = value_off(f);
    /* differences of step 1e-6 are right to about 1e-9 of values up to some tens; some tens of float32 roundings are below 1e-4 of small values */
    int fine = off < 1e-7 && value < 1e-4;
    bad |= !fine || isnan(t);
    printf("%-34s %8.2f ns an element, with its gradient; %s (value within %.0e, gradient %.0e)\n", name, t * 1e9 / MIDDLE, fine ? "right" : "WRONG",
           value, off);
    soma_context_free(ctx);
}

#define MODULE0(name, doc)
#define ACTIVATION0(name, doc) \
    static soma_tensor *f_##name(soma_tensor *x) { return soma_##name(x); }
#define ACTIVATION1(name, a, otherwise, doc) \
    static soma_tensor *f_##name(soma_tensor *x) { return soma_##name(x, otherwise); }
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) \
    static soma_tensor *f_##name(soma_tensor *x) { return soma_##name(x, otherwise_a, otherwise_b); }
#include "soma/activations.def"
#undef ACTIVATION0
#undef ACTIVATION1
#undef ACTIVATION2
static soma_tensor *f_softmax(soma_tensor *x) { return soma_square(soma_softmax(x, 1)); }
static soma_tensor *f_log_softmax(soma_tensor *x) { return soma_square(soma_log_softmax(x, 1)); }
static soma_tensor *f_softmin(soma_tensor *x) { return soma_square(soma_softmin(x, 1)); }
static soma_tensor *f_glu(soma_tensor *x) { return soma_glu(x, 1); }

/* Targets for x that suit each kind of loss. */
static soma_tensor *full_like(soma_tensor *x, double v) {
    return soma_full(soma_tensor_context(x), v, soma_tensor_dtype(x), soma_shape(x), soma_ndim(x));
}
static soma_tensor *classes_of(soma_tensor *x) {
    soma_context *ctx = soma_tensor_context(x);
    return soma_remainder(soma_arange(ctx, 0, (double)soma_size(x, 0), 1, SOMA_I64), soma_full(ctx, (double)soma_size(x, 1), SOMA_I64, NULL, 0));
}
#define LOSS(name, call) \
    static soma_tensor *f_##name(soma_tensor *x) { return call; }
LOSS(mse_loss, soma_mse_loss(x, full_like(x, 0.3), NULL))
LOSS(l1_loss, soma_l1_loss(x, full_like(x, 0.3), NULL))
LOSS(smooth_l1_loss, soma_smooth_l1_loss(x, full_like(x, 0.3), NULL))
LOSS(huber_loss, soma_huber_loss(x, full_like(x, 0.3), NULL))
LOSS(cross_entropy, soma_cross_entropy(x, classes_of(x), NULL))
LOSS(nll_loss, soma_nll_loss(soma_log_softmax(x, 1), classes_of(x), NULL))
LOSS(binary_cross_entropy, soma_binary_cross_entropy(soma_sigmoid(x), full_like(x, 1), NULL))
LOSS(binary_cross_entropy_with_logits, soma_binary_cross_entropy_with_logits(x, full_like(x, 1), NULL))
LOSS(kl_div, soma_kl_div(soma_log_softmax(x, 1), full_like(x, 0.125), NULL))
LOSS(poisson_nll_loss, soma_poisson_nll_loss(x, full_like(x, 2), NULL))
LOSS(hinge_loss, soma_hinge_loss(x, full_like(x, 1), NULL))
LOSS(soft_margin_loss, soma_soft_margin_loss(x, full_like(x, -1), NULL))
LOSS(hinge_embedding_loss, soma_hinge_embedding_loss(x, full_like(x, -1), NULL))
LOSS(multi_margin_loss, soma_multi_margin_loss(x, classes_of(x), NULL))
LOSS(multilabel_soft_margin_loss, soma_multilabel_soft_margin_loss(x, full_like(x, 1), NULL))
LOSS(gaussian_nll_loss, soma_gaussian_nll_loss(x, full_like(x, 0.5), full_like(x, 2), NULL))
LOSS(margin_ranking_loss, soma_margin_ranking_loss(x, full_like(x, 0.5), full_like(x, 1), NULL))
LOSS(cosine_embedding_loss, soma_cosine_embedding_loss(x, full_like(x, 0.5), soma_select(full_like(x, 1), 1, 0), NULL))
LOSS(triplet_margin_loss, soma_triplet_margin_loss(x, full_like(x, 0.5), full_like(x, -0.7), NULL))

/* A step of each optimizer on a million parameters. */
static void optimizers(void) {
#define OPTIMIZER(name, rate, settings, doc) \
    if (strcmp(#name, "lbfgs") != 0) { \
        soma_context *ctx; \
        int64_t n = MIDDLE; \
        if (soma_context_create(&ctx, NULL) != SOMA_OK) exit(1); \
        work w = {.p = soma_variable(soma_zeros(ctx, SOMA_F32, &n, 1), &(soma_variable_opts){.requires_grad = 1}), \
                  .g = soma_variable(soma_ones(ctx, SOMA_F32, &n, 1), NULL)}; \
        w.o = soma_optim_##name(ctx, &w.p, 1, 1e-3, NULL); \
        double t = best_run(soma_capture(ctx, adam, &w, NULL, 0, 0, NULL), 20); \
        printf("%-34s %8.2f ms a step of a million parameters\n", #name, t * 1e3); \
        bad |= isnan(t); \
        soma_context_free(ctx); \
    }
#include "soma/optimizers.def"
}

int main(int argc, char **argv) {
    int threads = argc > 2 && strcmp(argv[1], "--threads") == 0 ? atoi(argv[2]) : 2;
    for (int t = 1; t <= threads; t *= 2) memory(t);
    printf("\n");
#define ACTIVATION0(name, doc) show(#name, f_##name);
#define ACTIVATION1(name, a, otherwise, doc) show(#name, f_##name);
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) show(#name, f_##name);
#include "soma/activations.def"
    show("softmax", f_softmax), show("log_softmax", f_log_softmax), show("softmin", f_softmin), show("glu", f_glu);
    printf("\n");
    show("mse_loss", f_mse_loss), show("l1_loss", f_l1_loss), show("smooth_l1_loss", f_smooth_l1_loss), show("huber_loss", f_huber_loss);
    show("cross_entropy", f_cross_entropy), show("nll_loss", f_nll_loss), show("binary_cross_entropy", f_binary_cross_entropy);
    show("binary_cross_entropy_with_logits", f_binary_cross_entropy_with_logits), show("kl_div", f_kl_div),
        show("poisson_nll_loss", f_poisson_nll_loss);
    show("hinge_loss", f_hinge_loss), show("soft_margin_loss", f_soft_margin_loss), show("hinge_embedding_loss", f_hinge_embedding_loss);
    show("multi_margin_loss", f_multi_margin_loss), show("multilabel_soft_margin_loss", f_multilabel_soft_margin_loss),
        show("gaussian_nll_loss", f_gaussian_nll_loss);
    show("margin_ranking_loss", f_margin_ranking_loss), show("cosine_embedding_loss", f_cosine_embedding_loss),
        show("triplet_margin_loss", f_triplet_margin_loss);
    printf("\n");
    optimizers();
    return bad;
}
