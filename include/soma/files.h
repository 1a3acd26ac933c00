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
/* Makes a folder, with those above it, and keeps it for this process until the innermost scope closes: SOMA_ERROR_STATE when another process has it.
 */
SOMA_API soma_status soma_folder_lock(soma_context *ctx, const char *path);
/* Seconds from some moment on, for measuring. */
SOMA_API double soma_seconds(void);

#endif
