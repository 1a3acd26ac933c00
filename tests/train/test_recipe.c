/* Recipes: defaults, all mistakes with their places, and what they make. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

static soma_recipe *read(soma_context *ctx, const char *json) { return soma_recipe_read(ctx, json, strlen(json)); }

#define GLYPHS "\"data\": {\"kind\": \"glyphs\", \"train\": 20, \"test\": 10}"

static void defaults_are_filled_in(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_recipe *r = read(ctx, "{" GLYPHS ", \"model\": [\"flatten\", {\"linear\": 10}, {\"dropout\": {}}]}");
    check_fine(ctx);
    const char *text = soma_recipe_text(r);
    assert_non_null(text);
    static const char *const parts[] = {
        "{\"data\":{\"kind\":\"glyphs\",\"train\":20,\"test\":10,\"seed\":1,\"noise\":0.1",
        "\"model\":[\"flatten\",{\"linear\":{\"features\":10,\"bias\":true,\"init\":\"default\"}},{\"dropout\":{\"p\":0.5}}]",
        "\"loss\":{\"cross_entropy\":{\"label_smoothing\":0.0,\"class_weights\":\"none\"}}",
        "\"optimizer\":{\"adam\":{\"lr\":0.001,\"beta1\":0.9",
        "\"schedule\":\"none\"",
        "\"train\":{\"epochs\":10,\"batch\":128,\"seed\":1,\"shuffle\":true,\"drop_last\":false,\"warmup_steps\":0,\"clip_norm\":0.0,\"l1\":0.0"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i])) fail_msg("%s\nlacks %s", text, parts[i]);
    /* what is filled in is a recipe, the same one */
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", text);
    assert_string_equal(soma_recipe_text(read(ctx, copy)), copy);
    double v;
    assert_int_equal(soma_recipe_number(r, "train", "batch", &v), SOMA_OK);
    assert_true(v == 128);
    assert_string_equal(soma_recipe_word(r, "optimizer", NULL), "adam");
    assert_int_equal(soma_recipe_number(r, "train", "nothing", &v), SOMA_ERROR_ARGUMENT);
    soma_context_free(ctx);
}

