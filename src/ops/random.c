/* Random numbers: Philox words by (seed, stream, counter); in[0] of each node is its position {stream, first counter}. Element i uses block i/4, word
 * i%4 (float64 and integers: block i/2, words 2(i%2) and 2(i%2)+1). */
#include "base/fpmode.h"
#include "base/math.h"
#include "base/random.h"
#include "ops/elementwise.h"

typedef struct source {
    uint64_t seed, stream, counter, block;
    uint32_t word[4];
    bool have;
} source;

static source source_of(const soma__call *c) {
    const uint64_t *at = c->in[0].data;
    return (source){.seed = c->env->seed, .stream = at[0], .counter = at[1]};
}

static uint32_t word32(source *s, int64_t i) {
    uint64_t block = (uint64_t)i / 4;
    if (!s->have || block != s->block) soma__philox(s->seed, s->stream, s->counter + block, s->word), s->block = block, s->have = true;
    return s->word[i % 4];
}
static uint64_t word64(source *s, int64_t i) { return word32(s, 2 * i) | (uint64_t)word32(s, 2 * i + 1) << 32; }

static int rand_run(const soma__call *c) {
    source s = source_of(c);
    for (int64_t i = 0; i < c->out.numel; i++) {
        if (c->out.dtype == SOMA_F32) ((float *)c->out.data)[i] = (float)(word32(&s, i) >> 8) * 0x1p-24f;
        else ((double *)c->out.data)[i] = (double)(word64(&s, i) >> 11) * 0x1p-53;
    }
    return SOMA_OK;
}

/* Box-Muller: elements 2j and 2j+1 are the cosine and sine of one pair of words (of 64-bit words in float64). */
static int randn_run(const soma__call *c) {
    source s = source_of(c);
    for (int64_t i = 0; i < c->out.numel; i++) {
        if (c->out.dtype == SOMA_F32) {
            float u = (float)((word32(&s, i & ~(int64_t)1) >> 8) + 1) * 0x1p-24f, t = (float)(word32(&s, i | 1) >> 8) * 0x1p-24f;
            float r = __builtin_sqrtf(-2.0f * soma__logf(u)), angle = 6.28318530717958647693f * t;
            ((float *)c->out.data)[i] = r * (i & 1 ? soma__sinf(angle) : soma__cosf(angle));
        } else {
            double u = (double)((word64(&s, i & ~(int64_t)1) >> 11) + 1) * 0x1p-53, t = (double)(word64(&s, i | 1) >> 11) * 0x1p-53;
            double r = __builtin_sqrt(-2.0 * soma__log(u)), angle = 6.28318530717958647693 * t;
            ((double *)c->out.data)[i] = r * (i & 1 ? soma__sin(angle) : soma__cos(angle));
        }
    }
    return SOMA_OK;
}

bool soma__bernoulli_fits(const soma__call *c) {
    for (int64_t i = 0; i < c->out.numel; i++) {
        double p = c->out.dtype == SOMA_F32 ? (double)((const float *)c->in[1].data)[i] : ((const double *)c->in[1].data)[i];
        if (p >= 0 && p <= 1) continue;
        soma_error_raise(c->env->ctx, SOMA_ERROR_RANGE, "bernoulli: element %lld is %g; a probability in [0, 1] is wanted", (long long)i, p);
        return false;
    }
    return true;
}

static int bernoulli_run(const soma__call *c) {
    if (!soma__bernoulli_fits(c)) return SOMA_ERROR_RANGE;
    source s = source_of(c);
    for (int64_t i = 0; i < c->out.numel; i++) {
        if (c->out.dtype == SOMA_F32) ((float *)c->out.data)[i] = (float)(word32(&s, i) >> 8) * 0x1p-24f < ((const float *)c->in[1].data)[i];
        else ((double *)c->out.data)[i] = (double)(word64(&s, i) >> 11) * 0x1p-53 < ((const double *)c->in[1].data)[i];
    }
    return SOMA_OK;
}

