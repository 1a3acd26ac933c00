/* Splits: rows in an order (drawn, or by time), cut into two parts. */
#include "data/table.h"

#include "base/alloc.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct split {
    soma_context *ctx;
    const soma_table *t;
    const soma_split_opts *o;
    int64_t column, n;
    int64_t *order, *drawn; /* room for the rows */
    uint8_t *test;
} split;

static bool refuse(const split *s, const char *what) {
    soma_error_raise(s->ctx, SOMA_ERROR_ARGUMENT, "table_split: %s", what);
    return false;
}

/* A number below `bound` from a counter, without modulo bias (Lemire 2019). */
static int64_t below(uint64_t seed, uint64_t counter, uint64_t bound) {
    uint64_t limit = (0 - bound) % bound, retry = 0;
    unsigned __int128 m;
    do {
        uint32_t w[4];
        soma__philox(seed, SOMA_STREAM_SHUFFLE | (uint64_t)0x73706c74 << 8, counter * 256 | retry++, w);
        m = (unsigned __int128)(w[0] | (uint64_t)w[1] << 32) * bound;
    } while ((uint64_t)m < limit);
    return (int64_t)(uint64_t)(m >> 64);
}

static void shuffle(const split *s, int64_t *list, int64_t n) {
    for (int64_t i = 0; i < n; i++) list[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = below(s->o->seed, (uint64_t)i, (uint64_t)i + 1), v = list[i];
        list[i] = list[j], list[j] = v;
    }
}

typedef struct keyed {
    double key;
    int64_t row;
} keyed;
static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key ? 1 : x->row < y->row ? -1 : x->row > y->row;
}

/* Rows sorted by the column, equal ones as they stand; missing cells first. NULL with the error pending. */
static keyed *sorted(const split *s, size_t *bytes) {
    *bytes = (size_t)s->n * sizeof(keyed);
    keyed *k = soma__alloc(soma_context_allocator(s->ctx), *bytes);
    if (!k) return soma_error_raise(s->ctx, SOMA_ERROR_MEMORY, "out of memory"), NULL;
    for (int64_t i = 0; i < s->n; i++) {
        double v = s->column < 0 ? (double)i : soma_table_cell(s->t, i, s->column);
        k[i] = (keyed){isnan(v) ? -(double)INFINITY : v, i};
    }
    qsort(k, (size_t)s->n, sizeof *k, by_key);
    return k;
}

static double share(const split *s) { return s->o->test.set ? s->o->test.value : 0.2; }
/* Is number i of n in the test part? The test part is the fold's, or the first share. */
static bool chosen(const split *s, int64_t i, int64_t n) {
    if (s->o->folds > 1) return i % s->o->folds == s->o->fold;
    return i < (int64_t)(share(s) * (double)n + 0.5);
}

static bool random_split(split *s) {
    shuffle(s, s->order, s->n);
    for (int64_t i = 0; i < s->n; i++) s->test[s->order[i]] = chosen(s, i, s->n);
    return true;
}

/* Within each class by the drawn order; folds go on counting from class to class, so that they are of equal sizes. */
static bool stratified(split *s) {
    size_t bytes;
    keyed *k = sorted(s, &bytes);
    if (!k) return false;
    int64_t *rank = s->order, counted = 0; /* of a row in the drawn order */
    shuffle(s, s->drawn, s->n);
    for (int64_t i = 0; i < s->n; i++) rank[s->drawn[i]] = i;
    for (int64_t from = 0, to; from < s->n; from = to) {
        for (to = from; to < s->n && k[to].key == k[from].key; to++) {}
        keyed *class = k + from;
        int64_t n = to - from;
        for (int64_t i = 0; i < n; i++) class[i].key = (double)rank[class[i].row];
        qsort(class, (size_t)n, sizeof *class, by_key);
        for (int64_t i = 0; i < n; i++) s->test[class[i].row] = s->o->folds > 1 ? chosen(s, counted++, s->n) : chosen(s, i, n);
    }
    soma__free(soma_context_allocator(s->ctx), k, bytes);
    return true;
}

