/* torch.optim.Adam and AdamW. */
#include "optim/optim.h"

enum { BETA1, BETA2, EPS, DECAY, AMSGRAD, MAXIMIZE };

static unsigned uses(const soma__group *g) { return g->value[AMSGRAD] != 0 ? 7 : 3; }

static void prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    double b1 = g->value[BETA1], b2 = g->value[BETA2], c1 = 1 - soma__optim_power(b1, p->steps), c2 = 1 - soma__optim_power(b2, p->steps);
    numbers[SOMA_ADAM_STEP] = g->lr / c1;
    numbers[SOMA_ADAM_BETA1] = b1;
    numbers[SOMA_ADAM_BETA1_REST] = 1 - b1;
    numbers[SOMA_ADAM_BETA2] = b2;
    numbers[SOMA_ADAM_BETA2_REST] = 1 - b2;
    numbers[SOMA_ADAM_ROOT_BIAS2] = __builtin_sqrt(c2);
    numbers[SOMA_ADAM_EPS] = g->value[EPS];
    numbers[SOMA_ADAM_WEIGHT_DECAY] = g->value[DECAY];
    numbers[SOMA_ADAM_SHRINK] = 1 - g->lr * g->value[DECAY];
    numbers[SOMA_ADAM_SIGN] = g->value[MAXIMIZE] != 0 ? -1 : 1;
}

/* With the largest mean square so far, which the fused op has not. */
static soma_status amsgrad(soma__step *s, bool decoupled) {
    const double *v = s->p->group->value;
    soma_tensor **state = s->p->state, *g = soma__optim_gradient(s, v[MAXIMIZE], decoupled ? 0 : v[DECAY]);
    if (decoupled && v[DECAY] != 0) soma_assign(s->p->tensor, soma_mul(s->p->tensor, soma__optim_number(s, SOMA_ADAM_SHRINK)));
    soma__optim_keep(s, 0, soma__optim_lerp(state[0], g, soma__optim_number(s, SOMA_ADAM_BETA1_REST)));
    soma__optim_keep(s, 1, soma__optim_mean_square(state[1], soma__optim_number(s, SOMA_ADAM_BETA2), g, soma__optim_number(s, SOMA_ADAM_BETA2_REST)));
    soma_assign(state[2], soma_maximum(state[2], state[1]));
    soma_tensor *below = soma_add(soma_div(soma_sqrt(state[2]), soma__optim_number(s, SOMA_ADAM_ROOT_BIAS2)), soma__optim_number(s, SOMA_ADAM_EPS));
    return soma__optim_move(s, soma_div(soma_mul(state[0], soma__optim_number(s, SOMA_ADAM_STEP)), below));
}

static soma_status record(soma__step *s, bool decoupled) {
    const double *v = s->p->group->value;
    if (v[AMSGRAD] != 0) return amsgrad(s, decoupled);
    int64_t flags = (decoupled ? SOMA_ADAM_DECOUPLED : 0) | (v[DECAY] != 0 ? SOMA_ADAM_DECAY : 0);
    return soma_adam_update(s->p->tensor, s->p->state[0], s->p->state[1], s->grad, soma__optim_numbers(s), flags);
}
static soma_status record_adam(soma__step *s) { return record(s, false); }
static soma_status record_adamw(soma__step *s) { return record(s, true); }

#define STATES \
    { "exp_avg", "exp_avg_sq", "max_exp_avg_sq" }
const soma__optim_kind soma__optim_adam = {.name = "adam", .states = STATES, .uses = uses, .prepare = prepare, .record = record_adam};
const soma__optim_kind soma__optim_adamw = {.name = "adamw", .states = STATES, .uses = uses, .prepare = prepare, .record = record_adamw};
