/* How long things live and who may use them: memory of the user, pointers into values, scopes, interior values, pending errors, other contexts, and
 * the child of a fork. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t recorded(soma_context *ctx) {
    soma_stats s;
    soma_context_stats(ctx, &s);
    return s.nodes_recorded;
}

static void from_copies_at_the_call_and_borrow_reads_later(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    float x[2] = {1, 2}, got[2];
    soma_tensor *copied = soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(2)), *borrowed = soma_borrow(ctx, x, SOMA_F32, SOMA_SHAPE(2));
    soma_tensor *v = soma_variable(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2)), NULL), *sum = soma_add(copied, borrowed);
    soma_assign_from(v, x, sizeof x);
    x[0] = 10, x[1] = 20;
    soma_read(sum, got, sizeof got);
    assert_memory_equal(got, ((float[]){11, 22}), sizeof got);
    soma_read(v, got, sizeof got);
    assert_memory_equal(got, ((float[]){1, 2}), sizeof got);
    x[0] = 100;
    soma_read(sum, got, sizeof got); /* what was evaluated stays */
    assert_memory_equal(got, ((float[]){11, 22}), sizeof got);
    soma_read(soma_add(copied, borrowed), got, sizeof got);
    assert_memory_equal(got, ((float[]){101, 22}), sizeof got);
    check_fine(ctx);
    soma_context_free(ctx);
}

static void names_and_shapes_are_copied(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    char name[] = "weight";
    int64_t shape[2] = {2, 1};
    soma_tensor *v = soma_variable(soma_zeros(ctx, SOMA_F32, shape, 2), &(soma_variable_opts){.name = name});
    name[0] = 'x', shape[0] = 7;
    assert_string_equal(soma_tensor_name(v), "weight");
    assert_int_equal(soma_size(v, 0), 2);
    soma_context_free(ctx);
}

static void a_pointer_is_valid_until_the_scope_closes_or_the_variable_is_assigned(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_scope *s = soma_scope_open(ctx);
    soma_tensor *x = soma_arange(ctx, 0, 256, 1, SOMA_F32), *v = soma_variable(soma_mul_scalar(x, 2), NULL), *kept = soma_square(x);
    const void *at[3];
    soma_data(x, &at[0]), soma_data(kept, &at[1]), soma_data(v, &at[2]);
    for (int i = 0; i < 50; i++) { /* plans, slabs and scopes come and go */
        soma_scope *inner = soma_scope_open(ctx);
        double value;
        soma_item(
            soma_sum(soma_matmul(soma_full(ctx, i, SOMA_F32, SOMA_SHAPE(i + 1, 256)), soma_reshape(soma_mul(kept, v), SOMA_SHAPE(256, 1))), NULL),
            &value);
        soma_scope_close(inner);
    }
    for (int i = 0; i < 256; i++) {
        assert_true(((const float *)at[0])[i] == (float)i);
        assert_true(((const float *)at[1])[i] == (float)(i * i));
        assert_true(((const float *)at[2])[i] == (float)(2 * i));
    }
    const void *again;
    soma_data(kept, &again);
    assert_ptr_equal(again, at[1]);
    check_fine(ctx);
#ifdef SOMA_DEBUG
    soma_scope_close(s);
    const unsigned char *dead = at[1];
    for (size_t i = 0; i < 256 * sizeof(float); i++) assert_int_equal(dead[i], 0xA5);
#else
    assert_int_equal(soma_scope_close(s), SOMA_OK);
    print_message("that closed scopes are poisoned is for debug builds\n");
#endif
    soma_context_free(ctx);
}

static soma_tensor *inner_value;
static soma_tensor *forward(void *user, soma_module *self, soma_tensor *x) {
    (void)user, (void)self;
    inner_value = soma_add_scalar(x, 1);
    return soma_square(inner_value);
}

static void interior_values_are_an_error_never_old_memory(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_module *m = soma_nn_module(ctx, "mine", forward, NULL);
    soma_tensor *y = soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2)));
    float got[2] = {7, 7};
    const void *at = got;
    for (int i = 0; i < 2; i++) { /* before it was evaluated, and after */
        assert_true(soma_read(inner_value, got, sizeof got) < 0);
        check_error(ctx, SOMA_ERROR_STATE, "use soma_keep");
        assert_true(soma_data(inner_value, &at) < 0 && !at);
        check_error(ctx, SOMA_ERROR_STATE, "interior");
        soma_read(y, got, sizeof got);
        assert_memory_equal(got, ((float[]){4, 4}), sizeof got);
    }
    soma_read(soma_mul_scalar(inner_value, 1), got, sizeof got); /* used again it is computed again */
    assert_memory_equal(got, ((float[]){2, 2}), sizeof got);
    soma_read(soma_keep(inner_value), got, sizeof got);
    assert_memory_equal(got, ((float[]){2, 2}), sizeof got);
    soma_context_free(ctx);
}

