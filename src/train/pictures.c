/* Pictures of recipes: opened, prepared; and how a model makes inputs of any picture, as JSON for model files. */
#include "train/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT(key, otherwise, doc) \
    { key, SOMA__TEXT, otherwise, 0, 0, false, false, doc }

const soma__field soma__image_fields[SOMA__IMAGE_FIELDS] = {
    TEXT("path", "\"\"", "a folder or an archive (.tar, .tar.gz) with both parts; empty: the parts are paths themselves"),
    TEXT("train", "\"train\"", "what to learn from: a folder of class folders"),
    TEXT("test", "\"test\"", "what to measure with; classes are those of the training part"),
    {"hold_out", SOMA__NUMBER, "0", 0, 1, false, true, "this share of each class of the training part is kept to measure with, in place of `test`"},
    {"size", SOMA__SIZE, "[]", 1, 16384, false, false, "height and width that all are brought to; none: all have the first one's"},
    {"channels", SOMA__INTEGER, "3", 1, 3, false, false, "1 (grey) or 3 (red, green, blue)"},
    {"fit", SOMA__CHOICE, "\"stretch\"", 0, 0, false, false, "stretch|crop: what becomes of other proportions"},
    {"broken", SOMA__CHOICE, "\"error\"", 0, 0, false, false, "error|skip: pictures that cannot be read"},
    {"most_pixels", SOMA__INTEGER, "67108864", 1, 1e12, false, false, "larger pictures are errors"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of random transforms"},
    SOMA__PREPARED,
};
const soma__field soma__cifar_fields[SOMA__CIFAR_FIELDS] = {
    TEXT("path", NULL, "the folder of the binary batches"),
    {"train", SOMA__TEXTS, "[\"data_batch_1.bin\", \"data_batch_2.bin\", \"data_batch_3.bin\", \"data_batch_4.bin\", \"data_batch_5.bin\"]", 0, 0,
     false, false, "files to learn from"},
    {"test", SOMA__TEXTS, "[\"test_batch.bin\"]", 0, 0, false, false, "files to measure with"},
    {"seed", SOMA__INTEGER, "1", 0, 9007199254740992.0, false, false, "of random transforms"},
    SOMA__PREPARED,
};

static bool too_long(soma_context *ctx) { return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "the data's path is too long"), false; }

static const soma__kind fields_kind = {.name = "images", .fields = soma__image_fields, .n_fields = SOMA__IMAGE_FIELDS};

bool soma__image_data(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test) {
    const char *path = soma__get_text(f, "path"), *parts[2] = {soma__get_text(f, "train"), soma__get_text(f, "test")};
    const json_t *size = json_object_get(f, "size");
    char paths[2][4200];
    for (int k = 0; k < 2; k++)
        if (!soma__data_path(paths[k], sizeof paths[k], folder, *path ? path : parts[k])) return too_long(ctx);
    soma_images_opts o = {.size = {json_integer_value(json_array_get(size, 0)), json_integer_value(json_array_get(size, 1))},
                          .channels = soma__get_int(f, "channels"),
                          .crop = soma__choice(&fields_kind, f, "fit"),
                          .part = *path ? parts[0] : NULL,
                          .skip_broken = soma__choice(&fields_kind, f, "broken"),
                          .most_pixels = soma__get_int(f, "most_pixels")};
    if (soma__get(f, "hold_out") > 0) {
        soma_dataset *rest, *held, *all = soma_dataset_images(ctx, paths[0], &o);
        if (!all || soma_dataset_hold_out(ctx, all, soma__get(f, "hold_out"), (uint64_t)soma__get_int(f, "seed"), &rest, &held) != SOMA_OK)
            return false;
        if (train) *train = rest;
        if (test) *test = held;
        return true;
    }
    if (train && !(*train = soma_dataset_images(ctx, paths[0], &o))) return false;
    if (!test) return true;
    if (train) o.classes = soma_dataset_pictures(*train)->classes, o.n_classes = soma_dataset_pictures(*train)->n_classes;
    else if (soma_images_classes(ctx, paths[0], &o.classes, &o.n_classes, &o) != SOMA_OK) return false;
    if (train && !o.size[0]) o.size[0] = soma_dataset_pictures(*train)->height, o.size[1] = soma_dataset_pictures(*train)->width;
    o.part = *path ? parts[1] : NULL;
    return (*test = soma_dataset_images(ctx, paths[1], &o)) != NULL;
}

