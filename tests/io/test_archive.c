/* safetensors files: round trips, a file that Python wrote, and files that lie. Files are written whole or not at all. */
#include "support/check.h"

#include "soma/archive.h"
#include "soma/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *path_of(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void what_is_written_is_read(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const int64_t shape[3] = {2, 3, 1};
    soma_archive *a = soma_archive_new(ctx);
    for (int dtype = 0; dtype < SOMA_DTYPES; dtype++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d", 9 - dtype);
        assert_int_equal(soma_archive_put(a, name, soma_to(soma_arange(ctx, -2, 4, 1, SOMA_F64), (soma_dtype)dtype)), SOMA_OK);
    }
    soma_archive_put(a, "shaped", soma_full(ctx, 1.5, SOMA_F32, shape, 3));
    soma_archive_put(a, "scalar", soma_scalar(ctx, 7));
    soma_archive_put(a, "none", soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(0, 5)));
    soma_archive_put_text(a, "words", "\xc3\xa4 \"quoted\"\n");
    assert_int_equal(soma_archive_write(a, path_of("a")), SOMA_OK);
    soma_archive *b = soma_archive_open(ctx, path_of("a"));
    check_fine(ctx);
    assert_int_equal(soma_archive_count(b), SOMA_DTYPES + 3);
    assert_string_equal(soma_archive_text(b, "words"), "\xc3\xa4 \"quoted\"\n");
    assert_null(soma_archive_text(b, "other"));
    for (int dtype = 0; dtype < SOMA_DTYPES; dtype++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d", 9 - dtype);
        int64_t at = soma_archive_find(b, name);
        soma_tensor *x = soma_archive_tensor(b, (size_t)at), *want = soma_to(soma_arange(ctx, -2, 4, 1, SOMA_F64), (soma_dtype)dtype);
        assert_int_equal(soma_tensor_dtype(x), dtype);
        const void *p, *q;
        soma_data(x, &p), soma_data(want, &q);
        assert_memory_equal(p, q, 6 * soma_dtype_size((soma_dtype)dtype));
    }
    soma_archive_entry e;
    soma_archive_get(b, (size_t)soma_archive_find(b, "shaped"), &e);
    assert_true(e.ndim == 3 && e.shape[1] == 3 && (uintptr_t)e.data % 4 == 0);
    assert_int_equal(soma_archive_get(b, 99, &e), SOMA_ERROR_RANGE);
    /* the same content, added in another order, is the same file */
    soma_archive *c = soma_archive_new(ctx);
    soma_archive_put_text(c, "words", "\xc3\xa4 \"quoted\"\n");
    for (size_t i = soma_archive_count(b); i-- > 0;) {
        soma_archive_get(b, i, &e);
        soma_archive_put(c, e.name, soma_archive_tensor(b, i));
    }
    soma_archive_write(c, path_of("b"));
    char *x, *y;
    size_t n, m;
    soma_file_read(ctx, path_of("a"), 1 << 20, &x, &n);
    soma_file_read(ctx, path_of("b"), 1 << 20, &y, &m);
    check_fine(ctx);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    soma_archive_put(a, "scalar", soma_scalar(ctx, 7));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "taken");
    soma_context_free(ctx);
}

static void is(soma_archive *a, const char *name, soma_dtype dtype, const char *type, double first, double last) {
    int64_t at = soma_archive_find(a, name);
    assert_true(at >= 0);
    soma_archive_entry e;
    soma_archive_get(a, (size_t)at, &e);
    assert_string_equal(e.type, type);
    soma_tensor *x = soma_flatten(soma_archive_tensor(a, (size_t)at), 0, -1);
    assert_int_equal(soma_tensor_dtype(x), dtype);
    double v;
    soma_item(soma_to(soma_select(x, 0, 0), SOMA_F64), &v);
    if (v != first) fail_msg("%s: %g, not %g", name, v, first);
    soma_item(soma_to(soma_select(x, 0, -1), SOMA_F64), &v);
    if (v != last) fail_msg("%s: %g, not %g", name, v, last);
}

