/* Measures soma on the work of bench/support/workload.c: milliseconds, the fraction of the multiply-add peak, and peers on the same
 * work in the same minute. Blocks of soma and of the peers take turns; only one runs at any moment.
 *
 *     speed [--quick] [--no-peers] [--python PATH --peer SCRIPT --log FILE] [--json FILE] [--startup PROGRAM] [filter]
 *
 * The ratio is the best peer's time over soma's. A filter is a part of a workload's name. */
#include "support/clock.h"
#include "support/peak.h"
#include "support/peer.h"
#include "support/report.h"
#include "support/workload.h"

#include <soma/soma.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PEERS 6
#define STARTS 20 /* runs of the smallest program */

static const char *const frameworks[] = {"torch", "jax", "onnx"};

typedef struct bench {
    bool quick, no_peers;
    const char *python, *script, *log, *json_path, *startup, *filter;
    const char *isa;
    int threads; /* all */
    double peak; /* GFLOP/s of one thread, the best seen so far */
    peer peers[MAX_PEERS];
    int peer_count;
    FILE *json;
    bool failed;
} bench;

static bool parse(bench *b, int argc, char **argv) {
    const struct option_row {
        const char *name, **value;
        bool *flag;
    } rows[] = {{"--quick", NULL, &b->quick}, {"--no-peers", NULL, &b->no_peers}, {"--python", &b->python, NULL},  {"--peer", &b->script, NULL},
                {"--log", &b->log, NULL},     {"--json", &b->json_path, NULL},    {"--startup", &b->startup, NULL}};
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = NULL;
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
            if (strcmp(rows[k].name, argv[i]) == 0) row = &rows[k];
        if (row && row->flag) *row->flag = true;
        else if (row && i + 1 < argc) *row->value = argv[++i];
        else if (argv[i][0] != '-' && !b->filter) b->filter = argv[i];
        else return fprintf(stderr, "bench: what is %s?\nbench/run [--quick] [--no-peers] [part of a workload's name]\n", argv[i]), false;
    }
    return true;
}

static void print_cpu(void) {
    char line[256], model[200] = "unknown";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %199[^\n]", model) == 1) break;
    if (f) fclose(f);
    printf("cpu: %s\n", model);
}

/* Spinning threads that share a core with other work take many times as long, soma's and the peers' alike. */
static void warn_of_load(int threads) {
    double load;
    if (getloadavg(&load, 1) == 1 && load > 0.3 * threads)
        printf("warning: other work runs, or ran a minute ago, on this machine (load %.1f); do not trust these numbers\n", load);
}

/* What soma uses here. */
static bool print_facts(bench *b) {
    soma_context *ctx;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) return false;
    for (const char *const *isa = (const char *const[]){"avx512", "avx2", "neon", "portable", NULL}; *isa; isa++)
        if (strcmp(*isa, soma_context_isa(ctx)) == 0) b->isa = *isa;
    b->threads = (int)soma_context_threads(ctx);
    soma_context_free(ctx);
    b->peak = bench_peak(b->isa, 1, 0.3);
    print_cpu();
    printf("soma %s, compiler %s, instruction set %s, threads %d\n", soma_version(), __VERSION__, b->isa, b->threads);
    printf("multiply-add peak: %.1f GFLOP/s with 1 thread, %.1f with %d\n", b->peak, bench_peak(b->isa, b->threads, 0.3), b->threads);
    warn_of_load(b->threads);
    return true;
}

static void start_peers(bench *b) {
    for (size_t i = 0; i < sizeof frameworks / sizeof frameworks[0]; i++)
        for (int threads = 1; threads <= b->threads; threads += b->threads > 1 ? b->threads - 1 : 1) {
            peer *p = &b->peers[b->peer_count];
            if (!peer_start(p, b->python, b->script, b->log, frameworks[i], threads)) break;
            if (threads == 1) printf("peer: %s\n", p->version);
            b->peer_count++;
        }
    if (b->peer_count == 0) printf("peers: none (a Python that imports torch, jax or onnxruntime: BENCH_PYTHON=...)\n");
}

/* Samples of one workload with one number of threads. */
typedef struct round_table {
    samples ours[BENCH_MAX_WAYS], theirs[MAX_PEERS][PEER_MAX_WAYS];
} round_table;

static void run_blocks(bench *b, bench_job *job, int threads, round_table *t) {
    int blocks = b->quick ? 3 : 9;
    double seconds = b->quick ? 0.03 : 0.08;
    for (int way = 0; bench_job_way(job, way); way++)
        if (bench_job_block(job, way, seconds) < 0) t->ours[way].failed = true;
    for (int block = 0; block < blocks; block++) {
        for (int way = 0; bench_job_way(job, way); way++)
            if (!t->ours[way].failed) samples_add(&t->ours[way], bench_job_block(job, way, seconds));
        for (int i = 0; i < b->peer_count; i++)
            for (int way = 0; b->peers[i].threads == threads && way < b->peers[i].way_count; way++)
                samples_add(&t->theirs[i][way], peer_block(&b->peers[i], way));
    }
}