static soma_dataset *cifar_part(soma_context *ctx, const char *base, const json_t *files) {
    size_t n = json_array_size(files);
    const char **paths = soma_scope_memory(ctx, (n + 1) * sizeof *paths);
    for (size_t i = 0; paths && i < n; i++) {
        const char *name = json_string_value(json_array_get(files, i));
        size_t room = strlen(base) + strlen(name) + 2;
        char *path = soma_scope_memory(ctx, room);
        if (!path) return NULL;
        snprintf(path, room, "%s/%s", base, name);
        paths[i] = path;
    }
    return paths ? soma_dataset_cifar10(ctx, paths, (int64_t)n) : NULL;
}

bool soma__cifar_data(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test) {
    char base[4200];
    if (!soma__data_path(base, sizeof base, folder, soma__get_text(f, "path"))) return too_long(ctx);
    if (train && !(*train = cifar_part(ctx, base, json_object_get(f, "train")))) return false;
    return !test || (*test = cifar_part(ctx, base, json_object_get(f, "test")));
}

/* Preparing */

static const soma__field prepared_fields[] = {SOMA__PREPARED};
static const soma__kind prepared = {.name = "pictures", SOMA__FIELDS(prepared_fields)};
enum { NONE, OF_TRAIN, GIVEN };
static int normalise_of(const json_t *f) { return json_object_get(f, "normalise") ? soma__choice(&prepared, f, "normalise") : NONE; }

bool soma__wants_train(const json_t *fields) { return normalise_of(fields) == OF_TRAIN; }

/* The numbers of the channels as the fields have them; one alone is for all. */
static bool given(soma_context *ctx, const json_t *f, int64_t channels, double *mean, double *std) {
    const json_t *lists[2] = {json_object_get(f, "mean"), json_object_get(f, "std")};
    for (int k = 0; k < 2; k++) {
        size_t n = json_array_size(lists[k]);
        if (n != 1 && n != (size_t)channels)
            return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "normalise: given wants %s for each of the %lld channels", k ? "a std" : "a mean",
                                    (long long)channels),
                   false;
        for (int64_t c = 0; c < channels; c++) (k ? std : mean)[c] = json_number_value(json_array_get(lists[k], n == 1 ? 0 : (size_t)c));
    }
    return true;
}

static bool transform(soma_context *ctx, const json_t *f, const char *key, soma_dataset **d) {
    size_t n;
    const json_t *list = json_object_get(f, key);
    if (!json_array_size(list)) return true;
    soma_transform *t = soma__transforms_of(ctx, list, &n);
    return t && (*d = soma_dataset_transformed(ctx, *d, t, n, (uint64_t)soma__get_int(f, "seed")));
}

static bool same_shapes(soma_context *ctx, const soma_dataset *train, const soma_dataset *test) {
    const int64_t *a, *b;
    int64_t n, m;
    soma_dataset_shape(train, &a, &n), soma_dataset_shape(test, &b, &m);
    if (n == m && memcmp(a, b, (size_t)n * sizeof *a) == 0) return true;
    return soma_error_raise(ctx, SOMA_ERROR_SHAPE,
                            "transforms make pictures of %lld x %lld pixels of the training part, the test part's are %lld x %lld; test_transforms "
                            "make them alike: the same resize, say, and centre_crop for random_crop",
                            (long long)a[n - 2], (long long)a[n - 1], (long long)b[m - 2], (long long)b[m - 1]),
           false;
}

