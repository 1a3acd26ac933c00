/* Captured and recorded ways have a context and a network each, so that one leaves nothing behind for the other. */
#include "support/workload.h"
#include "support/clock.h"

#include <soma/soma.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BATCHES 4
#define LEARNING_RATE 0.001
#define MOMENTUM 0.9
/* A block is preceded by a fifth of its steps, uncounted: the machine may have slept, caches held something else. */
#define WARM_PART 5

#define TRAIN(label, text, act, opt, rows, turns, ...) \
    { \
        .name = label, .words = text, .kind = WORK_TRAIN, .activation = act, .optimizer = opt, .batch = rows, .batches = turns, \
        .sizes = {__VA_ARGS__}, .layers = (int64_t)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)) - 1 \
    }
#define MATMUL(label, text, m_, n_, k_, ta, tb) \
    { \
        .name = "matmul-" label, .words = text, .kind = WORK_MATMUL, .one_thread = true, .m = m_, .n = n_, .k = k_, .transpose_a = ta, \
        .transpose_b = tb \
    }
#define MATMULS(label, m, n, k) \
    MATMUL(label, "a product (m x n x k)", m, n, k, false, false), MATMUL(label "-ta", "a product, a stored k x m", m, n, k, true, false), \
        MATMUL(label "-tb", "a product, b stored n x k", m, n, k, false, true)

const workload bench_workloads[] = {
    TRAIN("xor", "2-8-2 tanh, batch 4, SGD with momentum", "tanh", "sgd", 4, 1, 2, 8, 2),
    TRAIN("mlp-128", "784-128-128-10 relu, batch 32, SGD with momentum", "relu", "sgd", 32, 4, 784, 128, 128, 10),
    TRAIN("mlp-512-sgd", "784-512-512-10 relu, batch 128, SGD with momentum", "relu", "sgd", 128, 4, 784, 512, 512, 10),
    TRAIN("mlp-512-adam", "784-512-512-10 relu, batch 128, Adam", "relu", "adam", 128, 4, 784, 512, 512, 10),
    TRAIN("mlp-2048", "784-2048-2048-10 relu, batch 128, SGD with momentum", "relu", "sgd", 128, 4, 784, 2048, 2048, 10),
    {.name = "infer-128",
     .words = "784-128-128-10 relu, batch 1, inference",
     .kind = WORK_INFER,
     .activation = "relu",
     .optimizer = "none",
     .batch = 1,
     .batches = 4,
     .sizes = {784, 128, 128, 10},
     .layers = 3},
    MATMULS("128x512x784", 128, 512, 784),
    MATMULS("512x784x128", 512, 784, 128),
    MATMULS("32x128x784", 32, 128, 784),
    MATMULS("1024x1024x1024", 1024, 1024, 1024),
};
const size_t bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];

double bench_flops(const workload *w) {
    double sum = 0;
    if (w->kind == WORK_MATMUL) return 2.0 * (double)w->m * (double)w->n * (double)w->k;
    for (int64_t i = 0; i < w->layers; i++) {
        int products = w->kind == WORK_INFER ? 1 : i == 0 ? 2 : 3; /* forward, the weight's gradient, the input's */
        sum += 2.0 * products * (double)w->batch * (double)w->sizes[i] * (double)w->sizes[i + 1];
    }
    return sum;
}

void bench_spec(const workload *w, char *buffer, size_t size) {
    if (w->kind == WORK_MATMUL) {
        snprintf(buffer, size, "matmul %d %d %d %d %d", (int)w->m, (int)w->n, (int)w->k, w->transpose_a, w->transpose_b);
        return;
    }
    int at = snprintf(buffer, size, "%s %s %s %d %d", w->kind == WORK_TRAIN ? "train" : "infer", w->activation, w->optimizer, (int)w->batch,
                      (int)w->batches);
    for (int64_t i = 0; i <= w->layers; i++) at += snprintf(buffer + at, size - (size_t)at, " %d", (int)w->sizes[i]);
}

/* A context with what one side of a job needs there. */
typedef struct side {
    const workload *w;
    soma_context *ctx;
    soma_module *net;
    soma_optim *optim;
    soma_program *program;
    soma_tensor *weight, *x[MAX_BATCHES], *t[MAX_BATCHES];
    float *xs[MAX_BATCHES];
    int64_t *ts[MAX_BATCHES];
} side;

typedef struct method {
    const char *name;
    int side;
    bool reads_loss;
    soma_status (*open)(side *s);
    soma_status (*step)(side *s, int64_t turn, bool reads_loss);
} method;

struct bench_job {
    const method *ways;
    side sides[2];
    long steps[BENCH_MAX_WAYS];
};

/* Numbers in [-1, 1). */
static float *random_floats(side *s, int64_t count, uint64_t seed) {
    float *data = soma_scope_memory(s->ctx, (size_t)count * sizeof *data);
    uint64_t state = seed * 2654435761U + 1;
    for (int64_t i = 0; data && i < count; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        data[i] = (float)(int32_t)(state >> 32) * 0x1p-31F;
    }
    return data;
}