static void every_mistake_has_a_place_and_a_word(void **state) {
    (void)state;
    static const struct {
        const char *json, *where, *words;
    } rows[] = {
        {"5", "/", "a recipe is a map"},
        {"{}", "/", "data is missing"},
        {"{" GLYPHS "}", "/", "model is missing"},
        {"{" GLYPHS ", \"model\": []}", "/model", "at least one"},
        {"{" GLYPHS ", \"model\": {}}", "/model", "list of layers"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"optimzer\": \"sgd\"}", "/optimzer", "did you mean 'optimizer'?"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"zebra\": 1}", "/zebra", "there are data, model, loss"},
        {"{" GLYPHS ", \"model\": [\"flaten\"]}", "/model/0", "unknown layer 'flaten'; did you mean 'flatten'?"},
        {"{" GLYPHS ", \"model\": [\"xyzzy\"]}", "/model/0", "there are linear, flatten, relu"},
        {"{" GLYPHS ", \"model\": [{\"lienar\": 5}]}", "/model/0/lienar", "did you mean 'linear'?"},
        {"{" GLYPHS ", \"model\": [{\"linear\": \"many\"}]}", "/model/0/linear/features", "features is text; a number is wanted"},
        {"{" GLYPHS ", \"model\": [{\"linear\": 2.5}]}", "/model/0/linear/features", "a whole number"},
        {"{" GLYPHS ", \"model\": [{\"linear\": 0}]}", "/model/0/linear/features", "at least 1 is wanted"},
        {"{" GLYPHS ", \"model\": [{\"linear\": {}}]}", "/model/0/linear", "linear needs 'features' (outputs)"},
        {"{" GLYPHS ", \"model\": [{\"linear\": {\"features\": 5, \"bais\": true}}]}", "/model/0/linear/bais", "did you mean 'bias'?"},
        {"{" GLYPHS ", \"model\": [{\"linear\": {\"features\": 5, \"bias\": 1}}]}", "/model/0/linear/bias", "bias is a number; true or false"},
        {"{" GLYPHS ", \"model\": [{\"relu\": 1}]}", "/model/0/relu", "relu takes no setting"},
        {"{" GLYPHS ", \"model\": [{\"relu\": {\"x\": 1}}]}", "/model/0/relu/x", "it has none"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"schedule\": {\"multistep\": 3}}", "/schedule/multistep/milestones",
         "a list of whole numbers of at least 0"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"schedule\": {\"multistep\": [1, -3]}}", "/schedule/multistep/milestones",
         "a list of whole numbers"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"schedule\": {\"chained\": [\"cosine\", \"stp\"]}}", "/schedule/chained/1", "did you mean 'step'?"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"schedule\": {\"chained\": 3}}", "/schedule/chained", "a list of schedules is wanted"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"schedule\": \"cosin\"}", "/schedule", "did you mean 'cosine'?"},
        {"{" GLYPHS ", \"model\": [{\"dropout\": 1.5}]}", "/model/0/dropout/p", "[0, 1] is wanted"},
        {"{" GLYPHS ", \"model\": [5]}", "/model/0", "a number is no layer"},
        {"{" GLYPHS ", \"model\": [{\"relu\": null, \"linear\": 5}]}", "/model/0", "one word with its settings"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"optimizer\": {\"adam\": {\"beta1\": 1}}}", "/optimizer/adam/beta1", "[0, 1) is wanted"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"optimizer\": {\"sgd\": {\"lr\": -1}}}", "/optimizer/sgd/lr", "at least 0"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"train\": 5}", "/train", "map of keys"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"train\": {\"epochs\": 1e300}}", "/train/epochs", "a whole number"},
        {"{" GLYPHS ", \"model\": [{\"residual\": [\"relu\", {\"liner\": 3}]}]}", "/model/0/residual/1/liner", "did you mean 'linear'?"},
        {"{" GLYPHS ", \"model\": [{\"residual\": {\"layers\": [\"rel\"]}}]}", "/model/0/residual/layers/0", "did you mean 'relu'?"},
        {"{" GLYPHS ", \"model\": [{\"residual\": 5}]}", "/model/0/residual", "a list of layers is wanted"},
        {"{" GLYPHS ", \"model\": [{\"parallel\": [[\"relu\"], 5]}]}", "/model/0/parallel/1", "a list of layers is wanted"},
        {"{" GLYPHS ", \"model\": [{\"parallel\": []}]}", "/model/0/parallel", "a list of lists of layers"},
        {"{" GLYPHS ", \"model\": [{\"block\": \"b\"}]}", "/model/0/block", "there is no block 'b' yet"},
        {"{" GLYPHS ", \"model\": [{\"block\": {\"name\": \"b\", \"layers\": [\"relu\"]}}, {\"block\": {\"name\": \"b\", \"layers\": [\"tanh\"]}}]}",
         "/model/1/block", "other layers at its first use"},
        {"{" GLYPHS ", \"model\": [{\"repeat\": {\"times\": 1000, \"layers\": [{\"repeat\": {\"times\": 1000, \"layers\": [\"relu\"]}}]}}]}",
         "/model/0", "more than 10000 layers"},
        {"{" GLYPHS ", \"model\": [{\"repeat\": {\"layers\": [\"relu\"]}}]}", "/model/0/repeat", "repeat needs 'times'"},
        {"{" GLYPHS ", \"model\": [\"flatten\"], \"loss\": {\"cross_entropy\": {\"class_weights\": \"even\"}}}", "/loss/cross_entropy/class_weights",
         "there are: none balanced"},
        {"{\"data\": {\"kind\": \"glyps\"}, \"model\": [\"flatten\"]}", "/data/kind", "did you mean 'glyphs'?"},
        {"{\"data\": {\"kind\": 5}, \"model\": [\"flatten\"]}", "/data/kind", "must be a word"},
        {"{\"data\": {\"kind\": \"idx\"}, \"model\": [\"flatten\"]}", "/data", "idx needs 'path'"},
        {"{\"data\": {\"kind\": \"idx\", \"path\": true}, \"model\": [\"flatten\"]}", "/data/path", "text is wanted"},
    };
    soma_context *ctx = check_context(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        soma_recipe *r = read(ctx, rows[i].json);
        check_fine(ctx);
        soma_problem p;
        bool found = false;
        for (size_t k = 0; soma_recipe_problem(r, k, &p) == SOMA_OK; k++)
            found |= strcmp(p.where, rows[i].where) == 0 && strstr(p.sentence, rows[i].words);
        if (!found) fail_msg("%s: '%s' at %s was expected; there is %s: %s", rows[i].json, rows[i].words, rows[i].where, p.where, p.sentence);
        assert_null(soma_recipe_text(r)); /* of no use until it is mended */
        check_error(ctx, SOMA_ERROR_FORMAT, "recipe, /");
    }
    assert_null(read(ctx, "{\"a\": }"));
    check_error(ctx, SOMA_ERROR_FORMAT, "line 1, column 7");
    assert_null(read(ctx, "{\"a\": 1, \"a\": 2}"));
    check_error(ctx, SOMA_ERROR_FORMAT, "duplicate");
    soma_context_free(ctx);
}

