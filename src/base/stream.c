#include "base/stream.h"

#include "base/alloc.h"
#include "base/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKED ((size_t)1 << 18) /* bytes of a .gz file at a time */

static soma_status fail(char *why, size_t size, soma_status status, const char *what, int error) {
    snprintf(why, size, "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
    return status;
}

/* Reads what is there; at least two bytes, unless the file ends before. */
static soma_status read_some(int fd, void *out, size_t size, size_t *n, char *why, size_t why_size) {
    *n = 0;
    while (*n < size) {
        ssize_t r = read(fd, (char *)out + *n, size - *n < (size_t)1 << 30 ? size - *n : (size_t)1 << 30);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0 && errno == EAGAIN) { /* somebody else's setting of a pipe */
            struct pollfd p = {.fd = fd, .events = POLLIN};
            poll(&p, 1, -1);
            continue;
        }
        if (r < 0) return fail(why, why_size, SOMA_ERROR_IO, "cannot read", errno);
        if (!r) break;
        *n += (size_t)r;
        if (*n >= 2) break; /* a pipe gives what it has */
    }
    return SOMA_OK;
}

#if SOMA_HAVE_ZLIB
static soma_status start_unpacking(soma__stream *s, char *why, size_t why_size) {
    z_stream *z = soma__calloc(&s->alloc, sizeof *z);
    if (!z) return fail(why, why_size, SOMA_ERROR_MEMORY, "out of memory", 0);
    z->zalloc = soma__z_alloc, z->zfree = soma__z_free, z->opaque = &s->alloc;
    if (inflateInit2(z, 31) != Z_OK) {
        soma__free(&s->alloc, z, sizeof *z);
        return fail(why, why_size, SOMA_ERROR_MEMORY, "out of memory", 0);
    }
    s->unpacker = z;
    return SOMA_OK;
}

static soma_status unpack_some(soma__stream *s, void *out, size_t size, size_t *n, char *why, size_t why_size) {
    z_stream *z = s->unpacker;
    z->next_out = out;
    z->avail_out = size > 1u << 30 ? 1u << 30 : (unsigned)size;
    unsigned room = z->avail_out;
    while (z->avail_out == room && !s->ended) {
        if (!s->left) {
            soma_status status = read_some(s->fd, s->packed, PACKED, &s->left, why, why_size);
            s->first = 0;
            if (status != SOMA_OK) return status;
            if (!s->left) return fail(why, why_size, SOMA_ERROR_FORMAT, "the gzip file ends in the middle", 0);
        }
        z->next_in = s->packed + s->first, z->avail_in = (unsigned)s->left;
        int r = inflate(z, Z_NO_FLUSH);
        s->first += s->left - z->avail_in, s->left = z->avail_in;
        if (r == Z_MEM_ERROR) return fail(why, why_size, SOMA_ERROR_MEMORY, "out of memory", 0);
        if (r == Z_STREAM_END) {
            if (!s->left) {
                soma_status status = read_some(s->fd, s->packed, PACKED, &s->left, why, why_size);
                s->first = 0;
                if (status != SOMA_OK) return status;
            }
            if (s->left && s->packed[s->first] == 0x1f) inflateReset(z); /* members may follow each other */
            else s->ended = true;
        } else if (r != Z_OK && r != Z_BUF_ERROR) return fail(why, why_size, SOMA_ERROR_FORMAT, "the gzip file is damaged", 0);
    }
    *n = room - z->avail_out;
    return SOMA_OK;
}
#endif

soma_status soma__stream_open(soma__stream *s, const soma_allocator *alloc, const char *path, char *why, size_t why_size) {
    bool input = strcmp(path, "-") == 0;
    struct stat st;
    *s = (soma__stream){.alloc = *alloc, .fd = input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC)};
    if (s->fd < 0) return fail(why, why_size, SOMA_ERROR_IO, "cannot open", errno);
    soma_status status = SOMA_OK;
    if (fstat(s->fd, &st) == 0 && S_ISDIR(st.st_mode)) status = fail(why, why_size, SOMA_ERROR_IO, "this is a folder", 0);
    else if (!(s->packed = soma__alloc(alloc, PACKED))) status = fail(why, why_size, SOMA_ERROR_MEMORY, "out of memory", 0);
    else status = read_some(s->fd, s->packed, PACKED, &s->left, why, why_size);
    if (status == SOMA_OK && s->left >= 2 && s->packed[0] == 0x1f && s->packed[1] == 0x8b) {
#if SOMA_HAVE_ZLIB
        status = start_unpacking(s, why, why_size);
#else
        status = fail(why, why_size, SOMA_ERROR_UNSUPPORTED, "gzip is left out of this build (zlib)", 0);
#endif
    }
    if (status != SOMA_OK) soma__stream_close(s);
    return status;
}

soma_status soma__stream_read(soma__stream *s, void *out, size_t size, size_t *n, char *why, size_t why_size) {
    *n = 0;
    if (!size) return SOMA_OK;
#if SOMA_HAVE_ZLIB
    if (s->unpacker) return unpack_some(s, out, size, n, why, why_size);
#endif
    if (!s->left) return read_some(s->fd, out, size, n, why, why_size);
    *n = s->left < size ? s->left : size;
    memcpy(out, s->packed + s->first, *n);
    s->first += *n, s->left -= *n;
    return SOMA_OK;
}

void soma__stream_close(soma__stream *s) {
#if SOMA_HAVE_ZLIB
    if (s->unpacker) {
        inflateEnd(s->unpacker);
        soma__free(&s->alloc, s->unpacker, sizeof(z_stream));
    }
#endif
    if (s->packed) soma__free(&s->alloc, s->packed, PACKED);
    if (s->fd > 0) close(s->fd);
    *s = (soma__stream){.alloc = s->alloc};
}