/* Lemire's multiply-high with rejection: words after the first come from a stream of the element's own. */
static uint64_t below(source *s, int64_t i, uint64_t n) {
    if (!n) return word64(s, i); /* 2^64 */
    uint64_t x = word64(s, i);
    unsigned __int128 m = (unsigned __int128)x * n;
    for (uint64_t t = (uint64_t)m < n ? (0 - n) % n : 0, retry = 0; (uint64_t)m < t; retry++) {
        uint32_t w[4];
        soma__philox(s->seed ^ 0x9e3779b97f4a7c15u, s->stream, (s->counter << 20) + ((uint64_t)i << 6) + retry, w);
        m = (unsigned __int128)(w[0] | (uint64_t)w[1] << 32) * n;
    }
    return (uint64_t)(m >> 64);
}

static int randint_run(const soma__call *c) {
    source s = source_of(c);
    const int64_t *low = c->in[1].data, *high = c->in[2].data;
    for (int64_t i = 0; i < c->out.numel; i++)
        ((int64_t *)c->out.data)[i] = (int64_t)((uint64_t)*low + below(&s, i, (uint64_t)*high - (uint64_t)*low));
    return SOMA_OK;
}

static int randperm_run(const soma__call *c) {
    source s = source_of(c);
    int64_t *p = c->out.data, n = c->out.numel;
    for (int64_t i = 0; i < n; i++) p[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)below(&s, n - 1 - i, (uint64_t)i + 1), t = p[i];
        p[i] = p[j], p[j] = t;
    }
    return SOMA_OK;
}

static soma_tensor *draw(soma_context *ctx, int op, soma_dtype dtype, const int64_t *shape, int64_t ndim, soma_tensor *a, soma_tensor *b, int n_in) {
    int64_t n;
    if (!soma__check_shape(ctx, soma__ops[op]->name, dtype, shape, ndim) || !soma__shape_ok(shape, ndim, &n)) return NULL;
    int64_t blocks = dtype == SOMA_F32 ? (n + 3) / 4 : (n + 1) / 2;
    soma_tensor *in[3] = {soma__random_position(ctx, blocks), a, b};
    for (int i = 0; i < n_in; i++)
        if (!in[i]) return NULL;
    soma__record r = {op, dtype, ndim, shape, in, n_in, NULL, 0};
    return soma__graph_record(ctx, &r);
}

static bool float_only(soma_context *ctx, const char *op, soma_dtype dtype) {
    if (soma__is_float((int)dtype) || !ctx) return ctx != NULL;
    soma_error_raise(ctx, SOMA_ERROR_DTYPE, "%s: %s; float32 or float64 is wanted", op, soma_dtype_name(dtype));
    return false;
}

soma_tensor *soma_rand(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    return float_only(ctx, "rand", dtype) ? draw(ctx, SOMA_OP_rand, dtype, shape, ndim, NULL, NULL, 1) : NULL;
}
soma_tensor *soma_randn(soma_context *ctx, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    return float_only(ctx, "randn", dtype) ? draw(ctx, SOMA_OP_randn, dtype, shape, ndim, NULL, NULL, 1) : NULL;
}
soma_tensor *soma_bernoulli(soma_tensor *p) {
    if (!soma__check("bernoulli", &p, 1) || !float_only(p->ctx, "bernoulli", (soma_dtype)p->dtype)) return NULL;
    return draw(p->ctx, SOMA_OP_bernoulli, (soma_dtype)p->dtype, p->shape, p->ndim, p, NULL, 2);
}
soma_tensor *soma_randint(soma_context *ctx, int64_t low, int64_t high, const int64_t *shape, int64_t ndim) {
    if (ctx && high <= low) soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "randint: no integer in [%lld, %lld)", (long long)low, (long long)high);
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    int64_t bounds[2] = {low, high};
    return draw(ctx, SOMA_OP_randint, SOMA_I64, shape, ndim, soma_from(ctx, &bounds[0], SOMA_I64, NULL, 0),
                soma_from(ctx, &bounds[1], SOMA_I64, NULL, 0), 3);
}
soma_tensor *soma_randperm(soma_context *ctx, int64_t n) { return draw(ctx, SOMA_OP_randperm, SOMA_I64, &n, 1, NULL, NULL, 1); }

