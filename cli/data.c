/* soma data: what a data set is made of. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BAR 32

bool cli_is_recipe(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

/* Days since 1970 as a date. */
static void date_text(double days, char *out, size_t size) {
    int64_t z = (int64_t)floor(days) + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t of = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365, day = of_era - (365 * of + of / 4 - of / 100),
            m = (5 * day + 2) / 153;
    int year = (int)(of + era * 400) + (m >= 10), month = (int)(m < 10 ? m + 3 : m - 9);
    snprintf(out, size, "%04d-%02d-%02d", year, month, (int)(day - (153 * m + 2) / 5) + 1);
}

static void cell_text(const soma_table *t, int64_t row, int64_t column, char *out, size_t size) {
    soma_column c;
    double v = soma_table_cell(t, row, column);
    soma_table_column(t, column, &c);
    if (c.type == SOMA_COLUMN_TEXT) snprintf(out, size, "(text)");
    else if (isnan(v)) snprintf(out, size, "-");
    else if (c.type == SOMA_COLUMN_CATEGORY) snprintf(out, size, "%s", c.categories[(int64_t)v]);
    else if (c.type == SOMA_COLUMN_DATE) date_text(v, out, size);
    else snprintf(out, size, "%.6g", v);
}

/* A name, for the terminal; valid until the next but one. */
static const char *plain(const char *name) {
    static char room[2][120];
    static int turn;
    turn = !turn;
    snprintf(room[turn], sizeof room[turn], "%.110s", name);
    return cli_plain(room[turn]);
}

static const char *plain_note(const char *note) {
    static char room[500];
    snprintf(room, sizeof room, "%s", note);
    return cli_plain(room);
}

static void column_line(const soma_column *c, int width) {
    printf("%-*.*s  %-8s  %7lld  ", width, width, plain(c->name), soma_column_type_name(c->type), (long long)c->missing);
    if (c->type == SOMA_COLUMN_NUMBER)
        printf("%.6g to %.6g, mean %.5g, deviation %.4g, %s%lld different%s", c->min, c->max, c->mean, c->deviation,
               c->distinct > 64 ? "more than " : "", (long long)(c->distinct > 64 ? 64 : c->distinct), c->whole ? ", whole" : "");
    if (c->type == SOMA_COLUMN_DATE) {
        char from[24], to[24];
        date_text(c->min, from, sizeof from), date_text(c->max, to, sizeof to);
        printf("%s to %s", from, to);
    }
    if (c->type == SOMA_COLUMN_CATEGORY) {
        int used = width + 40;
        printf("%lld: ", (long long)c->n_categories);
        for (int64_t i = 0; i < c->n_categories; i++) {
            used += (int)strlen(c->categories[i]) + 2;
            if (i && used > cli_columns() - 5) {
                printf(", ...");
                break;
            }
            printf("%s%s", i ? ", " : "", plain(c->categories[i]));
        }
    }
    putchar('\n');
}

static void histogram(const char *const *names, const int64_t *counts, int64_t n, int64_t total) {
    int64_t most = 1;
    int width = 1;
    for (int64_t i = 0; i < n; i++) {
        most = counts[i] > most ? counts[i] : most;
        width = (int)strlen(names[i]) > width ? (int)strlen(names[i]) : width;
    }
    width = width > 24 ? 24 : width;
    for (int64_t i = 0; i < n && i < 32; i++) {
        char bar[BAR + 1] = {0};
        memset(bar, '#', (size_t)((double)counts[i] / (double)most * BAR + 0.5));
        printf("  %-*.*s %8lld  %5.1f %%  %s\n", width, width, plain(names[i]), (long long)counts[i], 100 * (double)counts[i] / (double)total, bar);
    }
    if (n > 32) printf("  ... and %lld more\n", (long long)n - 32);
}

static void first_rows(const soma_table *t) {
    int64_t n = soma_table_columns(t), fit = (cli_columns() - 2) / 13;
    n = n > fit ? fit : n;
    printf("\nfirst rows%s:\n", n < soma_table_columns(t) ? ", as many columns as fit" : "");
    for (int64_t row = -1; row < 5 && row < soma_table_rows(t); row++) {
        for (int64_t i = 0; i < n; i++) {
            char text[80];
            soma_column c;
            soma_table_column(t, i, &c);
            if (row < 0) snprintf(text, sizeof text, "%.70s", c.name);
            else cell_text(t, row, i, text, sizeof text);
            printf("  %11.11s", cli_plain(text));
        }
        putchar('\n');
    }
}

