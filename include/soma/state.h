/* The state tree: what a run is made of, each piece under a name. Checkpoints and model files are written from it. */
#ifndef SOMA_STATE_H
#define SOMA_STATE_H

#include "soma/archive.h"
#include "soma/data.h"
#include "soma/nn.h"
#include "soma/optim.h"

/* A list of named variables and integers. Belongs to the innermost scope; what is added must live as long. */
typedef struct soma_state soma_state;

SOMA_API soma_state *soma_state_new(soma_context *ctx);
/* Each adds pieces under prefix + "." + their own names (prefix "": the names alone). SOMA_ERROR_ARGUMENT for a name that is there. */
/* Parameters and buffers, as state_dict. */
SOMA_API soma_status soma_state_add_module(soma_state *s, const char *prefix, soma_module *m);
/* "0.exp_avg", ..., "steps". Learning rates are the recipe's or the schedule's. */
SOMA_API soma_status soma_state_add_optim(soma_state *s, const char *prefix, soma_optim *o);
/* "position": epoch, and the next batch in it. */
SOMA_API soma_status soma_state_add_loader(soma_state *s, const char *prefix, soma_loader *l);
/* "streams": the context's seed and how far each random stream is drawn. */
SOMA_API soma_status soma_state_add_random(soma_state *s, const char *prefix);
SOMA_API soma_status soma_state_add_variable(soma_state *s, const char *name, soma_tensor *variable);
/* n numbers of the host, read and written in place. */
SOMA_API soma_status soma_state_add_integers(soma_state *s, const char *name, int64_t *numbers, size_t n);
SOMA_API soma_status soma_state_add_numbers(soma_state *s, const char *name, double *numbers, size_t n);

/* Pieces, and the name of piece i (NULL beyond the last). */
SOMA_API size_t soma_state_count(const soma_state *s);
SOMA_API const char *soma_state_name(const soma_state *s, size_t i);
/* Puts all pieces into an archive. */
SOMA_API soma_status soma_state_put(soma_state *s, soma_archive *a);
/* Takes all pieces from an archive. First all names, shapes and dtypes are compared: SOMA_ERROR_FORMAT names the piece that is missing or differs,
 * and nothing has changed then. Names in the archive that the state lacks are an error, too, unless `more` is allowed. */
SOMA_API soma_status soma_state_take(soma_state *s, soma_archive *a, bool more);

/* A module's parameters and buffers in a file of their own, as Python's save_file(module.state_dict()) and load_file write and read them. */
SOMA_API soma_status soma_module_save(soma_module *m, const char *path);
SOMA_API soma_status soma_module_load(soma_module *m, const char *path);

#endif