static void a_file_of_pythons_is_read(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_archive *a = soma_archive_open(ctx, SOMA_TESTS_DIR "/io/python.safetensors");
    check_fine(ctx);
    assert_string_equal(soma_archive_text(a, "format"), "pt");
    assert_string_equal(soma_archive_text(a, "words"), "\xc3\xa4\xc3\xb6\xc3\xbc \"quoted\"");
    is(a, "f32", SOMA_F32, "F32", -0.5, 0.75);
    is(a, "f64", SOMA_F64, "F64", -0.5 / 3, 0.25);
    is(a, "f16", SOMA_F32, "F16", -50, 75);
    is(a, "bf16", SOMA_F32, "BF16", -500, 752);
    is(a, "i64", SOMA_I64, "I64", -1099511627776.0, 5);
    is(a, "i32", SOMA_I32, "I32", -7, 7);
    is(a, "i16", SOMA_I32, "I16", -300, 300);
    is(a, "i8", SOMA_I32, "I8", -128, 127);
    is(a, "u8", SOMA_U8, "U8", 0, 255);
    is(a, "bool", SOMA_BOOL, "BOOL", 1, 1);
    is(a, "scalar", SOMA_F32, "F32", 2.5, 2.5);
    is(a, "layer.0.weight", SOMA_F32, "F32", 1, 1);
    check_fine(ctx);
    soma_context_free(ctx);
}

/* A file with this header and n bytes of data. */
static size_t file_of(char *out, const char *head, size_t n) {
    size_t length = strlen(head);
    for (int i = 0; i < 8; i++) out[i] = (char)(length >> 8 * i);
    memcpy(out + 8, head, length);
    memset(out + 8 + length, 1, n);
    return 8 + length + n;
}

static void files_that_lie_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *head;
        size_t data;
        const char *words;
    } rows[] = {
        {"{", 0, "no JSON"},
        {"[]", 0, "no object"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{}}", 4, "no JSON"},
        {"{\"a\":5}", 0, "data_offsets are wanted"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets are wanted"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "nothing else"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "do not fit its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "a size of the shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "a size of the shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, "too large"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, "do not fit"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "at most 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,18446744073709551620]}}", 4, "no JSON"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", 6,
         "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "belong to no tensor"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "object of texts"},
        {"{\"__metadata__\":[]}", 0, "object of texts"},
    };
    soma_context *ctx = check_context(NULL);
    char bytes[1024];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = file_of(bytes, rows[i].head, rows[i].data);
        if (soma_archive_from_memory(ctx, bytes, n)) fail_msg("%s was read", rows[i].head);
        check_error(ctx, SOMA_ERROR_FORMAT, rows[i].words);
    }
    /* lengths that the file does not have */
    for (int i = 0; i < 64; i++) {
        memset(bytes, 0, 8);
        bytes[i / 8] = (char)(1 << i % 8);
        memset(bytes + 8, '{', 4);
        assert_null(soma_archive_from_memory(ctx, bytes, 12));
        check_error(ctx, SOMA_ERROR_FORMAT, "no safetensors file");
    }
    /* cut anywhere, or a byte changed: an error or a file, never more */
    char *whole;
    size_t n;
    soma_file_read(ctx, SOMA_TESTS_DIR "/io/python.safetensors", 1 << 20, &whole, &n);
    for (size_t cut = 0; cut < n; cut++) {
        char *part = malloc(cut + 1);
        memcpy(part, whole, cut);
        assert_null(soma_archive_from_memory(ctx, part, cut));
        check_error(ctx, SOMA_ERROR_FORMAT, "no safetensors file");
        free(part);
    }
    for (size_t at = 0; at < n; at++)
        for (int bit = 0; bit < 8; bit += 3) {
            soma_scope *s = soma_scope_open(ctx);
            whole[at] ^= (char)(1 << bit);
            soma_archive *a = soma_archive_from_memory(ctx, whole, n);
            for (size_t i = 0; i < soma_archive_count(a); i++) soma_archive_tensor(a, i);
            whole[at] ^= (char)(1 << bit);
            if (!a) assert_true(soma_error_take(ctx) != SOMA_OK);
            soma_error_take(ctx);
            soma_scope_close(s);
        }
    check_fine(ctx);
    soma_context_free(ctx);
}

/* Any bit that is turned over is noticed, but for those of the checksum's own name. */
static void a_file_that_was_altered_is_refused(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_archive *a = soma_archive_new(ctx);
    soma_archive_put(a, "weight", soma_randn(ctx, SOMA_F32, SOMA_SHAPE(3, 3)));
    soma_archive_put(a, "odd", soma_to(soma_arange(ctx, 0, 5, 1, SOMA_F32), SOMA_U8));
    soma_archive_put_text(a, "words", "some");
    soma_archive_write(a, path_of("sum"));
    char *bytes;
    size_t n;
    soma_file_read(ctx, path_of("sum"), 1 << 20, &bytes, &n);
    check_fine(ctx);
    assert_non_null(soma_archive_from_memory(ctx, bytes, n));
    size_t name = 0;
    while (memcmp(bytes + name, "soma.check", 10) != 0) name++;
    for (size_t i = 0; i < 8 * n; i++) {
        if (i / 8 >= name && i / 8 < name + 10) continue;
        soma_scope *scope = soma_scope_open(ctx);
        bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
        if (soma_archive_from_memory(ctx, bytes, n)) fail_msg("bit %d of byte %d was turned over unnoticed", (int)(i % 8), (int)(i / 8));
        assert_int_equal(soma_error_take(ctx), SOMA_ERROR_FORMAT);
        bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
        soma_scope_close(scope);
    }
    bytes[n - 1] = (char)~bytes[n - 1];
    soma_archive_from_memory(ctx, bytes, n);
    check_error(ctx, SOMA_ERROR_FORMAT, "the file was altered since soma wrote it (its checksum differs)");
    soma_context_free(ctx);
}

