/* labels: threads
 * Pictures in recipes: words and mistakes, models that prepare pictures as their test part was, runs that go on with augmentation. */
#include "support/check.h"
#include "support/pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *path_of(const char *name) {
    static char path[8][200];
    static int n;
    n = (n + 1) % 8;
    snprintf(path[n], sizeof path[n], "%s/%s", folder, name);
    return path[n];
}

static soma_recipe *recipe_of(soma_context *ctx, const char *json) {
    soma_recipe *r = soma_recipe_read(ctx, json, strlen(json));
    check_fine(ctx);
    assert_non_null(r);
    return r;
}

static void mistakes_have_places_and_words(void **state) {
    (void)state;
    static const struct {
        const char *data, *where, *words;
    } cases[] = {
        {"{\"images\": {\"path\": \"x\", \"transforms\": [\"horizontl_flip\"]}}", "/data/images/transforms/0", "did you mean 'horizontal_flip'?"},
        {"{\"images\": {\"path\": \"x\", \"transforms\": [{\"random_crop\": [28]}]}}", "/data/images/transforms/0/random_crop/size",
         "size wants a height and a width"},
        {"{\"images\": {\"path\": \"x\", \"size\": [32, 32, 3]}}", "/data/images/size", "as [32, 32]"},
        {"{\"images\": {\"path\": \"x\", \"size\": 0}}", "/data/images/size", "as [32, 32]"},
        {"{\"images\": {\"path\": \"x\", \"chanels\": 1}}", "/data/images/chanels", "did you mean 'channels'?"},
        {"{\"images\": {\"path\": \"x\", \"normalise\": \"tran\"}}", "/data/images/normalise", "there are: none train given"},
        {"{\"images\": {\"path\": \"x\", \"mean\": [0.5, \"a\"]}}", "/data/images/mean", "mean wants numbers"},
        {"{\"images\": {\"path\": \"x\", \"transforms\": [{\"affine\": {\"translate\": 0.1}}]}}", "/data/images/transforms/0/affine/translate",
         "translate wants two numbers in [0, 1]"},
        {"{\"images\": {\"path\": \"x\", \"transforms\": [{\"affine\": {\"scale\": [0.5, 1, 2]}}]}}", "/data/images/transforms/0/affine/scale",
         "scale wants two numbers"},
        {"{\"glyphs\": {\"transforms\": [{\"rotation\": {\"degrees\": 200}}]}}", "/data/glyphs/transforms/0/rotation/degrees",
         "a number in [0, 180]"},
        {"{\"glyphs\": {\"transforms\": [\"rotation\"]}}", "/data/glyphs/transforms/0", "rotation needs 'degrees'"},
    };
    soma_context *ctx = check_context(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[500];
        soma_problem p;
        snprintf(json, sizeof json, "{\"data\": %s, \"model\": [\"flatten\", {\"linear\": 10}]}", cases[i].data);
        assert_int_equal(soma_recipe_problem(recipe_of(ctx, json), 0, &p), SOMA_OK);
        if (strcmp(p.where, cases[i].where) != 0 || !strstr(p.sentence, cases[i].words)) fail_msg("%s: %s: %s", json, p.where, p.sentence);
    }
    static const char *const late[][2] = {
        {"{\"glyphs\": {\"train\": 9, \"test\": 9, \"normalise\": \"given\"}}", "a mean for each of the 1 channels"},
        {"{\"glyphs\": {\"train\": 9, \"test\": 9, \"std\": 0.5}}", "mean and std go with normalise: given"},
        {"{\"glyphs\": {\"train\": 9, \"test\": 9, \"transforms\": [{\"random_crop\": 40}]}}", "no larger than the picture"},
    };
    for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
        char json[500];
        snprintf(json, sizeof json, "{\"data\": %s, \"model\": [\"flatten\", {\"linear\": 10}]}", late[i][0]);
        soma_dataset *d;
        assert_int_equal(soma_recipe_data(recipe_of(ctx, json), NULL, &d, &d), SOMA_ERROR_ARGUMENT);
        check_error(ctx, SOMA_ERROR_ARGUMENT, late[i][1]);
    }
    soma_context_free(ctx);
}

