/* Generated data: sample i is a function of seed, number and options alone. */
#include "data/dataset.h"

#include "base/fpmode.h"
#include "base/math.h"
#include "base/random.h"

#include <string.h>

#define PI 3.14159265358979323846
#define MOST_SIZE 64

typedef struct pen {
    uint64_t seed, sample, drawn;
    uint32_t word[4];
} pen;

/* Uniform in [0, 1). */
static double draw(pen *p) {
    if (p->drawn % 2 == 0) soma__philox(p->seed, SOMA_STREAM_AUGMENTATION | (uint64_t)0x67656e << 8, p->sample << 12 | p->drawn / 2, p->word);
    unsigned at = p->drawn++ % 2 * 2;
    return (double)((uint64_t)p->word[at] << 21 | p->word[at + 1] >> 11) * 0x1p-53;
}
/* Standard normal, by Box and Muller. */
static double normal(pen *p) {
    double u = 1 - draw(p), v = draw(p);
    return __builtin_sqrt(-2 * soma__log(u)) * soma__cos(2 * PI * v);
}

/* A sample being made. */
typedef struct sample {
    pen p;
    int64_t i, size;
    uint64_t seed;
    double x[MOST_SIZE], value;
    int64_t class;
} sample;

static void gate(sample *s, int outputs) {
    int row = (int)(s->i % 4);
    s->x[0] = row >> 1, s->x[1] = row & 1;
    s->class = outputs >> row & 1;
}
static void and_gate(sample *s) { gate(s, 8); }
static void or_gate(sample *s) { gate(s, 14); }
static void nand_gate(sample *s) { gate(s, 7); }
static void xor_gate(sample *s) { gate(s, 6); }

static void parity(sample *s) {
    for (int64_t k = 0; k < s->size; k++) {
        int bit = k < 63 ? (int)(s->i >> k & 1) : 0;
        s->x[s->size - 1 - k] = bit, s->class ^= bit;
    }
}

static void moons(sample *s) {
    double t = PI * draw(&s->p);
    s->class = s->i % 2;
    s->x[0] = s->class ? 1 - soma__cos(t) : soma__cos(t);
    s->x[1] = s->class ? 0.5 - soma__sin(t) : soma__sin(t);
}

static void circles(sample *s) {
    double t = 2 * PI * draw(&s->p), r = s->i % 2 ? 0.5 : 1;
    s->class = s->i % 2;
    s->x[0] = r * soma__cos(t), s->x[1] = r * soma__sin(t);
}

static void spirals(sample *s) {
    double r = draw(&s->p);
    s->class = s->i % s->size;
    double t = 3 * PI * r + 2 * PI * (double)s->class / (double)s->size;
    s->x[0] = r * soma__cos(t), s->x[1] = r * soma__sin(t);
}

static void blobs(sample *s) {
    s->class = s->i % s->size;
    pen centre = {.seed = s->seed, .sample = ((uint64_t)1 << 51) - 1 - (uint64_t)s->class};
    s->x[0] = 20 * draw(&centre) - 10, s->x[1] = 20 * draw(&centre) - 10;
}

static void checkerboard(sample *s) {
    s->x[0] = draw(&s->p), s->x[1] = draw(&s->p);
    s->class = ((int64_t)(s->x[0] * (double)s->size) + (int64_t)(s->x[1] * (double)s->size)) % 2;
}

static void sine(sample *s) {
    s->x[0] = 2 * PI * draw(&s->p);
    s->value = soma__sin(s->x[0]);
}

static void friedman1(sample *s) {
    for (int k = 0; k < 10; k++) s->x[k] = draw(&s->p);
    double d = s->x[2] - 0.5;
    s->value = 10 * soma__sin(PI * s->x[0] * s->x[1]) + 20 * d * d + 10 * s->x[3] + 5 * s->x[4];
}

enum { size = -1 }; /* in rows: the option */
typedef struct row {
    const char *name, *doc;
    int64_t features, classes;
    double noise;
    void (*make)(sample *s);
} row;
#define GENERATOR(name, features, classes, noise, doc) {#name, doc, features, classes, noise, name},
static const row rows[] = {
#include "soma/generators.def"
};
#undef GENERATOR
#define ROWS (sizeof rows / sizeof *rows)

const char *soma_generator_name(size_t i) {
    return i < ROWS
    ? rows[i].name : NULL;
}
const char *soma_generator_doc(size_t i) {
    return i < ROWS
    ? rows[i].doc : NULL;
}

static int64_t default_size(const row *r) {
    return strcmp(r->name, "parity") == 0 || strcmp(r->name, "checkerboard") == 0 ? 4 : strcmp(r->name, "blobs") == 0 ? 3 : 2;
}

static void make_all(const row *r, const soma_generate_opts *o, int64_t n, double noise, soma_dataset *d, float *x, int64_t *classes, float *values) {
    for (int64_t i = 0; i < n; i++) {
        sample s = {.p = {.seed = o->seed, .sample = (uint64_t)(o->first + i)},
                    .i = o->first + i,
                    .size = o->size ? o->size : default_size(r),
                    .seed = o->seed};
        r->make(&s);
        for (int64_t k = 0; k < d->features; k++) x[i * d->features + k] = (float)(s.x[k] + (noise > 0 && classes ? noise * normal(&s.p) : 0));
        if (classes) classes[i] = s.class;
        else values[i] = (float)(s.value + (noise > 0 ? noise * normal(&s.p) : 0));
    }
}

soma_dataset *soma_dataset_generate_v(soma_context *ctx, const char *name, int64_t count, const soma_generate_opts *options, size_t bytes) {
    soma_generate_opts o;
    const row *r = NULL;
    if (!ctx || !soma_options_read(ctx, "dataset_generate", &o, sizeof o, options, bytes)) return NULL;
    for (size_t i = 0; name && i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0) r = &rows[i];
    if (!r) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "dataset_generate: there is no generator '%s'", name ? name : "NULL"), NULL;
    double noise = o.noise.set ? o.noise.value : r->noise;
    if (count < 1 || count > INT64_MAX >> 24 || o.first < 0 || o.first > INT64_MAX >> 24 || !(noise >= 0 && noise < 1e9) || o.size < 0 ||
        o.size == 1 || o.size > MOST_SIZE)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT,
                                "dataset_generate: a count of 1 or more, a first number and noise of 0 or more and a size of 2 to 64 are wanted"),
               NULL;
    int64_t n = o.size ? o.size : default_size(r), features = r->features == size ? n : r->features;
    soma_dataset *d = soma_scope_memory(ctx, sizeof *d);
    float *x = soma_scope_memory(ctx, (size_t)(count * features) * sizeof *x);
    int64_t *classes = r->classes ? soma_scope_memory(ctx, (size_t)count * sizeof *classes) : NULL;
    float *values = r->classes ? NULL : soma_scope_memory(ctx, (size_t)count * sizeof *values);
    if (!d || !x || (!classes && !values)) return NULL;
    *d = (soma_dataset){.ctx = ctx,
                        .floats = x,
                        .targets = classes,
                        .values = values,
                        .valued = !classes,
                        .count = count,
                        .features = features,
                        .ndim = 1,
                        .shape = {features}};
    soma__fpmode mode = soma__fpmode_enter();
    make_all(r, &o, count, noise, d, x, classes, values);
    soma__fpmode_leave(mode);
    return d;
}
