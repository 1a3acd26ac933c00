/* labels: threads
 * Random nets over images: convolutions, and what follows them element by element, by channel, by sample, by sums and by views. However values lie in
 * memory, whatever is fused, held or read in between, and on whatever instruction set, the bits are the reference's. By hand: test_images FROM COUNT.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 40, ACTIONS = 14, FILTERS = 5 };

typedef struct way {
    const char *name, *isa;
    bool reference, unfused, interior;
    int64_t threads;
} way;
static const way ways[] = {
    {.name = "reference", .reference = true, .threads = 1},
    {.name = "fused", .threads = 1},
    {.name = "unfused", .unfused = true, .threads = 1},
    {.name = "interior, 3 threads", .interior = true, .threads = 3},
    {.name = "portable, interior", .isa = "portable", .interior = true, .threads = 2},
    {.name = "avx2", .isa = "avx2", .threads = 1},
};

typedef struct net {
    soma_context *ctx;
    uint64_t random;
    soma_tensor *v[VALUES], *filters[FILTERS];
    int n;
    int64_t channels;
} net;

static int64_t below(net *t, int64_t n) { return (int64_t)(check_random(&t->random) * (double)n); }

static soma_tensor *drawn(net *t, const int64_t *shape, int64_t ndim) {
    static float numbers[1 << 16];
    int64_t n = 1;
    for (int64_t d = 0; d < ndim; d++) n *= shape[d];
    assert_true(n <= 1 << 16);
    for (int64_t i = 0; i < n; i++) numbers[i] = (float)(check_random(&t->random) - 0.5) * 2;
    soma_tensor *x = soma_variable(soma_from(t->ctx, numbers, SOMA_F32, shape, ndim), NULL);
    soma_requires_grad(x, true);
    return x;
}

/* One of the values so far, the later ones more often. */
static soma_tensor *some(net *t) {
    int64_t k = below(t, 2) ? 1 + below(t, t->n < 3 ? t->n : 3) : 1 + below(t, t->n);
    return t->v[t->n - k];
}
static soma_tensor *like(net *t, soma_tensor *x) {
    for (int tries = 0; tries < 20; tries++) {
        soma_tensor *y = some(t);
        bool same = soma_ndim(y) == soma_ndim(x);
        for (int64_t d = 0; same && d < soma_ndim(x); d++) same = soma_size(y, d) == soma_size(x, d);
        if (same) return y;
    }
    return x;
}

static soma_tensor *convolution(net *t, soma_tensor *x) {
    int64_t which = below(t, FILTERS), k = soma_size(t->filters[which], 2);
    soma_conv_opts o = {.padding = {k / 2, k / 2}, .stride = {below(t, 4) ? 1 : 2, 1}};
    soma_tensor *bias = below(t, 2) ? soma_select(soma_select(soma_select(t->filters[which], 1, 0), 1, 0), 1, 0) : NULL;
    if (below(t, 5) == 0) return soma_conv_transpose2d(x, t->filters[which], bias, &(soma_conv_opts){.padding = {k / 2, k / 2}});
    if (soma_size(x, 2) < 2) o.stride[0] = 1;
    return soma_conv2d(x, t->filters[which], bias, &o);
}

static soma_tensor *act(net *t) {
    soma_tensor *x = some(t);
    soma_reduce_opts channels = {.ndims = 3, .dims = {0, 2, 3}, .keepdim = 1}, places = {.ndims = 2, .dims = {2, 3}, .keepdim = 1};
    switch (below(t, 12)) {
    case 0:
    case 1:
    case 2: return convolution(t, x);
    case 3: return soma_relu(x);
    case 4: return soma_add(x, like(t, x));
    case 5: return soma_mul(x, soma_tanh(like(t, x)));
    case 6: return soma_sub(x, soma_mean(like(t, x), &channels));
    case 7: return soma_mul(x, soma_sigmoid(soma_mean(like(t, x), &places)));
    case 8: return soma_where(soma_gt(x, like(t, x)), x, soma_mul_scalar(x, 0.5));
    case 9: return soma_permute(soma_tanh(soma_permute(x, SOMA_SHAPE(0, 2, 3, 1))), SOMA_SHAPE(0, 3, 1, 2));
    case 10:
        return soma_mul(soma_reshape(soma_reshape(x, SOMA_SHAPE(soma_size(x, 0), -1)), SOMA_SHAPE(soma_size(x, 0), t->channels, soma_size(x, 2), -1)),
                        x);
    default: return soma_add(x, soma_sum(like(t, x), &channels));
    }
}