#if SOMA_HAVE_IMAGES
#include <png.h>

#define RECIPE \
    "{\"data\": {\"kind\": \"images\", \"path\": \"pictures\", \"size\": [14, 12], \"channels\": %d, \"fit\": \"crop\", \"normalise\": \"%s\", " \
    "\"transforms\": [{\"random_crop\": {\"size\": 10, \"padding\": 1}}, \"horizontal_flip\", {\"elastic\": {\"alpha\": 3, \"sigma\": 1}}, " \
    "{\"colour_jitter\": {\"brightness\": 0.2, \"hue\": 0.1}}], \"test_transforms\": [{\"centre_crop\": 10}]}, " \
    "\"model\": [\"flatten\", {\"linear\": 8}, \"relu\", {\"linear\": 3}], \"train\": {\"epochs\": 3, \"batch\": 16, \"cutmix\": 0.5}}"

static void make_pictures(void) {
    static const char *const classes[] = {"ant", "bee", "cow"};
    mkdir(path_of("pictures"), 0777);
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < (part ? 12 : 54); i++) {
            uint8_t pixels[24 * 20 * 3];
            char name[100];
            snprintf(name, sizeof name, "pictures/%s", part ? "test" : "train");
            mkdir(path_of(name), 0777);
            snprintf(name, sizeof name, "pictures/%s/%s", part ? "test" : "train", classes[i % 3]);
            mkdir(path_of(name), 0777);
            picture_draw(pixels, 24, 20, 3, (unsigned)(i % 3 * 5 + i / 20));
            picture_file f = i % 2 ? picture_png(pixels, 24, 20, 60, PNG_COLOR_TYPE_RGB, 8, false, NULL, 0)
                                   : picture_jpeg(pixels, 24, 20, 3, 90, false, i % 8 + 1);
            snprintf(name, sizeof name, "pictures/%s/%s/%d.png", part ? "test" : "train", classes[i % 3], i);
            assert_true(picture_save(f, path_of(name)));
            free(f.data);
        }
}

typedef struct watcher {
    volatile int stop;
    int64_t steps, at;
} watcher;
static void watch(void *user, const soma_progress *p) {
    watcher *w = user;
    if (!p->epoch_ends) w->stop = ++w->steps == w->at;
}

static soma_model *run(soma_context *ctx, int channels, const char *how, const char *out, int64_t stop_at, bool resume, bool alone) {
    char json[1000];
    snprintf(json, sizeof json, RECIPE, channels, how);
    watcher w = {.at = stop_at};
    soma_train_result r;
    soma_problem p;
    soma_recipe *recipe = recipe_of(ctx, json);
    if (soma_recipe_problem(recipe, 0, &p) == SOMA_OK) fail_msg("%s: %s", p.where, p.sentence);
    soma_train(
        recipe, &r,
        &(soma_train_opts){.data = folder, .out = out, .resume = resume, .progress = watch, .user = &w, .stop = &w.stop, .no_prefetch = alone});
    check_fine(ctx);
    return r.model;
}

static void same_file(soma_context *ctx, const char *a, const char *b) {
    char *p = NULL, *q = NULL;
    size_t n = 0, m = 0;
    soma_file_read(ctx, a, 1 << 24, &p, &n), soma_file_read(ctx, b, 1 << 24, &q, &m);
    check_fine(ctx);
    if (n != m || memcmp(p, q, n) != 0) fail_msg("%s and %s differ", a, b);
}

static void stopped_within_an_epoch_and_resumed_is_the_same(void **state) {
    (void)state;
    for (int part = 0; part < 4; part++) {
        soma_context *ctx = check_context(&(soma_context_opts){.threads = 1 + part % 3});
        if (!part) run(ctx, 3, "train", path_of("whole"), 0, false, false);
        else run(ctx, 3, "train", path_of("parts"), part < 3 ? 3 : 0, part > 1, part == 2);
        soma_context_free(ctx);
    }
    soma_context *ctx = check_context(NULL);
    same_file(ctx, path_of("whole/model.safetensors"), path_of("parts/model.safetensors"));
    same_file(ctx, path_of("whole/checkpoint.safetensors"), path_of("parts/checkpoint.safetensors"));
    soma_context_free(ctx);
}

