/* Which dialect: the one in which most records have the same number of cells, two or more. */
#include "data/csv.h"

#include "data/cell.h"

#include <string.h>

#define RECORDS 200

/* Is a cell quoted by this byte somewhere: at a cell's begin and at a cell's end, equally often? */
static bool quotes(const char *s, size_t n, char quote, char delimiter) {
    size_t opens = 0, closes = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] != quote) continue;
        char before = i ? s[i - 1] : '\n', behind = i + 1 < n ? s[i + 1] : '\n';
        opens += before == delimiter || before == '\n' || before == '\r';
        closes += behind == delimiter || behind == '\n' || behind == '\r';
    }
    return opens && opens == closes;
}

/* The share of records with the most frequent number of cells, if that is 2 or more. */
static double agreement(const soma_allocator *alloc, const char *text, size_t n, bool more, soma__dialect d) {
    soma__csv c;
    size_t counts[RECORDS] = {0}, records = 0, best = 0, best_count = 0;
    bool got = true;
    if (soma__csv_open(&c, alloc, NULL, text, n, d) == SOMA_OK)
        while (records < RECORDS && soma__csv_next(&c, &got) == SOMA_OK && got) counts[records++] = c.n_cells;
    soma__csv_close(&c);
    if (more && records > 1 && records < RECORDS) records--; /* the last one is cut */
    for (size_t i = 0; i < records; i++) {
        size_t same = 0;
        for (size_t k = 0; k < records; k++) same += counts[k] == counts[i];
        if (same > best || (same == best && counts[i] > best_count)) best = same, best_count = counts[i];
    }
    return best_count > 1 ? (double)best / (double)records : 0;
}

/* ',' where cells are numbers with a comma, and none is one with a point. */
static char decimal_of(const soma_allocator *alloc, const char *text, size_t n, soma__dialect d) {
    soma__csv c;
    size_t commas = 0, points = 0;
    double v;
    bool got = true;
    if (soma__csv_open(&c, alloc, NULL, text, n, d) == SOMA_OK)
        for (int r = 0; r < RECORDS && soma__csv_next(&c, &got) == SOMA_OK && got; r++)
            for (size_t k = 0; k < c.n_cells; k++) {
                const soma__cell *cell = &c.cells[k];
                if (!cell->n) continue;
                commas += memchr(cell->text, ',', cell->n) && soma__cell_number(cell->text, cell->n, ',', &v);
                points += memchr(cell->text, '.', cell->n) && soma__cell_number(cell->text, cell->n, '.', &v);
            }
    soma__csv_close(&c);
    return commas && !points ? ',' : '.';
}

soma__dialect soma__csv_sniff(const soma_allocator *alloc, const char *text, size_t n, bool more) {
    static const char delimiters[] = "\t;|, "; /* a comma stands within the cells of the ones before it more often than the other way round */
    soma__dialect best = {',', '"', '.'};
    double most = 0;
    for (const char *d = delimiters; *d; d++) {
        soma__dialect now = {*d, !quotes(text, n, '"', *d) && quotes(text, n, '\'', *d) ? '\'' : '"', '.'};
        double share = agreement(alloc, text, n, more, now);
        if (*d == ' ' && most > 0.5) break;
        if (share > most + 0.05 || (share == 1 && most < 1)) most = share, best = now;
    }
    best.decimal = decimal_of(alloc, text, n, best);
    return best;
}
