/* A folder or an archive of pictures while it is read. */
#ifndef SOMA_SRC_DATA_IMAGES_H
#define SOMA_SRC_DATA_IMAGES_H

#include "soma/image.h"

#include "base/folder.h"
#include "base/pool.h"
#include "base/stream.h"
#include "data/image.h"

#define SOMA__BLOCK 256 /* pictures that are decoded side by side */

/* A picture by its place below the part that is read: "cat/old/1.png". */
typedef struct soma__picture {
    char *name;
    size_t class_n; /* bytes of the class's name */
    int64_t at;     /* in the store; -1: left out */
} soma__picture;

/* A thread's own. */
typedef struct soma__decoder {
    soma__pixels pixels;
    soma__bytes file, resized;
} soma__decoder;

typedef struct soma__work {
    size_t picture;
    size_t first, bytes; /* of an archive: its content in `data` */
    soma_status status;
    char why[200];
} soma__work;

typedef struct soma__images {
    soma_context *ctx;
    soma_allocator alloc;
    soma_images_opts o;
    bool archive, names_only;
    const char *path, *part; /* part without slashes at its ends; "": all */
    char root[256];          /* of an archive: the folder that its first picture lies in, in which parts are looked for, too */
    soma__picture *pictures;
    size_t n, room;
    int64_t height, width; /* 0: not known yet */
    size_t features;
    soma__store *store;
    int64_t stored;
    soma__pool *pool;
    soma__decoder *decoders;
    int threads;
    soma__work *block;
    size_t n_block;
    soma__bytes data, out; /* the block's files, of an archive; its samples */
    char **notes;
    int64_t n_notes, notes_room;
    soma_images_found *found; /* files are only looked at; NULL: they are decoded */
} soma__images;

/* Lists the pictures of a folder, sorted, and decodes them; or those of an archive, in its order. False with the error pending. */
bool soma__images_of_folder(soma__images *r);
bool soma__images_of_archive(soma__images *r);
/* Notes a picture by its name; NULL-terminated by its length. False when it is none that counts, or out of memory (then with the error pending). */
bool soma__images_add(soma__images *r, const char *name, size_t n);
/* Adds the last picture to the block; decodes the block when it is full, or at the end. False with the error pending. */
bool soma__images_decode(soma__images *r, size_t picture, size_t first, size_t bytes);
bool soma__images_flush(soma__images *r);
/* Counts what a picture is by its head; false with the error pending. */
bool soma__images_look_at(soma__images *r, size_t picture, size_t first, size_t bytes);
/* How many pictures each class has. */
bool soma__images_count(soma__images *r, const char *const *names, int64_t n);
/* "path/part/name" for sentences; cut where it is too long. */
void soma__images_name(const soma__images *r, const char *name, char *out, size_t size);
/* By class, then by path. */
int soma__pictures_compare(const void *a, const void *b);

#endif
