/* Chains of views, of every kind of base, against a list that says which element of the base each element is: values, gradients, recorded and
 * captured, and where the base is a variable that is assigned afterwards. */
#include "support/check.h"

#include <string.h>

#define BASE 120 /* elements of a base: 2 * 3 * 4 * 5 */
#define MOST 480
#define LINKS 5

/* What a view shows: element i is element at[i] of the base. */
typedef struct mirror {
    int64_t shape[SOMA_MAX_DIMS], ndim, numel, at[MOST];
} mirror;

static int64_t draw(uint64_t *seed, int64_t n) { return (int64_t)(check_random(seed) * (double)n); }

/* Fills `to`, whose shape and mapping back are given: element (i0, i1, ...) of it is element offset + i0 * strides[0] + ... of `from`. */
static void pick(mirror *to, const mirror *from, int64_t offset, const int64_t *strides) {
    int64_t index[SOMA_MAX_DIMS] = {0};
    to->numel = 1;
    for (int d = 0; d < to->ndim; d++) to->numel *= to->shape[d];
    for (int64_t i = 0; i < to->numel; i++) {
        int64_t at = offset;
        for (int d = 0; d < to->ndim; d++) at += index[d] * strides[d];
        to->at[i] = from->at[at];
        for (int d = (int)to->ndim; d-- > 0 && ++index[d] == to->shape[d];) index[d] = 0;
    }
}

static void dense(const mirror *m, int64_t *strides) {
    int64_t s = 1;
    for (int d = (int)m->ndim; d-- > 0;) strides[d] = s, s *= m->shape[d];
}

static void take_dim(mirror *m, int d) {
    for (int i = d; i + 1 < m->ndim; i++) m->shape[i] = m->shape[i + 1];
    m->ndim--;
}

/* A shape of the same number of elements. */
static void reshape(mirror *m, uint64_t *seed) {
    int64_t left = m->numel;
    m->ndim = 0;
    for (int64_t f = 2; left > 1 && m->ndim < 5; f++)
        while (left % f == 0 && m->ndim < 5) {
            left /= f;
            if (m->ndim && draw(seed, 2)) m->shape[m->ndim - 1] *= f;
            else m->shape[m->ndim++] = f;
        }
    if (left > 1 || !m->ndim) m->shape[m->ndim++] = left;
}

/* One more view, chosen at random, of x and of its mirror. */
static soma_tensor *one_view(soma_tensor *x, mirror *m, uint64_t *seed) {
    mirror from = *m;
    int64_t strides[SOMA_MAX_DIMS], dims[SOMA_MAX_DIMS], back[SOMA_MAX_DIMS];
    dense(m, strides);
    int d = m->ndim ? (int)draw(seed, m->ndim) : 0;
    int64_t what = m->ndim ? draw(seed, 8) : 6;
    if (what == 0) {
        reshape(m, seed);
        memcpy(dims, m->shape, sizeof dims);
        if (m->ndim > 1) dims[draw(seed, m->ndim)] = -1;
        return soma_reshape(x, dims, m->ndim);
    }
    if (what == 1) {
        for (int i = 0; i < m->ndim; i++) dims[i] = i;
        for (int i = (int)m->ndim; i-- > 1;) {
            int64_t j = draw(seed, i + 1), t = dims[i];
            dims[i] = dims[j], dims[j] = t;
        }
        for (int i = 0; i < m->ndim; i++) m->shape[i] = from.shape[dims[i]], back[i] = strides[dims[i]];
        pick(m, &from, 0, back);
        return soma_permute(x, dims, m->ndim);
    }
    if (what == 2) {
        int64_t start = draw(seed, m->shape[d]), by = 1 + draw(seed, 3), end = start + 1 + draw(seed, m->shape[d] - start),
                offset = start * strides[d];
        m->shape[d] = (end - start - 1) / by + 1;
        memcpy(back, strides, sizeof back);
        back[d] *= by;
        pick(m, &from, offset, back);
        return soma_slice(x, d, start, end, by);
    }
    if (what == 3 && m->numel * 3 <= MOST &&
        m->ndim < SOMA_MAX_DIMS) { /* repeats along a new first dimension, and along one of size 1 if there is one */
        for (int i = 0; i < from.ndim; i++) m->shape[i + 1] = from.shape[i], back[i + 1] = strides[i];
        m->shape[0] = 3, back[0] = 0, m->ndim++;
        if (from.shape[d] == 1) m->shape[0] = 1, m->shape[d + 1] = 3, back[d + 1] = 0;
        pick(m, &from, 0, back);
        return soma_expand(x, m->shape, m->ndim);
    }
    if (what == 4) {
        if (m->shape[d] == 1) take_dim(m, d);
        return soma_squeeze(x, d);
    }
    if (what == 5) {
        int last = d + (int)draw(seed, m->ndim - d);
        for (int i = d; i < last; i++) m->shape[d + 1] *= m->shape[d], take_dim(m, d);
        return soma_flatten(x, d, last);
    }
    if (what == 6 && m->ndim < SOMA_MAX_DIMS) {
        for (int i = (int)m->ndim; i-- > d;) m->shape[i + 1] = m->shape[i];
        m->shape[d] = 1, m->ndim++;
        return soma_unsqueeze(x, d);
    }
    int64_t at = draw(seed, m->shape[d]), offset = at * strides[d];
    take_dim(m, d);
    for (int i = d; i < m->ndim; i++) strides[i] = strides[i + 1];
    pick(m, &from, offset, strides);
    return soma_select(x, d, at);
}

