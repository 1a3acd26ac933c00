/* Edges of picking, joining and reducing, as PyTorch has them: no dimensions, many dtypes, zero spread. */
#include "support/check.h"

#include "soma/grad.h"

static void cat_takes_the_widest_dtype_of_all(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *i = soma_ones(ctx, SOMA_I64, SOMA_SHAPE(1)), *f = soma_full(ctx, 2.5, SOMA_F64, SOMA_SHAPE(1)),
                *b = soma_ones(ctx, SOMA_BOOL, SOMA_SHAPE(1));
    soma_tensor *y = soma_cat((soma_tensor *[]){i, f, i, b}, 4, 0);
    double got[4];
    assert_int_equal(soma_tensor_dtype(y), SOMA_F64);
    assert_int_equal(soma_read(y, got, sizeof got), SOMA_OK);
    assert_true(got[0] == 1 && got[1] == 2.5 && got[2] == 1 && got[3] == 1);
    soma_context_free(ctx);
}

static void joining_says_which_dimension_is_wrong(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *number = soma_scalar(ctx, 1), *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2));
    assert_null(soma_cat(&number, 1, 0));
    check_error(ctx, SOMA_ERROR_SHAPE, "no dimensions");
    assert_null(soma_stack(&x, 1, -3));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "outside [-2, 2)");
    soma_context_free(ctx);
}

static void a_number_is_its_own_extreme(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_variable(soma_scalar(ctx, 3), &(soma_variable_opts){.requires_grad = 1}), *at, *best = soma_max(x, -1, true, &at);
    double value, place, top, slope;
    soma_item(best, &value), soma_item(at, &place);
    soma_item(soma_topk(x, 1, 0, true, NULL), &top);
    soma_backward(best, NULL);
    soma_item(soma_tensor_grad(x), &slope);
    check_fine(ctx);
    assert_int_equal(soma_ndim(best), 0);
    assert_true(value == 3 && place == 0 && top == 3 && slope == 1);
    soma_context_free(ctx);
}

static void a_root_of_no_spread_has_no_slope(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3)), &(soma_variable_opts){.requires_grad = 1});
    soma_backward(soma_add(soma_std(x, NULL), soma_norm(x)), NULL);
    float got[3];
    assert_int_equal(soma_read(soma_tensor_grad(x), got, sizeof got), SOMA_OK);
    assert_true(got[0] == 0 && got[1] == 0 && got[2] == 0);
    soma_context_free(ctx);
}

static void a_reduction_counts_its_dimensions(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2));
    assert_null(soma_sum(x, &(soma_reduce_opts){.ndims = 9}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "9 dimensions");
    soma_context_free(ctx);
}

static void the_log_of_an_empty_sum_is_minus_infinity(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *y = soma_logsumexp(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, 0)), &(soma_reduce_opts){SOMA_DIMS(1)});
    float got[2];
    assert_int_equal(soma_read(y, got, sizeof got), SOMA_OK);
    assert_true(got[0] == -__builtin_inff() && got[1] == -__builtin_inff());
    soma_context_free(ctx);
}

static void a_number_that_an_integer_cannot_hold_has_one_meaning(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *u = soma_ones(ctx, SOMA_U8, SOMA_SHAPE(1)), *i = soma_full(ctx, 1e30, SOMA_I64, SOMA_SHAPE(1)),
                *n = soma_full(ctx, __builtin_nan(""), SOMA_I32, SOMA_SHAPE(1));
    uint8_t less;
    int64_t most;
    int32_t none;
    assert_int_equal(soma_read(soma_add_scalar(u, -3), &less, sizeof less), SOMA_OK);
    assert_int_equal(soma_read(i, &most, sizeof most), SOMA_OK);
    assert_int_equal(soma_read(n, &none, sizeof none), SOMA_OK);
    assert_int_equal(less, 254);
    assert_true(most == INT64_MAX && none == 0);
    soma_context_free(ctx);
}

