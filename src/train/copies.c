/* Averaged weights (Polyak and Juditsky 1992: ema; Izmailov et al. 2018: swa), and the best ones of early stopping. They are copies in variables of
 * their own, pieces of the state tree like any other. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A variable beside each of the module's state; of all, or of those that learn. */
static bool make(soma__trainer *t, soma__copies *c, const char *prefix, bool all) {
    size_t n = soma_module_state_count(t->model->module);
    c->from = soma_scope_memory(t->ctx, (n + 1) * sizeof *c->from);
    c->to = soma_scope_memory(t->ctx, (n + 1) * sizeof *c->to);
    for (size_t i = 0; c->from && c->to && i < n; i++) {
        char key[512], name[560];
        soma_tensor *from;
        if (soma_module_state(t->model->module, i, key, sizeof key, &from) != SOMA_OK) return false;
        bool known = !all && !soma_tensor_requires_grad(from);
        for (size_t k = 0; k < c->n && !known; k++) known = c->from[k] == from;
        if (known) continue;
        snprintf(name, sizeof name, "%s.%s", prefix, key);
        soma_tensor *to = soma_variable(soma_detach(from), &(soma_variable_opts){.name = name});
        if (!to || soma_state_add_variable(t->state, name, to) != SOMA_OK) return false;
        c->from[c->n] = from, c->to[c->n++] = to;
    }
    return c->from && c->to && soma_eval(t->ctx) == SOMA_OK;
}

soma_status soma__make_copies(soma__trainer *t) {
    const char *kind = soma_recipe_word(t->recipe, "train", "average");
    t->average = !kind || strcmp(kind, "none") == 0 ? 0 : strcmp(kind, "ema") == 0 ? 1 : 2;
    t->decay = soma__train_setting(t, "average_decay");
    t->patience = (int64_t)soma__train_setting(t, "patience");
    if (t->average && !make(t, &t->averages, "average", false)) return soma_error_status(t->ctx);
    if (t->patience && (!make(t, &t->best, "best", true) || soma_state_add_numbers(t->state, "best.numbers", t->best_numbers, NUMBERS) != SOMA_OK))
        return soma_error_status(t->ctx);
    for (int i = 0; i < NUMBERS; i++) t->best_numbers[i] = (double)NAN;
    return soma_error_status(t->ctx);
}

soma_status soma__move_average(soma__trainer *t) {
    if (t->average != 2 || t->integers[EPOCH] < (int64_t)soma__train_setting(t, "average_from")) return SOMA_OK;
    soma_scope *scope = soma_scope_open(t->ctx);
    soma_no_grad_begin(t->ctx);
    double share = 1 / (double)++t->integers[AVERAGED];
    for (size_t i = 0; i < t->averages.n; i++) {
        soma_tensor *a = t->averages.to[i], *w = t->averages.from[i];
        soma_assign(a, soma_add(a, soma_mul_scalar(soma_sub(w, a), share)));
    }
    soma_no_grad_end(t->ctx);
    soma_eval(t->ctx);
    if (scope) soma_scope_close(scope);
    return soma_error_status(t->ctx);
}

static bool copy(soma_context *ctx, soma_tensor *from, soma_tensor *to) {
    const void *data;
    return soma_data(from, &data) == SOMA_OK &&
           soma_assign_from(to, data, (size_t)soma_numel(from) * soma_dtype_size(soma_tensor_dtype(from))) == SOMA_OK && soma_eval(ctx) == SOMA_OK;
}

soma_status soma__swap_averages(soma__trainer *t) {
    if (!t->average || (t->average == 2 && !t->integers[AVERAGED])) return SOMA_OK;
    soma_scope *scope = soma_scope_open(t->ctx);
    for (size_t i = 0; i < t->averages.n; i++) {
        soma_tensor *a = t->averages.to[i], *w = t->averages.from[i];
        size_t bytes = (size_t)soma_numel(w) * soma_dtype_size(soma_tensor_dtype(w));
        void *room = soma_scope_memory(t->ctx, bytes);
        if (!room || soma_read(w, room, bytes) != SOMA_OK || !copy(t->ctx, a, w) || soma_assign_from(a, room, bytes) != SOMA_OK) break;
    }
    soma_eval(t->ctx);
    if (scope) soma_scope_close(scope);
    return soma_error_status(t->ctx);
}

soma_status soma__keep_best(soma__trainer *t, bool *better) {
    *better = true;
    if (!t->patience) return SOMA_OK;
    *better = !isnan(t->numbers[TEST_LOSS]) && !(t->numbers[TEST_LOSS] >= t->best_numbers[TEST_LOSS]);
    t->integers[BAD] = *better ? 0 : t->integers[BAD] + 1;
    if (!*better) {
        t->integers[EARLY] = t->integers[BAD] >= t->patience;
        return SOMA_OK;
    }
    t->integers[BEST_EPOCH] = t->integers[EPOCH];
    memcpy(t->best_numbers, t->numbers, sizeof t->numbers);
    for (size_t i = 0; i < t->best.n; i++)
        if (!copy(t->ctx, t->best.from[i], t->best.to[i])) break;
    return soma_error_status(t->ctx);
}

soma_status soma__restore_best(soma__trainer *t) {
    if (!t->patience || !t->integers[BEST_EPOCH]) return SOMA_OK;
    memcpy(t->numbers, t->best_numbers, sizeof t->numbers);
    for (size_t i = 0; i < t->best.n; i++)
        if (!copy(t->ctx, t->best.to[i], t->best.from[i])) break;
    return soma_error_status(t->ctx);
}
