/* Writing a safetensors file. Tensors lie in the order of their element sizes, large ones first, then of their names, so that all are aligned. */
#include "io/archive.h"

#include "base/file.h"
#include "base/hash.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

static int64_t element(const soma_archive_entry *e) { return soma__archive_type_of(e->type)->size; }

static int in_file_order(const void *x, const void *y) {
    const soma_archive_entry *const *p = x, *const *q = y;
    int64_t a = element(*p), b = element(*q);
    return a != b ? (a > b ? -1 : 1) : strcmp((*p)->name, (*q)->name);
}

static json_t *texts_of(const soma_archive *a) {
    json_t *texts = json_object();
    for (const soma__text *t = a->texts; t && texts; t = t->next)
        if (json_object_set_new(texts, t->key, json_string(t->text)) != 0) json_decref(texts), texts = NULL;
    if (texts && json_object_set_new(texts, SOMA__CHECK, json_string("0000000000000000")) != 0) json_decref(texts), texts = NULL;
    return texts;
}

static bool add(json_t *list, int64_t number) { return json_array_append_new(list, json_integer(number)) == 0; }

/* {"data_offsets": [from, to], "dtype": ..., "shape": [...]}; NULL when out of memory. */
static json_t *row_of(const soma_archive_entry *e, int64_t from) {
    json_t *row = json_object(), *shape = json_array(), *places = json_array();
    bool fine = row && shape && places && add(places, from) && add(places, from + e->bytes);
    for (int64_t d = 0; fine && d < e->ndim; d++) fine = add(shape, e->shape[d]);
    fine = json_object_set_new(row, "dtype", json_string(e->type)) == 0 && fine;
    fine = json_object_set_new(row, "shape", shape) == 0 && fine;
    fine = json_object_set_new(row, "data_offsets", places) == 0 && fine;
    if (fine) return row;
    json_decref(row);
    return NULL;
}

/* The header as text of the innermost scope, with spaces behind it that keep the data aligned; NULL when out of memory or when a name or text is no
 * UTF-8. */
static char *head_of(const soma_archive *a, const soma_archive_entry *const *order, size_t *padded) {
    json_t *head = json_object();
    bool fine = head && json_object_set_new(head, "__metadata__", texts_of(a)) == 0;
    int64_t at = 0;
    for (size_t i = 0; fine && i < a->entries.count; i++) {
        const soma_archive_entry *e = order[i];
        json_t *row = row_of(e, at);
        fine = row && json_object_set_new(head, e->name, row) == 0;
        at += e->bytes;
    }
    size_t n = fine ? json_dumpb(head, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS) : 0;
    char *text = n ? soma_scope_memory(a->ctx, n + 8) : NULL;
    *padded = (n + 7) & ~(size_t)7;
    if (text) memset(text, ' ', *padded);
    if (text && json_dumpb(head, text, n, JSON_COMPACT | JSON_SORT_KEYS) != n) text = NULL;
    json_decref(head);
    return text;
}

soma_status soma_archive_write(soma_archive *a, const char *path) {
    if (!a) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(a->ctx) != SOMA_OK) return soma_error_status(a->ctx);
    if (!path) return soma_error_raise(a->ctx, SOMA_ERROR_ARGUMENT, "archive_write: the path is NULL");
    size_t n = a->entries.count;
    const soma_archive_entry **order = soma_scope_memory(a->ctx, (n + 1) * sizeof *order);
    soma__file_part *parts = soma_scope_memory(a->ctx, (n + 2) * sizeof *parts);
    if (!order || !parts) return soma_error_status(a->ctx);
    for (size_t i = 0; i < n; i++) order[i] = &a->entries.list[i];
    qsort(order, n, sizeof *order, in_file_order);
    size_t padded;
    char *head = head_of(a, order, &padded);
    if (!head) return soma_error_raise(a->ctx, SOMA_ERROR_MEMORY, "archive_write: out of memory, or a name is no UTF-8");
    uint8_t size[8];
    for (int i = 0; i < 8; i++) size[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    parts[0] = (soma__file_part){size, sizeof size};
    parts[1] = (soma__file_part){head, padded};
    for (size_t i = 0; i < n; i++) parts[i + 2] = (soma__file_part){order[i]->data, (size_t)order[i]->bytes};
    soma__hash sum = {0};
    for (size_t i = 0; i < n + 2; i++) soma__hash_add(&sum, parts[i].data, parts[i].size);
    soma__archive_hex(soma__hash_end(&sum), head + (soma__archive_digits(head, padded) - head));
    char why[256];
    soma_status s = soma__file_replace(path, parts, n + 2, why, sizeof why);
    return s == SOMA_OK ? s : soma_error_raise(a->ctx, s, "%s: %s", path, why);
}