static void a_small_integer_is_divided_by_a_large_number(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    float half;
    assert_int_equal(soma_read(soma_div_scalar(soma_full(ctx, 150, SOMA_U8, SOMA_SHAPE(1)), 300), &half, sizeof half), SOMA_OK);
    assert_true(half == 0.5f);
    soma_context_free(ctx);
}

static void bytes_are_not_clamped_by_a_bound_below_them(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    uint8_t got;
    assert_int_equal(soma_read(soma_clamp_to(soma_full(ctx, 7, SOMA_U8, SOMA_SHAPE(1)), -1, 100), &got, sizeof got), SOMA_OK);
    assert_int_equal(got, 7);
    soma_context_free(ctx);
}

static void an_angle_has_no_slope_at_the_origin(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *a = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1)), *v = soma_variable(a, &(soma_variable_opts){.requires_grad = 1});
    float slope;
    soma_backward(soma_sum(soma_atan2(v, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(1))), NULL), NULL);
    assert_int_equal(soma_read(soma_tensor_grad(v), &slope, sizeof slope), SOMA_OK);
    assert_true(slope == 0);
    soma_context_free(ctx);
}

/* torch.sort's order: NaN is the largest in both directions. */
static void nan_is_last_among_the_smallest(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float nan = __builtin_nanf(""), inf = __builtin_inff();
    soma_tensor *x = soma_from(ctx, (float[]){nan, 1, inf, nan, -2}, SOMA_F32, SOMA_SHAPE(5)), *places;
    int64_t at[5];
    soma_topk(x, 5, 0, false, &places);
    soma_read(places, at, sizeof at);
    assert_true(at[0] == 4 && at[1] == 1 && at[2] == 2 && at[3] == 0 && at[4] == 3);
    soma_topk(x, 5, 0, true, &places);
    soma_read(places, at, sizeof at);
    assert_true(at[0] == 0 && at[1] == 3 && at[2] == 2 && at[3] == 1 && at[4] == 4);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void constants_saturate_and_bools_are_bools(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    int32_t i[2];
    uint8_t u[2], given[2] = {2, 255};
    double sum;
    soma_read(soma_full(ctx, 1e30, SOMA_I32, SOMA_SHAPE(2)), i, sizeof i);
    soma_read(soma_full(ctx, 300, SOMA_U8, SOMA_SHAPE(2)), u, sizeof u);
    assert_true(i[0] == INT32_MAX && u[1] == 255);
    soma_read(soma_full(ctx, -1, SOMA_U8, SOMA_SHAPE(2)), u, sizeof u);
    assert_true(u[0] == 0);
    soma_item(soma_sum(soma_from(ctx, given, SOMA_BOOL, SOMA_SHAPE(2)), NULL), &sum);
    assert_true(sum == 2);
    assert_int_equal(soma_read(soma_borrow(ctx, NULL, SOMA_F32, SOMA_SHAPE(0)), NULL, 0), SOMA_OK);
    check_fine(ctx);
    assert_null(soma_uniform(ctx, 1, 0, SOMA_F32, SOMA_SHAPE(2)));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "uniform: no numbers from 1 to 0");
    assert_null(soma_normal(ctx, 0, -1, SOMA_F32, SOMA_SHAPE(2)));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "normal: the standard deviation is -1");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nan_is_last_among_the_smallest),
                                       cmocka_unit_test(constants_saturate_and_bools_are_bools),
                                       cmocka_unit_test(a_small_integer_is_divided_by_a_large_number),
                                       cmocka_unit_test(bytes_are_not_clamped_by_a_bound_below_them),
                                       cmocka_unit_test(an_angle_has_no_slope_at_the_origin),
                                       cmocka_unit_test(cat_takes_the_widest_dtype_of_all),
                                       cmocka_unit_test(joining_says_which_dimension_is_wrong),
                                       cmocka_unit_test(a_number_is_its_own_extreme),
                                       cmocka_unit_test(a_root_of_no_spread_has_no_slope),
                                       cmocka_unit_test(a_reduction_counts_its_dimensions),
                                       cmocka_unit_test(the_log_of_an_empty_sum_is_minus_infinity),
                                       cmocka_unit_test(a_number_that_an_integer_cannot_hold_has_one_meaning)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
