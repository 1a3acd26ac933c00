/* Every differentiable element by element op, walked from the table, and the other families: gradients against central differences in float64, and
 * gradients of gradients the same way. */
#include "support/check.h"

#include "ops/op.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef soma_tensor *(*fn)(soma_tensor *a, soma_tensor *b);

typedef struct wanted {
    const char *name;
    fn f;
    int op, n_in;
} wanted;

#define UNARY(name, kind, doc) \
    static soma_tensor *un_##name(soma_tensor *a, soma_tensor *b) { return (void)b, soma_##name(a); }
#define BINARY(name, kind, doc) \
    static soma_tensor *bi_##name(soma_tensor *a, soma_tensor *b) { return soma_##name(a, b); }
#define OP(name, params, doc)
#define INNER(name, doc)
#define COMPOSITE(name, params, doc)
#include "soma/ops.def"
#undef UNARY
#undef BINARY

#define F(name, e) \
    static soma_tensor *name(soma_tensor *a, soma_tensor *b) { return (void)b, (e); }
F(g_where, soma_where(soma_gt(a, b), soma_square(a), soma_mul(a, b)))
F(g_reshape, soma_square(soma_reshape(a, SOMA_SHAPE(3, 2))))
F(g_permute, soma_mul(soma_permute(a, SOMA_SHAPE(1, 0)), soma_reshape(b, SOMA_SHAPE(3, 2))))
F(g_slice, soma_square(soma_slice(a, 1, 0, 3, 2)))
F(g_expand, soma_mul(soma_expand(soma_slice(a, 0, 0, 1, 1), SOMA_SHAPE(2, 3)), b))
F(g_cat, soma_square(soma_cat((soma_tensor *[]){a, b, a}, 3, 1)))
F(g_stack, soma_square(soma_stack((soma_tensor *[]){a, b}, 2, 1)))
F(g_sum, soma_square(soma_sum(a, &(soma_reduce_opts){SOMA_DIMS(0)})))
F(g_mean, soma_square(soma_mean(a, &(soma_reduce_opts){SOMA_DIMS(1), .keepdim = 1})))
F(g_var, soma_var(a, &(soma_reduce_opts){SOMA_DIMS(1)}))
F(g_std, soma_std(a, NULL))
F(g_amax, soma_square(soma_amax(a, &(soma_reduce_opts){SOMA_DIMS(1)})))
F(g_max, soma_square(soma_max(a, 1, false, NULL)))
F(g_topk, soma_square(soma_topk(a, 2, 1, true, NULL)))
F(g_logsumexp, soma_logsumexp(a, &(soma_reduce_opts){SOMA_DIMS(1)}))
F(g_softmax, soma_square(soma_softmax(a, 1)))
F(g_log_softmax, soma_square(soma_log_softmax(a, 0)))
F(g_norm, soma_norm(a))
F(g_matmul, soma_square(soma_matmul(a, soma_transpose(b, 0, 1))))
F(g_batched, soma_square(soma_matmul(soma_unsqueeze(a, 0), soma_expand(soma_unsqueeze(soma_transpose(b, 0, 1), 0), SOMA_SHAPE(2, 3, 2)))))
F(g_vector, soma_matmul(soma_select(a, 0, 1), soma_select(b, 0, 0)))
F(g_linear, soma_square(soma_linear(a, b, soma_select(a, 1, 0))))
F(g_clamp, soma_square(soma_clamp_to(a, 0.3, 0.7)))
F(g_mse, soma_mse_loss(a, b, NULL))
F(g_soft_target, soma_cross_entropy(a, soma_softmax(b, 1), &(soma_cross_entropy_opts){.label_smoothing = SOMA_SET(0.1)}))
static soma_tensor *g_gather(soma_tensor *a, soma_tensor *b) {
    int64_t i[4] = {2, 0, 1, 1};
    return soma_mul(soma_gather(a, 1, soma_from(soma_tensor_context(a), i, SOMA_I64, SOMA_SHAPE(2, 2))), soma_slice(b, 1, 0, 2, 1));
}
static soma_tensor *g_index_select(soma_tensor *a, soma_tensor *b) {
    int64_t i[4] = {2, 0, 2, 1};
    return (void)b, soma_square(soma_index_select(a, 1, soma_from(soma_tensor_context(a), i, SOMA_I64, SOMA_SHAPE(4))));
}
static soma_tensor *g_cross_entropy(soma_tensor *a, soma_tensor *b) {
    int64_t t[2] = {2, 0};
    return (void)b, soma_cross_entropy(a, soma_from(soma_tensor_context(a), t, SOMA_I64, SOMA_SHAPE(2)),
                                       &(soma_cross_entropy_opts){.label_smoothing = SOMA_SET(0.2)});
}

