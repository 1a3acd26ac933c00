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

static void unlock(void *arg) { soma__file_unlock((int)(intptr_t)arg); }

soma_status soma_folder_lock(soma_context *ctx, const char *path) {
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    if (!path) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "folder_lock: the path is NULL");
    if (soma_error_status(ctx) != SOMA_OK) return soma_error_status(ctx);
    char why[256], lock[4096];
    int fd = -1, n = snprintf(lock, sizeof lock, "%s/.lock", path);
    soma_status s = n < 0 || (size_t)n >= sizeof lock ? SOMA_ERROR_ARGUMENT : soma__folder_make(path, why, sizeof why);
    if (s == SOMA_ERROR_ARGUMENT) snprintf(why, sizeof why, "the path is too long");
    if (s == SOMA_OK) s = soma__file_lock(lock, &fd, why, sizeof why);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "%s: %s", path, why);
    if (soma_scope_defer(ctx, unlock, (void *)(intptr_t)fd) != SOMA_OK) soma__file_unlock(fd);
    return soma_error_status(ctx);
}

double soma_seconds(void) { return soma__seconds(); }
