/* Any bytes as a model file: what loads predicts. */
#include "soma/soma.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    soma_context *ctx;
    soma_model *m;
    const int64_t *shape;
    int64_t ndim, n = 1;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 0;
    if (soma_model_from_memory(ctx, data, size, &m) == SOMA_OK) {
        soma_model_input(m, &shape, &ndim);
        for (int64_t d = 0; d < ndim; d++) n *= shape[d];
        float *x = calloc((size_t)n, sizeof *x), *y = calloc((size_t)soma_model_outputs(m), sizeof *y);
        if (x && y && n < 1 << 20) soma_model_predict(m, x, 1, y);
        free(x), free(y);
    }
    soma_context_free(ctx);
    return 0;
}
