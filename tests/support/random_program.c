/* The actions; see random_program.h. */
#include "support/random_program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef program_world world;
typedef program_value value;

enum { A, B, C, S, R, T, Z, M, W, V, P, N_VARS };

int program_below(world *w, int n) { return (int)(check_random(&w->draw) * n); }
static bool chance(world *w, int percent) { return program_below(w, 100) < percent; }
static bool is_var(const world *w, const value *v) { return v - w->v < w->n_vars; }

static void say(const world *w, const char *format, ...) {
    va_list args;
    if (!w->aloud) return;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

/* How a value is called in the listing. */
static const char *id(const world *w, const value *v) {
    static char names[8][16];
    static int next;
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], "v%d", (int)(v - w->v));
    return name;
}

static value *push(world *w, soma_tensor *x, int epoch) {
    char text[64];
    if (!x || w->n == PROGRAM_VALUES) return &w->v[0];
    value *v = &w->v[w->n++];
    *v = (value){x, epoch, w->section >= 0};
    for (int i = w->n_vars; i < w->n - 1; i++) v->interior |= w->v[i].x == x && w->v[i].interior; /* what changes nothing returns its argument */
    soma_shape_text(x, text, sizeof text);
    say(w, "    -> v%d %s %s%s%s\n", w->n - 1, soma_dtype_name(soma_tensor_dtype(x)), text, v->interior ? " interior" : "",
        soma_tensor_requires_grad(x) ? " grad" : "");
    return v;
}

static int epoch_of(const world *w, const value *v) { return is_var(w, v) ? w->epoch : v->epoch; }
static int older(const world *w, const value *a, const value *b) { return epoch_of(w, a) < epoch_of(w, b) ? epoch_of(w, a) : epoch_of(w, b); }

/* A value that may be used: of a dtype (-1: any) and rank (-1: any). */
static value *pick(world *w, int dtype, int ndim) {
    for (int tries = 0; tries < 30; tries++) {
        value *v = &w->v[chance(w, 50) && w->n > 6 ? w->n - 1 - program_below(w, 6) : program_below(w, w->n)];
        if (v->interior && v->epoch != w->epoch) continue;
        if ((dtype < 0 || (int)soma_tensor_dtype(v->x) == dtype) && (ndim < 0 || soma_ndim(v->x) == ndim)) return v;
    }
    return NULL;
}

static bool like(const soma_tensor *a, const soma_tensor *b) {
    if (soma_ndim(a) != soma_ndim(b)) return false;
    for (int i = 0; i < soma_ndim(a); i++)
        if (soma_size(a, i) != soma_size(b, i)) return false;
    return true;
}

static bool broadcasts(const soma_tensor *a, const soma_tensor *b) {
    int64_t n = 1;
    for (int i = 1; i <= soma_ndim(a) || i <= soma_ndim(b); i++) {
        int64_t x = i <= soma_ndim(a) ? soma_size(a, -i) : 1, y = i <= soma_ndim(b) ? soma_size(b, -i) : 1;
        if (x != y && x != 1 && y != 1) return false;
        n *= x == 1 ? y : x;
    }
    return n <= 40000;
}

float program_number(world *w) {
    static const float special[] = {0, -0.0f, 1, -1, 1e30f, 1e-30f, INFINITY, NAN};
    if (chance(w, 2)) return special[program_below(w, 8)];
    return (float)(check_random(&w->draw) * 4 - 2);
}

static soma_tensor *data(world *w, int dtype, const int64_t *shape, int ndim, int classes) {
    size_t n = 1;
    for (int i = 0; i < ndim; i++) n *= (size_t)shape[i];
    char *m = malloc(n * 8 + 8);
    for (size_t i = 0; i < n; i++) {
        if (dtype == SOMA_F32) ((float *)(void *)m)[i] = program_number(w);
        else if (dtype == SOMA_I64) ((int64_t *)(void *)m)[i] = program_below(w, classes);
        else m[i] = (char)chance(w, 50);
    }
    soma_tensor *x = soma_from(w->ctx, m, (soma_dtype)dtype, shape, ndim);
    free(m);
    return x;
}

static value *fresh(world *w, int dtype, const int64_t *shape, int ndim) {
    say(w, "data\n");
    value *v = push(w, data(w, dtype, shape, ndim, 2), w->epoch);
    v->interior = false;
    return v;
}

