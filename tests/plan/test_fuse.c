/* labels: threads
 * Random small programs give the same bits in every way of running: the ops' reference kernels, every node alone, fused, read in the middle, captured, on every
 * instruction set, with several threads. */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL 48
#define RUNS 2

/* Shapes of a program: [r, c], its transpose, [r, r], [c], [r, 1], 0-d. */
enum { M, T, Q, ROW, COLUMN, SCALAR, SHAPES };

typedef struct value {
    soma_tensor *x;
    int shape;
    bool is_bool;
} value;

typedef struct program {
    soma_context *ctx;
    uint64_t seed, random, reading;
    int64_t r, c;
    soma_tensor *v[4]; /* variables: two of [r, c], one [c], one 0-d */
    soma_optim *optim;
    value pool[POOL];
    int n;
    bool reads; /* values are read in the middle */
    char listing[4096];
    size_t said;
} program;

typedef struct way {
    const char *name;
    const char *reference, *isa;
    int64_t no_fusion, threads;
    bool reads, captured;
} way;

static const way ways[] = {{"reference", "1", NULL, 0, 1, false, false},       {"alone", "0", NULL, 1, 1, false, false},
                           {"fused", "0", NULL, 0, 1, false, false},           {"fused, read in the middle", "0", NULL, 0, 1, true, false},
                           {"alone, read in the middle", "0", NULL, 1, 1, true, false}, {"captured", "0", NULL, 0, 1, false, true},
                           {"captured alone", "0", NULL, 1, 1, false, true},   {"fused, 3 threads", "0", NULL, 0, 3, false, false},
                           {"portable", "0", "portable", 0, 1, false, false},  {"avx2", "0", "avx2", 0, 1, false, true}};
#define WAYS ((int)(sizeof ways / sizeof *ways))

static int64_t below(program *p, int64_t n) { return (int64_t)(check_random(&p->random) * (double)n); }

static void say(program *p, const char *what, int a, int b) {
    int n = snprintf(p->listing + p->said, sizeof p->listing - p->said, "  %d = %s %d %d\n", p->n, what, a, b);
    if (n > 0 && (size_t)n < sizeof p->listing - p->said) p->said += (size_t)n;
}

static void shape_of(const program *p, int shape, int64_t *sizes, int64_t *ndim) {
    *ndim = shape == SCALAR ? 0 : shape == ROW ? 1 : 2;
    sizes[0] = shape == T || shape == ROW ? p->c : p->r;
    sizes[1] = shape == T || shape == Q ? p->r : shape == COLUMN ? 1 : p->c;
}

static void add(program *p, soma_tensor *x, int shape, bool is_bool, const char *what, int a, int b) {
    say(p, what, a, b);
    p->pool[p->n++] = (value){x, shape, is_bool};
}

/* A value of the shape: the last one made, often, else any. -1: there is none. */
static int pick(program *p, int shape, bool is_bool) {
    int found = -1;
    for (int i = p->n, left = (int)below(p, 4); i-- > 0;)
        if (p->pool[i].shape == shape && p->pool[i].is_bool == is_bool) {
            found = i;
            if (left-- <= 0) break;
        }
    return found;
}

static soma_tensor *unary(int op, soma_tensor *x) {
    switch (op) {
    case 0: return soma_relu(x);
    case 1: return soma_tanh(x);
    case 2: return soma_neg(x);
    case 3: return soma_sigmoid(x);
    case 4: return soma_square(x);
    case 5: return soma_mul_scalar(x, 0.75);
    case 6: return soma_exp(soma_clamp_to(x, -3, 3));
    case 7: return soma_abs(x);
    case 8: return soma_detach(x);
    default: return soma_sqrt(soma_abs(x));
    }
}

static soma_tensor *binary(int op, soma_tensor *a, soma_tensor *b) {
    switch (op) {
    case 0: return soma_add(a, b);
    case 1: return soma_sub(a, b);
    case 2: return soma_mul(a, b);
    case 3: return soma_maximum(a, b);
    case 4: return soma_minimum(a, b);
    case 5: return soma_relu_backward(a, b);
    case 6: return soma_tanh_backward(a, b);
    default: return soma_div(a, soma_add_scalar(soma_square(b), 1));
    }
}

static soma_tensor *transposed(soma_tensor *x) { return soma_transpose(x, 0, 1); }