/* Classes of the column that would be predicted. */
static int target_lines(soma_context *ctx, soma_table *t, const char *target) {
    soma_columns *c = soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.target = target, .missing = SOMA_MISSING_MEAN});
    const soma_columns_info *info = soma_columns_about(c);
    if (!c) return cli_error(ctx);
    if (info->task == SOMA_TASK_VALUE) {
        printf("\ntarget %s%s: a value\n", plain(info->target.name), target ? "" : " (the last column)");
        return CLI_FINE;
    }
    soma_dataset *d = soma_table_dataset(t, c, NULL, 0);
    int64_t n = info->target.n_categories, *counts = calloc((size_t)n + 1, sizeof *counts);
    for (int64_t i = 0, k; d && counts && i < soma_dataset_count(d); i++)
        if (soma_dataset_sample(d, i, NULL, &k) == SOMA_OK) counts[k]++;
    printf("\ntarget %s%s: %lld classes\n", plain(info->target.name), target ? "" : " (the last column)", (long long)n);
    if (d && counts) histogram(info->target.categories, counts, n, soma_dataset_count(d));
    free(counts);
    return d ? CLI_FINE : cli_error(ctx);
}

bool cli_table_options(const cli_table *o, soma_table_opts *out) {
    *out = (soma_table_opts){.delimiter = o->delimiter, .decimal = o->decimal};
    if (o->delimiter && strcmp(o->delimiter, "\\t") == 0) out->delimiter = "\t";
    if (!o->header) return true;
    bool first = strcmp(o->header, "first") == 0;
    if (!first && strcmp(o->header, "none") != 0) return cli_fail("--header is 'first' or 'none', not '%s'", o->header), false;
    out->header = SOMA_SET(first);
    return true;
}

static int of_table(soma_context *ctx, const char *path, const char *target, const cli_table *how) {
    static const struct { const char *sign, *name; } signs[] = {{",", "commas"}, {";", "semicolons"}, {"\t", "tabs"}, {"|", "bars"}, {" ", "blanks"}};
    soma_table_opts o;
    if (!cli_table_options(how, &o)) return CLI_USAGE;
    soma_table *t = soma_table_open(ctx, path, &o);
    int width = 6;
    if (!t) return cli_error(ctx);
    const char *between = "";
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strcmp(signs[i].sign, soma_table_delimiter(t)) == 0) between = signs[i].name;
    printf("%s: %lld rows, %lld columns, %s, %s\n", strcmp(path, "-") == 0 ? "standard input" : path, (long long)soma_table_rows(t),
           (long long)soma_table_columns(t), soma_table_header(t) ? "a header" : "no header", soma_table_columns(t) > 1 ? between : "one column");
    for (int64_t i = 0; soma_table_note(t, i); i++) printf("note: %s\n", plain_note(soma_table_note(t, i)));
    for (int64_t i = 0; i < soma_table_columns(t); i++) {
        soma_column c;
        soma_table_column(t, i, &c);
        width = (int)strlen(c.name) > width ? (int)strlen(c.name) : width;
    }
    width = width > 24 ? 24 : width;
    printf("\n%-*s  %-8s  %7s\n", width, "column", "type", "missing");
    for (int64_t i = 0; i < soma_table_columns(t); i++) {
        soma_column c;
        soma_table_column(t, i, &c);
        column_line(&c, width);
    }
    int status = soma_table_columns(t) > 1 ? target_lines(ctx, t, target) : CLI_FINE;
    first_rows(t);
    return status;
}

void cli_notes(FILE *to, const soma_dataset *d) {
    enum { MOST = 10 };
    int64_t n = 0;
    for (; soma_dataset_note(d, n); n++)
        if (n < MOST) fprintf(to, "note: %s\n", plain_note(soma_dataset_note(d, n)));
    if (n > MOST) fprintf(to, "note: %lld more are left out\n", (long long)(n - MOST));
}