typedef struct unary {
    const char *name;
    soma_tensor *(*fn)(soma_tensor *);
    int kind;
} unary;
typedef struct binary {
    const char *name;
    soma_tensor *(*fn)(soma_tensor *, soma_tensor *);
    int kind;
} binary;
enum { FLOATING, NUMERIC, ANY, TEST, LOGIC };
#define OP(name, params, doc)
#define COMPOSITE(name, params, doc)
#define INNER(name, doc)
#define BINARY(name, kind, doc)
#define UNARY(name, kind, doc) {#name, soma_##name, kind},
static const unary unaries[] = {
#include "soma/ops.def"
};
#undef UNARY
#undef BINARY
#define UNARY(name, kind, doc)
#define BINARY(name, kind, doc) {#name, soma_##name, kind},
static const binary binaries[] = {
#include "soma/ops.def"
};
#undef OP
#undef COMPOSITE
#undef INNER
#undef BINARY
#undef UNARY
static const unary tame[] = {{"tanh", soma_tanh, 0}, {"sigmoid", soma_sigmoid, 0}, {"relu", soma_relu, 0},
                             {"sin", soma_sin, 0},   {"neg", soma_neg, 0},         {"abs", soma_abs, 0}};
static const binary plain[] = {{"add", soma_add, 0}, {"sub", soma_sub, 0}, {"mul", soma_mul, 0}, {"maximum", soma_maximum, 0}};

static void do_unary(world *w) {
    const unary *u = chance(w, 70) ? &tame[program_below(w, 6)] : &unaries[program_below(w, (int)(sizeof unaries / sizeof *unaries))];
    value *x = pick(w, u->kind == LOGIC ? SOMA_BOOL : SOMA_F32, -1);
    if (!x) return;
    say(w, "%s(%s)\n", u->name, id(w, x));
    push(w, u->fn(x->x), epoch_of(w, x));
}

static value *partner(world *w, const value *x, int dtype) {
    for (int tries = 0; tries < 8; tries++) {
        value *y = pick(w, dtype, -1);
        if (y && broadcasts(x->x, y->x)) return y;
    }
    return NULL;
}

static void do_binary(world *w) {
    const binary *b = chance(w, 60) ? &plain[program_below(w, 4)] : &binaries[program_below(w, (int)(sizeof binaries / sizeof *binaries))];
    bool logic = b->kind == LOGIC, any = b->kind == ANY || b->kind == TEST;
    value *x = pick(w, logic || chance(w, 10) ? SOMA_BOOL : SOMA_F32, -1);
    if (!x) return;
    value *y = partner(w, x, logic || (any && chance(w, 20)) ? SOMA_BOOL : SOMA_F32);
    if (!y) return;
    if (!logic && chance(w, 50)) {
        value *t = x;
        x = y, y = t;
    }
    say(w, "%s(%s, %s)\n", b->name, id(w, x), id(w, y));
    push(w, b->fn(x->x, y->x), older(w, x, y));
}

static void do_select(world *w) {
    value *c = pick(w, SOMA_BOOL, -1), *x = c ? partner(w, c, -1) : NULL, *y = x ? partner(w, x, -1) : NULL;
    if (!y || !broadcasts(c->x, y->x)) return;
    int e = older(w, x, y);
    say(w, "where(%s, %s, %s)\n", id(w, c), id(w, x), id(w, y));
    push(w, soma_where(c->x, x->x, y->x), e < epoch_of(w, c) ? e : epoch_of(w, c));
}

static void do_convert(world *w) {
    static const soma_dtype to[] = {SOMA_F32, SOMA_BOOL, SOMA_F64, SOMA_I32};
    value *x = pick(w, -1, -1);
    soma_dtype d = to[program_below(w, 4)];
    if (!x) return;
    say(w, "to(%s)\n", id(w, x));
    soma_tensor *y = soma_to(x->x, d);
    push(w, chance(w, 60) ? soma_to(y, SOMA_F32) : y, epoch_of(w, x));
}

