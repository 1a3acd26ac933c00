/* Broken idx files of every kind: each is an error that names the file and says what is wrong, plain and compressed, cut at any byte. And classes
 * that a model does not have. */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if SOMA_HAVE_ZLIB
#include <zlib.h>
#endif

#define HEAD_X 16
#define HEAD_Y 8
#define COUNT 5
#define PIXELS 6

static char folder[64];
static unsigned char images[HEAD_X + COUNT * PIXELS] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 2, 0, 0, 0, 3};
static unsigned char labels[HEAD_Y + COUNT] = {0, 0, 8, 1, 0, 0, 0, COUNT, 3, 0, 9, 1, 3};

/* The path of a name, at the same place each time. */
static const char *path_of(const char *name) {
    static char paths[24][160];
    char path[160];
    int i = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    while (paths[i][0] && strcmp(paths[i], path) != 0) assert_true(++i < 24);
    return strcpy(paths[i], path);
}

static const char *plain(const char *name, const void *data, size_t size) {
    const char *path = path_of(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    return path;
}

/* The dataset cannot be opened; the sentence begins with the file's path and has the words. */
static void refused(soma_context *ctx, const char *x, const char *y, soma_status status, const char *named, const char *words) {
    assert_null(soma_dataset_idx(ctx, x, y, NULL));
    const char *message = soma_error_message(ctx);
    if (strncmp(message, named, strlen(named)) != 0 || !strstr(message, words))
        fail_msg("'%s': it should name %s and say '%s'", message, named, words);
    assert_int_equal(soma_error_take(ctx), status);
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const char *x = plain("x", images, sizeof images), *y = plain("y", labels, sizeof labels), *none = path_of("none");
    refused(ctx, none, y, SOMA_ERROR_IO, none, "No such file");
    refused(ctx, x, none, SOMA_ERROR_IO, none, "No such file");
    refused(ctx, folder, y, SOMA_ERROR_IO, folder, "no regular file");
    assert_null(soma_dataset_idx(ctx, x, NULL, NULL));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "two paths");
    assert_non_null(soma_dataset_idx(ctx, x, y, NULL));
    check_fine(ctx);
    soma_context_free(ctx);
}

static void a_file_cut_at_any_byte_is_refused(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const char *x = plain("x", images, sizeof images), *y = plain("y", labels, sizeof labels);
    for (size_t n = 0; n < sizeof images; n++) {
        const char *cut = plain("cut", images, n);
        refused(ctx, cut, y, SOMA_ERROR_FORMAT, cut, n < 4 ? "no idx file: it has" : n < HEAD_X ? "its header of 16 bytes is cut" : "truncated");
    }
    for (size_t n = 0; n < sizeof labels; n++) {
        const char *cut = plain("cut", labels, n);
        refused(ctx, x, cut, SOMA_ERROR_FORMAT, cut, n < 4 ? "no idx file" : n < HEAD_Y ? "header" : "truncated");
    }
    unsigned char longer[sizeof images + 1] = {0};
    memcpy(longer, images, sizeof images);
    const char *over = plain("over", longer, sizeof longer);
    refused(ctx, over, y, SOMA_ERROR_FORMAT, over, "wants 30 bytes of data, the file has 31");
    static const unsigned char huge[] = {0, 0, 8, 4, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
                               flat[] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 2, 0, 0, 0, 0};
    const char *path = plain("huge", huge, sizeof huge);
    refused(ctx, path, y, SOMA_ERROR_FORMAT, path, "wants more data than there can be");
    path = plain("flat", flat, sizeof flat);
    refused(ctx, path, y, SOMA_ERROR_FORMAT, path, "its images have no elements: dimension 2 is 0");
    soma_context_free(ctx);
}

