/* Optimizers that divide by gradients seen so far: torch.optim.Adamax, NAdam, RAdam, RMSprop, Adagrad, Adadelta; and Rprop, which only sees signs.
 * The order of operations is that of PyTorch's single-tensor functions. */
#include "optim/optim.h"

#include "base/math.h"

static unsigned one_state(const soma__group *g) { return (void)g, 1; }
static unsigned two_states(const soma__group *g) { return (void)g, 3; }
static soma_tensor *over(soma_tensor *a, soma_tensor *b) { return soma_div(a, b); }
#define N(i) soma__optim_number(s, i)

/* adamax: exp_inf is the decayed infinity norm */
enum { ADAMAX_BETA1, ADAMAX_BETA2, ADAMAX_EPS, ADAMAX_DECAY, ADAMAX_MAXIMIZE };
enum { RATE, BETA1_REST, BETA2, EPS, BETA2_REST, ROOT, SECOND, SHRINK, TO_STEP }; /* places of numbers */
static void adamax_prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    numbers[RATE] = g->lr / (1 - soma__optim_power(g->value[ADAMAX_BETA1], p->steps));
    numbers[BETA1_REST] = 1 - g->value[ADAMAX_BETA1];
    numbers[BETA2] = g->value[ADAMAX_BETA2];
    numbers[EPS] = g->value[ADAMAX_EPS];
}
static soma_status adamax_record(soma__step *s) {
    const double *v = s->p->group->value;
    soma_tensor **state = s->p->state, *g = soma__optim_gradient(s, v[ADAMAX_MAXIMIZE], v[ADAMAX_DECAY]);
    soma__optim_keep(s, 0, soma__optim_lerp(state[0], g, N(BETA1_REST)));
    soma__optim_keep(s, 1, soma_maximum(soma_mul(state[1], N(BETA2)), soma_add(soma_abs(g), N(EPS))));
    return soma__optim_move(s, over(soma_mul(state[0], N(RATE)), state[1]));
}
const soma__optim_kind soma__optim_adamax = {
    .name = "adamax", .states = {"exp_avg", "exp_inf"}, .uses = two_states, .prepare = adamax_prepare, .record = adamax_record};

/* nadam: Adam with Nesterov's look ahead, by a schedule of momenta mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2) */
enum { NADAM_BETA1, NADAM_BETA2, NADAM_EPS, NADAM_DECAY, NADAM_MOMENTUM_DECAY, NADAM_DECOUPLED, NADAM_MAXIMIZE };
static double nadam_mu(const soma__group *g, int64_t t) {
    return g->value[NADAM_BETA1] * (1 - 0.5 * soma__pow(0.96, (double)t * g->value[NADAM_MOMENTUM_DECAY]));
}
static void nadam_prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    if (p->product_steps != p->steps - 1) p->product_steps = 0; /* resumed, or a step that did not happen */
    if (!p->product_steps) p->product = 1;
    while (p->product_steps < p->steps) p->product *= nadam_mu(g, ++p->product_steps);
    double mu = nadam_mu(g, p->steps), next = nadam_mu(g, p->steps + 1);
    numbers[RATE] = g->lr * (1 - mu) / (1 - p->product);
    numbers[SECOND] = g->lr * next / (1 - p->product * next);
    numbers[BETA1_REST] = 1 - g->value[NADAM_BETA1];
    numbers[BETA2] = g->value[NADAM_BETA2];
    numbers[BETA2_REST] = 1 - g->value[NADAM_BETA2];
    numbers[ROOT] = 1 - soma__optim_power(g->value[NADAM_BETA2], p->steps);
    numbers[EPS] = g->value[NADAM_EPS];
    numbers[SHRINK] = 1 - g->lr * g->value[NADAM_DECAY];
}
/* Both moments, and the weights' decay where it is decoupled; returns the gradient. Settings and numbers of nadam and radam have the same places. */
static soma_tensor *moments(soma__step *s, bool decoupled, double maximize, double decay) {
    soma_tensor **state = s->p->state, *g = soma__optim_gradient(s, maximize, decoupled ? 0 : decay);
    if (decoupled && decay != 0) soma_assign(s->p->tensor, soma_mul(s->p->tensor, N(SHRINK)));
    soma__optim_keep(s, 0, soma__optim_lerp(state[0], g, N(BETA1_REST)));
    soma__optim_keep(s, 1, soma__optim_mean_square(state[1], N(BETA2), g, N(BETA2_REST)));
    return g;
}
static soma_status nadam_record(soma__step *s) {
    const double *v = s->p->group->value;
    soma_tensor *g = moments(s, v[NADAM_DECOUPLED] != 0, v[NADAM_MAXIMIZE], v[NADAM_DECAY]);
    soma_tensor *below = soma_add(soma_sqrt(over(s->p->state[1], N(ROOT))), N(EPS));
    return soma__optim_move(s, soma_add(over(soma_mul(g, N(RATE)), below), over(soma_mul(s->p->state[0], N(SECOND)), below)));
}
const soma__optim_kind soma__optim_nadam = {
    .name = "nadam", .states = {"exp_avg", "exp_avg_sq"}, .uses = two_states, .prepare = nadam_prepare, .record = nadam_record};

