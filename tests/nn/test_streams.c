/* Each purpose draws from a random stream of its own: what one draws does not change what another one gets. */
#include "support/check.h"

#include <string.h>

static void weights_of(soma_module *m, float *out) {
    char key[32];
    soma_tensor *t;
    assert_int_equal(soma_module_state(m, 0, key, sizeof key, &t), SOMA_OK);
    assert_int_equal(soma_read(t, out, (size_t)soma_numel(t) * sizeof *out), SOMA_OK);
}

static void initial_weights_do_not_hang_on_other_draws(void **state) {
    (void)state;
    float w[2][12], second[12];
    for (int draws = 0; draws < 2; draws++) {
        soma_context *ctx = check_context(&(soma_context_opts){.seed = 3});
        float x[5];
        if (draws) soma_read(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(5)), x, sizeof x);
        if (draws) soma_eval(ctx), soma_forward(soma_nn_dropout(ctx, 0.5), soma_ones(ctx, SOMA_F32, SOMA_SHAPE(9)));
        weights_of(soma_nn_linear(ctx, 4, 3, NULL), w[draws]);
        weights_of(soma_nn_linear(ctx, 4, 3, NULL), second);
        assert_memory_not_equal(w[draws], second, sizeof second);
        soma_context_free(ctx);
    }
    assert_memory_equal(w[0], w[1], sizeof w[0]);
}

static soma_tensor *pass(void *user, soma_module *self, soma_tensor *x) { return (void)user, (void)self, x; }

/* A dropout's mask hangs on its path: not on those before it, nor on whether they draw. */
static void masks_hang_on_the_path(void **state) {
    (void)state;
    float y[3][64], other[64];
    for (int way = 0; way < 3; way++) {
        soma_context *ctx = check_context(&(soma_context_opts){.seed = 3});
        soma_tensor *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(64));
        soma_module *first = way == 1 ? soma_nn_dropout(ctx, 0.5) : soma_nn_module(ctx, NULL, pass, NULL), *last = soma_nn_dropout(ctx, 0.5);
        soma_module *inner = soma_nn_sequential(ctx, &first, 1);
        soma_module *net = soma_nn_sequential(ctx, SOMA_MODULES(inner, last));
        if (way == 2) soma_rand(ctx, SOMA_F32, SOMA_SHAPE(100));
        soma_forward(net, x);
        soma_forward(net, x); /* each draws anew */
        soma_read(soma_forward(last, x), y[way], sizeof y[way]);
        soma_read(soma_forward(last, x), other, sizeof other);
        assert_memory_not_equal(y[way], other, sizeof other);
        soma_context_free(ctx);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    assert_memory_equal(y[0], y[2], sizeof y[0]);
}

static void two_places_have_two_masks(void **state) {
    (void)state;
    soma_context *ctx = check_context(&(soma_context_opts){.seed = 3});
    soma_tensor *x = soma_ones(ctx, SOMA_F32, SOMA_SHAPE(64));
    soma_module *a = soma_nn_dropout(ctx, 0.5), *b = soma_nn_dropout(ctx, 0.5);
    soma_nn_sequential(ctx, SOMA_MODULES(a, b));
    float y[2][64];
    soma_read(soma_forward(a, x), y[0], sizeof y[0]);
    soma_read(soma_forward(b, x), y[1], sizeof y[1]);
    assert_memory_not_equal(y[0], y[1], sizeof y[0]);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(initial_weights_do_not_hang_on_other_draws), cmocka_unit_test(masks_hang_on_the_path),
                                       cmocka_unit_test(two_places_have_two_masks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
