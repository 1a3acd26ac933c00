/* Every allocation of building and training a small model is failed in turn: an error each time, no leak, no crash. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if SOMA_HAVE_ZLIB
#include <zlib.h>
#endif

static char images[64], labels[64];

typedef struct counter {
    int64_t left, live, bytes;
} counter;

static void *failing_alloc(void *user, size_t size, size_t align) {
    counter *c = user;
    if (c->left-- == 0) return NULL;
    void *p = NULL;
    if (posix_memalign(&p, align, size) != 0) return NULL;
    c->live++, c->bytes += (int64_t)size;
    return p;
}
static void counting_free(void *user, void *p, size_t size) {
    counter *c = user;
    c->live--, c->bytes -= (int64_t)size;
    free(p);
}

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    (void)n_in, (void)n_out;
    soma_module *net = ((void **)user)[0];
    soma_optim *optim = ((void **)user)[1];
    out[0] = soma_cross_entropy(soma_forward(net, in[0]), in[1], NULL);
    soma_backward(out[0], NULL);
    soma_optim_step(optim);
    soma_optim_zero_grad(optim);
    return soma_error_status(ctx);
}

static soma_status work(soma_context *ctx) {
    static const float x[8] = {0, 0, 0, 1, 1, 0, 1, 1};
    static const int64_t t[4] = {0, 1, 1, 0};
    soma_module *net = soma_nn_sequential(
        ctx, SOMA_MODULES(soma_nn_linear(ctx, 2, 8, NULL), soma_nn_tanh(ctx), soma_nn_dropout(ctx, 0.1), soma_nn_linear(ctx, 8, 2, NULL)));
    soma_tensor *const *params = NULL;
    size_t n = 0;
    if (net) soma_module_parameters(net, &params, &n);
    soma_optim *optim = net ? soma_optim_adam(ctx, params, n, 0.1, NULL) : NULL;
    for (int i = 0; i < 2 && optim; i++) {
        soma_scope *s = soma_scope_open(ctx);
        if (!s) break;
        soma_tensor *in[2] = {soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(4, 2)), soma_from(ctx, t, SOMA_I64, SOMA_SHAPE(4))}, *loss = NULL;
        double v;
        body(ctx, (void *[]){net, optim}, in, 2, &loss, 1);
        soma_item(loss, &v);
        soma_scope_close(s);
    }
    soma_slot slots[2] = {{{4, 2}, 2, SOMA_F32}, {{4}, 1, SOMA_I64}};
    void *user[2] = {net, optim};
    soma_program *p = optim ? soma_capture(ctx, body, user, slots, 2, 1, NULL) : NULL;
    soma_program_bind(p, 0, x, NULL);
    soma_program_bind(p, 1, t, NULL);
    soma_program_run(p);
    soma_loader *l = soma_loader_new(ctx, soma_dataset_arrays(ctx, x, t, 4, SOMA_SHAPE(2)), 2, &(soma_loader_opts){.shuffle = 1});
    soma_batch b;
    soma_loader_next(l, &b);
    soma_loader_next(soma_loader_new(ctx, soma_dataset_idx(ctx, images, labels, NULL), 1, NULL), &b);
    return soma_error_status(ctx);
}

static const char *write_file(char *path, const void *data, size_t size) {
    strcpy(path, "/tmp/soma-failing-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    close(fd);
    return path;
}

/* One image of a pixel, packed where that can be read; and its label. */
static void write_files(void) {
    unsigned char x[17] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 51}, y[9] = {0, 0, 8, 1, 0, 0, 0, 1, 0};
#if SOMA_HAVE_ZLIB
    unsigned char gz[256];
    z_stream z = {.next_in = x, .avail_in = sizeof x, .next_out = gz, .avail_out = sizeof gz};
    if (deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK || deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
    deflateEnd(&z);
    write_file(images, gz, sizeof gz - z.avail_out);
#else
    write_file(images, x, sizeof x);
#endif
    write_file(labels, y, sizeof y);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    int64_t n = 0;
    for (;; n++) {
        counter c = {n, 0, 0};
        soma_allocator a = {failing_alloc, counting_free, &c};
        soma_context *ctx = NULL;
        soma_status s = soma_context_create(&ctx, &(soma_context_opts){.allocator = &a, .threads = 1});
        if (s == SOMA_OK) s = work(ctx);
        bool failed = c.left < 0;
        soma_context_free(ctx);
        if (c.live || c.bytes) fail_msg("allocation %d failed: %d blocks, %d bytes leaked", (int)n, (int)c.live, (int)c.bytes);
        if (failed && s != SOMA_ERROR_MEMORY) fail_msg("allocation %d failed: %s", (int)n, soma_status_name(s));
        if (!failed) {
            assert_int_equal(s, SOMA_OK);
            break;
        }
    }
    print_message("%d allocations failed in turn\n", (int)n);
    assert_true(n > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    write_files();
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(images), unlink(labels);
    return bad;
}
