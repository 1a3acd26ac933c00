/* The perceptron's rule, Novikoff's bound, and the decision whether classes can be parted: against a linear programme by brute force over the plane,
 * and with its own proofs checked. */
#include "support/check.h"

#include <math.h>
#include <string.h>

static const float gate[8] = {0, 0, 0, 1, 1, 0, 1, 1};
static const int64_t and_of[4] = {0, 0, 0, 1}, or_of[4] = {0, 1, 1, 1}, nand_of[4] = {1, 1, 1, 0}, xor_of[4] = {0, 1, 1, 0};

static void gates_are_learned_but_for_xor(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const int64_t *const gates[] = {and_of, or_of, nand_of};
    soma_perceptron p;
    soma_separability s;
    for (int g = 0; g < 3; g++) {
        assert_int_equal(soma_perceptron_fit(ctx, gate, gates[g], 4, 2, &p, NULL), SOMA_OK);
        assert_int_equal(soma_separable(ctx, gate, gates[g], 4, 2, &s), SOMA_OK);
        assert_true(p.converged && p.wrong == 0 && p.epochs < 20 && s.separable);
        assert_true((double)p.mistakes <= s.bound);
        for (int i = 0; i < 4; i++) assert_int_equal(soma_perceptron_predict(&p, gate + 2 * i), gates[g][i]);
    }
    /* by hand: the line between AND's corner and the others; augmented, its margin is 1 / norm of (2, 2, -3) */
    soma_separable(ctx, gate, and_of, 4, 2, &s);
    assert_true(fabs(s.margin - 1 / sqrt(17)) < 1e-12 && fabs(s.radius - sqrt(3)) < 1e-12 && fabs(s.bound - 51) < 1e-9);
    assert_int_equal(soma_perceptron_fit(ctx, gate, xor_of, 4, 2, &p, &(soma_perceptron_opts){.max_epochs = 100}), SOMA_OK);
    assert_true(!p.converged && p.epochs == 100 && p.wrong > 0);
    soma_separable(ctx, gate, xor_of, 4, 2, &s);
    assert_true(!s.separable && isinf(s.bound) && s.residual < 1e-12);
    for (int i = 0; i < 4; i++) assert_true(fabs(s.proof[i] - 0.25) < 1e-12); /* both classes have the same middle */
    assert_int_equal(soma_perceptron_fit(ctx, gate, xor_of, 4, 2, &p, &(soma_perceptron_opts){.kind = SOMA_PERCEPTRON_POCKET, .shuffle = 1}),
                     SOMA_OK);
    assert_int_equal(p.wrong, 1); /* the best that a line can do */
    soma_context_free(ctx);
}

/* Random clouds in 1 to 6 dimensions: the answer's proof is checked with plain sums. */
static void decisions_come_with_proofs(void **state) {
    (void)state;
    uint64_t draw = 11;
    int separable = 0, mixed = 0;
    for (int round = 0; round < 600; round++) {
        soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
        float x[60 * 6];
        int64_t classes[60], n = 2 + (int64_t)(check_random(&draw) * 58), d = 1 + (int64_t)(check_random(&draw) * 6);
        double gap = check_random(&draw) * 1.5 - 0.3, w[6], norm = 0;
        for (int64_t k = 0; k < d; k++) w[k] = check_random(&draw) - 0.5, norm += w[k] * w[k];
        for (int64_t i = 0; i < n; i++) {
            double side = 0;
            for (int64_t k = 0; k < d; k++) {
                double v = round % 3 ? check_random(&draw) * 4 - 2 : floor(check_random(&draw) * 4);
                x[i * d + k] = (float)v, side += w[k] * v;
            }
            classes[i] = round % 2 ? side > 0 : check_random(&draw) < 0.5;
            for (int64_t k = 0; k < d && round % 2; k++) x[i * d + k] += (float)((side > 0 ? gap : -gap) * w[k] / sqrt(norm));
        }
        soma_separability s;
        soma_perceptron p;
        assert_int_equal(soma_separable(ctx, x, classes, n, d, &s), SOMA_OK);
        if (s.separable) {
            separable++;
            double size = s.bias * s.bias, least = (double)INFINITY;
            for (int64_t k = 0; k < d; k++) size += s.weights[k] * s.weights[k];
            for (int64_t i = 0; i < n; i++) {
                double sum = s.bias;
                for (int64_t k = 0; k < d; k++) sum += s.weights[k] * (double)x[i * d + k];
                least = fmin(least, (classes[i] ? sum : -sum) / sqrt(size));
            }
            assert_true(least > 0 && fabs(least - s.margin) < 1e-9 * s.radius);
            if (s.bound < 1e5) {
                soma_perceptron_fit(ctx, x, classes, n, d, &p, &(soma_perceptron_opts){.max_epochs = 200000, .shuffle = 1});
                assert_true(p.converged && p.wrong == 0 && (double)p.mistakes <= s.bound);
            }
        } else {
            mixed++;
            double sum = 0, mean[7] = {0}, far = 0;
            for (int64_t i = 0; i < n; i++) {
                assert_true(s.proof[i] >= 0);
                sum += s.proof[i];
                for (int64_t k = 0; k <= d; k++) mean[k] += s.proof[i] * (classes[i] ? 1 : -1) * (k < d ? (double)x[i * d + k] : 1);
            }
            for (int64_t k = 0; k <= d; k++) far += mean[k] * mean[k];
            if (fabs(sum - 1) > 1e-9 || sqrt(far) > 1e-9 * s.radius) fail_msg("round %d: shares %g, mean %g", round, sum, sqrt(far));
        }
        soma_context_free(ctx);
    }
    assert_true(separable > 100 && mixed > 100);
}

