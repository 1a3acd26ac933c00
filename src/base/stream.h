/* Files read piece by piece: plain ones, .gz ones, and standard input. */
#ifndef SOMA_SRC_BASE_STREAM_H
#define SOMA_SRC_BASE_STREAM_H

#include "soma/base.h"

typedef struct soma__stream {
    soma_allocator alloc;
    int fd;
    uint8_t *packed; /* of a .gz file: what is read and not unpacked yet, behind it the unpacker's state; else the first bytes of the file */
    size_t first, left;
    void *unpacker;
    bool ended;
} soma__stream;

/* path "-": standard input. On failure a sentence without the path goes to why. */
soma_status soma__stream_open(soma__stream *s, const soma_allocator *alloc, const char *path, char *why, size_t why_size);
/* Reads up to size bytes; *n is 0 only at the end. */
soma_status soma__stream_read(soma__stream *s, void *out, size_t size, size_t *n, char *why, size_t why_size);
/* Frees what is there; a stream that is all zeros, or failed to open, is fine. */
void soma__stream_close(soma__stream *s);

/* Room for large arrays that are written once, in order, and then read: memory of the allocator up to `most` bytes, beyond that a file without a name
 * (in TMPDIR, or /var/tmp), whose pages the system can drop. All zeros but alloc and most: an empty one. */
typedef struct soma__store {
    soma_allocator alloc;
    size_t most;
    char *data; /* after soma__store_done: all that was put, aligned to 64 bytes */
    size_t size, room, held;
    char *block; /* of the file: bytes that are not written yet */
    int file;    /* its descriptor; 0: memory */
    bool mapped;
} soma__store;
soma_status soma__store_put(soma__store *s, const void *data, size_t n, char *why, size_t why_size);
/* All is put: s->data can be read. */
soma_status soma__store_done(soma__store *s, char *why, size_t why_size);
void soma__store_close(soma__store *s);

#endif
