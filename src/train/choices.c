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

#define LR(otherwise) \
    { "lr", SOMA__NUMBER, otherwise, 0, __builtin_inf(), false, true, "learning rate" }
#define DECAY(otherwise) \
    { "weight_decay", SOMA__NUMBER, otherwise, 0, __builtin_inf(), false, true, "share of the weights taken away" }
static const soma__field sgd_fields[] = {
    LR("0.01"),
    {"momentum", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true, "share of the last step that goes on"},
    {"dampening", SOMA__NUMBER, "0", -__builtin_inf(), __builtin_inf(), true, true, "share of the gradient left out of the momentum"},
    DECAY("0"),
    {"nesterov", SOMA__TRUTH, "false", 0, 0, false, false, "Nesterov's momentum"},
};
static soma_optim *sgd(soma_context *ctx, const json_t *f, soma_tensor *const *params, size_t n) {
    return soma_optim_sgd(ctx, params, n, soma__get(f, "lr"),
                          &(soma_sgd_opts){.momentum = soma__get(f, "momentum"),
                                           .dampening = soma__get(f, "dampening"),
                                           .weight_decay = soma__get(f, "weight_decay"),
                                           .nesterov = soma__get_truth(f, "nesterov")});
}

#define ADAM_FIELDS(decay) \
    { \
        LR("0.001"), {"beta1", SOMA__NUMBER, "0.9", 0, 1, false, true, "decay of the mean"}, \
            {"beta2", SOMA__NUMBER, "0.999", 0, 1, false, true, "decay of the mean square"}, \
            {"eps", SOMA__NUMBER, "1e-8", 0, __builtin_inf(), false, true, "added to the root"}, DECAY(decay) \
    }
static const soma__field adam_fields[] = ADAM_FIELDS("0"), adamw_fields[] = ADAM_FIELDS("0.01");
static soma_adam_opts adam_opts(const json_t *f) {
    return (soma_adam_opts){.beta1 = SOMA_SET(soma__get(f, "beta1")),
                            .beta2 = SOMA_SET(soma__get(f, "beta2")),
                            .eps = SOMA_SET(soma__get(f, "eps")),
                            .weight_decay = SOMA_SET(soma__get(f, "weight_decay"))};
}
static soma_optim *adam(soma_context *ctx, const json_t *f, soma_tensor *const *params, size_t n) {
    const soma_adam_opts o = adam_opts(f);
    return soma_optim_adam(ctx, params, n, soma__get(f, "lr"), &o);
}
static soma_optim *adamw(soma_context *ctx, const json_t *f, soma_tensor *const *params, size_t n) {
    const soma_adam_opts o = adam_opts(f);
    return soma_optim_adamw(ctx, params, n, soma__get(f, "lr"), &o);
}
static const soma__kind optims[] = {
    {.name = "sgd", .main = "lr", SOMA__FIELDS(sgd_fields), .optim = sgd},
    {.name = "adam", .main = "lr", SOMA__FIELDS(adam_fields), .optim = adam},
    {.name = "adamw", .main = "lr", SOMA__FIELDS(adamw_fields), .optim = adamw},
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
    {"clip_norm", SOMA__NUMBER, "0", 0, __builtin_inf(), false, true, "limit of the gradients' common norm; 0: none"},
};
static const soma__kind trains[] = {{.name = "train", SOMA__FIELDS(train_fields)}};
const soma__kinds soma__trains = SOMA__KINDS("training", trains);
