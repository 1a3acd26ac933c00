/* Any text as a recipe in JSON: problems are read, and what has none becomes a model. */
#include "soma/soma.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    soma_context *ctx;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 0;
    soma_recipe *r = soma_recipe_read(ctx, (const char *)data, size);
    soma_problem p;
    for (size_t i = 0; soma_recipe_problem(r, i, &p) == SOMA_OK; i++)
        if (!strlen(p.where) || !strlen(p.sentence)) __builtin_trap();
    const int64_t shape[2] = {4, 3};
    soma_layer_info info[64];
    if (r && !soma_recipe_problem_count(r)) {
        const char *text = soma_recipe_text(r);
        soma_recipe *again = text ? soma_recipe_read(ctx, text, strlen(text)) : NULL;
        if (text && (!again || soma_recipe_problem_count(again))) __builtin_trap(); /* what is filled in is a recipe */
        double weights = 0;
        size_t n = soma_recipe_layer_count(r);
        if (n <= 64 && soma_recipe_layers(r, shape, 2, info) == SOMA_OK) {
            for (size_t i = 0; i < n; i++) weights += (double)info[i].parameters;
            if (weights < 1e6) soma_recipe_optim(r, soma_recipe_model(r, shape, 2));
        }
    }
    soma_context_free(ctx);
    return 0;
}
