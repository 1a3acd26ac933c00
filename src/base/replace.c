/* Writing files whole, and keeping folders. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static soma_status fail(char *why, size_t size, const char *what, int error) {
    snprintf(why, size, "%s: %s", what, strerror(error));
    return SOMA_ERROR_IO;
}

static bool write_all(int fd, const char *data, size_t n) {
    while (n) {
        ssize_t done = write(fd, data, n < (size_t)1 << 30 ? n : (size_t)1 << 30);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (!done) errno = ENOSPC;
            return false;
        }
        data += done, n -= (size_t)done;
    }
    return true;
}

/* Opens path for us alone: who got the lock of a file that was renamed meanwhile tries again. -1 with errno. */
static int open_alone(const char *path) {
    for (;;) {
        struct stat mine, there;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0) return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int error = errno;
            close(fd);
            errno = error;
            return -1;
        }
        if (fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev) return fd;
        close(fd);
    }
}

/* So that the rename itself outlives a power cut. */
static void flush_folder(const char *path) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof folder) return;
    memcpy(folder, path, n);
    strcpy(folder + n, slash && !n ? "/" : slash ? "" : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd); /* some file systems cannot; the content is flushed */
    close(fd);
}

soma_status soma__file_replace(const char *path, const soma__file_part *parts, size_t n, char *why, size_t why_size) {
    char beside[4096];
    int length = snprintf(beside, sizeof beside, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof beside) return fail(why, why_size, "cannot write", ENAMETOOLONG);
    int fd = open_alone(beside), error = errno;
    if (fd < 0)
        return error == EWOULDBLOCK ? fail(why, why_size, "another process is writing it", error) : fail(why, why_size, "cannot write", error);
    bool fine = ftruncate(fd, 0) == 0;
    for (size_t i = 0; fine && i < n; i++) fine = write_all(fd, parts[i].data, parts[i].size);
    fine = fine && fsync(fd) == 0 && rename(beside, path) == 0;
    error = errno;
    if (!fine) unlink(beside);
    close(fd);
    if (!fine) return fail(why, why_size, "cannot write", error);
    flush_folder(path);
    return SOMA_OK;
}

bool soma__file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

soma_status soma__folder_make(const char *path, char *why, size_t why_size) {
    char part[4096];
    size_t n = strlen(path);
    if (!n || n >= sizeof part) return fail(why, why_size, "cannot make the folder", n ? ENAMETOOLONG : ENOENT);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i]) continue;
        memcpy(part, path, i);
        part[i] = 0;
        struct stat st;
        if (mkdir(part, 0777) == 0 || (errno == EEXIST && stat(part, &st) == 0 && S_ISDIR(st.st_mode))) continue;
        if (errno == EEXIST) errno = ENOTDIR;
        return fail(why, why_size, "cannot make the folder", errno);
    }
    return SOMA_OK;
}

soma_status soma__file_lock(const char *path, int *fd, char *why, size_t why_size) {
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) return fail(why, why_size, "cannot write into the folder", errno);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0) return SOMA_OK;
    int error = errno;
    close(*fd);
    *fd = -1;
    if (error != EWOULDBLOCK) return fail(why, why_size, "cannot lock", error);
    snprintf(why, why_size, "another process is using this folder");
    return SOMA_ERROR_STATE;
}

void soma__file_unlock(int fd) {
    if (fd >= 0) close(fd);
}