static void add_product(program *p, int kind) {
    int m = pick(p, M, false), t = pick(p, T, false), q = pick(p, Q, false);
    soma_tensor *x = p->pool[m].x;
    switch (kind) {
    case 0: add(p, soma_matmul(x, transposed(p->pool[pick(p, M, false)].x)), Q, false, "m m'", m, 0); break;
    case 1:
        if (q >= 0) add(p, soma_matmul(p->pool[q].x, x), M, false, "q m", q, m);
        break;
    case 2:
        if (q >= 0) add(p, soma_matmul(transposed(x), p->pool[q].x), T, false, "m' q", m, q);
        break;
    case 3:
        if (t >= 0) add(p, transposed(soma_matmul(p->pool[t].x, soma_matmul(x, p->pool[t].x))), M, false, "(t (m t))'", t, m);
        break;
    default: add(p, soma_linear(x, soma_matmul(transposed(p->v[1]), p->v[0]), p->v[2]), M, false, "linear", m, 0);
    }
}

static void add_reduction(program *p) {
    int m = pick(p, M, false);
    soma_tensor *x = p->pool[m].x;
    switch (below(p, 6)) {
    case 0: add(p, soma_sum(x, &(soma_reduce_opts){SOMA_DIMS(0)}), ROW, false, "sum 0", m, 0); break;
    case 1: add(p, soma_sum(x, &(soma_reduce_opts){SOMA_DIMS(1), .keepdim = 1}), COLUMN, false, "sum 1", m, 0); break;
    case 2: add(p, soma_mean(x, NULL), SCALAR, false, "mean", m, 0); break;
    case 3: add(p, soma_softmax(x, below(p, 2)), M, false, "softmax", m, 0); break;
    case 4: add(p, soma_amax(x, &(soma_reduce_opts){SOMA_DIMS(1), .keepdim = 1}), COLUMN, false, "amax", m, 0); break;
    default: {
        int64_t n;
        int64_t sizes[2];
        shape_of(p, T, sizes, &n);
        add(p, soma_reshape(x, sizes, 2), T, false, "reshape", m, 0);
    }
    }
}

static void add_bool(program *p) {
    int a = pick(p, M, false), b = pick(p, M, false), c = pick(p, M, true), d = pick(p, M, true);
    int64_t op = below(p, 6);
    if (op < 2 || c < 0) add(p, op ? soma_lt(p->pool[a].x, p->pool[b].x) : soma_ge(p->pool[a].x, p->pool[b].x), M, true, "compare", a, b);
    else if (op == 2) add(p, soma_where(p->pool[c].x, p->pool[a].x, p->pool[b].x), M, false, "where", c, a);
    else if (op == 3) add(p, soma_to(p->pool[c].x, SOMA_F32), M, false, "to float", c, 0);
    else if (op == 4) add(p, soma_logical_or(p->pool[c].x, soma_logical_not(p->pool[d].x)), M, true, "or not", c, d);
    else add(p, soma_to(p->pool[a].x, SOMA_BOOL), M, true, "to bool", a, 0);
}

static void add_assign(program *p) {
    int k = (int)below(p, 2), m = pick(p, M, false);
    soma_tensor *old = p->v[k];
    switch (below(p, 6)) {
    case 0: soma_assign(old, soma_add(soma_mul_scalar(old, 0.5), p->pool[m].x)); break;
    case 1: soma_assign(old, p->pool[m].x); break;
    case 2: /* a swap */
        add(p, soma_add_scalar(old, 0), M, false, "copy", k, 0);
        soma_assign(old, p->v[1 - k]);
        soma_assign(p->v[1 - k], p->pool[p->n - 1].x);
        break;
    case 3: add(p, transposed(old), T, false, "view of variable", k, 0); break;
    case 4: soma_assign(p->v[3], soma_mean(old, NULL)); break;
    default:
        add(p, soma_add(old, p->v[2]), M, false, "variable + row", k, 0);
        soma_assign(p->v[2], soma_sum(old, &(soma_reduce_opts){SOMA_DIMS(0)}));
    }
    say(p, "assign", k, m);
}

