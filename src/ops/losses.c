/* The losses of losses.def, written with ops. */
#include "ops/class_loss.h"
#include "ops/elementwise.h"

/* Options by their bits. */
enum {
    SOMA__NO_OPTIONS = 0,
    SOMA__WEIGHT = 1,
    SOMA__POS_WEIGHT = 2,
    SOMA__MARGIN = 4,
    SOMA__BETA = 8,
    SOMA__DELTA = 16,
    SOMA__P = 32,
    SOMA__EPS = 64,
    SOMA__IGNORE = 128,
    SOMA__LOG_TARGET = 256,
    SOMA__PLAIN_INPUT = 512,
    SOMA__FULL = 1024,
    SOMA__SWAP = 2048,
    SOMA__BATCHMEAN = 4096
};

/* A call of a loss: tensors, options, and what its row allows. */
typedef struct loss {
    const char *name;
    soma_context *ctx;
    soma_tensor *x, *t, *third;
    soma_loss_opts o;
    int known;
} loss;

static bool wrong(const loss *l, const char *format, const char *what) {
    soma_error_raise(l->ctx, SOMA_ERROR_ARGUMENT, format, l->name, what);
    return false;
}

/* Every option that is set is one of the row's. */
static bool options_fit(const loss *l) {
    const soma_loss_opts *o = &l->o;
    const struct {
        const char *name;
        bool set;
        int bit;
    } all[] = {{"weight", o->weight != NULL, SOMA__WEIGHT},
               {"pos_weight", o->pos_weight != NULL, SOMA__POS_WEIGHT},
               {"margin", o->margin.set, SOMA__MARGIN},
               {"beta", o->beta.set, SOMA__BETA},
               {"delta", o->delta.set, SOMA__DELTA},
               {"p", o->p.set, SOMA__P},
               {"eps", o->eps.set, SOMA__EPS},
               {"ignore_index", o->ignore_index.set, SOMA__IGNORE},
               {"log_target", o->log_target != 0, SOMA__LOG_TARGET},
               {"plain_input", o->plain_input != 0, SOMA__PLAIN_INPUT},
               {"full", o->full != 0, SOMA__FULL},
               {"swap", o->swap != 0, SOMA__SWAP},
               {"reduction SOMA_BATCHMEAN", o->reduction == SOMA_BATCHMEAN, SOMA__BATCHMEAN}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].set && !(l->known & all[i].bit)) return wrong(l, "%s: it takes no %s", all[i].name);
    if (o->reduction < SOMA_MEAN || o->reduction > SOMA_BATCHMEAN)
        return wrong(l, "%s: the reduction is %s", "none of SOMA_MEAN, SOMA_SUM, SOMA_NONE, SOMA_BATCHMEAN");
    const soma_tensor *weights[2] = {o->weight, o->pos_weight};
    for (int i = 0; i < 2; i++)
        if (weights[i] && (weights[i]->ctx != l->ctx || weights[i]->dtype != l->x->dtype))
            return wrong(l, "%s: the weight is of another context or dtype than the %s", "input");
    return true;
}

/* Reads tensors and options; false when there is no loss to record. */
static bool begin(loss *l, const char *name, int known, soma_tensor *const *in, int n, const soma_loss_opts *options, size_t size) {
    if (!soma__check(name, in, n)) return false;
    *l = (loss){.name = name, .ctx = in[0]->ctx, .x = in[0], .t = in[1], .third = n > 2 ? in[2] : NULL, .known = known};
    if (!soma_options_read(l->ctx, name, &l->o, sizeof l->o, options, size)) return false;
    for (int i = 0; i < n; i++)
        if (!soma__is_float(in[i]->dtype) && in[i]->dtype != SOMA_I64)
            return wrong(l, "%s: a tensor's dtype is %s", soma_dtype_name((soma_dtype)in[i]->dtype));
    if (!soma__is_float(l->x->dtype)) return wrong(l, "%s: the input is %s; a floating dtype is wanted", soma_dtype_name((soma_dtype)l->x->dtype));
    return options_fit(l);
}