/* Groups in a drawn order go whole to the test part until it has its share, or to the fold that is smallest. */
static bool by_group(split *s) {
    size_t bytes;
    keyed *k = sorted(s, &bytes);
    if (!k) return false;
    int64_t groups = 0, folds = s->o->folds > 1 ? s->o->folds : 2, in_test = 0, *starts = s->order;
    for (int64_t i = 0; i < s->n; i++)
        if (!i || k[i].key != k[i - 1].key) starts[groups++] = i;
    int64_t *drawn = s->drawn, *sizes = soma_scope_memory(s->ctx, (size_t)folds * sizeof *sizes);
    bool fine = sizes != NULL;
    if (fine && groups < folds) fine = refuse(s, "there are fewer groups than parts");
    if (fine) shuffle(s, drawn, groups);
    for (int64_t g = 0; fine && g < groups; g++) {
        int64_t from = starts[drawn[g]], to = drawn[g] + 1 < groups ? starts[drawn[g] + 1] : s->n, least = 0;
        for (int64_t f = 1; f < folds; f++) least = sizes[f] < sizes[least] ? f : least;
        sizes[least] += to - from;
        double before = share(s) * (double)s->n - (double)in_test;
        bool test = s->o->folds > 1 ? least == s->o->fold : (in_test == 0 || (double)(to - from) <= 2 * before) && before > 0;
        if (test) in_test += to - from;
        for (int64_t i = from; i < to; i++) s->test[k[i].row] = test;
    }
    soma__free(soma_context_allocator(s->ctx), k, bytes);
    return fine;
}

/* The latest rows are the test part; with folds, fold i of n is part i + 1 of n + 1, and what comes after it is in neither. */
static bool by_time(split *s) {
    size_t bytes;
    keyed *k = sorted(s, &bytes);
    if (!k) return false;
    int64_t from = s->n - (int64_t)(share(s) * (double)s->n + 0.5), to = s->n, parts = s->o->folds + 1;
    if (s->o->folds > 1) from = s->n * (s->o->fold + 1) / parts, to = s->n * (s->o->fold + 2) / parts;
    for (int64_t i = 0; i < s->n; i++) s->test[k[i].row] = i < from ? 0 : i < to ? 1 : 2;
    soma__free(soma_context_allocator(s->ctx), k, bytes);
    return true;
}

/* The parts' rows in the file's order. */
static bool collect(const split *s, uint8_t part, int64_t **rows, int64_t *n) {
    *n = 0;
    for (int64_t i = 0; i < s->n; i++) *n += s->test[i] == part;
    if (!*n) return refuse(s, part ? "no row would be in the test part" : "no row would be left to learn from");
    if (!(*rows = soma_scope_memory(s->ctx, (size_t)*n * sizeof **rows))) return false;
    for (int64_t i = 0, k = 0; i < s->n; i++)
        if (s->test[i] == part) (*rows)[k++] = i;
    return true;
}

static bool sound(split *s) {
    const soma_split_opts *o = s->o;
    if ((unsigned)o->kind > SOMA_SPLIT_TIME) return refuse(s, "the kind is none of its list");
    if (o->test.set && !(o->test.value > 0 && o->test.value < 1)) return refuse(s, "the share of the test part must be above 0 and below 1");
    if (o->folds < 0 || o->folds > s->n || o->fold < 0 || (o->folds > 1 && o->fold >= o->folds))
        return refuse(s, "folds are 0 or 2 to the number of rows, the fold one of them");
    s->column = o->column ? soma_table_find(s->t, o->column) : -1;
    if (o->column && s->column < 0) {
        soma_error_raise(s->ctx, SOMA_ERROR_ARGUMENT, "table_split: the table has no column '%s'", o->column);
        return false;
    }
    if (s->column < 0 && (o->kind == SOMA_SPLIT_GROUP || o->kind == SOMA_SPLIT_STRATIFIED)) return refuse(s, "a column is wanted");
    return true;
}

soma_status soma_table_split_v(const soma_table *t, int64_t **train, int64_t *n_train, int64_t **test, int64_t *n_test,
                               const soma_split_opts *options, size_t size) {
    static bool (*const kinds[])(split *) = {random_split, stratified, by_group, by_time};
    soma_split_opts o;
    if (!t || !train || !n_train || !test || !n_test) return SOMA_ERROR_ARGUMENT;
    if (!soma_options_read(t->ctx, "table_split", &o, sizeof o, options, size)) return soma_error_status(t->ctx);
    split s = {.ctx = t->ctx, .t = t, .o = &o, .n = t->rows};
    if (!sound(&s)) return soma_error_status(t->ctx);
    const soma_allocator *alloc = soma_context_allocator(t->ctx);
    size_t bytes = (size_t)s.n * sizeof *s.order;
    s.order = soma__calloc(alloc, bytes), s.drawn = soma__calloc(alloc, bytes), s.test = soma__calloc(alloc, (size_t)s.n);
    if (!s.order || !s.drawn || !s.test) soma_error_raise(t->ctx, SOMA_ERROR_MEMORY, "out of memory");
    else if (kinds[o.kind](&s) && collect(&s, 0, train, n_train)) collect(&s, 1, test, n_test);
    soma__free(alloc, s.order, bytes), soma__free(alloc, s.drawn, bytes), soma__free(alloc, s.test, (size_t)s.n);
    return soma_error_status(t->ctx);
}
