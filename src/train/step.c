/* A training step as a captured program, with all that regularises it. */
#include "train/trainer.h"

#include <string.h>

/* Rows with their neighbours in the batch, which shuffling has drawn: mixup's pairs. */
static soma_tensor *neighbours(soma_tensor *x) {
    soma_tensor *two[2] = {soma_slice(x, 0, 1, INT64_MAX, 1), soma_slice(x, 0, 0, 1, 1)};
    return soma_cat(two, 2, 0);
}

static soma_tensor *mix(soma_tensor *a, soma_tensor *b, soma_tensor *share) {
    return soma_add(soma_mul(a, share), soma_mul(b, soma_rsub_scalar(share, 1)));
}

/* The loss of a batch; Zhang et al., mixup, 2018: of mixed inputs by both targets. Yun et al., CutMix, 2019: mixed by a mask. */
static soma_tensor *loss_of(soma__trainer *t, soma_tensor *x, soma_tensor *y, soma_tensor *mask) {
    soma__regular *r = &t->regular;
    soma_tensor *share = r->mixup > 0 || mask ? soma_host_scalar(t->ctx, &r->lambda) : NULL;
    if (r->input_noise > 0) {
        uint64_t before = soma_stream_use(t->ctx, SOMA_STREAM_AUGMENTATION);
        x = soma_add(x, soma_mul_scalar(soma_randn(t->ctx, SOMA_F32, soma_shape(x), soma_ndim(x)), r->input_noise));
        soma_stream_use(t->ctx, before);
    }
    if (share) x = mix(x, neighbours(x), mask ? mask : share);
    soma_tensor *out = soma_forward(t->model->module, x), *loss = soma__recipe_loss(t->recipe, out, y, t->model->weight);
    return share ? mix(loss, soma__recipe_loss(t->recipe, out, neighbours(y), t->model->weight), share) : loss;
}

/* l1 times the absolute weights; biases and the like, of one dimension, are left alone. */
static soma_tensor *absolute_weights(const soma__trainer *t) {
    soma_tensor *sum = NULL;
    for (size_t i = 0; i < t->n_params; i++) {
        if (soma_ndim(t->params[i]) < 2) continue;
        soma_tensor *part = soma_sum(soma_abs(t->params[i]), NULL);
        sum = sum ? soma_add(sum, part) : part;
    }
    return sum;
}

/* Normal noise of variance eta / (1 + step)^0.55 on each gradient; Neelakantan et al. 2015. */
static void add_noise(soma__trainer *t) {
    soma_no_grad_begin(t->ctx);
    soma_tensor *step = soma_add_scalar(soma_host_scalar(t->ctx, &t->regular.step), 1);
    soma_tensor *deviation = soma_sqrt(soma_mul_scalar(soma_pow_scalar(step, -0.55), t->regular.gradient_noise));
    uint64_t before = soma_stream_use(t->ctx, SOMA_STREAM_AUGMENTATION);
    for (size_t i = 0; i < t->n_params; i++) {
        soma_tensor *p = t->params[i], *g = soma_tensor_grad(p);
        if (g) soma_set_grad(p, soma_add(g, soma_mul(soma_randn(t->ctx, SOMA_F32, soma_shape(p), soma_ndim(p)), deviation)));
    }
    soma_stream_use(t->ctx, before);
    soma_no_grad_end(t->ctx);
}

/* The averages follow the weights. */
static void follow(soma__trainer *t) {
    if (t->average != 1) return;
    soma_no_grad_begin(t->ctx);
    for (size_t i = 0; i < t->averages.n; i++) {
        soma_tensor *a = t->averages.to[i], *w = t->averages.from[i];
        soma_assign(a, soma_add(a, soma_mul_scalar(soma_sub(w, a), 1 - t->decay)));
    }
    soma_no_grad_end(t->ctx);
}

static soma_status step_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    soma__trainer *t = user;
    soma__regular *r = &t->regular;
    (void)n_out;
    out[0] = loss_of(t, in[0], in[1], n_in > 2 ? in[2] : NULL);
    soma_guard_finite(out[0]);
    soma_tensor *absolute = r->l1 > 0 ? absolute_weights(t) : NULL;
    soma_backward(absolute ? soma_add(out[0], soma_mul_scalar(absolute, r->l1)) : out[0], NULL);
    if (r->clip > 0) {
        soma_tensor *norm;
        soma_clip_grad_norm_by(t->params, t->n_params, soma_host_scalar(ctx, &r->clip), &norm);
        if (norm) soma_guard_finite(norm);
    }
    if (r->gradient_noise > 0) add_noise(t);
    if (t->by_closure) return soma_error_status(ctx); /* the gradients stay */
    soma_optim_step(t->optim);
    soma_optim_zero_grad(t->optim);
    if (r->max_norm > 0) soma_max_norm(t->params, t->n_params, r->max_norm);
    follow(t);
    return soma_error_status(ctx);
}