enum { OF_DATA, OF_BORROWED, OF_A_RESULT, OF_AN_INTERIOR_RESULT, OF_A_VARIABLE, OF_AN_ASSIGNED_VARIABLE, BASES };
static const char *const base_names[BASES] = {
    "data", "borrowed data", "a result", "an interior result", "a variable", "a variable that was assigned"};
static const int64_t base_shape[4] = {2, 3, 4, 5};
static float numbers[BASE], twice[BASE];

static soma_tensor *base_of(soma_context *ctx, int kind) {
    soma_tensor *x = kind == OF_BORROWED ? soma_borrow(ctx, numbers, SOMA_F32, base_shape, 4)
                                         : soma_from(ctx, kind == OF_DATA ? numbers : twice, SOMA_F32, base_shape, 4);
    if (kind <= OF_BORROWED) return x;
    if (kind == OF_A_RESULT) return soma_mul_scalar(x, 0.5);
    if (kind == OF_AN_INTERIOR_RESULT) {
        soma_interior_begin(ctx);
        x = soma_mul_scalar(x, 0.5);
        soma_interior_end(ctx, NULL);
        return x;
    }
    soma_tensor *v = soma_variable(soma_from(ctx, numbers, SOMA_F32, base_shape, 4), NULL);
    if (kind == OF_AN_ASSIGNED_VARIABLE) {
        soma_eval(ctx);
        soma_assign(v, x);
        soma_assign(v, soma_mul_scalar(v, 0.5));
    }
    return v;
}

static void start_mirror(mirror *m) {
    *m = (mirror){.ndim = 4, .numel = BASE};
    memcpy(m->shape, base_shape, sizeof base_shape);
    for (int i = 0; i < BASE; i++) m->at[i] = i;
}

static void compare(soma_tensor *x, const mirror *m, const char *base, uint64_t chain, int link) {
    float got[MOST];
    assert_int_equal(soma_ndim(x), m->ndim);
    for (int d = 0; d < m->ndim; d++) assert_int_equal(soma_size(x, d), m->shape[d]);
    assert_int_equal(soma_read(x, got, (size_t)m->numel * sizeof *got), SOMA_OK);
    for (int64_t i = 0; i < m->numel; i++)
        if (got[i] != numbers[m->at[i]])
            fail_msg("of %s, chain %d, view %d, element %d: %g, %g is right", base, (int)chain, link, (int)i, (double)got[i],
                     (double)numbers[m->at[i]]);
}

