/* Folders, and small files as bytes in memory. */
#ifndef SOMA_SRC_BASE_FOLDER_H
#define SOMA_SRC_BASE_FOLDER_H

#include "soma/base.h"

/* Bytes that grow. All zeros but alloc: none. */
typedef struct soma__bytes {
    soma_allocator alloc;
    uint8_t *data;
    size_t size, room;
} soma__bytes;

#define SOMA__BYTES_MOST ((size_t)1 << 30) /* of a file that is read at once */

/* Room for n more; what is there stays. False when out of memory. */
bool soma__bytes_room(soma__bytes *b, size_t n);
bool soma__bytes_put(soma__bytes *b, const void *data, size_t n);
/* Puts the whole content of a regular file behind what is there. */
soma_status soma__bytes_read(soma__bytes *b, const char *path, char *why, size_t why_size);
void soma__bytes_free(soma__bytes *b);

/* Is it a folder? Links are followed. */
bool soma__is_folder(const char *path);
/* Calls visit with the name of each entry of a folder, but those that begin with a dot, in the order that the system gives; until it returns false.
 */
soma_status soma__folder_list(const char *path, bool (*visit)(void *user, const char *name), void *user, char *why, size_t why_size);

#endif
