/* Whole files, read only. */
#ifndef SOMA_SRC_BASE_FILE_H
#define SOMA_SRC_BASE_FILE_H

#include "soma/base.h"

typedef struct soma__file {
    const uint8_t *data;
    size_t size;
    void *mapped; /* of a plain file */
    void *memory; /* of an unpacked one */
    size_t memory_size;
    soma_allocator alloc;
} soma__file;

/* Says from the first n bytes of a file how many it may have at most: a packed file is not unpacked any further. */
typedef size_t (*soma__file_most)(const uint8_t *head, size_t n);
#define SOMA__FILE_HEAD 64 /* n is that, unless the file is shorter */

/* Maps a plain file, or unpacks one that begins as gzip does, up to what `most` says (NULL: all). On failure a sentence without the path goes to why.
 */
soma_status soma__file_open(soma__file *f, const soma_allocator *alloc, const char *path, soma__file_most most, char *why, size_t why_size);
void soma__file_close(soma__file *f);

#endif