static soma_module *make_net(side *s) {
    soma_module *parts[2 * BENCH_MAX_LAYERS];
    size_t count = 0;
    for (int64_t i = 0; i < s->w->layers; i++) {
        if (i > 0) parts[count++] = strcmp(s->w->activation, "tanh") == 0 ? soma_nn_tanh(s->ctx) : soma_nn_relu(s->ctx);
        parts[count++] = soma_nn_linear(s->ctx, s->w->sizes[i], s->w->sizes[i + 1], NULL);
    }
    return soma_nn_sequential(s->ctx, parts, count);
}

/* The network, its optimizer and its batches, in the memory of the user and as tensors. */
static soma_status open_net(side *s) {
    const workload *w = s->w;
    soma_tensor *const *params = NULL;
    size_t count = 0;
    s->net = make_net(s);
    soma_module_parameters(s->net, &params, &count);
    if (strcmp(w->optimizer, "sgd") == 0) s->optim = soma_optim_sgd(s->ctx, params, count, LEARNING_RATE, &(soma_sgd_opts){.momentum = MOMENTUM});
    if (strcmp(w->optimizer, "adam") == 0) s->optim = soma_optim_adam(s->ctx, params, count, LEARNING_RATE, NULL);
    if (w->kind == WORK_INFER) soma_module_train(s->net, false);
    for (int64_t i = 0; i < w->batches; i++) {
        s->xs[i] = random_floats(s, w->batch * w->sizes[0], (uint64_t)i);
        s->ts[i] = soma_scope_memory(s->ctx, (size_t)w->batch * sizeof *s->ts[i]);
        if (!s->xs[i] || !s->ts[i]) return soma_error_status(s->ctx);
        for (int64_t r = 0; r < w->batch; r++) s->ts[i][r] = (r * 7 + i) % w->sizes[w->layers];
        s->x[i] = soma_from(s->ctx, s->xs[i], SOMA_F32, SOMA_SHAPE(w->batch, w->sizes[0]));
        s->t[i] = soma_from(s->ctx, s->ts[i], SOMA_I64, SOMA_SHAPE(w->batch));
    }
    return soma_eval(s->ctx);
}

static soma_status train_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    side *s = user;
    (void)ctx, (void)n_in, (void)n_out;
    out[0] = soma_cross_entropy(soma_forward(s->net, in[0]), in[1], NULL);
    soma_backward(out[0], NULL);
    soma_optim_step(s->optim);
    return soma_optim_zero_grad(s->optim);
}

static soma_status infer_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    soma_no_grad_begin(ctx);
    out[0] = soma_forward(((side *)user)->net, in[0]);
    soma_no_grad_end(ctx);
    return soma_error_status(ctx);
}

static soma_status open_captured(side *s) {
    const workload *w = s->w;
    if (open_net(s) != SOMA_OK) return soma_error_status(s->ctx);
    bool train = w->kind == WORK_TRAIN;
    soma_slot slots[2] = {{{w->batch, w->sizes[0]}, 2, SOMA_F32}, {{w->batch}, 1, SOMA_I64}};
    s->program = soma_capture(s->ctx, train ? train_body : infer_body, s, slots, train ? 2 : 1, 1, NULL);
    soma_program_bind(s->program, 0, s->xs[0], NULL);
    if (train) soma_program_bind(s->program, 1, s->ts[0], NULL);
    return soma_error_status(s->ctx);
}

static void bind_batch(side *s, int64_t turn) {
    if (s->w->batches == 1) return; /* bound when it was opened */
    soma_program_bind(s->program, 0, s->xs[turn % s->w->batches], NULL);
    if (s->w->kind == WORK_TRAIN) soma_program_bind(s->program, 1, s->ts[turn % s->w->batches], NULL);
}

static soma_status train_captured(side *s, int64_t turn, bool reads_loss) {
    double loss;
    bind_batch(s, turn);
    soma_status status = soma_program_run(s->program);
    return status == SOMA_OK && reads_loss ? soma_program_item(s->program, 0, &loss) : status;
}

static soma_status train_recorded(side *s, int64_t turn, bool reads_loss) {
    int64_t i = turn % s->w->batches;
    double loss;
    soma_scope *scope = soma_scope_open(s->ctx);
    soma_tensor *y = soma_cross_entropy(soma_forward(s->net, s->x[i]), s->t[i], NULL);
    soma_backward(y, NULL);
    soma_optim_step(s->optim);
    soma_optim_zero_grad(s->optim); /* before the read, else the read finds gradients that may be asked for, and stores them */
    if (reads_loss) soma_item(y, &loss);
    return soma_scope_close(scope);
}

static soma_status run_captured(side *s, int64_t turn, bool reads_loss) {
    const void *data;
    (void)reads_loss;
    bind_batch(s, turn);
    soma_status status = soma_program_run(s->program);
    return status == SOMA_OK ? soma_program_output(s->program, 0, &data, NULL) : status;
}

static soma_status infer_recorded(side *s, int64_t turn, bool reads_loss) {
    const void *data;
    (void)reads_loss;
    soma_scope *scope = soma_scope_open(s->ctx);
    soma_no_grad_begin(s->ctx);
    soma_data(soma_forward(s->net, s->x[turn % s->w->batches]), &data);
    soma_no_grad_end(s->ctx);
    return soma_scope_close(scope);
}

