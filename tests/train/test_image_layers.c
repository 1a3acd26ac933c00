/* Layers of images in recipes: each can be made for samples of its dimensions, gives the shape and has the parameters that the summary says, and is
 * written out as it is read; sentences for what does not fit. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

static soma_recipe *recipe(soma_context *ctx, const char *layers) {
    char json[2048];
    snprintf(json, sizeof json, "{\"data\": {\"kind\": \"glyphs\", \"train\": 20, \"test\": 10}, \"model\": [%s]}", layers);
    return soma_recipe_read(ctx, json, strlen(json));
}

typedef struct sample {
    int64_t ndim, shape[4];
} sample;
#define PLAIN \
    { \
        2, { 9, 8 } \
    }
#define IMAGE \
    { \
        3, { 4, 9, 8 } \
    }
#define LINE \
    { \
        2, { 4, 11 } \
    }
#define BOX \
    { \
        4, { 4, 5, 6, 7 } \
    }

static const struct {
    const char *layer;
    sample in, out;
    int64_t parameters, multiply_adds;
} made[] = {
    {"{\"conv\": 6}", IMAGE, {3, {6, 7, 6}}, 222, 9072},
    {"{\"conv\": 6}", PLAIN, {3, {6, 7, 6}}, 60, 2268},
    {"{\"conv\": {\"channels\": 6, \"kernel\": [3, 5], \"padding\": \"same\", \"bias\": false}}", IMAGE, {3, {6, 9, 8}}, 360, 25920},
    {"{\"conv\": {\"channels\": 8, \"kernel\": [2, 3], \"stride\": [2, 1], \"padding\": [1, 0], \"dilation\": [1, 2], \"groups\": 4, \"init\": "
     "\"kaiming_normal\", \"padding_mode\": \"reflect\"}}",
     IMAGE,
     {3, {8, 5, 4}},
     56,
     960},
    {"{\"conv\": {\"channels\": 4, \"kernel\": 4, \"padding\": \"same\", \"groups\": 4, \"padding_mode\": \"circular\"}}",
     IMAGE,
     {3, {4, 9, 8}},
     68,
     4608},
    {"{\"conv\": {\"channels\": 5, \"kernel\": 3, \"padding\": 1, \"padding_mode\": \"replicate\"}}", PLAIN, {3, {5, 9, 8}}, 50, 3240},
    {"{\"conv1d\": {\"channels\": 3, \"kernel\": 3, \"stride\": 2}}", LINE, {2, {3, 5}}, 39, 180},
    {"{\"conv1d\": {\"channels\": 3, \"kernel\": 4, \"padding\": \"same\"}}", {1, {11}}, {2, {3, 11}}, 15, 132},
    {"{\"conv3d\": {\"channels\": 2, \"kernel\": [1, 2, 3]}}", BOX, {4, {2, 5, 5, 5}}, 50, 6000},
    {"{\"conv_transpose\": {\"channels\": 3, \"kernel\": 3, \"stride\": 2, \"padding\": 1, \"output_padding\": 1}}",
     IMAGE,
     {3, {3, 18, 16}},
     111,
     7776},
    {"{\"conv_transpose1d\": {\"channels\": 6, \"groups\": 2, \"stride\": 2}}", LINE, {2, {6, 23}}, 42, 396},
    {"\"max_pool\"", IMAGE, {3, {4, 4, 4}}, 0, 0},
    {"{\"max_pool\": 3}", PLAIN, {3, {1, 3, 2}}, 0, 0},
    {"{\"max_pool\": {\"kernel\": [3, 2], \"stride\": 2, \"padding\": [1, 0], \"dilation\": [2, 1], \"ceil_mode\": true}}",
     IMAGE,
     {3, {4, 4, 4}},
     0,
     0},
    {"\"max_pool1d\"", LINE, {2, {4, 5}}, 0, 0},
    {"\"max_pool3d\"", BOX, {4, {4, 2, 3, 3}}, 0, 0},
    {"{\"avg_pool\": {\"kernel\": 3, \"stride\": 2, \"padding\": 1, \"ceil_mode\": true, \"count_include_pad\": false}}",
     IMAGE,
     {3, {4, 5, 5}},
     0,
     0},
    {"{\"avg_pool1d\": 4}", LINE, {2, {4, 2}}, 0, 0},
    {"\"avg_pool3d\"", BOX, {4, {4, 2, 3, 3}}, 0, 0},
    {"{\"adaptive_avg_pool\": 3}", IMAGE, {3, {4, 3, 3}}, 0, 0},
    {"{\"adaptive_max_pool\": [2, 5]}", PLAIN, {3, {1, 2, 5}}, 0, 0},
    {"\"global_avg_pool\"", IMAGE, {1, {4}}, 0, 0},
    {"\"global_avg_pool\"", LINE, {1, {4}}, 0, 0},
    {"\"global_avg_pool\"", BOX, {1, {4}}, 0, 0},
    {"\"global_max_pool\"", IMAGE, {1, {4}}, 0, 0},
    {"\"batch_norm\"", IMAGE, IMAGE, 8, 0},
    {"\"batch_norm\"", LINE, LINE, 8, 0},
    {"\"batch_norm\"", BOX, BOX, 8, 0},
    {"{\"layer_norm\": {\"over\": \"channels\"}}", IMAGE, IMAGE, 8, 0},
    {"\"layer_norm\"", IMAGE, IMAGE, 16, 0},
    {"{\"group_norm\": 2}", IMAGE, IMAGE, 8, 0},
    {"{\"group_norm\": {\"groups\": 4, \"affine\": false}}", LINE, LINE, 0, 0},
    {"\"instance_norm\"", IMAGE, IMAGE, 0, 0},
    {"{\"instance_norm\": {\"affine\": true, \"running\": true}}", LINE, LINE, 8, 0},
    {"\"instance_norm\"", BOX, BOX, 0, 0},
    {"\"local_response_norm\"", IMAGE, IMAGE, 0, 0},
    {"{\"local_response_norm\": {\"size\": 2, \"k\": 2}}", LINE, LINE, 0, 0},
    {"{\"dropout2d\": 0.25}", IMAGE, IMAGE, 0, 0},
    {"\"dropout1d\"", LINE, LINE, 0, 0},
    {"\"upsample\"", IMAGE, {3, {4, 18, 16}}, 0, 0},
    {"{\"upsample\": 1.5}", PLAIN, {3, {1, 13, 12}}, 0, 0},
    {"{\"upsample\": {\"size\": [5, 20], \"mode\": \"bilinear\", \"align_corners\": true}}", IMAGE, {3, {4, 5, 20}}, 0, 0},
    {"{\"pixel_shuffle\": 2}", IMAGE, {3, {1, 18, 16}}, 0, 0},
    {"{\"pixel_unshuffle\": 3}", {3, {2, 9, 6}}, {3, {18, 3, 2}}, 0, 0},
    {"{\"channel_shuffle\": 2}", IMAGE, IMAGE, 0, 0},
    {"{\"pad\": 2}", PLAIN, {3, {1, 13, 12}}, 0, 0},
    {"{\"pad\": {\"sizes\": [1, 2, 3, 0], \"mode\": \"reflect\"}}", IMAGE, {3, {4, 12, 11}}, 0, 0},
    {"{\"pad\": {\"sizes\": [1, 2, 3, 0], \"mode\": \"replicate\"}}", IMAGE, {3, {4, 12, 11}}, 0, 0},
    {"{\"pad\": {\"sizes\": 8, \"mode\": \"circular\"}}", IMAGE, {3, {4, 25, 24}}, 0, 0},
    {"{\"pad\": {\"sizes\": 1, \"value\": -1.5}}", IMAGE, {3, {4, 11, 10}}, 0, 0},
    {"{\"unfold\": {\"kernel\": [3, 2], \"stride\": 2, \"padding\": [1, 0], \"dilation\": [1, 3]}}", IMAGE, {2, {24, 15}}, 0, 0},
    {"{\"residual\": {\"layers\": [{\"conv\": {\"channels\": 6, \"stride\": 2, \"padding\": 1}}, \"batch_norm\", \"relu\"], \"shortcut\": "
     "[{\"conv\": "
     "{\"channels\": 6, \"kernel\": 1, \"stride\": 2, \"bias\": false}}]}}, \"relu\"",
     IMAGE,
     {3, {6, 5, 4}},
     258,
     4800},
    {"{\"residual\": [{\"conv\": {\"channels\": 4, \"padding\": 1}}]}, \"relu\"", IMAGE, IMAGE, 148, 10368},
    {"{\"parallel\": [[{\"conv\": {\"channels\": 3, \"padding\": \"same\"}}], [{\"max_pool\": {\"kernel\": 3, \"stride\": 1, \"padding\": 1}}]]}",
     IMAGE,
     {3, {7, 9, 8}},
     111,
     7776},
};

static void every_layer_can_be_made(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        soma_context *ctx = check_context(NULL);
        soma_recipe *r = recipe(ctx, made[i].layer);
        soma_module *m = soma_recipe_model(r, made[i].in.shape, made[i].in.ndim);
        if (!m) fail_msg("%s: %s", made[i].layer, soma_error_message(ctx));
        int64_t shape[5] = {2}, parameters = 0, counted = 0, work = 0;
        memcpy(shape + 1, made[i].in.shape, sizeof made[i].in.shape);
        soma_tensor *y = soma_forward(m, soma_randn(ctx, SOMA_F32, shape, made[i].in.ndim + 1)), *const * params;
        static float out[8192];
        assert_true(soma_numel(y) <= 8192);
        if (soma_read(y, out, (size_t)soma_numel(y) * sizeof *out) != SOMA_OK) fail_msg("%s: %s", made[i].layer, soma_error_message(ctx));
        soma_layer_info info[2];
        size_t n = soma_recipe_layer_count(r), count;
        assert_int_equal(soma_recipe_layers(r, made[i].in.shape, made[i].in.ndim, info), SOMA_OK);
        bool fits = soma_ndim(y) == made[i].out.ndim + 1 && info[n - 1].ndim == made[i].out.ndim;
        for (int64_t d = 0; fits && d < made[i].out.ndim; d++)
            fits = soma_size(y, d + 1) == made[i].out.shape[d] && info[n - 1].shape[d] == made[i].out.shape[d];
        char text[128];
        if (!fits) fail_msg("%s: gives %s", made[i].layer, soma_shape_text(y, text, sizeof text));
        soma_module_parameters(m, &params, &count);
        for (size_t k = 0; k < count; k++) parameters += soma_numel(params[k]);
        for (size_t k = 0; k < n; k++) counted += info[k].parameters, work += info[k].multiply_adds;
        if (parameters != counted || counted != made[i].parameters || work != made[i].multiply_adds)
            fail_msg("%s: %d parameters, %d in the summary; %d multiply-adds", made[i].layer, (int)parameters, (int)counted, (int)work);
        const char *whole = soma_recipe_text(r);
        assert_non_null(whole);
        assert_string_equal(soma_recipe_text(soma_recipe_read(ctx, whole, strlen(whole))), whole);
        check_fine(ctx);
        soma_context_free(ctx);
    }
}

/* The keys are PyTorch's also where samples have no channels. */
static void keys_are_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m =
        soma_recipe_model(recipe(ctx, "{\"conv\": 4}, \"relu\", {\"conv\": 5}, \"global_avg_pool\", {\"linear\": 10}"), SOMA_SHAPE(28, 28));
    static const char *const keys[] = {"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"};
    check_fine(ctx);
    assert_int_equal(soma_module_state_count(m), 6);
    for (size_t i = 0; i < 6; i++) {
        char key[64];
        soma_tensor *t;
        soma_module_state(m, i, key, sizeof key, &t);
        assert_string_equal(key, keys[i]);
        assert_string_equal(soma_tensor_name(t), keys[i]);
    }
    soma_context_free(ctx);
}