static void do_view(world *w) {
    value *x = pick(w, chance(w, 85) ? SOMA_F32 : SOMA_BOOL, -1);
    if (!x) return;
    int nd = (int)soma_ndim(x->x), kind = program_below(w, 7), dim = nd ? program_below(w, nd) : 0;
    int64_t size = nd ? soma_size(x->x, dim) : 0, shape[8] = {0}, start = size > 1 ? program_below(w, (int)size) : 0, step = 1 + program_below(w, 3);
    soma_tensor *y = NULL;
    say(w, "view %d of %s, dim %d, start %d, step %d\n", kind, id(w, x), dim, (int)start, (int)step);
    if (kind == 0) y = soma_flatten(x->x, 0, -1);
    else if (kind == 1 && nd >= 2) y = soma_transpose(x->x, 0, -1);
    else if (kind == 2 && nd >= 2) y = soma_transpose(x->x, -1, -2);
    else if (kind == 3 && size) y = soma_slice(x->x, dim, start, size, step);
    else if (kind == 4 && size) y = soma_select(x->x, dim, start);
    else if (kind == 5 && nd < 4) y = soma_unsqueeze(x->x, program_below(w, nd + 1));
    else if (kind == 6 && nd < 3 && soma_numel(x->x) < 4000) {
        for (int i = 0; i < nd; i++) shape[i + 1] = soma_size(x->x, i);
        shape[0] = w->d[program_below(w, 3)];
        if (nd == 2 && shape[1] == 1) shape[1] = w->d[0];
        y = soma_expand(x->x, shape, nd + 1);
    }
    if (y) push(w, y, epoch_of(w, x));
}

static void write_variable(world *w, int var, soma_tensor *to, const char *how) {
    say(w, "assign v%d = %s\n", var, how);
    soma_assign(w->vars[var], to);
    w->epoch++;
}

static void begin_section(world *w) {
    say(w, "interior begin\n");
    w->section = w->n;
    soma_interior_begin(w->ctx);
}

static void end_section(world *w) {
    if (w->section < 0) return;
    value *last = w->n > w->section ? &w->v[w->n - 1] : NULL;
    if (last && last->epoch != w->epoch) last = NULL;
    say(w, "interior end\n");
    soma_interior_end(w->ctx, last ? last->x : NULL);
    if (last) last->interior = false;
    w->section = -1;
}

/* What networks are made of: a few element-wise nodes on the newest value, held only at the end, and maybe stored in a variable. */
static void do_chain(world *w) {
    value *x = &w->v[w->n - 1];
    if (soma_tensor_dtype(x->x) != SOMA_F32 || (x->interior && x->epoch != w->epoch)) return;
    bool section = w->section < 0 && chance(w, 60);
    if (section) begin_section(w);
    for (int i = 1 + program_below(w, 5); i > 0; i--) {
        value *y = chance(w, 50) ? partner(w, x, SOMA_F32) : NULL;
        const unary *u = &tame[program_below(w, 6)];
        const binary *b = &plain[program_below(w, 4)];
        if (!y) say(w, "%s(%s)\n", u->name, id(w, x));
        else say(w, "%s(%s, %s)\n", b->name, id(w, x), id(w, y));
        bool exchange = chance(w, 50);
        x = push(w, !y ? u->fn(x->x) : exchange ? b->fn(y->x, x->x) : b->fn(x->x, y->x), y ? older(w, x, y) : epoch_of(w, x));
    }
    for (int i = 0; i < N_VARS; i++)
        if (i != M && like(w->vars[i], x->x) && chance(w, 20)) write_variable(w, i, x->x, id(w, x));
    if (section) end_section(w);
}

