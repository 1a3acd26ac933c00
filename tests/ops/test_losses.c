/* What losses do with options that are not theirs, shapes that do not fit, classes that are none, and reductions. */
#include "support/check.h"

#include <math.h>
#include <string.h>

static soma_tensor *x, *y, *t; /* [2, 3], [2, 3], classes [2] */

static soma_context *set_up(void) {
    soma_context *ctx = check_context(NULL);
    x = soma_keep(soma_sigmoid(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 3))));
    y = soma_keep(soma_sigmoid(soma_randn(ctx, SOMA_F32, SOMA_SHAPE(2, 3))));
    t = soma_from(ctx, (int64_t[]){2, 0}, SOMA_I64, SOMA_SHAPE(2));
    return ctx;
}

static void options_belong_to_losses(void **state) {
    (void)state;
    soma_context *ctx = set_up();
#define HAS_NOT(call, words) \
    do { \
        assert_null(call); \
        check_error(ctx, SOMA_ERROR_ARGUMENT, words); \
    } while (0)
    HAS_NOT(soma_mse_loss(x, y, &(soma_loss_opts){.weight = x}), "mse_loss: it takes no weight");
    HAS_NOT(soma_l1_loss(x, y, &(soma_loss_opts){.margin = SOMA_SET(0)}), "l1_loss: it takes no margin");
    HAS_NOT(soma_huber_loss(x, y, &(soma_loss_opts){.beta = SOMA_SET(1)}), "huber_loss: it takes no beta");
    HAS_NOT(soma_smooth_l1_loss(x, y, &(soma_loss_opts){.delta = SOMA_SET(1)}), "smooth_l1_loss: it takes no delta");
    HAS_NOT(soma_binary_cross_entropy(x, y, &(soma_loss_opts){.pos_weight = x}), "binary_cross_entropy: it takes no pos_weight");
    HAS_NOT(soma_kl_div(x, y, &(soma_loss_opts){.full = 1}), "kl_div: it takes no full");
    HAS_NOT(soma_soft_margin_loss(x, y, &(soma_loss_opts){.reduction = SOMA_BATCHMEAN}), "soft_margin_loss: it takes no reduction SOMA_BATCHMEAN");
    HAS_NOT(soma_mse_loss(x, y, &(soma_loss_opts){.reduction = 7}), "mse_loss: the reduction is none of");
    HAS_NOT(soma_huber_loss(x, y, &(soma_loss_opts){.delta = SOMA_SET(0)}), "huber_loss: delta is not above 0");
    HAS_NOT(soma_smooth_l1_loss(x, y, &(soma_loss_opts){.beta = SOMA_SET(-1)}), "smooth_l1_loss: beta is negative");
    HAS_NOT(soma_multi_margin_loss(x, t, &(soma_loss_opts){.p = SOMA_SET(3)}), "multi_margin_loss: p is neither 1 nor 2");
    HAS_NOT(soma_triplet_margin_loss(x, y, x, &(soma_loss_opts){.p = SOMA_SET(0)}), "triplet_margin_loss: p is not above 0");
    HAS_NOT(soma_nll_loss(x, t, &(soma_loss_opts){.weight = soma_full(ctx, 1, SOMA_F64, SOMA_SHAPE(3))}),
            "nll_loss: the weight is of another context or dtype");
    HAS_NOT(soma_mse_loss(t, t, NULL), "mse_loss: the input is int64; a floating dtype is wanted");
    soma_context_free(ctx);
}

static void shapes_fit(void **state) {
    (void)state;
    soma_context *ctx = set_up();
    soma_tensor *wide = soma_full(ctx, 1, SOMA_F32, SOMA_SHAPE(2, 4)), *real = soma_full(ctx, 1, SOMA_F32, SOMA_SHAPE(2));
#define FITS_NOT(call, words) \
    do { \
        assert_null(call); \
        check_error(ctx, SOMA_ERROR_SHAPE, words); \
    } while (0)
    FITS_NOT(soma_mse_loss(x, wide, NULL), "mse_loss: float32 [2, 3] and float32 [2, 4]; equal shapes and dtypes are wanted");
    FITS_NOT(soma_mse_loss(x, soma_to(y, SOMA_F64), NULL), "mse_loss: float32 [2, 3] and float64 [2, 3]");
    FITS_NOT(soma_gaussian_nll_loss(x, y, wide, NULL), "gaussian_nll_loss: float32 [2, 3] and float32 [2, 4]");
    FITS_NOT(soma_nll_loss(x, y, NULL), "nll_loss: float32 [2, 3] and float32 [2, 3]; input [N, C, ...] and int64 classes [N, ...] are wanted");
    FITS_NOT(soma_nll_loss(x, t, &(soma_loss_opts){.weight = real}), "a weight of each class is wanted");
    FITS_NOT(soma_multi_margin_loss(x, real, NULL), "scores [N, C] and int64 classes [N] are wanted");
    FITS_NOT(soma_multilabel_margin_loss(x, t, NULL), "scores [N, C] and int64 classes [N, C] are wanted");
    FITS_NOT(soma_cosine_embedding_loss(x, y, x, NULL), "a sign for each row is wanted");
    float v;
    int64_t bad[2] = {3, 0};
    assert_int_equal(soma_read(soma_nll_loss(x, soma_from(ctx, bad, SOMA_I64, SOMA_SHAPE(2)), NULL), &v, sizeof v), SOMA_ERROR_RANGE);
    check_error(ctx, SOMA_ERROR_RANGE, "index 3 is outside [0, 3)");
    soma_context_free(ctx);
}

/* The three reductions of every loss agree: the sum of the elements, and their mean (nll_loss without weights, too). */
static void reductions_agree(void **state) {
    (void)state;
    soma_context *ctx = set_up();
    soma_tensor *third_EQUAL = y, *third_PAIRS = soma_full(ctx, 1, SOMA_F32, SOMA_SHAPE(2)),
                *lists = soma_from(ctx, (int64_t[]){2, 0, -1, 1, -1, 0}, SOMA_I64, SOMA_SHAPE(2, 3));
    soma_tensor *target_EQUAL = y, *target_CLASSES = t, *target_ROWS = t, *target_LISTS = lists, *target_PAIRS = y;
#define AGREE(name, call) \
    do { \
        double v[3], all[3]; \
        for (int64_t r = SOMA_MEAN; r <= SOMA_NONE; r++) { \
            const soma_loss_opts o = {.reduction = r}; \
            soma_tensor *l = (call); \
            int64_t n = soma_numel(l); \
            all[r] = (double)n; \
            soma_item(soma_sum(l, NULL), &v[r]); \
        } \
        check_fine(ctx); \
        if (fabs(v[SOMA_SUM] - v[SOMA_NONE]) > 1e-5 * (1 + fabs(v[SOMA_SUM])) || \
            fabs(v[SOMA_MEAN] * all[SOMA_NONE] - v[SOMA_SUM]) > 1e-5 * (1 + fabs(v[SOMA_SUM]))) \
            fail_msg("%s: mean %g, sum %g, elements' sum %g", name, v[0], v[1], v[2]); \
    } while (0);
#define LOSS2(name, shapes, options, doc) AGREE(#name, soma_##name(x, target_##shapes, &o))
#define LOSS3(name, third, shapes, options, doc) AGREE(#name, soma_##name(x, target_##shapes, third_##shapes, &o))
#include "soma/losses.def"
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(options_belong_to_losses), cmocka_unit_test(shapes_fit), cmocka_unit_test(reductions_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