/* Counts and ranges of a part. */
void cli_part_lines(const char *name, const soma_dataset *d) {
    const int64_t *shape;
    int64_t ndim, n = soma_dataset_count(d), features = 1, classes = soma_dataset_classes(d);
    soma_dataset_shape(d, &shape, &ndim);
    printf("%s: %lld samples of ", name, (long long)n);
    for (int64_t k = 0; k < ndim; k++) printf("%s%lld", k ? " x " : "", (long long)shape[k]), features *= shape[k];
    float *x = malloc((size_t)features * sizeof *x);
    int64_t *counts = calloc((size_t)classes + 1, sizeof *counts);
    double least = (double)INFINITY, most = -(double)INFINITY, sum = 0, squares = 0;
    for (int64_t i = 0; x && counts && i < n; i++) {
        int64_t c;
        soma_dataset_sample(d, i, x, &c);
        if (classes) counts[c]++;
        for (int64_t k = 0; k < features; k++) {
            double v = (double)x[k];
            least = v < least ? v : least, most = v > most ? v : most;
            sum += v, squares += v * v;
        }
    }
    double all = (double)n * (double)features, mean = sum / all;
    printf("; inputs %.4g to %.4g, mean %.4g, deviation %.4g\n", least, most, mean, sqrt(fmax(squares / all - mean * mean, 0)));
    char(*names)[24] = calloc((size_t)classes + 1, sizeof *names);
    const char **list = calloc((size_t)classes + 1, sizeof *list);
    const soma_columns_info *info = soma_columns_about(soma_dataset_columns(d));
    const soma_picture_info *pictures = soma_dataset_pictures(d);
    for (int64_t c = 0; names && list && c < classes; c++) {
        snprintf(names[c], sizeof names[c], "%lld", (long long)c);
        list[c] = info ? info->target.categories[c] : pictures && c < pictures->n_classes ? pictures->classes[c] : names[c];
    }
    if (names && list && counts) histogram(list, counts, classes, n);
    cli_notes(stdout, d);
    free(names), free(list), free(counts), free(x);
}

static int of_recipe(soma_context *ctx, const char *path, const char *data, const char *out, bool augmented) {
    cli_recipe r;
    soma_dataset *train, *test;
    if (!cli_recipe_read(ctx, path, NULL, &r)) return CLI_FAILED;
    int status = CLI_FINE;
    if (soma_recipe_data(r.recipe, data, &train, &test) != SOMA_OK) status = cli_error(ctx);
    else if (out) status = cli_gallery_sheet(ctx, train, out, augmented);
    else {
        const soma_columns_info *info = soma_columns_about(soma_dataset_columns(train));
        if (info) printf("target %s: %s\n", info->target.name, info->task == SOMA_TASK_VALUE ? "a value" : "classes");
        cli_part_lines("training part", train);
        cli_part_lines("test part", test);
        cli_gallery(ctx, train);
    }
    cli_recipe_close(&r);
    return status;
}

int cli_data(int argc, char **argv, const cli_command *self) {
    const char *data = NULL, *target = NULL, *out = NULL;
    bool augmented = false;
    cli_table how = {0};
    const cli_option options[] = {
        {"--target", "COLUMN", "the column to be predicted; default: the last one", CLI_TEXT, &target},
        CLI_TABLE_OPTIONS(how),
        {"--data", "DIR", "where a recipe's data paths start (or SOMA_DATA)", CLI_TEXT, &data},
        {"-o", "FILE", "of pictures: a PNG file with samples to learn from", CLI_TEXT, &out},
        {"--augmented", NULL, "with -o: a row for each, with its epochs", CLI_FLAG, &augmented},
    };
    cli_words w;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 1, 1);
    if (status >= 0) return status;
    soma_context *ctx = cli_context(0);
    if (!ctx) return CLI_FAILED;
    bool recipe = cli_is_recipe(w.words[0]), pictures = !recipe && cli_is_pictures(w.words[0]);
    if (augmented && !out) status = cli_fail("--augmented goes with -o FILE.png");
    else if (out && !recipe && !(pictures && !augmented)) status = cli_fail("%s: a recipe is wanted", augmented ? "--augmented" : "-o");
    else if (pictures) status = cli_data_pictures(ctx, w.words[0], out);
    else if (recipe) status = of_recipe(ctx, w.words[0], data ? data : getenv("SOMA_DATA"), out, augmented);
    else status = of_table(ctx, w.words[0], target, &how);
    soma_context_free(ctx);
    return status;
}