static const wanted all[] = {
#define UNARY(name, kind, doc) {#name, un_##name, SOMA_OP_##name, 1},
#define BINARY(name, kind, doc) {#name, bi_##name, SOMA_OP_##name, 2},
#include "soma/ops.def"
#undef UNARY
#undef BINARY
#define G(name, n) \
    { #name, g_##name, -1, n }
    G(where, 2),     G(reshape, 1), G(permute, 2),     G(slice, 1),       G(expand, 2), G(cat, 2),          G(stack, 2),
    G(sum, 1),       G(mean, 1),    G(var, 1),         G(std, 1),         G(amax, 1),   G(max, 1),          G(topk, 1),
    G(logsumexp, 1), G(softmax, 1), G(log_softmax, 1), G(norm, 1),        G(matmul, 2), G(batched, 2),      G(vector, 2),
    G(linear, 2),    G(clamp, 1),   G(mse, 2),         G(soft_target, 1), G(gather, 2), G(index_select, 1), G(cross_entropy, 1)};

/* Sums f with fixed weights, so that all elements matter differently; order 1 sums the gradient by a instead. */
static soma_tensor *scalar(fn f, soma_tensor *a, soma_tensor *b, int order) {
    soma_context *ctx = soma_tensor_context(a);
    soma_tensor *y = f(a, b), *g = NULL;
    if (!y) return NULL;
    int64_t n = soma_numel(y);
    soma_tensor *w = soma_add_scalar(soma_mul_scalar(soma_arange(ctx, 0, (double)n, 1, SOMA_F64), 0.37), 0.5);
    y = soma_sum(soma_mul(soma_reshape(y, &n, 1), w), NULL);
    if (!order) return y;
    if (soma_grad(&y, 1, &a, 1, &g, &(soma_grad_opts){.allow_unused = 1}) != SOMA_OK) return NULL;
    if (!g) return soma_sum(soma_mul_scalar(a, 0), NULL);
    n = soma_numel(g);
    w = soma_add_scalar(soma_mul_scalar(soma_arange(ctx, 0, (double)n, 1, SOMA_F64), -0.21), 0.9);
    return soma_sum(soma_mul(soma_reshape(g, &n, 1), w), NULL);
}

static double value_at(soma_context *ctx, fn f, const double *a, const double *b, int order) {
    soma_scope *s = soma_scope_open(ctx);
    soma_tensor *x = soma_from(ctx, a, SOMA_F64, SOMA_SHAPE(2, 3)), *y = soma_from(ctx, b, SOMA_F64, SOMA_SHAPE(2, 3));
    if (order) soma_requires_grad(x, true);
    double v = (double)NAN;
    soma_item(scalar(f, x, y, order), &v);
    soma_scope_close(s);
    return v;
}

static void compare(soma_context *ctx, const wanted *w, int order) {
    double v[2][6] = {{0.31, 0.62, 0.17, 0.83, 0.44, 0.71}, {0.52, 0.25, 0.66, 0.38, 0.91, 0.13}}, h = 1e-6, got[2][6];
    soma_scope *s = soma_scope_open(ctx);
    soma_tensor *in[2], *g[2];
    for (int k = 0; k < 2; k++) soma_requires_grad(in[k] = soma_from(ctx, v[k], SOMA_F64, SOMA_SHAPE(2, 3)), true);
    soma_tensor *y = scalar(w->f, in[0], in[1], order);
    check_fine(ctx);
    if (soma_tensor_requires_grad(y)) {
        soma_grad(&y, 1, in, (size_t)w->n_in, g, &(soma_grad_opts){.allow_unused = 1});
        for (int k = 0; k < w->n_in; k++) {
            memset(got[k], 0, sizeof got[k]);
            if (g[k]) soma_read(g[k], got[k], sizeof got[k]);
        }
        check_fine(ctx);
        for (int k = 0; k < w->n_in; k++)
            for (int i = 0; i < 6; i++) {
                double keep = v[k][i];
                v[k][i] = keep + h;
                double p = value_at(ctx, w->f, v[0], v[1], order);
                v[k][i] = keep - h;
                double m = value_at(ctx, w->f, v[0], v[1], order);
                v[k][i] = keep;
                double want = (p - m) / (2 * h);
                /* truncation h^2 f''' / 6 and rounding 2^-52 f / h: below 1e-7 of values of size 30 here */
                if (!(fabs(got[k][i] - want) < 1e-6 * (1 + fabs(want))))
                    fail_msg("%s, order %d, input %d, element %d: %.12g, by differences %.12g", w->name, order, k, i, got[k][i], want);
            }
    }
    soma_scope_close(s);
}

static void gradients_are_what_differences_say(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    int checked = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].op >= 0 && !soma__ops[all[i].op]->grad) continue;
        for (int order = 0; order < 2; order++) compare(ctx, &all[i], order);
        checked++;
    }
    print_message("%d functions, first and second order\n", checked);
    assert_true(checked > 60);
    soma_context_free(ctx);
}

