/* Small files and folders, for those above. */
#include "soma/files.h"

#include "base/clock.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

soma_status soma_file_read(soma_context *ctx, const char *path, size_t most, char **text, size_t *bytes) {
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (!path || !text) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "file_read: a path and a place for the text are wanted");
    if (soma_error_status(ctx) != SOMA_OK) return soma_error_status(ctx);
    soma__file f;
    char why[256];
    *text = NULL;
    soma_status s = soma__file_open(&f, soma_context_allocator(ctx), path, NULL, why, sizeof why);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "%s: %s", path, why);
    if (f.size > most) soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s has %zu bytes; at most %zu are read", path, f.size, most);
    else if ((*text = soma_scope_memory(ctx, f.size + 1)) && f.size) memcpy(*text, f.data, f.size);
    if (bytes) *bytes = f.size;
    soma__file_close(&f);
    return soma_error_status(ctx);
}

soma_status soma_file_write(soma_context *ctx, const char *path, const void *data, size_t bytes) {
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (!path || (!data && bytes)) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "file_write: a path and data are wanted");
    if (soma_error_status(ctx) != SOMA_OK) return soma_error_status(ctx);
    char why[256];
    const soma__file_part part = {data, bytes};
    soma_status s = soma__file_replace(path, &part, 1, why, sizeof why);
    return s == SOMA_OK ? s : soma_error_raise(ctx, s, "%s: %s", path, why);
}

bool soma_file_exists(const char *path) { return path && soma__file_exists(path); }

struct soma_lock {
    int fd;
};

void soma_folder_unlock(soma_lock *lock) {
    if (!lock) return;
    soma__file_unlock(lock->fd);
    lock->fd = -1;
}
static void unlock(void *lock) { soma_folder_unlock(lock); }

soma_lock *soma_folder_lock(soma_context *ctx, const char *path) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (!path) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "folder_lock: the path is NULL"), NULL;
    char why[256], file[4096];
    soma_lock *lock = soma_scope_memory(ctx, sizeof *lock);
    if (!lock) return NULL;
    lock->fd = -1;
    int n = snprintf(file, sizeof file, "%s/.lock", path);
    bool fits = n > 0 && (size_t)n < sizeof file;
    if (!fits) snprintf(why, sizeof why, "the path is too long");
    soma_status s = fits ? soma__folder_make(path, why, sizeof why) : SOMA_ERROR_ARGUMENT;
    if (s == SOMA_OK) s = soma__file_lock(file, &lock->fd, why, sizeof why);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "%s: %s", path, why), NULL;
    if (soma_scope_defer(ctx, unlock, lock) == SOMA_OK) return lock;
    soma_folder_unlock(lock);
    return NULL;
}

double soma_seconds(void) { return soma__seconds(); }