bool soma__prepare_pictures(soma_context *ctx, const json_t *f, soma_dataset **train, soma_dataset **test) {
    double mean[3], std[3];
    int how = normalise_of(f);
    if (!json_object_get(f, "transforms")) return true;
    if (how != GIVEN && (json_array_size(json_object_get(f, "mean")) || json_array_size(json_object_get(f, "std"))))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "mean and std go with normalise: given"), false;
    soma_dataset *any = train ? *train : *test;
    const soma_picture_info *info = soma_dataset_pictures(any);
    if (how == GIVEN && info && !given(ctx, f, info->channels, mean, std)) return false;
    if (how == OF_TRAIN && soma_dataset_statistics(any, mean, std) != SOMA_OK) return false;
    soma_dataset **parts[2] = {train, test};
    for (int k = 0; k < 2; k++) {
        if (!parts[k]) continue;
        if (!transform(ctx, f, k ? "test_transforms" : "transforms", parts[k])) return false;
        if (how != NONE && !(*parts[k] = soma_dataset_normalised(ctx, *parts[k], mean, std, info ? info->channels : 1))) return false;
    }
    return !train || !test || !*train || !*test || same_shapes(ctx, *train, *test);
}

/* Of models */

static void release(void *list) { json_decref(list); }

soma__pictures *soma__pictures_new(soma_context *ctx, const soma_dataset *d, const json_t *fields) {
    soma__pictures *p = soma_scope_memory(ctx, sizeof *p);
    if (!p) return NULL;
    p->info = *soma_dataset_pictures(d);
    json_t *list = json_object_get(fields, "test_transforms");
    p->list = list ? json_incref(list) : json_array();
    if (!p->list) return soma_error_raise(ctx, SOMA_ERROR_MEMORY, "out of memory"), NULL;
    if (soma_scope_defer(ctx, release, p->list) != SOMA_OK) return json_decref(p->list), NULL;
    return (p->transforms = soma__transforms_of(ctx, p->list, &p->n_transforms)) ? p : NULL;
}

static json_t *numbers(const double *v, int64_t n) {
    json_t *list = json_array();
    for (int64_t i = 0; list && i < n; i++)
        if (json_array_append_new(list, json_real(v[i])) != 0) json_decref(list), list = NULL;
    return list;
}

json_t *soma__pictures_json(const soma__pictures *p) {
    const soma_picture_info *info = &p->info;
    json_t *root = json_pack("{s:[I, I], s:I, s:b, s:O}", "size", (json_int_t)info->height, (json_int_t)info->width, "channels",
                             (json_int_t)info->channels, "crop", info->crop != 0, "transforms", p->list);
    bool fine = root != NULL;
    if (info->mean) {
        fine = json_object_set_new(root, "mean", numbers(info->mean, info->channels)) == 0 && fine;
        fine = json_object_set_new(root, "std", numbers(info->std, info->channels)) == 0 && fine;
    }
    json_t *classes = info->n_classes ? json_array() : NULL;
    for (int64_t i = 0; i < info->n_classes; i++) fine = json_array_append_new(classes, json_string(info->classes[i])) == 0 && fine;
    if (classes) fine = json_object_set_new(root, "classes", classes) == 0 && fine;
    if (!fine) json_decref(root);
    return fine ? root : NULL;
}

/* Mean or std of a file; false when the list is none. */
static bool read_numbers(soma_context *ctx, const json_t *list, int64_t n, double least, const double **out) {
    if (!list) return true;
    double *v = soma_scope_memory(ctx, (size_t)n * sizeof *v);
    bool fits = v && (int64_t)json_array_size(list) == n;
    for (int64_t i = 0; fits && i < n; i++) {
        const json_t *x = json_array_get(list, (size_t)i);
        fits = json_is_number(x) && (v[i] = json_number_value(x)) >= least && v[i] <= 1e6;
    }
    *out = v;
    return fits;
}

