/* torch.optim.SGD. */
#include "optim/optim.h"

enum { MOMENTUM, DAMPENING, DECAY, NESTEROV, MAXIMIZE };

static unsigned uses(const soma__group *g) { return g->value[MOMENTUM] != 0; }

static void prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    numbers[SOMA_SGD_LR] = g->lr;
    numbers[SOMA_SGD_MU] = g->value[MOMENTUM];
    numbers[SOMA_SGD_UNDAMPED] = 1 - g->value[DAMPENING];
    numbers[SOMA_SGD_WEIGHT_DECAY] = g->value[DECAY];
    numbers[SOMA_SGD_SIGN] = g->value[MAXIMIZE] != 0 ? -1 : 1;
    numbers[SOMA_SGD_FIRST] = p->steps == 1;
}

static soma_status record(soma__step *s) {
    const double *v = s->p->group->value;
    int64_t flags = (v[NESTEROV] != 0 ? SOMA_SGD_NESTEROV : 0) | (v[DECAY] != 0 ? SOMA_SGD_DECAY : 0);
    return soma_sgd_update(s->p->tensor, s->p->state[0], s->grad, soma__optim_numbers(s), flags);
}

static const char *wrong(const soma__group *g) {
    bool fits = g->value[NESTEROV] == 0 || (g->value[MOMENTUM] > 0 && g->value[DAMPENING] == 0);
    return fits ? NULL : "nesterov wants a momentum above 0 and a dampening of 0";
}

const soma__optim_kind soma__optim_sgd = {
    .name = "sgd", .states = {"momentum_buffer"}, .uses = uses, .prepare = prepare, .record = record, .wrong = wrong};
