/* torch.optim.SGD. */
#include "optim/optim.h"

enum { MOMENTUM, DAMPENING, DECAY, SIGN };

static int states(const soma__group *g) { return g->value[MOMENTUM] != 0; }

static void prepare(const soma__param *p, double *numbers) {
    const soma__group *g = p->group;
    numbers[SOMA_SGD_LR] = g->lr;
    numbers[SOMA_SGD_MU] = g->value[MOMENTUM];
    numbers[SOMA_SGD_UNDAMPED] = 1 - g->value[DAMPENING];
    numbers[SOMA_SGD_WEIGHT_DECAY] = g->value[DECAY];
    numbers[SOMA_SGD_SIGN] = g->value[SIGN];
    numbers[SOMA_SGD_FIRST] = p->steps == 1;
}

static soma_status record(soma__param *p, soma_tensor *grad, soma_tensor *hyper) {
    return soma_sgd_update(p->tensor, p->state[0], grad, hyper, p->group->flags);
}

static const soma__optim_kind kind = {"sgd", {"momentum_buffer"}, states, prepare, record};

soma_status soma_optim_sgd_group_v(soma_optim *optim, soma_tensor *const *params, size_t count, double lr, const soma_sgd_opts *options,
                                   size_t size) {
    soma_sgd_opts o;
    if (!optim || !soma_options_read(optim->ctx, "sgd", &o, sizeof o, options, size))
        return optim ? soma_error_status(optim->ctx) : SOMA_ERROR_ARGUMENT;
    if (optim->kind != &kind)
        return soma_error_raise(optim->ctx, SOMA_ERROR_ARGUMENT, "optim_sgd_group: the optimizer's kind is %s; its groups have other settings",
                                optim->kind->name);
    if (o.nesterov && (o.momentum <= 0 || o.dampening != 0))
        return soma_error_raise(optim->ctx, SOMA_ERROR_ARGUMENT, "sgd: nesterov wants a momentum above 0 and a dampening of 0");
    if (!(o.momentum >= 0) || !(o.weight_decay >= 0))
        return soma_error_raise(optim->ctx, SOMA_ERROR_ARGUMENT, "sgd: momentum %g, weight_decay %g; 0 or more is wanted", o.momentum,
                                o.weight_decay);
    soma__group g = {.lr = lr, .value = {o.momentum, o.dampening, o.weight_decay, o.maximize ? -1 : 1}};
    g.flags = (o.nesterov ? SOMA_SGD_NESTEROV : 0) | (o.weight_decay != 0 ? SOMA_SGD_DECAY : 0);
    return soma__optim_add(optim, params, count, &g);
}

soma_optim *soma_optim_sgd_v(soma_context *ctx, soma_tensor *const *params, size_t count, double lr, const soma_sgd_opts *options, size_t size) {
    soma_optim *o = soma__optim_new(ctx, &kind);
    return o && soma_optim_sgd_group_v(o, params, count, lr, options, size) == SOMA_OK ? o : NULL;
}
