/* Products on every instruction set of the machine against one chain of fma per element, bit for bit: odd sizes, transposes, strides, long k. */
#include "support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float chain(const float *a, int64_t sa, const float *b, int64_t sb, int64_t k) {
    float part[8] = {0};
    int n = 0;
    for (int64_t from = 0; from < k; from += 4096, n++)
        for (int64_t i = from; i < k && i < from + 4096; i++) part[n] = fmaf(a[i * sa], b[i * sb], part[n]);
    for (; n > 1; n = (n + 1) / 2) /* pairs, level by level; an odd one is carried up */
        for (int i = 0; i < (n + 1) / 2; i++) part[i] = 2 * i + 1 < n ? part[2 * i] + part[2 * i + 1] : part[2 * i];
    return part[0];
}

static void compare(soma_context *ctx, int64_t m, int64_t n, int64_t k, int ta, int tb, uint64_t *s) {
    float *a = malloc((size_t)(m * k + 1) * 4), *b = malloc((size_t)(k * n + 1) * 4), *c = malloc((size_t)(m * n + 1) * 4);
    for (int64_t i = 0; i < m * k; i++) a[i] = (float)check_random(s) - 0.5f;
    for (int64_t i = 0; i < k * n; i++) b[i] = (float)check_random(s) - 0.5f;
    soma_scope *scope = soma_scope_open(ctx);
    soma_tensor *x = soma_from(ctx, a, SOMA_F32, SOMA_SHAPE(ta ? k : m, ta ? m : k)),
                *y = soma_from(ctx, b, SOMA_F32, SOMA_SHAPE(tb ? n : k, tb ? k : n));
    soma_tensor *z = soma_matmul(ta ? soma_transpose(x, 0, 1) : x, tb ? soma_transpose(y, 0, 1) : y);
    assert_int_equal(soma_read(z, c, (size_t)(m * n) * 4), SOMA_OK);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            float want = chain(a + (ta ? i : i * k), ta ? m : 1, b + (tb ? j * k : j), tb ? 1 : n, k);
            if (memcmp(&want, &c[i * n + j], 4) != 0)
                fail_msg("%s %dx%dx%d%s%s at %d, %d: %a, not %a", soma_context_isa(ctx), (int)m, (int)n, (int)k, ta ? " A'" : "", tb ? " B'" : "",
                         (int)i, (int)j, (double)c[i * n + j], (double)want);
        }
    soma_scope_close(scope);
    free(a), free(b), free(c);
}

static void products_are_chains_on_every_instruction_set(void **state) {
    (void)state;
    static const char *const isas[] = {"portable", "neon", "avx2", "avx512"};
    uint64_t s = 9;
    for (int i = 0; i < 4; i++) {
        soma_context *ctx = check_context(&(soma_context_opts){.isa = isas[i], .threads = i + 1});
        if (strcmp(soma_context_isa(ctx), isas[i]) == 0) {
            print_message("%s\n", isas[i]);
            for (int t = 0; t < 200; t++)
                compare(ctx, 1 + (int64_t)(check_random(&s) * 60), 1 + (int64_t)(check_random(&s) * 70), (int64_t)(check_random(&s) * 90), t & 1,
                        t >> 1 & 1, &s);
            compare(ctx, 17, 33, 300, 0, 1, &s);
            compare(ctx, 40, 9, 4096, 1, 0, &s);
            compare(ctx, 3, 5, 4097, 0, 0, &s);
            compare(ctx, 2, 3, 20000, 0, 1, &s);
            compare(ctx, 130, 70, 64, 0, 0, &s);
        }
        soma_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_are_chains_on_every_instruction_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