/* The loss, and all that is compared: values that were held and gradients. */
static int run(uint64_t seed, const way *how, soma_context *ctx, soma_tensor **out) {
    net t = {.ctx = ctx, .random = seed * 2654435761u + 1};
    int n_out = 0;
    t.channels = 1 + below(&t, 2) * below(&t, 20) + below(&t, 3);
    int64_t n = 1 + below(&t, 3), h = 1 + below(&t, 7), w = 1 + below(&t, 7);
    for (int i = 0; i < FILTERS; i++) {
        int64_t k = i < 2 ? 1 : 3;
        t.filters[i] = drawn(&t, SOMA_SHAPE(t.channels, t.channels, k, k));
        soma_init_uniform(t.filters[i], -0.3, 0.3);
    }
    t.v[t.n++] = drawn(&t, SOMA_SHAPE(n, t.channels, h, w));
    soma_tensor *x = t.v[0];
    if (how->interior) soma_interior_begin(ctx);
    soma_tensor *loss = NULL;
    for (int a = 0; a < ACTIONS; a++) {
        soma_tensor *y = act(&t);
        if (!y) break;
        t.v[t.n++] = y;
        if (below(&t, 4) == 0) out[n_out++] = how->interior ? soma_keep(y) : y;
        if (below(&t, 3) == 0 || a == ACTIONS - 1) {
            soma_tensor *part = soma_mean(soma_mul(y, soma_sin(y)), NULL);
            loss = loss ? soma_add(loss, part) : part;
        }
        float first;
        if (below(&t, 20) == 0 && !how->interior) soma_read(soma_sum(y, NULL), &first, sizeof first);
    }
    if (how->interior) loss = soma_interior_end(ctx, loss);
    soma_backward(loss, NULL);
    out[n_out++] = loss, out[n_out++] = soma_tensor_grad(x);
    for (int i = 0; i < FILTERS; i++)
        if (soma_tensor_grad(t.filters[i])) out[n_out++] = soma_tensor_grad(t.filters[i]);
    return n_out;
}

static const char *compare(uint64_t seed, const way *how) {
    static char text[300];
    soma_context *ctx[2];
    soma_tensor *out[2][VALUES];
    int n[2];
    const char *why = NULL;
    for (int i = 0; i < 2; i++) {
        const way *w = i ? how : &ways[0];
        if (w->reference) setenv("SOMA_REFERENCE", "1", 1);
        ctx[i] = NULL;
        soma_context_create(&ctx[i], &(soma_context_opts){.threads = w->threads, .isa = w->isa, .no_fusion = w->unfused});
        unsetenv("SOMA_REFERENCE");
        n[i] = run(seed, w, ctx[i], out[i]);
        soma_eval(ctx[i]);
        if (soma_error_status(ctx[i]) != SOMA_OK) snprintf(text, sizeof text, "%s", soma_error_message(ctx[i])), why = text;
    }
    if (!why && n[0] != n[1]) why = "one has more values";
    for (int i = 0; i < n[0] && !why; i++) {
        const void *a, *b;
        if (soma_data(out[0][i], &a) != SOMA_OK || soma_data(out[1][i], &b) != SOMA_OK) {
            why = "a value cannot be read";
            break;
        }
        for (int64_t k = 0; k < soma_numel(out[0][i]) && !why; k++) {
            float p = ((const float *)a)[k], q = ((const float *)b)[k];
            if (memcmp(&p, &q, sizeof p) == 0 || (p != p && q != q)) continue;
            snprintf(text, sizeof text, "value %d of %d, element %lld: %.9g and %.9g", i, n[0], (long long)k, (double)p, (double)q), why = text;
        }
    }
    for (int i = 0; i < 2; i++) soma_context_free(ctx[i]);
    return why;
}

static int check(uint64_t seed) {
    for (size_t i = 1; i < sizeof ways / sizeof *ways; i++) {
        const char *why = compare(seed, &ways[i]);
        if (why) return fprintf(stderr, "seed %llu, %s: %s\n", (unsigned long long)seed, ways[i].name, why), 1;
    }
    return 0;
}

static void nets_have_the_bits_of_the_reference(void **state) {
    (void)state;
    int bad = 0;
    for (uint64_t seed = 0; seed < 150; seed++) bad += check(seed);
    assert_int_equal(bad, 0);
}

int main(int argc, char **argv) {
    if (argc == 3) {
        int bad = 0;
        for (uint64_t seed = strtoull(argv[1], NULL, 10), end = seed + strtoull(argv[2], NULL, 10); seed < end; seed++) bad += check(seed);
        return bad > 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(nets_have_the_bits_of_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
