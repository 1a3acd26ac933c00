/* Any bytes as a safetensors file: each tensor is made and read. */
#include "soma/soma.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    soma_context *ctx;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 0;
    soma_archive *a = soma_archive_from_memory(ctx, data, size);
    for (size_t i = 0; i < soma_archive_count(a); i++) {
        const void *p;
        soma_data(soma_archive_tensor(a, i), &p);
        soma_error_take(ctx);
    }
    soma_context_free(ctx);
    return 0;
}