static soma_status no_body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)ctx, (void)user, (void)in, (void)n_in, (void)n_out;
    out[0] = soma_square(in[0]);
    return soma_error_status(ctx);
}
static soma_status hook(void *user) { return ++*(int *)user, SOMA_OK; }
static void unhook(void *user) { --*(int *)user; }
static void deferred(void *user) { (void)user; }

/* A forward function that reads a value, or keeps one, and returns what was evaluated with it. */
static void results_of_interior_parts_are_held_though_evaluated_inside(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    double v;
    soma_interior_begin(ctx);
    soma_tensor *x = soma_square(soma_scalar(ctx, 3));
    assert_int_equal(soma_eval(ctx), SOMA_OK);
    x = soma_interior_end(ctx, x);
    assert_int_equal(soma_item(x, &v), SOMA_OK);
    assert_true(v == 9);
    soma_interior_begin(ctx);
    soma_tensor *kept = soma_keep(soma_neg(x));
    soma_interior_end(ctx, NULL);
    assert_int_equal(soma_item(kept, &v), SOMA_OK);
    assert_true(v == -9);
    soma_context_free(ctx);
}

static void while_an_error_is_pending_calls_fail_and_change_nothing(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma_tensor *w = soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1}), *done = soma_square(w);
    soma_optim *o = soma_optim_sgd(ctx, &w, 1, 0.5, NULL);
    soma_module *m = soma_nn_linear(ctx, 2, 2, NULL);
    soma_slot slot = {{2}, 1, SOMA_F32};
    soma_program *p = soma_capture(ctx, no_body, NULL, &slot, 1, 1, NULL);
    float two[2] = {2, 2}, got[2];
    soma_program_bind(p, 0, two, NULL);
    soma_program_run(p);
    soma_backward(soma_sum(done, NULL), NULL);
    soma_eval(ctx);
    soma_scope *open = soma_scope_open(ctx);
    int64_t custom = soma_custom_register(ctx, &(soma_custom_def){0});
    assert_true(custom < 0);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "custom_register");
    assert_null(soma_add(w, soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(3))));
    soma_status first = soma_error_status(ctx);
    assert_int_equal(first, SOMA_ERROR_SHAPE);
    int64_t nodes = recorded(ctx);
    int called = 0;
    double v;
    char *text;
    const void *at;
    soma_tensor *g, *const *params;
    size_t n;
    /* recording and making */
    assert_null(soma_relu(w));
    assert_null(soma_add(w, w));
    assert_null(soma_reshape(w, SOMA_SHAPE(1, 2)));
    assert_null(soma_cat(&w, 1, 0));
    assert_null(soma_rand(ctx, SOMA_F32, SOMA_SHAPE(2)));
    assert_null(soma_from(ctx, two, SOMA_F32, SOMA_SHAPE(2)));
    assert_null(soma_borrow(ctx, two, SOMA_F32, SOMA_SHAPE(2)));
    assert_null(soma_scalar(ctx, 1));
    assert_null(soma_zeros(ctx, SOMA_F32, SOMA_SHAPE(2)));
    assert_null(soma_arange(ctx, 0, 2, 1, SOMA_F32));
    assert_null(soma_variable(w, NULL));
    assert_null(soma_detach(w));
    assert_null(soma_keep(w));
    assert_null(soma_cross_entropy(w, w, NULL));
    assert_null(soma_host_scalar(ctx, &v));
    assert_null(soma_forward(m, w));
    assert_null(soma_nn_linear(ctx, 2, 2, NULL));
    assert_null(soma_nn_relu(ctx));
    assert_null(soma_optim_adam(ctx, &w, 1, 0.1, NULL));
    assert_null(soma_capture(ctx, no_body, NULL, &slot, 1, 1, NULL));
    assert_null(soma_dataset_arrays(ctx, two, (int64_t[]){0, 1}, 2, NULL, 0));
    assert_null(soma_scope_open(ctx));
    assert_null(soma_scope_memory(ctx, 8));
    /* assigning and stepping */
    assert_int_equal(soma_assign(w, done), first);
    assert_int_equal(soma_assign_from(w, two, sizeof two), first);
    assert_int_equal(soma_backward(done, NULL), first);
    assert_int_equal(soma_grad(&done, 1, &w, 1, &g, NULL), first);
    assert_int_equal(soma_zero_grad(&w, 1), first);
    assert_int_equal(soma_set_grad(w, NULL), first);
    assert_int_equal(soma_requires_grad(w, false), first);
    assert_int_equal(soma_optim_step(o), first);
    assert_int_equal(soma_optim_zero_grad(o), first);
    assert_int_equal(soma_optim_sgd_group(o, &w, 1, 0.1, NULL), first);
    assert_int_equal(soma_clip_grad_norm(&w, 1, 0.1, NULL), first);
    assert_int_equal(soma_clip_grad_value(&w, 1, 0.1), first);
    assert_int_equal(soma_guard_finite(w), first);
    assert_int_equal(soma_module_add_parameter(m, "more", w), first);
    assert_int_equal(soma_module_parameters(m, &params, &n), first);
    assert_int_equal(soma_on_run(ctx, hook, unhook, &called), first);
    assert_int_equal(soma_scope_defer(ctx, deferred, &called), first);
    assert_int_equal(soma_program_bind(p, 0, got, NULL), first);
    assert_int_equal(soma_program_run(p), first);
    assert_int_equal(soma_manual_seed(ctx, 9), first);
    assert_int_equal(soma_eval(ctx), first);
    assert_int_equal(soma_explain(ctx, &text), first);
    assert_int_equal(called, 0);
    assert_true(recorded(ctx) == nodes);
    assert_int_equal(soma_initial_seed(ctx), 0);
    assert_int_equal(soma_optim_steps(o, 0), 0);
    assert_int_equal(soma_module_state_count(m), 2);
    assert_true(soma_tensor_requires_grad(w));
    assert_non_null(strstr(soma_error_message(ctx), "do not broadcast")); /* the first one stays */
    /* reading finished values and closing */
    assert_int_equal(soma_read(done, got, sizeof got), SOMA_OK);
    assert_true(got[0] == 1);
    assert_int_equal(soma_read(w, got, sizeof got), SOMA_OK);
    assert_int_equal(soma_data(w, &at), SOMA_OK);
    assert_int_equal(soma_program_output(p, 0, &at, NULL), SOMA_OK);
    assert_true(*(const float *)at == 4);
    assert_int_equal(soma_scope_close(open), first);
    assert_int_equal(soma_error_take(ctx), first);
    assert_int_equal(soma_error_status(ctx), SOMA_OK);
    assert_int_equal(soma_error_take(ctx), SOMA_OK);
    assert_non_null(soma_tensor_grad(w));
    assert_int_equal(soma_optim_step(o), SOMA_OK);
    soma_read(w, got, sizeof got);
    assert_true(got[0] == 0);
    assert_int_equal(soma_program_run(p), SOMA_OK); /* with what was bound before */
    soma_program_item(p, 0, &v);
    check_error(ctx, SOMA_ERROR_SHAPE, "2 elements");
    soma_context_free(ctx);
}

