/* Which layer is meant by a word. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

const soma_layer_info *cli_layers(soma_context *ctx, soma_model *m) {
    soma_layer_info *info = soma_scope_memory(ctx, (soma_recipe_layer_count(soma_model_recipe(m)) + 1) * sizeof *info);
    const int64_t *shape;
    int64_t ndim, width = soma_model_columns(m) ? soma_columns_width(soma_model_columns(m)) : 0; /* behind embeddings */
    soma_model_input(m, &shape, &ndim);
    return info && soma_recipe_layers(soma_model_recipe(m), width ? &width : shape, ndim, info) == SOMA_OK ? info : NULL;
}

int64_t cli_find_layer(soma_context *ctx, soma_model *m, const char *name) {
    int64_t n = (int64_t)soma_recipe_layer_count(soma_model_recipe(m)), found = -1, many = 0;
    const soma_layer_info *info = cli_layers(ctx, m);
    if (!info) return cli_error(ctx), -1;
    char *end, list[1200];
    long long place = strtoll(name, &end, 10);
    if (!*end && end != name && place >= 0 && place < (long long)n) return place;
    for (int64_t i = 0; i < n; i++)
        if (strcmp(info[i].kind, name) == 0) found = i, many++;
    if (many == 1) return found;
    size_t at = 0;
    for (int64_t i = 0; i < n && at + 64 < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%lld %s", i ? ", " : "", (long long)i, info[i].kind);
    cli_fail(many ? "--layer %.100s: there are several; give its number: %s" : "--layer %.100s: there is no such layer; the model has: %s", name,
             list);
    return -1;
}