/* A product of x and something that fits it, on either side, transposed or not. */
static void product(world *w) {
    static const int64_t longs[] = {65, 100, 300, 1030, 2100, 4100};
    value *x, *y = NULL;
    if (chance(w, 6)) {
        int64_t k = longs[program_below(w, 6)];
        bool t = chance(w, 50), u = chance(w, 50);
        int64_t m = w->d[program_below(w, 3)], n = w->d[program_below(w, 3)];
        x = fresh(w, SOMA_F32, t ? (int64_t[]){k, m} : (int64_t[]){m, k}, 2), y = fresh(w, SOMA_F32, u ? (int64_t[]){n, k} : (int64_t[]){k, n}, 2);
        say(w, "matmul(%s%s, %s%s)\n", id(w, x), t ? "^T" : "", id(w, y), u ? "^T" : "");
        push(w, soma_matmul(t ? soma_transpose(x->x, 0, 1) : x->x, u ? soma_transpose(y->x, 0, 1) : y->x), w->epoch);
        if (chance(w, 70)) do_chain(w);
        return;
    }
    x = pick(w, SOMA_F32, 2);
    if (!x) return;
    bool t = chance(w, 30), u = false;
    int64_t inner = soma_size(x->x, t ? 0 : 1);
    for (int tries = 0; tries < 12 && !y; tries++) {
        y = pick(w, SOMA_F32, 2);
        if (y && soma_size(y->x, 0) != inner) u = true;
        if (y && soma_size(y->x, u ? 1 : 0) != inner) y = NULL;
    }
    if (!y) {
        int64_t n = w->d[program_below(w, 4)];
        u = chance(w, 50);
        y = fresh(w, SOMA_F32, u ? (int64_t[]){n, inner} : (int64_t[]){inner, n}, 2);
    }
    if (soma_numel(x->x) * soma_size(y->x, u ? 0 : 1) > 2000000) return;
    soma_tensor *a = t ? soma_transpose(x->x, 0, 1) : x->x, *b = u ? soma_transpose(y->x, 0, 1) : y->x;
    say(w, "matmul(%s%s, %s%s)\n", id(w, x), t ? "^T" : "", id(w, y), u ? "^T" : "");
    soma_tensor *p = soma_matmul(a, b);
    if (chance(w, 20)) p = soma_transpose(p, 0, 1), say(w, "    ^T\n");
    push(w, p, older(w, x, y));
    if (chance(w, 40)) do_chain(w);
}

static void do_product(world *w) {
    bool section = w->section < 0 && chance(w, 40);
    if (section) begin_section(w);
    product(w);
    if (section) end_section(w);
}

static void do_reduce(world *w) {
    value *x = pick(w, SOMA_F32, -1);
    if (!x || !soma_numel(x->x)) return;
    int nd = (int)soma_ndim(x->x), kind = program_below(w, nd ? 8 : 4), dim = nd ? program_below(w, nd) : 0;
    soma_reduce_opts o = {.keepdim = chance(w, 40)};
    if (nd && chance(w, 70)) o.ndims = 1, o.dims[0] = dim;
    say(w, "reduction %d of %s, dim %d of %d\n", kind, id(w, x), dim, (int)o.ndims);
    soma_tensor *y = NULL;
    if (kind == 0) y = soma_sum(x->x, &o);
    else if (kind == 1) y = soma_mean(x->x, &o);
    else if (kind == 2) y = soma_amax(x->x, &o);
    else if (kind == 3) y = soma_norm(x->x);
    else if (kind == 4) y = soma_softmax(x->x, dim);
    else if (kind == 5) y = soma_log_softmax(x->x, dim);
    else if (kind == 6) y = soma_logsumexp(x->x, &o);
    else y = soma_to(soma_argmax(x->x, dim, true), SOMA_F32);
    push(w, y, epoch_of(w, x));
}

static void do_cross_entropy(world *w) {
    value *x = pick(w, SOMA_F32, 2);
    if (!x || !soma_numel(x->x)) return;
    int64_t rows = soma_size(x->x, 0);
    soma_cross_entropy_opts o = {.reduction = program_below(w, 3)};
    say(w, "cross_entropy(%s), reduction %d\n", id(w, x), (int)o.reduction);
    push(w, soma_cross_entropy(x->x, data(w, SOMA_I64, &rows, 1, (int)soma_size(x->x, 1)), &o), epoch_of(w, x));
}

/* An image of one sample and one or some channels, in one order of memory or another, through what images go through; what comes out is as it went in
 * in rank. */
