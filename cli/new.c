/* soma new: a recipe that suits a table (of pictures: new_pictures.c), with what was seen as comments. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* Text of YAML, in quotes where it could be taken for something else. */
void cli_yaml_text(const char *text) {
    bool plain = *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.-") == strlen(text) && *text != '-' &&
                 *text != '.' && strspn(text, "0123456789.-+eE_") < strlen(text);
    static const char *const words[] = {"true", "false", "null", "yes",   "no",  "on", "off", "True", "False",
                                        "Null", "NULL",  "TRUE", "FALSE", "Yes", "No", "y",   "n"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) plain = plain && strcmp(text, words[i]) != 0;
    if (plain) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        if ((unsigned char)*text < ' ') printf("\\x%02x", (unsigned)(unsigned char)*text);
        else putchar(*text);
    }
    putchar('"');
}

/* A comment's text: one line. */
void cli_yaml_comment(const char *text) {
    for (int n = 0; *text && n < 60; text++, n++) putchar((unsigned char)*text < ' ' ? ' ' : *text);
}

static void said_of_columns(const soma_table *t) {
    for (int64_t i = 0; i < soma_table_columns(t) && i < 40; i++) {
        soma_column c;
        soma_table_column(t, i, &c);
        printf("#   ");
        cli_yaml_comment(c.name);
        printf(": %s", soma_column_type_name(c.type));
        if (c.type == SOMA_COLUMN_NUMBER) printf(" from %.6g to %.6g", c.min, c.max);
        if (c.type == SOMA_COLUMN_CATEGORY) printf(", %lld different", (long long)c.n_categories);
        if (c.missing) printf(", %lld missing", (long long)c.missing);
        putchar('\n');
    }
    if (soma_table_columns(t) > 40) printf("#   ... and %lld more\n", (long long)soma_table_columns(t) - 40);
}

typedef struct plan {
    int64_t rows, batch, epochs, hidden;
    const soma_columns_info *info;
    int64_t missing;
} plan;

/* Sizes by rule of thumb: some thousand steps, a net that is no larger than the rows can teach, and decay and dropout against learning them by heart.
 */
static void choose(plan *p, const soma_table *t) {
    p->rows = soma_table_rows(t);
    p->batch = p->rows < 2000 ? 16 : p->rows < 20000 ? 64 : p->rows < 200000 ? 128 : 256;
    p->epochs = 2400 * p->batch / p->rows;
    p->epochs = p->epochs < 10 ? 10 : p->epochs > 200 ? 200 : p->epochs;
    p->hidden = p->rows < 5000 ? 64 : 128;
    for (int64_t i = 0; i < soma_table_columns(t); i++) {
        soma_column c;
        soma_table_column(t, i, &c);
        p->missing += c.missing;
    }
}

static void write_data(const plan *p, const soma_table *t, const char *path, const cli_table *how) {
    char *whole = realpath(path, NULL);
    const soma_columns_info *info = p->info;
    printf("data:\n  kind: table\n  path: ");
    cli_yaml_text(whole ? whole : path);
    printf("   # a path that begins with no / starts at --data (or SOMA_DATA)\n  target: ");
    if (info->header) cli_yaml_text(info->target.name);
    else printf("%lld", (long long)info->target_place + 1);
    printf("   # %s\n",
           info->task == SOMA_TASK_CLASSES ? "classes; task: value would learn a number" : "a value; scaled for learning, told in its own units");
    if (how->header) printf("  header: %s\n", how->header);
    if (how->delimiter) printf("  delimiter: \"%s\"\n", how->delimiter);
    if (how->decimal) printf("  decimal: \"%s\"\n", how->decimal);
    printf("  scaling: standard   # or minmax, robust, none\n");
    if (p->missing) printf("  missing: flag   # cells without a value become the mean, and an input says so; or drop, mean, median, error\n");
    printf("  test: 0.2   # this share is kept for measuring; soma train RECIPE --folds 5 measures on all of it\n");
    for (int64_t i = 0; i < soma_table_columns(t); i++) {
        soma_column c;
        soma_table_column(t, i, &c);
        if (c.type == SOMA_COLUMN_NUMBER && c.whole && c.distinct > 64 && c.max - c.min + 1 == (double)soma_table_rows(t) &&
            i != info->target_place) {
            printf("  ignore: [");
            cli_yaml_text(c.name);
            printf("]   # it only numbers the rows\n");
            break;
        }
    }
    free(whole);
}

