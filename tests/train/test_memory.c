/* What is told of a training step's memory is what a run takes: by a counting allocator, from when the data is there to the end of some steps. */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that goes through the allocator; the loader's thread may take some. */
static int64_t live, peak;
static void *counting_alloc(void *user, size_t size, size_t align) {
    (void)user;
    void *p = NULL;
    if (posix_memalign(&p, align, size) != 0) return NULL;
    int64_t now = __atomic_add_fetch(&live, (int64_t)size, __ATOMIC_SEQ_CST);
    if (now > peak) peak = now;
    return p;
}
static void counting_free(void *user, void *p, size_t size) {
    (void)user;
    __atomic_sub_fetch(&live, (int64_t)size, __ATOMIC_SEQ_CST);
    free(p);
}
static soma_context *counted(void) {
    live = peak = 0;
    return check_context(&(soma_context_opts){.threads = 2, .allocator = &(soma_allocator){counting_alloc, counting_free, NULL}});
}

#define GLYPHS "{\"data\": {\"kind\": \"glyphs\", \"train\": 700, \"test\": 10}, \"model\": ["
#define CONV3(n) "{\"conv\": {\"channels\": " #n ", \"padding\": 1, \"bias\": false}}, \"batch_norm\""
#define BLOCK(n) "{\"residual\": [" CONV3(n) ", \"relu\", " CONV3(n) "]}, \"relu\", "
#define DOWN(n) \
    "{\"residual\": {\"layers\": [{\"conv\": {\"channels\": " #n ", \"stride\": 2, \"padding\": 1, \"bias\": false}}, \"batch_norm\", " \
    "\"relu\", " CONV3(n) "], \"shortcut\": [{\"conv\": {\"channels\": " #n \
                          ", \"kernel\": 1, \"stride\": 2, \"bias\": false}}, \"batch_norm\"]}}, \"relu\", "
/* The nets of the recipes' folder, on digits; and what keeps more than they do. */
static const struct {
    const char *name, *json;
} runs[] = {
    {"mnist-cnn", GLYPHS "{\"conv\": {\"channels\": 32, \"kernel\": 3}}, \"relu\", {\"conv\": {\"channels\": 64, \"kernel\": 3}}, \"relu\", "
                         "{\"max_pool\": 2}, {\"dropout\": 0.25}, \"flatten\", {\"linear\": 128}, \"relu\", {\"dropout\": 0.5}, {\"linear\": 10}], "
                         "\"optimizer\": {\"adadelta\": {\"lr\": 1.0}}, \"train\": {\"epochs\": 1, \"batch\": 64}}"},
    {"mnist-lenet",
     GLYPHS "{\"conv\": {\"channels\": 6, \"kernel\": 5, \"padding\": 2}}, \"relu\", {\"max_pool\": 2}, {\"conv\": {\"channels\": 16, "
            "\"kernel\": 5}}, \"relu\", {\"max_pool\": 2}, \"flatten\", {\"linear\": 120}, \"relu\", {\"linear\": 84}, \"relu\", "
            "{\"linear\": 10}], \"optimizer\": {\"sgd\": {\"lr\": 0.05, \"momentum\": 0.9}}, \"train\": {\"epochs\": 1, \"batch\": 64}}"},
    {"digits-cnn",
     GLYPHS "{\"conv\": {\"channels\": 8, \"kernel\": 3, \"padding\": \"same\"}}, \"batch_norm\", \"relu\", {\"max_pool\": 2}, {\"conv\": "
            "{\"channels\": 16, \"kernel\": 3, \"padding\": \"same\"}}, \"batch_norm\", \"relu\", {\"max_pool\": 2}, \"flatten\", "
            "{\"linear\": 10}], \"optimizer\": {\"adam\": {\"lr\": 0.002}}, \"train\": {\"epochs\": 1, \"batch\": 64}}"},
    {"mnist-mlp",
     GLYPHS "\"flatten\", {\"linear\": 512}, \"relu\", {\"dropout\": 0.2}, {\"linear\": 256}, \"relu\", {\"dropout\": 0.2}, {\"linear\": "
            "10}], \"optimizer\": {\"adam\": {\"lr\": 0.001}}, \"train\": {\"epochs\": 1, \"batch\": 128}}"},
    {"resnet20", GLYPHS CONV3(16) ", \"relu\", " BLOCK(16) BLOCK(16) BLOCK(16) DOWN(32) BLOCK(32) BLOCK(32) DOWN(64) BLOCK(64)
                     BLOCK(64) "\"global_avg_pool\", {\"linear\": 10}], \"optimizer\": {\"sgd\": {\"lr\": 0.2, \"momentum\": 0.9, \"weight_decay\": "
                               "0.0005, \"nesterov\": "
                               "true}}, \"train\": {\"epochs\": 1, \"batch\": 32}}"},
    {"a linear layer", GLYPHS "\"flatten\", {\"linear\": 10}], \"train\": {\"epochs\": 1, \"batch\": 1}}"},
    {"averages, clipping, the best weights", GLYPHS "\"flatten\", {\"linear\": 300}, \"tanh\", {\"linear\": 10}], \"train\": {\"epochs\": 1, "
                                                    "\"batch\": 50, \"average\": \"ema\", \"patience\": 2, \"clip_norm\": 1, \"mixup\": 0.2}}"},
    {"lbfgs", GLYPHS "\"flatten\", {\"linear\": 100}, \"tanh\", {\"linear\": 10}], \"optimizer\": {\"lbfgs\": {\"max_iter\": 2}}, \"train\": "
                     "{\"epochs\": 1, \"batch\": \"all\"}}"},
};

