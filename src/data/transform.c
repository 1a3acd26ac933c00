/* Lists of transforms: their settings checked, run one after the other between two pictures of scratch memory, each with random words of its own. */
#include "data/transform.h"
#include "data/dataset.h"
#include "data/image.h"

#include "base/fpmode.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

#define MOST 64 /* transforms in a list */

const char *soma_transform_name(soma_transform_kind kind) {
    static const char *const names[] = {
#define TRANSFORM(id, main, fields, doc) #id,
#include "soma/transforms.def"
#undef TRANSFORM
    };
    return (unsigned)kind < SOMA_TRANSFORM_KINDS ? names[kind] : NULL;
}
const char *soma_transform_doc(soma_transform_kind kind) {
    static const char *const docs[] = {
#define TRANSFORM(id, main, fields, doc) doc,
#include "soma/transforms.def"
#undef TRANSFORM
    };
    return (unsigned)kind < SOMA_TRANSFORM_KINDS ? docs[kind] : NULL;
}

/* Random words */

uint32_t soma__draw_word(soma__draws *d) {
    if (d->used % 4 == 0) soma__philox(d->seed, d->stream, d->counter++, d->words);
    return d->words[d->used++ % 4];
}
double soma__draw_unit(soma__draws *d) { return (double)(soma__draw_word(d) >> 8) * 0x1p-24; }
double soma__draw_between(soma__draws *d, double least, double most) { return least + soma__draw_unit(d) * (most - least); }
int64_t soma__draw_below(soma__draws *d, int64_t n) {
    uint32_t bound = (uint32_t)n, limit = (0 - bound) % bound;
    uint64_t m;
    do m = (uint64_t)soma__draw_word(d) * bound; /* Lemire's rejection */
    while ((uint32_t)m < limit);
    return (int64_t)(m >> 32);
}

/* Epochs, places and samples have bits of their own; place 0 is left to what else draws from the stream. */
static soma__draws draws_of(const soma__transforms *t, int64_t epoch, int64_t sample, size_t place) {
    return (soma__draws){t->seed, SOMA_STREAM_AUGMENTATION | (place + 1) << 8 | (uint64_t)epoch << 16, (uint64_t)sample << 24, {0}, 0};
}

/* The table: shapes and scratch memory */

static bool to_size(const soma_transform *t, soma__frame *f, const char **wants) {
    f->to_height = t->size[0], f->to_width = t->size[1];
    *wants = "a size";
    return true;
}
static bool to_crop(const soma_transform *t, soma__frame *f, const char **wants) {
    to_size(t, f, wants);
    *wants = "a size that is no larger than the picture (with its padding)";
    return t->size[0] <= f->height + 2 * t->padding && t->size[1] <= f->width + 2 * t->padding;
}
static size_t resize_room(const soma_transform *t, const soma__frame *f) { return soma__resize_room(f->height, f->width, 1, t->size[0], t->size[1]); }

const soma__transform_row soma__transform_rows[SOMA_TRANSFORM_KINDS] = {
    [SOMA_TRANSFORM_resize] = {soma__run_resize, resize_room, to_size},
    [SOMA_TRANSFORM_centre_crop] = {soma__run_centre_crop, NULL, to_crop},
    [SOMA_TRANSFORM_random_crop] = {soma__run_random_crop, NULL, to_crop},
    [SOMA_TRANSFORM_random_resized_crop] = {soma__run_random_resized_crop, resize_room, to_size},
    [SOMA_TRANSFORM_horizontal_flip] = {soma__run_horizontal_flip, NULL, NULL},
    [SOMA_TRANSFORM_vertical_flip] = {soma__run_vertical_flip, NULL, NULL},
    [SOMA_TRANSFORM_rotation] = {soma__run_rotation, NULL, NULL},
    [SOMA_TRANSFORM_affine] = {soma__run_affine, NULL, NULL},
    [SOMA_TRANSFORM_elastic] = {soma__run_elastic, soma__elastic_room, NULL},
    [SOMA_TRANSFORM_colour_jitter] = {soma__run_colour_jitter, NULL, NULL},
    [SOMA_TRANSFORM_cutout] = {soma__run_cutout, NULL, NULL},
    [SOMA_TRANSFORM_grayscale] = {soma__run_grayscale, NULL, NULL},
};

/* Settings */

static bool within(double v, double least, double most) { return v >= least && v <= most; }
static bool size_fits(int64_t v) { return v >= 1 && v <= SOMA__MOST_SIDE; }

