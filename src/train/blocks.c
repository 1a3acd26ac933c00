/* Lists of layers stand in a recipe's JSON as they are written out: a word, or {word: {all fields}}. So a block's shape, size and module are walks
 * over its list. */
#include "train/blocks.h"

#include <math.h>

#include <stdio.h>
#include <string.h>

#define REST 0, 0, false, false

/* A layer of a list: its kind, and its fields. */
static const soma__kind *layer_of(const json_t *v, const json_t **fields) {
    void *first = json_object_iter((json_t *)v);
    *fields = first ? json_object_iter_value(first) : NULL;
    return soma__kind_find(&soma__layers, first ? json_object_iter_key(first) : json_string_value(v));
}

bool soma__layer_shape(const soma__kind *kind, const json_t *fields, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    int64_t n = 1, most = (int64_t)1 << 40;
    if (!kind->shape(fields, shape, ndim, why, size)) return false;
    for (int64_t d = 0; d < *ndim; d++)
        if (shape[d] > most / n) return snprintf(why, size, "it makes more numbers of a sample than memory can have"), false;
        else n *= shape[d] ? shape[d] : 1;
    return true;
}

bool soma__list_shape(const json_t *list, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *f;
        const soma__kind *k = layer_of(json_array_get(list, i), &f);
        char inner[200];
        if (soma__layer_shape(k, f, shape, ndim, inner, sizeof inner)) continue;
        snprintf(why, size, "in it, layer %zu, %s: %s", i, k->name, inner);
        return false;
    }
    return true;
}

/* A sequential of the list, which is kept `times` times one after another. */
static soma_module *build_list(soma__builder *b, const json_t *list, int64_t times, const int64_t *in, int64_t ndim) {
    int64_t shape[SOMA_MAX_DIMS], n = (int64_t)json_array_size(list) * times;
    char why[256];
    soma_module **parts = soma_scope_memory(b->ctx, (size_t)(n + 1) * sizeof *parts);
    memcpy(shape, in, sizeof shape);
    for (int64_t i = 0; parts && i < n; i++) {
        const json_t *f;
        const soma__kind *k = layer_of(json_array_get(list, (size_t)i % json_array_size(list)), &f);
        if (!(parts[i] = k->build(b, f, shape, ndim))) return NULL;
        if (!soma__layer_shape(k, f, shape, &ndim, why, sizeof why)) return soma_error_raise(b->ctx, SOMA_ERROR_SHAPE, "%s: %s", k->name, why), NULL;
    }
    return parts ? soma_nn_sequential(b->ctx, parts, (size_t)n) : NULL;
}

static void count_list(const json_t *list, int64_t times, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    int64_t shape[SOMA_MAX_DIMS];
    char why[256];
    memcpy(shape, in, sizeof shape);
    for (int64_t t = 0; t < times; t++)
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *f;
            const soma__kind *k = layer_of(json_array_get(list, i), &f);
            int64_t p = 0, m = 0;
            if (k->count) k->count(f, shape, ndim, &p, &m);
            *parameters += p, *multiply_adds += m;
            if (!soma__layer_shape(k, f, shape, &ndim, why, sizeof why)) return;
        }
}

/* Layers that a list becomes, at most; more than `most` is more than any. */
int64_t soma__list_size(const json_t *list, int64_t most) {
    int64_t sum = 0;
    for (size_t i = 0; i < json_array_size(list) && sum <= most; i++) {
        const json_t *f, *branch;
        const soma__kind *k = layer_of(json_array_get(list, i), &f);
        size_t at;
        int64_t inner = soma__list_size(json_object_get(f, "layers"), most),
                times = k && strcmp(k->name, "repeat") == 0 ? soma__get_int(f, "times") : 1;
        if (k && strcmp(k->name, "residual") == 0 && inner <= most) inner += soma__list_size(json_object_get(f, "shortcut"), most);
        json_array_foreach(json_object_get(f, "branches"), at, branch) inner = inner > most ? inner : inner + soma__list_size(branch, most);
        sum += inner > most || inner > most / times ? most + 1 : 1 + inner * times;
    }
    return sum;
}

static const json_t *list_of(const json_t *f) { return json_object_get(f, "layers"); }

/* x + layers(x), or shortcut(x) + layers(x) */

const soma__field soma__residual_fields[2] = {{"layers", SOMA__LAYERS, NULL, REST, "whose result is added to what they get"},
                                              {"shortcut", SOMA__LAYERS, "[]", REST, "what they get goes through first; none: it is added as it is"}};
