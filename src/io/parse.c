/* Reading a safetensors file: 8 bytes with the size of a JSON text, the text, the data. Nothing in it is trusted: sizes, shapes and places are
 * checked against each other and against the file before a byte of data is used; places may neither overlap nor leave holes. */
#include "io/archive.h"

#include "base/hash.h"

#include <jansson.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MOST ((uint64_t)64 << 20) /* bytes of JSON */

static bool bad(soma_archive *a, const char *name, const char *why) {
    soma_error_raise(a->ctx, SOMA_ERROR_FORMAT, "%s: no safetensors file%s%.100s%s: %s", a->path, name ? " at '" : "", name ? name : "",
                     name ? "'" : "", why);
    return false;
}

static bool read_shape(soma_archive *a, const char *name, const json_t *shape, soma_archive_entry *e, int64_t *numel) {
    if (!json_is_array(shape) || json_array_size(shape) > SOMA_MAX_DIMS) return bad(a, name, "the shape is no list of at most 8 sizes");
    *numel = 1;
    e->ndim = (int64_t)json_array_size(shape);
    for (int64_t d = 0; d < e->ndim; d++) {
        const json_t *size = json_array_get(shape, (size_t)d);
        e->shape[d] = json_is_integer(size) ? json_integer_value(size) : -1;
        if (e->shape[d] < 0 || __builtin_mul_overflow(*numel, e->shape[d], numel))
            return bad(a, name, "a size of the shape is no whole number, or too large");
    }
    return true;
}

static bool read_entry(soma_archive *a, const char *name, const json_t *row, const uint8_t *data, uint64_t size) {
    soma_archive_entry e = {0};
    const char *type_name = json_string_value(json_object_get(row, "dtype"));
    const soma__archive_type *type = type_name ? soma__archive_type_of(type_name) : NULL;
    const json_t *offsets = json_object_get(row, "data_offsets");
    if (!json_is_object(row) || json_object_size(row) != 3 || !json_is_array(offsets) || json_array_size(offsets) != 2)
        return bad(a, name, "dtype, shape and two data_offsets are wanted, and nothing else");
    if (!type) return bad(a, name, "an unknown dtype");
    int64_t numel = 0;
    if (!read_shape(a, name, json_object_get(row, "shape"), &e, &numel)) return false;
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    int64_t begin = json_is_integer(from) ? json_integer_value(from) : -1, end = json_is_integer(to) ? json_integer_value(to) : -1;
    if (begin < 0 || end < begin || (uint64_t)end > size) return bad(a, name, "its data_offsets lie outside the file");
    if (numel > INT64_MAX / type->size || end - begin != numel * type->size) return bad(a, name, "its data_offsets do not fit its shape");
    e.name = soma__archive_copy(a, name);
    if (!e.name || !soma__archive_grow(a)) return false;
    e.type = type->name;
    e.data = data + begin;
    e.bytes = end - begin;
    a->entries.list[a->entries.count++] = e;
    return true;
}

static bool read_texts(soma_archive *a, json_t *metadata) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) return bad(a, "__metadata__", "an object of texts is wanted");
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value)) return bad(a, "__metadata__", "an object of texts is wanted");
        if (soma_archive_put_text(a, key, json_string_value(value)) != SOMA_OK) return false;
    }
    return true;
}

static int by_place(const void *x, const void *y) {
    const soma_archive_entry *p = x, *q = y;
    if (p->data != q->data) return (const char *)p->data < (const char *)q->data ? -1 : 1;
    return p->bytes < q->bytes ? -1 : p->bytes > q->bytes; /* empty ones first */
}
static int by_name(const void *x, const void *y) { return strcmp(((const soma_archive_entry *)x)->name, ((const soma_archive_entry *)y)->name); }

