#include "base/alloc.h"
#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK ((size_t)1 << 20) /* bytes of a write */

static soma_status fail(char *why, size_t size, soma_status status, const char *what, int error) {
    snprintf(why, size, "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
    return status;
}
static soma_status no_memory(char *why, size_t size) { return fail(why, size, SOMA_ERROR_MEMORY, "out of memory", 0); }

static soma_status write_all(int file, const char *data, size_t n, char *why, size_t why_size) {
    for (size_t at = 0; at < n;) {
        ssize_t done = write(file, data + at, n - at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return fail(why, why_size, SOMA_ERROR_IO, "cannot write a temporary file (TMPDIR says where)", done ? errno : ENOSPC);
        at += (size_t)done;
    }
    return SOMA_OK;
}

/* From memory to a file. */
static soma_status move_out(soma__store *s, char *why, size_t why_size) {
    char path[4096];
    const char *folder = getenv("TMPDIR");
    int n = snprintf(path, sizeof path, "%s/soma-XXXXXX", folder && *folder ? folder : "/var/tmp"), file;
    if (!(s->block = soma__alloc(&s->alloc, BLOCK))) return no_memory(why, why_size);
    file = n > 0 && (size_t)n < sizeof path ? mkstemp(path) : -1;
    if (file < 0) return fail(why, why_size, SOMA_ERROR_IO, "cannot make a temporary file (TMPDIR says where)", errno);
    unlink(path);
    if (!file) file = fcntl(0, F_DUPFD_CLOEXEC, 3), close(0); /* a program without standard input; 0 stands for memory here */
    if (file <= 0) return fail(why, why_size, SOMA_ERROR_IO, "cannot keep a temporary file open", errno);
    fcntl(file, F_SETFD, FD_CLOEXEC);
    s->file = file;
    soma_status status = write_all(file, s->data, s->size, why, why_size);
    soma__free(&s->alloc, s->data, s->room);
    s->data = NULL, s->room = 0;
    return status;
}

static soma_status grow(soma__store *s, size_t wanted, char *why, size_t why_size) {
    size_t room = s->room ? s->room : 4096;
    while (room < wanted) room *= 2;
    if (room > s->most) room = wanted > s->most ? wanted : s->most;
    char *bigger = s->data ? soma__regrow(&s->alloc, s->data, s->room, room) : soma__alloc(&s->alloc, room);
    if (!bigger) return no_memory(why, why_size);
    s->data = bigger, s->room = room;
    return SOMA_OK;
}

soma_status soma__store_put(soma__store *s, const void *data, size_t n, char *why, size_t why_size) {
    soma_status status = SOMA_OK;
    if (!n) return SOMA_OK;
    if (!s->file && (!s->data || n > s->room - s->size))
        status = s->size + n > s->most ? move_out(s, why, why_size) : grow(s, s->size + n, why, why_size);
    if (status != SOMA_OK) return status;
    if (s->data) {
        memcpy(s->data + s->size, data, n);
    } else if (n > BLOCK - s->held) {
        status = write_all(s->file, s->block, s->held, why, why_size);
        s->held = 0;
        if (status == SOMA_OK && n >= BLOCK) status = write_all(s->file, data, n, why, why_size);
        else if (status == SOMA_OK) memcpy(s->block, data, s->held = n);
    } else {
        memcpy(s->block + s->held, data, n);
        s->held += n;
    }
    s->size += n;
    return status;
}

soma_status soma__store_done(soma__store *s, char *why, size_t why_size) {
    if (!s->file || !s->size) return SOMA_OK;
    soma_status status = write_all(s->file, s->block, s->held, why, why_size);
    s->held = 0;
    if (status != SOMA_OK) return status;
    void *m = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->file, 0);
    if (m == MAP_FAILED) return fail(why, why_size, SOMA_ERROR_IO, "cannot map a temporary file", errno);
    s->data = m, s->mapped = true;
    return SOMA_OK;
}

void soma__store_close(soma__store *s) {
    if (s->mapped) munmap(s->data, s->size);
    else if (s->data) soma__free(&s->alloc, s->data, s->room);
    if (s->block) soma__free(&s->alloc, s->block, BLOCK);
    if (s->file) close(s->file);
    *s = (soma__store){.alloc = s->alloc, .most = s->most};
}