/* The file alone says of a photo what the run says of its test sample. */
static void models_prepare_pictures_as_their_data_was(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        soma_context *ctx = check_context(NULL);
        int channels = way % 2 ? 1 : 3;
        char json[1000], out[40];
        snprintf(out, sizeof out, "run%d", way);
        soma_model *made = run(ctx, channels, way < 2 ? "train" : "none", path_of(out), 0, false, false), *m, *shared;
        snprintf(json, sizeof json, RECIPE, channels, way < 2 ? "train" : "none");
        soma_dataset *test;
        assert_int_equal(soma_recipe_data(recipe_of(ctx, json), folder, NULL, &test), SOMA_OK);
        strcat(out, "/model.safetensors");
        soma_model_load(ctx, path_of(out), &m);
        soma_model_share(ctx, m, &shared);
        check_fine(ctx);
        const soma_picture_info *info = soma_model_pictures(m);
        assert_true(info->n_classes == 3 && !strcmp(soma_model_class_name(m, 2), "cow") && info->channels == channels && info->height == 14 &&
                    info->crop == 1 && (info->mean != NULL) == (way < 2));
        float want[12][3], x[300], y[3];
        soma_model_predict_dataset(made, test, want[0]);
        check_fine(ctx);
        for (int64_t i = 0; i < 12; i++)
            for (int k = 0; k < 2; k++) {
                soma_image *photo = soma_image_read(ctx, soma_dataset_file(test, i), NULL);
                soma_model_picture(k ? shared : m, photo, x);
                soma_model_predict(k ? shared : m, x, 1, y);
                check_fine(ctx);
                assert_memory_equal(y, want[i], sizeof y);
            }
        double loss, other;
        soma_model_evaluate(made, test, &loss, NULL), soma_model_evaluate(m, test, &other, NULL);
        assert_true(loss == other);
        double sum = 0;
        for (int i = 0; i < 12; i++) { /* evaluation scales by itself, prediction in the model: the same numbers */
            int64_t target;
            soma_dataset_sample(test, i, NULL, &target);
            sum -= log((double)want[i][target]) / 12;
        }
        assert_true(fabs(sum - loss) < 1e-5);
        soma_context_free(ctx);
    }
}

/* Class folders by a model give what the recipe's test part gives. */
static void models_read_class_folders(void **state) {
    (void)state;
    static const char *const other[] = {"ant", "bee", "dog", "cow"};
    for (int way = 0; way < 4; way++) {
        soma_context *ctx = check_context(NULL);
        char json[1000], out[40];
        snprintf(out, sizeof out, "run%d/model.safetensors", way); /* of the test before */
        snprintf(json, sizeof json, RECIPE, way % 2 ? 1 : 3, way < 2 ? "train" : "none");
        soma_dataset *test, *d;
        soma_model *m;
        assert_int_equal(soma_recipe_data(recipe_of(ctx, json), folder, NULL, &test), SOMA_OK);
        assert_int_equal(soma_model_load(ctx, path_of(out), &m), SOMA_OK);
        d = soma_model_images(m, path_of("pictures"), &(soma_images_opts){.part = "test", .size = {1, 1}, .classes = other, .n_classes = 4});
        check_fine(ctx);
        assert_int_equal(soma_dataset_count(d), 12);
        for (int64_t i = 0; i < 12; i++) {
            float x[300], y[300];
            int64_t a, b;
            soma_dataset_sample(test, i, x, &a), soma_dataset_sample(d, i, y, &b);
            assert_true(a == b && !memcmp(x, y, sizeof *x * (way % 2 ? 100 : 300)));
        }
        assert_null(soma_model_images(m, path_of("pictures"), NULL));
        check_error(ctx, SOMA_ERROR_ARGUMENT, "pictures: the model does not know the class 'test'; it knows ant, bee, cow");
        assert_null(soma_model_images(m, path_of("nowhere"), NULL));
        check_error(ctx, SOMA_ERROR_IO, "nowhere: cannot open");
        soma_context_free(ctx);
    }
}