static const json_t *shortcut_of(const json_t *f) {
    const json_t *list = json_object_get(f, "shortcut");
    return json_array_size(list) ? list : NULL;
}
bool soma__residual_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    int64_t in[SOMA_MAX_DIMS], n = *ndim;
    memcpy(in, shape, sizeof in);
    if (!soma__list_shape(list_of(f), shape, ndim, why, size)) return false;
    if (shortcut_of(f) && !soma__list_shape(shortcut_of(f), in, &n, why, size)) return false;
    if (*ndim == n && memcmp(in, shape, (size_t)n * sizeof *in) == 0) return true;
    if (shortcut_of(f)) snprintf(why, size, "its layers and its shortcut give different shapes, which cannot be added");
    else snprintf(why, size, "its layers change the shape; what they give is added to what they get (a shortcut can change that alike)");
    return false;
}
soma_module *soma__residual_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    soma_module *m = build_list(b, list_of(f), 1, in, ndim);
    if (!m || !shortcut_of(f)) return m ? soma_nn_residual(b->ctx, m) : NULL;
    soma_module *shortcut = build_list(b, shortcut_of(f), 1, in, ndim);
    return shortcut ? soma_nn_residual_with(b->ctx, m, shortcut) : NULL;
}
void soma__residual_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    count_list(list_of(f), 1, in, ndim, parameters, multiply_adds);
    if (shortcut_of(f)) count_list(shortcut_of(f), 1, in, ndim, parameters, multiply_adds);
}

/* several lists on one input, joined */

const soma__field soma__parallel_fields[2] = {
    {"branches", SOMA__LAYER_LISTS, NULL, REST, "lists of layers that get the same; an empty one passes it on"},
    {"dim", SOMA__INTEGER, "1", 1, SOMA_MAX_DIMS - 1, false, false, "where their results are joined, the batch counted"}};
bool soma__parallel_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    const json_t *branches = json_object_get(f, "branches");
    int64_t in[SOMA_MAX_DIMS], n = *ndim, d = soma__get_int(f, "dim") - 1, sum = 0;
    memcpy(in, shape, sizeof in);
    for (size_t i = 0; i < json_array_size(branches); i++) {
        int64_t out[SOMA_MAX_DIMS], m = n;
        memcpy(out, in, sizeof out);
        if (!soma__list_shape(json_array_get(branches, i), out, &m, why, size)) return false;
        bool fits = d < m && (!i || m == *ndim);
        for (int64_t k = 0; fits && k < m; k++) fits = k == d || !i || out[k] == shape[k];
        if (!fits) {
            snprintf(why, size, "branch %zu gives another shape than the ones before, or no dimension %lld", i, (long long)d + 1);
            return false;
        }
        sum += out[d];
        memcpy(shape, out, sizeof out), *ndim = m;
    }
    shape[d] = sum;
    return true;
}
soma_module *soma__parallel_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    const json_t *branches = json_object_get(f, "branches");
    soma_module *parts[64] = {NULL};
    size_t n = json_array_size(branches);
    if (n > 64) return soma_error_raise(b->ctx, SOMA_ERROR_ARGUMENT, "parallel: %zu branches; 64 are the most", n), NULL;
    for (size_t i = 0; i < n; i++)
        if (!(parts[i] = build_list(b, json_array_get(branches, i), 1, in, ndim))) return NULL;
    return soma_nn_parallel(b->ctx, parts, n, soma__get_int(f, "dim"));
}
void soma__parallel_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    const json_t *branches = json_object_get(f, "branches");
    for (size_t i = 0; i < json_array_size(branches); i++) count_list(json_array_get(branches, i), 1, in, ndim, parameters, multiply_adds);
}

/* the same layers several times, each time with weights of their own */

const soma__field soma__repeat_fields[2] = {{"times", SOMA__INTEGER, NULL, 1, 1000, false, false, "how often"},
                                            {"layers", SOMA__LAYERS, NULL, REST, "with weights of their own each time"}};
bool soma__repeat_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    for (int64_t i = 0; i < soma__get_int(f, "times"); i++)
        if (!soma__list_shape(list_of(f), shape, ndim, why, size)) return false;
    return true;
}
soma_module *soma__repeat_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    return build_list(b, list_of(f), soma__get_int(f, "times"), in, ndim);
}
void soma__repeat_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    count_list(list_of(f), soma__get_int(f, "times"), in, ndim, parameters, multiply_adds);
}

/* layers with a name, which stands for them, and their weights, from then on */

const soma__field soma__block_fields[2] = {{"name", SOMA__TEXT, NULL, REST, "stands for these layers, and their weights, from here on"},
                                           {"layers", SOMA__LAYERS, "[]", REST, "of the name's first use"}};
bool soma__block_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    return soma__list_shape(list_of(f), shape, ndim, why, size);
}
soma_module *soma__block_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    const char *name = soma__get_text(f, "name");
    for (soma__shared *s = b->shared; s; s = s->next) {
        if (strcmp(s->name, name) != 0) continue;
        if (s->ndim == ndim && memcmp(s->in, in, (size_t)ndim * sizeof *in) == 0) return s->module;
        return soma_error_raise(b->ctx, SOMA_ERROR_SHAPE, "block '%s': it gets another shape here than at its first use", name), NULL;
    }
    soma__shared *s = soma_scope_memory(b->ctx, sizeof *s);
    if (!s || !(s->module = build_list(b, list_of(f), 1, in, ndim))) return NULL;
    s->name = name, s->ndim = ndim, s->next = b->shared;
    memcpy(s->in, in, (size_t)ndim * sizeof *in);
    b->shared = s;
    return s->module;
}
void soma__block_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    count_list(list_of(f), 1, in, ndim, parameters, multiply_adds);
}

