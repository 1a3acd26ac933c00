/* Looking into models: saliency and Grad-CAM are PyTorch's, and the same bits in every way of asking; losses of samples add up to the mean; what
 * makes no sense is told. */
#include "support/check.h"

#include "golden/see.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (int64_t)(sizeof(a) / sizeof *(a))

static const char colour[] = "{\"data\": {\"kind\": \"glyphs\"}, \"model\": [{\"conv\": {\"channels\": 5, \"kernel\": 3, \"padding\": 1}}, "
                             "\"batch_norm\", \"relu\", {\"max_pool\": 2}, {\"conv\": {\"channels\": 6, \"kernel\": 3}}, \"relu\", \"flatten\", "
                             "{\"linear\": 4}]}";
static const char grey[] =
    "{\"data\": {\"kind\": \"glyphs\", \"train\": 20, \"test\": 300, \"normalise\": \"given\", \"mean\": 0.3, \"std\": 0.4, \"transforms\": "
    "[{\"resize\": 12}], \"test_transforms\": [{\"resize\": 12}]}, \"model\": [{\"conv\": {\"channels\": 4, \"kernel\": 5, \"stride\": 2, "
    "\"padding\": 2}}, \"tanh\", {\"conv\": {\"channels\": 3, \"kernel\": 3, \"padding\": 1, \"bias\": false}}, \"relu\", {\"avg_pool\": 2}, "
    "\"flatten\", {\"linear\": 10}]}";

/* The i-th number, in [-1, 1), of row j: as tools/golden_nets.py. */
static double drawn(int64_t i, int64_t j) {
    uint64_t x = ((uint64_t)i * 2654435761u + (uint64_t)j * 1013904223u + 12345) & 0xffffffffu;
    x = ((x ^ x >> 15) * 2246822519u) & 0xffffffffu;
    return (double)(x >> 16) / 32768 - 1;
}

static bool ends(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

static void start(soma_module *m) {
    static float v[2048];
    for (size_t j = 0; j < soma_module_state_count(m); j++) {
        char key[64];
        soma_tensor *t;
        assert_int_equal(soma_module_state(m, j, key, sizeof key, &t), SOMA_OK);
        if (soma_tensor_dtype(t) != SOMA_F32) continue;
        int64_t count = soma_numel(t), fan = count / soma_size(t, 0);
        assert_true(count <= COUNT(v));
        for (int64_t i = 0; i < count; i++) {
            double u = drawn(i, (int64_t)j);
            v[i] = (float)(soma_ndim(t) > 1 ? u * sqrt(6.0 / (double)fan) : ends(key, "weight") || ends(key, "var") ? 1 + u / 4 : u / 8);
        }
        assert_int_equal(soma_assign_from(t, v, (size_t)count * sizeof *v), SOMA_OK);
    }
}

static soma_model *model(soma_context *ctx, const char *json, soma_dataset *data) {
    soma_model *m = NULL;
    soma_recipe *r = soma_recipe_read(ctx, json, strlen(json));
    if (!data) soma_recipe_data(r, NULL, &data, NULL);
    if (soma_model_new(r, data, &m) != SOMA_OK) fail_msg("%s", soma_error_message(ctx));
    start(soma_model_module(m));
    return m;
}

enum { COLOUR = 3 * 120, GREY = 144 };
static soma_model *colour_model(soma_context *ctx, float x[COLOUR]) {
    static float zeros[4 * COLOUR];
    static const int64_t classes[] = {0, 1, 2, 3}, shape[] = {3, 10, 12};
    for (int i = 0; i < COLOUR; i++) x[i] = (float)floor((drawn(i, 1000) + 1) * 128);
    return model(ctx, colour, soma_dataset_arrays(ctx, zeros, classes, 4, shape, 3));
}
static soma_model *grey_model(soma_context *ctx, float x[GREY]) {
    for (int i = 0; i < GREY; i++) x[i] = (float)floor((drawn(i, 1000) + 1) * 128);
    return model(ctx, grey, NULL);
}

static void check_near(const char *what, const float *got, const double *wanted, int64_t n) {
    double most = 0, off = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(wanted[i])), off = fmax(off, fabs((double)got[i] - wanted[i]));
    print_message("%-22s greatest %.4g, off by %.1e of it\n", what, most, off / most);
    assert_true(most > 0 && off < 2e-6 * most);
}

static void saliency_is_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    float x[COLOUR], map[GREY];
    soma_model *m = colour_model(ctx, x);
    assert_int_equal(soma_model_saliency(m, x, -1, map), SOMA_OK);
    check_near("colour", map, golden_colour_saliency, COUNT(golden_colour_saliency));
    soma_model_saliency(m, x, (golden_colour_class + 1) % 4, map);
    check_near("colour, another class", map, golden_colour_saliency_other, COUNT(golden_colour_saliency_other));
    m = grey_model(ctx, x);
    soma_model_saliency(m, x, golden_grey_class, map);
    check_near("grey, normalised", map, golden_grey_saliency, COUNT(golden_grey_saliency));
    soma_model_saliency(m, x, (golden_grey_class + 1) % 10, map);
    check_near("grey, another class", map, golden_grey_saliency_other, COUNT(golden_grey_saliency_other));
    check_fine(ctx);
    soma_context_free(ctx);
}

