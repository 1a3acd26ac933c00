/* Losses, optimizers, data sets and the training of recipes. */
#include "train/words.h"

#include <stdio.h>
#include <string.h>

/* losses */

static const soma__field cross_entropy_fields[] = {
    {"label_smoothing", SOMA__NUMBER, "0", 0, 1, false, false, "share of the target spread over all classes"}};
static soma_tensor *cross_entropy(const json_t *f, soma_tensor *output, soma_tensor *target) {
    return soma_cross_entropy(output, target, &(soma_cross_entropy_opts){.label_smoothing = SOMA_SET(soma__get(f, "label_smoothing"))});
}
static const soma__kind losses[] = {{.name = "cross_entropy", .main = "label_smoothing", SOMA__FIELDS(cross_entropy_fields), .loss = cross_entropy}};
const soma__kinds soma__losses = SOMA__KINDS("loss", losses);

/* optimizers */

#define CLOSED false, false
#define BELOW false, true
#define BETWEEN true, true
#define LR(otherwise) \
    { "lr", SOMA__NUMBER, otherwise, 0, __builtin_inf(), BELOW, "learning rate" }
#define NUMBER(key, doc) {#key, SOMA__NUMBER, "0", 0, __builtin_inf(), BELOW, doc},
#define SETTING(key, otherwise, least, most, ends, doc) {#key, SOMA__NUMBER, #otherwise, least, most, ends, doc},
#define FLAG(key, doc) {#key, SOMA__TRUTH, "false", 0, 0, CLOSED, doc},
#define OPTIMIZER(id, rate, settings, doc) static const soma__field id##_fields[] = {LR(#rate), settings};
#include "soma/optimizers.def"
#undef NUMBER
#undef SETTING
#undef FLAG
#undef OPTIMIZER
#define NUMBER(key, doc) .key = soma__get(f, #key),
#define SETTING(key, otherwise, least, most, ends, doc) .key = SOMA_SET(soma__get(f, #key)),
#define FLAG(key, doc) .key = soma__get_truth(f, #key),
#define OPTIMIZER(id, rate, settings, doc) \
    static soma_optim *id(soma_context *ctx, const json_t *f, soma_tensor *const *params, size_t n) { \
        const soma_##id##_opts o = {settings}; \
        return soma_optim_##id(ctx, params, n, soma__get(f, "lr"), &o); \
    }
#include "soma/optimizers.def"
#undef OPTIMIZER
#define OPTIMIZER(id, rate, settings, doc) {.name = #id, .main = "lr", SOMA__FIELDS(id##_fields), .optim = id},
static const soma__kind optims[] = {
#include "soma/optimizers.def"
};
const soma__kinds soma__optims = SOMA__KINDS("optimizer", optims);

/* data sets */

#define FILE_OF(key, name, what) \
    { key, SOMA__TEXT, "\"" name "\"", 0, 0, false, false, what }
static const soma__field idx_fields[] = {
    {"path", SOMA__TEXT, NULL, 0, 0, false, false, "the folder of the files"},
    FILE_OF("train_images", "train-images-idx3-ubyte", "images to learn from, plain or .gz"),
    FILE_OF("train_labels", "train-labels-idx1-ubyte", "their classes"),
    FILE_OF("test_images", "t10k-images-idx3-ubyte", "images to measure with"),
    FILE_OF("test_labels", "t10k-labels-idx1-ubyte", "their classes"),
    {"scale", SOMA__NUMBER, "0.00392156862745098", 0, __builtin_inf(), true, true, "inputs are bytes times this"},
};

/* folder/path/name */
static bool file_path(char *out, size_t size, const char *folder, const char *path, const char *name) {
    bool absolute = path[0] == '/';
    int n = snprintf(out, size, "%s%s%s/%s", absolute ? "" : folder && *folder ? folder : ".", absolute ? "" : "/", path, name);
    return n > 0 && (size_t)n < size;
}

static soma_dataset *idx(soma_context *ctx, const json_t *f, const char *folder, bool test) {
    char images[4096], labels[4096];
    const char *path = soma__get_text(f, "path");
    if (!file_path(images, sizeof images, folder, path, soma__get_text(f, test ? "test_images" : "train_images")) ||
        !file_path(labels, sizeof labels, folder, path, soma__get_text(f, test ? "test_labels" : "train_labels")))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "the data's path is too long"), NULL;
    return soma_dataset_idx(ctx, images, labels, &(soma_idx_opts){.scale = SOMA_SET(soma__get(f, "scale"))});
}

static const soma__field glyph_fields[] = {
    {"train", SOMA__INTEGER, "20000", 1, 10000000, false, false, "digits to learn from"},
    {"test", SOMA__INTEGER, "2000", 1, 10000000, false, false, "digits to measure with"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of the drawing"},
    {"noise", SOMA__NUMBER, "0.1", 0, 1, false, false, "of the pixels"},
};
static soma_dataset *glyphs(soma_context *ctx, const json_t *f, const char *folder, bool test) {
    (void)folder;
    int64_t train = soma__get_int(f, "train");
    return soma_dataset_glyphs(
        ctx, test ? soma__get_int(f, "test") : train,
        &(soma_glyph_opts){.seed = (uint64_t)soma__get_int(f, "seed"), .first = test ? train : 0, .noise = SOMA_SET(soma__get(f, "noise"))});
}
static const soma__kind datas[] = {
    {.name = "idx", .main = "path", SOMA__FIELDS(idx_fields), .data = idx},
    {.name = "glyphs", .main = "train", SOMA__FIELDS(glyph_fields), .data = glyphs},
};
const soma__kinds soma__datas = SOMA__KINDS("data kind", datas);

/* training */

static const soma__field train_fields[] = {
    {"epochs", SOMA__INTEGER, "10", 1, 1000000, false, false, "times over the data"},
    {"batch", SOMA__INTEGER, "128", 1, 1 << 24, false, false, "samples of a step"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of the first weights, the order of samples, dropout"},
    {"shuffle", SOMA__TRUTH, "true", 0, 0, false, false, "another order each epoch"},
    {"drop_last", SOMA__TRUTH, "false", 0, 0, false, false, "leaves out a last batch that is not full"},
    {"warmup_steps", SOMA__INTEGER, "0", 0, 9007199254740992.0, false, false, "steps in which the learning rate grows from 0 to its own"},
    {"clip_norm", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true, "limit of the gradients' common norm; 0: none"},
};
static const soma__kind trains[] = {{.name = "train", SOMA__FIELDS(train_fields)}};
const soma__kinds soma__trains = SOMA__KINDS("training", trains);