static bool shapes_differ(const loss *l, const soma_tensor *a, const soma_tensor *b, const char *wanted) {
    char s[128], t[128];
    soma_error_raise(l->ctx, SOMA_ERROR_SHAPE, "%s: %s %s and %s %s; %s", l->name, soma_dtype_name((soma_dtype)a->dtype),
                     soma_shape_text(a, s, sizeof s), soma_dtype_name((soma_dtype)b->dtype), soma_shape_text(b, t, sizeof t), wanted);
    return false;
}
static bool equal_shapes(const loss *l) {
    const soma_tensor *all[2] = {l->t, l->third};
    for (int i = 0; i < 2 && all[i]; i++)
        if (!soma__same_shape(l->x, all[i]) || l->x->dtype != all[i]->dtype)
            return shapes_differ(l, l->x, all[i], "equal shapes and dtypes are wanted");
    return true;
}
/* Scores [N, C] and int64 [N], or [N, C]. */
static bool rows_and_classes(const loss *l, int ndim) {
    bool fits = l->x->ndim == 2 && l->t->ndim == ndim && l->t->dtype == SOMA_I64 && l->t->shape[0] == l->x->shape[0] &&
                (ndim == 1 || l->t->shape[1] == l->x->shape[1]);
    return fits || shapes_differ(l, l->x, l->t,
                                 ndim == 1 ? "scores [N, C] and int64 classes [N] are wanted" : "scores [N, C] and int64 classes [N, C] are wanted");
}

static double or_else(soma_optional o, double otherwise) { return o.set ? o.value : otherwise; }
static soma_tensor *number(const loss *l, double v) { return soma__number(l->ctx, v, (soma_dtype)l->x->dtype); }
static soma_tensor *weighted(soma_tensor *y, soma_tensor *w) { return w ? soma_mul(y, w) : y; }
static const soma_reduce_opts last = {.ndims = 1, .dims = {-1}};

static soma_tensor *mse_loss(const loss *l) { return soma_square(soma_sub(l->x, l->t)); }
static soma_tensor *l1_loss(const loss *l) { return soma_abs(soma_sub(l->x, l->t)); }
static soma_tensor *smooth_l1_loss(const loss *l) {
    double beta = or_else(l->o.beta, 1);
    soma_tensor *d = soma_sub(l->x, l->t), *n = soma_abs(d);
    if (!(beta >= 0)) return wrong(l, "%s: beta is %s", "negative or NaN"), NULL;
    if (beta == 0) return n;
    return soma_where(soma_lt(n, number(l, beta)), soma_div_scalar(soma_mul_scalar(soma_square(d), 0.5), beta), soma_sub_scalar(n, 0.5 * beta));
}
static soma_tensor *huber_loss(const loss *l) {
    double delta = or_else(l->o.delta, 1);
    if (!(delta > 0)) return wrong(l, "%s: delta is %s", "not above 0"), NULL;
    soma_tensor *d = soma_sub(l->x, l->t), *n = soma_abs(d);
    return soma_where(soma_lt(n, number(l, delta)), soma_mul_scalar(soma_square(d), 0.5), soma_mul_scalar(soma_sub_scalar(n, 0.5 * delta), delta));
}