/* Every view of the chain is kept and read, or the last one alone; read before or after the base's variable is overwritten. */
static void chains_of_views_show_the_right_elements(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    for (int kind = 0; kind < BASES; kind++)
        for (uint64_t chain = 0; chain < 60; chain++) {
            soma_scope *s = soma_scope_open(ctx);
            soma_tensor *x = base_of(ctx, kind), *base = x, *seen[LINKS];
            mirror m[LINKS + 1];
            uint64_t seed = chain;
            bool all = chain % 3 == 0, later = chain % 2 == 0, between = chain % 5 == 0;
            start_mirror(&m[0]);
            for (int i = 0; i < LINKS; i++) {
                m[i + 1] = m[i];
                if (!all) soma_interior_begin(ctx);
                x = one_view(x, &m[i + 1], &seed);
                if (!all) soma_interior_end(ctx, NULL);
                seen[i] = i == LINKS - 1 || all ? soma_detach(x) : NULL; /* a view of its own: squeeze and its like may return an interior x itself */
                check_fine(ctx);
                if (between && i == 1) soma_eval(ctx);
            }
            if (later && soma_is_variable(base)) {
                soma_assign(base, soma_full(ctx, -1, SOMA_F32, base_shape, 4));
                if (x != base) seen[LINKS - 1] = soma_detach(x); /* the reader comes after the assign, the view before it */
            }
            for (int i = all ? 0 : LINKS - 1; i < LINKS; i++) compare(seen[i], &m[i + 1], base_names[kind], chain, i);
            soma_scope_close(s);
            check_fine(ctx);
        }
    soma_context_free(ctx);
}