/* What goes by single steps only. */
static soma_status fits_closures(soma__trainer *t) {
    const soma__regular *r = &t->regular;
    t->by_closure = strcmp(t->recipe->optim.kind->name, "lbfgs") == 0;
    if (!t->by_closure || (r->max_norm <= 0 && r->gradient_noise <= 0 && strcmp(soma_recipe_word(t->recipe, "train", "average"), "ema") != 0))
        return SOMA_OK;
    soma__problem(t->recipe, "/train", "lbfgs searches along lines, and goes without max_norm, gradient_noise and average: ema");
    return soma__problem_raise(t->recipe, t->recipe->problems.count - 1, SOMA_ERROR_ARGUMENT);
}

static soma_slot mask_slot(const soma__trainer *t) {
    const soma_model *m = t->model;
    return (soma_slot){.shape = {m->shape[m->ndim - 2], m->shape[m->ndim - 1]}, .ndim = 2};
}

/* Cutmix mixes pictures, and not with mixup. */
static soma_status fits_pictures(soma__trainer *t) {
    const soma_model *m = t->model;
    if (t->regular.cutmix <= 0) return SOMA_OK;
    if (m->ndim >= 2 && t->regular.mixup <= 0) {
        t->regular.mask = soma_scope_memory(t->ctx, (size_t)(m->shape[m->ndim - 2] * m->shape[m->ndim - 1]) * sizeof(float));
        return soma_error_status(t->ctx);
    }
    soma__problem(t->recipe, "/train/cutmix", m->ndim < 2 ? "cutmix mixes pictures: samples of two dimensions or more" : "cutmix or mixup, not both");
    return soma__problem_raise(t->recipe, t->recipe->problems.count - 1, SOMA_ERROR_ARGUMENT);
}

soma_status soma__make_step(soma__trainer *t, int64_t batch) {
    t->regular = (soma__regular){.clip = soma__train_setting(t, "clip_norm"),
                                 .l1 = soma__train_setting(t, "l1"),
                                 .max_norm = soma__train_setting(t, "max_norm"),
                                 .gradient_noise = soma__train_setting(t, "gradient_noise"),
                                 .input_noise = soma__train_setting(t, "input_noise"),
                                 .mixup = soma__train_setting(t, "mixup"),
                                 .cutmix = soma__train_setting(t, "cutmix")};
    if (fits_closures(t) != SOMA_OK || fits_pictures(t) != SOMA_OK) return soma_error_status(t->ctx);
    soma_slot slots[3] = {{.shape = {batch}, .ndim = t->model->ndim + 1}, {{batch}, 1, soma__model_is_valued(t->model) ? SOMA_F32 : SOMA_I64}};
    memcpy(slots[0].shape + 1, t->model->shape, (size_t)t->model->ndim * sizeof(int64_t));
    if (t->regular.mask) slots[2] = mask_slot(t);
    t->program = soma_capture(t->ctx, step_body, t, slots, t->regular.mask ? 3 : 2, 1, NULL);
    return soma_error_status(t->ctx);
}

static soma_status run_program(soma__trainer *t, double *loss) {
    soma_status s = soma_program_run(t->program);
    return s == SOMA_OK ? soma_program_item(t->program, 0, loss) : s;
}

static soma_status evaluate(void *user, double *loss) {
    soma__trainer *t = user;
    return soma_zero_grad(t->params, t->n_params) == SOMA_OK ? run_program(t, loss) : soma_error_status(t->ctx);
}

soma_status soma__run_step(soma__trainer *t, const soma_batch *b, double *loss) {
    soma_slot shape = {.shape = {b->count}};
    int64_t step = t->integers[EPOCH] * soma_loader_count(t->loader) + t->integers[STEP];
    t->regular.step = (double)step;
    if (t->regular.mixup > 0) t->regular.lambda = soma_draw_beta((uint64_t)soma__train_setting(t, "seed"), (uint64_t)step, t->regular.mixup);
    memcpy(shape.shape + 1, t->model->shape, (size_t)t->model->ndim * sizeof(int64_t));
    if (t->regular.mask) {
        const soma_slot mask = mask_slot(t);
        t->regular.lambda = soma_draw_cutmix((uint64_t)soma__train_setting(t, "seed"), (uint64_t)step, t->regular.cutmix, mask.shape[0],
                                             mask.shape[1], t->regular.mask);
        if (soma_program_bind(t->program, 2, t->regular.mask, mask.shape) != SOMA_OK) return soma_error_status(t->ctx);
    }
    if (soma_program_bind(t->program, 0, b->inputs, shape.shape) != SOMA_OK ||
        soma_program_bind(t->program, 1, b->values ? (const void *)b->values : b->targets, &b->count) != SOMA_OK)
        return soma_error_status(t->ctx);
    if (!t->by_closure) return run_program(t, loss);
    soma_status s = soma_optim_step_closure(t->optim, evaluate, t, loss);
    soma_zero_grad(t->params, t->n_params); /* they are no state */
    return s;
}
