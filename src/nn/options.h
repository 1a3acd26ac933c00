/* Option structs at the ABI: copied up to what this library knows; more is an error that names the version. */
#ifndef SOMA_SRC_NN_OPTIONS_H
#define SOMA_SRC_NN_OPTIONS_H

#include "soma/context.h"

#include <string.h>

static inline bool soma__nn_options(soma_context *ctx, const char *call, void *out, size_t known, const void *options, size_t size) {
    memset(out, 0, known);
    if (!options) return soma_error_status(ctx) == SOMA_OK;
    memcpy(out, options, size < known ? size : known);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)options)[i])
            return soma_error_raise(ctx, SOMA_ERROR_VERSION, "%s: its options use a field that this version does not have; a newer soma is needed", call) == SOMA_OK;
    return soma_error_status(ctx) == SOMA_OK;
}

#endif
