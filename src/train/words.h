/* The words of recipes as tables: a section has kinds, a kind has fields. A new layer, loss, optimizer or data set is a row. */
#ifndef SOMA_SRC_TRAIN_WORDS_H
#define SOMA_SRC_TRAIN_WORDS_H

#include "soma/recipe.h"
#include "soma/schedule.h"

#include <jansson.h>

typedef enum soma__field_type {
    SOMA__INTEGER,
    SOMA__NUMBER,
    SOMA__TRUTH,
    SOMA__TEXT,
    SOMA__INTEGERS,   /* a list of them */
    SOMA__SIZES,      /* a whole number, or a list of one for each dimension */
    SOMA__PADDING,    /* the same, or "same" */
    SOMA__NUMBERS,    /* a list of numbers; one alone stands for a list of it */
    SOMA__PAIR,       /* two numbers */
    SOMA__SIZE,       /* a list of a height and a width; one number alone stands for both */
    SOMA__TEXTS,      /* a list of texts; one alone stands for a list of it */
    SOMA__CHOICE,     /* one of the words that its doc begins with */
    SOMA__COUNT,      /* a whole number, or "all" */
    SOMA__SCHEDULES,  /* a list of schedules, of */
    SOMA__TRANSFORMS, /* changes to pictures, and */
    SOMA__LAYERS,     /* a list of layers, */
    SOMA__LAYER_LISTS /* a list of such lists: as written out, with all fields */
} soma__field_type;

/* A key of a kind. */
typedef struct soma__field {
    const char *key;
    soma__field_type type;
    const char *otherwise;      /* the default as JSON; NULL: it must be given */
    double least, most;         /* of numbers */
    bool open_least, open_most; /* the ends themselves are excluded */
    const char *doc;            /* of a choice it begins with the words: "standard|minmax|none: of numbers" */
} soma__field;

/* What a layer does to shapes; a sample's, without the batch. False with a sentence in why. */
typedef bool (*soma__shape_fn)(const json_t *fields, int64_t *shape, int64_t *ndim, char *why, size_t size);
/* Parameters and multiply-adds of a sample, for samples of shape `in`. */
typedef void (*soma__count_fn)(const json_t *fields, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds);
/* Blocks of layers that have a name, as they are made. */
typedef struct soma__shared {
    const char *name;
    soma_module *module;
    int64_t in[SOMA_MAX_DIMS], ndim;
    struct soma__shared *next;
} soma__shared;
typedef struct soma__builder {
    soma_context *ctx;
    soma__shared *shared;
} soma__builder;
typedef soma_module *(*soma__build_fn)(soma__builder *b, const json_t *fields, const int64_t *in, int64_t ndim);
typedef soma_optim *(*soma__optim_fn)(soma_context *ctx, const json_t *fields, soma_tensor *const *params, size_t n);
/* weight: a factor of each class, or NULL. */
typedef soma_tensor *(*soma__loss_fn)(const json_t *fields, soma_tensor *output, soma_tensor *target, soma_tensor *weight);
/* What a loss is made for. */
typedef enum soma__answer {
    SOMA__CLASSES, /* a score for each class */
    SOMA__BINARY,  /* one score for the second of two classes */
    SOMA__VALUES   /* a number */
} soma__answer;
/* What the last layer gives as what a user is told: probabilities [N, classes], or values [N]. */
typedef soma_tensor *(*soma__told_fn)(soma_tensor *output);
/* How long a run is. */
typedef struct soma__length {
    int64_t epochs, steps; /* steps of all epochs */
} soma__length;
typedef soma_schedule *(*soma__schedule_fn)(soma_context *ctx, const json_t *fields, const soma__length *run);
/* Either of train and test may be NULL. False with the error pending. */
typedef bool (*soma__data_fn)(soma_context *ctx, const json_t *fields, const char *folder, soma_dataset **train, soma_dataset **test);

/* A word of a section. `main` is the field that a bare value sets ({linear: 128}), or NULL. */
typedef struct soma__kind {
    const char *name, *main;
    const soma__field *fields;
    size_t n_fields;
    soma__shape_fn shape;
    soma__build_fn build;
    soma__count_fn count; /* NULL: none of either */
    soma__optim_fn optim;
    soma__loss_fn loss;
    soma__answer answer; /* of losses, */
    int64_t outputs;     /* the last layer's outputs that they want; 0: one for each class */
    const char *wants;   /* what the last layer must be: words, with blanks between; NULL: anything, */
    bool plain;          /* and whether values must not be scaled */
    soma__told_fn told;
    soma__data_fn data;
    soma__schedule_fn schedule;
    bool by_step; /* of schedules: steps are counted, always */
} soma__kind;

typedef struct soma__kinds {
    const char *what; /* "layer", in sentences */
    const soma__kind *rows;
    size_t n;
} soma__kinds;

/* The place of a choice in its field's list. */
int soma__choice(const soma__kind *kind, const json_t *fields, const char *key);

/* A layer's shape rule; false, too, where a sample becomes larger than memory. */
bool soma__layer_shape(const soma__kind *kind, const json_t *fields, int64_t *shape, int64_t *ndim, char *why, size_t size);
/* Walks over lists of layers that are written out. */
bool soma__list_shape(const json_t *list, int64_t *shape, int64_t *ndim, char *why, size_t size);
int64_t soma__list_size(const json_t *list, int64_t most);

/* folder/path, or path alone where it is absolute; false when it is too long. */
bool soma__data_path(char *out, size_t size, const char *folder, const char *path);
bool soma__table_data(soma_context *ctx, const json_t *f, const char *folder, soma_dataset **train, soma_dataset **test);
#define SOMA__TABLE_FIELDS 20
extern const soma__field soma__table_fields[SOMA__TABLE_FIELDS];
extern const soma__kinds soma__transform_words, soma__layers, soma__losses, soma__optims, soma__datas, soma__schedules, soma__trains;

const soma__kind *soma__kind_find(const soma__kinds *kinds, const char *name);
const soma__field *soma__field_find(const soma__kind *kind, const char *key);
/* The word of the list that is nearest to `word`, NULL when none is near. next(i) is word i, NULL beyond the last. */
const char *soma__nearest(const char *word, const char *(*next)(const void *list, size_t i), const void *list);

static inline double soma__get(const json_t *fields, const char *key) { return json_number_value(json_object_get(fields, key)); }
static inline int64_t soma__get_int(const json_t *fields, const char *key) { return json_integer_value(json_object_get(fields, key)); }
static inline bool soma__get_truth(const json_t *fields, const char *key) { return json_is_true(json_object_get(fields, key)); }
static inline const char *soma__get_text(const json_t *fields, const char *key) { return json_string_value(json_object_get(fields, key)); }

static inline size_t soma__get_size(const json_t *fields, const char *key) { return json_array_size(json_object_get(fields, key)); }

#define SOMA__FIELDS(a) .fields = (a), .n_fields = sizeof(a) / sizeof *(a)
#define SOMA__KINDS(what, a) \
    { what, a, sizeof(a) / sizeof *(a) }

#endif
