/* soma predict: a model's answers for the rows of a table, or for pictures. And soma features: what a layer inside gives for them. */
#include "cli.h"

#include <jansson.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS 256

const char *cli_model_path(const char *word, char *room, size_t size) {
    struct stat st;
    snprintf(room, size, "%s/model.safetensors", word);
    return soma_file_exists(room) || (stat(word, &st) == 0 && S_ISDIR(st.st_mode)) ? room : word; /* of a folder it is what is missing */
}

bool cli_load(soma_context *ctx, const char *path, bool fold, soma_model **out) {
    int64_t n = 1;
    if (soma_model_load(ctx, path, out) != SOMA_OK || (fold && soma_model_fold_batch_norm(*out, &n) != SOMA_OK)) return cli_error(ctx), false;
    if (!n) fprintf(stderr, "soma: %s: no batch norm is right behind a convolution or a linear layer; nothing is folded\n", path);
    return true;
}

/* The rows of a file as a model's inputs. A model of no table takes rows of plain numbers. */
static soma_rows *open_rows(soma_context *ctx, soma_model *m, const char *path, int64_t *inputs) {
    soma_columns *c = soma_model_columns(m);
    const int64_t *shape;
    int64_t ndim;
    soma_model_input(m, &shape, &ndim);
    *inputs = 1;
    for (int64_t d = 0; d < ndim; d++) *inputs *= shape[d];
    if (!c) {
        soma_feature *f = calloc((size_t)*inputs, sizeof *f);
        int64_t *places = calloc((size_t)*inputs, sizeof *places);
        for (int64_t i = 0; f && places && i < *inputs; i++)
            f[i] = (soma_feature){.name = "", .type = SOMA_COLUMN_NUMBER, .factor = 1}, places[i] = i;
        if (f && places)
            c = soma_columns_new(ctx, &(soma_columns_info){.features = f, .n_features = *inputs, .places = places, .width = *inputs, .decimal = '.'});
        free(f), free(places);
    }
    return c ? soma_rows_open(ctx, c, path) : NULL;
}

/* A cell of CSV, quoted where it must be. */
static void csv_text(FILE *out, const char *text) {
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"') putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void json_text(FILE *out, const char *text) {
    json_t *v = json_string(text);
    char *dump = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    fputs(dump ? dump : "null", out);
    free(dump);
    json_decref(v);
}

typedef struct writer {
    soma_model *m;
    FILE *out;
    bool fold, proba, lines, files; /* files: each row begins with its file, and ends with how sure the model is */
    int64_t outputs;
    bool skip; /* broken pictures are left out */
} writer;

static void write_head(const writer *w) {
    if (w->lines) return;
    fputs(w->files ? "file,prediction" : "prediction", w->out);
    if (w->files && !soma_model_is_valued(w->m)) fputs(",p", w->out);
    for (int64_t c = 0; w->proba && c < w->outputs; c++) {
        char name[300];
        snprintf(name, sizeof name, "p(%.250s)", soma_model_class_name(w->m, c));
        putc(',', w->out);
        csv_text(w->out, name);
    }
    putc('\n', w->out);
}

static void write_row(const writer *w, const char *file, const float *y) {
    int64_t best = 0;
    for (int64_t c = 1; c < w->outputs; c++)
        if (y[c] > y[best]) best = c;
    bool valued = soma_model_is_valued(w->m);
    const char *name = soma_model_class_name(w->m, best);
    if (w->lines) putc('{', w->out);
    if (file) {
        if (w->lines) fputs("\"file\": ", w->out), json_text(w->out, file), fputs(", ", w->out);
        else csv_text(w->out, file), putc(',', w->out);
    }
    if (w->lines) fputs("\"prediction\": ", w->out);
    if (valued && !isfinite(y[0])) fputs(w->lines ? "null" : "nan", w->out);
    else if (valued) fprintf(w->out, "%.9g", (double)y[0]);
    else if (w->lines) json_text(w->out, name);
    else csv_text(w->out, name);
    if (file && !valued) fprintf(w->out, w->lines ? ", \"p\": %.9g" : ",%.9g", (double)y[best]);
    if (w->lines && w->proba) fputs(", \"probabilities\": {", w->out);
    for (int64_t c = 0; w->proba && c < w->outputs; c++) {
        if (!w->lines) fprintf(w->out, ",%.9g", (double)y[c]);
        else {
            if (c) fputs(", ", w->out);
            json_text(w->out, soma_model_class_name(w->m, c));
            fprintf(w->out, ": %.9g", (double)y[c]);
        }
    }
    fputs(w->lines && w->proba ? "}}\n" : w->lines ? "}\n" : "\n", w->out);
}