/* The logarithm, at least -100; 0 is replaced before it, so that no gradient is 0 / 0. */
static soma_tensor *cut_log(const loss *l, soma_tensor *x) {
    soma_tensor *least = number(l, 3.7200759760208361e-44), *cut = soma_le(x, least); /* exp(-100), which is subnormal in float32 */
    return soma_where(cut, number(l, -100), soma_log(soma_where(cut, number(l, 1), x)));
}
static soma_tensor *binary_cross_entropy(const loss *l) {
    soma_tensor *y = soma_sub(soma_mul(soma_sub_scalar(l->t, 1), cut_log(l, soma_rsub_scalar(l->x, 1))), soma_mul(l->t, cut_log(l, l->x)));
    return weighted(y, l->o.weight);
}
static soma_tensor *binary_cross_entropy_with_logits(const loss *l) {
    soma_tensor *positive = soma_logsigmoid(l->x);
    if (l->o.pos_weight) positive = soma_mul(soma_add_scalar(soma_mul(soma_sub_scalar(l->o.pos_weight, 1), l->t), 1), positive);
    return weighted(soma_sub(soma_mul(soma_rsub_scalar(l->t, 1), l->x), positive), l->o.weight);
}
static soma_tensor *kl_div(const loss *l) {
    if (l->o.log_target) return soma_mul(soma_exp(l->t), soma_sub(l->t, l->x));
    soma_tensor *some = soma_gt(l->t, number(l, 0));
    return soma_sub(soma_where(some, soma_mul(l->t, soma_log(soma_where(some, l->t, number(l, 1)))), number(l, 0)), soma_mul(l->t, l->x));
}
static soma_tensor *poisson_nll_loss(const loss *l) {
    soma_tensor *y = l->o.plain_input ? soma_sub(l->x, soma_mul(l->t, soma_log(soma_add_scalar(l->x, or_else(l->o.eps, 1e-8)))))
                                      : soma_sub(soma_exp(l->x), soma_mul(l->t, l->x));
    if (!l->o.full) return y;
    soma_tensor *some = soma_gt(l->t, number(l, 1)), *t = soma_where(some, l->t, number(l, 1));
    soma_tensor *stirling =
        soma_add(soma_sub(soma_mul(t, soma_log(t)), t), soma_mul_scalar(soma_log(soma_mul_scalar(t, 6.2831853071795864769)), 0.5));
    return soma_add(y, soma_where(some, stirling, number(l, 0)));
}
static soma_tensor *gaussian_nll_loss(const loss *l) {
    soma_tensor *fixed = soma_detach(l->third), *least = number(l, or_else(l->o.eps, 1e-6));
    soma_tensor *v = soma_add(l->third, soma_sub(soma_maximum(fixed, least), fixed)); /* bounded, and the gradient passes as if it were not */
    soma_tensor *y = soma_mul_scalar(soma_add(soma_log(v), soma_div(soma_square(soma_sub(l->x, l->t)), v)), 0.5);
    return l->o.full ? soma_add_scalar(y, 0.91893853320467274178) : y;
}

static soma_tensor *hinge_loss(const loss *l) { return soma_relu(soma_rsub_scalar(soma_mul(l->t, l->x), or_else(l->o.margin, 1))); }
static soma_tensor *soft_margin_loss(const loss *l) { return soma_neg(soma_logsigmoid(soma_mul(l->t, l->x))); }
static soma_tensor *hinge_embedding_loss(const loss *l) {
    soma_tensor *far = soma_relu(soma_rsub_scalar(l->x, or_else(l->o.margin, 1))), *zero = number(l, 0);
    return soma_add(soma_where(soma_ne(l->t, number(l, 1)), far, zero), soma_where(soma_ne(l->t, number(l, -1)), l->x, zero));
}
static soma_tensor *margin_ranking_loss(const loss *l) {
    return soma_relu(soma_add_scalar(soma_mul(soma_neg(l->third), soma_sub(l->x, l->t)), or_else(l->o.margin, 0)));
}
static soma_tensor *cosine_embedding_loss(const loss *l) {
    soma_tensor *x = soma_add_scalar(soma_sum(soma_square(l->x), &last), 1e-12), *y = soma_add_scalar(soma_sum(soma_square(l->t), &last), 1e-12);
    soma_tensor *cosine = soma_div(soma_sum(soma_mul(l->x, l->t), &last), soma_sqrt(soma_mul(x, y))), *zero = number(l, 0);
    soma_tensor *far = soma_relu(soma_sub_scalar(cosine, or_else(l->o.margin, 0)));
    return soma_add(soma_where(soma_eq(l->third, number(l, 1)), soma_rsub_scalar(cosine, 1), zero),
                    soma_where(soma_eq(l->third, number(l, -1)), far, zero));
}
/* |a - b + eps| by p along the last dimension */
static soma_tensor *distance(soma_tensor *a, soma_tensor *b, double p, double eps) {
    soma_tensor *d = soma_add_scalar(soma_sub(a, b), eps);
    if (p == 2) return soma_sqrt(soma_sum(soma_square(d), &last));
    if (p == 1) return soma_sum(soma_abs(d), &last);
    return soma_pow_scalar(soma_sum(soma_pow_scalar(soma_abs(d), p), &last), 1 / p);
}
static soma_tensor *triplet_margin_loss(const loss *l) {
    double p = or_else(l->o.p, 2), eps = or_else(l->o.eps, 1e-6);
    if (!(p > 0)) return wrong(l, "%s: p is %s", "not above 0"), NULL;
    soma_tensor *near = distance(l->x, l->t, p, eps), *far = distance(l->x, l->third, p, eps);
    if (l->o.swap) far = soma_minimum(far, distance(l->t, l->third, p, eps));
    return soma_relu(soma_add_scalar(soma_sub(near, far), or_else(l->o.margin, 1)));
}

