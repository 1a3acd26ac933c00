/* Archives in memory, and their tensors. */
#include "io/archive.h"

#include "base/file.h"

#include <string.h>

static const soma__archive_type types[] = {{"F32", 4, SOMA_F32}, {"F64", 8, SOMA_F64},   {"I64", 8, SOMA_I64}, {"I32", 4, SOMA_I32},
                                           {"U8", 1, SOMA_U8},   {"BOOL", 1, SOMA_BOOL}, {"F16", 2, -1},       {"BF16", 2, -1},
                                           {"I8", 1, -1},        {"I16", 2, -1},         {"U16", 2, -1},       {"U32", 4, -1},
                                           {"U64", 8, -1}};

const soma__archive_type *soma__archive_type_of(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) return &types[i];
    return NULL;
}

const char *soma__archive_type_name(soma_dtype dtype) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == (int)dtype) return types[i].name;
    return "";
}

soma_archive *soma_archive_new(soma_context *ctx) {
    soma_archive *a = soma_scope_memory(ctx, sizeof *a);
    if (!a) return NULL;
    a->ctx = ctx;
    a->scope = soma_scope_innermost(ctx);
    a->path = "archive";
    return a;
}

char *soma__archive_copy(soma_archive *a, const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = soma_scope_memory_in(a->scope, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

bool soma__archive_grow(soma_archive *a) {
    soma__entry_list *e = &a->entries;
    if (e->count < e->capacity) return true;
    size_t n = e->capacity ? 2 * e->capacity : 16;
    soma_archive_entry *list = soma_scope_memory_in(a->scope, n * sizeof *list);
    if (!list) return false;
    if (e->count) memcpy(list, e->list, e->count * sizeof *list);
    e->list = list;
    e->capacity = n;
    return true;
}

static void close_file(void *file) { soma__file_close(file); }

soma_archive *soma_archive_open(soma_context *ctx, const char *path) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (!path) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "archive_open: the path is NULL"), NULL;
    soma_archive *a = soma_archive_new(ctx);
    soma__file *f = soma_scope_memory(ctx, sizeof *f);
    char why[256];
    if (!a || !f || !(a->path = soma__archive_copy(a, path))) return NULL;
    soma_status s = soma__file_open(f, soma_context_allocator(ctx), path, NULL, why, sizeof why);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "%s: %s", path, why), NULL;
    if (soma_scope_defer(ctx, close_file, f) != SOMA_OK) return soma__file_close(f), NULL;
    return soma__archive_parse(a, f->data, f->size) ? a : NULL;
}

soma_archive *soma_archive_from_memory(soma_context *ctx, const void *data, size_t bytes) {
    soma_archive *a = ctx && soma_error_status(ctx) == SOMA_OK ? soma_archive_new(ctx) : NULL;
    if (!a) return NULL;
    if (!data) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "archive_from_memory: the data is NULL"), NULL;
    a->path = "memory";
    return soma__archive_parse(a, data, bytes) ? a : NULL;
}

size_t soma_archive_count(const soma_archive *a) { return a ? a->entries.count : 0; }

soma_status soma_archive_get(const soma_archive *a, size_t i, soma_archive_entry *out) {
    if (!a || !out) return SOMA_ERROR_ARGUMENT;
    if (i >= a->entries.count) return SOMA_ERROR_RANGE;
    *out = a->entries.list[i];
    return SOMA_OK;
}

int64_t soma_archive_find(const soma_archive *a, const char *name) {
    size_t low = 0, high = a && name ? a->entries.count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(a->entries.list[middle].name, name);
        if (!order) return (int64_t)middle;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return -1;
}

const char *soma_archive_text(const soma_archive *a, const char *key) {
    for (const soma__text *t = a && key ? a->texts : NULL; t; t = t->next)
        if (strcmp(t->key, key) == 0) return t->text;
    return NULL;
}

