/* The soma command: what its files share. A subcommand is a row of the table in main.c and a file of its own. */
#ifndef SOMA_CLI_H
#define SOMA_CLI_H

#include "soma/soma.h"

#include <stdio.h>

/* How a subcommand ends: fine; something went wrong; it was called wrongly. */
enum { CLI_FINE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* An option of a subcommand. Flags set a bool; texts set a string; repeated texts fill an array of CLI_REPEATED. */
typedef enum cli_type { CLI_FLAG, CLI_TEXT, CLI_INTEGER, CLI_REPEATED } cli_type;
#define CLI_MOST 64
typedef struct cli_list {
    const char *texts[CLI_MOST];
    int n;
} cli_list;
typedef struct cli_option {
    const char *name, *value, *help; /* "--data", "DIR" (NULL for flags), a sentence */
    cli_type type;
    void *into;
} cli_option;

/* A subcommand's words after its options. */
#define CLI_WORDS 1024
typedef struct cli_words {
    const char *words[CLI_WORDS];
    int n;
} cli_words;

typedef struct cli_command {
    const char *name, *words, *does; /* "train", "RECIPE", a line */
    const char *example;
    int (*run)(int argc, char **argv, const struct cli_command *self);
} cli_command;

int cli_train(int argc, char **argv, const cli_command *self);
int cli_eval(int argc, char **argv, const cli_command *self);
int cli_summary(int argc, char **argv, const cli_command *self);
int cli_explain(int argc, char **argv, const cli_command *self);
int cli_predict(int argc, char **argv, const cli_command *self);
int cli_features(int argc, char **argv, const cli_command *self);
int cli_data(int argc, char **argv, const cli_command *self);
int cli_generate(int argc, char **argv, const cli_command *self);
int cli_new(int argc, char **argv, const cli_command *self);
int cli_show(int argc, char **argv, const cli_command *self);
int cli_doctor(int argc, char **argv, const cli_command *self);

/* Reads options and words; -1 to go on, else the exit status (--help was printed, or what is wrong said). least and most words are wanted. */
int cli_read(const cli_command *self, int argc, char **argv, const cli_option *options, int n, cli_words *words, int least, int most);
/* Control characters, which files may hold and terminals obey, become '?'. Returns text. */
char *cli_plain(char *text);
/* "soma: ..." on stderr. Returns CLI_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The context's pending error on stderr. Returns CLI_FAILED. */
int cli_error(soma_context *ctx);
/* A context with so many threads ("0": the default). NULL when it said why not. */
soma_context *cli_context(int64_t threads);
/* The processor's name, as the system tells it. */
void cli_processor(char *out, size_t size);
/* A run's folder stands for its model. */
const char *cli_model_path(const char *word, char *room, size_t size);
/* Loads a model; fold: its batch norms become part of the layers before them. False when it said why not. */
bool cli_load(soma_context *ctx, const char *path, bool fold, soma_model **out);
#define CLI_FOLD_OPTION(into) \
    { "--fold-norms", NULL, "fold batch norms into weights; it rounds differently", CLI_FLAG, &(into) }
/* The model's layers; of the innermost scope. NULL with the error pending. */
const soma_layer_info *cli_layers(soma_context *ctx, soma_model *m);
/* The layer of a name: its place, or its kind where there is one such layer. -1 when it said why not. */
int64_t cli_find_layer(soma_context *ctx, soma_model *m, const char *name);
/* The test data (or the training data) of a recipe, default: that beside the model; or of idx files in the data folder itself. NULL when it said why
 * not. */
soma_dataset *cli_part(soma_context *ctx, const char *recipe, const char *model, const char *data, bool training);
/* The rows of a table as the model's samples. NULL when it said why not. */
soma_dataset *cli_table_part(soma_context *ctx, soma_model *m, const char *path);
/* What a model of classes says of data: of n samples probabilities [n, classes], targets, predicted classes, and how often which was taken for which.
 */
typedef struct cli_answers {
    int64_t n, classes;
    float *proba;
    int64_t *targets, *predicted, *matrix;
} cli_answers;
/* False when it said why not; frees nothing: cli_answers_free. */
bool cli_answers_of(soma_context *ctx, soma_model *m, soma_dataset *data, cli_answers *out);
void cli_answers_free(cli_answers *a);
/* How good the model is on the data, as text or a line of JSON. Returns the exit status. */
int cli_report(soma_context *ctx, soma_model *m, soma_dataset *test, bool json);
/* Trains a recipe on each part of a cross-validation. Returns the exit status. */
int cli_folds(soma_context *ctx, const char *path, const cli_list *sets, const char *data, int folds, const volatile int *stop);
/* "accuracy 97.50 %", or of values (accuracy NaN) "R2 0.91, MAE 2.1". */
void cli_score_text(char *out, size_t size, double accuracy, double r2, double mae);
/* Can colours be used on stdout? */
bool cli_colours(void);
/* Columns of the terminal, 80 where there is none. */
int cli_columns(void);

/* A recipe file, with where its values stand. */
typedef struct cli_recipe {
    soma_recipe *recipe;
    const char *path, *name; /* the file, and its name without folders and ".yaml" */
    struct fy_document *document;
    const cli_list *sets;
} cli_recipe;
/* Reads a recipe and applies --set key.path=value. All its mistakes go to stderr, each with file, line and column: false. */
bool cli_recipe_read(soma_context *ctx, const char *path, const cli_list *sets, cli_recipe *out);
/* The same from text, which ends with a zero byte; path is its name. */
bool cli_recipe_parse(soma_context *ctx, const char *path, const char *text, size_t bytes, const cli_list *sets, cli_recipe *out);
/* How a table is read, where that is not to be found. */
typedef struct cli_table {
    const char *header, *delimiter, *decimal;
} cli_table;
#define CLI_TABLE_OPTIONS(how) \
    {"--header", "first|none", "whether the first line has names; default: found", CLI_TEXT, &(how).header}, \
        {"--delimiter", "SIGN", "one of , ; | \\t or a blank; default: found", CLI_TEXT, &(how).delimiter}, { \
        "--decimal", "SIGN", "a point or a comma; default: found", CLI_TEXT, &(how).decimal \
    }
/* As options of soma_table_open; false when it said what is wrong. */
bool cli_table_options(const cli_table *o, soma_table_opts *out);
/* Is it a recipe by its name? */
bool cli_is_recipe(const char *path);
/* Says what the recipe's problems are, from number `from` on. */
void cli_recipe_complain(const cli_recipe *r, size_t from);
void cli_recipe_close(cli_recipe *r);
/* JSON as block YAML, of malloc; NULL when out of memory. */
char *cli_yaml_of(const char *json);

/* Draws pictures side by side with a line of text under each: of bytes, [channels, height, width], with 1 or 3 channels; what is wider than the
 * terminal is made smaller. */
void cli_draw_bytes(soma_context *ctx, const uint8_t *const *pictures, const char *const *texts, int n, int channels, int height, int width);
/* rows x columns pictures of bytes, [channels, height, width], as one PNG file. Returns the exit status. */
int cli_sheet(soma_context *ctx, const char *path, const uint8_t *const *pictures, int rows, int columns, int channels, int height, int width);
/* A few samples of a data set of pictures in the terminal; a sheet of samples from all over it (augmented: a row for each, with its epochs). */
void cli_gallery(soma_context *ctx, const soma_dataset *d);
int cli_gallery_sheet(soma_context *ctx, const soma_dataset *d, const char *path, bool augmented);
/* Counts, classes and ranges of a data set; what was left out of it. */
void cli_part_lines(const char *name, const soma_dataset *d);
void cli_notes(FILE *to, const soma_dataset *d);
/* Is it a folder, or an archive by its name? */
bool cli_is_pictures(const char *path);
/* The parts of a folder or an archive, by their names, as "train" and "test"; NULL: none, its folders are classes. */
typedef struct cli_parts {
    const char *learn, *measure;
} cli_parts;
/* False when it said what is wrong. */
bool cli_find_parts(soma_context *ctx, const char *path, cli_parts *out);
/* How many there are, of what kinds and sizes: a line's end. */
void cli_say_found(const soma_images_found *f);
/* soma data and soma new of a folder or an archive of pictures. */
int cli_data_pictures(soma_context *ctx, const char *path, const char *out);
int cli_new_pictures(soma_context *ctx, const char *path);
/* Text of YAML, and of a comment in it, on standard output. */
void cli_yaml_text(const char *text);
void cli_yaml_comment(const char *text);
/* What --broken says: 1 skip, 0 error, -1 when it said that it is neither. */
int cli_skips(const char *word);
/* Is it a folder, or a PNG or JPEG file by its name or its first bytes? */
bool cli_is_photo(const char *path);
/* Files, and for folders the picture files in them, sorted, as one list that ends with NULL (cli_photos_free). NULL when it said why not. */
char **cli_photos(const char *const *words, int n);
void cli_photos_free(char **list);

#endif