static void layers_are_fitted_to_the_data(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_recipe *r =
        read(ctx, "{" GLYPHS ", \"model\": [\"flatten\", {\"linear\": {\"features\": 20, \"bias\": false}}, \"relu\", {\"linear\": 10}]}");
    soma_dataset *train, *test;
    assert_int_equal(soma_recipe_data(r, NULL, &train, &test), SOMA_OK);
    assert_true(soma_dataset_count(train) == 20 && soma_dataset_count(test) == 10);
    const int64_t *shape;
    int64_t ndim;
    soma_dataset_shape(train, &shape, &ndim);
    soma_module *m = soma_recipe_model(r, shape, ndim);
    check_fine(ctx);
    static const char *const keys[] = {"1.weight", "3.weight", "3.bias"};
    for (size_t i = 0; i < 3; i++) {
        char key[32];
        soma_tensor *t;
        soma_module_state(m, i, key, sizeof key, &t);
        assert_string_equal(key, keys[i]);
    }
    soma_layer_info info[4];
    soma_recipe_layers(r, shape, ndim, info);
    assert_true(info[1].parameters == 15680 && info[1].multiply_adds == 15680 && info[3].parameters == 210 && info[3].shape[0] == 10);
    assert_non_null(soma_recipe_optim(r, m));
    r = read(ctx, "{" GLYPHS ", \"model\": [\"relu\", {\"linear\": 10}]}");
    assert_null(soma_recipe_model(r, shape, ndim));
    check_error(ctx, SOMA_ERROR_SHAPE, "/model/1: linear: its input has 2 dimensions (28 x 28), it wants one; put flatten before it");
    assert_int_equal(soma_recipe_problem_count(r), 1);
    /* settings that do not go together */
    r = read(ctx, "{" GLYPHS ", \"model\": [\"flatten\", {\"hardtanh\": {\"min_val\": 2}}, {\"linear\": 10}]}");
    assert_null(soma_recipe_model(r, shape, ndim));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "/model/1: hardtanh: min_val is 2; less than max_val is wanted");
    assert_int_equal(soma_recipe_problem_count(r), 1);
    r = read(ctx, "{" GLYPHS ", \"model\": [\"flatten\", {\"linear\": {\"features\": 10, \"init\": \"xavier\"}}]}");
    assert_null(soma_recipe_model(r, shape, ndim));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "/model/1: init: 'xavier' is none of uniform");
    r = read(ctx, "{" GLYPHS ", \"model\": [\"flatten\", {\"linear\": {\"features\": 10, \"init\": \"ones\"}}]}");
    m = soma_recipe_model(r, shape, ndim);
    soma_tensor *w;
    char key[32];
    double smallest;
    soma_module_state(m, 0, key, sizeof key, &w);
    soma_item(soma_amin(w, NULL), &smallest);
    check_fine(ctx);
    assert_true(smallest == 1);
    soma_context_free(ctx);
}

