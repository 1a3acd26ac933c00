/* Any text as a table: what can be read is described, fitted and split. */
#include "soma/soma.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    soma_context *ctx;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 0;
    soma_table *t = soma_table_from_memory(ctx, data, size, NULL);
    for (int64_t i = 0; i < soma_table_columns(t); i++) {
        soma_column c;
        soma_table_column(t, i, &c);
        for (int64_t row = 0; row < soma_table_rows(t); row++) {
            double v = soma_table_cell(t, row, i);
            if (c.type == SOMA_COLUMN_CATEGORY && v == v && (v < 0 || v >= (double)c.n_categories)) __builtin_trap();
        }
    }
    for (int missing = 0; t && missing <= SOMA_MISSING_FLAG; missing++) {
        soma_columns *c =
            soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.missing = (soma_missing)missing, .scaling = (soma_scaling)(missing % 4)});
        soma_dataset *d = c ? soma_table_dataset(t, c, NULL, 0) : NULL;
        float *x = d ? malloc((size_t)soma_columns_inputs(c) * sizeof *x) : NULL;
        for (int64_t i = 0, k; x && i < soma_dataset_count(d); i++) soma_dataset_sample(d, i, x, &k);
        free(x);
        soma_error_take(ctx);
    }
    soma_context_free(ctx);
    return 0;
}