static void gradients_accumulate_until_zeroed(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = soma_variable(soma_full(ctx, 3, SOMA_F32, SOMA_SHAPE(1)), &(soma_variable_opts){.requires_grad = 1, .name = "w"});
    double v;
    assert_null(soma_tensor_grad(w));
    for (int i = 1; i <= 3; i++) {
        soma_tensor *loss = soma_sum(soma_square(w), NULL);
        soma_backward(loss, NULL);
        assert_int_equal(soma_item(soma_tensor_grad(w), &v), SOMA_OK);
        assert_true(v == 6.0 * i);
        if (i == 3) soma_backward(loss, NULL); /* a second time, after a read */
    }
    soma_item(soma_tensor_grad(w), &v);
    assert_true(v == 24);
    soma_zero_grad(&w, 1);
    assert_null(soma_tensor_grad(w));
    soma_tensor *y = soma_sum(soma_mul(w, w), NULL);
    soma_assign(w, soma_add_scalar(w, 1));
    soma_backward(y, NULL);
    check_error(ctx, SOMA_ERROR_STATE, "'w' [");
    soma_context_free(ctx);
}

static soma_status cube_shape(void *user, soma_tensor *const *in, size_t n, int64_t *shape, int64_t *ndim, soma_dtype *dtype) {
    (void)user, (void)n, (void)dtype;
    *ndim = soma_ndim(in[0]);
    memcpy(shape, soma_shape(in[0]), (size_t)*ndim * sizeof *shape);
    return SOMA_OK;
}
static soma_status cube(void *user, const soma_custom_operand *in, size_t n, soma_custom_operand *out) {
    (void)user, (void)n;
    for (int64_t i = 0; i < out->numel; i++) ((double *)out->data)[i] = pow(((const double *)in[0].data)[i], 3);
    return SOMA_OK;
}
static soma_status cube_gradient(void *user, soma_tensor *const *in, size_t n, soma_tensor *y, soma_tensor *gy, soma_tensor **g) {
    (void)user, (void)n, (void)y;
    g[0] = soma_mul(gy, soma_mul_scalar(soma_square(in[0]), 3));
    return SOMA_OK;
}
static int64_t cube_number;
static soma_tensor *cube_op(soma_tensor *a, soma_tensor *b) { return (void)b, soma_custom(soma_tensor_context(a), cube_number, &a, 1); }

static void a_custom_op_passes_the_same_test(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    cube_number = soma_custom_register(ctx, &(soma_custom_def){"cube", cube_shape, cube, cube_gradient, NULL});
    assert_true(cube_number >= 0);
    const wanted w = {"cube", cube_op, -1, 1};
    compare(ctx, &w, 0);
    compare(ctx, &w, 1);
    soma_context_free(ctx);
}

/* Sums of gradients follow the graph, not the order of recording: C leaves the order of arguments to the compiler. */
static void the_order_of_recording_does_not_count(void **state) {
    (void)state;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    float first[64], g[64];
    for (int k = 0; k < 6; k++) {
        soma_context *ctx = check_context(NULL);
        soma_tensor *x = soma_variable(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(64)), &(soma_variable_opts){.requires_grad = 1}), *y[3] = {0};
        for (int i = 0; i < 3; i++) switch (orders[k][i]) {
            case 0: y[0] = soma_sin(x); break;
            case 1: y[1] = soma_exp(x); break;
            default: y[2] = soma_mul_scalar(soma_square(x), 0.3);
            }
        soma_tensor *loss = soma_sum(soma_mul(soma_mul(y[0], y[1]), y[2]), NULL), *gradient;
        assert_int_equal(soma_grad(&loss, 1, &x, 1, &gradient, NULL), SOMA_OK);
        soma_read(gradient, k ? g : first, sizeof g);
        check_fine(ctx);
        if (k) assert_memory_equal(g, first, sizeof g);
        soma_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_what_differences_say), cmocka_unit_test(gradients_accumulate_until_zeroed),
                                       cmocka_unit_test(the_order_of_recording_does_not_count), cmocka_unit_test(a_custom_op_passes_the_same_test)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
