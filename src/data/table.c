/* Tables: opening, and what is known of their columns. */
#include "data/table.h"

#include "base/alloc.h"
#include "base/fpmode.h"
#include "data/cell.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MEMORY_MOST ((size_t)256 << 20) /* bytes of cells; more go to a file */
#define INPUT_MOST ((size_t)64 << 20)   /* the same of standard input */

const char *soma_column_type_name(soma_column_type type) {
    static const char *const names[] = {"empty", "number", "date", "category", "text"};
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

void soma__table_note(soma_table *t, const char *format, ...) {
    char room[400];
    va_list args;
    va_start(args, format);
    vsnprintf(room, sizeof room, format, args);
    va_end(args);
    if (t->n_notes < (int)(sizeof t->notes / sizeof *t->notes) && (t->notes[t->n_notes] = soma__copy_text(t->scope, room, strlen(room))))
        t->n_notes++;
}

static void close_table(void *arg) {
    soma_table *t = arg;
    soma__csv_close(&t->csv);
    soma__store_close(&t->store);
}

static bool number_categories(soma_table *t, soma__table_column *c) {
    const char **list = soma_scope_memory_in(t->scope, (size_t)c->n_numbers * sizeof *list);
    for (int32_t i = 0; list && i < c->n_numbers; i++) {
        char text[40];
        soma__number_text(c->numbers[i], text, sizeof text);
        if (!(list[i] = soma__copy_text(t->scope, text, strlen(text)))) return false;
    }
    if (!list) return false;
    soma__categories_sort(list, c->n_numbers);
    c->about.categories = list, c->about.n_categories = c->n_numbers;
    return true;
}

static bool word_categories(soma_table *t, soma__table_column *c) {
    size_t n = (size_t)c->words.n;
    const char **list = soma_scope_memory_in(t->scope, n * sizeof *list);
    c->rank = soma_scope_memory_in(t->scope, n * sizeof *c->rank);
    if (!list || !c->rank) return false;
    memcpy(list, c->words.list, n * sizeof *list);
    soma__categories_sort(list, c->words.n);
    for (int32_t i = 0; i < c->words.n; i++) c->rank[soma__words_put(&c->words, t->scope, list[i], strlen(list[i]))] = i;
    c->about.categories = list, c->about.n_categories = c->about.distinct = c->words.n;
    return true;
}

static bool describe(soma_table *t, soma__table_column *c) {
    soma_column *a = &c->about;
    double n = (double)c->count, mean = c->count ? c->sum / n : 0, variance = c->count ? c->squares / n - mean * mean : 0;
    a->type = c->type;
    a->missing = c->missing, a->missing_line = c->missing_line;
    bool numbers = c->type == SOMA_COLUMN_NUMBER || c->type == SOMA_COLUMN_DATE;
    if (numbers) {
        a->min = c->min, a->max = c->max, a->mean = c->first + mean;
        a->deviation = variance > 0 ? __builtin_sqrt(variance) : 0;
        a->distinct = c->n_numbers, a->whole = c->whole;
    }
    if (c->type == SOMA_COLUMN_TEXT)
        soma__table_note(t, "column '%s' is text of more than %d different words; it is no input", a->name, SOMA__WORDS_MOST);
    int64_t cells = c->numbers_among + c->words_among;
    if (!c->forced && c->numbers_among > 9 * c->words_among && c->word)
        soma__table_note(t, "column '%s': %lld of %lld cells are numbers, but line %lld has '%s'; so they are taken for words", a->name,
                         (long long)c->numbers_among, (long long)cells, (long long)c->word_line, c->word);
    if (c->type == SOMA_COLUMN_EMPTY) soma__table_note(t, "column '%s' is empty", a->name);
    if (c->type == SOMA_COLUMN_NUMBER && c->n_numbers <= SOMA__NUMBERS_MOST) return number_categories(t, c);
    return c->type != SOMA_COLUMN_CATEGORY || word_categories(t, c);
}

static soma_table *begin(soma_context *ctx, const char *name, const soma_table_opts *o) {
    static const char delimiters[] = ",;\t| ";
    if ((o->delimiter && (strlen(o->delimiter) != 1 || !strchr(delimiters, *o->delimiter))) ||
        (o->quote && strcmp(o->quote, "\"") != 0 && strcmp(o->quote, "'") != 0) ||
        (o->decimal && strcmp(o->decimal, ".") != 0 && strcmp(o->decimal, ",") != 0) || o->n_categories < 0 || (o->n_categories && !o->categories)) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "table_open: a delimiter is one of , ; tab | and blank, a quote \" or ', a decimal sign . or ,");
        return NULL;
    }
    soma_table *t = soma_scope_memory(ctx, sizeof *t);
    if (!t || soma_scope_defer(ctx, close_table, t) != SOMA_OK) return NULL;
    t->ctx = ctx;
    t->scope = soma_scope_innermost(ctx);
    t->store = (soma__store){.alloc = *soma_context_allocator(ctx), .most = MEMORY_MOST};
    t->name = soma__copy_text(t->scope, name, strlen(name));
    if (o->delimiter) t->dialect = (soma__dialect){*o->delimiter, o->quote ? *o->quote : '"', o->decimal ? *o->decimal : '.'};
    return t->name ? t : NULL;
}