/* radam: Adam whose second moment is used once its variance is bounded, and then rectified */
enum { RADAM_BETA1, RADAM_BETA2, RADAM_EPS, RADAM_DECAY, RADAM_DECOUPLED, RADAM_MAXIMIZE };
static void radam_prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    double b2 = g->value[RADAM_BETA2], power = soma__optim_power(b2, p->steps), bias2 = 1 - power, most = 2 / (1 - b2) - 1;
    double length = most - 2 * (double)p->steps * power / bias2;
    bool bounded = length > 5;
    double rectified = bounded ? __builtin_sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)) : 1;
    numbers[RATE] = g->lr / (1 - soma__optim_power(g->value[RADAM_BETA1], p->steps)) * rectified;
    numbers[BETA1_REST] = 1 - g->value[RADAM_BETA1];
    numbers[BETA2] = b2;
    numbers[BETA2_REST] = 1 - b2;
    numbers[ROOT] = bounded ? __builtin_sqrt(bias2) : 0;
    numbers[EPS] = g->value[RADAM_EPS];
    numbers[SHRINK] = 1 - g->lr * g->value[RADAM_DECAY];
    numbers[TO_STEP] = 1;
}
static soma_status radam_record(soma__step *s) {
    const double *v = s->p->group->value;
    moments(s, v[RADAM_DECOUPLED] != 0, v[RADAM_MAXIMIZE], v[RADAM_DECAY]);
    soma_tensor *adapted = over(N(ROOT), soma_add(soma_sqrt(s->p->state[1]), N(EPS)));
    soma_tensor *factor = soma_where(soma_gt(N(ROOT), N(SOMA__OPTIM_ZERO)), adapted, N(TO_STEP));
    return soma__optim_move(s, soma_mul(soma_mul(s->p->state[0], N(RATE)), factor));
}
const soma__optim_kind soma__optim_radam = {
    .name = "radam", .states = {"exp_avg", "exp_avg_sq"}, .uses = two_states, .prepare = radam_prepare, .record = radam_record};

enum { RMSPROP_ALPHA, RMSPROP_EPS, RMSPROP_DECAY, RMSPROP_MOMENTUM, RMSPROP_CENTERED, RMSPROP_MAXIMIZE };
static unsigned rmsprop_uses(const soma__group *g) {
    return 1 | (g->value[RMSPROP_MOMENTUM] != 0 ? 2 : 0) | (g->value[RMSPROP_CENTERED] != 0 ? 4 : 0);
}
static void rmsprop_prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    numbers[RATE] = g->lr;
    numbers[BETA2] = g->value[RMSPROP_ALPHA];
    numbers[BETA2_REST] = 1 - g->value[RMSPROP_ALPHA];
    numbers[EPS] = g->value[RMSPROP_EPS];
    numbers[SECOND] = g->value[RMSPROP_MOMENTUM];
}
static soma_status rmsprop_record(soma__step *s) {
    const double *v = s->p->group->value;
    soma_tensor **state = s->p->state, *g = soma__optim_gradient(s, v[RMSPROP_MAXIMIZE], v[RMSPROP_DECAY]);
    soma__optim_keep(s, 0, soma__optim_mean_square(state[0], N(BETA2), g, N(BETA2_REST)));
    soma_tensor *square = state[0];
    if (state[2]) {
        soma__optim_keep(s, 2, soma__optim_lerp(state[2], g, N(BETA2_REST)));
        square = soma_sub(square, soma_mul(state[2], state[2]));
    }
    soma_tensor *below = soma_add(soma_sqrt(square), N(EPS));
    if (!state[1]) return soma__optim_move(s, over(soma_mul(g, N(RATE)), below));
    soma__optim_keep(s, 1, soma_add(soma_mul(state[1], N(SECOND)), over(g, below)));
    return soma__optim_move(s, soma_mul(state[1], N(RATE)));
}
const soma__optim_kind soma__optim_rmsprop = {.name = "rmsprop",
                                              .states = {"square_avg", "momentum_buffer", "grad_avg"},
                                              .uses = rmsprop_uses,
                                              .prepare = rmsprop_prepare,
                                              .record = rmsprop_record};

