/* Sums over channels that lie side by side: each lane of a vector is a channel, in float64; a piece of work is a piece of rows. */
#include "backend/cpu/kernels/dims.h"
#include "backend/cpu/kernels/kernel.h"
#include "ops/batch_norm.h"

typedef double vd __attribute__((vector_size(4 * VL)));
typedef float half __attribute__((vector_size(2 * VL)));
#define HALF (VL / 2)

typedef struct job {
    const soma__call *c;
    dims x, g; /* rows of both operands */
    const float *mean;
    int64_t mean_step, channels, rows;
    double *parts; /* [pieces][2][channels] */
} job;

static vd wide(const float *p) {
    half h;
    memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, vd);
}
static void keep(double *to, vd v, int64_t n) { memcpy(to, &v, (size_t)n * sizeof *to); }

/* `count` halves of a vector of channels over a piece's rows; absent channels read what is there in `room`. */
SIMD_FN void sum_halves(const job *j, int count, int64_t first, int64_t end, int64_t channel, int64_t n, double *sums, double *others) {
    vd s[4], q[4], mean[4];
    bool dots = j->mean != NULL, whole = n == count * HALF;
    float room[2][4 * HALF] = {{0}}, means[4 * HALF] = {0};
    for (int64_t i = 0; i < n && dots; i++) means[i] = j->mean[(channel + i) * j->mean_step];
    for (int k = 0; k < count; k++) s[k] = q[k] = (vd){0}, mean[k] = wide(means + k * HALF);
    for (int64_t r = first; r < end; r++) {
        const float *x = (const float *)j->c->in[dots].data + (j->x.n == 1 ? r * j->x.stride[0] : dims_at(&j->x, j->x.n, r)) + channel;
        const float *g = dots ? (const float *)j->c->in[0].data + (j->g.n == 1 ? r * j->g.stride[0] : dims_at(&j->g, j->g.n, r)) + channel : x;
        if (!whole) {
            memcpy(room[0], x, (size_t)n * sizeof *x), memcpy(room[1], g, (size_t)n * sizeof *g);
            x = room[0], g = room[1];
        }
        for (int k = 0; k < count; k++) {
            vd v = wide(x + k * HALF);
            if (dots) {
                vd w = wide(g + k * HALF);
                s[k] += w, q[k] += w * (v - mean[k]);
            } else s[k] += v, q[k] += v * v;
        }
    }
    for (int k = 0; k < count && k * HALF < n; k++) {
        int64_t left = n - k * HALF < HALF ? n - k * HALF : HALF;
        keep(sums + k * HALF, s[k], left), keep(others + k * HALF, q[k], left);
    }
}

static void piece(void *arg, int64_t at, int slot) {
    (void)slot;
    const job *j = arg;
    int64_t first = at * SOMA__ROWS, end = first + SOMA__ROWS < j->rows ? first + SOMA__ROWS : j->rows;
    double *sums = j->parts + at * 2 * j->channels, *others = sums + j->channels;
    for (int64_t c = 0; c < j->channels; c += 4 * HALF) {
        int64_t n = j->channels - c < 4 * HALF ? j->channels - c : 4 * HALF;
        if (n > 2 * HALF) sum_halves(j, 4, first, end, c, n, sums + c, others + c);
        else if (n > HALF) sum_halves(j, 2, first, end, c, n, sums + c, others + c);
        else sum_halves(j, 1, first, end, c, n, sums + c, others + c);
    }
}

/* Rows of an operand: all dimensions but the channels'. */
static dims rows_of(const soma__operand *x) {
    dims stay, go;
    dims_split(x, ~(int64_t)2, &stay, &go);
    if (!go.n) go.n = 1, go.size[0] = 1, go.stride[0] = 0;
    return go;
}

static job job_of(const soma__call *c) {
    bool dots = c->op == SOMA_OP_channel_dots;
    const soma__operand *x = &c->in[dots], *g = &c->in[0];
    job j = {.c = c, .channels = x->shape[1], .parts = c->scratch};
    j.rows = x->numel / j.channels;
    j.x = rows_of(x), j.g = rows_of(g);
    if (dots) j.mean = c->in[2].data, j.mean_step = c->in[2].strides[1];
    return j;
}

static int64_t *counts_of(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    return (int64_t *)(void *)((double *)c->scratch + soma__channel_pieces(x) * 2 * x->shape[1]);
}

void SOMA_KERNEL(channel_follow)(const soma__call *c) { memset(counts_of(c), 0, (size_t)soma__channel_pieces(&c->in[0]) * sizeof(int64_t)); }

void SOMA_KERNEL(channel_rows)(const soma__call *c, int64_t first, int64_t rows, int64_t shares) {
    job j = job_of(c);
    int64_t *counts = counts_of(c);
    for (int64_t p = first / SOMA__ROWS, end = first + rows; p * SOMA__ROWS < end; p++) {
        int64_t from = p * SOMA__ROWS, to = from + SOMA__ROWS < j.rows ? from + SOMA__ROWS : j.rows, whole = (to - from) * shares;
        int64_t mine = (to < end ? to : end) - (from > first ? from : first);
        /* whoever brings the last rows sees what the others wrote */
        if (__atomic_add_fetch(&counts[p], mine, __ATOMIC_ACQ_REL) == whole) piece(&j, p, 0);
    }
}

int SOMA_KERNEL(channel_sums)(const soma__call *c) {
    bool dots = c->op == SOMA_OP_channel_dots;
    const soma__operand *x = &c->in[dots];
    if (!soma__channels_sum(x) || !soma__channels_sum(&c->in[0])) return soma__ops[c->op]->run(c);
    job j = job_of(c);
    int64_t pieces = soma__channel_pieces(x), n = 2 * j.channels;
    if (!c->followed) soma__pool_run(c->env->pool, piece, &j, pieces, (double)x->numel * 8 / VL / 4);
    for (int64_t left = pieces; left > 1; left = (left + 1) / 2) { /* level by level; an odd one is carried up */
        for (int64_t i = 0; i < left / 2; i++)
            for (int64_t k = 0; k < n; k++) j.parts[i * n + k] = j.parts[2 * i * n + k] + j.parts[(2 * i + 1) * n + k];
        if (left % 2) memcpy(j.parts + left / 2 * n, j.parts + (left - 1) * n, (size_t)n * sizeof *j.parts);
    }
    float *out = c->out.data;
    for (int64_t k = 0; k < j.channels; k++) {
        double a = j.parts[k], b = j.parts[j.channels + k];
        if (!dots) a /= (double)j.rows, b = b / (double)j.rows - a * a, b = b < 0 ? 0 : b;
        out[k] = (float)a, out[j.channels + k] = (float)b;
    }
    return SOMA_OK;
}
