/* Transforms as words of recipes: the rows of transforms.def. */
#include "train/pictures.h"

#include <string.h>

#define REST(doc) false, false, doc
#define SIZE(key, doc) {#key, SOMA__SIZE, NULL, 1, 16384, REST(doc)},
#define SIDE(key, doc) {#key, SOMA__INTEGER, NULL, 1, 16384, REST(doc)},
#define WHOLE(key, otherwise, least, most, doc) {#key, SOMA__INTEGER, #otherwise, least, most, REST(doc)},
#define NUMBER(key, otherwise, least, most, doc) {#key, SOMA__NUMBER, #otherwise, least, most, REST(doc)},
#define WANTED(key, least, most, doc) {#key, SOMA__NUMBER, NULL, least, most, REST(doc)},
#define MAYBE(key, otherwise, least, most, doc) NUMBER(key, otherwise, least, most, doc)
#define PAIR(key, first, second, least, most, doc) {#key, SOMA__PAIR, "[" #first ", " #second "]", least, most, REST(doc)},
#define TRANSFORM(id, main, fields, doc) static const soma__field id##_fields[] = {fields};
#include "soma/transforms.def"
#undef SIZE
#undef SIDE
#undef WHOLE
#undef NUMBER
#undef WANTED
#undef MAYBE
#undef PAIR
#undef TRANSFORM

#define TRANSFORM(id, main_key, fields, doc) {.name = #id, .main = #main_key, SOMA__FIELDS(id##_fields)},
static const soma__kind rows[] = {
#include "soma/transforms.def"
};
#undef TRANSFORM
const soma__kinds soma__transform_words = SOMA__KINDS("transform", rows);

static double at(const json_t *f, const char *key, size_t i) { return json_number_value(json_array_get(json_object_get(f, key), i)); }

/* The settings of one. */
static void read(soma_transform *t, const json_t *f) {
#define SIZE(key, doc) t->key[0] = (int64_t)at(f, #key, 0), t->key[1] = (int64_t)at(f, #key, 1);
#define SIDE(key, doc) t->key[0] = soma__get_int(f, #key);
#define WHOLE(key, otherwise, least, most, doc) t->key = soma__get_int(f, #key);
#define NUMBER(key, otherwise, least, most, doc) t->key = soma__get(f, #key);
#define WANTED(key, least, most, doc) t->key = soma__get(f, #key);
#define MAYBE(key, otherwise, least, most, doc) t->key = SOMA_SET(soma__get(f, #key));
#define PAIR(key, first, second, least, most, doc) t->key[0] = at(f, #key, 0), t->key[1] = at(f, #key, 1);
#define TRANSFORM(id, main, fields, doc) \
    if (t->kind == SOMA_TRANSFORM_##id) { fields }
#include "soma/transforms.def"
#undef TRANSFORM
}

soma_transform *soma__transforms_of(soma_context *ctx, const json_t *list, size_t *n) {
    *n = json_array_size(list);
    soma_transform *out = soma_scope_memory(ctx, (*n + 1) * sizeof *out);
    for (size_t i = 0; out && i < *n; i++) {
        json_t *item = json_array_get(list, i);
        void *first = json_object_iter(item);
        const char *name = first ? json_object_iter_key(first) : "";
        const soma__kind *kind = soma__kind_find(&soma__transform_words, name);
        out[i].kind = kind ? (soma_transform_kind)(kind - rows) : SOMA_TRANSFORM_KINDS;
        if (kind) read(&out[i], json_object_iter_value(first));
    }
    return out;
}