static bool read_classes(soma_context *ctx, const json_t *list, soma_picture_info *info) {
    size_t n = json_array_size(list);
    const char **names = soma_scope_memory(ctx, (n + 1) * sizeof *names);
    bool fits = names != NULL;
    for (size_t i = 0; fits && i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        char *copy = name ? soma_scope_memory(ctx, strlen(name) + 1) : NULL;
        if ((fits = copy != NULL)) names[i] = strcpy(copy, name);
    }
    info->classes = names, info->n_classes = (int64_t)n;
    return fits;
}

/* The list of a file, checked as a recipe's; false when it is none. */
static bool read_transforms(soma_context *ctx, json_t *list, soma__pictures *p) {
    static const soma__field field = {"transforms", SOMA__TRANSFORMS, "[]", 0, 0, false, false, ""};
    const soma__kind kind = {.name = "pictures", .fields = &field, .n_fields = 1};
    soma_recipe r = {.ctx = ctx, .scope = soma_scope_innermost(ctx)};
    soma__item item = {0};
    json_t *v = json_object();
    if (list) json_object_set(v, "transforms", list);
    soma__fields_read(&r, &kind, "/pictures", v, NULL, &item);
    json_decref(v);
    bool fits = !r.problems.count && soma_error_status(ctx) == SOMA_OK;
    p->list = fits ? json_incref(json_object_get(item.fields, "transforms")) : NULL;
    json_decref(item.fields);
    json_decref(r.blocks);
    if (!p->list) return false;
    if (soma_scope_defer(ctx, release, p->list) != SOMA_OK) return json_decref(p->list), false;
    return (p->transforms = soma__transforms_of(ctx, p->list, &p->n_transforms)) != NULL;
}

soma__pictures *soma__pictures_read(soma_context *ctx, const json_t *v) {
    soma__pictures *p = soma_scope_memory(ctx, sizeof *p);
    const json_t *size = json_object_get(v, "size");
    if (!p) return NULL;
    soma_picture_info *i = &p->info;
    i->height = json_integer_value(json_array_get(size, 0)), i->width = json_integer_value(json_array_get(size, 1));
    i->channels = soma__get_int(v, "channels"), i->crop = soma__get_truth(v, "crop");
    bool fits = i->height >= 1 && i->width >= 1 && i->height <= 16384 && i->width <= 16384 && (i->channels == 1 || i->channels == 3) &&
                !json_object_get(v, "mean") == !json_object_get(v, "std") &&
                read_numbers(ctx, json_object_get(v, "mean"), i->channels, -1e6, &i->mean) &&
                read_numbers(ctx, json_object_get(v, "std"), i->channels, 1e-6, &i->std) && read_classes(ctx, json_object_get(v, "classes"), i) &&
                read_transforms(ctx, json_object_get(v, "transforms"), p);
    if (!fits && soma_error_status(ctx) == SOMA_OK)
        soma_error_raise(ctx, SOMA_ERROR_FORMAT, "a model's description: what it says of pictures makes no sense");
    return fits ? p : NULL;
}

static soma_tensor *per_channel(soma_context *ctx, const double *v, int64_t channels) {
    const int64_t shape[] = {channels, 1, 1};
    soma_tensor *t = soma_from(ctx, v, SOMA_F64, shape, channels == 1 ? 1 : 3);
    return soma_to(t, SOMA_F32);
}

bool soma__pictures_build(soma_context *ctx, soma__pictures *p) {
    if (!p->info.mean) return true;
    p->mean = per_channel(ctx, p->info.mean, p->info.channels);
    p->std = per_channel(ctx, p->info.std, p->info.channels);
    return p->mean && p->std && soma_eval(ctx) == SOMA_OK;
}

