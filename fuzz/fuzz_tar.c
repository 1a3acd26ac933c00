/* Any bytes as an archive of pictures. */
#include "soma/soma.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[] = "/tmp/soma-fuzz-XXXXXX";
    static int file = -1;
    soma_context *ctx;
    if (file < 0 && (file = mkstemp(path)) < 0) return 0;
    if (pwrite(file, data, size, 0) != (ssize_t)size || ftruncate(file, (off_t)size) != 0) return 0;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 0;
    for (int way = 0; way < 2; way++) {
        soma_dataset *d = soma_dataset_images(ctx, path, &(soma_images_opts){.skip_broken = way, .size = {4, 4}, .most_pixels = 1 << 16});
        if (!d && soma_error_take(ctx) == SOMA_OK) __builtin_trap();
        if (d && (soma_dataset_count(d) < 1 || !soma_dataset_file(d, 0))) __builtin_trap();
    }
    soma_images_found f;
    if (soma_images_find(ctx, path, &f, NULL) == SOMA_OK && f.pictures != f.png + f.jpeg + f.broken) __builtin_trap();
    soma_context_free(ctx);
    return 0;
}
