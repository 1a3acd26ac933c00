/* Optimizers, data sets and the training of recipes. */
#include "train/pictures.h"

#include <stdio.h>
#include <string.h>

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
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of random transforms"},
    SOMA__PREPARED,
};

bool soma__data_path(char *out, size_t size, const char *folder, const char *path) {
    bool absolute = path[0] == '/' || strcmp(path, "-") == 0;
    int n = snprintf(out, size, "%s%s%s", absolute ? "" : folder && *folder ? folder : ".", absolute ? "" : "/", path);
    return n > 0 && (size_t)n < size;
}

static bool idx_part(soma_context *ctx, const json_t *f, const char *folder, const char *x, const char *y, soma_dataset **out) {
    char base[4096], images[4200], labels[4200];
    if (!soma__data_path(base, sizeof base, folder, soma__get_text(f, "path")) ||
        snprintf(images, sizeof images, "%s/%s", base, soma__get_text(f, x)) >= (int)sizeof images ||
        snprintf(labels, sizeof labels, "%s/%s", base, soma__get_text(f, y)) >= (int)sizeof labels)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "the data's path is too long"), false;
    *out = soma_dataset_idx(ctx, images, labels, &(soma_idx_opts){.scale = SOMA_SET(soma__get(f, "scale"))});
    return *out != NULL;
}
static bool idx(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test) {
    return (!train || idx_part(ctx, f, folder, "train_images", "train_labels", train)) &&
           (!test || idx_part(ctx, f, folder, "test_images", "test_labels", test));
}

static const soma__field glyph_fields[] = {
    {"train", SOMA__INTEGER, "20000", 1, 10000000, false, false, "digits to learn from"},
    {"test", SOMA__INTEGER, "2000", 1, 10000000, false, false, "digits to measure with"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of the drawing"},
    {"noise", SOMA__NUMBER, "0.1", 0, 1, false, false, "of the pixels"},
    SOMA__PREPARED,
};
static bool glyphs(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test) {
    (void)folder;
    soma_glyph_opts o = {.seed = (uint64_t)soma__get_int(f, "seed"), .noise = SOMA_SET(soma__get(f, "noise"))};
    int64_t first = soma__get_int(f, "train");
    if (train && !(*train = soma_dataset_glyphs(ctx, first, &o))) return false;
    o.first = first;
    return !test || (*test = soma_dataset_glyphs(ctx, soma__get_int(f, "test"), &o));
}
/* The rows of generators.def. */
static const soma__field generator_fields[] = {
    {"train", SOMA__INTEGER, "1000", 1, 100000000, false, false, "samples to learn from"},
    {"test", SOMA__INTEGER, "200", 1, 100000000, false, false, "samples to measure with"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of the drawing"},
    {"noise", SOMA__NUMBER, "-1", -1, 1e9, false, false, "deviation of inputs (of values: the target); -1: the generator's own"},
    {"size", SOMA__INTEGER, "0", 0, 64, false, false, "bits, classes or fields; 0: the generator's own"},
};
static bool generate(soma_context *ctx, const char *name, const json_t *f, soma_dataset **train, soma_dataset **test) {
    soma_generate_opts o = {.seed = (uint64_t)soma__get_int(f, "seed"), .size = soma__get_int(f, "size")};
    int64_t first = soma__get_int(f, "train");
    if (soma__get(f, "noise") >= 0) o.noise = SOMA_SET(soma__get(f, "noise"));
    if (train && !(*train = soma_dataset_generate(ctx, name, first, &o))) return false;
    o.first = first;
    return !test || (*test = soma_dataset_generate(ctx, name, soma__get_int(f, "test"), &o));
}
#define GENERATOR(name, features, classes, noise, doc) \
    static bool name(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test) { \
        return (void)folder, generate(ctx, #name, f, train, test); \
    }
#include "soma/generators.def"
#undef GENERATOR
#define GENERATOR(id, features, classes, noise, doc) {.name = #id, .main = "train", SOMA__FIELDS(generator_fields), .data = id},
static const soma__kind datas[] = {
#include "soma/generators.def"
    {.name = "table", .main = "path", .fields = soma__table_fields, .n_fields = SOMA__TABLE_FIELDS, .data = soma__table_data},
    {.name = "images", .main = "path", .fields = soma__image_fields, .n_fields = SOMA__IMAGE_FIELDS, .data = soma__image_data},
    {.name = "cifar10", .main = "path", .fields = soma__cifar_fields, .n_fields = SOMA__CIFAR_FIELDS, .data = soma__cifar_data},
    {.name = "idx", .main = "path", SOMA__FIELDS(idx_fields), .data = idx},
    {.name = "glyphs", .main = "train", SOMA__FIELDS(glyph_fields), .data = glyphs},
};
const soma__kinds soma__datas = SOMA__KINDS("data kind", datas);

/* training */

static const soma__field train_fields[] = {
    {"epochs", SOMA__INTEGER, "10", 1, 1000000, false, false, "times over the data"},
    {"batch", SOMA__COUNT, "128", 1, 1 << 24, false, false, "samples of a step: a number, 1 (stochastic descent), or all (of the whole set)"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of the first weights, the order of samples, dropout"},
    {"shuffle", SOMA__TRUTH, "true", 0, 0, false, false, "another order each epoch"},
    {"drop_last", SOMA__TRUTH, "false", 0, 0, false, false, "leaves out a last batch that is not full"},
    {"warmup_steps", SOMA__INTEGER, "0", 0, 9007199254740992.0, false, false, "steps in which the learning rate grows from 0 to its own"},
    {"clip_norm", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true, "limit of the gradients' common norm; 0: none"},
    {"l1", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true, "factor of the weights' absolute values in what is minimised"},
    {"max_norm", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true, "limit of the norm of each unit's incoming weights; 0: none"},
    {"gradient_noise", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true,
     "variance of noise on gradients at the first step; it falls by steps^0.55"},
    {"input_noise", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true, "deviation of noise on inputs"},
    {"mixup", SOMA__NUMBER, "0", 0, 1000, false, false, "alpha of the beta distribution by which samples are mixed; 0: they are not"},
    {"cutmix", SOMA__NUMBER, "0", 0, 1000, false, false, "alpha of the beta distribution by which parts of pictures are exchanged; 0: they are not"},
    {"patience", SOMA__INTEGER, "0", 0, 1000000, false, false,
     "epochs without a better test loss after which the run ends; the best weights come back (chosen by the test part, so its scores flatter)"},
    {"average", SOMA__CHOICE, "\"none\"", 0, 0, false, false,
     "none|ema|swa: the model is an average of weights: exponential by steps, or equal by epochs"},
    {"average_decay", SOMA__NUMBER, "0.999", 0, 1, false, false, "of ema: what is left of the average after a step"},
    {"average_from", SOMA__INTEGER, "0", 0, 1000000, false, false, "of swa: the first epoch that counts, from 0"},
};
static const soma__kind trains[] = {{.name = "train", SOMA__FIELDS(train_fields)}};
const soma__kinds soma__trains = SOMA__KINDS("training", trains);