/* 1 for each class of a row that is the target's, as bools [N, C]. */
static soma_tensor *is_target(const loss *l) {
    soma_tensor *classes = soma_arange(l->ctx, 0, (double)l->x->shape[1], 1, SOMA_I64);
    return soma_eq(soma_unsqueeze(l->t, 1), classes);
}
static soma_tensor *multi_margin_loss(const loss *l) {
    double p = or_else(l->o.p, 1);
    if (p != 1 && p != 2) return wrong(l, "%s: p is %s", "neither 1 nor 2"), NULL;
    soma_tensor *z = soma_relu(soma_add_scalar(soma_sub(l->x, soma_gather(l->x, 1, soma_unsqueeze(l->t, 1))), or_else(l->o.margin, 1)));
    if (p == 2) z = soma_square(z);
    if (l->o.weight) z = soma_mul(z, soma_unsqueeze(soma_index_select(l->o.weight, 0, l->t), 1));
    return soma_div_scalar(soma_sum(soma_where(is_target(l), number(l, 0), z), &last), (double)l->x->shape[1]);
}
static soma_tensor *multilabel_margin_loss(const loss *l) {
    int64_t n = l->x->shape[0], c = l->x->shape[1];
    soma_tensor *ends = soma_lt(l->t, soma__number(l->ctx, 0, SOMA_I64)), *places = soma_arange(l->ctx, 0, (double)c, 1, SOMA_I64);
    /* how many classes the list has: where the first end is, or all */
    soma_tensor *first =
        soma_amin(soma_where(ends, soma_expand(places, SOMA_SHAPE(n, c)), soma_full(l->ctx, (double)c, SOMA_I64, SOMA_SHAPE(n, c))), &last);
    soma_tensor *listed = soma_lt(places, soma_unsqueeze(first, 1)),
                *classes = soma_where(listed, l->t, soma_full(l->ctx, 0, SOMA_I64, SOMA_SHAPE(n, c)));
    soma_tensor *hot = soma_logical_and(soma_to(soma_one_hot(classes, c), SOMA_BOOL), soma_unsqueeze(listed, 2)); /* [N, place, class] */
    soma_tensor *others = soma_logical_not(soma_gt(soma_sum(hot, &(soma_reduce_opts){.ndims = 1, .dims = {1}}), soma__number(l->ctx, 0, SOMA_I64)));
    soma_tensor *gap = soma_add_scalar(soma_sub(soma_unsqueeze(l->x, 1), soma_unsqueeze(soma_gather(l->x, 1, classes), 2)), 1); /* 1 - x[j] + x[i] */
    soma_tensor *counted = soma_logical_and(soma_unsqueeze(listed, 2), soma_unsqueeze(others, 1));
    soma_tensor *pairs = soma_where(counted, soma_relu(gap), number(l, 0));
    return soma_div_scalar(soma_sum(pairs, &(soma_reduce_opts){.ndims = 2, .dims = {1, 2}}), (double)c);
}
static soma_tensor *multilabel_soft_margin_loss(const loss *l) {
    soma_tensor *y = soma_add(soma_mul(l->t, soma_logsigmoid(l->x)), soma_mul(soma_rsub_scalar(l->t, 1), soma_logsigmoid(soma_neg(l->x))));
    return soma_mean(weighted(soma_neg(y), l->o.weight), &last);
}