static soma_status matmul_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    const side *s = user;
    soma_tensor *a = in[0], *b = n_in > 1 ? in[1] : s->weight;
    (void)n_out;
    if (s->w->transpose_a) a = soma_transpose(a, 0, 1);
    if (s->w->transpose_b) b = soma_transpose(b, 0, 1);
    out[0] = soma_matmul(a, b);
    return soma_error_status(ctx);
}

/* n_inputs 2: both operands are new at each run. 1: b is a variable, which a plan may keep in a form of its own. */
static soma_status open_product(side *s, size_t n_inputs) {
    const workload *w = s->w;
    soma_slot slots[2] = {{{w->m, w->k}, 2, SOMA_F32}, {{w->k, w->n}, 2, SOMA_F32}};
    if (w->transpose_a) slots[0].shape[0] = w->k, slots[0].shape[1] = w->m;
    if (w->transpose_b) slots[1].shape[0] = w->n, slots[1].shape[1] = w->k;
    s->xs[0] = random_floats(s, w->m * w->k, 1);
    s->xs[1] = random_floats(s, w->k * w->n, 2);
    if (!s->xs[0] || !s->xs[1]) return soma_error_status(s->ctx);
    if (n_inputs == 1) s->weight = soma_variable(soma_from(s->ctx, s->xs[1], SOMA_F32, slots[1].shape, 2), NULL);
    soma_eval(s->ctx);
    s->program = soma_capture(s->ctx, matmul_body, s, slots, n_inputs, 1, NULL);
    for (size_t i = 0; i < n_inputs; i++) soma_program_bind(s->program, i, s->xs[i], NULL);
    return soma_error_status(s->ctx);
}

static soma_status open_inputs(side *s) { return open_product(s, 2); }
static soma_status open_weight(side *s) { return open_product(s, 1); }

static soma_status product(side *s, int64_t turn, bool reads_loss) {
    (void)turn, (void)reads_loss;
    return soma_program_run(s->program);
}

static const method train_ways[] = {{"captured", 0, false, open_captured, train_captured},
                                    {"captured, loss read", 0, true, open_captured, train_captured},
                                    {"recorded", 1, false, open_net, train_recorded},
                                    {"recorded, loss read", 1, true, open_net, train_recorded},
                                    {0}};
static const method infer_ways[] = {{"captured", 0, false, open_captured, run_captured}, {"recorded", 1, false, open_net, infer_recorded}, {0}};
static const method matmul_ways[] = {{"inputs", 0, false, open_inputs, product}, {"weight", 1, false, open_weight, product}, {0}};
static const method *const ways_of[] = {[WORK_TRAIN] = train_ways, [WORK_INFER] = infer_ways, [WORK_MATMUL] = matmul_ways};

static double complain(const bench_job *j, int side_number) {
    const side *s = &j->sides[side_number];
    fprintf(stderr, "bench: %s: %s\n", s->w->name, s->ctx ? soma_error_message(s->ctx) : "no context");
    return -1;
}

bench_job *bench_job_open(const workload *w, int threads) {
    bench_job *j = calloc(1, sizeof *j);
    if (!j) return NULL;
    j->ways = ways_of[w->kind];
    for (int i = 0; j->ways[i].name; i++) {
        side *s = &j->sides[j->ways[i].side];
        if (s->ctx) continue; /* shared with an earlier way */
        s->w = w;
        if (soma_context_create(&s->ctx, &(soma_context_opts){.seed = 1, .threads = threads}) != SOMA_OK || j->ways[i].open(s) != SOMA_OK) {
            complain(j, j->ways[i].side);
            bench_job_close(j);
            return NULL;
        }
    }
    return j;
}

const char *bench_job_way(const bench_job *j, int way) { return j->ways[way].name; }

/* Seconds of `steps` steps. */
static double run_steps(bench_job *j, int number, long steps) {
    const method *y = &j->ways[number];
    side *s = &j->sides[y->side];
    double start = bench_now();
    for (long i = 0; i < steps; i++)
        if (y->step(s, i, y->reads_loss) != SOMA_OK) return complain(j, y->side);
    return bench_now() - start;
}

double bench_job_block(bench_job *j, int way, double seconds) {
    double took = 0;
    if (j->steps[way] == 0) {
        long steps = 1;
        if (run_steps(j, way, 2) < 0) return -1; /* the first step plans, the second meets the optimizer's state */
        while ((took = run_steps(j, way, steps)) >= 0 && took < seconds / 2) steps *= 2;
        if (took < 0) return -1;
        j->steps[way] = (long)((double)steps * seconds / took) + 1;
    } else {
        if (run_steps(j, way, j->steps[way] / WARM_PART) < 0) return -1;
        took = run_steps(j, way, j->steps[way]);
        if (took >= 0) return took / (double)j->steps[way];
    }
    return took;
}

void bench_job_close(bench_job *j) {
    if (!j) return;
    soma_context_free(j->sides[0].ctx);
    soma_context_free(j->sides[1].ctx);
    free(j);
}
