/* labels: threads
 * Data sets and the loader: broken files get sentences, the order is a function of seed and epoch, the thread changes nothing. */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static const char *write_file(const char *name, const void *data, size_t size) {
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, 128, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    return path;
}

static void broken_files_get_sentences(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    unsigned char images[16 + 12] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 51, 102, 255},
                              labels[8 + 3] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1};
    const char *x = write_file("x", images, sizeof images), *y = write_file("y", labels, sizeof labels);
    soma_dataset *d = soma_dataset_idx(ctx, x, y, NULL);
    check_fine(ctx);
    assert_int_equal(soma_dataset_count(d), 3);
    soma_batch b;
    soma_loader *l = soma_loader_new(ctx, d, 2, NULL);
    assert_true(soma_loader_next(l, &b) && b.count == 2 && b.targets[0] == 1 && b.inputs[3] == 255 * (float)(1.0 / 255));
    assert_true(soma_loader_next(l, &b) && b.count == 1 && !soma_loader_next(l, &b));
    assert_null(soma_dataset_idx(ctx, "/nowhere/x", y, NULL));
    check_error(ctx, SOMA_ERROR_IO, "/nowhere/x: cannot open");
    assert_null(soma_dataset_idx(ctx, write_file("short", images, sizeof images - 1), y, NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "wants 12 bytes of data, the file has 11");
    assert_null(soma_dataset_idx(ctx, y, y, NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "two or more dimensions");
    unsigned char huge[16] = {0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    assert_null(soma_dataset_idx(ctx, write_file("huge", huge, sizeof huge), y, NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "huge");
    assert_null(soma_dataset_idx(ctx, write_file("empty", "", 0), y, NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "empty");
    labels[7] = 2;
    assert_null(soma_dataset_idx(ctx, x, write_file("fewer", labels, 10), NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "3 images");
    assert_null(soma_dataset_idx(ctx, write_file("bad.gz", "\x1f\x8b\x08\x00 not gzip at all", 20), y, NULL));
    assert_true(soma_error_take(ctx) < 0);
    soma_context_free(ctx);
}

static void order_is_a_function_of_seed_and_epoch(void **state) {
    (void)state;
    static float x[1000];
    static int64_t t[1000];
    static int64_t seen[2][3][1000];
    for (int i = 0; i < 1000; i++) x[i] = (float)i, t[i] = i;
    for (int way = 0; way < 2; way++) {
        soma_context *ctx = check_context(NULL);
        soma_dataset *d = soma_dataset_arrays(ctx, x, t, 1000, NULL, 0);
        soma_loader *l = soma_loader_new(ctx, d, 64, &(soma_loader_opts){.shuffle = 1, .seed = 5, .no_prefetch = way});
        check_fine(ctx);
        for (int epoch = 0; epoch < 3; epoch++) {
            soma_batch b;
            int64_t n = 0;
            soma_loader_start(l, epoch);
            if (epoch == 1) soma_loader_next(l, &b), soma_loader_start(l, epoch); /* begun again in the middle */
            while (soma_loader_next(l, &b))
                for (int64_t i = 0; i < b.count; i++) {
                    assert_true(b.inputs[i] == (float)b.targets[i]);
                    seen[way][epoch][n++] = b.targets[i];
                }
            assert_int_equal(n, 1000);
            char there[1000] = {0};
            for (int i = 0; i < 1000; i++) there[seen[way][epoch][i]] = 1;
            for (int i = 0; i < 1000; i++) assert_int_equal(there[i], 1);
        }
        soma_loader *dropping = soma_loader_new(ctx, d, 64, &(soma_loader_opts){.drop_last = 1});
        assert_int_equal(soma_loader_count(dropping), 15);
        soma_context_free(ctx);
    }
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    assert_memory_not_equal(seen[0][0], seen[0][1], sizeof seen[0][0]);
    /* the same order on every machine */
    const int64_t first[4] = {seen[0][0][0], seen[0][0][1], seen[0][2][0], seen[0][2][999]};
    print_message("order begins %d %d, epoch 2: %d ... %d\n", (int)first[0], (int)first[1], (int)first[2], (int)first[3]);
}

int main(void) {
    strcpy(folder, "/tmp/soma-test-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(broken_files_get_sentences), cmocka_unit_test(order_is_a_function_of_seed_and_epoch)};
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? bad : 1;
}
