/* Mixed dtypes follow torch.result_type: every pair of tensors with dimensions, 0-d tensors and numbers, as a rule and as what the ops return. */
#include "support/check.h"

#include "golden/promotion.h"
#include "ops/op.h"

#include <stdio.h>

#define OPERANDS 15 /* 6 dtypes with dimensions, 6 without, and Python's 1.0, 1 and True */

static soma_tensor *operand(soma_context *ctx, int i) {
    if (i < 6) return soma_ones(ctx, (soma_dtype)i, SOMA_SHAPE(2));
    if (i < 12) return soma_ones(ctx, (soma_dtype)(i - 6), NULL, 0);
    return i == 12 ? soma_scalar(ctx, 1) : soma__number(ctx, 1, i == 13 ? SOMA_I64 : SOMA_BOOL);
}

static const char *operand_name(int i, char *buffer, size_t size) {
    static const char *const numbers[3] = {"1.0", "1", "True"};
    snprintf(buffer, size, "%s%s", i < 12 ? soma_dtype_name((soma_dtype)(i % 6)) : numbers[i - 12], i < 6 ? " [2]" : i < 12 ? " []" : "");
    return buffer;
}

/* The digits of a golden row: a soma_dtype, or '-' where PyTorch refuses or both are numbers of its own. */
static void compare(soma_context *ctx, const char *what, int a, int b, char want, soma_tensor *y) {
    char p[32], q[32];
    int got = y ? (int)soma_tensor_dtype(y) : -1;
    if (want == '-' ? !y : got == want - '0') {
        soma_error_take(ctx);
        return;
    }
    fail_msg("%s of %s and %s is %s, in PyTorch %s", what, operand_name(a, p, sizeof p), operand_name(b, q, sizeof q),
             y ? soma_dtype_name((soma_dtype)got) : "refused", want == '-' ? "refused" : soma_dtype_name((soma_dtype)(want - '0')));
}

static void result_types_are_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (int a = 0; a < OPERANDS; a++)
        for (int b = 0; b < OPERANDS; b++) {
            char p[32], q[32];
            soma_dtype got = soma__result_type(operand(ctx, a), operand(ctx, b));
            if ((int)got != promotion_result_type[a][b] - '0')
                fail_msg("%s and %s: %s, in PyTorch %s", operand_name(a, p, sizeof p), operand_name(b, q, sizeof q), soma_dtype_name(got),
                         soma_dtype_name((soma_dtype)(promotion_result_type[a][b] - '0')));
        }
    check_fine(ctx);
    soma_context_free(ctx);
}

static void ops_return_pytorchs_dtypes(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const uint8_t yes[2] = {1, 0};
    for (int a = 0; a < OPERANDS; a++)
        for (int b = 0; b < OPERANDS; b++) {
            if (a >= 12 && b >= 12) continue;
            soma_scope *s = soma_scope_open(ctx);
            soma_tensor *x = operand(ctx, a), *y = operand(ctx, b), *c = soma_from(ctx, yes, SOMA_BOOL, SOMA_SHAPE(2));
            compare(ctx, "add", a, b, promotion_add[a][b], soma_add(x, y));
            /* PyTorch subtracts no bools at all; here one may be mixed with numbers, two may not */
            if (promotion_sub[a][b] != '-' || promotion_add[a][b] == '5') compare(ctx, "sub", a, b, promotion_sub[a][b], soma_sub(x, y));
            compare(ctx, "div", a, b, promotion_div[a][b], soma_div(x, y));
            compare(ctx, "lt", a, b, promotion_lt[a][b], soma_lt(x, y));
            compare(ctx, "where", a, b, promotion_where[a][b], soma_where(c, x, y));
            soma_scope_close(s);
        }
    check_fine(ctx);
    soma_context_free(ctx);
}

/* x + 1.5 and x + 1, by the calls that take a C number: whole numbers count as Python's int, others as float. */
static void numbers_of_c_behave_as_pythons(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (int a = 0; a < 12; a++) {
        compare(ctx, "add_scalar", a, 12, promotion_add[a][12], soma_add_scalar(operand(ctx, a), 1.5));
        compare(ctx, "mul_scalar", a, 12, promotion_add[a][12], soma_mul_scalar(operand(ctx, a), -0.5));
        compare(ctx, "add_scalar", a, 13, promotion_add[a][13], soma_add_scalar(operand(ctx, a), 1));
        compare(ctx, "rsub_scalar", a, 13, promotion_add[a][13], soma_rsub_scalar(operand(ctx, a), 1));
        compare(ctx, "div_scalar", a, 13, promotion_div[a][13], soma_div_scalar(operand(ctx, a), 2));
        if (a % 6 == SOMA_BOOL) continue;
        compare(ctx, "clamp_to", a, 12, promotion_add[a][12], soma_clamp_to(operand(ctx, a), 0.25, 0.75));
        compare(ctx, "clamp_to", a, 13, promotion_add[a][13], soma_clamp_to(operand(ctx, a), 0, 3));
    }
    double v;
    soma_item(soma_clamp_to(soma_full(ctx, 7, SOMA_I64, NULL, 0), 0.25, 0.75), &v);
    assert_true(v == 0.75);
    /* numbers beyond a dtype wrap, as integers do; NaN is 0 */
    soma_item(soma_add_scalar(soma_full(ctx, 7, SOMA_U8, NULL, 0), 300), &v);
    assert_true(v == 51);
    soma_item(soma_add_scalar(soma_full(ctx, 7, SOMA_U8, NULL, 0), -1), &v);
    assert_true(v == 6);
    soma_item(soma_full(ctx, __builtin_nan(""), SOMA_I32, NULL, 0), &v);
    assert_true(v == 0);
    check_fine(ctx);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(result_types_are_pytorchs), cmocka_unit_test(ops_return_pytorchs_dtypes),
                                       cmocka_unit_test(numbers_of_c_behave_as_pythons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