/* A class of the folders that the model does not know becomes the error; so does what hinders the look. */
static bool knows_all(soma_model *m, const char *path, const soma_images_opts *o) {
    const char *const *names;
    int64_t n;
    char known[200] = "";
    if (soma_images_classes(m->ctx, path, &names, &n, o) != SOMA_OK) return false;
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0;
        while (k < o->n_classes && strcmp(o->classes[k], names[i]) != 0) k++;
        if (k < o->n_classes) continue;
        for (k = 0; k < o->n_classes && strlen(known) + 30 < sizeof known; k++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%.24s", k ? ", " : "", o->classes[k]);
        return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: the model does not know the class '%.100s'; it knows %s%s", path, names[i], known,
                                k < o->n_classes ? ", ..." : ""),
               false;
    }
    return true;
}

/* The data's bytes are divided by 255; a model of idx files may want them scaled otherwise. */
static soma_dataset *normalise_as(const soma_model *m, soma_dataset *d) {
    const soma_picture_info *info = &m->pictures->info;
    double mean[3], std[3], factor = fabs(255 * m->scale - 1) < 1e-6 ? 1 : 1 / (255 * m->scale);
    for (int64_t c = 0; c < info->channels; c++)
        mean[c] = info->mean ? info->mean[c] * factor : 0, std[c] = info->std ? info->std[c] * factor : factor;
    return info->mean || factor < 1 || factor > 1 ? soma_dataset_normalised(m->ctx, d, mean, std, info->channels) : d;
}

soma_dataset *soma_model_images_v(soma_model *m, const char *path, const soma_images_opts *options, size_t size) {
    soma_images_opts o;
    if (!m || !soma_options_read(m->ctx, "model_images", &o, sizeof o, options, size)) return NULL;
    const soma_picture_info *info = soma_model_pictures(m);
    if (!info) return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "%s: the model was not trained on pictures", path ? path : "model_images"), NULL;
    if (soma_model_is_valued(m)) return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "model_images: the model predicts a number, no class"), NULL;
    int64_t n = info->n_classes ? info->n_classes : soma_model_outputs(m);
    const char **names = soma_scope_memory(m->ctx, (size_t)n * sizeof *names);
    for (int64_t i = 0; names && i < n; i++) names[i] = soma_model_class_name(m, i);
    o.size[0] = info->height, o.size[1] = info->width, o.channels = info->channels, o.crop = info->crop, o.classes = names, o.n_classes = n;
    if (!names || !knows_all(m, path, &o)) return NULL;
    soma_dataset *d = soma_dataset_images(m->ctx, path, &o);
    if (d && m->pictures->n_transforms) d = soma_dataset_transformed(m->ctx, d, m->pictures->transforms, m->pictures->n_transforms, 0);
    return d ? normalise_as(m, d) : NULL;
}

soma_status soma_model_picture(soma_model *m, const soma_image *image, float *inputs) {
    if (!m || !image || !inputs) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(m->ctx) != SOMA_OK) return soma_error_status(m->ctx);
    if (!m->pictures) return soma_error_raise(m->ctx, SOMA_ERROR_ARGUMENT, "model_picture: the model was not trained on pictures");
    const soma_picture_info *info = &m->pictures->info;
    soma_scope *scope = soma_scope_open(m->ctx);
    const soma_image *i = soma_image_channels(m->ctx, image, info->channels);
    i = i ? soma_image_resize(m->ctx, i, info->height, info->width, info->crop != 0) : NULL;
    i = i ? soma_image_transform(m->ctx, i, m->pictures->transforms, m->pictures->n_transforms, 0, 0, 0) : NULL;
    int64_t plane = i ? i->height * i->width : 0;
    if (i && (i->height != m->shape[m->ndim - 2] || i->width != m->shape[m->ndim - 1]))
        soma_error_raise(m->ctx, SOMA_ERROR_SHAPE, "model_picture: the test part's transforms give %lld x %lld pixels, the model takes %lld x %lld",
                         (long long)i->height, (long long)i->width, (long long)m->shape[m->ndim - 2], (long long)m->shape[m->ndim - 1]);
    else
        for (int64_t k = 0; k < plane * info->channels; k++) inputs[k % info->channels * plane + k / info->channels] = (float)i->pixels[k];
    if (scope) soma_scope_close(scope);
    return soma_error_status(m->ctx);
}