static void report(bench *b, const workload *w, const bench_job *job, int threads, const round_table *t) {
    char best_name[96] = "", name[96];
    const samples *best = NULL;
    measured r = {.name = w->name, .threads = threads, .flops = bench_flops(w), .peak = b->peak};
    for (int i = 0; i < b->peer_count; i++)
        for (int way = 0; b->peers[i].threads == threads && way < b->peers[i].way_count; way++) {
            const samples *s = &t->theirs[i][way];
            if (s->count == 0 || s->failed || (best && samples_min(s) >= samples_min(best))) continue;
            best = s;
            snprintf(best_name, sizeof best_name, "%s %s", b->peers[i].framework, b->peers[i].way[way]);
        }
    for (int way = 0; bench_job_way(job, way); way++) {
        snprintf(name, sizeof name, "%s", bench_job_way(job, way));
        r.way = name, r.ours = true, r.blocks = &t->ours[way], r.of_peer = best, r.peer = best ? best_name : NULL;
        b->failed |= t->ours[way].failed;
        report_result(&r, b->json);
    }
    for (int i = 0; i < b->peer_count; i++)
        for (int way = 0; b->peers[i].threads == threads && way < b->peers[i].way_count; way++) {
            snprintf(name, sizeof name, "    %s %s", b->peers[i].framework, b->peers[i].way[way]);
            r.way = name, r.ours = false, r.blocks = &t->theirs[i][way];
            report_result(&r, NULL);
        }
    fflush(stdout);
}

static void measure(bench *b, const workload *w, int threads) {
    char spec[128];
    double now = bench_peak(b->isa, 1, 0.03);
    round_table *t = calloc(1, sizeof *t);
    bench_job *job = bench_job_open(w, threads);
    if (now > b->peak) b->peak = now;
    bench_spec(w, spec, sizeof spec);
    for (int i = 0; i < b->peer_count; i++)
        if (b->peers[i].threads == threads) peer_prepare(&b->peers[i], spec, b->quick ? 0.03 : 0.08);
    if (t && job) {
        run_blocks(b, job, threads, t);
        report(b, w, job, threads, t);
    } else b->failed = true;
    bench_job_close(job);
    free(t);
}

/* Runs a program to its end; its stdout goes to `out` unless that is negative. */
static bool run_program(const char *path, char *argument, int out) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (out >= 0) dup2(out, 1);
        execl(path, path, argument, (char *)NULL);
        _exit(127);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void measure_startup(bench *b) {
    samples s = {0};
    int fds[2];
    char text[32] = "";
    for (int i = 0; i < STARTS; i++) {
        double start = bench_now();
        bool ok = run_program(b->startup, NULL, -1);
        samples_add(&s, ok ? bench_now() - start : -1);
    }
    if (pipe(fds) != 0) return;
    bool ok = run_program(b->startup, "memory", fds[1]) && read(fds[0], text, sizeof text - 1) > 0 && !s.failed;
    close(fds[0]), close(fds[1]);
    double mib = strtod(text, NULL) / 1024;
    b->failed |= !ok;
    printf("\nstartup: a context, a 2x2 product and exit: median %.2f ms, minimum %.2f ms (target 5), %.2f MiB resident (target 4)\n",
           samples_median(&s), samples_min(&s), mib);
    if (b->json)
        fprintf(b->json, "{\"name\": \"startup\", \"ms\": %.4g, \"min_ms\": %.4g, \"resident_mib\": %.4g}\n", samples_median(&s), samples_min(&s),
                mib);
}

int main(int argc, char **argv) {
    static bench b;
    if (!parse(&b, argc, argv) || !print_facts(&b)) return 1;
    signal(SIGPIPE, SIG_IGN); /* a peer that died is an answer that does not come */
    if (b.json_path) b.json = fopen(b.json_path, "w");
    if (!b.no_peers && b.python && b.script && b.log) start_peers(&b);
    printf("GFLOP/s, fraction of peak and ratio (best peer's time / soma's) are of the minima.\n");
    fflush(stdout);
    int found = 0;
    for (size_t i = 0; i < bench_workload_count; i++) {
        const workload *w = &bench_workloads[i];
        if (b.filter && !strstr(w->name, b.filter)) continue;
        found++;
        report_heading(w->name, w->words);
        measure(&b, w, 1);
        if (b.threads > 1 && !w->one_thread) measure(&b, w, b.threads);
    }
    if (found == 0) fprintf(stderr, "bench: no workload's name has '%s' in it\n", b.filter);
    if (b.startup && !b.filter) measure_startup(&b);
    for (int i = 0; i < b.peer_count; i++) peer_stop(&b.peers[i]);
    if (b.json) fclose(b.json);
    return b.failed || found == 0 ? 1 : 0;
}
