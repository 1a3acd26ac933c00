#include "base/folder.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool soma__bytes_room(soma__bytes *b, size_t n) {
    if (n <= b->room - b->size) return true;
    size_t room = b->room ? b->room : 4096;
    if (n > SIZE_MAX / 4 - b->size) return false;
    while (room - b->size < n) room *= 2;
    uint8_t *bigger = b->data ? soma__regrow(&b->alloc, b->data, b->room, room) : soma__alloc(&b->alloc, room);
    if (!bigger) return false;
    b->data = bigger, b->room = room;
    return true;
}

bool soma__bytes_put(soma__bytes *b, const void *data, size_t n) {
    if (!soma__bytes_room(b, n)) return false;
    if (n) memcpy(b->data + b->size, data, n);
    b->size += n;
    return true;
}

void soma__bytes_free(soma__bytes *b) {
    if (b->data) soma__free(&b->alloc, b->data, b->room);
    *b = (soma__bytes){.alloc = b->alloc};
}

static soma_status fail(char *why, size_t size, const char *what, int error) {
    snprintf(why, size, "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
    return SOMA_ERROR_IO;
}

static soma_status read_all(soma__bytes *b, int fd, char *why, size_t why_size) {
    for (size_t begin = b->size;;) {
        if (!soma__bytes_room(b, 1)) {
            snprintf(why, why_size, "out of memory");
            return SOMA_ERROR_MEMORY;
        }
        ssize_t n = read(fd, b->data + b->size, b->room - b->size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(why, why_size, "cannot read", errno);
        if (!n) return SOMA_OK;
        b->size += (size_t)n;
        if (b->size - begin > SOMA__BYTES_MOST) return fail(why, why_size, "it has more than a gibibyte", 0), SOMA_ERROR_FORMAT;
    }
}

soma_status soma__bytes_read(soma__bytes *b, const char *path, char *why, size_t why_size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is not waited for */
    struct stat st;
    if (fd < 0) return fail(why, why_size, "cannot open", errno);
    soma_status s = SOMA_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) s = fail(why, why_size, "no regular file", 0);
    else if (st.st_size > 0 && (size_t)st.st_size < SOMA__BYTES_MOST && !soma__bytes_room(b, (size_t)st.st_size + 1)) {
        snprintf(why, why_size, "out of memory");
        s = SOMA_ERROR_MEMORY;
    }
    if (s == SOMA_OK) s = read_all(b, fd, why, why_size);
    close(fd);
    return s;
}

bool soma__is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

soma_status soma__folder_list(const char *path, bool (*visit)(void *user, const char *name), void *user, char *why, size_t why_size) {
    DIR *d = opendir(path);
    if (!d) return fail(why, why_size, "cannot open the folder", errno);
    struct dirent *e;
    bool more = true;
    int error = 0;
    while (more && (errno = 0, e = readdir(d))) more = e->d_name[0] == '.' || visit(user, e->d_name);
    if (more) error = errno; /* of readdir: what a visit meets is its own */
    closedir(d);
    return error ? fail(why, why_size, "cannot read the folder", error) : SOMA_OK;
}
