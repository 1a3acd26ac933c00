/* labels: threads */
#include "support/check.h"

#include "base/alloc.h"
#include "base/pool.h"

#include <stdatomic.h>

static _Atomic int64_t sum;
static _Atomic int hits[64];
static void count(void *arg, int64_t piece, int slot) {
    (void)slot;
    atomic_fetch_add(&hits[piece], 1);
    atomic_fetch_add(&sum, *(int64_t *)arg);
}

static void every_piece_runs_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 8; threads += 3) {
        soma__pool *p;
        assert_int_equal(soma__pool_create(&soma__default_allocator, threads, &p), SOMA_OK);
        sum = 0;
        for (int64_t i = 0; i < 20000; i++) {
            int64_t pieces = i % 64 + 1;
            for (int k = 0; k < 64; k++) hits[k] = 0;
            soma__pool_run(p, count, &i, pieces, i % 100 ? 5000.0 : 1e6);
            for (int k = 0; k < 64; k++) assert_int_equal(hits[k], k < pieces);
        }
        int64_t want = 0;
        for (int64_t i = 0; i < 20000; i++) want += i * (i % 64 + 1);
        assert_true(sum == want);
        soma__pool_destroy(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_piece_runs_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
