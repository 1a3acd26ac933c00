/* Schedules of recipes. They count epochs, unless by_step says steps; one_cycle and cyclic count steps always. */
#include "train/words.h"

#include <string.h>

#define INF __builtin_inf()
#define WHOLE(key, otherwise, least, doc) \
    { key, SOMA__INTEGER, otherwise, least, 9007199254740992.0, false, false, doc }
#define SHARE(key, otherwise, doc) \
    { key, SOMA__NUMBER, otherwise, 0, INF, false, true, doc }
#define BY_STEP \
    { "by_step", SOMA__TRUTH, "false", 0, 0, false, false, "counts steps, not epochs" }

/* The whole run, where a length is 0. */
static int64_t length(const json_t *f, const char *key, const soma__length *run) {
    int64_t n = soma__get_int(f, key);
    return n ? n : soma__get_truth(f, "by_step") ? run->steps : run->epochs;
}

static const soma__field step_fields[] = {WHOLE("step_size", NULL, 1, "epochs until the rate falls"), SHARE("gamma", "0.1", "by this factor"),
                                          BY_STEP};
static soma_schedule *step(soma_context *ctx, const json_t *f, const soma__length *run) {
    return (void)run, soma_schedule_step(ctx, soma__get_int(f, "step_size"), soma__get(f, "gamma"));
}

static const soma__field multistep_fields[] = {
    {"milestones", SOMA__INTEGERS, NULL, 0, 9007199254740992.0, false, false, "epochs at which the rate falls"},
    SHARE("gamma", "0.1", "by this factor"),
    BY_STEP};
static soma_schedule *multistep(soma_context *ctx, const json_t *f, const soma__length *run) {
    const json_t *list = json_object_get(f, "milestones");
    size_t n = json_array_size(list);
    int64_t *milestones = soma_scope_memory(ctx, (n + 1) * sizeof *milestones);
    for (size_t i = 0; milestones && i < n; i++) milestones[i] = json_integer_value(json_array_get(list, i));
    return (void)run, milestones ? soma_schedule_multistep(ctx, milestones, n, soma__get(f, "gamma")) : NULL;
}

static const soma__field exponential_fields[] = {SHARE("gamma", NULL, "factor of each epoch"), BY_STEP};
static soma_schedule *exponential(soma_context *ctx, const json_t *f, const soma__length *run) {
    return (void)run, soma_schedule_exponential(ctx, soma__get(f, "gamma"));
}

static const soma__field constant_fields[] = {SHARE("factor", "0.3333333333333333", "of the rate at first"), WHOLE("total", "5", 0, "epochs of it"),
                                              BY_STEP};
static soma_schedule *constant(soma_context *ctx, const json_t *f, const soma__length *run) {
    return (void)run, soma_schedule_constant(ctx, soma__get(f, "factor"), soma__get_int(f, "total"));
}

static const soma__field linear_fields[] = {SHARE("start", "0.3333333333333333", "factor at first"), SHARE("end", "1", "factor at last"),
                                            WHOLE("total", "5", 0, "epochs between; 0: the whole run"), BY_STEP};
static soma_schedule *linear(soma_context *ctx, const json_t *f, const soma__length *run) {
    return soma_schedule_linear(ctx, soma__get(f, "start"), soma__get(f, "end"), length(f, "total", run));
}

static const soma__field polynomial_fields[] = {SHARE("power", "1", "of what is left of the run"),
                                                WHOLE("total", "0", 0, "epochs until the rate is 0; 0: the whole run"), BY_STEP};
static soma_schedule *polynomial(soma_context *ctx, const json_t *f, const soma__length *run) {
    return soma_schedule_polynomial(ctx, length(f, "total", run), soma__get(f, "power"));
}

static const soma__field cosine_fields[] = {WHOLE("t_max", "0", 0, "epochs until the least rate; 0: the whole run"),
                                            SHARE("eta_min", "0", "the least rate"), BY_STEP};
static soma_schedule *cosine(soma_context *ctx, const json_t *f, const soma__length *run) {
    return soma_schedule_cosine(ctx, length(f, "t_max", run), soma__get(f, "eta_min"));
}

static const soma__field restarts_fields[] = {WHOLE("t_0", NULL, 1, "epochs until the first restart"),
                                              WHOLE("t_mult", "1", 1, "factor of the next length"), SHARE("eta_min", "0", "the least rate"), BY_STEP};
static soma_schedule *restarts(soma_context *ctx, const json_t *f, const soma__length *run) {
    return (void)run, soma_schedule_cosine_warm_restarts(ctx, soma__get_int(f, "t_0"), soma__get_int(f, "t_mult"), soma__get(f, "eta_min"));
}

static const soma__field one_cycle_fields[] = {SHARE("max_lr", NULL, "the greatest rate"),
                                               {"pct_start", SOMA__NUMBER, "0.3", 0, 1, false, false, "share of the run until it"},
                                               {"div_factor", SOMA__NUMBER, "25", 0, INF, true, true, "the first rate is the greatest by this"},
                                               {"final_div_factor", SOMA__NUMBER, "10000", 0, INF, true, true, "the last rate is the first by this"},
                                               {"linear", SOMA__TRUTH, "false", 0, 0, false, false, "straight lines, not cosines"},
                                               {"three_phase", SOMA__TRUTH, "false", 0, 0, false, false, "back to the first rate before the last"}};
static soma_schedule *one_cycle(soma_context *ctx, const json_t *f, const soma__length *run) {
    return soma_schedule_one_cycle(ctx, soma__get(f, "max_lr"), run->steps,
                                   &(soma_one_cycle_opts){.pct_start = SOMA_SET(soma__get(f, "pct_start")),
                                                          .div_factor = SOMA_SET(soma__get(f, "div_factor")),
                                                          .final_div_factor = SOMA_SET(soma__get(f, "final_div_factor")),
                                                          .linear = soma__get_truth(f, "linear"),
                                                          .three_phase = soma__get_truth(f, "three_phase")});
}

