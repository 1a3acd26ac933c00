/* Groups that were put together wrongly once, and the limits of groups. Each case records something small; its bits must be the reference's. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static soma_tensor *pattern(soma_context *ctx, int64_t rows, int64_t cols) {
    static float m[40 * 4096];
    uint64_t seed = 5;
    for (int64_t i = 0; i < rows * cols; i++) m[i] = (float)check_random(&seed) - 0.5f;
    return soma_from(ctx, m, SOMA_F32, SOMA_SHAPE(rows, cols));
}

/* The chains of a long k are continued in memory; what follows waits for the last block of k. */
static soma_tensor *long_product(soma_context *ctx) {
    soma_tensor *x = pattern(ctx, 20, 2100), *y = pattern(ctx, 2100, 40);
    soma_interior_begin(ctx);
    return soma_interior_end(ctx, soma_relu(soma_matmul(x, y)));
}

/* An update, which must run once, in the blocks of such a product. */
static soma_tensor *long_update(soma_context *ctx) {
    soma_tensor *p = soma_variable(pattern(ctx, 20, 40), NULL), *m = soma_variable(soma_neg(p), NULL), *h = pattern(ctx, 1, 6);
    soma_interior_begin(ctx);
    soma_tensor *g = soma_matmul(pattern(ctx, 20, 2100), pattern(ctx, 2100, 40));
    soma_interior_end(ctx, NULL);
    soma_sgd_update(p, m, g, soma_flatten(h, 0, -1), 2);
    return soma_add(p, m);
}

/* Readers of the second variable of an update run before it is written again. */
static soma_tensor *update_then_writes(soma_context *ctx) {
    soma_tensor *p = soma_variable(pattern(ctx, 3, 5), NULL), *m = soma_variable(soma_neg(p), NULL), *h = pattern(ctx, 1, 6);
    soma_sgd_update(p, m, soma_square(p), soma_flatten(h, 0, -1), 2);
    soma_tensor *old = soma_mul_scalar(p, 0.5), *next = soma_neg(m);
    soma_assign(p, next);
    soma_assign(m, old);
    soma_assign(m, soma_add(soma_mul_scalar(m, 0.5), soma_tanh(soma_square(pattern(ctx, 3, 5)))));
    return soma_add(p, m);
}

/* Two parts of one variable, both packed. */
static soma_tensor *packed_slices(soma_context *ctx) {
    soma_tensor *w = soma_variable(pattern(ctx, 90, 70), NULL), *x = pattern(ctx, 1, 70);
    soma_eval(ctx);
    soma_interior_begin(ctx);
    soma_tensor *a = soma_matmul(x, soma_transpose(soma_slice(w, 0, 0, 45, 1), 0, 1));
    soma_tensor *b = soma_matmul(x, soma_transpose(soma_slice(w, 0, 45, 90, 1), 0, 1));
    return soma_interior_end(ctx, soma_stack((soma_tensor *[]){a, b}, 2, 0));
}

/* An update's numbers with a stride; made by a node of the parameter's shape; and a variable that is written next. */
static soma_tensor *strided_numbers(soma_context *ctx) {
    soma_tensor *p = soma_variable(pattern(ctx, 3, 5), NULL), *h = pattern(ctx, 6, 4);
    soma_sgd_update(p, NULL, soma_square(p), soma_select(h, 1, 2), 0);
    return soma_neg(p);
}
static soma_tensor *made_numbers(soma_context *ctx) {
    soma_tensor *row = soma_flatten(pattern(ctx, 1, 10), 0, -1);
    soma_tensor *p = soma_variable(row, NULL), *m = soma_variable(soma_neg(row), NULL), *v = soma_variable(soma_square(row), NULL);
    soma_interior_begin(ctx);
    soma_tensor *g = soma_exp(row), *h = soma_mul_scalar(soma_exp(g), 0.5);
    soma_interior_end(ctx, NULL);
    soma_adam_update(p, m, v, g, h, 4);
    return soma_add(soma_add(p, m), v);
}
static soma_tensor *changing_numbers(soma_context *ctx) {
    soma_tensor *row = soma_flatten(pattern(ctx, 1, 10), 0, -1), *p = soma_variable(row, NULL), *h = soma_variable(soma_exp(row), NULL);
    soma_eval(ctx);
    soma_tensor *g = soma_tanh(row);
    soma_sgd_update(p, NULL, g, h, 4);
    soma_assign(h, soma_mul(g, h));
    return soma_add(p, h);
}

