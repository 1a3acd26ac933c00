/* A table's rows as samples, and rows of a file read as inputs. */
#include "data/columns.h"
#include "data/dataset.h"
#include "data/table.h"

#include "base/fpmode.h"
#include "data/cell.h"

#include <math.h>
#include <string.h>

/* Where a feature's cells are, and what the table's words are in the feature's list. */
typedef struct bound {
    int64_t place;
    int32_t *words;
} bound;

typedef struct source {
    const soma_table *t;
    const soma_columns *c;
    bound *features, target;
    double *numbers; /* classes that are numbers in this table */
    int64_t *rows;
} source;

static double cell_of(const source *s, const bound *b, int64_t row) {
    double v = soma_table_cell(s->t, row, b->place);
    return b->words && !isnan(v) ? b->words[(int64_t)v] : v;
}

static int64_t class_of(const source *s, double y) {
    if (isnan(y)) return -1;
    if (!s->numbers) return (int64_t)y;
    for (int64_t i = 0; i < s->c->info.target.n_categories; i++)
        if (s->numbers[i] == y) return i;
    return -1;
}

static void sample(const soma_dataset *d, int64_t i, float *inputs, soma__target *target) {
    const source *s = d->source;
    const soma_columns_info *info = &s->c->info;
    int64_t row = s->rows[i];
    for (int64_t k = 0; inputs && k < info->n_features; k++)
        inputs += soma__feature_inputs(&info->features[k], cell_of(s, &s->features[k], row), inputs);
    double y = cell_of(s, &s->target, row);
    *target = info->task == SOMA_TASK_CLASSES ? (soma__target){class_of(s, y), 0} : (soma__target){0, soma__target_value(&info->target, y)};
}

static bool refuse(soma_context *ctx, soma_status s, const char *table, const char *what, const char *name) {
    soma_error_raise(ctx, s, "%s: %s '%s'", table, what, name);
    return false;
}

/* Finds a feature's column. classes: its cells are places in the feature's list, numbers, too. */
static bool bind(soma_context *ctx, const soma_table *t, const soma_columns *c, const soma_feature *f, int64_t place, bool classes, bound *out) {
    soma_column a;
    bool by_name = c->info.header && t->header;
    out->place = by_name ? soma_table_find(t, f->name) : t->n == c->info.width ? place : -1;
    if (out->place < 0 && by_name) return refuse(ctx, SOMA_ERROR_ARGUMENT, t->name, "there is no column", f->name);
    if (out->place < 0) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: the table has %lld columns, %lld are wanted", t->name, (long long)t->n,
                         (long long)c->info.width);
        return false;
    }
    soma_table_column(t, out->place, &a);
    if (a.type == SOMA_COLUMN_EMPTY) return true;
    bool fits = a.type == f->type || (classes && (a.type == SOMA_COLUMN_CATEGORY || a.type == SOMA_COLUMN_NUMBER));
    if (!fits) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: column '%s' is %s here; %s is wanted", t->name, a.name, soma_column_type_name(a.type),
                         soma_column_type_name(f->type));
        return false;
    }
    if (a.type != SOMA_COLUMN_CATEGORY) return true;
    if (!(out->words = soma_scope_memory(ctx, (size_t)(a.n_categories + 1) * sizeof *out->words))) return false;
    for (int64_t i = 0; i < a.n_categories; i++)
        out->words[i] = soma__categories_find(f->categories, f->n_categories, a.categories[i], strlen(a.categories[i]));
    return true;
}

/* Classes that are words in the list and numbers in the table. */
static bool bind_classes(soma_context *ctx, source *s) {
    const soma_feature *f = &s->c->info.target;
    if (s->target.words) return true;
    if (!(s->numbers = soma_scope_memory(ctx, (size_t)f->n_categories * sizeof *s->numbers))) return false;
    for (int64_t i = 0; i < f->n_categories; i++)
        if (!soma__cell_number(f->categories[i], strlen(f->categories[i]), '.', &s->numbers[i])) s->numbers[i] = (double)NAN;
    return true;
}

