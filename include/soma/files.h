/* Files as soma writes them: whole or not at all. */
#ifndef SOMA_FILES_H
#define SOMA_FILES_H

#include "soma/context.h"

/* Reads a text file; *text (of the innermost scope) ends with a zero byte. SOMA_ERROR_IO; SOMA_ERROR_FORMAT for more than `most` bytes. */
SOMA_API soma_status soma_file_read(soma_context *ctx, const char *path, size_t most, char **text, size_t *bytes);
/* Replaces the file's content: a kill at any moment leaves the old file or the new one. */
SOMA_API soma_status soma_file_write(soma_context *ctx, const char *path, const void *data, size_t bytes);
/* True when there is a file or folder. */
SOMA_API bool soma_file_exists(const char *path);
/* A folder that is this process's own. */
typedef struct soma_lock soma_lock;
/* Makes a folder, with those above it, and keeps it for this process, until soma_folder_unlock or the end of the innermost scope. NULL with
 * SOMA_ERROR_STATE when another process has it, SOMA_ERROR_IO when it cannot be made. */
SOMA_API soma_lock *soma_folder_lock(soma_context *ctx, const char *path);
/* NULL is allowed. */
SOMA_API void soma_folder_unlock(soma_lock *lock);
/* Seconds from some moment on, for measuring. */
SOMA_API double soma_seconds(void);

#endif