static void do_image(world *w) {
    value *x = pick(w, SOMA_F32, 2 + program_below(w, 2));
    if (!x || !soma_numel(x->x) || soma_numel(x->x) > 4000) return;
    int nd = (int)soma_ndim(x->x), kind = program_below(w, 8);
    bool turned = chance(w, 30);
    soma_tensor *i = soma_unsqueeze(turned ? soma_transpose(x->x, 0, -1) : x->x, 0), *y = i;
    if (nd == 2) i = soma_unsqueeze(i, 0);
    int64_t c = soma_size(i, 1), h = soma_size(i, 2), v = soma_size(i, 3), k = h > 2 && v > 2 ? 2 + program_below(w, 2) : 1,
            out = 1 + program_below(w, 4);
    const soma_pool_opts window = {.stride = {1 + program_below(w, 2)}, .padding = {k / 2, 0, 0}, .ceil_mode = chance(w, 50)};
    const soma_conv_opts taps = {.stride = {1 + program_below(w, 2)}, .padding = {k / 2, k / 2, 0}};
    say(w, "image %d of %s, %d x %d x %d%s, kernel %d\n", kind, id(w, x), (int)c, (int)h, (int)v, turned ? ", turned" : "", (int)k);
    if (kind == 0) y = soma_max_pool2d(i, k, NULL, &window);
    else if (kind == 1) y = soma_avg_pool2d(i, k, &window);
    else if (kind == 2) y = soma_pad(i, SOMA_SHAPE(k - 1, 0, 0, k - 1), (soma_pad_mode)program_below(w, 4), 0.5);
    else if (kind == 3) y = soma_interpolate(i, &(soma_interpolate_opts){.size = {h + 1, v / 2 + 1}, .mode = program_below(w, 2)});
    else if (kind == 4) y = soma_adaptive_avg_pool2d(i, SOMA_SHAPE(k, 1));
    else if (kind == 5) y = soma_group_norm(i, c, NULL, NULL, 0.1);
    else y = soma_conv2d(i, data(w, SOMA_F32, (int64_t[]){out, c, k, k}, 4, 2), data(w, SOMA_F32, &out, 1, 2), &taps);
    if (y && chance(w, 50)) y = soma_relu(y), say(w, "    relu\n");
    y = soma_select(y, 0, 0);
    push(w, nd == 2 ? soma_select(y, 0, 0) : y, epoch_of(w, x));
}

static void do_assign(world *w) {
    int var = program_below(w, N_VARS), kind = program_below(w, 7);
    value *x = &w->v[var];
    bool truth = var == M;
    if (kind == 0) { /* something that is there */
        for (int tries = 0; tries < 20; tries++) {
            value *y = pick(w, truth ? SOMA_BOOL : SOMA_F32, -1);
            if (y && y != x && like(y->x, x->x)) {
                write_variable(w, var, y->x, id(w, y));
                return;
            }
        }
    } else if (kind <= 3 && !truth) { /* made of the old value */
        value *y = partner(w, x, -1);
        if (!y || soma_tensor_dtype(y->x) > SOMA_F64) return;
        soma_tensor *t = soma_add(soma_mul_scalar(x->x, 0.5), soma_tanh(y->x));
        if (like(t, x->x) && soma_tensor_dtype(t) == SOMA_F32) {
            say(w, "with %s: ", id(w, y));
            write_variable(w, var, kind == 1 ? soma_tanh(t) : t, "old * 0.5 + tanh");
        }
    } else if (kind == 4) { /* seen transposed */
        var = chance(w, 60) ? S : chance(w, 50) ? T : A;
        soma_tensor *t = soma_transpose(w->vars[var == S ? S : var == T ? A : T], 0, 1);
        bool more = var != T && chance(w, 50);
        write_variable(w, var, more ? soma_sub(t, w->vars[R]) : t, more ? "transposed - v4" : "transposed");
    } else if (kind == 5) { /* a swap */
        soma_tensor *a = chance(w, 50) ? soma_detach(w->vars[A]) : soma_mul_scalar(w->vars[A], 0.5), *b = soma_neg(w->vars[B]);
        say(w, "swap: ");
        write_variable(w, A, b, "-v1");
        write_variable(w, B, a, "v0");
    } else if (truth) {
        soma_tensor *t = soma_logical_xor(w->vars[M], soma_gt(w->vars[A], w->vars[R]));
        write_variable(w, M, t, "v7 xor (v0 > v4)");
    }
}

static soma_tensor *shaped(world *w, const soma_tensor *as) {
    for (int tries = 0; tries < 20; tries++) {
        value *y = pick(w, SOMA_F32, -1);
        if (y && like(y->x, as)) return say(w, "gradient %s: ", id(w, y)), y->x;
    }
    return soma_mul(w->vars[A], w->vars[R]);
}