/* Chooses the rows that are examples; false with the error pending. */
static bool choose(soma_context *ctx, source *s, const int64_t *rows, int64_t n, int64_t *count) {
    const soma_columns_info *info = &s->c->info;
    soma_column target;
    soma_table_column(s->t, s->target.place, &target);
    if (!(s->rows = soma_scope_memory(ctx, (size_t)(n + 1) * sizeof *s->rows))) return false;
    *count = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = rows ? rows[i] : i, missing = -1;
        if (row < 0 || row >= s->t->rows)
            return soma_error_raise(ctx, SOMA_ERROR_RANGE, "table_dataset: row %lld of %lld", (long long)row, (long long)s->t->rows), false;
        double y = cell_of(s, &s->target, row);
        for (int64_t k = 0; k < info->n_features && missing < 0 && info->missing <= SOMA_MISSING_DROP; k++)
            if (isnan(soma_table_cell(s->t, row, s->features[k].place))) missing = s->features[k].place;
        if (isnan(y)) missing = s->target.place;
        if (missing >= 0 && info->missing == SOMA_MISSING_ERROR) {
            soma_column a;
            soma_table_column(s->t, missing, &a);
            soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: line %lld: column '%s' has no value here", s->t->name, (long long)a.missing_line, a.name);
            return false;
        }
        if (missing >= 0) continue;
        bool known = info->task != SOMA_TASK_CLASSES || class_of(s, y) >= 0;
        if (!known) {
            char text[40];
            double cell = soma_table_cell(s->t, row, s->target.place);
            soma__number_text(cell, text, sizeof text);
            soma_error_raise(ctx, SOMA_ERROR_RANGE, "%s: column '%s' has the class '%s' in row %lld, which is not known from training", s->t->name,
                             target.name, target.type == SOMA_COLUMN_CATEGORY ? target.categories[(int64_t)cell] : text, (long long)row + 1);
            return false;
        }
        s->rows[(*count)++] = row;
    }
    return *count > 0 || (soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: no row is left", s->t->name), false);
}

#define READY_MOST ((size_t)256 << 20) /* bytes of samples that are made at once; beyond that, when they are asked for */

/* All samples as arrays: a batch then copies rows. False with the error pending. */
static bool make_ready(soma_dataset *d) {
    size_t n = (size_t)d->count, width = (size_t)d->features;
    if (n > READY_MOST / (width * sizeof(float))) return true;
    float *x = soma_scope_memory(d->ctx, n * width * sizeof *x), *values = d->valued ? soma_scope_memory(d->ctx, n * sizeof *values) : NULL;
    int64_t *classes = d->valued ? NULL : soma_scope_memory(d->ctx, n * sizeof *classes);
    if (!x || (!values && !classes)) return false;
    for (size_t i = 0; i < n; i++) {
        soma__target t;
        d->sample(d, (int64_t)i, x + i * width, &t);
        if (values) values[i] = t.value;
        else classes[i] = t.class;
    }
    d->floats = x, d->values = values, d->targets = classes, d->sample = NULL;
    return true;
}