static bool anything_set(const soma_transform *t) {
    const unsigned char *bytes = (const unsigned char *)t;
    for (size_t i = 0; i < sizeof *t; i++)
        if (bytes[i]) return true;
    return false;
}

/* Fills in defaults and checks the kind's settings; the name of the first that is wrong, or NULL. */
static const char *settle(soma_transform *t) {
    soma_transform rest = *t; /* what no setting of the kind took */
    memset(rest.reserved, 0, sizeof rest.reserved);
    rest.kind = 0;
#define TAKE(key) memset(&rest.key, 0, sizeof rest.key);
#define SIZE(key, what) \
    if (!size_fits(t->key[0]) || !size_fits(t->key[1])) return #key; \
    TAKE(key)
#define SIDE(key, what) \
    if (!size_fits(t->key[0]) || t->key[1]) return #key; \
    TAKE(key)
#define WHOLE(key, otherwise, least, most, what) \
    if (!within((double)t->key, least, most)) return #key; \
    TAKE(key)
#define NUMBER(key, otherwise, least, most, what) \
    if (t->key == 0) t->key = otherwise; \
    if (!within(t->key, least, most)) return #key; \
    TAKE(key)
#define WANTED(key, least, most, what) \
    if (!within(t->key, least, most)) return #key; \
    TAKE(key)
#define MAYBE(key, otherwise, least, most, what) \
    if (!t->key.set) t->key = SOMA_SET(otherwise); \
    if (!within(t->key.value, least, most)) return #key; \
    TAKE(key)
#define PAIR(key, first, second, least, most, what) \
    if (t->key[0] == 0 && t->key[1] == 0) t->key[0] = first, t->key[1] = second; \
    if (!within(t->key[0], least, most) || !within(t->key[1], least, most)) return #key; \
    TAKE(key)
#define TRANSFORM(id, main, fields, doc) \
    if (t->kind == SOMA_TRANSFORM_##id) { fields }
    if ((unsigned)t->kind >= SOMA_TRANSFORM_KINDS) return "kind";
#include "soma/transforms.def"
#undef TRANSFORM
#undef SIZE
#undef SIDE
#undef WHOLE
#undef NUMBER
#undef WANTED
#undef MAYBE
#undef PAIR
#undef TAKE
    if (anything_set(&rest)) return "setting of another kind";
    bool ordered = t->kind == SOMA_TRANSFORM_affine || t->kind == SOMA_TRANSFORM_random_resized_crop;
    if (ordered && (t->scale[0] <= 0 || t->scale[0] > t->scale[1])) return "scale";
    if (t->kind == SOMA_TRANSFORM_affine && t->scale[0] < 0.001) return "scale"; /* a thousand pixels become one: places stay within 64 bits */
    return t->kind == SOMA_TRANSFORM_random_resized_crop && (t->ratio[0] <= 0 || t->ratio[0] > t->ratio[1]) ? "ratio" : NULL;
}

static size_t rounded(size_t n) { return (n + 63) / 64 * 64; }

soma__transforms *soma__transforms_make(soma_context *ctx, const char *call, const soma_transform *list, size_t n, uint64_t seed, int64_t channels,
                                        int64_t height, int64_t width, int64_t *to_height, int64_t *to_width) {
    soma_transform *copy = soma_scope_memory(ctx, (n + 1) * sizeof *copy);
    soma__transforms *t = soma_scope_memory(ctx, sizeof *t);
    soma__frame f = {.channels = channels, .height = height, .width = width};
    size_t room = 0, pixels = (size_t)(height * width);
    if (!copy || !t) return NULL;
    if (n > MOST) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: %zu transforms; %d are the most", call, n, MOST), NULL;
    for (size_t i = 0; i < n; i++) {
        const char *wants = NULL;
        copy[i] = list[i];
        const char *wrong = settle(&copy[i]), *name = soma_transform_name(list[i].kind);
        if (wrong) {
            soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: transform %zu (%s): its %s is missing, or outside of its range", call, i,
                             name ? name : "unknown", wrong);
            return NULL;
        }
        const soma__transform_row *row = &soma__transform_rows[copy[i].kind];
        f.to_height = f.height, f.to_width = f.width;
        if (row->shape && !row->shape(&copy[i], &f, &wants)) {
            soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: transform %zu (%s) wants %s: pictures have %lld x %lld here", call, i, name, wants,
                             (long long)f.height, (long long)f.width);
            return NULL;
        }
        size_t wanted = row->room ? row->room(&copy[i], &f) : 0;
        room = wanted > room ? wanted : room;
        f.height = f.to_height, f.width = f.to_width;
        if ((size_t)(f.height * f.width) > pixels) pixels = (size_t)(f.height * f.width);
    }
    *t = (soma__transforms){copy, n, 0, rounded(pixels * (size_t)channels), seed, channels, height, width};
    t->room = 2 * t->picture + room;
    *to_height = f.height, *to_width = f.width;
    return t;
}