/* Of input [N, C, ...] or [C] and classes. The mean is the weights' own. */
static soma_tensor *nll_loss(const loss *l) {
    int64_t along = l->x->ndim == 1 ? 0 : 1, ignore = (int64_t)or_else(l->o.ignore_index, -100);
    soma_tensor *counts = soma_ne(l->t, soma__number(l->ctx, (double)ignore, SOMA_I64));
    soma_tensor *t = soma_where(counts, l->t, soma__number(l->ctx, 0, SOMA_I64)), *zero = number(l, 0);
    soma_tensor *w = l->o.weight ? soma_reshape_as(soma_index_select(l->o.weight, 0, soma_flatten(t, 0, -1)), t) : number(l, 1);
    soma_tensor *picked = soma_squeeze(soma_gather(l->x, along, soma_unsqueeze(t, along)), along);
    soma_tensor *y = soma_where(counts, soma_neg(soma_mul(picked, w)), zero);
    if (l->o.reduction != SOMA_MEAN) return soma__reduced(y, l->o.reduction);
    return soma_div(soma_sum(y, NULL), soma_sum(soma_where(counts, soma_expand_as(w, y), zero), NULL));
}
static bool classes_fit(const loss *l) {
    bool fits = l->x->ndim >= 1 && l->t->dtype == SOMA_I64 && l->t->ndim == l->x->ndim - 1 && (!l->t->ndim || l->t->shape[0] == l->x->shape[0]);
    for (int i = 1; fits && i < l->t->ndim; i++) fits = l->t->shape[i] == l->x->shape[i + 1];
    int64_t n = l->x->ndim ? l->x->shape[l->x->ndim == 1 ? 0 : 1] : 0;
    if (!fits) return shapes_differ(l, l->x, l->t, "input [N, C, ...] and int64 classes [N, ...] are wanted");
    if (l->o.weight && (l->o.weight->ndim != 1 || l->o.weight->shape[0] != n))
        return shapes_differ(l, l->x, l->o.weight, "a weight of each class is wanted");
    return true;
}

static bool rows_fit(const loss *l) { return rows_and_classes(l, 1); }
static bool lists_fit(const loss *l) { return rows_and_classes(l, 2); }
/* Vectors [N, D] and a sign [N]. */
static bool pairs_fit(const loss *l) {
    if (!soma__same_shape(l->x, l->t) || l->x->ndim != 2) return shapes_differ(l, l->x, l->t, "vectors [N, D] are wanted");
    return (l->third->ndim == 1 && l->third->shape[0] == l->x->shape[0] && l->third->dtype == l->x->dtype) ||
           shapes_differ(l, l->x, l->third, "a sign for each row is wanted");
}

/* Checks, records, reduces. nll_loss reduces itself. */
static soma_tensor *finish(loss *l, bool (*fits)(const loss *l), soma_tensor *(*record)(const loss *l)) {
    if (!fits(l)) return NULL;
    soma__composite_begin(l->ctx, l->name);
    soma_tensor *y = record(l);
    if (record != nll_loss)
        y = l->o.reduction == SOMA_BATCHMEAN ? soma_div_scalar(soma_sum(y, NULL), (double)(l->x->ndim ? l->x->shape[0] : 1))
                                             : soma__reduced(y, l->o.reduction);
    return soma_interior_end(l->ctx, y);
}

#define EQUAL equal_shapes
#define CLASSES classes_fit
#define ROWS rows_fit
#define LISTS lists_fit
#define PAIRS pairs_fit
#define LOSS2(name, shapes, options, doc) \
    soma_tensor *soma_##name##_v(soma_tensor *input, soma_tensor *target, const soma_loss_opts *given, size_t size) { \
        soma_tensor *in[2] = {input, target}; \
        loss l; \
        return begin(&l, #name, options, in, 2, given, size) ? finish(&l, shapes, name) : NULL; \
    }
#define LOSS3(name, third_name, shapes, options, doc) \
    soma_tensor *soma_##name##_v(soma_tensor *input, soma_tensor *target, soma_tensor *third_name, const soma_loss_opts *given, size_t size) { \
        soma_tensor *in[3] = {input, target, third_name}; \
        loss l; \
        return begin(&l, #name, options, in, 3, given, size) ? finish(&l, shapes, name) : NULL; \
    }
#include "soma/losses.def"
