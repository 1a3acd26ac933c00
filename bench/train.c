/* What training by a recipe costs beside the engine's row for its shape (mlp-512-adam): train [FOLDER]. Row and recipe take turns on MNIST, and the
 * least of each is told: a step with data, progress and metrics; the files of an epoch; the test of an epoch (10000 samples for 60000 learned from),
 * which the row has not. */
#include "support/clock.h"
#include "support/workload.h"

#include <soma/soma.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS 6
#define EPOCHS 3

static const char recipe[] =
    "{\"data\": {\"kind\": \"idx\", \"path\": \"mnist\"}, \"model\": [\"flatten\", {\"linear\": 512}, \"relu\", {\"linear\": 512}, \"relu\", "
    "{\"linear\": 10}], \"optimizer\": {\"adam\": {\"lr\": 0.001}}, \"train\": {\"epochs\": 3, \"batch\": 128}}";

/* Seconds between calls of progress. */
typedef struct times {
    double last, steps, ends;
    int64_t counted;
} times;

static void progress(void *user, const soma_progress *p) {
    times *t = user;
    double now = bench_now();
    if (t->last > 0 && p->epoch_ends) t->ends += now - t->last;
    else if (t->last > 0) t->steps += now - t->last, t->counted++;
    t->last = now;
}

static double less(double a, double b) { return a < b ? a : b; }

/* A training, with files or without; false after an error, which is printed. */
static bool train(const char *data, int threads, const char *out, times *t) {
    soma_context *ctx;
    soma_train_result result;
    *t = (times){0};
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = threads}) != SOMA_OK) return false;
    soma_status s = soma_train(soma_recipe_read(ctx, recipe, sizeof recipe - 1), &result,
                               &(soma_train_opts){.data = data, .out = out, .progress = progress, .user = t});
    if (s != SOMA_OK) fprintf(stderr, "train: %s\n", soma_error_message(ctx));
    soma_context_free(ctx);
    return s == SOMA_OK;
}

static bool measure(const workload *w, const char *data, int threads) {
    double row = 1e9, step = 1e9, test = 1e9, ends = 1e9;
    bench_job *job = bench_job_open(w, threads);
    if (!job) return false;
    bench_job_block(job, 1, 0.3);
    for (int turn = 0; turn < TURNS; turn++) {
        char out[] = "/tmp/soma-bench-XXXXXX", command[64];
        times bare, whole;
        bool fine = mkdtemp(out) && train(data, threads, NULL, &bare) && train(data, threads, out, &whole);
        snprintf(command, sizeof command, "rm -rf %s", out);
        if (system(command) != 0 || !fine) return bench_job_close(job), false;
        row = less(row, bench_job_block(job, 1, 0.3));
        step = less(step, whole.steps / (double)whole.counted);
        test = less(test, bare.ends / EPOCHS);
        ends = less(ends, whole.ends / EPOCHS);
    }
    double epoch = row * 469;
    printf("%d threads: the row %.3f ms a step; by recipe %.3f ms (%+.1f %%); an epoch's files %.1f ms (%+.1f %%), its test %.1f ms (%+.1f %%)\n",
           threads, 1000 * row, 1000 * step, 100 * (step / row - 1), 1000 * (ends - test), 100 * (ends - test) / epoch, 1000 * test,
           100 * test / epoch);
    bench_job_close(job);
    return true;
}

int main(int argc, char **argv) {
    const char *data = argc > 1 ? argv[1] : getenv("SOMA_DATA");
    const workload *w = bench_workloads;
    soma_context *ctx;
    while (strcmp(w->name, "mlp-512-adam") != 0) w++;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) return 1;
    int all = (int)soma_context_threads(ctx);
    soma_context_free(ctx);
    if (!data) data = "../shared/data";
    return measure(w, data, 1) && (all == 1 || measure(w, data, all)) ? 0 : 1;
}
