/* Losses of recipes: those of one output and one target. */
#include "train/words.h"

#define REST false, false

/* What users are told. */
static soma_tensor *probabilities(soma_tensor *y) { return soma_softmax(y, 1); }
static soma_tensor *exponential(soma_tensor *y) { return soma_exp(y); }
static soma_tensor *both(soma_tensor *p) { return soma_cat((soma_tensor *[]){soma_rsub_scalar(p, 1), p}, 2, 1); }
static soma_tensor *of_logit(soma_tensor *y) { return both(soma_sigmoid(y)); }
static soma_tensor *same(soma_tensor *y) { return y; }
static soma_tensor *mean_column(soma_tensor *y) { return soma_slice(y, 1, 0, 1, 1); }

/* [N, 1] as [N]. */
static soma_tensor *row(soma_tensor *y) { return soma_squeeze(y, 1); }
static soma_tensor *zero_one(soma_tensor *classes) { return soma_to(classes, SOMA_F32); }
static soma_tensor *signs(soma_tensor *classes) { return soma_add_scalar(soma_mul_scalar(zero_one(classes), 2), -1); }
/* The weights of the rows' classes, and their mean, for losses that take a factor for each element. */
static soma_tensor *by_class(soma_tensor *weight, soma_tensor *classes) { return weight ? soma_index_select(weight, 0, classes) : NULL; }

#define LOSS(name) static soma_tensor *name(const json_t *f, soma_tensor *y, soma_tensor *t, soma_tensor *weight)
#define WEIGHTS \
    { "class_weights", SOMA__CHOICE, "\"none\"", 0, 0, REST, "none|balanced: a class's samples count by rows / (classes * rows of the class)" }

LOSS(cross_entropy) {
    return soma_cross_entropy(y, t, &(soma_cross_entropy_opts){.weight = weight, .label_smoothing = SOMA_SET(soma__get(f, "label_smoothing"))});
}
static const soma__field cross_entropy_fields[] = {{"label_smoothing", SOMA__NUMBER, "0", 0, 1, REST, "share of the target spread over all classes"},
                                                   WEIGHTS};
LOSS(nll_loss) { return (void)f, soma_nll_loss(y, t, &(soma_loss_opts){.weight = weight}); }
LOSS(multi_margin_loss) {
    return soma_multi_margin_loss(y, t,
                                  &(soma_loss_opts){.margin = SOMA_SET(soma__get(f, "margin")), .p = SOMA_SET(soma__get(f, "p")), .weight = weight});
}
static const soma__field weight_fields[] = {WEIGHTS};
static const soma__field multi_margin_fields[] = {
    {"margin", SOMA__NUMBER, "1", 0, __builtin_inf(), false, true, "how far ahead the right class is to be"},
    {"p", SOMA__INTEGER, "1", 1, 2, REST, "power of what is missing"},
    WEIGHTS};

LOSS(bce_with_logits) {
    return (void)f, soma_binary_cross_entropy_with_logits(row(y), zero_one(t), &(soma_loss_opts){.weight = by_class(weight, t)});
}
LOSS(binary_cross_entropy) { return (void)f, soma_binary_cross_entropy(row(y), zero_one(t), &(soma_loss_opts){.weight = by_class(weight, t)}); }
LOSS(hinge_loss) { return (void)weight, soma_hinge_loss(row(y), signs(t), &(soma_loss_opts){.margin = SOMA_SET(soma__get(f, "margin"))}); }
LOSS(soft_margin_loss) { return (void)f, (void)weight, soma_soft_margin_loss(row(y), signs(t), NULL); }
static const soma__field hinge_fields[] = {{"margin", SOMA__NUMBER, "1", 0, __builtin_inf(), false, true, "where the loss ends"}};

LOSS(mse_loss) { return (void)f, (void)weight, soma_mse_loss(row(y), t, NULL); }
LOSS(l1_loss) { return (void)f, (void)weight, soma_l1_loss(row(y), t, NULL); }
LOSS(smooth_l1_loss) { return (void)weight, soma_smooth_l1_loss(row(y), t, &(soma_loss_opts){.beta = SOMA_SET(soma__get(f, "beta"))}); }
LOSS(huber_loss) { return (void)weight, soma_huber_loss(row(y), t, &(soma_loss_opts){.delta = SOMA_SET(soma__get(f, "delta"))}); }
LOSS(poisson_nll_loss) { return (void)f, (void)weight, soma_poisson_nll_loss(row(y), t, NULL); }
/* The second output becomes the variance by softplus. */
LOSS(gaussian_nll_loss) {
    soma_tensor *variance = soma_softplus(soma_slice(y, 1, 1, 2, 1), 1, 20);
    return (void)f, (void)weight, soma_gaussian_nll_loss(row(soma_slice(y, 1, 0, 1, 1)), t, row(variance), NULL);
}
static const soma__field smooth_fields[] = {{"beta", SOMA__NUMBER, "1", 0, __builtin_inf(), false, true, "where squares become absolutes"}};
static const soma__field huber_fields[] = {{"delta", SOMA__NUMBER, "1", 0, __builtin_inf(), true, true, "where squares become absolutes"}};

#define SCORES .answer = SOMA__CLASSES
#define ONE_SCORE .answer = SOMA__BINARY, .outputs = 1
#define VALUE .answer = SOMA__VALUES, .outputs = 1
static const soma__kind losses[] = {
    {.name = "cross_entropy", .main = "label_smoothing", SOMA__FIELDS(cross_entropy_fields), .loss = cross_entropy, SCORES, .told = probabilities},
    {.name = "nll_loss", SOMA__FIELDS(weight_fields), .loss = nll_loss, SCORES, .wants = "log_softmax logsigmoid", .told = exponential},
    {.name = "multi_margin_loss", .main = "margin", SOMA__FIELDS(multi_margin_fields), .loss = multi_margin_loss, SCORES, .told = probabilities},
    {.name = "bce_with_logits", SOMA__FIELDS(weight_fields), .loss = bce_with_logits, ONE_SCORE, .told = of_logit},
    {.name = "binary_cross_entropy",
     SOMA__FIELDS(weight_fields),
     .loss = binary_cross_entropy,
     ONE_SCORE,
     .wants = "sigmoid hardsigmoid",
     .told = both},
    {.name = "hinge_loss", .main = "margin", SOMA__FIELDS(hinge_fields), .loss = hinge_loss, ONE_SCORE, .told = of_logit},
    {.name = "soft_margin_loss", .loss = soft_margin_loss, ONE_SCORE, .told = of_logit},
    {.name = "mse_loss", .loss = mse_loss, VALUE, .told = same},
    {.name = "l1_loss", .loss = l1_loss, VALUE, .told = same},
    {.name = "smooth_l1_loss", .main = "beta", SOMA__FIELDS(smooth_fields), .loss = smooth_l1_loss, VALUE, .told = same},
    {.name = "huber_loss", .main = "delta", SOMA__FIELDS(huber_fields), .loss = huber_loss, VALUE, .told = same},
    {.name = "poisson_nll_loss", .loss = poisson_nll_loss, VALUE, .plain = true, .told = exponential},
    {.name = "gaussian_nll_loss", .loss = gaussian_nll_loss, .answer = SOMA__VALUES, .outputs = 2, .told = mean_column},
};
const soma__kinds soma__losses = SOMA__KINDS("loss", losses);
