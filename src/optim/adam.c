/* torch.optim.Adam and AdamW. Kingma, Ba: Adam, 2015; Loshchilov, Hutter: Decoupled weight decay regularization, 2019. */
#include "optim/optim.h"

enum { BETA1, BETA2, EPS, DECAY, SIGN };

static int states(const soma__group *g) { return (void)g, 2; }

static void prepare(const soma__param *p, double *numbers) {
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
    numbers[SOMA_ADAM_SIGN] = g->value[SIGN];
}

static soma_status record(soma__param *p, soma_tensor *grad, soma_tensor *hyper) {
    return soma_adam_update(p->tensor, p->state[0], p->state[1], grad, hyper, p->group->flags);
}

static const soma__optim_kind adam = {"adam", {"exp_avg", "exp_avg_sq"}, states, prepare, record};
static const soma__optim_kind adamw = {"adamw", {"exp_avg", "exp_avg_sq"}, states, prepare, record};

static double value_or(soma_optional o, double otherwise) { return o.set ? o.value : otherwise; }

soma_status soma_optim_adam_group_v(soma_optim *optim, soma_tensor *const *params, size_t count, double lr, const soma_adam_opts *options,
                                    size_t size) {
    soma_adam_opts o;
    if (!optim || !soma_options_read(optim->ctx, "adam", &o, sizeof o, options, size))
        return optim ? soma_error_status(optim->ctx) : SOMA_ERROR_ARGUMENT;
    if (optim->kind != &adam && optim->kind != &adamw)
        return soma_error_raise(optim->ctx, SOMA_ERROR_ARGUMENT, "optim_adam_group: the optimizer's kind is %s; its groups have other settings",
                                optim->kind->name);
    bool decoupled = optim->kind == &adamw;
    soma__group g = {.lr = lr};
    g.value[BETA1] = value_or(o.beta1, 0.9);
    g.value[BETA2] = value_or(o.beta2, 0.999);
    g.value[EPS] = value_or(o.eps, 1e-8);
    g.value[DECAY] = value_or(o.weight_decay, decoupled ? 0.01 : 0);
    g.value[SIGN] = o.maximize ? -1 : 1;
    if (!(g.value[BETA1] >= 0 && g.value[BETA1] < 1 && g.value[BETA2] >= 0 && g.value[BETA2] < 1 && g.value[EPS] >= 0 && g.value[DECAY] >= 0))
        return soma_error_raise(optim->ctx, SOMA_ERROR_ARGUMENT, "%s: betas %g, %g (in [0, 1)), eps %g, weight_decay %g (0 or more)",
                                optim->kind->name, g.value[BETA1], g.value[BETA2], g.value[EPS], g.value[DECAY]);
    g.flags = (decoupled ? SOMA_ADAM_DECOUPLED : 0) | (g.value[DECAY] != 0 ? SOMA_ADAM_DECAY : 0);
    return soma__optim_add(optim, params, count, &g);
}

soma_optim *soma_optim_adam_v(soma_context *ctx, soma_tensor *const *params, size_t count, double lr, const soma_adam_opts *options, size_t size) {
    soma_optim *o = soma__optim_new(ctx, &adam);
    return o && soma_optim_adam_group_v(o, params, count, lr, options, size) == SOMA_OK ? o : NULL;
}
soma_optim *soma_optim_adamw_v(soma_context *ctx, soma_tensor *const *params, size_t count, double lr, const soma_adam_opts *options, size_t size) {
    soma_optim *o = soma__optim_new(ctx, &adamw);
    return o && soma_optim_adam_group_v(o, params, count, lr, options, size) == SOMA_OK ? o : NULL;
}