/* Each layer of the tables, by its name alone or with a setting, between two linear ones: it is made, runs, and its settings are written out. */
static void every_layer_can_be_made(void **state) {
    (void)state;
    static const char *const layers[] = {
#define MODULE0(name, doc) "\"" #name "\"",
#define ACTIVATION0 MODULE0
#define ACTIVATION1(name, a, otherwise, doc) "\"" #name "\"", "{\"" #name "\": 0.75}", "{\"" #name "\": {\"" #a "\": 0.75}}",
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) "\"" #name "\"", "{\"" #name "\": {\"" #a "\": 0.5, \"" #b "\": 1.25}}",
#include "soma/activations.def"
        "\"softmax\"",
        "\"log_softmax\"",
        "\"softmin\"",
        "\"glu\"",
        "\"prelu\"",
        "{\"prelu\": 12}",
        "\"rrelu\"",
        "\"layer_norm\"",
        "{\"batch_norm\": {\"affine\": false}}",
        "\"batch_norm\"",
        "\"dropout\"",
        "{\"alpha_dropout\": 0.25}",
        "{\"residual\": [{\"linear\": 12}, \"tanh\"]}",
        "{\"residual\": []}",
        "{\"parallel\": [[{\"linear\": 3}], [\"relu\"], []]}",
        "{\"repeat\": {\"times\": 3, \"layers\": [{\"linear\": 7}, {\"residual\": [{\"linear\": 7}]}]}}",
        "{\"repeat\": {\"times\": 1, \"layers\": [{\"unflatten\": [3, 2, 2]}, \"flatten\"]}}",
        "{\"repeat\": {\"times\": 1, \"layers\": [{\"hardtanh\": {\"min_val\": 0, \"max_val\": 1}}, {\"embedding\": {\"classes\": 2, \"features\": "
        "3}}, \"flatten\"]}}",
        "{\"block\": {\"name\": \"b\", \"layers\": [{\"linear\": 12}]}}",
        "{\"bilinear\": 5}"};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        soma_context *ctx = check_context(NULL);
        char json[512];
        snprintf(json, sizeof json, "{" GLYPHS ", \"model\": [\"flatten\", {\"linear\": 12}, %s, {\"linear\": 10}]}", layers[i]);
        soma_recipe *r = read(ctx, json);
        soma_module *m = soma_recipe_model(r, SOMA_SHAPE(28, 28));
        soma_tensor *y = soma_forward(m, soma_randn(ctx, SOMA_F32, SOMA_SHAPE(3, 28, 28)));
        float out[30];
        if (soma_read(y, out, sizeof out) != SOMA_OK) fail_msg("%s: %s", layers[i], soma_error_message(ctx));
        const char *text = soma_recipe_text(r);
        assert_non_null(text);
        assert_string_equal(soma_recipe_text(read(ctx, text)), text);
        soma_layer_info info[4];
        int64_t parameters = 0;
        assert_int_equal(soma_recipe_layers(r, SOMA_SHAPE(28, 28), info), SOMA_OK);
        soma_tensor *const *params;
        size_t n;
        soma_module_parameters(m, &params, &n);
        for (size_t k = 0; k < n; k++) parameters += soma_numel(params[k]);
        for (int k = 0; k < 4; k++) parameters -= info[k].parameters;
        if (parameters) fail_msg("%s: the summary counts %d parameters too few", layers[i], (int)parameters);
        soma_context_free(ctx);
    }
}

/* A block used twice has its weights once, under both keys. */
static void blocks_share_their_weights(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_recipe *r =
        read(ctx, "{" GLYPHS ", \"model\": [\"flatten\", {\"linear\": 8}, {\"block\": {\"name\": \"b\", \"layers\": [{\"linear\": 8}, \"tanh\"]}}, "
                  "{\"residual\": [{\"block\": \"b\"}]}, {\"block\": \"b\"}, {\"linear\": 10}]}");
    soma_module *m = soma_recipe_model(r, SOMA_SHAPE(28, 28));
    soma_tensor *const *params, *first = NULL, *again = NULL;
    size_t n;
    check_fine(ctx);
    soma_module_parameters(m, &params, &n);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < soma_module_state_count(m); i++) {
        char key[64];
        soma_tensor *t;
        soma_module_state(m, i, key, sizeof key, &t);
        if (strcmp(key, "2.0.weight") == 0) first = t;
        if (strcmp(key, "4.0.weight") == 0) again = t;
    }
    assert_true(first && first == again);
    soma_layer_info info[6];
    soma_recipe_layers(r, SOMA_SHAPE(28, 28), info);
    assert_true(info[2].parameters == 72 && info[4].parameters == 0);
    /* another shape than at the first use */
    r = read(ctx, "{" GLYPHS ", \"model\": [\"flatten\", {\"block\": {\"name\": \"b\", \"layers\": [{\"linear\": 10}]}}, {\"block\": \"b\"}]}");
    assert_null(soma_recipe_model(r, SOMA_SHAPE(28, 28)));
    check_error(ctx, SOMA_ERROR_SHAPE, "block 'b': it gets another shape here");
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_share_their_weights), cmocka_unit_test(defaults_are_filled_in),
                                       cmocka_unit_test(every_mistake_has_a_place_and_a_word), cmocka_unit_test(layers_are_fitted_to_the_data),
                                       cmocka_unit_test(every_layer_can_be_made)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