static void a_share_is_held_out(void **state) {
    (void)state;
    static const char json[] =
        "{\"data\": {\"images\": {\"path\": \"pictures/train\", \"train\": \"\", \"hold_out\": 0.25, \"size\": 8, \"normalise\": "
        "\"train\"}}, \"model\": [\"flatten\", {\"linear\": 3}]}";
    soma_context *ctx = check_context(NULL);
    soma_dataset *train, *test, *alone;
    assert_int_equal(soma_recipe_data(recipe_of(ctx, json), folder, &train, &test), SOMA_OK);
    assert_int_equal(soma_recipe_data(recipe_of(ctx, json), folder, NULL, &alone), SOMA_OK);
    assert_true(soma_dataset_count(train) == 39 && soma_dataset_count(test) == 15 && soma_dataset_digest(alone) == soma_dataset_digest(test));
    assert_true(soma_dataset_pictures(test)->mean[0] == soma_dataset_pictures(alone)->mean[0]);
    soma_problem p;
    soma_recipe_problem(recipe_of(ctx, "{\"data\": {\"images\": {\"path\": \"x\", \"hold_out\": 1}}, \"model\": [\"flatten\"]}"), 0, &p);
    assert_string_equal(p.where, "/data/images/hold_out");
    soma_context_free(ctx);
}

static void the_training_part_names_the_classes(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    mkdir(path_of("pictures/test/dog"), 0777);
    uint8_t pixels[24 * 20 * 3] = {0};
    picture_file f = picture_png(pixels, 24, 20, 60, PNG_COLOR_TYPE_RGB, 8, false, NULL, 0);
    assert_true(picture_save(f, path_of("pictures/test/dog/1.png")));
    static const char json[] = "{\"data\": {\"images\": {\"path\": \"pictures\", \"size\": 8}}, \"model\": [\"flatten\", {\"linear\": 3}]}";
    soma_dataset *train, *test;
    for (int way = 0; way < 2; way++) {
        soma_recipe_data(recipe_of(ctx, json), folder, way ? &train : NULL, &test);
        check_error(ctx, SOMA_ERROR_ARGUMENT, "there is no class 'dog' among those given");
    }
    unlink(path_of("pictures/test/dog/1.png"));
    assert_int_equal(soma_recipe_data(recipe_of(ctx, json), folder, &train, &test), SOMA_OK);
    free(f.data);
    soma_context_free(ctx);
}
#endif

static void cutmix_boxes_have_their_share(void **state) {
    (void)state;
    float mask[30 * 20];
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < 2000; i++) {
        double share = soma_draw_cutmix(3, i, 1, 30, 20, mask), ones = 0;
        for (int k = 0; k < 600; k++) ones += (double)mask[k];
        assert_true(fabs(ones / 600 - share) < 1e-12);
        sum += share, squares += share * share;
    }
    assert_true(sum / 2000 > 0.55 && sum / 2000 < 0.75 && squares / 2000 > (sum / 2000) * (sum / 2000) + 0.02);
    assert_true(isnan(soma_draw_cutmix(3, 0, 0, 30, 20, mask)));
}

int main(void) {
    strcpy(folder, "/tmp/soma-test-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_have_places_and_words),
#if SOMA_HAVE_IMAGES
        cmocka_unit_test(stopped_within_an_epoch_and_resumed_is_the_same),
        cmocka_unit_test(models_prepare_pictures_as_their_data_was),
        cmocka_unit_test(models_read_class_folders),
        cmocka_unit_test(a_share_is_held_out),
        cmocka_unit_test(the_training_part_names_the_classes),
#endif
        cmocka_unit_test(cutmix_boxes_have_their_share)
    };
#if SOMA_HAVE_IMAGES
    make_pictures();
#endif
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? bad : 1;
}