static void grad_cam_is_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    float x[COLOUR], map[GREY];
    soma_model *m = colour_model(ctx, x);
    assert_int_equal(soma_model_grad_cam_layer(m), 5); /* the activation behind the last convolution */
    assert_int_equal(soma_model_grad_cam(m, 4, x, -1, map), SOMA_OK);
    check_near("colour, layer 4", map, golden_colour_cam, COUNT(golden_colour_cam));
    soma_model_grad_cam(m, -1, x, golden_colour_class, map);
    check_near("colour, layer 5", map, golden_colour_cam_relu, COUNT(golden_colour_cam_relu));
    m = grey_model(ctx, x);
    assert_int_equal(soma_model_grad_cam_layer(m), 3);
    soma_model_grad_cam(m, 2, x, -1, map);
    check_near("grey, layer 2", map, golden_grey_cam, COUNT(golden_grey_cam));
    soma_model_grad_cam(m, -1, x, -1, map);
    check_near("grey, layer 3", map, golden_grey_cam_relu, COUNT(golden_grey_cam_relu));
    check_fine(ctx);
    soma_context_free(ctx);
}

/* In train mode, with other threads and instruction sets, and by a model that shares the weights and asks for no gradients. */
static void maps_are_the_same_bits(void **state) {
    (void)state;
    static const soma_context_opts ways[] = {{.threads = 1}, {.threads = 3}, {.threads = 2, .isa = "portable"}};
    float x[COLOUR], first[2][GREY], map[GREY];
    for (int i = 0; i < COUNT(ways); i++) {
        soma_context *ctx = check_context(&ways[i]), *other = check_context(NULL);
        soma_model *m = colour_model(ctx, x), *shared;
        soma_module_train(soma_model_module(m), true);
        soma_model_saliency(m, x, -1, i ? map : first[0]);
        if (i) assert_memory_equal(map, first[0], 120 * sizeof *map);
        soma_model_grad_cam(m, -1, x, -1, i ? map : first[1]);
        if (i) assert_memory_equal(map, first[1], 120 * sizeof *map);
        assert_true(soma_module_is_training(soma_model_module(m)));
        assert_int_equal(soma_model_share(other, m, &shared), SOMA_OK);
        soma_model_saliency(shared, x, -1, map);
        assert_memory_equal(map, first[0], 120 * sizeof *map);
        soma_model_grad_cam(shared, -1, x, -1, map);
        assert_memory_equal(map, first[1], 120 * sizeof *map);
        check_fine(ctx), check_fine(other);
        soma_context_free(other);
        soma_context_free(ctx);
    }
}

static void losses_are_those_of_single_samples(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    static float x[GREY], losses[300], p[300 * 10];
    soma_model *m = grey_model(ctx, x);
    soma_dataset *test;
    double mean, sum = 0;
    soma_recipe_data(soma_recipe_read(ctx, grey, strlen(grey)), NULL, NULL, &test);
    assert_int_equal(soma_model_losses(m, test, losses), SOMA_OK);
    assert_int_equal(soma_model_predict_dataset(m, test, p), SOMA_OK);
    for (int64_t i = 0, c; i < 300; i++) {
        soma_dataset_sample(test, i, NULL, &c);
        assert_true(fabs((double)losses[i] + log((double)p[i * 10 + c])) < 1e-5 * (1 + (double)losses[i]));
        sum += (double)losses[i];
    }
    assert_int_equal(soma_model_evaluate(m, test, &mean, NULL), SOMA_OK);
    assert_true(fabs(sum / 300 - mean) < 1e-5 * mean);
    soma_context_free(ctx);
}

/* One output for two classes: the first one's score is minus the second's, so their saliency is the same; and a table has no maps. */
static void two_classes_and_tables(void **state) {
    (void)state;
    static const char json[] =
        "{\"data\": {\"kind\": \"moons\"}, \"model\": [{\"linear\": 8}, \"tanh\", {\"linear\": 1}], \"loss\": \"bce_with_logits\"}";
    soma_context *ctx = check_context(NULL);
    soma_model *m = model(ctx, json, NULL);
    float x[2] = {0.3F, -0.2F}, map[2][2];
    assert_int_equal(soma_model_saliency(m, x, 0, map[0]), SOMA_OK);
    assert_int_equal(soma_model_saliency(m, x, 1, map[1]), SOMA_OK);
    assert_memory_equal(map[0], map[1], sizeof map[0]);
    assert_true(map[0][0] > 0 && map[0][1] > 0);
    assert_int_equal(soma_model_grad_cam_layer(m), -1);
    soma_model_grad_cam(m, -1, x, 0, map[0]);
    check_error(ctx, SOMA_ERROR_UNSUPPORTED, "model_grad_cam: the model has no convolution that gives maps of a picture");
    soma_context_free(ctx);
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    float x[COLOUR], map[GREY];
    soma_model *m = colour_model(ctx, x);
    soma_model_saliency(m, x, 4, map);
    check_error(ctx, SOMA_ERROR_RANGE, "model_saliency: class 4, the model has 4");
    soma_model_saliency(m, NULL, 0, map);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "model_saliency: inputs and a map are wanted");
    soma_model_grad_cam(m, 8, x, 0, map);
    check_error(ctx, SOMA_ERROR_RANGE, "model_grad_cam: layer 8, the model has 8");
    soma_model_grad_cam(m, 6, x, 0, map);
    check_error(ctx, SOMA_ERROR_SHAPE, "model_grad_cam: layer 6 (flatten) gives no maps; the last layer behind a convolution that does is 5");
    soma_model_losses(m, soma_dataset_glyphs(ctx, 10, NULL), map);
    check_error(ctx, SOMA_ERROR_SHAPE, "model_losses: the data's samples have another shape");
    assert_int_equal(soma_model_saliency(NULL, x, 0, map), SOMA_ERROR_ARGUMENT);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(saliency_is_pytorchs),   cmocka_unit_test(grad_cam_is_pytorchs),
                                       cmocka_unit_test(maps_are_the_same_bits), cmocka_unit_test(losses_are_those_of_single_samples),
                                       cmocka_unit_test(two_classes_and_tables), cmocka_unit_test(what_is_wrong_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
