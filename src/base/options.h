/* Option structs at the ABI. Each ends with soma__options_reserved bytes that are zero until a later version gives them a meaning. */
#ifndef SOMA_SRC_BASE_OPTIONS_H
#define SOMA_SRC_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { soma__options_reserved = 4 * sizeof(uint64_t) };

/* Copies what is known of an option struct of `size` bytes (NULL: zeros). False when something is set that this library does not know. */
static inline bool soma__options_copy(void *out, size_t known, const void *options, size_t size) {
    memset(out, 0, known);
    if (!options) return true;
    memcpy(out, options, size < known ? size : known);
    for (size_t i = known - soma__options_reserved; i < size; i++)
        if (((const unsigned char *)options)[i]) return false;
    return true;
}

#endif
