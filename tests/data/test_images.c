/* labels: threads
 * Data sets of pictures: a folder, an archive and any number of threads give the same samples; broken pictures and hostile archives get sentences. */
#include "support/check.h"
#include "support/pictures.h"

#include "data/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *at(const char *name) {
    static char paths[16][256];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, 256, "%s/%s", folder, name);
    return path;
}

static void write_bytes(const char *name, const void *data, size_t n) {
    if (!picture_save((picture_file){(uint8_t *)(uintptr_t)data, n}, at(name))) fail_msg("cannot write %s", name);
}

#if SOMA_HAVE_IMAGES
#include <png.h>

/* Archives, made by hand. */
typedef struct tar {
    uint8_t *data;
    size_t size;
} tar;

static uint8_t *tar_more(tar *t, size_t n) {
    t->data = realloc(t->data, t->size + n);
    memset(t->data + t->size, 0, n);
    t->size += n;
    return t->data + t->size - n;
}

static void tar_sum(uint8_t *h) {
    unsigned sum = 0;
    memset(h + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
}

static void tar_add(tar *t, const char *name, char type, const void *data, size_t n) {
    uint8_t *h = tar_more(t, 512 + (n + 511) / 512 * 512);
    memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
    memcpy(h + 100, "0000644\0000000000\0000000000", 24);
    snprintf((char *)h + 124, 12, "%011llo", (unsigned long long)n);
    h[156] = (uint8_t)type;
    memcpy(h + 257, "ustar\00000", 8);
    tar_sum(h);
    if (n) memcpy(h + 512, data, n);
}

static void tar_save(tar *t, const char *name) {
    tar_more(t, 1024);
    write_bytes(name, t->data, t->size);
    t->size -= 1024;
}

enum { H = 6, W = 8, PICTURES = 300 };

static picture_file numbered(int i, int height, int width) {
    uint8_t pixels[64 * 64 * 3];
    picture_draw(pixels, height, width, 3, (unsigned)i);
    return i % 3 ? picture_png(pixels, height, width, (size_t)width * 3, PNG_COLOR_TYPE_RGB, 8, false, NULL, 0)
                 : picture_jpeg(pixels, height, width, 3, 90, i % 2, 0);
}

/* The same pictures as a folder and as an archive, whose entries lie backwards. */
static void make_both(void) {
    static const char *const classes[] = {"train/bee", "train/ant", "train/cow-2"};
    static tar t;
    mkdir(at("tree"), 0777), mkdir(at("tree/train"), 0777);
    for (int c = 0; c < 3; c++) {
        char path[100];
        snprintf(path, sizeof path, "tree/%s", classes[c]);
        mkdir(at(path), 0777);
    }
    tar_add(&t, "pax_global_header", 'g', "52 comment=d7d05618061fe37d830fb0419063d113c575ccbc\n", 52);
    for (int i = PICTURES - 1; i >= 0; i--) {
        picture_file f = numbered(i, H, W);
        char name[100], path[110];
        snprintf(name, sizeof name, "%s/%03d.%s", classes[i % 3], i, i % 3 ? "png" : "JPG");
        snprintf(path, sizeof path, "tree/%s", name);
        write_bytes(path, f.data, f.size);
        snprintf(path, sizeof path, i % 2 ? "./%s" : "%s", name);
        tar_add(&t, path, '0', f.data, f.size);
        free(f.data);
    }
    write_bytes("tree/train/bee/notes.txt", "x", 1), write_bytes("tree/train/bee/.hidden.png", "x", 1), write_bytes("tree/train/loose.png", "x", 1);
    tar_add(&t, "train/bee/notes.txt", '0', "x", 1);
    tar_add(&t, "train/bee/link.png", '2', NULL, 0);
    tar_add(&t, "../train/bee/outside.png", '0', "x", 1);
    tar_add(&t, "test/bee/other.png", '0', "x", 1);
    tar_save(&t, "both.tar");
    free(t.data);
}

static void folders_archives_and_threads_give_the_same(void **state) {
    (void)state;
    uint64_t first = 0;
    make_both();
    for (int way = 0; way < 6; way++) {
        soma_context *ctx = check_context(&(soma_context_opts){.threads = 1 + way / 2});
        soma_dataset *d = soma_dataset_images(ctx, at(way % 2 ? "both.tar" : "tree"), &(soma_images_opts){.part = "/train/"});
        check_fine(ctx);
        const int64_t *shape;
        int64_t ndim, target;
        const soma_picture_info *info = soma_dataset_pictures(d);
        soma_dataset_shape(d, &shape, &ndim);
        assert_true(soma_dataset_count(d) == PICTURES && ndim == 3 && shape[0] == 3 && shape[1] == H && shape[2] == W);
        assert_true(info->n_classes == 3 && soma_dataset_classes(d) == 3 && !strcmp(info->classes[0], "ant") && !strcmp(info->classes[1], "bee") &&
                    !strcmp(info->classes[2], "cow-2"));
        if (!first) first = soma_dataset_digest(d);
        assert_true(first == soma_dataset_digest(d));
        float x[3 * H * W], raw[3 * H * W];
        for (int64_t k = 0; k < PICTURES; k++) { /* the k-th of ant, then bee, then cow */
            int64_t i = k % 100 * 3 + (k / 100 + 1) % 2 + (k / 100 == 2 ? 1 : 0) * 2;
            i = k < 100 ? 3 * k + 1 : k < 200 ? 3 * (k - 100) : 3 * (k - 200) + 2;
            uint8_t pixels[H * W * 3];
            picture_draw(pixels, H, W, 3, (unsigned)i);
            assert_int_equal(soma_dataset_sample(d, k, x, &target), SOMA_OK);
            assert_int_equal(soma_dataset_raw(d, 0, k, raw, NULL), SOMA_OK);
            assert_int_equal(target, k / 100);
            char end[20];
            snprintf(end, sizeof end, "/%03d.%s", (int)i, i % 3 ? "png" : "JPG");
            assert_non_null(strstr(soma_dataset_file(d, k), end));
            for (int p = 0; p < 3 * H * W; p++) {
                assert_true(x[p] == raw[p] * (float)(1.0 / 255));
                if (i % 3) assert_true(raw[p] == (float)pixels[p % (H * W) * 3 + p / (H * W)]);
            }
        }
        soma_context_free(ctx);
    }
}

static char logged[600];
static void keep_line(void *user, const char *line) {
    (void)user;
    if (strstr(line, "left out")) snprintf(logged, sizeof logged, "%s", line);
}

static void broken_pictures_are_errors_or_left_out(void **state) {
    (void)state;
    picture_file f = numbered(1, H, W), other = numbered(2, H + 1, W);
    soma_context *ctx = check_context(&(soma_context_opts){.log = keep_line});
    for (int archive = 0; archive < 2; archive++) {
        tar t = {0};
        mkdir(at("broken"), 0777), mkdir(at("broken/a"), 0777), mkdir(at("broken/b"), 0777);
        write_bytes("broken/a/0.png", f.data, f.size / 2), write_bytes("broken/a/1.png", f.data, f.size),
            write_bytes("broken/b/2.png", f.data, f.size);
        tar_add(&t, "a/0.png", '0', f.data, f.size / 2), tar_add(&t, "a/1.png", '0', f.data, f.size), tar_add(&t, "b/2.png", 0, f.data, f.size);
        tar_save(&t, "broken.tar");
        free(t.data);
        const char *path = at(archive ? "broken.tar" : "broken");
        char words[300];
        snprintf(words, sizeof words, "%s/a/0.png: the PNG file is damaged or cut", path);
        assert_null(soma_dataset_images(ctx, path, NULL));
        check_error(ctx, SOMA_ERROR_FORMAT, words);
        *logged = 0;
        soma_dataset *d = soma_dataset_images(ctx, path, &(soma_images_opts){.skip_broken = 1});
        check_fine(ctx);
        assert_true(soma_dataset_count(d) == 2 && strstr(logged, "a/0.png is left out: ") && !strcmp(soma_dataset_note(d, 0), logged) &&
                    !soma_dataset_note(d, 1));
        write_bytes("broken/b/3.png", other.data, other.size);
    }
    assert_int_equal(symlink("nowhere.png", at("broken/b/4.png")), 0); /* a link to nothing is one file's trouble */
    assert_null(soma_dataset_images(ctx, at("broken"), &(soma_images_opts){.size = {5, 5}, .part = "b"}));
    check_error(ctx, SOMA_ERROR_FORMAT, "there are no pictures in class folders");
    assert_null(soma_dataset_images(ctx, at("broken"), NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "a/0.png: the PNG file is damaged or cut");
    assert_null(soma_dataset_images(ctx, at("broken"), &(soma_images_opts){.skip_broken = 1}));
    check_error(ctx, SOMA_ERROR_SHAPE, "b/3.png: 7 x 8 pixels, the first picture has 6 x 8; a size, as [6, 8], would bring all to one");
    soma_dataset *d = soma_dataset_images(ctx, at("broken"), &(soma_images_opts){.skip_broken = 1, .size = {5, 5}, .channels = 1});
    check_fine(ctx);
    assert_int_equal(soma_dataset_count(d), 3);
    const char *const names[] = {"b", "c"};
    assert_null(soma_dataset_images(ctx, at("broken"), &(soma_images_opts){.skip_broken = 1, .size = {5, 5}, .classes = names, .n_classes = 2}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "there is no class 'a' among those given");
    assert_null(soma_dataset_images(ctx, at("broken"), &(soma_images_opts){.part = "nowhere"}));
    check_error(ctx, SOMA_ERROR_IO, "broken/nowhere: cannot open the folder");
    assert_null(soma_dataset_images(ctx, at("broken.tar"), &(soma_images_opts){.part = "nowhere"}));
    check_error(ctx, SOMA_ERROR_FORMAT, "broken.tar/nowhere: there are no pictures in class folders");
    assert_null(soma_dataset_images(ctx, at("broken"), &(soma_images_opts){.size = {5, 0}}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "a height and a width of 1 to 16384");
    free(f.data), free(other.data);
    soma_context_free(ctx);
}

static void looking_tells_what_decoding_would_read(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_images_found f;
    for (int archive = 0; archive < 2; archive++) {
        assert_int_equal(soma_images_find(ctx, at(archive ? "both.tar" : "tree"), &f, &(soma_images_opts){.part = "train"}), SOMA_OK);
        assert_true(f.pictures == PICTURES && f.png == 200 && f.jpeg == 100 && f.broken == 0 && f.grey == 0);
        assert_true(f.least[0] == H && f.most[0] == H && f.least[1] == W && f.most[1] == W);
        assert_true(f.n_classes == 3 && !strcmp(f.classes[2], "cow-2") && f.counts[0] == 100 && f.counts[1] == 100 && f.counts[2] == 100);
    }
    uint8_t pixels[30 * 20];
    picture_draw(pixels, 30, 20, 1, 1);
    picture_file turned = picture_jpeg(pixels, 30, 20, 1, 90, true, 6),
                 grey = picture_png(pixels, 10, 20, 20, PNG_COLOR_TYPE_GRAY, 8, false, NULL, 0);
    mkdir(at("found"), 0777), mkdir(at("found/a"), 0777), mkdir(at("found/b"), 0777);
    write_bytes("found/a/1.jpg", turned.data, turned.size), write_bytes("found/a/2.png", grey.data, grey.size);
    write_bytes("found/b/3.png", "none", 4), write_bytes("found/b/4.png", "", 0);
    assert_int_equal(soma_images_find(ctx, at("found"), &f, NULL), SOMA_OK);
    assert_true(f.pictures == 4 && f.png == 1 && f.jpeg == 1 && f.broken == 2 && f.grey == 2);
    assert_true(f.least[0] == 10 && f.most[0] == 20 && f.least[1] == 20 && f.most[1] == 30 && f.counts[0] == 2 && f.counts[1] == 2);
    mkdir(at("nobody"), 0777);
    assert_int_equal(soma_images_find(ctx, at("nobody"), &f, NULL), SOMA_OK);
    assert_true(f.pictures == 0 && f.n_classes == 0 && f.most[0] == 0);
    soma_images_find(ctx, at("nowhere"), &f, NULL);
    check_error(ctx, SOMA_ERROR_IO, "nowhere: cannot open");
    picture_file files[] = {turned, grey};
    for (int k = 0; k < 2; k++)
        for (size_t n = 0; n <= files[k].size; n++) { /* cut anywhere: in memory that ends there */
            uint8_t *cut = malloc(n + !n);
            soma__head h;
            memcpy(cut, files[k].data, n);
            bool told = soma__image_head(cut, n, &h);
            assert_true(told ? h.grey && h.png == (k == 1) && h.width == (k || h.height == 30 ? 20 : 30) : n < files[k].size);
            free(cut);
        }
    free(turned.data), free(grey.data);
    soma_context_free(ctx);
}

/* As `tar czf pets.tgz pets` makes it. */
static void a_folder_around_everything_is_no_class(void **state) {
    (void)state;
    static const char *const files[] = {"pets/cat/1.png", "pets/cat/2.png", "./pets/dog/old/1.png"};
    static const char *const parts[] = {"README.md", "pets/test/cat/1.png", "pets/train/cat/1.png", "pets/train/cat/2.png",
                                        "pets/train/dog/old/1.png"};
    static const char *const known[] = {"pets", "fish"};
    static tar t;
    soma_context *ctx = check_context(NULL);
    picture_file f = numbered(3, H, W);
    /* class folders; parts, and a file beside them; a picture that lies in none of the classes' folders; one class, with a folder in it */
    for (int way = 0; way < 4; way++) {
        t.size = 0;
        tar_add(&t, "pets/", '5', NULL, 0);
        for (int i = 0; i < (way == 1 ? 5 : 3); i++)
            if (way != 3 || i != 1) tar_add(&t, way == 1 ? parts[i] : way == 3 && i < 2 ? "pets/1.png" : files[i], '0', f.data, f.size);
        if (way == 2) tar_add(&t, "pets/3.png", '0', f.data, f.size);
        tar_save(&t, "around.tar");
        const char *const *names;
        int64_t n;
        soma_dataset *d = soma_dataset_images(ctx, at("around.tar"), &(soma_images_opts){.part = way == 1 ? "train" : NULL});
        check_fine(ctx);
        const soma_picture_info *info = soma_dataset_pictures(d);
        assert_int_equal(soma_dataset_count(d), way == 3 ? 2 : 3);
        assert_int_equal(info->n_classes, way == 3 ? 1 : 2);
        assert_string_equal(info->classes[0], way == 3 ? "pets" : "cat");
        assert_int_equal(soma_images_classes(ctx, at("around.tar"), &names, &n, NULL), SOMA_OK);
        assert_int_equal(n, way == 3 ? 1 : 2);
        assert_string_equal(names[0], way == 3 ? "pets" : way == 1 ? "test" : "cat");
        if (way != 0) continue; /* a class that is known is one */
        d = soma_dataset_images(ctx, at("around.tar"), &(soma_images_opts){.classes = known, .n_classes = 2});
        check_fine(ctx);
        assert_int_equal(soma_dataset_count(d), 3);
    }
    free(f.data), free(t.data);
    soma_context_free(ctx);
}

static void held_out_pictures_are_a_share_of_each_class(void **state) {
    (void)state;
    uint64_t before[2] = {0};
    for (int archive = 0; archive < 2; archive++) {
        soma_context *ctx = check_context(NULL);
        soma_dataset *d = soma_dataset_images(ctx, at(archive ? "both.tar" : "tree"), &(soma_images_opts){.part = "train"}), *rest, *held, *other;
        assert_int_equal(soma_dataset_hold_out(ctx, d, 0.25, 7, &rest, &held), SOMA_OK);
        assert_true(soma_dataset_count(rest) == 225 && soma_dataset_count(held) == 75);
        int64_t counts[3] = {0}, a = 0, b = 0;
        for (int64_t i = 0; i < PICTURES; i++) { /* each is in one of both, in its order, as it was */
            float x[3 * H * W], y[3 * H * W];
            int64_t target, was;
            const char *file = soma_dataset_file(d, i);
            bool kept = b < 75 && !strcmp(soma_dataset_file(held, b), file);
            if (!kept) assert_string_equal(soma_dataset_file(rest, a), file);
            soma_dataset_sample(d, i, x, &was), soma_dataset_sample(kept ? held : rest, kept ? b++ : a++, y, &target);
            assert_true(target == was && !memcmp(x, y, sizeof x));
            counts[target] += kept;
        }
        assert_true(counts[0] == 25 && counts[1] == 25 && counts[2] == 25 && soma_dataset_pictures(held)->n_classes == 3);
        uint64_t now[2] = {soma_dataset_digest(rest), soma_dataset_digest(held)};
        if (archive) assert_memory_equal(now, before, sizeof now);
        memcpy(before, now, sizeof now);
        soma_dataset_hold_out(ctx, d, 0.25, 8, &rest, &other);
        assert_true(soma_dataset_digest(other) != now[1]);
        soma_dataset_hold_out(ctx, d, 0.999, 8, &rest, &other);
        assert_int_equal(soma_dataset_count(rest), 3);
        soma_dataset_hold_out(ctx, d, 1, 8, &rest, &other);
        check_error(ctx, SOMA_ERROR_ARGUMENT, "a share between 0 and 1");
        soma_dataset_hold_out(ctx, soma_dataset_generate(ctx, "moons", 10, NULL), 0.5, 8, &rest, &other);
        check_error(ctx, SOMA_ERROR_ARGUMENT, "pictures of this context");
        soma_dataset_hold_out(ctx, soma_dataset_glyphs(ctx, 1, NULL), 0.5, 8, &rest, &other);
        check_error(ctx, SOMA_ERROR_ARGUMENT, "no class has a second picture");
        soma_context_free(ctx);
    }
}

static void long_names_are_read(void **state) {
    (void)state;
    picture_file f = numbered(1, H, W);
    soma_context *ctx = check_context(NULL);
    char name[300] = "class/", pax[400], wanted[600];
    memset(name + 6, 'x', 150), strcpy(name + 156, ".png");
    tar t = {0};
    tar_add(&t, "././@LongLink", 'L', name, strlen(name) + 1), tar_add(&t, "cut", '0', f.data, f.size);
    name[6] = 'y';
    int n = snprintf(pax, sizeof pax, "%d path=%s\n", (int)strlen(name) + 10, name);
    tar_add(&t, "x", 'x', pax, (size_t)n), tar_add(&t, "cut", '0', f.data, f.size);
    tar_add(&t, "short.png", '0', f.data, f.size);
    uint8_t *h = t.data + t.size - 512 - (f.size + 511) / 512 * 512;
    memcpy(h + 345, "prefix/of/ustar", 15), tar_sum(h);
    tar_save(&t, "long.tar");
    soma_dataset *d = soma_dataset_images(ctx, at("long.tar"), NULL);
    check_fine(ctx);
    assert_int_equal(soma_dataset_count(d), 3);
    snprintf(wanted, sizeof wanted, "%s/%s", at("long.tar"), name);
    assert_string_equal(soma_dataset_file(d, 1), wanted);
    assert_non_null(strstr(soma_dataset_file(d, 2), "long.tar/prefix/of/ustar/short.png"));
    free(t.data), free(f.data);
    soma_context_free(ctx);
}

static void hostile_archives_get_sentences(void **state) {
    (void)state;
    picture_file f = numbered(1, H, W);
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    tar t = {0};
    char pax[40] = "30 path=a/1.png\n18 size=5\n";
    tar_add(&t, "a/1.png", '0', f.data, f.size);
    tar_add(&t, "pax", 'x', pax, strlen(pax)); /* a record longer than all */
    tar_add(&t, "a/2.png", '0', f.data, f.size);
    tar_more(&t, 512);
    for (size_t n = 0; n < t.size; n += n < 600 ? 1 : 61) { /* cut */
        write_bytes("cut.tar", t.data, n);
        if (soma_dataset_images(ctx, at("cut.tar"), NULL)) fail_msg("cut after %zu bytes", n);
        assert_int_equal(soma_error_take(ctx), SOMA_ERROR_FORMAT);
    }
    write_bytes("cut.tar", t.data, t.size);
    assert_non_null(soma_dataset_images(ctx, at("cut.tar"), NULL));
    for (size_t n = 0; n < 512; n++) { /* every byte of a header, with its sum put right and wrong */
        uint8_t kept[512];
        memcpy(kept, t.data, 512);
        t.data[n] ^= 0x91;
        for (int right = 0; right < 2; right++) {
            if (right) tar_sum(t.data);
            write_bytes("altered.tar", t.data, t.size);
            soma_scope *scope = soma_scope_open(ctx);
            soma_dataset *d = soma_dataset_images(ctx, at("altered.tar"), NULL);
            assert_true(right || !d || (n >= 148 && n < 156));
            soma_error_take(ctx);
            soma_scope_close(scope);
        }
        memcpy(t.data, kept, 512);
    }
    memcpy(t.data + 124, "77777777777", 11), tar_sum(t.data); /* 8 GiB that are not there */
    write_bytes("huge.tar", t.data, t.size);
    assert_null(soma_dataset_images(ctx, at("huge.tar"), NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "it has more than a gibibyte");
    memset(t.data + 124, 0xff, 12), tar_sum(t.data);
    write_bytes("huge.tar", t.data, t.size);
    assert_null(soma_dataset_images(ctx, at("huge.tar"), NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "no tar archive by its content");
    t.size = 0;
    tar_add(&t, "a/1.png", '0', f.data, f.size), tar_add(&t, "./a//1.png", '0', f.data, f.size), tar_save(&t, "twice.tar");
    assert_null(soma_dataset_images(ctx, at("twice.tar"), NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "twice.tar/a/1.png is there twice");
    t.size = 0;
    tar_add(&t, "\xff/1.png", '0', f.data, f.size), tar_save(&t, "bytes.tar");
    assert_null(soma_dataset_images(ctx, at("bytes.tar"), NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "the name of class 0 is no UTF-8 text");
    assert_null(soma_dataset_images(ctx, at("nothing"), NULL));
    check_error(ctx, SOMA_ERROR_IO, "nothing: cannot open");
    free(t.data), free(f.data);
    soma_context_free(ctx);
}

static void the_cifar_archive_is_read(void **state) {
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s/cifar10-jpg.tar.gz", getenv("SOMA_DATA") ? getenv("SOMA_DATA") : "");
    if (access(path, R_OK) != 0 || !soma_reads_gzip()) {
        print_message("skipped: SOMA_DATA has no cifar10-jpg.tar.gz\n");
        skip();
    }
    soma_context *ctx = check_context(NULL);
    soma_dataset *d = soma_dataset_images(ctx, path, &(soma_images_opts){.part = "test"});
    check_fine(ctx);
    assert_true(soma_dataset_count(d) == 10000 && soma_dataset_classes(d) == 10);
    assert_string_equal(soma_dataset_pictures(d)->classes[9], "truck");
    soma_context_free(ctx);
}
#endif

static void cifar_batches_are_read(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    static uint8_t records[2 * 3073];
    float x[3072];
    int64_t target;
    for (int i = 0; i < 2 * 3073; i++) records[i] = (uint8_t)(i * 7);
    records[0] = 3, records[3073] = 9;
    write_bytes("batch", records, sizeof records);
    const char *paths[] = {at("batch"), at("batch")};
    soma_dataset *d = soma_dataset_cifar10(ctx, paths, 2);
    check_fine(ctx);
    assert_int_equal(soma_dataset_count(d), 4);
    soma_dataset_sample(d, 3, x, &target);
    assert_true(target == 9 && x[5] == (float)records[3073 + 6] * (float)(1.0 / 255));
    write_bytes("batch", records, sizeof records - 1);
    assert_null(soma_dataset_cifar10(ctx, paths, 1));
    check_error(ctx, SOMA_ERROR_FORMAT, "6145 bytes are no records of 3073");
    records[3073] = 10;
    write_bytes("batch", records, sizeof records);
    assert_null(soma_dataset_cifar10(ctx, paths, 1));
    check_error(ctx, SOMA_ERROR_FORMAT, "record 1 has class 10");
    soma_context_free(ctx);
}

static void normalisation_is_torchvisions(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_dataset *d = soma_dataset_glyphs(ctx, 50, NULL);
    double mean, std, sum = 0, squares = 0;
    float x[784], y[784];
    soma_dataset_statistics(d, &mean, &std);
    for (int i = 0; i < 50; i++) {
        soma_dataset_raw(d, 0, i, x, NULL);
        for (int k = 0; k < 784; k++) sum += (double)x[k], squares += (double)x[k] * (double)x[k];
    }
    double n = 50 * 784.0, m = sum / n / 255;
    assert_true(mean == sum / (n * 255));
    assert_true(std * std > (squares / n / 65025 - m * m) * (1 - 1e-12) && std * std < (squares / n / 65025 - m * m) * (1 + 1e-12));
    soma_dataset *z = soma_dataset_normalised(ctx, d, &mean, &std, 1);
    check_fine(ctx);
    for (int i = 0; i < 50; i++) {
        soma_dataset_sample(d, i, x, NULL), soma_dataset_sample(z, i, y, NULL);
        for (int k = 0; k < 784; k++) assert_true(y[k] == (x[k] - (float)mean) / (float)std);
    }
    assert_true(soma_dataset_digest(d) == soma_dataset_digest(z) && soma_dataset_pictures(z)->mean[0] == mean && !soma_dataset_pictures(d)->mean);
    std = 0;
    assert_null(soma_dataset_normalised(ctx, d, &mean, &std, 1));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "a std above 0");
    soma_dataset *moons = soma_dataset_generate(ctx, "moons", 10, NULL);
    assert_int_equal(soma_dataset_statistics(moons, &mean, &std), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "no bytes of pictures");
    assert_true(soma_dataset_digest(moons) != 0 && !soma_dataset_pictures(moons));
    soma_context_free(ctx);
}

int main(void) {
    strcpy(folder, "/tmp/soma-test-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {
#if SOMA_HAVE_IMAGES
        cmocka_unit_test(folders_archives_and_threads_give_the_same),
        cmocka_unit_test(broken_pictures_are_errors_or_left_out),
        cmocka_unit_test(looking_tells_what_decoding_would_read),
        cmocka_unit_test(held_out_pictures_are_a_share_of_each_class),
        cmocka_unit_test(long_names_are_read),
        cmocka_unit_test(a_folder_around_everything_is_no_class),
        cmocka_unit_test(hostile_archives_get_sentences),
        cmocka_unit_test(the_cifar_archive_is_read),
#endif
        cmocka_unit_test(cifar_batches_are_read),
        cmocka_unit_test(normalisation_is_torchvisions)
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? bad : 1;
}