static void a_wrong_head_is_refused(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const char *x = plain("x", images, sizeof images), *y = plain("y", labels, sizeof labels);
    /* a byte of the magic, to what, and the words */
    static const struct {
        int at, to;
        const char *words;
    } wrong[] = {{0, 1, "begins with 01 00 08 03"},
                 {1, 7, "begins with 00 07 08 03"},
                 {2, 13, "unsigned bytes"},
                 {3, 1, "two or more dimensions"},
                 {3, 9, "two or more dimensions"},
                 {3, 2, "header"},
                 {7, 0, "header"},
                 {7, 6, "truncated"},
                 {4, 255, "truncated"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unsigned char bad[sizeof images];
        memcpy(bad, images, sizeof bad);
        bad[wrong[i].at] = (unsigned char)wrong[i].to;
        const char *path = plain("bad", bad, sizeof bad);
        refused(ctx, path, y, SOMA_ERROR_FORMAT, path, wrong[i].words);
    }
    refused(ctx, x, x, SOMA_ERROR_FORMAT, x, "one dimension"); /* the two exchanged */
    refused(ctx, y, x, SOMA_ERROR_FORMAT, y, "two or more dimensions");
    soma_context_free(ctx);
}

static void counts_that_disagree_name_both_files(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    unsigned char fewer[sizeof labels];
    memcpy(fewer, labels, sizeof labels);
    fewer[7] = COUNT - 1;
    const char *x = plain("x", images, sizeof images), *y = plain("fewer", fewer, sizeof fewer - 1);
    refused(ctx, x, y, SOMA_ERROR_FORMAT, x, "5 images");
    refused(ctx, x, y, SOMA_ERROR_FORMAT, x, y);
    refused(ctx, x, y, SOMA_ERROR_FORMAT, x, "4 labels");
    unsigned char no_images[HEAD_X], no_labels[HEAD_Y];
    memcpy(no_images, images, HEAD_X), memcpy(no_labels, labels, HEAD_Y);
    no_images[7] = no_labels[7] = 0;
    x = plain("no_x", no_images, HEAD_X), y = plain("no_y", no_labels, HEAD_Y);
    refused(ctx, x, y, SOMA_ERROR_FORMAT, x, "not 0");
    soma_context_free(ctx);
}

#if SOMA_HAVE_ZLIB
/* A gzip member with the bytes; gives its size. */
static size_t pack(unsigned char *to, size_t room, unsigned char *from, size_t size) {
    z_stream z = {.next_in = from, .avail_in = (unsigned)size, .next_out = to, .avail_out = (unsigned)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void compressed_files_are_read_and_cut_ones_refused(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    unsigned char gz[2048];
    const char *y = plain("y", labels, sizeof labels);
    size_t n = pack(gz, sizeof gz, images, sizeof images);
    soma_dataset *d = soma_dataset_idx(ctx, plain("x.gz", gz, n), y, NULL);
    check_fine(ctx);
    soma_batch b;
    assert_true(soma_loader_next(soma_loader_new(ctx, d, COUNT, NULL), &b));
    for (int i = 0; i < COUNT * PIXELS; i++) assert_true(b.inputs[i] == (float)images[HEAD_X + i] * (float)(1.0 / 255));
    for (size_t cut = 3; cut < n; cut++) {
        const char *path = plain("cut.gz", gz, cut);
        refused(ctx, path, y, SOMA_ERROR_FORMAT, path, "gzip file");
    }
    const char *short_inside = plain("inside.gz", gz, pack(gz, sizeof gz, images, sizeof images - 1));
    refused(ctx, short_inside, y, SOMA_ERROR_FORMAT, short_inside, "truncated");
    n = pack(gz, sizeof gz, images, sizeof images);
    gz[n / 2] ^= 0x55;
    const char *damaged = plain("damaged.gz", gz, n);
    refused(ctx, damaged, y, SOMA_ERROR_FORMAT, damaged, "gzip file is damaged");
    /* two members, one after the other */
    n = pack(gz, sizeof gz, images, 20);
    n += pack(gz + n, sizeof gz - n, images + 20, sizeof images - 20);
    assert_non_null(soma_dataset_idx(ctx, plain("two.gz", gz, n), y, NULL));
    check_fine(ctx);
    soma_context_free(ctx);
}

static size_t most;
static void *measured(void *user, size_t size, size_t align) {
    (void)user;
    if (size > most) most = size;
    return aligned_alloc(align, (size + align - 1) / align * align);
}
static void release(void *user, void *memory, size_t size) { (void)user, (void)size, free(memory); }

/* No more is unpacked than the head promises, however much the file holds; and a head that promises more than there is takes no memory for it. */
static void a_bomb_does_not_go_off(void **state) {
    (void)state;
    soma_allocator a = {measured, release, NULL};
    soma_context *ctx = check_context(&(soma_context_opts){.allocator = &a, .threads = 1});
    const char *y = plain("y", labels, sizeof labels);
    const size_t size = (size_t)64 << 20;
    unsigned char *big = calloc(size, 1), *gz = malloc(size / 500);
    memcpy(big, images, sizeof images);
    size_t n = pack(gz, size / 500, big, size);
    most = 0;
    const char *bomb = plain("bomb.gz", gz, n);
    refused(ctx, bomb, y, SOMA_ERROR_FORMAT, bomb, "wants 30 bytes of data, the file has at least");
    big[0] = 1; /* no idx file at all */
    bomb = plain("bomb.gz", gz, pack(gz, size / 500, big, size));
    refused(ctx, bomb, y, SOMA_ERROR_FORMAT, bomb, "no idx file");
    memcpy(big, images, sizeof images);
    big[4] = 255; /* 4 billion images */
    bomb = plain("bomb.gz", gz, pack(gz, size / 500, big, 4096));
    refused(ctx, bomb, y, SOMA_ERROR_FORMAT, bomb, "truncated");
    assert_true(most < 1u << 20);
    free(big), free(gz);
    soma_context_free(ctx);
}
#endif

static void a_fifo_is_not_waited_for(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const char *fifo = path_of("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    refused(ctx, fifo, fifo, SOMA_ERROR_IO, fifo, "no regular file");
    soma_context_free(ctx);
}

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    out[0] = soma_cross_entropy(soma_forward(user, soma_flatten(in[0], 1, -1)), in[1], NULL);
    return soma_error_status(ctx);
}

static void a_label_that_the_model_does_not_have_is_an_error_of_its_batch(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_dataset *d = soma_dataset_idx(ctx, plain("x", images, sizeof images), plain("y", labels, sizeof labels), NULL);
    soma_loader *l = soma_loader_new(ctx, d, 2, NULL);
    soma_slot slots[2] = {{{2, 2, 3}, 3, SOMA_F32}, {{2}, 1, SOMA_I64}};
    soma_program *p = soma_capture(ctx, body, soma_nn_linear(ctx, PIXELS, 4, NULL), slots, 2, 1, NULL);
    soma_batch b;
    for (int i = 0; soma_loader_next(l, &b); i++) {
        soma_program_bind(p, 0, b.inputs, (int64_t[]){b.count, 2, 3});
        soma_program_bind(p, 1, b.targets, &b.count);
        assert_int_equal(soma_program_run(p), i == 1 ? SOMA_ERROR_RANGE : SOMA_OK);
        if (i == 1) check_error(ctx, SOMA_ERROR_RANGE, "target 9 of row 0 is outside [0, 4)");
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

int main(void) {
    strcpy(folder, "/tmp/soma-files-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    for (int i = 0; i < COUNT * PIXELS; i++) images[HEAD_X + i] = (unsigned char)(i * 37 + 11);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_wrong_head_is_refused),
        cmocka_unit_test(counts_that_disagree_name_both_files),
#if SOMA_HAVE_ZLIB
        cmocka_unit_test(compressed_files_are_read_and_cut_ones_refused),
        cmocka_unit_test(a_bomb_does_not_go_off),
#endif
        cmocka_unit_test(a_fifo_is_not_waited_for),
        cmocka_unit_test(a_label_that_the_model_does_not_have_is_an_error_of_its_batch)
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? bad : 1;
}