static void a_failed_write_leaves_the_old_file(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    char path[160], beside[200], *text;
    snprintf(path, sizeof path, "%s/kept", folder);
    snprintf(beside, sizeof beside, "%s.part", path);
    assert_int_equal(soma_file_write(ctx, path, "old", 3), SOMA_OK);
    /* another process is writing it */
    int fd = open(beside, O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(soma_file_write(ctx, path, "new", 3), SOMA_ERROR_IO);
    check_error(ctx, SOMA_ERROR_IO, "another process is writing it");
    close(fd);
    /* one was killed while it did */
    assert_int_equal(soma_file_write(ctx, path, "newer", 5), SOMA_OK);
    soma_file_read(ctx, path, 100, &text, NULL);
    assert_string_equal(text, "newer");
    assert_false(soma_file_exists(beside));
    /* a folder in its place */
    assert_int_equal(mkdir(beside, 0700), 0);
    assert_int_equal(soma_file_write(ctx, path, "new", 3), SOMA_ERROR_IO);
    check_error(ctx, SOMA_ERROR_IO, "cannot write");
    rmdir(beside);
    soma_file_write(ctx, "/proc/none/file", "x", 1);
    check_error(ctx, SOMA_ERROR_IO, "/proc/none/file: cannot write: No such file");
    soma_file_read(ctx, path, 3, &text, NULL);
    check_error(ctx, SOMA_ERROR_FORMAT, "5 bytes; at most 3");
    soma_context_free(ctx);
}

static void a_folder_is_one_process_s(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL), *other = check_context(NULL);
    char path[160];
    snprintf(path, sizeof path, "%s/x/y/z", folder);
    soma_scope *s = soma_scope_open(ctx);
    assert_non_null(soma_folder_lock(ctx, path));
    assert_null(soma_folder_lock(other, path));
    check_error(other, SOMA_ERROR_STATE, "another process");
    soma_scope_close(s);
    soma_lock *lock = soma_folder_lock(other, path);
    assert_non_null(lock);
    soma_folder_unlock(lock);
    soma_folder_unlock(lock);
    assert_non_null(soma_folder_lock(ctx, path));
    assert_null(soma_folder_lock(ctx, SOMA_TESTS_DIR "/io/python.safetensors/below"));
    check_error(ctx, SOMA_ERROR_IO, "Not a directory");
    soma_context_free(other), soma_context_free(ctx);
}

/* A layer in two places is in the file under both keys, as in a state_dict. */
static void a_shared_layer_is_saved_and_loaded(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *l = soma_nn_linear(ctx, 2, 2, NULL), *m = soma_nn_sequential(ctx, SOMA_MODULES(l, soma_nn_relu(ctx), l));
    soma_tensor *const *params;
    size_t n;
    float before[4], after[4];
    soma_module_parameters(m, &params, &n);
    soma_read(params[0], before, sizeof before);
    assert_int_equal(soma_module_save(m, path_of("shared")), SOMA_OK);
    assert_int_equal(soma_archive_count(soma_archive_open(ctx, path_of("shared"))), 4);
    soma_assign(params[0], soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2, 2)));
    assert_int_equal(soma_module_load(m, path_of("shared")), SOMA_OK);
    soma_read(params[0], after, sizeof after);
    assert_memory_equal(before, after, sizeof before);
    check_fine(ctx);
    soma_context_free(ctx);
}

int main(void) {
    strcpy(folder, "/tmp/soma-archive-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_written_is_read),
                                       cmocka_unit_test(a_file_of_pythons_is_read),
                                       cmocka_unit_test(files_that_lie_are_refused),
                                       cmocka_unit_test(a_file_that_was_altered_is_refused),
                                       cmocka_unit_test(a_failed_write_leaves_the_old_file),
                                       cmocka_unit_test(a_folder_is_one_process_s),
                                       cmocka_unit_test(a_shared_layer_is_saved_and_loaded)};
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? bad : 1;
}
