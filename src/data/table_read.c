/* One pass over a table in most cases: types follow from the cells, and cells are kept as they come. Where a cell contradicts its column's type, the
 * pass goes on for the types alone, and another one keeps the cells. */
#include "data/table.h"

#include "data/cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEAD 200 /* records that are looked at first */

static bool fail(soma_table *t, soma_status s, int64_t line, size_t column, const char *what) {
    if (line) soma_error_raise(t->ctx, s, "%s: line %lld, column %zu: %s", t->name, (long long)line, column, what);
    else soma_error_raise(t->ctx, s, "%s: %s", t->name, what);
    return false;
}

/* The next record; false with the error pending, or at the end. */
static bool next(soma_table *t, bool *fine) {
    bool got;
    soma_status s = soma__csv_next(&t->csv, &got);
    *fine = s == SOMA_OK;
    if (!*fine) fail(t, s, 0, 0, t->csv.why);
    return got;
}

typedef enum kind { NOTHING, NUMBER, WORD } kind;
static kind kind_of(const soma_table *t, const soma__cell *c) {
    double v;
    if (soma__cell_missing(c->text, c->n)) return NOTHING;
    return soma__cell_number(c->text, c->n, t->dialect.decimal, &v) || soma__cell_date(c->text, c->n, &v) ? NUMBER : WORD;
}

/* What the first records say. */
typedef struct head {
    const char **first; /* cells of the first record */
    kind *kinds;        /* theirs, */
    kind *below;        /* and those of the columns under them */
    bool *repeated;     /* the first record's cell occurs again under it */
    size_t n_first, counts[HEAD], records;
} head;

static bool room_for_first(soma_table *t, head *h) {
    size_t n = h->n_first = t->csv.n_cells;
    if (n > SOMA__COLUMNS_MOST) return fail(t, SOMA_ERROR_FORMAT, t->csv.line, 1, "more than 16384 cells");
    h->first = soma_scope_memory_in(t->scope, n * sizeof *h->first);
    h->kinds = soma_scope_memory_in(t->scope, n * sizeof *h->kinds);
    h->below = soma_scope_memory_in(t->scope, (n + 1) * sizeof *h->below);
    h->repeated = soma_scope_memory_in(t->scope, n * sizeof *h->repeated);
    return h->first && h->kinds && h->below && h->repeated;
}

static bool look_at_head(soma_table *t, head *h) {
    bool fine;
    while (h->records < HEAD && next(t, &fine)) {
        size_t n = t->csv.n_cells;
        const soma__cell *c = t->csv.cells;
        if (!h->records && !room_for_first(t, h)) return false;
        for (size_t i = 0; i < n && !h->records; i++) {
            if (!(h->first[i] = soma__copy_text(t->scope, c[i].text, c[i].n))) return false;
            h->kinds[i] = kind_of(t, &c[i]);
            if (soma__not_utf8(c[i].text, c[i].n) != SIZE_MAX)
                return fail(t, SOMA_ERROR_FORMAT, t->csv.line, soma__csv_column(&t->csv, i) + soma__not_utf8(c[i].text, c[i].n),
                            "this is no UTF-8; save the file as UTF-8");
        }
        for (size_t i = 0; i < n && i <= h->n_first && h->records; i++) {
            kind k = kind_of(t, &c[i]);
            if (k > h->below[i]) h->below[i] = k;
            if (i < h->n_first && strncmp(h->first[i], c[i].text, c[i].n) == 0 && !h->first[i][c[i].n]) h->repeated[i] = true;
        }
        h->counts[h->records++] = n;
    }
    return soma_error_status(t->ctx) == SOMA_OK && (h->records || fail(t, SOMA_ERROR_FORMAT, 0, 0, "the table is empty"));
}

/* Are the first record's cells names? No number among them, and a word over numbers; or, over words alone, each a different one that does not come
 * again. */
static bool are_names(const head *h, size_t shift) {
    bool over_numbers = false, fresh = h->records > 2;
    for (size_t i = 0; i < h->n_first; i++) {
        if (h->kinds[i] == NUMBER) return false;
        over_numbers |= h->kinds[i] == WORD && h->below[i + shift] == NUMBER;
        fresh = fresh && h->kinds[i] == WORD && !h->repeated[i];
        for (size_t k = 0; k < i && fresh; k++) fresh = strcmp(h->first[i], h->first[k]) != 0;
    }
    return over_numbers || fresh || h->records == 1;
}

