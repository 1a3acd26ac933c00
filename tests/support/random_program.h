/* Random small programs over the public calls. A program is a seed: action number a draws from a generator of its own and looks at nothing but
 * shapes and dtypes, so that every way of running makes the same calls. */
#ifndef SOMA_TESTS_SUPPORT_RANDOM_PROGRAM_H
#define SOMA_TESTS_SUPPORT_RANDOM_PROGRAM_H

#include "support/check.h"

#define PROGRAM_ACTIONS 40
#define PROGRAM_VALUES 400
#define PROGRAM_OUTPUTS 3

/* A way of running. */
typedef struct program_way {
    const char *name, *isa;
    int threads;
    bool unfused, reference, captured;
    bool interior; /* only the outputs of a step are held, and nothing is evaluated before its end */
    int reads;     /* after an action, in percent */
} program_way;

typedef struct program_value {
    soma_tensor *x;
    int epoch;     /* how often variables had been written when the oldest thing it is made of was */
    bool interior; /* not held: used only while no variable was written after it */
} program_value;

typedef struct program_world {
    soma_context *ctx;
    const program_way *how;
    uint64_t seed, draw, other; /* the program's, the action's, and that of this way alone */
    int64_t d[4];               /* sizes that shapes are made of */
    program_value v[PROGRAM_VALUES];
    int n, n_vars, epoch, marker, section; /* marker: values before the inner scope; section: values before the interior section; -1 without one */
    soma_scope *inner;
    soma_tensor *vars[16], *params[3];
    soma_optim *optim;
    int dtypes[PROGRAM_OUTPUTS];
    bool skip[PROGRAM_ACTIONS], aloud; /* actions to leave out; whether the next step is listed on stderr */
} program_world;

/* Draws from the stream of this number from now on. */
void program_start_draw(program_world *w, uint64_t number);
int program_below(program_world *w, int n);
float program_number(program_world *w);
/* Variables and an optimizer, of the sizes in w->d. */
void program_make_variables(program_world *w);
/* One step, as a soma_body; user is the world. */
soma_status program_step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out);

#endif