static void add_step(program *p) {
    int m = pick(p, M, false);
    soma_tensor *x = soma_detach(p->pool[m].x), *h = soma_tanh(soma_matmul(x, transposed(p->v[0])));
    soma_tensor *loss = soma_mean(soma_square(soma_sub(soma_matmul(h, p->v[1]), p->v[2])), NULL);
    soma_backward(loss, NULL);
    if (below(p, 3) == 0) soma_clip_grad_norm(p->v, 2, 0.5, NULL);
    soma_optim_step(p->optim);
    add(p, loss, SCALAR, false, "step", m, 0);
    if (below(p, 2)) add(p, soma_mul_scalar(soma_tensor_grad(p->v[0]), 2), M, false, "gradient", 0, 0);
    soma_optim_zero_grad(p->optim);
}

static void add_node(program *p) {
    static const int others[] = {M, ROW, COLUMN, SCALAR};
    bool interior = below(p, 4) == 0;
    int m = pick(p, M, false);
    int64_t kind = below(p, 20);
    if (kind < 5) {
        if (interior) soma_interior_begin(p->ctx);
        soma_tensor *y = unary((int)below(p, 10), p->pool[m].x);
        if (interior) y = soma_interior_end(p->ctx, unary((int)below(p, 10), y));
        add(p, y, M, false, "unary", m, 0);
    } else if (kind < 10) {
        int o = pick(p, others[below(p, 4)], false);
        if (o < 0) o = m;
        bool swap = below(p, 2);
        int op = (int)below(p, 8);
        add(p, binary(op, p->pool[swap ? o : m].x, p->pool[swap ? m : o].x), M, false, "binary", swap ? o : m, swap ? m : o);
    } else if (kind < 13) add_product(p, (int)below(p, 5));
    else if (kind < 15) add_reduction(p);
    else if (kind < 17) add_bool(p);
    else if (kind == 17) add_assign(p);
    else if (kind == 18) add_step(p);
    else {
        int t = pick(p, T, false);
        if (t >= 0) add(p, below(p, 2) ? transposed(p->pool[t].x) : transposed(unary((int)below(p, 10), p->pool[t].x)), M, false, "t'", t, 0);
    }
    if (!p->reads || check_random(&p->reading) > 0.3) return;
    const void *data;
    assert_int_equal(soma_data(p->pool[(int)(check_random(&p->reading) * p->n)].x, &data), SOMA_OK);
}

/* Records the program; its values are the pool's. */
static void record(program *p, soma_tensor *input) {
    static const int shapes[] = {M, M, ROW, SCALAR};
    p->random = p->seed * 77 + 5;
    p->n = 0;
    p->said = 0;
    int nodes = 4 + (int)below(p, 22);
    add(p, input, M, false, "input", 0, 0);
    for (int k = 0; k < 4; k++) add(p, soma_mul_scalar(p->v[k], 1.5), shapes[k], false, "variable", k, 0);
    while (nodes-- > 0 && p->n < POOL - 4) add_node(p);
}

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    program *p = user;
    (void)n_in;
    record(p, in[0]);
    for (size_t i = 0; i < n_out; i++) out[i] = p->pool[i < (size_t)p->n ? i : 0].x;
    return soma_error_status(ctx);
}

static void set_up(program *p, const way *w) {
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 8, 14, 15, 16, 17, 31, 33, 40, 65, 70};
    setenv("SOMA_REFERENCE", w->reference, 1);
    p->ctx = check_context(&(soma_context_opts){.no_fusion = w->no_fusion, .threads = w->threads, .isa = w->isa});
    unsetenv("SOMA_REFERENCE");
    p->random = p->seed;
    p->reads = w->reads;
    p->r = sizes[below(p, 15)], p->c = sizes[below(p, 15)];
    if (p->seed % 40 == 7) p->c = 1100; /* products over more than one block of k */
    for (int k = 0; k < 4; k++) {
        int64_t shape[2], ndim, n;
        shape_of(p, k < 2 ? M : k == 2 ? ROW : SCALAR, shape, &ndim);
        n = ndim == 0 ? 1 : ndim == 1 ? shape[0] : shape[0] * shape[1];
        float *start = malloc((size_t)n * sizeof *start);
        for (int64_t i = 0; i < n; i++) start[i] = (float)check_random(&p->random) - 0.5f;
        p->v[k] = soma_variable(soma_from(p->ctx, start, SOMA_F32, shape, ndim), &(soma_variable_opts){.requires_grad = k < 2, .name = "v"});
        free(start);
    }
    p->optim = p->seed % 2 ? soma_optim_sgd(p->ctx, p->v, 2, 0.1, &(soma_sgd_opts){.momentum = 0.9}) : soma_optim_adam(p->ctx, p->v, 2, 0.05, NULL);
}