const char *soma__column_name(soma_scope *scope, const char *wanted, const char *const *before, int64_t i) {
    char room[300];
    for (int again = 1; again < 1000; again++) {
        if (again == 1 && wanted && *wanted) snprintf(room, sizeof room, "%.250s", wanted);
        else if (again == 1) snprintf(room, sizeof room, "c%lld", (long long)i + 1);
        else snprintf(room, sizeof room, "%.250s_%d", wanted && *wanted ? wanted : "c", again);
        size_t n = strlen(room);
        while (n && soma__not_utf8(room, n) != SIZE_MAX) n--; /* a cut character */
        room[n] = 0;
        bool taken = false;
        for (int64_t k = 0; k < i && !taken; k++) taken = strcmp(before[k], room) == 0;
        if (!taken) return soma__copy_text(scope, room, n);
    }
    return soma__copy_text(scope, "c", 1);
}

/* Columns, header and skipped first line from what was seen. */
static bool set_columns(soma_table *t, const head *h, const soma_table_opts *o) {
    size_t n = h->records > 1 ? h->counts[1] : h->n_first, shift = 0;
    bool agree = h->records > 2;
    for (size_t i = 2; i < h->records; i++) agree = agree && h->counts[i] == n;
    if (n != h->n_first && agree) {
        if (h->n_first + 1 == n && are_names(h, 1) && !(o->header.set && !o->header.value))
            shift = h->below[n - 1] == NOTHING ? 0 : 1, t->header = true;
        else if (!o->header.set) t->skip = true;
    } else n = h->n_first;
    if (n > SOMA__COLUMNS_MOST) return fail(t, SOMA_ERROR_FORMAT, 1, 1, "more than 16384 cells");
    if (!t->skip && !t->header) t->header = o->header.set ? o->header.value != 0 : are_names(h, 0);
    t->n = (int64_t)n;
    t->columns = soma_scope_memory_in(t->scope, n * sizeof *t->columns);
    t->row = soma_scope_memory_in(t->scope, n * sizeof *t->row);
    const char **names = soma_scope_memory_in(t->scope, n * sizeof *names);
    if (!t->columns || !t->row || !names) return false;
    for (size_t i = 0; i < n; i++) {
        const char *wanted = !t->header ? NULL : i < shift ? "row" : i - shift < h->n_first ? h->first[i - shift] : NULL;
        if (!(names[i] = t->columns[i].about.name = soma__column_name(t->scope, wanted, names, (int64_t)i))) return false;
    }
    if (t->skip) soma__table_note(t, "line 1 has %zu cells, the others %zu: it is skipped", h->n_first, n);
    return true;
}

static bool add_number(soma__table_column *c, double v, int64_t line) {
    if (!isfinite(v)) {
        if (!c->infinite_line) c->infinite_line = line;
        return true;
    }
    if (!c->count++) c->first = c->min = c->max = v, c->whole = true;
    double d = v - c->first;
    c->sum += d, c->squares += d * d;
    c->min = v < c->min ? v : c->min, c->max = v > c->max ? v : c->max;
    c->whole = c->whole && v == (double)(int64_t)(v > -9e15 && v < 9e15 ? v : 0.5);
    if (c->n_numbers > SOMA__NUMBERS_MOST) return true;
    uint64_t bits;
    double plain = v + 0.0;
    memcpy(&bits, &plain, sizeof bits);
    for (uint8_t at = (uint8_t)((bits * 0x9E3779B97F4A7C15u) >> 56);; at++) {
        if (!c->slots[at]) {
            if (c->n_numbers < SOMA__NUMBERS_MOST) c->numbers[c->n_numbers] = plain, c->slots[at] = (uint8_t)(c->n_numbers + 1);
            c->n_numbers++;
            return true;
        }
        if (c->numbers[c->slots[at] - 1] == plain) return true;
    }
}

static bool add_word(soma_table *t, soma__table_column *c, size_t i, double *out) {
    const soma__cell *cell = &t->csv.cells[i];
    double v;
    if (soma__cell_number(cell->text, cell->n, t->dialect.decimal, &v)) c->numbers_among++;
    else if (!c->words_among++) c->word_line = t->csv.line, c->word = soma__copy_text(t->scope, cell->text, cell->n < 24 ? cell->n : 24);
    if (c->type == SOMA_COLUMN_TEXT) return true;
    int32_t before = c->words.n, code = soma__words_put(&c->words, t->scope, cell->text, cell->n);
    if (code == -2) return false;
    if (code == -1) c->type = SOMA_COLUMN_TEXT, code = 0;
    else if (c->words.n > before && soma__not_utf8(cell->text, cell->n) != SIZE_MAX)
        return fail(t, SOMA_ERROR_FORMAT, t->csv.line, soma__csv_column(&t->csv, i) + soma__not_utf8(cell->text, cell->n),
                    "this is no UTF-8; save the file as UTF-8");
    *out = code;
    return true;
}

