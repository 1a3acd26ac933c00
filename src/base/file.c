#include "base/file.h"

#include "base/alloc.h"
#include "base/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static soma_status fail(char *why, size_t size, soma_status status, const char *what, int error) {
    snprintf(why, size, "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
    return status;
}

#if SOMA_HAVE_ZLIB
/* Unpacks f into memory that grows as needed. */
static soma_status unpack(soma__file *f, soma__file_most most, char *why, size_t why_size) {
    z_stream z = {.zalloc = soma__z_alloc, .zfree = soma__z_free, .opaque = &f->alloc, .next_in = (unsigned char *)(uintptr_t)f->data};
    if (inflateInit2(&z, 31) != Z_OK) return fail(why, why_size, SOMA_ERROR_MEMORY, "out of memory", 0);
    size_t used = 0, left = f->size, capacity = 4096, limit = most ? SOMA__FILE_HEAD : SIZE_MAX;
    uint8_t *out = soma__alloc(&f->alloc, capacity);
    int r = out ? Z_OK : Z_MEM_ERROR;
    while (r == Z_OK) {
        if (used >= limit) {
            if (limit != SOMA__FILE_HEAD || (limit = most(out, used)) <= used) break;
        }
        if (used == capacity) {
            uint8_t *bigger = capacity < SIZE_MAX / 4 ? soma__regrow(&f->alloc, out, capacity, capacity * 2) : NULL;
            if (!bigger) {
                r = Z_MEM_ERROR;
                break;
            }
            out = bigger, capacity *= 2;
        }
        unsigned in = left > 1u << 30 ? 1u << 30 : (unsigned)left, room = capacity - used > 1u << 30 ? 1u << 30 : (unsigned)(capacity - used);
        if (room > limit - used) room = (unsigned)(limit - used);
        z.avail_in = in, z.avail_out = room, z.next_out = out + used;
        r = inflate(&z, Z_NO_FLUSH);
        left -= in - z.avail_in, used += room - z.avail_out;
        if (r == Z_STREAM_END && left && z.next_in[0] == 0x1f) r = inflateReset(&z); /* members may follow each other */
        if (r == Z_OK && !left && z.avail_out) r = Z_BUF_ERROR;
    }
    inflateEnd(&z);
    f->memory = out, f->memory_size = capacity;
    if (r == Z_MEM_ERROR) return fail(why, why_size, SOMA_ERROR_MEMORY, "out of memory", 0);
    if (r != Z_STREAM_END && used < limit)
        return fail(why, why_size, SOMA_ERROR_FORMAT, r == Z_BUF_ERROR ? "the gzip file ends in the middle" : "the gzip file is damaged", 0);
    f->data = out, f->size = used;
    return SOMA_OK;
}
#endif

soma_status soma__file_open(soma__file *f, const soma_allocator *alloc, const char *path, soma__file_most most, char *why, size_t why_size) {
    *f = (soma__file){.alloc = *alloc};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is not waited for */
    struct stat st;
    if (fd < 0) return fail(why, why_size, SOMA_ERROR_IO, "cannot open", errno);
    soma_status s = SOMA_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) s = fail(why, why_size, SOMA_ERROR_IO, "no regular file", 0);
    else if (st.st_size > 0) {
        void *m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (m == MAP_FAILED) s = fail(why, why_size, SOMA_ERROR_IO, "cannot map", errno);
        else f->mapped = m, f->data = m, f->size = (size_t)st.st_size;
    }
    close(fd);
    if (s == SOMA_OK && f->size > 2 && f->data[0] == 0x1f && f->data[1] == 0x8b) {
        size_t mapped = f->size;
#if SOMA_HAVE_ZLIB
        s = unpack(f, most, why, why_size);
#else
        (void)most;
        s = fail(why, why_size, SOMA_ERROR_UNSUPPORTED, "gzip is left out of this build (zlib)", 0);
#endif
        munmap(f->mapped, mapped);
        f->mapped = NULL;
    }
    if (s != SOMA_OK) soma__file_close(f);
    return s;
}

void soma__file_close(soma__file *f) {
    if (f->mapped) munmap(f->mapped, f->size);
    soma__free(&f->alloc, f->memory, f->memory_size);
    f->mapped = f->memory = NULL;
}