/* Rows in, answers out, a chunk at a time. */
static int answer(soma_context *ctx, const writer *w, soma_rows *rows, int64_t inputs) {
    float *x = malloc((size_t)(ROWS * inputs) * sizeof *x), *y = malloc((size_t)(ROWS * w->outputs) * sizeof *y);
    int64_t n = 0;
    if (x && y) write_head(w);
    while (x && y && !ferror(w->out) && (n = soma_rows_next(rows, x, ROWS)) > 0) {
        if (soma_model_predict(w->m, x, n, y) != SOMA_OK) break;
        for (int64_t i = 0; i < n; i++) write_row(w, NULL, y + i * w->outputs);
    }
    bool fine = x && y;
    free(x), free(y);
    if (!fine) return cli_fail("out of memory");
    return soma_error_status(ctx) == SOMA_OK ? CLI_FINE : cli_error(ctx);
}

/* Where results go: standard output, or a file that takes its name when it is whole. What is no regular file (a pipe, /dev/null) is written as it is.
 */
typedef struct target {
    FILE *file;
    const char *path; /* NULL: standard output */
    char part[4200];  /* the file until it is whole; "": none */
} target;

static bool open_out(target *t, const char *path) {
    struct stat st;
    t->path = path, t->part[0] = 0, t->file = stdout;
    if (!path) return true;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode)) snprintf(t->part, sizeof t->part, "%.4100s.%ld.part", path, (long)getpid());
    if (!(t->file = fopen(*t->part ? t->part : path, "wb"))) return cli_fail("%s: cannot write: %s", path, strerror(errno)), false;
    return true;
}
static int close_out(target *t, int status) {
    errno = 0;
    bool bad = fflush(t->file) != 0 || ferror(t->file);
    int error = errno;
    if (t->path && fclose(t->file) != 0) bad = true, error = errno;
    if (!bad && status == CLI_FINE && *t->part && rename(t->part, t->path) != 0) bad = true, error = errno;
    if (*t->part && (bad || status != CLI_FINE)) unlink(t->part);
    if (bad && status == CLI_FINE) return cli_fail("%s: cannot write: %s", t->path ? t->path : "standard output", strerror(error ? error : EIO));
    return status;
}

/* A picture in, an answer out. */
static bool answer_photo(soma_context *ctx, const writer *w, const char *path, float *x, float *y) {
    soma_scope *scope = soma_scope_open(ctx);
    soma_image *i = soma_image_read(ctx, path, NULL);
    bool fine = i && soma_model_picture(w->m, i, x) == SOMA_OK && soma_model_predict(w->m, x, 1, y) == SOMA_OK;
    if (fine) write_row(w, path, y);
    if (scope) soma_scope_close(scope);
    return fine;
}

static int predict_photos(soma_context *ctx, writer *w, const cli_words *words, const char *path) {
    const int64_t *shape;
    int64_t ndim, inputs = 1;
    if (!soma_model_pictures(w->m)) return cli_fail("%s: the model was not trained on pictures", words->words[1]);
    char **photos = cli_photos(words->words + 1, words->n - 1);
    if (!photos) return CLI_FAILED;
    w->files = true, w->outputs = soma_model_outputs(w->m);
    soma_model_input(w->m, &shape, &ndim);
    for (int64_t d = 0; d < ndim; d++) inputs *= shape[d];
    float *x = malloc((size_t)inputs * sizeof *x), *y = malloc((size_t)w->outputs * sizeof *y);
    target t;
    int status = x && y ? CLI_FINE : cli_fail("out of memory");
    if (status == CLI_FINE && !open_out(&t, path)) status = CLI_FAILED;
    else if (status == CLI_FINE) {
        w->out = t.file;
        write_head(w);
        size_t answered = 0;
        for (char **p = photos; *p && status == CLI_FINE && !ferror(w->out); p++) {
            if (answer_photo(ctx, w, *p, x, y)) answered++;
            else if (w->skip && soma_error_status(ctx) != SOMA_ERROR_MEMORY) {
                fprintf(stderr, "note: left out: %s\n", soma_error_message(ctx));
                soma_error_take(ctx);
            } else status = cli_error(ctx);
        }
        if (status == CLI_FINE && !answered) status = cli_fail("there was no picture that could be read");
        status = close_out(&t, status);
    }
    free(x), free(y);
    cli_photos_free(photos);
    return status;
}

static int predict(soma_context *ctx, writer *w, const char *model, const cli_words *words, const char *path) {
    int64_t inputs;
    const char *table = words->n > 1 ? words->words[1] : "-";
    if (!cli_load(ctx, model, w->fold, &w->m)) return CLI_FAILED;
    if (w->proba && soma_model_is_valued(w->m)) return cli_fail("--proba: the model predicts a number, no class");
    if (words->n > 1 && cli_is_photo(table)) return predict_photos(ctx, w, words, path);
    if (cli_is_pictures(table)) return cli_fail("%s: predict reads files of pictures, and folders; eval reads archives, too", table);
    if (words->n > 2) return cli_fail("%s: one table, or pictures, are wanted", words->words[2]);
    soma_rows *rows = open_rows(ctx, w->m, table, &inputs);
    if (!rows) return cli_error(ctx);
    target t;
    if (!open_out(&t, path)) return CLI_FAILED;
    w->out = t.file;
    w->outputs = soma_model_outputs(w->m);
    return close_out(&t, answer(ctx, w, rows, inputs));
}