/* Side by side from the first byte of data to the last. */
static bool check_places(soma_archive *a, const uint8_t *data, uint64_t size) {
    soma__entry_list *e = &a->entries;
    const uint8_t *at = data;
    if (e->count) qsort(e->list, e->count, sizeof *e->list, by_place);
    for (size_t i = 0; i < e->count; i++) {
        if ((const uint8_t *)e->list[i].data != at) return bad(a, e->list[i].name, "its data overlaps another tensor's, or leaves a hole before it");
        at += e->list[i].bytes;
    }
    if (at != data + size) return bad(a, NULL, "bytes at the end belong to no tensor");
    if (e->count) qsort(e->list, e->count, sizeof *e->list, by_name);
    return true;
}

static bool read_head(soma_archive *a, json_t *head, const uint8_t *data, uint64_t size) {
    const char *name;
    json_t *row;
    if (!json_is_object(head)) return bad(a, NULL, "its header is no object");
    json_object_foreach(head, name, row) {
        if (!(strcmp(name, "__metadata__") == 0 ? read_texts(a, row) : read_entry(a, name, row, data, size))) return false;
    }
    return check_places(a, data, size);
}

const char *soma__archive_digits(const char *head, size_t n) {
    static const char key[] = "\"" SOMA__CHECK "\":\""; /* within a JSON string its quotes would be escaped */
    const size_t k = sizeof key - 1;
    for (size_t i = 0; i + k + SOMA__CHECK_DIGITS < n; i++)
        if (head[i] == '"' && memcmp(head + i, key, k) == 0) return head[i + k + SOMA__CHECK_DIGITS] == '"' ? head + i + k : NULL;
    return NULL;
}

void soma__archive_hex(uint64_t sum, char *digits) {
    for (int i = 0; i < SOMA__CHECK_DIGITS; i++) digits[i] = "0123456789abcdef"[sum >> 4 * (SOMA__CHECK_DIGITS - 1 - i) & 15];
}

/* A file without a checksum is fine: other programs write none. */
static bool check_sum(soma_archive *a, const uint8_t *file, size_t size, size_t head) {
    const char *digits = soma__archive_digits((const char *)file + 8, head);
    if (!digits) return true;
    size_t at = (size_t)((const uint8_t *)digits - file);
    char sum[SOMA__CHECK_DIGITS];
    soma__hash h = {0};
    soma__hash_add(&h, file, at);
    soma__hash_add(&h, "0000000000000000", SOMA__CHECK_DIGITS);
    soma__hash_add(&h, file + at + SOMA__CHECK_DIGITS, size - at - SOMA__CHECK_DIGITS);
    soma__archive_hex(soma__hash_end(&h), sum);
    if (memcmp(sum, digits, SOMA__CHECK_DIGITS) == 0) return true;
    soma_error_raise(a->ctx, SOMA_ERROR_FORMAT,
                     "%s: the file was altered since soma wrote it (its checksum differs); take another copy, or remove '" SOMA__CHECK
                     "' from its metadata if the change was meant",
                     a->path);
    return false;
}

bool soma__archive_parse(soma_archive *a, const uint8_t *data, size_t size) {
    uint64_t n = 0;
    if (size < 8) return bad(a, NULL, "it has fewer than 8 bytes");
    for (int i = 8; i-- > 0;) n = n << 8 | data[i];
    if (n > size - 8 || n > HEAD_MOST) {
        soma_error_raise(a->ctx, SOMA_ERROR_FORMAT, "%s: no safetensors file, or cut: its header wants %" PRIu64 " bytes, the file has %zu", a->path,
                         n, size - 8);
        return false;
    }
    json_error_t e;
    json_t *head = json_loadb((const char *)data + 8, (size_t)n, JSON_REJECT_DUPLICATES, &e);
    if (!head) {
        if (json_error_code(&e) == json_error_out_of_memory || !e.text[0]) soma_error_raise(a->ctx, SOMA_ERROR_MEMORY, "out of memory");
        else
            soma_error_raise(a->ctx, SOMA_ERROR_FORMAT, "%s: no safetensors file: its header is no JSON (byte %d: %s)", a->path, e.position + 8,
                             e.text);
        return false;
    }
    bool fine = read_head(a, head, data + 8 + n, size - 8 - n) && check_sum(a, data, size, (size_t)n);
    json_decref(head);
    return fine;
}