const soma__op_def soma__op_rand = {.name = "rand", .cls = SOMA__CLASS_KERNEL, .run = rand_run};
const soma__op_def soma__op_randn = {.name = "randn", .cls = SOMA__CLASS_KERNEL, .run = randn_run};
const soma__op_def soma__op_bernoulli = {.name = "bernoulli", .cls = SOMA__CLASS_KERNEL, .run = bernoulli_run, .fails = true};
const soma__op_def soma__op_randint = {.name = "randint", .cls = SOMA__CLASS_KERNEL, .run = randint_run};
const soma__op_def soma__op_randperm = {.name = "randperm", .cls = SOMA__CLASS_KERNEL, .run = randperm_run};

soma_tensor *soma_uniform(soma_context *ctx, double low, double high, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    if (!ctx) return NULL;
    if (!(high - low >= 0 && high - low < __builtin_inf()))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "uniform: no numbers from %g to %g", low, high), NULL;
    soma__composite_begin(ctx, "uniform");
    soma_tensor *u = soma_rand(ctx, dtype, shape, ndim);
    return soma_interior_end(ctx, soma_add_scalar(soma_mul_scalar(u, soma__nearest('-', high, low)), low));
}
soma_tensor *soma_normal(soma_context *ctx, double mean, double std, soma_dtype dtype, const int64_t *shape, int64_t ndim) {
    if (!ctx) return NULL;
    if (!(std >= 0)) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "normal: the standard deviation is %g; 0 or more is wanted", std), NULL;
    soma__composite_begin(ctx, "normal");
    soma_tensor *z = soma_randn(ctx, dtype, shape, ndim);
    return soma_interior_end(ctx, soma_add_scalar(soma_mul_scalar(z, std), mean));
}

soma_tensor *soma_dropout_by(soma_tensor *x, soma_tensor *p) {
    soma_tensor *in[2] = {x, p};
    if (!soma__check("dropout_by", in, 2)) return NULL;
    char shape[128];
    if (p->ndim)
        return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "dropout_by: the probability has the shape %s; a 0-d tensor is wanted",
                                soma_shape_text(p, shape, sizeof shape)),
               NULL;
    soma_context *ctx = x->ctx;
    soma__composite_begin(ctx, "dropout_by");
    p = soma__as(p, (soma_dtype)x->dtype);
    soma_tensor *kept = soma_ge(soma_rand(ctx, (soma_dtype)x->dtype, x->shape, x->ndim), p);
    /* p = 1 keeps nothing; its scale is 0, so that neither value nor gradient is 0 times infinity */
    soma_tensor *one = soma__number(ctx, 1, (soma_dtype)x->dtype), *zero = soma__number(ctx, 0, (soma_dtype)x->dtype);
    soma_tensor *scale = soma_where(soma_lt(p, one), soma_reciprocal(soma_rsub_scalar(p, 1)), zero);
    soma_tensor *y = soma_where(kept, soma_mul(x, scale), zero);
    return soma_interior_end(ctx, y);
}

soma_tensor *soma_dropout(soma_tensor *x, double p, bool train) {
    if (!soma__check("dropout", &x, 1)) return NULL;
    if (!(p >= 0 && p <= 1)) {
        soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "dropout: p is %g; a probability in [0, 1] is wanted", p);
        return NULL;
    }
    if (!train || p == 0) return x;
    soma__composite_begin(x->ctx, "dropout");
    return soma_interior_end(x->ctx, soma_dropout_by(x, soma__number(x->ctx, p, (soma_dtype)x->dtype)));
}
