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

/* A stretch of a file's content. */
typedef struct soma__file_part {
    const void *data;
    size_t size;
} soma__file_part;
/* Writes path + ".part", flushes it, and renames it to path; the folder is flushed, too. On failure the old file is untouched. */
soma_status soma__file_replace(const char *path, const soma__file_part *parts, size_t n, char *why, size_t why_size);
bool soma__file_exists(const char *path);
/* Makes a folder and those above it. */
soma_status soma__folder_make(const char *path, char *why, size_t why_size);
/* Locks the file, made if it is not there, for this process: *fd is to be closed. SOMA_ERROR_STATE when another process has it. */
soma_status soma__file_lock(const char *path, int *fd, char *why, size_t why_size);
void soma__file_unlock(int fd);

#endif