static void refused(soma_context *ctx, soma_context *other, bool failed, const char *call) {
    if (!failed || !strstr(soma_error_message(ctx), "another context") || soma_error_take(ctx) != SOMA_ERROR_ARGUMENT ||
        soma_error_status(other) != SOMA_OK)
        fail_msg("%s: '%s', of the other context '%s'", call, soma_error_message(ctx), soma_error_message(other));
}

static void a_tensor_of_another_context_is_an_error(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL), *other = check_context(NULL);
    soma_tensor *x = soma_variable(soma_ones(ctx, SOMA_F32, SOMA_SHAPE(2, 2)), &(soma_variable_opts){.requires_grad = 1});
    soma_tensor *y = soma_variable(soma_ones(other, SOMA_F32, SOMA_SHAPE(2, 2)), &(soma_variable_opts){.requires_grad = 1});
    soma_tensor *mine = soma_square(x), *sum = soma_sum(mine, NULL), *g[1], *both[2] = {x, y};
    soma_module *m = soma_nn_linear(ctx, 2, 2, NULL), *theirs = soma_nn_relu(other);
    soma_optim *o = soma_optim_sgd(ctx, &x, 1, 0.1, NULL);
#define REFUSED(e) refused(ctx, other, (e), #e)
    REFUSED(!soma_mul(x, y));
    REFUSED(!soma_matmul(x, y));
    REFUSED(!soma_cat(both, 2, 0));
    REFUSED(!soma_where(soma_gt(x, x), x, y));
    REFUSED(!soma_linear(x, y, NULL));
    REFUSED(!soma_cross_entropy(x, y, NULL));
    REFUSED(!soma_cross_entropy(x, x, &(soma_cross_entropy_opts){.weight = soma_ones(other, SOMA_F32, SOMA_SHAPE(2))}));
    REFUSED(soma_assign(x, y) < 0);
    REFUSED(!soma_forward(m, y));
    REFUSED(soma_backward(mine, y) < 0);
    REFUSED(soma_set_grad(x, y) < 0);
    REFUSED(soma_grad(&sum, 1, &y, 1, g, NULL) < 0);
    REFUSED(soma_grad((soma_tensor *[]){sum, soma_sum(y, NULL)}, 2, &x, 1, g, NULL) < 0);
    REFUSED(soma_grad(&mine, 1, &x, 1, g, &(soma_grad_opts){.seeds = &y}) < 0);
    REFUSED(!soma_variable(x, &(soma_variable_opts){.scope_of = y}));
    REFUSED(!soma_optim_sgd(ctx, both, 2, 0.1, NULL));
    REFUSED(soma_optim_sgd_group(o, &y, 1, 0.1, NULL) < 0);
    REFUSED(soma_clip_grad_value(both, 2, 1) < 0);
    REFUSED(soma_clip_grad_norm(both, 2, 1, NULL) < 0);
    REFUSED(soma_zero_grad(both, 2) < 0);
    REFUSED(soma_module_add_parameter(m, "more", y) < 0);
    REFUSED(soma_module_add_child(m, "more", theirs) < 0);
    REFUSED(!soma_nn_sequential(ctx, SOMA_MODULES(m, theirs)));
    REFUSED(!soma_loader_new(ctx, soma_dataset_arrays(other, (float[]){0, 1}, (int64_t[]){0, 1}, 2, NULL, 0), 1, NULL));
    soma_context_free(ctx);
    soma_context_free(other);
}

