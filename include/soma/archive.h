/* Files of named tensors and texts, in the safetensors format: what Python's safetensors writes is read here, and the other way round. */
#ifndef SOMA_ARCHIVE_H
#define SOMA_ARCHIVE_H

#include "soma/tensor.h"

/* A file that was read, or one in the making. Belongs to the innermost scope. */
typedef struct soma_archive soma_archive;

/* An element of an archive. */
typedef struct soma_archive_entry {
    const char *name;
    const char *type; /* as the file says it: "F32", "BF16", ... */
    int64_t shape[SOMA_MAX_DIMS], ndim;
    const void *data; /* little-endian, C order, maybe not aligned */
    int64_t bytes;
} soma_archive_entry;

/* Reads a file. NULL with SOMA_ERROR_IO (it cannot be read), SOMA_ERROR_FORMAT (no safetensors file, cut, hostile: the sentence says where). */
SOMA_API soma_archive *soma_archive_open(soma_context *ctx, const char *path);
/* The same from memory, which is read until the scope closes. */
SOMA_API soma_archive *soma_archive_from_memory(soma_context *ctx, const void *data, size_t bytes);
/* Tensors in it, in the order of their names. 0 for NULL. */
SOMA_API size_t soma_archive_count(const soma_archive *a);
/* Fills *out; SOMA_ERROR_RANGE beyond the last (no error of the context). Strings and data are valid as long as the archive. */
SOMA_API soma_status soma_archive_get(const soma_archive *a, size_t i, soma_archive_entry *out);
/* The number of the tensor of this name; -1 when there is none. */
SOMA_API int64_t soma_archive_find(const soma_archive *a, const char *name);
/* Tensor i: data of the innermost scope. F16 and BF16 become float32; I8, I16, U16 int32; U32 and U64 int64 (SOMA_ERROR_RANGE where a number does not
 * fit); other types are SOMA_ERROR_UNSUPPORTED. */
SOMA_API soma_tensor *soma_archive_tensor(soma_archive *a, size_t i);
/* The text under a key of the file's __metadata__; NULL when there is none. */
SOMA_API const char *soma_archive_text(const soma_archive *a, const char *key);

/* An empty archive. */
SOMA_API soma_archive *soma_archive_new(soma_context *ctx);
/* Adds a tensor's value under a name; SOMA_ERROR_ARGUMENT for a name that is there. The value is read (evaluated) at the call, and copied. */
SOMA_API soma_status soma_archive_put(soma_archive *a, const char *name, soma_tensor *value);
/* Adds a text to __metadata__. */
SOMA_API soma_status soma_archive_put_text(soma_archive *a, const char *key, const char *text);
/* Writes the file whole: beside the path first, flushed, then renamed, so that a kill at any moment leaves the old file or the new one. The same
 * content gives the same bytes; the text "soma.check" among them is a checksum of all others, which reading compares where it is there. SOMA_ERROR_IO
 * says what the system refused; the old file is untouched then. */
SOMA_API soma_status soma_archive_write(soma_archive *a, const char *path);

#endif
