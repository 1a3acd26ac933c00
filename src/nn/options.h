/* Option structs at the ABI: copied up to what this library knows; more is an error that names the version. The last four words of each are reserved: zero
 * until a later version gives them a meaning. */
#ifndef SOMA_SRC_NN_OPTIONS_H
#define SOMA_SRC_NN_OPTIONS_H

#include "soma/context.h"

#include <string.h>

static inline bool soma__nn_options(soma_context *ctx, const char *call, void *out, size_t known, const void *options, size_t size) {
    memset(out, 0, known);
    if (!options) return soma_error_status(ctx) == SOMA_OK;
    memcpy(out, options, size < known ? size : known);
    for (size_t i = known - 4 * sizeof(uint64_t); i < size; i++)
        if (((const unsigned char *)options)[i]) {
            soma_error_raise(ctx, SOMA_ERROR_VERSION, "%s: its options use a field that soma %s does not have; a newer soma is needed", call, soma_version());
            return false;
        }
    return soma_error_status(ctx) == SOMA_OK;
}

#endif
