/* The loader's batches: the same with and without the thread, from bytes and from floats, in the order that seed and epoch give on every machine. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#define N 103
#define FEATURES 3

static float inputs[N * FEATURES];
static int64_t targets[N];

typedef struct seen {
    int64_t count, batches, sizes[N], targets[4 * N];
    float inputs[4 * N * FEATURES];
} seen;

/* Three epochs, the second one begun again after two batches. */
static void walk(const soma_loader_opts *o, int64_t batch, seen *s) {
    soma_context *ctx = check_context(NULL);
    soma_loader *l = soma_loader_new(ctx, soma_dataset_arrays(ctx, inputs, targets, N, SOMA_SHAPE(FEATURES)), batch, o);
    check_fine(ctx);
    memset(s, 0, sizeof *s);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        soma_batch b;
        soma_loader_start(l, epoch);
        if (epoch == 1) soma_loader_next(l, &b), soma_loader_next(l, &b), soma_loader_start(l, epoch);
        int64_t batches = 0;
        for (; soma_loader_next(l, &b); batches++) {
            s->sizes[s->batches++ % N] = b.count;
            memcpy(s->inputs + s->count * FEATURES, b.inputs, (size_t)(b.count * FEATURES) * sizeof(float));
            memcpy(s->targets + s->count, b.targets, (size_t)b.count * sizeof(int64_t));
            s->count += b.count;
        }
        assert_int_equal(batches, soma_loader_count(l));
        assert_false(soma_loader_next(l, &b));
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

static void the_thread_changes_nothing(void **state) {
    (void)state;
    static seen with, without;
    const int64_t sizes[] = {1, 2, 7, 50, 51, 52, N - 1, N, N + 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int way = 0; way < 4; way++) {
            soma_loader_opts o = {.shuffle = way & 1, .drop_last = way & 2, .seed = 17};
            walk(&o, sizes[i], &with);
            o.no_prefetch = 1;
            walk(&o, sizes[i], &without);
            if (memcmp(&with, &without, sizeof with) != 0) fail_msg("batches of %d, way %d", (int)sizes[i], way);
            int64_t whole = N / sizes[i], rest = N % sizes[i], an_epoch = o.drop_last ? whole * sizes[i] : N;
            assert_int_equal(with.count, 3 * an_epoch);
            assert_int_equal(with.batches, 3 * (whole + (rest && !o.drop_last)));
            for (int64_t k = 0; k < with.count; k++) /* inputs go with their targets */
                assert_true(with.inputs[k * FEATURES] == (float)with.targets[k] && with.inputs[k * FEATURES + 2] == 2 * (float)with.targets[k]);
            for (int64_t k = 0; k < an_epoch && !o.shuffle; k++) assert_true(with.targets[k] == k);
            char times[N] = {0};
            for (int64_t k = 0; k < an_epoch; k++) assert_int_equal(times[with.targets[k]]++, 0);
        }
}

/* FNV-1a over the order of three epochs. */
static uint64_t digest(uint64_t seed, int64_t batch) {
    static seen s;
    walk(&(soma_loader_opts){.shuffle = 1, .seed = seed}, batch, &s);
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < s.count; i++) h = (h ^ (uint64_t)s.targets[i]) * 0x100000001b3u;
    return h;
}

static void a_seed_gives_the_same_order_on_every_machine(void **state) {
    (void)state;
    static const struct {
        uint64_t seed, order;
    } golden[] = {{0, 0x94d537611629c622u}, {1, 0x28881df8c9fac620u}, {0xfedcba9876543210u, 0xe1acec1b2d1a5eeeu}};
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        uint64_t got = digest(golden[i].seed, 10);
        if (got != golden[i].order) fail_msg("seed %llx: the order's digest is %llx", (unsigned long long)golden[i].seed, (unsigned long long)got);
        assert_true(digest(golden[i].seed, 64) == got); /* whatever the batches */
    }
}

static void wrong_use_gets_a_sentence(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_dataset *d = soma_dataset_arrays(ctx, inputs, targets, N, SOMA_SHAPE(FEATURES));
    assert_null(soma_loader_new(ctx, d, 0, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "a batch of 0 samples");
    assert_null(soma_dataset_arrays(ctx, NULL, targets, N, NULL, 0));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "inputs, targets");
    assert_null(soma_dataset_arrays(ctx, inputs, targets, 0, NULL, 0));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "at least 1");
    assert_null(soma_dataset_arrays(ctx, inputs, targets, N, SOMA_SHAPE(3, 0)));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "positive sizes");
    soma_loader *l = soma_loader_new(ctx, d, N + 1, &(soma_loader_opts){.drop_last = 1});
    soma_batch b;
    assert_int_equal(soma_loader_count(l), 0);
    assert_false(soma_loader_next(l, &b));
    assert_null(soma_loader_new(ctx, NULL, 1, NULL));
    assert_int_equal(soma_loader_start(NULL, 0), SOMA_ERROR_ARGUMENT);
    check_fine(ctx);
    soma_context_free(ctx);
}

int main(void) {
    for (int i = 0; i < N; i++) {
        targets[i] = i;
        for (int k = 0; k < FEATURES; k++) inputs[i * FEATURES + k] = (float)(i * (k ? k : 1));
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_thread_changes_nothing), cmocka_unit_test(a_seed_gives_the_same_order_on_every_machine),
                                       cmocka_unit_test(wrong_use_gets_a_sentence)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