/* An optimizer's node on variables that are read elsewhere, too. */
static void do_update(world *w) {
    float adam[10] = {0.1f, 0.9f, 0.1f, 0.99f, 0.01f, 1, 1e-3f, 0.1f, 0.99f, 1}, sgd[6] = {0.1f, 0.9f, 1, 0.1f, 1, 0};
    soma_tensor *g = shaped(w, w->vars[A]);
    int64_t flags = program_below(w, 8), n = chance(w, 50) ? 10 : 6;
    say(w, "update of v0 (and v1, v2), flags %d, of %d numbers\n", (int)flags, (int)n);
    if (n == 10) soma_adam_update(w->vars[A], w->vars[B], w->vars[C], g, soma_from(w->ctx, adam, SOMA_F32, &n, 1), flags & 5);
    else soma_sgd_update(w->vars[A], flags & 2 ? w->vars[B] : NULL, g, soma_from(w->ctx, sgd, SOMA_F32, &n, 1), flags & 2 ? flags : flags & 4);
    w->epoch++;
}

static void do_backward(world *w) {
    value *x = NULL;
    for (int tries = 0; tries < 20 && !x; tries++) {
        x = pick(w, SOMA_F32, -1);
        if (x && (is_var(w, x) || !soma_tensor_requires_grad(x->x) || x->epoch != w->epoch || !soma_numel(x->x))) x = NULL;
    }
    if (!x) return;
    bool clip = chance(w, 20), pull = chance(w, 30), step = chance(w, 70);
    say(w, "backward of %s%s%s%s\n", id(w, x), clip ? ", clipped" : "", pull ? ", gradients read" : "", step ? ", step" : "");
    soma_backward(soma_numel(x->x) == 1 && chance(w, 50) ? soma_flatten(x->x, 0, -1) : soma_mean(x->x, NULL), NULL);
    if (clip) soma_clip_grad_norm(w->params, 3, 0.5, NULL);
    for (int i = 0; i < 3 && pull; i++) {
        soma_tensor *g = soma_tensor_grad(w->params[i]);
        if (g) push(w, chance(w, 50) ? soma_mul_scalar(g, 2) : soma_detach(g), w->epoch);
    }
    if (step) soma_optim_step(w->optim), w->epoch++;
    else if (chance(w, 50)) {
        for (int i = 0; i < 3; i++) {
            soma_tensor *g = soma_tensor_grad(w->params[i]);
            if (g) soma_assign(w->params[i], soma_sub(w->params[i], soma_mul_scalar(g, 0.1)));
        }
        w->epoch++;
    }
    if (step || chance(w, 50)) soma_optim_zero_grad(w->optim);
}

static void end_scope(world *w) {
    if (w->marker < 0) return;
    end_section(w);
    say(w, "scope close\n");
    if (w->inner) soma_scope_close(w->inner);
    w->inner = NULL;
    w->n = w->marker;
    w->marker = -1;
}

static void do_frame(world *w) {
    int kind = program_below(w, 2);
    if (kind == 0) {
        if (w->section >= 0) {
            end_section(w);
            return;
        }
        begin_section(w);
    } else if (w->marker >= 0) end_scope(w);
    else if (w->section < 0) {
        say(w, "scope open\n");
        w->marker = w->n;
        if (!w->how->captured && !w->how->interior) w->inner = soma_scope_open(w->ctx);
    }
}

static void do_keep(world *w) {
    value *x = pick(w, -1, -1);
    if (!x) return;
    say(w, "keep(%s)\n", id(w, x));
    push(w, w->how->reads && chance(w, 50) ? soma_keep(x->x) : soma_detach(x->x), epoch_of(w, x));
    if (w->how->reads) w->v[w->n - 1].epoch = epoch_of(w, x);
}

static void do_data(world *w) {
    int64_t a = w->d[program_below(w, 3)], b = w->d[program_below(w, 3)], shape[3] = {chance(w, 25) ? 1 : a, chance(w, 25) ? 1 : b, w->d[2]};
    fresh(w, chance(w, 80) ? SOMA_F32 : SOMA_BOOL, shape, program_below(w, 4));
}