static const soma__field cyclic_fields[] = {SHARE("base_lr", NULL, "the least rate"),
                                            SHARE("max_lr", NULL, "the greatest rate"),
                                            WHOLE("up", "2000", 1, "steps until it"),
                                            WHOLE("down", "0", 0, "steps back; 0: as many"),
                                            {"halved", SOMA__TRUTH, "false", 0, 0, false, false, "each cycle half as high (triangular2)"},
                                            SHARE("gamma", "1", "factor of the height for each step (exp_range)")};
static soma_schedule *cyclic(soma_context *ctx, const json_t *f, const soma__length *run) {
    int64_t up = soma__get_int(f, "up"), down = soma__get_int(f, "down");
    soma_cycle mode = soma__get_truth(f, "halved") ? SOMA_TRIANGULAR2 : SOMA_EXP_RANGE;
    return (void)run, soma_schedule_cyclic(ctx, soma__get(f, "base_lr"), soma__get(f, "max_lr"), up, down ? down : up, mode, soma__get(f, "gamma"));
}

static const soma__field plateau_fields[] = {SHARE("factor", "0.1", "of the rate"), WHOLE("patience", "10", 0, "epochs without a better test loss"),
                                             SHARE("threshold", "0.0001", "share by which it must be better"),
                                             WHOLE("cooldown", "0", 0, "epochs after a reduction that are not counted")};

#define PARTS \
    { "schedules", SOMA__SCHEDULES, NULL, 0, 0, false, false, "schedules; not reduce_on_plateau" }
static const soma__field sequence_fields[] = {
    PARTS,
    {"milestones", SOMA__INTEGERS, NULL, 1, 9007199254740992.0, false, false, "epochs at which the next one begins, counted from there"},
    BY_STEP};
static const soma__field chained_fields[] = {PARTS, BY_STEP};

/* The schedules of a list that is written out; NULL with the error pending. */
static soma_schedule **parts(soma_context *ctx, const json_t *list, const soma__length *run) {
    size_t n = json_array_size(list);
    soma_schedule **out = soma_scope_memory(ctx, (n + 1) * sizeof *out);
    for (size_t i = 0; out && i < n; i++) {
        json_t *v = json_array_get(list, i);
        void *first = json_object_iter(v);
        const soma__kind *k = soma__kind_find(&soma__schedules, first ? json_object_iter_key(first) : json_string_value(v));
        if (!k->schedule && strcmp(k->name, "none") != 0)
            return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s watches the test loss, and is no part of other schedules", k->name), NULL;
        out[i] = k->schedule ? k->schedule(ctx, first ? json_object_iter_value(first) : NULL, run) : soma_schedule_constant(ctx, 1, 0);
        if (!out[i]) return NULL;
    }
    return out;
}

/* SequentialLR */
static soma_schedule *sequence(soma_context *ctx, const json_t *f, const soma__length *run) {
    const json_t *list = json_object_get(f, "schedules"), *at = json_object_get(f, "milestones");
    size_t n = json_array_size(list);
    int64_t *milestones = soma_scope_memory(ctx, (json_array_size(at) + 1) * sizeof *milestones);
    soma_schedule **all = parts(ctx, list, run);
    if (!all || !milestones) return NULL;
    if (json_array_size(at) + 1 != n)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "sequence: %zu schedules and %zu milestones; one milestone less than schedules is wanted",
                                n, json_array_size(at)),
               NULL;
    for (size_t i = 0; i + 1 < n; i++) milestones[i] = json_integer_value(json_array_get(at, i));
    return soma_schedule_sequential(ctx, all, n, milestones);
}
static soma_schedule *chained(soma_context *ctx, const json_t *f, const soma__length *run) {
    soma_schedule **all = parts(ctx, json_object_get(f, "schedules"), run);
    return all ? soma_schedule_chained(ctx, all, json_array_size(json_object_get(f, "schedules"))) : NULL;
}

static const soma__kind schedules[] = {
    {.name = "none"},
    {.name = "step", .main = "step_size", SOMA__FIELDS(step_fields), .schedule = step},
    {.name = "multistep", .main = "milestones", SOMA__FIELDS(multistep_fields), .schedule = multistep},
    {.name = "exponential", .main = "gamma", SOMA__FIELDS(exponential_fields), .schedule = exponential},
    {.name = "constant", .main = "factor", SOMA__FIELDS(constant_fields), .schedule = constant},
    {.name = "linear", SOMA__FIELDS(linear_fields), .schedule = linear},
    {.name = "polynomial", .main = "power", SOMA__FIELDS(polynomial_fields), .schedule = polynomial},
    {.name = "cosine", .main = "t_max", SOMA__FIELDS(cosine_fields), .schedule = cosine},
    {.name = "cosine_warm_restarts", .main = "t_0", SOMA__FIELDS(restarts_fields), .schedule = restarts},
    {.name = "one_cycle", .main = "max_lr", SOMA__FIELDS(one_cycle_fields), .schedule = one_cycle, .by_step = true},
    {.name = "cyclic", SOMA__FIELDS(cyclic_fields), .schedule = cyclic, .by_step = true},
    {.name = "sequence", SOMA__FIELDS(sequence_fields), .schedule = sequence},
    {.name = "chained", .main = "schedules", SOMA__FIELDS(chained_fields), .schedule = chained},
    {.name = "reduce_on_plateau", .main = "factor", SOMA__FIELDS(plateau_fields)},
};
const soma__kinds soma__schedules = SOMA__KINDS("schedule", schedules);
