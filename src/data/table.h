#ifndef SOMA_SRC_DATA_TABLE_H
#define SOMA_SRC_DATA_TABLE_H

#include "soma/table.h"

#include "data/csv.h"

#define SOMA__WORDS_MOST 1000 /* different words of a category column */
#define SOMA__NUMBERS_MOST 64 /* different numbers that are kept */
#define SOMA__COLUMNS_MOST 16384

/* Different words, in the order of their first use. */
typedef struct soma__words {
    char **list;
    int32_t *slots; /* word number + 1 by hash, or 0; 2 * SOMA__WORDS_MOST rounded up to a power of two */
    int32_t n;
} soma__words;

typedef struct soma__table_column {
    soma_column about;
    soma_column_type type;
    bool forced; /* a category because the user says so */
    int64_t missing, missing_line, infinite_line, count;
    int64_t numbers_among, words_among,
        word_line;                        /* of cells taken for words: how many are numbers, how many are not, and the line of the first such */
    const char *word;                     /* its text, or a part of it */
    double first, sum, squares, min, max; /* sums of distances to the first value */
    bool whole;
    double numbers[SOMA__NUMBERS_MOST]; /* different ones; count beyond: too many */
    uint8_t slots[256];                 /* place in numbers + 1 by hash, or 0 */
    int32_t n_numbers;
    soma__words words;
    int32_t *rank; /* of a word among the sorted */
} soma__table_column;

struct soma_table {
    soma_context *ctx;
    soma_scope *scope;
    const char *name; /* in sentences */
    soma__csv csv;
    soma__dialect dialect;
    bool header, skip; /* the first record: names, or nothing of the table */
    int64_t rows, n;
    soma__table_column *columns;
    soma__store store; /* rows of n doubles */
    double *row;
    bool again; /* a column's type changed: the pass only looks for types */
    char delimiter[2];
    const char *notes[8];
    int n_notes;
};

/* Reads all of the table; false with the error pending. memory: instead of the file `name`. */
bool soma__table_read(soma_table *t, const void *memory, size_t bytes, const soma_table_opts *o);
void soma__table_note(soma_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A name for column i that none of those before it has: what is wanted (NULL or "": c1, c2, ...), perhaps with a number behind it. */
const char *soma__column_name(soma_scope *scope, const char *wanted, const char *const *before, int64_t i);
/* The number of a word, a new one if it is not there; -1: too many, -2: out of memory. */
int32_t soma__words_put(soma__words *w, soma_scope *scope, const char *text, size_t n);
/* The number of a word in a sorted list of categories; -1 when it is none. */
int32_t soma__categories_find(const char *const *list, int64_t n, const char *text, size_t length);
/* Sorts a list of words, as numbers where all are, else by bytes. */
void soma__categories_sort(const char **list, int64_t n);
/* Copies text into a scope; NULL with the error pending. */
const char *soma__copy_text(soma_scope *scope, const char *text, size_t n);
/* A number as its shortest text that reads back equal. */
void soma__number_text(double v, char *out, size_t size);

#endif