/* The sum of view * (1, 2, 3, ...) has at each element of the base the sum of the numbers of its copies. */
static void gradients_flow_back_through_chains(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    for (uint64_t chain = 0; chain < 120; chain++) {
        soma_scope *s = soma_scope_open(ctx);
        soma_tensor *base = base_of(ctx, chain % 2 ? OF_DATA : OF_A_VARIABLE), *x = base;
        soma_requires_grad(base, true);
        mirror m;
        uint64_t seed = chain;
        start_mirror(&m);
        soma_interior_begin(ctx);
        for (int i = 0; i < LINKS; i++) x = one_view(x, &m, &seed);
        soma_tensor *w = soma_reshape(soma_arange(ctx, 1, (double)m.numel + 1, 1, SOMA_F32), m.shape, m.ndim);
        soma_backward(soma_sum(soma_mul(x, w), NULL), NULL);
        soma_interior_end(ctx, NULL);
        float want[BASE] = {0}, got[BASE];
        for (int64_t i = 0; i < m.numel; i++) want[m.at[i]] += (float)(i + 1);
        assert_int_equal(soma_read(soma_tensor_grad(base), got, sizeof got), SOMA_OK);
        for (int i = 0; i < BASE; i++)
            if (got[i] != want[i]) fail_msg("chain %d, element %d: %g, %g is right", (int)chain, i, (double)got[i], (double)want[i]);
        soma_scope_close(s);
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

typedef struct captured {
    soma_tensor *variable;
    uint64_t chain;
    mirror m;
} captured;

/* Outputs the chain on the input, and the same on the variable, which then becomes the input. */
static soma_status chain_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    captured *c = user;
    (void)n_in, (void)n_out;
    soma_tensor *x[2] = {in[0], c->variable};
    for (int k = 0; k < 2; k++) {
        uint64_t seed = c->chain;
        start_mirror(&c->m);
        for (int i = 0; i < LINKS; i++) x[k] = one_view(x[k], &c->m, &seed);
    }
    soma_assign(c->variable, in[0]);
    for (int k = 0; k < 2; k++) out[k] = x[k] == c->variable ? NULL : soma_mul_scalar(x[k], 1);
    return soma_error_status(ctx);
}

static void captured_programs_show_the_same_elements(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    captured c = {.variable = soma_variable(soma_full(ctx, 0, SOMA_F32, base_shape, 4), NULL)};
    static float input[BASE];
    for (c.chain = 0; c.chain < 60; c.chain++) {
        soma_slot slot = {{2, 3, 4, 5}, 4, SOMA_F32};
        soma_program *p = soma_capture(ctx, chain_body, &c, &slot, 1, 2, NULL);
        float before = 0;
        soma_assign(c.variable, soma_full(ctx, 0, SOMA_F32, base_shape, 4));
        for (int run = 1; run <= 3; run++) {
            for (int i = 0; i < BASE; i++) input[i] = numbers[i] * (float)run;
            soma_program_bind(p, 0, input, NULL);
            assert_int_equal(soma_program_run(p), SOMA_OK);
            for (size_t k = 0; k < 2; k++) {
                const void *data;
                int64_t numel;
                soma_program_output(p, k, &data, &numel);
                assert_int_equal(numel, c.m.numel);
                for (int64_t i = 0; i < numel; i++) {
                    float got = ((const float *)data)[i], want = numbers[c.m.at[i]] * (k ? before : (float)run);
                    if (got != want)
                        fail_msg("chain %d, run %d, output %d, element %d: %g, %g is right", (int)c.chain, run, (int)k, (int)i, (double)got,
                                 (double)want);
                }
            }
            before = (float)run;
        }
        soma_program_free(p);
    }
    check_fine(ctx);
    soma_context_free(ctx);
}

static void a_kept_view_shows_what_the_variable_was(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    const float two[4] = {1, 2, 3, 4}, turned[4] = {1, 3, 2, 4};
    float got[4];
    soma_tensor *v = soma_variable(soma_from(ctx, two, SOMA_F32, SOMA_SHAPE(2, 2)), NULL);
    soma_tensor *flat = soma_flatten(v, 0, 1), *t = soma_transpose(v, 0, 1);
    soma_eval(ctx);
    soma_assign(v, soma_transpose(v, 0, 1)); /* onto itself */
    soma_read(flat, got, sizeof got);
    assert_memory_equal(got, two, sizeof got);
    soma_read(t, got, sizeof got);
    assert_memory_equal(got, turned, sizeof got);
    soma_read(v, got, sizeof got);
    assert_memory_equal(got, turned, sizeof got);
    soma_assign(v, soma_expand(soma_slice(v, 0, 1, 2, 1), SOMA_SHAPE(2, 2)));
    soma_read(v, got, sizeof got);
    assert_memory_equal(got, ((float[]){2, 4, 2, 4}), sizeof got);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void views_without_elements_are_views(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *x = soma_from(ctx, numbers, SOMA_F32, base_shape, 4), *none = soma_slice(x, 1, 2, 2, 1);
    assert_int_equal(soma_numel(none), 0);
    assert_int_equal(soma_read(soma_flatten(soma_transpose(none, 0, 3), 0, -1), NULL, 0), SOMA_OK);
    double v;
    assert_int_equal(soma_item(soma_sum(none, NULL), &v), SOMA_OK);
    assert_true(v == 0);
    float one;
    assert_int_equal(soma_read(soma_reshape(soma_slice(soma_flatten(x, 0, 3), 0, 7, 8, 1), NULL, 0), &one, sizeof one), SOMA_OK);
    assert_true(one == numbers[7]);
    check_fine(ctx);
    soma_context_free(ctx);
}

int main(void) {
    for (int i = 0; i < BASE; i++) numbers[i] = (float)(i + 1), twice[i] = 2 * numbers[i];
    const struct CMUnitTest tests[] = {cmocka_unit_test(chains_of_views_show_the_right_elements),
                                       cmocka_unit_test(gradients_flow_back_through_chains),
                                       cmocka_unit_test(captured_programs_show_the_same_elements),
                                       cmocka_unit_test(a_kept_view_shows_what_the_variable_was), cmocka_unit_test(views_without_elements_are_views)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
