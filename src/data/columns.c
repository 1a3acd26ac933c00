/* Fitting: one walk over the rows gathers what all scalings need but order statistics, which sort a column. */
#include "data/columns.h"

#include "base/alloc.h"
#include "base/fpmode.h"
#include "data/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a column's cells in the rows that are fitted. */
typedef struct tally {
    int64_t place, count, missing, *words; /* words: how often each came */
    double first, sum, squares, min, max;
} tally;

static soma_columns *refuse(soma_context *ctx, soma_status s, const char *what, const char *name) {
    soma_error_raise(ctx, s, "columns_fit: %s%s%s%s", what, name ? " '" : "", name ? name : "", name ? "'" : "");
    return NULL;
}

static void add(tally *t, const soma_column *about, double v) {
    if (isnan(v)) {
        t->missing++;
        return;
    }
    if (about->type == SOMA_COLUMN_CATEGORY) {
        t->words[(int64_t)v]++;
        t->count++;
        return;
    }
    if (!t->count++) t->first = t->min = t->max = v;
    double d = v - t->first;
    t->sum += d, t->squares += d * d;
    t->min = v < t->min ? v : t->min, t->max = v > t->max ? v : t->max;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The value below which a share of the sorted ones lies, between two of them by a line (NumPy's default). */
static double quantile(const double *v, int64_t n, double share) {
    double at = share * (double)(n - 1);
    int64_t i = (int64_t)at;
    return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - (double)i) : v[n - 1];
}

typedef struct fit {
    soma_context *ctx;
    const soma_table *t;
    const int64_t *rows;
    int64_t n;
    const soma_columns_opts *o;
    soma_columns *c;
    soma_feature *features;
    int64_t *places, *used; /* used: rows that are examples */
    size_t used_bytes;
} fit;

/* Quartiles of a column. */
static bool quartiles(const fit *f, const tally *t, double out[3]) {
    const soma_allocator *alloc = soma_context_allocator(f->ctx);
    size_t bytes = (size_t)(t->count ? t->count : 1) * sizeof(double);
    double *v = soma__alloc(alloc, bytes);
    int64_t n = 0;
    if (!v) return soma_error_raise(f->ctx, SOMA_ERROR_MEMORY, "out of memory"), false;
    for (int64_t i = 0; i < f->n; i++) {
        double x = soma_table_cell(f->t, f->rows ? f->rows[i] : i, t->place);
        if (!isnan(x)) v[n++] = x;
    }
    if (n) qsort(v, (size_t)n, sizeof *v, by_value);
    for (int k = 0; k < 3; k++) out[k] = n ? quantile(v, n, 0.25 * (k + 1)) : 0;
    soma__free(alloc, v, bytes);
    return true;
}

static bool fit_number(const fit *f, const tally *t, soma_scaling scaling, soma_feature *out) {
    double n = t->count ? (double)t->count : 1, mean = t->sum / n, variance = t->squares / n - mean * mean, q[3] = {0}, width = 1;
    bool median = f->o->missing == SOMA_MISSING_MEDIAN && t->missing;
    if ((scaling == SOMA_SCALE_ROBUST || median) && !quartiles(f, t, q)) return false;
    mean += t->first;
    if (!isfinite(mean) || !isfinite(variance)) {
        soma_error_raise(f->ctx, SOMA_ERROR_FORMAT, "%s: column '%s' has numbers that are too large to be scaled", f->t->name, out->name);
        return false;
    }
    out->fill = median ? q[1] : mean;
    if (scaling == SOMA_SCALE_STANDARD) out->center = mean, width = __builtin_sqrt(variance > 0 ? variance : 0);
    if (scaling == SOMA_SCALE_MINMAX) out->center = t->min, width = t->max - t->min;
    if (scaling == SOMA_SCALE_ROBUST) out->center = q[1], width = q[2] - q[0];
    double size = __builtin_fabs(out->center) + 1;
    out->factor = scaling == SOMA_SCALE_NONE ? 1 : width > size * 1e-12 ? 1 / width : 1; /* a column of one value becomes zeros */
    return true;
}

/* The words that the rows have. */
static bool fit_words(const fit *f, const tally *t, const soma_column *about, soma_feature *out) {
    const char **list = soma_scope_memory_in(f->c->scope, (size_t)(about->n_categories ? about->n_categories : 1) * sizeof *list);
    int64_t most = 0;
    if (!list) return false;
    out->fill = -1;
    for (int64_t i = 0; i < about->n_categories; i++) {
        if (!t->words[i]) continue;
        if (t->words[i] > most) most = t->words[i], out->fill = (double)out->n_categories;
        if (!(list[out->n_categories++] = soma__copy_text(f->c->scope, about->categories[i], strlen(about->categories[i])))) return false;
    }
    if (f->o->missing == SOMA_MISSING_FLAG) out->fill = -1; /* the flag says it */
    out->categories = list;
    out->embed = f->o->embed;
    out->factor = 1;
    return true;
}

static bool fit_target(fit *f, int64_t place, const tally *t) {
    soma_column a;
    soma_columns_info *info = &f->c->info;
    soma_table_column(f->t, place, &a);
    bool number = a.type == SOMA_COLUMN_NUMBER, classes = a.type == SOMA_COLUMN_CATEGORY || (number && a.whole && a.distinct <= 20 && a.distinct > 1);
    if (f->o->task == SOMA_TASK_VALUE && !number && a.type != SOMA_COLUMN_DATE)
        return refuse(f->ctx, SOMA_ERROR_ARGUMENT, "a value is wanted, but these are words: the target", a.name);
    if (f->o->task == SOMA_TASK_CLASSES && !a.n_categories)
        return refuse(f->ctx, SOMA_ERROR_ARGUMENT, "classes are wanted, but there are more than 64 different numbers (or 1000 words): the target",
                      a.name);
    info->task = f->o->task != SOMA_TASK_AUTO ? f->o->task : classes ? SOMA_TASK_CLASSES : SOMA_TASK_VALUE;
    info->target_place = place;
    info->target = (soma_feature){.name = a.name, .type = a.type, .factor = 1};
    if (info->task == SOMA_TASK_VALUE) return fit_number(f, t, f->o->raw_target ? SOMA_SCALE_NONE : SOMA_SCALE_STANDARD, &info->target);
    info->target.categories = a.categories, info->target.n_categories = a.n_categories; /* all of the table's: a class is a number in its list */
    return true;
}

/* Which columns are inputs, and the target; false with the error pending. */
static bool choose(fit *f, bool *input, int64_t *target) {
    int64_t n = f->t->n;
    *target = f->o->target ? soma_table_find(f->t, f->o->target) : n - 1;
    while (!f->o->target && *target > 0 && f->t->columns[*target].type == SOMA_COLUMN_EMPTY) --*target; /* lines that end with a delimiter */
    if (*target < 0) return refuse(f->ctx, SOMA_ERROR_ARGUMENT, "the table has no column", f->o->target);
    soma_column a;
    soma_table_column(f->t, *target, &a);
    if (a.type == SOMA_COLUMN_EMPTY || a.type == SOMA_COLUMN_TEXT)
        return refuse(f->ctx, SOMA_ERROR_ARGUMENT, a.type == SOMA_COLUMN_TEXT ? "text cannot be a target: column" : "there is nothing in the target",
                      a.name);
    for (int64_t i = 0; i < n; i++) {
        soma_column_type type = f->t->columns[i].type;
        input[i] = i != *target && type != SOMA_COLUMN_EMPTY && type != SOMA_COLUMN_TEXT;
    }
    for (int64_t i = 0; i < f->o->n_ignore; i++) {
        int64_t k = soma_table_find(f->t, f->o->ignore[i]);
        if (k < 0) return refuse(f->ctx, SOMA_ERROR_ARGUMENT, "the table has no column", f->o->ignore[i]);
        input[k] = false;
    }
    return true;
}

static bool sound(const fit *f, const tally *t, const soma_column *a, bool target) {
    int64_t infinite = f->t->columns[t->place].infinite_line;
    if (infinite) {
        soma_error_raise(f->ctx, SOMA_ERROR_FORMAT, "%s: line %lld: column '%s' is infinite", f->t->name, (long long)infinite, a->name);
        return false;
    }
    if (!a->missing || f->o->missing != SOMA_MISSING_ERROR) return true;
    soma_error_raise(f->ctx, SOMA_ERROR_FORMAT, "%s: line %lld: column '%s' has no value here (%lld in all)%s", f->t->name,
                     (long long)a->missing_line, a->name, (long long)a->missing,
                     target ? "; missing: drop leaves such rows out" : "; missing: drop, mean, median or flag says what to do");
    return false;
}

/* Walks over the rows: all chosen columns at once. */
static bool gather(fit *f, tally *t, int64_t n, int64_t target) {
    for (int64_t k = 0; k < n; k++) {
        soma_column a;
        soma_table_column(f->t, t[k].place, &a);
        if (!sound(f, &t[k], &a, t[k].place == target)) return false;
        if (a.type == SOMA_COLUMN_CATEGORY && !(t[k].words = soma_scope_memory_in(f->c->scope, (size_t)(a.n_categories + 1) * sizeof(int64_t))))
            return false;
    }
    int64_t *used = soma__alloc(soma_context_allocator(f->ctx), f->used_bytes = (size_t)(f->n + 1) * sizeof *used), n_used = 0;
    f->used = used;
    int64_t first = f->o->missing == SOMA_MISSING_DROP ? 0 : n - 1; /* a row without a target is no example */
    for (int64_t i = 0; i < f->n && used; i++) {
        int64_t row = f->rows ? f->rows[i] : i;
        bool whole = true;
        if (row < 0 || row >= f->t->rows)
            return soma_error_raise(f->ctx, SOMA_ERROR_RANGE, "columns_fit: row %lld of %lld", (long long)row, (long long)f->t->rows), false;
        for (int64_t k = first; k < n && whole; k++) whole = !isnan(soma_table_cell(f->t, row, t[k].place));
        for (int64_t k = 0; k < n && whole; k++) add(&t[k], &f->t->columns[t[k].place].about, soma_table_cell(f->t, row, t[k].place));
        if (whole) used[n_used++] = row;
    }
    if (!used) return soma_error_raise(f->ctx, SOMA_ERROR_MEMORY, "out of memory"), false;
    f->rows = used, f->n = n_used;
    return true;
}

static bool fit_all(fit *f) {
    int64_t n = f->t->n, target, used = 0;
    bool *input = soma_scope_memory(f->ctx, (size_t)n * sizeof *input);
    tally *t = soma_scope_memory(f->ctx, (size_t)n * sizeof *t);
    f->features = soma_scope_memory_in(f->c->scope, (size_t)n * sizeof *f->features);
    f->places = soma_scope_memory_in(f->c->scope, (size_t)n * sizeof *f->places);
    if (!input || !t || !f->features || !f->places || !choose(f, input, &target)) return false;
    for (int64_t i = 0; i < n; i++)
        if (input[i]) t[used++].place = i;
    if (!used) return refuse(f->ctx, SOMA_ERROR_ARGUMENT, "no column is left as an input", NULL);
    t[used].place = target;
    if (!gather(f, t, used + 1, target)) return false;
    for (int64_t k = 0; k < used; k++) {
        soma_column a;
        soma_table_column(f->t, t[k].place, &a);
        soma_feature *out = &f->features[k];
        *out = (soma_feature){.name = a.name, .type = a.type, .flag = f->o->missing == SOMA_MISSING_FLAG && a.missing};
        f->places[k] = t[k].place;
        if (!(a.type == SOMA_COLUMN_CATEGORY ? fit_words(f, &t[k], &a, out) : fit_number(f, &t[k], f->o->scaling, out))) return false;
    }
    f->c->info = (soma_columns_info){.features = f->features,
                                     .n_features = used,
                                     .header = f->t->header,
                                     .places = f->places,
                                     .width = n,
                                     .missing = f->o->missing,
                                     .decimal = f->t->dialect.decimal};
    return fit_target(f, target, &t[used]);
}

soma_columns *soma_columns_fit_v(soma_context *ctx, const soma_table *t, const int64_t *rows, int64_t n, const soma_columns_opts *options,
                                 size_t size) {
    soma_columns_opts o;
    if (!ctx || !soma_options_read(ctx, "columns_fit", &o, sizeof o, options, size)) return NULL;
    if (!t || n < 0 || (rows && !n) || o.n_ignore < 0 || (o.n_ignore && !o.ignore))
        return refuse(ctx, SOMA_ERROR_ARGUMENT, "a table and one row or more are wanted", NULL);
    if ((unsigned)o.scaling > SOMA_SCALE_NONE || (unsigned)o.missing > SOMA_MISSING_FLAG || (unsigned)o.task > SOMA_TASK_VALUE || o.embed < 0 ||
        o.embed > 1 << 16)
        return refuse(ctx, SOMA_ERROR_ARGUMENT, "an option is none of its list", NULL);
    soma_columns *c = soma_scope_memory(ctx, sizeof *c);
    if (!c) return NULL;
    c->ctx = ctx;
    c->scope = soma_scope_innermost(ctx);
    fit f = {.ctx = ctx, .t = t, .rows = rows, .n = rows ? n : t->rows, .o = &o, .c = c};
    soma__fpmode mode = soma__fpmode_enter();
    bool fine = fit_all(&f);
    soma__free(soma_context_allocator(ctx), f.used, f.used_bytes);
    soma__fpmode_leave(mode);
    return fine ? soma_columns_new(ctx, &c->info) : NULL;
}