soma_dataset *soma_table_dataset(soma_table *t, soma_columns *c, const int64_t *rows, int64_t n) {
    if (!t || !c || soma_error_status(t->ctx) != SOMA_OK) return NULL;
    soma_context *ctx = t->ctx;
    if (n < 0 || c->ctx != ctx || !c->info.task)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "table_dataset: columns of this context, with a target, and rows are wanted"), NULL;
    soma_dataset *d = soma_scope_memory(ctx, sizeof *d);
    source *s = d ? soma_scope_memory(ctx, sizeof *s) : NULL;
    if (!s || !(s->features = soma_scope_memory(ctx, (size_t)c->info.n_features * sizeof *s->features))) return NULL;
    s->t = t, s->c = c;
    for (int64_t k = 0; k < c->info.n_features; k++)
        if (!bind(ctx, t, c, &c->info.features[k], c->info.places[k], false, &s->features[k])) return NULL;
    bool classes = c->info.task == SOMA_TASK_CLASSES;
    if (!bind(ctx, t, c, &c->info.target, c->info.target_place, classes, &s->target)) return NULL;
    *d =
        (soma_dataset){.ctx = ctx, .source = s, .columns = c, .table = t, .valued = !classes, .features = c->inputs, .ndim = 1, .shape = {c->inputs}};
    d->sample = sample;
    if (classes && !bind_classes(ctx, s)) return NULL;
    soma__fpmode mode = soma__fpmode_enter();
    bool fine = choose(ctx, s, rows, rows ? n : t->rows, &d->count) && make_ready(d);
    soma__fpmode_leave(mode);
    return fine ? d : NULL;
}

struct soma_rows {
    soma_context *ctx;
    const soma_columns *c;
    const char *name;
    soma__csv csv;
    int64_t *places; /* of the features in the file */
    size_t n;        /* cells of a record */
    bool held;       /* a record is there that was not given out */
};

static void close_rows(void *arg) { soma__csv_close(&((soma_rows *)arg)->csv); }

static bool broken(soma_rows *r, size_t column, const char *what, const char *name) {
    soma_error_raise(r->ctx, SOMA_ERROR_FORMAT, "%s: line %lld, column %zu: %s%s%s%s", r->name, (long long)r->csv.line, column, what,
                     name ? " '" : "", name ? name : "", name ? "'" : "");
    return false;
}

static bool next(soma_rows *r) {
    bool got;
    soma_status s = soma__csv_next(&r->csv, &got);
    if (s != SOMA_OK) soma_error_raise(r->ctx, s, "%s: %s", r->name, r->csv.why);
    return s == SOMA_OK && got;
}

/* The first record as names, as a table would have them. */
static const char **names_of(soma_rows *r) {
    soma_scope *scope = soma_scope_innermost(r->ctx);
    const char **names = soma_scope_memory(r->ctx, (r->n + 1) * sizeof *names);
    for (size_t i = 0; names && i < r->n; i++) {
        const char *wanted = soma__copy_text(scope, r->csv.cells[i].text, r->csv.cells[i].n);
        if (!wanted || !(names[i] = soma__column_name(scope, wanted, names, (int64_t)i))) return NULL;
    }
    return names;
}

static bool wrong_width(soma_rows *r) {
    const soma_columns_info *info = &r->c->info;
    if (info->task)
        soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT, "%s: the table has %zu columns%s; the model was trained on %lld, the target counted", r->name,
                         r->n, info->header ? " and none of the model's names" : "", (long long)info->width);
    else
        soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT, "%s: the table has %zu columns, the model takes %lld numbers", r->name, r->n,
                         (long long)info->width);
    return false;
}

/* The first record: names, or already a row. */
static bool find_places(soma_rows *r) {
    const soma_columns_info *info = &r->c->info;
    int64_t known = 0, words = 0;
    r->n = r->csv.n_cells;
    const char **names = info->header ? names_of(r) : NULL;
    if (info->header && !names) return false;
    for (int64_t k = 0; k < info->n_features; k++) {
        r->places[k] = -1;
        for (size_t i = 0; i < r->n && r->places[k] < 0 && names; i++)
            if (strcmp(names[i], info->features[k].name) == 0) r->places[k] = (int64_t)i, known++;
    }
    if (known == info->n_features) return true;
    for (int64_t k = 0; k < info->n_features && known; k++)
        if (r->places[k] < 0) return refuse(r->ctx, SOMA_ERROR_ARGUMENT, r->name, "there is no column", info->features[k].name);
    bool shorter = info->task && (int64_t)r->n == info->width - 1; /* without the target */
    if ((int64_t)r->n != info->width && !shorter) return wrong_width(r);
    for (int64_t k = 0; k < info->n_features; k++) {
        double v;
        r->places[k] = info->places[k] - (shorter && info->places[k] > info->target_place);
        const soma__cell *c = &r->csv.cells[r->places[k]];
        bool numeric = info->features[k].type == SOMA_COLUMN_NUMBER;
        words += numeric && !soma__cell_missing(c->text, c->n) && !soma__cell_number(c->text, c->n, r->csv.dialect.decimal, &v);
    }
    if (words && info->header)
        return refuse(r->ctx, SOMA_ERROR_ARGUMENT, r->name, "its first line has other names: there is no column", info->features[0].name);
    r->held = !words; /* else names that a model without names does not know: places count */
    return true;
}

