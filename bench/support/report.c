#include "support/report.h"

#include <stdlib.h>
#include <string.h>

void samples_add(samples *s, double seconds) {
    if (seconds < 0) s->failed = true;
    else if (s->count < REPORT_MAX_BLOCKS) s->ms[s->count++] = seconds * 1e3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double ranked(const samples *s, double rank) {
    double sorted[REPORT_MAX_BLOCKS];
    if (s->count == 0) return 0;
    memcpy(sorted, s->ms, (size_t)s->count * sizeof *sorted);
    qsort(sorted, (size_t)s->count, sizeof *sorted, ascending);
    return sorted[(int)(rank * (s->count - 1))];
}

double samples_min(const samples *s) { return ranked(s, 0); }
double samples_median(const samples *s) { return ranked(s, 0.5); }

void report_heading(const char *name, const char *words) {
    printf("\n%s: %s\n%-32s %7s %10s %10s %9s %8s %7s\n", name, words, "", "threads", "ms median", "minimum", "GFLOP/s", "of peak", "ratio");
}

/* {"name": ..., "threads": ..., "ms": ...}; a number without a meaning is null. */
static void write_json(const measured *r, double gflops, double fraction, double ratio, FILE *json) {
    fprintf(json, "{\"name\": \"%s %s\", \"threads\": %d, \"ms\": %.6g, \"min_ms\": %.6g, \"gflops\": %.5g, \"peak_fraction\": %.4g, ", r->name,
            r->way, r->threads, samples_median(r->blocks), samples_min(r->blocks), gflops, fraction);
    if (r->peer)
        fprintf(json, "\"peer\": \"%s\", \"peer_ms\": %.6g, \"peer_min_ms\": %.6g, \"ratio\": %.4g}\n", r->peer, samples_median(r->of_peer),
                samples_min(r->of_peer), ratio);
    else fprintf(json, "\"peer\": null, \"peer_ms\": null, \"peer_min_ms\": null, \"ratio\": null}\n");
}

void report_result(const measured *r, FILE *json) {
    double least = samples_min(r->blocks);
    if (r->blocks->failed || r->blocks->count == 0) {
        printf("%-32s %7d     failed\n", r->way, r->threads);
        return;
    }
    double gflops = r->flops / least * 1e-6, fraction = r->peak > 0 ? gflops / (r->peak * r->threads) : 0;
    double ratio = r->peer ? samples_min(r->of_peer) / least : 0;
    printf("%-32s %7d %10.4g %10.4g %9.4g %6.1f %%", r->way, r->threads, samples_median(r->blocks), least, gflops, fraction * 100);
    if (r->ours && r->peer) printf(" %7.2f", ratio);
    printf("\n");
    if (r->ours && json) write_json(r, gflops, fraction, ratio, json);
}
