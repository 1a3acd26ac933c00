/* What a captured run and a small program cost the system: with one thread no system call at all, and little memory. */
#include "support/check.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What child and parent share: how far the child came, and the number of a call that it made. */
static volatile struct { int64_t runs, refused, call; } * shared;

typedef struct model {
    soma_module *net;
    soma_optim *optim;
    soma_tensor *const *params;
    size_t count;
    double limit;
} model;

static soma_status body(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    model *m = user;
    (void)n_in, (void)n_out;
    out[0] = soma_cross_entropy(soma_forward(m->net, in[0]), in[1], NULL);
    soma_guard_finite(out[0]);
    soma_backward(out[0], NULL);
    soma_clip_grad_norm_by(m->params, m->count, soma_host_scalar(ctx, &m->limit), NULL);
    soma_optim_step(m->optim);
    soma_optim_zero_grad(m->optim);
    return soma_error_status(ctx);
}

/* No function of the C library from here on: the filter lets nothing but exit_group through. */
static void end_process(int status) {
    for (;;) syscall(SYS_exit_group, status);
}
static void on_call(int number, siginfo_t *info, void *machine) {
    (void)number, (void)machine;
    shared->call = info->si_syscall;
    end_process(1);
}

static bool forbid_calls(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO};
    return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* In a process of its own: a filter cannot be taken off again. */
static void child(bool call) {
    static float x[16 * 12];
    static int64_t t[16];
    uint64_t seed = 1;
    for (int i = 0; i < 16 * 12; i++) x[i] = (float)check_random(&seed);
    soma_context *ctx = check_context(&(soma_context_opts){.threads = 1});
    model m = {.limit = 1};
    m.net = soma_nn_sequential(
        ctx, SOMA_MODULES(soma_nn_linear(ctx, 12, 20, NULL), soma_nn_tanh(ctx), soma_nn_dropout(ctx, 0.25), soma_nn_linear(ctx, 20, 3, NULL)));
    soma_module_parameters(m.net, &m.params, &m.count);
    m.optim = soma_optim_adamw(ctx, m.params, m.count, 0.01, NULL);
    soma_slot slots[2] = {{{16, 12}, 2, SOMA_F32}, {{16}, 1, SOMA_I64}};
    soma_program *p = soma_capture(ctx, body, &m, slots, 2, 1, NULL);
    soma_program_bind(p, 0, x, NULL);
    soma_program_bind(p, 1, t, NULL);
    soma_program_run(p);
    if (!forbid_calls()) shared->refused = errno ? errno : 1, end_process(0);
    double loss;
    for (int i = 0; i < 500; i++) {
        soma_program_bind(p, 0, x, NULL);
        soma_optim_set_lr(m.optim, -1, 0.01 / (1 + i));
        m.limit = 1 + i % 3;
        if (call && i == 100) getppid();
        if (soma_program_run(p) != SOMA_OK || soma_program_item(p, 0, &loss) != SOMA_OK) end_process(2);
        shared->runs = i + 1;
    }
    end_process(0);
}

/* The child's exit status, or the negative number of the signal that ended it. */
static int run_child(bool call) {
    shared->runs = shared->refused = 0, shared->call = -1;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) child(call);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void a_captured_run_with_one_thread_makes_no_system_call(void **state) {
    (void)state;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    int status = run_child(true); /* that a call is seen */
    if (shared->refused) {
        print_message("no filter for system calls here (%s)\n", strerror((int)shared->refused));
        skip();
    }
    assert_int_equal(status, 1);
    assert_int_equal(shared->call, SYS_getppid);
    assert_int_equal(shared->runs, 100);
    status = run_child(false);
    if (status) fail_msg("status %d after %d runs, system call %d", status, (int)shared->runs, (int)shared->call);
    assert_int_equal(shared->runs, 500);
}

/* A context, a 2x2 product and the end, in a new process; prints the most memory that it ever had resident, in KiB. */
static int product(void) {
    soma_context *ctx = NULL;
    const float a[4] = {1, 2, 3, 4};
    float c[4];
    if (soma_context_create(&ctx, NULL) != SOMA_OK) return 1;
    soma_tensor *x = soma_from(ctx, a, SOMA_F32, SOMA_SHAPE(2, 2));
    if (soma_read(soma_matmul(x, x), c, sizeof c) != SOMA_OK || c[3] != 22) return 1;
    soma_context_free(ctx);
    char line[128];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0) return puts(line + 6), 0;
    return 77;
}

static void a_small_program_stays_under_4_mib(void **state) {
    (void)state;
#ifdef SOMA_DEBUG
    print_message("sanitizers have memory of their own\n");
    skip();
#endif
    char command[600];
    ssize_t n = readlink("/proc/self/exe", command, 512);
    assert_true(n > 0);
    strcpy(command + n, " product");
    FILE *f = popen(command, "r");
    assert_non_null(f);
    long kib = 0;
    int numbers = fscanf(f, "%ld", &kib), status = pclose(f);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
    assert_int_equal(status, 0);
    assert_int_equal(numbers, 1);
    print_message("%ld KiB\n", kib);
    assert_true(kib < 4096);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "product") == 0) return product();
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_captured_run_with_one_thread_makes_no_system_call),
                                       cmocka_unit_test(a_small_program_stays_under_4_mib)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
