#include "support/check.h"

#include <string.h>

soma_context *check_context(const soma_context_opts *o) {
    soma_context *ctx = NULL;
    assert_int_equal(soma_context_create(&ctx, o), SOMA_OK);
    return ctx;
}

void check_fine(soma_context *ctx) {
    if (soma_error_status(ctx) != SOMA_OK) fail_msg("%s", soma_error_message(ctx));
}

void check_error(soma_context *ctx, soma_status status, const char *words) {
    if (soma_error_status(ctx) != status || !strstr(soma_error_message(ctx), words))
        fail_msg("%s: '%s'; '%s' was expected", soma_status_name(soma_error_status(ctx)), soma_error_message(ctx), words);
    soma_error_take(ctx);
}

double check_random(uint64_t *s) {
    *s += 0x9e3779b97f4a7c15u;
    uint64_t x = (*s ^ *s >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}