int cli_predict(int argc, char **argv, const cli_command *self) {
    const char *path = NULL, *broken = NULL;
    int64_t threads = 0;
    writer w = {0};
    char room[4200];
    const cli_option options[] = {
        {"--proba", NULL, "probabilities of all classes, too", CLI_FLAG, &w.proba},
        {"--jsonl", NULL, "lines of JSON; default: CSV", CLI_FLAG, &w.lines},
        {"-o", "FILE", "where to; default: standard output", CLI_TEXT, &path},
        {"--broken", "WORD", "a broken picture: error (default) or skip", CLI_TEXT, &broken},
        CLI_FOLD_OPTION(w.fold),
        {"--threads", "N", "default: one per processor; the same result", CLI_INTEGER, &threads},
    };
    cli_words words;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &words, 1, CLI_WORDS);
    if (status >= 0) return status;
    int skip = broken ? cli_skips(broken) : 0;
    if (skip < 0) return CLI_FAILED;
    w.skip = skip;
    soma_context *ctx = cli_context(threads);
    if (!ctx) return CLI_FAILED;
    status = predict(ctx, &w, cli_model_path(words.words[0], room, sizeof room), &words, path);
    soma_context_free(ctx);
    return status;
}

/* The header of an .npy file, version 1 (NumPy's lib.format): float32 [rows, width]. */
static void npy_head(FILE *out, int64_t rows, int64_t width) {
    char text[119];
    int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }", (long long)rows, (long long)width);
    fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, out);
    fprintf(out, "%s%*s\n", text, 117 - n, "");
}

static int read_features(soma_context *ctx, soma_model *m, size_t layer, const char *path, FILE *out, bool npy) {
    int64_t inputs, width = soma_model_feature_count(m, layer), n, rows = 0;
    soma_rows *r = open_rows(ctx, m, path, &inputs);
    if (!r) return cli_error(ctx);
    float *x = malloc((size_t)(ROWS * inputs) * sizeof *x), *y = malloc((size_t)(ROWS * width) * sizeof *y);
    if (!x || !y) return free(x), free(y), cli_fail("out of memory");
    if (npy) npy_head(out, 0, width);
    for (int64_t k = 0; !npy && k < width; k++) fprintf(out, "%sf%lld", k ? "," : "", (long long)k + 1);
    if (!npy) putc('\n', out);
    while (!ferror(out) && (n = soma_rows_next(r, x, ROWS)) > 0) {
        if (soma_model_features(m, layer, x, n, y) != SOMA_OK) break;
        rows += n;
        if (npy) fwrite(y, sizeof *y, (size_t)(n * width), out);
        for (int64_t i = 0; !npy && i < n; i++)
            for (int64_t k = 0; k < width; k++) fprintf(out, "%.9g%c", (double)y[i * width + k], k + 1 < width ? ',' : '\n');
    }
    free(x), free(y);
    if (soma_error_status(ctx) != SOMA_OK) return cli_error(ctx);
    if (npy && fseek(out, 0, SEEK_SET) == 0) npy_head(out, rows, width);
    return CLI_FINE;
}

int cli_features(int argc, char **argv, const cli_command *self) {
    const char *path = NULL, *name = NULL;
    int64_t threads = 0, layer;
    char room[4200];
    const cli_option options[] = {
        {"--layer", "NAME", "its number in the recipe (from 0), or its kind", CLI_TEXT, &name},
        {"-o", "FILE", "a .csv or .npy file; default: CSV on standard output", CLI_TEXT, &path},
        {"--threads", "N", "default: one per processor; the same result", CLI_INTEGER, &threads},
    };
    cli_words words;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &words, 1, 2);
    if (status >= 0) return status;
    if (!name) {
        cli_fail("features: --layer is wanted; soma summary MODEL lists the layers");
        return CLI_USAGE;
    }
    soma_context *ctx = cli_context(threads);
    if (!ctx) return CLI_FAILED;
    soma_model *m;
    target t;
    size_t n = path ? strlen(path) : 0;
    bool npy = n > 4 && strcmp(path + n - 4, ".npy") == 0;
    status = CLI_FAILED;
    if (soma_model_load(ctx, cli_model_path(words.words[0], room, sizeof room), &m) != SOMA_OK) cli_error(ctx);
    else if ((layer = cli_find_layer(ctx, m, name)) >= 0 && open_out(&t, path))
        status = close_out(&t, read_features(ctx, m, (size_t)layer, words.n > 1 ? words.words[1] : "-", t.file, npy));
    soma_context_free(ctx);
    return status;
}
