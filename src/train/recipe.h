/* A recipe in memory: each section as a kind of the tables and its fields, all of them there. */
#ifndef SOMA_SRC_TRAIN_RECIPE_H
#define SOMA_SRC_TRAIN_RECIPE_H

#include "train/words.h"

typedef struct soma__item {
    const soma__kind *kind; /* NULL after a problem */
    json_t *fields;
} soma__item;

typedef struct soma__problem_list {
    soma_problem *list;
    size_t count, capacity;
} soma__problem_list;

struct soma_recipe {
    soma_context *ctx;
    soma_scope *scope;
    json_t *root; /* as it was read */
    soma__item data, loss, optim, schedule, train, *layers;
    json_t *blocks;  /* layers of blocks by their names, as far as it is read */
    int depth;       /* of lists of layers within lists */
    bool loss_given; /* else it follows from the data */
    size_t n_layers;
    soma__problem_list problems;
    char *text;
};

/* A recipe of model and loss alone, as a model file has it. */
soma_recipe *soma__recipe_of_model(soma_context *ctx, const char *json, size_t bytes);
/* The loss of outputs and targets; weight: a factor of each class, or NULL. */
soma_tensor *soma__recipe_loss(soma_recipe *r, soma_tensor *output, soma_tensor *target, soma_tensor *weight);
/* Notes a problem at a place. */
void soma__problem(soma_recipe *r, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Reads a value of a section: a word, or {word: value}, {word: {key: value}}. The item's kind is NULL when it is none. */
void soma__item_read(soma_recipe *r, const soma__kinds *kinds, const char *where, json_t *value, soma__item *out);
/* Reads {key: value} as a kind's fields, filling in defaults; `skip` is a key that is no field. */
void soma__fields_read(soma_recipe *r, const soma__kind *kind, const char *where, json_t *value, const char *skip, soma__item *out);
/* The item as it is written: the word alone, or {word: {...}}. A new reference; NULL when out of memory. */
json_t *soma__item_json(const soma__item *i);
/* JSON as text of a scope; NULL with the error pending. */
char *soma__json_text(soma_context *ctx, soma_scope *scope, const json_t *v, size_t flags);
/* The context's pending error, if there is one, as a problem of a place; it stays pending, with the place. Returns its status. */
soma_status soma__problem_here(soma_recipe *r, const char *where);
/* The recipe's problem i as the context's error. Returns its status. */
soma_status soma__problem_raise(soma_recipe *r, size_t i, soma_status status);

#endif
