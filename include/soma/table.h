/* Tables: CSV, TSV and their kin, read with types, split, and turned into the inputs and targets of a network. */
#ifndef SOMA_TABLE_H
#define SOMA_TABLE_H

#include "soma/data.h"

/* A table file that was read: every cell as a double. Belongs to the innermost scope. Up to 256 MiB of cells are held in memory, what is larger in a
 * temporary file without a name (in TMPDIR, or /var/tmp). */
typedef struct soma_table soma_table;

typedef enum soma_column_type {
    SOMA_COLUMN_EMPTY,    /* no cell has a value */
    SOMA_COLUMN_NUMBER,   /* all cells are numbers or missing */
    SOMA_COLUMN_DATE,     /* all are dates: days since 1970-01-01, with fractions */
    SOMA_COLUMN_CATEGORY, /* words, at most 1000 different ones; a cell is the word's place in `categories` */
    SOMA_COLUMN_TEXT      /* more; its cells are not kept */
} soma_column_type;
SOMA_API const char *soma_column_type_name(soma_column_type type);

typedef struct soma_column {
    const char *name; /* of the header, else c1, c2, ... */
    soma_column_type type;
    int64_t missing, missing_line;    /* cells without a value (empty, NA, N/A, NaN, null, None, ?), and the line of the first one */
    double min, max, mean, deviation; /* of numbers and dates; deviation of the population */
    int64_t distinct;                 /* different numbers, 65 for "more than 64"; or different words */
    int64_t whole;                    /* nonzero: all numbers are integers */
    const char *const *categories;    /* sorted: as numbers where all are, else by bytes; of numbers with up to 64 different values these, as text */
    int64_t n_categories;
} soma_column;

typedef struct soma_table_opts {
    const char *delimiter;         /* "," ";" "\t" "|" or " " (any run of blanks); default: found */
    const char *quote;             /* "\"" or "'"; default: found */
    const char *decimal;           /* "." or ","; default: found */
    soma_optional header;          /* 1: the first record has names, 0: it does not; default: found */
    const char *const *categories; /* names of columns whose numbers are words */
    int64_t n_categories;
    uint64_t reserved[4];
} soma_table_opts;

/* Reads a table; path "-" is standard input, .gz is unpacked. Delimiter, quotes, decimal sign, header and types are found. A first line with another
 * number of cells than all others is skipped, with a note. SOMA_ERROR_IO; SOMA_ERROR_FORMAT with line and column (a byte, from 1): records with too
 * many or too few cells, quotes never closed, bytes of value 0, text that is no UTF-8, lines of more than 16 MiB, no records, more than 16384
 * columns. */
SOMA_WITH_OPTS(soma_table *, soma_table_open, (soma_context * ctx, const char *path), (ctx, path), soma_table_opts)
SOMA_WITH_OPTS(soma_table *, soma_table_from_memory, (soma_context * ctx, const void *text, size_t bytes), (ctx, text, bytes), soma_table_opts)
/* Rows and columns; 0 for NULL. */
SOMA_API int64_t soma_table_rows(const soma_table *t);
SOMA_API int64_t soma_table_columns(const soma_table *t);
/* Was there a header? And the dialect, as text of one character each. */
SOMA_API bool soma_table_header(const soma_table *t);
SOMA_API const char *soma_table_delimiter(const soma_table *t);
/* Column i; strings are valid as long as the table. SOMA_ERROR_RANGE for another number. */
SOMA_API soma_status soma_table_column(const soma_table *t, int64_t i, soma_column *out);
/* The column of a name, or -1. Without a header also "1", "2", ... */
SOMA_API int64_t soma_table_find(const soma_table *t, const char *name);
/* A cell; NaN where it is missing, out of range, or text. */
SOMA_API double soma_table_cell(const soma_table *t, int64_t row, int64_t column);
/* What was decided while reading that a person may want to know, a sentence each; NULL beyond the last. */
SOMA_API const char *soma_table_note(const soma_table *t, int64_t i);

/* How rows become inputs and a target: fitted on rows of a table, then applied to any. Belongs to the innermost scope. */
typedef struct soma_columns soma_columns;

typedef enum soma_scaling { SOMA_SCALE_STANDARD, SOMA_SCALE_MINMAX, SOMA_SCALE_ROBUST, SOMA_SCALE_NONE } soma_scaling;
typedef enum soma_missing { SOMA_MISSING_ERROR, SOMA_MISSING_DROP, SOMA_MISSING_MEAN, SOMA_MISSING_MEDIAN, SOMA_MISSING_FLAG } soma_missing;
typedef enum soma_task { SOMA_TASK_AUTO, SOMA_TASK_CLASSES, SOMA_TASK_VALUE } soma_task;

/* One column as inputs: a number x becomes (x - center) * factor; a category one input for each word, 1 where it is the cell's, or with `embed` one
 * input with the word's number (the count of words for another one), for an embedding of so many numbers. A cell that is missing becomes `fill`; with
 * `flag` a further input says so. */