/* What the child of a fork sees, as an exit status: 0 when all is as promised. */
static int in_the_child(soma_context *ctx, soma_tensor *done, soma_program *p, soma_loader *l) {
    float got[2];
    soma_batch b;
    if (soma_relu(done)) return 1;
    if (soma_error_status(ctx) != SOMA_ERROR_STATE || !strstr(soma_error_message(ctx), "fork")) return 2;
    soma_error_take(ctx);
    if (soma_error_status(ctx) != SOMA_ERROR_STATE) return 3; /* it stays true */
    if (soma_program_run(p) != SOMA_ERROR_STATE || soma_eval(ctx) != SOMA_ERROR_STATE || soma_scope_open(ctx)) return 4;
    if (soma_loader_next(l, &b) || soma_loader_start(l, 1) != SOMA_ERROR_STATE) return 5;
    if (soma_read(done, got, sizeof got) != SOMA_OK || got[1] != 4) return 6;
    soma_context *own = NULL;
    double v = 0;
    if (soma_context_create(&own, &(soma_context_opts){.threads = 2}) != SOMA_OK) return 7;
    if (soma_item(soma_sum(soma_ones(own, SOMA_F32, SOMA_SHAPE(100000)), NULL), &v) != SOMA_OK || v != 100000) return 8;
    soma_context_free(own);
    soma_context_free(ctx);
    return 0;
}

static void after_a_fork_the_child_gets_an_error(void **state) {
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        soma_context *ctx = check_context(&(soma_context_opts){.threads = threads});
        float two[2] = {2, 2}, samples[8] = {0};
        const int64_t classes[8] = {0};
        soma_tensor *done = soma_square(soma_from(ctx, two, SOMA_F32, SOMA_SHAPE(2)));
        soma_tensor *big = soma_full(ctx, 1, SOMA_F32, SOMA_SHAPE(300, 300));
        soma_slot slot = {{2}, 1, SOMA_F32};
        soma_program *p = soma_capture(ctx, no_body, NULL, &slot, 1, 1, NULL);
        soma_loader *l = soma_loader_new(ctx, soma_dataset_arrays(ctx, samples, classes, 8, NULL, 0), 2, NULL);
        soma_matmul(big, big); /* starts the threads */
        soma_program_bind(p, 0, two, NULL);
        soma_program_run(p);
        check_fine(ctx);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            alarm(20); /* a hanging child is a failure, too */
            _exit(in_the_child(ctx, done, p, l));
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) fail_msg("%d threads: the child ended with status %x", threads, (unsigned)status);
        assert_int_equal(soma_program_run(p), SOMA_OK); /* the parent goes on */
        soma_batch b;
        assert_true(soma_loader_next(l, &b));
        soma_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_copies_at_the_call_and_borrow_reads_later),
                                       cmocka_unit_test(names_and_shapes_are_copied),
                                       cmocka_unit_test(a_pointer_is_valid_until_the_scope_closes_or_the_variable_is_assigned),
                                       cmocka_unit_test(interior_values_are_an_error_never_old_memory),
                                       cmocka_unit_test(results_of_interior_parts_are_held_though_evaluated_inside),
                                       cmocka_unit_test(while_an_error_is_pending_calls_fail_and_change_nothing),
                                       cmocka_unit_test(a_tensor_of_another_context_is_an_error),
                                       cmocka_unit_test(after_a_fork_the_child_gets_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