static void write_rest(const plan *p) {
    const soma_columns_info *info = p->info;
    bool classes = info->task == SOMA_TASK_CLASSES;
    int64_t last = classes ? info->target.n_categories : 1;
    printf("\nmodel:\n  - linear: %lld\n  - relu\n  - dropout: 0.1\n  - linear: %lld\n  - relu\n  - linear: %lld   # %s\n\n", (long long)p->hidden,
           (long long)p->hidden / 2, (long long)last, classes ? "one for each class" : "the value");
    printf("loss: %s\n",
           classes ? "cross_entropy   # for rare classes: {cross_entropy: {class_weights: balanced}}" : "mse_loss   # against outliers: huber_loss");
    printf("optimizer: {adamw: {lr: 0.003, weight_decay: %s}}\nschedule: cosine   # the rate falls to 0 at the end\n",
           p->rows < 5000 ? "0.3" : "0.01");
    printf("train: {epochs: %lld, batch: %lld, seed: 1}\n", (long long)p->epochs, (long long)p->batch);
}

static int write_recipe(soma_context *ctx, const char *path, const char *target, const cli_table *how) {
    soma_table_opts o;
    if (!cli_table_options(how, &o)) return CLI_USAGE;
    soma_table *t = soma_table_open(ctx, path, &o);
    if (!t) return cli_error(ctx);
    soma_columns *c = soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.target = target, .missing = SOMA_MISSING_FLAG});
    if (!c) return cli_error(ctx);
    plan p = {.info = soma_columns_about(c)};
    choose(&p, t);
    const char *slash = strrchr(path, '/');
    printf("# ");
    cli_yaml_comment(slash ? slash + 1 : path);
    printf(": %lld rows, %lld columns, %s\n", (long long)p.rows, (long long)soma_table_columns(t),
           soma_table_header(t) ? "with a header" : "no header");
    for (int64_t i = 0; soma_table_note(t, i); i++) printf("# note: %s\n", soma_table_note(t, i));
    said_of_columns(t);
    if (!target) printf("# The last column is taken as the target; soma new TABLE --target NAME takes another one.\n");
    if (p.rows < 2 || (p.info->task == SOMA_TASK_CLASSES && p.info->target.n_categories < 2))
        return cli_fail("%s: there is nothing to learn: one row, or one class", path);
    write_data(&p, t, path, how);
    write_rest(&p);
    return CLI_FINE;
}

int cli_new(int argc, char **argv, const cli_command *self) {
    const char *target = NULL;
    cli_table how = {0};
    const cli_option options[] = {{"--target", "COLUMN", "the column to be predicted; default: the last one", CLI_TEXT, &target},
                                  CLI_TABLE_OPTIONS(how)};
    cli_words w;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 1, 1);
    if (status >= 0) return status;
    if (strcmp(w.words[0], "-") == 0) {
        cli_fail("new: the recipe names the table, which must be a file");
        return CLI_USAGE;
    }
    soma_context *ctx = cli_context(0);
    if (!ctx) return CLI_FAILED;
    if (!cli_is_pictures(w.words[0])) status = write_recipe(ctx, w.words[0], target, &how);
    else status = target ? cli_fail("--target: pictures have the names of their folders") : cli_new_pictures(ctx, w.words[0]);
    soma_context_free(ctx);
    return status;
}