typedef struct soma_feature {
    const char *name;
    soma_column_type type; /* number, date or category */
    double center, factor, fill;
    int64_t flag, embed;
    const char *const *categories;
    int64_t n_categories;
} soma_feature;

/* What soma_columns are: enough to make the same ones again. */
typedef struct soma_columns_info {
    const soma_feature *features;
    int64_t n_features;
    int64_t header;        /* nonzero: columns are found by name, else by place */
    const int64_t *places; /* of the features in the table, from 0 */
    int64_t width;         /* columns of the table that was fitted */
    soma_missing missing;
    soma_task task;      /* classes or value; SOMA_TASK_AUTO: no target */
    soma_feature target; /* of classes: the categories; of a value: (y - center) * factor is learned */
    int64_t target_place;
    char decimal;
} soma_columns_info;

typedef struct soma_columns_opts {
    const char *target;   /* a column's name; default: the last column that is not empty */
    soma_task task;       /* default: classes for words and for few whole numbers (at most 20 different), else a value */
    soma_scaling scaling; /* of numbers: by mean and deviation (default), to [0, 1], by median and quartiles, or none */
    soma_missing missing; /* default: an error that says where; else rows are left out, or cells become the mean or the median (of categories: the
                             most frequent word), or the mean with a further input that says so */
    int64_t embed;        /* above 0: categories become numbers, for an embedding of so many */
    const char *const *ignore; /* columns that are no inputs */
    int64_t n_ignore;
    int64_t raw_target; /* nonzero: values of the target are not scaled */
    uint64_t reserved[4];
} soma_columns_opts;

/* Fits inputs and target on n rows (NULL: all). Text and empty columns are left out. SOMA_ERROR_ARGUMENT for a column that is not there, a target
 * that cannot be one, no inputs; SOMA_ERROR_FORMAT for missing cells (with the default) and infinite numbers. */
SOMA_WITH_OPTS(soma_columns *, soma_columns_fit, (soma_context * ctx, const soma_table *t, const int64_t *rows, int64_t n), (ctx, t, rows, n),
               soma_columns_opts)
/* The same from what they are; all is copied. SOMA_ERROR_ARGUMENT for what makes no sense. */
SOMA_API soma_columns *soma_columns_new(soma_context *ctx, const soma_columns_info *info);
/* Valid as long as the columns; NULL for NULL. */
SOMA_API const soma_columns_info *soma_columns_about(const soma_columns *c);
/* Inputs of a row; 0 for NULL. */
SOMA_API int64_t soma_columns_inputs(const soma_columns *c);
/* Numbers that a network's first layer sees: the same, with so many as the embedding has for each embedded category. */
SOMA_API int64_t soma_columns_width(const soma_columns *c);
/* A target as it is learned in its own units: y / factor + center, rounded to nearest. y itself for NULL. */
SOMA_API double soma_columns_value(const soma_columns *c, double y);
/* Rows of a table as a data set: n rows (NULL: all), less those without a target, and less those with missing cells where the columns drop them.
 * Columns are found by name. SOMA_ERROR_ARGUMENT when one is missing or of another type, or no row is left; SOMA_ERROR_RANGE for a class that
 * the columns do not know. */
SOMA_API soma_dataset *soma_table_dataset(soma_table *t, soma_columns *c, const int64_t *rows, int64_t n);

/* Reads rows as inputs, a few at a time, whatever the size of the file. The target's column may be there or not. */
typedef struct soma_rows soma_rows;
/* path "-" is standard input. Belongs to the innermost scope. Errors as soma_table_open and soma_table_dataset. */
SOMA_API soma_rows *soma_rows_open(soma_context *ctx, soma_columns *c, const char *path);
/* Fills inputs with up to `most` rows; returns how many, 0 at the end, negative with the error pending. */
SOMA_API int64_t soma_rows_next(soma_rows *r, float *inputs, int64_t most);

typedef enum soma_split_kind { SOMA_SPLIT_RANDOM, SOMA_SPLIT_STRATIFIED, SOMA_SPLIT_GROUP, SOMA_SPLIT_TIME } soma_split_kind;
typedef struct soma_split_opts {
    soma_split_kind kind; /* stratified: each class of `column` in equal shares; group: rows with equal cells stay together; time: the latest rows are
                             the test part, sorted by `column` (NULL: the file's order) */
    const char *column;
    soma_optional test;  /* share of the test part, in (0, 1); default 0.2 */
    int64_t folds, fold; /* folds above 1: part `fold` (from 0) of so many is the test part. By time: fold i learns from all that is before it */
    uint64_t seed;
    uint64_t reserved[4];
} soma_split_opts;
/* Cuts a table's rows into two parts, both in the file's order; a function of the table, the options and the seed. The arrays belong to the innermost
 * scope. SOMA_ERROR_ARGUMENT for a column that is not there, too many folds, or a part that would be empty. */
SOMA_WITH_OPTS(soma_status, soma_table_split, (const soma_table *t, int64_t **train, int64_t *n_train, int64_t **test, int64_t *n_test),
               (t, train, n_train, test, n_test), soma_split_opts)

#endif