static float from_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, fraction = h & 1023, bits;
    if (exponent == 31) bits = sign | 0x7f800000u | fraction << 13;
    else if (exponent) bits = sign | (exponent + 112) << 23 | fraction << 13;
    else {
        float small = (float)fraction * 0x1p-24f; /* exact */
        memcpy(&bits, &small, sizeof bits);
        bits |= sign;
    }
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Element i of a type that soma has no dtype for, into a wider one; false when it does not fit. */
static bool widen(const char *type, const uint8_t *x, int64_t i, void *out) {
    uint16_t u16 = 0;
    uint32_t u32;
    uint64_t u64;
    if (strcmp(type, "I8") == 0) return ((int32_t *)out)[i] = x[i] < 128 ? x[i] : x[i] - 256, true;
    if (type[1] == '1' || type[0] == 'B') memcpy(&u16, x + 2 * i, 2);
    if (strcmp(type, "F16") == 0) return ((float *)out)[i] = from_half(u16), true;
    if (strcmp(type, "BF16") == 0) {
        u32 = (uint32_t)u16 << 16;
        return memcpy((float *)out + i, &u32, 4), true;
    }
    if (strcmp(type, "I16") == 0) return ((int32_t *)out)[i] = (int16_t)u16, true;
    if (strcmp(type, "U16") == 0) return ((int32_t *)out)[i] = u16, true;
    if (strcmp(type, "U32") == 0) return memcpy(&u32, x + 4 * i, 4), ((int64_t *)out)[i] = u32, true;
    memcpy(&u64, x + 8 * i, 8);
    ((int64_t *)out)[i] = (int64_t)u64;
    return u64 <= INT64_MAX;
}

soma_tensor *soma_archive_tensor(soma_archive *a, size_t i) {
    if (!a || soma_error_status(a->ctx) != SOMA_OK) return NULL;
    if (i >= a->entries.count) return soma_error_raise(a->ctx, SOMA_ERROR_RANGE, "%s: tensor %zu of %zu", a->path, i, a->entries.count), NULL;
    const soma_archive_entry *e = &a->entries.list[i];
    const soma__archive_type *type = soma__archive_type_of(e->type);
    if (type->dtype >= 0) return soma_from(a->ctx, e->data, (soma_dtype)type->dtype, e->shape, e->ndim);
    int64_t n = e->bytes / type->size;
    soma_dtype dtype = strstr(e->type, "F16") ? SOMA_F32 : type->size < 4 ? SOMA_I32 : SOMA_I64;
    void *wide = soma_scope_memory(a->ctx, (size_t)n * soma_dtype_size(dtype) + 8);
    for (int64_t k = 0; wide && k < n; k++)
        if (!widen(e->type, e->data, k, wide))
            return soma_error_raise(a->ctx, SOMA_ERROR_RANGE, "%s: element %lld of '%s' does not fit into int64", a->path, (long long)k, e->name),
                   NULL;
    return wide ? soma_borrow(a->ctx, wide, dtype, e->shape, e->ndim) : NULL;
}

soma_status soma_archive_put(soma_archive *a, const char *name, soma_tensor *value) {
    if (!a) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(a->ctx) != SOMA_OK) return soma_error_status(a->ctx);
    if (!name || !value || soma_tensor_context(value) != a->ctx || soma_archive_find(a, name) >= 0 || strcmp(name, "__metadata__") == 0)
        return soma_error_raise(a->ctx, SOMA_ERROR_ARGUMENT, "archive_put: '%s': %s", name ? name : "NULL",
                                !name || !value ? "a name and a value are wanted" : "the name is taken, or the value is of another context");
    const void *data;
    soma_status s = soma_data(value, &data);
    if (s != SOMA_OK) return s;
    soma_archive_entry e = {.type = soma__archive_type_name(soma_tensor_dtype(value)), .ndim = soma_ndim(value)};
    e.bytes = soma_numel(value) * (int64_t)soma_dtype_size(soma_tensor_dtype(value));
    for (int64_t d = 0; d < e.ndim; d++) e.shape[d] = soma_size(value, d);
    void *copy = soma_scope_memory_in(a->scope, (size_t)e.bytes + 1);
    e.name = soma__archive_copy(a, name);
    if (!copy || !e.name || !soma__archive_grow(a)) return soma_error_status(a->ctx);
    e.data = e.bytes ? memcpy(copy, data, (size_t)e.bytes) : copy;
    size_t at = a->entries.count++;
    for (; at > 0 && strcmp(a->entries.list[at - 1].name, name) > 0; at--) a->entries.list[at] = a->entries.list[at - 1];
    a->entries.list[at] = e;
    return SOMA_OK;
}

soma_status soma_archive_put_text(soma_archive *a, const char *key, const char *text) {
    if (!a) return SOMA_ERROR_ARGUMENT;
    if (!key || !text || soma_archive_text(a, key))
        return soma_error_raise(a->ctx, SOMA_ERROR_ARGUMENT, "archive_put_text: '%s': a new key and a text are wanted", key ? key : "NULL");
    soma__text *t = soma_scope_memory_in(a->scope, sizeof *t);
    if (!t || !(t->key = soma__archive_copy(a, key)) || !(t->text = soma__archive_copy(a, text))) return soma_error_status(a->ctx);
    t->next = a->texts;
    a->texts = t;
    return SOMA_OK;
}
