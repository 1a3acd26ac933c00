/* What a module is: a kind (a row of functions), named variables, named children. */
#ifndef SOMA_SRC_NN_MODULE_H
#define SOMA_SRC_NN_MODULE_H

#include "soma/grad.h"
#include "soma/capture.h"
#include "soma/nn.h"

typedef struct soma__named {
    char *name;
    soma_tensor *tensor; /* a variable, */
    soma_module *child;  /* or a module */
    bool buffer;
    struct soma__named *next;
} soma__named;

struct soma_module {
    soma_context *ctx;
    soma_scope *scope; /* where it lives, and what it holds at least as long */
    const char *kind;
    soma_tensor *(*forward)(soma_module *m, soma_tensor *x);
    soma_module *parent; /* the first that it was added to, under the name; NULL: none */
    const char *name;
    soma_forward_fn user_forward;
    void *user;
    soma__named *first, **end;
    bool training;
    int64_t dim;          /* softmax and the like */
    const int64_t *sizes; /* unflatten */
    double number[2];     /* settings of activations; a dropout's p */
};

/* A module without contents; NULL with the error pending. */
soma_module *soma__module_new(soma_context *ctx, const char *kind, soma_tensor *(*forward)(soma_module *m, soma_tensor *x));
/* The module's own parameter or buffer of this name, or NULL. */
soma_tensor *soma__module_part(const soma_module *m, const char *name);
/* Puts a variable in a part's place, or adds it as a parameter where there is none of the name. */
soma_status soma__module_put(soma_module *m, const char *name, soma_tensor *variable);
bool soma__is_sequential(const soma_module *m);

/* A layer whose outputs are channels: a convolution, or a linear layer. */
typedef struct soma__mixer {
    int64_t dims;   /* of its images; 0: linear */
    int64_t groups; /* of a transposed convolution, whose weight is [in, out / groups, ...]; 0: the weight is [out, ...] */
} soma__mixer;
bool soma__is_linear(const soma_module *m);
bool soma__is_conv(const soma_module *m, soma__mixer *about);
/* A batch norm, not folded yet: its dimensions and eps. */
bool soma__is_batch_norm(const soma_module *m, int64_t *dims, double *eps);
bool soma__is_folded_norm(const soma_module *m);
/* Makes it the identity, without parts: the layer before it, of so many dimensions, does its work. */
void soma__norm_leave(soma_module *m, int64_t dims);

/* The stream of a purpose (a soma_stream) for this module alone, by its path from the outermost one. */
uint64_t soma__module_stream(const soma_module *m, uint64_t purpose);

#endif