static void variants_do_what_they_say(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_dataset *d = soma_dataset_generate(ctx, "blobs", 300, &(soma_generate_opts){.size = 2, .seed = 3, .noise = SOMA_SET(5)});
    float x[600];
    int64_t classes[300];
    for (int i = 0; i < 300; i++) soma_dataset_sample(d, i, x + 2 * i, &classes[i]);
    soma_perceptron plain, pocket, averaged;
    soma_perceptron_fit(ctx, x, classes, 300, 2, &plain, &(soma_perceptron_opts){.max_epochs = 30});
    soma_perceptron_fit(ctx, x, classes, 300, 2, &pocket, &(soma_perceptron_opts){.kind = SOMA_PERCEPTRON_POCKET, .max_epochs = 30});
    soma_perceptron_fit(ctx, x, classes, 300, 2, &averaged, &(soma_perceptron_opts){.kind = SOMA_PERCEPTRON_AVERAGED, .max_epochs = 30});
    check_fine(ctx);
    assert_true(!plain.converged && pocket.wrong <= plain.wrong && pocket.mistakes == plain.mistakes && averaged.mistakes == plain.mistakes);
    double w[3] = {0}, mean[3] = {0}; /* the averaged ones by hand */
    for (int i = 0; i < 30 * 300; i++) {
        int k = i % 300;
        double sign = classes[k] ? 1 : -1;
        if (sign * (w[0] * (double)x[2 * k] + w[1] * (double)x[2 * k + 1] + w[2]) <= 0)
            w[0] += sign * (double)x[2 * k], w[1] += sign * (double)x[2 * k + 1], w[2] += sign;
        for (int c = 0; c < 3; c++) mean[c] += w[c] / (30 * 300);
    }
    assert_true(fabs(mean[0] - averaged.weights[0]) < 1e-9 && fabs(mean[1] - averaged.weights[1]) < 1e-9 && fabs(mean[2] - averaged.bias) < 1e-9);
    assert_int_equal(soma_perceptron_fit(ctx, x, classes, 0, 2, &plain, NULL), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "one sample or more");
    classes[7] = 2;
    assert_int_equal(soma_separable(ctx, x, classes, 300, 2, &(soma_separability){0}), SOMA_ERROR_RANGE);
    check_error(ctx, SOMA_ERROR_RANGE, "sample 7 has class 2");
    classes[7] = 1, x[3] = NAN;
    assert_int_equal(soma_perceptron_fit(ctx, x, classes, 300, 2, &plain, NULL), SOMA_ERROR_NONFINITE);
    check_error(ctx, SOMA_ERROR_NONFINITE, "input 1 of sample 1");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gates_are_learned_but_for_xor), cmocka_unit_test(decisions_come_with_proofs),
                                       cmocka_unit_test(variants_do_what_they_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