soma_rows *soma_rows_open(soma_context *ctx, soma_columns *c, const char *path) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (!c || !path) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "rows_open: columns and a path are wanted"), NULL;
    soma_rows *r = soma_scope_memory(ctx, sizeof *r);
    if (!r || !(r->places = soma_scope_memory(ctx, (size_t)c->info.n_features * sizeof *r->places)) ||
        soma_scope_defer(ctx, close_rows, r) != SOMA_OK)
        return NULL;
    r->ctx = ctx, r->c = c;
    r->name = strcmp(path, "-") == 0 ? "standard input" : soma__copy_text(soma_scope_innermost(ctx), path, strlen(path));
    if (!r->name) return NULL;
    soma_status s = soma__csv_open(&r->csv, soma_context_allocator(ctx), path, NULL, 0, (soma__dialect){0});
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "%s: %s", r->name, r->csv.why), NULL;
    if (!next(r)) return soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: the table is empty", r->name), NULL;
    return find_places(r) ? r : NULL;
}

static bool row_cell(soma_rows *r, int64_t k, double *out) {
    const soma_feature *f = &r->c->info.features[k];
    size_t place = (size_t)r->places[k];
    const soma__cell *c = &r->csv.cells[place];
    *out = (double)NAN;
    if (soma__cell_missing(c->text, c->n)) {
        if (r->c->info.missing > SOMA_MISSING_DROP) return true;
        return broken(r, soma__csv_column(&r->csv, place),
                      r->c->info.missing == SOMA_MISSING_DROP
                          ? "no value, and the model was trained on rows that have all (missing: drop): column"
                          : "no value, and the model was made without a rule for that (missing: mean, median or flag): column",
                      f->name);
    }
    if (f->type == SOMA_COLUMN_CATEGORY) return *out = soma__categories_find(f->categories, f->n_categories, c->text, c->n), true;
    if (f->type == SOMA_COLUMN_DATE ? soma__cell_date(c->text, c->n, out)
                                    : soma__cell_number(c->text, c->n, r->csv.dialect.decimal, out) && isfinite(*out))
        return true;
    return broken(r, soma__csv_column(&r->csv, place), f->type == SOMA_COLUMN_DATE ? "no date in column" : "no number in column", f->name);
}

int64_t soma_rows_next(soma_rows *r, float *inputs, int64_t most) {
    if (!r || !inputs || most < 0) return SOMA_ERROR_ARGUMENT;
    int64_t n = 0;
    soma__fpmode mode = soma__fpmode_enter();
    while (n < most && soma_error_status(r->ctx) == SOMA_OK && (r->held || next(r))) {
        float *at = inputs + n * r->c->inputs;
        r->held = false;
        if (r->csv.n_cells != r->n) {
            broken(r, 1, r->csv.n_cells > r->n ? "this line has more cells than the first one" : "this line has fewer cells than the first one",
                   NULL);
            break;
        }
        int64_t k = 0;
        for (double v; k < r->c->info.n_features && row_cell(r, k, &v); k++) at += soma__feature_inputs(&r->c->info.features[k], v, at);
        n += k == r->c->info.n_features;
    }
    soma__fpmode_leave(mode);
    return soma_error_status(r->ctx) == SOMA_OK ? n : soma_error_status(r->ctx);
}
