#include "support/peer.h"
#include "support/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#define PATIENCE 300.0 /* seconds; compilers of peers are slow */

/* Reads one line into the reply, without its newline. False at the end, or when patience is out. */
static bool read_line(peer *p) {
    double until = bench_now() + PATIENCE;
    for (size_t at = 0; at + 1 < sizeof p->reply;) {
        struct pollfd f = {.fd = p->from, .events = POLLIN};
        int left = (int)((until - bench_now()) * 1000);
        if (left <= 0 || poll(&f, 1, left) <= 0) return false;
        ssize_t got = read(p->from, p->reply + at, sizeof p->reply - 1 - at);
        if (got <= 0) return false;
        at += (size_t)got;
        p->reply[at] = 0;
        if (p->reply[at - 1] == '\n') {
            p->reply[at - 1] = 0;
            return true;
        }
    }
    return false;
}

/* Not passed on to peers that start later: the end of a pipe must end it. */
static bool make_pipe(int fds[2]) {
    if (pipe(fds) != 0) return false;
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    return true;
}

static void run_child(const int to[2], const int from[2], const char *log, char *const argv[]) {
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(to[0], 0);
    dup2(from[1], 1);
    if (err >= 0) dup2(err, 2);
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a stopped process would outlive an interrupted bench */
#endif
    setenv("OMP_NUM_THREADS", argv[3], 1);
    execvp(argv[0], argv);
    _exit(127);
}

bool peer_start(peer *p, const char *python, const char *script, const char *log, const char *framework, int threads) {
    int to[2], from[2];
    char count[16];
    snprintf(count, sizeof count, "%d", threads);
    *p = (peer){.framework = framework, .threads = threads};
    if (!make_pipe(to)) return false;
    if (!make_pipe(from)) return close(to[0]), close(to[1]), false;
    fflush(NULL);
    p->pid = fork();
    if (p->pid == 0) run_child(to, from, log, (char *const[]){(char *)python, (char *)script, (char *)framework, count, NULL});
    close(to[0]);
    close(from[1]);
    p->to = to[1];
    p->from = from[0];
    if (p->pid < 0) p->pid = 0;
    if (p->pid == 0 || !read_line(p) || strncmp(p->reply, "ready ", 6) != 0) return peer_stop(p), false;
    snprintf(p->version, sizeof p->version, "%.60s", p->reply + 6);
    kill(p->pid, SIGSTOP);
    return true;
}

static bool ask(peer *p, const char *line) {
    if (p->pid == 0) return false;
    kill(p->pid, SIGCONT);
    bool ok = write(p->to, line, strlen(line)) == (ssize_t)strlen(line) && read_line(p);
    if (!ok) fprintf(stderr, "bench: %s with %d threads does not answer and is left out\n", p->framework, p->threads);
    if (ok) kill(p->pid, SIGSTOP);
    else peer_stop(p);
    return ok;
}

bool peer_prepare(peer *p, const char *spec, double block_seconds) {
    char line[256];
    p->way_count = 0;
    snprintf(line, sizeof line, "prepare %g %s\n", block_seconds, spec);
    if (!ask(p, line)) return false;
    snprintf(p->ways, sizeof p->ways, "%s", p->reply);
    for (char *word = strtok(p->ways, "\t"); word && p->way_count < PEER_MAX_WAYS; word = strtok(NULL, "\t")) p->way[p->way_count++] = word;
    return p->way_count > 0;
}

double peer_block(peer *p, int way) {
    char line[32];
    snprintf(line, sizeof line, "block %d\n", way);
    return ask(p, line) ? strtod(p->reply, NULL) : -1;
}

void peer_stop(peer *p) {
    if (p->to) close(p->to);
    if (p->from) close(p->from);
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    p->pid = p->to = p->from = p->way_count = 0;
}