enum { ADAGRAD_LR_DECAY, ADAGRAD_DECAY, ADAGRAD_INITIAL, ADAGRAD_EPS, ADAGRAD_MAXIMIZE };
static double adagrad_initial(const soma__group *g, int state) { return (void)state, g->value[ADAGRAD_INITIAL]; }
static void adagrad_prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    numbers[RATE] = g->lr / (1 + (double)(p->steps - 1) * g->value[ADAGRAD_LR_DECAY]);
    numbers[EPS] = g->value[ADAGRAD_EPS];
}
static soma_status adagrad_record(soma__step *s) {
    const double *v = s->p->group->value;
    soma_tensor **state = s->p->state, *g = soma__optim_gradient(s, v[ADAGRAD_MAXIMIZE], v[ADAGRAD_DECAY]);
    soma_assign(state[0], soma_add(state[0], soma_mul(g, g)));
    return soma__optim_move(s, over(soma_mul(g, N(RATE)), soma_add(soma_sqrt(state[0]), N(EPS))));
}
const soma__optim_kind soma__optim_adagrad = {
    .name = "adagrad", .states = {"sum"}, .uses = one_state, .initial = adagrad_initial, .prepare = adagrad_prepare, .record = adagrad_record};

enum { ADADELTA_RHO, ADADELTA_EPS, ADADELTA_DECAY, ADADELTA_MAXIMIZE };
static void adadelta_prepare(soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    numbers[RATE] = g->lr;
    numbers[BETA2] = g->value[ADADELTA_RHO];
    numbers[BETA2_REST] = 1 - g->value[ADADELTA_RHO];
    numbers[EPS] = g->value[ADADELTA_EPS];
}
static soma_status adadelta_record(soma__step *s) {
    const double *v = s->p->group->value;
    soma_tensor **state = s->p->state, *g = soma__optim_gradient(s, v[ADADELTA_MAXIMIZE], v[ADADELTA_DECAY]);
    soma__optim_keep(s, 0, soma__optim_mean_square(state[0], N(BETA2), g, N(BETA2_REST)));
    soma_tensor *delta = soma_mul(over(soma_sqrt(soma_add(state[1], N(EPS))), soma_sqrt(soma_add(state[0], N(EPS)))), g);
    soma__optim_keep(s, 1, soma__optim_mean_square(state[1], N(BETA2), delta, N(BETA2_REST)));
    return soma__optim_move(s, soma_mul(delta, N(RATE)));
}
const soma__optim_kind soma__optim_adadelta = {
    .name = "adadelta", .states = {"square_avg", "acc_delta"}, .uses = two_states, .prepare = adadelta_prepare, .record = adadelta_record};

/* rprop: each weight has a step of its own, that grows while the gradient keeps its sign; after a change the gradient counts as 0 once */
enum { RPROP_ETAMINUS, RPROP_ETAPLUS, RPROP_LEAST, RPROP_MOST, RPROP_MAXIMIZE };
enum { LEAST, MOST, GROWN, SHRUNK, SAME };
static double rprop_initial(const soma__group *g, int state) { return state == 1 ? g->lr : 0; }
static void rprop_prepare(soma__param *p, double *numbers) {
    const double *v = p->group->value;
    numbers[LEAST] = v[RPROP_LEAST], numbers[MOST] = v[RPROP_MOST];
    numbers[GROWN] = v[RPROP_ETAPLUS], numbers[SHRUNK] = v[RPROP_ETAMINUS], numbers[SAME] = 1;
}
static soma_status rprop_record(soma__step *s) {
    soma_tensor **state = s->p->state, *g = soma__optim_gradient(s, s->p->group->value[RPROP_MAXIMIZE], 0), *zero = N(SOMA__OPTIM_ZERO);
    soma_tensor *product = soma_mul(g, state[0]), *turned = soma_lt(product, zero);
    soma_tensor *factor = soma_where(soma_gt(product, zero), N(GROWN), soma_where(turned, N(SHRUNK), N(SAME)));
    soma_assign(state[1], soma_minimum(soma_maximum(soma_mul(state[1], factor), N(LEAST)), N(MOST)));
    soma_assign(state[0], soma_where(turned, zero, g));
    return soma__optim_move(s, soma_mul(soma_sign(state[0]), state[1]));
}
const soma__optim_kind soma__optim_rprop = {
    .name = "rprop", .states = {"prev", "step_size"}, .uses = two_states, .initial = rprop_initial, .prepare = rprop_prepare, .record = rprop_record};