/* Values as numbers, one after another; returns how many. */
static size_t collect(program *p, soma_program *captured, float *out) {
    size_t at = 0;
    for (int i = 0; i < p->n; i++) {
        size_t n = (size_t)soma_numel(p->pool[i].x);
        if (captured) {
            const void *data;
            assert_int_equal(soma_program_output(captured, (size_t)i, &data, NULL), SOMA_OK);
            if (p->pool[i].is_bool)
                for (size_t k = 0; k < n; k++) out[at + k] = ((const uint8_t *)data)[k];
            else memcpy(out + at, data, n * sizeof *out);
        } else if (p->pool[i].is_bool) {
            const void *data;
            assert_int_equal(soma_data(p->pool[i].x, &data), SOMA_OK);
            for (size_t k = 0; k < n; k++) out[at + k] = ((const uint8_t *)data)[k];
        } else if (soma_read(p->pool[i].x, out + at, n * sizeof *out) != SOMA_OK)
            fail_msg("seed %d: value %d: %s\n%s", (int)p->seed, i, soma_error_message(p->ctx), p->listing);
        at += n;
    }
    return at;
}

static size_t run(program *p, const way *w, float *out) {
    set_up(p, w);
    int64_t shape[2] = {p->r, p->c};
    float *x = malloc((size_t)(p->r * p->c) * sizeof *x);
    soma_slot slot = {{p->r, p->c}, 2, SOMA_F32};
    soma_program *captured = w->captured ? soma_capture(p->ctx, body, p, &slot, 1, POOL, NULL) : NULL;
    size_t at = 0;
    for (int turn = 0; turn < RUNS; turn++) {
        uint64_t s = p->seed + 1000 * (uint64_t)turn;
        for (int64_t i = 0; i < p->r * p->c; i++) x[i] = (float)check_random(&s) * 2 - 1;
        soma_scope *scope = captured ? NULL : soma_scope_open(p->ctx);
        if (captured) {
            soma_program_bind(captured, 0, x, NULL);
            soma_program_run(captured);
        } else
            record(p, soma_borrow(p->ctx, x, SOMA_F32, shape, 2));
        if (soma_error_status(p->ctx) != SOMA_OK) fail_msg("seed %d, %s: %s\n%s", (int)p->seed, w->name, soma_error_message(p->ctx), p->listing);
        at += collect(p, captured, out + at);
        if (scope) soma_scope_close(scope);
        for (int k = 0; k < 4; k++) {
            soma_read(p->v[k], out + at, (size_t)soma_numel(p->v[k]) * sizeof *out);
            at += (size_t)soma_numel(p->v[k]);
        }
        check_fine(p->ctx);
    }
    free(x);
    soma_context_free(p->ctx);
    return at;
}

/* The first number that differs, or -1. */
static int64_t differs(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return (int64_t)i;
    return -1;
}

static void programs_have_the_same_bits_in_every_way(void **state) {
    (void)state;
    const char *first = getenv("SOMA_FUZZ_SEED"), *count = getenv("SOMA_FUZZ_COUNT");
    uint64_t from = first ? strtoull(first, NULL, 10) : 1, seeds = count ? strtoull(count, NULL, 10) : 200;
    size_t room = (size_t)RUNS * (POOL + 4) * 1100 * 80;
    float *want = malloc(room * sizeof *want), *got = malloc(room * sizeof *got);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        program p = {.seed = seed};
        size_t n = run(&p, &ways[0], want);
        for (int k = 1; k < WAYS; k++) {
            size_t m = run(&p, &ways[k], got);
            int64_t at = n == m ? differs(want, got, n) : -2;
            if (at != -1) fail_msg("seed %d, %s: number %d of %d is %a, not %a; [%d, %d]\n%s", (int)seed, ways[k].name, (int)at, (int)n, at < 0 ? 0 : (double)got[at],
                                   at < 0 ? 0 : (double)want[at], (int)p.r, (int)p.c, p.listing);
        }
    }
    free(want), free(got);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(programs_have_the_same_bits_in_every_way)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