static soma_table *read_table(soma_table *t, const void *memory, size_t bytes, const soma_table_opts *o) {
    soma__fpmode mode = soma__fpmode_enter();
    if (!t->dialect.delimiter && (o->quote || o->decimal)) { /* found, but for what is given */
        if (soma__csv_open(&t->csv, &t->store.alloc, memory ? NULL : t->name, memory, bytes, t->dialect) == SOMA_OK) t->dialect = t->csv.dialect;
        if (o->quote) t->dialect.quote = *o->quote;
        if (o->decimal) t->dialect.decimal = *o->decimal;
    }
    bool fine = soma__table_read(t, memory, bytes, o);
    for (int64_t i = 0; fine && i < t->n; i++) fine = describe(t, &t->columns[i]);
    soma__fpmode_leave(mode);
    soma__csv_close(&t->csv);
    t->delimiter[0] = t->dialect.delimiter;
    return fine ? t : NULL;
}

/* Standard input can be read once only: it is kept. */
static soma_table *read_input(soma_context *ctx, soma_table *t, const soma_table_opts *o) {
    soma__stream in;
    soma__store all = {.alloc = *soma_context_allocator(ctx), .most = INPUT_MOST};
    char why[SOMA__CSV_WHY], *block = soma__alloc(&all.alloc, INPUT_MOST / 64);
    size_t n = 1;
    soma_table *done = NULL;
    soma_status s = block ? soma__stream_open(&in, &all.alloc, "-", why, sizeof why) : SOMA_ERROR_MEMORY;
    if (block && s == SOMA_OK) {
        while (s == SOMA_OK && n)
            if ((s = soma__stream_read(&in, block, INPUT_MOST / 64, &n, why, sizeof why)) == SOMA_OK && n)
                s = soma__store_put(&all, block, n, why, sizeof why);
        soma__stream_close(&in);
        if (s == SOMA_OK) s = soma__store_done(&all, why, sizeof why);
        if (s == SOMA_OK) done = read_table(t, all.data ? all.data : "", all.size, o);
    }
    if (s != SOMA_OK) soma_error_raise(ctx, s, "standard input: %s", block ? why : "out of memory");
    soma__free(&all.alloc, block, INPUT_MOST / 64);
    soma__store_close(&all);
    return done;
}

soma_table *soma_table_open_v(soma_context *ctx, const char *path, const soma_table_opts *options, size_t size) {
    soma_table_opts o;
    if (!ctx || !soma_options_read(ctx, "table_open", &o, sizeof o, options, size)) return NULL;
    if (!path) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "table_open: a path is wanted"), NULL;
    bool input = strcmp(path, "-") == 0;
    soma_table *t = begin(ctx, input ? "standard input" : path, &o);
    if (!t) return NULL;
    return input ? read_input(ctx, t, &o) : read_table(t, NULL, 0, &o);
}

soma_table *soma_table_from_memory_v(soma_context *ctx, const void *text, size_t bytes, const soma_table_opts *options, size_t size) {
    soma_table_opts o;
    if (!ctx || !soma_options_read(ctx, "table_from_memory", &o, sizeof o, options, size)) return NULL;
    if (!text) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "table_from_memory: text is wanted"), NULL;
    soma_table *t = begin(ctx, "memory", &o);
    return t ? read_table(t, text, bytes, &o) : NULL;
}

int64_t soma_table_rows(const soma_table *t) { return t ? t->rows : 0; }
int64_t soma_table_columns(const soma_table *t) { return t ? t->n : 0; }
bool soma_table_header(const soma_table *t) { return t && t->header; }
const char *soma_table_delimiter(const soma_table *t) { return t ? t->delimiter : ""; }
const char *soma_table_note(const soma_table *t, int64_t i) { return t && i >= 0 && i < t->n_notes ? t->notes[i] : NULL; }

soma_status soma_table_column(const soma_table *t, int64_t i, soma_column *out) {
    if (!t || !out) return SOMA_ERROR_ARGUMENT;
    if (i < 0 || i >= t->n) return SOMA_ERROR_RANGE;
    *out = t->columns[i].about;
    return SOMA_OK;
}

int64_t soma_table_find(const soma_table *t, const char *name) {
    double v;
    for (int64_t i = 0; t && name && i < t->n; i++)
        if (strcmp(t->columns[i].about.name, name) == 0) return i;
    if (t && name && !t->header && soma__cell_number(name, strlen(name), '.', &v) && v >= 1 && v <= (double)t->n && v == (double)(int64_t)v)
        return (int64_t)v - 1;
    return -1;
}

double soma_table_cell(const soma_table *t, int64_t row, int64_t column) {
    if (!t || row < 0 || row >= t->rows || column < 0 || column >= t->n) return __builtin_nan("");
    const soma__table_column *c = &t->columns[column];
    double v = ((const double *)(const void *)t->store.data)[row * t->n + column];
    if (c->type == SOMA_COLUMN_TEXT) return __builtin_nan("");
    return c->type == SOMA_COLUMN_CATEGORY && !isnan(v) ? c->rank[(int32_t)v] : v;
}