/* A cell into its column; false with the error pending. */
static bool add_cell(soma_table *t, size_t i, double *out) {
    soma__table_column *c = &t->columns[i];
    const soma__cell *cell = &t->csv.cells[i];
    double v;
    *out = __builtin_nan("");
    if (c->type == SOMA_COLUMN_NUMBER && soma__cell_number(cell->text, cell->n, t->dialect.decimal, &v))
        return *out = v, add_number(c, v, t->csv.line);
    if (soma__cell_missing(cell->text, cell->n)) {
        if (!c->missing++) c->missing_line = t->csv.line;
        return true;
    }
    if (c->type == SOMA_COLUMN_EMPTY)
        c->type = c->forced                                                        ? SOMA_COLUMN_CATEGORY
                  : soma__cell_number(cell->text, cell->n, t->dialect.decimal, &v) ? SOMA_COLUMN_NUMBER
                  : soma__cell_date(cell->text, cell->n, &v)                       ? SOMA_COLUMN_DATE
                                                                                   : SOMA_COLUMN_CATEGORY;
    bool fits = c->type == SOMA_COLUMN_NUMBER ? soma__cell_number(cell->text, cell->n, t->dialect.decimal, &v)
                : c->type == SOMA_COLUMN_DATE ? soma__cell_date(cell->text, cell->n, &v)
                                              : false;
    if (fits) return *out = v, add_number(c, v, t->csv.line);
    if (c->type == SOMA_COLUMN_NUMBER || c->type == SOMA_COLUMN_DATE) c->type = SOMA_COLUMN_CATEGORY, t->again = true;
    return (c->type != SOMA_COLUMN_CATEGORY && c->type != SOMA_COLUMN_TEXT) || add_word(t, c, i, out);
}

static bool wrong_count(soma_table *t) {
    char what[160];
    size_t n = t->csv.n_cells, want = (size_t)t->n, last = n > want ? want : n - 1;
    snprintf(what, sizeof what, "this line has %zu cell%s, the others have %zu%s", n, n == 1 ? "" : "s", want,
             n > want && t->dialect.delimiter == ',' ? " (a comma within a cell needs quotes around it)" : "");
    return fail(t, SOMA_ERROR_FORMAT, t->csv.line, soma__csv_column(&t->csv, last) + (n > want ? 0 : t->csv.cells[last].n), what);
}

static void reset(soma_table *t) {
    for (int64_t i = 0; i < t->n; i++) {
        soma__table_column *c = &t->columns[i], fresh = {.about = {.name = c->about.name}, .type = c->type, .forced = c->forced};
        *c = fresh;
    }
    soma__store_close(&t->store);
    t->rows = 0, t->again = false;
}

static bool pass(soma_table *t) {
    bool fine;
    char why[SOMA__CSV_WHY];
    reset(t);
    if ((t->header || t->skip) && !next(t, &fine)) return soma_error_status(t->ctx) == SOMA_OK;
    while (next(t, &fine)) {
        if (t->csv.n_cells != (size_t)t->n) return wrong_count(t);
        for (size_t i = 0; i < (size_t)t->n; i++)
            if (!add_cell(t, i, &t->row[i])) return false;
        t->rows++;
        soma_status s = t->again ? SOMA_OK : soma__store_put(&t->store, t->row, (size_t)t->n * sizeof *t->row, why, sizeof why);
        if (s != SOMA_OK) return fail(t, s, 0, 0, why);
    }
    return fine;
}

static bool open_csv(soma_table *t, const void *memory, size_t bytes) {
    soma__csv_close(&t->csv);
    soma_status s = soma__csv_open(&t->csv, soma_context_allocator(t->ctx), memory ? NULL : t->name, memory, bytes, t->dialect);
    if (s != SOMA_OK) return fail(t, s, 0, 0, t->csv.why);
    t->dialect = t->csv.dialect;
    return true;
}

bool soma__table_read(soma_table *t, const void *memory, size_t bytes, const soma_table_opts *o) {
    head h = {0};
    if (!open_csv(t, memory, bytes) || !look_at_head(t, &h) || !set_columns(t, &h, o)) return false;
    for (int64_t i = 0; i < o->n_categories; i++) {
        int64_t k = soma_table_find(t, o->categories[i]);
        if (k < 0) return soma_error_raise(t->ctx, SOMA_ERROR_ARGUMENT, "%s: there is no column '%s'", t->name, o->categories[i]), false;
        t->columns[k].forced = true;
    }
    for (int tries = 0; tries < 3; tries++) {
        if (!open_csv(t, memory, bytes) || !pass(t)) return false;
        if (!t->again) break;
    }
    char why[SOMA__CSV_WHY];
    if (!t->rows) return fail(t, SOMA_ERROR_FORMAT, 0, 0, "the table has names, but no rows");
    soma_status s = soma__store_done(&t->store, why, sizeof why);
    return s == SOMA_OK || fail(t, s, 0, 0, why);
}
