/* What an archive is: entries in the order of their names, and texts. */
#ifndef SOMA_SRC_IO_ARCHIVE_H
#define SOMA_SRC_IO_ARCHIVE_H

#include "soma/archive.h"

typedef struct soma__entry_list {
    soma_archive_entry *list;
    size_t count, capacity;
} soma__entry_list;

typedef struct soma__text {
    const char *key, *text;
    struct soma__text *next;
} soma__text;

struct soma_archive {
    soma_context *ctx;
    soma_scope *scope;
    const char *path; /* for sentences */
    soma__entry_list entries;
    soma__text *texts;
};

/* The text that holds a file's checksum: 16 hexadecimal digits of all its bytes, these digits counted as zeros. */
#define SOMA__CHECK "soma.check"
#define SOMA__CHECK_DIGITS 16
/* Where the digits stand in a header, or NULL. */
const char *soma__archive_digits(const char *head, size_t n);
void soma__archive_hex(uint64_t sum, char *digits);

/* Element types of the format. */
typedef struct soma__archive_type {
    const char *name;
    int64_t size;
    int dtype; /* the soma_dtype with these very elements, or -1 */
} soma__archive_type;
/* NULL for a name that is none. */
const soma__archive_type *soma__archive_type_of(const char *name);
const char *soma__archive_type_name(soma_dtype dtype);
/* Copies a string to the archive's scope. */
char *soma__archive_copy(soma_archive *a, const char *text);
/* Fills the archive from a file's bytes; false with the error pending. */
bool soma__archive_parse(soma_archive *a, const uint8_t *data, size_t size);
/* Room for one more entry. */
bool soma__archive_grow(soma_archive *a);

#endif