/* Only a kind with `p` has it set; 1 draws nothing. */
static bool happens(const soma_transform *t, soma__draws *d) { return !t->p.set || t->p.value == 1 || soma__draw_unit(d) < t->p.value; }

const uint8_t *soma__transforms_run(const soma__transforms *t, int64_t epoch, int64_t sample, const uint8_t *in, void *room) {
    uint8_t *pictures[2] = {room, (uint8_t *)room + t->picture};
    soma__frame f = {.in = in, .channels = t->channels, .height = t->height, .width = t->width, .room = (uint8_t *)room + 2 * t->picture};
    int turn = 0;
    for (size_t i = 0; i < t->n; i++) {
        const soma__transform_row *row = &soma__transform_rows[t->list[i].kind];
        const char *wants;
        f.to_height = f.height, f.to_width = f.width;
        if (row->shape) row->shape(&t->list[i], &f, &wants);
        f.out = pictures[turn];
        f.draws = draws_of(t, epoch, sample, i);
        if (happens(&t->list[i], &f.draws) && row->run(&t->list[i], &f)) f.in = f.out, turn = !turn;
        f.height = f.to_height, f.width = f.to_width;
    }
    return f.in;
}

/* The public calls */

soma_dataset *soma_dataset_transformed(soma_context *ctx, const soma_dataset *d, const soma_transform *list, size_t n, uint64_t seed) {
    int64_t height, width;
    if (!ctx || !d || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (d->ctx != ctx || !d->pictures.height || d->transforms || (n && !list))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "dataset_transformed: pictures of this context without transforms, and a list, are wanted"),
               NULL;
    soma_dataset *v = soma_scope_memory(ctx, sizeof *v);
    const soma_picture_info *p = &d->pictures;
    soma__transforms *t = soma__transforms_make(ctx, "dataset_transformed", list, n, seed, p->channels, p->height, p->width, &height, &width);
    if (!v || !t) return NULL;
    *v = *d;
    v->transforms = t;
    v->shape[v->ndim - 2] = height, v->shape[v->ndim - 1] = width;
    v->features = p->channels * height * width;
    v->scratch = soma_scope_memory(ctx, t->room + 1);
    return v->scratch ? v : NULL;
}

soma_image *soma_image_transform(soma_context *ctx, const soma_image *image, const soma_transform *list, size_t n, uint64_t seed, int64_t epoch,
                                 int64_t i) {
    int64_t height, width;
    if (!ctx || !image || soma_error_status(ctx) != SOMA_OK) return NULL;
    if ((n && !list) || epoch < 0 || i < 0 || (image->channels != 1 && image->channels != 3) || image->height < 1 || image->width < 1)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "image_transform: a picture, a list, an epoch and a sample are wanted"), NULL;
    int64_t channels = image->channels, plane = image->height * image->width;
    soma_image *out = soma_scope_memory(ctx, sizeof *out);
    soma__transforms *t = soma__transforms_make(ctx, "image_transform", list, n, seed, channels, image->height, image->width, &height, &width);
    uint8_t *in = t ? soma_scope_memory(ctx, (size_t)(plane * channels)) : NULL, *room = in ? soma_scope_memory(ctx, t->room + 1) : NULL;
    if (!out || !room || !(out->pixels = soma_scope_memory(ctx, (size_t)(height * width * channels)))) return NULL;
    for (int64_t k = 0; k < plane * channels; k++) in[k % channels * plane + k / channels] = image->pixels[k];
    soma__fpmode mode = soma__fpmode_enter();
    const uint8_t *got = soma__transforms_run(t, epoch, i, in, room);
    soma__fpmode_leave(mode);
    plane = height * width;
    for (int64_t k = 0; k < plane * channels; k++) out->pixels[k] = got[k % channels * plane + k / channels];
    out->height = height, out->width = width, out->channels = channels;
    return out;
}
