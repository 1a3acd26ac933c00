/* Archives read from their beginning to their end. */
#ifndef SOMA_SRC_DATA_TAR_H
#define SOMA_SRC_DATA_TAR_H

#include "base/folder.h"
#include "base/stream.h"

typedef struct soma__tar {
    soma__stream stream;
    soma__bytes name;    /* of this entry, ended by a zero byte */
    bool file;           /* a regular one */
    uint64_t size, left; /* of its content; what was not read yet, */
    unsigned pad;        /* and how many zeros are behind it */
    uint64_t entries;
} soma__tar;

/* Opens an archive, plain or .gz. On failure a sentence without the path goes to why. */
soma_status soma__tar_open(soma__tar *t, const soma_allocator *alloc, const char *path, char *why, size_t why_size);
/* Goes to the next entry; *got is false at the end. */
soma_status soma__tar_next(soma__tar *t, bool *got, char *why, size_t why_size);
/* Puts the entry's whole content behind what is there. */
soma_status soma__tar_read(soma__tar *t, soma__bytes *out, char *why, size_t why_size);
void soma__tar_close(soma__tar *t);

#endif