static soma_recipe *recipe(soma_context *ctx, int i) {
    soma_recipe *r = soma_recipe_read(ctx, runs[i].json, strlen(runs[i].json));
    if (soma_recipe_problem_count(r)) fail_msg("%s: %s", runs[i].name, soma_error_message(ctx));
    return r;
}

static int64_t at_start;
static volatile int stop;
static soma_status begins(void *user) {
    (void)user;
    peak = at_start = live;
    return SOMA_OK;
}
static void watch(void *user, const soma_progress *p) {
    (void)user;
    stop = p->step == 3;
}

/* Bytes that the data takes alone. */
static int64_t data_bytes(int i) {
    soma_context *ctx = counted();
    soma_recipe *r = recipe(ctx, i);
    soma_dataset *train, *test;
    int64_t before = live;
    soma_recipe_data(r, NULL, &train, &test);
    int64_t bytes = live - before;
    soma_context_free(ctx);
    return bytes;
}

static void a_step_takes_what_is_told(void **state) {
    (void)state;
    for (int i = 0; i < (int)(sizeof runs / sizeof *runs); i++) {
        soma_train_bytes told;
        int64_t data = data_bytes(i);
        soma_context *ctx = counted();
        if (soma_train_memory(recipe(ctx, i), NULL, &told) != SOMA_OK) fail_msg("%s: %s", runs[i].name, soma_error_message(ctx));
        soma_stats s;
        soma_context_stats(ctx, &s);
        assert_true(s.live_bytes <= live && live - s.live_bytes < 65536 && s.peak_bytes >= s.live_bytes); /* the context itself is not counted */
        soma_context_free(ctx);
        ctx = counted();
        soma_recipe *r = recipe(ctx, i);
        soma_train_result result;
        int64_t before = live + data;
        stop = 0;
        if (soma_train(r, &result, &(soma_train_opts){.started = begins, .progress = watch, .stop = &stop}) != SOMA_OK)
            fail_msg("%s: %s", runs[i].name, soma_error_message(ctx));
        double taken = (double)(peak - before), off = (double)told.total / taken - 1;
        print_message("%-40s told %9.0f, taken %9.0f: %+.2f %% (weights %.0f, optimizer %.0f, copies %.0f, values %.0f, batches %.0f, rest %.0f)\n",
                      runs[i].name, (double)told.total, taken, 100 * off, (double)told.weights, (double)told.optimizer, (double)told.copies,
                      (double)told.values, (double)told.batches, (double)told.rest);
        assert_true(at_start > 0 && told.total == told.weights + told.optimizer + told.copies + told.values + told.batches + told.rest);
        assert_true(told.weights > 0 && told.values > 0 && told.batches >= 0 && told.rest > 0 && told.data == data);
        if (!(fabs(off) <= 0.05)) fail_msg("%s: off by %.1f %%", runs[i].name, 100 * off);
        soma_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_step_takes_what_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