static void mistakes_get_sentences(void **state) {
    (void)state;
    static const struct {
        const char *layer;
        sample in;
        const char *words;
    } rows[] = {
        {"{\"conv\": 6}", {1, {784}}, "conv: its input has 1 dimension (784), it wants [C, H, W] or [H, W]; unflatten makes them"},
        {"{\"conv1d\": 6}", IMAGE, "conv1d: its input has 3 dimensions (4 x 9 x 8), it wants [C, L] or [L]"},
        {"{\"conv\": {\"channels\": 6, \"kernel\": 10}}", IMAGE,
         "conv: dimension 1 of its input has 9 elements with padding, and its kernel spans 10"},
        {"{\"conv\": {\"channels\": 6, \"groups\": 4}}", IMAGE, "conv: its 4 input and 6 output channels do not both go into 4 groups"},
        {"{\"conv\": {\"channels\": 6, \"padding\": \"same\", \"stride\": 2}}", IMAGE, "conv: padding same goes with stride 1"},
        {"{\"conv\": {\"channels\": 6, \"kernel\": [3, 3, 3]}}", IMAGE, "conv: its kernel has 3 numbers; one, or 2, are wanted"},
        {"{\"conv\": {\"channels\": 6, \"padding\": 9, \"padding_mode\": \"reflect\"}}", IMAGE, "must be less than the dimension to be mirrored"},
        {"{\"conv_transpose\": {\"channels\": 6, \"output_padding\": 1}}", IMAGE, "below stride or dilation"},
        {"{\"max_pool\": 12}", IMAGE, "max_pool: dimension 1 of its input has 9 elements with padding, and its window spans 12"},
        {"{\"max_pool\": {\"padding\": 2}}", IMAGE, "max_pool: its padding is more than half of its kernel"},
        {"\"global_avg_pool\"", {1, {5}}, "global_avg_pool: its input has 1 dimension; channels"},
        {"{\"group_norm\": 3}", IMAGE, "group_norm: its 4 channels do not go into 3 groups"},
        {"\"instance_norm\"", {1, {5}}, "instance_norm: its input has 1 dimension, it wants [C, L], [C, H, W]"},
        {"{\"upsample\": 0.01}", IMAGE, "upsample: it makes 0.09 pixels of 9"},
        {"{\"upsample\": {\"size\": [4, 0]}}", IMAGE, "upsample: one of its sizes is 0"},
        {"{\"upsample\": {\"align_corners\": true}}", IMAGE, "align_corners goes with the linear mode"},
        {"{\"pixel_shuffle\": 3}", IMAGE, "pixel_shuffle: its 4 channels are no multiple of 9"},
        {"{\"pixel_unshuffle\": 2}", IMAGE, "pixel_unshuffle: 2 does not divide both sides of 9 x 8"},
        {"{\"pad\": {\"sizes\": 8, \"mode\": \"reflect\"}}", IMAGE, "pad: 8 pixels are more than there are to be repeated"},
        {"{\"pad\": [1, 2]}", IMAGE, "pad: its sizes has 2 numbers; one, or 4, are wanted"},
        {"{\"pad\": 1000000}", IMAGE, "/model/0: pad: it makes more numbers of a sample than memory can have"},
        {"{\"unfold\": 9}", IMAGE, "unfold: dimension 2 of its input is smaller than its window"},
        {"{\"residual\": [{\"conv\": 6}]}", IMAGE, "a shortcut can change that alike"},
        {"{\"residual\": {\"layers\": [{\"conv\": 6}], \"shortcut\": [{\"conv\": {\"channels\": 6, \"kernel\": 1}}]}}", IMAGE,
         "its layers and its shortcut give different shapes"},
        {"{\"residual\": {\"layers\": [\"relu\"], \"shortcut\": [{\"conv\": {\"channels\": 6, \"kernel\": 20}}]}}", IMAGE, "in it, layer 0, conv"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        soma_context *ctx = check_context(NULL);
        soma_recipe *r = recipe(ctx, rows[i].layer);
        check_fine(ctx);
        assert_null(soma_recipe_model(r, rows[i].in.shape, rows[i].in.ndim));
        if (!strstr(soma_error_message(ctx), rows[i].words))
            fail_msg("%s: '%s'; '%s' was expected", rows[i].layer, soma_error_message(ctx), rows[i].words);
        soma_context_free(ctx);
    }
    static const struct {
        const char *layer, *where, *words;
    } read[] = {
        {"{\"conv\": {}}", "/model/0/conv", "conv needs 'channels'"},
        {"{\"conv\": {\"channels\": 3, \"kernel\": 0}}", "/model/0/conv/kernel",
         "kernel wants a whole number of at least 1, or a list of them, as [3, 5]"},
        {"{\"conv\": {\"channels\": 3, \"kernel\": []}}", "/model/0/conv/kernel", "a whole number"},
        {"{\"conv\": {\"channels\": 3, \"kernel\": [3, 2.5]}}", "/model/0/conv/kernel", "a whole number"},
        {"{\"conv\": {\"channels\": 3, \"padding\": \"valid\"}}", "/model/0/conv/padding", "or same"},
        {"{\"conv\": {\"channels\": 3, \"padding_mode\": \"mirror\"}}", "/model/0/conv/padding_mode", "there are: zeros reflect replicate circular"},
        {"{\"conv\": {\"channels\": 3, \"strides\": 2}}", "/model/0/conv/strides", "did you mean 'stride'?"},
        {"{\"conv2\": 3}", "/model/0/conv2", "did you mean 'conv'?"},
        {"{\"pool\": 3}", "/model/0/pool", "unknown layer 'pool'"},
        {"{\"layer_norm\": {\"over\": \"pixels\"}}", "/model/0/layer_norm/over", "there are: last channels"},
        {"{\"residual\": {\"layers\": [], \"shortcut\": [\"rel\"]}}", "/model/0/residual/shortcut/0", "did you mean 'relu'?"},
    };
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        soma_context *ctx = check_context(NULL);
        soma_problem p = {"", ""};
        soma_recipe_problem(recipe(ctx, read[i].layer), 0, &p);
        if (strcmp(p.where, read[i].where) != 0 || !strstr(p.sentence, read[i].words)) fail_msg("%s: %s: %s", read[i].layer, p.where, p.sentence);
        soma_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layer_can_be_made), cmocka_unit_test(keys_are_pytorchs),
                                       cmocka_unit_test(mistakes_get_sentences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
