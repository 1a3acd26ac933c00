/* Words as terminals and figures can take them. */
#include "figure.h"

#include <string.h>

char *cli_plain(char *text) {
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
    return text;
}

int cli_length(const char *text) {
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

const char *cli_cut(soma_context *ctx, const char *text, int most) {
    if (cli_length(text) <= most || most < 1) return text;
    const char *end = text;
    for (int n = 0; *end && (n < most - 1 || ((unsigned char)*end & 0xC0) == 0x80); end++) n += ((unsigned char)end[1] & 0xC0) != 0x80;
    char *cut = soma_scope_memory(ctx, (size_t)(end - text) + 4);
    return cut ? strcat(memcpy(cut, text, (size_t)(end - text)), "\xe2\x80\xa6") : text;
}