static void act(world *w) {
    static const struct {
        int percent;
        void (*fn)(world *w);
    } table[] = {{17, do_binary},  {5, do_image},    {13, do_unary}, {6, do_chain},         {4, do_select}, {3, do_convert},
                 {12, do_view},    {10, do_product}, {5, do_reduce}, {2, do_cross_entropy}, {8, do_assign}, {2, do_update},
                 {6, do_backward}, {3, do_frame},    {2, do_keep},   {2, do_data}};
    int at = program_below(w, 100);
    size_t i = 0;
    while (i + 1 < sizeof table / sizeof *table && at >= table[i].percent) at -= table[i++].percent;
    table[i].fn(w);
}

void program_start_draw(world *w, uint64_t number) {
    uint64_t far = w->seed * 0xd1342543de82ef95u + number; /* neighbours are not one draw apart */
    w->draw = (uint64_t)(check_random(&far) * 0x1p53) * 0xd6e8feb86659fd93u;
}

static void read_one(world *w) {
    static char buffer[1 << 20];
    value *v = &w->v[(int)(check_random(&w->other) * w->n)];
    size_t bytes = (size_t)soma_numel(v->x) * soma_dtype_size(soma_tensor_dtype(v->x));
    if (v->interior || bytes > sizeof buffer) return;
    soma_read(v->x, buffer, bytes);
}

soma_status program_step(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    world *w = user;
    w->n = 0;
    w->section = w->marker = -1;
    for (int i = 0; i < w->n_vars; i++) w->v[w->n++] = (value){w->vars[i], 0, false};
    if (w->how->interior) soma_interior_begin(ctx);
    for (size_t i = 0; i < n_in; i++) push(w, in[i], w->epoch);
    for (int a = 0; a < PROGRAM_ACTIONS && soma_error_status(ctx) == SOMA_OK; a++) {
        if (w->skip[a]) continue;
        program_start_draw(w, (uint64_t)a + 1);
        act(w);
        if (w->how->reads && check_random(&w->other) * 100 < w->how->reads) read_one(w);
    }
    program_start_draw(w, 1000);
    end_scope(w);
    end_section(w);
    for (size_t i = 0; i < n_out; i++) {
        value *x = NULL;
        while (!x) x = pick(w, -1, -1);
        say(w, "output %s\n", id(w, x));
        out[i] = soma_detach(x->x);
        w->dtypes[i] = (int)soma_tensor_dtype(x->x);
    }
    soma_optim_zero_grad(w->optim);
    w->aloud = false; /* the next step is the same */
    for (size_t i = 0; i < n_out && w->how->interior; i++) {
        if (i) soma_interior_begin(ctx);
        soma_interior_end(ctx, out[i]);
    }
    return soma_error_status(ctx);
}

void program_make_variables(world *w) {
    int64_t a = w->d[0], b = w->d[1], c = w->d[2];
    const struct {
        int64_t shape[2];
        int ndim;
    } shapes[N_VARS] = {[A] = {{a, b}, 2}, [B] = {{a, b}, 2}, [C] = {{a, b}, 2}, [S] = {{b, b}, 2}, [R] = {{b}, 1}, [T] = {{b, a}, 2},
                        [Z] = {{0}, 0},    [M] = {{a, b}, 2}, [W] = {{c, b}, 2}, [V] = {{a, c}, 2}, [P] = {{c}, 1}};
    w->n_vars = N_VARS;
    for (int i = 0; i < N_VARS; i++) {
        soma_tensor *x = data(w, i == M ? SOMA_BOOL : SOMA_F32, shapes[i].shape, shapes[i].ndim, 2);
        w->vars[i] = soma_variable(i == C ? soma_square(x) : x, &(soma_variable_opts){.requires_grad = i >= W});
        if (i >= W) w->params[i - W] = w->vars[i];
    }
    int kind = program_below(w, 4);
    if (kind == 0) w->optim = soma_optim_sgd(w->ctx, w->params, 3, 0.1, NULL);
    if (kind == 1) {
        soma_sgd_opts o = {.momentum = 0.9, .nesterov = chance(w, 50), .weight_decay = 0.1};
        w->optim = soma_optim_sgd(w->ctx, w->params, 3, 0.1, &o);
    }
    if (kind == 2) w->optim = soma_optim_adam(w->ctx, w->params, 3, 0.1, NULL);
    if (kind == 3) w->optim = soma_optim_adamw(w->ctx, w->params, 3, 0.1, NULL);
}
