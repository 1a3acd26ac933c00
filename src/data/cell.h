/* A table's cell as a value. */
#ifndef SOMA_SRC_DATA_CELL_H
#define SOMA_SRC_DATA_CELL_H

#include <stdbool.h>
#include <stddef.h>

/* "12", "-.5", "1e-3", "inf", correctly rounded; decimal is '.' or ','. False for anything else. The byte behind the n must be readable. */
bool soma__cell_number(const char *s, size_t n, char decimal, double *out);
/* "2024-02-29", "2024/02/29", "2024-02", "29.02.2024", each also with "T12:30", " 12:30:05.5" and "Z" or "+01:00": days since 1970-01-01. */
bool soma__cell_date(const char *s, size_t n, double *out);
/* "", NA, N/A, NaN, null, None, ?: nothing is known. */
bool soma__cell_missing(const char *s, size_t n);
/* Bytes that are UTF-8: SIZE_MAX, else where the first wrong one is. */
size_t soma__not_utf8(const char *s, size_t n);

#endif
