/* Metrics against scikit-learn's values, and generators: what they promise of their samples. */
#include "support/check.h"

#include <math.h>
#include <string.h>

static void near(double got, double want) {
    if (!(fabs(got - want) < 1e-6 * (1 + fabs(want)))) fail_msg("%.9g, and %.9g was wanted", got, want);
}

static void metrics_are_those_of_scikit_learn(void **state) {
    (void)state;
    static const int64_t targets[12] = {2, 0, 0, 0, 0, 2, 2, 1, 0, 0, 0, 1};
    static const float p[36] = {0.28252137f, 0.06670124f,  0.6507774f,  0.017155107f, 0.116749346f, 0.86609554f, 0.12889026f,  0.62157273f,
                                0.249537f,   0.61706215f,  0.37909937f, 0.003838468f, 0.61706215f,  0.37909937f, 0.003838468f, 0.35566258f,
                                0.27305228f, 0.37128514f,  0.35950965f, 0.31606635f,  0.324424f,    0.20988487f, 0.014862782f, 0.77525234f,
                                0.48150593f, 0.022325428f, 0.49616864f, 0.75744396f,  0.05088518f,  0.19167086f, 0.0367491f,   0.3528542f,
                                0.6103967f,  0.26502946f,  0.3964544f,  0.33851615f};
    static const int64_t matrix[9] = {3, 1, 3, 0, 1, 1, 1, 0, 2};
    static const double precision[3] = {0.75, 0.5, 1.0 / 3}, recall[3] = {3.0 / 7, 0.5, 2.0 / 3}, f1[3] = {6.0 / 11, 0.5, 4.0 / 9},
                        auc[3] = {0.5714285714285714, 0.45, 0.5925925925925926};
    soma_context *ctx = check_context(NULL);
    int64_t said[12], m[9];
    for (int i = 0; i < 12; i++) {
        said[i] = 0;
        for (int c = 1; c < 3; c++)
            if (p[3 * i + c] > p[3 * i + said[i]]) said[i] = c;
    }
    near(soma_accuracy(said, targets, 12), 0.5);
    near(soma_top_k_accuracy(p, targets, 12, 3, 2), 2.0 / 3);
    near(soma_top_k_accuracy(p, targets, 12, 3, 3), 1);
    near(soma_log_loss(p, targets, 12, 3), 1.5893561847293023);
    assert_int_equal(soma_confusion_matrix(said, targets, 12, 3, m), SOMA_OK);
    assert_memory_equal(m, matrix, sizeof m);
    for (int c = 0; c < 3; c++) {
        near(soma_precision(m, 3, c), precision[c]), near(soma_recall(m, 3, c), recall[c]), near(soma_f1(m, 3, c), f1[c]);
        near(soma_roc_auc(ctx, p, targets, 12, 3, c), auc[c]);
    }
    const float a[3] = {1, 2, 3.5f}, b[3] = {1.5f, 2, 3};
    near(soma_mean_absolute_error(a, b, 3), 1.0 / 3), near(soma_root_mean_squared_error(a, b, 3), 0.408248291), near(soma_r2(a, b, 3), 0.5714285374);
    assert_true(isnan(soma_accuracy(said, targets, 0)) && isnan(soma_r2(a, a, 1)) && isnan(soma_roc_auc(ctx, p, said, 0, 3, 0)));
    const int64_t bad[1] = {3};
    assert_int_equal(soma_confusion_matrix(bad, targets, 1, 3, m), SOMA_ERROR_RANGE);
    soma_context_free(ctx);
}

static void generators_make_what_they_say(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (size_t i = 0; soma_generator_name(i); i++) {
        const char *name = soma_generator_name(i);
        soma_dataset *d = soma_dataset_generate(ctx, name, 500, &(soma_generate_opts){.seed = 5});
        soma_dataset *later = soma_dataset_generate(ctx, name, 100, &(soma_generate_opts){.seed = 5, .first = 400});
        check_fine(ctx);
        const int64_t *shape;
        int64_t ndim, a, b;
        soma_dataset_shape(d, &shape, &ndim);
        float x[64], y[64], v = 0, w = 0;
        assert_true(ndim == 1 && shape[0] >= 1 && shape[0] <= 10);
        assert_true(soma_dataset_is_valued(d) || soma_dataset_classes(d) >= 2);
        for (int k = 0; k < 100; k++) { /* a sample is a function of its number */
            soma_dataset_sample(d, 400 + k, x, &a), soma_dataset_sample(later, k, y, &b);
            soma_dataset_value(d, 400 + k, &v), soma_dataset_value(later, k, &w);
            assert_true(a == b && v == w && memcmp(x, y, (size_t)shape[0] * sizeof *x) == 0);
        }
    }
    static const struct {
        const char *name;
        int64_t classes[4];
    } gates[] = {{"and_gate", {0, 0, 0, 1}}, {"or_gate", {0, 1, 1, 1}}, {"nand_gate", {1, 1, 1, 0}}, {"xor_gate", {0, 1, 1, 0}}};
    for (size_t g = 0; g < 4; g++) {
        soma_dataset *d = soma_dataset_generate(ctx, gates[g].name, 4, NULL);
        for (int row = 0; row < 4; row++) {
            float x[2];
            int64_t c;
            soma_dataset_sample(d, row, x, &c);
            assert_true(x[0] == (float)(row / 2) && x[1] == (float)(row % 2) && c == gates[g].classes[row]);
        }
    }
    soma_dataset *d = soma_dataset_generate(ctx, "parity", 32, &(soma_generate_opts){.size = 5});
    for (int i = 0; i < 32; i++) {
        float x[5];
        int64_t c;
        soma_dataset_sample(d, i, x, &c);
        assert_int_equal(c, __builtin_parity((unsigned)i));
    }
    d = soma_dataset_generate(ctx, "friedman1", 200, &(soma_generate_opts){.noise = SOMA_SET(0)});
    for (int i = 0; i < 200; i++) {
        float x[10], v;
        soma_dataset_sample(d, i, x, NULL), soma_dataset_value(d, i, &v);
        near((double)v,
             10 * sin(3.14159265358979 * (double)x[0] * (double)x[1]) + 20 * pow((double)x[2] - 0.5, 2) + 10 * (double)x[3] + 5 * (double)x[4]);
        for (int k = 0; k < 10; k++) assert_true(x[k] >= 0 && x[k] < 1);
    }
    d = soma_dataset_generate(ctx, "circles", 100, &(soma_generate_opts){.noise = SOMA_SET(0)});
    for (int i = 0; i < 100; i++) {
        float x[2];
        int64_t c;
        soma_dataset_sample(d, i, x, &c);
        near(hypot((double)x[0], (double)x[1]), c ? 0.5 : 1);
    }
    assert_null(soma_dataset_generate(ctx, "moon", 4, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "there is no generator 'moon'");
    assert_null(soma_dataset_generate(ctx, "parity", 4, &(soma_generate_opts){.size = 65}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "a size of 2 to 64");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(metrics_are_those_of_scikit_learn), cmocka_unit_test(generators_make_what_they_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