/* More nodes than a group holds, more operands than a pass has, and all dimensions exchanged. */
static soma_tensor *long_chain(soma_context *ctx) {
    soma_interior_begin(ctx);
    soma_tensor *x = pattern(ctx, 7, 9);
    for (int i = 0; i < 45; i++) x = i % 3 ? soma_add(x, soma_tanh(x)) : soma_mul(pattern(ctx, 1, 9), x);
    for (int i = 0; i < 40; i++) x = soma_where(soma_gt(x, pattern(ctx, 7, 1)), soma_sub(x, pattern(ctx, 7, 9)), soma_mul(pattern(ctx, 1, 1), x));
    return soma_interior_end(ctx, x);
}
static soma_tensor *eight_dimensions(soma_context *ctx) {
    soma_tensor *x = soma_reshape(pattern(ctx, 24, 36), SOMA_SHAPE(2, 3, 1, 4, 3, 2, 2, 3));
    soma_tensor *y = soma_permute(x, SOMA_SHAPE(7, 6, 5, 4, 3, 2, 1, 0));
    soma_tensor *z = soma_slice(soma_reshape(pattern(ctx, 9, 2), SOMA_SHAPE(3, 1, 1, 3, 1, 1, 1, 2)), 7, 0, 1, 1);
    return soma_add(soma_mul(soma_tanh(y), z), y);
}
static soma_tensor *many_joined(soma_context *ctx) {
    soma_tensor *parts[130];
    for (int i = 0; i < 130; i++) parts[i] = soma_add_scalar(pattern(ctx, 1 + i % 2, 3), i);
    soma_interior_begin(ctx);
    return soma_interior_end(ctx, soma_neg(soma_transpose(soma_cat(parts, 130, 0), 0, 1)));
}

static void cases_have_the_bits_of_the_reference(void **state) {
    (void)state;
    soma_tensor *(*const cases[])(soma_context *) = {long_product, long_update,      update_then_writes, packed_slices,    strided_numbers,
                                                     made_numbers, changing_numbers, long_chain,         eight_dimensions, many_joined};
    static float want[2000], got[2000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int w = 0; w < 3; w++) {
            if (!w) setenv("SOMA_REFERENCE", "1", 1);
            soma_context *ctx = check_context(&(soma_context_opts){.threads = 1, .isa = w == 2 ? "portable" : NULL});
            unsetenv("SOMA_REFERENCE");
            soma_tensor *y = cases[i](ctx);
            check_fine(ctx);
            size_t bytes = (size_t)soma_numel(y) * sizeof(float);
            assert_int_equal(soma_read(y, w ? got : want, bytes), SOMA_OK);
            if (w && memcmp(got, want, bytes) != 0) fail_msg("case %zu differs", i);
            soma_context_free(ctx);
        }
}

/* The plan as text says what is computed together, what it reads by name, and where each value goes. */
static void explain_tells_where_values_live(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.isa = "portable"});
    soma_module *m = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 3, 4, NULL), soma_nn_tanh(ctx), soma_nn_linear(ctx, 4, 2, NULL)));
    soma_eval(ctx);
    soma_tensor *y = soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(5, 3))),
                *running = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2)), NULL);
    soma_eval(ctx);
    soma_variable_rename(running, "running");
    y = soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(5, 3)));
    soma_assign(running, soma_select(y, 0, 1));
    static const char *const lines[] = {"matmul + add + tanh  kernel",  "reads float32[4] '0.bias'",
                                        "permute of '2.weight'",        "gives float32[5, 4] tanh in slab 0..80, read until step",
                                        "gives float32[5, 2] add held", "gives float32[2] 'running' in a variable"};
    char *text;
    assert_int_equal(soma_explain(ctx, &text), SOMA_OK);
    if (strstr(text, "matmul + add")) /* and not what SOMA_FUSE=0 makes */
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
            if (!strstr(text, lines[i])) fail_msg("'%s' is not in\n%s", lines[i], text);
    soma_text_free(ctx, text);
    check_fine(ctx);
    soma_context_free(ctx);
}

/* Seconds of the processor that evaluating n new variables takes. */
static double planning(soma_context *ctx, int n) {
    soma_scope *scope = soma_scope_open(ctx);
    for (int i = 0; i < n; i++) soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(4)), NULL);
    clock_t before = clock();
    assert_int_equal(soma_eval(ctx), SOMA_OK);
    double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
    soma_scope_close(scope);
    return seconds;
}

static void eight_times_the_work_takes_no_64_times_as_long(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    planning(ctx, 4000);
    double few = planning(ctx, 4001), many = planning(ctx, 32000); /* plans of their own */
    assert_true(many < 24 * few + 0.1);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(explain_tells_where_values_live),
                                       cmocka_unit_test(eight_times_the_work_takes_no_64_times_as_long),
                                       cmocka_unit_test(cases_have_the_bits_of_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
