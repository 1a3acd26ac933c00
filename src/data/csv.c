/* The buffer holds whole records: where one is cut by its end, more is read and the record begins anew. So a cell is a part of the buffer, and only
 * one with doubled quotes is changed, in place. */
#include "data/csv.h"

#include "base/alloc.h"
#include "data/cell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROOM ((size_t)1 << 20)
#define RECORD_MOST ((size_t)1 << 24) /* bytes; a record beyond is no record, but a quote that is never closed, or no text table */
#define SNIFFED ((size_t)1 << 16)

enum { PLAIN, STOP, ZERO }; /* what a byte means outside quotes */

static soma_status fail(soma__csv *c, soma_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
static soma_status fail(soma__csv *c, soma_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
    return status;
}

/* Fills the buffer further; what is before `from` goes. */
static soma_status refill(soma__csv *c) {
    if (c->from) memmove(c->buffer, c->buffer + c->from, c->to - c->from);
    c->to -= c->from, c->from = 0;
    if (c->to == c->room) {
        char *bigger = soma__regrow(&c->alloc, c->buffer, c->room + 1, 2 * c->room + 1);
        if (!bigger) return fail(c, SOMA_ERROR_MEMORY, "out of memory");
        c->buffer = bigger, c->room *= 2;
    }
    size_t n = c->room - c->to;
    if (c->memory) {
        if (n > c->memory_left) n = c->memory_left;
        memcpy(c->buffer + c->to, c->memory, n); /* cells are changed in place */
        c->memory += n, c->memory_left -= n;
    } else {
        soma_status s = soma__stream_read(&c->stream, c->buffer + c->to, n, &n, c->why, sizeof c->why);
        if (s != SOMA_OK) return s;
    }
    c->to += n;
    c->buffer[c->to] = 0;
    c->ended = n == 0;
    return SOMA_OK;
}

static void set_dialect(soma__csv *c, soma__dialect d) {
    c->dialect = d;
    memset(c->special, PLAIN, sizeof c->special);
    c->special[0] = ZERO;
    c->special['\n'] = c->special['\r'] = c->special[(unsigned char)d.delimiter] = STOP;
    if (d.delimiter == ' ') c->special['\t'] = STOP;
}

/* The first bytes are there: marks of encodings, and the dialect. */
static soma_status begin(soma__csv *c, soma__dialect dialect) {
    while (c->to - c->from < SNIFFED && !c->ended) {
        soma_status s = refill(c);
        if (s != SOMA_OK) return s;
    }
    const unsigned char *b = (const unsigned char *)c->buffer + c->from;
    if (c->to - c->from >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
        return fail(c, SOMA_ERROR_FORMAT, "line 1, column 1: this is UTF-16; save the file as UTF-8");
    if (c->to - c->from >= 3 && memcmp(b, "\xef\xbb\xbf", 3) == 0) c->from += 3;
    c->line = c->next_line = 1;
    while (c->to - c->from > 1 && c->buffer[c->from] == '#' && strchr(" #\t\r\n", c->buffer[c->from + 1])) { /* remarks before the table */
        const char *end = memchr(c->buffer + c->from, '\n', c->to - c->from);
        if (!end) break;
        c->from = (size_t)(end - c->buffer) + 1;
        c->next_line++;
    }
    if (!dialect.delimiter) {
        size_t n = c->to - c->from;
        dialect = soma__csv_sniff(&c->alloc, c->buffer + c->from, n < SNIFFED ? n : SNIFFED, n > SNIFFED || !c->ended);
    }
    if (!dialect.quote) dialect.quote = '"';
    if (!dialect.decimal) dialect.decimal = '.';
    set_dialect(c, dialect);
    return SOMA_OK;
}

soma_status soma__csv_open(soma__csv *c, const soma_allocator *alloc, const char *path, const void *memory, size_t bytes, soma__dialect dialect) {
    memset(c, 0, sizeof *c);
    c->alloc = *alloc;
    size_t room = path || bytes > ROOM ? ROOM : bytes + 1;
    if (!(c->buffer = soma__alloc(alloc, room + 1))) return fail(c, SOMA_ERROR_MEMORY, "out of memory");
    c->room = room;
    if (path) {
        soma_status s = soma__stream_open(&c->stream, alloc, path, c->why, sizeof c->why);
        if (s != SOMA_OK) return s;
    } else c->memory = memory, c->memory_left = bytes;
    c->buffer[c->to] = 0;
    return begin(c, dialect);
}

static soma__cell *add_cell(soma__csv *c) {
    if (c->n_cells == c->cell_room) {
        size_t room = c->cell_room ? 2 * c->cell_room : 64;
        soma__cell *more = soma__regrow(&c->alloc, c->cells, c->cell_room * sizeof *more, room * sizeof *more);
        if (!more) return NULL;
        c->cells = more, c->cell_room = room;
    }
    return &c->cells[c->n_cells++];
}

/* What became of an attempt to read a record. */
typedef enum attempt { WHOLE, CUT, BROKEN } attempt;

static attempt broken(soma__csv *c, int64_t line, size_t column, const char *what) {
    return fail(c, SOMA_ERROR_FORMAT, "line %lld, column %zu: %s", (long long)line, column, what), BROKEN;
}

/* A cell that opens with a quote at *at; *at ends behind the closing one. */
static attempt quoted(soma__csv *c, size_t *at, size_t line_start, int64_t line, soma__cell *cell, int64_t *lines) {
    char q = c->dialect.quote;
    size_t open = *at, i = open + 1;
    for (;;) {
        const char *close = memchr(c->buffer + i, q, c->to - i);
        size_t end = close ? (size_t)(close - c->buffer) : c->to;
        if (!close && c->ended) return broken(c, line, open - line_start + 1, "the quote that opens here is never closed");
        if (end - open > RECORD_MOST) return broken(c, line, open - line_start + 1, "the quote that opens here is not closed within 16 MiB");
        if (!close || (end + 1 == c->to && !c->ended)) return CUT;
        i = end + 1;
        if (c->buffer[i] != q || i == c->to) break;
        i++; /* two quotes stand for one */
    }
    *cell = (soma__cell){c->buffer + open + 1, i - open - 2, true};
    if (memchr(cell->text, 0, cell->n)) return broken(c, line, open - line_start + 1, "the quoted cell that opens here has a byte of value 0");
    for (const char *p = cell->text; (p = memchr(p, '\n', (size_t)(c->buffer + i - 1 - p))); p++) ++*lines;
    *at = i;
    return WHOLE;
}

static bool blank(const soma__csv *c, char b) { return b == ' ' || (b == '\t' && c->dialect.delimiter != '\t'); }

/* One cell from *at to its delimiter or the line's end, which *at ends at. */
static attempt one_cell(soma__csv *c, size_t *at, size_t line_start, int64_t line, int64_t *lines) {
    soma__cell *cell = add_cell(c);
    if (!cell) return fail(c, SOMA_ERROR_MEMORY, "out of memory"), BROKEN;
    size_t i = *at;
    while (blank(c, c->buffer[i])) i++;
    if (i < c->to && c->buffer[i] == c->dialect.quote) {
        attempt a = quoted(c, &i, line_start, line, cell, lines);
        if (a != WHOLE) return a;
        while (c->dialect.delimiter != ' ' && blank(c, c->buffer[i])) i++;
        if (i == c->to && !c->ended) return CUT;
        if (i < c->to && c->special[(unsigned char)c->buffer[i]] != STOP)
            return *lines ? broken(c, line + *lines, 1, "in this line there is text behind a closing quote")
                          : broken(c, line, i - line_start + 1, "text behind a closing quote");
        *at = i;
        return WHOLE;
    }
    size_t start = i;
    const char *text = c->buffer;
    while (c->special[(unsigned char)text[i]] == PLAIN) i++;
    if (i == c->to && !c->ended) return CUT;
    if (i < c->to && !text[i]) return broken(c, line + *lines, i - line_start + 1, "a byte of value 0; this is no text table");
    size_t end = i;
    while (end > start && blank(c, text[end - 1])) end--;
    *cell = (soma__cell){text + start, end - start, false};
    *at = i;
    return WHOLE;
}

/* A record from c->from on; *end is behind its line. */
static attempt record(soma__csv *c, size_t *end, int64_t *lines) {
    size_t i = c->from;
    char delimiter = c->dialect.delimiter;
    c->n_cells = 0;
    *lines = 0;
    for (;;) {
        attempt a = one_cell(c, &i, c->from, c->next_line, lines);
        if (a != WHOLE) return a;
        if (i < c->to && delimiter == ' ')
            while (blank(c, c->buffer[i])) i++;
        if (i == c->to) {
            if (!c->ended) return CUT;
            break;
        }
        char b = c->buffer[i];
        if (b == '\r' || b == '\n') {
            if (b == '\r' && i + 1 == c->to && !c->ended) return CUT;
            i += b == '\r' && c->buffer[i + 1] == '\n' ? 2 : 1;
            ++*lines;
            break;
        }
        if (delimiter != ' ') i++;
    }
    *end = i;
    return WHOLE;
}

/* Doubled quotes become one. */
static void undouble(const soma__csv *c) {
    char q = c->dialect.quote;
    for (size_t k = 0; k < c->n_cells; k++) {
        soma__cell *cell = &c->cells[k];
        if (!cell->quoted || !cell->n || !memchr(cell->text, q, cell->n)) continue;
        char *to = (char *)(c->buffer + (cell->text - c->buffer));
        size_t n = 0;
        for (size_t i = 0; i < cell->n; i++) {
            to[n++] = cell->text[i];
            if (cell->text[i] == q) i++;
        }
        cell->n = n;
    }
}

soma_status soma__csv_next(soma__csv *c, bool *got) {
    *got = false;
    for (;;) {
        size_t end = 0;
        int64_t lines = 0;
        if (c->from == c->to && c->ended) return SOMA_OK;
        c->why[0] = 0;
        attempt a = record(c, &end, &lines);
        if (a == BROKEN) return c->why[0] == 'o' ? SOMA_ERROR_MEMORY : SOMA_ERROR_FORMAT;
        if (a == CUT) {
            if (c->to - c->from > RECORD_MOST)
                return fail(c, SOMA_ERROR_FORMAT, "line %lld, column %zu: a line of more than %zu bytes; this is no text table",
                            (long long)c->next_line, RECORD_MOST, RECORD_MOST);
            soma_status s = refill(c);
            if (s != SOMA_OK) return s;
            continue;
        }
        c->line = c->next_line;
        c->next_line += lines;
        c->from = end;
        if (c->n_cells == 1 && !c->cells[0].n && !c->cells[0].quoted) continue; /* a blank line */
        undouble(c);
        *got = true;
        return SOMA_OK;
    }
}

size_t soma__csv_column(const soma__csv *c, size_t cell) {
    const char *start = c->cells[0].text - c->cells[0].quoted;
    while (start > c->buffer && start[-1] != '\n' && start[-1] != '\r' && start - c->buffer > 0 && blank(c, start[-1])) start--;
    return (size_t)(c->cells[cell].text - c->cells[cell].quoted - start) + 1;
}

void soma__csv_close(soma__csv *c) {
    soma__stream_close(&c->stream);
    if (c->buffer) soma__free(&c->alloc, c->buffer, c->room + 1);
    if (c->cells) soma__free(&c->alloc, c->cells, c->cell_room * sizeof *c->cells);
    c->buffer = NULL, c->cells = NULL;
}
