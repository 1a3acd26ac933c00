/* Results that are written past the caches, which only large ones are, are those of small ones. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

enum { N = (9 << 20) + 37, PART = 4099 };

static soma_tensor *chain(soma_tensor *x) { return soma_mul_scalar(soma_relu(soma_sub(soma_square(x), soma_mul_scalar(x, 0.75))), 1.5); }

static void large_results_are_those_of_parts(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        soma_context *ctx = check_context(&(soma_context_opts){.threads = threads});
        float *x = malloc(N * sizeof *x), *large = malloc(N * sizeof *large), part[PART];
        assert_true(x && large);
        for (int i = 0; i < N; i++) x[i] = (float)(i % 1013) * 0.01f - 3;
        int64_t n = N, two[2] = {N / 37, 37};
        soma_read(chain(soma_from(ctx, x, SOMA_F32, &n, 1)), large, N * sizeof *large);
        for (int64_t at = 0; at + PART <= N; at += 104729) {
            soma_read(chain(soma_from(ctx, x + at, SOMA_F32, SOMA_SHAPE(PART))), part, sizeof part);
            assert_memory_equal(part, large + at, sizeof part);
        }
        /* rows that do not begin at a vector's address */
        float *rows = malloc(N * sizeof *rows);
        soma_tensor *bias = soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(37));
        soma_read(soma_add(chain(soma_from(ctx, x, SOMA_F32, two, 2)), bias), rows, (size_t)(two[0] * two[1]) * sizeof *rows);
        assert_memory_equal(rows, large, (size_t)(two[0] * two[1]) * sizeof *rows);
        check_fine(ctx);
        free(x), free(large), free(rows);
        soma_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(large_results_are_those_of_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
