/* Text tables, record by record: RFC 4180 and what is met in the wild. */
#ifndef SOMA_SRC_DATA_CSV_H
#define SOMA_SRC_DATA_CSV_H

#include "base/stream.h"

#define SOMA__CSV_WHY 512

typedef struct soma__dialect {
    char delimiter; /* ' ': any run of blanks */
    char quote, decimal;
} soma__dialect;

/* Valid until the next record is read; the byte behind it is readable. */
typedef struct soma__cell {
    const char *text;
    size_t n;
    bool quoted;
} soma__cell;

typedef struct soma__csv {
    soma_allocator alloc;
    soma__stream stream;
    const char *memory; /* instead of the stream; so much of it is left */
    size_t memory_left;
    soma__dialect dialect;
    char *buffer; /* bytes from..to are not read yet; behind them a zero */
    size_t room, from, to;
    bool ended, started;
    int64_t line, next_line; /* where the record, and what follows it, begin; from 1 */
    soma__cell *cells;
    size_t n_cells, cell_room;
    uint8_t special[256];
    char why[SOMA__CSV_WHY];
} soma__csv;

/* Opens a file, "-" (standard input), or, with path NULL, memory that outlives the reader. A dialect with delimiter 0 is found from the first bytes.
 * Every failure has its sentence, without the path, in c->why; soma__csv_close is due also then. */
soma_status soma__csv_open(soma__csv *c, const soma_allocator *alloc, const char *path, const void *memory, size_t bytes, soma__dialect dialect);
/* The next record that is not blank; *got is false at the end. SOMA_ERROR_FORMAT with line and column. */
soma_status soma__csv_next(soma__csv *c, bool *got);
void soma__csv_close(soma__csv *c);
/* The dialect that the text is most likely written in. More says that the text goes on behind its last byte. */
soma__dialect soma__csv_sniff(const soma_allocator *alloc, const char *text, size_t n, bool more);
/* A cell's column, in bytes from the line's first, which is 1; of a record that began in this line. */
size_t soma__csv_column(const soma__csv *c, size_t cell);

#endif
