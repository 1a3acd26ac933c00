/* Any text as a recipe file. What would be said on stderr is said nowhere. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_fail(const char *format, ...) { return (void)format, CLI_FAILED; }
int cli_error(soma_context *ctx) { return soma_error_take(ctx), CLI_FAILED; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static FILE *nowhere;
    if (!nowhere && (nowhere = fopen("/dev/null", "w"))) stderr = nowhere;
    soma_context *ctx;
    cli_recipe r;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 0;
    char *text = malloc(size + 1);
    if (text) {
        memcpy(text, data, size);
        text[size] = 0;
        if (cli_recipe_parse(ctx, "r.yaml", text, size, NULL, &r)) {
            free(cli_yaml_of(soma_recipe_text(r.recipe)));
            cli_recipe_close(&r);
        }
    }
    free(text);
    soma_context_free(ctx);
    return 0;
}