/* numbers of rows of a table that is learned */

const soma__field soma__embedding_fields[2] = {{"classes", SOMA__INTEGER, NULL, 1, 1 << 28, false, false, "inputs are whole numbers below this"},
                                               {"features", SOMA__INTEGER, NULL, 1, 1 << 20, false, false, "numbers that each becomes"}};
static soma_tensor *look_up(void *user, soma_module *self, soma_tensor *x) { return (void)self, soma_forward(user, soma_to(x, SOMA_I64)); }
bool soma__embedding_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    if (*ndim + 1 >= SOMA_MAX_DIMS) return snprintf(why, size, "its input has too many dimensions"), false;
    shape[(*ndim)++] = soma__get_int(f, "features");
    return true;
}
soma_module *soma__embedding_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    (void)in, (void)ndim;
    soma_module *table = soma_nn_embedding(b->ctx, soma__get_int(f, "classes"), soma__get_int(f, "features"), NULL);
    soma_module *m = table ? soma_nn_module(b->ctx, "embedding", look_up, table) : NULL;
    return m && soma_module_add_child(m, "table", table) == SOMA_OK ? m : NULL;
}
void soma__embedding_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)in, (void)ndim, (void)multiply_adds;
    *parameters = soma__get_int(f, "classes") * soma__get_int(f, "features");
}

const soma__field soma__unflatten_fields[1] = {{"sizes", SOMA__INTEGERS, NULL, 1, 1 << 30, false, false, "of the dimensions that the one becomes"}};
bool soma__unflatten_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    const json_t *sizes = json_object_get(f, "sizes");
    size_t n = json_array_size(sizes);
    int64_t product = 1;
    if (*ndim != 1 || !n || n >= SOMA_MAX_DIMS) return snprintf(why, size, "it wants an input of one dimension, and 1 to 7 sizes"), false;
    for (size_t i = 0; i < n; i++) product *= product > (int64_t)1 << 31 ? 1 : json_integer_value(json_array_get(sizes, i));
    if (product != shape[0]) return snprintf(why, size, "its sizes make %lld elements of %lld", (long long)product, (long long)shape[0]), false;
    for (size_t i = 0; i < n; i++) shape[i] = json_integer_value(json_array_get(sizes, i));
    *ndim = (int64_t)n;
    return true;
}
soma_module *soma__unflatten_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    int64_t shape[SOMA_MAX_DIMS] = {in[0]};
    char why[200];
    return soma__unflatten_shape(f, shape, &ndim, why, sizeof why) ? soma_nn_unflatten(b->ctx, 1, shape, ndim) : NULL;
}
void soma__unflatten_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)f, (void)in, (void)ndim, (void)parameters, (void)multiply_adds;
}

/* a W b + c of the two halves of its input */

const soma__field soma__bilinear_fields[1] = {{"features", SOMA__INTEGER, NULL, 1, 1 << 20, false, false, "outputs"}};
static soma_tensor *halves(void *user, soma_module *self, soma_tensor *x) {
    soma_tensor *const *p = user;
    int64_t half = soma_size(x, 1) / 2;
    return (void)self, soma_bilinear(soma_slice(x, 1, 0, half, 1), soma_slice(x, 1, half, 2 * half, 1), p[0], p[1]);
}
bool soma__bilinear_shape(const json_t *f, int64_t *shape, int64_t *ndim, char *why, size_t size) {
    if (*ndim != 1 || shape[0] % 2) return snprintf(why, size, "it wants an input of one dimension of even size, and takes its two halves"), false;
    shape[0] = soma__get_int(f, "features");
    return true;
}
soma_module *soma__bilinear_build(soma__builder *b, const json_t *f, const int64_t *in, int64_t ndim) {
    (void)ndim;
    int64_t out = soma__get_int(f, "features"), half = in[0] / 2;
    soma_tensor **p = soma_scope_memory(b->ctx, 2 * sizeof *p);
    soma_module *m = p ? soma_nn_module(b->ctx, "bilinear", halves, p) : NULL;
    if (!m) return NULL;
    double bound = 1 / sqrt((double)half); /* PyTorch's */
    uint64_t stream = soma_stream_use(b->ctx, SOMA_STREAM_INIT);
    p[0] = soma_variable(soma_uniform(b->ctx, -bound, bound, SOMA_F32, SOMA_SHAPE(out, half, half)), NULL);
    p[1] = soma_variable(soma_uniform(b->ctx, -bound, bound, SOMA_F32, SOMA_SHAPE(out)), NULL);
    soma_stream_use(b->ctx, stream);
    return soma_module_add_parameter(m, "weight", p[0]) == SOMA_OK && soma_module_add_parameter(m, "bias", p[1]) == SOMA_OK ? m : NULL;
}
void soma__bilinear_count(const json_t *f, const int64_t *in, int64_t ndim, int64_t *parameters, int64_t *multiply_adds) {
    (void)ndim;
    int64_t out = soma__get_int(f, "features"), half = in[0] / 2;
    *multiply_adds = out * half * (half + 1), *parameters = out * half * half + out;
}
